//! The choice of the processor's instructions.

use super::lanes::Element;
#[cfg(target_arch = "x86_64")]
use super::simd::{Avx2, Avx512};
use super::simd::{Portable, Simd};
use once_cell::sync::OnceCell;
use std::iter::once;

/// What computes: instructions that this processor is known to have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cpu {
    #[cfg(target_arch = "x86_64")]
    Avx512(Avx512),
    #[cfg(target_arch = "x86_64")]
    Avx2(Avx2),
    Portable(Portable),
}

/// A computation on a block.
pub(crate) trait Task<T: Element> {
    /// Does it, with the instructions `simd`. Must be `#[inline(always)]`, with all that it calls: only so is it compiled for the
    /// instructions of the caller.
    fn run<S: Simd<T>>(self, simd: S);
}

/// The environment variable that chooses slower instructions than the fastest: `avx512`, `avx2` or `portable`.
const INSTRUCTIONS: &str = "LASER_INSTRUCTIONS";

/// The word for the instructions that this process computes with, as the environment variable `LASER_INSTRUCTIONS` has it.
#[doc(hidden)] // public for the tests
pub fn instructions() -> &'static str {
    Cpu::detect().name()
}

impl Cpu {
    /// One per kind of instructions that this processor has, the fastest first.
    fn available() -> impl Iterator<Item = Cpu> {
        #[cfg(target_arch = "x86_64")]
        let vectors = [
            Avx512::detect().map(Cpu::Avx512),
            Avx2::detect().map(Cpu::Avx2),
        ];
        #[cfg(not(target_arch = "x86_64"))]
        let vectors: [Option<Cpu>; 0] = [];
        vectors
            .into_iter()
            .flatten()
            .chain(once(Cpu::Portable(Portable)))
    }

    /// The same, for tests.
    #[cfg(test)]
    pub(super) fn all() -> Vec<Self> {
        Cpu::available().collect()
    }

    /// The word for its instructions.
    fn name(self) -> &'static str {
        match self {
            #[cfg(target_arch = "x86_64")]
            Cpu::Avx512(_) => "avx512",
            #[cfg(target_arch = "x86_64")]
            Cpu::Avx2(_) => "avx2",
            Cpu::Portable(_) => "portable",
        }
    }

    /// The one of this word or, where this processor has none of it, the fastest.
    fn choose(word: Option<&str>) -> Self {
        let wanted = Cpu::available().find(|cpu| Some(cpu.name()) == word);
        let cpu = wanted.or_else(|| Cpu::available().next());
        cpu.unwrap_or(Cpu::Portable(Portable))
    }

    /// The fastest instructions of this processor, or those that the environment chooses instead. Chosen when first asked for: an
    /// evaluation and its repetition must not differ.
    pub(crate) fn detect() -> Self {
        static CPU: OnceCell<Cpu> = OnceCell::new();
        *CPU.get_or_init(|| Cpu::choose(std::env::var(INSTRUCTIONS).ok().as_deref()))
    }

    /// Runs the task with these instructions.
    #[inline]
    pub(crate) fn run<T: Element, K: Task<T>>(self, task: K) {
        match self {
            // SAFETY: an `Avx512` is proof that the processor has all that the function is compiled for.
            #[cfg(target_arch = "x86_64")]
            Cpu::Avx512(simd) => unsafe { avx512(simd, task) },
            // SAFETY: so is an `Avx2`.
            #[cfg(target_arch = "x86_64")]
            Cpu::Avx2(simd) => unsafe { avx2(simd, task) },
            Cpu::Portable(simd) => task.run(T::Portable::from(simd)),
        }
    }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512dq,avx512vl,avx512bw,avx2,fma")]
fn avx512<T: Element, K: Task<T>>(simd: Avx512, task: K) {
    task.run(T::Avx512::from(simd));
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
fn avx2<T: Element, K: Task<T>>(simd: Avx2, task: K) {
    task.run(T::Avx2::from(simd));
}

#[cfg(test)]
mod tests {
    use super::Cpu;

    #[test]
    fn a_word_chooses_what_this_processor_has() {
        let fastest = Cpu::available().next().unwrap();
        for cpu in Cpu::available() {
            assert_eq!(Cpu::choose(Some(cpu.name())), cpu);
        }
        for word in [None, Some(""), Some("AVX2"), Some("avx1024")] {
            assert_eq!(Cpu::choose(word), fastest, "{word:?}");
        }
    }
}
