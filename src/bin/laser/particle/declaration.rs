//! From numbers to particles: which columns of a row are whose momenta.

use super::frame::Frame;
use super::{mass, sum, Event, Made, Momentum};
use laser::formula::{self, Formula};
use laser::noise::{angles, Noise};
use laser::Rows;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer};
use std::str::FromStr;

/// The particles of an event, and what the file says of their process: the argument of --particles, a JSON file, or in short that of
/// --hepmc-columns.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Declaration {
    /// The two beams.
    pub beams: Option<Beams>,
    /// The partons that go in: of the first beam, which flies to positive z, and of the second.
    pub incoming: Option<[Incoming; 2]>,
    /// In pb, with its error.
    pub cross_section: Option<[f64; 2]>,
    /// A number for the process.
    #[serde(default = "one")]
    pub process: i32,
    /// In GeV; by default the mass of all that goes out.
    scale: Option<Quantity>,
    /// Couplings at this scale; −1 for unknown ones.
    #[serde(default = "unknown")]
    pub alpha_qed: f64,
    #[serde(default = "unknown")]
    pub alpha_qcd: f64,
    particles: Vec<Particle>,
}

fn one() -> i32 {
    1
}

fn unknown() -> f64 {
    -1.0
}

/// The two beams.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Beams {
    pub pdg: [i32; 2],
    /// In GeV.
    pub energy: [f64; 2],
}

/// A parton that goes in.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Incoming {
    pdg: Quantity,
    #[serde(default)]
    color: [u32; 2],
}

/// A particle that goes out, or comes from one that does.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
struct Particle {
    pdg: Quantity,
    #[serde(default)]
    color: [u32; 2],
    px: Option<Quantity>,
    py: Option<Quantity>,
    pz: Option<Quantity>,
    pt: Option<Quantity>,
    phi: Option<Quantity>,
    eta: Option<Quantity>,
    y: Option<Quantity>,
    m: Option<Quantity>,
    e: Option<Quantity>,
    /// Its transverse momentum balances that of the others.
    #[serde(default)]
    recoil: bool,
    decay: Option<Decay>,
}

/// What a particle decays to.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
struct Decay {
    /// In which the angles of the first daughter are.
    frame: Frame,
    cos_theta: Quantity,
    phi: Quantity,
    to: Box<[Particle; 2]>,
}

#[derive(Clone, Debug, PartialEq)]
enum Quantity {
    Constant(f64),
    /// Of an event's columns.
    Formula(String),
    /// An angle from −π to π that no column knows: drawn.
    Uniform,
}

impl<'de> Deserialize<'de> for Quantity {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match serde_json::Value::deserialize(deserializer)? {
            serde_json::Value::Number(number) => {
                let value = number.as_f64().filter(|value| value.is_finite());
                let value = value.ok_or_else(|| D::Error::custom(format!("{number} is too large")));
                value.map(Quantity::Constant)
            }
            serde_json::Value::String(text) if text == "uniform" => Ok(Quantity::Uniform),
            serde_json::Value::String(text) => Ok(Quantity::Formula(text)),
            other => Err(D::Error::custom(format!(
                "{other}: a quantity is a number, the name of a column, or a formula in columns, as \"x0\" or \"hypot(px, py)\""
            ))),
        }
    }
}

/// In the short form: a number, or a column of the plain names.
impl FromStr for Quantity {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let is_column = |text: &str| {
            let number = text.strip_prefix(['x', 'c']);
            number.is_some_and(|n| !n.is_empty() && n.bytes().all(|b| b.is_ascii_digit()))
        };
        match text.parse::<f64>() {
            Ok(value) if value.is_finite() => Ok(Quantity::Constant(value)),
            _ if is_column(text) => Ok(Quantity::Formula(text.into())),
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
        let (m, e) = match last.split_once('=') {
            Some(("m", mass)) => (Some(mass.parse()?), None),
            Some(("e", energy)) => (None, Some(energy.parse()?)),
            _ => return Err(form()),
        };
        let pdg: i32 = pdg.trim().parse().map_err(|_| form())?;
        Ok(Particle {
            pdg: Quantity::Constant(pdg.into()),
            color: [0; 2],
            px: Some(x.parse()?),
            py: Some(y.parse()?),
            pz: Some(z.parse()?),
            pt: None,
            phi: None,
            eta: None,
            y: None,
            m,
            e,
            recoil: false,
            decay: None,
        })
    }
}

