//! [`Matching`] on libtorch.

use super::mlp;
use crate::model::Matching;
use crate::Result;
use tch::Tensor;

/// Points along the velocities, given `c`.
pub(super) fn transport(
    matching: &Matching,
    parameters: &[Tensor],
    (y, c): (&Tensor, &Tensor),
) -> Result<Tensor> {
    let h = 1.0 / matching.steps as f64;
    let velocity = |z: &Tensor, t: f64| {
        let t = z.f_new_full([z.size()[0], 1], t, (z.kind(), z.device()))?;
        let input = mlp::beside(&Tensor::f_cat(&[z, &t], 1)?, c)?;
        mlp::forward(&matching.network, parameters, &input)
    };
    let mut z = y.shallow_clone();
    for step in 0..matching.steps {
        let t = step as f64 * h;
        let middle = z.f_add(&velocity(&z, t)?.f_mul_scalar(0.5 * h)?)?;
        z = z.f_add(&velocity(&middle, t + 0.5 * h)?.f_mul_scalar(h)?)?;
    }
    Ok(z)
}
