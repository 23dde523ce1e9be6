//! What crosses the boundary when something fails: a status number and, on request, the message. Never a panic.

use super::status::{self, laser_status, LASER_ERR_NULL, LASER_ERR_PANIC, LASER_OK};
use super::text;
use crate::{guard, Error, Result};
use std::cell::{Cell, RefCell};
use std::ffi::c_char;

/// Bytes of a message that are kept while a thread ends.
const KEPT: usize = 1000;

thread_local! {
    static LAST_MESSAGE: RefCell<String> = const { RefCell::new(String::new()) };
    /// In its place once it is gone, as in destructors of the host that run when a thread or the process ends: nothing that needs to be
    /// dropped, so it stays to the last.
    static LAST_OF_ALL: Cell<([u8; KEPT], usize)> = const { Cell::new(([0; KEPT], 0)) };
    static LAST_CALLBACK_CODE: Cell<i32> = const { Cell::new(0) };
}

/// Runs the body of a C function; turns its error, or its panic, into a status number and this thread's last error.
pub(super) fn call(body: impl FnOnce() -> Result<()>) -> laser_status {
    bare_call(|| guard::library(body))
}

/// [`call`] in the floating-point environment of the host: of bodies that see to that themselves.
pub(super) fn bare_call(body: impl FnOnce() -> Result<()>) -> laser_status {
    match guard::catch(true, body) {
        Ok(Ok(())) => LASER_OK,
        Ok(Err(error)) => guard::library(|| {
            let code = match error {
                Error::Callback { code, .. } => code,
                _ => 0,
            };
            remember(error.to_string(), code);
            status::of(&error)
        }),
        Err(panic) => {
            remember(Error::Internal(panic.message).to_string(), 0);
            LASER_ERR_PANIC
        }
    }
}

fn remember(message: String, callback_code: i32) {
    let replace = |last: &RefCell<String>| last.borrow_mut().clone_from(&message);
    if LAST_MESSAGE.try_with(replace).is_err() {
        let mut kept = [0; KEPT];
        let length = message.floor_char_boundary(KEPT);
        kept[..length].copy_from_slice(&message.as_bytes()[..length]);
        LAST_OF_ALL.set((kept, length));
    }
    LAST_CALLBACK_CODE.set(callback_code);
}

/// Copies out the message of this thread's last failure: which argument, what was wrong with it, what would be right.
///
/// Successful calls leave it as it is, and so does this function, whatever it returns; ask after a failure.
/// Too long a message is cut, at a whole character. Before the first failure it is empty.
///
/// @param buf receives the message, always NUL-terminated; may be NULL if `cap` is 0, to ask for the size only
/// @param cap size of `buf` in bytes
/// @param needed receives the size of the whole message in bytes, its NUL included; may be NULL
/// @return LASER_OK, also for a message that was cut; LASER_ERR_NULL if `buf` is NULL and `cap` is not 0
///
/// Threads: any number at once, each has its own message.
#[no_mangle]
pub unsafe extern "C" fn laser_last_error(
    buf: *mut c_char,
    cap: usize,
    needed: *mut usize,
) -> laser_status {
    if buf.is_null() && cap != 0 {
        return LASER_ERR_NULL;
    }
    let copy = |message: &str| {
        // SAFETY: the host's promise; `buf` is not NULL if `cap` is not 0.
        unsafe { text::copy_truncated(message, buf, cap, needed) }
    };
    if LAST_MESSAGE.try_with(|last| copy(&last.borrow())).is_err() {
        let (kept, length) = LAST_OF_ALL.get();
        copy(str::from_utf8(&kept[..length]).unwrap_or_default());
    }
    LASER_OK
}

/// What the callback returned that ended this thread's last failed call.
///
/// @return the number if that call's status was LASER_ERR_CALLBACK, otherwise 0
///
/// Threads: any number at once, each has its own number.
#[no_mangle]
pub extern "C" fn laser_last_callback_code() -> i32 {
    LAST_CALLBACK_CODE.get()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn last_error() -> String {
        LAST_MESSAGE.with(|last| last.borrow().clone())
    }

    #[test]
    fn a_panic_becomes_a_status_that_says_where() {
        assert_eq!(call(|| panic!("bits fell out")), LASER_ERR_PANIC);
        assert!(last_error().contains("bits fell out"), "{}", last_error());
        assert!(last_error().contains(file!()), "{}", last_error());
    }

    #[test]
    fn an_outer_call_fails_after_a_nested_one() {
        let status = call(|| {
            assert_eq!(call(|| Ok(())), LASER_OK);
            Err(Error::Data("outer".into()))
        });
        assert_eq!(status, status::LASER_ERR_DATA);
        assert_eq!(last_error(), "outer");
    }

    #[test]
    fn the_callback_code_belongs_to_the_last_failure() {
        let stopped = || {
            Err(Error::Callback {
                callback: "events",
                code: -7,
            })
        };
        assert_eq!(call(stopped), status::LASER_ERR_CALLBACK);
        assert_eq!(call(|| Ok(())), LASER_OK);
        assert_eq!(laser_last_callback_code(), -7);
        call(|| Err(Error::NullPointer("x")));
        assert_eq!(laser_last_callback_code(), 0);
    }
}
