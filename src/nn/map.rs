//! [`Map`]s applied one after the other, on libtorch.

use super::parameters::shares;
use super::{flow, matching, mlp};
use crate::model::Map;
use crate::Result;
use tch::Tensor;

/// Points through maps, z ↦ x, or, if `inverse`, back through flows, x ↦ z, given the scaled condition `c`: (points, log |det| of the
/// flows).
pub(super) fn apply(
    maps: &[Map],
    parameters: &[Tensor],
    (point, c): (&Tensor, &Tensor),
    inverse: bool,
) -> Result<(Tensor, Tensor)> {
    let mut point = point.shallow_clone();
    let mut log_det = point.f_new_zeros([point.size()[0]], (point.kind(), point.device()))?;
    for (map, own) in shares(maps, parameters, |m| m.parameters("").len(), inverse) {
        point = match map {
            Map::Flow(flow) => {
                let (x, more) = flow::apply(flow, own, (&point, c), inverse)?;
                log_det = log_det.f_add(&more)?;
                x
            }
            Map::Network(network) => mlp::forward(network, own, &mlp::beside(&point, c)?)?,
            Map::Matching(matching) => matching::transport(matching, own, (&point, c))?,
        };
    }
    Ok((point, log_det))
}
