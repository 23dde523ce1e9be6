//! The whole protocol: generator → classifier → pull-back → refiner.

use super::classifier::train_classifier;
use super::evaluate::evaluator;
use super::generator::{dtype, options_record};
use super::pullback::{pilot_noise, weighted_latents, WeightReport};
use super::refiner::{pool_size, train_refiner};
use super::source::Source;
use crate::engine::noise::{domain, Noise};
use crate::model::{HmcSettings, Method, Model, Refinement};
use crate::options::{keys, Options};
use crate::train::{Hooks, Level};
use crate::{Error, Result};
use serde_json::json;
use std::f64::consts::LN_2;

/// A held-out cross-entropy this close to log 2 tells nothing: a classifier that found a difference of one event in a hundred would be further.
const INDISTINGUISHABLE: f64 = 1e-3;

/// Refines a generator towards the target's events: trains the classifier, pulls its weights back to the latent space, reports on them, and
/// prepares the refiner that the option `refiner.method` names. Reweighting, rejection and HMC need no more than the classifier and are
/// available in every refined model.
///
/// # Errors
/// Those of the source and of the hooks; [`Error::InvalidArgument`] if source and generator differ in dimension;
/// [`Error::Numerical`] if a training diverges or no weight is usable; [`Error::Device`]. Generator and source stay usable.
pub fn refine(
    generator: &Model,
    target: &mut Source,
    options: &Options,
    hooks: &dyn Hooks,
) -> Result<Model> {
    let event_dim = generator.generator.event_dim();
    if target.dim() != event_dim {
        return Err(Error::InvalidArgument(format!(
            "the source's events have {} features, those of the generator {event_dim}",
            target.dim()
        )));
    }
    if dtype(options)? != generator.dtype {
        return Err(Error::InvalidArgument(format!(
            "`dtype` is {}, but the generator was trained in {}; one model has one precision",
            options.get(keys::DTYPE),
            generator.dtype.name()
        )));
    }
    let mut model = generator.clone().into_baseline();
    let (classifier, record) = {
        let mut evaluator = evaluator(&model, options)?;
        train_classifier(
            &model.generator,
            model.dtype,
            evaluator.as_mut(),
            target,
            options,
            hooks,
        )?
    };
    model.classifier = Some(classifier);
    if let Some(loss) = record
        .validation_loss
        .filter(|l| *l > LN_2 - INDISTINGUISHABLE)
    {
        hooks.log(
            Level::Warning,
            &format!(
                "the classifier's held-out loss is {loss:.5}, that of an ignorant one {LN_2:.5}: it hardly tells generated events from the target's. If they do differ, the weights near 1 mean nothing: train it longer (`classifier.epochs`) or slower (`classifier.lr`)"
            ),
        )?;
    }
    model.record.insert("classifier".into(), json!(record));

    let mut evaluator = evaluator(&model, options)?;
    let dims = (model.generator.latent_dim(), event_dim);
    let seed = options.get(keys::SEED) as u64;
    let pilot = options.get(keys::WEIGHTS_EVENTS) as usize;
    let (_, log_w) = weighted_latents(
        evaluator.as_mut(),
        dims,
        pilot,
        pilot_noise(seed),
        "pilot",
        hooks,
    )?;
    let report = WeightReport::new(&log_w, options.get(keys::REJECTION_OVERWEIGHT))?;
    report.warn(hooks)?;
    hooks.log(
        Level::Info,
        &format!(
            "weights: mean {:.3}, max {:.3}, effective sample size {:.1} %, rejection accepts {:.1} %",
            report.mean,
            report.max,
            100.0 * report.effective_fraction,
            100.0 * report.acceptance
        ),
    )?;
    model.record.insert("weights".into(), json!(report));

    let method = Method::parse(options.get(keys::REFINER_METHOD))?;
    let mut learned = None;
    if let Some(rows) = pool_size(method, options) {
        let noise = Noise::new(seed, 0, domain::POOL);
        let (z, log_w) = weighted_latents(evaluator.as_mut(), dims, rows, noise, "pool", hooks)?;
        let dims = (dims.0, 0);
        let (refiner, stage, record) =
            train_refiner(method, z, &log_w, dims, model.dtype, options, hooks)?;
        model.record.insert(stage.into(), json!(record));
        learned = Some(refiner);
    }
    model.refinement = Some(Refinement {
        method,
        log_w_max: report.w_max.ln(),
        log_mean_weight: report.mean.ln(),
        max_tries: options.get(keys::REJECTION_MAX_TRIES) as u64,
        hmc: HmcSettings {
            chains: options.get(keys::HMC_CHAINS) as usize,
            step_size: options.get(keys::HMC_STEP_SIZE),
            leapfrog: options.get(keys::HMC_LEAPFROG) as usize,
            burn_in: options.get(keys::HMC_BURN_IN) as u64,
            thin: options.get(keys::HMC_THIN) as u64,
        },
        refiner: learned,
    });
    model
        .record
        .insert("library".into(), json!(env!("CARGO_PKG_VERSION")));
    model
        .record
        .insert("refinement_options".into(), options_record(options)?);
    model
        .validate()
        .map_err(|e| Error::Internal(format!("the refined model is inconsistent: {e}")))?;
    Ok(model)
}
