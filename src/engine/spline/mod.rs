//! The rational-quadratic splines of a coupling block (Durkan et al., arXiv:1906.04032) and their gradient.
//!
//! Within a bin, ξ is the share of its width passed on the latent's side and ζ that of its height on the event's; η = 1 − ξ, u = ξη, and
//! s = height / width. With the slopes d₀ and d₁ at its ends
//!
//! - ζ = (s ξ² + d₀ u) / D, D = s + (d₀ + d₁ − 2s) u,
//! - dx/dz = s² P / D², P = 2su + d₁ ξ² + d₀ η²,
//!
//! of which P and 1 − ζ = (s η² + d₁ u) / D are sums of positive terms, and D ≥ s / 2.

mod bin;
mod form;
mod forward;
mod gradient;
#[cfg(test)]
mod tests;

pub(super) use form::Form;
pub(super) use forward::Spline;
pub(super) use gradient::SplineGradient;
