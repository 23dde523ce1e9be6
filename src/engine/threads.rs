//! Threads that live no longer than a call.

use std::panic::resume_unwind;
use std::thread::{self, Builder};

/// Does all of `work` at once: the last on the calling thread, the others on threads of their own that end before this returns. What no
/// thread can be had for is done on the calling thread too.
pub(super) fn all<W: FnOnce() + Send>(work: impl Iterator<Item = W>) {
    let mut work: Vec<Option<W>> = work.map(Some).collect();
    let mut own = work.pop().flatten();
    thread::scope(|scope| {
        // On failure the slot keeps its work.
        let spawn = |slot| Builder::new().spawn_scoped(scope, || run(slot)).ok();
        let others: Vec<_> = work.iter_mut().filter_map(spawn).collect();
        run(&mut own);
        // The scope would wait too, but a panic comes out of `join` as it is, and ThreadSanitizer sees no other end of a thread.
        for other in others {
            if let Err(panic) = other.join() {
                resume_unwind(panic);
            }
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
}
