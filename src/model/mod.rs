//! Models: what a generator, a classifier and a refiner are, as data, and the file that holds them.

mod chains;
mod evaluator;
mod file;
mod network;
mod real;

pub use chains::{HmcSettings, Start};
pub use evaluator::Evaluator;
pub use file::FORMAT_VERSION;
pub use network::{
    Activation, Coupling, Dtype, Flow, Mlp, Parameter, Scaling, Transform, MAX_DEPTH,
    MAX_PARAMETERS, MAX_WIDTH,
};
pub use real::Real;

use crate::{Error, Result};
use serde::{Deserialize, Serialize};

/// The network of a generator g.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", content = "network", rename_all = "snake_case")]
pub enum GeneratorKind {
    /// A normalizing flow: invertible, with a density.
    Flow(Flow),
}

/// g: latent z (N) ↦ event x (M), x = scaling⁻¹(network(z)).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Generator {
    /// The network.
    pub kind: GeneratorKind,
    /// One per feature of x.
    pub scalings: Vec<Scaling>,
    /// Flat parameters of the network (kept as tensors in files, not in the description).
    #[serde(skip)]
    pub parameters: Vec<f64>,
}

impl Generator {
    /// N, the dimension of z.
    pub fn latent_dim(&self) -> usize {
        match &self.kind {
            GeneratorKind::Flow(flow) => flow.dim,
        }
    }

    /// M, the dimension of x.
    pub fn event_dim(&self) -> usize {
        self.scalings.len()
    }

    /// C, the dimension of the condition.
    pub fn condition_dim(&self) -> usize {
        match &self.kind {
            GeneratorKind::Flow(flow) => flow.conditions,
        }
    }

    /// The tensors of the network, in flat order.
    pub fn tensors(&self, prefix: &str) -> Vec<Parameter> {
        match &self.kind {
            GeneratorKind::Flow(flow) => flow.parameters(prefix),
        }
    }

    /// Checks the description (not the parameters).
    ///
    /// # Errors
    /// [`Error::Format`] naming what does not fit.
    pub fn validate(&self) -> Result<()> {
        match &self.kind {
            GeneratorKind::Flow(flow) => {
                flow.validate()?;
                if flow.dim != self.scalings.len() {
                    return Err(Error::Format(format!(
                        "{} scalings for a flow of {} dimensions",
                        self.scalings.len(),
                        flow.dim
                    )));
                }
            }
        }
        self.scalings.iter().try_for_each(Scaling::validate)
    }
}

/// f: event x (M) ↦ logit ℓ(x); log w(x) = ℓ(x) + log_ratio_offset is the log density ratio target / generated.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Classifier {
    /// M → 1.
    pub network: Mlp,
    /// One per feature of x.
    pub scalings: Vec<Scaling>,
    /// Corrects the ratio when the two classes had different total weight in training.
    pub log_ratio_offset: f64,
    /// Flat parameters of the network.
    #[serde(skip)]
    pub parameters: Vec<f64>,
}

impl Classifier {
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
        if !self.log_ratio_offset.is_finite() {
            return Err(Error::Format(
                "the classifier's log_ratio_offset is not finite".into(),
            ));
        }
        Ok(())
    }
}

/// Φ: auxiliary latent y (L, standard normal) ↦ refined latent z (N).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GanRefiner {
    /// L → N.
    pub network: Mlp,
    /// Flat parameters of the network.
    #[serde(skip)]
    pub parameters: Vec<f64>,
}

impl GanRefiner {
    /// L, the dimension of y.
    pub fn auxiliary_dim(&self) -> usize {
        self.network.inputs
    }

    /// Checks the description against the generator's latent dimension.
    ///
    /// # Errors
    /// [`Error::Format`] naming what does not fit.
    pub fn validate(&self, latent_dim: usize) -> Result<()> {
        self.network.validate()?;
        if self.network.inputs == 0 || self.network.outputs != latent_dim {
            return Err(Error::Format(format!(
                "the GAN refiner maps {} to {}, but its output must have the {latent_dim} latent dimensions",
                self.network.inputs, self.network.outputs
            )));
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
    /// z = Φ(y).
    Gan,
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
            Method::Langevin => "langevin",
            Method::Mala => "mala",
            Method::Hmc => "hmc",
        }
    }

    /// Whether events are states of Markov chains.
    pub fn is_chain(self) -> bool {
        matches!(self, Method::Langevin | Method::Mala | Method::Hmc)
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
    pub gan: Option<GanRefiner>,
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
            classifier.validate(self.generator.event_dim())?;
        }
        let Some(refinement) = &self.refinement else {
            return Ok(());
        };
        if self.classifier.is_none() {
            return Err(Error::Format("a refiner without a classifier".into()));
        }
        refinement.validate(self.generator.latent_dim())?;
        if let Some(gan) = &refinement.gan {
            gan.validate(self.generator.latent_dim())?;
        } else if refinement.method == Method::Gan {
            return Err(Error::Format(
                "the method is `gan`, but there is no GAN refiner".into(),
            ));
        }
        Ok(())
    }
}
