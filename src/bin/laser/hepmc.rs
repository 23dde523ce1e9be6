//! HepMC3's text format (Asciiv3): one event per row, outgoing particles only.

use std::io::{self, Write};
use std::str::FromStr;

/// The outgoing particles of an event, and where their momenta stand in a row: the argument of --hepmc-columns.
#[derive(Clone, Debug, PartialEq)]
pub struct Particles(Vec<Particle>);

#[derive(Clone, Debug, PartialEq)]
struct Particle {
    pdg: i32,
    momentum: [Quantity; 3],
    last: Last,
}

/// What completes a momentum.
#[derive(Clone, Debug, PartialEq)]
enum Last {
    Mass(Quantity),
    Energy(Quantity),
}

#[derive(Clone, Debug, PartialEq)]
enum Quantity {
    Constant(f64),
    /// By its name.
    Column(String),
}

impl FromStr for Quantity {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let is_column = |text: &str| {
            let number = text.strip_prefix(['x', 'c']);
            number.is_some_and(|n| !n.is_empty() && n.bytes().all(|b| b.is_ascii_digit()))
        };
        match text.parse::<f64>() {
            Ok(value) if value.is_finite() => Ok(Quantity::Constant(value)),
            _ if is_column(text) => Ok(Quantity::Column(text.into())),
            _ => Err(format!(
                "`{text}` is neither a column, as x0 or c0, nor a finite number"
            )),
        }
    }
}

impl FromStr for Particle {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let form = || {
            format!("`{text}` is no particle; one is PDG:PX,PY,PZ,m=MASS or PDG:PX,PY,PZ,e=ENERGY, as 13:x0,x1,x2,m=0.10566")
        };
        let (pdg, quantities) = text.split_once(':').ok_or_else(form)?;
        let quantities: Vec<&str> = quantities.split(',').map(str::trim).collect();
        let [x, y, z, last] = quantities[..] else {
            return Err(form());
        };
        let last = match last.split_once('=') {
            Some(("m", mass)) => Last::Mass(mass.parse()?),
            Some(("e", energy)) => Last::Energy(energy.parse()?),
            _ => return Err(form()),
        };
        Ok(Particle {
            pdg: pdg.trim().parse().map_err(|_| form())?,
            momentum: [x.parse()?, y.parse()?, z.parse()?],
            last,
        })
    }
}

impl FromStr for Particles {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let particles = text.split(';').map(str::trim).filter(|p| !p.is_empty());
        let particles = particles.map(Particle::from_str);
        let particles = particles.collect::<Result<Vec<_>, _>>()?;
        match particles.is_empty() {
            true => Err("no particle; one is PDG:PX,PY,PZ,m=MASS".into()),
            false => Ok(Particles(particles)),
        }
    }
}

impl std::fmt::Display for Quantity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Quantity::Constant(value) => write!(f, "{value}"),
            Quantity::Column(name) => write!(f, "column {name}"),
        }
    }
}

impl Quantity {
    /// The column's place among `columns`.
    fn place(&self, columns: &[String]) -> Result<Place, String> {
        match self {
            Quantity::Constant(value) => Ok(Place::Constant(*value)),
            Quantity::Column(name) => {
                let place = columns.iter().position(|c| c == name);
                place.map(Place::Column).ok_or_else(|| {
                    format!(
                        "there is no column {name}; the model's events have {}",
                        columns.join(", ")
                    )
                })
            }
        }
    }
}

/// Where a quantity is in a row.
#[derive(Clone, Copy)]
enum Place {
    Constant(f64),
    Column(usize),
}

impl Place {
    fn of(self, row: &[f64]) -> f64 {
        match self {
            Place::Constant(value) => value,
            Place::Column(column) => row[column],
        }
    }
}

/// Writes events.
pub struct Writer<W: Write> {
    out: W,
    particles: Vec<Placed>,
    event: u64,
}

