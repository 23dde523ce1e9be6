//! The networks of a model, packed for the CPU.

use super::chain::Chain;
use super::lanes::Element;
use super::map::Point;
use super::mlp::Mlp;
use super::rows::{copy_conditions, store, store_scaled};
use super::size::Size;
use crate::model::{Classifier, Model, Parts, Scaling};
use crate::room::{self, Gather};
use crate::Result;

/// A model's networks.
pub(super) type Packed<T> = Parts<PackedMaps<T>, PackedClassifier<T>>;

/// Maps from normal numbers to rows: the generator, or the learned refiner, whose rows are latents.
pub(super) struct PackedMaps<T> {
    pub chain: Chain<T>,
    /// Of what comes out.
    pub scalings: Vec<Scaling>,
    pub conditions: Vec<Scaling>,
    /// Whether what comes out is scaled at all.
    scaled: bool,
}

pub(super) struct PackedClassifier<T> {
    /// The members of the ensemble, all of one shape.
    pub networks: Vec<Mlp<T>>,
    pub scalings: Vec<Scaling>,
    /// How many values of a row, the last, are those of the latent.
    pub latents: usize,
    /// Values that the networks see of a row.
    pub inputs: usize,
    log_ratio_offset: f64,
}

/// Packs the networks.
pub(super) fn pack<T: Element>(model: &Model) -> Result<Packed<T>> {
    let conditions = &model.generator.conditions;
    Parts::new(
        model,
        |maps, parameters, scalings| {
            Ok(PackedMaps {
                chain: Chain::new(maps, conditions.len())?.with_parameters(parameters)?,
                scalings: room::copied(scalings)?,
                conditions: room::copied(conditions)?,
                scaled: scalings.iter().any(|s| *s != Scaling::None),
            })
        },
        PackedClassifier::new,
    )
}

impl<T: Element> PackedMaps<T> {
    /// Values that come in, that come out, and of the condition.
    pub fn dims(&self) -> (usize, usize, usize) {
        (
            self.chain.inputs(),
            self.chain.outputs(),
            self.conditions.len(),
        )
    }

    /// How many blocks should pass together.
    pub fn together(&self) -> usize {
        self.chain.size().blocks::<T>()
    }

    /// What comes out, to rows with the conditions of `from`, the rows that came in.
    pub fn store(&self, point: &mut Point<T>, from: &[f64], to: &mut [f64]) {
        let (n, m, c) = self.dims();
        for (block, to) in to.chunks_mut(T::ROWS * (m + c)).enumerate() {
            let state = &point.state(block)[..m];
            if self.scaled {
                store_scaled::<T>(state, &self.scalings, m + c, to);
            } else {
                store::<T>(state, m + c, to, |_, u| u);
            }
        }
        copy_conditions((from, n), (to, m), c);
    }
}

impl<T: Element> PackedClassifier<T> {
    /// How many blocks should pass its networks together.
    pub fn together(&self) -> usize {
        let sizes = self.networks.iter().map(Mlp::size);
        sizes.sum::<Size>().blocks::<T>()
    }

    fn new(classifier: &Classifier) -> Result<Self> {
        let Classifier {
            network,
            members,
            latents,
            scalings,
            log_ratio_offset,
            limits: _, // whoever asks for weights sets their limits
            parameters,
        } = classifier;
        let parameters = parameters.iter().map(|&p| T::from_f64(p)).gather()?;
        let each = parameters.chunks_exact(parameters.len() / members);
        let packed = each.map(|mut parameters| {
            let mut packed = Mlp::new(network)?;
            packed.pack(&mut parameters);
            Ok(packed)
        });
        Ok(PackedClassifier {
            networks: packed.collect::<Result<_>>()?,
            latents: *latents,
            scalings: room::copied(scalings)?,
            inputs: network.inputs,
            log_ratio_offset: *log_ratio_offset,
        })
    }

    /// Sums of the members' logits to log w.
    pub fn finish(&self, sums: &mut [f64]) {
        let members = self.networks.len() as f64;
        for sum in sums {
            *sum = *sum / members + self.log_ratio_offset;
        }
    }
}
