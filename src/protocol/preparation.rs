//! Preparing the refiner of a model whose weights are known.

use super::conditions::Conditions;
use super::generator::options_record;
use super::plan::{chains, terminate};
use super::pullback::{weighted_latents, WeightReport, Weighted};
use super::refiner::{pilot_chains, pool_size, train_refiner, Plan, STAGES};
use crate::compute::Instance;
use crate::model::{Method, Model, Refinement};
use crate::noise::{domain, Noise};
use crate::options::{keys, Options};
use crate::train::{Hooks, Level};
use crate::{Error, Result};
use serde_json::json;

/// Makes or trains the refiner that `refiner.method` names.
pub(super) fn prepare(
    generator: &Instance,
    mut model: Model,
    report: &WeightReport,
    conditions: &Conditions,
    options: &Options,
    hooks: &dyn Hooks,
) -> Result<Instance> {
    model.refinement = None;
    // What an earlier refiner of the same model has left.
    for stage in STAGES.into_iter().chain([CHAINS]) {
        model.record.remove(stage);
    }
    let mut evaluator = generator
        .with_model(model.clone())
        .training_evaluator(options)?;
    let dims = (model.generator.latent_dim(), model.generator.event_dim());
    let seed = options.get(keys::SEED) as u64;
    let mut method = match options.get(keys::REFINER_METHOD) {
        Some(method) => method,
        None => {
            let (method, why) = choose(&model, report);
            let message = format!(
                "refiner: {} ({why}); `refiner.method` takes another",
                method.name()
            );
            hooks.log(Level::Info, &message)?;
            method
        }
    };
    let mut learned = None;
    if let Some(rows) = pool_size(method, options) {
        let Weighted { mut z, log_w, .. } = weighted_latents(
            evaluator.as_mut(),
            dims,
            conditions,
            (rows, false),
            Noise::new(seed, 0, domain::POOL),
            &mut |_, _| (),
            ("pool", hooks),
        )?;
        model.generator.scale_conditions(&mut z);
        let dims = (dims.0, conditions.dim());
        let (refiner, stage, record) =
            train_refiner(method, z, &log_w, dims, model.dtype, options, hooks)?;
        model.record.insert(stage.into(), json!(record));
        learned = Some(refiner);
    }
    let pool = options.get(keys::RESAMPLING_POOL) as usize;
    let mut hmc = chains(options);
    if let Some(plan) = Plan::new(method, options) {
        let (found, pilot) =
            pilot_chains(&plan, method, dims, &hmc, pool, evaluator.as_mut(), hooks)?;
        if options.get(keys::REFINER_METHOD).is_none() && !pilot.sound() {
            method = without_chains(report);
            let message = format!(
                "refiner: {} after all, as the chains are not sound",
                method.name()
            );
            hooks.log(Level::Info, &message)?;
        } else {
            model.record.insert(CHAINS.into(), json!(pilot));
            terminate(&found, dims.0)?;
            hmc = found;
        }
    }
    model.refinement = Some(Refinement {
        method,
        log_w_max: report.w_max.ln(),
        log_mean_weight: report.mean.ln(),
        max_tries: options.get(keys::REJECTION_MAX_TRIES) as u64,
        pool,
        hmc,
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
    Ok(generator.with_model(model))
}

/// The pilot's report, in records.
const CHAINS: &str = "chains";

/// Fewest accepted proposals, as a fraction, with which rejection is the method of choice: an event then costs twenty proposals, about as much as
/// one of a chain.
const ACCEPTABLE: f64 = 0.05;
/// Fewest with which it is where chains are not sound: resampling is cheaper below, though its events repeat.
const BEARABLE: f64 = 0.005;

/// The method that `refiner.method` = `auto` stands for, and why. Rejection is exact and its events independent, so it comes first; what else
/// there is serves weights too broad for it.
fn choose(model: &Model, report: &WeightReport) -> (Method, String) {
    let accepts = format!("rejection accepts {:.2} %", 100.0 * report.acceptance);
    let generator = &model.generator;
    let gradient = model.latent_classifier.is_some() || generator.differentiable();
    if report.acceptance >= ACCEPTABLE {
        return (Method::Rejection, accepts);
    }
    if generator.condition_dim() > 0 {
        let why = "the only exact method that gives every event its own condition";
        return (Method::Rejection, format!("{accepts}, but is {why}"));
    }
    if gradient {
        return (
            Method::Hmc,
            format!("{accepts}, and log w(z) has a gradient"),
        );
    }
    let why = format!("{accepts}, and log w(z) has no gradient");
    (Method::Resampling, why)
}

/// What `auto` takes where chains are not sound.
fn without_chains(report: &WeightReport) -> Method {
    if report.acceptance >= BEARABLE {
        Method::Rejection
    } else {
        Method::Resampling
    }
}
