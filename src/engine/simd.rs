//! The few operations on vectors that sums are made of. Compilers find vectors in loops over single features by themselves; they do not
//! reliably keep a tile of sums in registers, so these are explicit.

use super::fused;
#[cfg(target_arch = "x86_64")]
pub(crate) use x86::{Avx2, Avx512};

/// Instructions, and a value of the type the proof that this processor has them: all operations are taken on it.
pub(crate) trait Simd<T>: Copy {
    /// Some lanes of a feature in a register.
    type Vector: Copy;
    /// Its elements.
    const LANES: usize;
    /// Vectors along the longer side of a tile of six sums by so many: as many as the registers hold.
    const TILE: usize;
    /// Edge of the square that [`Simd::transpose`] turns; divides the rows of a block.
    const SQUARE: usize;

    /// The same element in every lane.
    fn splat(self, x: T) -> Self::Vector;
    /// The first [`Simd::LANES`] elements.
    fn load(self, from: &[T]) -> Self::Vector;
    /// To the first [`Simd::LANES`] elements.
    fn store(self, x: Self::Vector, to: &mut [T]);
    /// sum + a · b lane by lane, rounded once.
    fn add_product(self, sum: Self::Vector, a: Self::Vector, b: Self::Vector) -> Self::Vector;
    /// a · b lane by lane.
    fn times(self, a: Self::Vector, b: Self::Vector) -> Self::Vector;
    /// The larger of both lane by lane; `b` where they have no order.
    fn larger(self, a: Self::Vector, b: Self::Vector) -> Self::Vector;
    /// `then` in lanes where x is positive, `other` in the rest.
    fn if_positive(self, x: Self::Vector, then: Self::Vector, other: Self::Vector) -> Self::Vector;
    /// Lanes `row` to `row` + SQUARE of SQUARE features become rows of `to`, `stride` apart.
    fn transpose<F: AsRef<[T]>>(self, features: &[F], row: usize, to: &mut [T], stride: usize);
    /// a · b + c of single elements, for loops, rounded once.
    fn mul_add(self, a: T, b: T, c: T) -> T;
}

/// What every processor of the target has; on AArch64, Neon.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Portable;

macro_rules! portable {
    ($t:ty, $lanes:literal, $mul_add:path) => {
        impl Simd<$t> for Portable {
            type Vector = [$t; $lanes];
            const LANES: usize = $lanes;
            const TILE: usize = 2;
            const SQUARE: usize = 1;

            #[inline(always)]
            fn splat(self, x: $t) -> Self::Vector {
                [x; $lanes]
            }

            #[inline(always)]
            fn load(self, from: &[$t]) -> Self::Vector {
                std::array::from_fn(|l| from[l])
            }

            #[inline(always)]
            fn store(self, x: Self::Vector, to: &mut [$t]) {
                to[..$lanes].copy_from_slice(&x);
            }

            #[inline(always)]
            fn add_product(
                self,
                sum: Self::Vector,
                a: Self::Vector,
                b: Self::Vector,
            ) -> Self::Vector {
                std::array::from_fn(|l| self.mul_add(a[l], b[l], sum[l]))
            }

            #[inline(always)]
            fn times(self, a: Self::Vector, b: Self::Vector) -> Self::Vector {
                std::array::from_fn(|l| a[l] * b[l])
            }

            #[inline(always)]
            fn larger(self, a: Self::Vector, b: Self::Vector) -> Self::Vector {
                std::array::from_fn(|l| if a[l] > b[l] { a[l] } else { b[l] })
            }

            #[inline(always)]
            fn if_positive(
                self,
                x: Self::Vector,
                then: Self::Vector,
                other: Self::Vector,
            ) -> Self::Vector {
                std::array::from_fn(|l| if x[l] > 0.0 { then[l] } else { other[l] })
            }

            #[inline(always)]
            fn transpose<F: AsRef<[$t]>>(
                self,
                features: &[F],
                row: usize,
                to: &mut [$t],
                _: usize,
            ) {
                to[0] = features[0].as_ref()[row];
            }

            #[inline(always)]
            fn mul_add(self, a: $t, b: $t, c: $t) -> $t {
                if cfg!(any(target_arch = "aarch64", target_feature = "fma")) {
                    a.mul_add(b, c)
                } else {
                    // The standard library's would be a function of the host's libm.
                    $mul_add(a, b, c)
                }
            }
        }
    };
}

