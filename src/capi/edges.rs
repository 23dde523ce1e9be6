//! The score for edges.

use super::array::{self, Out};
use super::boundary::call;
use super::handle::Handle;
use super::scores::of_samples;
use super::source::laser_source;
use super::status::laser_status;
use super::text;
use crate::metrics::{Edges, Sample};
use crate::model::listed_names;
use crate::Result;
use std::ffi::c_char;

/// What two samples do at an edge of the region where events can be: at one inequality of a support. An edge that is smeared has events of the
/// sample beyond it, and a ratio above 1 just within it.
///
/// The layer just within is that which holds the nearest per cent of the reference's weight on this side of the edge. Distances are the greater
/// side of the inequality less the smaller one. Takes a sort of the reference.
///
/// @param reference events of one sample, from laser_source_from_array
/// @param sample events of the other, likewise, with as many values
/// @param support a condition in the values of events, as option "support" has it: "hypot(x0, x1) > 20 and abs(x2) < 2.5"
/// @param names of the values, with commas, as option "features.names" has them; NULL or empty: they are called x0 ...
/// @param edge which inequality, from 0, in the order in which they are written: see laser_edge_count
/// @param beyond_reference receives the share of the reference's weight beyond the edge
/// @param beyond_reference_error receives its standard error; NULL if not wanted
/// @param beyond_sample receives the share of the sample's weight beyond the edge
/// @param beyond_sample_error receives its standard error; NULL if not wanted
/// @param ratio receives the ratio of the densities reference / sample in the layer just within: 1 where the edge is as sharp in the sample,
/// infinity where the sample has nothing there, NaN where the reference has nothing on this side; NULL if not wanted
/// @param ratio_error receives its standard error, NaN where the ratio is not finite; NULL if not wanted
/// @param depth receives how far the layer reaches from the edge, in units of the inequality; NULL if not wanted
/// @return LASER_OK; LASER_ERR_INVALID_ARGUMENT for a support that is none, showing the place, or has no such edge, names that do not fit, or
/// different numbers of values; LASER_ERR_DATA for weights without a positive total; LASER_ERR_UNSUPPORTED for a source of laser_source_from_callback; LASER_ERR_NULL; LASER_ERR_BUSY while a
/// source is in use by a training
///
/// Threads: any number at once.
#[no_mangle]
pub unsafe extern "C" fn laser_edge(
    reference: *const laser_source,
    sample: *const laser_source,
    support: *const c_char,
    names: *const c_char,
    edge: usize,
    beyond_reference: *mut f64,
    beyond_reference_error: *mut f64,
    beyond_sample: *mut f64,
    beyond_sample_error: *mut f64,
    ratio: *mut f64,
    ratio_error: *mut f64,
    depth: *mut f64,
) -> laser_status {
    call(|| {
        // SAFETY: the host's promise.
        let (beyond, others) = unsafe {
            (
                [
                    Out::new("beyond_reference", beyond_reference)?,
                    Out::new("beyond_sample", beyond_sample)?,
                ],
                [
                    beyond_reference_error,
                    beyond_sample_error,
                    ratio,
                    ratio_error,
                    depth,
                ]
                .map(|other| Out::optional(other)),
            )
        };
        let measure = |p: &Sample, q: &Sample| {
            // SAFETY: the host's promise.
            unsafe { edges(p.dim(), support, names)? }.measure(edge, p, q)
        };
        // SAFETY: the host's promise.
        let found = unsafe { of_samples((reference, "reference"), (sample, "sample"), measure)? };
        let [of_reference, of_sample] = found.beyond;
        for (out, share) in beyond.into_iter().zip(found.beyond) {
            out.set(share.value);
        }
        let values = [
            of_reference.error,
            of_sample.error,
            found.ratio.value,
            found.ratio.error,
            found.depth,
        ];
        for (out, value) in others.into_iter().zip(values) {
            array::give(out, value);
        }
        Ok(())
    })
}

/// How many edges a support has: one for each inequality.
///
/// @param events a source of the events that it is for: any, as their number of values is all that matters
/// @param support see laser_edge
/// @param names likewise
/// @param count receives the number
/// @return LASER_OK; LASER_ERR_INVALID_ARGUMENT for a support that is none, showing the place, or names that do not fit; LASER_ERR_NULL;
/// LASER_ERR_BUSY while the source is in use by a training
///
/// Threads: any number at once.
#[no_mangle]
pub unsafe extern "C" fn laser_edge_count(
    events: *const laser_source,
    support: *const c_char,
    names: *const c_char,
    count: *mut usize,
) -> laser_status {
    call(|| {
        // SAFETY: the host's promise.
        let (count, edges) = unsafe {
            (
                Out::new("count", count)?,
                edges(dim(events)?, support, names)?,
            )
        };
        count.set(edges.count());
        Ok(())
    })
}

/// The inequality that makes an edge, as it is written in the support.
///
/// @param events a source of the events that it is for: any, as their number of values is all that matters
/// @param support see laser_edge
/// @param names likewise
/// @param edge which one, from 0
/// @param buf receives the inequality, NUL-terminated; NULL with `cap` 0 asks for the size only
/// @param cap size of `buf` in bytes
/// @param needed receives the size of the inequality in bytes, its NUL included, also if `buf` is too small; may be NULL
/// @return as laser_edge_count; LASER_ERR_INVALID_ARGUMENT also if there is no such edge, and for too small a buffer
///
/// Threads: any number at once.
#[no_mangle]
pub unsafe extern "C" fn laser_edge_inequality(
    events: *const laser_source,
    support: *const c_char,
    names: *const c_char,
    edge: usize,
    buf: *mut c_char,
    cap: usize,
    needed: *mut usize,
) -> laser_status {
    call(|| {
        // SAFETY: the host's promise.
        let edges = unsafe { edges(dim(events)?, support, names)? };
        // SAFETY: the host's promise.
        unsafe { text::write(edges.inequality(edge)?, buf, cap, needed) }
    })
}

/// The values per event of a source.
///
/// # Safety
/// The host's promise.
unsafe fn dim(events: *const laser_source) -> Result<usize> {
    // SAFETY: the caller's promise.
    let events = unsafe { laser_source::hold(events, "events")? };
    let dim = events.gate().read()?.dim();
    Ok(dim)
}

/// The edges of a support of the host's, for events of `dim` values.
///
/// # Safety
/// The host's promise.
unsafe fn edges(dim: usize, support: *const c_char, names: *const c_char) -> Result<Edges> {
    // SAFETY: the caller's promise.
    let support = unsafe { text::read(support, "support")? };
    let names = match names.is_null() {
        true => "",
        // SAFETY: the caller's promise.
        false => unsafe { text::read(names, "names")? },
    };
    Edges::new(support, dim, &listed_names(names, dim)?)
}
