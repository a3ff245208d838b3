//! Columns of the output, built row by row.

use std::borrow::Cow;

use crate::read::TextList;
use crate::text::{Concat, Json};
use crate::texts::TextBuilder;
use crate::time::Timestamp;
use crate::wit::{Column, FieldType, Float64ListValues, TextListValues, Values};

/// A type that a field of an output may have where it is never null.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no type for a field of an output",
    note = "use bool, i64, f64, Timestamp, a text (&str, String, Cow<str>, Concat), Json, &[u8], Vec<u8>, a list of f64 \
            ([f64; N], &[f64], Vec<f64>) or of texts (Vec<&str>, Vec<String>, TextList), or an Option of one"
)]
pub trait Writable {
    /// The type of the column.
    const TYPE: FieldType;
    /// The column as it grows, made from an input that lives for `'a`.
    type Builder<'a>;

    /// An empty column that expects `rows` rows, made from the columns of `input`.
    fn builder(rows: usize, input: &[Column]) -> Self::Builder<'_>;

    /// Adds a row with this value.
    fn write(self, builder: &mut Self::Builder<'_>);

    /// Adds a row whose value nobody reads.
    fn write_null(builder: &mut Self::Builder<'_>);

    /// The column, once all rows are in.
    fn finish(builder: Self::Builder<'_>) -> Result<Values, String>;
}

/// A field of an output: a [`Writable`] type, or an `Option` of one.
pub trait OutputField {
    /// The type of the column.
    const TYPE: FieldType;
    /// Whether it may be null.
    const NULLABLE: bool;
    /// The column as it grows, made from an input that lives for `'a`.
    type Builder<'a>;

    /// An empty column that expects `rows` rows, made from the columns of `input`.
    fn builder(rows: usize, input: &[Column]) -> Self::Builder<'_>;

    /// Adds a row.
    fn write(self, builder: &mut Self::Builder<'_>);

    /// The column, once all rows are in.
    fn finish(builder: Self::Builder<'_>) -> Result<Column, String>;
}

impl<T: Writable> OutputField for T {
    const TYPE: FieldType = T::TYPE;
    const NULLABLE: bool = false;
    type Builder<'a> = T::Builder<'a>;

    fn builder(rows: usize, input: &[Column]) -> Self::Builder<'_> {
        T::builder(rows, input)
    }

    #[inline(always)]
    fn write(self, builder: &mut Self::Builder<'_>) {
        T::write(self, builder);
    }

    fn finish(builder: Self::Builder<'_>) -> Result<Column, String> {
        Ok(Column { validity: None, values: T::finish(builder)? })
    }
}

impl<T: Writable> OutputField for Option<T> {
    const TYPE: FieldType = T::TYPE;
    const NULLABLE: bool = true;
    type Builder<'a> = Nullable<T::Builder<'a>>;

    fn builder(rows: usize, input: &[Column]) -> Self::Builder<'_> {
        Nullable { rows: 0, bits: Vec::new(), values: T::builder(rows, input) }
    }

    #[inline(always)]
    fn write(self, builder: &mut Self::Builder<'_>) {
        match self {
            Some(value) => value.write(&mut builder.values),
            None => {
                builder.mark_null();
                T::write_null(&mut builder.values);
            }
        }
        builder.rows += 1;
    }

    fn finish(builder: Self::Builder<'_>) -> Result<Column, String> {
        Ok(Column { validity: validity(builder.bits, builder.rows), values: T::finish(builder.values)? })
    }
}

/// A column with nulls.
#[derive(Debug)]
pub struct Nullable<B> {
    rows: usize,
    /// Validity as far as the byte of the latest null; empty where there was none.
    bits: Vec<u8>,
    values: B,
}

impl<B> Nullable<B> {
    /// Marks the row that is being written as null. The others need no mark, which is most of them.
    #[inline(always)]
    fn mark_null(&mut self) {
        let byte = self.rows / 8;
        while self.bits.len() <= byte {
            self.bits.push(0xff);
        }
        if let Some(last) = self.bits.last_mut() {
            *last &= !(1 << (self.rows % 8));
        }
    }
}

/// Bits for all `rows` rows, of which the last have a value unless marked; none where no row was marked.
fn validity(mut bits: Vec<u8>, rows: usize) -> Option<Vec<u8>> {
    if bits.is_empty() {
        return None;
    }
    bits.resize(rows.div_ceil(8), 0xff);
    if let Some(last) = bits.last_mut()
        && !rows.is_multiple_of(8)
    {
        *last &= (1 << (rows % 8)) - 1;
    }
    Some(bits)
}

macro_rules! writable_number {
    ($type:ty, $variant:ident, $kind:ident, $item:ty, $made:expr) => {
        impl Writable for $type {
            const TYPE: FieldType = FieldType::$kind;
            type Builder<'a> = Vec<$item>;

            fn builder(rows: usize, _input: &[Column]) -> Self::Builder<'_> {
                Vec::with_capacity(rows)
            }

            #[inline(always)]
            fn write(self, builder: &mut Self::Builder<'_>) {
                builder.push($made(self));
            }

            #[inline(always)]
            fn write_null(builder: &mut Self::Builder<'_>) {
                builder.push(<$item>::default());
            }

            fn finish(builder: Self::Builder<'_>) -> Result<Values, String> {
                Ok(Values::$variant(builder))
            }
        }
    };
}

writable_number!(bool, Booleans, Boolean, u8, u8::from);
writable_number!(i64, Int64s, Int64, i64, |value| value);
writable_number!(f64, Float64s, Float64, f64, |value| value);
writable_number!(Timestamp, Timestamps, Timestamp, i64, |at: Timestamp| at.0);

macro_rules! writable_text {
    ([$($generics:tt)*] $type:ty, $variant:ident, $kind:ident, $add:ident, $text:ident => $bytes:expr) => {
        impl<$($generics)*> Writable for $type {
            const TYPE: FieldType = FieldType::$kind;
            type Builder<'a> = TextBuilder<'a>;

            fn builder(rows: usize, input: &[Column]) -> Self::Builder<'_> {
                TextBuilder::new(rows, input)
            }

            #[inline(always)]
            fn write(self, builder: &mut Self::Builder<'_>) {
                let $text = self;
                builder.$add($bytes);
                builder.end();
            }

            #[inline(always)]
            fn write_null(builder: &mut Self::Builder<'_>) {
                builder.end();
            }

            fn finish(builder: Self::Builder<'_>) -> Result<Values, String> {
                builder.finish().map(Values::$variant)
            }
        }
    };
}

writable_text!([] &str, Texts, Text, add, text => text.as_bytes());
writable_text!([] String, Texts, Text, add_made, text => text.as_bytes());
writable_text!([] Cow<'_, str>, Texts, Text, add, text => text.as_bytes());
writable_text!([] Json<'_>, Json, Json, add, json => json.0.as_bytes());
writable_text!([] &[u8], Bytes, Bytes, add, bytes => bytes);
writable_text!([] Vec<u8>, Bytes, Bytes, add_made, bytes => &bytes);

impl<const N: usize> Writable for Concat<'_, N> {
    const TYPE: FieldType = FieldType::Text;
    type Builder<'a> = TextBuilder<'a>;

    fn builder(rows: usize, input: &[Column]) -> Self::Builder<'_> {
        TextBuilder::new(rows, input)
    }

    #[inline(always)]
    fn write(self, builder: &mut Self::Builder<'_>) {
        for part in self.0 {
            builder.add(part.as_bytes());
        }
        builder.end();
    }

    #[inline(always)]
    fn write_null(builder: &mut Self::Builder<'_>) {
        builder.end();
    }

    fn finish(builder: Self::Builder<'_>) -> Result<Values, String> {
        builder.finish().map(Values::Texts)
    }
}

macro_rules! writable_float64_list {
    ([$($generics:tt)*] $type:ty) => {
        impl<$($generics)*> Writable for $type {
            const TYPE: FieldType = FieldType::Float64List;
            type Builder<'a> = Float64ListValues;

            fn builder(rows: usize, _input: &[Column]) -> Self::Builder<'_> {
                let mut offsets = Vec::with_capacity(rows + 1);
                offsets.push(0);
                Float64ListValues { offsets, items: Vec::new() }
            }

            #[inline(always)]
            fn write(self, builder: &mut Self::Builder<'_>) {
                builder.items.extend_from_slice(self.as_ref());
                <Self as Writable>::write_null(builder);
            }

            #[inline(always)]
            fn write_null(builder: &mut Self::Builder<'_>) {
                // A length beyond u32 is found when the column is finished.
                builder.offsets.push(builder.items.len() as u32);
            }

            fn finish(builder: Self::Builder<'_>) -> Result<Values, String> {
                match u32::try_from(builder.items.len()) {
                    Ok(_) => Ok(Values::Float64Lists(builder)),
                    Err(_) => Err("has more than 4 Gi numbers".to_owned()),
                }
            }
        }
    };
}

