//! Columns of the input, read in place: a value of a row borrows from the batch.

use std::borrow::Cow;

use crate::text::Json;
use crate::time::Timestamp;
use crate::unchecked;
use crate::wit::{Column, FieldType, TextValues, Values};

/// A type that a field of an input may have where it is never null.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no type for a field of an input",
    note = "use bool, i64, f64, &str, &[u8], Timestamp, Json, &[f64], Vec<f64>, TextList or Vec<&str>, or an Option of one"
)]
pub trait Readable<'a>: Sized {
    /// The type of the column.
    const TYPE: FieldType;
    /// The column, checked, so that reading a row cannot fail.
    type Reader;

    /// Checks a column of `rows` rows.
    fn open(values: &'a Values, rows: usize) -> Result<Self::Reader, String>;

    /// The value of a row.
    fn read(reader: &Self::Reader, row: usize) -> Self;
}

/// A field of an input: a [`Readable`] type, or an `Option` of one.
pub trait InputField<'a>: Sized {
    /// The type of the column.
    const TYPE: FieldType;
    /// Whether it may be null or absent.
    const NULLABLE: bool;
    /// The column, checked.
    type Reader;

    /// Checks a column of `rows` rows.
    fn open(column: &'a Column, rows: usize) -> Result<Self::Reader, String>;

    /// The value of a row.
    fn read(reader: &Self::Reader, row: usize) -> Self;
}

impl<'a, T: Readable<'a>> InputField<'a> for T {
    const TYPE: FieldType = T::TYPE;
    const NULLABLE: bool = false;
    type Reader = T::Reader;

    fn open(column: &'a Column, rows: usize) -> Result<Self::Reader, String> {
        let validity = Validity::open(column, rows)?;
        if (0..rows).any(|row| !validity.is_set(row)) {
            return Err("has a null, although it was declared without".to_owned());
        }
        T::open(&column.values, rows)
    }

    #[inline(always)]
    fn read(reader: &Self::Reader, row: usize) -> Self {
        T::read(reader, row)
    }
}

impl<'a, T: Readable<'a>> InputField<'a> for Option<T> {
    const TYPE: FieldType = T::TYPE;
    const NULLABLE: bool = true;
    type Reader = (Validity<'a>, T::Reader);

    fn open(column: &'a Column, rows: usize) -> Result<Self::Reader, String> {
        Ok((Validity::open(column, rows)?, T::open(&column.values, rows)?))
    }

    #[inline(always)]
    fn read((validity, reader): &Self::Reader, row: usize) -> Self {
        if validity.is_set(row) { Some(T::read(reader, row)) } else { None }
    }
}

/// Which rows have a value; without bits, all of them.
#[derive(Clone, Copy, Debug)]
pub struct Validity<'a>(Option<&'a [u8]>);

impl<'a> Validity<'a> {
    fn open(column: &'a Column, rows: usize) -> Result<Self, String> {
        match column.validity.as_deref() {
            Some(bits) if bits.len() < rows.div_ceil(8) => {
                Err(format!("has {} bytes of validity for {rows} rows", bits.len()))
            }
            bits => Ok(Self(bits)),
        }
    }

    #[inline(always)]
    fn is_set(self, row: usize) -> bool {
        match self.0 {
            None => true,
            Some(bits) => bits.get(row / 8).is_some_and(|byte| byte & (1 << (row % 8)) != 0),
        }
    }
}

/// Texts one after another.
#[derive(Clone, Copy, Debug)]
pub struct Texts<'a> {
    offsets: &'a [u32],
    bytes: unchecked::Bytes<'a>,
}

impl<'a> Texts<'a> {
    fn open(values: &'a TextValues, count: usize) -> Result<Self, String> {
        check_offsets(&values.offsets, count, values.bytes.len())?;
        Ok(Self { offsets: &values.offsets, bytes: unchecked::Bytes::open(&values.bytes, &values.offsets)? })
    }

    #[inline(always)]
    fn get(&self, index: usize) -> &'a str {
        let Some(&[start, end]) = self.offsets.get(index..index + 2) else { return "" };
        self.bytes.get(start as usize..end as usize)
    }
}

/// Byte strings, or lists of numbers, one after another.
#[derive(Clone, Copy, Debug)]
pub struct Spans<'a, T> {
    offsets: &'a [u32],
    items: &'a [T],
}

impl<'a, T> Spans<'a, T> {
    fn open(offsets: &'a [u32], items: &'a [T], rows: usize) -> Result<Self, String> {
        check_offsets(offsets, rows, items.len())?;
        Ok(Self { offsets, items })
    }

    #[inline(always)]
    fn get(&self, row: usize) -> &'a [T] {
        let Some(&[start, end]) = self.offsets.get(row..row + 2) else { return &[] };
        self.items.get(start as usize..end as usize).unwrap_or_default()
    }
}

/// The texts of a row that has a list of them.
#[derive(Clone, Copy, Debug)]
pub struct TextList<'a> {
    texts: Texts<'a>,
    start: usize,
    end: usize,
}

impl<'a> TextList<'a> {
    /// The texts, in their order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &'a str> + use<'a> {
        let texts = self.texts;
        (self.start..self.end).map(move |index| texts.get(index))
    }
}

