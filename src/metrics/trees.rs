//! Gradient-boosted decision trees that tell two classes of events apart.
//!
//! Boosting after J. H. Friedman, Ann. Statist. 29 (2001) 1189, with Newton's steps. The trees see histograms of binned features and split
//! the leaf that gains most, as LightGBM's (Ke et al., NeurIPS 2017) and those of scikit-learn's `HistGradientBoostingClassifier`, whose
//! defaults they have but for the number of rounds.

mod grower;
mod tree;

use super::sample::Sample;
use crate::room::{self, Gather};
use crate::train::{Hooks, Progress};
use crate::Result;
use grower::{Grower, STAGE};
use std::ops::Range;
use std::time::Instant;
use tree::{Node, Tree};

/// Most trees.
const ROUNDS: u64 = 300;
/// Rounds without a better held-out loss before stopping.
const PATIENCE: u64 = 10;
/// Leaves of the mean weight that the events would fill.
const LEAVES: usize = 200;

/// What trees minimise.
#[derive(Clone, Copy)]
enum Loss {
    /// Of two classes.
    CrossEntropy,
    /// Between score and weight.
    Squares,
}

/// A sum of trees.
#[derive(Debug)]
pub(crate) struct Trees(Vec<Tree>);

impl Trees {
    /// Minimises the cross-entropy of two classes, label 0 then 1. They count alike: their weights, which need a positive total, are scaled
    /// to the same one. The first `held_out` events of each only decide when to stop.
    ///
    /// With p = 1 / (1 + e^−s), an event of label y, weight w and score s has the gradient g = w (p − y) and the curvature
    /// h = |w| p (1 − p). A leaf adds −η Σg / Σh, and is worth (Σg)² / Σh. For positive weights that is Newton's step; negative ones
    /// shorten it, and leave its sign.
    ///
    /// The trees do not depend on the number of threads.
    ///
    /// # Errors
    /// Those of the hooks.
    pub fn train(
        classes: [&Sample; 2],
        held_out: [usize; 2],
        threads: usize,
        hooks: &dyn Hooks,
    ) -> Result<Self> {
        let rest = [0, 1].map(|label| held_out[label]..classes[label].rows());
        let training = Events::new(classes, rest)?;
        let watched = Events::new(classes, held_out.map(|rows| 0..rows))?;
        let stops = !held_out.contains(&0);
        let grower = training.grower(threads)?;
        Trees(Vec::new()).boost(grower, [training, watched], stops, hooks)
    }

    /// The mean weight of events, ⟨w | x⟩, by least squares: that is their score. Weights of both signs scatter more than a label does: no leaf
    /// has less than one in [`LEAVES`] of the events, so that its mean is known. The first `held_out` of them only decide when to stop.
    ///
    /// The trees do not depend on the number of threads.
    ///
    /// # Errors
    /// Those of the hooks.
    pub fn of_mean_weight(
        events: &Sample,
        held_out: usize,
        threads: usize,
        hooks: &dyn Hooks,
    ) -> Result<Self> {
        let mean = events.weights().sum::<f64>() / events.rows() as f64;
        let some = |rows: Range<usize>| {
            let weights = rows.clone().map(|row| events.weight(row)).gather()?;
            Ok::<_, crate::Error>(Events {
                scores: room::filled(weights.len(), mean)?,
                derivatives: room::filled(weights.len(), [0.0; 2])?,
                weights,
                part: Part {
                    classes: [events; 2],
                    rows: [rows, 0..0],
                },
                loss: Loss::Squares,
            })
        };
        let (training, watched) = (some(held_out..events.rows())?, some(0..held_out)?);
        let mean = Trees(vec![Tree(vec![Node::Leaf(mean)])]);
        let fewest = training.weights.len() / LEAVES;
        let grower = training.grower(threads)?.with_leaves_of(fewest);
        mean.boost(grower, [training, watched], held_out > 0, hooks)
    }

