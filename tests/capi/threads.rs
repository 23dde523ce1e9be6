//! One handle on several threads: const uses go together, a change excludes others without a race.
//!
//! Threads are joined one by one: ThreadSanitizer, under which these tests run too, does not see what a scope waits for.

use crate::{made, ok};
use laser::capi::metrics::*;
use laser::capi::options::*;
use laser::capi::status::*;
use std::ptr::{null, null_mut};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

/// A handle for several threads.
pub struct Shared<T>(*mut T);

// SAFETY: what the library promises and these tests try.
unsafe impl<T> Send for Shared<T> {}
// SAFETY: as above.
unsafe impl<T> Sync for Shared<T> {}

impl<T> Shared<T> {
    pub fn new(handle: *mut T) -> Self {
        Shared(handle)
    }

    pub fn get(&self) -> *mut T {
        self.0
    }
}

/// Asks until `status` comes, in a time that even a busy machine keeps.
pub fn comes(status: i32, mut ask: impl FnMut() -> i32) -> bool {
    let deadline = Instant::now() + Duration::from_secs(60);
    while Instant::now() < deadline {
        if ask() == status {
            return true;
        }
    }
    false
}

#[test]
fn readers_never_meet_busy() {
    // SAFETY: see main.rs.
    unsafe {
        let options = Shared::new(made(|out| laser_options_new(null(), out)));
        thread::scope(|scope| {
            let readers = [(); 4].map(|()| {
                scope.spawn(|| {
                    for _ in 0..20_000 {
                        let mut blocks = 0;
                        ok(laser_options_get_i64(
                            options.get(),
                            c"flow.blocks".as_ptr(),
                            &mut blocks,
                        ));
                        assert_eq!(blocks, 12);
                    }
                })
            });
            for reader in readers {
                reader.join().unwrap();
            }
        });
        laser_options_free(options.get());
    }
}

#[test]
fn writers_and_readers_exclude_each_other() {
    // SAFETY: see main.rs.
    unsafe {
        let options = Shared::new(made(|out| laser_options_new(null(), out)));
        let (shared, device) = (&options, c"device");
        let words = [c"cuda:0", c"cuda:1"];
        ok(laser_options_set_str(
            options.get(),
            device.as_ptr(),
            words[0].as_ptr(),
        ));
        thread::scope(|scope| {
            let writers = words.map(|word| {
                scope.spawn(move || {
                    for _ in 0..20_000 {
                        let status =
                            laser_options_set_str(shared.get(), device.as_ptr(), word.as_ptr());
                        assert!(matches!(status, LASER_OK | LASER_ERR_BUSY), "{status}");
                    }
                })
            });
            let reader = scope.spawn(move || {
                for _ in 0..20_000 {
                    let mut buf = [0; 16];
                    let status = laser_options_get_str(
                        shared.get(),
                        device.as_ptr(),
                        buf.as_mut_ptr(),
                        16,
                        null_mut(),
                    );
                    let text = crate::string(&buf);
                    match status {
                        LASER_OK => assert!(text == "cuda:0" || text == "cuda:1", "torn: {text}"),
                        status => assert_eq!(status, LASER_ERR_BUSY),
                    }
                }
            });
            for writer in writers {
                writer.join().unwrap();
            }
            reader.join().unwrap();
        });
        laser_options_free(options.get());
    }
}

#[test]
fn a_change_during_a_long_reading_gets_busy() {
    let done = AtomicBool::new(false);
    // SAFETY: see main.rs.
    unsafe {
        let full = |shift: f64| {
            let h = made(|out| laser_histogram_new(30, -1.0, 1.0, 30, -1.0, 1.0, out));
            for i in 0..5000 {
                let event = [(i as f64 + shift).sin(), (1.7 * i as f64).cos()];
                ok(laser_histogram_fill(h, 1, event.as_ptr(), 0, null()));
            }
            Shared::new(h)
        };
        let (p, q) = (full(0.0), full(0.5));
        thread::scope(|scope| {
            let reader = scope.spawn(|| {
                let mut distance = 0.0;
                comes(-1, || {
                    let status = laser_emd(p.get(), q.get(), &mut distance, null_mut());
                    assert!(matches!(status, LASER_OK | LASER_ERR_BUSY), "{status}");
                    if done.load(Ordering::Relaxed) {
                        -1
                    } else {
                        status
                    }
                });
            });
            let busy = comes(LASER_ERR_BUSY, || {
                // Const uses go on meanwhile.
                let (mut inside, mut outside) = (0.0, 0.0);
                ok(laser_histogram_total(p.get(), &mut inside, &mut outside));
                laser_histogram_fill(p.get(), 0, null(), 0, null())
            });
            let message = crate::message();
            done.store(true, Ordering::Relaxed);
            reader.join().unwrap();
            assert!(busy, "no call was refused");
            assert!(
                message.contains("the histogram handle is in use"),
                "{message}"
            );
        });
        // And when nobody reads any more, it can be changed.
        ok(laser_histogram_fill(
            p.get(),
            1,
            [0.0, 0.0].as_ptr(),
            0,
            null(),
        ));
        laser_histogram_free(p.get());
        laser_histogram_free(q.get());
    }
}