writable_float64_list!([const N: usize] [f64; N]);
writable_float64_list!([] & [f64]);
writable_float64_list!([] Vec<f64>);

/// Lists of texts as they grow.
#[derive(Debug)]
pub struct TextListBuilder<'a> {
    offsets: Vec<u32>,
    texts: TextBuilder<'a>,
}

macro_rules! writable_text_list {
    ($type:ty, $add:ident) => {
        impl Writable for $type {
            const TYPE: FieldType = FieldType::TextList;
            type Builder<'a> = TextListBuilder<'a>;

            fn builder(rows: usize, input: &[Column]) -> Self::Builder<'_> {
                let mut offsets = Vec::with_capacity(rows + 1);
                offsets.push(0);
                TextListBuilder { offsets, texts: TextBuilder::new(rows, input) }
            }

            #[inline(always)]
            fn write(self, builder: &mut Self::Builder<'_>) {
                for text in self.iter() {
                    builder.texts.$add(text.as_bytes());
                    builder.texts.end();
                }
                <Self as Writable>::write_null(builder);
            }

            #[inline(always)]
            fn write_null(builder: &mut Self::Builder<'_>) {
                builder.offsets.push(builder.texts.count() as u32);
            }

            fn finish(builder: Self::Builder<'_>) -> Result<Values, String> {
                let items = builder.texts.finish()?;
                if u32::try_from(items.offsets.len()).is_err() {
                    return Err("has more than 4 Gi texts".to_owned());
                }
                Ok(Values::TextLists(TextListValues { offsets: builder.offsets, items }))
            }
        }
    };
}

writable_text_list!(Vec<&str>, add);
writable_text_list!(Vec<String>, add_made);
writable_text_list!(TextList<'_>, add);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn validity_has_a_bit_a_row() {
        for rows in 0..40 {
            for nulls in [vec![], vec![0], vec![7], vec![8], vec![15, 16], (0..rows).collect(), vec![rows - 1]] {
                let is_null = |row: i64| nulls.contains(&row);
                let mut builder = Option::<i64>::builder(0, &[]);
                (0..rows).for_each(|row| (!is_null(row)).then_some(row).write(&mut builder));
                let mut bits = vec![0_u8; (rows as usize).div_ceil(8)];
                for row in (0..rows).filter(|&row| !is_null(row)) {
                    bits[row as usize / 8] |= 1 << (row % 8);
                }
                let expected = (0..rows).any(is_null).then_some(bits);
                assert_eq!(Option::<i64>::finish(builder).unwrap().validity, expected, "{rows} {nulls:?}");
            }
        }
    }
}
