//! Several networks that tell the same two classes apart, as one classifier: the mean of their logits.

use super::networks;
use crate::compute::Session;
use crate::engine;
use crate::model::{Classifier, Scaling};
use crate::noise::places::Places;
use crate::objective::{Batch, Goal, Separation};
use crate::options::keys;
use crate::room::{self, Gather, Grow};
use crate::train::{initial_classifier, AnyFeed, Feed, Level, Record, Settings};
use crate::{Error, Result};
use serde_json::json;
use std::sync::Arc;

/// A classifier by the options `classifier.*`, whose members are trained one after the other.
pub(super) struct Ensemble {
    /// Without its offset and its parameters.
    classifier: Classifier,
    /// Those of its members, one after the other.
    parameters: Vec<f64>,
    /// What all members minimise.
    loss: Separation,
}

/// What the members are together on held-out rows.
pub(super) struct Together {
    /// The loss of the mean logit.
    pub loss: f64,
    /// Root of the mean variance between the members' logits, over the rows of label 1.
    pub spread: f64,
}

impl Ensemble {
    /// Of values that are scaled so and, behind them, as many as `latents` of the latent, with initial weights.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] if it is too large; those of the hooks.
    pub fn new(
        scalings: &[Scaling],
        latents: usize,
        initial: Places,
        session: Session,
    ) -> Result<Self> {
        let values = scalings.len();
        let scalings = room::joined(scalings, &room::filled(latents, Scaling::None)?)?;
        let classifier = Classifier {
            network: networks::classifier(
                scalings.iter().map(Scaling::inputs).sum(),
                session.options,
            )?,
            members: session.get(keys::CLASSIFIER_ENSEMBLE) as usize,
            latents,
            scalings,
            log_ratio_offset: 0.0,
            limits: None,
            parameters: Arc::default(),
        };
        let checked = classifier.validate(values);
        checked.map_err(Error::of_options)?;
        let mut parameters = Vec::new();
        for member in 0..classifier.members as u64 {
            let noise = initial.at(member).noise(session.seed);
            let go_on = || session.hooks.check("classifier");
            // As that of the events alone: what it is to see of latents comes in by training, or a network of many inputs learns its
            // events by heart.
            let inputs = classifier.network.inputs - latents;
            let mut network = classifier.network.clone();
            network.inputs = inputs;
            let initial = initial_classifier(&network, noise, &go_on)?;
            let units = network.layers().next().map_or(0, |(_, outputs)| outputs);
            let (first, rest) = initial.split_at(units * inputs);
            for unit in first.chunks_exact(inputs) {
                parameters.put_all(unit.iter().copied())?;
                parameters.sized(parameters.len() + latents, 0.0)?;
            }
            parameters.put_all(rest.iter().copied())?;
        }
        Ok(Ensemble {
            classifier,
            parameters,
            loss: session.get(keys::CLASSIFIER_LOSS),
        })
    }

    /// Trains every member on from where it is, on rows of its own. One record for each.
    ///
    /// # Errors
    /// Those of the training.
    pub fn train(
        &mut self,
        settings: &Settings,
        feed: &mut dyn AnyFeed,
        session: Session,
    ) -> Result<Vec<Record>> {
        let (
            parameters,
            Classifier {
                network, members, ..
            },
        ) = (&mut self.parameters, &self.classifier);
        let goal = Goal::Separation(network, self.loss);
        let mut records = Vec::new();
        let each = parameters.len() / members;
        for (number, member) in (1..).zip(parameters.chunks_exact_mut(each)) {
            if *members > 1 {
                let message = format!("{}: network {number} of {members}", settings.stage);
                session.hooks.log(Level::Info, &message)?;
            }
            records.push(session.fit(goal, settings, feed, member)?);
        }
        Ok(records)
    }

    /// The classifier with log-ratio offset `offset`.
    ///
    /// # Errors
    /// [`Error::Memory`].
    pub fn classifier(&self, offset: f64) -> Result<Classifier> {
        Ok(Classifier {
            log_ratio_offset: offset,
            limits: None,
            parameters: Arc::new(room::copied(&self.parameters)?),
            ..self.classifier.clone()
        })
    }

    /// What the members are together on the rows that `feed` holds out; none if it holds out none.
    ///
    /// # Errors
    /// Those of the feed.
    pub fn together(&self, feed: &mut dyn Feed<f64>) -> Result<Option<Together>> {
        let (mut rows, mut loss) = (0, 0.0);
        let (mut ones, mut squares) = (0, 0.0);
        let count = self.classifier.members as f64;
        for batch in feed.held_out()? {
            rows += batch.rows;
            let logits = self.logits(&batch)?;
            for (row, (&w, &y)) in batch.weights.iter().zip(&batch.labels).enumerate() {
                let logits = || logits.iter().map(|of_member| of_member[row]);
                let mean = logits().sum::<f64>() / count;
                loss += w * self.loss.pointwise(mean, y).0;
                if y == 1.0 {
                    ones += 1;
                    squares += logits().map(|l| (l - mean).powi(2)).sum::<f64>();
                }
            }
        }
        let variance = squares / (f64::from(ones) * (count - 1.0).max(1.0));
        Ok((rows > 0).then_some(Together {
            loss: loss / rows as f64,
            spread: variance.sqrt(),
        }))
    }

    /// Those of every member.
    fn logits(&self, batch: &Batch<f64>) -> Result<Vec<Vec<f64>>> {
        let (
            parameters,
            Classifier {
                network, members, ..
            },
        ) = (&self.parameters, &self.classifier);
        let of_member = |parameters: &[f64]| {
            let mut logits = room::filled(batch.rows, 0.0)?;
            engine::apply(network, parameters, &batch.x, &mut logits)?;
            Ok(logits)
        };
        let members = parameters.chunks_exact(parameters.len() / members);
        members.map(of_member).gather_all()
    }
}

/// The trainings of the members as one record. For an ensemble: totals, mean losses, what they are `together`, and their own records.
pub(super) fn record(
    mut members: Vec<Record>,
    together: &mut dyn FnMut() -> Result<Option<Together>>,
) -> Result<serde_json::Value> {
    if members.len() == 1 {
        return Ok(json!(members.pop()));
    }
    let together = together()?;
    let losses = members.iter().map(|m| m.loss);
    Ok(json!({
        "steps": members.iter().map(|m| m.steps).sum::<u64>(),
        "rows": members.iter().map(|m| m.rows).sum::<u64>(),
        "loss": losses.sum::<f64>() / members.len() as f64,
        "validation_loss": together.as_ref().map(|t| t.loss),
        "spread": together.as_ref().map(|t| t.spread),
        "members": members,
    }))
}
