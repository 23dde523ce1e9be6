//! One classifier of unfolding, which goes on from where the last iteration left it.

use super::input::Level;
use crate::compute::{self, Session};
use crate::model::{Generator, GeneratorKind, Limits, Model, Scaling};
use crate::noise::places::Places;
use crate::options::keys;
use crate::protocol::ensemble::{record, Ensemble};
use crate::protocol::limits::limits;
use crate::protocol::reweight::PairFeed;
use crate::protocol::source::Source;
use crate::room::{self, Gather, Grow};
use crate::train::Settings;
use crate::{Error, Result, Rows};
use serde_json::Value;
use std::sync::Arc;

/// A source of packed rows with these weights, for one training or one look.
///
/// # Errors
/// Those of [`Source::from_rows`].
pub(super) fn source<'a>(level: &'a Level, w: &'a [f64], session: Session) -> Result<Source<'a>> {
    let mut source = Source::from_rows(Rows::packed(&level.x, level.dim)?, Some(w))?;
    source.begin(session.hooks.ranks());
    Ok(source)
}

/// Tells two weighted samples of one level apart.
pub(super) struct Learner {
    stage: &'static str,
    /// What messages of a training call the samples of label 0 and 1.
    called: [&'static str; 2],
    ensemble: Ensemble,
    /// As the model has them, and as the classifier sees them.
    own: Vec<Scaling>,
    seen: Vec<Scaling>,
    trainings: usize,
}

/// What of the samples a training knows as `from` and `to` is called by the host.
pub(super) fn renamed(message: &str, [from, to]: [&str; 2]) -> String {
    message
        .replace("`from`", &format!("`{from}`"))
        .replace("`to`", &format!("`{to}`"))
}

impl Learner {
    pub fn new(
        stage: &'static str,
        called: [&'static str; 2],
        scalings: &[Scaling],
        initial: Places,
        session: Session,
    ) -> Result<Self> {
        let seen = scalings.iter().map(Scaling::of_classifier).gather()?;
        Ok(Learner {
            stage,
            called,
            ensemble: Ensemble::new(&seen, 0, initial, session)?,
            own: room::copied(scalings)?,
            seen,
            trainings: 0,
        })
    }

    /// Trains on: `from` has label 0 and the first weights, `to` label 1 and the second. Samples of as many rows are drawn in the same order:
    /// where they are the same events, only their weights tell the classes apart.
    ///
    /// # Errors
    /// Those of the training.
    pub fn train(
        &mut self,
        (from, from_w): (&Level, &[f64]),
        (to, to_w): (&Level, &[f64]),
        session: Session,
    ) -> Result<Value> {
        let mut settings =
            Settings::from_options("classifier", session.options, &keys::CLASSIFIER_TRAINING);
        settings.stage = self.stage;
        if self.trainings > 0 {
            settings.epochs = session.get(keys::UNFOLD_EPOCHS) as u64;
        }
        self.trainings += 1;
        let named = |error| match error {
            Error::Data(what) => Error::Data(renamed(&what, self.called)),
            other => other,
        };
        let mut from = source(from, from_w, session)?;
        let mut to = source(to, to_w, session)?;
        let fills = from.fills(&settings, session.options);
        crate::protocol::reweight::of(self.called[0], fills)?;
        let fills = to.fills(&settings, session.options);
        crate::protocol::reweight::of(self.called[1], fills)?;
        let feed = PairFeed::new(&mut from, &mut to, &self.seen, None, session.options);
        let mut feed = feed.map_err(named)?;
        let members = self.ensemble.train(&settings, &mut feed, session)?;
        record(members, &mut || self.ensemble.together(&mut feed))
    }

    /// A model of nothing but the classifier, whose log w is its logit.
    ///
    /// # Errors
    /// [`Error::Memory`].
    pub fn model(&self, session: Session) -> Result<Model> {
        Ok(Model {
            dtype: session.dtype,
            generator: Generator {
                kind: GeneratorKind::Events,
                conditions: Vec::new(),
                scalings: room::copied(&self.own)?,
                parameters: Arc::default(),
                module: Arc::default(),
            },
            classifier: Some(self.ensemble.classifier(0.0)?),
            latent_classifier: None,
            refinement: None,
            names: Vec::new(),
            support: None,
            record: serde_json::Map::new(),
        })
    }
}

/// log w of packed rows, by a model that has nothing but a classifier.
///
/// # Errors
/// Those of the evaluator and of the hooks.
pub(super) fn log_weights(
    model: &Model,
    stage: &'static str,
    x: &[f64],
    session: Session,
) -> Result<Vec<f64>> {
    const BLOCK: usize = 1 << 14;
    let mut evaluator = session.shared(compute::evaluator(model, session.options)?);
    let width = model.generator.dims().event_row();
    let mut out = room::filled(x.len() / width, 0.0)?;
    for (x, out) in x.chunks(BLOCK * width).zip(out.chunks_mut(BLOCK)) {
        session.hooks.check(stage)?;
        evaluator.log_weight(x, out.len(), out)?;
    }
    Ok(out)
}

/// Where the weights of a classifier end: what was met on rows of both samples, by the options `weights.tail` and `weights.margin`.
///
/// # Errors
/// [`Error::Memory`].
pub(super) fn within(log_w: &[f64], session: Session) -> Result<Option<Limits>> {
    let (tail, margin) = (
        session.get(keys::WEIGHTS_TAIL),
        session.get(keys::WEIGHTS_MARGIN),
    );
    limits(&[], log_w, tail, margin)
}

/// Weights of log w, within limits.
///
/// # Errors
/// [`Error::Memory`].
pub(super) fn weights(log_w: &[f64], limits: Option<Limits>) -> Result<Vec<f64>> {
    let mut out = Vec::new();
    let limited = |l: f64| limits.map_or(l, |limits| limits.apply(l));
    out.put_all(log_w.iter().map(|l| libm::exp(limited(*l))))?;
    Ok(out)
}
