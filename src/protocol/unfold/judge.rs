//! What is strange about what is unfolded, and whether the result, smeared again, is the data.

use super::input::{Input, Level};
use super::learner::{log_weights, renamed, source};
use crate::compute::Session;
use crate::metrics::Sum;
use crate::model::{called, Model, Scaling};
use crate::options::keys;
use crate::order::{sort_by_value, sort_rows};
use crate::protocol::calibration::{worth, Calibration};
use crate::protocol::columns::{self, Trait};
use crate::protocol::copies;
use crate::protocol::coverage::{value, Coverage};
use crate::protocol::gaps::{self, gaps, Gap};
use crate::protocol::judgement::Subject;
use crate::protocol::marginals;
use crate::protocol::negative;
use crate::protocol::opinion::SecondOpinion;
use crate::protocol::pullback::WeightReport;
use crate::protocol::reweight::{traits, FEW};
use crate::protocol::source::Source;
use crate::protocol::worth::Worth;
use crate::room::{self, Gather, Grow};
use crate::train::{Checkpoint, Hooks, Level as LogLevel, Progress, Ranks};
use crate::Result;
use serde::Serialize;
use std::ops::RangeInclusive;
use std::sync::Arc;

const SUBJECT: Subject = Subject::Events;

/// A host's hooks, with `from` and `to` in messages called what the host calls them.
struct Called<'a> {
    hooks: &'a dyn Hooks,
    names: [&'static str; 2],
}

impl Called<'_> {
    fn renamed(&self, message: &str) -> String {
        let message = renamed(message, self.names);
        // What unfolding has in its place.
        let message = message.replace("(`support`)", "(`flags`)");
        match self.names == AT_DETECTOR {
            true => at_detector(&message),
            false => message,
        }
    }
}

impl Hooks for Called<'_> {
    fn progress(&self, progress: &Progress) -> Result<()> {
        self.hooks.progress(progress)
    }

    fn log(&self, level: LogLevel, message: &str) -> Result<()> {
        self.hooks.log(level, &self.renamed(message))
    }

    fn warn(&self, about: &'static str, message: &str) -> Result<()> {
        self.hooks.warn(about, &self.renamed(message))
    }

    fn check(&self, stage: &'static str) -> Result<()> {
        self.hooks.check(stage)
    }

    fn checkpoint(&self) -> Option<&Checkpoint> {
        self.hooks.checkpoint()
    }

    fn ranks(&self) -> Option<&Arc<Ranks>> {
        self.hooks.ranks()
    }
}

/// What messages of the two levels call simulation and data.
const AT_PARTICLES: [&str; 2] = ["generated", "data"];
const AT_DETECTOR: [&str; 2] = ["reconstructed", "data"];

/// Simulation and data at detector level, on events held out of the trainings.
#[derive(Debug, Serialize)]
pub(super) struct Detector {
    /// χ² per bin of the simulation with its own weights, in bins of the first iteration's ratio.
    pub chi_square_before: Option<f64>,
    /// The same with the weights of unfolding.
    pub chi_square: Option<f64>,
    /// Held-out events of the data, by what their weights are worth.
    pub events: u64,
    /// Tails and regions of the data that the simulation does not reach, or not with its weights.
    pub gaps: Vec<Gap>,
}

/// Most bins, and events that one needs.
const BINS: usize = 50;
const FEWEST: usize = 200;
/// A sum so many errors below 0 is no chance.
const ERRORS: f64 = 4.0;
/// A bin is not reconstructed below this share of the mean efficiency, where so many events would be expected.
const LOST: f64 = 0.01;
const EXPECTED: f64 = 20.0;
/// Scale factors have such a mean.
const FACTORS: RangeInclusive<f64> = 0.3..=3.0;
/// Weights v that vary by no more of their mean do not matter.
const SAME: f64 = 0.01;
/// A sum of the data's weights this near to 1, of more events, is that of a distribution.
const NORMALISED: f64 = 0.01;
/// More reconstructed events than there are, but for rounding.
const MORE: f64 = 1.001;
/// Bins that are named.
const NAMED: usize = 3;

/// The rows of a level by rising values of a column, in bins of as many rows.
fn by_column(level: &Level, column: usize) -> Result<(Vec<usize>, usize)> {
    let at = |row: usize| level.x[row * level.dim + column];
    let mut order = (0..level.rows.len()).gather()?;
    sort_by_value(&mut order, &at);
    let bins = (order.len() / FEWEST).clamp(1, BINS);
    let each = order.len().div_ceil(bins).max(1);
    Ok((order, each))
}

