//! Threads that do work for the one that calls.

use crate::guard::{self, Caught};
use crate::Result;
use std::mem::{forget, replace, take};
use std::process;
use std::sync::atomic::{AtomicUsize, Ordering};
// Not parking_lot's, whose waiting threads lie in a table of the process: its locks may be held in the child of a fork.
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{Builder, JoinHandle};

/// Does all of `work` at once: the last on the calling thread, the others on threads of their own that end before this returns. What no
/// thread can be had for, or none has begun when the calling thread is done with its own, is done there too. A panic of any of it goes on on the calling thread.
///
/// # Errors
/// The first of the work, in its order.
pub(crate) fn all<W: FnOnce() -> Result<()> + Send>(work: impl Iterator<Item = W>) -> Result<()> {
    Team::default().all(work)
}

/// Threads that stay from one call of [`Team::all`] to the next, asleep between them, and end with this. They are started when first needed,
/// and again in the child of a fork, which has none of them.
#[derive(Default)]
pub(crate) struct Team {
    helpers: Vec<Helper>,
    /// The process that they are threads of.
    process: u32,
}

impl Team {
    /// As [`all`], but the threads stay.
    ///
    /// # Errors
    /// As there.
    pub(crate) fn all<W: FnOnce() -> Result<()> + Send>(
        &mut self,
        work: impl Iterator<Item = W>,
    ) -> Result<()> {
        let mut work: Vec<Slot<W>> = work.map(|work| (Some(work), Ok(()))).collect();
        let mut own = work.pop();
        self.start(work.len());
        let mut jobs: Vec<_> = work.iter_mut().map(|slot| move || run(slot)).collect();
        let given = Given::new(&self.helpers, &mut jobs);
        own.iter_mut().for_each(run);
        if let Some(caught) = given.wait() {
            caught.resume();
        }
        drop(given);
        drop(jobs);
        work.iter_mut().for_each(run);
        work.into_iter()
            .chain(own)
            .try_for_each(|(_, result)| result)
    }

    /// Sees that there are `wanted` helpers, or as many as can be had.
    fn start(&mut self, wanted: usize) {
        let process = process::id();
        if self.process != process {
            self.abandon();
            self.process = process;
        }
        while self.helpers.len() < wanted {
            match Helper::new() {
                Some(helper) => self.helpers.push(helper),
                None => break,
            }
        }
    }

    /// Forgets threads that are another process's: here they cannot be ended, and their locks may be held for ever.
    fn abandon(&mut self) {
        forget(take(&mut self.helpers));
    }
}

impl Drop for Team {
    fn drop(&mut self) {
        if self.process != process::id() {
            return self.abandon();
        }
        for helper in &self.helpers {
            helper.desk.put(State::End);
        }
        for helper in self.helpers.drain(..) {
            // It does not panic: its work is caught. ThreadSanitizer sees no other end of a thread.
            let _ = helper.thread.join();
        }
    }
}

/// Work until it is done, and its result.
type Slot<W> = (Option<W>, Result<()>);

fn run<W: FnOnce() -> Result<()>>(slot: &mut Slot<W>) {
    if let Some(work) = slot.0.take() {
        slot.1 = work();
    }
}

struct Helper {
    desk: Arc<Desk>,
    thread: JoinHandle<()>,
}

impl Helper {
    /// None where no thread can be had.
    fn new() -> Option<Self> {
        let desk = Arc::<Desk>::default();
        let own = desk.clone();
        let thread = Builder::new().spawn(move || own.serve()).ok()?;
        Some(Helper { desk, thread })
    }
}

/// Where a helper finds its work, and leaves how it ended.
#[derive(Default)]
struct Desk {
    state: Mutex<State>,
    changed: Condvar,
    /// Says again what the lock says: that its holders come one after the other. ThreadSanitizer does not see into the standard library.
    order: AtomicUsize,
}

#[derive(Default)]
enum State {
    #[default]
    Idle,
    Work(Job),
    Busy,
    Done(std::result::Result<(), Caught>),
    End,
}

/// What a helper is to do, for the thread that gave it.
struct Job {
    work: *mut (dyn FnMut() + Send),
    /// Whether that thread works for a call of C.
    inside: bool,
}

// SAFETY: what `work` points to may be sent, and only one thread at a time uses it, see `Given`.
unsafe impl Send for Job {}

impl Desk {
    fn lock(&self) -> MutexGuard<'_, State> {
        let state = self.state.lock();
        self.order.load(Ordering::Acquire);
        state.unwrap_or_else(PoisonError::into_inner)
    }

    fn leave(&self, state: MutexGuard<State>) {
        self.order.fetch_add(1, Ordering::Release);
        drop(state);
    }

    /// Until the state may have changed.
    fn sleep<'a>(&self, state: MutexGuard<'a, State>) -> MutexGuard<'a, State> {
        self.order.fetch_add(1, Ordering::Release);
        let woken = self.changed.wait(state);
        self.order.load(Ordering::Acquire);
        woken.unwrap_or_else(PoisonError::into_inner)
    }

    fn put(&self, state: State) {
        let mut now = self.lock();
        *now = state;
        self.leave(now);
        self.changed.notify_one();
    }

    /// Does what is given, until the end.
    fn serve(&self) {
        let mut state = self.lock();
        loop {
            match replace(&mut *state, State::Busy) {
                State::Work(Job { work, inside }) => {
                    self.leave(state);
                    // SAFETY: `Given` keeps it where it is, and leaves it alone until this says that it is done.
                    let work = unsafe { &mut *work };
                    let done = guard::catch(inside, || guard::library(work));
                    self.put(State::Done(done));
                    state = self.lock();
                }
                State::End => return,
                other => {
                    *state = other;
                    state = self.sleep(state);
                }
            }
        }
    }

    /// Waits until the work that was given is done, or takes it back if it has not begun: on a busy machine a helper may wake late.
    fn wait(&self) -> std::result::Result<(), Caught> {
        let mut state = self.lock();
        loop {
            let done = match replace(&mut *state, State::Idle) {
                State::Done(done) => done,
                State::Idle | State::Work(_) => Ok(()),
                other => {
                    *state = other;
                    state = self.sleep(state);
                    continue;
                }
            };
            self.leave(state);
            return done;
        }
    }
}

