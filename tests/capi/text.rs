//! Text copied out, and the last error.

use crate::{made, message, name, ok, refused, string};
use laser::capi::boundary::{laser_last_callback_code, laser_last_error};
use laser::capi::library::*;
use laser::capi::options::*;
use laser::capi::status::*;
use std::ffi::{c_char, CStr};
use std::ptr::{null, null_mut};

#[test]
fn too_small_a_buffer_is_refused_and_left_alone() {
    let mut needed = 0;
    let mut buf = [7 as c_char; 8];
    let dtype = c"dtype".as_ptr();
    // SAFETY: see main.rs.
    unsafe {
        let options = made(|out| laser_options_new(null(), out));
        // "float32" and its NUL are 8 bytes.
        let status = laser_options_get_str(options, dtype, buf.as_mut_ptr(), 7, &mut needed);
        refused(
            status,
            LASER_ERR_INVALID_ARGUMENT,
            "`cap` is 7, but the text needs 8 bytes",
        );
        assert_eq!((needed, buf), (8, [7; 8]));
        let status = laser_options_get_str(options, dtype, buf.as_mut_ptr(), 0, null_mut());
        refused(status, LASER_ERR_INVALID_ARGUMENT, "needs 8 bytes");
        ok(laser_options_get_str(
            options,
            dtype,
            buf.as_mut_ptr(),
            8,
            null_mut(),
        ));
        assert_eq!(string(&buf), "float32");
        laser_options_free(options);
    }
}

#[test]
fn the_last_error_is_cut_to_the_buffer_and_stays() {
    let mut needed = 0;
    // SAFETY: see main.rs.
    unsafe {
        refused(laser_device_check(null()), LASER_ERR_NULL, "`device`");
        let whole = message();
        ok(laser_last_error(null_mut(), 0, &mut needed));
        assert_eq!(needed, whole.len() + 1);
        for cap in 1..=needed {
            let mut buf = vec![7; needed];
            let mut again = 0;
            ok(laser_last_error(buf.as_mut_ptr(), cap, &mut again));
            assert_eq!(again, needed);
            assert_eq!(string(&buf), whole[..cap - 1]);
            assert!(buf[cap..].iter().all(|&c| c == 7), "wrote past the buffer");
        }
        // Neither its own failure nor the success of others changes it.
        assert_eq!(laser_last_error(null_mut(), 1, null_mut()), LASER_ERR_NULL);
        laser_options_free(made(|out| laser_options_new(null(), out)));
        assert_eq!(message(), whole);
        assert_eq!(laser_last_callback_code(), 0);
    }
}

#[test]
fn each_thread_has_its_own_last_error() {
    // SAFETY: see main.rs.
    unsafe {
        refused(laser_device_check(null()), LASER_ERR_NULL, "`device`");
        std::thread::spawn(|| assert_eq!(message(), ""))
            .join()
            .unwrap();
        assert_ne!(message(), "");
    }
}

#[test]
fn statuses_have_names_and_numbers_that_never_change() {
    let names = [
        "LASER_OK",
        "LASER_ERR_INVALID_ARGUMENT",
        "LASER_ERR_NULL",
        "LASER_ERR_UNKNOWN_OPTION",
        "LASER_ERR_IO",
        "LASER_ERR_FORMAT",
        "LASER_ERR_CALLBACK",
        "LASER_ERR_CANCELLED",
        "LASER_ERR_BUSY",
        "LASER_ERR_UNSUPPORTED",
        "LASER_ERR_DATA",
        "LASER_ERR_NUMERICAL",
        "LASER_ERR_DEVICE",
        "LASER_ERR_TORCH",
        "LASER_ERR_INTERNAL",
        "LASER_ERR_PANIC",
        "LASER_ERR_MEMORY",
    ];
    for (number, expected) in names.iter().enumerate() {
        assert_eq!(name(number as i32), *expected);
    }
    for unknown in [-1, names.len() as i32, i32::MAX, i32::MIN] {
        assert_eq!(name(unknown), "unknown status");
    }
}

#[test]
fn versions_are_those_of_the_crate() {
    assert_eq!(laser_abi_version(), LASER_ABI_VERSION);
    // SAFETY: static text.
    let version = unsafe { CStr::from_ptr(laser_version()) };
    assert_eq!(version.to_str().unwrap(), env!("CARGO_PKG_VERSION"));
}

#[test]
fn devices_are_checked() {
    // SAFETY: see main.rs.
    unsafe {
        ok(laser_device_check(c"cpu".as_ptr()));
        let status = laser_device_check(c"toaster".as_ptr());
        refused(status, LASER_ERR_INVALID_ARGUMENT, "toaster");
        if !cfg!(feature = "torch") {
            let status = laser_device_check(c"cuda".as_ptr());
            refused(status, LASER_ERR_UNSUPPORTED, "libtorch");
        }
    }
}
