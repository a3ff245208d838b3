//! The bytes of one file, as a program reads them, and as they would be found after a loss of power.

/// Both of them.
#[derive(Clone, Debug, Default)]
pub(super) struct Bytes {
    pub(super) cached: Vec<u8>,
    pub(super) durable: Vec<u8>,
}

/// Writes at a place, with zeros before it where the file is shorter.
pub(super) fn write(into: &mut Vec<u8>, at: u64, bytes: &[u8]) {
    let (at, end) = (at as usize, at as usize + bytes.len());
    if into.len() < end {
        into.resize(end, 0);
    }
    into[at..end].copy_from_slice(bytes);
}
