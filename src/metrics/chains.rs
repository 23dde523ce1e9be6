//! How well Markov chains have mixed and how many independent draws they are worth.
//!
//! A. Vehtari, A. Gelman, D. Simpson, B. Carpenter, P.-C. Bürkner, *Rank-normalization, folding, and localization: an improved R̂ for
//! assessing convergence of MCMC*, [arXiv:1903.08008](https://arxiv.org/abs/1903.08008). Every chain is split into its halves; ranks over
//! all draws are turned into normal scores, so that no moments need exist.
//!
//! `x` holds draws × chains × dims, row-major: value d of chain c at draw i is `x[(i * chains + c) * dims + d]`. Draws are those after
//! warm-up, four at least; of an odd number the middle one is left out. Chains none of which ever moves, at
//! one value or each at its own, give an infinite R̂ and an effective sample size of 1.

use crate::error::{Error, Result};
use crate::noise::normal_quantiles;
use crate::order::sort_by_value;
use crate::room::{self, Gather};

/// R̂ of each of `dims` dimensions: the greater of the rank-normalised split R̂ and that of the folded draws |x − median|, which sees
/// differences in spread (eqs. 1–4, 14 and Sec. 4.1 of the paper; ArviZ's and posterior's default). 1 for chains that agree; the paper
/// demands less than 1.01 of four chains.
///
/// # Errors
/// [`Error::InvalidArgument`] for sizes that do not fit together or fewer than four draws, [`Error::Data`] naming the first value that
/// is not finite.
pub fn split_r_hat(x: &[f64], chains: usize, dims: usize) -> Result<Vec<f64>> {
    let each = split(x, chains, dims)?;
    each.iter().map(Halves::rank_r_hat).gather_all()
}

/// The bulk effective sample size of each of `dims` dimensions, of all chains together: their number of draws over the autocorrelation
/// time of the normal scores of the split chains, cut off by Geyer's initial monotone sequence (eqs. 10–14 and Sec. 4.1 of the
/// paper). At most draws · log₁₀ draws, for antithetic chains.
///
/// The time grows with draws times the lag at which the autocorrelation has died out.
///
/// # Errors
/// Those of [`split_r_hat`].
pub fn effective_sample_size(x: &[f64], chains: usize, dims: usize) -> Result<Vec<f64>> {
    let each = split(x, chains, dims)?;
    let bulk = |halves: &Halves| halves.normal_scores()?.effective_sample_size();
    each.iter().map(bulk).gather_all()
}

/// Half chains of one dimension, one after the other.
struct Halves {
    values: Vec<f64>,
    /// Draws in each.
    draws: usize,
}

/// The half chains of every dimension.
fn split(x: &[f64], chains: usize, dims: usize) -> Result<Vec<Halves>> {
    let width = chains.checked_mul(dims).filter(|&width| width > 0);
    let draws = width.map_or(0, |width| x.len() / width);
    if draws < 4 || width.is_none_or(|width| draws * width != x.len()) {
        return Err(Error::InvalidArgument(format!(
            "{} numbers are not draws × {chains} chains × {dims} dimensions; whole rows of at least 4 draws of at least 1 chain are required",
            x.len()
        )));
    }
    if let Some(i) = x.iter().position(|v| !v.is_finite()) {
        let (draw, chain, dim) = (i / dims / chains, i / dims % chains, i % dims);
        return Err(Error::Data(format!(
            "dimension {dim} of chain {chain} is {} at draw {draw}; finite numbers are required",
            x[i]
        )));
    }
    let half = draws / 2;
    let halves = |dim: usize| {
        let starts = (0..chains).flat_map(|chain| [(chain, 0), (chain, draws - half)]);
        let values = starts.flat_map(|(chain, start)| {
            (start..start + half).map(move |draw| x[(draw * chains + chain) * dims + dim])
        });
        Ok(Halves {
            values: values.gather()?,
            draws: half,
        })
    };
    (0..dims).map(halves).gather_all()
}

impl Halves {
    fn of(&self, values: Vec<f64>) -> Self {
        Halves {
            values,
            draws: self.draws,
        }
    }

    fn rank_r_hat(&self) -> Result<f64> {
        let ranked = self.normal_scores()?.r_hat()?;
        if ranked.is_nan() {
            return Ok(f64::INFINITY);
        }
        // The folded draws alone may be constant, where there are but two values: the maximum passes over NaN.
        Ok(ranked.max(self.folded()?.normal_scores()?.r_hat()?))
    }

