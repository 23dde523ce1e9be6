//! The bounded outputs of subnets.

use crate::model::SoftClamp;
use crate::Result;
use tch::Tensor;

/// The soft clamp s of s̃.
pub(super) fn clamped(by: SoftClamp, clamp: f64, output: &Tensor) -> Result<Tensor> {
    Ok(match by {
        SoftClamp::Tanh => output.f_div_scalar(clamp)?.f_tanh()?.f_mul_scalar(clamp)?,
        SoftClamp::Atan => {
            let unit = clamp / std::f64::consts::FRAC_PI_2;
            output.f_div_scalar(unit)?.f_atan()?.f_mul_scalar(unit)?
        }
        SoftClamp::Softsign => {
            let below = output.f_abs()?.f_div_scalar(clamp)?.f_add_scalar(1.0)?;
            output.f_div(&below)?
        }
        SoftClamp::Sigmoid => output
            .f_sigmoid()?
            .f_add_scalar(libm::exp(-clamp))?
            .f_log()?,
        SoftClamp::Softplus => output
            .f_softplus()?
            .f_add_scalar(libm::exp(-clamp))?
            .f_log()?,
    })
}
