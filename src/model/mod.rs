//! Models: what a generator, a classifier and a refiner are, as data, and the file that holds them.

mod chains;
mod evaluator;
mod file;
mod map;
mod network;
mod real;
mod refiner;
mod scaling;

pub use chains::{HmcSettings, Start};
pub use evaluator::Evaluator;
pub(crate) use evaluator::{NO_DENSITY, NO_REFINED_DENSITY, NO_REFINER};
pub use file::FORMAT_VERSION;
pub use map::{Map, Matching};
pub use network::{
    Activation, Coupling, Dtype, Flow, Mlp, Parameter, Transform, MAX_DEPTH, MAX_PARAMETERS,
    MAX_WIDTH,
};
pub use real::Real;
pub use refiner::Refiner;
pub use scaling::Scaling;

use crate::{Error, Result};
use serde::{Deserialize, Serialize};

/// What a generator g consists of.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
pub enum GeneratorKind {
    /// Networks of this library, one applied after the other: a flow, a GAN's generator, a VAE's decoder; several where an iteration of the
    /// protocol has put the refined latent space before the network.
    Networks {
        /// The first is applied to z.
        maps: Vec<Map>,
    },
    /// A callback of the host, which is no part of the model: it must be attached before events can be made.
    Host {
        /// N.
        latent_dim: usize,
        /// Whether it draws randomness of its own, so that one z has many x.
        stochastic: bool,
    },
    /// A TorchScript module, which libtorch runs: a tensor of latents, followed by conditions as they are, to one of events.
    Script {
        /// N.
        latent_dim: usize,
        /// Length of the module.
        bytes: usize,
    },
}

impl GeneratorKind {
    /// A generator that is one flow.
    pub fn flow(flow: Flow) -> Self {
        GeneratorKind::Networks {
            maps: vec![Map::Flow(flow)],
        }
    }
}

/// g: latent z (N), given a condition c (C), ↦ event x (M), x = scaling⁻¹(networks(z, scaled c)).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Generator {
    /// Networks, callback or module.
    pub kind: GeneratorKind,
    /// One per feature of x. Callbacks and modules make features as they are.
    pub scalings: Vec<Scaling>,
    /// One per value of c.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub conditions: Vec<Scaling>,
    /// Flat parameters of the networks (kept as tensors in files, not in the description).
    #[serde(skip)]
    pub parameters: Vec<f64>,
    /// A TorchScript module as its file has it (kept as a tensor of bytes in files).
    #[serde(skip)]
    pub module: Vec<u8>,
}

impl Generator {
    /// N, the dimension of z.
    pub fn latent_dim(&self) -> usize {
        match &self.kind {
            GeneratorKind::Networks { maps } => {
                let first = maps.first();
                first.map_or(0, |map| map.inputs(self.conditions.len()))
            }
            GeneratorKind::Host { latent_dim, .. } | GeneratorKind::Script { latent_dim, .. } => {
                *latent_dim
            }
        }
    }

    /// M, the dimension of x.
    pub fn event_dim(&self) -> usize {
        self.scalings.len()
    }

    /// C, the dimension of the condition.
    pub fn condition_dim(&self) -> usize {
        self.conditions.len()
    }

    /// The networks, in the order of their application; none if the generator is a callback or a module.
    pub fn maps(&self) -> &[Map] {
        match &self.kind {
            GeneratorKind::Networks { maps } => maps,
            _ => &[],
        }
    }

    /// Whether x determines z, so that events have a density.
    pub fn invertible(&self) -> bool {
        let maps = self.maps();
        !maps.is_empty() && maps.iter().all(Map::invertible)
    }

    /// Whether one z has many x.
    pub fn stochastic(&self) -> bool {
        matches!(
            self.kind,
            GeneratorKind::Host {
                stochastic: true,
                ..
            }
        )
    }

    /// Scales the conditions of latent rows, their last values, to what networks see.
    pub fn scale_conditions(&self, rows: &mut [f64]) {
        let n = self.latent_dim();
        for row in rows.chunks_exact_mut(n + self.conditions.len()) {
            for (c, scaling) in row[n..].iter_mut().zip(&self.conditions) {
                *c = scaling.forward(*c);
            }
        }
    }

    /// The tensors of the networks, in flat order.
    pub fn tensors(&self, prefix: &str) -> Vec<Parameter> {
        let maps = self.maps().iter().enumerate();
        let tensors = maps.flat_map(|(i, map)| map.parameters(&format!("{prefix}{i}.")));
        tensors.collect()
    }

