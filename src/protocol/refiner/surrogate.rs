//! Rejection by a network that stands for w(z): alone, or as the first of two stages, of which the second is what w is beside it.

use super::block::Maker;
use super::home::{missing, refinement, tell_opinion, Home, Preparation, OPINION};
use super::pool::unit_weights;
use super::proposals::{Independent, Looks, Proposals};
use super::statistics::Statistics;
use crate::compute::Session;
use crate::engine;
use crate::metrics::{auc, Auc};
use crate::model::{Classifier, Dims, Evaluator, Limits, Method, Model, Scaling, Surrogate};
use crate::noise::places;
use crate::objective::{Goal, Separation};
use crate::options::{keys, Options};
use crate::protocol::feed::seen;
use crate::protocol::networks::{mlp, MlpKeys};
use crate::protocol::omnifold::{LatentFeed, Shuffled};
use crate::protocol::opinion::differs;
use crate::protocol::pullback::{weighted_latents, Budget, Run, Weighed, Weighted};
use crate::room::{self, Gather, Grow};
use crate::train::{initial_classifier, Level, Settings};
use crate::{Error, Result};
use serde_json::{json, Map, Value};

/// Proposals of the prior that are accepted with probability s(z) / s_max before they are events, and then with v / v_max, v = w / s, so that
/// the events follow p(z) w(z) whatever s has learned: exact as rejection is, with fewer calls of the generator (Danziger et al.,
/// arXiv:2109.11964). s lies within limits; v above v_max is carried as a weight.
///
/// s is trained as a classifier of the pool's latents with their weights against the same latents without: its labels have no noise.
pub(super) const TWO_STAGE: Screening = Screening(Method::Surrogate);

/// Proposals of the prior that are accepted with probability s(z) / s_max: events follow p(z) s(z), as right as s has been learned, and each
/// costs one call of the generator and none of the classifier.
pub(super) const DISTILLED: Screening = Screening(Method::Distilled);

/// Those whose proposals s judges.
pub(super) struct Screening(Method);

const KEYS: MlpKeys = MlpKeys {
    layers: keys::SURROGATE_LAYERS,
    units: keys::SURROGATE_UNITS,
    slope: keys::SURROGATE_SLOPE,
};

/// Where the record has the surrogate.
const RECORD: &str = "surrogate";

/// One of so many of the pool is held out of the training.
const HELD_OUT: usize = 4;

/// Where s may end below, in units of the mean weight: the higher, the more events are made in vain; the lower, the larger is w / s where the
/// network knows nothing.
const LOW: [f64; 5] = [0.3, 0.1, 0.03, 0.01, 0.003];

/// Shares of s that may lie above s_max.
const ABOVE: [f64; 6] = [1e-3, 1e-2, 3e-2, 0.1, 0.3, 0.6];

/// Proposals for an event cost little, but not nothing; and of e³⁰ events one may fail for `rejection.max_tries`.
const MOST_PROPOSALS: f64 = 1000.0;
const TRIES: f64 = 30.0;

/// Where s ends below if no second stage follows, in units of the mean weight.
const LOWEST: f64 = 1e-6;

/// By how much less than the others a latent without a weight counts, as one outside a support, in whose place s should be 0: at the edge w has
/// a step, and a smooth s had better end outside, where events are refused in any case.
const IMPOSSIBLE: f64 = 0.1;

/// Where rejection needs fewer calls for an event there is nothing to save.
const FEW_CALLS: f64 = 2.0;

impl Home for Screening {
    fn method(&self) -> Method {
        self.0
    }

    fn check(&self, dims: Dims, options: &Options) -> Result<()> {
        mlp(&KEYS, dims.latent_row(), 1, options)?;
        let batch = options.get(keys::SURROGATE_TRAINING.batch) as usize;
        let pool = options.get(keys::SURROGATE_POOL) as usize;
        let rows = pool - pool / HELD_OUT;
        if batch > rows {
            return Err(Error::InvalidArgument(format!(
                "`surrogate.batch` is {batch}, but `surrogate.pool` leaves {rows} latents to learn from, and holds the others out; lower the one or raise the other"
            )));
        }
        Ok(())
    }