/// Where the bins of a level are in which `strange` says so of their rows: neighbours as one, in words.
fn places(level: &Level, strange: impl Fn(&[usize]) -> bool) -> Result<Vec<String>> {
    let mut found = Vec::new();
    for column in 0..level.dim {
        let (order, each) = by_column(level, column)?;
        let at = |row: usize| level.x[row * level.dim + column];
        let mut open: Option<(f64, f64)> = None;
        let mut close = |open: &mut Option<(f64, f64)>| {
            if let Some((low, high)) = open.take() {
                let name = called(&level.names, column);
                found.push(format!("{name} from {} to {}", value(low), value(high)));
            }
        };
        for bin in order.chunks(each) {
            let (low, high) = (at(bin[0]), at(bin[bin.len() - 1]));
            match strange(bin) {
                true => open = Some((open.map_or(low, |(from, _)| from), high)),
                false => close(&mut open),
            }
        }
        close(&mut open);
    }
    Ok(found)
}

fn listed(places: &[String]) -> String {
    let named = places[..places.len().min(NAMED)].join("; ");
    match places.len() - places.len().min(NAMED) {
        0 => named,
        more => format!("{named}; and {more} more"),
    }
}

/// A trait of a column of a level, and the remedy: what stands there in the place of a level that an event has not is no value.
fn described(found: &Trait, level: &Level, input: &Input) -> String {
    let is = |other: &Level| std::ptr::eq(level, other);
    let plain = found.describe(&level.names, SUBJECT);
    let (Trait::Mark { value, share, .. } | Trait::PileUp { value, share, .. }) = found else {
        return plain;
    };
    let name = called(&level.names, found.column());
    let often = format!("{name} is {value} in {:.1} % of the events", 100.0 * share);
    if is(&input.generated) {
        return match found {
            Trait::Mark { .. } => format!("{often} of `generated`, further from all others than these are from each other: if these have no particle level, say so by `flags` (`is_generated`)"),
            _ => format!("{plain}; if these have no particle level, say so by `flags` (`is_generated`)"),
        };
    }
    let data = &input.data;
    let column = data.x.iter().skip(found.column()).step_by(data.dim);
    match is(&input.reconstructed) && column.into_iter().all(|x| x != value) {
        true => format!("{often} of `reconstructed`, and in none of the data: if these were not reconstructed, say so by `flags` (`is_reconstructed`)"),
        false => plain,
    }
}

/// A message with the option of scalings that the detector level has.
fn at_detector(message: &str) -> String {
    message.replace(keys::FEATURES_SCALING.name(), keys::UNFOLD_SCALING.name())
}

/// How weights u at detector level are not those v of the same events times scale factors, in words.
fn astray(pairs: &[(f64, f64)]) -> Option<String> {
    let n = pairs.len() as f64;
    let of_u = pairs.iter().map(|(u, _)| *u).collect::<Sum>().value();
    let of_v = pairs.iter().map(|(_, v)| *v).collect::<Sum>().value();
    let scale = of_u / of_v;
    if !FACTORS.contains(&scale) {
        return Some(format!(
            "of {} matched events they sum to {}, those to {}",
            pairs.len(),
            value(of_u),
            value(of_v)
        ));
    }
    // The slope of u in v: their mean ratio of a factor, whatever the signs, and 0 of what knows nothing of v.
    let (mean_u, mean_v) = (of_u / n, of_v / n);
    let pairs = || pairs.iter().map(|(u, v)| (u - mean_u, v - mean_v));
    let square = pairs().map(|(_, v)| v * v).sum::<f64>();
    let slope = pairs().map(|(u, v)| u * v).sum::<f64>() / square;
    let left = pairs().map(|(u, v)| (u - slope * v).powi(2)).sum::<f64>();
    let error = (left / square / n).sqrt();
    let vary = square > n * (SAME * mean_v).powi(2);
    (vary && slope + ERRORS * error < 0.5 * scale).then(|| {
        let percent = (100.0 * slope / scale).round() / 10.0 + 0.0;
        format!("where those are larger by 10 %, they are by {percent} %")
    })
}

/// A source of a level to be looked at, whose angles come within their circle.
#[inline(never)]
fn bounded<'a>(
    level: &'a Level,
    w: &'a [f64],
    scalings: &[Scaling],
    session: Session,
) -> Result<Source<'a>> {
    let mut source = source(level, w, session)?;
    source.bound(scalings)?;
    Ok(source)
}

