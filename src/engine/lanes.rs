//! Blocks of rows in vector lanes.

#[cfg(target_arch = "x86_64")]
use super::simd::{Avx2, Avx512};
use super::simd::{Portable, Simd};
use crate::model::Real;
use std::ops::{Add, Div, Mul, Neg, Sub};

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
    /// [`Avx512`], on vectors of these.
    #[cfg(target_arch = "x86_64")]
    type Avx512: Simd<Self> + From<Avx512>;
    /// [`Avx2`].
    #[cfg(target_arch = "x86_64")]
    type Avx2: Simd<Self> + From<Avx2>;
    /// [`Portable`].
    type Portable: Simd<Self> + From<Portable>;
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

/// The most rows that a block of any element has.
pub(super) const MOST_ROWS: usize = <f32 as Element>::ROWS;

/// Blocks that so many rows fill.
pub(super) fn blocks<T: Element>(rows: usize) -> usize {
    rows.div_ceil(T::ROWS)
}

/// Features of blocks that pass together lie block after block, `width` of each: those of block `block`.
pub(super) fn own<F>(features: &[F], width: usize, block: usize) -> &[F] {
    &features[block * width..][..width]
}

/// The same, to change them.
pub(super) fn own_mut<F>(features: &mut [F], width: usize, block: usize) -> &mut [F] {
    &mut features[block * width..][..width]
}

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
            #[cfg(target_arch = "x86_64")]
            type Avx512 = Avx512;
            #[cfg(target_arch = "x86_64")]
            type Avx2 = Avx2;
            type Portable = Portable;
            const ROWS: usize = FEATURE_BYTES / size_of::<$t>();
            const LOG2_E: $t = std::$t::consts::LOG2_E;
            $($items)*

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
    const LN2_HIGH: f32 = 355.0 / 512.0;
    const LN2_LOW: f32 = -2.121_944_4e-4;
    const ROUND: f32 = 1.5 * (1u32 << 23) as f32 + 127.0;
    const EXP_RANGE: (f32, f32) = (-105.0, 90.0);
    const TANH_RANGE: f32 = 10.0;
    const EXPM1: &'static [f32] = &inverse_factorials32();
    const ARTANH: &'static [f32] = &[1.0 / 3.0, 0.2, 1.0 / 7.0, 1.0 / 9.0];
}
element! { f64, Feature64,
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
