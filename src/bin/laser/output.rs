//! Where sampled events go.

use crate::events::Kind;
use crate::failure::{Failure, Result};
use crate::hepmc::{self, Particles};
use laser::aside::Aside;
use laser::table::npy;
use std::fs;
use std::io::{self, BufWriter, Write};
use std::path::Path;

/// The file to write, and what is in it.
pub struct Output<'a> {
    /// The file.
    pub path: &'a Path,
    /// Events.
    pub rows: u64,
    /// Names of the values of a row: x0 …, c0 …, z0 …, log_p, w.
    pub columns: Vec<String>,
    /// What a .csv calls them.
    pub header: Vec<String>,
    /// What to tell about the run, for formats that have room for it.
    pub attributes: Vec<(&'static str, String)>,
    /// The particles of HepMC events.
    pub particles: Option<&'a Particles>,
    /// Number of the first event.
    pub first: u64,
    /// Whether the values, one a row, are an array of one dimension in a .npy.
    pub flat: bool,
}

impl Output<'_> {
    /// Writes the file aside and moves it to its place. `events` is called once: it makes all rows, and hands them, block by block, to the
    /// function that it is given. Returns what `events` does.
    ///
    /// # Errors
    /// Those of `events`, and of writing.
    pub fn write<T>(
        &self,
        events: impl FnOnce(&mut dyn FnMut(&[f64]) -> Result<()>) -> Result<T>,
    ) -> Result<T> {
        let failed = |e: io::Error| {
            Failure::of(
                self.path,
                format!("cannot be written: {e}; give --output a file in a folder that is there, with room and yours to write"),
            )
        };
        let width = self.columns.len();
        let mut file = BufWriter::with_capacity(1 << 20, Aside::new(self.path).map_err(failed)?);
        let made = match Kind::of(self.path)? {
            Kind::Npy => {
                file.write_all(&npy::head(self.rows, (!self.flat).then_some(width)))
                    .map_err(failed)?;
                events(&mut |rows| {
                    let mut rows = rows.iter();
                    rows.try_for_each(|x| file.write_all(&x.to_le_bytes()))
                        .map_err(failed)
                })?
            }
            Kind::Csv => {
                let failed = |e: csv::Error| failed(e.into());
                let mut csv = csv::Writer::from_writer(&mut file);
                csv.write_record(&self.header).map_err(failed)?;
                let made = events(&mut |rows| {
                    let mut rows = rows.chunks_exact(width);
                    rows.try_for_each(|row| csv.serialize(row)).map_err(failed)
                })?;
                csv.flush().map_err(|e| failed(e.into()))?;
                made
            }
            Kind::Npz => return Err(no_archive(self.path)),
            Kind::Hepmc => {
                let particles = self.particles.ok_or_else(|| no_particles(self.path))?;
                let failed = |e: io::Error| match e.kind() {
                    io::ErrorKind::InvalidData => Failure::of(self.path, e),
                    _ => failed(e),
                };
                let has_log_p = self.columns.iter().any(|c| c == "log_p");
                let mut hepmc = hepmc::Writer::new(
                    &mut file,
                    particles,
                    &self.columns,
                    &self.attributes,
                    self.first,
                )
                .map_err(failed)?;
                let made = events(&mut |rows| {
                    let mut rows = rows.chunks_exact(width);
                    let log_p = |row: &[f64]| has_log_p.then(|| row[width - 2]);
                    rows.try_for_each(|row| hepmc.write(row, row[width - 1], log_p(row)))
                        .map_err(failed)
                })?;
                hepmc.finish().map_err(failed)?;
                made
            }
        };
        let file = file.into_inner().map_err(|e| failed(e.into_error()))?;
        file.finish().map_err(failed)?;
        Ok(made)
    }
}

/// What to say where an archive is to be written.
pub fn no_archive(path: &Path) -> Failure {
    Failure::usage(path, "archives are read, not written; write .npy or .csv")
}

/// Why rows of numbers are no HepMC events.
pub fn no_particles(path: &Path) -> Failure {
    Failure::usage(
        path,
        "a row of numbers is no event of particles by itself: say with --hepmc-columns which columns are whose momenta, as \"13:x0,x1,x2,m=0.10566\", or write .npy or .csv",
    )
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
