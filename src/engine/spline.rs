//! The rational-quadratic splines of a coupling block (Durkan et al., arXiv:1906.04032) and their gradient.
//!
//! Within a bin, ξ is the share of its width passed on the latent's side and ζ that of its height on the event's; η = 1 − ξ, u = ξη, and
//! s = height / width. With the slopes d₀ and d₁ at its ends
//!
//! - ζ = (s ξ² + d₀ u) / D, D = s + (d₀ + d₁ − 2s) u,
//! - dx/dz = s² P / D², P = 2su + d₁ ξ² + d₀ η²,
//!
//! of which P and 1 − ζ = (s η² + d₁ u) / D are sums of positive terms, and D ≥ s / 2.

use super::lanes::{Element, Task};
use super::math;
use super::vector::Vector;
use crate::model::Transform;

/// The sizes of the splines of a block.
#[derive(Clone, Copy)]
pub(super) struct Sizes<T> {
    bins: usize,
    bound: T,
    /// Least width and height of a bin.
    least: T,
    /// What is left to share among the bins.
    shared: T,
}

impl<T: Element> Sizes<T> {
    pub(super) fn new(bins: usize, bound: f64) -> Self {
        let least = 2.0 * bound * Transform::SMALLEST;
        Sizes {
            bins,
            bound: T::from_f64(bound),
            least: T::from_f64(least),
            shared: T::from_f64(2.0 * bound - bins as f64 * least),
        }
    }

    fn outputs(&self) -> usize {
        3 * self.bins - 1
    }
}

/// z ↦ x of the active coordinates, or its inverse. Of the outputs, the shares become what softmax makes of them.
pub(super) struct Spline<'a, T: Element, const INVERSE: bool> {
    pub sizes: Sizes<T>,
    pub active: &'a [usize],
    pub outputs: &'a mut [T::Feature],
    pub state: &'a mut [T::Feature],
    pub log_det: &'a mut T::Feature,
}

impl<T: Element, const INVERSE: bool> Task<T> for Spline<'_, T, INVERSE> {
    // Loops over the lanes of arrays whose length the compiler knows.
    #[inline(always)]
    #[allow(clippy::needless_range_loop)]
    fn run<V: Vector<T>>(self) {
        let Sizes { bins, bound, .. } = self.sizes;
        let outputs = self.outputs.chunks_exact_mut(self.sizes.outputs());
        for (outputs, &k) in outputs.zip(self.active) {
            softmax::<T, V>(&mut outputs[..bins]);
            softmax::<T, V>(&mut outputs[bins..2 * bins]);
            let (state, log_det) = (self.state[k].as_mut(), self.log_det.as_mut());
            let bin = Bins::<T>::find::<V, INVERSE>(self.sizes, outputs, state);
            for lane in 0..T::ROWS {
                let from = state[lane];
                let bin = bin.lane(lane);
                let (to, log_slope) = if INVERSE {
                    let (z, xi) = bin.latent::<V>(from);
                    (z, -bin.log_slope::<V>(xi))
                } else {
                    let (x, xi) = bin.event::<V>(from);
                    (x, bin.log_slope::<V>(xi))
                };
                let inside = from.magnitude() < bound;
                state[lane] = if inside { to } else { from };
                log_det[lane] = log_det[lane] + if inside { log_slope } else { T::default() };
            }
        }
    }
}

/// Softmax along the features.
#[inline(always)]
fn softmax<T: Element, V: Vector<T>>(logits: &mut [T::Feature]) {
    let (mut most, mut sum) = (logits[0], T::Feature::default());
    let (most, sum) = (most.as_mut(), sum.as_mut());
    for logits in &*logits {
        for (most, &logit) in most.iter_mut().zip(logits.as_ref()) {
            *most = if logit > *most { logit } else { *most };
        }
    }
    for logits in &mut *logits {
        let lanes = logits.as_mut().iter_mut().zip(&*most);
        for ((logit, &most), sum) in lanes.zip(&mut *sum) {
            *logit = math::exp::<T, V>(*logit - most);
            *sum = *sum + *logit;
        }
    }
    let one = T::from_f64(1.0);
    sum.iter_mut().for_each(|sum| *sum = one / *sum);
    for logits in logits {
        for (p, &scale) in logits.as_mut().iter_mut().zip(&*sum) {
            *p = *p * scale;
        }
    }
}

