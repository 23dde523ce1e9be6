//! exp, tanh, log and atan on features of a block.
//!
//! The first two from exp(r) − 1 on |r| ≤ ln 2 / 2, by its power series. Errors, tested: exp within 1.5 units in the last place of the
//! result (2 where it is subnormal), tanh, log and atan within 3. exp(−∞) = 0, exp(∞) = ∞, tanh(±∞) = ±1, tanh(±0) = ±0, log(1) = 0,
//! log(∞) = ∞, atan(±∞) = ±π/2, atan(±0) = ±0; NaN stays NaN.

use super::cpu::Task;
use super::lanes::Element;
use super::simd::Simd;
use std::f64::consts::FRAC_PI_2;

/// x = n ln 2 + r: (exp(r) − 1, n + [`Element::ROUND`]).
#[inline(always)]
fn reduced_expm1<T: Element>(simd: impl Simd<T>, x: T) -> (T, T) {
    let rounded = simd.mul_add(x, T::LOG2_E, T::ROUND);
    let n = rounded - T::ROUND;
    let r = simd.mul_add(-n, T::LN2_HIGH, x);
    let r = simd.mul_add(-n, T::LN2_LOW, r);
    let mut series = T::default();
    for &term in T::EXPM1.iter().rev() {
        series = simd.mul_add(series, r, term);
    }
    (simd.mul_add(r * r, series, r), rounded)
}

/// exp(x).
#[inline(always)]
pub(super) fn exp<T: Element>(simd: impl Simd<T>, x: T) -> T {
    let (low, high) = T::EXP_RANGE;
    // Comparisons with NaN are false: it passes.
    let x = if x < low { low } else { x };
    let x = if x > high { high } else { x };
    let (p, rounded) = reduced_expm1(simd, x);
    let one = T::from_f64(1.0);
    // 2^n in two factors: one alone would leave the normal numbers before the result does.
    let half = simd.mul_add(rounded - T::ROUND, T::from_f64(0.5), T::ROUND);
    let rest = (rounded - T::ROUND) - (half - T::ROUND) + T::ROUND;
    (p + one) * T::power_of_two(half) * T::power_of_two(rest)
}

/// tanh(x) = e / (e + 2) with e = exp(2x) − 1, on |x|.
#[inline(always)]
pub(super) fn tanh<T: Element>(simd: impl Simd<T>, x: T) -> T {
    let a = x.magnitude();
    let a = if a > T::TANH_RANGE { T::TANH_RANGE } else { a };
    let (p, rounded) = reduced_expm1(simd, a + a);
    let scale = T::power_of_two(rounded);
    let e = simd.mul_add(p, scale, scale - T::from_f64(1.0));
    (e / (e + T::from_f64(2.0))).with_sign(x)
}

/// log(x) of a positive normal number: x = 2^n m, log m = 2 artanh((m − 1) / (m + 1)).
#[inline(always)]
pub(super) fn log<T: Element>(simd: impl Simd<T>, x: T) -> T {
    let one = T::from_f64(1.0);
    let (m, n) = x.split_exponent();
    let s = (m - one) / (m + one);
    let square = s * s;
    let mut series = T::default();
    for &term in T::ARTANH.iter().rev() {
        series = simd.mul_add(series, square, term);
    }
    let log_m = simd.mul_add((s + s) * square, series, s + s);
    let log = simd.mul_add(n, T::LN2_HIGH, simd.mul_add(n, T::LN2_LOW, log_m));
    // Not so infinity, nor NaN.
    if x < T::from_f64(f64::INFINITY) {
        log
    } else {
        x
    }
}

/// atan(x): on |x| up to 1, else from π/2 − atan(1 / |x|); there from the nearest of three angles θ, atan(a) = θ + atan(t) with
/// t = (a − tan θ) / (1 + a tan θ) no larger than where the series of artanh is good, which is that of atan at t² < 0.
#[inline(always)]
pub(super) fn atan<T: Element>(simd: impl Simd<T>, x: T) -> T {
    let one = T::from_f64(1.0);
    let a = x.magnitude();
    let large = a > one;
    let a = if large { one / a } else { a };
    let (mut tangent, mut angle) = (T::default(), T::default());
    if a > T::from_f64(0.171) {
        tangent = T::from_f64(45.0 / 128.0);
        angle = T::from_f64(0.338_066_122_836_825_47);
    }
    if a > T::from_f64(0.5535) {
        tangent = T::from_f64(51.0 / 64.0);
        angle = T::from_f64(0.672_832_547_593_763_2);
    }
    let t = (a - tangent) / simd.mul_add(a, tangent, one);
    let square = -(t * t);
    let mut series = T::default();
    for &term in T::ARTANH.iter().rev() {
        series = simd.mul_add(series, square, term);
    }
    let small = angle + simd.mul_add(t * square, series, t);
    let all = if large {
        T::from_f64(FRAC_PI_2) - small
    } else {
        small
    };
    all.with_sign(x)
}