    fn record(&self) -> Option<&'static str> {
        Some(RECORD)
    }

    fn prepare(&self, preparation: Preparation) -> Result<bool> {
        let Preparation {
            session,
            model,
            conditions,
            refinement,
            record,
            ..
        } = preparation;
        let g = &model.generator;
        let pool = Run::pool(session.get(keys::SURROGATE_POOL) as usize);
        let Weighted { z, log_w, .. } = weighted_latents(session, model, conditions, pool, None)?;
        let mut scalings = room::filled(g.latent_dim(), Scaling::None)?;
        scalings.put_all(g.conditions.iter().cloned())?;
        let network = mlp(&KEYS, scalings.len(), 1, session.options)?;
        let go_on = || session.hooks.check("surrogate");
        let noise = places::REFINER.at(0).noise(session.seed);
        let mut parameters = initial_classifier(&network, noise, &go_on)?;
        let (rows, columns) = (log_w.len(), scalings.len());
        let shuffle = places::POOL_ROWS.noise(session.seed);
        let u = seen(&z, &scalings)?;
        let mut latents = Shuffled::new(u, columns, rows / HELD_OUT, shuffle)?;
        let mut feed = LatentFeed {
            latents: &mut latents,
            omega: &unit_weights(&log_w)?,
            impossible: IMPOSSIBLE,
        };
        let settings =
            Settings::from_options("surrogate", session.options, &keys::SURROGATE_TRAINING);
        let goal = Goal::Separation(&network, Separation::CrossEntropy);
        let trained = session.fit(goal, &settings, &mut feed, &mut parameters)?;

        // As rejection is judged, and by no latent that s has learned from.
        let pilot = Run::pilot(session);
        let Weighted { z, log_w, .. } = weighted_latents(session, model, conditions, pilot, None)?;
        // Any constant will do: what is accepted does not depend on it.
        let offset = refinement.log_mean_weight;
        let mut log_s = room::filled(log_w.len(), 0.0)?;
        engine::apply(&network, &parameters, &seen(&z, &scalings)?, &mut log_s)?;
        log_s.iter_mut().for_each(|l| *l += offset);
        let pilot = Judged {
            log_s: &log_s,
            log_w: &log_w,
        };
        let stages = Stages::choose(session, &pilot, offset)?;
        let alone = pilot.alone(session, offset)?;
        match self.0 {
            Method::Surrogate => {
                let rejection = refinement.pilot.map_or(0.0, |p| p.acceptance);
                tell(session, &stages, rejection)?;
            }
            _ => tell_alone(session, &alone)?,
        }
        let mut told = json!(trained);
        told["limits"] = json!(stages.limits);
        told["acceptance"] = json!(stages.acceptance);
        told["second"] = json!(stages.second);
        told["distilled"] =
            json!({"acceptance": alone.acceptance, "inside": alone.inside, "lost": alone.lost});
        if let Some([generated, left]) = pilot.apart(&alone)? {
            let opinion =
                json!({"refined": left.value, "error": left.error, "generated": generated.value});
            told["distilled"]["second_opinion"] = opinion;
            if self.0 == Method::Distilled {
                let before = Some(("the generator's own", generated.value));
                let remedy = "Train it longer or larger (`surrogate.epochs`, `surrogate.pool`, `surrogate.units`), or take `surrogate`, for which this model has all, or `rejection` or `reweight`";
                record.insert(OPINION.into(), tell_opinion(session, left, before, remedy)?);
            }
        }
        record.insert(RECORD.into(), told);
        refinement.surrogate = Some(Surrogate {
            log_w_max: libm::log(stages.second.w_max),
            acceptance: stages.acceptance,
            calls: stages.calls(),
            first: Some(stages.limits),
            distilled: Some(alone.acceptance),
            classifier: Classifier {
                network,
                members: 1,
                latents: 0,
                scalings,
                log_ratio_offset: offset,
                limits: Some(alone.limits),
                parameters: parameters.into(),
            },
        });
        Ok(true)
    }

    fn maker(&self, model: &Model) -> Result<Box<dyn Maker>> {
        let refinement = refinement(model, self.method())?;
        let surrogate = refinement.surrogate.as_ref().ok_or_else(|| {
            missing(
                self.method(),
                "a surrogate of the weights (`refiner.method` = `surrogate` or `distilled`), which this model lacks",
            )
        })?;
        let alone = surrogate.limits()?;
        let (limits, second) = match self.0 {
            Method::Surrogate => (surrogate.first.unwrap_or(alone), Some(surrogate.log_w_max)),
            _ => (alone, None),
        };
        if second.is_none() && surrogate.distilled.is_none() {
            let what =
                "a surrogate with limits for it, which this file of an earlier version lacks";
            return Err(missing(self.method(), what));
        }
        let screened = Screened::new(limits, second, refinement.max_tries);
        Ok(Box::new(Independent::new(
            screened,
            model.generator.latent_dim(),
        )))
    }
}

