//! Apache Parquet: columns with names, in groups of rows.

use crate::events::{unique, Events, HEAD};
use crate::failure::{Failure, Result};
use ::parquet::basic::{Compression, ConvertedType, LogicalType, Repetition, Type as Physical};
use ::parquet::column::reader::{ColumnReader, ColumnReaderImpl};
use ::parquet::data_type::{DataType, DoubleType};
use ::parquet::errors::ParquetError;
use ::parquet::file::metadata::{FileMetaData, KeyValue};
use ::parquet::file::properties::WriterProperties;
use ::parquet::file::reader::{FileReader, SerializedFileReader};
use ::parquet::file::writer::SerializedFileWriter;
use ::parquet::schema::types::{ColumnDescriptor, Type};
use serde_json::Value;
use std::cell::RefCell;
use std::fs::File;
use std::io::{self, Write};
use std::ops::Range;
use std::panic::{catch_unwind, AssertUnwindSafe};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Of the crate.
type Outcome<T> = std::result::Result<T, ParquetError>;

/// What the index of a table is called that pandas writes.
const INDEX: &str = "__index_level_";

/// Values of a column that are read at once.
const READ: usize = 1 << 16;

/// A file whose columns are all numbers.
pub struct Groups {
    path: PathBuf,
    file: SerializedFileReader<File>,
    names: Vec<String>,
    /// Whose whole numbers may be larger than doubles hold.
    long: Vec<usize>,
    /// Whether whole numbers have no sign, column by column.
    unsigned: Vec<bool>,
    /// The first row of each group, and one behind the last.
    starts: Vec<usize>,
    /// The group that was read last, row by row.
    held: RefCell<(usize, Vec<f64>)>,
}

/// Runs what reads a file. The reader has assertions that files with errors do not keep.
fn guarded<T>(path: &Path, read: impl FnOnce() -> Outcome<T>) -> Result<T> {
    let failed = |what: &dyn std::fmt::Display| {
        Failure::of(path, format!("no .parquet file that can be read: {what}"))
    };
    match catch_unwind(AssertUnwindSafe(read)) {
        Ok(read) => read.map_err(|e| failed(&e)),
        Err(_) => Err(failed(&"its parts contradict each other")),
    }
}

/// Whether a column holds whole numbers without a sign; none if it holds no numbers, or several for each event.
fn sign(column: &ColumnDescriptor) -> Option<bool> {
    let number = matches!(
        column.physical_type(),
        Physical::BOOLEAN | Physical::INT32 | Physical::INT64 | Physical::FLOAT | Physical::DOUBLE
    );
    let unsigned = match (column.logical_type_ref(), column.converted_type()) {
        (Some(LogicalType::Integer(kind)), _) => Some(!kind.is_signed),
        (Some(_), _) => None,
        (None, kind) => match kind {
            ConvertedType::NONE
            | ConvertedType::INT_8
            | ConvertedType::INT_16
            | ConvertedType::INT_32
            | ConvertedType::INT_64 => Some(false),
            ConvertedType::UINT_8
            | ConvertedType::UINT_16
            | ConvertedType::UINT_32
            | ConvertedType::UINT_64 => Some(true),
            _ => None,
        },
    };
    unsigned.filter(|_| number && column.max_rep_level() == 0)
}

/// The columns that pandas has written for the index of a table, by what it says about it.
fn index_of(about: &FileMetaData) -> Vec<String> {
    let mut about = about.key_value_metadata().into_iter().flatten();
    let pandas = about.find(|about| about.key == "pandas");
    let pandas = pandas.and_then(|pandas| serde_json::from_str(pandas.value.as_deref()?).ok());
    let pandas: Value = pandas.unwrap_or_default();
    let columns = pandas["index_columns"].as_array().into_iter().flatten();
    // An index that counts is no column, but a range.
    columns
        .filter_map(|column| column.as_str().map(str::to_owned))
        .collect()
}

/// Adds what is left of a column, whose values are there at this level: NaN where there is none.
fn values<T: DataType>(
    mut column: ColumnReaderImpl<T>,
    there: i16,
    out: &mut Vec<f64>,
    number: impl Fn(&T::T) -> f64,
) -> Outcome<()> {
    let (mut levels, mut read) = (Vec::new(), Vec::new());
    loop {
        levels.clear();
        read.clear();
        let (rows, ..) = column.read_records(READ, Some(&mut levels), None, &mut read)?;
        if rows == 0 {
            return Ok(());
        }
        out.try_reserve(rows)
            .map_err(|e| ParquetError::External(e.into()))?;
        let mut given = read.iter().map(&number);
        match there {
            0 => out.extend(given),
            _ => out.extend(levels.iter().map(|level| match *level == there {
                true => given.next().unwrap_or(f64::NAN),
                false => f64::NAN,
            })),
        }
    }
}

