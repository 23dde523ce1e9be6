//! [`Flow`] on libtorch: both directions, with log |det|.

use super::clamp::clamped;
use super::parameters::shares;
use super::{mlp, spline};
use crate::model::{Coupling, Flow, Transform};
use crate::Result;
use tch::Tensor;

/// The current coordinates, as tensors of some columns each: blocks that swap the same two halves move no data.
struct Columns {
    parts: Vec<(Vec<usize>, Tensor)>,
}

impl Columns {
    fn new(x: &Tensor, dim: usize) -> Self {
        Columns {
            parts: vec![((0..dim).collect(), x.shallow_clone())],
        }
    }

    /// The columns `wanted`, in that order.
    fn get(&self, wanted: &[usize]) -> Result<Tensor> {
        if let Some((_, part)) = self.parts.iter().find(|(columns, _)| columns == wanted) {
            return Ok(part.shallow_clone());
        }
        let order: Vec<usize> = self
            .parts
            .iter()
            .flat_map(|(columns, _)| columns.iter().copied())
            .collect();
        let tensors: Vec<&Tensor> = self.parts.iter().map(|(_, t)| t).collect();
        let all = if let [one] = tensors[..] {
            one.shallow_clone()
        } else {
            Tensor::f_cat(&tensors, 1)?
        };
        if let [column] = wanted {
            let at = order.iter().position(|c| c == column).unwrap_or_default();
            return Ok(all.f_narrow(1, at as i64, 1)?);
        }
        if order == wanted {
            return Ok(all);
        }
        let index: Vec<i64> = wanted
            .iter()
            .map(|c| order.iter().position(|o| o == c).unwrap_or_default() as i64)
            .collect();
        let index = Tensor::f_from_slice(&index)?.f_to_device(all.device())?;
        Ok(all.f_index_select(1, &index)?)
    }
}

/// z ↦ (x, log |det ∂x/∂z|) or, if `inverse`, x ↦ (z, log |det ∂z/∂x|), given `c`. x and z: rows × dim, c: rows × conditions, the
/// log-determinant: rows.
pub(super) fn apply(
    flow: &Flow,
    parameters: &[Tensor],
    (input, c): (&Tensor, &Tensor),
    inverse: bool,
) -> Result<(Tensor, Tensor)> {
    let mut columns = Columns::new(input, flow.dim);
    let mut log_det = input.f_new_zeros([input.size()[0]], (input.kind(), input.device()))?;
    let count = |block: &Coupling| mlp::tensor_count(&block.subnet);
    for (block, own) in shares(&flow.blocks, parameters, count, inverse) {
        log_det = log_det.f_add(&couple(block, own, &mut columns, c, inverse)?)?;
    }
    let order: Vec<usize> = (0..flow.dim).collect();
    Ok((columns.get(&order)?, log_det))
}

/// Applies one block to the columns, to the event's side or, if `inverse`, to the latent's, and returns its log |det| per row.
fn couple(
    block: &Coupling,
    parameters: &[Tensor],
    columns: &mut Columns,
    c: &Tensor,
    inverse: bool,
) -> Result<Tensor> {
    let passive = columns.get(&block.passive)?;
    let active = columns.get(&block.active)?;
    let out = mlp::forward(&block.subnet, parameters, &mlp::beside(&passive, c)?)?;
    let n = block.active.len() as i64;
    let inverse = inverse != block.inverse;
    let (active, log_det) = match block.transform {
        Transform::Affine { clamp, soft_clamp } => {
            let s = clamped(soft_clamp, clamp, &out.f_narrow(1, 0, n)?)?;
            let t = out.f_narrow(1, n, n)?;
            let sum = s.f_sum_dim_intlist([1i64].as_slice(), false, s.kind())?;
            if inverse {
                (active.f_sub(&t)?.f_mul(&s.f_neg()?.f_exp()?)?, sum.f_neg()?)
            } else {
                (active.f_mul(&s.f_exp()?)?.f_add(&t)?, sum)
            }
        }
        Transform::Spline { bins, bound, knots } => {
            spline::apply((bins, bound, knots), &out, &active, inverse)?
        }
    };
    columns.parts = vec![
        (block.active.clone(), active),
        (block.passive.clone(), passive),
    ];
    Ok(log_det)
}

/// log of the standard normal density of z (rows × dim): rows.
pub(super) fn log_normal(z: &Tensor, dim: usize) -> Result<Tensor> {
    let square = z
        .f_square()?
        .f_sum_dim_intlist([1i64].as_slice(), false, z.kind())?;
    let constant = dim as f64 * 0.5 * libm::log(2.0 * std::f64::consts::PI);
    Ok(square.f_mul_scalar(-0.5)?.f_sub_scalar(constant)?)
}