/// Work that helpers have been given. It outlives nothing that the work borrows: no helper is at it when this ends, also by a panic.
struct Given<'a> {
    helpers: &'a [Helper],
}

impl<'a> Given<'a> {
    /// Gives every job to a helper, as far as there are any.
    fn new<J: FnMut() + Send>(helpers: &'a [Helper], jobs: &'a mut [J]) -> Self {
        let given = Given {
            helpers: &helpers[..jobs.len().min(helpers.len())],
        };
        let inside = guard::inside();
        for (helper, job) in given.helpers.iter().zip(jobs) {
            let work: *mut (dyn FnMut() + Send + 'a) = job;
            // SAFETY: a pointer to the same, whose lifetime is not known to the helper: it is not used after `Drop`, which comes before
            // the end of 'a.
            let work = unsafe {
                std::mem::transmute::<
                    *mut (dyn FnMut() + Send + 'a),
                    *mut (dyn FnMut() + Send + 'static),
                >(work)
            };
            helper.desk.put(State::Work(Job { work, inside }));
        }
        given
    }

    /// Waits until all that was begun is done; the first panic, in the order of the work.
    fn wait(&self) -> Option<Caught> {
        let all = self.helpers.iter();
        let panics: Vec<Caught> = all.filter_map(|helper| helper.desk.wait().err()).collect();
        panics.into_iter().next()
    }
}

impl Drop for Given<'_> {
    fn drop(&mut self) {
        self.wait();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Error;
    use std::collections::HashSet;
    use std::sync::atomic::{AtomicU32, Ordering};
    use std::sync::Barrier;
    use std::thread;

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
    fn threads_stay_from_call_to_call_and_end_with_their_team() {
        let mut team = Team::default();
        let names = |team: &mut Team, n: usize| {
            let names = parking_lot::Mutex::new(HashSet::new());
            // None is done before all are begun.
            let all = Barrier::new(n);
            let work = (0..n).map(|_| {
                || {
                    all.wait();
                    names.lock().insert(thread::current().id());
                    Ok(())
                }
            });
            team.all(work).unwrap();
            names.into_inner()
        };
        let first = names(&mut team, 3);
        assert_eq!(first.len(), 3);
        for n in [1, 2, 3, 3] {
            assert!(names(&mut team, n).is_subset(&first));
        }
        assert_eq!(names(&mut team, 5).intersection(&first).count(), 3);
        let desks: Vec<_> = team
            .helpers
            .iter()
            .map(|h| Arc::downgrade(&h.desk))
            .collect();
        drop(team);
        assert!(desks.len() == 4 && desks.iter().all(|desk| desk.upgrade().is_none()));
    }

    #[test]
    fn a_team_goes_on_after_a_panic() {
        let mut team = Team::default();
        for panicking in 0..3 {
            let all = Barrier::new(3);
            let done = AtomicU32::new(0);
            let work = (0..3).map(|i| {
                let (all, done) = (&all, &done);
                move || {
                    all.wait();
                    assert!(i != panicking, "bits fell out");
                    done.fetch_add(1, Ordering::Relaxed);
                    Ok(())
                }
            });
            assert!(guard::catch(true, || team.all(work)).is_err());
            assert_eq!(done.into_inner(), 2, "what was begun is done");
        }
        team.all((0..3).map(|_| || Ok(()))).unwrap();
    }

    /// The child has no helpers of its parent's, and starts its own.
    #[cfg(unix)]
    #[test]
    fn a_team_works_in_the_child_of_a_fork() {
        let mut team = Team::default();
        let count = |team: &mut Team| {
            let done = AtomicU32::new(0);
            let work = (0..3).map(|_| {
                || {
                    done.fetch_add(1, Ordering::Relaxed);
                    Ok(())
                }
            });
            team.all(work).map(|()| done.into_inner())
        };
        assert_eq!(count(&mut team).unwrap(), 3);
        // SAFETY: the child does what is under test, and ends without returning to the test.
        let child = unsafe { libc::fork() };
        if child == 0 {
            let right = count(&mut team).is_ok_and(|done| done == 3);
            drop(team);
            // SAFETY: no handlers of the parent's run.
            unsafe { libc::_exit(i32::from(!right)) };
        }
        let mut status = -1;
        // SAFETY: the status is written to a place of its own.
        assert_eq!(unsafe { libc::waitpid(child, &mut status, 0) }, child);
        assert_eq!(status, 0);
        assert_eq!(count(&mut team).unwrap(), 3);
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
