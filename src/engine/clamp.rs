//! The soft clamps of couplings ([`SoftClamp`](crate::model::SoftClamp)): s̃ ↦ s and ds / ds̃.

use super::lanes::Element;
use super::math;
use super::simd::Simd;
use std::f64::consts::FRAC_PI_2;

pub(super) trait Clamp<T: Element>: Copy {
    /// With this bound on |s|.
    fn new(clamp: f64) -> Self;

    /// (s, ds / ds̃) of s̃.
    fn apply(self, simd: impl Simd<T>, output: T) -> (T, T);
}

#[derive(Clone, Copy)]
pub(super) struct Tanh<T> {
    clamp: T,
}

impl<T: Element> Clamp<T> for Tanh<T> {
    fn new(clamp: f64) -> Self {
        let clamp = T::from_f64(clamp);
        Tanh { clamp }
    }

    #[inline(always)]
    fn apply(self, simd: impl Simd<T>, output: T) -> (T, T) {
        let tanh = math::tanh(simd, output / self.clamp);
        (self.clamp * tanh, T::from_f64(1.0) - tanh * tanh)
    }
}

#[derive(Clone, Copy)]
pub(super) struct Atan<T> {
    /// 2 clamp / π.
    unit: T,
}

impl<T: Element> Clamp<T> for Atan<T> {
    fn new(clamp: f64) -> Self {
        Atan {
            unit: T::from_f64(clamp / FRAC_PI_2),
        }
    }

    #[inline(always)]
    fn apply(self, simd: impl Simd<T>, output: T) -> (T, T) {
        let one = T::from_f64(1.0);
        let u = output / self.unit;
        let s = self.unit * math::atan(simd, u);
        (s, one / simd.mul_add(u, u, one))
    }
}

#[derive(Clone, Copy)]
pub(super) struct Softsign<T> {
    clamp: T,
}

impl<T: Element> Clamp<T> for Softsign<T> {
    fn new(clamp: f64) -> Self {
        let clamp = T::from_f64(clamp);
        Softsign { clamp }
    }

    #[inline(always)]
    fn apply(self, _: impl Simd<T>, output: T) -> (T, T) {
        let share = self.clamp / (self.clamp + output.magnitude());
        (output * share, share * share)
    }
}

#[derive(Clone, Copy)]
pub(super) struct Sigmoid<T> {
    /// exp(−clamp).
    least: T,
}

impl<T: Element> Clamp<T> for Sigmoid<T> {
    fn new(clamp: f64) -> Self {
        Sigmoid {
            least: T::from_f64(libm::exp(-clamp)),
        }
    }

    #[inline(always)]
    fn apply(self, simd: impl Simd<T>, output: T) -> (T, T) {
        let (above, below) = logistic(simd, output);
        let scale = above + self.least;
        (math::log(simd, scale), above * below / scale)
    }
}

#[derive(Clone, Copy)]
pub(super) struct Softplus<T> {
    /// exp(−clamp).
    least: T,
}

impl<T: Element> Clamp<T> for Softplus<T> {
    fn new(clamp: f64) -> Self {
        Softplus {
            least: T::from_f64(libm::exp(-clamp)),
        }
    }

    #[inline(always)]
    fn apply(self, simd: impl Simd<T>, output: T) -> (T, T) {
        let (above, by_output) = softplus(simd, output);
        let scale = above + self.least;
        (math::log(simd, scale), by_output / scale)
    }
}

/// (σ(x), σ(−x)), the smaller one without cancellation.
#[inline(always)]
fn logistic<T: Element>(simd: impl Simd<T>, x: T) -> (T, T) {
    let e = math::exp(simd, -x.magnitude());
    let large = T::from_f64(1.0) / (T::from_f64(1.0) + e);
    let small = e * large;
    if x < T::default() {
        (small, large)
    } else {
        (large, small)
    }
}

/// (log(1 + exp(x)), σ(x)).
#[inline(always)]
pub(super) fn softplus<T: Element>(simd: impl Simd<T>, x: T) -> (T, T) {
    let (zero, one) = (T::default(), T::from_f64(1.0));
    let e = math::exp(simd, -x.magnitude());
    // What rounding takes from 1 + e is added again.
    let sum = one + e;
    let log = math::log(simd, sum) + (e - (sum - one)) / sum;
    let positive = if x < zero { zero } else { x };
    (positive + log, logistic(simd, x).0)
}

#[cfg(test)]
mod tests {
    use super::super::cpu::{Cpu, Task};
    use super::*;

    type Function = fn(f64) -> f64;

    enum Kind {
        Tanh,
        Atan,
        Softsign,
        Sigmoid,
        Softplus,
        /// Not of a clamp, but the function.
        BareSoftplus,
    }

