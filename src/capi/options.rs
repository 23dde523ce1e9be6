//! `laser_options`.

use super::array::Out;
use super::boundary::call;
use super::handle::{Gate, Handle};
use super::status::laser_status;
use super::text;
use crate::options::Options;
use crate::Result;
use std::ffi::c_char;

/// Settings of training, refining and sampling, by key: "flow.blocks", "classifier.lr", "refiner.method", "device" …
///
/// laser_options_to_json lists all keys with their values. Functions that take options copy them when called, so options
/// may be changed or freed afterwards. Threads: const uses by any number of threads at once; a change alone, else
/// LASER_ERR_BUSY.
pub struct laser_options(Gate<Options>);

impl Handle for laser_options {}

impl laser_options {
    fn new(options: Options) -> Self {
        laser_options(Gate::new("options", options))
    }
}

/// The options of a call; NULL stands for the defaults.
///
/// # Safety
/// `options` is NULL or a live handle.
pub(super) unsafe fn given(options: *const laser_options) -> Result<Options> {
    if options.is_null() {
        return Ok(Options::default());
    }
    // SAFETY: the caller's promise.
    let options = unsafe { laser_options::hold(options, "options")? };
    let given = options.0.read()?.clone();
    Ok(given)
}

/// Makes options from a preset.
///
/// @param preset "default" or "paper": the paper's settings; "fast": the same architectures with schedules for few
/// minutes on two cores; NULL is "default"
/// @param out receives the options; the caller frees them with laser_options_free
/// @return LASER_OK; LASER_ERR_INVALID_ARGUMENT for another preset; LASER_ERR_NULL
///
/// Threads: any number at once.
#[no_mangle]
pub unsafe extern "C" fn laser_options_new(
    preset: *const c_char,
    out: *mut *mut laser_options,
) -> laser_status {
    call(|| {
        // SAFETY: the host's promise.
        let out = unsafe { Out::new("out", out)? };
        let preset = if preset.is_null() {
            "default"
        } else {
            // SAFETY: the host's promise.
            unsafe { text::read(preset, "preset")? }
        };
        out.set(laser_options::new(Options::preset(preset)?).give());
        Ok(())
    })
}

/// Makes options from JSON.
///
/// @param json an object with nested or dotted keys, {"preset": "fast", "flow": {"blocks": 20}, "classifier.lr": 2e-3};
/// keys that are not in it have the values of the preset, or else of "default"
/// @param out receives the options; the caller frees them with laser_options_free
/// @return LASER_OK; LASER_ERR_UNKNOWN_OPTION; LASER_ERR_INVALID_ARGUMENT for text that is not JSON, a value of the wrong
/// kind or out of its range, a key given twice; LASER_ERR_NULL
///
/// Threads: any number at once.
#[no_mangle]
pub unsafe extern "C" fn laser_options_from_json(
    json: *const c_char,
    out: *mut *mut laser_options,
) -> laser_status {
    call(|| {
        // SAFETY: the host's promise.
        let (json, out) = unsafe { (text::read(json, "json")?, Out::new("out", out)?) };
        out.set(laser_options::new(Options::from_json(json)?).give());
        Ok(())
    })
}

/// Sets an integer option, or a floating-point option to an integer.
///
/// @param options what to change; unchanged on failure
/// @param key name of the option
/// @param value its new value
/// @return LASER_OK; LASER_ERR_UNKNOWN_OPTION; LASER_ERR_INVALID_ARGUMENT for a text option or a value out of its range;
/// LASER_ERR_NULL; LASER_ERR_BUSY
///
/// Threads: needs `options` alone.
#[no_mangle]
pub unsafe extern "C" fn laser_options_set_i64(
    options: *mut laser_options,
    key: *const c_char,
    value: i64,
) -> laser_status {
    call(|| {
        // SAFETY: the host's promise.
        let (options, key) = unsafe { held(options, key)? };
        let mut options = options.0.write()?;
        options.set_i64(key, value)
    })
}

/// Sets a floating-point option.
///
/// @param options what to change; unchanged on failure
/// @param key name of the option
/// @param value its new value, in the unit that the option's description states
/// @return LASER_OK; LASER_ERR_UNKNOWN_OPTION; LASER_ERR_INVALID_ARGUMENT for an option of another kind, NaN, infinity or
/// a value out of its range; LASER_ERR_NULL; LASER_ERR_BUSY
///
/// Threads: needs `options` alone.
#[no_mangle]
pub unsafe extern "C" fn laser_options_set_f64(
    options: *mut laser_options,
    key: *const c_char,
    value: f64,
) -> laser_status {
    call(|| {
        // SAFETY: the host's promise.
        let (options, key) = unsafe { held(options, key)? };
        let mut options = options.0.write()?;
        options.set_f64(key, value)
    })
}