/// The short form.
impl FromStr for Declaration {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let particles = text.split(';').map(str::trim).filter(|p| !p.is_empty());
        let particles = particles.map(Particle::from_str);
        let particles = particles.collect::<Result<Vec<_>, _>>()?;
        match particles.is_empty() {
            true => Err("no particle; one is PDG:PX,PY,PZ,m=MASS".into()),
            false => Ok(Declaration {
                beams: None,
                incoming: None,
                cross_section: None,
                process: one(),
                scale: None,
                alpha_qed: unknown(),
                alpha_qcd: unknown(),
                particles,
            }),
        }
    }
}

impl Declaration {
    /// Reads the JSON form.
    pub fn from_json(text: &str) -> Result<Self, String> {
        let declaration: Declaration = serde_json::from_str(text).map_err(|e| e.to_string())?;
        let finite = |value: &f64| value.is_finite();
        if let Some(beams) = &declaration.beams {
            if !beams.energy.iter().all(|e| finite(e) && *e > 0.0) {
                return Err("`beams`: energies are above 0, in GeV".into());
            }
        }
        if let Some([value, error]) = declaration.cross_section {
            if !(finite(&value) && value > 0.0 && finite(&error) && error >= 0.0) {
                return Err("`cross_section` is a number of pb above 0 and its error".into());
            }
        }
        if declaration.particles.is_empty() {
            return Err("`particles`: there are none".into());
        }
        Ok(declaration)
    }

    /// Finds the columns, which `columns` names plainly, as x0 and c0, and `names` as the model has them, if it has names. `Err` names one
    /// that there is not.
    pub fn maker(&self, columns: &[String], names: &[String]) -> Result<Maker, String> {
        let columns = &Columns { columns, names };
        let place = |quantity: &Quantity| Place::new(quantity, columns);
        let place_all = |particle| Placed::new(particle, columns, false);
        let particles = self.particles.iter().map(place_all);
        let particles = particles.collect::<Result<Vec<_>, _>>()?;
        if self.particles.iter().filter(|p| p.recoil).count() > 1 {
            return Err("`recoil` of more than one particle".into());
        }
        let incoming = match &self.incoming {
            None => None,
            Some([a, b]) => Some([(place(&a.pdg)?, a.color), (place(&b.pdg)?, b.color)]),
        };
        Ok(Maker {
            columns: columns.columns.len(),
            particles,
            incoming,
            energies: self.beams.as_ref().map(|beams| beams.energy),
            scale: self.scale.as_ref().map(place).transpose()?,
            angles: angles(0, 0),
            event: 0,
            draws: 0,
        })
    }
}

/// Where a quantity is in a row.
enum Place {
    Constant(f64),
    Column(usize),
    Formula(Formula),
    Uniform,
}

/// The columns of a row.
struct Columns<'a> {
    /// x0, c0 …
    columns: &'a [String],
    /// As many, or none.
    names: &'a [String],
}

impl Columns<'_> {
    fn place(&self, name: &str) -> Option<usize> {
        let of = |names: &[String]| names.iter().position(|n| n == name);
        of(self.names).or_else(|| of(self.columns))
    }
}

impl Place {
    fn new(quantity: &Quantity, columns: &Columns) -> Result<Self, String> {
        let text = match quantity {
            Quantity::Constant(value) => return Ok(Place::Constant(*value)),
            Quantity::Uniform => return Ok(Place::Uniform),
            Quantity::Formula(text) => text,
        };
        if let Some(column) = columns.place(text) {
            return Ok(Place::Column(column));
        }
        let names = match columns.names {
            [] => columns.columns,
            names => names,
        };
        let is_word = text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
        if is_word {
            return Err(format!(
                "there is no column {text}; the model's events have {}",
                names.join(", ")
            ));
        }
        let formula = Formula::parse(text, names.len(), names).map_err(|e| e.to_string())?;
        match formula.kind() {
            formula::Kind::Number => Ok(Place::Formula(formula)),
            formula::Kind::Condition => Err(format!("`{text}` is a condition and no number")),
        }
    }
}

