//! What a topic of files says: where they lie, which they are, how they are read.

use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::lake::options::{self as lake, Endpoint};
use crate::source::options::FilesOptions;

use super::fault::wrong;
use super::plan::{Backend, Origin};
use super::section::Section;
use super::{names, paths, read as pipeline};

/// How long a file in a watched folder has to stand still where the file is silent.
const SETTLE: Duration = Duration::from_secs(2);

/// Reads where the files of a topic are and how they are read. What was read before may be away for now.
pub(super) fn read(section: &Section<'_>, folder: &Path, was_read: bool, lake: &lake::Options) -> Backend {
    let origin = origin(section, folder, was_read, lake);
    let delimiter = section.text("delimiter").unwrap_or_else(|| ",".to_owned());
    let fits = |byte: u8| byte.is_ascii() && !matches!(byte, b'"' | b'\n' | b'\r');
    let delimiter = match delimiter.as_bytes() {
        [one] if fits(*one) => *one,
        _ => {
            section.wrong("delimiter", &wrong(format!("{delimiter:?} is not one ASCII character, other than a quote")));
            b','
        }
    };
    let watch = section.flag("watch").unwrap_or(false);
    let in_folder = matches!(origin, Origin::Path(_));
    if section.has("settle") && !(watch && in_folder) {
        let when = if in_folder { "with watch = true" } else { "in a folder: an object comes whole" };
        section.astray("settle", &wrong(format!("it counts {when} only")));
    }
    let options = FilesOptions {
        names: section.text("names").unwrap_or_else(|| "*".to_owned()),
        settle: section.duration("settle", Duration::ZERO).unwrap_or(SETTLE),
        json: section.texts("json"),
        watch,
        delimiter,
    };
    Backend::Files { options, origin }
}

fn origin(section: &Section<'_>, folder: &Path, was_read: bool, lake: &lake::Options) -> Origin {
    if section.has("bucket") {
        if section.has("path") {
            let both = wrong("files lie in a folder or in a bucket, not in both");
            section.astray("path", &both.hint("leave out \"path\", or \"bucket\" with its \"prefix\""));
            section.text("path");
        }
        return Origin::Bucket(Box::new(bucket(section, lake)));
    }
    section.need("path", "path = \"FOLDER\" or a file, or bucket = \"NAME\"");
    let written = section.text("path");
    let path = written.map_or_else(PathBuf::new, |written| paths::absolute(folder, &written));
    if section.has("path") && !was_read && !path.exists() {
        section.wrong("path", &wrong(format!("{} does not exist", path.display())));
    }
    Origin::Path(path)
}

/// A bucket is asked for where the lake is, with what the lake's own bucket is asked with, unless told otherwise.
fn bucket(section: &Section<'_>, lake: &lake::Options) -> lake::Options {
    let bucket = section.text("bucket").unwrap_or_default();
    section.judge("bucket", names::bucket(&bucket));
    let endpoint = if section.has("endpoint") { pipeline::endpoint(section, |_| 0) } else { lake.endpoint.clone() };
    let embedded = |endpoint: &Endpoint| matches!(endpoint, Endpoint::Embedded { .. });
    if embedded(&endpoint) && !embedded(&lake.endpoint) {
        section.wrong("endpoint", &wrong("there is no embedded S3 here: [lake] has another endpoint"));
    }
    let prefix = section.text("prefix").unwrap_or_default();
    let region = section.text("region").or_else(|| lake.region.clone());
    lake::Options { bucket, prefix, endpoint, region, ..lake.clone() }
}
