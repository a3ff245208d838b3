//! The exports of a component that a tool of another language made: those of the contract, and no more.

use wasmparser::{BinaryReader, BinaryReaderError, ComponentExportSectionReader, ComponentExternalKind};

use crate::error::{Error, Kind, Result};

/// Magic number and version.
const HEADER_BYTES: usize = 8;
/// The section of a component that lists exports.
const EXPORT_SECTION: u8 = 11;

/// The component without the interfaces that it exports beside the contract: componentize-py leaves the one through which
/// it set Python up, which works only while it does, and which the host would not take.
///
/// Nothing else refers to such an export, so it can be cut out; were that ever otherwise, the host would find what is left invalid.
pub(super) fn only_ours(component: &[u8]) -> Result<Vec<u8>> {
    cut(component).map_err(|cause| Error::new(Kind::Input, format!("what was made is no component: {cause}")))
}

fn cut(component: &[u8]) -> Result<Vec<u8>, BinaryReaderError> {
    let mut reader = BinaryReader::new(component, 0);
    let mut kept = reader.read_bytes(HEADER_BYTES)?.to_vec();
    while !reader.eof() {
        let start = reader.original_position();
        let id = reader.read_u8()?;
        let size = reader.read_var_u32()?;
        let content = reader.read_bytes(size as usize)?;
        if id == EXPORT_SECTION {
            kept.extend(section(&ours(content)?));
        } else {
            kept.extend_from_slice(component.get(start..reader.original_position()).unwrap_or_default());
        }
    }
    Ok(kept)
}

/// The exports of a section that are no interfaces, which the contract has none of; each as it is written.
fn ours(content: &[u8]) -> Result<Vec<&[u8]>, BinaryReaderError> {
    let exports = ComponentExportSectionReader::new(BinaryReader::new(content, 0))?;
    let exports = exports.into_iter_with_offsets().collect::<Result<Vec<_>, _>>()?;
    let ends = exports.iter().skip(1).map(|(start, _)| *start).chain([content.len()]);
    let written = exports.iter().zip(ends).filter(|((_, export), _)| export.kind != ComponentExternalKind::Instance);
    Ok(written.filter_map(|((start, _), end)| content.get(*start..end)).collect())
}

/// A section of these exports, or nothing where there are none.
fn section(exports: &[&[u8]]) -> Vec<u8> {
    if exports.is_empty() {
        return Vec::new();
    }
    let content = [number(exports.len()), exports.concat()].concat();
    [vec![EXPORT_SECTION], number(content.len()), content].concat()
}

/// A number as WebAssembly writes it: seven bits a byte, the least first, the highest bit where more follow.
fn number(mut value: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    while value >= 0x80 {
        bytes.push(value as u8 | 0x80);
        value >>= 7;
    }
    bytes.push(value as u8);
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn interfaces_are_cut_out() {
        let component = |exports: &str| {
            wat::parse_str(format!(
                r#"(component
                    (component $inner (import "f" (func)) (export "g" (func 0)))
                    (import "log" (func $log))
                    (instance $setup (instantiate $inner (with "f" (func $log))))
                    {exports}
                    (export "apply" (func $log)))"#
            ))
            .unwrap()
        };
        let plain = component("");
        assert_eq!(only_ours(&plain).unwrap(), plain);
        let names = |component: &[u8]| component.windows(7).any(|word| word == b"exports");
        let more = component(r#"(export "exports" (instance $setup))"#);
        let less = only_ours(&more).unwrap();
        assert!(names(&more) && !names(&less));
        assert!(wasmparser::Parser::new(0).parse_all(&less).all(|payload| payload.is_ok()));
        assert!(only_ours(b"\0asm").is_err());
    }
}
