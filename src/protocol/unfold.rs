//! Unfolding: the distribution that a detector has not smeared, as weights of simulated events at particle level, by OmniFold
//! (Andreassen et al., arXiv:1911.09107) with acceptance and fakes (arXiv:2105.04448).
//!
//! Of simulated events with values t at particle level, x at detector level, or one of them, and weights v at particle and u at detector level,
//! and measured events of weights d:
//!
//! 0. f(x), the share of the reconstructed simulation that has a particle level. The data count with d · f(x): fakes keep, at every x, the share
//!    that the simulation gives them.
//! 1. r(x), the ratio of the data, d · f, and the matched simulation, u · ν(t), in events: ω = ν · r.
//! 2. ν(t) = E[ω | t], the mean over matched events of weights u; and again from 1.
//!
//! An event that is not reconstructed gets ν(t), which is E[ω | t] of those like it that are: the step 1b of the literature, and its step 2
//! over reconstructed and other events together, have this one result. In bins of t and x the iteration is that of D'Agostini
//! (Nucl. Instrum. Meth. A 362 (1995) 487), efficiency included.
//!
//! Both means, f and ν, are ratios of the same events with two weights each, which leaves no noise of a second sample in them.

mod input;
mod judge;
mod learner;

use super::judgement::Witness;
use super::limits::LimitReport;
use super::pullback::WeightReport;
use super::reweight::{of, Reweighter, Weights};
use super::scaling;
use super::source::Source;
use super::unused;
use crate::compute::{computes, Session};
use crate::metrics::{effective_size, Squares, Sum};
use crate::model::{Limits, Model, Scaling};
use crate::noise::places;
use crate::options::{keys, Key, Options};
use crate::room::{self, Gather, Grow};
use crate::train::{with_ranks, Hooks, Level as LogLevel};
use crate::{Error, Result, Rows, RowsMut};
use input::{Input, Level};
pub use input::{PAIR_GENERATED, PAIR_RECONSTRUCTED};
use learner::{log_weights, weights, within, Learner};
use serde::Serialize;
use serde_json::{json, Value};

/// The result of unfolding.
#[derive(Debug)]
pub struct Unfolded {
    /// w(t), normalised to the mean 1 over the generated events, whose record has the factor to events of the data.
    pub reweighter: Reweighter,
    /// A weight for every simulated event: Σ v w is the unfolded number of events. 0 of one without a particle level.
    pub w: Vec<f64>,
}

/// What the iterations did, for the record.
#[derive(Debug, Serialize)]
struct UnfoldingReport {
    /// Iterations made.
    iterations: u64,
    /// Whether the change fell below `unfold.tolerance` before they were all made.
    converged: bool,
    /// After every iteration: root mean square of the change of w, over the generated events, by their mean.
    changes: Vec<f64>,
    /// After every iteration: (Σ v w)² / Σ (v w)², by the same of v.
    effective_fractions: Vec<f64>,
    /// After every iteration: the share of the variance of ω, the weights at detector level, that t determines. 1 of a perfect detector.
    explained: Vec<f64>,
    /// Of the unfolded events to those of the generated simulation: w is the factor times the reweighter's weight.
    factor: f64,
    /// Σ v w: the unfolded number of events.
    total: f64,
    /// Σ d of the data.
    data: f64,
    /// The share of it that is fakes.
    fakes: f64,
    /// The share of the unfolded events that is reconstructed.
    efficiency: f64,
    /// Which bootstrap sample it is of; 0 of the events themselves.
    replica: u64,
    /// What the weighted simulation is like where it was measured.
    detector: Option<judge::Detector>,
    /// How far ν(t) is from the mean of ω, on held-out events in bins of ν: the mean square of the difference of their sums, by the statistical
    /// error of such a sum. Far below 1 where it is the mean.
    mean_chi_square: Option<f64>,
    /// The trainings, in their order.
    trainings: Vec<Value>,
}