/// Makes events of particles out of rows of numbers.
pub struct Maker {
    columns: usize,
    particles: Vec<Placed>,
    incoming: Option<[(Place, [u32; 2]); 2]>,
    /// Of the beams.
    energies: Option<[f64; 2]>,
    scale: Option<Place>,
    /// For angles that no column knows.
    angles: Noise,
    event: u64,
    draws: u64,
}

/// A particle whose columns have been found.
struct Placed {
    pdg: Place,
    color: [u32; 2],
    /// Those that are given; of a daughter, its mass alone.
    transverse: Transverse,
    along: Option<(Along, Place)>,
    last: (Last, Place),
    /// How the last was given, for messages.
    name: String,
    decay: Option<(Frame, Place, Place, Box<[Placed; 2]>)>,
}

enum Transverse {
    Cartesian(Place, Place),
    Polar(Place, Place),
    /// What balances the others.
    Recoil,
    /// That of a daughter follows from angles.
    Daughter,
}

#[derive(Clone, Copy)]
enum Along {
    Momentum,
    Rapidity,
    Pseudorapidity,
}

#[derive(Clone, Copy, PartialEq)]
enum Last {
    Mass,
    Energy,
}

/// |p|² above E² by no more than this fraction of E² is rounding: the mass is 0.
const ROUNDING: f64 = 1e-5;

impl Placed {
    fn new(particle: &Particle, columns: &Columns, daughter: bool) -> Result<Self, String> {
        let place = |quantity: &Quantity| Place::new(quantity, columns);
        let Particle { px, py, pz, .. } = particle;
        let Particle {
            pt, phi, eta, y, ..
        } = particle;
        let who = match &particle.pdg {
            Quantity::Constant(pdg) => format!("particle {pdg}"),
            Quantity::Formula(text) => format!("the particle of `{text}`"),
            Quantity::Uniform => return Err("`pdg` is no angle".into()),
        };
        let uniform = [px, py, pz, pt, eta, y, &particle.m, &particle.e];
        if uniform.iter().any(|q| **q == Some(Quantity::Uniform)) {
            return Err(format!("{who}: only `phi` can be uniform"));
        }
        let transverse = match (px, py, pt, phi, particle.recoil) {
            (None, None, None, None, false) if daughter => Transverse::Daughter,
            _ if daughter => {
                return Err(format!(
                    "{who} comes from a decay: its momentum follows from the angles there; give its mass alone"
                ))
            }
            (Some(x), Some(y), None, None, false) => Transverse::Cartesian(place(x)?, place(y)?),
            (None, None, Some(pt), Some(phi), false) => Transverse::Polar(place(pt)?, place(phi)?),
            (None, None, None, None, true) => Transverse::Recoil,
            _ => return Err(format!("{who}: give `px` and `py`, or `pt` and `phi`, or `recoil`")),
        };
        let along = match (pz, eta, y) {
            (None, None, None) if daughter => None,
            _ if daughter => return Err(format!("{who} comes from a decay: give its mass alone")),
            (Some(pz), None, None) => Some((Along::Momentum, place(pz)?)),
            (None, Some(eta), None) => Some((Along::Pseudorapidity, place(eta)?)),
            (None, None, Some(y)) => Some((Along::Rapidity, place(y)?)),
            _ => return Err(format!("{who}: give one of `pz`, `eta` and `y`")),
        };
        let (kind, last) = match (&particle.m, &particle.e) {
            (Some(m), None) => (Last::Mass, m),
            (None, Some(e)) if !daughter => (Last::Energy, e),
            _ if daughter => return Err(format!("{who} comes from a decay: give its mass, `m`")),
            _ => return Err(format!("{who}: give one of `m` and `e`")),
        };
        let name = match last {
            Quantity::Constant(value) => value.to_string(),
            Quantity::Formula(text) if columns.place(text).is_some() => format!("column {text}"),
            Quantity::Formula(text) => format!("`{text}`"),
            Quantity::Uniform => String::new(),
        };
        let kind_name = if kind == Last::Mass { "mass" } else { "energy" };
        let decay = match &particle.decay {
            None => None,
            Some(decay) => {
                if decay.cos_theta == Quantity::Uniform {
                    return Err(format!("{who}: only `phi` can be uniform"));
                }
                let [a, b] = &*decay.to;
                let to = Box::new([
                    Placed::new(a, columns, true)?,
                    Placed::new(b, columns, true)?,
                ]);
                Some((
                    decay.frame,
                    place(&decay.cos_theta)?,
                    place(&decay.phi)?,
                    to,
                ))
            }
        };
        Ok(Placed {
            pdg: place(&particle.pdg)?,
            color: particle.color,
            transverse,
            along,
            last: (kind, place(last)?),
            name: format!("the {kind_name} ({name})"),
            decay,
        })
    }
}

