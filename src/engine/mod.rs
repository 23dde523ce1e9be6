//! The CPU engine: what runs without libtorch.
pub mod noise;
