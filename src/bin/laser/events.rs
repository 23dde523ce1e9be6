//! Events from files: NumPy's .npy and .npz, .csv, .parquet, or those of particles.

use crate::argument::MOST_EXACT;
use crate::failure::{Failure, Result};
use crate::npz;
use crate::parquet::Groups;
use crate::particle::features::Features;
use crate::particle::files::{Format, Reader, NOMINAL};
use csv::{ReaderBuilder, Trim};
use flate2::read::MultiGzDecoder;
use laser::aside::require_file;
use laser::formula::Formula;
use laser::table::{is_weight, Bytes, Layout, Table};
use laser::Rows;
use std::collections::{HashMap, HashSet};
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Seek};
use std::path::{Path, PathBuf};

/// A table of numbers, one event in a row.
pub struct Events {
    /// Where they come from.
    pub path: PathBuf,
    /// Row by row.
    pub values: Vec<f64>,
    /// At least one.
    pub rows: usize,
    /// At least one.
    pub columns: usize,
    /// Of the columns: those of a .csv with a header, of a .parquet, or of the fields of a .npy.
    names: Vec<String>,
    /// Where the columns are in the file.
    places: Vec<usize>,
    /// Of each column, whether it has whole numbers that may be larger than doubles hold.
    pub long: Vec<bool>,
    /// Lines of a .csv, of those rows that hold NaN or infinities.
    lines: HashMap<usize, u64>,
    /// What to warn of.
    pub warning: Option<String>,
}

/// Rows that the columns of a file are judged by, where it is not read as a whole.
pub const HEAD: usize = 1000;

/// Kinds of files.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// NumPy's.
    Npy,
    /// NumPy's archives, which are read only.
    Npz,
    /// Numbers with commas between.
    Csv,
    /// Apache's columns.
    Parquet,
    /// Events of particles.
    Particles(Format),
}

impl Kind {
    /// By the end of the name, or that before `.gz`.
    pub fn of(path: &Path) -> Result<Self> {
        let packed = is_packed(path);
        let inner = path.with_extension("");
        let plain = if packed { &inner } else { path };
        let end = plain.extension().unwrap_or_default().to_string_lossy();
        let kind = Kind::named(&end.to_lowercase());
        match kind {
            Some(Kind::Npy | Kind::Npz | Kind::Parquet) if packed => Err(Failure::of(
                path,
                "arrays of NumPy and .parquet packed by gzip are not read or written; unpack it, or take .csv.gz",
            )),
            Some(kind) => Ok(kind),
            None => {
                let columns = match end.to_lowercase().as_str() {
                    "root" => Some("events.root:tree"),
                    "h5" | "hdf5" => Some("events.h5"),
                    _ => None,
                };
                let convert = columns.map(|file| format!("; in Python, `liblaser.write(\"events.npy\", liblaser.iterate(\"{file}\", [\"pt\", \"eta\"]))` converts such a file, and `liblaser.write(\"{file}\", numpy.load(\"events.npy\"), names=[\"pt\", \"eta\"])` makes one"));
                let convert = convert.unwrap_or_default();
                Err(Failure::of(path, format!("unknown kind of file; events are read from .npy, .npz, .csv, .parquet, .lhe or .hepmc, and written to .npy, .csv, .parquet, .lhe or .hepmc{convert}")))
            }
        }
    }

    /// By the letters that names of such files end with.
    pub fn named(end: &str) -> Option<Self> {
        match end {
            "npy" => Some(Kind::Npy),
            "npz" => Some(Kind::Npz),
            "csv" => Some(Kind::Csv),
            "parquet" => Some(Kind::Parquet),
            "lhe" => Some(Kind::Particles(Format::Lhe)),
            "hepmc" | "hepmc3" => Some(Kind::Particles(Format::Hepmc)),
            _ => None,
        }
    }
}

/// Whether the name is that of a file packed by gzip.
pub fn is_packed(path: &Path) -> bool {
    path.extension()
        .is_some_and(|e| e.eq_ignore_ascii_case("gz"))
}