/// x ↦ tanh(x), all lanes of all features.
pub(super) struct Tanh<'a, T: Element>(pub &'a mut [T::Feature]);

impl<T: Element> Task<T> for Tanh<'_, T> {
    #[inline(always)]
    fn run<S: Simd<T>>(self, simd: S) {
        for feature in self.0 {
            for x in feature.as_mut() {
                *x = tanh(simd, *x);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::cpu::Cpu;
    use super::*;
    use crate::noise::{domain, Noise};

    struct Exp<'a, T: Element>(&'a mut [T::Feature]);

    impl<T: Element> Task<T> for Exp<'_, T> {
        #[inline(always)]
        fn run<S: Simd<T>>(self, simd: S) {
            for feature in self.0 {
                for x in feature.as_mut() {
                    *x = exp(simd, *x);
                }
            }
        }
    }

    struct Log<'a, T: Element>(&'a mut [T::Feature]);

    impl<T: Element> Task<T> for Log<'_, T> {
        #[inline(always)]
        fn run<S: Simd<T>>(self, simd: S) {
            for feature in self.0 {
                for x in feature.as_mut() {
                    *x = log(simd, *x);
                }
            }
        }
    }

    struct Atan<'a, T: Element>(&'a mut [T::Feature]);

    impl<T: Element> Task<T> for Atan<'_, T> {
        #[inline(always)]
        fn run<S: Simd<T>>(self, simd: S) {
            for feature in self.0 {
                for x in feature.as_mut() {
                    *x = atan(simd, *x);
                }
            }
        }
    }

    /// hi + lo, about 105 bits.
    #[derive(Clone, Copy)]
    struct Pair(f64, f64);

    impl Pair {
        fn normal(a: f64, b: f64) -> Self {
            let sum = a + b;
            let rest = sum - a;
            Pair(sum, (a - (sum - rest)) + (b - rest))
        }

        fn plus(self, other: Pair) -> Self {
            let Pair(high, low) = Pair::normal(self.0, other.0);
            Pair::normal(high, low + self.1 + other.1)
        }

        fn times(self, other: Pair) -> Self {
            let high = self.0 * other.0;
            let low = self.0.mul_add(other.0, -high);
            Pair::normal(high, low + self.0 * other.1 + self.1 * other.0)
        }

        fn over(self, other: Pair) -> Self {
            let first = self.0 / other.0;
            let rest = self.plus(other.times(Pair(-first, 0.0)));
            Pair::normal(first, rest.0 / other.0)
        }
    }

    /// exp(x) − 1 from its series at x / 2^k, doubled k times.
    fn expm1(x: f64) -> Pair {
        let doublings = (x.abs() * 64.0).log2().ceil().max(0.0) as i32;
        let r = Pair(x / 2f64.powi(doublings), 0.0);
        let mut sum = Pair(0.0, 0.0);
        for k in (1..20).rev() {
            sum = sum
                .plus(Pair(1.0, 0.0))
                .times(r)
                .over(Pair(f64::from(k), 0.0));
        }
        for _ in 0..doublings {
            sum = sum.times(sum.plus(Pair(2.0, 0.0)));
        }
        sum
    }

    fn exact_exp(x: f64) -> Pair {
        let large = expm1(x.abs()).plus(Pair(1.0, 0.0));
        if x < 0.0 {
            Pair(1.0, 0.0).over(large)
        } else {
            large
        }
    }

    fn exact_tanh(x: f64) -> Pair {
        let e = expm1(2.0 * x.abs());
        let Pair(high, low) = e.over(e.plus(Pair(2.0, 0.0)));
        Pair(high * x.signum(), low * x.signum())
    }

    /// One step of Newton's method from the nearest double: y + x exp(−y) − 1.
    fn exact_log(x: f64) -> Pair {
        let y = x.ln();
        let ratio = Pair(x, 0.0).times(exact_exp(-y));
        ratio.plus(Pair(-1.0, 0.0)).plus(Pair(y, 0.0))
    }

    /// One step of Newton's method for tan y = x from the nearest double: y + sin(δ) with δ = atan(x) − y, tan δ = (x − tan y) / (1 + x tan
    /// y), tan y = i (1 − e) / (1 + e) from the series of sine and cosine.
    fn exact_atan(x: f64) -> Pair {
        let y = x.atan();
        // Of y / 2^k, doubled k times: (1 − cos, sin).
        let doublings = 6;
        let r = Pair(y / 2f64.powi(doublings), 0.0);
        let square = r.times(r);
        let one = Pair(1.0, 0.0);
        let (mut versed, mut sine) = (Pair(0.0, 0.0), Pair(0.0, 0.0));
        for k in (0..12).rev() {
            let n = f64::from(2 * k + 1);
            // sin r = r (1 − r²/2·3 (1 − r²/4·5 (…))), 1 − cos r = r²/1·2 (1 − r²/3·4 (…)).
            sine = one.plus(square.times(sine).over(Pair(-(n + 1.0) * (n + 2.0), 0.0)));
            versed = one.plus(square.times(versed).over(Pair(-(n + 2.0) * (n + 3.0), 0.0)));
        }
        sine = sine.times(r);
        versed = versed.times(square).times(Pair(0.5, 0.0));
        for _ in 0..doublings {
            // 1 − cos 2r = 2 sin², sin 2r = 2 sin (1 − versed).
            let cosine = one.plus(versed.times(Pair(-1.0, 0.0)));
            versed = sine.times(sine).times(Pair(2.0, 0.0));
            sine = sine.times(cosine).times(Pair(2.0, 0.0));
        }
        let cosine = one.plus(versed.times(Pair(-1.0, 0.0)));
        // δ is far below the cube root of a rounding: tan δ = δ.
        let x = Pair(x, 0.0);
        let above = x.times(cosine).plus(sine.times(Pair(-1.0, 0.0)));
        let below = cosine.plus(x.times(sine));
        Pair(y, 0.0).plus(above.over(below))
    }

    /// The worst error of `task` over `x`, in units `unit(exact result)`.
    fn worst<T: Element>(
        x: &[f64],
        task: impl Fn(Cpu, &mut [T::Feature]),
        exact: impl Fn(f64) -> Pair,
        unit: impl Fn(f64) -> f64,
    ) -> f64 {
        let x: Vec<T> = x.iter().map(|&x| T::from_f64(x)).collect();
        let expected: Vec<Pair> = x.iter().map(|x| exact(x.to_f64())).collect();
        let mut worst = 0f64;
        for cpu in Cpu::all() {
            for (x, expected) in x.chunks(T::ROWS).zip(expected.chunks(T::ROWS)) {
                let mut feature = [T::Feature::default()];
                feature[0].as_mut()[..x.len()].copy_from_slice(x);
                task(cpu, &mut feature);
                for (y, Pair(high, low)) in feature[0].as_ref().iter().zip(expected) {
                    let error = (y.to_f64() - high - low).abs() / unit(*high);
                    assert!(!error.is_nan());
                    worst = worst.max(error);
                }
            }
        }
        worst
    }

    fn unit32(y: f64) -> f64 {
        let y = (y.abs() as f32).max(f32::MIN_POSITIVE);
        f64::from(f32::from_bits(y.to_bits() + 1) - y)
    }

    fn unit64(y: f64) -> f64 {
        let y = y.abs().max(f64::MIN_POSITIVE);
        f64::from_bits(y.to_bits() + 1) - y
    }

    /// Numbers of all sizes up to `limit`, most of them where the functions vary.
    fn arguments(limit: f64) -> Vec<f64> {
        const N: usize = 60_000;
        let mut u = vec![0.0; 2 * N];
        Noise::new(4, 0, domain::INITIAL).uniforms(0, 0, &mut u);
        let (uniform, powers) = u.split_at(N);
        let uniform = uniform.iter().map(|u| (2.0 * u - 1.0) * limit);
        let moderate = uniform.clone().map(|x| x * 4.0 / limit);
        let tiny = powers.iter().map(|u| limit * (-90.0 * u).exp2());
        uniform.chain(moderate).chain(tiny).collect()
    }

    #[test]
    fn errors_are_as_stated() {
        let exp32 = worst::<f32>(
            &arguments(87.0),
            |cpu, x| cpu.run(Exp::<f32>(x)),
            exact_exp,
            unit32,
        );
        let exp64 = worst::<f64>(
            &arguments(708.0),
            |cpu, x| cpu.run(Exp::<f64>(x)),
            exact_exp,
            unit64,
        );
        let tanh32 = worst::<f32>(
            &arguments(12.0),
            |cpu, x| cpu.run(Tanh::<f32>(x)),
            exact_tanh,
            unit32,
        );
        let tanh64 = worst::<f64>(
            &arguments(22.0),
            |cpu, x| cpu.run(Tanh::<f64>(x)),
            exact_tanh,
            unit64,
        );
        println!("{exp32} {exp64} {tanh32} {tanh64}");
        assert!(exp32 < 1.5 && exp64 < 1.5, "{exp32} {exp64}");
        assert!(tanh32 < 3.0 && tanh64 < 3.0, "{tanh32} {tanh64}");
    }

    #[test]
    fn errors_of_the_logarithm_are_as_stated() {
        // Of all sizes, and around 1, where the logarithm is small.
        let x = |limit: f64| -> Vec<f64> {
            let powers = arguments(limit).into_iter().map(f64::exp2);
            let near = arguments(0.5).into_iter().map(|d| 1.0 + 0.1 * d);
            powers.chain(near).collect()
        };
        let log32 = worst::<f32>(
            &x(125.0),
            |cpu, x| cpu.run(Log::<f32>(x)),
            exact_log,
            unit32,
        );
        let log64 = worst::<f64>(
            &x(1020.0),
            |cpu, x| cpu.run(Log::<f64>(x)),
            exact_log,
            unit64,
        );
        println!("{log32} {log64}");
        assert!(log32 < 3.0 && log64 < 3.0, "{log32} {log64}");
        for cpu in Cpu::all() {
            let mut block = [<f32 as Element>::Feature::default()];
            block[0].as_mut()[..3].copy_from_slice(&[1.0, f32::INFINITY, f32::NAN]);
            cpu.run(Log::<f32>(&mut block));
            let log = block[0].as_ref();
            assert_eq!(log[..2], [0.0, f32::INFINITY]);
            assert!(log[2].is_nan());
        }
    }

    #[test]
    fn errors_of_the_arctangent_are_as_stated() {
        // Of all sizes, and around the places where another angle is nearest.
        let powers = arguments(60.0).into_iter().map(f64::exp2);
        let moderate = arguments(3.0);
        let x: Vec<f64> = powers.chain(moderate).collect();
        let atan32 = worst::<f32>(&x, |cpu, x| cpu.run(Atan::<f32>(x)), exact_atan, unit32);
        let atan64 = worst::<f64>(&x, |cpu, x| cpu.run(Atan::<f64>(x)), exact_atan, unit64);
        println!("{atan32} {atan64}");
        assert!(atan32 < 3.0 && atan64 < 3.0, "{atan32} {atan64}");
        for cpu in Cpu::all() {
            let mut block = [<f64 as Element>::Feature::default()];
            let inf = f64::INFINITY;
            let given = [inf, -inf, 0.0, -0.0, 5e-324, f64::NAN];
            block[0].as_mut()[..6].copy_from_slice(&given);
            cpu.run(Atan::<f64>(&mut block));
            let atan = block[0].as_ref();
            assert_eq!(atan[..2], [FRAC_PI_2, -FRAC_PI_2]);
            assert_eq!(
                [atan[2], atan[3]].map(f64::to_bits),
                [0.0, -0.0].map(f64::to_bits)
            );
            assert_eq!(atan[4], 5e-324);
            assert!(atan[5].is_nan());
        }
    }

    fn extremes<T: Element>(tiny: f64, overflow: f64, underflow: f64) {
        let inf = f64::INFINITY;
        let x = [
            inf,
            -inf,
            f64::NAN,
            0.0,
            -0.0,
            tiny,
            -tiny,
            overflow,
            underflow,
            30.0,
            -30.0,
        ];
        for cpu in Cpu::all() {
            let run = |tanh: bool| -> Vec<f64> {
                let mut block = [T::Feature::default()];
                for (to, x) in block[0].as_mut().iter_mut().zip(x) {
                    *to = T::from_f64(x);
                }
                if tanh {
                    cpu.run(Tanh::<T>(&mut block));
                } else {
                    cpu.run(Exp::<T>(&mut block));
                }
                block[0].as_ref().iter().map(|x| x.to_f64()).collect()
            };
            let (e, t) = (run(false), run(true));
            assert_eq!(e[..2], [inf, 0.0]);
            assert!(e[2].is_nan() && t[2].is_nan());
            assert_eq!(e[3..9], [1.0, 1.0, 1.0, 1.0, inf, 0.0]);
            assert_eq!(t[..2], [1.0, -1.0]);
            assert_eq!(
                [t[3], t[4]].map(f64::to_bits),
                [0.0, -0.0].map(f64::to_bits)
            );
            assert_eq!(t[5..7], [tiny, -tiny]);
            assert_eq!(t[7..11], [1.0, -1.0, 1.0, -1.0]);
        }
    }

    #[test]
    fn extremes_are_exact() {
        extremes::<f32>(f64::from(f32::from_bits(3)), 88.73, -104.0);
        extremes::<f64>(f64::from_bits(3), 709.79, -745.2);
    }

    #[test]
    fn subnormal_results_are_within_two_units() {
        let unit = |y: f64| move |_: f64| y;
        let x: Vec<f64> = (0..1000).map(|i| -87.3 - 0.0167 * f64::from(i)).collect();
        let tiny = f64::from(f32::from_bits(1));
        let single = worst::<f32>(
            &x,
            |cpu, x| cpu.run(Exp::<f32>(x)),
            |x| Pair(x.exp(), 0.0),
            unit(tiny),
        );
        assert!(single < 2.0, "{single}");
    }
}
