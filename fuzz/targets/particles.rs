#![no_main]

#[path = "../program.rs"]
mod program;
pub use program::*;

libfuzzer_sys::fuzz_target!(|data: &[u8]| program::bodies::particles(data));
