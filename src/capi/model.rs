//! `laser_model`.

use super::array::Out;
use super::boundary::call;
use super::generator::laser_generator;
use super::handle::Handle;
use super::hooks::{self, laser_hooks};
use super::options::{self, laser_options};
use super::source::laser_source;
use super::status::laser_status;
use super::text;
use crate::model::{Method, Model};
use crate::protocol::{self, Instance};
use crate::{Error, Result};
use serde_json::Value;
use std::ffi::c_char;
use std::path::Path;
use std::sync::Arc;

/// A generator with its classifier and refiner: all that makes refined events. Immutable. Threads: any number at once.
pub struct laser_model(Arc<Instance>);

impl Handle for laser_model {}

impl laser_model {
    pub(super) fn new(model: Instance) -> Self {
        laser_model(Arc::new(model))
    }

    pub(super) fn model(&self) -> &Arc<Instance> {
        &self.0
    }
}

/// Refines a generator (LaSeR): trains the classifier of target against generated events, pulls its weights back to the latent
/// space, and prepares or trains the refiner that option "refiner.method" names.
///
/// Weights of target events may be negative, as those of matched samples are: the ratio is found wherever the weights of a region sum to
/// more than 0. Where they do not there is no ratio, and w tends to 0. Weights may have any unit.
///
/// The calling thread works until it is done; the callbacks of source and hooks are called on it.
///
/// @param generator what to refine; the model keeps what it needs of it
/// @param target the events; in use until the call returns. May be the source that trained the generator
/// @param options the groups "classifier", "pullback", "weights", "refiner", "iteration" (with that of the generator), "rejection",
/// "resampling", "gan", "refiner_flow", "matching", "hmc", "target" and "validation", for a generator that is a callback or module also "features",
/// and "support", "seed", "dtype", "backend", "device", "threads"; copied; NULL for the defaults, which are the paper's settings and take longer than
/// the preset "fast"
/// @param hooks progress, log and cancel; copied; NULL for none
/// @param out receives the model; the caller frees it with laser_model_free
/// @return LASER_OK; LASER_ERR_INVALID_ARGUMENT if the events differ from the generator's in dimension, or "dtype" from its own;
/// else as laser_generator_train
///
/// Threads: needs `target` alone; the others may be shared.
#[no_mangle]
pub unsafe extern "C" fn laser_refine(
    generator: *const laser_generator,
    target: *mut laser_source,
    options: *const laser_options,
    hooks: *const laser_hooks,
    out: *mut *mut laser_model,
) -> laser_status {
    call(|| {
        // SAFETY: the host's promise.
        let (out, generator, target, options, hooks) = unsafe {
            (
                Out::new("out", out)?,
                laser_generator::hold(generator, "generator")?,
                laser_source::hold(target, "target")?,
                options::given(options)?,
                hooks::given(hooks)?,
            )
        };
        let mut target = target.gate().write()?;
        let model = protocol::refine(generator.model(), &mut target, &options, &hooks)?;
        out.set(laser_model(Arc::new(model)).give());
        Ok(())
    })
}

