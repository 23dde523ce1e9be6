//! Whether new weights of events hold what their old ones did, where all events together see it.

use crate::compute::Session;
use crate::metrics::{Sample, Sum};
use crate::model::called;
use crate::order::sort_by_value;
use crate::room::{self, Gather};
use crate::Result;
use serde::Serialize;

/// Bins of as many events each, and fewest events in one.
const BINS: usize = 50;
const FEWEST: usize = 100;
/// Events that bins are chosen by.
const CHOSEN: usize = 1 << 16;
/// A larger χ² per bin is no fluctuation: of 50 bins it is 1 ± 0.2.
const BAD: f64 = 2.0;

/// The sums of old and new weights in bins of one quantity.
///
/// The events are those that the new weights were learned from. What was learned by heart makes χ² smaller; what was not learned is seen
/// here to the statistical error of all events, which is much smaller than that of those held out.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Closure {
    /// The quantity: a feature, or the new weight.
    quantity: String,
    /// (Σw − ΣW)² / Σ(w − W)², the mean of all bins. 1 if w scatters around W, less if W has learned how.
    chi_square: f64,
    /// ΣW / Σw − 1 in the bin that contributes most.
    difference: f64,
    /// The least and the largest value there.
    from: f64,
    to: f64,
}

impl Closure {
    /// In bins of `place`; none of few events. `unit`: of the weights, whose squares may be no numbers.
    fn by(
        quantity: String,
        place: &dyn Fn(usize) -> f64,
        [old, new]: [&[f64]; 2],
        unit: f64,
    ) -> Result<Option<Self>> {
        let bins = BINS.min(old.len() / FEWEST);
        if bins == 0 {
            return Ok(None);
        }
        let mut chosen = (0..old.len())
            .step_by(old.len().div_ceil(CHOSEN))
            .gather()?;
        sort_by_value(&mut chosen, place);
        let edges = (1..bins).map(|bin| place(chosen[bin * chosen.len() / bins]));
        let mut edges = edges.gather()?;
        edges.dedup();
        let bins = edges.len() + 1;
        let mut sums = room::filled(bins, [Sum::default(); 3])?;
        let mut reach = room::filled(bins, (f64::INFINITY, f64::NEG_INFINITY))?;
        for (row, (w, new)) in old.iter().zip(new).enumerate() {
            let at = place(row);
            let bin = edges.partition_point(|edge| *edge <= at);
            let off = (w - new) / unit;
            let terms = [w / unit, off, off * off];
            sums[bin].iter_mut().zip(terms).for_each(|(s, t)| s.add(t));
            reach[bin] = (reach[bin].0.min(at), reach[bin].1.max(at));
        }
        let mut all = Sum::default();
        let mut worst = (0.0, 0);
        for (bin, [_, off, squares]) in sums.iter().enumerate() {
            let squares = squares.value();
            if squares > 0.0 {
                let term = off.value() * (off.value() / squares);
                all.add(term);
                if term > worst.0 {
                    worst = (term, bin);
                }
            }
        }
        let [of_old, off, _] = sums[worst.1].map(|sum| sum.value());
        let (from, to) = reach[worst.1];
        Ok(Some(Closure {
            quantity,
            chi_square: all.value() / bins as f64,
            difference: -off / of_old,
            from,
            to,
        }))
    }

    /// The worst of all features, and of the new weight itself; warns if it is bad.
    ///
    /// # Errors
    /// Those of the hooks, and of memory.
    pub fn look(
        session: Session,
        sample: &Sample,
        names: &[String],
        [old, new]: [&[f64]; 2],
        unit: f64,
    ) -> Result<Option<Self>> {
        let mut found: Vec<Self> = Vec::new();
        let features = (0..sample.dim()).map(Some);
        for feature in features.chain([None]) {
            session.hooks.check("closure")?;
            let place = |row: usize| match feature {
                Some(feature) => sample.event(row)[feature],
                None => new[row],
            };
            let quantity = feature.map_or("the new weight".into(), |i| called(names, i));
            found.extend(Closure::by(quantity, &place, [old, new], unit)?);
        }
        found.sort_unstable_by(|a, b| b.chi_square.total_cmp(&a.chi_square));
        let bad: Vec<String> = found
            .iter()
            .take_while(|closure| closure.chi_square > BAD)
            .map(|c| {
                format!(
                    "{} (χ² per bin {:.1}; {:+.1} % from {:.4} to {:.4})",
                    c.quantity,
                    c.chi_square,
                    100.0 * c.difference,
                    c.from,
                    c.to
                )
            })
            .collect();
        if !bad.is_empty() {
            let message = format!(
                "the sums of new and old weights differ by more than chance in bins of {}: what is learned is not as exact as {} events could tell. Train longer (`classifier.epochs`), with larger batches (`classifier.batch`)",
                bad.join(", "),
                sample.rows()
            );
            session.hooks.warn("closure", &message)?;
        }
        Ok((!found.is_empty()).then(|| found.swap_remove(0)))
    }
}
