//! The gradient of a block's splines.

use super::super::cpu::Task;
use super::super::lanes::Element;
use super::super::simd::Simd;
use super::bin::{share, Bins};
use super::form::Form;

/// Of the active coordinates, the gradients with respect to what [`Spline`](super::Spline) made of them, the z of its formula and what it
/// left of the outputs and aside become the gradients with respect to what came in.
pub struct SplineGradient<'a, T: Element, const INVERSE: bool> {
    pub form: Form<T>,
    pub active: &'a [usize],
    pub start: &'a [T::Feature],
    pub outputs: &'a mut [T::Feature],
    pub aside: &'a [T::Feature],
    pub gradient: &'a mut [T::Feature],
    pub log_det_gradient: &'a T::Feature,
}

impl<T: Element, const INVERSE: bool> Task<T> for SplineGradient<'_, T, INVERSE> {
    #[inline(always)]
    #[allow(clippy::needless_range_loop)]
    fn run<S: Simd<T>>(self, simd: S) {
        let Form {
            bins,
            bound,
            shared,
            ..
        } = self.form;
        let zero = T::Feature::default();
        let outputs = self.outputs.chunks_exact_mut(self.form.outputs());
        let blocks = outputs.zip(self.start).zip(self.active);
        for (i, ((outputs, start), &k)) in blocks.enumerate() {
            let start = start.as_ref();
            let found = Bins::<T>::find::<false, _>(simd, self.form, outputs, start);
            let gradient = self.gradient[k].as_mut();
            let (mut low_z, mut width) = (zero, zero);
            let (mut low_x, mut height, mut slopes) = (zero, zero, [zero; 2]);
            for lane in 0..T::ROWS {
                let bin = found.lane(lane);
                let inside = start[lane].magnitude() < bound;
                let xi = share(start[lane] - bin.z, bin.width);
                let (g, log_det) = (gradient[lane], self.log_det_gradient.as_ref()[lane]);
                let (back, by) = if INVERSE {
                    bin.inverse_gradient(simd, xi, g, log_det)
                } else {
                    let by = bin.gradient(simd, xi, g, log_det);
                    (by.z, by)
                };
                gradient[lane] = if inside { back } else { g };
                let keep = |x: T| if inside { x } else { T::default() };
                low_z.as_mut()[lane] = keep(-by.z);
                width.as_mut()[lane] = keep(by.width);
                low_x.as_mut()[lane] = keep(by.x);
                height.as_mut()[lane] = keep(by.height);
                for end in 0..2 {
                    let by_output = found.slopes_by_outputs[end].as_ref()[lane];
                    slopes[end].as_mut()[lane] = keep(by.slopes[end] * by_output);
                }
            }
            let (widths, rest) = outputs.split_at_mut(bins);
            let (heights, inner) = rest.split_at_mut(bins);
            softmax_back(simd, shared, widths, &found.number, &low_z, &width);
            softmax_back(simd, shared, heights, &found.number, &low_x, &height);
            scatter::<T>(inner, &found.number, &slopes);
            let aside = &self.aside[self.form.own_aside(i)];
            for (by_logit, by_output) in outputs.iter_mut().zip(aside) {
                for (g, &by_output) in by_logit.as_mut().iter_mut().zip(by_output.as_ref()) {
                    *g = *g * by_output;
                }
            }
        }
    }
}

/// The result of `softmax` becomes the gradient with respect to the logits, given that with respect to the sum of all sizes before the
/// bin `number` and that with respect to its own.
#[inline(always)]
fn softmax_back<T: Element>(
    simd: impl Simd<T>,
    shared: T,
    shares: &mut [T::Feature],
    number: &T::Feature,
    before: &T::Feature,
    own: &T::Feature,
) {
    let mut mean = T::Feature::default();
    for pass in 0..2 {
        for (k, shares) in shares.iter_mut().enumerate() {
            let k = T::from_f64(k as f64);
            let given = number
                .as_ref()
                .iter()
                .zip(before.as_ref())
                .zip(own.as_ref());
            let lanes = shares.as_mut().iter_mut().zip(mean.as_mut());
            for ((p, mean), ((&number, &before), &own)) in lanes.zip(given) {
                let g = if k < number { before } else { T::default() };
                let g = if k == number { own } else { g };
                if pass == 0 {
                    *mean = simd.mul_add(*p, g, *mean);
                } else {
                    *p = shared * *p * (g - *mean);
                }
            }
        }
    }
}

/// The gradient with respect to the slopes' outputs: that of the lower end of bin k is output k − 1, that of its upper end output k.
#[inline(always)]
fn scatter<T: Element>(outputs: &mut [T::Feature], number: &T::Feature, slopes: &[T::Feature; 2]) {
    let [lower, upper] = slopes;
    for (k, outputs) in outputs.iter_mut().enumerate() {
        let (k, next) = (T::from_f64(k as f64), T::from_f64((k + 1) as f64));
        let given = number
            .as_ref()
            .iter()
            .zip(lower.as_ref())
            .zip(upper.as_ref());
        for (g, ((&number, &lower), &upper)) in outputs.as_mut().iter_mut().zip(given) {
            *g = if number == k { upper } else { T::default() };
            *g = if number == next { lower } else { *g };
        }
    }
}
