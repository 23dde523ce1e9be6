//! Rows of numbers in a file that is read where they are wanted, and never as a whole: NumPy's `.npy`, and plain doubles behind a header.
//!
//! The file is read by calls of the operating system, not mapped into memory: a file that is cut while it is read is then an error, and not the
//! signal that ends the process.

pub mod npy;

use crate::aside::require_file;
use crate::room::{self, Gather};
use crate::{Error, Result};
use npy::{fill, Element, Type};
use std::fs::{self, File};
use std::io::{self, Read};
use std::ops::Range;
use std::path::{Path, PathBuf};

/// Bytes of numbers that can be read from anywhere.
pub trait Bytes {
    /// Fills `out` with the bytes from `offset` on.
    ///
    /// # Errors
    /// Those of the operating system; [`io::ErrorKind::UnexpectedEof`] if there are no more.
    fn read_at(&self, out: &mut [u8], offset: u64) -> io::Result<()>;
}

impl Bytes for [u8] {
    fn read_at(&self, out: &mut [u8], offset: u64) -> io::Result<()> {
        let rest = usize::try_from(offset).ok().and_then(|at| self.get(at..));
        rest.unwrap_or_default().read_exact(out)
    }
}

impl Bytes for File {
    #[cfg(unix)]
    fn read_at(&self, out: &mut [u8], offset: u64) -> io::Result<()> {
        std::os::unix::fs::FileExt::read_exact_at(self, out, offset)
    }

    #[cfg(windows)]
    fn read_at(&self, mut out: &mut [u8], mut offset: u64) -> io::Result<()> {
        while !out.is_empty() {
            match std::os::windows::fs::FileExt::seek_read(self, out, offset)? {
                0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                read => (out, offset) = (&mut out[read..], offset + read as u64),
            }
        }
        Ok(())
    }
}

/// A number of every row: where that of the first row is, and how its bytes are to be read.
#[derive(Clone, Debug)]
struct Number {
    /// Bytes after the beginning of the data.
    offset: u64,
    size: usize,
    /// NumPy's: `f`, `i`, `u` or, of true and false, which are 1 and 0, `b`.
    letter: u8,
    big_endian: bool,
}

impl Number {
    /// That of a type, of the first row at `offset`; none if it holds something else.
    fn of(kind: &Type, offset: u64) -> Option<Self> {
        let (letter, size) = (kind.letter?, kind.size?);
        let fits = match letter {
            b'f' => [4, 8].contains(&size),
            b'i' | b'u' => [1, 2, 4, 8].contains(&size),
            b'b' => size == 1,
            _ => false,
        };
        let big_endian = kind.big_endian.or((size == 1).then_some(false))?;
        fits.then_some(Number {
            offset,
            size: size as usize,
            letter,
            big_endian,
        })
    }

    fn value(&self, bytes: &[u8]) -> f64 {
        let mut word = [0; 8];
        let word_part = &mut word[..self.size];
        word_part.copy_from_slice(bytes);
        if self.big_endian {
            word_part.reverse();
        }
        let bits = u64::from_le_bytes(word);
        let unused = u64::BITS - 8 * self.size as u32;
        match (self.letter, unused) {
            (b'f', 0) => f64::from_bits(bits),
            (b'f', _) => f32::from_bits(bits as u32).into(),
            // With its sign.
            (b'i', _) => ((bits << unused) as i64 >> unused) as f64,
            (b'b', _) => f64::from(u8::from(bits != 0)),
            _ => bits as f64,
        }
    }
}

/// What weights are of, where they are called w and this.
const WEIGHED: [&str; 19] = [
    "down", "ev", "event", "evt", "gen", "lhe", "lumi", "mc", "nom", "nominal", "pileup", "pu",
    "sf", "sum", "tot", "total", "up", "xs", "xsec",
];

/// Whether a column with this name is likely to hold weights.
pub fn is_weight(name: &str) -> bool {
    // W is a mass, and mWt one of a boson and a quark.
    let word = name.rsplit(['_', '-', ' ', '.']).next();
    if name == "w" || word.is_some_and(|word| word.ends_with("wt") || word == "WT") {
        return true;
    }
    let joined = name.to_lowercase().replace(['_', '-', ' ', '.'], "");
    // w_nom and genW, but not W_pt.
    let before = joined.strip_prefix('w').filter(|_| name.starts_with('w'));
    let behind = joined.strip_suffix('w');
    let of = |stem: Option<&str>| stem.is_some_and(|stem| WEIGHED.contains(&stem));
    let parts = ["weight", "wgt", "wght"];
    parts.iter().any(|part| joined.contains(part)) || of(before) || of(behind)
}

