//! Processes whose address space cannot grow: no call ends them.

use crate::failing::alone;
use crate::{events, generator, model, options, source};
use laser::capi::evaluate::*;
use laser::capi::generator::*;
use laser::capi::model::*;
use laser::capi::sampler::*;
use laser::capi::scores::*;
use laser::capi::status::*;
use std::ffi::CString;
use std::hint::black_box;
use std::process::Command;
use std::ptr::{null, null_mut};

/// What the header says a host leaves free.
const LEFT: usize = 4 << 20;

/// How a forked process that may take so many more bytes than this one has, has ended: the status of the call, or the signal.
fn ends_with(more: usize, call: &mut dyn FnMut() -> i32) -> Result<i32, i32> {
    // SAFETY: the child uses memory and nothing that other threads hold, and ends at once.
    unsafe {
        match libc::fork() {
            0 => {
                libc::malloc_trim(0);
                // Pages of the address space, and of what can be written. Of the one, threads have reserved much.
                let pages = std::fs::read_to_string("/proc/self/statm").unwrap();
                let pages = pages.split(' ').map(|n| n.trim().parse().unwrap());
                let pages: Vec<u64> = pages.collect();
                let pages = [(libc::RLIMIT_AS, pages[0]), (libc::RLIMIT_DATA, pages[5])];
                for more in [0, more as u64] {
                    for (what, pages) in pages {
                        let limit = libc::rlimit {
                            rlim_cur: pages * 4096 + more,
                            rlim_max: libc::RLIM_INFINITY,
                        };
                        assert_eq!(libc::setrlimit(what, &limit), 0);
                    }
                    // What was given back before, and lies ready, is nothing that is left free.
                    let mut size = 1 << 20;
                    while more == 0 && size >= 64 {
                        if black_box(libc::malloc(size)).is_null() {
                            size /= 2;
                        }
                    }
                }
                libc::_exit(call())
            }
            child => {
                let mut status = 0;
                assert_eq!(libc::waitpid(child, &mut status, 0), child);
                match libc::WIFEXITED(status) {
                    true => Ok(libc::WEXITSTATUS(status)),
                    false => Err(libc::WTERMSIG(status)),
                }
            }
        }
    }
}

/// With no more than is left free, and with more and more until it succeeds.
fn limit(what: &str, call: &mut dyn FnMut() -> i32) {
    let mut refused = 0;
    for step in 0.. {
        let more = (LEFT as f64 * 1.3_f64.powi(step)) as usize;
        match ends_with(more, call) {
            Ok(LASER_OK) => break,
            Ok(LASER_ERR_MEMORY) => refused += 1,
            other => panic!("{what} with {more} bytes: {other:?}"),
        }
        assert!(step < 30, "{what} never succeeds");
    }
    println!("{what}: refused {refused} times");
}

#[test]
fn no_call_ends_a_process_for_want_of_memory() {
    // Once more, in a process whose C library keeps one heap for all threads, and gives back at once what is large: no more than that is
    // left free which is said to be.
    const ONE_HEAP: (&str, &str) = ("MALLOC_ARENA_MAX", "1");
    if std::env::var_os(ONE_HEAP.0).is_none() {
        let name = "limited::no_call_ends_a_process_for_want_of_memory";
        let test = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", name, "--nocapture"])
            .env(ONE_HEAP.0, ONE_HEAP.1)
            .env("MALLOC_MMAP_THRESHOLD_", "65536")
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&test.stdout);
        print!("{said}");
        let errors = String::from_utf8_lossy(&test.stderr);
        assert!(test.status.success(), "{said}{errors}");
        return;
    }
    let _alone = alone();
    let events = events();
    let folder = tempfile::tempdir().unwrap();
    let path = CString::new(folder.path().join("model").to_str().unwrap()).unwrap();
    let large = r#""flow.units": 400, "refiner_flow.units": 500, "classifier.units": 400, "weights.events": 100000, "gan.units": 400, "gan.pool": 100000"#;
    let trained = generator(&events, large);
    let model = model(&events, "flow");
    // SAFETY: see memory.rs.
    unsafe {
        let many = 400_000;
        let x = vec![0.5; 2 * many];
        let mut out = vec![0.0; 2 * many];
        let (x, out) = (x.as_ptr(), out.as_mut_ptr());
        assert_eq!(laser_model_save(model, path.as_ptr()), LASER_OK);
        limit("save", &mut || laser_model_save(model, path.as_ptr()));
        limit("load", &mut || {
            laser_model_load(path.as_ptr(), null(), &mut null_mut())
        });
        limit("log_weight", &mut || {
            laser_model_log_weight(model, null(), many, x, 0, out)
        });
        limit("sample", &mut || {
            let mut sampler = null_mut();
            match laser_sampler_new(model, 1, 0, null(), &mut sampler) {
                LASER_OK => laser_sampler_generate(sampler, many, 0, out, null_mut(), null_mut()),
                status => status,
            }
        });
        let (target, quick) = (
            source(&events, 2),
            options(&format!(r#""refiner.method": "gan", {large}"#)),
        );
        let threads = options(&format!(r#""threads": 8, {large}"#));
        limit("train", &mut || {
            laser_generator_train(target, quick, null(), &mut null_mut())
        });
        limit("train on threads", &mut || {
            laser_generator_train(target, threads, null(), &mut null_mut())
        });
        limit("refine", &mut || {
            laser_refine(trained, target, quick, null(), &mut null_mut())
        });
        let (mut d, no) = (0.0, null_mut());
        let d = &raw mut d;
        limit("emd_1d", &mut || {
            laser_emd_1d(target, target, 0, 20, 1, d, no, no, no)
        });
        limit("two_sample_auc", &mut || {
            laser_two_sample_auc(target, target, quick, null(), d, no)
        });
    }
}