macro_rules! readable_number {
    ($type:ty, $variant:ident, $kind:ident, $made:expr, $item:ty) => {
        impl<'a> Readable<'a> for $type {
            const TYPE: FieldType = FieldType::$kind;
            type Reader = &'a [$item];

            fn open(values: &'a Values, rows: usize) -> Result<Self::Reader, String> {
                let Values::$variant(values) = values else { return Err(wrong_type()) };
                check_rows(values.len(), rows)?;
                Ok(values)
            }

            #[inline(always)]
            fn read(reader: &Self::Reader, row: usize) -> Self {
                $made(reader.get(row).copied().unwrap_or_default())
            }
        }
    };
}

readable_number!(bool, Booleans, Boolean, |byte: u8| byte != 0, u8);
readable_number!(i64, Int64s, Int64, |value| value, i64);
readable_number!(f64, Float64s, Float64, |value| value, f64);
readable_number!(Timestamp, Timestamps, Timestamp, Timestamp, i64);

macro_rules! readable_text {
    ($type:ty, $variant:ident, $kind:ident, $made:expr) => {
        impl<'a> Readable<'a> for $type {
            const TYPE: FieldType = FieldType::$kind;
            type Reader = Texts<'a>;

            fn open(values: &'a Values, rows: usize) -> Result<Self::Reader, String> {
                let Values::$variant(values) = values else { return Err(wrong_type()) };
                Texts::open(values, rows)
            }

            #[inline(always)]
            fn read(reader: &Self::Reader, row: usize) -> Self {
                $made(reader.get(row))
            }
        }
    };
}

readable_text!(&'a str, Texts, Text, |text| text);
readable_text!(Json<'a>, Json, Json, |text| Json(Cow::Borrowed(text)));

impl<'a> Readable<'a> for &'a [u8] {
    const TYPE: FieldType = FieldType::Bytes;
    type Reader = Spans<'a, u8>;

    fn open(values: &'a Values, rows: usize) -> Result<Self::Reader, String> {
        let Values::Bytes(values) = values else { return Err(wrong_type()) };
        Spans::open(&values.offsets, &values.bytes, rows)
    }

    #[inline(always)]
    fn read(reader: &Self::Reader, row: usize) -> Self {
        reader.get(row)
    }
}

impl<'a> Readable<'a> for &'a [f64] {
    const TYPE: FieldType = FieldType::Float64List;
    type Reader = Spans<'a, f64>;

    fn open(values: &'a Values, rows: usize) -> Result<Self::Reader, String> {
        let Values::Float64Lists(values) = values else { return Err(wrong_type()) };
        Spans::open(&values.offsets, &values.items, rows)
    }

    #[inline(always)]
    fn read(reader: &Self::Reader, row: usize) -> Self {
        reader.get(row)
    }
}

impl<'a> Readable<'a> for TextList<'a> {
    const TYPE: FieldType = FieldType::TextList;
    type Reader = (&'a [u32], Texts<'a>);

    fn open(values: &'a Values, rows: usize) -> Result<Self::Reader, String> {
        let Values::TextLists(values) = values else { return Err(wrong_type()) };
        let count = values.items.offsets.len().saturating_sub(1);
        check_offsets(&values.offsets, rows, count)?;
        Ok((&values.offsets, Texts::open(&values.items, count)?))
    }

    #[inline(always)]
    fn read((offsets, texts): &Self::Reader, row: usize) -> Self {
        let (start, end) = match offsets.get(row..row + 2) {
            Some(&[start, end]) => (start as usize, end as usize),
            _ => (0, 0),
        };
        Self { texts: *texts, start, end }
    }
}

impl<'a> Readable<'a> for Vec<f64> {
    const TYPE: FieldType = FieldType::Float64List;
    type Reader = Spans<'a, f64>;

    fn open(values: &'a Values, rows: usize) -> Result<Self::Reader, String> {
        <&[f64] as Readable>::open(values, rows)
    }

    #[inline(always)]
    fn read(reader: &Self::Reader, row: usize) -> Self {
        reader.get(row).to_vec()
    }
}

impl<'a> Readable<'a> for Vec<&'a str> {
    const TYPE: FieldType = FieldType::TextList;
    type Reader = (&'a [u32], Texts<'a>);

    fn open(values: &'a Values, rows: usize) -> Result<Self::Reader, String> {
        <TextList as Readable>::open(values, rows)
    }

    #[inline(always)]
    fn read(reader: &Self::Reader, row: usize) -> Self {
        <TextList as Readable>::read(reader, row).iter().collect()
    }
}

fn wrong_type() -> String {
    "is of another type than it was declared".to_owned()
}

fn check_rows(len: usize, rows: usize) -> Result<(), String> {
    if len == rows { Ok(()) } else { Err(format!("has {len} values for {rows} rows")) }
}

fn check_offsets(offsets: &[u32], count: usize, len: usize) -> Result<(), String> {
    let in_order = offsets.iter().zip(offsets.iter().skip(1)).fold(true, |all, (start, end)| all & (start <= end));
    let ends_right = offsets.last().is_some_and(|&last| last as usize == len);
    if offsets.len() == count + 1 && offsets.first() == Some(&0) && ends_right && in_order {
        return Ok(());
    }
    Err(format!("has offsets that do not cut {len} into {count}"))
}