/// The bin that every lane lies in.
struct Bins<T: Element> {
    number: T::Feature,
    z: T::Feature,
    width: T::Feature,
    x: T::Feature,
    height: T::Feature,
    /// d₀ and d₁.
    slopes: [T::Feature; 2],
    /// Their derivatives with respect to the outputs.
    slopes_by_outputs: [T::Feature; 2],
}

impl<T: Element> Bins<T> {
    /// By z, or for `INVERSE` by x. What is outside lies in the bin that is nearest, what is no number in the first.
    #[inline(always)]
    #[allow(clippy::needless_range_loop)]
    fn find<V: Vector<T>, const INVERSE: bool>(
        sizes: Sizes<T>,
        outputs: &[T::Feature],
        from: &[T],
    ) -> Self {
        let zero = T::Feature::default();
        let (mut number, mut low_z, mut low_x) = (zero, zero, zero);
        let (mut width, mut height, mut slopes) = (zero, zero, [zero; 2]);
        let (mut z, mut x) = (zero, zero);
        z.as_mut().fill(-sizes.bound);
        x.as_mut().fill(-sizes.bound);
        let (widths, rest) = outputs.split_at(sizes.bins);
        let (heights, inner) = rest.split_at(sizes.bins);
        for (k, (w, h)) in widths.iter().zip(heights).enumerate() {
            let k_lanes = T::from_f64(k as f64);
            // Output 0: the slope is 1 at both ends.
            let before = if k == 0 { &zero } else { &inner[k - 1] };
            let after = inner.get(k).unwrap_or(&zero);
            for lane in 0..T::ROWS {
                let w = V::mul_add(w.as_ref()[lane], sizes.shared, sizes.least);
                let h = V::mul_add(h.as_ref()[lane], sizes.shared, sizes.least);
                let (z, x) = (&mut z.as_mut()[lane], &mut x.as_mut()[lane]);
                let reached = k == 0 || from[lane] >= if INVERSE { *x } else { *z };
                take(reached, k_lanes, &mut number.as_mut()[lane]);
                take(reached, *z, &mut low_z.as_mut()[lane]);
                take(reached, *x, &mut low_x.as_mut()[lane]);
                take(reached, w, &mut width.as_mut()[lane]);
                take(reached, h, &mut height.as_mut()[lane]);
                take(reached, before.as_ref()[lane], &mut slopes[0].as_mut()[lane]);
                take(reached, after.as_ref()[lane], &mut slopes[1].as_mut()[lane]);
                *z = *z + w;
                *x = *x + h;
            }
        }
        let mut slopes_by_outputs = [zero; 2];
        for (slope, by_output) in slopes.iter_mut().zip(&mut slopes_by_outputs) {
            for (d, by_output) in slope.as_mut().iter_mut().zip(by_output.as_mut()) {
                (*d, *by_output) = slope_of::<T, V>(*d);
            }
        }
        Bins {
            number,
            z: low_z,
            width,
            x: low_x,
            height,
            slopes,
            slopes_by_outputs,
        }
    }

    #[inline(always)]
    fn lane(&self, lane: usize) -> Bin<T> {
        let (width, height) = (self.width.as_ref()[lane], self.height.as_ref()[lane]);
        Bin {
            z: self.z.as_ref()[lane],
            width,
            x: self.x.as_ref()[lane],
            height,
            s: height / width,
            d0: self.slopes[0].as_ref()[lane],
            d1: self.slopes[1].as_ref()[lane],
        }
    }
}

#[inline(always)]
fn take<T>(condition: bool, from: T, to: &mut T)
where
    T: Copy,
{
    *to = if condition { from } else { *to };
}

/// The slope d of a knot with d̃ as output, and ∂d/∂d̃.
#[inline(always)]
fn slope_of<T: Element, V: Vector<T>>(output: T) -> (T, T) {
    let one = T::from_f64(1.0);
    let clamp = T::from_f64(-Transform::SMALLEST.ln());
    let tanh = math::tanh::<T, V>(output / clamp);
    let d = math::exp::<T, V>(clamp * tanh);
    (d, d * (one - tanh * tanh))
}

/// The share of a bin's size, given the distance from its lower end.
#[inline(always)]
fn share<T: Element>(distance: T, size: T) -> T {
    let (zero, one) = (T::default(), T::from_f64(1.0));
    let share = distance / size;
    let share = if share > zero { share } else { zero };
    if share < one {
        share
    } else {
        one
    }
}

