//! Events of known laws.

use laser::noise::{domain, Noise};
use std::f64::consts::PI;

/// A law of events.
#[derive(Clone, Copy)]
pub struct Target {
    pub name: &'static str,
    /// M.
    pub dim: usize,
    /// `features.scaling` that a user would give it.
    pub scaling: &'static str,
    /// `support` that a user would give it.
    pub support: &'static str,
    /// An event of uniform numbers, of which there are [`NUMBERS`].
    event: fn(&[f64], &mut [f64]),
}

/// Uniform numbers of an event.
const NUMBERS: usize = 24;

impl Target {
    /// `rows` events, another `stream` of them independent.
    pub fn events(&self, rows: usize, stream: u64) -> Vec<f64> {
        let noise = Noise::new(2024, stream, domain::LATENT);
        let (mut x, mut u) = (vec![0.0; rows * self.dim], [0.0; NUMBERS]);
        for (i, x) in x.chunks_exact_mut(self.dim).enumerate() {
            noise.uniforms(i as u64, 0, &mut u);
            (self.event)(&u, x);
        }
        x
    }
}

fn normal(u: f64) -> f64 {
    let mut z = [u];
    laser::noise::normal_quantiles(&mut z);
    z[0]
}

fn pick(u: f64, n: usize) -> f64 {
    (u * n as f64).floor()
}

/// The paper's three targets, an eight-dimensional one with shells, lepton pairs, and jets.
pub const TARGETS: [Target; 6] = [
    Target {
        name: "gaussians",
        dim: 2,
        scaling: "standardise",
        support: "",
        event: |u, x| {
            let k = pick(u[0], 4) as usize;
            x[0] = if k & 1 == 0 { -4.0 } else { 4.0 } + normal(u[1]);
            x[1] = if k & 2 == 0 { -4.0 } else { 4.0 } + normal(u[2]);
        },
    },
    Target {
        name: "double donut",
        dim: 2,
        scaling: "standardise",
        support: "",
        event: |u, x| ring(u, 8.0 * pick(u[0], 2) - 4.0, x),
    },
    Target {
        name: "rings",
        dim: 2,
        scaling: "standardise",
        support: "",
        event: |u, x| ring(u, 12.0 * pick(u[0], 3) - 12.0, x),
    },
    Target {
        name: "shells",
        dim: 8,
        scaling: "standardise",
        support: "",
        event: |u, x| {
            // Two shells of radii 3 and 5, 4 apart along the first axis.
            let (radius, centre) = if u[0] < 0.5 { (3.0, -2.0) } else { (5.0, 2.0) };
            x.iter_mut().zip(&u[1..]).for_each(|(x, &u)| *x = normal(u));
            let length = x.iter().map(|x| x * x).sum::<f64>().sqrt();
            let radius = radius + 0.3 * normal(u[9]);
            x.iter_mut().for_each(|x| *x *= radius / length);
            x[0] += centre;
        },
    },
    DRELL_YAN,
    JETS,
];

/// Three rings of a quarter of the width: topology and edges are hard on flows.
pub const NARROW_RINGS: Target = Target {
    name: "narrow rings",
    dim: 2,
    scaling: "standardise",
    support: "",
    event: |u, x| ring_of(u, 12.0 * pick(u[0], 3) - 12.0, 0.25, x),
};

fn ring(u: &[f64], centre: f64, x: &mut [f64]) {
    ring_of(u, centre, 1.0, x);
}

fn ring_of(u: &[f64], centre: f64, width: f64, x: &mut [f64]) {
    let (radius, angle) = (4.0 + width * normal(u[1]), 2.0 * PI * u[2]);
    (x[0], x[1]) = (centre + radius * angle.cos(), radius * angle.sin());
}

/// Three jets of an electron and a positron, with observables as those of `make pythia-demo`: the two largest energy fractions, x₁ ≥ x₂ ≥
/// 2 − x₁ − x₂, which is a triangle whose edges no scaling knows; logarithms of a resolution and of one minus thrust; and a multiplicity,
/// which is even, spread evenly over its bin of 2.
const JETS: Target = Target {
    name: "jets",
    dim: 5,
    scaling: "auto",
    support: "x0 <= 0.995 and x0 >= x1 and x1 >= 2 - x0 - x1",
    event: |u, x| {
        // The smallest and the middle one of the invariants, of which the three sum to 1.
        let y1 = 0.005 * (1.0f64 / 3.0 / 0.005).powf(u[0]);
        let y2 = y1 + u[1] * u[1] * (0.5 * (1.0 - y1) - y1);
        let hardness = (y1 / 0.005).ln();
        let multiplicity = 18.0 + 3.0 * hardness + 4.0 * normal(u[2]);
        (x[0], x[1]) = (1.0 - y1, 1.0 - y2);
        x[2] = y1.ln() + 0.3 * normal(u[3]);
        x[3] = 2.0 * (0.5 * multiplicity).floor() + 2.0 * u[4];
        x[4] = (y1 * (1.0 + 0.2 * normal(u[5]).abs())).ln() + 0.4 * normal(u[6]);
    },
};

/// Lepton pairs: mass, transverse momentum and rapidity of the pair, cosine and azimuth of the decay, scalar sum of the recoil. A resonance
/// on a falling continuum: 0.4 % have a mass above 190, 5 % of all lie on the continuum.
const DRELL_YAN: Target = Target {
    name: "Drell-Yan",
    dim: 6,
    scaling: "log(60), log(0), standardise, logit(-1:1), periodic(-pi:pi), log(0)",
    // The recoil is what balances the pair, and more.
    support: "x5 >= x1 + 1",
    event: |u, x| {
        const M: f64 = 91.1876;
        const WIDTH: f64 = 2.4952;
        let mass = if u[0] < 0.9 {
            // Breit-Wigner between 60 and 120.
            let at = |m: f64| (2.0 * (m - M) / WIDTH).atan();
            M + 0.5 * WIDTH * (at(60.0) + u[1] * (at(120.0) - at(60.0))).tan()
        } else {
            60.0 + 30.0 * ((1.0 - u[1]).powf(-0.5) - 1.0)
        };
        let pt =
            6.0 * ((1.0 - u[2]).powf(-1.0 / 2.5) - 1.0) * (mass / M).sqrt() + 0.5 * (-u[3].ln());
        // The heavier the pair, the more central.
        let rapidity = 1.2 * normal(u[4]) / (1.0 + 0.3 * (mass / M).ln());
        // 1 + cos² plus an asymmetry below and above the resonance: the largest of three uniforms of (−1, 1) mixed with one.
        let tilt = 0.5 + 0.3 * ((mass - M) / 20.0).tanh();
        let side = if u[5] < tilt { 1.0 } else { -1.0 };
        let cosine: f64 = side * u[6].max(if u[7] < 0.5 { u[8] } else { 0.0 });
        let azimuth = 2.0 * PI * u[9] + 0.4 * (4.0 * PI * u[9]).sin() * (pt / (pt + 30.0));
        let recoil = pt * (1.0 + 0.3 * (-u[10].ln())) + 1.0 - u[11].ln();
        (x[0], x[1], x[2]) = (mass, pt, rapidity);
        (x[3], x[4], x[5]) = (
            cosine.clamp(-0.999_999, 0.999_999),
            (azimuth - PI).sin().atan2((azimuth - PI).cos()),
            recoil,
        );
    },
};
