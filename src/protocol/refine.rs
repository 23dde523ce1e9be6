//! The whole protocol: generator → classifier → pull-back → refiner.

mod again;
mod ends;
mod judge;

pub use again::refine_again;
pub(super) use ends::agree;

use super::classifier::train_classifier;
use super::conditions::{Conditions, Reach};
use super::generator::{self, draft, train_again};
use super::judgement::{Subject, Witness};
use super::omnifold::{self, unfold};
use super::refiner::prepare;
use super::source::Source;
use super::{checks, columns, copies, names, negative, opinion, support, unused};
use crate::compute::{attached, Instance, Session};
use crate::model::{called, GeneratorKind, Model, Scaling};
use crate::noise::places;
use crate::options::{keys, Options};
use crate::room;
use crate::train::{with_ranks, Hooks, Level};
use crate::{Error, Result};
use ends::{begin, checksum, tell_failures, TARGET};
use judge::judge;
use serde_json::json;

/// Trains a generator on the target's events. The result is a model without classifier and refiner: sampled, it is the baseline. Options by
/// which it could not be refined are warned of before the training.
///
/// # Errors
/// Those of the source and of the hooks; [`Error::InvalidArgument`] for options that do not fit the kind of generator;
/// [`Error::Unsupported`] for a flow of one-dimensional events (a coupling needs two) and for libtorch in a build without it;
/// [`Error::Numerical`] if the training diverges; [`Error::Device`]. The source stays usable.
pub fn train_generator(target: &mut Source, options: &Options, hooks: &dyn Hooks) -> Result<Model> {
    let trained = with_ranks(hooks.ranks(), || train_here(target, options, hooks));
    target.begin(None);
    trained
}

fn train_here(target: &mut Source, options: &Options, hooks: &dyn Hooks) -> Result<Model> {
    let witness = Witness::new(hooks);
    let session = Session::new(options, &witness);
    target.begin(hooks.ranks());
    session.agree(|| target.identity())?;
    let journal = session.journal("generator", || target.identity())?;
    begin(&journal, target, session)?;
    let session = session.kept_in(&journal);
    let draft = draft(target, options)?;
    let (features, conditions) = (draft.generator.event_dim(), draft.generator.condition_dim());
    if conditions > 0 {
        let columns = features..features + conditions;
        let names: Vec<String> = columns.map(|k| called(&draft.names, k)).collect();
        let message = format!("conditions, the last columns: {}", names.join(", "));
        session.hooks.log(Level::Info, &message)?;
    }
    inspect(session, target, &draft.generator.scalings, &draft.names)?;
    if draft.support.is_none() {
        let sample = target.measured(options)?;
        let (scalings, names) = (&draft.generator.scalings, &draft.names);
        let edges = columns::edges::edges(&sample.x, sample.dim, scalings, names)?;
        let orders = columns::edges::orders(&sample.x, sample.dim, features, names)?;
        for told in [edges, orders].into_iter().flatten() {
            session.hooks.log(Level::Info, &told)?;
        }
    }
    copies::look(session, target, TARGET)?;
    target.weigh(session.hooks, TARGET)?;
    negative::look(session, target, TARGET)?;
    unused::in_training(options, hooks)?;
    if let Err(why) = checks::refinement(
        &draft.generator,
        &draft.names,
        session.dtype,
        target,
        options,
    ) {
        let message = format!("refining the generator by these options would fail: {why}");
        session.hooks.warn("options", &message)?;
    }
    let mut model = generator::train(session, draft, target)?;
    if let Some(auc) = opinion::of_generator(session, &model, target)? {
        if opinion::differs(auc.value, auc.error) {
            let message = format!(
                "boosted trees tell the generator's events from the target's: AUC {:.3} ± {:.3}. Refine it, which makes up for that; a longer training leaves less to make up for",
                auc.value, auc.error
            );
            // No warning: this is what the next step is for.
            witness.find("second opinion", &message)?;
        }
        let found = json!({"generated": auc.value, "error": auc.error});
        model.record.insert("second_opinion".into(), found);
    }
    target.look_back(session.hooks, TARGET, &model.names)?;
    tell_failures(target, hooks)?;
    witness.judge(&mut model.record, &[]);
    witness.tell(&model.record, "the generator")?;
    agree(&model, hooks)?;
    Ok(model)
}

/// Tells the host what a smooth generator cannot make of the target's features.
fn inspect(
    session: Session,
    target: &mut Source,
    scalings: &[Scaling],
    names: &[String],
) -> Result<()> {
    let sample = target.measured(session.options)?;
    target.tell_of_circles(session.hooks, names)?;
    columns::weights_among(&names[..names.len().min(scalings.len())], session.hooks)?;
    let mut found = columns::inspect(&sample.x, sample.dim, scalings)?;
    let bounded = !session.get(keys::SUPPORT).trim().is_empty();
    found.retain(|found| !(bounded && matches!(found, columns::Trait::Gap { .. })));
    found.iter().try_for_each(|f| {
        session
            .hooks
            .warn("columns", &f.describe(names, Subject::Generator))
    })
}