/// Where the numbers of rows lie.
#[derive(Clone, Debug)]
pub struct Layout {
    /// Bytes before the data.
    start: u64,
    rows: usize,
    columns: Vec<Number>,
    /// Bytes from a number to that of the next row.
    stride: u64,
    /// Whether the numbers of a row lie within one stride, or else those of a column one behind the other.
    together: bool,
    names: Vec<String>,
}

/// What plain doubles begin with: then come the number of columns and the number of rows, each as a little-endian integer of 8 bytes, then the
/// rows as little-endian doubles.
pub const MAGIC: &[u8; 8] = b"LASERF64";

/// Bytes that are read at once.
const READ: u64 = 1 << 16;

impl Layout {
    /// Of `length` bytes that begin with what `reader` reads. What the header states is compared with them; no memory is taken for it.
    ///
    /// # Errors
    /// What is wrong, in words.
    pub fn of(mut reader: impl Read, length: u64) -> std::result::Result<Self, String> {
        let failed = |e: io::Error| format!("no .npy file that can be read: {e}");
        let mut head = [0; 8];
        let filled = fill(&mut reader, &mut head).map_err(failed)?;
        if head == *MAGIC {
            return Self::plain(reader, length);
        }
        let header = npy::read(head[..filled].chain(reader)).map_err(failed)?;
        let (start, shape) = (header.start, &header.shape[..]);
        let data = length.saturating_sub(start);
        let kind = match &header.element {
            Element::Value(kind) => kind,
            Element::Record(fields) => return Self::records(fields, shape, start, data),
        };
        let (rows, columns) = match *shape {
            [rows] => (rows, 1),
            [rows, columns] => (rows, columns),
            _ => {
                return Err(format!("an array of shape {shape:?}; one event in a row is needed, two dimensions: `array.reshape(len(array), -1)`"))
            }
        };
        // Whole numbers are a column as those of a named field are; of a table they are no events.
        let fits = |n: &Number| n.letter == b'f' || shape.len() == 1;
        let number = Number::of(kind, 0).filter(fits);
        let number = number.ok_or_else(|| {
            format!(
                "an array of {}; numbers of double or single precision are needed: `array.astype(\"f8\")`",
                kind.text
            )
        })?;
        let width = number.size as u64;
        let together = !header.fortran;
        Self::array((rows, columns), start, data, together, number).ok_or_else(|| {
            format!("{rows} x {columns} numbers of {width} bytes do not fit its {data} bytes of data: it is cut short, or no file of one array")
        })
    }

    /// Doubles behind [`MAGIC`].
    fn plain(mut reader: impl Read, length: u64) -> std::result::Result<Self, String> {
        let mut count = || {
            let mut bytes = [0; 8];
            let read = reader.read_exact(&mut bytes);
            read.map(|()| u64::from_le_bytes(bytes))
                .map_err(|e| format!("its header cannot be read: {e}"))
        };
        let (columns, rows) = (count()?, count()?);
        let start = 24;
        let data = length.saturating_sub(start);
        let number = Number {
            offset: 0,
            size: 8,
            letter: b'f',
            big_endian: false,
        };
        Self::array((rows, columns), start, data, true, number).ok_or_else(|| {
            format!("{rows} rows of {columns} doubles do not fit its {data} bytes of data: it is cut short, or its header states others")
        })
    }

    /// Numbers of one kind, `data` bytes; none if these are not the array.
    fn array(
        (rows, columns): (u64, u64),
        start: u64,
        data: u64,
        together: bool,
        number: Number,
    ) -> Option<Self> {
        let size = number.size as u64;
        let needed = rows.checked_mul(columns).and_then(|n| n.checked_mul(size));
        if needed != Some(data) {
            return None;
        }
        // Without rows there may be as many as a header likes.
        let columns = if rows == 0 { 0 } else { columns };
        let apart = if together { size } else { rows * size };
        let mut numbers = room::empty(columns as usize).ok()?;
        numbers.extend((0..columns).map(|column| Number {
            offset: column * apart,
            ..number.clone()
        }));
        Some(Layout {
            start,
            rows: rows as usize,
            columns: numbers,
            stride: if together { columns * size } else { size },
            together,
            names: Vec::new(),
        })
    }

