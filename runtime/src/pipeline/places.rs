//! Where things lie in a pipeline's data folder.

use std::path::{Path, PathBuf};

use crate::disk;
use crate::error::{Kind, OrFail, Result};
use crate::source::options::FILES;

/// The folders and files in a pipeline's data folder.
#[derive(Clone, Debug)]
pub struct Places {
    /// Its embedded topics.
    pub topics: PathBuf,
    /// What consumer groups have committed.
    pub groups: PathBuf,
    /// Segments and objects that wait.
    pub spool: PathBuf,
    /// Components by their digests.
    pub components: PathBuf,
    /// What was compiled of them.
    pub compiled: PathBuf,
    /// The embedded lake.
    pub lake: PathBuf,
    /// Which files a topic of files has read.
    pub files: PathBuf,
    /// Answers that are on their way into the lake.
    pub exports: PathBuf,
    /// The cache's file.
    pub cache: PathBuf,
}

impl Places {
    /// The places in a data folder, which need not be there.
    pub fn of(data: &Path) -> Self {
        Self {
            topics: data.join("topics"),
            groups: data.join("groups"),
            spool: data.join("spool"),
            components: data.join("components"),
            compiled: data.join("compiled"),
            lake: data.join("lake"),
            files: data.join(FILES),
            exports: data.join("exports"),
            cache: data.join("cache.sqlite"),
        }
    }

    /// The same, once its folders are made.
    pub fn make(data: &Path) -> Result<Self> {
        let places = Self::of(data);
        for folder in [&places.topics, &places.spool, &places.components, &places.lake] {
            disk::create_dir_all(folder).or_fail(Kind::Storage, || format!("data folder {folder:?}"))?;
        }
        disk::sync_folder(data).or_fail(Kind::Storage, || format!("data folder {data:?}"))?;
        Ok(places)
    }
}
