//! A table as a Parquet file: columns of texts, whole numbers and amounts, each of which may be empty. Amounts are decimals with
//! six places, so that each is the number that is stored.

use std::io::{self, Write};
use std::sync::Arc;

use parquet::basic::{Compression, LogicalType, Repetition, Type as Physical};
use parquet::data_type::{ByteArray, ByteArrayType, Int64Type};
use parquet::errors::ParquetError;
use parquet::file::properties::WriterProperties;
use parquet::file::writer::{SerializedFileWriter, SerializedRowGroupWriter};
use parquet::schema::types::{Type, TypePtr};

use crate::domain::millionths;
use crate::store::{Cell, Kind, Table};

/// Rows of a group: what is kept in memory until it is written.
const ROWS: usize = 16_384;

/// Places behind the point, and digits in all that fit into 64 bits.
const PLACES: i32 = 6;
const DIGITS: i32 = 18;

/// A file on its way.
pub(super) struct Parquet<W: Write + Send> {
    writer: SerializedFileWriter<W>,
    columns: Vec<Column>,
    rows: usize,
}

/// The values of one column that wait to be written, and for each row whether it has one.
enum Column {
    Texts(Vec<ByteArray>, Vec<i16>),
    Numbers(Kind, Vec<i64>, Vec<i16>),
}

impl<W: Write + Send> Parquet<W> {
    pub(super) fn new(into: W, table: Table) -> io::Result<Self> {
        let kinds: Vec<Kind> = table.columns().into_iter().map(Table::kind).collect();
        let properties = WriterProperties::builder().set_compression(Compression::UNCOMPRESSED).build();
        let writer = SerializedFileWriter::new(into, schema(table).map_err(failed)?, Arc::new(properties));
        let columns = kinds.into_iter().map(|kind| match kind {
            Kind::Text => Column::Texts(Vec::new(), Vec::new()),
            Kind::Whole | Kind::Amount => Column::Numbers(kind, Vec::new(), Vec::new()),
        });
        Ok(Self { writer: writer.map_err(failed)?, columns: columns.collect(), rows: 0 })
    }

    pub(super) fn row(&mut self, cells: Vec<Cell>) -> io::Result<()> {
        for (column, cell) in self.columns.iter_mut().zip(cells) {
            column.take(cell)?;
        }
        self.rows += 1;
        if self.rows == ROWS { self.flush() } else { Ok(()) }
    }

    /// Writes what waits as a group of rows.
    fn flush(&mut self) -> io::Result<()> {
        let mut group = self.writer.next_row_group().map_err(failed)?;
        for column in &mut self.columns {
            column.write(&mut group).map_err(failed)?;
        }
        group.close().map_err(failed)?;
        self.rows = 0;
        Ok(())
    }

    pub(super) fn finish(mut self) -> io::Result<W> {
        if self.rows > 0 {
            self.flush()?;
        }
        self.writer.into_inner().map_err(failed)
    }
}

impl Column {
    fn take(&mut self, cell: Cell) -> io::Result<()> {
        match (self, cell) {
            (Self::Texts(_, given) | Self::Numbers(_, _, given), Cell::Empty) => given.push(0),
            (Self::Texts(texts, given), Cell::Number(text) | Cell::Text(text)) => {
                texts.push(text.into_bytes().into());
                given.push(1);
            }
            (Self::Numbers(kind, numbers, given), Cell::Number(text) | Cell::Text(text)) => {
                let number = match kind {
                    Kind::Amount => {
                        millionths::parse(&text).ok().filter(|number| number.unsigned_abs() < 10_u64.pow(18))
                    }
                    Kind::Whole | Kind::Text => text.parse().ok(),
                };
                numbers.push(number.ok_or_else(|| io::Error::other(format!("{text} does not fit into a column")))?);
                given.push(1);
            }
        }
        Ok(())
    }

    fn write<W: Write + Send>(&mut self, group: &mut SerializedRowGroupWriter<'_, W>) -> Result<(), ParquetError> {
        let Some(mut column) = group.next_column()? else { return Ok(()) };
        match self {
            Self::Texts(texts, given) => {
                column.typed::<ByteArrayType>().write_batch(texts, Some(given.as_slice()), None)?;
                texts.clear();
                given.clear();
            }
            Self::Numbers(_, numbers, given) => {
                column.typed::<Int64Type>().write_batch(numbers, Some(given.as_slice()), None)?;
                numbers.clear();
                given.clear();
            }
        }
        column.close()
    }
}

fn schema(table: Table) -> Result<TypePtr, ParquetError> {
    let field = |name: &'static str| {
        let of = |physical| Type::primitive_type_builder(name, physical).with_repetition(Repetition::OPTIONAL);
        let field = match Table::kind(name) {
            Kind::Text => of(Physical::BYTE_ARRAY).with_logical_type(Some(LogicalType::String)),
            Kind::Whole => of(Physical::INT64),
            Kind::Amount => of(Physical::INT64)
                .with_logical_type(Some(LogicalType::decimal(PLACES, DIGITS)))
                .with_precision(DIGITS)
                .with_scale(PLACES),
        };
        field.build().map(Arc::new)
    };
    let fields = table.columns().into_iter().map(field).collect::<Result<_, _>>()?;
    Type::group_type_builder(table.name()).with_fields(fields).build().map(Arc::new)
}

fn failed(error: ParquetError) -> io::Error {
    match error {
        ParquetError::External(error) => match error.downcast::<io::Error>() {
            Ok(error) => *error,
            Err(error) => io::Error::other(error),
        },
        error => io::Error::other(error),
    }
}