impl Groups {
    /// Looks what the columns of an open file are.
    pub fn open(path: &Path, file: File) -> Result<Self> {
        let file = guarded(path, || SerializedFileReader::new(file))?;
        let about = file.metadata();
        let (mut names, mut long, mut unsigned) = (Vec::new(), Vec::new(), Vec::new());
        let index = index_of(about.file_metadata());
        for (i, column) in about
            .file_metadata()
            .schema_descr()
            .columns()
            .iter()
            .enumerate()
        {
            let name = column.path().string();
            if name.starts_with(INDEX) || index.contains(&name) {
                let what = format!("its column `{name}` is the index of a table and no feature; write the table without it (pandas: `index=False`)");
                return Err(Failure::of(path, what));
            }
            let Some(sign) = sign(column) else {
                let what = format!("its column `{name}` is no column of numbers; in Python, `liblaser.write(\"events.npy\", liblaser.iterate(\"events.parquet\", [\"pt\", \"eta\"]))` takes those that are, and single values of lists (\"pt[0]\")");
                return Err(Failure::of(path, what));
            };
            long.extend((column.physical_type() == Physical::INT64).then_some(i));
            unsigned.push(sign);
            names.push(name);
        }
        let names = unique(names).map_err(|what| Failure::of(path, what))?;
        let mut starts = vec![0];
        for group in about.row_groups() {
            let rows = usize::try_from(group.num_rows());
            let end = rows.ok().and_then(|n| n.checked_add(*starts.last()?));
            starts.push(
                end.ok_or_else(|| Failure::of(path, "it states impossible numbers of events"))?,
            );
        }
        Ok(Groups {
            path: path.into(),
            file,
            names,
            long,
            unsigned,
            starts,
            held: RefCell::new((usize::MAX, Vec::new())),
        })
    }

    pub fn rows(&self) -> usize {
        self.starts.last().copied().unwrap_or_default()
    }

    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// The columns whose whole numbers may be others when they are written.
    pub fn long(&self) -> &[usize] {
        &self.long
    }

    /// All columns of these rows. Groups are read as a whole, one at a time.
    pub fn read(&self, rows: Range<usize>, out: &mut [f64]) -> Result<()> {
        let columns = self.names.len();
        let mut held = self.held.borrow_mut();
        for group in 0..self.starts.len() - 1 {
            let (start, end) = (self.starts[group], self.starts[group + 1]);
            let (from, to) = (rows.start.max(start), rows.end.min(end));
            if from >= to {
                continue;
            }
            if held.0 != group {
                // Freed before the next is read.
                *held = (usize::MAX, Vec::new());
                *held = (group, self.group(group)?);
            }
            out[(from - rows.start) * columns..(to - rows.start) * columns]
                .copy_from_slice(&held.1[(from - start) * columns..(to - start) * columns]);
        }
        Ok(())
    }

    /// The first events, enough to judge the columns by.
    pub fn head(&self) -> Result<Events> {
        let rows = self.rows().min(HEAD);
        let mut values = vec![0.0; rows * self.names.len()];
        self.read(0..rows, &mut values)?;
        self.events(values, rows)
    }

    /// All its events.
    pub fn all(&self) -> Result<Events> {
        let mut values = Vec::new();
        for group in 0..self.starts.len() - 1 {
            let read = self.group(group)?;
            let room = values.try_reserve_exact(read.len());
            room.map_err(|e| Failure::of(&self.path, e))?;
            values.extend_from_slice(&read);
        }
        self.events(values, self.rows())
    }

    fn events(&self, values: Vec<f64>, rows: usize) -> Result<Events> {
        let mut events = Events::of(&self.path, values, rows, self.names.len());
        events.set_names(self.names.clone())?;
        Ok(events)
    }

    /// A group of rows, row by row. Memory is taken for the values that there are, not for those stated.
    fn group(&self, group: usize) -> Result<Vec<f64>> {
        let rows = self.starts[group + 1] - self.starts[group];
        let mut columns = Vec::new();
        for (c, name) in self.names.iter().enumerate() {
            let column = guarded(&self.path, || self.column(group, c))?;
            if column.len() != rows {
                let found = column.len();
                let what = format!("its column `{name}` has {found} values, and not the {rows} stated: it is cut short or broken");
                return Err(Failure::of(&self.path, what));
            }
            columns.push(column);
        }
        let mut values = Vec::new();
        let room = values.try_reserve_exact(rows * columns.len());
        room.map_err(|e| Failure::of(&self.path, e))?;
        for row in 0..rows {
            values.extend(columns.iter().map(|column| column[row]));
        }
        Ok(values)
    }

