//! Choosing and preparing the refiner of a model whose weights are known.

use super::chains;
use super::home::{Case, Home, Preparation};
use super::registry::{home, REFINERS};
use crate::compute::{Instance, Session};
use crate::model::{Method, Model, Pilot, Refinement};
use crate::noise::places;
use crate::options::keys;
use crate::protocol::conditions::Conditions;
use crate::protocol::pullback::WeightReport;
use crate::train::Level;
use crate::{room, Error, Result};
use serde_json::json;

/// Makes or trains the refiner that `refiner.method` names.
pub(in crate::protocol) fn prepare(
    session: Session,
    generator: &Instance,
    mut model: Model,
    report: &WeightReport,
    conditions: &Conditions,
) -> Result<Instance> {
    model.refinement = None;
    // What an earlier refiner of the same model has left.
    for entry in REFINERS.iter().filter_map(|home| home.record()) {
        model.record.remove(entry);
    }
    let weighted = generator.with_model(model.clone());
    let mut refinement = Refinement {
        method: Method::Baseline,
        log_w_max: libm::log(report.w_max),
        log_mean_weight: libm::log(report.mean),
        max_tries: session.get(keys::REJECTION_MAX_TRIES) as u64,
        pool: session.get(keys::RESAMPLING_POOL) as usize,
        hmc: chains::settings(model.generator.latent_dim(), session.options)?,
        refiner: None,
        log_inside: 0.0,
        mixture: None,
        pilot: Some(Pilot {
            acceptance: report.acceptance,
            overweight: session.get(keys::REJECTION_OVERWEIGHT),
            log_largest: libm::log(report.max),
        }),
    };
    let wanted = session.get(keys::REFINER_METHOD);
    let mut case = Case {
        generator: &weighted.generator,
        gradient: weighted.latent_classifier.is_some() || weighted.generator.differentiable(),
        acceptance: report.acceptance,
        unsound: false,
    };
    loop {
        let home = match wanted {
            None => choose(session, &case)?,
            Some(method) => home(method)?,
        };
        refinement.method = home.method();
        let preparation = Preparation {
            session,
            model: &weighted,
            conditions,
            effective_fraction: report.effective_fraction,
            auto: wanted.is_none(),
            refinement: &mut refinement,
            record: &mut model.record,
        };
        if home.prepare(preparation)? {
            break;
        }
        case.unsound = true;
    }
    model.refinement = Some(refinement);
    if model.support.is_some() {
        let share = inside(session, &generator.with_model(model.clone()), conditions)?;
        model.record.insert("inside".into(), json!(share));
        if let Some(refinement) = &mut model.refinement {
            refinement.log_inside = libm::log(share);
        }
    }
    model
        .record
        .insert("library".into(), json!(env!("CARGO_PKG_VERSION")));
    model
        .record
        .insert("refinement_options".into(), session.options_record()?);
    model
        .validate()
        .map_err(|e| Error::Internal(format!("the refined model is inconsistent: {e}")))?;
    Ok(generator.with_model(model))
}

/// The method that `refiner.method` = `auto` stands for.
fn choose(session: Session, case: &Case) -> Result<&'static dyn Home> {
    let suits = |home: &&'static dyn Home| Some((*home, home.suits(case)?));
    let (home, why) = REFINERS
        .iter()
        .find_map(suits)
        .ok_or_else(|| Error::Internal("no method suits any weights".into()))?;
    let name = home.method().name();
    let message = match case.unsound {
        false => format!("refiner: {name} ({why}); `refiner.method` takes another"),
        true => format!("refiner: {name} after all, as the chains are not sound"),
    };
    session.hooks.log(Level::Info, &message)?;
    Ok(home)
}

/// The share of a learned refiner's events that are within the support: those that are made again are the others. 1 of any other method.
///
/// # Errors
/// [`Error::Numerical`] if there are none; those of the evaluator and of the hooks.
fn inside(session: Session, model: &Instance, conditions: &Conditions) -> Result<f64> {
    const ROWS: usize = 1 << 17;
    const BLOCK: usize = 1 << 12;
    // What only proposes is refused where the support ends.
    let makes = model.refinement.as_ref().filter(|r| !r.method.rejects());
    let Some(refiner) = makes.and_then(|r| r.refiner.as_ref()) else {
        return Ok(1.0);
    };
    let dims = model.generator.dims();
    let auxiliary = refiner.auxiliary_dim(dims.conditions);
    let stage = session.stage("support", ROWS / BLOCK);
    let noise = places::SUPPORT.noise(session.seed);
    let mut evaluator = session.evaluator(model)?;
    let mut y = room::filled(BLOCK * (auxiliary + dims.conditions), 0.0)?;
    let mut z = room::filled(BLOCK * dims.latent_row(), 0.0)?;
    let mut x = room::filled(BLOCK * dims.event_row(), 0.0)?;
    let mut within = room::filled(BLOCK, false)?;
    let mut count = 0;
    for block in 0..ROWS / BLOCK {
        stage.check()?;
        conditions.latents(noise, (block * BLOCK) as u64, auxiliary, &mut y);
        evaluator.refine(&y, BLOCK, &mut z)?;
        evaluator.generate(&z, BLOCK, &mut x, None)?;
        evaluator.inside(&x, BLOCK, &mut within)?;
        count += within.iter().filter(|within| **within).count();
        stage.done(block + 1)?;
    }
    if count == 0 {
        return Err(Error::Numerical(format!(
            "of {ROWS} events of the learned refiner none is within the support: it has learned nothing; train it longer, or take another (`refiner.method`)"
        )));
    }
    Ok(count as f64 / ROWS as f64)
}
