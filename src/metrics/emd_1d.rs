//! Earth mover's distance of samples in one dimension.

use super::bootstrap::{check_repeats, Estimate, Floor, Masses};
use super::ordered::Ordered;
use super::sample::Sample;
use crate::error::{Error, Result};
use crate::noise::places;
use crate::room;

/// The earth mover's (Wasserstein-1) distance of one feature in two samples, exact and without bins: ∫ |F_p(x) − F_q(x)| dx, in units of
/// the feature.
///
/// Error and floor come from `repeats` bootstrap samples of each sample, drawn by `seed`, with the cumulative
/// distributions F*: the error is the spread of ∫ |F*_p − F*_q|, the floor that of ∫ |(F*_p − F_p) − (F*_q − F_q)|, which is the distance
/// as it would be if F_p = F_q. Time: a sort of all events, and about 0.1 µs per event and repeat.
///
/// # Errors
/// [`Error::InvalidArgument`] if a sample has no such feature, or for more than a million repeats; [`Error::Data`] for weights without a positive total, also in
/// a bootstrap sample, or values further apart than the floating-point range.
pub fn emd_1d(
    p: &Sample,
    q: &Sample,
    feature: usize,
    repeats: usize,
    seed: u64,
) -> Result<Estimate> {
    check_feature(p, q, feature)?;
    let masses = Masses::new(p, q)?;
    let ordered = || Ordered::new(p.column(feature).chain(q.column(feature)));
    mean_distance(&masses, std::iter::once_with(ordered), repeats, seed)
}

pub(super) fn check_feature(p: &Sample, q: &Sample, feature: usize) -> Result<()> {
    if feature < p.dim().min(q.dim()) {
        return Ok(());
    }
    Err(Error::InvalidArgument(format!(
        "feature {feature} (from 0) of samples of {} and {} features",
        p.dim(),
        q.dim()
    )))
}

/// The distance, averaged over several orders of the events. Every order sees the same bootstrap samples.
pub(super) fn mean_distance(
    masses: &Masses,
    orders: impl ExactSizeIterator<Item = Result<Ordered>>,
    repeats: usize,
    seed: u64,
) -> Result<Estimate> {
    let noise = places::BOOTSTRAP.noise(seed);
    let share = 1.0 / orders.len() as f64;
    let mut value = 0.0;
    check_repeats(repeats)?;
    let mut scores = room::filled(repeats, 0.0)?;
    let mut floors = room::filled(repeats, 0.0)?;
    let mut resampled = Vec::new();
    for order in orders {
        let order = order?;
        value += share * order.area(|event| masses.get(event));
        for (repeat, (score, floor)) in scores.iter_mut().zip(&mut floors).enumerate() {
            masses.resample(noise, repeat as u64, &mut resampled)?;
            let [of_resampled, of_noise] =
                order.areas(|event| [resampled[event], resampled[event] - masses.get(event)]);
            *score += share * of_resampled;
            *floor += share * of_noise;
        }
    }
    if !value.is_finite() {
        return Err(Error::Data(
            "the values of the samples are too far apart for distances between them".into(),
        ));
    }
    Ok(Estimate {
        value,
        error: Floor::of(&scores).spread,
        floor: Floor::of(&floors),
    })
}