    const CLAMP: f64 = 1.7;

    /// Of each kind the definition, in the words of the standard library.
    const KINDS: [(Kind, Function); 6] = [
        (Kind::Tanh, |u| CLAMP * (u / CLAMP).tanh()),
        (Kind::Atan, |u| {
            CLAMP / FRAC_PI_2 * (u * FRAC_PI_2 / CLAMP).atan()
        }),
        (Kind::Softsign, |u| u / (1.0 + u.abs() / CLAMP)),
        (Kind::Sigmoid, |u| {
            (1.0 / (1.0 + (-u).exp()) + (-CLAMP).exp()).ln()
        }),
        (Kind::Softplus, |u| (u.exp().ln_1p() + (-CLAMP).exp()).ln()),
        (Kind::BareSoftplus, |u| u.exp().ln_1p()),
    ];

    /// x and 0 become s and its derivative.
    struct Run<'a, T: Element>(&'a Kind, &'a mut [T::Feature; 2]);

    impl<T: Element> Task<T> for Run<'_, T> {
        #[inline(always)]
        fn run<S: Simd<T>>(self, simd: S) {
            let [s, by] = self.1;
            for (s, by) in s.as_mut().iter_mut().zip(by.as_mut()) {
                (*s, *by) = match self.0 {
                    Kind::Tanh => Tanh::new(CLAMP).apply(simd, *s),
                    Kind::Atan => Atan::new(CLAMP).apply(simd, *s),
                    Kind::Softsign => Softsign::new(CLAMP).apply(simd, *s),
                    Kind::Sigmoid => Sigmoid::new(CLAMP).apply(simd, *s),
                    Kind::Softplus => Softplus::new(CLAMP).apply(simd, *s),
                    Kind::BareSoftplus => softplus(simd, *s),
                };
            }
        }
    }

    fn are_as_defined<T: Element>(epsilon: f64) {
        // Of all sizes, both signs; beyond 30 the definitions would overflow.
        let sizes = (0..1500).map(|i| 30.0 * (-0.02 * f64::from(i)).exp2());
        let all: Vec<f64> = sizes.flat_map(|u| [u, -u]).chain([0.0]).collect();
        for (kind, function) in &KINDS {
            for cpu in Cpu::all() {
                for u in all.chunks(T::ROWS) {
                    let mut lanes = [T::Feature::default(); 2];
                    for (to, &u) in lanes[0].as_mut().iter_mut().zip(u) {
                        *to = T::from_f64(u);
                    }
                    let given = lanes[0];
                    cpu.run(Run::<T>(kind, &mut lanes));
                    for lane in 0..u.len() {
                        let u = given.as_ref()[lane].to_f64();
                        let [s, by] = lanes.map(|l| l.as_ref()[lane].to_f64());
                        let expected = function(u);
                        let error = (s - expected).abs();
                        // The logarithm of a sum of 1 and little: its roundings are those of 1, but not the softplus'.
                        let scale = match kind {
                            Kind::Sigmoid | Kind::Softplus => expected.abs().max(1.0),
                            _ => expected.abs(),
                        };
                        assert!(
                            error <= 6.0 * epsilon * scale,
                            "{cpu:?}, {u}: {s}, {expected}"
                        );
                        let h = 1e-5;
                        let slope = (function(u + h) - function(u - h)) / (2.0 * h);
                        // The softsign's second derivative jumps at 0.
                        let jump = if u.abs() < h { h } else { 0.0 };
                        let limit = 1e-9 + 8.0 * epsilon + jump;
                        assert!((by - slope).abs() < limit, "{u}: {by}, {slope}");
                    }
                }
            }
        }
    }

    #[test]
    fn clamps_and_their_derivatives_are_as_defined() {
        are_as_defined::<f32>(f64::from(f32::EPSILON));
        are_as_defined::<f64>(f64::EPSILON);
    }

    #[test]
    fn far_away_clamps_are_at_their_bounds() {
        let bounds = [
            (-CLAMP, CLAMP),
            (-CLAMP, CLAMP),
            (-CLAMP, CLAMP),
            (-CLAMP, (1.0 + (-CLAMP).exp()).ln()),
            (-CLAMP, 1e30f64.ln()),
            (0.0, 1e30),
        ];
        for ((kind, _), (low, high)) in KINDS.iter().zip(bounds) {
            for (x, bound) in [(-1e30, low), (1e30, high)] {
                let mut lanes = [<f32 as Element>::Feature::default(); 2];
                lanes[0].as_mut().fill(x);
                Cpu::detect().run(Run::<f32>(kind, &mut lanes));
                let s = f64::from(lanes[0].as_ref()[0]);
                assert!((s - bound).abs() <= 1e-6 * bound.abs(), "{s}, {bound}");
            }
        }
    }
}
