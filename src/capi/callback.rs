//! Callbacks of the host that belong to immutable handles.

use super::handle::User;
use super::hooks::go_on;
use crate::{guard, Error, Result};
use std::ffi::c_void;
use std::sync::atomic::{AtomicBool, Ordering};

/// A callback of type `F`, in use by one thread at a time.
pub(super) struct Callback<F> {
    /// As messages call it.
    name: &'static str,
    argument: &'static str,
    function: F,
    user: User,
    busy: AtomicBool,
}

/// Ends the use of a callback.
struct Release<'a>(&'a AtomicBool);

impl Drop for Release<'_> {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Release);
    }
}

impl<F: Copy> Callback<F> {
    /// `argument` is the callback's name in the header.
    ///
    /// # Errors
    /// [`Error::NullPointer`].
    pub fn new(
        (name, argument): (&'static str, &'static str),
        function: Option<F>,
        user: *mut c_void,
    ) -> Result<Self> {
        Ok(Callback {
            name,
            argument,
            function: function.ok_or(Error::NullPointer(argument))?,
            user: User(user),
            busy: AtomicBool::new(false),
        })
    }

    /// Has `call` call it with its `user`, as the host would.
    ///
    /// # Errors
    /// [`Error::Busy`] while it is in use; [`Error::Callback`] if it does not return 0.
    pub fn call(&self, call: impl FnOnce(F, *mut c_void) -> i32) -> Result<()> {
        if self.busy.swap(true, Ordering::Acquire) {
            return Err(Error::Busy(self.name));
        }
        let _release = Release(&self.busy);
        go_on(
            self.argument,
            guard::host(|| call(self.function, self.user.0)),
        )
    }
}
