//! Status numbers.

use crate::Error;
use std::ffi::{c_char, CStr};
use std::io::ErrorKind;

/// What every fallible function returns: LASER_OK or one of LASER_ERR_*. The numbers never change.
pub type laser_status = i32;

/// Success.
pub const LASER_OK: laser_status = 0;
/// An argument outside its domain: zero, overflowing or too small a size, NaN, an unknown constant, text that is not UTF-8.
pub const LASER_ERR_INVALID_ARGUMENT: laser_status = 1;
/// A pointer that must not be NULL was NULL.
pub const LASER_ERR_NULL: laser_status = 2;
/// An option key that does not exist; the message names near misses.
pub const LASER_ERR_UNKNOWN_OPTION: laser_status = 3;
/// A file could not be read or written; the message has the path and what the operating system said.
pub const LASER_ERR_IO: laser_status = 4;
/// Not a valid model file.
pub const LASER_ERR_FORMAT: laser_status = 5;
/// A callback of the host returned nonzero: laser_last_callback_code tells what.
pub const LASER_ERR_CALLBACK: laser_status = 6;
/// The cancel token was tripped.
pub const LASER_ERR_CANCELLED: laser_status = 7;
/// A handle is in use by another call: of another thread, or the one that called the callback that called this.
pub const LASER_ERR_BUSY: laser_status = 8;
/// This build, model or method cannot do what was asked.
pub const LASER_ERR_UNSUPPORTED: laser_status = 9;
/// Events that cannot be used: NaN, infinite, too few, without weight.
pub const LASER_ERR_DATA: laser_status = 10;
/// A computation left the finite numbers.
pub const LASER_ERR_NUMERICAL: laser_status = 11;
/// The compute device cannot be used; the message says why.
pub const LASER_ERR_DEVICE: laser_status = 12;
/// libtorch reported an error.
pub const LASER_ERR_TORCH: laser_status = 13;
/// A defect of liblaser, noticed by itself: please report it.
pub const LASER_ERR_INTERNAL: laser_status = 14;
/// A defect of liblaser, stopped at its boundary: please report it. Free the handles of that call; do not use them on.
pub const LASER_ERR_PANIC: laser_status = 15;

/// Memory that cannot be had: the message says how much, and what for. Nothing has changed that another call would meet.
pub const LASER_ERR_MEMORY: laser_status = 16;

/// The status number of an error.
pub(super) fn of(error: &Error) -> laser_status {
    match error {
        Error::InvalidArgument(_) => LASER_ERR_INVALID_ARGUMENT,
        Error::NullPointer(_) => LASER_ERR_NULL,
        Error::UnknownOption { .. } => LASER_ERR_UNKNOWN_OPTION,
        Error::Io { source, .. } if source.kind() == ErrorKind::OutOfMemory => LASER_ERR_MEMORY,
        Error::Io { .. } => LASER_ERR_IO,
        Error::Format(_) => LASER_ERR_FORMAT,
        Error::Callback { .. } | Error::Host(_) => LASER_ERR_CALLBACK,
        Error::Cancelled(_) => LASER_ERR_CANCELLED,
        Error::Busy(_) => LASER_ERR_BUSY,
        Error::Unsupported(_) => LASER_ERR_UNSUPPORTED,
        Error::Data(_) | Error::NotFinite { .. } => LASER_ERR_DATA,
        Error::Numerical(_) => LASER_ERR_NUMERICAL,
        Error::Device(_) => LASER_ERR_DEVICE,
        Error::Torch(_) => LASER_ERR_TORCH,
        Error::Internal(_) => LASER_ERR_INTERNAL,
        Error::Memory { .. } => LASER_ERR_MEMORY,
    }
}

fn name(status: laser_status) -> &'static CStr {
    match status {
        LASER_OK => c"LASER_OK",
        LASER_ERR_INVALID_ARGUMENT => c"LASER_ERR_INVALID_ARGUMENT",
        LASER_ERR_NULL => c"LASER_ERR_NULL",
        LASER_ERR_UNKNOWN_OPTION => c"LASER_ERR_UNKNOWN_OPTION",
        LASER_ERR_IO => c"LASER_ERR_IO",
        LASER_ERR_FORMAT => c"LASER_ERR_FORMAT",
        LASER_ERR_CALLBACK => c"LASER_ERR_CALLBACK",
        LASER_ERR_CANCELLED => c"LASER_ERR_CANCELLED",
        LASER_ERR_BUSY => c"LASER_ERR_BUSY",
        LASER_ERR_UNSUPPORTED => c"LASER_ERR_UNSUPPORTED",
        LASER_ERR_DATA => c"LASER_ERR_DATA",
        LASER_ERR_NUMERICAL => c"LASER_ERR_NUMERICAL",
        LASER_ERR_DEVICE => c"LASER_ERR_DEVICE",
        LASER_ERR_TORCH => c"LASER_ERR_TORCH",
        LASER_ERR_INTERNAL => c"LASER_ERR_INTERNAL",
        LASER_ERR_PANIC => c"LASER_ERR_PANIC",
        LASER_ERR_MEMORY => c"LASER_ERR_MEMORY",
        _ => c"unknown status",
    }
}

/// The name of a status number, for messages.
///
/// @param status any number
/// @return e.g. "LASER_ERR_IO", or "unknown status"; static, never NULL, not to be freed
///
/// Threads: any number at once.
#[no_mangle]
pub extern "C" fn laser_status_name(status: laser_status) -> *const c_char {
    name(status).as_ptr()
}
