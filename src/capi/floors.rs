//! Floors of the scores of histograms.

use super::array::{self, Out};
use super::boundary::call;
use super::handle::Handle;
use super::metrics::laser_histogram;
use super::status::laser_status;
use crate::metrics::{self, Histogram2d, Score};
use crate::Result;

/// What laser_jsd gives for two independent samples of one distribution, by chance alone: no score below this floor and a few times its
/// spread tells a difference.
///
/// In every bin the events of both are dealt out anew, to the one or the other by the shares which both would have of one distribution: exact for
/// events without weights. Those with weights count as so many of the mean weight, (sum of w^2) / (sum of w), of the bin and its neighbours: right
/// to some per cent where weights are a function of x and y, up to a tenth too high where they scatter much at one place. Takes milliseconds a repeat for 100 x 100 bins.
///
/// @param p one histogram
/// @param q the other, of the same bins; the order does not matter
/// @param repeats pairs of samples to draw, at least 2 and at most a million, say 100
/// @param seed of the draws; equal seeds give equal results
/// @param nats receives the mean, in nats
/// @param nats_spread receives the standard deviation of one score; NULL if not wanted
/// @param paper receives the mean in the paper's convention; NULL if not wanted
/// @param paper_spread receives the standard deviation of one score in it; NULL if not wanted
/// @return as laser_jsd; LASER_ERR_INVALID_ARGUMENT also for less or more repeats
///
/// Threads: any number at once.
#[no_mangle]
pub unsafe extern "C" fn laser_jsd_floor(
    p: *const laser_histogram,
    q: *const laser_histogram,
    repeats: usize,
    seed: u64,
    nats: *mut f64,
    nats_spread: *mut f64,
    paper: *mut f64,
    paper_spread: *mut f64,
) -> laser_status {
    // SAFETY: the host's promise.
    call(|| unsafe {
        floor_of(
            metrics::jsd,
            (repeats, seed),
            (p, q),
            ("nats", nats),
            [nats_spread, paper, paper_spread],
        )
    })
}

/// What laser_emd gives for two independent samples of one distribution, by chance alone: no score below this floor and a few times its
/// spread tells a difference.
///
/// In every bin the events of both are dealt out anew, to the one or the other by the shares which both would have of one distribution: exact for
/// events without weights. Those with weights count as so many of the mean weight, (sum of w^2) / (sum of w), of the bin and its neighbours: right
/// to some per cent where weights are a function of x and y, up to a tenth too high where they scatter much at one place. Takes `repeats` times as long as laser_emd, about half a second for 100 x 100 bins.
///
/// @param p one histogram
/// @param q the other, of the same bins; the order does not matter
/// @param repeats pairs of samples to draw, at least 2 and at most a million, say 5
/// @param seed of the draws; equal seeds give equal results
/// @param units receives the mean, in units of the axes
/// @param units_spread receives the standard deviation of one score; NULL if not wanted
/// @param paper receives the mean in the paper's convention; NULL if not wanted
/// @param paper_spread receives the standard deviation of one score in it; NULL if not wanted
/// @return as laser_emd; LASER_ERR_INVALID_ARGUMENT also for less or more repeats
///
/// Threads: any number at once.
#[no_mangle]
pub unsafe extern "C" fn laser_emd_floor(
    p: *const laser_histogram,
    q: *const laser_histogram,
    repeats: usize,
    seed: u64,
    units: *mut f64,
    units_spread: *mut f64,
    paper: *mut f64,
    paper_spread: *mut f64,
) -> laser_status {
    // SAFETY: the host's promise.
    call(|| unsafe {
        floor_of(
            metrics::emd,
            (repeats, seed),
            (p, q),
            ("units", units),
            [units_spread, paper, paper_spread],
        )
    })
}

/// The floor of a score in both conventions; `others`: its spread, and mean and spread in the paper's convention.
///
/// # Safety
/// The host's promise.
unsafe fn floor_of(
    score: fn(&Histogram2d, &Histogram2d) -> Result<Score>,
    (repeats, seed): (usize, u64),
    (p, q): (*const laser_histogram, *const laser_histogram),
    (name, mean): (&'static str, *mut f64),
    others: [*mut f64; 3],
) -> Result<()> {
    // SAFETY: the caller's promise.
    let (p, q, mean) = unsafe {
        (
            laser_histogram::hold(p, "p")?,
            laser_histogram::hold(q, "q")?,
            Out::new(name, mean)?,
        )
    };
    // SAFETY: the caller's promise.
    let others = others.map(|other| unsafe { Out::optional(other) });
    let (p, q) = (p.gate().read()?, q.gate().read()?);
    let floor = metrics::floor(score, &p, &q, repeats, seed)?;
    mean.set(floor.mean.value);
    let values = [floor.spread.value, floor.mean.paper, floor.spread.paper];
    for (out, value) in others.into_iter().zip(values) {
        array::give(out, value);
    }
    Ok(())
}
