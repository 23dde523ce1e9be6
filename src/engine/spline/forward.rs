//! The splines of a block, both ways.

use super::super::clamp::{Clamp, Softsign};
use super::super::cpu::Task;
use super::super::lanes::Element;
use super::super::math;
use super::super::simd::Simd;
use super::bin::Bins;
use super::form::Form;
use crate::model::Transform;

/// z ↦ x of the active coordinates, or its inverse. Of the outputs, the shares become what softmax makes of them; aside go the derivatives
/// of its logits.
pub struct Spline<'a, T: Element, const INVERSE: bool> {
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
    let clamp = Softsign::new(-0.5 * libm::log(Transform::SMALLEST));
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