impl Maker {
    /// Angles that no column knows are those of event `event` of a seed and a stream, and are counted on from there.
    pub fn begin(&mut self, seed: u64, stream: u64, event: u64) {
        self.angles = angles(seed, stream);
        self.event = event;
    }

    fn value(&mut self, place: &Place, row: &[f64]) -> Result<f64, String> {
        match place {
            Place::Constant(value) => Ok(*value),
            Place::Column(column) => Ok(row[*column]),
            Place::Uniform => {
                let mut uniform = [0.0];
                self.angles.uniforms(self.event, self.draws, &mut uniform);
                self.draws += 1;
                Ok(std::f64::consts::PI * (2.0 * uniform[0] - 1.0))
            }
            Place::Formula(formula) => {
                let mut value = [0.0];
                Rows::packed(row, self.columns)
                    .and_then(|rows| formula.evaluate(rows, &mut value))
                    .map_err(|e| e.to_string())?;
                Ok(value[0])
            }
        }
    }

    fn code(&mut self, place: &Place, row: &[f64]) -> Result<i32, String> {
        let value = self.value(place, row)?;
        let whole = value as i32;
        match f64::from(whole) == value {
            true => Ok(whole),
            false => Err(format!("its PDG number is {value}, and no whole number")),
        }
    }

    /// The momentum and mass of a particle of the hard process.
    ///
    /// # Errors
    /// What no particle has: a negative mass or energy, or less energy than momentum.
    fn momentum(
        &mut self,
        particle: &Placed,
        row: &[f64],
        balance: [f64; 2],
    ) -> Result<(Momentum, f64), String> {
        let [x, y] = match &particle.transverse {
            Transverse::Cartesian(x, y) => [self.value(x, row)?, self.value(y, row)?],
            Transverse::Polar(pt, phi) => {
                let (pt, phi) = (self.value(pt, row)?, self.value(phi, row)?);
                if pt < 0.0 {
                    return Err(format!("the transverse momentum is {pt}, below 0"));
                }
                [pt * libm::cos(phi), pt * libm::sin(phi)]
            }
            Transverse::Recoil => balance,
            Transverse::Daughter => [0.0; 2],
        };
        let last = self.value(&particle.last.1, row)?;
        let name = &particle.name;
        let along = match &particle.along {
            Some((kind, place)) => (*kind, self.value(place, row)?),
            None => (Along::Momentum, 0.0),
        };
        let transverse = x * x + y * y;
        let mass_first = particle.last.0 == Last::Mass;
        let z = match along {
            (Along::Momentum, z) => z,
            (Along::Pseudorapidity, eta) => libm::sqrt(transverse) * libm::sinh(eta),
            (Along::Rapidity, y) if mass_first => {
                libm::sqrt(transverse + last * last) * libm::sinh(y)
            }
            (Along::Rapidity, y) => last * libm::tanh(y),
        };
        let squares = transverse + z * z;
        if !(squares + last * last).is_finite() {
            return Err(format!(
                "the momentum, {x:e}, {y:e}, {z:e}, or {name}, {last:e}, is too large to be squared"
            ));
        }
        if last < 0.0 {
            return Err(format!("{name} is {last}, below 0"));
        }
        if mass_first {
            return Ok(([x, y, z, (squares + last * last).sqrt()], last));
        }
        let square = last * last - squares;
        if square < -ROUNDING * last * last {
            let momentum = squares.sqrt();
            return Err(format!(
                "{name} is {last}, less than the momentum, {momentum}; if columns and units are right, give the mass (m=), and the energy follows"
            ));
        }
        Ok(([x, y, z, last], square.max(0.0).sqrt()))
    }

