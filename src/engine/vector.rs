//! The few operations on vectors that sums are made of. Compilers find vectors in loops over single features by themselves; they do not
//! reliably keep a tile of sums in registers, so these are explicit.

use super::lanes::Element;

/// Some lanes of a feature in a register.
///
/// The methods of an implementation are for processors that have its instructions: only tasks that a [`Cpu`](super::lanes::Cpu) runs
/// name them.
pub(super) trait Vector<T: Element>: Copy {
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
    use super::Vector;
    use std::arch::x86_64::*;

    macro_rules! vector {
        ($v:ty, $t:ty, $lanes:literal, $splat:ident, $load:ident, $store:ident, $fma:ident, $mul:ident, $max:ident) => {
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
                fn mul_add(a: $t, b: $t, c: $t) -> $t {
                    a.mul_add(b, c)
                }
            }
        };
    }

    vector! { __m512, f32, 16, _mm512_set1_ps, _mm512_loadu_ps, _mm512_storeu_ps, _mm512_fmadd_ps, _mm512_mul_ps, _mm512_max_ps }
    vector! { __m512d, f64, 8, _mm512_set1_pd, _mm512_loadu_pd, _mm512_storeu_pd, _mm512_fmadd_pd, _mm512_mul_pd, _mm512_max_pd }
    vector! { __m256, f32, 8, _mm256_set1_ps, _mm256_loadu_ps, _mm256_storeu_ps, _mm256_fmadd_ps, _mm256_mul_ps, _mm256_max_ps }
    vector! { __m256d, f64, 4, _mm256_set1_pd, _mm256_loadu_pd, _mm256_storeu_pd, _mm256_fmadd_pd, _mm256_mul_pd, _mm256_max_pd }
}
