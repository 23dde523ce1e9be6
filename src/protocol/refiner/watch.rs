//! What a sampler warns of: events that contradict the pilot run of their model, or that deserve no trust by themselves.

use super::block::Block;
use super::chains;
use super::history::{History, FEWEST};
use super::statistics::{Statistics, DISTINCT, HANDFUL};
use super::surrogate::unlearned;
use crate::model::{Method, Model, Pilot};
use crate::protocol::limits::TOO_MUCH;
use crate::train::Hooks;
use crate::Result;

/// Times the pilot's largest weight that a weight may be.
const BEYOND: f64 = 10.0;
/// Times the pilot's numbers that those of the sampler may be, or may be below.
const OFF: f64 = 2.0;
/// Share of the weight above w_max that is nothing to warn of: a pilot run cannot tell less from nothing.
const OVERWEIGHT: f64 = 0.001;
/// Fraction of the proposals that may fail, and that must not: of trajectories, that have to be accepted.
const FEW: f64 = 0.01;
/// Failures, and trajectories of a chain, that are no chance any more.
const SEVERAL: u64 = 10;
/// R̂ of [`STATES`] states or more above which chains are said not to mix: higher than in a pilot run, since it is looked at again and
/// again.
const MIXED: f64 = 1.1;
/// R̂ − 1 of chains that mix, however slowly, falls like the inverse of their states: of fewer than these it may be as much larger. Chains
/// that a pilot run just lets pass, as a rule with 1.05 of 100 states, have 1.08 of so many.
const STATES: usize = 64;
/// Share of the steps of `langevin` that Metropolis may refuse where no pilot run has judged them: the standard deviation of a normal
/// latent is off by less than a fiftieth then.
const SMALL: f64 = 0.005;
/// Steps that tell that share.
const STEPS: u64 = 100;

/// What is looked at.
struct Seen<'a> {
    method: Method,
    pilot: Option<&'a Pilot>,
    /// What [`judged`] says.
    judged: bool,
    /// Whether the host chooses conditions, of which acceptance depends.
    conditional: bool,
    block: &'a Block,
    statistics: &'a Statistics,
    /// R̂ of the worst dimension and what it may be, where it is time to look at it.
    r_hat: Option<(f64, f64)>,
}

/// A warning with its remedy, if there is a reason.
type Rule = fn(&Seen) -> Option<String>;

const RULES: [Rule; 11] = [
    beyond, overweight, acceptance, handful, limited, repeated, non_finite, still, diverged, apart,
    unjudged,
];

/// Looks at block after block, and warns once of each kind.
pub(in crate::protocol) struct Watch {
    method: Method,
    pilot: Option<Pilot>,
    judged: bool,
    conditional: bool,
    /// The rules that have warned.
    told: [bool; RULES.len()],
    /// Events made when R̂ is to be looked at.
    next_r_hat: u64,
}

impl Watch {
    pub fn new(method: Method, pilot: Option<Pilot>, judged: bool, conditional: bool) -> Self {
        Watch {
            method,
            pilot,
            judged,
            conditional,
            told: Default::default(),
            next_r_hat: 0,
        }
    }

    /// Forgets what it has warned of: the next host has heard nothing.
    pub fn forget(&mut self) {
        self.told = Default::default();
        self.next_r_hat = 0;
    }

    /// Looks at a block that has just been made.
    ///
    /// # Errors
    /// Those of the hooks.
    pub fn look(
        &mut self,
        block: &Block,
        statistics: &Statistics,
        history: Option<&History>,
        hooks: &dyn Hooks,
    ) -> Result<()> {
        let due = |h: &&History| h.states() >= FEWEST && statistics.events >= self.next_r_hat;
        let history = history.filter(due);
        if history.is_some() {
            self.next_r_hat = statistics.events + (FEWEST * block.rows) as u64;
        }
        let seen = Seen {
            method: self.method,
            pilot: self.pilot.as_ref(),
            judged: self.judged,
            conditional: self.conditional,
            block,
            statistics,
            r_hat: history.and_then(|h| {
                let worst = h.r_hat().ok()?.into_iter().reduce(f64::max)?;
                let more = (STATES as f64 / h.states() as f64).max(1.0);
                Some((worst, 1.0 + (MIXED - 1.0) * more))
            }),
        };
        for (rule, told) in RULES.iter().zip(&mut self.told) {
            if *told {
                continue;
            }
            if let Some(warning) = rule(&seen) {
                *told = true;
                hooks.warn("sampling", &warning)?;
            }
        }
        Ok(())
    }
}

