//! Pulling the classifier's weights back to the latent space, w(z) = w(g(z)) (paper, Sec. 2), and judging them.

use super::calibration::Calibration;
use super::conditions::Conditions;
use super::coverage::FeatureRange;
use super::gaps::Gap;
use super::judgement::Subject;
use super::limits::{LimitReport, TOO_MUCH};
use super::opinion::SecondOpinion;
use crate::compute::{Instance, Session};
use crate::metrics::Squares;
use crate::noise::places::{self, Place};
use crate::options::keys;
use crate::order::sort_by_value;
use crate::room::{self, Gather, Grow};
use crate::train::{Hooks, Level};
use crate::{Error, Result};
use serde::Serialize;

/// Latents of the prior with their weights.
#[derive(Default)]
pub(super) struct Weighted {
    /// Latent rows.
    pub z: Vec<f64>,
    /// log w(z).
    pub log_w: Vec<f64>,
    /// log w(x) of the events made of them, where that is something else.
    pub log_w_of_events: Option<Vec<f64>>,
}

/// Which latents are drawn, and for what.
#[derive(Clone, Copy)]
pub(super) struct Run {
    stage: &'static str,
    place: Place,
    rows: usize,
    /// For what its memory is, in messages.
    what: &'static str,
}

impl Run {
    /// The pilot run that the weights are judged by.
    pub fn pilot(session: Session) -> Self {
        Run {
            stage: "pilot",
            place: places::PILOT,
            rows: session.get(keys::WEIGHTS_EVENTS) as usize,
            what: "the latents of the pilot run (`weights.events`)",
        }
    }

    /// The first so many of the same.
    pub fn of_pilot(session: Session, rows: usize) -> Self {
        let pilot = Run::pilot(session);
        Run {
            rows: pilot.rows.min(rows),
            ..pilot
        }
    }

    /// So many latents for a refiner to learn from.
    pub fn pool(rows: usize) -> Self {
        Run {
            stage: "pool",
            place: places::POOL,
            rows,
            what: "the latents that the refiner learns from (`gan.pool`, `refiner_flow.pool`, `matching.pool`, `surrogate.pool`)",
        }
    }
}

/// Sees event rows with log w(z) of their latents.
pub(super) type Look<'a> = &'a mut dyn FnMut(&[f64], &[f64]) -> Result<()>;

/// Latents of the prior with log w(z). If events are looked at, `look` sees those of each block, and their own log w(x) is
/// found where that is something else; otherwise they are made only if log w(z) needs them.
///
/// # Errors
/// Those of evaluator and hooks.
pub(super) fn weighted_latents(
    session: Session,
    model: &Instance,
    conditions: &Conditions,
    run: Run,
    mut look: Option<Look>,
) -> Result<Weighted> {
    const BLOCK: usize = 4096;
    let stage = session.stage(run.stage, run.rows.div_ceil(BLOCK));
    let noise = run.place.noise(session.seed);
    let mut evaluator = session.evaluator(model)?;
    let latents_alone = evaluator.weighs_latents();
    let dims = model.generator.dims();
    let asked = |e: Error| e.for_what(run.what);
    let mut z = room::filled(run.rows * dims.latent_row(), 0.0).map_err(asked)?;
    let mut log_w = room::filled(run.rows, 0.0).map_err(asked)?;
    let mut log_w_of_events = (look.is_some() && latents_alone).then(Vec::new);
    let mut x = room::filled(BLOCK * dims.event_row(), 0.0)?;
    let blocks = z.chunks_mut(BLOCK * dims.latent_row());
    for (i, (z, log_w)) in blocks.zip(log_w.chunks_mut(BLOCK)).enumerate() {
        stage.check()?;
        let n = log_w.len();
        conditions.latents(noise, (i * BLOCK) as u64, dims.latent, z);
        let x = &mut x[..n * dims.event_row()];
        if look.is_some() || !latents_alone {
            evaluator.generate(z, n, x, None)?;
        }
        evaluator.pull_back(z, x, n, log_w)?;
        if let Some(look) = &mut look {
            look(x, log_w)?;
        }
        if let Some(of_events) = &mut log_w_of_events {
            let from = of_events.len();
            of_events.sized(from + n, 0.0)?;
            evaluator.log_weight(x, n, &mut of_events[from..])?;
        }
        stage.done(i + 1)?;
    }
    Ok(Weighted {
        z,
        log_w,
        log_w_of_events,
    })
}

