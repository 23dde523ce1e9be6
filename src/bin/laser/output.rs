//! Where sampled events go.

use crate::events::is_packed;
use crate::events::Kind;
use crate::failure::{Failure, Result};
use crate::parquet;
use crate::particle::declaration::Declaration;
use crate::particle::files::Writer;
use crate::particle::maker::Maker;
use flate2::write::GzEncoder;
use flate2::Compression;
use laser::aside::Aside;
use laser::table::npy;
use std::fs;
use std::io::{self, BufWriter, Write};
use std::path::Path;

/// The file to write, and what is in it.
pub struct Output<'a> {
    /// The file; `-` for stdout.
    pub path: &'a Path,
    /// What it is to be.
    pub kind: Kind,
    /// Events.
    pub rows: u64,
    /// Names of the values of a row: x0 …, c0 …, z0 …, log_p, w.
    pub columns: Vec<String>,
    /// What a .csv or .parquet calls them.
    pub header: Vec<String>,
    /// What to tell about the run, for formats that have room for it.
    pub attributes: Vec<(&'static str, String)>,
    /// How rows are events of particles, with the option that says so.
    pub particles: Option<(&'a Declaration, &'static str, Maker)>,
    /// Number of the first event.
    pub first: u64,
    /// How a .npy holds the rows.
    pub array: Array,
}

/// How a .npy holds rows.
#[derive(Clone, Copy)]
pub enum Array {
    /// As an array of one dimension, of rows of one value.
    Flat,
    /// As one of two.
    Table,
    /// As one of named fields.
    Records,
}

/// Where bytes go.
enum Sink {
    File(BufWriter<Aside>),
    Packed(Box<GzEncoder<BufWriter<Aside>>>),
    Stdout(BufWriter<io::Stdout>),
}

impl Sink {
    fn open(path: &Path) -> io::Result<Self> {
        const BUFFER: usize = 1 << 20;
        if is_stdout(path) {
            return Ok(Sink::Stdout(BufWriter::with_capacity(BUFFER, io::stdout())));
        }
        let file = BufWriter::with_capacity(BUFFER, Aside::new(path)?);
        Ok(match is_packed(path) {
            true => Sink::Packed(Box::new(GzEncoder::new(file, Compression::default()))),
            false => Sink::File(file),
        })
    }

    fn finish(self) -> io::Result<()> {
        let file = match self {
            Sink::Stdout(mut out) => return out.flush(),
            Sink::Packed(packed) => packed.finish()?,
            Sink::File(file) => file,
        };
        file.into_inner().map_err(|e| e.into_error())?.finish()
    }
}

impl Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Sink::File(out) => out.write(bytes),
            Sink::Packed(out) => out.write(bytes),
            Sink::Stdout(out) => out.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Sink::File(out) => out.flush(),
            Sink::Packed(out) => out.flush(),
            Sink::Stdout(out) => out.flush(),
        }
    }
}

/// Whether this stands for stdout.
pub fn is_stdout(path: &Path) -> bool {
    path.as_os_str() == "-"
}

/// Where events went, for people.
pub fn shown(path: &Path) -> String {
    match is_stdout(path) {
        true => "stdout".into(),
        false => path.display().to_string(),
    }
}

/// What a file is, by its name, or, of stdout, by what was asked for.
pub fn kind(path: &Path, asked: Option<Kind>) -> Result<Kind> {
    match (is_stdout(path), asked) {
        (true, Some(kind)) => Ok(kind),
        (true, None) => Err(Failure::Usage(
            "--output -: say with --format what to write to stdout, as csv".into(),
        )),
        (false, None) => Kind::of(path).map_err(Failure::asked),
        (false, Some(_)) => Err(Failure::usage(
            path,
            "--format is for stdout (--output -); a file is what its name says",
        )),
    }
}

/// A kind of file, as `--format` has it.
pub fn format(text: &str) -> std::result::Result<Kind, &'static str> {
    match Kind::named(text) {
        None | Some(Kind::Npz) => Err("there are npy, csv, parquet, lhe and hepmc"),
        Some(kind) => Ok(kind),
    }
}

/// With its kind, which tells a closed pipe.
fn of_csv(error: csv::Error) -> io::Error {
    match error.into_kind() {
        csv::ErrorKind::Io(error) => error,
        other => io::Error::other(format!("{other:?}")),
    }
}

/// Why a file could not be written.
fn unwritten(path: &Path, error: io::Error) -> Failure {
    if is_stdout(path) {
        return error.into();
    }
    Failure::of(
        path,
        format!("cannot be written: {error}; name a file in a folder that is there, with room and yours to write"),
    )
}

