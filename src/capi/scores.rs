//! Scores of events without bins, of classifiers, weights and chains.

use super::array::{self, Out, PACKED};
use super::boundary::call;
use super::handle::Handle;
use super::hooks::{self, laser_hooks};
use super::options::{self, laser_options};
use super::source::laser_source;
use super::status::laser_status;
use crate::metrics::{self, chains, Estimate, Sample};
use crate::protocol::{self, TwoSampleAuc};
use crate::{Result, RowsMut};

/// The earth mover's (Wasserstein-1) distance of one feature in two samples: exact, with weights, without bins, in any dimension of events.
///
/// Error and floor come from bootstrap samples. A distance means little without its floor: what two independent samples of these sizes and
/// weights would score if their distribution were the same. Takes a sort of all events, and about 100 ns per event and repeat.
///
/// @param p events of one sample, from laser_source_from_array; weights may be negative if their sum is positive
/// @param q events of the other, likewise; the order does not matter
/// @param feature which value of the events, from 0
/// @param repeats bootstrap samples to draw, say 20 to 100, at most a million; with less than 2 there is no error and no floor
/// @param seed of the bootstrap; equal seeds give equal results
/// @param distance receives the distance, in units of the feature
/// @param error receives its standard error; NaN without repeats; NULL if not wanted
/// @param floor receives the mean of the floor, likewise
/// @param floor_spread receives the standard deviation of one score about it, likewise
/// @return LASER_OK; LASER_ERR_INVALID_ARGUMENT if the events have no such feature, or for too many repeats; LASER_ERR_DATA for weights
/// without a positive total, also in a bootstrap sample; LASER_ERR_UNSUPPORTED for a source of laser_source_from_callback; LASER_ERR_NULL; LASER_ERR_BUSY while a
/// source is in use by a training
///
/// Threads: any number at once.
#[no_mangle]
pub unsafe extern "C" fn laser_emd_1d(
    p: *const laser_source,
    q: *const laser_source,
    feature: usize,
    repeats: usize,
    seed: u64,
    distance: *mut f64,
    error: *mut f64,
    floor: *mut f64,
    floor_spread: *mut f64,
) -> laser_status {
    call(|| {
        // SAFETY: the host's promise.
        let out = unsafe { Outputs::new(distance, [error, floor, floor_spread])? };
        let score = |p: &Sample, q: &Sample| metrics::emd_1d(p, q, feature, repeats, seed);
        // SAFETY: the host's promise.
        out.set(unsafe { of_samples((p, "p"), (q, "q"), score)? });
        Ok(())
    })
}

/// The sliced earth mover's distance of two samples, in any dimension: the mean of the one-dimensional distance over random directions,
/// every feature divided by its standard deviation in the reference.
///
/// Error and floor are as for laser_emd_1d, for the same directions. Takes `directions` times as long.
///
/// @param reference events that set the scale, from laser_source_from_array
/// @param sample events to compare with them, likewise, with as many values
/// @param directions how many directions to draw, at least 1 and at most a million, say 50
/// @param repeats bootstrap samples to draw, at most a million; with less than 2 there is no error and no floor
/// @param seed of directions and bootstrap; compare scores of one seed
/// @param distance receives the distance, in standard deviations
/// @param error receives its standard error; NaN without repeats; NULL if not wanted
/// @param floor receives the mean of the floor, likewise
/// @param floor_spread receives the standard deviation of one score about it, likewise
/// @return LASER_OK; LASER_ERR_INVALID_ARGUMENT for no or too many directions, or different numbers of values; LASER_ERR_DATA for a feature that is
/// constant in the reference (but for rounding) or has a variance beyond the floating-point range, for weights without a positive total,
/// also in a bootstrap sample; LASER_ERR_UNSUPPORTED for a source of laser_source_from_callback; LASER_ERR_NULL; LASER_ERR_BUSY while a
/// source is in use by a training
///
/// Threads: any number at once.
#[no_mangle]
pub unsafe extern "C" fn laser_sliced_emd(
    reference: *const laser_source,
    sample: *const laser_source,
    directions: usize,
    repeats: usize,
    seed: u64,
    distance: *mut f64,
    error: *mut f64,
    floor: *mut f64,
    floor_spread: *mut f64,
) -> laser_status {
    call(|| {
        // SAFETY: the host's promise.
        let out = unsafe { Outputs::new(distance, [error, floor, floor_spread])? };
        let score = |p: &Sample, q: &Sample| metrics::sliced_emd(p, q, directions, repeats, seed);
        // SAFETY: the host's promise.
        out.set(unsafe { of_samples((reference, "reference"), (sample, "sample"), score)? });
        Ok(())
    })
}

