//! Whether new weights of events hold what their old ones did, where all events together see it.

use crate::compute::{threads, Session};
use crate::metrics::{Sample, Sum, Trees};
use crate::model::called;
use crate::options::keys;
use crate::order::falling;
use crate::order::sort_by_value;
use crate::room::{self, Gather, Grow};
use crate::{Result, Rows};
use serde::Serialize;

/// Bins of as many events each, and fewest events in one.
const BINS: usize = 50;
const FEWEST: usize = 100;
/// Events that bins are chosen by.
const CHOSEN: usize = 1 << 16;
/// So many standard deviations of χ² are no fluctuation.
const DEVIATIONS: f64 = 5.0;
/// Most and fewest events that trees are shown.
const SHOWN: usize = 200_000;
const ENOUGH: usize = 500;
/// A sum so many errors from 0 is no chance.
const ERRORS: f64 = 4.0;

/// Events with their old and new weights, in a unit in which their squares are numbers.
pub(super) struct Both<'a> {
    pub sample: &'a Sample<'a>,
    pub old: &'a [f64],
    pub new: &'a [f64],
    pub unit: f64,
}

/// Sums of weights in a place.
#[derive(Clone, Copy, Default)]
struct Sums {
    old: Sum,
    /// Old − new.
    off: Sum,
    /// Of the old weights: what the sum of independent events varies by.
    squares: Sum,
}

impl Sums {
    /// 1 − Σw / ΣW: new weights are positive, where old ones may sum to nothing.
    fn difference(&self) -> f64 {
        let off = self.off.value();
        -off / (self.old.value() - off)
    }
}

impl Both<'_> {
    fn off(&self, row: usize) -> f64 {
        (self.old[row] - self.new[row]) / self.unit
    }

    fn add(&self, row: usize, sums: &mut Sums) {
        let old = self.old[row] / self.unit;
        sums.old.add(old);
        sums.off.add(self.off(row));
        sums.squares.add(old * old);
    }
}

/// The sums of old and new weights.
///
/// The events are those that the new weights were learned from. What was learned by heart makes the sums agree better; what was not learned is
/// seen here to the statistical error of all events, which is much smaller than that of those held out.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Closure {
    /// In bins of single quantities, the worst.
    #[serde(flatten)]
    bins: Option<Binned>,
    /// In all of them together.
    regions: Option<Regions>,
}

/// In bins of one quantity.
#[derive(Clone, Debug, Serialize)]
struct Binned {
    /// The quantity: a feature, or the new weight.
    quantity: String,
    /// (Σw − ΣW)² / Σw², the mean of all bins: about 1 at most if W is right.
    chi_square: f64,
    /// How many bins there are.
    bins: usize,
    /// 1 − Σw / ΣW in the bin that contributes most.
    difference: f64,
    /// The least and the largest value there.
    from: f64,
    to: f64,
}

/// Where trees that were shown one half of the events expect the new weights to be too large, and too small: in the other half, for both
/// halves.
#[derive(Clone, Debug, Serialize)]
struct Regions {
    /// How well they know it: Σ s (w − W) in its standard errors, where s is the difference that they expect. Within a few of 0 if there is
    /// nothing that they find.
    pull: f64,
    /// 1 − Σw / ΣW where W seems too large.
    above: f64,
    /// And where it seems too small.
    below: f64,
}

impl Regions {
    /// None of few events.
    fn find(session: Session, both: &Both) -> Result<Option<Self>> {
        let (rows, dim) = (both.sample.rows(), both.sample.dim());
        if rows < 2 * ENOUGH {
            return Ok(None);
        }
        // In a mixed order, as files may be sorted: multiples of a number near the golden section of all, which has no factor in common with
        // it, are all different.
        let mut step = (rows as f64 * 0.618) as u64 | 1;
        while common_factor(step, rows as u64) > 1 {
            step += 1;
        }
        let row = |i: usize| ((i as u64 * step) % rows as u64) as usize;
        let count = rows.min(2 * SHOWN);
        let mut expected = room::filled(count, 0.0)?;
        for shown in [0, 1] {
            let half = || (shown..count).step_by(2).map(row);
            let (mut x, mut off) = (room::empty(count.div_ceil(2) * dim)?, Vec::new());
            off.room(count.div_ceil(2))?;
            for row in half() {
                x.extend_from_slice(both.sample.event(row));
                off.push(both.off(row));
            }
            let held_out = (off.len() as f64 * session.get(keys::VALIDATION_FRACTION)) as usize;
            let half = Sample::new(Rows::packed(&x, dim)?, Some(&off))?;
            let threads = threads(session.options);
            let trees = Trees::of_mean_weight(&half, held_out, threads, session.hooks)?;
            let others = (1 - shown..count).step_by(2);
            others.for_each(|i| expected[i] = trees.score(both.sample.event(row(i))));
        }
        let mean = expected.iter().sum::<f64>() / count as f64;
        let (mut sides, mut sum, mut squares) = ([Sums::default(); 2], Sum::default(), 0.0);
        for (i, expected) in expected.iter().enumerate() {
            let (row, expected) = (row(i), expected - mean);
            both.add(row, &mut sides[usize::from(expected > 0.0)]);
            sum.add(expected * both.off(row));
            squares += (expected * both.old[row] / both.unit).powi(2);
        }
        let [above, below] = sides.map(|side| side.difference());
        Ok((squares > 0.0).then(|| Regions {
            pull: sum.value() / squares.sqrt(),
            above,
            below,
        }))
    }
}