/// What of a file is wanted that holds particles.
#[derive(Clone, Copy, Default)]
pub struct Wanted<'a> {
    pub features: Option<&'a Features>,
    /// Whether the events' weights are taken.
    pub weights: bool,
    /// Of the weight, if it is not the nominal one.
    pub name: Option<&'a str>,
}

impl Events {
    /// Reads a whole file.
    pub fn read(path: &Path) -> Result<Self> {
        let (path, array) = npz::member(path);
        let kind = Kind::of(path)?;
        if let Kind::Particles(_) = kind {
            return Err(Failure::usage(
                path,
                "particles are no columns by themselves: where a table of numbers does not do, say what of them counts (`--features`, or `features` of a configuration), as \"pt(13), eta(13), m(13+-13)\"",
            ));
        }
        let file = open(path)?;
        let events = match kind {
            Kind::Parquet => Groups::open(path, file)?.all()?,
            Kind::Csv if is_packed(path) => {
                let mut text = Vec::new();
                let read = MultiGzDecoder::new(file).read_to_end(&mut text);
                read.map_err(|e| Failure::of(path, e))?;
                read_csv(path, io::Cursor::new(text))?
            }
            Kind::Csv => read_csv(path, file)?,
            Kind::Npz => npz::read(path, file, array)?,
            _ => {
                let length = file.metadata().map_err(|e| Failure::of(path, e))?.len();
                let layout = Layout::of(&file, length).map_err(|e| Failure::of(path, e))?;
                read_rows(path, &layout, &file)?
            }
        };
        if events.rows == 0 || events.columns == 0 {
            return Err(Failure::of(path, "there are no events in it"));
        }
        Ok(events)
    }

    /// Reads a whole file, which may also be one of particles: then its columns are the features that are wanted and, if they are, the weights,
    /// the last one.
    ///
    /// # Errors
    /// Also if the weights are not wanted and are not all the same.
    pub fn read_wanted(path: &Path, wanted: Wanted) -> Result<Self> {
        let format = match (Kind::of(npz::member(path).0)?, wanted.features) {
            (Kind::Particles(format), Some(_)) => format,
            _ => return Events::read(path),
        };
        let features = wanted.features.into_iter();
        let mut names: Vec<String> = features.flat_map(|f| f.names().cloned()).collect();
        names.extend(
            wanted
                .weights
                .then(|| wanted.name.unwrap_or(NOMINAL).into()),
        );
        let columns = names.len();
        let mut reader = Reader::open(path, format)?;
        let (mut values, mut rows) = (Vec::new(), 0);
        let (mut least, mut most) = (f64::INFINITY, f64::NEG_INFINITY);
        while reader.read()? {
            let room = values.try_reserve(columns);
            room.map_err(|e| Failure::of(path, e))?;
            if let Some(features) = wanted.features {
                reader.features(features, &mut values)?;
            }
            let weight = reader.weight(wanted.name)?;
            values.extend(wanted.weights.then_some(weight));
            (least, most) = (least.min(weight), most.max(weight));
            rows += 1;
        }
        if rows == 0 {
            return Err(Failure::of(path, "there are no events in it"));
        }
        // Weights are written with as few as seven digits.
        if !wanted.weights && most - least > 1e-6 * most.abs() {
            return Err(Failure::usage(
                path,
                format!("its events have weights, from {least:e} to {most:e}: say that they are wanted (`--weights`, or `weights_column` of a configuration: true, or the name of one)"),
            ));
        }
        let mut events = Events::of(path, values, rows, columns);
        events.set_names(names)?;
        Ok(events)
    }

    /// Rows without names.
    pub fn of(path: &Path, values: Vec<f64>, rows: usize, columns: usize) -> Self {
        Events {
            path: path.into(),
            values,
            rows,
            columns,
            names: Vec::new(),
            places: (0..columns).collect(),
            long: vec![false; columns],
            lines: HashMap::new(),
            warning: None,
        }
    }