/// Unfolds: learns weights of simulated events at particle level with which their reconstructed counterparts are distributed as the data, in
/// shape and number.
///
/// `generated` and `reconstructed` have a row for each simulated event, in the same order; `flags` say which of the two levels an event has
/// ([`PAIR_GENERATED`], [`PAIR_RECONSTRUCTED`]; both, without flags). The values of a level that it has not are not looked at. The weights of
/// `generated` are v, those of `reconstructed`, if it has any, u; otherwise u = v. An event with u = 0 counts as not reconstructed. Backgrounds
/// are events of `data` with negative weights. Sources are arrays or files in memory.
///
/// # Errors
/// [`Error::InvalidArgument`] for sources, flags or options that do not fit, [`Error::Unsupported`] for a source of a callback,
/// [`Error::Data`] for events that cannot be used, [`Error::Numerical`] if a training diverges; those of the hooks.
pub fn unfold(
    generated: &Source,
    reconstructed: &Source,
    data: &Source,
    flags: Option<&[i32]>,
    options: &Options,
    hooks: &dyn Hooks,
) -> Result<Unfolded> {
    with_ranks(hooks.ranks(), || {
        let sources = [generated, reconstructed, data];
        let unfolded = unfold_here(sources, flags, options, hooks)?;
        super::refine::agree(&unfolded.reweighter, hooks)?;
        Ok(unfolded)
    })
}

/// What everything is, for a checkpoint.
fn identity(sources: [&Source; 3], flags: Option<&[i32]>) -> Result<Vec<(String, String)>> {
    let mut of = Vec::new();
    for (name, source) in ["generated", "reconstructed", "data"]
        .into_iter()
        .zip(sources)
    {
        let parts = source.identity()?.into_iter();
        of.extend(parts.map(|(_, what)| (name.into(), what)));
    }
    let flags = flags.unwrap_or_default().iter();
    let flags: Vec<f64> = flags.map(|flag| f64::from(*flag)).gather()?;
    of.push(("flags".into(), crate::train::checksum(&flags).to_string()));
    Ok(of)
}

/// Options that would ask for something else than unfolding does.
fn refuse(options: &Options) -> Result<()> {
    if options.get(keys::CONDITIONS) != 0 {
        return Err(Error::InvalidArgument(
            "unfolding has no conditions: `conditions` must be 0, and all columns of `generated` are unfolded together".into(),
        ));
    }
    if !options.get(keys::SUPPORT).is_empty() {
        return Err(Error::InvalidArgument(
            "unfolding takes no `support`: `flags` say which events are in the fiducial space and which were reconstructed".into(),
        ));
    }
    Ok(())
}

/// Σ a b.
fn product(a: &[f64], b: &[f64]) -> f64 {
    let terms: Sum = a.iter().zip(b).map(|(a, b)| a * b).collect();
    terms.value()
}

fn products(a: &[f64], b: &[f64]) -> Result<Vec<f64>> {
    a.iter().zip(b).map(|(a, b)| a * b).gather()
}

/// The factor that takes Σ w over events of weights `v` to `total`.
fn factor(total: f64, v: &[f64], w: &[f64]) -> Result<f64> {
    let factor = total / product(v, w);
    if factor > 0.0 && factor.is_finite() {
        return Ok(factor);
    }
    Err(Error::Numerical(format!(
        "the weights of unfolding would have to be scaled by {factor}; the classifier's training has failed: lower `classifier.lr`, or look whether the weights of a region of the simulation sum to less than 0"
    )))
}

/// ν of all generated events and of the matched ones, in events, and how it comes of the classifier: its limits, and the factor.
struct Nu {
    generated: Vec<f64>,
    matched: Vec<f64>,
    limits: Option<Limits>,
    factor: f64,
}

impl Nu {
    /// Of log ν of all generated events, but for a factor, which gives the matched ones the total of ω.
    fn new(
        log_nu: &[f64],
        omega: f64,
        u: &[f64],
        partner: &[usize],
        session: Session,
    ) -> Result<Self> {
        let own = partner.iter().map(|&i| log_nu[i]).gather()?;
        let limits = within(&own, session)?;
        let mut generated = weights(log_nu, limits)?;
        let mut matched = weights(&own, limits)?;
        let factor = factor(omega, u, &matched)?;
        let all = generated.iter_mut().chain(&mut matched);
        all.for_each(|nu| *nu *= factor);
        Ok(Nu {
            generated,
            matched,
            limits,
            factor,
        })
    }
}

/// How much of the variance of ω its mean ν explains, over events of weights u.
fn explained(omega: &[f64], nu: &[f64], u: &[f64]) -> f64 {
    let total: f64 = u.iter().sum();
    let mean = |values: &[f64]| product(u, values) / total;
    let (of_omega, of_nu) = (mean(omega), mean(nu));
    let (mut both, mut own) = (0.0, 0.0);
    for ((omega, nu), u) in omega.iter().zip(nu).zip(u) {
        both += u * (omega - of_omega) * (nu - of_nu);
        own += u * (omega - of_omega).powi(2);
    }
    if own > 0.0 {
        (both / own).clamp(0.0, 1.0)
    } else {
        1.0
    }
}

