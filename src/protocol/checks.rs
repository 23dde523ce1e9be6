//! Whether trainings can be done as target and options have them: all that can be told before the first of them begins.

use super::generator::{draft, iterable};
use super::networks;
use super::observables;
use super::omnifold;
use super::refiner;
use super::scaling;
use super::source::Source;
use crate::compute::computes;
use crate::model::{Dtype, Generator, GeneratorKind, Needs, Scaling};
use crate::options::{choices::Inputs, keys, Options};
use crate::train::Settings;
use crate::{room, Error, Result};

/// Checks that a generator can be trained on the target and then be refined, both by these options: what [`train_generator`] and [`refine`]
/// check each for itself, before hours may have passed in the first.
///
/// # Errors
/// Those of the two that are not met in a training itself. The source stays usable.
///
/// [`train_generator`]: super::train_generator
/// [`refine`]: super::refine
pub fn check(target: &mut Source, options: &Options) -> Result<()> {
    let draft = draft(target, options)?;
    refinement(
        &draft.generator,
        &draft.names,
        options.get(keys::DTYPE),
        target,
        options,
    )
}

/// Checks that `generator`, whose parameters do not matter, can be refined towards the target.
pub(super) fn refinement(
    generator: &Generator,
    names: &[String],
    own_dtype: Dtype,
    target: &mut Source,
    options: &Options,
) -> Result<()> {
    generator.makes_events()?;
    same_columns(generator, target)?;
    let dtype = options.get(keys::DTYPE);
    if dtype != own_dtype {
        return Err(Error::InvalidArgument(format!(
            "`dtype` is {}, but the generator was trained in {}; one model has one precision",
            dtype.name(),
            own_dtype.name()
        )));
    }
    as_made(generator, names, target, options)?;
    observables::wanted(options, target.dim(), names)?;
    computes(options)?;
    let mut on_events = vec![Settings::from_options(
        "classifier",
        options,
        &keys::CLASSIFIER_TRAINING,
    )];
    if options.get(keys::ITERATION_ROUNDS) > 1 {
        on_events.push(iterable(generator, options)?);
    }
    let unfolded = omnifold::wanted(generator, options);
    refiner(generator, unfolded, options)?;
    let both = options.get(keys::CLASSIFIER_INPUTS) == Some(Inputs::Both);
    if both && (unfolded || !generator.determines_latents()) {
        return Err(Error::InvalidArgument(
            "`classifier.inputs` is `both`, but the events of this generator do not tell their latents: it is no flow, has values with a probability (scalings `integer`, `category`, `zeros`), or `pullback.method` is `omnifold`; take `auto` or `events`".into(),
        ));
    }
    networks::classifier(target.dim(), options)?;
    if unfolded {
        networks::classifier(generator.dims().latent_row(), options)?;
    }
    on_events.iter().try_for_each(|s| target.fills(s, options))
}

/// Checks that the options do not ask for other scalings or conditions than those that a generator has of its own.
fn as_made(
    generator: &Generator,
    names: &[String],
    target: &Source,
    options: &Options,
) -> Result<()> {
    let conditions = options.get(keys::CONDITIONS) as usize;
    if conditions != 0 && conditions != generator.condition_dim() {
        return Err(Error::InvalidArgument(format!(
            "`conditions` is {conditions}, but the generator was made with {}; leave it out, or train another generator",
            generator.condition_dim()
        )));
    }
    let text = options.get(keys::FEATURES_SCALING);
    let own = room::joined(&generator.scalings, &generator.conditions)?;
    // The default asks for nothing; what has no networks of the library has no scalings of its own.
    let networks = matches!(generator.kind, GeneratorKind::Networks { .. });
    if !networks || text == Options::new().get(keys::FEATURES_SCALING) {
        return Ok(());
    }
    let wanted = scaling::parse(text, target.dim(), names)?;
    let differs = |(wanted, own): (&Option<Scaling>, &_)| {
        wanted.as_ref().is_some_and(|wanted| !wanted.same_map(own))
    };
    match wanted.iter().zip(&own).position(differs) {
        None => Ok(()),
        Some(i) => Err(Error::InvalidArgument(format!(
            "`features.scaling` is `{text}`, but the generator keeps the scalings that it was made with, and those of column {i} (counted from 0) are others; leave it out, or train another generator"
        ))),
    }
}

/// Checks that the refiner that `refiner.method` names can be made, and that a sampler would come to an end with it. `omnifold`: whether
/// log w is learned as a network of z.
///
/// # Errors
/// [`Error::Unsupported`] if the method makes events in common where each has its own condition, or needs a gradient of log w(z) where
/// there is none; [`Error::InvalidArgument`] for options that do not fit the latent space or each other.
pub(super) fn refiner(generator: &Generator, omnifold: bool, options: &Options) -> Result<()> {
    let dims = generator.dims();
    refiner::chain_settings(dims.latent, options)?;
    let Some(method) = options.get(keys::REFINER_METHOD) else {
        // `auto` chooses among those that always can.
        return Ok(());
    };
    if dims.conditions > 0 && method.in_common() {
        return Err(refiner::in_common(method));
    }
    let missing = generator.no_gradient().filter(|_| !omnifold);
    if let Some(why) = missing.filter(|_| matches!(method.facts().needs, Needs::Gradient)) {
        return Err(Error::Unsupported(format!(
            "`{}` needs the gradient of log w(z): {why}",
            method.name()
        )));
    }
    if omnifold && matches!(method.facts().needs, Needs::Surrogate) {
        return Err(Error::InvalidArgument(
            "weights of latents, as `pullback.method` = `omnifold` learns them, are known before any event is made: they need no surrogate; take `rejection`".into(),
        ));
    }
    refiner::home(method)?.check(dims, options)
}

/// Checks that the source's rows are events of the generator with their conditions.
pub(super) fn same_columns(generator: &Generator, target: &Source) -> Result<()> {
    let (features, conditions) = (generator.event_dim(), generator.condition_dim());
    if target.dim() == features + conditions {
        return Ok(());
    }
    let given = match conditions {
        0 => String::new(),
        _ => format!(" and {conditions} conditions"),
    };
    Err(Error::InvalidArgument(format!(
        "the source's events have {} features, those of the generator {features}{given}",
        target.dim()
    )))
}
