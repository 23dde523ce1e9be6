//! Blocks of rows in vector lanes, and the choice of the processor's instructions.

use super::vector::Vector;
use crate::model::Real;
use std::ops::{Add, Div, Mul, Neg, Sub};
use std::sync::OnceLock;

/// A floating-point type that networks are computed in.
pub(crate) trait Element:
    Real
    + Add<Output = Self>
    + Sub<Output = Self>
    + Mul<Output = Self>
    + Div<Output = Self>
    + Neg<Output = Self>
{
    /// One feature of a block: a value per row.
    type Feature: Copy + Default + Send + Sync + AsRef<[Self]> + AsMut<[Self]>;
    /// Vectors of 64 bytes.
    #[cfg(target_arch = "x86_64")]
    type Avx512: Vector<Self>;
    /// Vectors of 32 bytes.
    #[cfg(target_arch = "x86_64")]
    type Avx2: Vector<Self>;
    /// Vectors of any processor.
    type Portable: Vector<Self>;
    /// Rows of a block.
    const ROWS: usize;
    /// 1 / ln 2.
    const LOG2_E: Self;
    /// The leading bits of ln 2: few enough that their products with exponents are exact.
    const LN2_HIGH: Self;
    /// ln 2 − [`Element::LN2_HIGH`].
    const LN2_LOW: Self;
    /// Added to an integer n, it leaves n + bias of the exponent in the lowest bits, and rounds what is not an integer.
    const ROUND: Self;
    /// exp is 0 below and infinite above.
    const EXP_RANGE: (Self, Self);
    /// |tanh| is 1 above.
    const TANH_RANGE: Self;
    /// 1/2!, 1/3!, … as far as they count for |r| ≤ ln 2 / 2.
    const EXPM1: &'static [Self];
    /// 1/3, 1/5, … as far as they count in artanh of |s| ≤ (√2 − 1) / (√2 + 1).
    const ARTANH: &'static [Self];

    /// self · b + c, rounded once.
    fn fused_mul_add(self, b: Self, c: Self) -> Self;
    /// 2^n from n + [`Element::ROUND`], for exponents of normal numbers.
    fn power_of_two(rounded: Self) -> Self;
    /// (m, n) with self = 2^n m and m from √½ to √2, for positive normal numbers.
    fn split_exponent(self) -> (Self, Self);
    /// √x.
    fn square_root(self) -> Self;
    /// |x|.
    fn magnitude(self) -> Self;
    /// |self| with the sign of `sign`.
    fn with_sign(self, sign: Self) -> Self;
}

/// Bytes of a feature of a block: two of the widest vectors. A hundred such features fit the first cache.
const FEATURE_BYTES: usize = 128;

macro_rules! element {
    ($t:ident, $feature:ident, $($items:tt)*) => {
        /// One feature of a block; no vector of it crosses a cache line.
        #[derive(Clone, Copy, Default)]
        #[repr(align(128))]
        pub(crate) struct $feature([$t; <$t as Element>::ROWS]);

        impl AsRef<[$t]> for $feature {
            #[inline(always)]
            fn as_ref(&self) -> &[$t] {
                &self.0
            }
        }

        impl AsMut<[$t]> for $feature {
            #[inline(always)]
            fn as_mut(&mut self) -> &mut [$t] {
                &mut self.0
            }
        }

        impl Element for $t {
            type Feature = $feature;
            const ROWS: usize = FEATURE_BYTES / size_of::<$t>();
            const LOG2_E: $t = std::$t::consts::LOG2_E;
            $($items)*

            #[inline(always)]
            fn fused_mul_add(self, b: $t, c: $t) -> $t {
                self.mul_add(b, c)
            }

            #[inline(always)]
            fn power_of_two(rounded: $t) -> $t {
                $t::from_bits(rounded.to_bits() << ($t::MANTISSA_DIGITS - 1))
            }

            #[inline(always)]
            fn split_exponent(self) -> ($t, $t) {
                let (bits, one) = (self.to_bits(), (1.0 as $t).to_bits());
                let shift = $t::MANTISSA_DIGITS - 1;
                let root = std::$t::consts::FRAC_1_SQRT_2.to_bits();
                let biased = bits.wrapping_add(one - root) >> shift;
                let m = $t::from_bits(bits.wrapping_add(one).wrapping_sub(biased << shift));
                let n = Self::ROUND.to_bits().wrapping_add(biased) - (one >> shift);
                (m, $t::from_bits(n) - Self::ROUND)
            }

            #[inline(always)]
            fn square_root(self) -> $t {
                self.sqrt()
            }

            #[inline(always)]
            fn magnitude(self) -> $t {
                self.abs()
            }

            #[inline(always)]
            fn with_sign(self, sign: $t) -> $t {
                self.copysign(sign)
            }
        }
    };
}

