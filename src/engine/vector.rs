//! The few operations on vectors that sums are made of. Compilers find vectors in loops over single features by themselves; they do not
//! reliably keep a tile of sums in registers, so these are explicit.

use super::lanes::Element;

/// Some lanes of a feature in a register.
///
/// The methods of an implementation are for processors that have its instructions: only tasks that a [`Cpu`](super::lanes::Cpu) runs
/// name them.
pub(crate) trait Vector<T: Element>: Copy {
    /// Its elements.
    const LANES: usize;

    /// The same element in every lane.
    fn splat(x: T) -> Self;
    /// The first [`Vector::LANES`] elements.
    fn load(from: &[T]) -> Self;
    /// To the first [`Vector::LANES`] elements.
    fn store(self, to: &mut [T]);
    /// a · b + self, rounded as [`Vector::mul_add`] does.
    fn add_product(self, a: Self, b: Self) -> Self;
    /// Lane by lane.
    fn times(self, other: Self) -> Self;
    /// The larger of both lane by lane; `other` where they have no order.
    fn larger(self, other: Self) -> Self;
    /// `then` in lanes that are positive, `other` in the rest.
    fn if_positive(self, then: Self, other: Self) -> Self;
    /// Vectors along the longer side of a tile of six sums by so many: as many as the registers hold.
    const TILE: usize;
    /// Edge of the square that [`Vector::transpose`] turns; divides the rows of a block.
    const SQUARE: usize;
    /// Lanes `row` to `row` + SQUARE of SQUARE features become rows of `to`, `stride` apart.
    fn transpose(features: &[T::Feature], row: usize, to: &mut [T], stride: usize);
    /// a · b + c of single elements, for loops: rounded once where there is an instruction for it, and twice elsewhere.
    fn mul_add(a: T, b: T, c: T) -> T;
}

/// On any processor.
impl<T: Element, const N: usize> Vector<T> for [T; N] {
    const LANES: usize = N;

    #[inline(always)]
    fn splat(x: T) -> Self {
        [x; N]
    }

    #[inline(always)]
    fn load(from: &[T]) -> Self {
        std::array::from_fn(|l| from[l])
    }

    #[inline(always)]
    fn store(self, to: &mut [T]) {
        to[..N].copy_from_slice(&self);
    }

    #[inline(always)]
    fn add_product(self, a: Self, b: Self) -> Self {
        std::array::from_fn(|l| <Self as Vector<T>>::mul_add(a[l], b[l], self[l]))
    }

    #[inline(always)]
    fn times(self, other: Self) -> Self {
        std::array::from_fn(|l| self[l] * other[l])
    }

    #[inline(always)]
    fn larger(self, other: Self) -> Self {
        std::array::from_fn(|l| {
            if self[l] > other[l] {
                self[l]
            } else {
                other[l]
            }
        })
    }

    #[inline(always)]
    fn if_positive(self, then: Self, other: Self) -> Self {
        std::array::from_fn(|l| {
            if self[l] > T::default() {
                then[l]
            } else {
                other[l]
            }
        })
    }

    const TILE: usize = 2;
    const SQUARE: usize = 1;

    #[inline(always)]
    fn transpose(features: &[T::Feature], row: usize, to: &mut [T], _: usize) {
        to[0] = features[0].as_ref()[row];
    }

    #[inline(always)]
    fn mul_add(a: T, b: T, c: T) -> T {
        // The fused one would be a function of hundreds of cycles where the processor lacks it.
        if cfg!(target_arch = "aarch64") {
            a.fused_mul_add(b, c)
        } else {
            a * b + c
        }
    }
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use super::{Element, Vector};
    use std::arch::x86_64::*;

    macro_rules! vector {
        ($v:ty, $t:ty, $lanes:literal, $tile:literal, $square:literal, $transpose:ident, $positive:ident, $splat:ident, $load:ident, $store:ident, $fma:ident, $mul:ident, $max:ident) => {
            // SAFETY of all: the processor has the instructions, as the trait demands, and the slices are checked to hold a vector.
            impl Vector<$t> for $v {
                const LANES: usize = $lanes;

                #[inline(always)]
                fn splat(x: $t) -> Self {
                    unsafe { $splat(x) }
                }

                #[inline(always)]
                fn load(from: &[$t]) -> Self {
                    unsafe { $load(from[..$lanes].as_ptr()) }
                }

                #[inline(always)]
                fn store(self, to: &mut [$t]) {
                    unsafe { $store(to[..$lanes].as_mut_ptr(), self) }
                }

                #[inline(always)]
                fn add_product(self, a: Self, b: Self) -> Self {
                    unsafe { $fma(a, b, self) }
                }

                #[inline(always)]
                fn times(self, other: Self) -> Self {
                    unsafe { $mul(self, other) }
                }

                #[inline(always)]
                fn larger(self, other: Self) -> Self {
                    unsafe { $max(self, other) }
                }

                #[inline(always)]
                fn if_positive(self, then: Self, other: Self) -> Self {
                    unsafe { $positive(self, then, other) }
                }

                const TILE: usize = $tile;
                const SQUARE: usize = $square;

                #[inline(always)]
                fn transpose(
                    features: &[<$t as Element>::Feature],
                    row: usize,
                    to: &mut [$t],
                    stride: usize,
                ) {
                    let mut from = [&[][..]; $square];
                    for (from, feature) in from.iter_mut().zip(features) {
                        *from = &feature.as_ref()[row..row + $square];
                    }
                    unsafe { $transpose(from, to, stride) }
                }

                #[inline(always)]
                fn mul_add(a: $t, b: $t, c: $t) -> $t {
                    a.mul_add(b, c)
                }
            }
        };
    }

