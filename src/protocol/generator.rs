//! Training the generator g: a coupling flow by maximum likelihood (paper, Sec. 4.1), a GAN's generator or a VAE's decoder.

mod again;
mod flow;
mod gan;
mod vae;

pub(super) use again::{iterable, train_again};
pub(super) use flow::{initial_flow, new_flow};

use super::evaluate::computes;
use super::feed::SourceFeed;
use super::plan;
use super::source::Source;
use crate::engine::noise::Noise;
use crate::model::{Activation, Dtype, Generator, GeneratorKind, Map, Mlp, Model, Parameter};
use crate::options::{keys, Options};
use crate::train::{Goal, Hooks, Level, Settings};
use crate::{Error, Result};
use serde_json::json;

/// Trains a generator on the target's events. The result is a model without classifier and refiner: sampled, it is the baseline. Options by
/// which it could not be refined are warned of before the training.
///
/// # Errors
/// Those of the source and of the hooks; [`Error::InvalidArgument`] for options that do not fit the kind of generator;
/// [`Error::Unsupported`] for a flow of one-dimensional events (a coupling needs two) and for libtorch in a build without it;
/// [`Error::Numerical`] if the training diverges; [`Error::Device`]. The source stays usable.
pub fn train_generator(target: &mut Source, options: &Options, hooks: &dyn Hooks) -> Result<Model> {
    let Draft {
        recipe,
        settings,
        dtype,
        mut generator,
    } = draft(target, options)?;
    if let Err(why) = plan::refinement(&generator, dtype, target, options) {
        let message = format!("refining the generator by these options would fail: {why}");
        hooks.log(Level::Warning, &message)?;
    }
    let scalings = [&generator.scalings[..], &generator.conditions].concat();
    let mut parameters = recipe.initial(options.get(keys::SEED) as u64);
    let record = super::fit(
        recipe.goal(),
        &settings,
        dtype,
        &mut SourceFeed::new(target, &scalings, options)?,
        &mut parameters,
        options,
        hooks,
    )?;
    let own: usize = generator.tensors("").iter().map(Parameter::len).sum();
    generator.parameters = parameters.split_off(parameters.len() - own);
    let mut model = Model {
        dtype,
        generator,
        classifier: None,
        latent_classifier: None,
        refinement: None,
        record: serde_json::Map::new(),
    };
    model
        .record
        .insert("library".into(), json!(env!("CARGO_PKG_VERSION")));
    model.record.insert(settings.stage.into(), json!(record));
    model
        .record
        .insert("options".into(), options_record(options)?);
    Ok(model)
}

/// A generator that is to be trained.
pub(super) struct Draft {
    recipe: Box<dyn Recipe>,
    settings: Settings,
    pub dtype: Dtype,
    /// Without its parameters.
    pub generator: Generator,
}

/// The generator that the options ask for, if it can be trained on the target.
///
/// # Errors
/// Those of [`train_generator`] that are not met in the training itself.
pub(super) fn draft(target: &mut Source, options: &Options) -> Result<Draft> {
    let dtype = dtype(options)?;
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
    let settings = recipe.settings(options)?;
    computes(options)?;
    let mut scalings = target.standardisation(options)?;
    target.fills(&settings, options)?;
    let conditions = scalings.split_off(features);
    Ok(Draft {
        recipe,
        settings,
        dtype,
        generator: Generator {
            kind: GeneratorKind::Networks { maps: vec![map] },
            scalings,
            conditions,
            parameters: Vec::new(),
            module: Vec::new(),
        },
    })
}

/// How a kind of generator is trained. The networks of its goal take rows of scaled features, then scaled conditions.
trait Recipe {
    /// The generator alone. Of the goal's parameters, its own are the last.
    fn map(&self) -> Map;

    fn goal(&self) -> Goal<'_>;

    /// The goal's parameters to start from.
    fn initial(&self, seed: u64) -> Vec<f64>;

    fn settings(&self, options: &Options) -> Result<Settings>;
}

/// What a generator maps: a latent and a condition to the features of an event.
#[derive(Clone, Copy)]
struct Dims {
    latent: usize,
    conditions: usize,
    features: usize,
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
        "gan" => Box::new(gan::Players::new(dims, options)?),
        "vae" => Box::new(vae::Coders::new(dims, options)?),
        _ => Box::new(flow::Likelihood::new(dims, options)?),
    })
}

/// The options as they were, for the record.
pub(super) fn options_record(options: &Options) -> Result<serde_json::Value> {
    serde_json::from_str(&options.to_json())
        .map_err(|e| Error::Internal(format!("options are no JSON: {e}")))
}

pub(super) fn dtype(options: &Options) -> Result<Dtype> {
    match options.get(keys::DTYPE) {
        "float32" => Ok(Dtype::Float32),
        "float64" => Ok(Dtype::Float64),
        other => Err(Error::Internal(format!("dtype `{other}`"))),
    }
}

/// Initial parameters of an MLP: weights normal with the variance that keeps activations' size through the layers (He et al.,
/// arXiv:1502.01852), biases uniform within ±1/√inputs so that the kinks of narrow inputs lie apart. With `zero_output` the last layer is 0.
pub(super) fn initial_mlp(mlp: &Mlp, noise: Noise, zero_output: bool) -> Vec<f64> {
    let gain: f64 = match mlp.activation {
        Activation::LeakyRelu { slope } => (2.0 / (1.0 + slope * slope)).sqrt(),
        Activation::Tanh => 5.0 / 3.0,
    };
    let last = mlp.hidden.len();
    let mut parameters = Vec::new();
    for (i, (inputs, outputs)) in mlp.layers().enumerate() {
        let mut weight = vec![0.0; inputs * outputs];
        let mut bias = vec![0.0; outputs];
        if i < last || !zero_output {
            // The last layer is linear: its gain is 1.
            let width = if i < last { gain } else { 1.0 } / (inputs.max(1) as f64).sqrt();
            let bound = 1.0 / (inputs.max(1) as f64).sqrt();
            noise.normals(2 * i as u64, 0, &mut weight);
            noise.uniforms(2 * i as u64 + 1, 0, &mut bias);
            weight.iter_mut().for_each(|w| *w *= width);
            bias.iter_mut().for_each(|b| *b = bound * (2.0 * *b - 1.0));
        }
        parameters.append(&mut weight);
        parameters.append(&mut bias);
    }
    parameters
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::noise::domain;

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
            assert_eq!(recipe.initial(1).len(), parameters);
        }
    }

    #[test]
    fn initial_activations_keep_their_size() {
        let mlp = Mlp::new(96, 1, 96, 96, 0.01);
        let p = initial_mlp(&mlp, Noise::new(1, 1, domain::INITIAL), false);
        assert_eq!(Some(p.len()), mlp.parameter_count());
        let variance = p[..96 * 96].iter().map(|w| w * w).sum::<f64>() / 96.0;
        assert!(
            (variance / 96.0 - 2.0 / 96.0).abs() < 0.1 / 96.0,
            "{variance}"
        );
    }
}
