//! The records in one file: its lines, or the rows of a CSV file as JSON objects; unpacked where it is gzip or zstd.

use std::fs::File;
use std::io::{self, BufRead, BufReader, ErrorKind, Read};

use flate2::bufread::MultiGzDecoder;

use crate::source::options::FilesOptions;

/// The longest line or row, in bytes.
const LINE_BYTES_MAX: u64 = 64 << 20;
/// How much is read at a time.
const BUFFER_BYTES: usize = 256 << 10;
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// The records that are left of a file.
pub(super) struct Rows {
    from: Box<dyn BufRead + Send>,
    csv: Option<Csv>,
    raw: Vec<u8>,
    begun: bool,
}

/// How rows become objects.
struct Csv {
    delimiter: u8,
    /// The columns, each as a JSON text; and whether its fields are JSON.
    columns: Vec<(String, bool)>,
    json: Vec<String>,
}

impl Rows {
    /// Begins to read a file. What it is its name says: `.csv` has rows, all else lines; `.gz` and `.zst` after that are unpacked.
    pub(super) fn read(file: File, name: &str, options: &FilesOptions) -> io::Result<Self> {
        let plain = BufReader::with_capacity(BUFFER_BYTES, file);
        let name = name.to_lowercase();
        let (from, inner): (Box<dyn BufRead + Send>, &str) = if let Some(inner) = name.strip_suffix(".gz") {
            (Box::new(BufReader::with_capacity(BUFFER_BYTES, MultiGzDecoder::new(plain))), inner)
        } else if let Some(inner) = name.strip_suffix(".zst") {
            (Box::new(BufReader::with_capacity(BUFFER_BYTES, zstd::Decoder::with_buffer(plain)?)), inner)
        } else {
            (Box::new(plain), &name)
        };
        let csv = inner.ends_with(".csv").then(|| Csv {
            delimiter: options.delimiter,
            columns: Vec::new(),
            json: options.json.clone(),
        });
        Ok(Self { from, csv, raw: Vec::new(), begun: false })
    }

    /// Puts the next record's value into `value`; false at the end. Empty lines are none.
    pub(super) fn next(&mut self, value: &mut Vec<u8>) -> io::Result<bool> {
        while self.line()? {
            if self.raw.iter().all(u8::is_ascii_whitespace) {
                continue;
            }
            value.clear();
            let Some(csv) = &mut self.csv else {
                value.extend_from_slice(&self.raw);
                return Ok(true);
            };
            let fields = fields(&self.raw, csv.delimiter);
            if csv.columns.is_empty() {
                csv.head(fields)?;
                continue;
            }
            match fields.filter(|fields| fields.len() == csv.columns.len()) {
                Some(fields) => csv.write(&fields, value),
                // What is no row of this table is most often no JSON either, and so a dead letter; a line of JSON is taken for one.
                None => value.extend_from_slice(&self.raw),
            }
            return Ok(true);
        }
        Ok(false)
    }

    /// The next line without its end; in CSV, with as many more as a quoted field goes on over. False at the end.
    fn line(&mut self) -> io::Result<bool> {
        self.raw.clear();
        // Whether a quoted field goes on over the end of what was read.
        let mut quoted = false;
        loop {
            let before = self.raw.len();
            let room = (LINE_BYTES_MAX + 1).saturating_sub(self.raw.len() as u64);
            let read = (&mut self.from).take(room).read_until(b'\n', &mut self.raw)?;
            if self.raw.len() as u64 > LINE_BYTES_MAX {
                let long = format!("a line is over {LINE_BYTES_MAX} bytes long");
                return Err(io::Error::new(ErrorKind::InvalidData, long));
            }
            if !self.begun && self.raw.starts_with(BYTE_ORDER_MARK) {
                self.raw.drain(..BYTE_ORDER_MARK.len());
            }
            self.begun = true;
            let quotes = self.raw.iter().skip(before).filter(|byte| **byte == b'"').count();
            quoted ^= self.csv.is_some() && quotes % 2 == 1;
            if read == 0 || !quoted {
                break;
            }
        }
        if self.raw.is_empty() {
            return Ok(false);
        }
        let end = self.raw.strip_suffix(b"\n").map(|line| line.strip_suffix(b"\r").unwrap_or(line).len());
        self.raw.truncate(end.unwrap_or(self.raw.len()));
        if self.raw.is_empty() {
            // An empty line is not the end.
            self.raw.push(b' ');
        }
        Ok(true)
    }
}

/// A field, and whether it was quoted.
type Field = (String, bool);

impl Csv {
    fn head(&mut self, fields: Option<Vec<Field>>) -> io::Result<()> {
        let wrong = |what: String| io::Error::new(ErrorKind::InvalidData, what);
        let fields = fields.ok_or_else(|| wrong("its header is no row of CSV".to_owned()))?;
        for (name, _) in fields {
            let name = name.trim();
            let quoted = serde_json::to_string(name)?;
            if name.is_empty() || self.columns.iter().any(|(known, _)| *known == quoted) {
                return Err(wrong(format!("its header has the column {name:?} without a name, or twice")));
            }
            self.columns.push((quoted, self.json.iter().any(|json| json == name)));
        }
        Ok(())
    }

    /// A row as an object: fields are texts, or JSON where that was asked for and they are; an empty one without quotes is null.
    fn write(&self, fields: &[Field], value: &mut Vec<u8>) {
        for (nth, ((column, is_json), (field, quoted))) in self.columns.iter().zip(fields).enumerate() {
            value.push(if nth == 0 { b'{' } else { b',' });
            value.extend_from_slice(column.as_bytes());
            value.push(b':');
            if field.is_empty() && !quoted {
                value.extend_from_slice(b"null");
            } else if *is_json && serde_json::from_str::<serde::de::IgnoredAny>(field).is_ok() {
                value.extend_from_slice(field.as_bytes());
            } else {
                // A text always has a JSON form.
                value.extend_from_slice(serde_json::to_string(field).unwrap_or_default().as_bytes());
            }
        }
        value.push(b'}');
    }
}

/// The fields of a row; none where its quotes or its bytes make no row.
fn fields(row: &[u8], delimiter: u8) -> Option<Vec<Field>> {
    let row = crate::text::utf8(row)?;
    let delimiter = char::from(delimiter);
    let (mut fields, mut rest) = (Vec::new(), row);
    loop {
        let (field, quoted, after) = match rest.strip_prefix('"') {
            Some(inside) => {
                let (mut field, mut inside) = (String::new(), inside);
                loop {
                    let (before, after) = inside.split_once('"')?;
                    field.push_str(before);
                    match after.strip_prefix('"') {
                        Some(more) => {
                            field.push('"');
                            inside = more;
                        }
                        None => break (field, true, after),
                    }
                }
            }
            None => {
                let end = rest.find(delimiter).unwrap_or(rest.len());
                let (field, after) = rest.split_at(end);
                if field.contains('"') {
                    return None;
                }
                (field.to_owned(), false, after)
            }
        };
        fields.push((field, quoted));
        match after.strip_prefix(delimiter) {
            Some(more) => rest = more,
            None if after.is_empty() => return Some(fields),
            None => return None,
        }
    }
}