    /// Adds trees to those whose sum the scores are.
    fn boost(
        self,
        mut grower: Grower,
        [mut training, mut watched]: [Events; 2],
        stops: bool,
        hooks: &dyn Hooks,
    ) -> Result<Self> {
        let start = Instant::now();
        let mut trees = self;
        let mut best = (f64::INFINITY, 0);
        for round in 1..=ROUNDS {
            let loss = training.differentiate();
            let tree = grower.grow(&training.derivatives, &mut training.scores, hooks)?;
            let Some(tree) = tree else { break };
            let mut validation_loss = f64::NAN;
            if stops {
                watched.add(&tree);
                validation_loss = watched.differentiate();
            }
            trees.0.push(tree);
            let elapsed = start.elapsed().as_secs_f64();
            hooks.progress(&Progress {
                stage: STAGE,
                epoch: round,
                epochs: ROUNDS,
                step: round,
                steps: ROUNDS,
                loss,
                validation_loss,
                seconds_left: elapsed / round as f64 * (ROUNDS - round) as f64,
            })?;
            if validation_loss < best.0 {
                best = (validation_loss, round);
            } else if stops && round - best.1 >= PATIENCE {
                break;
            }
        }
        Ok(trees)
    }

    /// Of two classes, how much an event looks like label 1: the logarithm of the ratio of the densities, as far as the trees know it.
    pub fn score(&self, x: &[f64]) -> f64 {
        self.0.iter().map(|tree| tree.value(x)).sum()
    }
}

/// Some rows of both classes, one class after the other.
struct Part<'a> {
    classes: [&'a Sample<'a>; 2],
    rows: [Range<usize>; 2],
}

impl Part<'_> {
    fn events(&self) -> impl Iterator<Item = &[f64]> {
        let classes = self.classes.iter().zip(&self.rows);
        classes.flat_map(|(class, rows)| rows.clone().map(|row| class.event(row)))
    }
}

/// What is known of them.
struct Events<'a> {
    part: Part<'a>,
    weights: Vec<f64>,
    scores: Vec<f64>,
    /// g and h.
    derivatives: Vec<[f64; 2]>,
    loss: Loss,
}

impl<'a> Events<'a> {
    fn new(classes: [&'a Sample<'a>; 2], rows: [Range<usize>; 2]) -> Result<Self> {
        // Of all events together, the mean weight is 1.
        let all = classes.map(Sample::rows).iter().sum::<usize>() as f64;
        let weights = classes.iter().zip(&rows).flat_map(|(class, rows)| {
            let factor = 0.5 * all / class.weights().sum::<f64>();
            rows.clone().map(move |row| factor * class.weight(row))
        });
        let weights = weights.gather()?;
        Ok(Events {
            scores: room::filled(weights.len(), 0.0)?,
            derivatives: room::filled(weights.len(), [0.0; 2])?,
            weights,
            part: Part { classes, rows },
            loss: Loss::CrossEntropy,
        })
    }

    /// What grows trees of them.
    fn grower(&self, threads: usize) -> Result<Grower> {
        let features = 0..self.part.classes[0].dim();
        Grower::new(features.map(|feature| self.column(feature)), threads)
    }

    /// The values of one feature.
    fn column(&self, feature: usize) -> Result<Vec<f64>> {
        self.part.events().map(|x| x[feature]).gather()
    }

    /// Sets g and h. Returns the mean loss.
    fn differentiate(&mut self) -> f64 {
        let zeros = self.part.rows[0].len();
        let rows = self.scores.iter().zip(&self.weights);
        let rows = rows.zip(&mut self.derivatives).enumerate();
        let losses = rows.map(|(row, ((&s, &w), derivatives))| {
            if let Loss::Squares = self.loss {
                *derivatives = [s - w, 1.0];
                return (s - w) * (s - w);
            }
            let y = if row < zeros { 0.0 } else { 1.0 };
            let e = libm::exp(-s.abs());
            let less = e / (1.0 + e); // the smaller of p and 1 − p
            let p = if s < 0.0 { less } else { 1.0 - less };
            *derivatives = [w * (p - y), w.abs() * less * (1.0 - less)];
            w * (s.max(0.0) - y * s + libm::log1p(e))
        });
        losses.sum::<f64>() / self.weights.len() as f64
    }

    fn add(&mut self, tree: &Tree) {
        let scores = self.scores.iter_mut().zip(self.part.events());
        scores.for_each(|(score, x)| *score += tree.value(x));
    }
}

#[cfg(test)]
mod tests;
#[cfg(test)]
pub(crate) mod toys;
