//! The affine transform of a coupling block and its gradient.

use super::clamp::{Atan, Clamp, Sigmoid, Softplus, Softsign, Tanh};
use super::cpu::Task;
use super::lanes::Element;
use super::math;
use super::simd::Simd;
use crate::model::SoftClamp;

/// x = z · exp(s) + t, s being the soft clamp of s̃, or its inverse. The outputs (s̃, t) become (ds / ds̃, exp(±s)).
pub(super) struct Affine<'a, T: Element, const BACK: bool> {
    pub clamp: f64,
    pub soft_clamp: SoftClamp,
    pub active: &'a [usize],
    pub outputs: &'a mut [T::Feature],
    pub state: &'a mut [T::Feature],
    pub log_det: &'a mut T::Feature,
}

impl<T: Element, const BACK: bool> Task<T> for Affine<'_, T, BACK> {
    #[inline(always)]
    fn run<S: Simd<T>>(self, simd: S) {
        // A loop for each: none decides within.
        match self.soft_clamp {
            SoftClamp::Tanh => self.with::<Tanh<T>>(simd),
            SoftClamp::Atan => self.with::<Atan<T>>(simd),
            SoftClamp::Softsign => self.with::<Softsign<T>>(simd),
            SoftClamp::Sigmoid => self.with::<Sigmoid<T>>(simd),
            SoftClamp::Softplus => self.with::<Softplus<T>>(simd),
        }
    }
}

impl<T: Element, const BACK: bool> Affine<'_, T, BACK> {
    #[inline(always)]
    fn with<C: Clamp<T>>(self, simd: impl Simd<T>) {
        let clamp = C::new(self.clamp);
        let (s, t) = self.outputs.split_at_mut(self.active.len());
        for ((s, t), &k) in s.iter_mut().zip(t).zip(self.active) {
            let outputs = s.as_mut().iter_mut().zip(t.as_mut());
            let state = self.state[k].as_mut().iter_mut();
            let log_det = self.log_det.as_mut().iter_mut();
            for (((output, t), x), log_det) in outputs.zip(state).zip(log_det) {
                let (s, by_output) = clamp.apply(simd, *output);
                let log_scale = if BACK { -s } else { s };
                let scale = math::exp(simd, log_scale);
                *x = if BACK {
                    (*x - *t) * scale
                } else {
                    simd.mul_add(*x, scale, *t)
                };
                *log_det = *log_det + log_scale;
                *output = by_output;
                *t = scale;
            }
        }
    }
}

/// Of the active coordinates, the gradients with respect to what [`Affine`] made of them, the z of its formula and (ds / ds̃, exp(±s))
/// become the gradients with respect to what came in and (s̃, t).
pub(super) struct AffineGradient<'a, T: Element, const BACK: bool> {
    pub active: &'a [usize],
    pub start: &'a [T::Feature],
    pub outputs: &'a mut [T::Feature],
    pub gradient: &'a mut [T::Feature],
    pub log_det_gradient: &'a T::Feature,
}

impl<T: Element, const BACK: bool> Task<T> for AffineGradient<'_, T, BACK> {
    #[inline(always)]
    fn run<S: Simd<T>>(self, _: S) {
        let (s, t) = self.outputs.split_at_mut(self.active.len());
        for (((s, t), start), &k) in s.iter_mut().zip(t).zip(self.start).zip(self.active) {
            let outputs = s.as_mut().iter_mut().zip(t.as_mut());
            let gradient = self.gradient[k].as_mut().iter_mut();
            let given = start.as_ref().iter().zip(self.log_det_gradient.as_ref());
            for (((s, t), g), (&z, &log_det)) in outputs.zip(gradient).zip(given) {
                let (by_output, scale) = (*s, *t);
                let through = *g * scale;
                // x = z · exp(s) + t, log |det| = Σ s; z = (x − t) · exp(−s), log |det| = −Σ s.
                let (by_s, by_t) = if BACK {
                    (-(*g * z + log_det), -through)
                } else {
                    (through * z + log_det, *g)
                };
                *t = by_t;
                *s = by_s * by_output;
                *g = through;
            }
        }
    }
}
