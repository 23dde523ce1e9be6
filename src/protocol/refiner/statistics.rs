//! What a sampler can tell about its events.

use super::history::History;
use crate::{Error, Result};

/// Counts since the sampler was made.
#[derive(Clone, Copy, Debug, Default)]
pub(in crate::protocol) struct Statistics {
    /// Events made.
    pub events: u64,
    /// Latents proposed (by chains: trajectories, burn-in included).
    pub proposals: u64,
    /// Latents that the generator was asked to make an event of; by chains also for the gradient of its weight.
    pub calls: u64,
    /// Of these, accepted.
    pub accepted: u64,
    /// Proposals dropped because event or weight were NaN or infinite.
    pub non_finite: u64,
    /// Σ max(0, w − w_max) and Σ w over the proposals of the rejection method.
    pub overweight: f64,
    pub weight: f64,
    /// Σ max(0, w − w_max)², for the error of the first.
    pub overweight_squares: f64,
    /// Accepted events with w > w_max.
    pub overweight_events: u64,
    /// Trajectories whose energy error exceeded what a leapfrog integrator can make by rounding.
    pub divergences: u64,
    /// Σ of the probabilities with which Metropolis accepts trajectories (of `langevin`: would accept).
    pub metropolis: f64,
    /// Of the pools that latents were resampled from.
    pub resampled: Resampled,
    /// Of the weights of the events.
    pub heaviest: Heaviest,
    /// Of the events whose log w is at the classifier's limit.
    pub limited: Limited,
}

/// Sums over pools of weighted latents.
#[derive(Clone, Copy, Debug, Default)]
pub(in crate::protocol) struct Resampled {
    /// Latents in them.
    pub pool: u64,
    /// (Σw)² / Σw².
    pub effective: f64,
    /// Latents chosen.
    pub rows: u64,
    /// Of these, different ones.
    pub distinct: u64,
}

/// Share of the resampled events that must be different: of fewer, errors that count events are too small by a twentieth and more.
pub(in crate::protocol) const DISTINCT: f64 = 0.9;

/// How many events are a handful.
pub(in crate::protocol) const HANDFUL: usize = 10;

/// Share of the weight that must not be in a handful of events.
const MOST: f64 = 0.01;

/// Times the mean weight that a handful of events must weigh on average for its share to be too large: few events share the weight anyhow.
const HEAVY: f64 = 10.0;

/// How much of the weight is in few events.
#[derive(Clone, Copy, Debug, Default)]
pub(in crate::protocol) struct Heaviest {
    /// Σ w of all events.
    sum: f64,
    /// The largest w, in falling order.
    largest: [f64; HANDFUL],
}

impl Heaviest {
    /// Takes in the weights of further events.
    pub fn add(&mut self, weights: &[f64]) {
        for &w in weights {
            self.sum += w;
            if w > self.largest[HANDFUL - 1] {
                let place = self.largest.partition_point(|&l| l >= w);
                self.largest[place..].rotate_right(1);
                self.largest[place] = w;
            }
        }
    }

    /// The share of the weight in a handful of events. Finite weights may exceed double precision in their sum: then all of it.
    pub fn share(&self) -> f64 {
        match self.sum {
            f64::INFINITY => 1.0,
            sum => self.largest.iter().sum::<f64>() / sum,
        }
    }
}

/// How much of the weight is where the classifier extrapolates.
#[derive(Clone, Copy, Debug, Default)]
pub(in crate::protocol) struct Limited {
    /// Events.
    pub events: u64,
    /// Σ w of them.
    weight: f64,
}

impl Limited {
    /// Takes in further events, of which log w goes up to `high`.
    pub fn add(&mut self, high: f64, log_w: &[f64], weights: &[f64]) {
        for (_, w) in log_w.iter().zip(weights).filter(|(l, _)| **l >= high) {
            self.events += 1;
            self.weight += w;
        }
    }
}

impl std::ops::AddAssign<&Resampled> for Resampled {
    fn add_assign(&mut self, other: &Resampled) {
        self.pool += other.pool;
        self.effective += other.effective;
        self.rows += other.rows;
        self.distinct += other.distinct;
    }
}

impl Statistics {
    /// Accepts a proposal of weight w, `ratio` = w / w_max, with probability w / w_max where `u` is uniform: the weight of its event, above
    /// 1 where w is above w_max. Counts what that leaves above.
    pub fn rejection(&mut self, ratio: f64, u: f64) -> Option<f64> {
        if !ratio.is_finite() {
            self.non_finite += 1;
            return None;
        }
        self.weight += ratio;
        let above = (ratio - 1.0).max(0.0);
        self.overweight += above;
        self.overweight_squares += above * above;
        (u < ratio).then_some(ratio.max(1.0))
    }

    /// The share of the weight at the classifier's limit.
    pub fn limited_weight(&self) -> f64 {
        self.limited.weight / self.heaviest.sum
    }

    /// Whether a handful of events carries so much of the weight that all hangs on it.
    pub fn concentrated(&self) -> bool {
        let chance = HEAVY * HANDFUL as f64 / self.events as f64;
        self.heaviest.share() > MOST.max(chance)
    }

    /// The diagnostic `key` of [`Sampler::diagnostic`](crate::protocol::Sampler::diagnostic), in N latent dimensions.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] for another key.
    pub fn diagnostic(
        &self,
        key: &str,
        history: Option<&History>,
        latent_dim: usize,
    ) -> Result<f64> {
        Ok(match key {
            "events" => self.events as f64,
            "proposals" => self.proposals as f64,
            "calls_per_event" => self.calls as f64 / self.events as f64,
            "acceptance" => self.accepted as f64 / self.proposals as f64,
            "overweight_fraction" if self.weight > 0.0 => self.overweight / self.weight,
            "overweight_fraction" if self.proposals > 0 => 0.0,
            "overweight_fraction" => f64::NAN,
            "overweight_events" => self.overweight_events as f64 / self.accepted as f64,
            "largest_weight" if self.events > 0 => self.heaviest.largest[0],
            "largest_weight" => f64::NAN,
            "weight_of_largest" => self.heaviest.share(),
            "events_at_limit" => self.limited.events as f64 / self.events as f64,
            "weight_at_limit" => self.limited_weight(),
            "non_finite" => self.non_finite as f64,
            "divergences" => self.divergences as f64,
            "effective_fraction" => self.resampled.effective / self.resampled.pool as f64,
            "distinct_fraction" => self.resampled.distinct as f64 / self.resampled.rows as f64,
            _ => return self.of_chains(key, history, latent_dim).ok_or_else(|| {
                Error::InvalidArgument(format!(
                    "there is no diagnostic `{key}`; there are events, proposals, calls_per_event, acceptance, overweight_fraction, overweight_events, largest_weight, weight_of_largest, events_at_limit, weight_at_limit, non_finite, divergences, effective_fraction, distinct_fraction, r_hat, effective_sample_size, and the last two with a dimension of z from 0 to {}, as in r_hat.0",
                    latent_dim.saturating_sub(1)
                ))
            }),
        })
    }

    /// `r_hat`, `effective_sample_size`, both with or without `.K`; none for another key.
    fn of_chains(&self, key: &str, history: Option<&History>, latent_dim: usize) -> Option<f64> {
        let (name, dim) = match key.split_once('.') {
            Some((name, dim)) => (name, Some(dim.parse::<usize>().ok()?)),
            None => (key, None),
        };
        if dim.is_some_and(|dim| dim >= latent_dim) {
            return None;
        }
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
                Some(efficiency * self.events as f64)
            }
            _ => None,
        }
    }
}
