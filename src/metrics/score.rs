//! Scores of histograms in both conventions, and what they are computed from.

use super::histogram::Histogram2d;
use crate::error::{Error, Result};
use crate::room::Gather;

/// One score in the two conventions in use.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Score {
    /// Both histograms normalised to one: nats for [`jsd`](super::jsd()), units of the axes for [`emd`](super::emd()).
    pub value: f64,
    /// The convention of Table 3 of Winterhalder, Bellagente, Nachman, *Latent Space Refinement for Deep
    /// Generative Models*: densities that sum to 1/(bin area) instead of one, and for [`emd`](super::emd()) distances
    /// divided by the largest one between two bin centres.
    pub paper: f64,
}

/// The bin probabilities of two histograms of one binning, each normalised to one.
pub(super) fn probabilities(p: &Histogram2d, q: &Histogram2d) -> Result<(Vec<f64>, Vec<f64>)> {
    p.require_same_binning(q)?;
    Ok((normalised(p, "first")?, normalised(q, "second")?))
}

fn normalised(histogram: &Histogram2d, which: &str) -> Result<Vec<f64>> {
    let contents = histogram.contents()?;
    // The negation also catches NaN, which sums that overflow to ±inf can leave.
    if let Some(bin) = contents
        .iter()
        .position(|c| !(0.0..f64::INFINITY).contains(c))
    {
        return Err(Error::Data(format!(
            "the {which} histogram has content {} in bin ({}, {}); a score needs finite contents of zero or more",
            contents[bin],
            bin / histogram.ny(),
            bin % histogram.ny(),
        )));
    }
    let total = histogram.total();
    if total == 0.0 {
        return Err(Error::Data(format!(
            "the {which} histogram is empty; fill it with events inside its range"
        )));
    }
    if !total.is_finite() {
        return Err(Error::Data(format!(
            "the contents of the {which} histogram sum to {total}; scale the weights down"
        )));
    }
    contents.iter().map(|c| c / total).gather()
}
