//! **liblaser**: latent space refinement of generative models.
//!
//! Placeholder, completed below.

pub mod engine;
pub mod error;
pub mod metrics;
pub mod model;
#[cfg(feature = "torch")]
mod nn;
pub mod options;
pub mod protocol;
pub mod train;

pub mod capi;

pub use error::{Error, Result};