/// Gives a model another refiner: its classifier stays, the weights are judged again, and the refiner that option "refiner.method" names is
/// prepared or trained. Nothing is iterated. So several refiners can be tried, or one be trained longer, without training the classifier
/// again.
///
/// @param model a model that laser_refine made, or a file of one; stays as it is
/// @param target the target's events, whose conditions refiners learn with, and which trees judge the weights by; NULL for a model without
/// conditions, which needs none. In use until the call returns
/// @param options the groups "weights", "refiner", that of the method, and "seed", "backend", "device", "threads"; copied; NULL for the
/// defaults
/// @param hooks progress, log and cancel; copied; NULL for none
/// @param out receives the model; the caller frees it with laser_model_free
/// @return LASER_OK; LASER_ERR_UNSUPPORTED for a model without a classifier; LASER_ERR_INVALID_ARGUMENT for one with conditions if `target`
/// is NULL or has other columns; else as laser_refine
///
/// Threads: needs `target` alone; the others may be shared.
#[no_mangle]
pub unsafe extern "C" fn laser_model_refine(
    model: *const laser_model,
    target: *mut laser_source,
    options: *const laser_options,
    hooks: *const laser_hooks,
    out: *mut *mut laser_model,
) -> laser_status {
    call(|| {
        // SAFETY: the host's promise.
        let (out, model, options, hooks) = unsafe {
            (
                Out::new("out", out)?,
                laser_model::hold(model, "model")?,
                options::given(options)?,
                hooks::given(hooks)?,
            )
        };
        let source = match target.is_null() {
            true => None,
            // SAFETY: as above.
            false => Some(unsafe { laser_source::hold(target, "target")? }),
        };
        let mut target = match &source {
            Some(source) => Some(source.gate().write()?),
            None => None,
        };
        let target = target.as_deref_mut();
        let refined = protocol::refine_again(model.model(), target, &options, &hooks)?;
        out.set(laser_model(Arc::new(refined)).give());
        Ok(())
    })
}

/// Makes a model of a generator alone: the baseline, without classifier and refiner.
///
/// @param generator shared with the model: either may be freed first
/// @param out receives the model; the caller frees it with laser_model_free
/// @return LASER_OK; LASER_ERR_NULL
///
/// Threads: any number at once.
#[no_mangle]
pub unsafe extern "C" fn laser_model_from_generator(
    generator: *const laser_generator,
    out: *mut *mut laser_model,
) -> laser_status {
    call(|| {
        // SAFETY: the host's promise.
        let (generator, out) = unsafe {
            (
                laser_generator::hold(generator, "generator")?,
                Out::new("out", out)?,
            )
        };
        out.set(laser_model(generator.model().clone()).give());
        Ok(())
    })
}

/// Saves a model to one file, a safetensors file that describes itself. It appears whole or not at all, and replaces what had its
/// name.
///
/// @param model what to save
/// @param path the file, in UTF-8
/// @return LASER_OK; LASER_ERR_IO; LASER_ERR_INVALID_ARGUMENT for a path that is not UTF-8; LASER_ERR_NULL
///
/// Threads: any number at once.
#[no_mangle]
pub unsafe extern "C" fn laser_model_save(
    model: *const laser_model,
    path: *const c_char,
) -> laser_status {
    call(|| {
        // SAFETY: the host's promise.
        let (model, path) = unsafe {
            (
                laser_model::hold(model, "model")?,
                text::read(path, "path")?,
            )
        };
        model.0.save(Path::new(path))
    })
}

/// Loads a model file. The saved and the loaded model generate the same bits.
///
/// @param path the file, in UTF-8
/// @param options NULL for the defaults; no key changes how this version reads files
/// @param out receives the model; the caller frees it with laser_model_free
/// @return LASER_OK; LASER_ERR_IO; LASER_ERR_FORMAT for a file that is not a valid model; LASER_ERR_UNSUPPORTED for that of a reweighter;
/// LASER_ERR_INVALID_ARGUMENT for a path that is not UTF-8; LASER_ERR_NULL; LASER_ERR_BUSY while `options` are being changed
///
/// Threads: any number at once.
#[no_mangle]
pub unsafe extern "C" fn laser_model_load(
    path: *const c_char,
    options: *const laser_options,
    out: *mut *mut laser_model,
) -> laser_status {
    call(|| {
        // SAFETY: the host's promise.
        let (path, out) = unsafe {
            options::given(options)?;
            (text::read(path, "path")?, Out::new("out", out)?)
        };
        let model = Model::load(Path::new(path))?;
        model.generator.makes_events()?;
        out.set(laser_model(Arc::new(Instance::new(model))).give());
        Ok(())
    })
}

/// M, the values per event.
///
/// @param model what to ask
/// @param out receives M
/// @return LASER_OK; LASER_ERR_NULL
///
/// Threads: any number at once.
#[no_mangle]
pub unsafe extern "C" fn laser_model_event_dim(
    model: *const laser_model,
    out: *mut usize,
) -> laser_status {
    call(|| {
        // SAFETY: the host's promise.
        let (model, out) = unsafe { (laser_model::hold(model, "model")?, Out::new("out", out)?) };
        out.set(model.0.generator.event_dim());
        Ok(())
    })
}

