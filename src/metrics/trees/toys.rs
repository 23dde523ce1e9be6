//! Events of known distributions, the same as those of tests/reference/trees.py. One stream has one toy.

use crate::noise::{domain, Noise};
use std::f64::consts::PI;

/// Events of `columns` features, each made of `draws` uniform numbers.
fn events<const DRAWS: usize, const COLUMNS: usize>(
    stream: u64,
    rows: usize,
    event: impl Fn([f64; DRAWS]) -> [f64; COLUMNS],
) -> Vec<f64> {
    let mut u = vec![0.0; rows * DRAWS];
    Noise::new(11, stream, domain::LATENT).uniforms(0, 0, &mut u);
    let (u, _) = u.as_chunks();
    u.iter().flat_map(|&u| event(u)).collect()
}

/// Three features of [0, 1); the first is a power of a uniform number.
pub(crate) fn cube(stream: u64, rows: usize, power: f64) -> Vec<f64> {
    events(stream, rows, |[a, b, c]| [a.powf(power), b, c])
}

/// Six features. Like Drell-Yan: a Breit-Wigner mass, smeared, among others that tell nothing.
pub(crate) fn resonance(stream: u64, rows: usize, smearing: f64) -> Vec<f64> {
    events(stream, rows, |[a, b, c, d, e, f, g, h]| {
        let mass = 91.2 + 1.25 * (PI * (a - 0.5)).tan() + smearing * (b + c - 1.0);
        [
            mass,
            -8.0 * d.ln(),
            e - f,
            2.0 * g - 1.0,
            2.0 * PI * h,
            mass * d,
        ]
    })
}

/// Energies of ten cells, most of them 0.
pub(crate) fn calorimeter(stream: u64, rows: usize, width: f64) -> Vec<f64> {
    events(stream, rows, |u: [f64; 11]| -> [f64; 10] {
        std::array::from_fn(|cell| {
            let profile = 20.0 * (-0.4 * cell as f64).exp() * (0.5 + u[0]);
            let energy = profile * (-u[cell + 1].ln()).powf(width);
            if energy < 4.0 {
                0.0
            } else {
                energy
            }
        })
    })
}
