//! What is particular to a method of refinement. Every method has one home, in the file of its family; what is known of it without making
//! events are its [`Facts`](crate::model::Facts).

use super::block::Maker;
use crate::compute::{Instance, Session};
use crate::metrics::Auc;
use crate::model::{Dims, Generator, Method, Model, Refinement};
use crate::options::Options;
use crate::protocol::conditions::Conditions;
use crate::protocol::opinion::differs;
use crate::{Error, Result};
use serde_json::{json, Map, Value};

/// A method's own part of every step of the protocol.
pub(in crate::protocol) trait Home: Sync {
    fn method(&self) -> Method;

    /// Checks the options, as far as that can be done before a training.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] for options that do not fit the dimensions or each other; [`Error::Unsupported`] for dimensions that it
    /// cannot do.
    fn check(&self, _: Dims, _: &Options) -> Result<()> {
        Ok(())
    }

    /// Why `refiner.method` = `auto` takes it; none leaves the case to the next method.
    fn suits(&self, _: &Case) -> Option<String> {
        None
    }

    /// The entry of the model's record that [`Home::prepare`] makes, if it makes one.
    fn record(&self) -> Option<&'static str> {
        None
    }

    /// Trains or tunes what its sampling needs. False: found to be no good, where another method may be taken instead.
    ///
    /// # Errors
    /// Those of the training, of the evaluator and of the hooks.
    fn prepare(&self, _: Preparation) -> Result<bool> {
        Ok(true)
    }

    /// What makes the events of a model that has a classifier if the method needs one.
    ///
    /// # Errors
    /// [`Error::Unsupported`] if the model lacks something else.
    fn maker(&self, model: &Model) -> Result<Box<dyn Maker>>;
}

/// What `auto` looks at.
pub(in crate::protocol) struct Case<'a> {
    pub generator: &'a Generator,
    /// Whether log w(z) has a gradient.
    pub gradient: bool,
    /// Fraction of proposals that rejection accepts.
    pub acceptance: f64,
    /// Whether chains have been tried and do not mix.
    pub unsound: bool,
}

impl Case<'_> {
    /// What is said of rejection, to take it or not.
    pub fn rejection(&self) -> String {
        format!("rejection accepts {:.2} %", 100.0 * self.acceptance)
    }
}

/// What a method is prepared with, and where that is put.
pub(in crate::protocol) struct Preparation<'a> {
    pub session: Session<'a>,
    /// The model with its weights, not refined.
    pub model: &'a Instance,
    pub conditions: &'a Conditions,
    /// What the weights leave of a sample: (Σw)² / Σw² of the pilot run, as a fraction.
    pub effective_fraction: f64,
    /// Whether another method may be taken instead.
    pub auto: bool,
    pub refinement: &'a mut Refinement,
    pub record: &'a mut Map<String, Value>,
}

/// The refinement of a model that `method` is to be used with.
///
/// # Errors
/// [`Error::Unsupported`] for a model without.
pub(super) fn refinement(model: &Model, method: Method) -> Result<&Refinement> {
    let refinement = model.refinement.as_ref();
    refinement.ok_or_else(|| missing(method, "a refined model"))
}

/// The error of a method that needs what the model does not have.
pub(in crate::protocol) fn missing(method: Method, what: &str) -> Error {
    Error::Unsupported(format!(
        "the method `{}` needs {what}; refine the generator first",
        method.name()
    ))
}

/// What is said to conditions where a method cannot give every event its own.
pub(in crate::protocol) fn in_common(method: Method) -> Error {
    Error::Unsupported(format!(
        "the method `{}` makes its events in common, which is impossible where every event has a condition of its own; use `rejection`, `reweight` or a learned refiner",
        method.name()
    ))
}

/// Where a model's record says how right a learned refiner is.
pub(super) const OPINION: &str = "refiner";

/// How far a refiner's events can be told from those with the weights that it learned, for the record; warns if they can. `before` says of whom
/// from whom an area was measured in the same way.
///
/// # Errors
/// Those of the hooks.
pub(super) fn tell_opinion(
    session: Session,
    auc: Auc,
    before: Option<(&str, f64)>,
    remedy: &str,
) -> Result<Value> {
    if differs(auc.value, auc.error) {
        let before = before.map_or(String::new(), |(whose, auc)| {
            format!(" ({whose}: {auc:.3})")
        });
        session.hooks.warn("refiner", &format!(
            "the events that the learned refiner makes are told from those with the weights that it learned: AUC {:.3} ± {:.3}{before}. {remedy} (`refiner.method`, `sampler.method`), which are as right as the weights",
            auc.value, auc.error
        ))?;
    }
    Ok(json!({"second_opinion": {"refined": auc.value, "error": auc.error}}))
}