element! { f32, Feature32,
    #[cfg(target_arch = "x86_64")]
    type Avx512 = std::arch::x86_64::__m512;
    #[cfg(target_arch = "x86_64")]
    type Avx2 = std::arch::x86_64::__m256;
    type Portable = [f32; 4];
    const LN2_HIGH: f32 = 355.0 / 512.0;
    const LN2_LOW: f32 = -2.121_944_4e-4;
    const ROUND: f32 = 1.5 * (1u32 << 23) as f32 + 127.0;
    const EXP_RANGE: (f32, f32) = (-105.0, 90.0);
    const TANH_RANGE: f32 = 10.0;
    const EXPM1: &'static [f32] = &inverse_factorials32();
    const ARTANH: &'static [f32] = &[1.0 / 3.0, 0.2, 1.0 / 7.0, 1.0 / 9.0];
}
element! { f64, Feature64,
    #[cfg(target_arch = "x86_64")]
    type Avx512 = std::arch::x86_64::__m512d;
    #[cfg(target_arch = "x86_64")]
    type Avx2 = std::arch::x86_64::__m256d;
    type Portable = [f64; 2];
    const LN2_HIGH: f64 = 0.693_147_180_369_123_8;
    const LN2_LOW: f64 = 1.908_214_929_270_587_7e-10;
    const ROUND: f64 = 1.5 * (1u64 << 52) as f64 + 1023.0;
    const EXP_RANGE: (f64, f64) = (-750.0, 720.0);
    const TANH_RANGE: f64 = 20.0;
    const EXPM1: &'static [f64] = &inverse_factorials::<12>();
    const ARTANH: &'static [f64] = &inverse_odds::<10>();
}

/// 1/2!, 1/3!, …: N of them.
const fn inverse_factorials<const N: usize>() -> [f64; N] {
    let mut terms = [0.0; N];
    let (mut i, mut factorial) = (0, 1.0);
    while i < N {
        factorial *= (i + 2) as f64;
        terms[i] = 1.0 / factorial;
        i += 1;
    }
    terms
}

/// 1/3, 1/5, …: N of them.
const fn inverse_odds<const N: usize>() -> [f64; N] {
    let mut terms = [0.0; N];
    let mut i = 0;
    while i < N {
        terms[i] = 1.0 / (2 * i + 3) as f64;
        i += 1;
    }
    terms
}

const fn inverse_factorials32() -> [f32; 6] {
    let double = inverse_factorials::<6>();
    let (mut terms, mut i) = ([0.0; 6], 0);
    while i < 6 {
        terms[i] = double[i] as f32;
        i += 1;
    }
    terms
}

/// Instructions to compute with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Level {
    /// Vectors of 64 bytes.
    #[cfg(target_arch = "x86_64")]
    Avx512,
    /// Vectors of 32 bytes, with fused multiply-add.
    #[cfg(target_arch = "x86_64")]
    Avx2,
    /// What every processor of the target has; on AArch64, Neon.
    Portable,
}

