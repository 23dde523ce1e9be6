//! What can be computed with a model, whoever computes it.

use super::Real;
use crate::room::Grow;
use crate::Result;

/// What is said where a density is asked for and there is none.
pub(crate) const NO_DENSITY: &str =
    "the generator has no tractable density, nor an inverse: only normalizing flows have";

/// What is said where a learned refiner is needed and there is none.
pub(super) const NO_REFINER: &str =
    "the model has no learned refiner; refine it with `refiner.method` = `flow`, `matching` or `gan`";

/// What is said where a surrogate of the weights is needed and there is none.
pub(super) const NO_SURROGATE: &str =
    "the model has no surrogate of its weights; refine it with `refiner.method` = `surrogate`";

/// What is said where the density of refined latents is asked for and there is none.
pub(super) const NO_REFINED_DENSITY: &str =
    "the learned refiner has no tractable density: only that of `refiner.method` = `flow` has";

/// What is said where a generator of another kind is needed.
pub(super) const NO_NETWORKS: &str =
    "the generator is no network of this library, so the library does not compute this";

/// What is said where weights are asked for and there are none.
pub(super) const NO_CLASSIFIER: &str =
    "the model has no classifier, so its events have no weights; refine it first";

/// A model made ready to compute on rows. [`crate::engine`] implements it, and libtorch in `nn`; samplers and the pull-back see only this.
///
/// All arrays are row-major `f64` of `rows` rows, without padding. A latent row is a latent z followed by its condition (N + C values), an
/// event row an event x followed by its condition (M + C values), in and out. On the engine a row's result depends on that row alone. With
/// libtorch it may depend, in its last bits, on the number of rows and on the row's place among them; callers that promise reproducible
/// bits always ask for the same blocks.
pub trait Evaluator: Send {
    /// Whether a row's results have the same bits whatever rows are computed with it.
    fn rows_are_independent(&self) -> bool;

    /// Whether log w(z) is a network of z: [`Evaluator::pull_back`] then needs no events.
    fn weighs_latents(&self) -> bool;

    /// Marks which events are within the model's support: all where it has none. `x`: event rows, `inside`: rows.
    ///
    /// # Errors
    /// [`crate::Error::Unsupported`] for a callback that is not attached; those of the callback.
    fn inside(&mut self, x: &[f64], rows: usize, inside: &mut [bool]) -> Result<()>;

    /// x = g(z), and log p_g(x) on request. `z`: latent rows, `x`: event rows, `log_prob`: rows.
    ///
    /// # Errors
    /// Those of the backend; [`crate::Error::Unsupported`] if `log_prob` is asked of a generator without a density.
    fn generate(
        &mut self,
        z: &[f64],
        rows: usize,
        x: &mut [f64],
        log_prob: Option<&mut [f64]>,
    ) -> Result<()>;

    /// log p_g(x) of given events. `x`: event rows, `out`: rows.
    ///
    /// # Errors
    /// As [`Evaluator::generate`].
    fn log_prob(&mut self, x: &[f64], rows: usize, out: &mut [f64]) -> Result<()>;

    /// z = g⁻¹(x) of an invertible generator. `x`: event rows, `z`: latent rows.
    ///
    /// # Errors
    /// As [`Evaluator::generate`].
    fn latent(&mut self, x: &[f64], rows: usize, z: &mut [f64]) -> Result<()>;

    /// log w(x), the logit of the classifier with its offset. `x`: event rows (of networks alone: rows of all that their classifier sees),
    /// `out`: rows.
    ///
    /// # Errors
    /// [`crate::Error::Unsupported`] if the model has no classifier; those of the backend.
    fn log_weight(&mut self, x: &[f64], rows: usize, out: &mut [f64]) -> Result<()>;

    /// log w(z): log w(g(z)) or, where that is no function of z, what has been learned as one. `z`: latent rows, `x`: the event rows that
    /// were made of them, empty where [`Evaluator::weighs_latents`] will do, `out`: rows.
    ///
    /// # Errors
    /// As [`Evaluator::log_weight`].
    fn pull_back(&mut self, z: &[f64], x: &[f64], rows: usize, out: &mut [f64]) -> Result<()>;

