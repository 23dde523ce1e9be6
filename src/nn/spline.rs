//! The rational-quadratic splines of a coupling block on libtorch (Durkan et al., arXiv:1906.04032).

use super::clamp::clamped;
use crate::model::{Knots, SoftClamp, Transform};
use crate::Result;
use tch::Tensor;

/// The coordinates `from` (rows × n) through the spline that `outputs` (rows × n (3 `bins` − 1)) describe, z ↦ x or, if `inverse`, back;
/// and the log |det| of that, per row.
pub(super) fn apply(
    (bins, bound, knots): (usize, f64, Knots),
    outputs: &Tensor,
    from: &Tensor,
    inverse: bool,
) -> Result<(Tensor, Tensor)> {
    let (rows, n) = from.size2()?;
    let k = bins as i64;
    let outputs = outputs.f_reshape([rows, n, 3 * k - 1])?;
    let widths = sizes(bins, bound, knots, &outputs.f_narrow(2, 0, k)?)?;
    let heights = sizes(bins, bound, knots, &outputs.f_narrow(2, k, k)?)?;
    let (low_z, low_x) = (lower_ends(bound, &widths)?, lower_ends(bound, &heights)?);
    let within = from.f_clamp(-bound, bound)?.f_unsqueeze(2)?;
    let lower_ends = if inverse { &low_x } else { &low_z };
    let reached = within.f_ge_tensor(lower_ends)?;
    let number = reached
        .f_sum_dim_intlist([2i64].as_slice(), true, tch::Kind::Int64)?
        .f_sub_scalar(1)?
        .f_clamp_min(0)?;
    let own = |of: &Tensor| of.f_gather(2, &number, false);
    // Outer slopes are 1.
    let clamp = -libm::log(Transform::SMALLEST);
    let slopes = outputs.f_narrow(2, 2 * k, k - 1)?;
    let slopes = match knots {
        Knots::Tanh => clamped(SoftClamp::Tanh, clamp, &slopes)?.f_exp()?,
        Knots::Softsign => clamped(SoftClamp::Softsign, clamp, &slopes)?.f_exp()?,
        Knots::Softplus => slopes.f_softplus()?.f_add_scalar(Transform::SMALLEST)?,
    };
    let one = slopes.f_new_ones([rows, n, 1], (slopes.kind(), slopes.device()))?;
    let bin = Bin {
        width: own(&widths)?,
        height: own(&heights)?,
        d0: own(&Tensor::f_cat(&[&one, &slopes], 2)?)?,
        d1: own(&Tensor::f_cat(&[&slopes, &one], 2)?)?,
    };
    let (low_z, low_x) = (own(&low_z)?, own(&low_x)?);
    let (to, log_slope) = if inverse {
        let xi = bin.to_latent(&share(&within, &low_x, &bin.height)?)?;
        let z = xi.f_mul(&bin.width)?.f_add(&low_z)?;
        (z, bin.log_slope(&xi)?.f_neg()?)
    } else {
        let xi = share(&within, &low_z, &bin.width)?;
        let x = bin.to_event(&xi)?.f_mul(&bin.height)?.f_add(&low_x)?;
        (x, bin.log_slope(&xi)?)
    };
    let inside = from.f_abs()?.f_lt(bound)?;
    let to = to.f_squeeze_dim(2)?.f_where_self(&inside, from)?;
    let log_slope = log_slope.f_squeeze_dim(2)?;
    let log_slope = log_slope.f_where_self(&inside, &log_slope.f_zeros_like()?)?;
    let log_det = log_slope.f_sum_dim_intlist([1i64].as_slice(), false, log_slope.kind())?;
    Ok((to, log_det))
}