    fn column(&self, group: usize, c: usize) -> Outcome<Vec<f64>> {
        let group = self.file.get_row_group(group)?;
        let there = group.metadata().column(c).column_descr().max_def_level();
        let mut out = Vec::new();
        let into = &mut out;
        match (group.get_column_reader(c)?, self.unsigned[c]) {
            (ColumnReader::DoubleColumnReader(r), _) => values(r, there, into, |v| *v),
            (ColumnReader::FloatColumnReader(r), _) => values(r, there, into, |v| f64::from(*v)),
            (ColumnReader::BoolColumnReader(r), _) => {
                values(r, there, into, |v| f64::from(u8::from(*v)))
            }
            (ColumnReader::Int32ColumnReader(r), true) => {
                values(r, there, into, |v| f64::from(*v as u32))
            }
            (ColumnReader::Int32ColumnReader(r), false) => {
                values(r, there, into, |v| f64::from(*v))
            }
            (ColumnReader::Int64ColumnReader(r), true) => {
                values(r, there, into, |v| *v as u64 as f64)
            }
            (ColumnReader::Int64ColumnReader(r), false) => values(r, there, into, |v| *v as f64),
            _ => Err(ParquetError::General("a column of another kind".into())),
        }?;
        Ok(out)
    }
}

/// Doubles that make a group of rows, as many as Arrow's default for ten columns.
const GROUP: usize = 10 << 20;

/// Writes doubles in columns with names.
pub struct Writer<W: Write + Send> {
    file: SerializedFileWriter<W>,
    /// Of the group that is not full yet.
    columns: Vec<Vec<f64>>,
    most: usize,
}

/// With its kind, which tells a closed pipe.
fn of_parquet(error: ParquetError) -> io::Error {
    match error {
        ParquetError::External(error) => match error.downcast::<io::Error>() {
            Ok(error) => *error,
            Err(error) => io::Error::other(error),
        },
        other => io::Error::other(other),
    }
}

impl<W: Write + Send> Writer<W> {
    /// With what is to be told about the run.
    pub fn new(sink: W, names: &[String], about: &[(&str, String)]) -> io::Result<Self> {
        let field = |name: &String| {
            let field = Type::primitive_type_builder(name, Physical::DOUBLE);
            field
                .with_repetition(Repetition::REQUIRED)
                .build()
                .map(Arc::new)
        };
        let fields = names.iter().map(field).collect::<Outcome<Vec<_>>>();
        let schema = Type::group_type_builder("events").with_fields(fields.map_err(of_parquet)?);
        let about = about
            .iter()
            .map(|(key, value)| KeyValue::new((*key).to_owned(), value.clone()));
        let properties = WriterProperties::builder()
            .set_compression(Compression::SNAPPY)
            // Numbers that hardly come again.
            .set_dictionary_enabled(false)
            .set_created_by(concat!("liblaser ", env!("CARGO_PKG_VERSION")).into())
            .set_key_value_metadata(Some(about.collect()))
            .build();
        let schema = Arc::new(schema.build().map_err(of_parquet)?);
        let file = SerializedFileWriter::new(sink, schema, Arc::new(properties));
        Ok(Writer {
            file: file.map_err(of_parquet)?,
            columns: vec![Vec::new(); names.len()],
            most: (GROUP / names.len().max(1)).max(1),
        })
    }

    /// Whole rows.
    pub fn write(&mut self, rows: &[f64]) -> io::Result<()> {
        for row in rows.chunks_exact(self.columns.len()) {
            for (column, value) in self.columns.iter_mut().zip(row) {
                column.push(*value);
            }
            if self.columns[0].len() == self.most {
                self.write_group().map_err(of_parquet)?;
            }
        }
        Ok(())
    }

    fn write_group(&mut self) -> Outcome<()> {
        let mut group = self.file.next_row_group()?;
        for column in &mut self.columns {
            if let Some(mut writer) = group.next_column()? {
                writer
                    .typed::<DoubleType>()
                    .write_batch(column, None, None)?;
                writer.close()?;
            }
            column.clear();
        }
        group.close().map(|_| ())
    }

    /// What is left, and the end of the file.
    pub fn finish(mut self) -> io::Result<()> {
        if !self.columns[0].is_empty() {
            self.write_group().map_err(of_parquet)?;
        }
        self.file.close().map(|_| ()).map_err(of_parquet)
    }
}
