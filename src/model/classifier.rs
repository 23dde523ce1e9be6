//! The classifier f.

use super::{Mlp, Parameter, Scaling, MAX_PARAMETERS};
use crate::room::Gather;
use crate::{Error, Result};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// Where log w is known: beyond what was met in training it is taken for the nearest value within. A classifier's logit is linear far from
/// its events, so that single ones there would carry all of the weight.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Limits {
    /// Smallest log w.
    pub low: f64,
    /// Largest log w.
    pub high: f64,
}

impl Limits {
    /// log w within the limits; NaN stays, and so does the −∞ of an event that cannot be.
    pub fn apply(&self, log_w: f64) -> f64 {
        if log_w > self.high {
            self.high
        } else if log_w < self.low && log_w > f64::NEG_INFINITY {
            self.low
        } else {
            log_w
        }
    }
}

/// f: event x (M), followed by its condition (C), ↦ logit ℓ(x); log w(x) = ℓ(x) + log_ratio_offset is the log density ratio
/// target / generated.
///
/// Of a generator that can be inverted the latent z = g⁻¹(x) may follow (N). It tells nothing that x does not, but what is thin in x, as the
/// threads between clumps that topology makes a flow draw, is broad in z.
///
/// ℓ is the mean of the logits of one or more networks of the same shape. In the logit the errors of independently trained networks are
/// about symmetric, so their mean has less of them and no bias towards large w, which the mean of the ratios themselves would have: e^ℓ
/// exaggerates upward errors.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Classifier {
    /// What is seen of M + C values → 1.
    pub network: Mlp,
    /// Networks of that shape, at least one.
    #[serde(default = "one", skip_serializing_if = "is_one")]
    pub members: usize,
    /// How many values of a row, the last, are those of the latent.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub latents: usize,
    /// One per value of a row; the network sees the [`Scaling::inputs`] of them.
    pub scalings: Vec<Scaling>,
    /// Corrects the ratio when the two classes had different total weight in training.
    pub log_ratio_offset: f64,
    /// Where log w ends; none in models whose weights are not limited.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limits: Option<Limits>,
    /// Flat parameters of the members, one after the other, which copies share.
    #[serde(skip)]
    pub parameters: Arc<Vec<f64>>,
}

fn one() -> usize {
    1
}

fn is_one(n: &usize) -> bool {
    *n == 1
}

fn is_zero(n: &usize) -> bool {
    *n == 0
}

impl Classifier {
    /// The tensors of all members, in flat order; the member's number is part of the name if there are several.
    pub fn tensors(&self, prefix: &str) -> Vec<Parameter> {
        if self.members == 1 {
            return self.network.parameters(prefix);
        }
        let members = 0..self.members;
        let tensors = members.flat_map(|k| self.network.parameters(&format!("{prefix}{k}.")));
        tensors.collect()
    }

    /// Member `k` by itself.
    ///
    /// # Errors
    /// [`Error::Memory`].
    pub fn member(&self, k: usize) -> Result<Self> {
        let length = self.parameters.len() / self.members.max(1);
        let all = self.parameters.iter().copied();
        let parameters = all.skip(k * length).take(length).gather()?;
        Ok(Classifier {
            network: self.network.clone(),
            members: 1,
            latents: self.latents,
            scalings: self.scalings.clone(),
            log_ratio_offset: self.log_ratio_offset,
            limits: self.limits,
            parameters: parameters.into(),
        })
    }

    /// Checks the description against the values of what it classifies, latents aside.
    ///
    /// # Errors
    /// [`Error::Format`] naming what does not fit.
    pub fn validate(&self, values: usize) -> Result<()> {
        self.network.validate()?;
        self.scalings.iter().try_for_each(Scaling::validate)?;
        let inputs: usize = self.scalings.iter().map(Scaling::inputs).sum();
        let row = values.saturating_add(self.latents);
        if self.network.inputs != inputs || self.network.outputs != 1 || self.scalings.len() != row
        {
            return Err(Error::Format(format!(
                "the classifier maps {} values to {}; its {} scalings make {inputs} of a row of {row}, and 1 is needed",
                self.network.inputs,
                self.network.outputs,
                self.scalings.len(),
            )));
        }
        let parameters = self.network.parameter_count();
        if self.members == 0
            || parameters
                .and_then(|n| n.checked_mul(self.members))
                .is_none_or(|n| n > MAX_PARAMETERS)
        {
            return Err(Error::Format(format!(
                "a classifier of {} networks; it needs at least one, and at most {MAX_PARAMETERS} parameters in all",
                self.members
            )));
        }
        let sound = |l: &Limits| l.low <= l.high && l.low.is_finite() && l.high.is_finite();
        if !self.limits.iter().all(sound) {
            return Err(Error::Format(
                "the classifier's limits of log w are not two finite numbers, the lower first"
                    .into(),
            ));
        }
        if !self.log_ratio_offset.is_finite() {
            return Err(Error::Format(
                "the classifier's log_ratio_offset is not finite".into(),
            ));
        }
        Ok(())
    }
}