/// Standard deviation of values by their mean, of weights u.
fn relative_width(values: &[f64], u: &[f64]) -> f64 {
    let total: f64 = u.iter().sum();
    let mean = product(u, values) / total;
    let squares = values.iter().zip(u).map(|(x, u)| u * (x - mean).powi(2));
    (squares.sum::<f64>() / total).max(0.0).sqrt() / mean
}

/// The share of the reconstructed events that have a particle level, at the places of the data; all, without fakes.
fn share_matched(
    input: &Input,
    scalings: &[Scaling],
    trainings: &mut Vec<Value>,
    session: Session,
) -> Result<Vec<f64>> {
    const CALLED: [&str; 2] = ["reconstructed", "reconstructed"];
    let (all, data) = (&input.reconstructed, &input.data);
    if input.matched.iter().all(|matched| *matched) {
        return room::filled(data.w.len(), 1.0);
    }
    let ones = all.w.iter().zip(&input.matched);
    let ones = ones
        .map(|(u, matched)| if *matched { *u } else { 0.0 })
        .gather()?;
    let mut learner = Learner::new(
        "unfold_fakes",
        CALLED,
        scalings,
        places::UNFOLD_FAKES,
        session,
    )?;
    trainings.push(learner.train((all, &all.w), (all, &ones), session)?);
    let model = learner.model(session)?;
    let own = log_weights(&model, "unfold_fakes", &all.x, session)?;
    let limits = within(&own, session)?;
    let factor = factor(ones.iter().sum(), &all.w, &weights(&own, limits)?)?;
    let of_data = log_weights(&model, "unfold_fakes", &data.x, session)?;
    let mut shares = weights(&of_data, limits)?;
    shares.iter_mut().for_each(|f| *f = (*f * factor).min(1.0));
    Ok(shares)
}

