//! Training the generator g: a coupling flow by maximum likelihood (paper, Sec. 4.1), a GAN's generator or a VAE's decoder.

mod again;
mod flow;
mod gan;
mod recipe;
mod vae;

pub(super) use again::{iterable, train_again};

use super::conditions::Reach;
use super::feed::{spread, SourceFeed};
use super::few;
use super::names;
use super::source::{Events, Source};
use super::support;
use crate::compute::{computes, Session};
use crate::metrics::Normal;
use crate::model::{Dims, Generator, GeneratorKind, Model, Parameter, Scaling, Support};
use crate::noise::places;
use crate::objective::Goal;
use crate::options::{choices, keys, Options};
use crate::room::{self, Gather};
use crate::train::Settings;
use crate::{Error, Result};
use recipe::Recipe;
use serde_json::json;
use std::sync::Arc;

/// Trains what was drafted for the target. The result is a model without classifier and refiner.
///
/// # Errors
/// Those of the source and of the hooks; [`Error::Numerical`] if the training diverges.
pub(super) fn train(session: Session, draft: Draft, target: &mut Source) -> Result<Model> {
    let Draft {
        recipe,
        settings,
        mut generator,
        support,
        names,
    } = draft;
    let scalings = room::joined(&generator.scalings, &generator.conditions)?;
    let mut parameters = recipe.initial(session)?;
    let features = generator.event_dim();
    let mut feed = SourceFeed::of_generator(target, &scalings, features, session.options)?;
    let trained = session.fit(recipe.goal(), &settings, &mut feed, &mut parameters)?;
    let mut record = json!(trained);
    few::warn(session, &settings, &trained)?;
    if let (Goal::Likelihood(flow), Some(loss)) = (recipe.goal(), trained.validation_loss) {
        let reference = normal_loss(session, target, &scalings, flow.dim)?;
        record["reference"] = json!(reference);
        warn_of_flow(session, settings.group, loss, reference)?;
    }
    let own: usize = generator.tensors("").iter().map(Parameter::len).sum();
    // The others, of networks that only the training needs, come first.
    parameters.drain(..parameters.len() - own);
    generator.parameters = parameters.into();
    let mut model = Model {
        dtype: session.dtype,
        generator,
        classifier: None,
        latent_classifier: None,
        refinement: None,
        support,
        names,
        record: serde_json::Map::new(),
    };
    model
        .record
        .insert("library".into(), json!(env!("CARGO_PKG_VERSION")));
    model.record.insert(settings.stage.into(), record);
    Reach::record(&mut model, target, session.options, false)?;
    model
        .record
        .insert("options".into(), session.options_record()?);
    Ok(model)
}

/// The held-out loss, in nats per event, of a normal distribution with the mean and the covariance of the target's scaled features, given
/// the conditions: what a flow that has learned anything beyond that is below.
fn normal_loss(
    session: Session,
    target: &mut Source,
    scalings: &[Scaling],
    features: usize,
) -> Result<f64> {
    let noise = places::SPREAD_HELD_OUT.noise(session.seed);
    let scaled = |events: &Events| {
        let mut scaled = room::empty(events.x.len())?;
        spread(&events.x, scalings, features, (noise, 0), |u| {
            scaled.push(u);
        })?;
        Ok::<_, Error>(scaled)
    };
    let columns = scalings.len();
    let behind = |rows: &[f64]| {
        let conditions = rows.chunks_exact(columns).flat_map(|row| &row[features..]);
        conditions.copied().gather()
    };
    let sample = target.measured(session.options)?;
    let rows = scaled(&sample)?;
    let joint = Normal::new(&rows, &sample.w, columns)?;
    let given = match columns - features {
        0 => None,
        conditions => Some(Normal::new(&behind(&rows)?, &sample.w, conditions)?),
    };
    let held_out = target.held_out(session.options)?;
    let rows = scaled(held_out)?;
    let losses = rows.chunks_exact(columns).zip(&held_out.w).map(|(row, w)| {
        let of_conditions = given
            .as_ref()
            .map_or(0.0, |n| n.log_density(&row[features..]));
        -w * (joint.log_density(row) - of_conditions)
    });
    Ok(losses.sum::<f64>() / held_out.w.iter().sum::<f64>())
}

/// A held-out loss this far above that of a normal distribution, which every flow can be, is no chance.
const WORSE: f64 = 0.05;

/// A flow that is no more than this below a normal distribution has learned nothing, and a classifier that tells its events from the target's
/// with such an area under its ROC curve says that there was something.
const NO_BETTER: f64 = 0.01;
const APART: f64 = 0.55;

