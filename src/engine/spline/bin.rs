//! Finding bins, and one bin both ways and back.

use super::super::clamp::{softplus, Clamp, Softsign, Tanh};
use super::super::lanes::Element;
use super::super::math;
use super::super::simd::Simd;
use super::form::Form;
use crate::model::{Knots, Transform};

/// The bin that every lane lies in.
pub(super) struct Bins<T: Element> {
    pub number: T::Feature,
    z: T::Feature,
    width: T::Feature,
    x: T::Feature,
    height: T::Feature,
    /// d₀ and d₁.
    slopes: [T::Feature; 2],
    /// Their derivatives with respect to the outputs.
    pub slopes_by_outputs: [T::Feature; 2],
}

impl<T: Element> Bins<T> {
    /// By z, or for `INVERSE` by x. What is outside lies in the bin that is nearest, what is no number in the first.
    #[inline(always)]
    pub fn find<const INVERSE: bool, S: Simd<T>>(
        simd: S,
        form: Form<T>,
        outputs: &[T::Feature],
        from: &[T],
    ) -> Self {
        let zero = T::Feature::default();
        let mut bins = Bins {
            number: zero,
            z: zero,
            width: zero,
            x: zero,
            height: zero,
            slopes: [zero; 2],
            slopes_by_outputs: [zero; 2],
        };
        for at in (0..T::ROWS).step_by(S::LANES) {
            bins.find_lanes::<INVERSE, _>(simd, form, outputs, simd.load(&from[at..]), at);
        }
        let slopes = bins.slopes.iter_mut().zip(&mut bins.slopes_by_outputs);
        for (slope, by_output) in slopes {
            let lanes = slope.as_mut().iter_mut().zip(by_output.as_mut());
            // A loop for each: none decides within.
            match form.knots {
                Knots::Tanh => {
                    let clamp = Tanh::new(-libm::log(Transform::SMALLEST));
                    for (d, by_output) in lanes {
                        (*d, *by_output) = exp_of(simd, clamp.apply(simd, *d));
                    }
                }
                Knots::Softsign => {
                    let clamp = Softsign::new(-libm::log(Transform::SMALLEST));
                    for (d, by_output) in lanes {
                        (*d, *by_output) = exp_of(simd, clamp.apply(simd, *d));
                    }
                }
                Knots::Softplus => {
                    let least = T::from_f64(Transform::SMALLEST);
                    for (d, by_output) in lanes {
                        let (above, by) = softplus(simd, *d);
                        (*d, *by_output) = (least + above, by);
                    }
                }
            }
        }
        bins
    }

    /// One vector from lane `at` on; leaves in `slopes` the outputs that they are made of.
    #[inline(always)]
    fn find_lanes<const INVERSE: bool, S: Simd<T>>(
        &mut self,
        simd: S,
        form: Form<T>,
        outputs: &[T::Feature],
        from: S::Vector,
        at: usize,
    ) {
        let (one, minus_one) = (simd.splat(T::from_f64(1.0)), simd.splat(T::from_f64(-1.0)));
        let (shared, least) = (simd.splat(form.shared), simd.splat(form.least));
        let (widths, rest) = outputs.split_at(form.bins);
        let (heights, inner) = rest.split_at(form.bins);
        let outer = simd.splat(form.outer);
        let (mut z, mut x) = (simd.splat(-form.bound), simd.splat(-form.bound));
        let mut next_lower = outer;
        let mut own = [outer; 7];
        for (k, (width, height)) in widths.iter().zip(heights).enumerate() {
            let width = simd.add_product(least, simd.load(&width.as_ref()[at..]), shared);
            let height = simd.add_product(least, simd.load(&height.as_ref()[at..]), shared);
            let lower = next_lower;
            next_lower = match inner.get(k) {
                Some(slope) => simd.load(&slope.as_ref()[at..]),
                None => outer,
            };
            let number = simd.splat(T::from_f64(k as f64));
            let bin = [number, z, width, x, height, lower, next_lower];
            let passed = simd.add_product(from, if INVERSE { x } else { z }, minus_one);
            for (own, new) in own.iter_mut().zip(bin) {
                *own = if k == 0 {
                    new
                } else {
                    simd.if_positive(passed, new, *own)
                };
            }
            z = simd.add_product(z, width, one);
            x = simd.add_product(x, height, one);
        }
        let [lower, upper] = &mut self.slopes;
        let [number, z, width, x, height] = [
            &mut self.number,
            &mut self.z,
            &mut self.width,
            &mut self.x,
            &mut self.height,
        ];
        for (own, to) in own
            .into_iter()
            .zip([number, z, width, x, height, lower, upper])
        {
            simd.store(own, &mut to.as_mut()[at..]);
        }
    }

