//! An allocator that fails when it is told to.

use std::alloc::{GlobalAlloc, Layout, System};
use std::ptr::null_mut;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::sync::{Mutex, MutexGuard};

/// What is large, and what is of bytes, which may be text.
const LARGE: usize = 1 << 15;
const LARGE_TEXT: usize = 1 << 17;

struct Failing;

#[global_allocator]
static ALLOCATOR: Failing = Failing;

/// Whether large allocations are counted, how many there were, which fails, and whether all after it do too.
static COUNTS: AtomicBool = AtomicBool::new(false);
static COUNT: AtomicUsize = AtomicUsize::new(0);
static FAILS: AtomicUsize = AtomicUsize::new(0);
static GOES_ON: AtomicBool = AtomicBool::new(false);

/// Whether the allocation is one that fails.
fn fails(size: usize, align: usize) -> bool {
    let least = if align == 1 { LARGE_TEXT } else { LARGE };
    if size < least || !COUNTS.load(SeqCst) {
        return false;
    }
    let (number, fails) = (1 + COUNT.fetch_add(1, SeqCst), FAILS.load(SeqCst));
    let fails = fails > 0 && (number == fails || number > fails && GOES_ON.load(SeqCst));
    if fails && std::env::var_os("LASER_TEST_BACKTRACE").is_some() {
        COUNTS.store(false, SeqCst);
        eprintln!(
            "{size} bytes:\n{}",
            std::backtrace::Backtrace::force_capture()
        );
        COUNTS.store(true, SeqCst);
    }
    fails
}

// SAFETY: the system's allocator, or no memory.
unsafe impl GlobalAlloc for Failing {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        match fails(layout.size(), layout.align()) {
            true => null_mut(),
            // SAFETY: the caller's promise.
            false => unsafe { System.alloc(layout) },
        }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        match fails(layout.size(), layout.align()) {
            true => null_mut(),
            // SAFETY: the caller's promise.
            false => unsafe { System.alloc_zeroed(layout) },
        }
    }

    unsafe fn realloc(&self, old: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        match fails(size, layout.align()) {
            true => null_mut(),
            // SAFETY: the caller's promise.
            false => unsafe { System.realloc(old, layout, size) },
        }
    }

    unsafe fn dealloc(&self, old: *mut u8, layout: Layout) {
        // SAFETY: the caller's promise.
        unsafe { System.dealloc(old, layout) }
    }
}

/// How often memory is missing.
#[derive(Clone, Copy, Debug)]
pub enum Shortage {
    /// The n-th large allocation fails.
    Once(usize),
    /// And all after it.
    From(usize),
}

/// Only one test at a time: all threads are counted.
pub fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(|e| e.into_inner())
}

/// Does `work` under a shortage; returns how many large allocations were asked for.
pub fn under<R>(shortage: Option<Shortage>, work: impl FnOnce() -> R) -> (R, usize) {
    let (number, goes_on) = match shortage {
        None => (0, false),
        Some(Shortage::Once(n)) => (n, false),
        Some(Shortage::From(n)) => (n, true),
    };
    FAILS.store(number, SeqCst);
    GOES_ON.store(goes_on, SeqCst);
    COUNT.store(0, SeqCst);
    COUNTS.store(true, SeqCst);
    let result = work();
    COUNTS.store(false, SeqCst);
    (result, COUNT.load(SeqCst))
}