fn common_factor(a: u64, b: u64) -> u64 {
    match b {
        0 => a,
        _ => common_factor(b, a % b),
    }
}

impl Binned {
    fn is_bad(&self) -> bool {
        self.chi_square > 1.0 + DEVIATIONS * (2.0 / self.bins as f64).sqrt()
    }

    /// In bins of `place`; none of few events.
    fn by(both: &Both, quantity: String, place: &dyn Fn(usize) -> f64) -> Result<Option<Self>> {
        let rows = both.sample.rows();
        let bins = BINS.min(rows / FEWEST);
        if bins == 0 {
            return Ok(None);
        }
        let mut chosen = (0..rows).step_by(rows.div_ceil(CHOSEN)).gather()?;
        sort_by_value(&mut chosen, place);
        let edges = (1..bins).map(|bin| place(chosen[bin * chosen.len() / bins]));
        let mut edges = edges.gather()?;
        edges.dedup();
        let bins = edges.len() + 1;
        let mut sums = room::filled(bins, Sums::default())?;
        let mut reach = room::filled(bins, (f64::INFINITY, f64::NEG_INFINITY))?;
        for row in 0..rows {
            let at = place(row);
            let bin = edges.partition_point(|edge| *edge <= at);
            both.add(row, &mut sums[bin]);
            reach[bin] = (reach[bin].0.min(at), reach[bin].1.max(at));
        }
        let mut all = Sum::default();
        let mut worst = (0.0, 0);
        for (bin, sums) in sums.iter().enumerate() {
            let (off, squares) = (sums.off.value(), sums.squares.value());
            if squares > 0.0 {
                let term = off * (off / squares);
                all.add(term);
                if term > worst.0 {
                    worst = (term, bin);
                }
            }
        }
        let (from, to) = reach[worst.1];
        Ok(Some(Binned {
            quantity,
            chi_square: all.value() / bins as f64,
            bins,
            difference: sums[worst.1].difference(),
            from,
            to,
        }))
    }
}

impl Closure {
    /// Of all features, of the new weight itself, and of all together; warns if it is bad.
    ///
    /// # Errors
    /// Those of the hooks, and of memory.
    pub fn look(session: Session, names: &[String], both: &Both) -> Result<Self> {
        let mut found: Vec<Binned> = Vec::new();
        let features = (0..both.sample.dim()).map(Some);
        for feature in features.chain([None]) {
            session.hooks.check("closure")?;
            let place = |row: usize| match feature {
                Some(feature) => both.sample.event(row)[feature],
                None => both.new[row],
            };
            let quantity = feature.map_or("the new weight".into(), |i| called(names, i));
            found.extend(Binned::by(both, quantity, &place)?);
        }
        let mut found = falling(found, &|binned| binned.chi_square);
        let bad = found.iter().filter(|binned| binned.is_bad());
        let mut bad: Vec<String> = bad
            .map(|c| {
                format!(
                    "in bins of {} (χ² per bin {:.1}; the new ones are {:+.1} % off from {:.4} to {:.4})",
                    c.quantity,
                    c.chi_square,
                    100.0 * c.difference,
                    c.from,
                    c.to
                )
            })
            .collect();
        let regions = Regions::find(session, both)?;
        if let Some(regions) = regions.as_ref().filter(|regions| regions.pull > ERRORS) {
            bad.push(format!(
                "where boosted trees expect it from other events ({:+.1} % and {:+.1} % of the new ones, by {:.1} standard errors)",
                100.0 * regions.above,
                100.0 * regions.below,
                regions.pull
            ));
        }
        if !bad.is_empty() {
            let message = format!(
                "the sums of new and old weights differ by more than chance {}: what is learned is not as exact as {} events could tell. Average several networks (`classifier.ensemble`), train with larger batches (`classifier.batch`) and for longer (`classifier.epochs`, `classifier.patience`), or give features that tell the sign more plainly, as a difference of angles",
                bad.join(", "),
                both.sample.rows()
            );
            session.hooks.warn("closure", &message)?;
        }
        let bins = (!found.is_empty()).then(|| found.swap_remove(0));
        Ok(Closure { bins, regions })
    }
}
