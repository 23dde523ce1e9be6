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
    /// The transport along a field of velocities. It has no density: that would take the field's divergence along every path.
    Matching(Matching),
}

/// Transport of points from time 0 to 1 along velocities v(z, t, c), in equal steps of the midpoint rule: z ← z + h v(z + ½ h v(z, t),
/// t + ½ h). Trained by flow matching (Lipman et al., arXiv:2210.02747).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Matching {
    /// v, N + 1 + C → N: of the point, the time and the condition.
    pub network: Mlp,
    /// 1/h, two evaluations of the network each.
    pub steps: usize,
}

/// No transport takes more steps: bounds what a file can make us compute.
const MAX_STEPS: usize = 1000;

impl Matching {
    fn validate(&self, conditions: usize) -> Result<()> {
        let Matching { network, steps } = self;
        network.validate()?;
        if network.inputs != network.outputs + 1 + conditions {
            return Err(Error::Format(format!(
                "a network of {} inputs and {} outputs gives no velocities: it takes a point, the time and {conditions} condition values",
                network.inputs, network.outputs
            )));
        }
        if !(1..=MAX_STEPS).contains(steps) {
            return Err(Error::Format(format!(
                "a transport in {steps} steps; there are between 1 and {MAX_STEPS}"
            )));
        }
        Ok(())
    }
}

impl Map {
    /// Dimension of the points that come in, beside `conditions` condition values.
    pub fn inputs(&self, conditions: usize) -> usize {
        match self {
            Map::Flow(flow) => flow.dim,
            Map::Network(network) => network.inputs.saturating_sub(conditions),
            Map::Matching(matching) => matching.network.outputs,
        }
    }

    /// Dimension of the points that go out.
    pub fn outputs(&self) -> usize {
        match self {
            Map::Flow(flow) => flow.dim,
            Map::Network(network) => network.outputs,
            Map::Matching(matching) => matching.network.outputs,
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
            Map::Matching(matching) => matching.network.parameters(prefix),
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
            Map::Matching(matching) => matching.network.layers().count(),
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
            Map::Matching(matching) => matching.validate(conditions),
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
