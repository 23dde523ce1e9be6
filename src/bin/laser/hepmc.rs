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
    pub fn write(&mut self, row: &[f64], weight: f64, log_p: Option<f64>) -> io::Result<()> {
        let out = &mut self.out;
        writeln!(out, "E {} 0 {}", self.event, self.particles.len())?;
        writeln!(out, "U GEV MM")?;
        writeln!(out, "W {weight:e}")?;
        if let Some(log_p) = log_p {
            writeln!(out, "A 0 log_p {log_p:e}")?;
        }
        for (particle, id) in self.particles.iter().zip(1..) {
            let [x, y, z] = particle.momentum.map(|place| place.of(row));
            let squares = x * x + y * y + z * z;
            let last = particle.last.of(row);
            let (energy, mass) = match particle.is_mass {
                true => ((squares + last * last).sqrt(), last),
                // HepMC gives the masses of spacelike momenta a minus sign.
                false => {
                    let square = last * last - squares;
                    (last, square.abs().sqrt().copysign(square))
                }
            };
            let pdg = particle.pdg;
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