    /// |x − median|.
    fn folded(&self) -> Result<Self> {
        let mut sorted = room::copied(&self.values)?;
        sorted.sort_unstable_by(f64::total_cmp);
        // Two half chains of one length: the number is even.
        let middle = sorted.len() / 2;
        let median = 0.5 * sorted[middle - 1] + 0.5 * sorted[middle];
        let folded = self.values.iter().map(|x| (x - median).abs());
        Ok(self.of(folded.gather()?))
    }

    /// Φ⁻¹((r − 3/8) / (S + 1/4)) of the ranks r = 1 … S, equal values having their mean rank.
    fn normal_scores(&self) -> Result<Self> {
        let values = &self.values;
        let mut order = (0..values.len()).gather()?;
        sort_by_value(&mut order, &|i| values[i]);
        let mut scores = room::filled(values.len(), 0.0)?;
        let mut below = 0;
        for equal in order.chunk_by(|&a, &b| values[a] == values[b]) {
            let rank = below as f64 + 0.5 * (equal.len() + 1) as f64;
            let quantile = (rank - 0.375) / (values.len() as f64 + 0.25);
            equal.iter().for_each(|&i| scores[i] = quantile);
            below += equal.len();
        }
        normal_quantiles(&mut scores);
        Ok(self.of(scores))
    }

    /// √(V⁺ / W) of eq. 4; NaN where nothing varies.
    fn r_hat(&self) -> Result<f64> {
        Ok(match self.variances()? {
            Variances { within, total } if within > 0.0 => (total / within).sqrt(),
            Variances { total, .. } if total > 0.0 => f64::INFINITY,
            _ => f64::NAN,
        })
    }

    fn effective_sample_size(&self) -> Result<f64> {
        let size = self.values.len() as f64;
        let variances = self.variances()?;
        if variances.within <= 0.0 {
            return Ok(1.0);
        }
        let chains = self.chains().map(|c| (mean(c), c)).gather()?;
        // Eq. 10, with autocovariances that are divided by the number of draws.
        let autocorrelation = |lag: usize| {
            let covariance = |&(mean, chain): &(f64, &[f64])| {
                let pairs = chain.iter().zip(&chain[lag..]);
                pairs.map(|(a, b)| (a - mean) * (b - mean)).sum::<f64>() / self.draws as f64
            };
            let sum: f64 = chains.iter().map(covariance).sum();
            1.0 - (variances.within - sum / chains.len() as f64) / variances.total
        };
        let time = autocorrelation_time(autocorrelation, self.draws);
        Ok(size / time.max(1.0 / libm::log10(size)))
    }

    fn variances(&self) -> Result<Variances> {
        let means = self.chains().map(mean).gather()?;
        let each = self.chains().map(variance).gather()?;
        let (within, draws) = (mean(&each), self.draws as f64);
        Ok(Variances {
            within,
            total: (draws - 1.0) / draws * within + variance(&means),
        })
    }

    fn chains(&self) -> impl Iterator<Item = &[f64]> {
        self.values.chunks_exact(self.draws)
    }
}

/// W and V⁺ of eqs. 2 and 3.
struct Variances {
    within: f64,
    total: f64,
}

/// τ = −1 + 2 Σ of the autocorrelations, summed by pairs of lags until a pair is negative, the pairs made not to increase (Geyer,
/// Statist. Sci. 7 (1992) 473). Of the last pair, only the first lag counts, and once.
fn autocorrelation_time(autocorrelation: impl Fn(usize) -> f64, draws: usize) -> f64 {
    let (mut time, mut least) = (-1.0, f64::INFINITY);
    let mut pair = [1.0, autocorrelation(1)];
    let mut lag = 2;
    while lag + 2 < draws && pair[0] + pair[1] > 0.0 {
        least = f64::min(least, pair[0] + pair[1]);
        time += 2.0 * least;
        pair = [autocorrelation(lag), autocorrelation(lag + 1)];
        lag += 2;
    }
    time + pair[0].max(0.0)
}

fn mean(x: &[f64]) -> f64 {
    x.iter().sum::<f64>() / x.len() as f64
}

/// With n − 1 in the denominator. That of equal values is 0, and not the rounding of their mean.
fn variance(x: &[f64]) -> f64 {
    if x.windows(2).all(|pair| pair[0] == pair[1]) {
        return 0.0;
    }
    let mean = mean(x);
    x.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / (x.len() - 1) as f64
}