/// A particle whose columns have been found.
struct Placed {
    pdg: i32,
    momentum: [Place; 3],
    last: Place,
    is_mass: bool,
    /// How the last was given, for messages.
    name: String,
}

/// |p|² above E² by no more than this fraction of E² is rounding: the mass is 0.
const ROUNDING: f64 = 1e-5;

impl Placed {
    /// px, py, pz, E and m in an event.
    ///
    /// # Errors
    /// What no particle has: a negative mass or energy, or less energy than momentum.
    fn of(&self, row: &[f64]) -> Result<[f64; 5], String> {
        let [x, y, z] = self.momentum.map(|place| place.of(row));
        let squares = x * x + y * y + z * z;
        let (last, name) = (self.last.of(row), &self.name);
        if !(squares + last * last).is_finite() {
            return Err(format!(
                "the momentum, {x:e}, {y:e}, {z:e}, or {name}, {last:e}, is too large to be squared"
            ));
        }
        if last < 0.0 {
            return Err(format!("{name} is {last}, below 0"));
        }
        if self.is_mass {
            return Ok([x, y, z, (squares + last * last).sqrt(), last]);
        }
        let square = last * last - squares;
        if square < -ROUNDING * last * last {
            let momentum = squares.sqrt();
            return Err(format!(
                "{name} is {last}, less than the momentum, {momentum}; if columns and units are right, give the mass (m=), and the energy follows"
            ));
        }
        Ok([x, y, z, last, square.max(0.0).sqrt()])
    }
}

/// Attributes are text on one line.
fn escape(text: &str) -> String {
    text.replace('\\', "\\\\").replace('\n', "\\|")
}

impl Particles {
    /// Finds the columns. `Err` names one that there is not.
    pub fn check(&self, columns: &[String]) -> Result<(), String> {
        self.place(columns).map(|_| ())
    }

    fn place(&self, columns: &[String]) -> Result<Vec<Placed>, String> {
        let place = |particle: &Particle| {
            let [x, y, z] = &particle.momentum;
            let (last, is_mass) = match &particle.last {
                Last::Mass(mass) => (mass, true),
                Last::Energy(energy) => (energy, false),
            };
            Ok(Placed {
                pdg: particle.pdg,
                momentum: [x.place(columns)?, y.place(columns)?, z.place(columns)?],
                last: last.place(columns)?,
                is_mass,
                name: format!("the {} ({last})", if is_mass { "mass" } else { "energy" }),
            })
        };
        self.0.iter().map(place).collect()
    }
}

impl<W: Write> Writer<W> {
    /// Begins a file of events whose first is number `event`. The attributes are those of the run; their values are text without blanks at
    /// the ends.
    pub fn new(
        mut out: W,
        particles: &Particles,
        columns: &[String],
        attributes: &[(&str, String)],
        event: u64,
    ) -> io::Result<Self> {
        let particles = particles.place(columns).map_err(io::Error::other)?;
        // The version of HepMC3 whose files these are like.
        writeln!(out, "HepMC::Version 3.01.02")?;
        writeln!(out, "HepMC::Asciiv3-START_EVENT_LISTING")?;
        writeln!(out, "W weight")?;
        let tool = [
            "liblaser",
            env!("CARGO_PKG_VERSION"),
            "latent space refinement, arXiv:2106.00792",
        ];
        writeln!(out, "T {}", escape(&tool.join("\n")))?;
        for (name, value) in attributes {
            writeln!(out, "A {name} {}", escape(value))?;
        }
        Ok(Writer {
            out,
            particles,
            event,
        })
    }

