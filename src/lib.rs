//! **liblaser**: latent space refinement (LaSeR) of generative models, after Winterhalder, Bellagente, Nachman, *Latent Space Refinement
//! for Deep Generative Models* ([arXiv:2106.00792](https://arxiv.org/abs/2106.00792)).
//!
//! A generative model makes events quickly but not precisely. A classifier learns how generated and true events differ; its weights, pulled
//! back to the model's latent space, define a refined latent density; sampled from there, the same model makes unweighted events that
//! follow the truth. The product is `liblaser.so` with the C header `include/laser.h`; this crate is how it is made, and can be used from
//! Rust:
//!
//! ```
//! use laser::{options::Options, protocol, Rows, RowsMut};
//! use std::sync::Arc;
//!
//! // Truth: two clumps. (Far too few events and updates; they only show the calls.)
//! let truth: Vec<f64> = (0..4000).map(|i| (i % 2) as f64 * 4.0 + (i * 7919 % 1000) as f64 / 1000.0).collect();
//! let mut target = protocol::Source::from_rows(Rows::packed(&truth, 2)?, None)?;
//! let options = Options::from_json(
//!     r#"{"preset": "fast",
//!         "flow": {"blocks": 2, "units": 8, "epochs": 1, "batch": 100},
//!         "classifier": {"layers": 2, "units": 8, "epochs": 1, "batch": 100},
//!         "weights.events": 1000}"#,
//! )?;
//! let generator = protocol::train_generator(&mut target, &options, &())?;
//! let generator = protocol::Instance::new(generator);
//! let model = Arc::new(protocol::refine(&generator, &mut target, &options, &())?);
//!
//! let mut sampler = protocol::Sampler::new(model, 1, 0, &options)?;
//! let mut events = vec![0.0; 10 * 2];
//! sampler.generate(10, protocol::Outputs { x: Some(RowsMut::packed(&mut events, 2)?), ..Default::default() })?;
//! # Ok::<(), laser::Error>(())
//! ```
//!
//! # Where things are
//! From the ground up; a module knows only those above it in this table. The page docs/architecture.md tells how an event comes about, and
//! how to add to it.
//!
//! | module | what it holds |
//! |---|---|
//! | [`error`], [`rows`], [`table`] | the one error type; rows of arrays with a stride, and of files |
//! | `guard` | panics inside a call of C, and the host's floating-point environment outside it |
//! | [`formula`] | formulas in the features of events |
//! | `room` | memory that may not be there |
//! | [`noise`] | random numbers by their place |
//! | [`model`] | networks and models as plain data, and their file |
//! | [`objective`] | losses and batches as data |
//! | [`options`] | settings by key |
//! | [`engine`], `nn` | the networks on the CPU without libtorch; on libtorch (cargo feature `torch`) |
//! | [`train`] | the one training loop, its optimiser and hooks |
//! | `compute` | who computes: engine, libtorch or the host |
//! | [`metrics`] | scores of samples, diagnostics of chains |
//! | [`protocol`] | generator, classifier, pull-back, refiners, sampler |
//! | `capi` | the C boundary, translation only |
//!

// The mathematics of the standard library, which is the host's: clippy.toml.
#![cfg_attr(not(test), deny(clippy::disallowed_methods))]

#[doc(hidden)] // public for the program `laser`
pub mod aside;
// What parses formulas is made for hosts without std, and asks for it by this name.
extern crate alloc;

mod compute;
pub mod engine;
pub mod error;
pub mod formula;
mod guard;
pub mod metrics;
pub mod model;
#[cfg_attr(not(feature = "torch"), path = "nn/absent.rs")]
mod nn;
pub mod noise;
pub mod objective;
pub mod options;
mod order;
pub mod protocol;
mod room;
pub mod rows;
pub mod table;
pub mod train;

#[doc(hidden)] // public for the tests, which call it as a host does
pub mod capi;

pub use error::{Error, Result};
pub use rows::{Rows, RowsMut};