    /// The first rows of a table that is not read as a whole, enough to judge its columns by.
    pub fn head(table: &Table) -> Result<Self> {
        let layout = table.layout();
        let (rows, columns) = (layout.rows().min(HEAD), layout.columns());
        let mut values = Vec::new();
        let room = values.try_reserve_exact(rows.saturating_mul(columns));
        room.map_err(|e| Failure::of(table.path(), e))?;
        values.resize(rows * columns, 0.0);
        table.read(0..rows, &mut values)?;
        Ok(Events {
            names: layout.names().to_vec(),
            ..Events::of(table.path(), values, rows, columns)
        })
    }

    /// What a column is called, if it has a name.
    pub fn name(&self, column: usize) -> Option<&str> {
        let name = self.names.get(column).map(String::as_str);
        name.filter(|name| !name.is_empty())
    }

    /// The values of a formula in the columns, for each event.
    pub fn derived(&self, formula: &Formula) -> Result<Vec<f64>> {
        let rows = Rows::packed(&self.values, self.columns)?;
        let mut values = vec![0.0; self.rows];
        formula.evaluate(rows, &mut values)?;
        match values.iter().position(|v| !v.is_finite()) {
            None => Ok(values),
            Some(row) => Err(Failure::of(
                &self.path,
                format!(
                    "row {row} (from 0): `{}` is {}; all numbers must be finite",
                    formula.text(),
                    values[row]
                ),
            )),
        }
    }

    /// Puts further columns of these names behind the others.
    pub fn append(&mut self, names: &[String], columns: &[Vec<f64>]) {
        if columns.is_empty() {
            return;
        }
        let rows = self.values.chunks_exact(self.columns).enumerate();
        self.values = rows
            .flat_map(|(row, event)| {
                event
                    .iter()
                    .copied()
                    .chain(columns.iter().map(move |c| c[row]))
            })
            .collect();
        self.names.resize(self.columns, String::new());
        self.names.extend_from_slice(names);
        self.places
            .extend(self.columns..self.columns + columns.len());
        self.columns += columns.len();
        self.long.resize(self.columns, false);
    }

    /// Names its columns.
    ///
    /// # Errors
    /// If there are not as many.
    pub fn set_names(&mut self, names: Vec<String>) -> Result<()> {
        if names.len() != self.columns {
            let (names, columns) = (names.len(), self.columns);
            let what = format!("{names} names for {columns} columns");
            return Err(Failure::of(&self.path, what));
        }
        let names = unique(names).map_err(|what| Failure::of(&self.path, what))?;
        self.names = names;
        Ok(())
    }

    /// The names of all columns; none if they have none.
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// The column of this name, or of this number, from 0.
    pub fn place(&self, name: &str) -> Result<usize> {
        place(&self.path, &self.names, self.columns, name)
    }

    /// The column of the weights: that of the name asked for, or with the number, from 0; or else the last.
    ///
    /// # Errors
    /// If there is no such column or only one, or if the header calls another column than the last the weight, or several.
    pub fn weights_column(&self, asked: Option<&str>) -> Result<usize> {
        if let Some(name) = asked {
            return self.place(name);
        }
        if self.columns < 2 {
            return Err(Failure::of(
                &self.path,
                "the last of its columns is to be the weight, but it has only one",
            ));
        }
        let last = self.columns - 1;
        let weights = self.names.iter().filter(|name| is_weight(name));
        let weights: Vec<&str> = weights.map(String::as_str).collect();
        let what = match weights[..] {
            [] => return Ok(last),
            [one] if one == self.names[last] => return Ok(last),
            [one] => format!(
                "the last column, `{}`, would be taken for the weight, but the header has a `{one}`",
                self.names[last]
            ),
            _ => format!(
                "several columns are called as weights are, `{}`",
                weights.join("`, `")
            ),
        };
        Err(Failure::of(
            &self.path,
            format!("{what}: say which one by its name (`--weight-column`, or `weights_column` of a configuration)"),
        ))
    }

    /// The values of a column.
    pub fn column(&self, column: usize) -> Vec<f64> {
        let values = self.values.iter().skip(column).step_by(self.columns);
        values.copied().collect()
    }

    /// Cuts off the column of the weights.
    pub fn split_weights(&mut self, column: usize) -> Result<Vec<f64>> {
        let weights = self.column(column);
        self.select(&self.without(Some(column))?)?;
        Ok(weights)
    }

