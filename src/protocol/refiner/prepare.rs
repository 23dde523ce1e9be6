//! Choosing and preparing the refiner of a model whose weights are known.

use super::chains;
use super::home::{tell_opinion, Case, Home, Preparation, OPINION};
use super::registry::{home, REFINERS};
use crate::compute::{Instance, Session};
use crate::metrics::Auc;
use crate::model::{Method, Model, Pilot, Refinement};
use crate::noise::places;
use crate::options::keys;
use crate::protocol::conditions::Conditions;
use crate::protocol::opinion::{told_apart, COMPARED};
use crate::protocol::pullback::{weighted_latents, Look, Run, WeightReport};
use crate::room::{self, Gather, Grow};
use crate::train::Level;
use crate::{Error, Result};
use serde_json::{json, Value};

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
    model.record.remove(OPINION);
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
        surrogate: None,
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
    let method = refinement.method;
    model.refinement = Some(refinement);
    let made = Made::new(session, &generator.with_model(model.clone()), conditions)?;
    if model.support.is_some() {
        let distilled = model
            .record
            .get("surrogate")
            .map(|s| &s["distilled"]["inside"]);
        let distilled = distilled.filter(|_| method == Method::Distilled);
        let share = match (&made, distilled.and_then(Value::as_f64)) {
            (Some(made), _) => made.inside,
            (None, share) => share.unwrap_or(1.0),
        };
        model.record.insert("inside".into(), json!(share));
        if let Some(refinement) = &mut model.refinement {
            refinement.log_inside = libm::log(share);
        }
    }
    let before = report
        .second_opinion
        .map(|o| ("the generator's own from the target", o.generated));
    if let Some(made) = made {
        if let Some(auc) = made.judge(session, &weighted, conditions)? {
            let remedy = "Train it longer or larger, or take `rejection` or `reweight`";
            let opinion = tell_opinion(session, auc, before, remedy)?;
            model.record.insert(OPINION.into(), opinion);
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

/// Events of a learned refiner, which is not exact, however long it learns.
struct Made {
    /// The share that is within the support: the others are made again.
    inside: f64,
    /// The first events, those within the support; or their latents, where the weights are of latents, and a host need not be asked for
    /// events: rows with conditions.
    rows: Vec<f64>,
    of_latents: bool,
}

impl Made {
    /// Of the model's method, if it is one whose events are those of a network.
    ///
    /// # Errors
    /// [`Error::Numerical`] if none is within the support; those of the evaluator and of the hooks.
    fn new(session: Session, model: &Instance, conditions: &Conditions) -> Result<Option<Self>> {
        const ROWS: usize = 1 << 17;
        const BLOCK: usize = 1 << 12;
        // What only proposes is refused where the support ends, and weighs what it proposes.
        let makes = model.refinement.as_ref().filter(|r| !r.method.rejects());
        let Some(refiner) = makes.and_then(|r| r.refiner.as_ref()) else {
            return Ok(None);
        };
        let dims = model.generator.dims();
        let auxiliary = refiner.auxiliary_dim(dims.conditions);
        let compared = COMPARED.min(session.get(keys::WEIGHTS_EVENTS) as usize);
        let rows = match model.support {
            Some(_) => ROWS,
            None => compared.next_multiple_of(BLOCK),
        };
        let stage = session.stage("refined events", rows / BLOCK);
        let noise = places::SUPPORT.noise(session.seed);
        let mut evaluator = session.evaluator(model)?;
        let of_latents = evaluator.weighs_latents() && model.support.is_none();
        let mut y = room::filled(BLOCK * (auxiliary + dims.conditions), 0.0)?;
        let mut z = room::filled(BLOCK * dims.latent_row(), 0.0)?;
        let mut x = room::filled(BLOCK * dims.event_row(), 0.0)?;
        let mut within = room::filled(BLOCK, true)?;
        let (mut count, mut kept) = (0, Vec::new());
        for block in 0..rows / BLOCK {
            stage.check()?;
            conditions.latents(noise, (block * BLOCK) as u64, auxiliary, &mut y);
            evaluator.refine(&y, BLOCK, &mut z)?;
            if !of_latents {
                evaluator.generate(&z, BLOCK, &mut x, None)?;
            }
            if model.support.is_some() {
                evaluator.inside(&x, BLOCK, &mut within)?;
            }
            count += within.iter().filter(|within| **within).count();
            let (made, columns) = match of_latents {
                true => (&z, dims.latent_row()),
                false => (&x, dims.event_row()),
            };
            let rows = made.chunks_exact(columns).zip(&within);
            for (row, _) in rows.filter(|(_, within)| **within) {
                if kept.len() < compared * columns {
                    kept.put_all(row.iter().copied())?;
                }
            }
            stage.done(block + 1)?;
        }
        if count == 0 {
            return Err(Error::Numerical(format!(
                "of {rows} events of the learned refiner none is within the support: it has learned nothing; train it longer, or take another (`refiner.method`)"
            )));
        }
        Ok(Some(Made {
            inside: count as f64 / rows as f64,
            rows: kept,
            of_latents,
        }))
    }

    /// How well trees tell them from the events that the weights make of the generator's, which they were to be like. None of too few events.
    ///
    /// # Errors
    /// Those of the evaluator and of the hooks.
    fn judge(
        &self,
        session: Session,
        weighted: &Instance,
        conditions: &Conditions,
    ) -> Result<Option<Auc>> {
        let mut x = Vec::new();
        let mut keep = |rows: &[f64], _: &[f64]| x.put_all(rows.iter().copied());
        let look: Option<Look> = (!self.of_latents).then_some(&mut keep);
        let run = Run::of_pilot(session, COMPARED);
        let drawn = weighted_latents(session, weighted, conditions, run, look)?;
        let weights = drawn.log_w.iter().map(|l| libm::exp(*l)).gather()?;
        let dims = weighted.generator.dims();
        let (reference, columns) = match self.of_latents {
            true => (&drawn.z, dims.latent_row()),
            false => (&x, dims.event_row()),
        };
        told_apart(session, (reference, &weights), 0, &self.rows, columns)
    }
}