/// What the weights of a pilot run look like: whether refinement can work, and how efficient rejection will be.
#[derive(Clone, Debug, Serialize)]
pub struct WeightReport {
    /// Latents drawn.
    pub events: u64,
    /// Of these, latents whose event or weight was NaN or infinite; they count as weight 0.
    pub non_finite: u64,
    /// Fraction of the latents whose event is outside the support, and has the weight 0.
    pub outside: f64,
    /// Mean weight; 1 for a perfect classifier.
    pub mean: f64,
    /// Smallest weight.
    pub min: f64,
    /// Largest weight.
    pub max: f64,
    /// Quantiles of the weight.
    pub quantiles: Quantiles,
    /// (Σw)² / Σw², in events.
    pub effective_sample_size: f64,
    /// The same as a fraction of the events, or of what they were worth before where they had weights.
    pub effective_fraction: f64,
    /// w_max of the rejection method: as small as the allowed overweight and the events that may be above permit.
    pub w_max: f64,
    /// Σ max(0, w − w_max) / Σ w: the share of the weight above w_max.
    pub overweight_fraction: f64,
    /// Standard error of it.
    pub overweight_error: f64,
    /// Fraction of proposals that rejection will accept.
    pub acceptance: f64,
    /// What other budgets (`rejection.overweight`) would give.
    pub budgets: Vec<Budget>,
    /// Whether w is the ratio of the densities, by the pilot's events and the held-out ones of the target; none if nothing was held out.
    pub calibration: Option<Calibration>,
    /// How far the held-out events of the target reach, feature by feature, and the share of the weights beyond; empty if nothing was held
    /// out.
    pub features: Vec<FeatureRange>,
    /// How well trees tell generated events from the target's, before and after; none of few events.
    pub second_opinion: Option<SecondOpinion>,
    /// Where the weights end; none if they have no limit.
    pub limit: Option<LimitReport>,
    /// Tails and regions of the target that the generator does not reach, or that the weights do not make the target's.
    pub gaps: Vec<Gap>,
}

/// Events above w_max, as a fraction of those accepted, for the share of the weight there.
const EVENTS: f64 = 10.0;

/// What rejection does with the w_max that a share of the weight, which may lie above it, allows.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Budget {
    /// The share that may lie above w_max, its standard error included.
    pub overweight: f64,
    /// The smallest w_max that it allows.
    pub w_max: f64,
    /// The share that the pilot run has above it.
    pub overweight_fraction: f64,
    /// Standard error of that.
    pub overweight_error: f64,
    /// Fraction of proposals accepted: 1 / acceptance calls of the generator make an event.
    pub acceptance: f64,
}

/// Budgets that are reported beside the one that is spent.
const BUDGETS: [f64; 6] = [0.0, 1e-4, 1e-3, 3e-3, 1e-2, 3e-2];

/// A weight of a sample, and how many events have it.
#[derive(Clone, Copy)]
pub(super) struct Weighed {
    pub w: f64,
    pub times: f64,
}

impl Budget {
    /// Of a sample in any order, in which what is not finite counts as 0. None if no weight is positive, or all exceed double precision in
    /// their sum.
    ///
    /// # Errors
    /// [`Error::Memory`].
    pub(super) fn of(
        overweight: f64,
        sample: impl Iterator<Item = Weighed>,
    ) -> Result<Option<Self>> {
        let finite = |of: Weighed| Weighed {
            w: if of.w.is_finite() { of.w } else { 0.0 },
            ..of
        };
        Self::of_finite(overweight, &sample.map(finite).gather()?)
    }

