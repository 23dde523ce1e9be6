//! The C boundary: the only home of `extern "C"` and of handles. It translates and computes nothing.
//!
//! | file | what |
//! |---|---|
//! | `status.rs` | status numbers, and the one match from an error to them |
//! | `boundary.rs` | no panic crosses; the last error of a thread |
//! | `handle.rs` | who owns an object, and who may use it now |
//! | `text.rs`, `array.rs` | strings, arrays and single values of the host |
//! | `callback.rs` | its callbacks that belong to immutable objects |
//! | the others | one object of the C API each |
//!
//! What every function relies on, and its `SAFETY` comments call *the host's promise*: a pointer that is not NULL points
//! to what the header says (a live handle of that type, a NUL-terminated string, an array of at least the stated size
//! that nobody else writes meanwhile), for the duration of the call or as long as the header says. All that can be checked is.
//!
//! Doc comments here become the header, so they speak C.

// Handles bear their C names, and the conventions above stand for a `# Safety` section in every function.
#![allow(non_camel_case_types, clippy::missing_safety_doc)]

pub mod status;

pub mod boundary;

pub mod library;

pub mod options;

pub mod hooks;

pub mod source;

pub mod generator;

pub mod host;

pub mod support;

pub mod model;

pub mod evaluate;

pub mod reweighter;

pub mod resample;

pub mod unfold;

pub mod sampler;

pub mod metrics;

pub mod floors;

pub mod scores;

pub mod edges;

mod array;
mod callback;
mod handle;
mod text;