impl Level {
    /// All that this processor has, the fastest first.
    pub(super) fn available() -> impl Iterator<Item = Level> {
        #[cfg(target_arch = "x86_64")]
        let vectors = [
            (
                Level::Avx512,
                is_x86_feature_detected!("avx512f")
                    && is_x86_feature_detected!("avx512dq")
                    && is_x86_feature_detected!("avx512vl")
                    && is_x86_feature_detected!("avx512bw")
                    && is_x86_feature_detected!("fma"),
            ),
            (
                Level::Avx2,
                is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma"),
            ),
        ];
        #[cfg(not(target_arch = "x86_64"))]
        let vectors: [(Level, bool); 0] = [];
        let found = vectors.into_iter().filter(|(_, found)| *found);
        found
            .map(|(level, _)| level)
            .chain(std::iter::once(Level::Portable))
    }

    /// The word for it.
    fn name(self) -> &'static str {
        match self {
            #[cfg(target_arch = "x86_64")]
            Level::Avx512 => "avx512",
            #[cfg(target_arch = "x86_64")]
            Level::Avx2 => "avx2",
            Level::Portable => "portable",
        }
    }

    /// The one of this word or, where this processor has none of it, the fastest.
    fn choose(word: Option<&str>) -> Self {
        let wanted = Level::available().find(|level| Some(level.name()) == word);
        let level = wanted.or_else(|| Level::available().next());
        level.unwrap_or(Level::Portable)
    }

    /// What this process computes with, chosen when first asked for: an evaluation and its repetition must not differ.
    fn of_process() -> Self {
        static LEVEL: OnceLock<Level> = OnceLock::new();
        *LEVEL.get_or_init(|| Level::choose(std::env::var(INSTRUCTIONS).ok().as_deref()))
    }
}

/// The environment variable that chooses slower instructions than the fastest: `avx512`, `avx2` or `portable`.
const INSTRUCTIONS: &str = "LASER_INSTRUCTIONS";

/// The word for the instructions that this process computes with, as the environment variable `LASER_INSTRUCTIONS` has it.
#[doc(hidden)] // public for the tests
pub fn instructions() -> &'static str {
    Level::of_process().name()
}

/// What computes: instructions that this processor is known to have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Cpu(Level);

/// A computation on a block.
pub(crate) trait Task<T: Element> {
    /// Does it, with vectors of the type `V`. Must be `#[inline(always)]`, with all that it calls: only so is it compiled for the
    /// instructions of the caller.
    fn run<V: Vector<T>>(self);
}

impl Cpu {
    /// The fastest instructions of this processor, or those that the environment chooses instead.
    pub(crate) fn detect() -> Self {
        Cpu(Level::of_process())
    }

    /// One per level that this processor has, for tests.
    #[cfg(test)]
    pub(super) fn all() -> Vec<Self> {
        Level::available().map(Cpu).collect()
    }

    /// Runs the task with these instructions.
    #[inline]
    pub(crate) fn run<T: Element, K: Task<T>>(self, task: K) {
        match self.0 {
            // SAFETY: a `Cpu` is made only of levels whose instructions were detected on this processor.
            #[cfg(target_arch = "x86_64")]
            Level::Avx512 => unsafe { avx512(task) },
            // SAFETY: the same.
            #[cfg(target_arch = "x86_64")]
            Level::Avx2 => unsafe { avx2(task) },
            Level::Portable => task.run::<T::Portable>(),
        }
    }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512dq,avx512vl,avx512bw,avx2,fma")]
fn avx512<T: Element, K: Task<T>>(task: K) {
    task.run::<T::Avx512>();
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
fn avx2<T: Element, K: Task<T>>(task: K) {
    task.run::<T::Avx2>();
}

#[cfg(test)]
mod tests {
    use super::Level;

    #[test]
    fn a_word_chooses_what_this_processor_has() {
        let fastest = Level::available().next().unwrap();
        for level in Level::available() {
            assert_eq!(Level::choose(Some(level.name())), level);
        }
        for word in [None, Some(""), Some("AVX2"), Some("avx1024")] {
            assert_eq!(Level::choose(word), fastest, "{word:?}");
        }
    }
}
