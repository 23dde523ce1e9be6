//! The floating-point environment of a thread: rounding, traps, flags, and whether subnormal numbers are numbers.
//!
//! Rust computes in the default one: to nearest, without traps, with subnormal numbers. A host may have another, and may look at the flags.
//! So a call of C saves the host's, computes in the default, and puts the host's back; a callback of the host has the host's meanwhile.
//!
//! That these words are written by assembly is sound: Rust forbids it to leave another environment to Rust than the default, and here the
//! default is what it leaves to all that computes. In the host's nothing computes but the host: what lies between the two switches is code
//! of its own, which the compiler moves nothing into (`#[inline(never)]`).

use std::cell::Cell;

thread_local! {
    /// The host's, while this thread computes in the default one.
    static HOST: Cell<Option<Word>> = const { Cell::new(None) };
}

/// Does `work` in the default environment; what flags it leaves are not the host's to see. All that computes for a call of C.
pub(crate) fn library<R>(work: impl FnOnce() -> R) -> R {
    match HOST.get() {
        Some(_) => work(),
        None => enter(work),
    }
}

#[inline(never)]
fn enter<R>(work: impl FnOnce() -> R) -> R {
    let _leave = Leave;
    let host = get();
    HOST.set(Some(host));
    if modes(host) != modes(DEFAULT) {
        set(DEFAULT);
    }
    apart(work)
}

/// Puts the host's environment back, also when `work` panics.
struct Leave;

impl Drop for Leave {
    fn drop(&mut self) {
        if let Some(host) = HOST.take() {
            // To read it costs less than to write it.
            if get() != host {
                set(host);
            }
        }
    }
}

/// Does `work` in the host's environment, and keeps for the host what it changes there. For callbacks, which do not unwind.
#[inline(never)]
pub(crate) fn host<R>(work: impl FnOnce() -> R) -> R {
    let Some(host) = HOST.take() else {
        return work();
    };
    set(host);
    let result = apart(work);
    HOST.set(Some(get()));
    set(DEFAULT);
    result
}

#[inline(never)]
fn apart<R>(work: impl FnOnce() -> R) -> R {
    work()
}

/// MXCSR. The control word of x87 stays: no code here computes with x87.
#[cfg(target_arch = "x86_64")]
mod word {
    use std::arch::asm;

    pub(super) type Word = u32;
    pub(super) const DEFAULT: Word = 0x1F80;

    /// All but the flags.
    pub(super) fn modes(word: Word) -> Word {
        word & !0x3F
    }

    pub(super) fn get() -> Word {
        let mut word = 0;
        // SAFETY: stores four bytes.
        unsafe { asm!("stmxcsr [{}]", in(reg) &mut word, options(nostack, preserves_flags)) };
        word
    }

    pub(super) fn set(word: Word) {
        // SAFETY: either the default, or what the thread had when the host's code ran, which runs next.
        unsafe { asm!("ldmxcsr [{}]", in(reg) &word, options(nostack, preserves_flags, readonly)) };
    }
}

/// FPCR and FPSR.
#[cfg(target_arch = "aarch64")]
mod word {
    use std::arch::asm;

    pub(super) type Word = [u64; 2];
    pub(super) const DEFAULT: Word = [0; 2];

    /// All but the flags.
    pub(super) fn modes([control, _]: Word) -> u64 {
        control
    }

    pub(super) fn get() -> Word {
        let (control, status);
        // SAFETY: reads registers that every thread has.
        unsafe {
            asm!("mrs {}, fpcr", "mrs {}, fpsr", out(reg) control, out(reg) status, options(nostack, preserves_flags));
        }
        [control, status]
    }

    pub(super) fn set([control, status]: Word) {
        // SAFETY: either the default, or what the thread had when the host's code ran, which runs next.
        unsafe {
            asm!("msr fpcr, {}", "msr fpsr, {}", in(reg) control, in(reg) status, options(nostack));
        }
    }
}

use word::{get, modes, set, Word, DEFAULT};

#[cfg(test)]
mod tests {
    use super::*;

    /// Another environment of the host: flags that it has set.
    #[cfg(target_arch = "x86_64")]
    const OTHER: Word = DEFAULT | 0x15;
    #[cfg(target_arch = "aarch64")]
    const OTHER: Word = [0, 0x15];

    #[test]
    fn a_callback_within_a_call_has_the_environment_of_the_host() {
        let before = get();
        set(OTHER);
        library(|| {
            set(DEFAULT);
            host(|| {
                assert!(get() == OTHER);
                // A call of the callback.
                library(|| library(|| assert!(modes(get()) == modes(DEFAULT))));
                assert!(get() == OTHER);
                set(DEFAULT);
            });
            host(|| assert!(get() == DEFAULT));
            set(OTHER);
        });
        assert!(get() == DEFAULT);
        set(before);
    }

    #[test]
    fn the_host_gets_its_environment_back_after_a_panic() {
        let before = get();
        set(OTHER);
        let panicked = std::panic::catch_unwind(|| library(|| -> () { panic!("bits fell out") }));
        assert!(panicked.is_err() && get() == OTHER && HOST.get().is_none());
        set(before);
    }
}