    fn of_finite(overweight: f64, sample: &[Weighed]) -> Result<Option<Self>> {
        let mut falling = (0..sample.len()).gather()?;
        sort_by_value(&mut falling, &|row| -sample[row].w);
        let sum: f64 = sample.iter().map(|of| of.times * of.w).sum();
        let count: f64 = sample.iter().map(|of| of.times).sum();
        let sound = sum > 0.0 && sum.is_finite();
        let falling = falling.iter().map(|&row| sample[row]);
        Ok(sound.then(|| Self::new(overweight, falling, count, sum)))
    }

    /// Of `count` weights, from the largest down, whose sum is `sum`.
    fn new(
        overweight: f64,
        mut falling: impl Iterator<Item = Weighed>,
        count: f64,
        sum: f64,
    ) -> Self {
        let first = falling.next().unwrap_or(Weighed { w: 0.0, times: 0.0 });
        let most = first.w;
        let mut found = Budget {
            overweight,
            w_max: most,
            overweight_fraction: 0.0,
            overweight_error: 0.0,
            acceptance: sum / (count * most),
        };
        // Σ times, and Σ times² with Σ (w − bound), of the weights above; Σ times² (w − bound)². The fraction of events above may fall again.
        let (mut above, mut squared) = (first.times, first.times * first.times);
        let (mut share, mut cross, mut squares, mut bound) = (0.0, 0.0, 0.0, most);
        for next in falling {
            let step = bound - next.w;
            squares += step * (2.0 * cross + squared * step);
            cross += squared * step;
            share += above * step;
            bound = next.w;
            let error = libm::sqrt(squares);
            if bound <= 0.0 || share > overweight * sum {
                break;
            }
            let accepted = (sum - share) / bound;
            if share + error <= overweight * sum && above <= EVENTS * overweight * accepted {
                found = Budget {
                    overweight,
                    w_max: bound,
                    overweight_fraction: share / sum,
                    overweight_error: error / sum,
                    acceptance: accepted / count,
                };
            }
            above += next.times;
            squared += next.times * next.times;
        }
        found
    }
}

/// Quantiles of the weights of a pilot run.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Quantiles {
    /// 0.1 %.
    pub q001: f64,
    /// 1 %.
    pub q01: f64,
    /// 10 %.
    pub q10: f64,
    /// Median.
    pub q50: f64,
    /// 90 %.
    pub q90: f64,
    /// 99 %.
    pub q99: f64,
    /// 99.9 %.
    pub q999: f64,
}

/// How far a mean of weights is from 1.
pub struct Mean {
    /// |mean − 1|.
    pub off: f64,
    /// Standard error of the mean.
    pub error: f64,
}

impl Mean {
    /// A mean further off than that is not 1, whatever its error; and one that is by so many errors, unless it is nothing to speak of.
    const FAR: f64 = 0.1;
    const ERRORS: f64 = 5.0;
    const SMALL: f64 = 0.03;
    /// Nobody's concern: trainings end with such means.
    const NOTHING: f64 = 0.01;

    /// Of so many events, and what they are worth by their weights.
    pub fn of(mean: f64, events: f64, effective: f64) -> Self {
        Mean {
            off: (mean - 1.0).abs(),
            error: mean * (1.0 / effective - 1.0 / events).max(0.0).sqrt(),
        }
    }

    /// Whether it is not 1.
    pub fn is_off(&self) -> bool {
        self.off > Self::FAR || self.off > Self::SMALL.max(Self::ERRORS * self.error)
    }

    /// Whether it is 1, as far as is known and matters.
    pub fn is_one(&self) -> bool {
        self.off <= Self::NOTHING.max(2.0 * self.error)
    }
}

/// Fewest events of a pilot run whose thousandth part, above w_max, can be counted.
const FEW: u64 = 10_000;

impl WeightReport {
    /// From log w of latents drawn from the prior. `overweight` is the share of the total weight that may lie above w_max, with the
    /// standard error of what the pilot run found there, and a tenth of the fraction of the accepted proposals that may.
    ///
    /// # Errors
    /// [`Error::Numerical`] if no weight is positive and finite.
    pub fn new(log_w: &[f64], overweight: f64) -> Result<Self> {
        let weights = log_w.iter().map(|l| libm::exp(*l)).gather()?;
        Self::of_events(log_w, weights, log_w.len() as f64, overweight)
    }