    #[inline(always)]
    pub fn lane(&self, lane: usize) -> Bin<T> {
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

/// exp(s) and its derivative, given s and that of s.
#[inline(always)]
fn exp_of<T: Element>(simd: impl Simd<T>, (s, by_output): (T, T)) -> (T, T) {
    let d = math::exp(simd, s);
    (d, d * by_output)
}

/// The share of a bin's size, given the distance from its lower end.
#[inline(always)]
pub(super) fn share<T: Element>(distance: T, size: T) -> T {
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
pub(super) struct Bin<T> {
    pub z: T,
    pub width: T,
    pub x: T,
    pub height: T,
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
    pub fn event(&self, simd: impl Simd<T>, z: T) -> (T, T) {
        let xi = share(z - self.z, self.width);
        let eta = T::from_f64(1.0) - xi;
        let u = xi * eta;
        let bend = (self.d0 - self.s) * eta - (self.d1 - self.s) * xi;
        let zeta_less_xi = u * bend / simd.mul_add(self.excess(), u, self.s);
        let shift = simd.mul_add(self.height - self.width, xi, self.x - self.z);
        (z + simd.mul_add(self.height, zeta_less_xi, shift), xi)
    }

    /// x ↦ (z, ξ), as what is added to x. ξ is the root of a ξ² + b ξ − s ζ with a = s − b that lies from 0 to 1, without cancellation.
    #[inline(always)]
    pub fn latent(&self, simd: impl Simd<T>, x: T) -> (T, T) {
        let (zero, two) = (T::default(), T::from_f64(2.0));
        let zeta = share(x - self.x, self.height);
        let c = self.s * zeta;
        let b = self.d0 - zeta * self.excess();
        let a = self.s - b;
        let square = simd.mul_add(T::from_f64(4.0) * a, c, b * b);
        let root = if square > zero { square } else { zero }.square_root();
        let (above, below) = if b > zero {
            (two * c, b + root)
        } else {
            (root - b, two * a)
        };
        let xi = share(above, below);
        let shift = simd.mul_add(self.width - self.height, zeta, self.z - self.x);
        (x + simd.mul_add(self.width, xi - zeta, shift), xi)
    }

    /// P and 1 / D.
    #[inline(always)]
    fn parts(&self, simd: impl Simd<T>, xi: T) -> (T, T) {
        let one = T::from_f64(1.0);
        let eta = one - xi;
        let u = xi * eta;
        let p = simd.mul_add(self.d1 * xi, xi, self.d0 * eta * eta);
        let p = simd.mul_add(self.s + self.s, u, p);
        (p, one / simd.mul_add(self.excess(), u, self.s))
    }

    /// log dx/dz.
    #[inline(always)]
    pub fn log_slope(&self, simd: impl Simd<T>, xi: T) -> T {
        let (p, r) = self.parts(simd, xi);
        let sr = self.s * r;
        math::log(simd, sr * sr * p)
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
    pub fn gradient(&self, simd: impl Simd<T>, xi: T, by_x: T, by_log: T) -> BinGradient<T> {
        let Bin { s, d0, d1, .. } = *self;
        let (one, two) = (T::from_f64(1.0), T::from_f64(2.0));
        let eta = one - xi;
        let u = xi * eta;
        let (p, r) = self.parts(simd, xi);
        let zeta = simd.mul_add(s * xi, xi, d0 * u) * r;
        let above = simd.mul_add(s * eta, eta, d1 * u) * r;
        // By h ζ, divided by D; by log P, divided by P; by −2 log D, divided by D.
        let (g, by_p, by_d) = (by_x * self.height * r, by_log / p, two * by_log * r);
        let by_xi = s * p * r * g + by_log * self.log_slope_by_share(xi, p, r);
        let by_s = r * u * (d1 * xi * xi - d0 * eta * eta) * g + two * (by_log / s + u * by_p)
            - (one - two * u) * by_d;
        BinGradient {
            z: by_xi / self.width,
            width: -(by_xi * xi + by_s * s) / self.width,
            x: by_x,
            height: simd.mul_add(by_x, zeta, by_s / self.width),
            slopes: [
                u * above * g + eta * eta * by_p - u * by_d,
                xi * xi * by_p - u * zeta * g - u * by_d,
            ],
        }
    }

    /// As [`Bin::gradient`] for the inverse: back from z and log dz/dx to what makes the bin; and the gradient with respect to x.
    #[inline(always)]
    pub fn inverse_gradient(
        &self,
        simd: impl Simd<T>,
        xi: T,
        by_z: T,
        by_log: T,
    ) -> (T, BinGradient<T>) {
        let (p, r) = self.parts(simd, xi);
        let sr = self.s * r;
        // z(x; θ) has the derivatives 1 / (dx/dz) and −(dx/dθ) / (dx/dz).
        let by_z = by_z - by_log * self.log_slope_by_share(xi, p, r) / self.width;
        let by_x = by_z / (sr * sr * p);
        (by_x, self.gradient(simd, xi, -by_x, -by_log))
    }
}

/// The gradient with respect to z, which is minus that with respect to the lower end, and with respect to the rest of a [`Bin`].
pub(super) struct BinGradient<T> {
    pub z: T,
    pub width: T,
    pub x: T,
    pub height: T,
    pub slopes: [T; 2],
}