    /// Checks the description (not the parameters).
    ///
    /// # Errors
    /// [`Error::Format`] naming what does not fit.
    pub fn validate(&self) -> Result<()> {
        let features = self.event_dim();
        match &self.kind {
            GeneratorKind::Networks { maps } => {
                map::validate_chain(maps, self.conditions.len(), None, features)?;
            }
            GeneratorKind::Host { latent_dim, .. } | GeneratorKind::Script { latent_dim, .. } => {
                let dims = [*latent_dim, features, self.conditions.len() + 1];
                if let Some(dim) = dims.iter().find(|d| !(1..=MAX_WIDTH).contains(*d)) {
                    return Err(Error::Format(format!(
                        "a foreign generator of dimension {dim}; it maps between 1 and {MAX_WIDTH} values"
                    )));
                }
            }
        }
        let mut scalings = self.scalings.iter().chain(&self.conditions);
        scalings.try_for_each(Scaling::validate)
    }
}

/// f: event x (M), followed by its condition (C), ↦ logit ℓ(x); log w(x) = ℓ(x) + log_ratio_offset is the log density ratio target / generated.
///
/// ℓ is the mean of the logits of one or more networks of the same shape. In the logit the errors of independently trained networks are
/// about symmetric, so their mean has less of them and no bias towards large w, which the mean of the ratios themselves would have: e^ℓ
/// exaggerates upward errors.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Classifier {
    /// M + C → 1.
    pub network: Mlp,
    /// Networks of that shape, at least one.
    #[serde(default = "one", skip_serializing_if = "is_one")]
    pub members: usize,
    /// One per value that it takes.
    pub scalings: Vec<Scaling>,
    /// Corrects the ratio when the two classes had different total weight in training.
    pub log_ratio_offset: f64,
    /// Flat parameters of the members, one after the other.
    #[serde(skip)]
    pub parameters: Vec<f64>,
}

fn one() -> usize {
    1
}