    /// The same of events that end with these weights, in a unit in which those that they began with have the mean 1 and were worth
    /// `before` events.
    ///
    /// # Errors
    /// As [`WeightReport::new`].
    pub(super) fn of_events(
        log_w: &[f64],
        weights: Vec<f64>,
        before: f64,
        overweight: f64,
    ) -> Result<Self> {
        let mut w = weights;
        // What is not finite counts as 0.
        let non_finite = w.iter().filter(|w| !w.is_finite()).count();
        w.iter_mut()
            .filter(|w| !w.is_finite())
            .for_each(|w| *w = 0.0);
        w.sort_unstable_by(f64::total_cmp);
        let n = w.len();
        let sum: f64 = w.iter().sum();
        let effective = w.iter().copied().collect::<Squares>().effective(sum);
        if !(sum > 0.0 && sum.is_finite()) {
            return Err(Error::Numerical(format!(
                "of the weights of {n} generated events none is positive, or they exceed double precision ({non_finite} are NaN or infinite); the classifier's training has failed"
            )));
        }
        let budget = |overweight| {
            let falling = w.iter().rev().map(|&w| Weighed { w, times: 1.0 });
            Budget::new(overweight, falling, n as f64, sum)
        };
        let (spent, budgets) = (budget(overweight), BUDGETS.map(budget));
        let quantile = |q: f64| w[((n - 1) as f64 * q).round() as usize];
        Ok(WeightReport {
            events: n as u64,
            non_finite: non_finite as u64,
            outside: log_w.iter().filter(|l| **l == f64::NEG_INFINITY).count() as f64 / n as f64,
            mean: sum / n as f64,
            min: w[0],
            max: w[n - 1],
            quantiles: Quantiles {
                q001: quantile(0.001),
                q01: quantile(0.01),
                q10: quantile(0.1),
                q50: quantile(0.5),
                q90: quantile(0.9),
                q99: quantile(0.99),
                q999: quantile(0.999),
            },
            effective_sample_size: effective,
            effective_fraction: effective / before,
            w_max: spent.w_max,
            overweight_fraction: spent.overweight_fraction,
            overweight_error: spent.overweight_error,
            acceptance: spent.acceptance,
            budgets: room::copied(&budgets)?,
            calibration: None,
            features: Vec::new(),
            second_opinion: None,
            limit: None,
            gaps: Vec::new(),
        })
    }

