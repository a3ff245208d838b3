//! What programs do with names: open, rename, link, remove, list.

use std::io;
use std::path::{Path, PathBuf};

use super::bytes::Bytes;
use super::{Disk, Entry, Handle, How, inside};

impl Disk {
    pub(in crate::disk) fn open(&self, path: &Path, how: How) -> io::Result<Handle> {
        let path = inside(path);
        let mut state = self.state();
        state.operate(("open", &path, how))?;
        let entry = match (how, state.names.get(&path)) {
            (How::CreateNew, Some(_)) => return Err(io::ErrorKind::AlreadyExists.into()),
            (How::Create, Some(&Entry::File(file))) => {
                if !state.files[file].cached.is_empty() {
                    state.set_length(file, 0);
                }
                Entry::File(file)
            }
            (_, Some(&entry)) => entry,
            (How::Read | How::Write, None) => return Err(io::ErrorKind::NotFound.into()),
            (How::Create | How::CreateNew, None) => {
                state.folder_of(&path)?;
                state.files.push(Bytes::default());
                let made = Entry::File(state.files.len() - 1);
                state.set_names(vec![(path.clone(), Some(made))]);
                made
            }
        };
        Ok(Handle::new(self.clone(), state.life, path, entry))
    }

    pub(in crate::disk) fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        let path = inside(path);
        let mut state = self.state();
        state.operate(("read", &path))?;
        let file = state.file(&path)?;
        Ok(state.files[file].cached.clone())
    }

    pub(in crate::disk) fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let (from, to) = (inside(from), inside(to));
        let mut state = self.state();
        state.operate(("rename", &from, &to))?;
        let file = state.file(&from)?;
        state.folder_of(&to)?;
        state.set_names(vec![(from, None), (to, Some(Entry::File(file)))]);
        Ok(())
    }

    pub(in crate::disk) fn hard_link(&self, file: &Path, name: &Path) -> io::Result<()> {
        let (path, name) = (inside(file), inside(name));
        let mut state = self.state();
        state.operate(("link", &path, &name))?;
        let file = state.file(&path)?;
        state.folder_of(&name)?;
        if state.names.contains_key(&name) {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        state.set_names(vec![(name, Some(Entry::File(file)))]);
        Ok(())
    }

    pub(in crate::disk) fn remove_file(&self, path: &Path) -> io::Result<()> {
        let path = inside(path);
        let mut state = self.state();
        state.operate(("remove", &path))?;
        state.file(&path)?;
        state.set_names(vec![(path, None)]);
        Ok(())
    }

    pub(in crate::disk) fn create_dir_all(&self, path: &Path) -> io::Result<()> {
        let path = inside(path);
        let mut state = self.state();
        state.operate(("folder", &path))?;
        let above: Vec<PathBuf> = path.ancestors().map(Path::to_owned).collect();
        for folder in above.into_iter().rev() {
            match state.names.get(&folder) {
                Some(Entry::Folder) => {}
                Some(Entry::File(_)) => return Err(io::ErrorKind::NotADirectory.into()),
                None => state.set_names(vec![(folder, Some(Entry::Folder))]),
            }
        }
        Ok(())
    }

    pub(in crate::disk) fn remove_dir_all(&self, path: &Path) -> io::Result<()> {
        let path = inside(path);
        let mut state = self.state();
        // What it holds goes name by name, and a fault may come between any two.
        let mut held: Vec<PathBuf> = state.names.keys().filter(|name| name.starts_with(&path)).cloned().collect();
        if held.is_empty() {
            return Err(io::ErrorKind::NotFound.into());
        }
        held.sort_by_key(|name| std::cmp::Reverse(name.components().count()));
        for name in held {
            state.operate(("remove", &name))?;
            state.set_names(vec![(name, None)]);
        }
        Ok(())
    }

    pub(in crate::disk) fn list(&self, folder: &Path) -> io::Result<Vec<PathBuf>> {
        let inner = inside(folder);
        let mut state = self.state();
        state.operate(("list", &inner))?;
        if state.names.get(&inner) != Some(&Entry::Folder) {
            return Err(io::ErrorKind::NotFound.into());
        }
        let held = state.names.keys().filter(|path| path.parent() == Some(&inner));
        Ok(held.filter_map(|path| path.file_name()).map(|name| folder.join(name)).collect())
    }

    pub(in crate::disk) fn exists(&self, path: &Path) -> io::Result<bool> {
        let path = inside(path);
        let mut state = self.state();
        state.operate(("exists", &path))?;
        Ok(state.names.contains_key(&path))
    }
}