fn unfold_here(
    sources: [&Source; 3],
    flags: Option<&[i32]>,
    options: &Options,
    hooks: &dyn Hooks,
) -> Result<Unfolded> {
    let witness = Witness::new(hooks);
    let session = Session::new(options, &witness);
    let [generated, reconstructed, data] = sources;
    refuse(options)?;
    let input = Input::new(generated, reconstructed, data, flags, options)?;
    session.agree(|| identity(sources, flags))?;
    computes(options)?;
    let journal = session.journal("unfolding", || identity(sources, flags))?;
    if let Some(journal) = &journal {
        journal.start(Vec::new);
    }
    let session = session.kept_in(&journal);
    unused::in_unfolding(options, &witness)?;

    let particle = scalings(
        keys::FEATURES_SCALING,
        &[("generated", &input.generated)],
        options,
    )?;
    let at_detector = [
        ("reconstructed", &input.reconstructed),
        ("data", &input.data),
    ];
    let detector = scalings(keys::UNFOLD_SCALING, &at_detector, options)?;
    let matched = input.reconstructed.only(|i| input.matched[i])?;
    let particles = input.particles(&matched)?;
    of(
        "reconstructed",
        matched
            .total("its events that are generated as well")
            .map(drop),
    )?;
    judge::inspect_input(session, &input, &matched, [&particle, &detector])?;

    let mut trainings = Vec::new();
    let f = share_matched(&input, &detector, &mut trainings, session)?;
    let d = products(&input.data.w, &f)?;
    let total: f64 = d.iter().copied().collect::<Sum>().value();
    let u = &matched.w[..];
    let (v, partner) = (&input.generated.w[..], &input.partner[..]);
    let called = ["reconstructed", "data"];
    let mut on_detector = Learner::new(
        "unfold_detector",
        called,
        &detector,
        places::UNFOLD_DETECTOR,
        session,
    )?;
    let called = ["reconstructed", "reconstructed"];
    let mut on_particles = Learner::new(
        "unfold_particles",
        called,
        &particle,
        places::UNFOLD_PARTICLES,
        session,
    )?;
    // As the simulation has them, with the total of the data.
    let mut nu = Nu::new(&room::filled(v.len(), 0.0)?, total, u, partner, session)?;
    let mut report = UnfoldingReport {
        iterations: 0,
        converged: false,
        changes: Vec::new(),
        effective_fractions: Vec::new(),
        explained: Vec::new(),
        factor: f64::NAN,
        total: f64::NAN,
        data: input.data.w.iter().copied().collect::<Sum>().value(),
        fakes: f64::NAN,
        efficiency: f64::NAN,
        replica: options.get(keys::UNFOLD_REPLICA) as u64,
        detector: None,
        mean_chi_square: None,
        trainings: Vec::new(),
    };
    let before = of("generated", effective_size(v))?;
    let tolerance = options.get(keys::UNFOLD_TOLERANCE);
    let iterations = options.get(keys::UNFOLD_ITERATIONS) as u64;
    let (mut first, mut omega, mut width) = (None, Vec::new(), 0.0);
    for iteration in 1..=iterations {
        let message = format!("unfolding, iteration {iteration} of {iterations}");
        session.hooks.log(LogLevel::Info, &message)?;
        let of_simulation = products(u, &nu.matched)?;
        let trained = on_detector.train((&matched, &of_simulation), (&input.data, &d), session)?;
        let model = on_detector.model(session)?;
        let log_ratio = log_weights(&model, "unfold_detector", &matched.x, session)?;
        let ratio = weights(&log_ratio, within(&log_ratio, session)?)?;
        let scale = factor(total, &of_simulation, &ratio)?;
        omega = nu
            .matched
            .iter()
            .zip(&ratio)
            .map(|(nu, r)| nu * r * scale)
            .gather()?;
        if first.is_none() {
            width = relative_width(&omega, u);
            first = Some(model);
        }
        trainings.push(trained);

        let ones = products(u, &omega)?;
        trainings.push(on_particles.train((&particles, u), (&particles, &ones), session)?);
        let model = on_particles.model(session)?;
        let log_nu = log_weights(&model, "unfold_particles", &input.generated.x, session)?;
        let after = Nu::new(&log_nu, total, u, partner, session)?;

        let sizes: f64 = v.iter().map(|v| v.abs()).sum();
        let mean = after
            .generated
            .iter()
            .zip(v)
            .map(|(nu, v)| nu * v.abs())
            .sum::<f64>()
            / sizes;
        let pairs = after.generated.iter().zip(&nu.generated).zip(v);
        let squares: f64 = pairs.map(|((a, b), v)| v.abs() * (a - b).powi(2)).sum();
        let change = (squares / sizes).sqrt() / mean;
        let unfolded = products(v, &after.generated)?;
        let sum: f64 = unfolded.iter().copied().collect::<Sum>().value();
        let worth = unfolded.iter().copied().collect::<Squares>().effective(sum) / before;
        let known = explained(&omega, &after.matched, u);
        session.hooks.log(LogLevel::Info, &format!(
            "unfolding, iteration {iteration}: the weights changed by {change:.4} (root mean square), effective sample size {:.1} %, {sum:.6} events",
            100.0 * worth
        ))?;
        report.iterations = iteration;
        report.changes.push(change);
        report.effective_fractions.push(worth);
        report.explained.push(known);
        nu = after;
        if change < tolerance {
            report.converged = true;
            break;
        }
    }
    let first = first.ok_or_else(|| Error::Internal("unfolding made no iteration".into()))?;

    // Normalised as a reweighter is: Σ v w = Σ v.
    let mean = product(v, &nu.generated) / v.iter().copied().collect::<Sum>().value();
    if !(mean > 0.0 && mean.is_finite()) {
        return Err(Error::Numerical(format!(
            "the mean weight of the generated events is {mean}; of weights of both signs, too many are negative where the data are"
        )));
    }
    let offset = libm::log(nu.factor / mean);
    let mut model = on_particles.model(session)?;
    if let Some(classifier) = &mut model.classifier {
        classifier.log_ratio_offset = offset;
        classifier.limits = nu.limits.map(|limits| Limits {
            low: limits.low + offset,
            high: limits.high + offset,
        });
    }
    model.names = room::copied(&input.generated.names)?;
    let record = &mut model.record;
    record.insert("library".into(), json!(env!("CARGO_PKG_VERSION")));

    let reweighter = Reweighter::new(model)?;
    let mut w = room::filled(v.len(), 0.0)?;
    let rows = Rows::packed(&input.generated.x, input.generated.dim)?;
    let wanted = Weights {
        w: Some(RowsMut::column(&mut w)),
        ..Weights::default()
    };
    reweighter.weights(options, rows, wanted)?;
    let mut model = Model::clone(&reweighter);

    let log_w = w.iter().map(|w| libm::log(*w)).gather()?;
    let unit = v.iter().sum::<f64>() / v.len() as f64;
    let of_unit = products(&w, &v.iter().map(|v| v / unit).gather()?)?;
    let overweight = options.get(keys::REJECTION_OVERWEIGHT);
    let mut of_weights = WeightReport::of_events(&log_w, of_unit, before, overweight)?;
    let limits = model.classifier.as_ref().and_then(|c| c.limits);
    let weighted = products(v, &w)?;
    of_weights.limit = limits.map(|limits| LimitReport::new(limits, &log_w, &weighted));
    let judged = judge::Judged {
        input: &input,
        matched: &matched,
        particles: &particles,
        d: &d,
        nu: &nu.matched,
        omega: &omega,
        first: &first,
        scalings: &detector,
    };
    judged.weights(session, &of_weights)?;
    let (at_detector, opinion) = judged.detector(session)?;
    report.detector = Some(at_detector);
    of_weights.second_opinion = opinion;
    report.mean_chi_square = judged.mean(session)?;
    judged.iterations(
        session,
        &report.changes,
        report.explained[0],
        width,
        report.converged,
    )?;

    report.factor = mean;
    report.total = mean * product(v, &w);
    report.fakes = 1.0 - total / report.data;
    report.efficiency = product(u, &nu.matched) / report.total;
    judged.efficiency(session, report.efficiency)?;
    let of_last = trainings.last().cloned().unwrap_or_default();
    report.trainings = trainings;
    let record = &mut model.record;
    record.insert("classifier".into(), of_last);
    record.insert("weights".into(), json!(of_weights));
    record.insert("unfolding".into(), json!(report));
    record.insert("options".into(), session.options_record()?);
    witness.judge(record, &[]);
    session.hooks.log(LogLevel::Info, &format!(
        "unfolded: {:.6} events of {:.6} in the data, of which {:.2} % are fakes; {:.2} % of the unfolded events are reconstructed",
        report.total, report.data, 100.0 * report.fakes, 100.0 * report.efficiency
    ))?;
    witness.tell(record, "")?;

    let mut of_rows = room::filled(input.n, 0.0)?;
    for (&row, w) in input.generated.rows.iter().zip(&w) {
        let drawn = input.drawn.as_ref().map_or(1.0, |drawn| drawn[row]);
        of_rows[row] = drawn * (report.factor * w);
    }
    Ok(Unfolded {
        reweighter: Reweighter::new(model)?,
        w: of_rows,
    })
}