portable! { f32, 4, fused::mul_add32 }
portable! { f64, 2, fused::mul_add64 }

#[cfg(target_arch = "x86_64")]
mod x86 {
    use super::Simd;
    use std::arch::x86_64::*;

    /// Vectors of 64 bytes.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub(crate) struct Avx512(());

    /// Vectors of 32 bytes, with fused multiply-add.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub(crate) struct Avx2(());

    impl Avx512 {
        /// If this processor has F, DQ, VL and BW, and what [`Avx2`] is.
        pub(crate) fn detect() -> Option<Self> {
            let found = is_x86_feature_detected!("avx512f")
                && is_x86_feature_detected!("avx512dq")
                && is_x86_feature_detected!("avx512vl")
                && is_x86_feature_detected!("avx512bw");
            Avx2::detect().filter(|_| found).map(|_| Avx512(()))
        }
    }

    impl Avx2 {
        /// If this processor has AVX2 and FMA.
        pub(crate) fn detect() -> Option<Self> {
            let found = is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma");
            found.then_some(Avx2(()))
        }
    }

    macro_rules! vectors {
        (
            $simd:ident, $t:ty, $v:ty, $lanes:literal, $tile:literal, $square:literal, $transpose:ident, $splat:ident, $load:ident,
            $store:ident, $fma:ident, $mul:ident, $max:ident, |$x:ident, $then:ident, $other:ident| $positive:expr
        ) => {
            impl Simd<$t> for $simd {
                type Vector = $v;
                const LANES: usize = $lanes;
                const TILE: usize = $tile;
                const SQUARE: usize = $square;

                #[inline(always)]
                fn splat(self, x: $t) -> $v {
                    // SAFETY: `self` proves the instructions.
                    unsafe { $splat(x) }
                }

                #[inline(always)]
                fn load(self, from: &[$t]) -> $v {
                    // SAFETY: `self` proves the instructions, and the slice holds a vector.
                    unsafe { $load(from[..$lanes].as_ptr()) }
                }

                #[inline(always)]
                fn store(self, x: $v, to: &mut [$t]) {
                    // SAFETY: `self` proves the instructions, and the slice holds a vector.
                    unsafe { $store(to[..$lanes].as_mut_ptr(), x) }
                }

                #[inline(always)]
                fn add_product(self, sum: $v, a: $v, b: $v) -> $v {
                    // SAFETY: `self` proves the instructions.
                    unsafe { $fma(a, b, sum) }
                }

                #[inline(always)]
                fn times(self, a: $v, b: $v) -> $v {
                    // SAFETY: `self` proves the instructions.
                    unsafe { $mul(a, b) }
                }

                #[inline(always)]
                fn larger(self, a: $v, b: $v) -> $v {
                    // SAFETY: `self` proves the instructions.
                    unsafe { $max(a, b) }
                }

                #[inline(always)]
                fn if_positive(self, $x: $v, $then: $v, $other: $v) -> $v {
                    // SAFETY: `self` proves the instructions.
                    unsafe { $positive }
                }

                #[inline(always)]
                fn transpose<F: AsRef<[$t]>>(
                    self,
                    features: &[F],
                    row: usize,
                    to: &mut [$t],
                    stride: usize,
                ) {
                    let mut from = [&[][..]; $square];
                    for (from, feature) in from.iter_mut().zip(features) {
                        *from = &feature.as_ref()[row..row + $square];
                    }
                    // SAFETY: `self` proves AVX.
                    unsafe { $transpose(from, to, stride) }
                }

                #[inline(always)]
                fn mul_add(self, a: $t, b: $t, c: $t) -> $t {
                    a.mul_add(b, c)
                }
            }
        };
    }