    /// All columns but that of the weights, if there is one.
    ///
    /// # Errors
    /// If there is no other.
    pub fn without(&self, weights: Option<usize>) -> Result<Vec<usize>> {
        let features = (0..self.columns).filter(|&c| Some(c) != weights);
        match features.collect::<Vec<usize>>() {
            none if none.is_empty() => {
                Err(Failure::of(&self.path, "its only column is the weight"))
            }
            features => Ok(features),
        }
    }

    /// Refuses a column that only counts the rows: the index of a table, as pandas writes it.
    pub fn refuse_index(&self, counts: impl Fn(usize) -> bool) -> Result<()> {
        const ENOUGH: usize = 10;
        let is_index = |column: usize| {
            let values = || self.values.iter().skip(column).step_by(self.columns);
            [0, 1]
                .iter()
                .any(|first| values().zip(*first..).all(|(&v, row)| v == f64::from(row)))
        };
        match (0..self.columns).find(|&column| counts(column) && is_index(column)) {
            Some(column) if self.rows >= ENOUGH => Err(Failure::of(
                &self.path,
                format!("column {} (from 0) counts the rows: it is an index and no feature; write the table without it (pandas: `index=False`)", self.places[column]),
            )),
            _ => Ok(()),
        }
    }

    /// Refuses NaN and infinities in the columns that count.
    pub fn require_finite(&self, counts: impl Fn(usize) -> bool) -> Result<()> {
        for (row, event) in self.values.chunks_exact(self.columns).enumerate() {
            let mut columns = event.iter().enumerate();
            let Some((column, value)) = columns.find(|(c, v)| !v.is_finite() && counts(*c)) else {
                continue;
            };
            let column = self.places[column];
            let place = match self.lines.get(&row) {
                Some(line) => format!("line {line}, column {column} (from 0)"),
                None => format!("row {row}, column {column} (both from 0)"),
            };
            let missing = match Kind::of(&self.path) {
                Ok(Kind::Parquet) if value.is_nan() => ", or no value (null)",
                _ => "",
            };
            let what = format!("{place}: {value}{missing}; all numbers must be finite");
            return Err(Failure::of(&self.path, what));
        }
        Ok(())
    }

    /// Keeps these columns, in this order.
    pub fn select(&mut self, columns: &[usize]) -> Result<()> {
        if let Some(column) = columns.iter().find(|c| **c >= self.columns) {
            return Err(Failure::usage(
                &self.path,
                format!(
                    "there is no column {column}; its {} columns count from 0",
                    self.columns
                ),
            ));
        }
        let rows = self.values.chunks_exact(self.columns);
        self.values = rows
            .flat_map(|event| columns.iter().map(|&c| event[c]))
            .collect();
        if !self.names.is_empty() {
            self.names = columns.iter().map(|&c| self.names[c].clone()).collect();
        }
        self.places = columns.iter().map(|&c| self.places[c]).collect();
        self.long = columns.iter().map(|&c| self.long[c]).collect();
        self.columns = columns.len();
        Ok(())
    }

    /// Where the columns are in the file.
    pub fn places(&self) -> &[usize] {
        &self.places
    }
}

/// The column of this name among `columns` of `names`, if they have some, or of this number, from 0.
pub fn place(path: &Path, names: &[String], columns: usize, name: &str) -> Result<usize> {
    let named = names.iter().position(|n| n == name);
    let numbered = || name.parse().ok().filter(|&number| number < columns);
    named.or_else(numbered).ok_or_else(|| {
        let listed = match names.join(", ") {
            none if none.is_empty() => {
                format!("its {columns} columns have no names and count from 0")
            }
            names => format!("there are {names}"),
        };
        Failure::of(path, format!("no column is called `{name}`; {listed}"))
    })
}

/// Opens a file to read.
pub fn open(path: &Path) -> Result<File> {
    let open = || {
        require_file(&std::fs::metadata(path)?)?;
        File::open(path)
    };
    open().map_err(|e| Failure::of(path, e))
}