/// A weight that the pilot run was far from.
fn beyond(seen: &Seen) -> Option<String> {
    let pilot = seen.pilot?;
    let weights = seen.block.log_w.iter().copied();
    let largest = weights.fold(f64::NEG_INFINITY, f64::max);
    (largest > pilot.log_largest + libm::log(BEYOND)).then(|| {
        format!(
            "an event has the weight {:.3e}, where the largest of the pilot run was {:.3e}: the classifier is asked where it has met few events or none. Train it longer or on more events (`classifier.epochs`), and refine with a larger pilot run (`weights.events`)",
            libm::exp(largest),
            libm::exp(pilot.log_largest)
        )
    })
}

/// More weight above w_max than the pilot run was to leave there, by three standard errors.
fn overweight(seen: &Seen) -> Option<String> {
    let (pilot, s) = (seen.pilot?, seen.statistics);
    let share = s.overweight / s.weight;
    let error = s.overweight_squares.sqrt() / s.weight;
    (share > OFF * pilot.overweight.max(OVERWEIGHT) + 3.0 * error).then(|| {
        format!(
            "{:.2} % of the weight lies above w_max, where the pilot run was to leave {:.2} % (`rejection.overweight`): take the weights of the events, and refine with a larger pilot run (`weights.events`)",
            100.0 * share,
            100.0 * pilot.overweight
        )
    })
}

/// An acceptance of rejection that the pilot run did not promise, by three standard errors.
fn acceptance(seen: &Seen) -> Option<String> {
    let (pilot, s) = (seen.pilot?, seen.statistics);
    if !seen.method.refuses() || seen.conditional {
        return None;
    }
    let (accepted, expected) = (s.accepted as f64, pilot.acceptance * s.proposals as f64);
    let (most, least) = (OFF * expected, expected / OFF);
    let off = accepted > most + 3.0 * most.sqrt() || accepted < least - 3.0 * least.sqrt();
    off.then(|| {
        format!(
            "`{}` accepts {:.3} % of its proposals, where the pilot run found {:.3} %: the weights are not those of the pilot run. Refine with a larger one (`weights.events`)",
            seen.method.name(),
            100.0 * accepted / s.proposals as f64,
            100.0 * pilot.acceptance
        )
    })
}

/// A sample that stands and falls with a few of its events.
fn handful(seen: &Seen) -> Option<String> {
    let s = seen.statistics;
    s.concentrated().then(|| {
        format!(
            "the {HANDFUL} heaviest of {} events carry {:.1} % of the weight: no histogram of them is to be trusted. Train the classifier longer or on more events (`classifier.epochs`), and refine again; or take a refiner that is learned (`refiner.method` = `matching`)",
            s.events,
            100.0 * s.heaviest.share()
        )
    })
}

/// More weight where the classifier extrapolates than is nothing to warn of, by three standard errors.
fn limited(seen: &Seen) -> Option<String> {
    let (events, share) = (
        seen.statistics.limited.events as f64,
        seen.statistics.limited_weight(),
    );
    (share * (1.0 - 3.0 / events.sqrt()) > TOO_MUCH).then(|| {
        format!(
            "{:.1} % of the weight is of events at the limit of the weights: the generator makes next to nothing where the target has that much. Train it longer, and refine again",
            100.0 * share
        )
    })
}

/// Events that repeat each other, by three standard errors.
fn repeated(seen: &Seen) -> Option<String> {
    let resampled = &seen.statistics.resampled;
    let (rows, distinct) = (resampled.rows as f64, resampled.distinct as f64);
    let share = distinct / rows;
    let error = (share * (1.0 - share) / rows).sqrt();
    // Chains have what they start from alone of a pool.
    let many = seen.method == Method::Resampling && share + 3.0 * error < DISTINCT;
    many.then(|| {
        format!(
            "{:.1} % of {rows} resampled events are copies of others: errors of histograms are larger than the number of events says. Refine with a larger `resampling.pool`, or take `rejection` (`sampler.method`)",
            100.0 * (1.0 - share)
        )
    })
}

