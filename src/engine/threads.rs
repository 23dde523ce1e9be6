//! Threads that live no longer than a call.

use crate::{guard, Result};
use std::panic::resume_unwind;
use std::thread::{self, Builder};

/// Does all of `work` at once: the last on the calling thread, the others on threads of their own that end before this returns. What no
/// thread can be had for is done on the calling thread too. A panic of any of it goes on on the calling thread.
///
/// # Errors
/// The first of the work, in its order.
pub(crate) fn all<W: FnOnce() -> Result<()> + Send>(work: impl Iterator<Item = W>) -> Result<()> {
    let mut work: Vec<Slot<W>> = work.map(|work| (Some(work), Ok(()))).collect();
    let mut own = work.pop();
    thread::scope(|scope| {
        let inside = guard::inside();
        // On failure the slot keeps its work.
        let spawn = |slot| {
            let work = move || guard::catch(inside, || guard::library(|| run(slot)));
            Builder::new().spawn_scoped(scope, work).ok()
        };
        let others: Vec<_> = work.iter_mut().filter_map(spawn).collect();
        own.iter_mut().for_each(run);
        // The scope would wait too, but a panic comes out of `join` as it is, and ThreadSanitizer sees no other end of a thread.
        for other in others {
            let done = other.join().unwrap_or_else(|panic| resume_unwind(panic));
            done.unwrap_or_else(|caught| caught.resume());
        }
    });
    work.iter_mut().for_each(run);
    work.into_iter()
        .chain(own)
        .try_for_each(|(_, result)| result)
}

/// Work until it is done, and its result.
type Slot<W> = (Option<W>, Result<()>);

fn run<W: FnOnce() -> Result<()>>(slot: &mut Slot<W>) {
    if let Some(work) = slot.0.take() {
        slot.1 = work();
    }
}

#[cfg(test)]
mod tests {
    use crate::{guard, Error};
    use std::sync::atomic::{AtomicU32, Ordering};

    #[test]
    fn all_work_is_done_once() {
        for n in [0, 1, 2, 17] {
            let done = AtomicU32::new(0);
            super::all((0..n).map(|i| {
                let done = &done;
                move || {
                    done.fetch_add(1 << i, Ordering::Relaxed);
                    Ok(())
                }
            }))
            .unwrap();
            assert_eq!(done.into_inner(), (1 << n) - 1);
        }
    }

    #[test]
    fn the_first_error_in_order_comes_back() {
        let failing = (0..9).map(|i| {
            move || match i {
                0 | 3 | 6 => Ok(()),
                _ => Err(Error::Data(format!("{i}"))),
            }
        });
        assert_eq!(super::all(failing).unwrap_err().to_string(), "1");
    }

    /// On stderr if the helper did not know that it is inside: only what the hook keeps off stderr has a message.
    #[test]
    fn a_panic_on_a_helper_reaches_the_caller_of_c_with_its_message() {
        let all = || {
            super::all((0..3).map(|i| {
                move || {
                    assert!(i != 1, "bits fell out of a helper");
                    Ok(())
                }
            }))
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