/// Tells the host of a flow that knows no more than the target's covariance, where a classifier tells its events from the target's with
/// this area under the ROC curve.
pub(super) fn warn_of_ignorance(session: Session, model: &Model, auc: f64) -> Result<()> {
    let Some(flow) = model.record.get("flow") else {
        return Ok(());
    };
    let (loss, reference) = (flow["validation_loss"].as_f64(), flow["reference"].as_f64());
    let Some((loss, reference)) = loss.zip(reference) else {
        return Ok(());
    };
    if loss < reference - NO_BETTER || auc < APART {
        return Ok(());
    }
    session.hooks.warn(
        "flow",
        &format!(
            "the flow has learned nothing: its held-out loss is {loss:.3}, that of a normal distribution with the same covariance {reference:.3}, and the classifier tells its events from the target's (AUC {auc:.3}). Train it longer (`flow.epochs`), or faster (`flow.lr`)"
        ),
    )
}

fn warn_of_flow(session: Session, group: &str, loss: f64, reference: f64) -> Result<()> {
    if loss <= reference + WORSE || !reference.is_finite() {
        return Ok(());
    }
    session.hooks.warn(
        "generator",
        &format!(
            "the flow's held-out loss is {loss:.3}, that of a normal distribution with the same covariance {reference:.3}: the training has failed. Train it slower (`{group}.lr`) or longer (`{group}.epochs`), clip its gradients (`{group}.clip`), take another `seed`, or look for outliers in the events"
        ),
    )
}

/// A generator that is to be trained.
pub(super) struct Draft {
    recipe: Box<dyn Recipe>,
    settings: Settings,
    /// Without its parameters.
    pub generator: Generator,
    pub support: Option<Support>,
    pub names: Vec<String>,
}

/// The generator that the options ask for, if it can be trained on the target.
///
/// # Errors
/// Those of [`train_generator`](super::train_generator) that are not met in the training itself.
pub(super) fn draft(target: &mut Source, options: &Options) -> Result<Draft> {
    let conditions = options.get(keys::CONDITIONS) as usize;
    let features = target.dim().saturating_sub(conditions);
    if features == 0 {
        return Err(Error::InvalidArgument(format!(
            "`conditions` is {conditions}, but the source's rows have {} values, the conditions behind the features; at least one must be a feature",
            target.dim()
        )));
    }
    let recipe = recipe(features, conditions, options)?;
    let map = recipe.map();
    map.validate(conditions)?;
    let settings = recipe.settings(options);
    computes(options)?;
    let support = support::wanted(None, options)?;
    let names = names::wanted(None, target, options)?;
    support::restrict(target, support.as_ref(), &names, None, options)?;
    let mut scalings = target.standardisation(&names, options)?;
    target.fills(&settings, options)?;
    let conditions = scalings.split_off(features);
    Ok(Draft {
        recipe,
        settings,
        support,
        names,
        generator: Generator {
            kind: GeneratorKind::Networks { maps: vec![map] },
            scalings,
            conditions,
            parameters: Arc::default(),
            module: Arc::default(),
        },
    })
}

/// The recipe that the option `generator.type` names.
fn recipe(features: usize, conditions: usize, options: &Options) -> Result<Box<dyn Recipe>> {
    let latent = match options.get(keys::GENERATOR_LATENT) as usize {
        0 => features,
        latent => latent,
    };
    let dims = Dims {
        latent,
        conditions,
        features,
    };
    Ok(match options.get(keys::GENERATOR_TYPE) {
        choices::Generator::Gan => Box::new(gan::Players::new(dims, options)?),
        choices::Generator::Vae => Box::new(vae::Coders::new(dims, options)?),
        choices::Generator::Flow => Box::new(flow::Likelihood::new(dims, options)?),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_recipe_fits_its_dimensions() {
        for (kind, latent) in [("flow", 0), ("gan", 0), ("gan", 7), ("vae", 2)] {
            let mut options = Options::new();
            options.set_str("generator.type", kind).unwrap();
            options.set_i64("generator.latent", latent).unwrap();
            let recipe = recipe(3, 5, &options).unwrap();
            let map = recipe.map();
            map.validate(5).unwrap();
            let latent = if latent == 0 { 3 } else { latent as usize };
            assert_eq!((map.inputs(5), map.outputs()), (latent, 3));
            let parameters: usize = recipe.goal().part_lengths().iter().sum();
            let initial = recipe.initial(Session::new(&options, &())).unwrap();
            assert_eq!(initial.len(), parameters);
        }
    }
}