/// All rows of a table.
pub fn read_rows(path: &Path, layout: &Layout, bytes: &(impl Bytes + ?Sized)) -> Result<Events> {
    let (rows, columns) = (layout.rows(), layout.columns());
    let mut values = Vec::new();
    let count = rows.saturating_mul(columns);
    let room = values.try_reserve_exact(count);
    room.map_err(|e| Failure::of(path, e))?;
    values.resize(count, 0.0);
    let read = layout.read(bytes, 0..rows, &mut values);
    read.map_err(|e| Failure::of(path, e))?;
    Ok(Events {
        names: layout.names().to_vec(),
        long: (0..columns).map(|c| layout.is_long(c)).collect(),
        ..Events::of(path, values, rows, columns)
    })
}

/// Whether a field is a whole number, written as one, that doubles may not hold.
fn is_long(field: &str, value: f64) -> bool {
    let digits = field.strip_prefix(['+', '-']).unwrap_or(field);
    value.abs() >= MOST_EXACT as f64 && digits.bytes().all(|b| b.is_ascii_digit())
}

/// Numbers with commas between; a first line without any number names the columns, lines that begin with # are left out, but for names.
fn read_csv(path: &Path, mut file: impl Read + Seek) -> Result<Events> {
    let failed = |e: io::Error| Failure::of(path, e);
    let remark = last_remark(&mut file).map_err(failed)?;
    let whole = ends_with_newline(&mut file).map_err(failed)?;
    let warning = || {
        format!(
            "the last line of {} has no newline at its end: was the file cut?",
            path.display()
        )
    };
    let mut reader = ReaderBuilder::new()
        .has_headers(false)
        .comment(Some(b'#'))
        .trim(Trim::All)
        .from_reader(BufReader::new(file));
    let mut events = Events {
        warning: (!whole).then(warning),
        ..Events::of(path, Vec::new(), 0, 0)
    };
    // Whether the first line is 0,1,… or 1,2,…, as tables without names are headed.
    let mut counted = false;
    for record in reader.records() {
        let record = record.map_err(|e| defect(path, &e))?;
        let is_number = |field: &str| field.parse::<f64>().is_ok();
        if events.columns == 0 {
            events.columns = record.len();
            events.places = (0..events.columns).collect();
            events.long = vec![false; events.columns];
            if !record.iter().any(is_number) {
                let names = record.iter().filter(|name| name.contains([';', '\t']));
                if let Some(what) = names.filter_map(separated).next() {
                    return Err(Failure::of(path, format!("the first line, {what}")));
                }
                events.names = names_of(path, "the first line", &record)?;
                continue;
            }
            events.names = names_in(path, &remark, record.len())?;
            let counts = |from| {
                let mut fields = record.iter().zip(from..);
                fields.all(|(field, k): (_, u32)| field == k.to_string())
            };
            counted = counts(0) || counts(1);
        } else if counted && has_fractions(&record) {
            let what = "the first line counts the columns, `0,1,…` or `1,2,…`: is it a header? Name the columns there, or remove the line; if it is an event, write its numbers with a point";
            return Err(Failure::of(path, what));
        }
        let line = record.position().map_or(0, csv::Position::line);
        for (column, field) in record.iter().enumerate() {
            let wrong = |what: &str| {
                let what = format!("line {line}, column {column} (from 0): `{field}` is {what}");
                Failure::of(path, what)
            };
            let value: f64 = field.parse().map_err(|_| match separated(field) {
                Some(what) => Failure::of(path, format!("line {line}, {what}")),
                None => wrong("no number"),
            })?;
            if value.is_infinite() && field.contains(|c: char| c.is_ascii_digit()) {
                return Err(wrong("too large for a number, which reaches to 1.8e308"));
            }
            if !value.is_finite() {
                events.lines.insert(events.rows, line);
            }
            events.long[column] |= is_long(field, value);
            events.values.push(value);
        }
        events.rows += 1;
    }
    Ok(events)
}

