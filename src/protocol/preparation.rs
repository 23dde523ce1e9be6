//! Preparing the refiner of a model whose weights are known.

use super::conditions::Conditions;
use super::evaluate::Instance;
use super::generator::options_record;
use super::pullback::{weighted_latents, WeightReport, Weighted};
use super::refiner::{pilot_chains, pool_size, train_refiner, Plan};
use crate::engine::noise::{domain, Noise};
use crate::model::{Generator, HmcSettings, Method, Model, Refinement, Start, NO_GRADIENT};
use crate::options::{keys, Options};
use crate::train::{Hooks, Level};
use crate::{Error, Result};
use serde_json::json;

/// Checks, before anything is trained, that a sampler could make events by the method that `refiner.method` names.
///
/// # Errors
/// [`Error::Unsupported`] if the method makes events in common where each has its own condition, or needs a gradient of log w(z) where there is
/// none. `omnifold`: whether log w is learned as a network of z.
pub(super) fn possible(generator: &Generator, omnifold: bool, options: &Options) -> Result<()> {
    let Ok(method) = Method::parse(options.get(keys::REFINER_METHOD)) else {
        return Ok(());
    };
    if generator.condition_dim() > 0 && method.in_common() {
        return Err(in_common(method));
    }
    if method.is_chain() && !omnifold && !generator.differentiable() {
        return Err(Error::Unsupported(format!(
            "`{}` needs the gradient of log w(z): {NO_GRADIENT}",
            method.name()
        )));
    }
    Ok(())
}

/// What is said to conditions where a method cannot give every event its own.
pub(super) fn in_common(method: Method) -> Error {
    Error::Unsupported(format!(
        "the method `{}` makes its events in common, which is impossible where every event has a condition of its own; use `rejection`, `reweight` or a learned refiner",
        method.name()
    ))
}

/// Makes or trains the refiner that `refiner.method` names.
pub(super) fn prepare(
    generator: &Instance,
    mut model: Model,
    report: &WeightReport,
    mut hmc: HmcSettings,
    conditions: &Conditions,
    options: &Options,
    hooks: &dyn Hooks,
) -> Result<Instance> {
    model.refinement = None;
    let mut evaluator = generator
        .with_model(model.clone())
        .training_evaluator(options)?;
    let dims = (model.generator.latent_dim(), model.generator.event_dim());
    let seed = options.get(keys::SEED) as u64;
    let method = match options.get(keys::REFINER_METHOD) {
        "auto" => {
            let (method, why) = choose(&model, report);
            let message = format!(
                "refiner: {} ({why}); `refiner.method` takes another",
                method.name()
            );
            hooks.log(Level::Info, &message)?;
            method
        }
        name => Method::parse(name)?,
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
    if let Some(plan) = Plan::new(method, options) {
        let (found, report) =
            pilot_chains(&plan, method, dims, &hmc, pool, evaluator.as_mut(), hooks)?;
        model.record.insert("chains".into(), json!(report));
        check(&found, generator)?;
        hmc = found;
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

/// Fewest accepted proposals, as a fraction, with which rejection is the method of choice: an event then costs ten proposals.
const ACCEPTABLE: f64 = 0.1;

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

/// The chains that the options ask for.
pub(super) fn chains(options: &Options) -> HmcSettings {
    HmcSettings {
        chains: options.get(keys::HMC_CHAINS) as usize,
        start: match options.get(keys::HMC_START) {
            "prior" => Start::Prior,
            _ => Start::Resampled,
        },
        step_size: options.get(keys::HMC_STEP_SIZE),
        jitter: options.get(keys::HMC_JITTER),
        scales: Vec::new(),
        leapfrog: options.get(keys::HMC_LEAPFROG) as usize,
        burn_in: options.get(keys::HMC_BURN_IN) as u64,
        thin: options.get(keys::HMC_THIN) as u64,
    }
}

/// Whether a sampler would come to an end with these chains.
pub(super) fn check(chains: &HmcSettings, generator: &Model) -> Result<()> {
    let checked = chains.validate(generator.generator.latent_dim());
    checked.map_err(|error| match error {
        Error::Format(why) => Error::InvalidArgument(why),
        other => other,
    })
}