/// Tells the host of what is strange before anything is trained. `matched` are the reconstructed events that are generated as well.
pub(super) fn inspect_input(
    session: Session,
    input: &Input,
    matched: &Level,
    [particle, detector]: [&[Scaling]; 2],
) -> Result<()> {
    let Input {
        generated,
        reconstructed,
        data,
        ..
    } = input;
    for level in [generated, reconstructed] {
        columns::weights_among(&level.names, session.hooks)?;
    }
    // Those of a replica are the events' own by numbers of chance.
    let own_weights = session.get(keys::UNFOLD_REPLICA) == 0;
    let mut more_background = None;
    for (name, level, scalings, names) in [
        (
            "the events of `generated`",
            generated,
            particle,
            AT_PARTICLES,
        ),
        (
            "the events of `reconstructed`",
            reconstructed,
            detector,
            AT_DETECTOR,
        ),
        ("the data", data, detector, AT_DETECTOR),
    ] {
        let hooks = &Called {
            hooks: session.hooks,
            names,
        };
        let session = Session { hooks, ..session };
        let mut source = bounded(level, &level.w, scalings, session)?;
        for found in traits(session, &mut source, scalings)? {
            let message = described(&found, level, input);
            hooks.warn("columns", &message)?;
        }
        source.tell_of_circles(hooks, &level.names)?;
        copies::look(session, &mut source, name)?;
        if !own_weights {
            continue;
        }
        let weights = level.rows.iter().copied().zip(level.w.iter().copied());
        Worth::of(weights).warn(hooks, name)?;
        if std::ptr::eq(level, data) {
            more_background = negative::region(session, &mut source, name)?;
            continue;
        }
        negative::look(session, &mut source, name)?;
        if std::ptr::eq(level, reconstructed) && matched.rows.len() < reconstructed.rows.len() {
            let name = "the events of `reconstructed` that are generated as well";
            negative::look(
                session,
                &mut self::source(matched, &matched.w, session)?,
                name,
            )?;
        }
    }
    let (positive, negative) = data.w.iter().fold((0.0, 0.0), |(p, n), w| match *w > 0.0 {
        true => (p + w, n),
        false => (p, n - w),
    });
    let measured = data.w.iter().filter(|w| **w > 0.0).count();
    if (positive - 1.0).abs() < NORMALISED && measured > 1 {
        session.hooks.warn("weights", &format!(
            "Σ d is {} of {measured} events of `data` (backgrounds left aside), and in such a unit the result is: an event that was measured counts 1. Weights that are normalised are to be multiplied by what they were divided by",
            value(positive)
        ))?;
    }
    if own_weights {
        let pairs = matched.w.iter().zip(&input.partner);
        let pairs = pairs.map(|(u, &i)| (*u, generated.w[i])).gather()?;
        if let Some(how) = astray(&pairs) {
            session.hooks.warn("weights", &format!(
                "the weights of `reconstructed` do not follow those of `generated` ({how}): at detector level an event counts with its weight there in the place of v. Give v times the scale factor, not the scale factor alone"
            ))?;
        }
    }
    if negative > 0.5 * positive {
        session.hooks.warn("background", &format!(
            "the negative weights of `data`, its backgrounds, are {:.1} % of the positive ones: what is left has errors of several times its own size; unfold where the signal is",
            100.0 * negative / positive
        ))?;
    }
    let found = places(data, |bin| {
        let weights = || bin.iter().map(|&row| data.w[row]);
        let error = weights().map(|w| w * w).sum::<f64>().sqrt();
        weights().sum::<f64>() < -ERRORS * error
    })?;
    if !found.is_empty() {
        let listed = listed(&found);
        more_background = Some(format!(
            "the weights of `data` sum to less than 0: {listed}"
        ));
    }
    if let Some(where_it_is) = more_background {
        session.hooks.warn("background", &format!(
            "there is more background than data, {where_it_is}. No ratio describes that; leave such regions out, or look whether the background is scaled right"
        ))?;
    }
    let mut seen = room::filled(generated.rows.len(), false)?;
    input.partner.iter().for_each(|&i| seen[i] = true);
    let efficiency = input.partner.len() as f64 / seen.len() as f64;
    let found = places(generated, |bin| {
        let expected = bin.len() as f64 * efficiency;
        let there = bin.iter().filter(|&&row| seen[row]).count() as f64;
        expected >= EXPECTED && there <= LOST * expected
    })?;
    if !found.is_empty() {
        session.hooks.warn("efficiency", &format!(
            "next to no generated event is reconstructed where {}; {:.1} % are in all. What is unfolded there is extrapolated and not measured: leave it out of the result, or out of the fiducial space, by the flags",
            listed(&found),
            100.0 * efficiency
        ))?;
    }
    Ok(())
}

