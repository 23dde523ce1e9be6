//! `laser_histogram` and the scores.

use super::array::{self, Out, PACKED};
use super::boundary::call;
use super::handle::{Gate, Handle};
use super::status::laser_status;
use crate::metrics::{self, Histogram2d, Score};
use crate::{Error, Result};

/// A histogram of events in two dimensions, for laser_jsd and laser_emd.
///
/// Bins have equal size, include their lower edges and exclude their upper ones, but the last includes both. Bin i of n over [lo, hi]
/// begins at lo + i * ((hi - lo) / n) in double precision, as in numpy.histogram. Weights that cancel in a bin leave 0 there, not their
/// rounding. Threads: const uses by any number of threads at once; a change alone, else LASER_ERR_BUSY. To fill on several threads, give
/// each a histogram and merge.
pub struct laser_histogram(Gate<Histogram2d>);

impl Handle for laser_histogram {}

impl laser_histogram {
    pub(super) fn gate(&self) -> &Gate<Histogram2d> {
        &self.0
    }
}

/// Makes an empty histogram.
///
/// @param nx number of bins in x, at least 1
/// @param xlo lower edge in x, finite
/// @param xhi upper edge in x, finite, above `xlo`
/// @param ny number of bins in y, at least 1
/// @param ylo lower edge in y, finite
/// @param yhi upper edge in y, finite, above `ylo`
/// @param out receives the histogram; the caller frees it with laser_histogram_free
/// @return LASER_OK; LASER_ERR_INVALID_ARGUMENT for no bins, or edges that are not finite or not in increasing order;
/// LASER_ERR_MEMORY for more bins than memory holds; LASER_ERR_NULL
///
/// Threads: any number at once.
#[no_mangle]
pub unsafe extern "C" fn laser_histogram_new(
    nx: usize,
    xlo: f64,
    xhi: f64,
    ny: usize,
    ylo: f64,
    yhi: f64,
    out: *mut *mut laser_histogram,
) -> laser_status {
    call(|| {
        // SAFETY: the host's promise.
        let out = unsafe { Out::new("out", out)? };
        let histogram = Histogram2d::new(nx, [xlo, xhi], ny, [ylo, yhi])?;
        out.set(laser_histogram(Gate::new("histogram", histogram)).give());
        Ok(())
    })
}

/// Adds events.
///
/// @param histogram what to fill; unchanged on failure
/// @param n number of events; 0 does nothing
/// @param x `n` rows that begin with x and y; row i begins at x + i * stride. Of events with more features the first two are taken; for
/// features k and k + 1 pass the address of feature k of the first event
/// @param stride doubles between the beginnings of rows, at least 2; 0 for packed rows of 2
/// @param w `n` weights; NULL for weights of 1
/// @return LASER_OK; LASER_ERR_INVALID_ARGUMENT for wrong sizes; LASER_ERR_DATA naming the first row and column that is NaN or
/// infinite; LASER_ERR_NULL; LASER_ERR_BUSY
///
/// Threads: needs `histogram` alone.
#[no_mangle]
pub unsafe extern "C" fn laser_histogram_fill(
    histogram: *mut laser_histogram,
    n: usize,
    x: *const f64,
    stride: usize,
    w: *const f64,
) -> laser_status {
    call(|| {
        // SAFETY: the host's promise.
        let histogram = unsafe { laser_histogram::hold(histogram, "histogram")? };
        // SAFETY: the host's promise.
        let (x, w) = unsafe {
            (
                array::rows("x", x, (n, 2), ("stride", stride))?,
                array::optional_slice("w", w, n)?,
            )
        };
        let mut histogram = histogram.0.write()?;
        histogram.fill(x, w)
    })
}

/// Copies out the bins.
///
/// @param histogram what to read
/// @param out receives nx * ny sums of weights, that of bin (ix, iy) at ix * ny + iy
/// @param cap doubles that `out` has room for
/// @return LASER_OK; LASER_ERR_INVALID_ARGUMENT if `cap` is too small; LASER_ERR_NULL; LASER_ERR_BUSY while the histogram is being
/// changed
///
/// Threads: any number at once.
#[no_mangle]
pub unsafe extern "C" fn laser_histogram_contents(
    histogram: *const laser_histogram,
    out: *mut f64,
    cap: usize,
) -> laser_status {
    call(|| {
        // SAFETY: the host's promise.
        let histogram = unsafe { laser_histogram::hold(histogram, "histogram")? };
        let histogram = histogram.0.read()?;
        let contents = histogram.contents()?;
        if cap < contents.len() {
            return Err(Error::InvalidArgument(format!(
                "argument `cap` is {cap}, but the histogram has {} bins",
                contents.len()
            )));
        }
        // SAFETY: the host's promise.
        let mut out = unsafe { array::rows_mut("out", out, (1, contents.len()), PACKED)? };
        out.set(0, contents);
        Ok(())
    })
}

