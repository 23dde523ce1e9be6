//! What a call of C is kept apart by: panics inside say nothing on stderr, and what they said is kept, whatever thread of the call they are
//! on; and the host's floating-point environment, whatever it is, is not the one that the call computes in.

mod environment;

pub(crate) use environment::{host, library};

use std::any::Any;
use std::cell::{Cell, RefCell};
use std::panic::{self, AssertUnwindSafe};
use std::sync::Once;

thread_local! {
    /// Whether this thread works for a call of C.
    static INSIDE: Cell<bool> = const { Cell::new(false) };
    /// What the last panic inside has said, and where.
    static MESSAGE: RefCell<String> = const { RefCell::new(String::new()) };
}

/// A panic that was caught.
pub(crate) struct Caught {
    /// What it said, and where. Empty outside of calls.
    pub message: String,
    payload: Box<dyn Any + Send>,
}

impl Caught {
    /// Lets it go on, now on this thread.
    pub fn resume(self) -> ! {
        set_message(self.message);
        panic::resume_unwind(self.payload)
    }
}

/// Whether this thread works for a call of C. So must the threads that it starts.
pub(crate) fn inside() -> bool {
    INSIDE.get()
}

/// Does the work of a call of C if `inside`, or else of a program that deals with its panics itself.
pub(crate) fn catch<R>(inside: bool, work: impl FnOnce() -> R) -> Result<R, Caught> {
    if inside {
        keep_panics_off_stderr();
    }
    let before = INSIDE.replace(inside);
    // Whatever a panic leaves behind is memory-safe; LASER_ERR_PANIC tells the host not to build on it.
    let outcome = panic::catch_unwind(AssertUnwindSafe(work));
    INSIDE.set(before);
    outcome.map_err(|payload| Caught {
        message: set_message(String::new()),
        payload,
    })
}

/// Returns the message before.
fn set_message(message: String) -> String {
    // While a thread ends, its message may be gone already.
    MESSAGE
        .try_with(|last| last.replace(message))
        .unwrap_or_default()
}

/// The library writes nothing to stderr, panics included; and only the hook knows where a panic happened.
/// In liblaser.so the hook is private to the library; in a Rust program it leaves other panics to the hook before it.
fn keep_panics_off_stderr() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let previous = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            if inside() {
                set_message(info.to_string());
            } else {
                previous(info);
            }
        }));
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_inside_says_what_and_where() {
        let caught = catch(true, || panic!("bits fell out")).err().unwrap();
        let message = &caught.message;
        assert!(
            message.contains("bits fell out") && message.contains(file!()),
            "{message}"
        );
        assert!(!inside());
        let again = catch(true, || caught.resume()).err().unwrap();
        assert!(again.message.contains("bits fell out"));
    }

    #[test]
    fn the_outer_call_stays_inside_after_a_nested_one() {
        let outer = catch(true, || {
            assert!(catch(true, inside).is_ok_and(|inside| inside));
            inside()
        });
        assert!(outer.is_ok_and(|inside| inside));
    }
}