/// Writes a file aside and moves it to its place; `write` is called once, and given where to write to. Returns what it does.
///
/// # Errors
/// Those of `write`, and of writing.
pub fn write_text<T>(
    path: &Path,
    write: impl FnOnce(&mut dyn FnMut(&str) -> Result<()>) -> Result<T>,
) -> Result<T> {
    let failed = |e: io::Error| unwritten(path, e);
    let mut file = Sink::open(path).map_err(failed)?;
    let done = write(&mut |text| file.write_all(text.as_bytes()).map_err(failed))?;
    file.finish().map_err(failed)?;
    Ok(done)
}

impl Output<'_> {
    /// Writes the file aside and moves it to its place. `events` is called once: it makes all rows, and hands them, block by block, to the
    /// function that it is given. Returns what `events` does.
    ///
    /// # Errors
    /// Those of `events`, and of writing.
    pub fn write<T>(
        self,
        events: impl FnOnce(&mut dyn FnMut(&[f64]) -> Result<()>) -> Result<T>,
    ) -> Result<T> {
        let path = self.path;
        let failed = |e: io::Error| unwritten(path, e);
        let width = self.columns.len();
        let mut file = Sink::open(path).map_err(failed)?;
        let made = match self.kind {
            Kind::Npy => {
                let shape = match self.array {
                    Array::Flat => npy::Shape::Flat,
                    Array::Table => npy::Shape::Table(width),
                    Array::Records => npy::Shape::Records(&self.columns),
                };
                file.write_all(&npy::head(self.rows, shape))
                    .map_err(failed)?;
                events(&mut |rows| {
                    let mut rows = rows.iter();
                    rows.try_for_each(|x| file.write_all(&x.to_le_bytes()))
                        .map_err(failed)
                })?
            }
            Kind::Csv => {
                let failed = |e: csv::Error| failed(of_csv(e));
                let mut csv = csv::Writer::from_writer(&mut file);
                csv.write_record(&self.header).map_err(failed)?;
                let made = events(&mut |rows| {
                    let mut rows = rows.chunks_exact(width);
                    rows.try_for_each(|row| csv.serialize(row)).map_err(failed)
                })?;
                csv.flush().map_err(|e| failed(e.into()))?;
                made
            }
            Kind::Parquet => {
                let mut writer = parquet::Writer::new(&mut file, &self.header, &self.attributes)
                    .map_err(failed)?;
                let made = events(&mut |rows| writer.write(rows).map_err(failed))?;
                writer.finish().map_err(failed)?;
                made
            }
            Kind::Npz => return Err(no_archive(path)),
            Kind::Particles(format) => {
                let (declaration, asked, maker) =
                    self.particles.ok_or_else(|| no_particles(path))?;
                let failed = |e: io::Error| match e.kind() {
                    io::ErrorKind::InvalidData => Failure::of(path, e),
                    _ => failed(e),
                };
                let has_log_p = self.columns.iter().any(|c| c == "log_p");
                let mut writer = Writer::new(
                    &mut file,
                    format,
                    (declaration, asked),
                    maker,
                    &self.attributes,
                    self.first,
                )
                .map_err(failed)?;
                let made = events(&mut |rows| {
                    let mut rows = rows.chunks_exact(width);
                    let log_p = |row: &[f64]| has_log_p.then(|| row[width - 2]);
                    rows.try_for_each(|row| writer.write(row, row[width - 1], log_p(row)))
                        .map_err(failed)
                })?;
                writer.finish().map_err(failed)?;
                made
            }
        };
        file.finish().map_err(failed)?;
        Ok(made)
    }
}

/// What to say where an archive is to be written.
pub fn no_archive(path: &Path) -> Failure {
    Failure::usage(
        path,
        "archives are read, not written; write .npy, .csv or .parquet",
    )
}

/// Why rows of numbers are no events of particles.
pub fn no_particles(path: &Path) -> Failure {
    Failure::usage(
        path,
        "a row of numbers is no event of particles by itself: say with --particles FILE, or --hepmc-columns, which columns are whose momenta, as \"13:x0,x1,x2,m=0.10566\", or write .npy, .csv or .parquet",
    )
}

/// Whether two names are those of one file, which need not be there yet.
pub fn same_file(a: &Path, b: &Path) -> bool {
    let place = |path: &Path| {
        let folder = match path.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent,
            _ => Path::new("."),
        };
        Some((fs::canonicalize(folder).ok()?, path.file_name()?.to_owned()))
    };
    a == b || place(a).is_some_and(|a| Some(a) == place(b))
}

/// Refuses to write a file over one that is read.
pub fn apart(output: &Path, inputs: &[&Path]) -> Result<()> {
    let place = |path: &Path| fs::canonicalize(path).ok();
    let taken = place(output).is_some_and(|p| inputs.iter().any(|i| place(i) == Some(p.clone())));
    match taken {
        true => Err(Failure::of(
            output,
            "this file is read by the same command; write to another",
        )),
        false => Ok(()),
    }
}