/// The two-sample Kolmogorov-Smirnov test of one feature, with weights.
///
/// @param p events of one sample, from laser_source_from_array; weights may be negative if their sum is positive
/// @param q events of the other, likewise; the order does not matter
/// @param feature which value of the events, from 0
/// @param statistic receives the greatest difference of the two cumulative distributions, from 0 to 1, or above where negative weights take
/// one of them out of that range
/// @param p_value receives the probability of so great a difference or a greater one if the distributions were the same; approximate for
/// weighted samples (their effective sizes, or what their weights leave below and above a value), too great for values with many ties; NULL if not wanted
/// @return LASER_OK; LASER_ERR_INVALID_ARGUMENT if the events have no such feature; LASER_ERR_DATA for weights without a positive total;
/// LASER_ERR_UNSUPPORTED for a source of laser_source_from_callback; LASER_ERR_NULL; LASER_ERR_BUSY while a source is in use by a training
///
/// Threads: any number at once.
#[no_mangle]
pub unsafe extern "C" fn laser_kolmogorov_smirnov(
    p: *const laser_source,
    q: *const laser_source,
    feature: usize,
    statistic: *mut f64,
    p_value: *mut f64,
) -> laser_status {
    call(|| {
        // SAFETY: the host's promise.
        let (statistic, p_value) =
            unsafe { (Out::new("statistic", statistic)?, Out::optional(p_value)) };
        let score = |p: &Sample, q: &Sample| metrics::kolmogorov_smirnov(p, q, feature);
        // SAFETY: the host's promise.
        let test = unsafe { of_samples((p, "p"), (q, "q"), score)? };
        statistic.set(test.statistic);
        array::give(p_value, test.p_value);
        Ok(())
    })
}

/// A classifier two-sample test: trains fresh classifiers of two families, a network and gradient-boosted trees, to tell a sample from the
/// reference on one half of both, and gives the larger area under their ROC curves on the other halves.
///
/// 0.5 within the error: they find no difference, in all dimensions together; 1: one tells every event. A lower bound, as a longer training
/// may find more. Where there is none, the larger of two areas is on average up to half an error above 0.5. The two samples must not
/// share events: an area far below 0.5 says that they do, and is warned of. Copies of an event within one of them, as resampling makes
/// them, count as one event with the sum of their weights. An event that has more than a tenth of a sample's Σw² is warned of: the area
/// knows it in one half alone.
///
/// @param reference events of one sample, from laser_source_from_array, at least 4
/// @param sample events of the other, likewise, with as many values
/// @param options the groups "classifier" (of the network) and "validation", and "seed" (also of the halves), "dtype", "backend", "device",
/// "threads"; copied; NULL for the defaults, the paper's long training
/// @param hooks progress, log and cancel; copied; NULL for none
/// @param auc receives the area
/// @param error receives its standard error, that of the events it was judged by; NULL if not wanted
/// @return LASER_OK; LASER_ERR_INVALID_ARGUMENT for different numbers of values; LASER_ERR_DATA for too few events, a feature that is
/// constant (but for rounding) or has a variance beyond the floating-point range, weights whose total is not positive in a half;
/// LASER_ERR_UNSUPPORTED for a source of laser_source_from_callback; LASER_ERR_NUMERICAL, LASER_ERR_CALLBACK, LASER_ERR_CANCELLED,
/// LASER_ERR_DEVICE, LASER_ERR_TORCH as in a training; LASER_ERR_NULL; LASER_ERR_BUSY while a source is in use by a training
///
/// Threads: any number at once.
#[no_mangle]
pub unsafe extern "C" fn laser_two_sample_auc(
    reference: *const laser_source,
    sample: *const laser_source,
    options: *const laser_options,
    hooks: *const laser_hooks,
    auc: *mut f64,
    error: *mut f64,
) -> laser_status {
    call(|| {
        // SAFETY: the host's promise.
        let (auc, error) = unsafe { (Out::new("auc", auc)?, Out::optional(error)) };
        // SAFETY: the host's promise.
        let found = unsafe { two_sample_auc(reference, sample, options, hooks)? };
        let area = found.larger();
        auc.set(area.value);
        array::give(error, area.error);
        Ok(())
    })
}