    /// An event, with its weight and, if it was asked for, log p.
    ///
    /// # Errors
    /// [`io::ErrorKind::InvalidData`] naming event, particle and quantity that cannot be; others of writing.
    pub fn write(&mut self, row: &[f64], weight: f64, log_p: Option<f64>) -> io::Result<()> {
        let out = &mut self.out;
        writeln!(out, "E {} 0 {}", self.event, self.particles.len())?;
        writeln!(out, "U GEV MM")?;
        writeln!(out, "W {weight:e}")?;
        if let Some(log_p) = log_p {
            writeln!(out, "A 0 log_p {log_p:e}")?;
        }
        for (particle, id) in self.particles.iter().zip(1..) {
            let (event, pdg) = (self.event, particle.pdg);
            let [x, y, z, energy, mass] = particle.of(row).map_err(|what| {
                let what = format!(
                    "--hepmc-columns: in event {event}, of particle {id} (PDG {pdg}), {what}"
                );
                io::Error::new(io::ErrorKind::InvalidData, what)
            })?;
            writeln!(
                out,
                "P {id} 0 {pdg} {x:e} {y:e} {z:e} {energy:e} {mass:e} 1"
            )?;
        }
        self.event = self.event.wrapping_add(1);
        Ok(())
    }

    /// Ends the file.
    pub fn finish(mut self) -> io::Result<()> {
        writeln!(self.out, "HepMC::Asciiv3-END_EVENT_LISTING\n")?;
        self.out.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The particle lines of one event, number 7, of columns x0 to x3.
    fn written(particles: &str, row: [f64; 4]) -> io::Result<String> {
        let columns = ["x0", "x1", "x2", "x3"].map(String::from);
        let particles: Particles = particles.parse().unwrap();
        let mut out = Vec::new();
        let mut writer = Writer::new(&mut out, &particles, &columns, &[], 7)?;
        writer.write(&row, 1.0, None)?;
        let text = String::from_utf8(out).unwrap();
        let lines = text.lines().filter(|line| line.starts_with("P "));
        Ok(lines.collect::<Vec<_>>().join("\n"))
    }

    #[test]
    fn momenta_that_no_particle_has_are_refused() {
        for (particles, row, message) in [
            (
                "22:1,0,0,m=0; 13:x0,x1,x2,m=x3",
                [1.0, 2.0, 2.0, -0.5],
                "in event 7, of particle 2 (PDG 13), the mass (column x3) is -0.5, below 0",
            ),
            (
                "13:x0,x1,x2,e=x3",
                [1.0, 2.0, 2.0, -4.0],
                "the energy (column x3) is -4, below 0",
            ),
            (
                "13:x0,x1,x2,e=x3",
                [1.0, 2.0, 2.0, 2.9],
                "the energy (column x3) is 2.9, less than the momentum, 3;",
            ),
            (
                "13:x0,x1,x2,e=2",
                [1.0, 2.0, 2.0, 0.0],
                "the energy (2) is 2",
            ),
            ("13:1,0,0,m=-1", [0.0; 4], "the mass (-1) is -1"),
            (
                "13:x0,0,0,m=0",
                [-1e200, 0.0, 0.0, 0.0],
                "the momentum, -1e200, 0e0, 0e0, or the mass (0), 0e0, is too large",
            ),
        ] {
            let error = written(particles, row).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::InvalidData);
            assert!(error.to_string().contains(message), "{error}");
        }
    }

    #[test]
    fn rounding_makes_a_massless_particle() {
        let energy = 3.0 * (1.0 - 4e-6);
        let line = written("22:x0,x1,x2,e=x3", [1.0, 2.0, 2.0, energy]).unwrap();
        assert_eq!(line, format!("P 1 0 22 1e0 2e0 2e0 {energy:e} 0e0 1"));
        assert!(written("22:x0,x1,x2,e=x3", [1.0, 2.0, 2.0, 3.0 * (1.0 - 6e-6)]).is_err());
        let line = written("13:x0,x1,x2,e=x3", [1.0, 2.0, 2.0, 5.0]).unwrap();
        assert_eq!(line, "P 1 0 13 1e0 2e0 2e0 5e0 4e0 1");
    }
}