/// Sums the weights.
///
/// @param histogram what to read
/// @param inside receives the sum of weights inside the range
/// @param outside receives that outside of it, of which the scores know nothing
/// @return LASER_OK; LASER_ERR_NULL; LASER_ERR_BUSY while the histogram is being changed
///
/// Threads: any number at once.
#[no_mangle]
pub unsafe extern "C" fn laser_histogram_total(
    histogram: *const laser_histogram,
    inside: *mut f64,
    outside: *mut f64,
) -> laser_status {
    call(|| {
        // SAFETY: the host's promise.
        let (histogram, inside, outside) = unsafe {
            (
                laser_histogram::hold(histogram, "histogram")?,
                Out::new("inside", inside)?,
                Out::new("outside", outside)?,
            )
        };
        let histogram = histogram.0.read()?;
        inside.set(histogram.total());
        outside.set(histogram.outside());
        Ok(())
    })
}

/// Adds the contents of another histogram.
///
/// @param into what to change; unchanged on failure
/// @param from what to add; of the same bins, and another histogram than `into`
/// @return LASER_OK; LASER_ERR_INVALID_ARGUMENT if the bins differ or both are the same histogram; LASER_ERR_NULL; LASER_ERR_BUSY
///
/// Threads: needs `into` alone; `from` may be shared.
#[no_mangle]
pub unsafe extern "C" fn laser_histogram_merge(
    into: *mut laser_histogram,
    from: *const laser_histogram,
) -> laser_status {
    call(|| {
        // SAFETY: the host's promise.
        let (target, from) = unsafe {
            (
                laser_histogram::hold(into, "into")?,
                laser_histogram::hold(from, "from")?,
            )
        };
        if std::ptr::eq(&*target, &*from) {
            return Err(Error::InvalidArgument(
                "arguments `into` and `from` are the same histogram; two are required".into(),
            ));
        }
        let from = from.0.read()?;
        let mut target = target.0.write()?;
        target.merge(&from)
    })
}

/// Frees a histogram.
///
/// @param histogram what to free; NULL is fine
///
/// Threads: no other thread may use `histogram` any more.
#[no_mangle]
pub unsafe extern "C" fn laser_histogram_free(histogram: *mut laser_histogram) {
    // SAFETY: the host's promise.
    unsafe { laser_histogram::free(histogram) }
}

/// The Jensen-Shannon divergence of two histograms, each normalised to one: how far a sample is from the target.
///
/// Of what lies outside the range of the histograms it knows nothing: compare their shares of laser_histogram_total too.
/// It means little without its floor: the same score between two independent target samples of the same size; see laser_jsd_floor.
///
/// @param p one histogram
/// @param q the other, of the same bins; the order does not matter
/// @param nats receives the divergence in nats, from 0 (equal) to ln 2 (apart)
/// @param paper receives it in the convention of Table 3 of the LaSeR paper, divided by the area of a bin; NULL if not wanted
/// @return LASER_OK; LASER_ERR_INVALID_ARGUMENT if the bins differ; LASER_ERR_DATA for an empty histogram or a negative bin;
/// LASER_ERR_NULL; LASER_ERR_BUSY while a histogram is being changed
///
/// Threads: any number at once.
#[no_mangle]
pub unsafe extern "C" fn laser_jsd(
    p: *const laser_histogram,
    q: *const laser_histogram,
    nats: *mut f64,
    paper: *mut f64,
) -> laser_status {
    // SAFETY: the host's promise.
    call(|| unsafe { score(metrics::jsd, p, q, ("nats", nats), paper) })
}

/// The earth mover's distance of two histograms, each normalised to one: the exact optimal transport between their bins, with
/// Euclidean distances between bin centres.
///
/// Of what lies outside the range of the histograms it knows nothing: compare their shares of laser_histogram_total too.
/// It means little without its floor: the same score between two independent target samples of the same size; see laser_emd_floor. Takes
/// about half a second for histograms of 100 x 100 bins, seconds for 200 x 200, half a minute for 300 x 300.
///
/// @param p one histogram
/// @param q the other, of the same bins; the order does not matter
/// @param units receives the distance, in units of the axes
/// @param paper receives it in the convention of Table 3 of the LaSeR paper, divided by the area of a bin and by the largest
/// distance between two bins; NULL if not wanted
/// @return LASER_OK; LASER_ERR_INVALID_ARGUMENT if the bins differ; LASER_ERR_DATA for an empty histogram or a negative bin;
/// LASER_ERR_NULL; LASER_ERR_BUSY while a histogram is being changed
///
/// Threads: any number at once.
#[no_mangle]
pub unsafe extern "C" fn laser_emd(
    p: *const laser_histogram,
    q: *const laser_histogram,
    units: *mut f64,
    paper: *mut f64,
) -> laser_status {
    // SAFETY: the host's promise.
    call(|| unsafe { score(metrics::emd, p, q, ("units", units), paper) })
}

/// A score of two histograms in both conventions.
///
/// # Safety
/// The host's promise.
unsafe fn score(
    function: fn(&Histogram2d, &Histogram2d) -> Result<Score>,
    p: *const laser_histogram,
    q: *const laser_histogram,
    (name, value): (&'static str, *mut f64),
    paper: *mut f64,
) -> Result<()> {
    // SAFETY: the caller's promise.
    let (p, q, value, paper) = unsafe {
        (
            laser_histogram::hold(p, "p")?,
            laser_histogram::hold(q, "q")?,
            Out::new(name, value)?,
            Out::optional(paper),
        )
    };
    let (p, q) = (p.0.read()?, q.0.read()?);
    let score = function(&p, &q)?;
    value.set(score.value);
    if let Some(paper) = paper {
        paper.set(score.paper);
    }
    Ok(())
}