/// As laser_two_sample_auc, but gives the areas of both families. It trains as much, and with the same options finds the same.
///
/// A network finds smooth differences and narrow correlations; trees find edges, spikes, and differences of any scale.
///
/// @param reference see laser_two_sample_auc
/// @param sample likewise
/// @param options likewise
/// @param hooks likewise
/// @param network receives the area of the network
/// @param network_error receives its standard error; NULL if not wanted
/// @param trees receives the area of the trees
/// @param trees_error receives its standard error; NULL if not wanted
/// @return as laser_two_sample_auc
///
/// Threads: any number at once.
#[no_mangle]
pub unsafe extern "C" fn laser_two_sample_auc_by_family(
    reference: *const laser_source,
    sample: *const laser_source,
    options: *const laser_options,
    hooks: *const laser_hooks,
    network: *mut f64,
    network_error: *mut f64,
    trees: *mut f64,
    trees_error: *mut f64,
) -> laser_status {
    call(|| {
        // SAFETY: the host's promise.
        let (network, trees, errors) = unsafe {
            (
                Out::new("network", network)?,
                Out::new("trees", trees)?,
                [network_error, trees_error].map(|error| Out::optional(error)),
            )
        };
        // SAFETY: the host's promise.
        let found = unsafe { two_sample_auc(reference, sample, options, hooks)? };
        let areas = [found.network, found.trees];
        for ((value, error), area) in [network, trees].into_iter().zip(errors).zip(areas) {
            value.set(area.value);
            array::give(error, area.error);
        }
        Ok(())
    })
}

/// The area under the ROC curve of scores: the probability that an event of label 1 scores higher than one of label 0, ties counting half.
///
/// @param n number of events
/// @param scores `n` numbers, greater for events that look like label 1
/// @param labels `n` numbers, 1 or 0
/// @param w `n` weights, which may be negative if their sum is positive for each label; NULL for weights of 1
/// @param auc receives the area, from 0 to 1 unless there are negative weights
/// @param error receives its standard error (DeLong's; with weights, of effective sizes), or where the scores part the classes completely or are
/// all equal, of which that knows none, the error of useless scores of as many events; NULL if not wanted
/// @return LASER_OK; LASER_ERR_DATA for NaN or infinity, other labels, a label of less than two (effective) events or without a positive
/// total weight; LASER_ERR_NULL
///
/// Threads: any number at once.
#[no_mangle]
pub unsafe extern "C" fn laser_auc(
    n: usize,
    scores: *const f64,
    labels: *const i32,
    w: *const f64,
    auc: *mut f64,
    error: *mut f64,
) -> laser_status {
    call(|| {
        // SAFETY: the host's promise.
        let (scores, labels, w, auc, error) = unsafe {
            (
                array::slice("scores", scores, n)?,
                array::slice("labels", labels, n)?,
                array::optional_slice("w", w, n)?,
                Out::new("auc", auc)?,
                Out::optional(error),
            )
        };
        let area = metrics::auc(scores, labels, w)?;
        auc.set(area.value);
        array::give(error, area.error);
        Ok(())
    })
}

/// How many unweighted events are worth as much as weighted ones: (sum of w)^2 / (sum of w^2).
///
/// @param n number of events
/// @param w `n` weights
/// @param size receives the effective sample size
/// @return LASER_OK; LASER_ERR_DATA for weights whose sum is not positive and finite; LASER_ERR_NULL
///
/// Threads: any number at once.
#[no_mangle]
pub unsafe extern "C" fn laser_effective_size(
    n: usize,
    w: *const f64,
    size: *mut f64,
) -> laser_status {
    call(|| {
        // SAFETY: the host's promise.
        let (w, size) = unsafe { (array::slice("w", w, n)?, Out::new("size", size)?) };
        size.set(metrics::effective_size(w)?);
        Ok(())
    })
}

