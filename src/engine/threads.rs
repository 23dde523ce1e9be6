//! Threads that live no longer than a call.

use crate::guard;
use std::panic::resume_unwind;
use std::thread::{self, Builder};

/// Does all of `work` at once: the last on the calling thread, the others on threads of their own that end before this returns. What no
/// thread can be had for is done on the calling thread too. A panic of any of it goes on on the calling thread.
pub(crate) fn all<W: FnOnce() + Send>(work: impl Iterator<Item = W>) {
    let mut work: Vec<Option<W>> = work.map(Some).collect();
    let mut own = work.pop().flatten();
    thread::scope(|scope| {
        let inside = guard::inside();
        // On failure the slot keeps its work.
        let spawn = |slot| {
            let work = move || guard::catch(inside, || guard::library(|| run(slot)));
            Builder::new().spawn_scoped(scope, work).ok()
        };
        let others: Vec<_> = work.iter_mut().filter_map(spawn).collect();
        run(&mut own);
        // The scope would wait too, but a panic comes out of `join` as it is, and ThreadSanitizer sees no other end of a thread.
        for other in others {
            let done = other.join().unwrap_or_else(|panic| resume_unwind(panic));
            done.unwrap_or_else(|caught| caught.resume());
        }
    });
    work.iter_mut().for_each(run);
}

fn run<W: FnOnce()>(slot: &mut Option<W>) {
    if let Some(work) = slot.take() {
        work();
    }
}

#[cfg(test)]
mod tests {
    use crate::guard;
    use std::sync::atomic::{AtomicU32, Ordering};

    #[test]
    fn all_work_is_done_once() {
        for n in [0, 1, 2, 17] {
            let done = AtomicU32::new(0);
            super::all((0..n).map(|i| {
                let done = &done;
                move || {
                    done.fetch_add(1 << i, Ordering::Relaxed);
                }
            }));
            assert_eq!(done.into_inner(), (1 << n) - 1);
        }
    }

    /// On stderr if the helper did not know that it is inside: only what the hook keeps off stderr has a message.
    #[test]
    fn a_panic_on_a_helper_reaches_the_caller_of_c_with_its_message() {
        let all = || {
            super::all((0..3).map(|i| move || assert!(i != 1, "bits fell out of a helper")));
        };
        let caught = guard::catch(true, all).err().unwrap();
        assert!(
            caught.message.contains("bits fell out of a helper"),
            "{}",
            caught.message
        );
        assert!(caught.message.contains(file!()), "{}", caught.message);
    }
}