/// Sets a text option.
///
/// @param options what to change; unchanged on failure
/// @param key name of the option
/// @param value its new value; copied
/// @return LASER_OK; LASER_ERR_UNKNOWN_OPTION; LASER_ERR_INVALID_ARGUMENT for an option of another kind or a word that is
/// not among its choices; LASER_ERR_NULL; LASER_ERR_BUSY
///
/// Threads: needs `options` alone.
#[no_mangle]
pub unsafe extern "C" fn laser_options_set_str(
    options: *mut laser_options,
    key: *const c_char,
    value: *const c_char,
) -> laser_status {
    call(|| {
        // SAFETY: the host's promise.
        let ((options, key), value) = unsafe { (held(options, key)?, text::read(value, "value")?) };
        let mut options = options.0.write()?;
        options.set_str(key, value)
    })
}

/// Reads an integer option.
///
/// @param options what to read
/// @param key name of the option
/// @param value receives its value
/// @return LASER_OK; LASER_ERR_UNKNOWN_OPTION; LASER_ERR_INVALID_ARGUMENT for an option of another kind; LASER_ERR_NULL;
/// LASER_ERR_BUSY while the options are being changed
///
/// Threads: any number at once.
#[no_mangle]
pub unsafe extern "C" fn laser_options_get_i64(
    options: *const laser_options,
    key: *const c_char,
    value: *mut i64,
) -> laser_status {
    call(|| {
        // SAFETY: the host's promise.
        let ((options, key), value) = unsafe { (held(options, key)?, Out::new("value", value)?) };
        let options = options.0.read()?;
        value.set(options.get_i64(key)?);
        Ok(())
    })
}

/// Reads a floating-point option.
///
/// @param options what to read
/// @param key name of the option
/// @param value receives its value
/// @return LASER_OK; LASER_ERR_UNKNOWN_OPTION; LASER_ERR_INVALID_ARGUMENT for an option of another kind; LASER_ERR_NULL;
/// LASER_ERR_BUSY while the options are being changed
///
/// Threads: any number at once.
#[no_mangle]
pub unsafe extern "C" fn laser_options_get_f64(
    options: *const laser_options,
    key: *const c_char,
    value: *mut f64,
) -> laser_status {
    call(|| {
        // SAFETY: the host's promise.
        let ((options, key), value) = unsafe { (held(options, key)?, Out::new("value", value)?) };
        let options = options.0.read()?;
        value.set(options.get_f64(key)?);
        Ok(())
    })
}

/// Reads a text option.
///
/// @param options what to read
/// @param key name of the option
/// @param buf receives its value, NUL-terminated; NULL with `cap` 0 asks for the size only
/// @param cap size of `buf` in bytes
/// @param needed receives the size of the value in bytes, its NUL included, also if `buf` is too small; may be NULL
/// @return LASER_OK; LASER_ERR_UNKNOWN_OPTION; LASER_ERR_INVALID_ARGUMENT for an option of another kind or too small a
/// buffer; LASER_ERR_NULL; LASER_ERR_BUSY while the options are being changed
///
/// Threads: any number at once.
#[no_mangle]
pub unsafe extern "C" fn laser_options_get_str(
    options: *const laser_options,
    key: *const c_char,
    buf: *mut c_char,
    cap: usize,
    needed: *mut usize,
) -> laser_status {
    call(|| {
        // SAFETY: the host's promise.
        let (options, key) = unsafe { held(options, key)? };
        let options = options.0.read()?;
        // SAFETY: the host's promise.
        unsafe { text::write(options.get_str(key)?, buf, cap, needed) }
    })
}

/// Prints all options, defaults included, as nested JSON that laser_options_from_json reads back.
///
/// @param options what to print
/// @param buf receives the JSON, NUL-terminated; NULL with `cap` 0 asks for the size only
/// @param cap size of `buf` in bytes
/// @param needed receives the size of the JSON in bytes, its NUL included, also if `buf` is too small; may be NULL
/// @return LASER_OK; LASER_ERR_INVALID_ARGUMENT for too small a buffer; LASER_ERR_NULL; LASER_ERR_BUSY while the options
/// are being changed
///
/// Threads: any number at once.
#[no_mangle]
pub unsafe extern "C" fn laser_options_to_json(
    options: *const laser_options,
    buf: *mut c_char,
    cap: usize,
    needed: *mut usize,
) -> laser_status {
    call(|| {
        // SAFETY: the host's promise.
        let options = unsafe { laser_options::hold(options, "options")? };
        let json = options.0.read()?.to_json();
        // SAFETY: the host's promise.
        unsafe { text::write(&json, buf, cap, needed) }
    })
}

/// Frees options.
///
/// @param options what to free; NULL is fine
///
/// Threads: no other thread may use `options` any more.
#[no_mangle]
pub unsafe extern "C" fn laser_options_free(options: *mut laser_options) {
    // SAFETY: the host's promise.
    unsafe { laser_options::free(options) }
}

/// The two arguments that every getter and setter has.
///
/// # Safety
/// The host's promise.
unsafe fn held<'a>(
    options: *const laser_options,
    key: *const c_char,
) -> Result<(std::sync::Arc<laser_options>, &'a str)> {
    // SAFETY: the caller's promise.
    unsafe {
        Ok((
            laser_options::hold(options, "options")?,
            text::read(key, "key")?,
        ))
    }
}