fn is_one(n: &usize) -> bool {
    *n == 1
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
    pub fn member(&self, k: usize) -> Self {
        let length = self.parameters.len() / self.members.max(1);
        Classifier {
            network: self.network.clone(),
            members: 1,
            scalings: self.scalings.clone(),
            log_ratio_offset: self.log_ratio_offset,
            parameters: self
                .parameters
                .iter()
                .copied()
                .skip(k * length)
                .take(length)
                .collect(),
        }
    }

    /// Checks the description against the generator's event dimension.
    ///
    /// # Errors
    /// [`Error::Format`] naming what does not fit.
    pub fn validate(&self, event_dim: usize) -> Result<()> {
        self.network.validate()?;
        self.scalings.iter().try_for_each(Scaling::validate)?;
        if self.network.inputs != event_dim
            || self.network.outputs != 1
            || self.scalings.len() != event_dim
        {
            return Err(Error::Format(format!(
                "the classifier maps {} features ({} scalings) to {}, but {event_dim} to 1 is needed",
                self.network.inputs,
                self.scalings.len(),
                self.network.outputs
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
        if !self.log_ratio_offset.is_finite() {
            return Err(Error::Format(
                "the classifier's log_ratio_offset is not finite".into(),
            ));
        }
        Ok(())
    }
}

/// How refined events are made from g and w(z). The names are those of the option `refiner.method`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Method {
    /// No refinement: z ~ p(z).
    Baseline,
    /// DCTR: z ~ p(z), events carry the weight w(z).
    Reweight,
    /// z accepted with probability w(z) / w_max.
    Rejection,
    /// z resampled from a pool of the prior's latents by w(z) (SIR).
    Resampling,
    /// z = Φ(y), Φ a network that a weighted GAN has trained.
    Gan,
    /// z = Φ(y), Φ a normalizing flow of the weighted latents.
    Flow,
    /// z = Φ(y), Φ the transport along velocities that flow matching has learned.
    Matching,
    /// z from Langevin chains of q(z) without the Metropolis test (DDLS, arXiv:2003.06060): biased by its step.
    Langevin,
    /// z from Langevin chains of q(z) with it.
    Mala,
    /// z from Hamiltonian Monte Carlo chains of q(z).
    Hmc,
}

impl Method {
    /// The option's word for it.
    pub fn name(self) -> &'static str {
        match self {
            Method::Baseline => "baseline",
            Method::Reweight => "reweight",
            Method::Rejection => "rejection",
            Method::Resampling => "resampling",
            Method::Gan => "gan",
            Method::Flow => "flow",
            Method::Matching => "matching",
            Method::Langevin => "langevin",
            Method::Mala => "mala",
            Method::Hmc => "hmc",
        }
    }

    /// Whether events are states of Markov chains.
    pub fn is_chain(self) -> bool {
        matches!(self, Method::Langevin | Method::Mala | Method::Hmc)
    }

    /// Whether it makes events by a learned [`Refiner`].
    pub fn learned(self) -> bool {
        matches!(self, Method::Gan | Method::Flow | Method::Matching)
    }

    /// The inverse of [`Method::name`]; `none` is the refiner option's word for the baseline.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] for any other word.
    pub fn parse(name: &str) -> Result<Self> {
        match name {
            "none" | "baseline" => Ok(Method::Baseline),
            "reweight" => Ok(Method::Reweight),
            "rejection" => Ok(Method::Rejection),
            "resampling" => Ok(Method::Resampling),
            "gan" => Ok(Method::Gan),
            "flow" => Ok(Method::Flow),
            "matching" => Ok(Method::Matching),
            "langevin" => Ok(Method::Langevin),
            "mala" => Ok(Method::Mala),
            "hmc" => Ok(Method::Hmc),
            _ => Err(Error::InvalidArgument(format!(
                "there is no refinement method `{name}`"
            ))),
        }
    }
}

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
}

impl Refinement {
    /// Checks the settings (not the learned refiner) for a latent space of `latent_dim` dimensions. The bounds keep a hostile file from making a sampler run for ever.
    ///
    /// # Errors
    /// [`Error::Format`] naming the setting.
    pub fn validate(&self, latent_dim: usize) -> Result<()> {
        let checks = [
            ("log_w_max", self.log_w_max.is_finite()),
            ("log_mean_weight", self.log_mean_weight.is_finite()),
            ("max_tries", self.max_tries > 0),
            ("pool", (1..=1000).contains(&self.pool)),
        ];
        match checks.iter().find(|(_, good)| !good) {
            Some((name, _)) => Err(Error::Format(format!(
                "the refinement's {name} is out of range"
            ))),
            None => self.hmc.validate(latent_dim),
        }
    }
}

/// g, f and the refiner with everything needed to sample: what one file holds. Immutable once made; share it by reference.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Model {
    /// Precision the networks were trained in and are evaluated in.
    pub dtype: Dtype,
    /// g.
    pub generator: Generator,
    /// f, absent in a model that is a bare generator.
    pub classifier: Option<Classifier>,
    /// log w(z) as a network of latent and condition (N + C): learned by OmniFold where w(g(z)) is no function of z.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub latent_classifier: Option<Classifier>,
    /// The refiner, absent in a model that is a bare generator.
    pub refinement: Option<Refinement>,
    /// Training record: settings, data size, losses, weight report, library version. Free-form; readers must not depend on it.
    pub record: serde_json::Map<String, serde_json::Value>,
}

impl Model {
    /// The bare generator: without classifier and refiner.
    pub fn into_baseline(self) -> Self {
        Model {
            classifier: None,
            latent_classifier: None,
            refinement: None,
            ..self
        }
    }

    /// Checks the whole description: every part in itself and against the others.
    ///
    /// # Errors
    /// [`Error::Format`] naming what does not fit.
    pub fn validate(&self) -> Result<()> {
        self.generator.validate()?;
        if let Some(classifier) = &self.classifier {
            classifier.validate(self.generator.event_dim() + self.generator.condition_dim())?;
        }
        if let Some(classifier) = &self.latent_classifier {
            classifier.validate(self.generator.latent_dim() + self.generator.condition_dim())?;
            if self.classifier.is_none() {
                return Err(Error::Format(
                    "a classifier of latents without one of events".into(),
                ));
            }
        }
        let Some(refinement) = &self.refinement else {
            return Ok(());
        };
        if self.classifier.is_none() {
            return Err(Error::Format("a refiner without a classifier".into()));
        }
        refinement.validate(self.generator.latent_dim())?;
        let learned = refinement.refiner.as_ref();
        if let Some(refiner) = learned {
            refiner.validate(self.generator.latent_dim(), self.generator.condition_dim())?;
        }
        let method = refinement.method;
        if method.learned() && learned.map(Refiner::method) != Some(method) {
            return Err(Error::Format(format!(
                "the method is `{}`, but there is no such refiner",
                method.name()
            )));
        }
        Ok(())
    }
}