/// N, the dimensions of the generator's latent space.
///
/// @param model what to ask
/// @param out receives N
/// @return LASER_OK; LASER_ERR_NULL
///
/// Threads: any number at once.
#[no_mangle]
pub unsafe extern "C" fn laser_model_latent_dim(
    model: *const laser_model,
    out: *mut usize,
) -> laser_status {
    call(|| {
        // SAFETY: the host's promise.
        let (model, out) = unsafe { (laser_model::hold(model, "model")?, Out::new("out", out)?) };
        out.set(model.0.generator.latent_dim());
        Ok(())
    })
}

/// C, the values of the condition of an event; 0 for a model without conditions.
///
/// @param model what to ask
/// @param out receives C
/// @return LASER_OK; LASER_ERR_NULL
///
/// Threads: any number at once.
#[no_mangle]
pub unsafe extern "C" fn laser_model_condition_dim(
    model: *const laser_model,
    out: *mut usize,
) -> laser_status {
    call(|| {
        // SAFETY: the host's promise.
        let (model, out) = unsafe { (laser_model::hold(model, "model")?, Out::new("out", out)?) };
        out.set(model.0.generator.condition_dim());
        Ok(())
    })
}

/// The method by which samplers make events unless told otherwise: the one that option "refiner.method" named, or that "auto" chose.
///
/// @param model what to ask
/// @param buf receives one of the words of "sampler.method", NUL-terminated, as "rejection"; NULL with `cap` 0 asks for the size only
/// @param cap size of `buf` in bytes
/// @param needed receives the size of the word in bytes, its NUL included, also if `buf` is too small; may be NULL
/// @return LASER_OK; LASER_ERR_INVALID_ARGUMENT for too small a buffer; LASER_ERR_NULL
///
/// Threads: any number at once.
#[no_mangle]
pub unsafe extern "C" fn laser_model_method(
    model: *const laser_model,
    buf: *mut c_char,
    cap: usize,
    needed: *mut usize,
) -> laser_status {
    call(|| {
        // SAFETY: the host's promise.
        let model = unsafe { laser_model::hold(model, "model")? };
        let refinement = model.0.refinement.as_ref();
        let method = refinement.map_or(Method::Baseline, |r| r.method);
        // SAFETY: the host's promise.
        unsafe { text::write(method.name(), buf, cap, needed) }
    })
}

/// What a value of an event is called.
///
/// @param model what to ask
/// @param column which value, from 0: a feature below M, behind them a condition, below M + C
/// @param buf receives the name, NUL-terminated: that of option "features.names" or, for a model without names, x0 ... of features and c0 ... of
/// conditions; NULL with `cap` 0 asks for the size only
/// @param cap size of `buf` in bytes
/// @param needed receives the size of the name in bytes, its NUL included, also if `buf` is too small; may be NULL
/// @return LASER_OK; LASER_ERR_INVALID_ARGUMENT for a column beyond the last, or too small a buffer; LASER_ERR_NULL
///
/// Threads: any number at once.
#[no_mangle]
pub unsafe extern "C" fn laser_model_feature_name(
    model: *const laser_model,
    column: usize,
    buf: *mut c_char,
    cap: usize,
    needed: *mut usize,
) -> laser_status {
    call(|| {
        // SAFETY: the host's promise.
        let model = unsafe { laser_model::hold(model, "model")? };
        let name = name_of(&model.0, column)?;
        // SAFETY: the host's promise.
        unsafe { text::write(&name, buf, cap, needed) }
    })
}

