//! The library itself: versions and devices.

use super::boundary::call;
use super::status::laser_status;
use super::text;
use std::ffi::c_char;

/// Number of the C ABI that this header describes, the first number of the soname.
pub const LASER_ABI_VERSION: u32 = 0;

/// Number of the C ABI of the loaded library.
///
/// @return LASER_ABI_VERSION of the header it was built with: compare it with yours
///
/// Threads: any number at once.
#[no_mangle]
pub extern "C" fn laser_abi_version() -> u32 {
    LASER_ABI_VERSION
}

/// Version of the loaded library.
///
/// @return e.g. "0.1.0"; static, never NULL, not to be freed
///
/// Threads: any number at once.
#[no_mangle]
pub extern "C" fn laser_version() -> *const c_char {
    concat!(env!("CARGO_PKG_VERSION"), "\0").as_ptr().cast()
}

/// Tells whether a device can be used here, before hours are planned on it. A first question for a CUDA device loads
/// libtorch's CUDA part, which takes memory and a part of a second.
///
/// @param device "cpu", "cuda" or "cuda:N", as for the option "device"
/// @return LASER_OK; LASER_ERR_DEVICE with the reason in laser_last_error; LASER_ERR_INVALID_ARGUMENT for any other
/// word; LASER_ERR_UNSUPPORTED: a library without libtorch; LASER_ERR_NULL
///
/// Threads: any number at once.
#[no_mangle]
pub unsafe extern "C" fn laser_device_check(device: *const c_char) -> laser_status {
    call(|| {
        // SAFETY: the host's promise.
        let device = unsafe { text::read(device, "device")? };
        crate::protocol::device_check(device)
    })
}