/// An event in a bin: its place, what it adds, and the square of the error of that.
type Term = (f64, f64, f64);

/// χ² per bin of sums that should be 0, in bins of as many terms by their places; none of few.
fn chi_square(mut terms: Vec<Term>) -> Option<f64> {
    terms.retain(|(place, term, _)| !place.is_nan() && term.is_finite());
    if terms.len() < FEW {
        return None;
    }
    let mut order: Vec<usize> = (0..terms.len()).collect();
    sort_rows(&mut order, &|a, b| {
        let (a, b) = (terms[a], terms[b]);
        a.0.total_cmp(&b.0).then(a.1.total_cmp(&b.1))
    });
    let each = terms.len().div_ceil((terms.len() / FEWEST).clamp(1, BINS));
    let pulls = order.chunks(each).map(|bin| {
        let sum = |f: &dyn Fn(&Term) -> f64| bin.iter().map(|&i| f(&terms[i])).sum::<f64>();
        let variance = sum(&|t| t.2);
        if variance > 0.0 {
            sum(&|t| t.1).powi(2) / variance
        } else {
            0.0
        }
    });
    let bins = pulls.len() as f64;
    Some(pulls.sum::<f64>() / bins)
}

/// A result to be judged.
pub(super) struct Judged<'a> {
    pub input: &'a Input,
    pub matched: &'a Level,
    pub particles: &'a Level,
    /// Weights of the data without fakes.
    pub d: &'a [f64],
    /// Of the matched events, in events.
    pub nu: &'a [f64],
    pub omega: &'a [f64],
    /// The first iteration's classifier at detector level.
    pub first: &'a Model,
    /// Of the detector level.
    pub scalings: &'a [Scaling],
}