    /// Puts a particle and what comes of it behind the others.
    fn put(
        &mut self,
        particle: &Placed,
        row: &[f64],
        (p, mass): (Momentum, f64),
        mother: Option<usize>,
        out: &mut Vec<Made>,
    ) -> Result<(), String> {
        let own = out.len();
        out.push(Made {
            pdg: self.code(&particle.pdg, row)?,
            p,
            mass,
            colors: particle.color,
            mother,
            decays: particle.decay.is_some(),
        });
        let Some((frame, cos_theta, phi, to)) = &particle.decay else {
            return Ok(());
        };
        let (cosine, phi) = (self.value(cos_theta, row)?, self.value(phi, row)?);
        if !(cosine.abs() <= 1.0 && phi.is_finite()) {
            return Err(format!(
                "the angles of its decay are cos_theta {cosine} and phi {phi}"
            ));
        }
        let [a, b] = [&to[0], &to[1]].map(|daughter| self.value(&daughter.last.1, row));
        let (a, b) = (a?, b?);
        if !(a >= 0.0 && b >= 0.0 && a + b < mass) {
            return Err(format!(
                "it has mass {mass} and decays to particles of masses {a} and {b}"
            ));
        }
        // Källén's function, by factors.
        let (above, below) = (
            mass * mass - (a + b) * (a + b),
            mass * mass - (a - b) * (a - b),
        );
        let momentum = libm::sqrt(above * below) / (2.0 * mass);
        let sine = libm::sqrt((1.0 - cosine) * (1.0 + cosine));
        let direction = [sine * libm::cos(phi), sine * libm::sin(phi), cosine];
        for (daughter, own_mass, sign) in [(&to[0], a, 1.0), (&to[1], b, -1.0)] {
            let [x, y, z] = direction.map(|d| sign * momentum * d);
            let energy = libm::hypot(momentum, own_mass);
            let made = frame.to_laboratory(&p, [x, y, z, energy]);
            self.put(daughter, row, (made, own_mass), Some(own), out)?;
        }
        Ok(())
    }

    /// The particles of a row. `Err` says of which one of them, counted from 1, what cannot be.
    pub fn make(&mut self, row: &[f64], event: &mut Event) -> Result<(), String> {
        self.draws = 0;
        let row = &row[..self.columns];
        // Taken, and given back: what they are made by counts draws.
        let particles = std::mem::take(&mut self.particles);
        let made = self.make_of(&particles, row, event);
        self.particles = particles;
        self.event = self.event.wrapping_add(1);
        made
    }

    fn make_of(
        &mut self,
        particles: &[Placed],
        row: &[f64],
        event: &mut Event,
    ) -> Result<(), String> {
        event.out.clear();
        let mut momenta = Vec::with_capacity(particles.len());
        let is_recoil = |p: &&Placed| matches!(p.transverse, Transverse::Recoil);
        let who = |id: usize, pdg: &Place, what: String| match pdg {
            Place::Constant(pdg) => format!("of particle {id} (PDG {pdg}), {what}"),
            _ => format!("of particle {id}, {what}"),
        };
        for (particle, id) in particles.iter().zip(1..) {
            momenta.push(match is_recoil(&particle) {
                true => Ok(([0.0; 4], 0.0)),
                false => self.momentum(particle, row, [0.0; 2]),
            });
            if let Some(Err(what)) = momenta.last() {
                return Err(who(id, &particle.pdg, what.clone()));
            }
        }
        let mut momenta = momenta.into_iter().collect::<Result<Vec<_>, _>>()?;
        if let Some(at) = particles.iter().position(|p| is_recoil(&p)) {
            let others = sum(momenta.iter().map(|(p, _)| p));
            let made = self.momentum(&particles[at], row, [-others[0], -others[1]]);
            momenta[at] = made.map_err(|what| who(at + 1, &particles[at].pdg, what))?;
        }
        for (particle, momentum) in particles.iter().zip(&momenta) {
            let id = event.out.len() + 1;
            let put = self.put(particle, row, *momentum, None, &mut event.out);
            put.map_err(|what| who(id, &particle.pdg, what))?;
        }
        let all = sum(momenta.iter().map(|(p, _)| p));
        let scale = self.scale.take();
        let value = scale.as_ref().map(|scale| self.value(scale, row));
        self.scale = scale;
        event.scale = value.unwrap_or(Ok(mass(&all)))?;
        if !event.scale.is_finite() {
            return Err(format!("the scale is {}", event.scale));
        }
        let incoming = self.incoming.take();
        let made = incoming.as_ref().map(|i| self.partons(i, row, &all));
        self.incoming = incoming;
        event.incoming = made.transpose()?;
        Ok(())
    }