    /// An array with named fields, one record for each event.
    fn records(
        fields: &[(String, Type)],
        shape: &[u64],
        start: u64,
        data: u64,
    ) -> std::result::Result<Self, String> {
        let [rows] = *shape else {
            return Err(format!(
                "an array of shape {shape:?} with named fields; one record for each event is needed: `array.ravel()`"
            ));
        };
        let (mut names, mut columns, mut width) = (Vec::new(), Vec::new(), 0_u64);
        for (name, kind) in fields {
            // What has no name aligns the field behind it.
            if !name.is_empty() {
                let number = Number::of(kind, width).ok_or_else(|| {
                    format!(
                        "its field `{name}` is {}, and no number: take those that are, `array[[\"pt\", \"eta\"]]`",
                        kind.text
                    )
                })?;
                names.push(name.clone());
                columns.push(number);
            }
            let end = kind.size.and_then(|bytes| width.checked_add(bytes));
            width = end.ok_or_else(|| format!("its field `{name}` has no size"))?;
        }
        if rows.checked_mul(width) != Some(data) {
            return Err(format!(
                "{rows} records of {width} bytes do not fit its {data} bytes of data: it is cut short, or no file of one array"
            ));
        }
        Ok(Layout {
            start,
            // Without a column there are no events, however many records.
            rows: if columns.is_empty() { 0 } else { rows as usize },
            columns,
            stride: width,
            together: true,
            names,
        })
    }

    /// How many rows there are.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Numbers of a row.
    pub fn columns(&self) -> usize {
        self.columns.len()
    }

    /// What the columns are called: those of an array with named fields.
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// Whether a column has whole numbers of 8 bytes, of which doubles do not hold those beyond 2⁵³.
    pub fn is_long(&self, column: usize) -> bool {
        let number = &self.columns[column];
        number.size == 8 && number.letter != b'f'
    }

    /// Keeps these columns, in this order; each is below [`Layout::columns`].
    pub fn select(&mut self, columns: &[usize]) {
        self.columns = columns.iter().map(|&c| self.columns[c].clone()).collect();
        if !self.names.is_empty() {
            self.names = columns.iter().map(|&c| self.names[c].clone()).collect();
        }
    }

    /// Reads some rows, which fill `out`.
    ///
    /// # Errors
    /// Those of the bytes; [`io::ErrorKind::OutOfMemory`].
    pub fn read(
        &self,
        bytes: &(impl Bytes + ?Sized),
        rows: Range<usize>,
        out: &mut [f64],
    ) -> io::Result<()> {
        let width = self.columns.len();
        if width == 0 {
            return Ok(());
        }
        let stride = self.stride as usize;
        let step = (READ / self.stride.max(1)).max(1) as usize;
        let mut buffer = room::filled(rows.len().min(step).saturating_mul(stride), 0)
            .map_err(|_| io::ErrorKind::OutOfMemory)?;
        for (first, out) in rows.step_by(step).zip(out.chunks_mut(step * width)) {
            let buffer = &mut buffer[..out.len() / width * stride];
            let from = self.start + first as u64 * self.stride;
            if self.together {
                bytes.read_at(buffer, from)?;
                for (row, out) in buffer.chunks_exact(stride).zip(out.chunks_mut(width)) {
                    for (value, number) in out.iter_mut().zip(&self.columns) {
                        *value = number.value(&row[number.offset as usize..][..number.size]);
                    }
                }
                continue;
            }
            for (column, number) in self.columns.iter().enumerate() {
                bytes.read_at(buffer, from + number.offset)?;
                let values = out.iter_mut().skip(column).step_by(width);
                for (value, bytes) in values.zip(buffer.chunks_exact(number.size)) {
                    *value = number.value(bytes);
                }
            }
        }
        Ok(())
    }
}

