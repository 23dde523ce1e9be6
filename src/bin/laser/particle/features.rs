//! From particles to numbers: what `--features` says, as `pt(13), eta(13), m(13+-13)`.

use super::frame::Frame;
use super::{mass, sum, Momentum, Particle};
use std::str::FromStr;

/// The features of an event of particles.
#[derive(Clone, Debug)]
pub struct Features {
    features: Vec<Feature>,
    /// As they were given.
    pub text: String,
}

#[derive(Clone, Debug)]
struct Feature {
    name: String,
    /// As it was given.
    text: String,
    quantity: Quantity,
    /// The particles, or systems of them, that it is about.
    of: Vec<System>,
    /// Its value in events that have no such particle.
    missing: Option<f64>,
}

/// Particles whose momenta are added.
type System = Vec<Choice>;

/// Which particle of an event.
#[derive(Clone, Debug)]
struct Choice {
    /// Any of these; of none, any.
    pdg: Vec<i64>,
    /// From 0, by falling transverse momentum; of equal ones, in the order of the file.
    rank: usize,
    status: i64,
    text: String,
}

#[derive(Clone, Copy, Debug)]
enum Quantity {
    OfOne(fn(&Momentum) -> f64),
    OfTwo(fn(&Momentum, &Momentum) -> f64),
    /// Of the first, where both together are at rest.
    OfSum(fn(&Momentum, &Momentum) -> f64),
    /// How many there are.
    Count,
    /// The sum of their transverse momenta.
    ScalarSum,
}

fn transverse(p: &Momentum) -> f64 {
    libm::hypot(p[0], p[1])
}

fn rapidity(p: &Momentum) -> f64 {
    // asinh of pz / mT is exact near 0 as well, and finite where E and |pz| are equal.
    libm::asinh(p[2] / libm::hypot(mass(p), transverse(p)))
}

fn pseudorapidity(p: &Momentum) -> f64 {
    libm::asinh(p[2] / transverse(p))
}

fn azimuth(p: &Momentum) -> f64 {
    libm::atan2(p[1], p[0])
}

/// From −π to π.
fn turn(a: &Momentum, b: &Momentum) -> f64 {
    libm::atan2(a[1] * b[0] - a[0] * b[1], a[0] * b[0] + a[1] * b[1])
}

fn in_frame(frame: Frame, a: &Momentum, b: &Momentum) -> Momentum {
    frame.to_rest(&sum([a, b]), *a)
}

fn cosine(p: &Momentum) -> f64 {
    p[2] / libm::hypot(p[2], transverse(p))
}

/// What there is, with the number of arguments that each takes.
const QUANTITIES: [(&str, Quantity); 26] = [
    ("pt", Quantity::OfOne(transverse)),
    ("eta", Quantity::OfOne(pseudorapidity)),
    ("y", Quantity::OfOne(rapidity)),
    ("phi", Quantity::OfOne(azimuth)),
    ("m", Quantity::OfOne(mass)),
    ("e", Quantity::OfOne(|p| p[3])),
    ("p", Quantity::OfOne(|p| libm::hypot(transverse(p), p[2]))),
    ("px", Quantity::OfOne(|p| p[0])),
    ("py", Quantity::OfOne(|p| p[1])),
    ("pz", Quantity::OfOne(|p| p[2])),
    (
        "mt",
        Quantity::OfOne(|p| libm::hypot(mass(p), transverse(p))),
    ),
    (
        "et",
        Quantity::OfOne(|p| p[3] * transverse(p) / libm::hypot(transverse(p), p[2])),
    ),
    ("cos_theta", Quantity::OfOne(cosine)),
    (
        "deta",
        Quantity::OfTwo(|a, b| pseudorapidity(a) - pseudorapidity(b)),
    ),
    ("dy", Quantity::OfTwo(|a, b| rapidity(a) - rapidity(b))),
    ("dphi", Quantity::OfTwo(turn)),
    (
        "dr",
        Quantity::OfTwo(|a, b| libm::hypot(pseudorapidity(a) - pseudorapidity(b), turn(a, b))),
    ),
    (
        "angle",
        Quantity::OfTwo(|a, b| {
            let cross = [
                a[1] * b[2] - a[2] * b[1],
                a[2] * b[0] - a[0] * b[2],
                a[0] * b[1] - a[1] * b[0],
            ];
            let sine = libm::hypot(libm::hypot(cross[0], cross[1]), cross[2]);
            libm::atan2(sine, a[0] * b[0] + a[1] * b[1] + a[2] * b[2])
        }),
    ),
    (
        "cos_cs",
        Quantity::OfSum(|a, b| cosine(&in_frame(Frame::CollinsSoper, a, b))),
    ),
    (
        "phi_cs",
        Quantity::OfSum(|a, b| azimuth(&in_frame(Frame::CollinsSoper, a, b))),
    ),
    (
        "cos_helicity",
        Quantity::OfSum(|a, b| cosine(&in_frame(Frame::Helicity, a, b))),
    ),
    (
        "phi_helicity",
        Quantity::OfSum(|a, b| azimuth(&in_frame(Frame::Helicity, a, b))),
    ),
    (
        "ptsum",
        Quantity::OfTwo(|a, b| transverse(a) + transverse(b)),
    ),
    (
        "ptratio",
        Quantity::OfTwo(|a, b| transverse(a) / transverse(b)),
    ),
    ("n", Quantity::Count),
    ("ht", Quantity::ScalarSum),
];

