//! [`Map`](model::Map)s applied one after the other to blocks.

use super::flow::Coupling;
use super::gradient::MlpGradient;
use super::lanes::Element;
use super::map::{Map, Pass, Point};
use super::matching::Matching;
use super::mlp::Mlp;
use super::size::Size;
use crate::room::Gather;
use crate::{model, Result};

/// Maps with their weights packed, a flow being one for each of its blocks. Immutable but for [`Chain::pack`].
///
/// They turn a state of features into another in place, given the features of the condition. Only chains of flows go backwards, from x to
/// z.
pub(super) struct Chain<T> {
    links: Vec<Box<dyn Map<T>>>,
    inputs: usize,
    outputs: usize,
    widest: usize,
}

impl<T: Element> Chain<T> {
    /// The maps, given `conditions` features of condition, with parameters 0 until they are packed.
    pub fn new(maps: &[model::Map], conditions: usize) -> Result<Self> {
        let mut links: Vec<Box<dyn Map<T>>> = Vec::new();
        for map in maps {
            match map {
                model::Map::Flow(flow) => {
                    for block in &flow.blocks {
                        links.push(Box::new(Coupling::new(block)?));
                    }
                }
                model::Map::Network(network) => links.push(Box::new(Mlp::new(network)?)),
                model::Map::Matching(matching) => links.push(Box::new(Matching::new(matching)?)),
            }
        }
        let inputs = maps.first().map_or(0, |map| map.inputs(conditions));
        Ok(Chain {
            links,
            inputs,
            outputs: maps.last().map_or(0, model::Map::outputs),
            widest: maps
                .iter()
                .map(model::Map::outputs)
                .fold(inputs, usize::max),
        })
    }

    /// With these parameters.
    pub fn with_parameters(mut self, parameters: &[f64]) -> Result<Self> {
        let parameters = parameters.iter().map(|&p| T::from_f64(p)).gather()?;
        self.pack(&mut &parameters[..]);
        Ok(self)
    }

    /// Takes over the parameters of all maps, from the front of `parameters`.
    pub fn pack(&mut self, parameters: &mut &[T]) {
        self.links.iter_mut().for_each(|link| link.pack(parameters));
    }

    /// How large its networks are.
    pub fn size(&self) -> Size {
        self.links.iter().map(|link| link.size()).sum()
    }

    /// Sums for the gradient with respect to the parameters, of up to `blocks` blocks at once: one per link.
    pub fn sums(&self, blocks: usize) -> Result<Vec<MlpGradient<T>>> {
        self.links.iter().map(|link| link.sums(blocks)).collect()
    }

    /// Features of the point that goes in.
    pub fn inputs(&self) -> usize {
        self.inputs
    }

    /// Features of the point that comes out.
    pub fn outputs(&self) -> usize {
        self.outputs
    }

    /// Features that the state of a block must have room for.
    pub fn widest(&self) -> usize {
        self.widest
    }

    /// Features of the tape, of every block, which every link uses after the other or, to keep what [`Chain::backward`] needs, beside it.
    pub fn tape(&self, keep: bool) -> usize {
        let tapes = self.links.iter().map(|link| link.tape(keep));
        if keep {
            tapes.sum()
        } else {
            tapes.max().unwrap_or(0)
        }
    }

    /// [`Map::apply`] of all: z ↦ x or x ↦ z.
    pub fn apply(&self, pass: &Pass<T>, point: &mut Point<T>, tape: &mut [T::Feature]) {
        let mut start = 0;
        for (_, link) in self.order(pass.inverse) {
            let length = pass.blocks() * link.tape(pass.keep);
            link.apply(pass, point, &mut tape[start..][..length]);
            if pass.keep {
                start += length;
            }
        }
    }

    /// [`Map::backward`] of all; `sums`: as [`Chain::sums`] makes them.
    pub fn backward(
        &self,
        pass: &Pass<T>,
        gradient: &mut Point<T>,
        tape: &mut [T::Feature],
        mut sums: Option<&mut [MlpGradient<T>]>,
    ) {
        // Last applied, first undone.
        let mut end = pass.blocks() * self.tape(true);
        for (i, link) in self.order(!pass.inverse) {
            let start = end - pass.blocks() * link.tape(true);
            let sums = sums.as_deref_mut().map(|sums| &mut sums[i]);
            link.backward(pass, gradient, &mut tape[start..end], sums);
            end = start;
        }
    }

    /// The links with their numbers, from the last to the first if `reverse`.
    fn order(&self, reverse: bool) -> impl Iterator<Item = (usize, &dyn Map<T>)> {
        let n = self.links.len();
        (0..n)
            .map(move |i| if reverse { n - 1 - i } else { i })
            .map(|i| (i, &*self.links[i]))
    }
}
