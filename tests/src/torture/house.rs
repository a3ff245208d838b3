//! A pipeline of two tables and a landing in a folder of its own, small enough that all it does is done in half a second.

use std::fs;
use std::mem::ManuallyDrop;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus};
use std::sync::OnceLock;
use std::time::{SystemTime, UNIX_EPOCH};

use super::disk::Disk;
use super::plan::Trouble;
use crate::checks::{self, Aggregate, Journal, Table};
use crate::daemon::Daemon;
use crate::place::{self, Folder, changeling, replace};
use crate::shim::Shim;

/// Its tables. In `geo`, many records share a key.
pub const TABLES: [Table; 2] = [
    Table {
        name: "thing",
        key: "ind",
        kept: "mark",
        aggregate: Aggregate { name: "things_by_mark", by: "mark", size: 2_000_000 },
        landing: None,
    },
    Table {
        name: "geo",
        key: "country",
        kept: "ind",
        aggregate: Aggregate { name: "geos_by_country", by: "country", size: 2_000_000 },
        landing: Some("raw.geo"),
    },
];
/// What else it makes of their records.
const MORE: &str = r#"
[[tables.thing.aggregates]]
name = "visits"
by = ["mark"]
window = { kind = "session", gap = "1s" }
measures = { rows = "count()", total = "sum(ind)", middle = "median(ind)" }
[rollups.things_now]
from = "thing"
by = ["mark"]
measures = { things = "count()", last = "max(ind)", middle = "median(ind)" }
[landings.raw]
topics = ["geo"]
flush = 3
rotate_interval = "1s"
"#;
/// Partitions of each topic.
pub(super) const PARTITIONS: u32 = 2;
const BUCKET: &str = "rough";
/// A window of a second is over after ten milliseconds.
const CLOCK_SPEED: u64 = 100;

/// The pipeline.
pub struct House<'a> {
    folder: Folder,
    disk: Option<&'a Disk>,
    data: PathBuf,
    base: u64,
}

impl<'a> House<'a> {
    /// A pipeline that never ran, with code that others have compiled before it. What it keeps is in memory, or on a disk.
    pub fn new(name: &str, format: &str, disk: Option<&'a Disk>) -> Self {
        let folder = Folder::in_memory(name);
        let data = match disk {
            Some(disk) => disk.path().join(folder.path().file_name().expect("a name")),
            None => folder.path().join("data"),
        };
        let base = SystemTime::now().duration_since(UNIX_EPOCH).expect("a time after 1970").as_secs();
        let house = Self { folder, disk, data, base };
        let geo = place::component("geo");
        let tables = TABLES.iter().zip(["thing.wasm".to_owned(), geo.to_string_lossy().into_owned()]);
        let mut text = format!(
            "[pipeline]\nname = \"rough\"\ndata = {:?}\n[listen]\ntopics = \"127.0.0.1:0\"\nadmin = \"127.0.0.1:0\"\n\
             [epoch]\ntime = \"20ms\"\n[lake]\nbucket = {BUCKET:?}\nendpoint = \"embedded\"\nformat = {format:?}\n",
            house.data
        );
        for (Table { name, key, kept, aggregate: Aggregate { name: aggregate, by, size }, .. }, component) in tables {
            let size = size / 1_000_000;
            text += &format!(
                "[topics.{name}]\npartitions = {PARTITIONS}\nsegment = \"64KiB\"\nrecord = \"32KiB\"\ncompression = \"none\"\n\
                 retention_size = \"64KiB\"\n[tables.{name}]\ntopic = {name:?}\ntransform = {component:?}\nkey = [{key:?}]\n\
                 cache = [{key:?}, {kept:?}]\nwindow = \"1s\"\n[[tables.{name}.aggregates]]\nname = {aggregate:?}\n\
                 by = [{by:?}]\nwindow = {{ kind = \"tumbling\", size = \"{size}s\" }}\n\
                 measures = {{ rows = \"count()\", total = \"sum(ind)\" }}\n"
            );
        }
        house.folder.write("pipeline.toml", text + MORE);
        house.put("honest");
        copy_all(&compiled(), &house.data.join("compiled"));
        if let Some(disk) = disk {
            // What is put there before the run is no part of it.
            disk.sync();
        }
        house
    }