    /// Tells the host about the weights, and what is remarkable about them.
    pub(super) fn tell(&self, hooks: &dyn Hooks, subject: Subject) -> Result<()> {
        hooks.log(
            Level::Info,
            &format!(
                "weights: mean {:.3}, max {:.3}, effective sample size {:.1} %, rejection accepts {:.1} %",
                self.mean,
                self.max,
                100.0 * self.effective_fraction,
                100.0 * self.acceptance
            ),
        )?;
        if self.non_finite > 0 {
            hooks.warn(
                "weights",
                &format!(
                    "{} of {} {} had weights that are NaN or infinite; they count as 0",
                    self.non_finite,
                    self.events,
                    subject.choose("pilot events", "events of `from`")
                ),
            )?;
        }
        let mean = Mean::of(self.mean, self.events as f64, self.effective_sample_size);
        if mean.is_off() {
            hooks.warn("weights", &format!(
                "the mean weight is {:.3} ± {:.3}, not 1: the classifier is not calibrated, or {} lie where {}; train it longer (`classifier.epochs`)",
                self.mean,
                mean.error,
                subject.choose("events of the target", "events of `to`"),
                subject.choose("the generator makes none", "`from` has none"),
            ))?;
        }
        if self.events < FEW {
            hooks.warn(
                "weights",
                &format!(
                    "the {} {} events, too few to know the largest weights by: w_max and limits rest on single ones; {}",
                    subject.choose("pilot run has", "weights are judged by"),
                    self.events,
                    subject.choose(
                        "raise `weights.events` to 10000 or more",
                        "deliver 10000 or more (of a stream or a large file, raise `validation.events`)",
                    ),
                ),
            )?;
        }
        if let Some(limit) = self.limit.filter(|l| l.weight > TOO_MUCH) {
            hooks.warn(
                "weights",
                &format!(
                    "{:.1} % of the weight is at its limit, {:.3}: {} next to nothing where {} has that much{} (`weights.tail`, `weights.margin` set the limit)",
                    100.0 * limit.weight,
                    limit.high,
                    subject.choose("the generator makes", "`from` has"),
                    subject.target(),
                    subject.choose("; train it longer", ""),
                ),
            )?;
        }
        if self.effective_fraction < 0.05 {
            hooks.warn(
                "weights",
                &format!(
                    "the weights are broad: {} events are worth {:.0}; {}",
                    self.events,
                    self.effective_sample_size,
                    subject.choose(
                        "train the generator longer",
                        "start from events that are more like those of `to`",
                    ),
                ),
            )?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn means_are_judged_by_their_errors_and_their_size() {
        let mean = |mean: f64, events: f64, share: f64| {
            let mean = Mean::of(mean, events, share * events);
            (mean.is_one(), mean.is_off())
        };
        // Weights with a variance of ¼ have an error of 0.5 / √n.
        assert_eq!(mean(0.984, 1e5, 0.8), (false, false));
        assert_eq!(mean(0.984, 1e3, 0.8), (true, false));
        assert_eq!(mean(0.96, 1e5, 0.8), (false, true));
        assert_eq!(mean(1.04, 1e3, 0.8), (false, false));
        assert_eq!(mean(1.2, 1e2, 0.1), (true, true));
        assert_eq!(mean(1.004, 1e7, 1.0), (true, false));
    }

    #[test]
    fn report_of_known_weights() {
        // Weights 1, 2, 3, 4.
        let log_w: Vec<f64> = [3.0f64, 1.0, 4.0, 2.0].iter().map(|w| w.ln()).collect();
        let r = WeightReport::new(&log_w, 0.0).unwrap();
        assert!(
            (r.mean - 2.5).abs() < 1e-12
                && (r.max - 4.0).abs() < 1e-12
                && (r.min - 1.0).abs() < 1e-12
        );
        assert!((r.effective_sample_size - 100.0 / 30.0).abs() < 1e-12);
        assert!((r.w_max - 4.0).abs() < 1e-12 && r.overweight_fraction == 0.0);
        assert!((r.acceptance - 2.5 / 4.0).abs() < 1e-12);
        // Above w_max = 3 lies 1, with an error of 1: 20 % of the weight pay for that. Above 2 lie 1 and 2, with an error of √5.
        let close = |a: f64, b: f64| (a - b).abs() < 1e-12;
        let r = WeightReport::new(&log_w, 0.2 + 1e-9).unwrap();
        assert!(
            close(r.w_max, 3.0)
                && close(r.overweight_fraction, 0.1)
                && close(r.overweight_error, 0.1)
        );
        assert!(close(r.acceptance, 9.0 / 12.0));
        let enough = (3.0 + 5f64.sqrt()) / 10.0;
        let r = WeightReport::new(&log_w, enough - 1e-9).unwrap();
        assert!(close(r.w_max, 3.0));
        let r = WeightReport::new(&log_w, enough + 1e-9).unwrap();
        assert!(close(r.w_max, 2.0) && close(r.overweight_fraction, 0.3));
        assert!(close(r.overweight_error, 5f64.sqrt() / 10.0));
    }

    /// What a pilot run leaves above its w_max is, with the error, what another sample has there.
    #[test]
    fn budgets_hold_in_other_samples() {
        // Weights are log-normal, of width 1 and mean 1: E[(w − c)+] = P(Z > (ln c − ½)) − c P(Z > ln c + ½).
        let above = |c: f64| {
            let beyond = |z: f64| 0.5 * libm::erfc(z / 2f64.sqrt());
            beyond(c.ln() - 0.5) - c * beyond(c.ln() + 0.5)
        };
        let mut within = 0;
        for stream in 0..40 {
            let mut z = vec![0.0; 20_000];
            crate::noise::Noise::new(5, stream, crate::noise::domain::PILOT).normals(0, 0, &mut z);
            let log_w: Vec<f64> = z.iter().map(|z| z - 0.5).collect();
            let r = WeightReport::new(&log_w, 0.01).unwrap();
            let acceptances: Vec<f64> = r.budgets.iter().map(|b| b.acceptance).collect();
            assert!(acceptances.is_sorted(), "{acceptances:?}");
            for b in &r.budgets {
                assert!(b.overweight_fraction + b.overweight_error <= b.overweight + 1e-12);
            }
            let same = r.budgets.iter().find(|b| b.overweight == 0.01).unwrap();
            assert_eq!((same.w_max, same.acceptance), (r.w_max, r.acceptance));
            let off = (above(r.w_max) - r.overweight_fraction) / r.overweight_error;
            assert!(off.abs() < 4.0, "{off} standard errors");
            within += usize::from(above(r.w_max) <= 0.01);
        }
        // By one standard error: five in six.
        assert!(within >= 28, "{within} of 40");
    }

    /// Weights just above all others exceed w_max by little, but as many events as they are would carry a weight of their own.
    #[test]
    fn few_events_are_above_w_max() {
        // 100 weights from 1.0001 to 1.01 above 900 of 1: all excess together is 0.05 % of the weight.
        let top = (1..=100).map(|k| 1.0 + 1e-4 * f64::from(k));
        let log_w: Vec<f64> = [1.0; 900].into_iter().chain(top).map(f64::ln).collect();
        let r = WeightReport::new(&log_w, 0.001).unwrap();
        assert!((r.w_max - 1.0091).abs() < 1e-12, "{}", r.w_max);
        let above = log_w.iter().filter(|l| l.exp() > r.w_max * (1.0 + 1e-12));
        assert!(above.count() as f64 <= 0.01 * r.acceptance * 1000.0);
        // Half of the events may lie above.
        let r = WeightReport::new(&log_w, 0.05).unwrap();
        assert!((r.w_max - 1.0).abs() < 1e-12, "{}", r.w_max);
    }

    #[test]
    fn defects_are_counted_and_hopeless_weights_refused() {
        let r = WeightReport::new(&[0.0, f64::NAN, f64::INFINITY, 1000.0, 0.0], 0.0).unwrap();
        assert_eq!((r.events, r.non_finite), (5, 3));
        assert!((r.mean - 0.4).abs() < 1e-12);
        assert!(WeightReport::new(&[f64::NAN; 3], 0.1).is_err());
        assert!(WeightReport::new(&[-f64::INFINITY; 3], 0.1).is_err());
    }

    /// A classifier that is far off has weights in another unit, whose squares leave the floating-point range.
    #[test]
    fn the_unit_of_weights_does_not_matter() {
        let weights = [3.0, 1.0, 4.0, 2.0];
        for unit in [1e-200, 1e-300, 1e155, 1e200] {
            let log_w: Vec<f64> = weights.iter().map(|w: &f64| (w * unit).ln()).collect();
            let r = WeightReport::new(&log_w, 0.0).unwrap();
            assert!((r.effective_sample_size / (100.0 / 30.0) - 1.0).abs() < 1e-10);
            assert!((r.effective_fraction / (25.0 / 30.0) - 1.0).abs() < 1e-10);
            assert!((r.acceptance - 2.5 / 4.0).abs() < 1e-10);
        }
    }

    #[test]
    fn equal_weights_accept_everything() {
        let r = WeightReport::new(&[0.0; 100], 0.001).unwrap();
        assert!((r.acceptance - 1.0).abs() < 1e-12 && (r.effective_fraction - 1.0).abs() < 1e-12);
    }
}