/// An open file of rows.
#[derive(Debug)]
pub struct Table {
    path: PathBuf,
    file: File,
    layout: Layout,
    /// The columns in the file, for messages.
    columns: Vec<usize>,
}

impl Table {
    /// Opens a file: NumPy's `.npy` of one or two dimensions, single or double precision, in C or Fortran order; one of named fields, which
    /// name the columns; or doubles behind [`MAGIC`]. What it is, its content says. Takes no time or memory by the number of rows.
    ///
    /// # Errors
    /// [`Error::Io`]; [`Error::Data`] for a file of another kind, and one that does not hold what its header states.
    pub fn open(path: &Path) -> Result<Self> {
        let open = || {
            require_file(&fs::metadata(path)?)?;
            let file = File::open(path)?;
            let length = file.metadata()?.len();
            Ok((file, length))
        };
        let (file, length) = open().map_err(|source| Error::Io {
            path: path.into(),
            source,
        })?;
        let layout = Layout::of(&file, length);
        let layout = layout.map_err(|what| Error::Data(format!("{}: {what}", path.display())))?;
        Ok(Table {
            path: path.into(),
            file,
            columns: (0..layout.columns()).gather()?,
            layout,
        })
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What it holds.
    pub fn layout(&self) -> &Layout {
        &self.layout
    }

    /// The column of this name, or with this number, from 0.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] naming those that there are.
    pub fn column(&self, name: &str) -> Result<usize> {
        let (names, columns) = (self.layout.names(), self.layout.columns());
        let named = names.iter().position(|n| n == name);
        let numbered = || name.parse().ok().filter(|&number| number < columns);
        named.or_else(numbered).ok_or_else(|| {
            let listed = match names {
                [] => format!("its {columns} columns have no names and count from 0"),
                names => format!("there are {}", names.join(", ")),
            };
            Error::InvalidArgument(format!(
                "{}: no column is called `{name}`; {listed}",
                self.path.display()
            ))
        })
    }

    /// Keeps these columns, in this order; each is below the number of those that there are.
    pub fn select(&mut self, columns: &[usize]) {
        self.layout.select(columns);
        self.columns = columns.iter().map(|&c| self.columns[c]).collect();
    }

    /// Reads some rows, which fill `out`.
    ///
    /// # Errors
    /// [`Error::Io`], also for a file that has become shorter since it was opened; [`Error::Memory`].
    pub fn read(&self, rows: Range<usize>, out: &mut [f64]) -> Result<()> {
        let end = rows.end;
        self.layout.read(&self.file, rows, out).map_err(|error| {
            let source = match error.kind() {
                io::ErrorKind::UnexpectedEof => io::Error::new(
                    io::ErrorKind::UnexpectedEof,
                    format!("it ends before row {end}, but did not when it was opened: was it cut or written anew meanwhile?"),
                ),
                _ => error,
            };
            let path = self.path.clone();
            Error::Io { path, source }
        })
    }

    /// Of a value of row `row` that is not finite: in the last of the columns as the weight, if that is one.
    pub(crate) fn not_finite(
        &self,
        row: usize,
        column: usize,
        weighted: bool,
        value: f64,
    ) -> Error {
        let is_weight = weighted && column + 1 == self.columns.len();
        let column = (!is_weight).then(|| self.columns[column]);
        Error::not_finite(&self.path.display().to_string(), row, column, value)
    }
}

#[cfg(test)]
mod tests {
    use super::is_weight;

    #[test]
    fn weights_are_known_by_their_names() {
        let weights = [
            "w",
            "wt",
            "gen_WT",
            "evtwt",
            "wgt",
            "weight",
            "weight_nominal",
            "mcEventWeight",
            "totalWeight",
            "sf_weight",
            "genWeight",
            "event weight",
            "genw",
            "evw",
            "evtw",
            "mcw",
            "eventW",
            "puW",
            "w_nom",
            "w_total",
            "sumw",
            "wght",
        ];
        assert!(weights.iter().all(|name| is_weight(name)));
        let features = [
            "pt", "eta", "m_w", "W", "mWt", "width", "x0", "", "wpt", "W_gen", "w_pt", "raw",
            "view", "upwind",
        ];
        assert!(!features.iter().any(|name| is_weight(name)));
    }
}
