//! Earth mover's distance: exact optimal transport between two histograms.
//!
//! The Euclidean distance is a metric, so mass that two histograms share need not move: only their difference
//! is transported, from bins in excess (*sources*) to bins in deficit (*sinks*). Masses and distances are scaled
//! to integers, which makes the optimisation exact and its end certain.

mod balance;
mod node;
mod pricing;
mod simplex;
mod transport;
mod tree;

use super::histogram::Histogram2d;
use super::score::{probabilities, Score};
use crate::error::{Error, Result};
use balance::Balance;
use transport::Grid;

/// The earth mover's distance of two histograms, each normalised to one: the least Σ mass × distance that turns
/// the one into the other, with the Euclidean distance between bin centres, in units of the axes; see [`Score`]
/// for the paper's convention (0 where there is but one bin, and so no distance to divide by).
///
/// Exact up to rounding: the error is below 1e-13 of the histogram's diagonal for each unit of mass that
/// moves. Of 2 million events a sample, two 100 × 100 histograms take about 0.3 s of one core and less than 40 MB, 200 × 200 3 to 6 s,
/// 300 × 300 10 to 30 s: the less for the more alike.
///
/// # Errors
/// [`InvalidArgument`](crate::Error::InvalidArgument) if the binnings differ or span more than the floating-point
/// range, [`Data`](crate::Error::Data) for an empty histogram or a negative bin,
/// [`Numerical`](crate::Error::Numerical) if the optimum is not reached within a generous number of steps.
pub fn emd(p: &Histogram2d, q: &Histogram2d) -> Result<Score> {
    let (probability_p, probability_q) = probabilities(p, q)?;
    let bins = [p.nx(), p.ny()];
    let widths = p.bin_widths();
    let side = |axis: usize| (bins[axis] - 1) as f64 * widths[axis];
    // d_max of the paper: the largest distance between two bin centres.
    let diagonal = libm::hypot(side(0), side(1));
    if diagonal == 0.0 {
        return Ok(Score {
            value: 0.0,
            paper: 0.0,
        });
    }
    if !diagonal.is_finite() {
        return Err(Error::InvalidArgument(
            "the range of the histograms is too wide for distances in it".to_owned(),
        ));
    }
    let grid = Grid {
        bins,
        widths: widths.map(|w| w / diagonal),
    };
    let balance = Balance::new(&probability_p, &probability_q)?;
    // In units of the diagonal.
    let distance = transport::cost(&grid, &balance.masses)? * balance.unit;
    Ok(Score {
        value: distance * diagonal,
        paper: distance / p.bin_area(),
    })
}