/// Splits at a letter that is in no parentheses.
fn split(text: &str, at: char) -> Vec<&str> {
    let mut depth = 0_i64;
    let parts = text.split(move |letter| {
        match letter {
            '(' => depth += 1,
            ')' => depth -= 1,
            _ => (),
        }
        letter == at && depth == 0
    });
    parts.map(str::trim).collect()
}

impl FromStr for Choice {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || {
            format!("`{text}` is no particle; one is PDG, PDG#2 (the second by falling pT), PDG@2 (of status 2), 11/13 (of several kinds) or *#1 (of any)")
        };
        let (rest, status) = match text.split_once('@') {
            Some((rest, status)) => (rest, status.trim().parse().map_err(|_| wrong())?),
            None => (text, 1),
        };
        let (pdg, rank) = match rest.split_once('#') {
            Some((pdg, rank)) => (pdg, rank.trim().parse().map_err(|_| wrong())?),
            None => (rest, 1_usize),
        };
        let mut pdg: Vec<i64> = match pdg.trim() {
            "*" => Vec::new(),
            pdg => {
                let numbers = pdg.split('/').map(|n| n.trim().parse());
                numbers.collect::<Result<_, _>>().map_err(|_| wrong())?
            }
        };
        pdg.sort_unstable();
        Ok(Choice {
            pdg,
            rank: rank.checked_sub(1).ok_or_else(wrong)?,
            status,
            text: text.into(),
        })
    }
}

/// What a feature is called unless its name is given: a word, for formulas.
fn name_of(text: &str) -> String {
    let mut name = String::new();
    for letter in text.chars() {
        match letter {
            '-' => name.push('m'),
            '*' => name.push_str("any"),
            '/' => name.push_str("or"),
            // No rank, for which it would be taken.
            '@' => name.push_str("_status"),
            letter if letter.is_ascii_alphanumeric() => name.push(letter),
            ')' | '?' | ' ' => (),
            _ if !name.ends_with('_') => name.push('_'),
            _ => (),
        }
    }
    name
}

