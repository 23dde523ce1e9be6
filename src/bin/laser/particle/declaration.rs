//! From numbers to particles: which columns of a row are whose momenta.

use super::frame::Frame;
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
    pub scale: Option<Quantity>,
    /// Couplings at this scale; −1 for unknown ones.
    #[serde(default = "unknown")]
    pub alpha_qed: f64,
    #[serde(default = "unknown")]
    pub alpha_qcd: f64,
    pub particles: Vec<Particle>,
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
    pub pdg: Quantity,
    #[serde(default)]
    pub color: [u32; 2],
}

/// A particle that goes out, or comes from one that does.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Particle {
    pub pdg: Quantity,
    #[serde(default)]
    pub color: [u32; 2],
    pub px: Option<Quantity>,
    pub py: Option<Quantity>,
    pub pz: Option<Quantity>,
    pub pt: Option<Quantity>,
    pub phi: Option<Quantity>,
    pub eta: Option<Quantity>,
    pub y: Option<Quantity>,
    pub m: Option<Quantity>,
    pub e: Option<Quantity>,
    /// Its transverse momentum balances that of the others.
    #[serde(default)]
    pub recoil: bool,
    pub decay: Option<Decay>,
}

/// What a particle decays to.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Decay {
    /// In which the angles of the first daughter are.
    pub frame: Frame,
    pub cos_theta: Quantity,
    pub phi: Quantity,
    pub to: Box<[Particle; 2]>,
}

#[derive(Clone, Debug, PartialEq)]
pub enum Quantity {
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
}