/// Whether a model's surrogate has learned too little of the weights for the method `distilled`, by its record, or nobody knows.
pub(in crate::protocol) fn unlearned(record: &Map<String, Value>) -> bool {
    let opinion = record
        .get(RECORD)
        .map(|r| &r["distilled"]["second_opinion"]);
    let number = |key: &str| opinion.and_then(|o| o[key].as_f64());
    match (number("refined"), number("error")) {
        (Some(auc), Some(error)) => differs(auc, error),
        _ => true,
    }
}

/// Latents that s has not learned from.
struct Judged<'a> {
    log_s: &'a [f64],
    log_w: &'a [f64],
}

/// s where no second stage follows.
struct Alone {
    limits: Limits,
    /// Fraction of the proposals that become events.
    acceptance: f64,
    /// Fraction of the proposals that are accepted whose events can be.
    inside: f64,
    /// Share of s above its limit.
    lost: f64,
}

impl Judged<'_> {
    /// s of the latents that have a weight. The others, whose events are refused, say nothing: s has hardly learned from them.
    fn known(&self) -> impl Iterator<Item = Weighed> + '_ {
        let times = |w: f64| if w.is_finite() { 1.0 } else { 0.0 };
        let pairs = self.log_s.iter().zip(self.log_w);
        pairs.map(move |(s, w)| Weighed {
            w: libm::exp(*s),
            times: times(*w),
        })
    }

    /// s knows little of weights that are smaller than those that it has seen, and the largest are cut as those of rejection are, but lost.
    ///
    /// # Errors
    /// [`Error::Numerical`] if no latent has a weight.
    fn alone(&self, session: Session, log_mean: f64) -> Result<Alone> {
        let budget = Budget::of(session.get(keys::REJECTION_OVERWEIGHT), self.known())?;
        let budget = budget.ok_or_else(no_weight)?;
        let high = libm::log(budget.w_max);
        let low = (libm::log(LOWEST) + log_mean).min(high);
        let limits = Limits { low, high };
        let share = |l: &f64| libm::exp(within(limits, *l) - high);
        let all: f64 = self.log_s.iter().map(share).sum();
        let pairs = self.log_s.iter().zip(self.log_w);
        let can_be = pairs.filter(|(_, w)| w.is_finite());
        let events: f64 = can_be.map(|(s, _)| share(s)).sum();
        Ok(Alone {
            limits,
            acceptance: events / self.log_s.len() as f64,
            inside: events / all,
            lost: budget.overweight_fraction,
        })
    }

    /// The areas by which the generator's own events and those of s could be told from those with the weights, by the best that a classifier of
    /// the latents could find, w or w / s: both are known. None of too few.
    ///
    /// # Errors
    /// [`Error::Memory`].
    fn apart(&self, alone: &Alone) -> Result<Option<[Auc; 2]>> {
        let log_s = self
            .log_s
            .iter()
            .map(|l| within(alone.limits, *l))
            .gather()?;
        let of = |log_s: &[f64]| {
            let pairs = self.log_w.iter().zip(log_s);
            // Events that cannot be are not made by either.
            let known = || pairs.clone().filter(|(w, _)| w.is_finite());
            let rows = known().count();
            let both = || known().chain(known()).enumerate();
            let scores = both().map(|(_, (w, s))| w - s);
            let labels = both().map(|(i, _)| i32::from(i < rows));
            let weights = both().map(|(i, (w, s))| libm::exp(if i < rows { *w } else { *s }));
            let found = auc(
                &scores.gather()?,
                &labels.gather()?,
                Some(&weights.gather()?),
            );
            match found {
                Err(Error::Data(_)) => Ok(None),
                found => found.map(Some),
            }
        };
        let generator = room::filled(log_s.len(), 0.0)?;
        Ok(of(&generator)?.zip(of(&log_s)?).map(|(a, b)| [a, b]))
    }
}