/// Refines a generator towards the target's events: trains the classifier, pulls its weights back to the latent space, reports on them, and
/// prepares the refiner that the option `refiner.method` names or, for `auto`, the report suggests. All but the learned ones need no more
/// than the classifier and are available in every refined model; chains have their step found only if they are that method. Target weights
/// may be negative where those of a region sum to more than 0: there is no ratio elsewhere.
///
/// With `iteration.rounds` above 1 the whole is iterated: the generator is trained on with the refined latents as its prior, and refined
/// again (paper, Sec. 3 and Table 2). The score of every round is in the record, under `iteration`: how well the classifier could tell that
/// round's generator from the target.
///
/// # Errors
/// Those of the source and of the hooks; [`Error::InvalidArgument`] if source and generator differ in dimension;
/// [`Error::Numerical`] if a training diverges or no weight is usable; [`Error::Device`]. Generator and source stay usable.
pub fn refine(
    generator: &Instance,
    target: &mut Source,
    options: &Options,
    hooks: &dyn Hooks,
) -> Result<Instance> {
    let refined = with_ranks(hooks.ranks(), || {
        refine_here(generator, target, options, hooks)
    });
    target.begin(None);
    refined
}

fn refine_here(
    generator: &Instance,
    target: &mut Source,
    options: &Options,
    hooks: &dyn Hooks,
) -> Result<Instance> {
    let witness = Witness::new(hooks);
    let session = Session::new(options, &witness);
    target.begin(hooks.ranks());
    let identity = |target: &Source| {
        let mut of = target.identity()?;
        of.push(("generator".into(), checksum(generator)));
        Ok(of)
    };
    session.agree(|| identity(target))?;
    let names = names::wanted(Some(generator), target, options)?;
    checks::refinement(
        &generator.generator,
        &names,
        generator.dtype,
        target,
        options,
    )?;
    let journal = session.journal("refinement", || identity(target))?;
    begin(&journal, target, session)?;
    let session = session.kept_in(&journal);
    let rounds = options.get(keys::ITERATION_ROUNDS);
    let mut model = once(session, generator, target)?;
    let mut scores = vec![score(&model)];
    for round in 2..=rounds {
        let refiner = model.refinement.as_ref().and_then(|r| r.refiner.as_ref());
        let refiner = refiner.ok_or_else(|| Error::Internal("a round without a refiner".into()))?;
        let next = train_again(session, &model, refiner, target)?;
        model = once(session, &generator.with_model(next), target)?;
        let score = score(&model);
        hooks.log(
            Level::Info,
            &format!("iteration, round {round} of {rounds}: {score}"),
        )?;
        scores.push(score);
    }
    let mut whole = (*model).clone();
    if rounds > 1 {
        whole.record.insert("iteration".into(), json!(scores));
    }
    unused::in_refinement(&whole, options, hooks)?;
    tell_failures(target, hooks)?;
    witness.judge(&mut whole.record, &REFINED);
    witness.tell(&whole.record, "")?;
    agree(&whole, hooks)?;
    Ok(model.with_model(whole))
}

/// What warnings of a refinement are about, and no longer of the generator.
const REFINED: [&str; 13] = [
    "range",
    "features",
    "tails",
    "support",
    "coverage",
    "weights",
    "classifier",
    "calibration",
    "pull-back",
    "chains",
    "flow",
    "second opinion",
    "refiner",
];

/// How far a round's generator was from the target, by its classifier on held-out events and by its weights.
fn score(model: &Model) -> serde_json::Value {
    let weights = &model.record["weights"];
    json!({
        "auc": weights["calibration"]["auc"],
        "validation_loss": model.record["classifier"]["validation_loss"],
        "effective_fraction": weights["effective_fraction"],
    })
}

/// One round: classifier, pull-back, refiner.
fn once(session: Session, generator: &Instance, target: &mut Source) -> Result<Instance> {
    let Session { options, hooks, .. } = session;
    let omnifold = omnifold::wanted(&generator.generator, options);
    let mut model = (**generator).clone().into_baseline();
    // Of the generator alone, perhaps of a round before: the report has its own.
    model.record.shift_remove("second_opinion");
    attached::forget(&mut model.record);
    model.support = support::wanted(Some(generator), options)?;
    model.names = names::wanted(Some(generator), target, options)?;
    let support = model.support.as_ref();
    support::restrict(target, support, &model.names, Some(generator), options)?;
    let supported = generator.with_model(model.clone());
    let scalings = column_scalings(session, &mut model, target)?;
    negative::look(session, target, TARGET)?;
    let conditions = generator.generator.condition_dim();
    let stock = Conditions::of(target, conditions, options)?;
    Reach::record(&mut model, target, options, false)?;
    if model.generator.stochastic() && !omnifold {
        hooks.warn("pull-back", "the generator has randomness of its own, so w(g(z)) is no function of z: reweighting stays exact, but no latent density belongs to it; set `pullback.method` to `omnifold` or `auto`",
        )?;
    }
    let same = require_same(session, &supported, &stock)?;
    if let (Some((z, x)), GeneratorKind::Host { .. }) = (&same, &model.generator.kind) {
        attached::keep(&mut model.record, model.generator.dims(), z, x);
    }
    let trainings;
    if omnifold {
        let mut evaluator = session.evaluator(&supported)?;
        let evaluator = evaluator.as_mut();
        let unfolded = unfold(session, &model, evaluator, &stock, &scalings, target)?;
        model.classifier = Some(unfolded.events);
        model.latent_classifier = Some(unfolded.latents);
        trainings = unfolded.trainings;
        model
            .record
            .insert("omnifold".into(), json!(unfolded.record));
    } else {
        let mut evaluator = session.evaluator(&supported)?;
        let (classifier, records) = train_classifier(
            session,
            &model.generator,
            &scalings,
            evaluator.as_mut(),
            target,
        )?;
        model.classifier = Some(classifier);
        trainings = records;
    }
    let report = judge(session, generator, &mut model, trainings, target, &stock)?;
    support::report(
        target,
        report.outside,
        &mut model.record,
        Subject::Generator,
        hooks,
    )?;
    prepare(session, generator, model, &report, &stock)
}