impl FromStr for Feature {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (name, body) = match text.split_once('=') {
            Some((name, body)) => (Some(name.trim()), body.trim()),
            None => (None, text),
        };
        let (call, missing) = match body.split_once('?') {
            None => (body, None),
            Some((call, value)) => {
                let value: f64 = value.trim().parse().map_err(|_| {
                    format!("`{body}`: behind `?` stands the value of events without such a particle, a number")
                })?;
                let finite = value.is_finite().then_some(value);
                let value = finite.ok_or_else(|| format!("`{body}`: {value} is not finite"))?;
                (call.trim(), Some(value))
            }
        };
        let form = || {
            format!("`{text}` is no feature; one is `pt(13)`, `m(13+-13)`, `dphi(13,-13)` or, named, `mll = m(13+-13)`")
        };
        let (word, arguments) = call.split_once('(').ok_or_else(form)?;
        let arguments = arguments.strip_suffix(')').ok_or_else(form)?;
        let quantity = QUANTITIES.iter().find(|(known, _)| *known == word.trim());
        let (_, quantity) = quantity.ok_or_else(|| {
            let known: Vec<&str> = QUANTITIES.iter().map(|(known, _)| *known).collect();
            format!(
                "`{}` is no quantity; there are {}",
                word.trim(),
                known.join(", ")
            )
        })?;
        let systems = split(arguments, ',').into_iter().map(|system| {
            let choices = system.split('+').map(|choice| choice.trim().parse());
            choices.collect::<Result<System, String>>()
        });
        let of = systems.collect::<Result<Vec<_>, _>>()?;
        let wanted = match quantity {
            Quantity::OfTwo(_) | Quantity::OfSum(_) => 2,
            _ => 1,
        };
        if of.len() != wanted {
            return Err(format!(
                "`{call}`: {} is of {wanted}, not of {}",
                word.trim(),
                of.len()
            ));
        }
        if matches!(quantity, Quantity::Count | Quantity::ScalarSum)
            && (of[0].len() > 1 || arguments.contains('#'))
        {
            return Err(format!(
                "`{call}`: {} is of all particles of the kinds given, as {}(1/2/3/4/5/21)",
                word.trim(),
                word.trim()
            ));
        }
        let same =
            |a: &Choice, b: &Choice| (&a.pdg, a.rank, a.status) == (&b.pdg, b.rank, b.status);
        for system in &of {
            for (i, choice) in system.iter().enumerate() {
                if system[..i].iter().any(|other| same(choice, other)) {
                    return Err(format!(
                        "`{call}`: `{}` is the same particle twice; the second of its kind is `{}#2`",
                        choice.text, choice.text
                    ));
                }
            }
        }
        if let [a, b] = &of[..] {
            if a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(a, b)) {
                return Err(format!(
                    "`{call}`: both are the same; the second of a kind is `{}#2`",
                    a[0].text
                ));
            }
        }
        if let (Quantity::OfSum(_), [a, b]) = (quantity, &of[..]) {
            if let Some(choice) = a.iter().find(|a| b.iter().any(|b| same(a, b))) {
                return Err(format!(
                    "`{call}`: `{}` is in both, and would count twice where both together are at rest",
                    choice.text
                ));
            }
        }
        let name = match name {
            Some("") => return Err(form()),
            Some(name) if name.contains([',', '=']) => return Err(form()),
            Some(name) => name.into(),
            None => name_of(call),
        };
        Ok(Feature {
            name,
            text: call.into(),
            quantity: *quantity,
            of,
            missing,
        })
    }
}

impl FromStr for Features {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let parts = split(text, ',').into_iter().filter(|part| !part.is_empty());
        let features = parts.map(str::parse).collect::<Result<Vec<Feature>, _>>()?;
        if features.is_empty() {
            return Err("no feature; one is `pt(13)`".into());
        }
        for (i, feature) in features.iter().enumerate() {
            if features[..i].iter().any(|other| other.name == feature.name) {
                return Err(format!(
                    "two features are called `{0}`: give one a name of its own, as `a = {1}`",
                    feature.name, feature.text
                ));
            }
        }
        Ok(Features {
            features,
            text: text.into(),
        })
    }
}

impl Choice {
    fn is(&self, particle: &Particle) -> bool {
        particle.status == self.status && (self.pdg.is_empty() || self.pdg.contains(&particle.pdg))
    }

    /// Which particle it is, or how many there are of its kind.
    fn of(&self, particles: &[Particle]) -> Result<usize, usize> {
        let found = (0..particles.len()).filter(|&i| self.is(&particles[i]));
        let mut left: Vec<usize> = found.collect();
        let count = left.len();
        let hardness = |i: usize| transverse(&particles[i].p);
        // Ranks are small. Of equal ones the first is harder.
        for rank in 0..=self.rank.min(count) {
            let hardest = left.iter().enumerate().reduce(|best, other| {
                let harder = hardness(*other.1).total_cmp(&hardness(*best.1)).is_gt();
                if harder {
                    other
                } else {
                    best
                }
            });
            let Some((place, &found)) = hardest else {
                break;
            };
            if rank == self.rank {
                return Ok(found);
            }
            left.remove(place);
        }
        Err(count)
    }
}

impl Feature {
    fn of(&self, particles: &[Particle]) -> Result<f64, String> {
        let all = || particles.iter().filter(|p| self.of[0][0].is(p));
        let momenta = || self.momenta(particles);
        let value = match self.quantity {
            Quantity::Count => Some(all().count() as f64),
            Quantity::ScalarSum => Some(all().map(|p| transverse(&p.p)).sum()),
            Quantity::OfOne(of) => momenta()?.map(|[p, _]| of(&p)),
            Quantity::OfTwo(of) | Quantity::OfSum(of) => momenta()?.map(|[a, b]| of(&a, &b)),
        };
        match value.or(self.missing) {
            Some(value) if value.is_finite() => Ok(value),
            value => Err(format!(
                "`{}` is {}: such a particle flies along the beam or does not move",
                self.text,
                value.unwrap_or(f64::NAN)
            )),
        }
    }