/// Tells what events by s alone cost.
fn tell_alone(session: Session, alone: &Alone) -> Result<()> {
    let message = format!(
        "distilled: {:.2} % of the proposals become events, by {:.2} calls of the generator each; {:.2} % of s is lost above its limit",
        100.0 * alone.acceptance,
        1.0 / alone.inside,
        100.0 * alone.lost
    );
    session.hooks.log(Level::Info, &message)?;
    let tries = session.get(keys::REJECTION_MAX_TRIES) as f64;
    if alone.acceptance * tries >= TRIES {
        return Ok(());
    }
    let message = format!("{message}: some events will need more than `rejection.max_tries` proposals. Train generator and classifier longer, or take a refiner that proposes nothing in vain (`refiner.method` = `matching`)");
    session.hooks.warn("refiner", &message)
}

/// Tells what the surrogate saves beside rejection, which accepts `alone`.
fn tell(session: Session, stages: &Stages, alone: f64) -> Result<()> {
    let calls = stages.calls();
    let both = format!(
        "the generator makes {calls:.2} events for one that is accepted, by `rejection` {:.2}",
        1.0 / alone
    );
    let message = format!(
        "surrogate: {both}; {:.2} % of the proposals are accepted",
        100.0 * stages.acceptance
    );
    session.hooks.log(Level::Info, &message)?;
    if calls * alone < 0.9 {
        return Ok(());
    }
    // As exact as rejection in either case.
    if alone * FEW_CALLS > 1.0 {
        let message = format!("{both}: there is little to save; take `rejection`");
        return session.hooks.log(Level::Info, &message);
    }
    let message = format!("{both}: the surrogate has learned too little of the weights; take `rejection`, or train it longer (`surrogate.epochs`, `surrogate.pool`)");
    session.hooks.warn("refiner", &message)
}

/// By what proposals are accepted.
struct Stages {
    /// Of log s.
    limits: Limits,
    /// Of the proposals that s leaves, by w / s.
    second: Budget,
    /// Of all proposals.
    acceptance: f64,
}

impl Stages {
    /// Events that the generator makes for one that is accepted.
    fn calls(&self) -> f64 {
        1.0 / self.second.acceptance
    }