/// Warns of a generator that is not of the library, and makes other events of the same latents though it says that it does not: of itself, or
/// because rows of one call depend on each other, as by a batch normalisation that was left in training mode. Returns latent rows with the
/// events of one that makes the same.
fn require_same(
    session: Session,
    generator: &Instance,
    conditions: &Conditions,
) -> Result<Option<(Vec<f64>, Vec<f64>)>> {
    const ROWS: usize = 64;
    /// Of the second time's two calls.
    const PART: usize = 24;
    let g = &generator.generator;
    if matches!(g.kind, GeneratorKind::Networks { .. }) || g.stochastic() {
        return Ok(None);
    }
    let dims = g.dims();
    let (latent, row) = (dims.latent_row(), dims.event_row());
    let mut z = room::filled(ROWS * latent, 0.0)?;
    conditions.latents(places::PILOT.noise(session.seed), 0, dims.latent, &mut z);
    let mut evaluator = session.evaluator(generator)?;
    let (mut once, mut again) = (
        room::filled(ROWS * row, 0.0)?,
        room::filled(ROWS * row, 0.0)?,
    );
    evaluator.generate(&z, ROWS, &mut once, None)?;
    let (first, rest) = again.split_at_mut(PART * row);
    evaluator.generate(&z[..PART * latent], PART, first, None)?;
    evaluator.generate(&z[PART * latent..], ROWS - PART, rest, None)?;
    // Networks on a GPU, and in calls of other lengths, round as it comes, by their largest terms; but not as far as a narrow feature is wide,
    // unless in the last digits of single precision.
    let other = (0..row).any(|column| {
        let of = |x| column_of(x, row, column);
        let finite = || of(&once).filter(|v| v.is_finite());
        let largest = finite().fold(0.0, |largest: f64, v| largest.max(v.abs()));
        let width = finite().fold(f64::MIN, f64::max) - finite().fold(f64::MAX, f64::min);
        let single = finite().all(|v| f64::from(v as f32) == v);
        let digits = if single { 1e-6 } else { 1e-12 };
        let most = (1e-4 * largest).min(0.1 * width).max(digits * largest);
        let mut pairs = of(&once).zip(of(&again));
        pairs.any(|(a, b)| (a - b).abs() > most)
    });
    if !other {
        return Ok(Some((z, once)));
    }
    session.hooks.warn(
        "pull-back",
        "the generator makes other events of the same latents when it is asked again in calls of other lengths, though it is not declared to have randomness of its own: `resampling`, chains and learned refiners then weigh one event and deliver another. Either it has: declare it (`stochastic`), or draw its random numbers from the latents. Or its events depend on those made with them, as by a batch normalisation in training mode: export it in evaluation mode",
    )?;
    Ok(None)
}

/// The values of one column of rows of so many.
fn column_of(x: &[f64], row: usize, column: usize) -> impl Iterator<Item = f64> + '_ {
    x.iter().skip(column).step_by(row).copied()
}

/// What the classifier sees of the target's columns. A generator of the library has scalings of its own; for others they are measured on
/// the target.
fn column_scalings(
    session: Session,
    model: &mut Model,
    target: &mut Source,
) -> Result<Vec<Scaling>> {
    let Model {
        generator, names, ..
    } = model;
    let mut scalings = if let GeneratorKind::Networks { .. } = generator.kind {
        room::joined(&generator.scalings, &generator.conditions)?
    } else {
        let scalings = target.standardisation(names, session.options)?;
        inspect(session, target, &scalings[..generator.event_dim()], names)?;
        generator.conditions = room::copied(&scalings[generator.event_dim()..])?;
        scalings
    };
    // Which values there can be is said by these, not by what a classifier makes of them.
    target.bound(&scalings)?;
    // Of the features all that it can use, of a condition one value.
    for scaling in &mut scalings[..generator.event_dim()] {
        *scaling = scaling.of_classifier();
    }
    Ok(scalings)
}