    /// The massless partons that make a process of this momentum.
    fn partons(
        &mut self,
        incoming: &[(Place, [u32; 2]); 2],
        row: &[f64],
        all: &Momentum,
    ) -> Result<[Made; 2], String> {
        // What is left by rounding is far below.
        const BALANCED: f64 = 1e-6;
        let transverse = libm::hypot(all[0], all[1]);
        if transverse > BALANCED * all[3] {
            return Err(format!(
                "the transverse momenta of its particles sum to {transverse} GeV, and those of the partons that go in to 0: declare a particle that takes the `recoil`"
            ));
        }
        let energies = [0.5 * (all[3] + all[2]), 0.5 * (all[3] - all[2])];
        let mut made = Vec::with_capacity(2);
        for (((pdg, colors), energy), sign) in incoming.iter().zip(energies).zip([1.0, -1.0]) {
            let beam = self.energies.map_or(f64::INFINITY, |e| e[made.len()]);
            if energy > beam {
                return Err(format!(
                    "a parton of {energy} GeV would have to go in, and the beam has {beam} GeV"
                ));
            }
            made.push(Made {
                pdg: self.code(pdg, row)?,
                p: [0.0, 0.0, sign * energy, energy],
                mass: 0.0,
                colors: *colors,
                mother: None,
                decays: true,
            });
        }
        <[Made; 2]>::try_from(made).map_err(|_| "two partons go in".into())
    }
}

#[cfg(test)]
mod tests {
    use super::super::square;
    use super::*;

    fn columns() -> Vec<String> {
        (0..6).map(|i| format!("x{i}")).collect()
    }

    fn names() -> Vec<String> {
        ["m_ll", "pt_ll", "y_ll", "cos", "phi_s", "code"]
            .map(String::from)
            .to_vec()
    }

    /// The particles of row `row` as event 5.
    fn made(json: &str, row: &[f64]) -> Result<Event, String> {
        let mut maker = Declaration::from_json(json)?.maker(&columns(), &names())?;
        maker.begin(1, 2, 5);
        let mut event = Event::default();
        maker.make(row, &mut event)?;
        Ok(event)
    }

