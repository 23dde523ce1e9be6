//! What calls of a training begin and end with.

use crate::compute::Session;
use crate::model::Model;
use crate::protocol::source::Source;
use crate::train::{Hooks, Journal, Level};
use crate::Result;
use serde_json::json;
use sha2::{Digest, Sha256};

/// Whose the events of the source are.
pub(super) const TARGET: &str = "the target's events";

/// Checks that all ranks end with the same model.
pub(in crate::protocol) fn agree(model: &Model, hooks: &dyn Hooks) -> Result<()> {
    let Some(ranks) = hooks.ranks() else {
        return Ok(());
    };
    let text = format!("{}{}", checksum(model), json!(model));
    let text: Vec<f64> = text.bytes().map(f64::from).collect();
    ranks.agree(crate::train::checksum(&text), "model")
}

/// Has the source where the call of a checkpoint began.
pub(super) fn begin(
    journal: &Option<Journal>,
    target: &mut Source,
    session: Session,
) -> Result<()> {
    let Some(journal) = journal else {
        return Ok(());
    };
    let start = journal.start(|| target.place());
    let go_on = || session.hooks.check("source");
    target.go_to(&start, session.options, &go_on)
}

/// Tells the host how often its source has failed. The model has no word of it: it is what it would have been.
pub(super) fn tell_failures(target: &Source, hooks: &dyn Hooks) -> Result<()> {
    let told = target.failures();
    told.map_or(Ok(()), |what| hooks.log(Level::Warning, &what))
}

/// Of what a model's events and weights are a function of, for a checkpoint.
pub(super) fn checksum(model: &Model) -> String {
    let mut hash = Sha256::new();
    let description = json!([model.generator, model.classifier, model.latent_classifier]);
    hash.update(description.to_string());
    hash.update(&*model.generator.module);
    let classifiers = model.classifier.iter().chain(&model.latent_classifier);
    let parameters = classifiers.map(|c| &c.parameters);
    for parameters in parameters.chain([&model.generator.parameters]) {
        parameters.iter().for_each(|p| hash.update(p.to_le_bytes()));
    }
    format!("one with the SHA-256 {:x}", hash.finalize())
}
