//! The CPU engine: networks, their gradients and the noise, without libtorch or global state, and without threads unless asked for.
//!
//! Rows lie in the lanes of the processor's vectors: a block of rows is stored feature by feature, and goes through all layers while it
//! stays in cache. Every row is summed in the same order whatever rows share its block, so that a result depends on its row alone: the
//! same bits for any number of rows and any place among them, and on all processors with a fused multiply-add.

mod affine;
mod apply;
mod chain;
mod clamp;
mod cpu;
mod dense;
mod evaluator;
mod flow;
mod fused;
mod gradient;
mod lanes;
mod map;
mod matching;
mod math;
mod mlp;
mod objective;
mod packed;
mod rows;
mod simd;
mod size;
mod spline;
mod threads;
mod worker;

pub(crate) use apply::apply;
#[doc(hidden)] // public for the tests
pub use cpu::instructions;
pub(crate) use cpu::{Cpu, Task};
pub use evaluator::Engine;
pub(crate) use lanes::Element;
pub(crate) use objective::objective;
pub(crate) use simd::Simd;
pub(crate) use threads::all as on_threads;
