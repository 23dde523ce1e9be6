//! Strings of the host, in and out.

use crate::{room, Error, Result};
use std::ffi::{c_char, CStr, CString};

/// A string argument.
///
/// # Errors
/// [`Error::NullPointer`]; [`Error::InvalidArgument`] for text that is not UTF-8; [`Error::Memory`] for one that may need more than there is.
///
/// # Safety
/// `text` is NULL or NUL-terminated, and lives unchanged for `'a`.
pub(super) unsafe fn read<'a>(text: *const c_char, argument: &'static str) -> Result<&'a str> {
    if text.is_null() {
        return Err(Error::NullPointer(argument));
    }
    // SAFETY: not NULL, and the caller's promise.
    let text = unsafe { CStr::from_ptr(text) };
    room::for_text(text.count_bytes())?;
    text.to_str().map_err(|e| {
        Error::InvalidArgument(format!(
            "argument `{argument}` is not UTF-8 from byte {} on",
            e.valid_up_to()
        ))
    })
}

/// Copies `text` out to `buf` of `cap` bytes, and its size with the NUL to `needed` if that is not NULL.
/// NULL and 0 for `buf` and `cap` ask for the size alone.
///
/// # Errors
/// [`Error::NullPointer`]; [`Error::InvalidArgument`] if `buf` is too small, with `needed` set, or if `text` holds a NUL.
///
/// # Safety
/// `buf` is NULL or has `cap` bytes; `needed` is NULL or can be written.
pub(super) unsafe fn write(
    text: &str,
    buf: *mut c_char,
    cap: usize,
    needed: *mut usize,
) -> Result<()> {
    let size_only = buf.is_null() && cap == 0;
    if buf.is_null() && !size_only {
        return Err(Error::NullPointer("buf"));
    }
    if size_only && needed.is_null() {
        return Err(Error::NullPointer("needed"));
    }
    if text.contains('\0') {
        return Err(Error::InvalidArgument(
            "the text holds a NUL character, which no C string can".into(),
        ));
    }
    let size = text.len() + 1;
    if size_only || size <= cap {
        // SAFETY: the caller's promise; `buf` is not NULL if `cap` is not 0.
        unsafe { copy_truncated(text, buf, cap, needed) };
        return Ok(());
    }
    if !needed.is_null() {
        // SAFETY: not NULL, and the caller's promise.
        unsafe { needed.write(size) };
    }
    Err(Error::InvalidArgument(format!(
        "argument `cap` is {cap}, but the text needs {size} bytes"
    )))
}

/// As [`write`], but cuts the text at a whole character if `buf` is too small.
///
/// # Safety
/// `buf` has `cap` bytes, and may be NULL only if `cap` is 0; `needed` is NULL or can be written.
pub(super) unsafe fn copy_truncated(text: &str, buf: *mut c_char, cap: usize, needed: *mut usize) {
    if !needed.is_null() {
        // SAFETY: not NULL, and the caller's promise.
        unsafe { needed.write(text.len() + 1) };
    }
    let Some(room) = cap.checked_sub(1) else {
        return;
    };
    let fits = text.floor_char_boundary(room);
    // SAFETY: fits + 1 ≤ cap; the text is the library's own and cannot overlap the host's buffer.
    unsafe {
        buf.copy_from_nonoverlapping(text.as_ptr().cast(), fits);
        buf.add(fits).write(0);
    }
}

/// `text` for a callback.
pub(super) fn for_callback(text: &str) -> CString {
    CString::new(text.replace('\0', "\u{fffd}")).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn truncation_keeps_whole_characters_and_the_nul() {
        let cut = |cap: usize| {
            let mut buf = [1 as c_char; 16];
            let mut needed = 0;
            // SAFETY: cap is within buf.
            unsafe { copy_truncated("aßé", buf.as_mut_ptr(), cap, &mut needed) };
            assert_eq!(needed, 6);
            assert!(buf[cap..].iter().all(|&b| b == 1), "wrote past the end");
            let end = buf.iter().position(|&b| b == 0)?;
            let bytes: Vec<u8> = buf[..end].iter().map(|&b| b as u8).collect();
            Some(String::from_utf8(bytes).unwrap())
        };
        assert_eq!(cut(0), None);
        assert_eq!(cut(1).unwrap(), "");
        assert_eq!(cut(2).unwrap(), "a");
        assert_eq!(cut(3).unwrap(), "a");
        assert_eq!(cut(4).unwrap(), "aß");
        assert_eq!(cut(5).unwrap(), "aß");
        assert_eq!(cut(6).unwrap(), "aßé");
    }

    #[test]
    fn a_nul_inside_is_refused_going_out_and_replaced_in_messages() {
        let mut needed = 0;
        // SAFETY: asks for the size alone.
        let refused = unsafe { write("a\0b", std::ptr::null_mut(), 0, &mut needed) };
        assert!(refused.is_err() && needed == 0);
        assert_eq!(for_callback("a\0b").to_str().unwrap(), "a\u{fffd}b");
    }
}