    /// The momenta of both systems, of one alone the first; none where particles are missing, and a value is given for that.
    fn momenta(&self, particles: &[Particle]) -> Result<Option<[Momentum; 2]>, String> {
        let systems = self.of.iter().map(|system| self.found(system, particles));
        let systems = match (systems.collect::<Result<Vec<_>, _>>(), self.missing) {
            (Err(_), Some(_)) => return Ok(None),
            (systems, _) => systems?,
        };
        match self.quantity {
            Quantity::OfSum(_) => self.require_once(&systems.concat())?,
            _ => systems
                .iter()
                .try_for_each(|system| self.require_once(system))?,
        }
        let mut momenta = systems
            .iter()
            .map(|system| sum(system.iter().map(|(_, i)| &particles[*i].p)));
        Ok(Some([(); 2].map(|()| momenta.next().unwrap_or_default())))
    }

    /// The particles of a system.
    fn found<'s>(
        &self,
        system: &'s System,
        particles: &[Particle],
    ) -> Result<Vec<(&'s Choice, usize)>, String> {
        let found = system.iter().map(|choice| match choice.of(particles) {
            Ok(particle) => Ok((choice, particle)),
            Err(found) => Err(format!(
                "`{}`: it has {found} such particles with status {} for `{}`; give a value for events without, as `{}?0`, or leave such events out of the file",
                self.text, choice.status, choice.text, self.text
            )),
        });
        found.collect()
    }

    /// Refuses to add a particle to itself.
    fn require_once(&self, system: &[(&Choice, usize)]) -> Result<(), String> {
        for (i, (choice, particle)) in system.iter().enumerate() {
            if let Some((other, _)) = system[..i].iter().find(|(_, p)| p == particle) {
                return Err(format!(
                    "`{}`: `{}` and `{}` are the same particle, which would count twice; take both from the same kinds, as `11/13#1+11/13#2`",
                    self.text, other.text, choice.text
                ));
            }
        }
        Ok(())
    }
}

impl Features {
    /// What the features are called.
    pub fn names(&self) -> impl Iterator<Item = &String> {
        self.features.iter().map(|feature| &feature.name)
    }

