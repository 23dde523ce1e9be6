//! The C API, called as a host calls it.
//!
//! The `unsafe` blocks of these tests keep the host's promises: handles are live, strings end with NUL, arrays have the sizes stated. What
//! the tests break on purpose (NULL, sizes, keys) is what the library must notice.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // tests fail so

mod completeness;
mod faults;
mod histograms;
mod hooks;
mod host;
#[path = "../attack/longer.rs"]
mod longer;
mod models;
mod options;
mod refusals;
mod samplers;
mod score_refusals;
mod scores;
mod support;
mod text;
mod threads;
mod training;

use laser::capi::boundary::laser_last_error;
use laser::capi::status::{laser_status_name, LASER_OK};
use std::ffi::{c_char, CStr};
use std::ptr::null_mut;

/// The message of this thread's last failure.
fn message() -> String {
    let mut needed = 0;
    let mut buf = vec![0; 4096];
    // SAFETY: see above.
    unsafe {
        assert_eq!(
            laser_last_error(buf.as_mut_ptr(), buf.len(), &mut needed),
            LASER_OK
        )
    };
    assert!(needed <= buf.len());
    string(&buf)
}

fn string(buf: &[c_char]) -> String {
    let bytes: Vec<u8> = buf.iter().map(|&c| c as u8).collect();
    CStr::from_bytes_until_nul(&bytes)
        .unwrap()
        .to_str()
        .unwrap()
        .to_owned()
}

fn name(status: i32) -> String {
    // SAFETY: static text.
    unsafe { CStr::from_ptr(laser_status_name(status)) }
        .to_str()
        .unwrap()
        .to_owned()
}

#[track_caller]
fn ok(status: i32) {
    assert_eq!(status, LASER_OK, "{}: {}", name(status), message());
}

/// The call failed with `expected`, and its message says `words`.
#[track_caller]
fn refused(status: i32, expected: i32, words: &str) {
    assert_eq!(
        status,
        expected,
        "{} instead of {}: {}",
        name(status),
        name(expected),
        message()
    );
    assert!(
        message().contains(words),
        "`{}` does not say `{words}`",
        message()
    );
}

/// What a function gives out.
#[track_caller]
fn made<T>(function: impl FnOnce(*mut *mut T) -> i32) -> *mut T {
    let mut out = null_mut();
    ok(function(&mut out));
    assert!(!out.is_null());
    out
}

/// The text that a function copies out, asked for its size first.
#[track_caller]
fn text_of(function: impl Fn(*mut c_char, usize, *mut usize) -> i32) -> String {
    let mut needed = 0;
    ok(function(null_mut(), 0, &mut needed));
    let mut buf = vec![0; needed];
    ok(function(buf.as_mut_ptr(), needed, null_mut()));
    let text = string(&buf);
    assert_eq!(text.len() + 1, needed);
    text
}
