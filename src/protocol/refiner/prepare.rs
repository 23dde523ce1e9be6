//! Choosing and preparing the refiner of a model whose weights are known.

use super::chains;
use super::home::{Case, Home, Preparation};
use super::registry::{home, REFINERS};
use crate::compute::{Instance, Session};
use crate::model::{Method, Model, Pilot, Refinement};
use crate::options::keys;
use crate::protocol::conditions::Conditions;
use crate::protocol::pullback::WeightReport;
use crate::train::Level;
use crate::{Error, Result};
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
        log_w_max: report.w_max.ln(),
        log_mean_weight: report.mean.ln(),
        max_tries: session.get(keys::REJECTION_MAX_TRIES) as u64,
        pool: session.get(keys::RESAMPLING_POOL) as usize,
        hmc: chains::settings(model.generator.latent_dim(), session.options)?,
        refiner: None,
        pilot: Some(Pilot {
            acceptance: report.acceptance,
            overweight: session.get(keys::REJECTION_OVERWEIGHT),
            log_largest: report.max.ln(),
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