/// Whether Markov chains have mixed, and how many independent draws they are worth: rank-normalised split R-hat (the greater of bulk and
/// folded) and bulk effective sample size of every dimension, after Vehtari et al., arXiv:1903.08008.
///
/// R-hat is 1 for chains that agree; above 1.01 they have not converged. Chains none of which ever moves, at one value or each at its own,
/// give infinity and 1.
///
/// @param draws number of draws of a chain, without warm-up, at least 4
/// @param chains number of chains, at least 1; the paper advises 4
/// @param dim number of dimensions, at least 1
/// @param x value d of chain c at draw i is x[(i * chains + c) * dim + d]
/// @param r_hat receives `dim` values; NULL if not wanted
/// @param effective_size receives `dim` values, each the number of independent draws of all chains together; NULL if not wanted
/// @return LASER_OK; LASER_ERR_INVALID_ARGUMENT for wrong sizes; LASER_ERR_DATA naming the first value that is NaN or infinite;
/// LASER_ERR_NULL
///
/// Threads: any number at once.
#[no_mangle]
pub unsafe extern "C" fn laser_chain_diagnostics(
    draws: usize,
    chains: usize,
    dim: usize,
    x: *const f64,
    r_hat: *mut f64,
    effective_size: *mut f64,
) -> laser_status {
    call(|| {
        // Too many to count are too many to hold.
        let len = draws.saturating_mul(chains).saturating_mul(dim);
        // SAFETY: the host's promise; that the arrays are apart is checked before their first use.
        let (x, r_hat, size) = unsafe {
            (
                array::rows("x", x, (1, len), PACKED)?,
                array::optional_column_mut("r_hat", r_hat, dim)?,
                array::optional_column_mut("effective_size", effective_size, dim)?,
            )
        };
        let place = |name, out: &Option<RowsMut<f64>>| out.as_ref().map(|out| (name, out.span()));
        array::disjoint([
            Some(("x", x.span())),
            place("r_hat", &r_hat),
            place("effective_size", &size),
        ])?;
        let x = x.row(0);
        let values = [
            chains::split_r_hat(x, chains, dim)?,
            chains::effective_sample_size(x, chains, dim)?,
        ];
        for (out, values) in [r_hat, size].into_iter().zip(values) {
            if let Some(mut out) = out {
                for (row, value) in values.into_iter().enumerate() {
                    out.set(row, [value]);
                }
            }
        }
        Ok(())
    })
}

/// What an estimate is written to.
struct Outputs {
    value: Out<f64>,
    /// Error, mean of the floor, its spread.
    others: [Option<Out<f64>>; 3],
}

impl Outputs {
    /// # Safety
    /// The host's promise.
    unsafe fn new(distance: *mut f64, others: [*mut f64; 3]) -> Result<Self> {
        // SAFETY: the caller's promise.
        unsafe {
            Ok(Outputs {
                value: Out::new("distance", distance)?,
                others: others.map(|other| Out::optional(other)),
            })
        }
    }

    fn set(self, estimate: Estimate) {
        let Estimate {
            value,
            error,
            floor,
        } = estimate;
        self.value.set(value);
        let others = [error, floor.mean, floor.spread];
        for (out, value) in self.others.into_iter().zip(others) {
            array::give(out, value);
        }
    }
}

/// # Safety
/// The host's promise.
unsafe fn two_sample_auc(
    reference: *const laser_source,
    sample: *const laser_source,
    options: *const laser_options,
    hooks: *const laser_hooks,
) -> Result<TwoSampleAuc> {
    // SAFETY: the caller's promise.
    let (options, hooks) = unsafe { (options::given(options)?, hooks::given(hooks)?) };
    let score = |p: &Sample, q: &Sample| protocol::two_sample_auc(p, q, &options, &hooks);
    // SAFETY: the caller's promise.
    unsafe { of_samples((reference, "reference"), (sample, "sample"), score) }
}

/// A score of the events of two sources, each with the name of its argument.
///
/// # Safety
/// The host's promise.
pub(super) unsafe fn of_samples<T>(
    p: (*const laser_source, &'static str),
    q: (*const laser_source, &'static str),
    score: impl FnOnce(&Sample, &Sample) -> Result<T>,
) -> Result<T> {
    // SAFETY: the caller's promise.
    let (p, q) = unsafe { (laser_source::hold(p.0, p.1)?, laser_source::hold(q.0, q.1)?) };
    let (p, q) = (p.gate().read()?, q.gate().read()?);
    score(&p.sample()?, &q.sample()?)
}
