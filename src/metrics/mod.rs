//! Scores of a generated sample against the target.
//!
//! Both samples are filled into a [`Histogram2d`] of the same binning; [`jsd()`] and [`emd()`] compare the
//! histograms, each normalised to one, and return a [`Score`] in both conventions in use. A score means
//! little without its *floor*: the same score between two independent target samples of the same size; see [`floor()`].
//!
//! Without bins, and in any dimension: [`emd_1d()`] and [`kolmogorov_smirnov`] compare one feature of two [`Sample`]s, [`sliced_emd`] all
//! of them. [`edges()`] looks where a region ends. [`auc()`] judges a classifier, [`chains`] judges Markov chains.
//!
//! Nothing here holds global state: histograms may be filled on one thread each and [merged](Histogram2d::merge),
//! and scores may be computed on any number of threads at once.

mod auc;
mod binomial;
mod bootstrap;
pub mod chains;
mod edges;
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
mod score;
mod sliced;
mod spread;
mod sum;
mod trees;

pub use auc::{auc, Auc};
pub use bootstrap::{Estimate, Floor};
pub use edges::{edges, Edge, Edges, Measured};
pub use emd::emd;
pub use emd_1d::emd_1d;
pub use floor::{floor, ScoreFloor};
pub use histogram::Histogram2d;
pub use jsd::jsd;
pub use ks::{kolmogorov_smirnov, KolmogorovSmirnov};
pub(crate) use ks::{kolmogorov_smirnov_chance, kolmogorov_smirnov_of_pairs};
pub(crate) use normal::Normal;
pub(crate) use poisson::poisson;
pub use sample::{effective_size, Sample};
pub use score::Score;
pub use sliced::sliced_emd;

pub(crate) use spread::width;
pub(crate) use sum::{Squares, Sum};
#[cfg(test)]
pub(crate) use trees::toys;
pub(crate) use trees::Trees;
