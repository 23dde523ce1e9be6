//! Earth mover's distance of samples in any dimension, by projections.

use super::bootstrap::{Estimate, Masses};
use super::emd_1d::mean_distance;
use super::ordered::Ordered;
use super::sample::Sample;
use crate::error::{Error, Result};
use crate::noise::places;
use crate::room::{self, Gather};

/// The mean over so many directions is known to a thousandth of their spread.
const MOST_DIRECTIONS: usize = 1_000_000;

/// The sliced earth mover's distance of two samples: the mean over `directions` random directions of the [one-dimensional
/// distance](super::emd_1d()) of the events' projections, every feature divided by its standard deviation in `p`, the reference (Rabin,
/// Peyré, Delon, Bernot, SSVM 2011; without a root, as the order is 1).
///
/// Directions and `repeats` bootstrap samples are drawn by `seed`; error and floor are as for one dimension, for these directions.
/// Time: `directions` times that of one dimension.
///
/// # Errors
/// [`Error::InvalidArgument`] for samples of different dimension, no directions or more than a million, or as many repeats; [`Error::Data`] for a feature that is constant
/// in `p`, weights without a positive total, also in a bootstrap sample, or values further apart than the floating-point range.
pub fn sliced_emd(
    p: &Sample,
    q: &Sample,
    directions: usize,
    repeats: usize,
    seed: u64,
) -> Result<Estimate> {
    if p.dim() != q.dim() || directions == 0 {
        return Err(Error::InvalidArgument(format!(
            "{directions} directions for samples of {} and {} features; at least one direction and equal numbers of features are required",
            p.dim(),
            q.dim()
        )));
    }
    if directions > MOST_DIRECTIONS {
        return Err(Error::InvalidArgument(format!(
            "{directions} directions; {MOST_DIRECTIONS} leave a thousandth of what their choice does to the distance, and are the most"
        )));
    }
    let masses = Masses::new(p, q)?;
    let moments = p.moments()?;
    let noise = places::DIRECTIONS.noise(seed);
    let mut direction = room::filled(p.dim(), 0.0)?;
    let orders = (0..directions).map(|number| {
        noise.normals(number as u64, 0, &mut direction);
        let length = direction.iter().map(|d| d * d).sum::<f64>().sqrt();
        let scaled = direction.iter_mut().zip(&moments);
        scaled.for_each(|(d, (_, std))| *d /= length * std);
        // From the reference's mean: a feature far from 0 would drown the others in its rounding.
        let project = |x: &[f64]| -> f64 {
            let centred = x.iter().zip(&moments).map(|(x, (mean, _))| x - mean);
            centred.zip(&direction).map(|(x, d)| x * d).sum()
        };
        let of = |sample: &Sample| {
            let rows = 0..sample.rows();
            rows.map(|row| project(sample.event(row))).gather()
        };
        Ordered::new(of(p)?.into_iter().chain(of(q)?))
    });
    mean_distance(&masses, orders, repeats, seed)
}
