//! What a model holds beside its networks to make refined events.

use super::{Classifier, HmcSettings, Limits, Method, Refiner};
use crate::{Error, Result};
use serde::{Deserialize, Serialize};

/// Proposals per event that rejection may make: a quarter of an hour of them, and more is a mistake, or meant to hang a host.
pub const MOST_TRIES: u64 = 1_000_000_000;

/// Everything about refinement that is not a network.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Refinement {
    /// What a sampler does unless told otherwise.
    pub method: Method,
    /// log w_max of the rejection method, from the pilot run.
    pub log_w_max: f64,
    /// log of the mean of w(z) over the prior, from the pilot run: the estimate of log Z in q(z) = p(z) w(z) / Z.
    pub log_mean_weight: f64,
    /// Proposals per event before rejection gives up.
    pub max_tries: u64,
    /// Latents of the prior that each resampled one is chosen from: by the method `resampling`, and for the starts of chains.
    pub pool: usize,
    /// Settings of the chains.
    pub hmc: HmcSettings,
    /// The learned refiner, if one was trained.
    pub refiner: Option<Refiner>,
    /// log of the share of the learned refiner's events that are within the support; 0 without one.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub log_inside: f64,
    /// What the proposals of the method `mixture` are drawn and accepted by; none if it was not prepared.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mixture: Option<Mixture>,
    /// What the methods `surrogate` and `distilled` judge proposals by before they make their events; none if it was not trained.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub surrogate: Option<Surrogate>,
    /// What a sampler can expect of the weights; none in a file that was written without.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pilot: Option<Pilot>,
}

fn is_zero(value: &f64) -> bool {
    *value == 0.0
}

/// What the pilot run found of the weights.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pilot {
    /// Fraction of the proposals that rejection accepts.
    pub acceptance: f64,
    /// Share of the total weight that may lie above w_max.
    pub overweight: f64,
    /// log of the largest weight.
    pub log_largest: f64,
}

/// Proposals of α p(z) + (1 − α) p_Φ(z).
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Mixture {
    /// α, the share of the prior.
    pub prior: f64,
    /// log of the largest w p / q that is accepted with its probability; those above carry a weight.
    pub log_w_max: f64,
    /// Fraction of the proposals that are accepted, by the pilot run.
    pub acceptance: f64,
}

/// A network s(z) that proposals are accepted by before their events are made, with probability s(z) / s_max, and then, by the method
/// `surrogate`, by w / s.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Surrogate {
    /// log s(z) of latent and condition (N + C), which ends at its limits, the upper one s_max: those of the method `distilled`.
    pub classifier: Classifier,
    /// Where s ends for the method `surrogate`, so that no w / s is large where the network knows nothing; none: where the classifier has it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first: Option<Limits>,
    /// log of the largest w / s that is accepted with its probability; those above carry a weight.
    pub log_w_max: f64,
    /// Fraction of the proposals that both stages accept, by events that it was not trained on.
    pub acceptance: f64,
    /// Fraction that the method `distilled` accepts, those outside the support left out, by the same: Z / s_max of its density; none in a file that was written without.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub distilled: Option<f64>,
    /// Events that the generator makes for one that is accepted, by the same.
    pub calls: f64,
}

impl Surrogate {
    /// Where s ends.
    ///
    /// # Errors
    /// [`Error::Format`] if it does not.
    pub fn limits(&self) -> Result<Limits> {
        let limits = self.classifier.limits;
        limits.ok_or_else(|| Error::Format("a surrogate without limits".into()))
    }

    /// Where s ends for the method `distilled`, and log of its mean over the prior within the support; none in a file that was written without.
    pub fn density(&self) -> Option<(Limits, f64)> {
        let limits = self.classifier.limits?;
        Some((limits, libm::log(self.distilled?) + limits.high))
    }

    /// Checks the description for latents of `dim` dimensions with `conditions` values of conditions.
    ///
    /// # Errors
    /// [`Error::Format`] naming what does not fit.
    pub fn validate(&self, dim: usize, conditions: usize) -> Result<()> {
        self.classifier.validate(dim + conditions)?;
        self.limits()?;
        let first = self
            .first
            .is_none_or(|l| l.low <= l.high && l.low.is_finite() && l.high.is_finite());
        let share = |a: f64| a > 0.0 && a.is_finite();
        let sound = self.log_w_max.is_finite()
            && first
            && share(self.acceptance)
            && self.distilled.is_none_or(share)
            && self.calls > 0.0
            && self.calls.is_finite();
        match sound && self.classifier.latents == 0 {
            true => Ok(()),
            false => Err(Error::Format(
                "the refinement's surrogate is out of range".into(),
            )),
        }
    }
}

impl Refinement {
    /// What a sampler of `method` can expect.
    pub fn expected(&self, method: Method) -> Option<Pilot> {
        let mut pilot = self.pilot?;
        if let (Method::Mixture, Some(mixture)) = (method, &self.mixture) {
            pilot.acceptance = mixture.acceptance;
        }
        match (method, &self.surrogate) {
            (Method::Surrogate, Some(surrogate)) => pilot.acceptance = surrogate.acceptance,
            (Method::Distilled, Some(surrogate)) => pilot.acceptance = surrogate.distilled?,
            _ => (),
        }
        Some(pilot)
    }

    /// The learned refiner, if `method` has trained it.
    pub fn learned(&self, method: Method) -> Option<&Refiner> {
        let trained = !self.method.learned() || self.method == method;
        let refiner = self.refiner.as_ref();
        refiner.filter(|refiner| trained && method.learns(&refiner.map))
    }

    /// Checks the settings (not the learned refiner) for a latent space of `latent_dim` dimensions. The bounds keep a hostile file from
    /// making a sampler run for ever.
    ///
    /// # Errors
    /// [`Error::Format`] naming the setting.
    pub fn validate(&self, latent_dim: usize) -> Result<()> {
        let sound = |pilot: &Pilot| {
            pilot.acceptance > 0.0
                && pilot.acceptance.is_finite()
                && (0.0..1.0).contains(&pilot.overweight)
                && pilot.log_largest.is_finite()
        };
        let mixed = |mixture: &Mixture| {
            mixture.prior > 0.0
                && mixture.prior < 1.0
                && mixture.log_w_max.is_finite()
                && mixture.acceptance > 0.0
                && mixture.acceptance.is_finite()
        };
        let checks = [
            ("log_w_max", self.log_w_max.is_finite()),
            ("log_mean_weight", self.log_mean_weight.is_finite()),
            ("max_tries", (1..=MOST_TRIES).contains(&self.max_tries)),
            (
                "log_inside",
                self.log_inside <= 0.0 && self.log_inside.is_finite(),
            ),
            ("pool", (1..=1000).contains(&self.pool)),
            ("mixture", self.mixture.as_ref().is_none_or(mixed)),
            ("pilot", self.pilot.as_ref().is_none_or(sound)),
        ];
        match checks.iter().find(|(_, good)| !good) {
            Some((name, _)) => Err(Error::Format(format!(
                "the refinement's {name} is out of range"
            ))),
            None => self.hmc.validate(latent_dim, self.pool),
        }
    }
}