    /// Those with the fewest calls for an event, of latents of the prior; `log_mean` is about the logarithm of their mean weight.
    ///
    /// # Errors
    /// [`Error::Numerical`] if no weight is usable; those of the hooks.
    fn choose(session: Session, pilot: &Judged, log_mean: f64) -> Result<Self> {
        let (log_s, log_w) = (pilot.log_s, pilot.log_w);
        let tries = session.get(keys::REJECTION_MAX_TRIES) as f64;
        let least = 1.0 / MOST_PROPOSALS.min(tries / TRIES);
        let overweight = session.get(keys::REJECTION_OVERWEIGHT);
        let mut best: Option<Stages> = None;
        for above in ABOVE {
            let Some(first) = Budget::of(above, pilot.known())? else {
                continue;
            };
            for low in LOW {
                session.hooks.check("surrogate")?;
                let high = libm::log(first.w_max);
                let limits = Limits {
                    low: (libm::log(low) + log_mean).min(high),
                    high,
                };
                let left = |log_s: f64| libm::exp(within(limits, log_s) - high);
                let pairs = log_s.iter().zip(log_w);
                let second = pairs.map(|(&log_s, log_w)| Weighed {
                    w: libm::exp(log_w - within(limits, log_s)),
                    times: left(log_s),
                });
                let Some(second) = Budget::of(overweight, second)? else {
                    continue;
                };
                let left: f64 = log_s.iter().map(|l| left(*l)).sum();
                let found = Stages {
                    limits,
                    acceptance: second.acceptance * left / log_s.len() as f64,
                    second,
                };
                // Whatever the calls, an event must come.
                let worth = |s: &Stages| (s.acceptance.min(least), -s.calls());
                if best.as_ref().is_none_or(|best| worth(&found) > worth(best)) {
                    best = Some(found);
                }
            }
        }
        best.ok_or_else(no_weight)
    }
}

fn no_weight() -> Error {
    Error::Numerical("no latent has a weight that is positive and finite".into())
}

/// log s within its limits, whatever the network says.
fn within(limits: Limits, log_s: f64) -> f64 {
    log_s.max(limits.low).min(limits.high)
}

/// The proposals of [`Screening`].
pub(super) struct Screened {
    limits: Limits,
    log_w_max: Option<f64>,
    max_tries: u64,
    /// Of the proposals.
    log_s: Vec<f64>,
}

impl Screened {
    /// With log s_max the upper one of the limits, and log v_max, if there is a second stage.
    pub fn new(limits: Limits, log_w_max: Option<f64>, max_tries: u64) -> Self {
        Screened {
            limits,
            log_w_max,
            max_tries,
            log_s: Vec::new(),
        }
    }

    /// The probability that s accepts a proposal.
    fn share(&self, proposal: usize) -> f64 {
        libm::exp(self.log_s[proposal] - self.limits.high)
    }
}

impl Proposals for Screened {
    fn looks(&self) -> Looks {
        let second = self.log_w_max.is_some();
        Looks {
            weighted: second,
            random: true,
            within: !second,
            screened: true,
        }
    }

    fn max_tries(&self) -> u64 {
        self.max_tries
    }

    fn screen(
        &mut self,
        evaluator: &mut dyn Evaluator,
        z: &[f64],
        u: &[f64],
        left: &mut Vec<usize>,
    ) -> Result<()> {
        self.log_s.clear();
        self.log_s.sized(u.len(), 0.0)?;
        evaluator.surrogate(z, u.len(), &mut self.log_s)?;
        let limits = self.limits;
        let all = self.log_s.iter_mut();
        all.for_each(|log_s| *log_s = within(limits, *log_s));
        left.retain(|&i| u[i] < self.share(i));
        Ok(())
    }

    fn judge(
        &mut self,
        proposal: usize,
        log_w: f64,
        u: f64,
        statistics: &mut Statistics,
    ) -> Option<f64> {
        let Some(log_w_max) = self.log_w_max else {
            return Some(1.0);
        };
        let ratio = libm::exp(log_w - self.log_s[proposal] - log_w_max);
        // Of those that are left, u is uniform below the share.
        statistics.rejection(ratio, u / self.share(proposal))
    }

    fn count(&self, weight: f64, statistics: &mut Statistics) {
        statistics.overweight_events += u64::from(weight > 1.0);
    }
}