    #[inline(always)]
    unsafe fn positive_16(x: __m512, then: __m512, other: __m512) -> __m512 {
        unsafe {
            let positive = _mm512_cmp_ps_mask::<_CMP_GT_OQ>(x, _mm512_setzero_ps());
            _mm512_mask_blend_ps(positive, other, then)
        }
    }

    #[inline(always)]
    unsafe fn positive_8_double(x: __m512d, then: __m512d, other: __m512d) -> __m512d {
        unsafe {
            let positive = _mm512_cmp_pd_mask::<_CMP_GT_OQ>(x, _mm512_setzero_pd());
            _mm512_mask_blend_pd(positive, other, then)
        }
    }

    #[inline(always)]
    unsafe fn positive_8(x: __m256, then: __m256, other: __m256) -> __m256 {
        unsafe {
            let positive = _mm256_cmp_ps::<_CMP_GT_OQ>(x, _mm256_setzero_ps());
            _mm256_blendv_ps(other, then, positive)
        }
    }

    #[inline(always)]
    unsafe fn positive_4_double(x: __m256d, then: __m256d, other: __m256d) -> __m256d {
        unsafe {
            let positive = _mm256_cmp_pd::<_CMP_GT_OQ>(x, _mm256_setzero_pd());
            _mm256_blendv_pd(other, then, positive)
        }
    }

    /// Eight features by eight rows. The processor has AVX.
    #[inline(always)]
    unsafe fn transpose_8x8(from: [&[f32]; 8], to: &mut [f32], stride: usize) {
        for half in [0, 4] {
            // The features i and i + 4, side by side: shuffles stay within 16 bytes.
            let mut side_by_side = [unsafe { _mm256_setzero_ps() }; 4];
            for (i, pair) in side_by_side.iter_mut().enumerate() {
                let (low, high) = (&from[i][half..half + 4], &from[i + 4][half..half + 4]);
                *pair = unsafe {
                    _mm256_set_m128(_mm_loadu_ps(high.as_ptr()), _mm_loadu_ps(low.as_ptr()))
                };
            }
            let [a, b, c, d] = side_by_side;
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
                unsafe { _mm256_storeu_ps(to.as_mut_ptr(), row) }
            }
        }
    }

    /// Four features by four rows. The processor has AVX.
    #[inline(always)]
    unsafe fn transpose_4x4(from: [&[f64]; 4], to: &mut [f64], stride: usize) {
        for half in [0, 2] {
            let mut side_by_side = [unsafe { _mm256_setzero_pd() }; 2];
            for (i, pair) in side_by_side.iter_mut().enumerate() {
                let (low, high) = (&from[i][half..half + 2], &from[i + 2][half..half + 2]);
                *pair = unsafe {
                    _mm256_set_m128d(_mm_loadu_pd(high.as_ptr()), _mm_loadu_pd(low.as_ptr()))
                };
            }
            let [a, b] = side_by_side;
            let rows = unsafe { [_mm256_unpacklo_pd(a, b), _mm256_unpackhi_pd(a, b)] };
            for (i, row) in rows.into_iter().enumerate() {
                let to = &mut to[(half + i) * stride..][..4];
                unsafe { _mm256_storeu_pd(to.as_mut_ptr(), row) }
            }
        }
    }

    vector! { __m512, f32, 16, 3, 8, transpose_8x8, positive_16, _mm512_set1_ps, _mm512_loadu_ps, _mm512_storeu_ps, _mm512_fmadd_ps, _mm512_mul_ps, _mm512_max_ps }
    vector! { __m512d, f64, 8, 3, 4, transpose_4x4, positive_8_double, _mm512_set1_pd, _mm512_loadu_pd, _mm512_storeu_pd, _mm512_fmadd_pd, _mm512_mul_pd, _mm512_max_pd }
    vector! { __m256, f32, 8, 2, 8, transpose_8x8, positive_8, _mm256_set1_ps, _mm256_loadu_ps, _mm256_storeu_ps, _mm256_fmadd_ps, _mm256_mul_ps, _mm256_max_ps }
    vector! { __m256d, f64, 4, 2, 4, transpose_4x4, positive_4_double, _mm256_set1_pd, _mm256_loadu_pd, _mm256_storeu_pd, _mm256_fmadd_pd, _mm256_mul_pd, _mm256_max_pd }
}