/// The last of the lines at the beginning that begin with #, without it; empty if there is none. The file is left at its beginning.
fn last_remark(file: &mut (impl Read + Seek)) -> io::Result<String> {
    const LONGEST: u64 = 1 << 20;
    let lines = BufReader::new(file.by_ref().take(LONGEST)).lines();
    // What is no text is an error of the reader behind.
    let lines = lines.map_while(io::Result::ok);
    let remarks = lines.map_while(|line| {
        let line = line.trim_start_matches('\u{feff}');
        line.strip_prefix('#').map(str::to_owned)
    });
    let last = remarks.last().unwrap_or_default();
    file.rewind()?;
    Ok(last)
}

/// Whether the last byte, if there is one, ends a line. The file is left at its beginning.
fn ends_with_newline(file: &mut (impl Read + Seek)) -> io::Result<bool> {
    let mut last = [b'\n'];
    if file.seek(io::SeekFrom::End(0))? > 0 {
        file.seek(io::SeekFrom::End(-1))?;
        file.read_exact(&mut last)?;
    }
    file.rewind()?;
    Ok([b"\n", b"\r"].contains(&&last))
}

/// The names in a remark before the first of `columns` values, as `numpy.savetxt` writes its header; none if it says something else.
fn names_in(path: &Path, remark: &str, columns: usize) -> Result<Vec<String>> {
    let mut reader = ReaderBuilder::new()
        .has_headers(false)
        .trim(Trim::All)
        .from_reader(remark.as_bytes());
    let Some(Ok(record)) = reader.records().next() else {
        return Ok(Vec::new());
    };
    let is_name = |field: &str| field.parse::<f64>().is_err() && !field.contains('=');
    // Of one column a sentence is no name.
    let sentence = columns == 1 && remark.trim().contains(char::is_whitespace);
    match record.len() == columns && record.iter().all(is_name) && !sentence {
        true => names_of(path, "the header", &record),
        false => Ok(Vec::new()),
    }
}

/// The names of a line without numbers, which messages call `line`.
fn names_of(path: &Path, line: &str, record: &csv::StringRecord) -> Result<Vec<String>> {
    let wrong = |what: String| Err(Failure::of(path, format!("{line}: {what}")));
    const MISSING: [&str; 7] = ["na", "n/a", "null", "none", "nil", "-", "?"];
    if let Some(field) = record
        .iter()
        .find(|f| MISSING.contains(&f.to_lowercase().as_str()))
    {
        return wrong(format!("`{field}` is neither a number nor a name"));
    }
    if record.iter().next() == Some("") {
        return wrong("its first column has no name: it is the index of a table and no feature; write the table without it (pandas: `index=False`)".into());
    }
    let names: Vec<String> = record.iter().map(str::to_owned).collect();
    unique(names).or_else(wrong)
}

/// Names, if none is given twice.
pub fn unique(names: Vec<String>) -> std::result::Result<Vec<String>, String> {
    let mut known = HashSet::new();
    match names.iter().find(|name| !known.insert(*name)) {
        Some(name) => Err(format!("two columns are called `{name}`")),
        None => Ok(names),
    }
}

/// Whether these are numbers, and not all whole ones.
fn has_fractions(record: &csv::StringRecord) -> bool {
    let is_number = |field: &str| field.parse().is_ok_and(f64::is_finite);
    let is_whole = |field: &str| field.parse::<i64>().is_ok();
    record.iter().all(is_number) && !record.iter().all(is_whole)
}

/// What to say of a field that is several.
fn separated(field: &str) -> Option<String> {
    let separators = [(';', "semicolons"), ('\t', "tabs"), (' ', "blanks")];
    let (_, name) = separators.iter().find(|(c, _)| field.contains(*c))?;
    Some(format!(
        "`{field}`: columns with {name} between; commas are needed there, and points in the numbers"
    ))
}

fn defect(path: &Path, error: &csv::Error) -> Failure {
    match error.kind() {
        csv::ErrorKind::UnequalLengths {
            pos,
            expected_len,
            len,
        } => {
            let line = pos.as_ref().map_or(0, csv::Position::line);
            let what = format!("line {line} has {len} values, the lines before {expected_len}; all need the same number, with commas between");
            Failure::of(path, what)
        }
        _ => Failure::of(path, error),
    }
}