/// The scalings of the columns of one level, by the option `key`, measured on as many events of each sample.
fn scalings(
    key: Key<&'static str>,
    samples: &[(&str, &Level)],
    options: &Options,
) -> Result<Vec<Scaling>> {
    /// Events of a sample to measure.
    const MEASURE: usize = 50_000;
    let [(_, first), ..] = samples else {
        return Ok(Vec::new());
    };
    let named = |error| match error {
        Error::InvalidArgument(what) => {
            Error::InvalidArgument(what.replace(keys::FEATURES_SCALING.name(), key.name()))
        }
        Error::Data(what) => Error::Data(what.replace(keys::FEATURES_SCALING.name(), key.name())),
        other => other,
    };
    let possible = |scalings: &[Scaling]| {
        let mut samples = samples.iter();
        samples.try_for_each(|(name, level)| of(name, level.possible(scalings)))
    };
    let asked = scaling::parse(options.get(key), first.dim, &first.names).map_err(named)?;
    // What `auto` chooses from has no bounds.
    let bounds = asked.iter().map(|s| s.clone().unwrap_or(Scaling::None));
    possible(&bounds.gather()?)?;
    let most = samples.iter().map(|(_, level)| level.rows.len()).min();
    let most = most.unwrap_or(0).min(MEASURE);
    let scalings = asked.iter().enumerate().map(|(column, asked)| {
        let values = |i: usize| {
            let level = samples[i].1;
            level.x.iter().skip(column).step_by(level.dim).copied()
        };
        let all = (0..samples.len()).flat_map(values);
        if let Some(scaling) = scaling::measure_all(asked, all, column)? {
            return Ok(scaling);
        }
        let mut some = Vec::new();
        for (i, (_, level)) in samples.iter().enumerate() {
            // Rows may be sorted.
            let step = (level.rows.len() / most.max(1)).max(1);
            some.put_all(values(i).step_by(step).take(most))?;
        }
        scaling::measure(asked, &some, column).map_err(named)
    });
    let scalings = scalings.gather_all()?;
    possible(&scalings)?;
    Ok(scalings)
}
