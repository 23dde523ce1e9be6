//! Generators that are TorchScript modules.

use super::backend::Backend;
use super::parameters::{to_device, to_host};
use crate::model::{Generator, GeneratorKind, HostGenerator, Model, Scaling, MAX_WIDTH};
use crate::{room, Error, Result};
use std::sync::Arc;
use tch::{CModule, Tensor};

/// A module on a device. It is given one tensor, rows of latents followed by their conditions as they are, and returns one of events.
pub(crate) struct Script {
    module: CModule,
    backend: Backend,
    latent_dim: usize,
}

/// Rows at once: larger activations would be mapped and unmapped by the allocator at every operation.
const CHUNK: usize = 4096;

impl Script {
    /// The module of a generator.
    pub fn new(generator: &Generator, backend: Backend) -> Result<Self> {
        let mut bytes = &generator.module[..];
        let module = backend.without_gradient(|| {
            let mut module = CModule::load_data_on_device(&mut bytes, backend.device)?;
            module.f_set_eval()?;
            Ok(module)
        })?;
        Ok(Script {
            module,
            backend,
            latent_dim: generator.latent_dim(),
        })
    }

    /// A model whose generator is the module in `bytes`, of `latent_dim` latents and `conditions` conditions: how many features its events
    /// have is tried.
    ///
    /// # Errors
    /// [`Error::Torch`] if it is no module or does not take such rows, [`Error::InvalidArgument`] if it does not return rows of features.
    pub fn model(
        bytes: Vec<u8>,
        (latent_dim, conditions): (usize, usize),
        backend: Backend,
        dtype: crate::model::Dtype,
    ) -> Result<Model> {
        const ROWS: usize = 3;
        let mut generator = Generator {
            kind: GeneratorKind::Script {
                latent_dim,
                bytes: bytes.len(),
            },
            scalings: Vec::new(),
            conditions: room::filled(conditions, Scaling::None)?,
            parameters: Arc::default(),
            module: bytes.into(),
        };
        let script = Script::new(&generator, backend)?;
        let shape = backend.without_gradient(|| {
            let rows = room::filled(ROWS * (latent_dim + conditions), 0.5)?;
            let z = to_device(backend, &rows, latent_dim + conditions)?;
            Ok(script.module.forward_ts(&[z])?.size())
        })?;
        let features = match shape[..] {
            [rows, features] if rows == ROWS as i64 && features > 0 => features as usize,
            _ => {
                return Err(Error::InvalidArgument(format!(
                    "the module turns {ROWS} rows of {latent_dim} latents and {conditions} conditions into a tensor of shape {shape:?}; {ROWS} rows of features are needed"
                )))
            }
        };
        generator.scalings = room::filled(features.min(MAX_WIDTH + 1), Scaling::None)?;
        generator.validate()?;
        Ok(Model {
            dtype,
            generator,
            classifier: None,
            latent_classifier: None,
            refinement: None,
            names: Vec::new(),
            support: None,
            record: serde_json::Map::new(),
        })
    }

    /// Rows of a chunk: latents, then conditions.
    fn input(&self, z: &[f64], c: &[f64]) -> Result<(Tensor, Tensor)> {
        let rows = z.len() / self.latent_dim;
        let z = to_device(self.backend, z, self.latent_dim)?;
        let columns = c.len() / rows;
        let c = to_device(self.backend, c, columns)?.f_reshape([rows as i64, columns as i64])?;
        Ok((z, c))
    }
}

impl HostGenerator for Script {
    fn generate(&self, rows: usize, z: &[f64], c: &[f64], x: &mut [f64]) -> Result<()> {
        let (n, m, conditions) = (self.latent_dim, x.len() / rows, c.len() / rows);
        for start in (0..rows).step_by(CHUNK) {
            let end = rows.min(start + CHUNK);
            self.backend.without_gradient(|| {
                let c = &c[start * conditions..end * conditions];
                let (z, c) = self.input(&z[start * n..end * n], c)?;
                let out = self.module.forward_ts(&[Tensor::f_cat(&[z, c], 1)?])?;
                to_host(&out, &mut x[start * m..end * m])
            })?;
        }
        Ok(())
    }

    fn pull_gradient(
        &self,
        rows: usize,
        z: &[f64],
        c: &[f64],
        x_gradient: &[f64],
        z_gradient: &mut [f64],
    ) -> Result<()> {
        let (n, m, conditions) = (self.latent_dim, x_gradient.len() / rows, c.len() / rows);
        for start in (0..rows).step_by(CHUNK) {
            let end = rows.min(start + CHUNK);
            self.backend.with_gradient(|| {
                let c = &c[start * conditions..end * conditions];
                let (z, c) = self.input(&z[start * n..end * n], c)?;
                let z = z.f_set_requires_grad(true)?;
                let out = self
                    .module
                    .forward_ts(&[Tensor::f_cat(&[z.shallow_clone(), c], 1)?])?;
                let given = to_device(self.backend, &x_gradient[start * m..end * m], m)?;
                let sum = out.f_mul(&given)?.f_sum(self.backend.kind)?;
                let gradients = Tensor::f_run_backward(&[sum], &[&z], false, false)?;
                to_host(&gradients[0], &mut z_gradient[start * n..end * n])
            })?;
        }
        Ok(())
    }
}
