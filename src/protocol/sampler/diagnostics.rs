//! What a sampler tells about its events.

use super::Sampler;
use crate::{Error, Result};

impl Sampler {
    /// A diagnostic since the sampler was made: `events` and `proposals` (made, which blocks round up), `acceptance` (their accepted fraction),
    /// `overweight_fraction` (Σ max(0, w − w_max) / Σ w of the rejection method), `overweight_events` (fraction of its events with w > w_max),
    /// `non_finite` and `divergences` (proposals); of latents resampled for `resampling` or for starts of chains, `effective_fraction`
    /// ((Σw)² / Σw² of their pools, as a fraction) and `distinct_fraction`. Fractions of nothing are NaN.
    ///
    /// Of chains, from the last 256 events of the first 64 of them since they were last begun: `r_hat.K`, split R̂ of dimension K of z (from 0), and
    /// `effective_sample_size.K`, that of all events made; without `.K`, of the worst dimension. NaN for other methods, and for fewer than four
    /// events of a chain (`effective_sample_size`: twenty).
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] for another key.
    pub fn diagnostic(&self, key: &str) -> Result<f64> {
        let s = &self.statistics;
        Ok(match key {
            "events" => s.events as f64,
            "proposals" => s.proposals as f64,
            "acceptance" => s.accepted as f64 / s.proposals as f64,
            "overweight_fraction" if s.weight > 0.0 => s.overweight / s.weight,
            "overweight_fraction" if s.proposals > 0 => 0.0,
            "overweight_fraction" => f64::NAN,
            "overweight_events" => s.overweight_events as f64 / s.accepted as f64,
            "non_finite" => s.non_finite as f64,
            "divergences" => s.divergences as f64,
            "effective_fraction" => s.resampled.effective / s.resampled.pool as f64,
            "distinct_fraction" => s.resampled.distinct as f64 / s.resampled.rows as f64,
            _ => return self.chain_diagnostic(key).ok_or_else(|| {
                Error::InvalidArgument(format!(
                    "there is no diagnostic `{key}`; there are events, proposals, acceptance, overweight_fraction, overweight_events, non_finite, divergences, effective_fraction, distinct_fraction, r_hat, effective_sample_size, and the last two with a dimension of z from 0 to {}, as in r_hat.0",
                    self.latent_dim().saturating_sub(1)
                ))
            }),
        })
    }

    /// `r_hat`, `effective_sample_size`, both with or without `.K`; none for another key.
    fn chain_diagnostic(&self, key: &str) -> Option<f64> {
        let (name, dim) = match key.split_once('.') {
            Some((name, dim)) => (name, Some(dim.parse::<usize>().ok()?)),
            None => (key, None),
        };
        if dim.is_some_and(|dim| dim >= self.latent_dim()) {
            return None;
        }
        let history = self.refiner.history();
        let one = |of_each: Option<Result<Vec<f64>>>, worst: fn(f64, f64) -> f64| {
            let of_each = of_each.and_then(Result::ok).unwrap_or_default();
            let value = match dim {
                Some(dim) => of_each.get(dim).copied(),
                None => of_each.into_iter().reduce(worst),
            };
            value.unwrap_or(f64::NAN)
        };
        match name {
            "r_hat" => Some(one(history.map(|h| h.r_hat()), f64::max)),
            "effective_sample_size" => {
                let efficiency = one(history.map(|h| h.efficiency()), f64::min);
                Some(efficiency * self.statistics.events as f64)
            }
            _ => None,
        }
    }
}