    /// log w(x) and its gradient ∇_x log w(x). `x`: event rows, `log_w`: rows, `gradient`: rows × M.
    ///
    /// # Errors
    /// As [`Evaluator::log_weight`].
    fn event_weight_gradient(
        &mut self,
        x: &[f64],
        rows: usize,
        log_w: &mut [f64],
        gradient: &mut [f64],
    ) -> Result<()>;

    /// log w(z) and its gradient ∇_z log w(z). `z`: latent rows, `log_w`: rows, `gradient`: rows × N.
    ///
    /// # Errors
    /// As [`Evaluator::log_weight`]; [`crate::Error::Unsupported`] if log w(z) goes through a generator without a gradient.
    fn log_weight_gradient(
        &mut self,
        z: &[f64],
        rows: usize,
        log_w: &mut [f64],
        gradient: &mut [f64],
    ) -> Result<()>;

    /// z = Φ(y) of the learned refiner. `y`: rows of L + C values, `z`: latent rows.
    ///
    /// # Errors
    /// [`crate::Error::Unsupported`] if the model has none; those of the backend.
    fn refine(&mut self, y: &[f64], rows: usize, z: &mut [f64]) -> Result<()>;

    /// log q_Φ(z), the density of the learned refiner at given latents. `z`: latent rows, `out`: rows.
    ///
    /// # Errors
    /// [`crate::Error::Unsupported`] if the model has no learned refiner, or one without a density; those of the backend.
    fn refined_log_prob(&mut self, z: &[f64], rows: usize, out: &mut [f64]) -> Result<()>;

    /// log s(z), what stands for log w(z) until an event is made, without its limits. `z`: latent rows, `out`: rows.
    ///
    /// # Errors
    /// [`crate::Error::Unsupported`] if the model has no surrogate; those of the backend.
    fn surrogate(&mut self, z: &[f64], rows: usize, out: &mut [f64]) -> Result<()>;
}

/// The arrays of a call, each with its columns; one that is not wanted is empty and has none.
pub(crate) struct Arrays<'a, const I: usize, const O: usize> {
    pub rows: usize,
    pub inputs: [(&'a [f64], usize); I],
    pub outputs: [(&'a mut [f64], usize); O],
}

impl<'a, const I: usize, const O: usize> Arrays<'a, I, O> {
    /// Blocks of `size` rows, the last of those that are left.
    pub fn blocks(mut self, size: usize) -> impl Iterator<Item = Self> {
        std::iter::from_fn(move || {
            let rows = size.min(self.rows);
            self.rows -= rows;
            (rows > 0).then(|| Arrays {
                rows,
                inputs: self.inputs.each_mut().map(|(rest, columns)| {
                    let own;
                    (own, *rest) = rest.split_at(rows * *columns);
                    (own, *columns)
                }),
                outputs: self.outputs.each_mut().map(|(rest, columns)| {
                    let own;
                    (own, *rest) = std::mem::take(rest).split_at_mut(rows * *columns);
                    (own, *columns)
                }),
            })
        })
    }

    /// Without their columns.
    pub fn slices(self) -> ([&'a [f64]; I], [&'a mut [f64]; O]) {
        (self.inputs.map(|(x, _)| x), self.outputs.map(|(x, _)| x))
    }
}

/// An output that need not be wanted, of one column.
pub(crate) fn optional(out: Option<&mut [f64]>) -> (&mut [f64], usize) {
    out.map_or((&mut [], 0), |out| (out, 1))
}

/// Appends rows, of `columns` values each, followed by the first `latents` of the latent rows beside them.
pub(crate) fn join<T: Real>(
    (x, columns): (&[T], usize),
    (z, latent_columns): (&[f64], usize),
    latents: usize,
    to: &mut Vec<T>,
) -> Result<()> {
    to.room(x.len() / columns.max(1) * (columns + latents))?;
    let rows = x.chunks_exact(columns).zip(z.chunks_exact(latent_columns));
    for (x, z) in rows {
        to.extend_from_slice(x);
        to.extend(z[..latents].iter().map(|&z| T::from_f64(z)));
    }
    Ok(())
}
