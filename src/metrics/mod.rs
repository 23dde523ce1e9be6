//! Scores of a generated sample against the target.
//!
//! Both samples are filled into a [`Histogram2d`] of the same binning; [`jsd()`] and [`emd()`] compare the
//! histograms, each normalised to one, and return a [`Score`] in both conventions in use. A score means
//! little without its *floor*: the same score between two independent target samples of the same size; see [`floor()`].
//!
//! Without bins, and in any dimension: [`emd_1d()`] and [`kolmogorov_smirnov`] compare one feature of two [`Sample`]s, [`sliced_emd`] all
//! of them. [`auc()`] judges a classifier, [`chains`] judges Markov chains.
//!
//! Nothing here holds global state: histograms may be filled on one thread each and [merged](Histogram2d::merge),
//! and scores may be computed on any number of threads at once.

mod auc;
mod bootstrap;
pub mod chains;
mod emd;
mod emd_1d;
mod floor;
mod histogram;
mod jsd;
mod ks;
mod normal;
mod ordered;
mod poisson;
mod sample;
mod sliced;
mod trees;

pub use auc::{auc, Auc};
pub use bootstrap::{Estimate, Floor};
pub use emd::emd;
pub use emd_1d::emd_1d;
pub use floor::{floor, ScoreFloor};
pub use histogram::Histogram2d;
pub use jsd::jsd;
pub use ks::{kolmogorov_smirnov, KolmogorovSmirnov};
pub(crate) use normal::Normal;
pub use sample::{effective_size, Sample};
pub use sliced::sliced_emd;
#[cfg(test)]
pub(crate) use trees::toys;
pub(crate) use trees::Trees;

use crate::error::{Error, Result};

/// One score in the two conventions in use.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Score {
    /// Both histograms normalised to one: nats for [`jsd`], units of the axes for [`emd`].
    pub value: f64,
    /// The convention of Table 3 of Winterhalder, Bellagente, Nachman, *Latent Space Refinement for Deep
    /// Generative Models*: densities that sum to 1/(bin area) instead of one, and for [`emd`] distances
    /// divided by the largest one between two bin centres.
    pub paper: f64,
}

/// The bin probabilities of two histograms of one binning, each normalised to one.
fn probabilities(p: &Histogram2d, q: &Histogram2d) -> Result<(Vec<f64>, Vec<f64>)> {
    p.require_same_binning(q)?;
    Ok((normalised(p, "first")?, normalised(q, "second")?))
}

fn normalised(histogram: &Histogram2d, which: &str) -> Result<Vec<f64>> {
    let contents = histogram.contents();
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
    Ok(contents.iter().map(|c| c / total).collect())
}
