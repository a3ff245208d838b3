//! `tidemill transform run`: lines cleaned as a pipeline cleans records.

use std::io::{self, BufRead, BufReader, IsTerminal, Read, Write};
use std::path::PathBuf;

use clap::Args;

use super::{Ended, host, load};
use crate::decode::Decoder;
use crate::error::{Kind, OrFail, Result};
use crate::lake;
use crate::pipeline::generation::Chain;
use crate::pipeline::transform::Transform;
use crate::record::{Batch, Record};
use crate::time::Clock;

/// Lines that are cleaned in one call, as a worker does.
const CHUNK_LINES: usize = 512;
/// Bytes that are read at a time.
const READ_BYTES: usize = 1 << 20;

/// Clean lines of standard input: rows on standard output, what was rejected on standard error.
#[derive(Debug, Args)]
pub(in crate::cli) struct Run {
    /// The component's file, or the folder that it is built from.
    file: PathBuf,
    /// The transform's parameters, as a JSON object.
    #[arg(long, default_value = "{}")]
    parameters: String,
}

impl Run {
    pub(in crate::cli) fn run(self) -> Result<Ended> {
        super::super::log_to_stderr("warn");
        let (component, _) = load(&host()?, &self.file)?;
        let chain = Chain::new(vec![(component, self.parameters)])?;
        let (decoder, transform) = (chain.decoder(0)?, chain.start()?);
        if io::stdin().is_terminal() {
            eprintln!("type records, each a JSON object on a line; ctrl-d ends them");
        }
        let mut lines = Lines { from: BufReader::with_capacity(READ_BYTES, io::stdin().lock()), number: 0 };
        let mut cleaner = Cleaner { decoder, transform, counts: Counts::default() };
        let (mut chunk, mut rows, mut out) = (Chunk::default(), Vec::new(), io::stdout().lock());
        while lines.read(&mut chunk).or_fail(Kind::Input, || "standard input")? {
            let rejected = cleaner.clean(&chunk, &mut rows)?;
            match out.write_all(&rows).and_then(|()| out.flush()) {
                // Who reads the rows has seen enough.
                Err(cause) if cause.kind() == io::ErrorKind::BrokenPipe => break,
                written => written.or_fail(Kind::Storage, || "standard output")?,
            }
            rejected.iter().for_each(|(line, reason)| eprintln!("line {line}: rejected: {reason}"));
        }
        let Counts { records, rows, dropped, rejected } = cleaner.counts;
        let (records, rows) = (counted(records, "record"), counted(rows, "row"));
        eprintln!("{records}: {rows}, {dropped} dropped, {rejected} rejected");
        Ok(Ended::Well)
    }
}

fn counted(count: u64, noun: &str) -> String {
    if count == 1 { format!("1 {noun}") } else { format!("{count} {noun}s") }
}

/// Records with the number of the line that each came from.
#[derive(Default)]
struct Chunk {
    records: Batch,
    numbers: Vec<u64>,
}

/// Lines as they come, counted from 1.
struct Lines<R> {
    from: BufReader<R>,
    number: u64,
}

impl<R: Read> Lines<R> {
    /// Fills the chunk with lines that are not blank; false at the end. It waits for the first of them only, so that
    /// what is piped in slowly comes out at once.
    fn read(&mut self, chunk: &mut Chunk) -> io::Result<bool> {
        chunk.records.clear();
        chunk.numbers.clear();
        let mut line = Vec::new();
        while chunk.numbers.len() < CHUNK_LINES && (chunk.numbers.is_empty() || !self.from.buffer().is_empty()) {
            line.clear();
            if self.from.read_until(b'\n', &mut line)? == 0 {
                break;
            }
            let offset = self.number;
            self.number += 1;
            let value = line.trim_ascii();
            if !value.is_empty() {
                let time = Clock::System.now();
                chunk.records.push(Record { offset, time, key: None, value: Some(value), headers: &[] });
                chunk.numbers.push(self.number);
            }
        }
        Ok(!chunk.numbers.is_empty())
    }
}

#[derive(Default)]
struct Counts {
    records: u64,
    rows: u64,
    dropped: u64,
    rejected: u64,
}

/// The decoder and the transform, with what came of all records so far.
struct Cleaner {
    decoder: Decoder,
    transform: Transform,
    counts: Counts,
}

impl Cleaner {
    /// Puts the rows of a chunk into `rows` as JSON lines; returns the lines that were rejected, by rising number, and why.
    fn clean(&mut self, chunk: &Chunk, rows: &mut Vec<u8>) -> Result<Vec<(u64, String)>> {
        rows.clear();
        let records = chunk.records.len();
        let decoded = self.decoder.decode(&chunk.records, 0..records)?;
        let cleaned = self.transform.apply(&decoded.rows)?;
        let mut kept = 0;
        for piece in &cleaned.pieces {
            rows.extend_from_slice(lake::json_lines(&piece.rows)?.as_bytes());
            self.counts.rows += piece.sources.len() as u64;
            let mut sources = piece.sources.clone();
            sources.dedup();
            kept += sources.len();
        }
        let source = |row: u32| decoded.sources.get(row as usize).copied().unwrap_or_default();
        let mut rejected = decoded.rejected;
        rejected.extend(cleaned.rejected.into_iter().map(|(row, reason)| (source(row), reason)));
        rejected.sort_by_key(|(index, _)| *index);
        self.counts.records += records as u64;
        self.counts.rejected += rejected.len() as u64;
        self.counts.dropped += (records - rejected.len() - kept) as u64;
        let number = |index: u32| chunk.numbers.get(index as usize).copied().unwrap_or_default();
        Ok(rejected.into_iter().map(|(index, reason)| (number(index), reason)).collect())
    }
}