/// One bin: its lower ends, its sizes, and the slopes.
#[derive(Clone, Copy)]
struct Bin<T> {
    z: T,
    width: T,
    x: T,
    height: T,
    s: T,
    d0: T,
    d1: T,
}

impl<T: Element> Bin<T> {
    /// d₀ + d₁ − 2s.
    #[inline(always)]
    fn excess(&self) -> T {
        (self.d0 - self.s) + (self.d1 - self.s)
    }

    /// z ↦ (x, ξ), as what is added to z: nothing at all for the identity.
    #[inline(always)]
    fn event<V: Vector<T>>(&self, z: T) -> (T, T) {
        let xi = share(z - self.z, self.width);
        let eta = T::from_f64(1.0) - xi;
        let u = xi * eta;
        let bend = (self.d0 - self.s) * eta - (self.d1 - self.s) * xi;
        let zeta_less_xi = u * bend / V::mul_add(self.excess(), u, self.s);
        let shift = V::mul_add(self.height - self.width, xi, self.x - self.z);
        (z + V::mul_add(self.height, zeta_less_xi, shift), xi)
    }

    /// x ↦ (z, ξ), as what is added to x. ξ is the root of a ξ² + b ξ − s ζ with a = s − b that lies from 0 to 1, without cancellation.
    #[inline(always)]
    fn latent<V: Vector<T>>(&self, x: T) -> (T, T) {
        let (zero, two) = (T::default(), T::from_f64(2.0));
        let zeta = share(x - self.x, self.height);
        let c = self.s * zeta;
        let b = self.d0 - zeta * self.excess();
        let a = self.s - b;
        let square = V::mul_add(T::from_f64(4.0) * a, c, b * b);
        let root = if square > zero { square } else { zero }.square_root();
        let (above, below) = if b > zero {
            (two * c, b + root)
        } else {
            (root - b, two * a)
        };
        let xi = share(above, below);
        let shift = V::mul_add(self.width - self.height, zeta, self.z - self.x);
        (x + V::mul_add(self.width, xi - zeta, shift), xi)
    }

    /// P and 1 / D.
    #[inline(always)]
    fn parts<V: Vector<T>>(&self, xi: T) -> (T, T) {
        let one = T::from_f64(1.0);
        let eta = one - xi;
        let u = xi * eta;
        let p = V::mul_add(self.d1 * xi, xi, self.d0 * eta * eta);
        let p = V::mul_add(self.s + self.s, u, p);
        (p, one / V::mul_add(self.excess(), u, self.s))
    }

    /// log dx/dz.
    #[inline(always)]
    fn log_slope<V: Vector<T>>(&self, xi: T) -> T {
        let (p, r) = self.parts::<V>(xi);
        let sr = self.s * r;
        math::log::<T, V>(sr * sr * p)
    }

    /// d log(dx/dz) / dξ.
    #[inline(always)]
    fn log_slope_by_share(&self, xi: T, p: T, r: T) -> T {
        let eta = T::from_f64(1.0) - xi;
        let half = (self.s * (eta - xi) + self.d1 * xi - self.d0 * eta) / p
            - self.excess() * r * (eta - xi);
        half + half
    }

    /// Back from x, of which `by_x` is the gradient, and from log dx/dz.
    #[inline(always)]
    fn gradient<V: Vector<T>>(&self, xi: T, by_x: T, by_log: T) -> BinGradient<T> {
        let Bin { s, d0, d1, .. } = *self;
        let (one, two) = (T::from_f64(1.0), T::from_f64(2.0));
        let eta = one - xi;
        let u = xi * eta;
        let (p, r) = self.parts::<V>(xi);
        let zeta = V::mul_add(s * xi, xi, d0 * u) * r;
        let above = V::mul_add(s * eta, eta, d1 * u) * r;
        // By h ζ, divided by D; by log P, divided by P; by −2 log D, divided by D.
        let (g, by_p, by_d) = (by_x * self.height * r, by_log / p, two * by_log * r);
        let by_xi = s * p * r * g + by_log * self.log_slope_by_share(xi, p, r);
        let by_s = r * u * (d1 * xi * xi - d0 * eta * eta) * g
            + two * (by_log / s + u * by_p)
            - (one - two * u) * by_d;
        BinGradient {
            z: by_xi / self.width,
            width: -(by_xi * xi + by_s * s) / self.width,
            x: by_x,
            height: V::mul_add(by_x, zeta, by_s / self.width),
            slopes: [
                u * above * g + eta * eta * by_p - u * by_d,
                xi * xi * by_p - u * zeta * g - u * by_d,
            ],
        }
    }

