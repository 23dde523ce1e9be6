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
mod gradient;
#[cfg(test)]
mod tests;

pub(super) use gradient::SplineGradient;

use super::clamp::{Clamp, Softsign};
use super::cpu::Task;
use super::lanes::Element;
use super::math;
use super::simd::Simd;
use crate::model::{Knots, Transform};
use bin::Bins;

/// What the splines of a block have in common.
#[derive(Clone, Copy)]
pub(super) struct Form<T> {
    bins: usize,
    bound: T,
    knots: Knots,
    /// Least width and height of a bin.
    least: T,
    /// What is left to share among the bins.
    shared: T,
    /// The output that makes the slope 1, which it is at both ends.
    outer: T,
}

impl<T: Element> Form<T> {
    pub fn new(bins: usize, bound: f64, knots: Knots) -> Self {
        let least = match knots {
            Knots::Tanh | Knots::Softplus => 2.0 * bound * Transform::SMALLEST,
            Knots::Softsign => 0.0,
        };
        let outer = match knots {
            Knots::Tanh | Knots::Softsign => 0.0,
            Knots::Softplus => (1.0 - Transform::SMALLEST).exp_m1().ln(),
        };
        Form {
            bins,
            bound: T::from_f64(bound),
            knots,
            least: T::from_f64(least),
            shared: T::from_f64(2.0 * bound - bins as f64 * least),
            outer: T::from_f64(outer),
        }
    }

    /// Features that the gradient needs beside what is left of the outputs, for each coordinate.
    pub fn aside(bins: usize, knots: Knots) -> usize {
        match knots {
            Knots::Tanh | Knots::Softplus => 0,
            Knots::Softsign => 2 * bins,
        }
    }

    fn outputs(&self) -> usize {
        3 * self.bins - 1
    }

    /// Of coordinate `i`, its part of what is aside.
    fn own_aside(&self, i: usize) -> std::ops::Range<usize> {
        let n = Self::aside(self.bins, self.knots);
        i * n..(i + 1) * n
    }
}

/// z ↦ x of the active coordinates, or its inverse. Of the outputs, the shares become what softmax makes of them; aside go the derivatives of
/// its logits.
pub(super) struct Spline<'a, T: Element, const INVERSE: bool> {
    pub form: Form<T>,
    pub active: &'a [usize],
    pub outputs: &'a mut [T::Feature],
    pub aside: &'a mut [T::Feature],
    pub state: &'a mut [T::Feature],
    pub log_det: &'a mut T::Feature,
}

impl<T: Element, const INVERSE: bool> Task<T> for Spline<'_, T, INVERSE> {
    // Loops over the lanes of arrays whose length the compiler knows.
    #[inline(always)]
    #[allow(clippy::needless_range_loop)]
    fn run<S: Simd<T>>(self, simd: S) {
        let Form { bins, bound, .. } = self.form;
        let outputs = self.outputs.chunks_exact_mut(self.form.outputs());
        for (i, (outputs, &k)) in outputs.zip(self.active).enumerate() {
            clamp(simd, outputs, &mut self.aside[self.form.own_aside(i)]);
            softmax(simd, &mut outputs[..bins]);
            softmax(simd, &mut outputs[bins..2 * bins]);
            let (state, log_det) = (self.state[k].as_mut(), self.log_det.as_mut());
            let bin = Bins::<T>::find::<INVERSE, _>(simd, self.form, outputs, state);
            for lane in 0..T::ROWS {
                let from = state[lane];
                let bin = bin.lane(lane);
                let (to, log_slope) = if INVERSE {
                    let (z, xi) = bin.latent(simd, from);
                    (z, -bin.log_slope(simd, xi))
                } else {
                    let (x, xi) = bin.event(simd, from);
                    (x, bin.log_slope(simd, xi))
                };
                let inside = from.magnitude() < bound;
                state[lane] = if inside { to } else { from };
                log_det[lane] = log_det[lane] + if inside { log_slope } else { T::default() };
            }
        }
    }
}

/// The clamp of the logits where `aside` takes its derivatives.
#[inline(always)]
fn clamp<T: Element>(simd: impl Simd<T>, logits: &mut [T::Feature], aside: &mut [T::Feature]) {
    let clamp = Softsign::new(-0.5 * Transform::SMALLEST.ln());
    for (logits, aside) in logits.iter_mut().zip(aside) {
        for (logit, by_output) in logits.as_mut().iter_mut().zip(aside.as_mut()) {
            (*logit, *by_output) = clamp.apply(simd, *logit);
        }
    }
}

/// Softmax along the features. Explicit vectors, where compilers take the short loops apart.
#[inline(always)]
fn softmax<T: Element, S: Simd<T>>(simd: S, logits: &mut [T::Feature]) {
    let (mut most, mut sum) = (logits[0], T::Feature::default());
    let (most, sum) = (most.as_mut(), sum.as_mut());
    for logits in &*logits {
        for at in (0..T::ROWS).step_by(S::LANES) {
            let larger = simd.larger(simd.load(&most[at..]), simd.load(&logits.as_ref()[at..]));
            simd.store(larger, &mut most[at..]);
        }
    }
    for logits in &mut *logits {
        let lanes = logits.as_mut().iter_mut().zip(&*most);
        for ((logit, &most), sum) in lanes.zip(&mut *sum) {
            *logit = math::exp(simd, *logit - most);
            *sum = *sum + *logit;
        }
    }
    let one = T::from_f64(1.0);
    sum.iter_mut().for_each(|sum| *sum = one / *sum);
    for p in logits {
        for at in (0..T::ROWS).step_by(S::LANES) {
            let p = &mut p.as_mut()[at..];
            simd.store(simd.times(simd.load(p), simd.load(&sum[at..])), p);
        }
    }
}