/// Describes a model: networks, scalings, refiner, and the record of its training with settings, losses and the weight report.
///
/// @param model what to describe
/// @param buf receives JSON, NUL-terminated; NULL with `cap` 0 asks for the size only
/// @param cap size of `buf` in bytes
/// @param needed receives the size of the JSON in bytes, its NUL included, also if `buf` is too small; may be NULL
/// @return LASER_OK; LASER_ERR_INVALID_ARGUMENT for too small a buffer; LASER_ERR_NULL
///
/// Threads: any number at once.
#[no_mangle]
pub unsafe extern "C" fn laser_model_info(
    model: *const laser_model,
    buf: *mut c_char,
    cap: usize,
    needed: *mut usize,
) -> laser_status {
    call(|| {
        // SAFETY: the host's promise.
        let model = unsafe { laser_model::hold(model, "model")? };
        let json = describe(&model.0)?;
        // SAFETY: the host's promise.
        unsafe { text::write(&json, buf, cap, needed) }
    })
}

/// Reads a number of the training record.
///
/// @param model what to ask
/// @param key path into the record with dots; an element of an array goes by its index from 0. There are, of every training
/// ("flow", "classifier", "gan", "refiner_flow", "matching"): "flow.steps", ".rows", ".loss", ".validation_loss" (if events were held out),
/// ".kept_epoch", ".kept_step", ".passes" (how many times each event was seen, if their number is known), ".reference" (of a flow),
/// ".losses.0" … (of an ensemble "classifier.members.0.…" and totals); and of the weights of the pilot run: "weights.events",
/// ".non_finite", ".mean", ".min", ".max", ".quantiles.q001" (0.1 %), ".q01", ".q10", ".q50", ".q90", ".q99", ".q999",
/// ".effective_sample_size", ".effective_fraction", ".w_max", ".overweight_fraction", ".overweight_error", ".acceptance"; what other values of
/// option "rejection.overweight" would give, "weights.budgets.0.overweight" …, ".w_max", ".overweight_fraction", ".overweight_error",
/// ".acceptance"; of the classifier on held-out events
/// "weights.calibration.auc" (0.5: it knows nothing), ".chi_square" (per degree of freedom, 1 if the weights are the ratio of the
/// densities), ".largest_pull", ".events"; by feature, "weights.features.0.below", ".above": the shares of the refined events that lie
/// outside of the held-out target events, which end at ".low" and ".high"; what the generator does not reach of the target, or not with its
/// weights, "weights.gaps.0.from", ".target", ".generated" (shares of events there), ".refined" (of the weight); the limit of the weights "weights.limit.low",
/// ".high", ".events", ".weight" (shares at ".high"); the areas of boosted trees "weights.second_opinion.generated", ".refined", ".error";
/// of a generator that is not refined "second_opinion.generated", ".error", and of what a learned refiner makes, beside what it learned,
/// "refiner.second_opinion.refined", ".error"; of a surrogate "surrogate.acceptance" (of both stages), and of the method "distilled" ".distilled.acceptance", ".distilled.inside", ".distilled.lost",
/// ".distilled.second_opinion.refined", ".generated", ".error"; of an ensemble "classifier.spread", of log w between its networks. Of a model with
/// conditions, how far the training's reach, "conditions.low.0" …, ".high.0" …, of "conditions.events", and the stretches of each that have
/// events enough, by their ends, "conditions.stretches.0.0" …, with "conditions.sparse" values of those events in none. Of chains that a pilot run has
/// judged (option "hmc.pilot"):
/// "chains.step_size", ".acceptance", ".divergences", ".chains", ".transitions", ".r_hat.0" …, ".bias.shift", ".bias.error", ".effective_sample_size.0" … (of chains
/// times transitions). After OmniFold: "omnifold.events", ".changes.0" … (root mean square change of the weights, by iteration),
/// ".effective_fractions.0" …, ".trainings.0.loss" …; after "iteration.rounds" above 1: "iteration.0.auc" …, ".validation_loss",
/// ".effective_fraction", by round. A classifier.validation_loss near that of an ignorant one (for "bce" log 2 = 0.693, for "mse" 0.25, for
/// "mlc" 0) means that it hardly tells generated events from the target's: then weights near 1 are no proof of a good generator
/// @param out receives the number
/// @return LASER_OK; LASER_ERR_INVALID_ARGUMENT if there is no such number, with the keys that there are; LASER_ERR_NULL
///
/// Threads: any number at once.
#[no_mangle]
pub unsafe extern "C" fn laser_model_get_f64(
    model: *const laser_model,
    key: *const c_char,
    out: *mut f64,
) -> laser_status {
    call(|| {
        // SAFETY: the host's promise.
        let (model, key, out) = unsafe {
            (
                laser_model::hold(model, "model")?,
                text::read(key, "key")?,
                Out::new("out", out)?,
            )
        };
        out.set(number(&model.0.record, key, key)?);
        Ok(())
    })
}

