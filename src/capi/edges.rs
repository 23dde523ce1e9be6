//! The score for edges.

use super::array::{self, Out};
use super::boundary::call;
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
/// infinity where the sample has nothing there; NULL if not wanted
/// @param ratio_error receives its standard error; NULL if not wanted
/// @param depth receives how far the layer reaches from the edge, in units of the inequality; NULL if not wanted
/// @return LASER_OK; LASER_ERR_INVALID_ARGUMENT for a support that is none, showing the place, or has no such edge, names that do not fit, or
/// different numbers of values; LASER_ERR_UNSUPPORTED for a source of laser_source_from_callback; LASER_ERR_NULL; LASER_ERR_BUSY while a
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
            unsafe { edges(support, names, p.dim())? }.measure(edge, p, q)
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
/// @param support see laser_edge
/// @param names likewise
/// @param dim values per event
/// @param count receives the number
/// @return LASER_OK; LASER_ERR_INVALID_ARGUMENT for a support that is none, showing the place, or names that do not fit; LASER_ERR_NULL
///
/// Threads: any number at once.
#[no_mangle]
pub unsafe extern "C" fn laser_edge_count(
    support: *const c_char,
    names: *const c_char,
    dim: usize,
    count: *mut usize,
) -> laser_status {
    call(|| {
        // SAFETY: the host's promise.
        let (count, edges) = unsafe { (Out::new("count", count)?, edges(support, names, dim)?) };
        count.set(edges.count());
        Ok(())
    })
}

/// The inequality that makes an edge, as it is written in the support.
///
/// @param support see laser_edge
/// @param names likewise
/// @param dim values per event
/// @param edge which one, from 0
/// @param buf receives the inequality, NUL-terminated; NULL with `cap` 0 asks for the size only
/// @param cap size of `buf` in bytes
/// @param needed receives the size of the inequality in bytes, its NUL included, also if `buf` is too small; may be NULL
/// @return as laser_edge_count; LASER_ERR_INVALID_ARGUMENT also if there is no such edge, and for too small a buffer
///
/// Threads: any number at once.
#[no_mangle]
pub unsafe extern "C" fn laser_edge_inequality(
    support: *const c_char,
    names: *const c_char,
    dim: usize,
    edge: usize,
    buf: *mut c_char,
    cap: usize,
    needed: *mut usize,
) -> laser_status {
    call(|| {
        // SAFETY: the host's promise.
        let edges = unsafe { edges(support, names, dim)? };
        // SAFETY: the host's promise.
        unsafe { text::write(edges.inequality(edge)?, buf, cap, needed) }
    })
}

/// The edges of a support of the host's.
///
/// # Safety
/// The host's promise.
unsafe fn edges(support: *const c_char, names: *const c_char, dim: usize) -> Result<Edges> {
    // SAFETY: the caller's promise.
    let support = unsafe { text::read(support, "support")? };
    let names = match names.is_null() {
        true => "",
        // SAFETY: the caller's promise.
        false => unsafe { text::read(names, "names")? },
    };
    Edges::new(support, dim, &listed_names(names, dim)?)
}
