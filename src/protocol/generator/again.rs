//! Training a generator on with the refined latent space as its prior: a round of the iterated protocol (paper, Sec. 3 and Table 2).

use super::gan;
use super::recipe::Recipe;
use crate::compute::Session;
use crate::model::{Density, Flow, Generator, GeneratorKind, Map, Model, Parameter, Refiner};
use crate::objective::{Goal, Prior};
use crate::options::{keys, Options};
use crate::protocol::feed::SourceFeed;
use crate::protocol::source::Source;
use crate::train::Settings;
use crate::{room, Error, Result};
use serde_json::json;

/// How a generator is trained on, with refiners of the method that `refiner.method` names (Table 2 of the paper: GAN/GAN, GAN/flow,
/// flow/flow).
///
/// # Errors
/// [`Error::Unsupported`] saying why it cannot be, and what can; [`Error::InvalidArgument`] for options of a GAN that do not fit.
pub(in super::super) fn iterable(generator: &Generator, options: &Options) -> Result<Settings> {
    let refuse = |why: &str| {
        Err(Error::Unsupported(format!(
            "`iteration.rounds` above 1: {why}"
        )))
    };
    let Some(last) = generator.maps().last() else {
        return refuse(
            "the generator is foreign, so the library cannot train it on; iterate with one round",
        );
    };
    let method = options.get(keys::REFINER_METHOD);
    // The flow of a mixture proposes latents, and does not make them.
    let Some(method) = method.filter(|m| m.learned() && !m.rejects()) else {
        return refuse("it takes a learned refiner: `refiner.method` = `flow` or, for a GAN, also `gan` or `matching`");
    };
    if generator.invertible() && method.facts().density != Density::Own {
        return refuse(
            "the latents of a refiner that is no flow have no explicit density, and a flow is trained by its density; take `refiner.method` = `flow`, or a generator that is a GAN",
        );
    }
    let mut settings = match last {
        Map::Network(network) => {
            let players = gan::Players::of(network.clone(), generator.condition_dim(), options)?;
            players.settings(options)
        }
        _ => Settings::from_options("flow", options, &keys::FLOW_TRAINING),
    };
    match options.get(keys::ITERATION_EPOCHS) as u64 {
        0 => (),
        epochs => settings.epochs = epochs,
    }
    Ok(settings)
}

/// The generator of `model` after its refiner, trained on by the target's events: a flow by maximum likelihood, both flows together; a
/// network as a GAN's generator of refined latents. The result maps the refiner's auxiliary space to events.
///
/// # Errors
/// As [`train_generator`](crate::protocol::train_generator).
pub(in super::super) fn train_again(
    session: Session,
    model: &Model,
    refiner: &Refiner,
    target: &mut Source,
) -> Result<Model> {
    let g = &model.generator;
    let scalings = room::joined(&g.scalings, &g.conditions)?;
    let settings = iterable(g, session.options)?;
    let mut feed = SourceFeed::of_generator(target, &scalings, g.event_dim(), session.options)?;
    let mut fit =
        |goal, parameters: &mut [f64]| session.fit(goal, &settings, &mut feed, parameters);
    let mut parameters = room::joined(&refiner.parameters, &g.parameters)?;
    let mut maps = vec![refiner.map.clone()];
    maps.extend_from_slice(g.maps());
    let record;
    if let Some(flow) = together(&maps) {
        record = fit(Goal::Likelihood(&flow), &mut parameters)?;
        maps = vec![Map::Flow(flow)];
    } else {
        let Some((Map::Network(network), prior)) = maps.split_last() else {
            return Err(Error::Internal("a generator that is not iterable".into()));
        };
        let own: usize = network.parameters("").iter().map(Parameter::len).sum();
        let split = parameters.len() - own;
        let (of_prior, of_network) = parameters.split_at_mut(split);
        let prior = Prior {
            maps: prior,
            parameters: of_prior,
        };
        let players = gan::Players::of(network.clone(), g.condition_dim(), session.options)?;
        let discriminator = players.initial_discriminator(session)?;
        let mut both = room::joined(&discriminator, of_network)?;
        record = fit(players.goal_after(prior), &mut both)?;
        of_network.copy_from_slice(&both[both.len() - own..]);
    }
    let mut next = Model {
        generator: Generator {
            kind: GeneratorKind::Networks { maps },
            parameters: parameters.into(),
            ..g.clone()
        },
        ..model.clone().into_baseline()
    };
    next.record.insert(settings.stage.into(), json!(record));
    next.record
        .insert("options".into(), session.options_record()?);
    Ok(next)
}

/// Flows one after the other as one; None if a map is something else.
fn together(maps: &[Map]) -> Option<Flow> {
    let flows = maps.iter().map(|map| match map {
        Map::Flow(flow) => Some(flow),
        _ => None,
    });
    let flows: Vec<&Flow> = flows.collect::<Option<_>>()?;
    let first = flows.first()?;
    Some(Flow {
        dim: first.dim,
        conditions: first.conditions,
        blocks: flows.iter().flat_map(|f| f.blocks.clone()).collect(),
    })
}
