//! Networks that map the points of one space to those of another.

use super::network::{Flow, Mlp, Parameter, MAX_DEPTH, MAX_WIDTH};
use crate::{Error, Result};
use serde::{Deserialize, Serialize};

/// A map of points, given a condition c that is the same for the whole chain of maps it belongs to.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", content = "network", rename_all = "snake_case")]
pub enum Map {
    /// A normalizing flow: invertible, with a density.
    Flow(Flow),
    /// A fully connected network of the point followed by the condition, as a GAN's generator or a VAE's decoder.
    Network(Mlp),
}

impl Map {
    /// Dimension of the points that come in, beside `conditions` condition values.
    pub fn inputs(&self, conditions: usize) -> usize {
        match self {
            Map::Flow(flow) => flow.dim,
            Map::Network(network) => network.inputs.saturating_sub(conditions),
        }
    }

    /// Dimension of the points that go out.
    pub fn outputs(&self) -> usize {
        match self {
            Map::Flow(flow) => flow.dim,
            Map::Network(network) => network.outputs,
        }
    }

    /// Whether it can be inverted, so that what comes out has a density.
    pub fn invertible(&self) -> bool {
        matches!(self, Map::Flow(_))
    }

    /// The tensors, in flat order, with `prefix` before their names.
    pub fn parameters(&self, prefix: &str) -> Vec<Parameter> {
        match self {
            Map::Flow(flow) => flow.parameters(prefix),
            Map::Network(network) => network.parameters(prefix),
        }
    }

    /// Linear layers.
    pub fn layers(&self) -> usize {
        match self {
            Map::Flow(flow) => {
                let subnets = flow.blocks.iter().map(|block| &block.subnet);
                subnets.map(|subnet| subnet.layers().count()).sum()
            }
            Map::Network(network) => network.layers().count(),
        }
    }

    /// Checks the network, and that it takes `conditions` condition values beside at least one other.
    ///
    /// # Errors
    /// [`Error::Format`] naming what does not fit.
    pub fn validate(&self, conditions: usize) -> Result<()> {
        match self {
            Map::Flow(flow) => {
                flow.validate()?;
                if flow.conditions != conditions {
                    return Err(Error::Format(format!(
                        "a flow of {} conditions where there are {conditions}",
                        flow.conditions
                    )));
                }
                Ok(())
            }
            Map::Network(network) => {
                network.validate()?;
                if network.inputs <= conditions {
                    return Err(Error::Format(format!(
                        "a network of {} inputs, {conditions} of which are conditions, maps nothing",
                        network.inputs
                    )));
                }
                Ok(())
            }
        }
    }
}

/// Checks maps that are applied one after the other, the first to points of `inputs` dimensions (any number if `None`), the last to make
/// points of `outputs`.
///
/// # Errors
/// [`Error::Format`] naming what does not fit.
pub(super) fn validate_chain(
    maps: &[Map],
    conditions: usize,
    inputs: Option<usize>,
    outputs: usize,
) -> Result<()> {
    if maps.is_empty() || maps.len() > MAX_DEPTH || conditions > MAX_WIDTH {
        return Err(Error::Format(format!(
            "{} maps with {conditions} conditions; there is at least one map",
            maps.len()
        )));
    }
    let mut dim = inputs.unwrap_or_else(|| maps[0].inputs(conditions));
    for map in maps {
        map.validate(conditions)?;
        let inputs = map.inputs(conditions);
        if inputs != dim {
            return Err(Error::Format(format!(
                "a network takes {inputs} values where it is given {dim}"
            )));
        }
        dim = map.outputs();
    }
    if dim != outputs {
        return Err(Error::Format(format!(
            "networks that make points of {dim} dimensions where {outputs} are needed"
        )));
    }
    Ok(())
}
