//! [`Mlp`] on libtorch.

use crate::model::{Activation, Mlp};
use crate::Result;
use tch::Tensor;

/// PyTorch's default slope, for which there is a fused operation.
const FUSED_SLOPE: f64 = 0.01;

/// The network applied to `x` (rows × inputs). `parameters` are its tensors: weight, bias, weight, …
pub(super) fn forward(mlp: &Mlp, parameters: &[Tensor], x: &Tensor) -> Result<Tensor> {
    let last = mlp.hidden.len();
    let mut h = x.shallow_clone();
    for (i, layer) in parameters.chunks_exact(2).enumerate() {
        h = h.f_linear(&layer[0], Some(&layer[1]))?;
        if i == last {
            break;
        }
        h = match mlp.activation {
            // In place: autograd needs only the result.
            Activation::LeakyRelu { slope } if slope == FUSED_SLOPE => h.f_leaky_relu_()?,
            Activation::LeakyRelu { slope } => h.f_maximum(&h.f_mul_scalar(slope)?)?,
            Activation::Tanh => h.f_tanh_()?,
        };
    }
    Ok(h)
}

/// The columns of `x`, then those of the condition `c`.
pub(super) fn beside(x: &Tensor, c: &Tensor) -> Result<Tensor> {
    if c.size()[1] == 0 {
        return Ok(x.shallow_clone());
    }
    Ok(Tensor::f_cat(&[x, c], 1)?)
}

/// Number of tensors of the network.
pub(super) fn tensor_count(mlp: &Mlp) -> usize {
    2 * (mlp.hidden.len() + 1)
}