    /// Those of an event, behind what `out` has. `Err` says what is wrong with the event.
    pub fn of(&self, particles: &[Particle], out: &mut Vec<f64>) -> Result<(), String> {
        for feature in &self.features {
            out.push(feature.of(particles)?);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn particle(pdg: i64, status: i64, [x, y, z]: [f64; 3], mass: f64) -> Particle {
        let energy = (x * x + y * y + z * z + mass * mass).sqrt();
        Particle {
            pdg,
            status,
            p: [x, y, z, energy],
        }
    }

    /// A muon pair, two gluons, the harder one second, and their source.
    fn event() -> Vec<Particle> {
        vec![
            particle(23, 2, [3.0, 4.0, 5.0], 91.0),
            particle(13, 1, [3.0, 4.0, 12.0], 0.1),
            particle(-13, 1, [-6.0, 8.0, -24.0], 0.1),
            particle(21, 1, [1.0, 0.0, 1.0], 0.0),
            particle(21, 1, [0.0, -2.0, 0.0], 0.0),
        ]
    }

    fn values(text: &str) -> Result<Vec<f64>, String> {
        let mut out = Vec::new();
        text.parse::<Features>()?.of(&event(), &mut out)?;
        Ok(out)
    }

    #[test]
    fn quantities_are_those_of_their_definitions() {
        for (text, known) in [
            ("pt(13)", 5.0),
            ("eta(13)", (13.0_f64 / 5.0 + 12.0 / 5.0).ln()),
            ("phi(-13)", 8.0_f64.atan2(-6.0)),
            ("p(13)", 13.0),
            ("pz(-13)", -24.0),
            ("m(23@2)", 91.0),
            ("pt(23@2)", 5.0),
            ("pt(21)", 2.0),
            ("pt(21#2)", 1.0),
            ("n(21)", 2.0),
            ("n(*)", 4.0),
            ("ht(13/21)", 8.0),
            ("pt(21#3)?-1", -1.0),
            ("dphi(21#1,21#2)", -std::f64::consts::FRAC_PI_2),
            ("angle(21#1,21#2)", std::f64::consts::FRAC_PI_2),
            ("pt(13 + -13)", 3.0_f64.hypot(12.0)),
            ("cos_theta(13)", 12.0 / 13.0),
            ("ptratio(13,-13)", 0.5),
        ] {
            let value = values(text).unwrap()[0];
            assert!((value - known).abs() < 1e-9, "{text}: {value}, not {known}");
        }
        // The mass and rapidity of a pair, by their definitions.
        let [a, b] = [&event()[1].p, &event()[2].p].map(|p| *p);
        let q: Vec<f64> = a.iter().zip(&b).map(|(a, b)| a + b).collect();
        let m2 = q[3] * q[3] - q[0] * q[0] - q[1] * q[1] - q[2] * q[2];
        let y = 0.5 * ((q[3] + q[2]) / (q[3] - q[2])).ln();
        let found = values("m(13+-13), y(13+-13), dy(13,-13), mt(13+-13)").unwrap();
        assert!((found[0] - m2.sqrt()).abs() < 1e-9 && (found[1] - y).abs() < 1e-9);
        assert!((found[3] - (q[3] * q[3] - q[2] * q[2]).sqrt()).abs() < 1e-9);
    }

    #[test]
    fn names_are_words_or_given() {
        let features: Features = "pt(13), m(13+-13), mll = m(13 + -13), n(*), pt(21#2@1)?0"
            .parse()
            .unwrap();
        let names: Vec<&str> = features.names().map(String::as_str).collect();
        // A rank is no status.
        let both: Features = "pt(13#2), pt(13@2)".parse().unwrap();
        assert!(both.names().eq(["pt_13_2", "pt_13_status2"]));
        // One of two is no system of two.
        let both: Features = "pt(11/13), pt(11+13)".parse().unwrap();
        assert!(both.names().eq(["pt_11or13", "pt_11_13"]));
        assert_eq!(
            names,
            ["pt_13", "m_13_m13", "mll", "n_any", "pt_21_2_status1"]
        );
    }

    #[test]
    fn what_is_no_feature_is_refused() {
        for (text, message) in [
            ("", "no feature"),
            ("pt", "is no feature"),
            ("pt(13", "is no feature"),
            ("pT(13)", "`pT` is no quantity; there are pt, eta"),
            ("pt(mu)", "`mu` is no particle"),
            ("pt(13#0)", "is no particle"),
            ("pt(13,-13)", "pt is of 1, not of 2"),
            ("dphi(13)", "dphi is of 2, not of 1"),
            (
                "m(13+13)",
                "`13` is the same particle twice; the second of its kind is `13#2`",
            ),
            (
                "dphi(13,13)",
                "both are the same; the second of a kind is `13#2`",
            ),
            (
                "m(11/13+13/11)",
                "`13/11` is the same particle twice; the second of its kind is `13/11#2`",
            ),
            (
                "cos_cs(13,13+-13)",
                "`13` is in both, and would count twice where both together are at rest",
            ),
            ("n(21#2)", "n is of all particles"),
            ("ht(13+21)", "ht is of all particles"),
            ("pt(13)?x", "behind `?`"),
            ("pt(13)?inf", "not finite"),
            (
                "pt(13), pt(13)",
                "two features are called `pt_13`: give one a name of its own, as `a = pt(13)`",
            ),
            ("=pt(13)", "is no feature"),
        ] {
            let error = text.parse::<Features>().unwrap_err();
            assert!(error.contains(message), "{text}: {error}");
        }
        // Whether two are one is known of each event alone.
        for (text, pair) in [
            ("m(-13+13/-13)", "`-13` and `13/-13`"),
            ("m(-13+13/-13)?0", "`-13` and `13/-13`"),
            ("pt(13/-13#2+13)", "`13/-13#2` and `13`"),
            ("cos_cs(-13,13/-13+13)", "`-13` and `13/-13`"),
            ("phi_helicity(13,*#2)", "`13` and `*#2`"),
        ] {
            let error = values(text).unwrap_err();
            let message = format!("{pair} are the same particle, which would count twice");
            assert!(error.contains(&message), "{text}: {error}");
        }
        for text in [
            "ptratio(13,13+-13)",
            "dphi(13,13+-13)",
            "m(13/-13#1+13/-13#2)",
        ] {
            assert!(values(text).is_ok(), "{text}");
        }
        let error = values("pt(11)").unwrap_err();
        assert!(
            error.contains("it has 0 such particles with status 1 for `11`"),
            "{error}"
        );
        let error = values("pt(21#3)").unwrap_err();
        assert!(error.contains("it has 2 such particles"), "{error}");
        let along = [particle(22, 1, [0.0, 0.0, 5.0], 0.0)];
        let features: Features = "eta(22)".parse().unwrap();
        let error = features.of(&along, &mut Vec::new()).unwrap_err();
        assert!(error.contains("flies along the beam"), "{error}");
    }
}