    /// Gives its disk power again.
    pub fn power_up(&self) {
        self.disk.expect("a disk").power_up();
    }

    /// Puts another version of the transform in its place.
    pub fn put(&self, behaviour: &str) {
        replace(&self.folder.path().join("thing.wasm"), changeling(behaviour));
    }

    /// The shim of a life, with the trouble that it has.
    pub fn shim(&self, life: usize, trouble: Option<&Trouble>) -> Shim {
        let file = |name: &str| self.folder.path().join(format!("{name}-{life}"));
        Shim {
            folder: self.data.clone(),
            log: file("operations"),
            rule: trouble.map(|trouble| trouble.rule.clone()),
            armed: trouble.and_then(|trouble| trouble.step.map(|_| file("armed"))),
            healed: file("healed"),
            clock: Some((self.base, CLOCK_SPEED)),
        }
    }

    /// Starts it; what it says is kept in [`House::said`].
    ///
    /// # Errors
    ///
    /// It ended before it listened.
    pub fn start(&self, life: usize, shim: &Shim) -> Result<Daemon, ExitStatus> {
        let log = fs::File::create(self.folder.path().join(format!("log-{life}"))).expect("a file for the log");
        let mut command = Command::new(place::command());
        shim.before(&mut command);
        Daemon::try_spawn(command.arg("run").arg(self.folder.path().join("pipeline.toml")).stderr(log))
    }

    /// What a life said on standard error.
    pub fn said(&self, life: usize) -> String {
        fs::read_to_string(self.folder.path().join(format!("log-{life}"))).unwrap_or_default()
    }

    /// Whether something of it has yet to be brought into its bucket.
    pub fn waits(&self) -> bool {
        checks::waits(&self.data)
    }

    /// All that is wrong with it now that it has ended.
    pub fn faults(&self, journal: &Journal) -> Vec<String> {
        let place = checks::Place { data: &self.data, bucket: BUCKET, partitions: PARTITIONS, tables: &TABLES };
        let mut faults = checks::faults(place, journal);
        faults.extend(self.audit());
        faults
    }

    /// What the pipeline's own audit says: of sessions and rollups too, which [`checks`] do not know.
    fn audit(&self) -> Option<String> {
        let pipeline = self.folder.path().join("pipeline.toml");
        let audited = Command::new(place::command()).arg("audit").arg(pipeline).output().expect("tidemill starts");
        let said = |of: &[u8]| String::from_utf8_lossy(of).into_owned();
        (!audited.status.success()).then(|| format!("audit: {}{}", said(&audited.stdout), said(&audited.stderr)))
    }

    /// Leaves everything where it is, for whoever looks for the cause; where that is.
    pub fn keep(self) -> PathBuf {
        let mut house = ManuallyDrop::new(self);
        let kept = house.folder.path().to_owned();
        if house.disk.is_some() {
            copy_all(&house.data, &kept.join("data"));
            house.sweep();
        }
        kept
    }

    fn sweep(&mut self) {
        if self.disk.is_some() {
            let _ = fs::remove_dir_all(&self.data);
        }
    }
}

impl Drop for House<'_> {
    fn drop(&mut self) {
        self.sweep();
    }
}

/// A folder with the transforms compiled, beside the build: compiling takes longer than all else in a run.
fn compiled() -> PathBuf {
    static COMPILED: OnceLock<PathBuf> = OnceLock::new();
    let made = COMPILED.get_or_init(|| {
        let folder = place::command().with_file_name("tidemill-torture-compiled");
        fs::create_dir_all(&folder).expect("a folder for what is compiled");
        folder
    });
    made.clone()
}

/// Keeps what a pipeline has compiled for those that come after it.
pub(super) fn keep_compiled(house: &House<'_>) {
    copy_all(&house.data.join("compiled"), &compiled());
}

fn copy_all(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("a folder");
    for entry in fs::read_dir(from).expect("a folder").flatten() {
        let target = to.join(entry.file_name());
        if entry.file_type().expect("its type").is_dir() {
            copy_all(&entry.path(), &target);
        } else if !target.exists() {
            fs::copy(entry.path(), target).expect("a copy");
        }
    }
}
