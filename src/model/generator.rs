//! The generator g.

use super::host::{NO_EVENTS, NO_GRADIENT, STEPS};
use super::map::{self, Map};
use super::{Flow, Parameter, Scaling, MAX_WIDTH};
use crate::{Error, Result};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

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
    /// No generator: events of the host, which the classifier has weights for. What has these is a reweighter.
    Events,
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
    /// Flat parameters of the networks (kept as tensors in files, not in the description), which copies share.
    #[serde(skip)]
    pub parameters: Arc<Vec<f64>>,
    /// A TorchScript module as its file has it (kept as a tensor of bytes in files).
    #[serde(skip)]
    pub module: Arc<Vec<u8>>,
}

/// The dimensions of what a generator maps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Dims {
    /// N, of the latent z.
    pub latent: usize,
    /// C, of the condition c.
    pub conditions: usize,
    /// M, of the event x.
    pub features: usize,
}

impl Dims {
    /// N + C: a latent with its condition behind it.
    pub fn latent_row(self) -> usize {
        self.latent + self.conditions
    }

    /// M + C: an event with its condition behind it.
    pub fn event_row(self) -> usize {
        self.features + self.conditions
    }
}

impl Generator {
    /// N, C and M.
    pub fn dims(&self) -> Dims {
        Dims {
            latent: self.latent_dim(),
            conditions: self.condition_dim(),
            features: self.event_dim(),
        }
    }

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
            GeneratorKind::Events => 0,
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

    /// Whether x determines z: not where features have values with a probability, each of which many latents make.
    pub fn determines_latents(&self) -> bool {
        self.invertible() && !self.scalings.iter().any(Scaling::stepped)
    }

    /// Whether x has a gradient with respect to z.
    pub fn differentiable(&self) -> bool {
        self.no_gradient().is_none()
    }

    /// Checks that it makes events, and is not the host's.
    ///
    /// # Errors
    /// [`Error::Unsupported`] saying what would be right.
    pub(crate) fn makes_events(&self) -> Result<()> {
        match self.kind {
            GeneratorKind::Events => Err(Error::Unsupported(NO_EVENTS.into())),
            _ => Ok(()),
        }
    }

    /// Why x has no gradient with respect to z, if it has none.
    pub(crate) fn no_gradient(&self) -> Option<&'static str> {
        match self.kind {
            GeneratorKind::Host { .. } => Some(NO_GRADIENT),
            GeneratorKind::Events => Some(NO_EVENTS),
            _ if self.scalings.iter().any(Scaling::stepped) => Some(STEPS),
            _ => None,
        }
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
            GeneratorKind::Events => {
                let dims = [features, self.conditions.len() + 1];
                if let Some(dim) = dims.iter().find(|d| !(1..=MAX_WIDTH).contains(*d)) {
                    return Err(Error::Format(format!(
                        "a reweighter of events of dimension {dim}; it has between 1 and {MAX_WIDTH} values"
                    )));
                }
            }
        }
        let mut scalings = self.scalings.iter().chain(&self.conditions);
        scalings.try_for_each(|scaling| match scaling {
            Scaling::Circle { .. } | Scaling::OneHot { .. } | Scaling::Spike { .. } => {
                Err(Error::Format(format!(
                    "a generator with the scaling {scaling:?}, which only classifiers have"
                )))
            }
            _ => scaling.validate(),
        })
    }
}
