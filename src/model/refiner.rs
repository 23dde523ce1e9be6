//! The learned refiner Φ.

use super::map::{self, Map};
use super::Parameter;
use crate::Result;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// Φ: auxiliary latent y (L, standard normal), given a condition c, ↦ refined latent z (N), distributed as q(z) ∝ p(z) w(z).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Refiner {
    /// L → N; L = N but for a network, of which L ≥ N is useful.
    pub map: Map,
    /// Flat parameters of the map, which copies share.
    #[serde(skip)]
    pub parameters: Arc<Vec<f64>>,
}

impl Refiner {
    /// L, the dimension of y, where there are so many condition values.
    pub fn auxiliary_dim(&self, conditions: usize) -> usize {
        self.map.inputs(conditions)
    }

    /// The tensors of the map, in flat order.
    pub fn tensors(&self, prefix: &str) -> Vec<Parameter> {
        self.map.parameters(prefix)
    }

    /// Checks the description against the generator's latent dimension.
    ///
    /// # Errors
    /// [`crate::Error::Format`] naming what does not fit.
    pub fn validate(&self, latent_dim: usize, conditions: usize) -> Result<()> {
        let map = std::slice::from_ref(&self.map);
        map::validate_chain(map, conditions, None, latent_dim)
    }
}
