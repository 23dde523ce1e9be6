//! The whole protocol: generator → classifier → pull-back → refiner.

use super::calibration::{worth, Calibration, HeldOut, Samples};
use super::checks;
use super::classifier::{together, train_classifier, warn};
use super::columns;
use super::conditions::{Conditions, Reach};
use super::copies;
use super::coverage::Coverage;
use super::ensemble::record;
use super::gaps::{self, gaps, Gap};
use super::generator::{self, draft, train_again};
use super::judgement::{Subject, Witness};
use super::limits::{limits, LimitReport};
use super::marginals;
use super::names;
use super::negative;
use super::omnifold::{self, unfold};
use super::opinion::{self, SecondOpinion};
use super::pullback::{weighted_latents, Look, Run, WeightReport, Weighted};
use super::refiner::prepare;
use super::source::Source;
use super::support;
use super::unused;
use crate::compute::{attached, computes, Instance, Session};
use crate::model::{Classifier, GeneratorKind, Limits, Model, Scaling};
use crate::noise::places;
use crate::options::{keys, Options};
use crate::room::{self, Gather, Grow};
use crate::train::{with_ranks, Hooks, Journal, Level, Record};
use crate::{Error, Result};
use serde_json::json;
use sha2::{Digest, Sha256};

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
    inspect(session, target, &draft.generator.scalings, &draft.names)?;
    if draft.support.is_none() {
        let sample = target.measured(options)?;
        let (scalings, names) = (&draft.generator.scalings, &draft.names);
        let edges = columns::edges(&sample.x, sample.dim, scalings, names)?;
        edges.map_or(Ok(()), |edges| session.hooks.log(Level::Info, &edges))?;
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

/// Checks that all ranks end with the same model.
pub(super) fn agree(model: &Model, hooks: &dyn Hooks) -> Result<()> {
    let Some(ranks) = hooks.ranks() else {
        return Ok(());
    };
    let text = format!("{}{}", checksum(model), json!(model));
    let text: Vec<f64> = text.bytes().map(f64::from).collect();
    ranks.agree(crate::train::checksum(&text), "model")
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

/// Has the source where the call of a checkpoint began.
fn begin(journal: &Option<Journal>, target: &mut Source, session: Session) -> Result<()> {
    let Some(journal) = journal else {
        return Ok(());
    };
    let start = journal.start(|| target.place());
    let go_on = || session.hooks.check("source");
    target.go_to(&start, session.options, &go_on)
}

/// Tells the host how often its source has failed. The model has no word of it: it is what it would have been.
fn tell_failures(target: &Source, hooks: &dyn Hooks) -> Result<()> {
    let told = target.failures();
    told.map_or(Ok(()), |what| hooks.log(Level::Warning, &what))
}

/// Of what a model's events and weights are a function of, for a checkpoint.
fn checksum(model: &Model) -> String {
    let mut hash = Sha256::new();
    let description = json!([model.generator, model.classifier, model.latent_classifier]);
    hash.update(description.to_string());
    hash.update(&*model.generator.module);
    let classifiers = model.classifier.iter().chain(&model.latent_classifier);
    let parameters = classifiers.map(|c| &c.parameters);
    for parameters in parameters.chain([&model.generator.parameters]) {
        parameters.iter().for_each(|p| hash.update(p.to_le_bytes()));
    }
    format!("one with the SHA-256 {:x}", hash.finalize())
}

/// Share of the target's events outside the support that is more than a resolution makes.
const MANY: f64 = 0.01;

/// What warnings of a refinement are about, and no longer of the generator.
const REFINED: [&str; 12] = [
    "range",
    "features",
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
    Reach::record(conditions, || target.measured(options), &mut model.record)?;
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
    if let Some((seen, outside)) = target.left_out() {
        let found = json!({"target_events": seen, "left_out": outside, "generated_outside": report.outside});
        model.record.insert("support".into(), found);
        let message = format!(
            "support: {:.3} % of the generated events are outside, and get the weight 0; {outside} of {seen} target events were outside, and left out",
            100.0 * report.outside
        );
        hooks.log(Level::Info, &message)?;
        if outside as f64 > MANY * seen as f64 {
            let message = format!(
                "{:.1} % of the target's events were outside the support, and left out: is it right?",
                100.0 * outside as f64 / seen as f64
            );
            hooks.warn("support", &message)?;
        }
    }
    prepare(session, generator, model, &report, &stock)
}

/// Warns of a generator that is not of the library, and makes other events of the same latents though it says that it does not. Returns latent
/// rows with the events of one that makes the same.
fn require_same(
    session: Session,
    generator: &Instance,
    conditions: &Conditions,
) -> Result<Option<(Vec<f64>, Vec<f64>)>> {
    const ROWS: usize = 64;
    let g = &generator.generator;
    if matches!(g.kind, GeneratorKind::Networks { .. }) || g.stochastic() {
        return Ok(None);
    }
    let dims = g.dims();
    let mut z = room::filled(ROWS * dims.latent_row(), 0.0)?;
    conditions.latents(places::PILOT.noise(session.seed), 0, dims.latent, &mut z);
    let mut evaluator = session.evaluator(generator)?;
    let mut make = || {
        let mut x = room::filled(ROWS * dims.event_row(), 0.0)?;
        evaluator.generate(&z, ROWS, &mut x, None)?;
        Ok::<_, Error>(x)
    };
    let (once, again) = (make()?, make()?);
    // Networks on a GPU round as it comes.
    let other = |(a, b): (&f64, &f64)| (a - b).abs() > 1e-4 * (a.abs() + b.abs());
    if !once.iter().zip(&again).any(other) {
        return Ok(Some((z, once)));
    }
    session.hooks.warn(
        "pull-back",
        "the generator makes other events of the same latents when it is asked again, though it is not declared to have randomness of its own: `resampling`, chains and learned refiners then weigh one event and deliver another. Declare it (`stochastic`), or draw its random numbers from the latents",
    )?;
    Ok(None)
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

/// Prepares another refiner for a model that has its classifier: its weights are judged again, and the refiner that `refiner.method` names
/// is made or trained. `target` gives the conditions to make events for, and is needed only for a model that has conditions; where one is given,
/// the second opinion on the weights is of its events.
///
/// # Errors
/// As [`refine`]; [`Error::Unsupported`] for a model without a classifier, [`Error::InvalidArgument`] for one with conditions without a
/// target.
pub fn refine_again(
    model: &Instance,
    mut target: Option<&mut Source>,
    options: &Options,
    hooks: &dyn Hooks,
) -> Result<Instance> {
    let refined = with_ranks(hooks.ranks(), || {
        refine_again_here(model, target.as_deref_mut(), options, hooks)
    });
    if let Some(target) = target {
        target.begin(None);
    }
    refined
}

fn refine_again_here(
    model: &Instance,
    target: Option<&mut Source>,
    options: &Options,
    hooks: &dyn Hooks,
) -> Result<Instance> {
    if model.classifier.is_none() {
        return Err(Error::Unsupported(
            "the model has no classifier; refine its generator first".into(),
        ));
    }
    computes(options)?;
    let witness = Witness::new(hooks);
    let g = &model.generator;
    g.makes_events()?;
    checks::refiner(g, model.latent_classifier.is_some(), options)?;
    let session = Session {
        dtype: model.dtype,
        ..Session::new(options, &witness)
    };
    let mut target = target;
    let mut of = vec![("model".into(), checksum(model))];
    if let Some(target) = &mut target {
        checks::same_columns(g, target)?;
        target.begin(hooks.ranks());
        of.extend(target.identity()?);
    }
    session.agree(|| Ok(of.clone()))?;
    let journal = session.journal("refiner", || Ok(of))?;
    let session = session.kept_in(&journal);
    let conditions = match &mut target {
        Some(target) => {
            begin(&journal, target, session)?;
            names::wanted(Some(model), target, options)?;
            let support = model.support.as_ref();
            support::restrict(target, support, &model.names, Some(model), options)?;
            target.bound(&scalings_of(model)?)?;
            Conditions::of(target, g.condition_dim(), options)?
        }
        None if g.condition_dim() > 0 => {
            return Err(Error::InvalidArgument(
                "the model's events are made given conditions: a source of the target's events is needed, for theirs".into(),
            ))
        }
        _ => Conditions::none(),
    };
    let mut generated = Vec::new();
    let row = g.dims().event_row();
    let mut keep = |x: &[f64], _: &[f64]| keep(&mut generated, x, row);
    let look: Option<Look> = target.is_some().then_some(&mut keep);
    let run = Run::pilot(session);
    let log_w = weighted_latents(session, model, &conditions, run, look)?.log_w;
    let mut report = WeightReport::new(&log_w, options.get(keys::REJECTION_OVERWEIGHT))?;
    let classifier = model
        .latent_classifier
        .as_ref()
        .or(model.classifier.as_ref());
    let limits = classifier.and_then(|c| c.limits);
    let weights = weights_of(&log_w)?;
    report.limit = limits.map(|limits| LimitReport::new(limits, &log_w, &weights));
    report.tell(session.hooks, Subject::Generator)?;
    let mut copy = (**model).clone();
    let mut record = json!(report);
    // Found on events held out of the classifier's training, which has not changed.
    for key in ["calibration", "features", "gaps", "second_opinion"] {
        let before = copy.record.get("weights").and_then(|w| w.get(key));
        record[key] = before.cloned().unwrap_or_default();
    }
    if let Some(target) = &mut target {
        target.wrap(&mut generated);
        let before = record["second_opinion"].clone();
        if let Some(now) = opinion_again(session, target, &generated, &weights, &before)? {
            record["second_opinion"] = json!(now);
        }
        tell_failures(target, hooks)?;
    }
    copy.record.insert("weights".into(), record);
    let refined = prepare(session, model, copy, &report, &conditions)?;
    let mut whole = (*refined).clone();
    unused::in_refinement(&whole, options, hooks)?;
    witness.judge(&mut whole.record, &["weights", "chains", "refiner"]);
    witness.tell(&whole.record, "")?;
    agree(&whole, hooks)?;
    Ok(refined.with_model(whole))
}

/// How a model scales the columns of its events: as its generator or, of one that is not the library's, as its classifier.
fn scalings_of(model: &Model) -> Result<Vec<Scaling>> {
    let g = &model.generator;
    match (&g.kind, &model.classifier) {
        (GeneratorKind::Networks { .. }, _) | (_, None) => room::joined(&g.scalings, &g.conditions),
        (_, Some(classifier)) => room::copied(&classifier.scalings[..g.dims().event_row()]),
    }
}

/// What trees say of a model whose weights stay, on the events of the target that is given now; `before`: what they said when the weights were
/// learned. None where little is held out.
fn opinion_again(
    session: Session,
    target: &mut Source,
    generated: &[f64],
    weights: &[f64],
    before: &serde_json::Value,
) -> Result<Option<SecondOpinion>> {
    let held_out = target.held_out(session.options)?.len();
    if held_out < FEW {
        let message = format!(
            "{held_out} events of the target given are held out (`validation.events`), too few to tell whether it is the one that the model is refined to: the classifier stays as it is"
        );
        session.hooks.warn("events", &message)?;
        return Ok(None);
    }
    let seen = target.events_to_look_at(session.options)?;
    let opinion = SecondOpinion::new(session, &seen, generated, weights, None)?;
    let Some(now) = opinion.filter(|now| now.sees_refined()) else {
        return Ok(opinion);
    };
    match SecondOpinion::of(before).filter(|was| !was.sees_refined()) {
        Some(was) => session.hooks.warn(
            "second opinion",
            &format!(
                "the target given is another than the one that the model is refined to: boosted trees tell its events from the refined ones with AUC {:.3} ± {:.3}, where it was {:.3}. Here the classifier stays as it is; for another target refine the generator (`laser_refine`)",
                now.refined, now.error, was.refined
            ),
        )?,
        None => now.warn(session.hooks, Subject::Generator)?,
    }
    Ok(opinion)
}

/// Judges the classifier and its weights, for the record.
fn judge(
    session: Session,
    generator: &Instance,
    model: &mut Model,
    trainings: Vec<Record>,
    target: &mut Source,
    conditions: &Conditions,
) -> Result<WeightReport> {
    let Session { options, hooks, .. } = session;
    let dims = model.generator.dims();
    let mut generated = Vec::new();
    let Weighted {
        mut log_w,
        mut log_w_of_events,
        ..
    } = weighted_latents(
        session,
        &generator.with_model(model.clone()),
        conditions,
        Run::pilot(session),
        Some(&mut |x, _| keep(&mut generated, x, dims.event_row())),
    )?;
    target.wrap(&mut generated);
    let mut held_out = HeldOut::new(model, target, options)?;
    let of_target = held_out.as_mut().map_or(&mut [][..], |h| &mut h.log_w[..]);
    let (tail, margin) = (
        session.get(keys::WEIGHTS_TAIL),
        session.get(keys::WEIGHTS_MARGIN),
    );
    let apply = |limits: Option<Limits>, log_w: &mut [f64]| {
        limits.map(|limits| log_w.iter_mut().for_each(|l| *l = limits.apply(*l)))
    };
    // Latents that have no event were met by no training.
    let rows = generated.chunks_exact(dims.event_row()).zip(&log_w);
    let met = rows.filter(|(x, _)| x.iter().all(|v| v.is_finite()));
    let met = met.map(|(_, log_w)| *log_w).gather()?;
    // Where weights of latents are learned by themselves, no target event says how far they go.
    let found = match &mut log_w_of_events {
        Some(of_events) => {
            let of_latents = limits(&[], &met, tail, margin)?;
            apply(of_latents, &mut log_w);
            set_limits(&mut model.latent_classifier, of_latents);
            let of_both = limits(of_target, of_events, tail, margin)?;
            apply(of_both, of_events);
            apply(of_both, of_target);
            set_limits(&mut model.classifier, of_both);
            of_latents
        }
        None => {
            let of_both = limits(of_target, &met, tail, margin)?;
            apply(of_both, &mut log_w);
            apply(of_both, of_target);
            set_limits(&mut model.classifier, of_both);
            of_both
        }
    };
    let weights = weights_of(&log_w)?;
    let mut coverage = Coverage::new(target.held_out(options)?, dims.features);
    coverage.add(&generated, &weights);
    let of_events = log_w_of_events.as_ref().unwrap_or(&log_w);
    // Where little is held out, all that there is was learned from.
    let opinion = match target.held_out(options)?.len() {
        0..FEW => None,
        _ => {
            let seen = target.events_to_look_at(options)?;
            SecondOpinion::new(session, &seen, &generated, &weights, None)?
        }
    };
    if let Some(classifier) = &model.classifier {
        let together = || {
            let held_out = held_out.as_ref();
            Ok(held_out.map(|h| together(classifier, h, of_events, options)))
        };
        let record = record(trainings, together)?;
        let epochs = match model.latent_classifier {
            Some(_) => keys::PULLBACK_EPOCHS,
            None => keys::CLASSIFIER_TRAINING.epochs,
        };
        let differs = opinion.is_none_or(|o| o.sees_generated());
        warn(session, &record, epochs.name(), differs, Subject::Generator)?;
        model.record.insert("classifier".into(), record);
    }
    let mut report = WeightReport::new(&log_w, options.get(keys::REJECTION_OVERWEIGHT))?;
    let calibration = held_out.map(|h| Calibration::new(&h, of_events, None, Samples::Apart));
    report.calibration = calibration.transpose()?;
    report.limit = found.map(|limits| LimitReport::new(limits, &log_w, &weights));
    report.tell(hooks, Subject::Generator)?;
    let held_out = &target.held_out(options)?.w;
    let events = worth(held_out);
    if !held_out.is_empty() && events < FEW {
        let message = format!(
            "the target events that are held out are worth {events}, too few to judge generator and weights by: deliver more (`validation.events`, `validation.fraction` hold them out)"
        );
        hooks.warn("events", &message)?;
    }
    copies::look(session, target, TARGET)?;
    target.weigh(hooks, TARGET)?;
    target.look_back(hooks, TARGET, &model.names)?;
    match &report.calibration {
        Some(calibration) => calibration.warn(hooks, Subject::Generator)?,
        None => hooks.warn(
            "events",
            "no target events are held out (`validation.events`), so nothing is known of how right the weights are",
        )?,
    }
    if let Some(calibration) = &report.calibration {
        generator::warn_of_ignorance(session, model, calibration.auc)?;
    }
    report.second_opinion = opinion;
    opinion.map_or(Ok(()), |o| o.warn(hooks, Subject::Generator))?;
    coverage.warn(hooks, &model.names, Subject::Generator)?;
    marginals::look(
        session,
        target,
        (&generated, &weights),
        dims.features,
        &model.names,
        Subject::Generator,
    )?;
    report.features = coverage.features();
    report.gaps = find_gaps(session, model, &generated, target)?;
    model.record.insert("weights".into(), json!(report));
    Ok(report)
}

/// Whose the events of the source are.
const TARGET: &str = "the target's events";

/// The weights, by their logarithms.
fn weights_of(log_w: &[f64]) -> Result<Vec<f64>> {
    log_w.iter().map(|l| libm::exp(*l)).gather()
}

fn set_limits(classifier: &mut Option<Classifier>, limits: Option<Limits>) {
    if let Some(classifier) = classifier {
        classifier.limits = limits;
    }
}

/// Held-out events below which no judgement is worth much: a hundredth of them is known to a third.
const FEW: usize = 1000;

/// Values of generated events that are kept to compare with the target's: bounds the memory for events of many features.
const MOST_KEPT: usize = 20_000_000;

/// Keeps the first of generated events, rows of so many values.
fn keep(generated: &mut Vec<f64>, x: &[f64], row: usize) -> Result<()> {
    let room = MOST_KEPT.saturating_sub(generated.len()) / row * row;
    generated.put_all(x.iter().copied().take(room))
}

/// The tails of the target's held-out events that the generator does not reach; the host is told of the largest.
fn find_gaps(
    session: Session,
    model: &Model,
    generated: &[f64],
    target: &mut Source,
) -> Result<Vec<Gap>> {
    let dims = model.generator.dims();
    let scalings = room::copied(&target.scalings()[..dims.features])?;
    let held_out = target.held_out(session.options)?;
    let columns = dims.features + dims.conditions;
    let named = (&scalings[..], &model.names[..]);
    let found = gaps(
        &held_out.x,
        &held_out.w,
        generated,
        named,
        columns,
        Subject::Generator,
    )?;
    gaps::warn(&found, session.hooks, Subject::Generator)?;
    Ok(found)
}