/// Widths or heights of all bins.
fn sizes(bins: usize, bound: f64, knots: Knots, logits: &Tensor) -> Result<Tensor> {
    if knots == Knots::Softsign {
        let logits = clamped(
            SoftClamp::Softsign,
            -0.5 * libm::log(Transform::SMALLEST),
            logits,
        )?;
        return Ok(logits
            .f_softmax(2, logits.kind())?
            .f_mul_scalar(2.0 * bound)?);
    }
    let least = 2.0 * bound * Transform::SMALLEST;
    Ok(logits
        .f_softmax(2, logits.kind())?
        .f_mul_scalar(2.0 * bound - bins as f64 * least)?
        .f_add_scalar(least)?)
}

/// Where bins of these sizes begin, from −bound on.
fn lower_ends(bound: f64, sizes: &Tensor) -> Result<Tensor> {
    let upper = sizes.f_cumsum(2, sizes.kind())?;
    Ok(upper.f_sub(sizes)?.f_sub_scalar(bound)?)
}

/// The share of a bin's size, counted from its lower end.
fn share(at: &Tensor, lower_end: &Tensor, size: &Tensor) -> Result<Tensor> {
    Ok(at.f_sub(lower_end)?.f_div(size)?.f_clamp(0.0, 1.0)?)
}

/// The bin that each coordinate lies in, in the notation of [`crate::engine`]'s splines: rows × n × 1.
struct Bin {
    width: Tensor,
    height: Tensor,
    d0: Tensor,
    d1: Tensor,
}

impl Bin {
    fn s(&self) -> Result<Tensor> {
        Ok(self.height.f_div(&self.width)?)
    }

    /// d₀ + d₁ − 2s.
    fn excess(&self) -> Result<Tensor> {
        let sum = self.d0.f_add(&self.d1)?;
        Ok(sum.f_sub(&self.s()?.f_mul_scalar(2.0)?)?)
    }

    /// (1 − ξ, ξ (1 − ξ), D).
    fn parts(&self, xi: &Tensor) -> Result<(Tensor, Tensor, Tensor)> {
        let eta = xi.f_neg()?.f_add_scalar(1.0)?;
        let u = xi.f_mul(&eta)?;
        let d = self.excess()?.f_mul(&u)?.f_add(&self.s()?)?;
        Ok((eta, u, d))
    }

    /// ξ ↦ ζ.
    fn to_event(&self, xi: &Tensor) -> Result<Tensor> {
        let (_, u, d) = self.parts(xi)?;
        let above = xi.f_square()?.f_mul(&self.s()?)?;
        Ok(above.f_add(&self.d0.f_mul(&u)?)?.f_div(&d)?)
    }

    /// ζ ↦ ξ.
    fn to_latent(&self, zeta: &Tensor) -> Result<Tensor> {
        let c = self.s()?.f_mul(zeta)?;
        let b = self.d0.f_sub(&zeta.f_mul(&self.excess()?)?)?;
        let a = self.s()?.f_sub(&b)?;
        let square = b
            .f_square()?
            .f_add(&a.f_mul(&c)?.f_mul_scalar(4.0)?)?
            .f_clamp_min(f64::from(f32::MIN_POSITIVE))?;
        let sum = b.f_abs()?.f_add(&square.f_sqrt()?)?;
        let positive = b.f_gt(0.0)?;
        // Chosen before the division: what is not taken must not bring infinities into the gradient.
        let above = c.f_mul_scalar(2.0)?.f_where_self(&positive, &sum)?;
        let below = sum.f_where_self(&positive, &a.f_mul_scalar(2.0)?)?;
        Ok(above.f_div(&below)?)
    }

    /// log dx/dz.
    fn log_slope(&self, xi: &Tensor) -> Result<Tensor> {
        let (eta, u, d) = self.parts(xi)?;
        let p = self.s()?.f_mul(&u)?.f_mul_scalar(2.0)?;
        let p = p.f_add(&self.d1.f_mul(&xi.f_square()?)?)?;
        let p = p.f_add(&self.d0.f_mul(&eta.f_square()?)?)?;
        Ok(self.s()?.f_div(&d)?.f_square()?.f_mul(&p)?.f_log()?)
    }
}
