//! Makes events of particles out of rows of numbers, as a declaration says.

use super::declaration::{Declaration, Particle, Quantity};
use super::frame::Frame;
use super::{mass, sum, Event, Made, Momentum};
use laser::formula::{self, Formula};
use laser::noise::{angles, Noise};
use laser::Rows;

#[cfg(test)]
mod tests;

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
    /// Finds the columns, which `columns` names plainly, as x0 and c0, and `names` as the model has them, if it has names. `Err` names one
    /// that there is not.
    pub fn new(
        declaration: &Declaration,
        columns: &[String],
        names: &[String],
    ) -> Result<Self, String> {
        let columns = &Columns { columns, names };
        let place = |quantity: &Quantity| Place::new(quantity, columns);
        let place_all = |particle| Placed::new(particle, columns, false);
        let particles = declaration.particles.iter().map(place_all);
        let particles = particles.collect::<Result<Vec<_>, _>>()?;
        if declaration.particles.iter().filter(|p| p.recoil).count() > 1 {
            return Err("`recoil` of more than one particle".into());
        }
        let incoming = match &declaration.incoming {
            None => None,
            Some([a, b]) => Some([(place(&a.pdg)?, a.color), (place(&b.pdg)?, b.color)]),
        };
        Ok(Maker {
            columns: columns.columns.len(),
            particles,
            incoming,
            energies: declaration.beams.as_ref().map(|beams| beams.energy),
            scale: declaration.scale.as_ref().map(place).transpose()?,
            angles: angles(0, 0),
            event: 0,
            draws: 0,
        })
    }

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
