//! Events of particles: what is in them, as rows of numbers have it and as the generators' files do. In GeV.

pub mod declaration;
pub mod features;
pub mod files;
pub mod frame;
pub mod hepmc;
pub mod lhe;
pub mod lines;
pub mod maker;
pub mod raw;

/// px, py, pz and E.
pub type Momentum = [f64; 4];

/// A particle of an event that is read.
#[derive(Clone, Debug, PartialEq)]
pub struct Particle {
    pub pdg: i64,
    /// As the file has it: 1 of final particles.
    pub status: i64,
    pub p: Momentum,
}

/// A particle of an event that is written.
#[derive(Clone, Debug, PartialEq)]
pub struct Made {
    pub pdg: i32,
    pub p: Momentum,
    pub mass: f64,
    pub colors: [u32; 2],
    /// The particle before it in the list that it comes from; of none, it comes from the hard process.
    pub mother: Option<usize>,
    /// Whether others come from it.
    pub decays: bool,
}

/// An event that is written.
#[derive(Clone, Debug, Default)]
pub struct Event {
    /// Those that go out of the hard process, and what comes of them, each behind its mother.
    pub out: Vec<Made>,
    /// The two partons that go in, if they are declared.
    pub incoming: Option<[Made; 2]>,
    /// In GeV.
    pub scale: f64,
}

/// p², with the sign that it has.
pub fn square(p: &Momentum) -> f64 {
    p[3] * p[3] - p[0] * p[0] - p[1] * p[1] - p[2] * p[2]
}

/// The mass, 0 where rounding makes p² negative.
pub fn mass(p: &Momentum) -> f64 {
    square(p).max(0.0).sqrt()
}

/// The sum of momenta.
pub fn sum<'p>(all: impl IntoIterator<Item = &'p Momentum>) -> Momentum {
    let mut sum = [0.0; 4];
    for p in all {
        sum.iter_mut().zip(p).for_each(|(s, p)| *s += p);
    }
    sum
}