    /// As [`Bin::gradient`] for the inverse: back from z and log dz/dx to what makes the bin; and the gradient with respect to x.
    #[inline(always)]
    fn inverse_gradient<V: Vector<T>>(&self, xi: T, by_z: T, by_log: T) -> (T, BinGradient<T>) {
        let (p, r) = self.parts::<V>(xi);
        let sr = self.s * r;
        // z(x; θ) has the derivatives 1 / (dx/dz) and −(dx/dθ) / (dx/dz).
        let by_z = by_z - by_log * self.log_slope_by_share(xi, p, r) / self.width;
        let by_x = by_z / (sr * sr * p);
        (by_x, self.gradient::<V>(xi, -by_x, -by_log))
    }
}

/// The gradient with respect to z, which is minus that with respect to the lower end, and with respect to the rest of a [`Bin`].
struct BinGradient<T> {
    z: T,
    width: T,
    x: T,
    height: T,
    slopes: [T; 2],
}

/// Of the active coordinates, the gradients with respect to what [`Spline`] made of them, their latents z and what it left of the outputs
/// become the gradients with respect to what came in.
pub(super) struct SplineGradient<'a, T: Element, const INVERSE: bool> {
    pub sizes: Sizes<T>,
    pub active: &'a [usize],
    pub latent: &'a [T::Feature],
    pub outputs: &'a mut [T::Feature],
    pub gradient: &'a mut [T::Feature],
    pub log_det_gradient: &'a T::Feature,
}

impl<T: Element, const INVERSE: bool> Task<T> for SplineGradient<'_, T, INVERSE> {
    #[inline(always)]
    #[allow(clippy::needless_range_loop)]
    fn run<V: Vector<T>>(self) {
        let Sizes { bins, bound, .. } = self.sizes;
        let zero = T::Feature::default();
        let outputs = self.outputs.chunks_exact_mut(self.sizes.outputs());
        for ((outputs, latent), &k) in outputs.zip(self.latent).zip(self.active) {
            let latent = latent.as_ref();
            let found = Bins::<T>::find::<V, false>(self.sizes, outputs, latent);
            let gradient = self.gradient[k].as_mut();
            let (mut low_z, mut width) = (zero, zero);
            let (mut low_x, mut height, mut slopes) = (zero, zero, [zero; 2]);
            for lane in 0..T::ROWS {
                let bin = found.lane(lane);
                let inside = latent[lane].magnitude() < bound;
                let xi = share(latent[lane] - bin.z, bin.width);
                let (g, log_det) = (gradient[lane], self.log_det_gradient.as_ref()[lane]);
                let (back, by) = if INVERSE {
                    bin.inverse_gradient::<V>(xi, g, log_det)
                } else {
                    let by = bin.gradient::<V>(xi, g, log_det);
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
            softmax_back::<T, V>(self.sizes.shared, widths, &found.number, &low_z, &width);
            softmax_back::<T, V>(self.sizes.shared, heights, &found.number, &low_x, &height);
            scatter::<T>(inner, &found.number, &slopes);
        }
    }
}

/// The result of [`softmax`] becomes the gradient with respect to the logits, given that with respect to the sum of all sizes before the
/// bin `number` and that with respect to its own.
#[inline(always)]
fn softmax_back<T: Element, V: Vector<T>>(
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
            let given = number.as_ref().iter().zip(before.as_ref()).zip(own.as_ref());
            let lanes = shares.as_mut().iter_mut().zip(mean.as_mut());
            for ((p, mean), ((&number, &before), &own)) in lanes.zip(given) {
                let g = if k < number { before } else { T::default() };
                let g = if k == number { own } else { g };
                if pass == 0 {
                    *mean = V::mul_add(*p, g, *mean);
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
        let given = number.as_ref().iter().zip(lower.as_ref()).zip(upper.as_ref());
        for (g, ((&number, &lower), &upper)) in outputs.as_mut().iter_mut().zip(given) {
            *g = if number == k { upper } else { T::default() };
            *g = if number == next { lower } else { *g };
        }
    }
}
