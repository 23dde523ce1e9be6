//! Generators that are not networks of this library.

use crate::{Error, Result};

/// g of the host: a simulator, or a network of another framework.
pub trait HostGenerator: Send + Sync {
    /// Makes `rows` events. `z`: rows × N, `c`: rows × C, `x`: rows × M. An event may depend on its own row of `z` and `c` alone, besides
    /// randomness of the host's.
    ///
    /// # Errors
    /// Whatever the host stops with.
    fn generate(&self, rows: usize, z: &[f64], c: &[f64], x: &mut [f64]) -> Result<()>;

    /// Pulls gradients with respect to x back to z: `x_gradient` · ∂x/∂z, rows × M to rows × N.
    ///
    /// # Errors
    /// [`Error::Unsupported`] for a generator without derivatives, as is the default.
    fn pull_gradient(
        &self,
        _rows: usize,
        _z: &[f64],
        _c: &[f64],
        _x_gradient: &[f64],
        _z_gradient: &mut [f64],
    ) -> Result<()> {
        Err(Error::Unsupported(NO_GRADIENT.into()))
    }
}

/// What is said where a gradient is asked of a generator of features with steps, or of a classifier that sees them.
pub(crate) const STEPS: &str =
    "log w(z) has steps where features have values with a probability (scalings `integer`, `category`, `zeros`), and no gradient there; refine with a method that needs none (`rejection`, `resampling`, a learned refiner), or learn the weights in the latent space (`pullback.method` = `omnifold`)";

/// What is said where events are asked of what has weights alone.
pub(crate) const NO_EVENTS: &str =
    "this is a reweighter, which has weights for events of the host and makes none; load it by `laser_reweighter_load`, or use it by `laser reweight apply`";

/// What is said where a gradient is asked of a generator without one.
pub(crate) const NO_GRADIENT: &str =
    "log w(z) has no gradient through a generator that is a callback of the host; refine with a method that needs none (`rejection`, `resampling`, a learned refiner), or learn the weights in the latent space (`pullback.method` = `omnifold`)";
