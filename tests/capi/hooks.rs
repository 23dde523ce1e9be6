//! Cancel tokens and hooks, without a call that uses them: those are in `training.rs`.

use crate::{made, ok, refused};
use laser::capi::hooks::*;
use laser::capi::status::*;
use std::ptr::{null, null_mut};

#[test]
fn a_token_stays_tripped_until_it_is_reset() {
    // SAFETY: see main.rs.
    unsafe {
        let cancel = made(|out| laser_cancel_new(out));
        assert_eq!(laser_cancel_is_tripped(cancel), 0);
        laser_cancel_trip(cancel);
        laser_cancel_trip(cancel);
        assert_eq!(laser_cancel_is_tripped(cancel), 1);
        ok(laser_cancel_reset(cancel));
        assert_eq!(laser_cancel_is_tripped(cancel), 0);
        laser_cancel_free(cancel);
    }
}

#[test]
fn a_token_can_be_tripped_from_another_thread() {
    // SAFETY: see main.rs.
    unsafe {
        let cancel = made(|out| laser_cancel_new(out));
        let address = cancel as usize;
        std::thread::spawn(move || laser_cancel_trip(address as *const laser_cancel))
            .join()
            .unwrap();
        assert_eq!(laser_cancel_is_tripped(cancel), 1);
        laser_cancel_free(cancel);
    }
}

#[test]
fn hooks_and_token_may_be_freed_in_any_order() {
    // SAFETY: see main.rs.
    unsafe {
        for token_first in [true, false] {
            let cancel = made(|out| laser_cancel_new(out));
            let hooks = made(|out| laser_hooks_new(out));
            ok(laser_hooks_set_cancel(hooks, cancel));
            if token_first {
                laser_cancel_free(cancel);
                // Takes the place of the one that only the hooks still knew.
                ok(laser_hooks_set_cancel(hooks, null()));
                laser_hooks_free(hooks);
            } else {
                laser_hooks_free(hooks);
                assert_eq!(laser_cancel_is_tripped(cancel), 0);
                laser_cancel_free(cancel);
            }
        }
    }
}

unsafe extern "C" fn stop(_: *const laser_progress, _: *mut std::ffi::c_void) -> i32 {
    1
}

#[test]
fn callbacks_can_be_set_and_cleared() {
    // SAFETY: see main.rs.
    unsafe {
        let hooks = made(|out| laser_hooks_new(out));
        ok(laser_hooks_set_progress(hooks, Some(stop), null_mut()));
        ok(laser_hooks_set_progress(hooks, None, null_mut()));
        ok(laser_hooks_set_log(hooks, None, null_mut()));
        laser_hooks_free(hooks);
    }
}

unsafe extern "C" fn sum(_: usize, _: *mut f64, _: *mut std::ffi::c_void) -> i32 {
    0
}

#[test]
fn checkpoints_and_ranks_can_be_set_and_cleared() {
    // SAFETY: see main.rs.
    unsafe {
        let hooks = made(|out| laser_hooks_new(out));
        let path = c"nowhere/checkpoint".as_ptr();
        ok(laser_hooks_set_checkpoint(hooks, path, 1.0, 7));
        for seconds in [0.0, -1.0, f64::NAN, f64::INFINITY] {
            refused(
                laser_hooks_set_checkpoint(hooks, path, seconds, 0),
                LASER_ERR_INVALID_ARGUMENT,
                "it must be a positive number",
            );
        }
        refused(
            laser_hooks_set_checkpoint(hooks, c"\xff".as_ptr(), 1.0, 0),
            LASER_ERR_INVALID_ARGUMENT,
            "path",
        );
        ok(laser_hooks_set_checkpoint(hooks, null(), 1.0, 0));
        ok(laser_hooks_set_allreduce(
            hooks,
            2,
            3,
            Some(sum),
            null_mut(),
        ));
        for (rank, ranks) in [(3, 3), (0, 0), (0, 65537)] {
            refused(
                laser_hooks_set_allreduce(hooks, rank, ranks, Some(sum), null_mut()),
                LASER_ERR_INVALID_ARGUMENT,
                &format!("rank {rank} of {ranks}"),
            );
        }
        ok(laser_hooks_set_allreduce(hooks, 3, 3, None, null_mut()));
        laser_hooks_free(hooks);
    }
}