/// Proposals that are no events: of chains, the states that were to be delivered.
fn non_finite(seen: &Seen) -> Option<String> {
    let s = seen.statistics;
    let proposals = match seen.method.is_chain() {
        true => s.events,
        false => s.proposals,
    };
    let some = s.non_finite >= SEVERAL && s.non_finite as f64 > FEW * proposals as f64;
    some.then(|| {
        format!(
            "{} of {} proposals had events or weights that are NaN or infinite, and were dropped: if those have something in common, the sample lacks it. Look at the generator's events (`sampler.method` = `baseline`)",
            s.non_finite, proposals
        )
    })
}

/// Chains that stay where they are.
fn still(seen: &Seen) -> Option<String> {
    let s = seen.statistics;
    // That every single one diverges is no chance, however few there are.
    let begun = s.proposals >= SEVERAL * seen.block.rows as u64 || s.divergences == s.proposals;
    let still = seen.method.is_chain() && begun && (s.accepted as f64) < FEW * s.proposals as f64;
    still.then(|| {
        format!(
            "the chains stay where they begin: of {} trajectories {} were accepted, and {} diverged. Refine with smaller steps (`hmc.step_size`, or `hmc.pilot` to find them), or take `rejection` or `resampling` (`sampler.method`)",
            s.proposals, s.accepted, s.divergences
        )
    })
}

/// Chains that avoid some places.
fn diverged(seen: &Seen) -> Option<String> {
    let s = seen.statistics;
    let some = s.divergences >= SEVERAL && s.divergences as f64 > FEW * s.proposals as f64;
    some.then(|| {
        format!(
            "{} of {} trajectories diverged: events near steep walls of the weights may be missing. Refine with smaller steps (`hmc.target_acceptance` nearer to 1), or take `rejection` or `resampling` (`sampler.method`)",
            s.divergences, s.proposals
        )
    })
}

/// Chains that do not agree.
fn apart(seen: &Seen) -> Option<String> {
    let (r_hat, most) = seen.r_hat.filter(|(r_hat, most)| r_hat > most)?;
    Some(format!(
        "the chains do not mix: R-hat is {r_hat:.3}, above {most:.2}. Take `rejection` or `resampling` (`sampler.method`), or fewer events of longer chains (`hmc.thin`, `hmc.chains`)"
    ))
}

/// Whether, by a model's record, chains of the method were compared with the weights; of distilled weights, whether they were found right, or
/// the model was refined by them and its report says what they are.
pub(in crate::protocol) fn judged(model: &Model, method: Method) -> bool {
    if method != Method::Distilled {
        return chains::judged(&model.record, method);
    }
    let own = model.refinement.as_ref().map(|r| r.method);
    own == Some(method) || !unlearned(&model.record)
}

/// Chains that nothing keeps where the weights are, with a step that nobody has judged; those with a Metropolis test are right, if slow. And a
/// surrogate that was to save calls alone.
fn unjudged(seen: &Seen) -> Option<String> {
    let s = seen.statistics;
    if seen.method == Method::Distilled && !seen.judged {
        return Some("`distilled` is as right as the model's surrogate, and that has learned too little of the weights (`surrogate.distilled` in the model's record) for any but the method `surrogate`, which is exact: take that (`sampler.method`), or refine with `refiner.method` = `distilled`, longer (`surrogate.epochs`, `surrogate.pool`)".into());
    }
    let refused = 1.0 - s.metropolis / s.proposals as f64;
    let unknown = seen.method == Method::Langevin && !seen.judged && s.proposals >= STEPS;
    (unknown && refused > SMALL).then(|| {
        format!(
            "`langevin` has no Metropolis test, so its step biases it, and no pilot run has judged how much with this model's step, of which that test would refuse {:.1} %. Refine with `refiner.method` = `langevin` and a pilot run (`hmc.pilot`), or take `mala` (`sampler.method`), which has no such bias",
            100.0 * refused
        )
    })
}
