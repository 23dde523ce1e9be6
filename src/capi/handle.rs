//! Who owns an object of the C API, and who may use it now.
//!
//! Every handle is a counted reference to its object. The host owns one; a call takes its own for as long as it runs, and so
//! does an object that needs another (hooks their cancel token). So a handle freed by a callback of a call that uses it lives
//! until that call is done. Objects that can change sit behind a [`Gate`]. Nothing here ever waits.

use crate::{Error, Result};
use parking_lot::{RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::ffi::c_void;
use std::sync::Arc;

/// An object of the C API. The bounds are the rule that a `const` handle may be used from any number of threads.
pub(super) trait Handle: Send + Sync + Sized {
    /// The handle for the host, which owns it until [`Handle::free`].
    fn give(self) -> *mut Self {
        Arc::into_raw(Arc::new(self)).cast_mut()
    }

    /// A reference to the object for the duration of a call, or longer. `argument` is its name in the header.
    ///
    /// # Safety
    /// `handle` is NULL or came from [`Handle::give`] and was not freed.
    unsafe fn hold(handle: *const Self, argument: &'static str) -> Result<Arc<Self>> {
        if handle.is_null() {
            return Err(Error::NullPointer(argument));
        }
        // SAFETY: a live handle is a counted reference; the count goes up before one more takes part in it.
        unsafe {
            Arc::increment_strong_count(handle);
            Ok(Arc::from_raw(handle))
        }
    }

    /// Gives up the host's reference; NULL is fine.
    ///
    /// # Safety
    /// As [`Handle::hold`]; the host does not use `handle` again.
    unsafe fn free(handle: *mut Self) {
        // Dropping networks goes through libtorch, so even this could panic.
        super::boundary::call(|| {
            if !handle.is_null() {
                // SAFETY: the host's reference, which it gives up.
                drop(unsafe { Arc::from_raw(handle) });
            }
            Ok(())
        });
    }
}

/// Lets in many readers or one writer, and turns others away instead of letting them wait.
pub(super) struct Gate<T> {
    name: &'static str,
    lock: RwLock<T>,
}

impl<T> Gate<T> {
    /// `name` is the object's name in messages.
    pub fn new(name: &'static str, object: T) -> Self {
        Gate {
            name,
            lock: RwLock::new(object),
        }
    }

    /// The object, shared with other readers.
    ///
    /// # Errors
    /// [`Error::Busy`] while it is being changed.
    pub fn read(&self) -> Result<RwLockReadGuard<'_, T>> {
        self.lock.try_read().ok_or(Error::Busy(self.name))
    }

    /// The object, alone.
    ///
    /// # Errors
    /// [`Error::Busy`] while it is used by anyone else.
    pub fn write(&self) -> Result<RwLockWriteGuard<'_, T>> {
        self.lock.try_write().ok_or(Error::Busy(self.name))
    }
}

/// The `void *user` of a callback.
#[derive(Clone, Copy)]
pub(super) struct User(pub *mut c_void);

// SAFETY: never dereferenced here. Whatever thread calls into the library is the one that hands it back to the host,
// which knows what it points to.
unsafe impl Send for User {}
// SAFETY: as above.
unsafe impl Sync for User {}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Weak;

    struct Object;
    impl Handle for Object {}

    #[test]
    fn a_handle_freed_during_a_call_lives_until_its_end() {
        let handle = Object.give();
        // SAFETY: `handle` is live until it is freed, and not used afterwards.
        let (held, weak): (Arc<Object>, Weak<Object>) = unsafe {
            let held = Object::hold(handle, "object").unwrap();
            Object::free(handle);
            (held.clone(), Arc::downgrade(&held))
        };
        assert!(weak.upgrade().is_some());
        drop(held);
        assert!(weak.upgrade().is_none(), "leaked");
    }

    #[test]
    fn a_gate_lets_in_readers_or_one_writer() {
        let gate = Gate::new("thing", 1);
        {
            let first = gate.read().unwrap();
            let second = gate.read().unwrap();
            assert_eq!(*first + *second, 2);
            assert!(matches!(gate.write(), Err(Error::Busy("thing"))));
        }
        *gate.write().unwrap() = 5;
        let writer = gate.write().unwrap();
        assert!(gate.read().is_err() && gate.write().is_err());
        drop(writer);
        assert_eq!(*gate.read().unwrap(), 5);
    }
}