impl Judged<'_> {
    /// Tells of the weights of the generated events.
    pub fn weights(&self, session: Session, report: &WeightReport) -> Result<()> {
        let hooks = Called {
            hooks: session.hooks,
            names: AT_PARTICLES,
        };
        report.tell(&hooks, SUBJECT)
    }

    /// Compares simulation and data where these were measured.
    pub fn detector(&self, session: Session) -> Result<(Detector, Option<SecondOpinion>)> {
        let hooks = Called {
            hooks: session.hooks,
            names: AT_DETECTOR,
        };
        let session = Session {
            hooks: &hooks,
            ..session
        };
        let (options, names) = (session.options, &self.matched.names[..]);
        let own = &self.matched.w[..];
        let weighted = super::products(own, self.nu)?;
        let scalings = self.scalings;
        let mut before = bounded(self.matched, own, scalings, session)?;
        let mut after = bounded(self.matched, &weighted, scalings, session)?;
        let mut data = bounded(&self.input.data, self.d, scalings, session)?;

        let of_both = [
            worth(&before.held_out(options)?.w),
            worth(&data.held_out(options)?.w),
        ];
        for (name, events) in ["reconstructed", "data"].into_iter().zip(of_both) {
            if events < FEW {
                hooks.warn("events", &format!(
                    "the events of `{name}` that are held out are worth {events}, too few to judge the result by: deliver more (`validation.events`, `validation.fraction` hold them out)"
                ))?;
            }
        }

        // Along the axis on which simulation and data differ most.
        let terms = |source: &mut Source, sign: f64| -> Result<Vec<Term>> {
            let events = source.held_out(options)?;
            let scores = log_weights(self.first, "unfold_detector", &events.x, session)?;
            let total: f64 = events.w.iter().sum();
            let terms = scores.into_iter().zip(&events.w);
            terms
                .map(|(score, w)| (score, sign * w / total, (w / total).powi(2)))
                .gather()
        };
        let of_data = terms(&mut data, 1.0)?;
        let mut chi_squares = [None; 2];
        for (chi, simulation) in chi_squares.iter_mut().zip([&mut before, &mut after]) {
            let of_simulation = terms(simulation, -1.0)?;
            *chi = chi_square(room::joined(&of_data, &of_simulation)?);
        }
        let [chi_square_before, chi_square] = chi_squares;
        if let Some(chi) = chi_square.filter(|chi| *chi > Calibration::BAD) {
            let was = chi_square_before.unwrap_or(f64::NAN);
            hooks.warn("detector level", &format!(
                "the unfolded simulation, at detector level, is not distributed as the data: on held-out events χ² per bin is {chi:.1} ({was:.1} before). Allow more iterations (`unfold.iterations`), train longer (`classifier.epochs`), or look whether simulation and data have the same columns, units and cuts"
            ))?;
        }

        let (events, own) = (
            after.events_to_look_at(options)?,
            before.events_to_look_at(options)?,
        );
        let seen = data.events_to_look_at(options)?;
        let (mut opinion, mut found_gaps) = (None, Vec::new());
        if of_both.iter().all(|events| *events >= FEW) {
            // Who weights the simulation weights these events, learned from or not.
            let rows = [data.held_out(options)?.len(), 0];
            let weights = (&events.w[..], Some(&own.w[..]));
            let found = SecondOpinion::find(session, &seen, &events.x, weights, rows, names)?;
            if let Some(found) = found {
                found.warn(&hooks, SUBJECT)?;
                opinion = Some(found.opinion);
                found_gaps = found.gaps;
            }
        }
        let dim = self.matched.dim;
        let mut coverage = Coverage::new(data.held_out(options)?, dim);
        coverage.add(&events.x, &events.w);
        coverage.warn(&hooks, names, SUBJECT)?;
        marginals::look(
            session,
            &mut data,
            (&events.x, &events.w),
            dim,
            names,
            SUBJECT,
        )?;
        let named = (scalings, names);
        found_gaps.put_all(gaps(&seen, &events.x, Some(&events.w), named, SUBJECT)?)?;
        gaps::warn(&found_gaps, &hooks, SUBJECT)?;
        let report = Detector {
            chi_square_before,
            chi_square,
            events: of_both[1] as u64,
            gaps: found_gaps,
        };
        Ok((report, opinion))
    }

    /// Whether ν(t) is the mean of ω at particle level: the mean square, over bins of held-out events, of the difference of their sums by the
    /// statistical error of the larger. It is far below 1 where it is, as the events are the same.
    pub fn mean(&self, session: Session) -> Result<Option<f64>> {
        let u = &self.particles.w[..];
        let values = [self.nu, self.omega];
        let mut weights = Vec::new();
        for values in values {
            let products = super::products(u, values)?;
            let held_out = source(self.particles, &products, session)?
                .held_out(session.options)?
                .copied()?;
            weights.push(held_out.w);
        }
        let [of_nu, of_omega] = &weights[..] else {
            return Ok(None);
        };
        let own = source(self.particles, u, session)?
            .held_out(session.options)?
            .copied()?;
        let mut terms = Vec::new();
        for ((nu, omega), u) in of_nu.iter().zip(of_omega).zip(&own.w) {
            let difference = omega - nu;
            terms.put((nu / u, difference, (omega * omega).max(nu * nu)))?;
        }
        let chi = chi_square(terms);
        if let Some(chi) = chi.filter(|chi| *chi > 1.0) {
            session.hooks.warn("calibration", &format!(
                "the weights at particle level are not the mean of those at detector level: on held-out events the two differ by {:.1} statistical errors of a bin. Train longer (`unfold.epochs`), average several networks (`classifier.ensemble`), or deliver more events",
                chi.sqrt()
            ))?;
        }
        Ok(chi)
    }

    /// Tells of an efficiency that is none.
    pub fn efficiency(&self, session: Session, efficiency: f64) -> Result<()> {
        if efficiency <= MORE {
            return Ok(());
        }
        session.hooks.warn("efficiency", &format!(
            "{:.1} % of the unfolded events are reconstructed, more than there are: the weights of `reconstructed` sum to more than those of the same events of `generated`. Are they v times scale factors near 1, and do `flags` say which events were not reconstructed?",
            100.0 * efficiency
        ))
    }

    /// Tells of iterations that have not come to an end, and of a detector level that has nothing to do with the other.
    pub fn iterations(
        &self,
        session: Session,
        changes: &[f64],
        explained: f64,
        width: f64,
        converged: bool,
    ) -> Result<()> {
        /// Changes that are large, and do not become smaller.
        const LARGE: f64 = 0.1;
        const SLOW: f64 = 0.8;
        /// A part of ω so small is none.
        const NOTHING: f64 = 0.05;
        if let [.., before, last] = changes[..] {
            if !converged && last > LARGE && last > SLOW * before {
                session.hooks.warn("iterations", &format!(
                    "the weights still change by {last:.3} in the last iteration ({before:.3} in the one before): allow more (`unfold.iterations`), or train longer (`unfold.epochs`)"
                ))?;
            }
        }
        if explained < NOTHING && width > LARGE {
            session.hooks.warn("response", &format!(
                "what `generated` says of an event determines only {:.1} % of the variance of its weight at detector level: the detector loses next to all information, or the rows of `generated` and `reconstructed` are not of the same events, in the same order",
                100.0 * explained
            ))?;
        }
        Ok(())
    }
}