    /// Eight features by eight rows.
    ///
    /// # Safety
    /// The processor has AVX.
    #[inline(always)]
    unsafe fn transpose_8x8(from: [&[f32]; 8], to: &mut [f32], stride: usize) {
        for half in [0, 4] {
            // The features i and i + 4, side by side: shuffles stay within 16 bytes.
            // SAFETY: the caller's promise.
            let mut side_by_side = [unsafe { _mm256_setzero_ps() }; 4];
            for (i, pair) in side_by_side.iter_mut().enumerate() {
                let (low, high) = (&from[i][half..half + 4], &from[i + 4][half..half + 4]);
                // SAFETY: the caller's promise, and the slices hold four elements.
                *pair = unsafe {
                    _mm256_set_m128(_mm_loadu_ps(high.as_ptr()), _mm_loadu_ps(low.as_ptr()))
                };
            }
            let [a, b, c, d] = side_by_side;
            // SAFETY: the caller's promise.
            let rows = unsafe {
                let (ab, ab_high) = (_mm256_unpacklo_ps(a, b), _mm256_unpackhi_ps(a, b));
                let (cd, cd_high) = (_mm256_unpacklo_ps(c, d), _mm256_unpackhi_ps(c, d));
                [
                    _mm256_shuffle_ps::<0x44>(ab, cd),
                    _mm256_shuffle_ps::<0xEE>(ab, cd),
                    _mm256_shuffle_ps::<0x44>(ab_high, cd_high),
                    _mm256_shuffle_ps::<0xEE>(ab_high, cd_high),
                ]
            };
            for (i, row) in rows.into_iter().enumerate() {
                let to = &mut to[(half + i) * stride..][..8];
                // SAFETY: the caller's promise, and the slice holds eight elements.
                unsafe { _mm256_storeu_ps(to.as_mut_ptr(), row) }
            }
        }
    }

    /// Four features by four rows.
    ///
    /// # Safety
    /// The processor has AVX.
    #[inline(always)]
    unsafe fn transpose_4x4(from: [&[f64]; 4], to: &mut [f64], stride: usize) {
        for half in [0, 2] {
            // SAFETY: the caller's promise.
            let mut side_by_side = [unsafe { _mm256_setzero_pd() }; 2];
            for (i, pair) in side_by_side.iter_mut().enumerate() {
                let (low, high) = (&from[i][half..half + 2], &from[i + 2][half..half + 2]);
                // SAFETY: the caller's promise, and the slices hold two elements.
                *pair = unsafe {
                    _mm256_set_m128d(_mm_loadu_pd(high.as_ptr()), _mm_loadu_pd(low.as_ptr()))
                };
            }
            let [a, b] = side_by_side;
            // SAFETY: the caller's promise.
            let rows = unsafe { [_mm256_unpacklo_pd(a, b), _mm256_unpackhi_pd(a, b)] };
            for (i, row) in rows.into_iter().enumerate() {
                let to = &mut to[(half + i) * stride..][..4];
                // SAFETY: the caller's promise, and the slice holds four elements.
                unsafe { _mm256_storeu_pd(to.as_mut_ptr(), row) }
            }
        }
    }

    vectors! {
        Avx512, f32, __m512, 16, 3, 8, transpose_8x8, _mm512_set1_ps, _mm512_loadu_ps, _mm512_storeu_ps, _mm512_fmadd_ps, _mm512_mul_ps,
        _mm512_max_ps, |x, then, other| _mm512_mask_blend_ps(_mm512_cmp_ps_mask::<_CMP_GT_OQ>(x, _mm512_setzero_ps()), other, then)
    }
    vectors! {
        Avx512, f64, __m512d, 8, 3, 4, transpose_4x4, _mm512_set1_pd, _mm512_loadu_pd, _mm512_storeu_pd, _mm512_fmadd_pd, _mm512_mul_pd,
        _mm512_max_pd, |x, then, other| _mm512_mask_blend_pd(_mm512_cmp_pd_mask::<_CMP_GT_OQ>(x, _mm512_setzero_pd()), other, then)
    }
    vectors! {
        Avx2, f32, __m256, 8, 2, 8, transpose_8x8, _mm256_set1_ps, _mm256_loadu_ps, _mm256_storeu_ps, _mm256_fmadd_ps, _mm256_mul_ps,
        _mm256_max_ps, |x, then, other| _mm256_blendv_ps(other, then, _mm256_cmp_ps::<_CMP_GT_OQ>(x, _mm256_setzero_ps()))
    }
    vectors! {
        Avx2, f64, __m256d, 4, 2, 4, transpose_4x4, _mm256_set1_pd, _mm256_loadu_pd, _mm256_storeu_pd, _mm256_fmadd_pd, _mm256_mul_pd,
        _mm256_max_pd, |x, then, other| _mm256_blendv_pd(other, then, _mm256_cmp_pd::<_CMP_GT_OQ>(x, _mm256_setzero_pd()))
    }
}
