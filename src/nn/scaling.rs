//! [`Scaling`] on libtorch.

use crate::model::{Scaling, STEPS};
use crate::{Error, Result};
use std::f64::consts::{PI, SQRT_2};
use tch::Tensor;

/// How far from the ends of an interval logits are cut off, in its units, in whatever precision the tensor has: beyond, gradients are 0.
const EDGE: f64 = f32::EPSILON as f64 / 2.0;

/// Scaled features → what another network's scalings make of the same events, where that has a gradient.
pub(super) fn rescale(u: &Tensor, from: &[Scaling], to: &[Scaling]) -> Result<Tensor> {
    if from == to && !from.iter().any(Scaling::stepped) {
        return Ok(u.shallow_clone());
    }
    let columns = from.iter().zip(to).enumerate().map(|(i, (from, to))| {
        let column = u.f_narrow(1, i as i64, 1)?;
        if from == to && !from.stepped() {
            return Ok(column);
        }
        forward(to, &inverse(from, &column)?)
    });
    Ok(Tensor::f_cat(&columns.collect::<Result<Vec<_>>>()?, 1)?)
}

/// x ↦ u.
fn forward(scaling: &Scaling, x: &Tensor) -> Result<Tensor> {
    let (mean, std) = scaling.moments();
    let y = match *scaling {
        Scaling::None | Scaling::Standardise { .. } => x.shallow_clone(),
        Scaling::Asinh { centre, width, .. } => {
            x.f_sub_scalar(centre)?.f_div_scalar(width)?.f_asinh()?
        }
        Scaling::Log { low, .. } => x
            .f_sub_scalar(low)?
            .f_clamp_min(f64::from(f32::MIN_POSITIVE))?
            .f_log()?,
        Scaling::Logit { low, high, .. } => {
            let below = x.f_sub_scalar(low)?.f_div_scalar(high - low)?;
            below.f_logit(EDGE)?
        }
        Scaling::Periodic { period, cut, .. } => {
            let turns = x.f_sub_scalar(cut)?.f_div_scalar(period)?;
            turns.f_remainder(1.0)?.f_logit(EDGE)?
        }
        Scaling::Circle { low, period } => {
            let angle = x.f_sub_scalar(low)?.f_mul_scalar(2.0 * PI / period)?;
            let both = Tensor::f_cat(&[angle.f_sin()?, angle.f_cos()?], 1)?;
            return Ok(both.f_mul_scalar(SQRT_2)?);
        }
        _ => return Err(Error::Unsupported(STEPS.into())),
    };
    Ok(y.f_sub_scalar(mean)?.f_div_scalar(std)?)
}

/// u ↦ x.
fn inverse(scaling: &Scaling, u: &Tensor) -> Result<Tensor> {
    let (mean, std) = scaling.moments();
    let y = u.f_mul_scalar(std)?.f_add_scalar(mean)?;
    Ok(match *scaling {
        Scaling::None | Scaling::Standardise { .. } => y,
        Scaling::Asinh { centre, width, .. } => {
            y.f_sinh()?.f_mul_scalar(width)?.f_add_scalar(centre)?
        }
        Scaling::Log { low, .. } => y.f_exp()?.f_add_scalar(low)?,
        Scaling::Logit { low, high, .. } => {
            y.f_sigmoid()?.f_mul_scalar(high - low)?.f_add_scalar(low)?
        }
        Scaling::Periodic {
            low, period, cut, ..
        } => {
            let beyond_low = y
                .f_sigmoid()?
                .f_mul_scalar(period)?
                .f_add_scalar(cut - low)?;
            beyond_low.f_remainder(period)?.f_add_scalar(low)?
        }
        _ => return Err(Error::Unsupported(STEPS.into())),
    })
}