/// What a value of an event is called.
pub(super) fn name_of(model: &Model, column: usize) -> Result<String> {
    model.column_name(column).ok_or_else(|| {
        Error::InvalidArgument(format!(
            "argument `column` is {column}, but events have {} values, counted from 0",
            model.generator.dims().event_row()
        ))
    })
}

/// A model as JSON.
pub(super) fn describe(model: &Model) -> Result<String> {
    serde_json::to_string_pretty(model).map_err(|e| Error::Internal(e.to_string()))
}

/// The number at a dotted path into the record, of which `path` is left.
pub(super) fn number(
    level: &serde_json::Map<String, Value>,
    path: &str,
    whole: &str,
) -> Result<f64> {
    let (key, inner_path) = match path.split_once('.') {
        Some((key, inner_path)) => (key, Some(inner_path)),
        None => (path, None),
    };
    match (level.get(key), inner_path) {
        (Some(Value::Object(inner)), Some(inner_path)) => number(inner, inner_path, whole),
        (Some(Value::Array(elements)), Some(inner_path)) => {
            let indices = (0..elements.len()).map(|i| i.to_string());
            let inner = indices.zip(elements.iter().cloned()).collect();
            number(&inner, inner_path, whole)
        }
        (Some(Value::Number(number)), None) => number
            .as_f64()
            .ok_or_else(|| Error::Internal(format!("{number} is no double"))),
        _ => {
            let there_are: Vec<String> = level
                .iter()
                .filter(|(_, value)| !value.is_null())
                .map(|(key, value)| match value {
                    Value::Object(_) | Value::Array(_) => format!("`{key}.…`"),
                    _ => format!("`{key}`"),
                })
                .collect();
            Err(Error::InvalidArgument(format!(
                "the model's record holds no number `{whole}`; at that place it holds {}",
                there_are.join(", ")
            )))
        }
    }
}

/// Frees a model. Samplers made from it do not need it.
///
/// @param model what to free; NULL is fine
///
/// Threads: no other thread may use `model` any more.
#[no_mangle]
pub unsafe extern "C" fn laser_model_free(model: *mut laser_model) {
    // SAFETY: the host's promise.
    unsafe { laser_model::free(model) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_of_the_record_go_by_path() {
        let record = serde_json::json!({
            "events": 7,
            "losses": [3.0, 2.5],
            "trainings": [{"steps": 8}],
            "weights": {"mean": 1.5, "note": "ok"},
        });
        let get = |path| number(record.as_object().unwrap(), path, path);
        assert_eq!(get("events").unwrap(), 7.0);
        assert_eq!(get("weights.mean").unwrap(), 1.5);
        assert_eq!(get("losses.1").unwrap(), 2.5);
        assert_eq!(get("trainings.0.steps").unwrap(), 8.0);
        for path in [
            "",
            ".",
            "weights",
            "weights.",
            "weights.note",
            "events.mean",
            "mean",
            "losses",
            "losses.2",
            "losses.x",
            "trainings.0",
        ] {
            assert!(get(path).is_err(), "{path}");
        }
        let message = get("weights.median").unwrap_err().to_string();
        assert!(message.contains("`mean`, `note`"), "{message}");
        assert!(get("x")
            .unwrap_err()
            .to_string()
            .contains("`events`, `losses.…`, `trainings.…`, `weights.…`"));
    }
}