    const Z: &str = r#"{
        "beams": {"pdg": [2212, 2212], "energy": [6500, 6500]},
        "incoming": [{"pdg": "code", "color": [501, 0]}, {"pdg": "-code", "color": [0, 501]}],
        "cross_section": [1000, 10],
        "particles": [
            {"pdg": 23, "m": "m_ll", "pt": "pt_ll", "y": "y_ll", "phi": "uniform",
             "decay": {"frame": "collins_soper", "cos_theta": "cos", "phi": "phi_s",
                       "to": [{"pdg": 13, "m": 0.10566}, {"pdg": -13, "m": 0.10566}]}},
            {"pdg": 21, "recoil": true, "y": "-x2", "m": 0}
        ]}"#;

    const ROW: [f64; 6] = [91.0, 20.0, 1.5, -0.3, 2.0, 2.0];

    #[test]
    fn a_resonance_decays_and_all_is_conserved() {
        let event = made(Z, &ROW).unwrap();
        let pdg: Vec<i32> = event.out.iter().map(|p| p.pdg).collect();
        assert_eq!(pdg, [23, 13, -13, 21]);
        let [z, muon, other, gluon] = [0, 1, 2, 3].map(|i| event.out[i].p);
        let near = |a: f64, b: f64| assert!((a - b).abs() < 1e-9 * (1.0 + b.abs()), "{a} {b}");
        let both = sum([&muon, &other]);
        both.iter().zip(&z).for_each(|(a, b)| near(*a, *b));
        near(mass(&z), 91.0);
        near(z[0].hypot(z[1]), 20.0);
        near(0.5 * ((z[3] + z[2]) / (z[3] - z[2])).ln(), 1.5);
        assert!((square(&muon) - 0.10566 * 0.10566).abs() < 1e-8);
        let rest = Frame::CollinsSoper.to_rest(&z, muon);
        near(
            rest[2] / (rest[0] * rest[0] + rest[1] * rest[1] + rest[2] * rest[2]).sqrt(),
            -0.3,
        );
        near(rest[1].atan2(rest[0]), 2.0);
        near(gluon[0], -z[0]);
        near(
            0.5 * ((gluon[3] + gluon[2]) / (gluon[3] - gluon[2])).ln(),
            -1.5,
        );
        let [a, b] = event.incoming.unwrap();
        assert_eq!([a.pdg, b.pdg], [2, -2]);
        let (before, behind) = (sum([&a.p, &b.p]), sum([&z, &gluon]));
        before.iter().zip(&behind).for_each(|(a, b)| near(*a, *b));
        near(event.scale, mass(&behind));
        // The azimuth is that of the event, whatever was made before.
        let again = made(Z, &ROW).unwrap();
        assert_eq!(again.out[0].p, z);
        let mut maker = Declaration::from_json(Z)
            .unwrap()
            .maker(&columns(), &names())
            .unwrap();
        maker.begin(1, 2, 4);
        let mut other = Event::default();
        maker.make(&ROW, &mut other).unwrap();
        assert!(other.out[0].p != z);
        maker.make(&ROW, &mut other).unwrap();
        assert_eq!(other.out[0].p, z);
    }

    #[test]
    fn momenta_are_given_in_any_of_the_usual_ways() {
        let known = [3.0, 4.0, 12.0, 13.0_f64.hypot(2.0)];
        let (eta, y) = (
            (12.0_f64 / 5.0).asinh(),
            (12.0_f64 / 29.0_f64.sqrt()).asinh(),
        );
        let (phi, energy) = (4.0_f64.atan2(3.0), known[3]);
        for momentum in [
            r#""px": 3, "py": 4, "pz": 12, "m": 2"#.to_owned(),
            format!(r#""pt": 5, "phi": {phi}, "eta": {eta}, "m": 2"#),
            format!(r#""pt": 5, "phi": {phi}, "y": {y}, "m": 2"#),
            format!(r#""pt": 5, "phi": {phi}, "y": {y}, "e": {energy}"#),
            format!(r#""px": 3, "py": "hypot(0, x0)", "pz": 12, "e": {energy}"#),
        ] {
            let json = format!(r#"{{"particles": [{{"pdg": 1, {momentum}}}]}}"#);
            let p = made(&json, &[4.0; 6]).unwrap().out[0].p;
            let off = p.iter().zip(&known).any(|(a, b)| (a - b).abs() > 1e-12 * b);
            assert!(!off, "{momentum}: {p:?}");
        }
    }

    #[test]
    fn what_cannot_be_is_refused() {
        let particle = |inner: &str| format!(r#"{{"particles": [{{"pdg": 1, {inner}}}]}}"#);
        for (json, message) in [
            ("{}".to_owned(), "missing field `particles`"),
            (r#"{"particles": []}"#.into(), "there are none"),
            (
                particle(r#""pt": 5, "m": 0"#),
                "give `px` and `py`, or `pt` and `phi`, or `recoil`",
            ),
            (
                particle(r#""pt": 5, "phi": 0, "m": 0"#),
                "give one of `pz`, `eta` and `y`",
            ),
            (
                particle(r#""pt": 5, "phi": 0, "pz": 0, "y": 0, "m": 0"#),
                "give one of `pz`",
            ),
            (
                particle(r#""pt": 5, "phi": 0, "pz": 0"#),
                "give one of `m` and `e`",
            ),
            (
                particle(r#""pt": "uniform", "phi": 0, "pz": 0, "m": 0"#),
                "only `phi` can be uniform",
            ),
            (
                particle(r#""pt": "pT", "phi": 0, "pz": 0, "m": 0"#),
                "there is no column pT; the model's events have m_ll",
            ),
            (
                particle(r#""pt": "x0 +", "phi": 0, "pz": 0, "m": 0"#),
                "x0 +",
            ),
            (
                particle(r#""pt": "x0 > 1", "phi": 0, "pz": 0, "m": 0"#),
                "is a condition and no number",
            ),
            (
                particle(r#""pt": -1, "phi": 0, "pz": 0, "m": 0"#),
                "the transverse momentum is -1, below 0",
            ),
            (
                particle(r#""pt": 1, "phi": 0, "eta": 1e3, "m": 0"#),
                "too large to be squared",
            ),
            (particle(r#""ptt": 1"#), "unknown field `ptt`"),
            (particle(r#""pt": [1]"#), "a quantity is a number"),
            (
                Z.replace("\"recoil\": true", "\"pt\": 3, \"phi\": 0"),
                "declare a particle that takes the `recoil`",
            ),
            (
                Z.replace("{\"pdg\": 13, \"m\": 0.10566}", "{\"pdg\": 13, \"m\": 100}"),
                "of particle 1 (PDG 23), it has mass 91 and decays to particles of masses 100",
            ),
            (
                Z.replace(
                    "{\"pdg\": 13, \"m\": 0.10566}",
                    "{\"pdg\": 13, \"m\": 0, \"pt\": 1}",
                ),
                "comes from a decay",
            ),
            (
                Z.replace("\"cos_theta\": \"cos\"", "\"cos_theta\": \"cos - 1\""),
                "cos_theta -1.3",
            ),
            (
                Z.replace("\"frame\": \"collins_soper\",", ""),
                "missing field `frame`",
            ),
            (
                Z.replace("\"pdg\": \"code\"", "\"pdg\": \"code + 0.5\""),
                "its PDG number is 2.5",
            ),
            (
                Z.replace("[6500, 6500]", "[6500, 10]"),
                "the beam has 10 GeV",
            ),
            (
                Z.replace("[6500, 6500]", "[6500, 0]"),
                "energies are above 0",
            ),
            (Z.replace("[1000, 10]", "[0, 10]"), "`cross_section`"),
            (
                Z.replace("\"pdg\": 21,", "\"pdg\": 21, \"scale\": 3,"),
                "unknown field `scale`",
            ),
        ] {
            let error = made(&json, &ROW).expect_err(&json);
            assert!(error.contains(message), "{error}");
        }
    }

    /// The particle of one row of the short form.
    fn short(particles: &str, row: [f64; 4]) -> Result<([f64; 4], f64), String> {
        let declaration: Declaration = particles.parse()?;
        let mut event = Event::default();
        declaration
            .maker(&columns()[..4], &[])?
            .make(&row, &mut event)?;
        let last = event.out.last().unwrap();
        Ok((last.p, last.mass))
    }

    #[test]
    fn momenta_that_no_particle_has_are_refused() {
        for (particles, row, message) in [
            (
                "22:1,0,0,m=0; 13:x0,x1,x2,m=x3",
                [1.0, 2.0, 2.0, -0.5],
                "of particle 2 (PDG 13), the mass (column x3) is -0.5, below 0",
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
            let error = short(particles, row).unwrap_err();
            assert!(error.contains(message), "{error}");
        }
    }

    #[test]
    fn rounding_makes_a_massless_particle() {
        let energy = 3.0 * (1.0 - 4e-6);
        let row = [1.0, 2.0, 2.0, energy];
        assert_eq!(short("22:x0,x1,x2,e=x3", row), Ok((row, 0.0)));
        assert!(short("22:x0,x1,x2,e=x3", [1.0, 2.0, 2.0, 3.0 * (1.0 - 6e-6)]).is_err());
        let row = [1.0, 2.0, 2.0, 5.0];
        assert_eq!(short("13:x0,x1,x2,e=x3", row), Ok((row, 4.0)));
    }
}
