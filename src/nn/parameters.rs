//! Flat parameters and the tensors that view them.

use super::backend::Backend;
use crate::model::Parameter;
use crate::Result;
use tch::{Device, Tensor};

/// The parameter tensors of a network over one flat storage, on the backend's device.
pub(super) struct Parameters {
    backend: Backend,
    flat: Tensor,
    pub tensors: Vec<Tensor>,
}

impl Parameters {
    /// Views of zeros, to be filled by [`Parameters::set`].
    pub fn new(backend: Backend, shapes: &[Parameter], requires_grad: bool) -> Result<Self> {
        backend.without_gradient(|| {
            let total: usize = shapes.iter().map(Parameter::len).sum();
            let flat = Tensor::f_zeros([total as i64], (backend.kind, backend.device))?;
            let mut offset = 0;
            let mut tensors = Vec::with_capacity(shapes.len());
            for p in shapes {
                let shape: Vec<i64> = p.shape.iter().map(|&n| n as i64).collect();
                // Detached: a gradient with respect to the narrow itself would be of the whole buffer's size.
                let view = flat.f_narrow(0, offset, p.len() as i64)?;
                let view = view.f_view(shape.as_slice())?.f_detach()?;
                tensors.push(view.f_set_requires_grad(requires_grad)?);
                offset += p.len() as i64;
            }
            Ok(Parameters {
                backend,
                flat,
                tensors,
            })
        })
    }

    /// Copies values in; the views see them.
    pub fn set<T: tch::kind::Element>(&mut self, values: &[T]) -> Result<()> {
        let backend = self.backend;
        backend.without_gradient(|| Ok(self.flat.f_copy_(&Tensor::f_from_slice(values)?)?))
    }
}

/// Networks with their own tensors, so many of each; from the last to the first if `reverse`.
pub(super) fn shares<'a, N>(
    networks: &'a [N],
    mut tensors: &'a [Tensor],
    count: impl Fn(&N) -> usize,
    reverse: bool,
) -> Vec<(&'a N, &'a [Tensor])> {
    let mut shares = Vec::with_capacity(networks.len());
    for network in networks {
        let own;
        (own, tensors) = tensors.split_at(count(network));
        shares.push((network, own));
    }
    if reverse {
        shares.reverse();
    }
    shares
}

/// Row-major host values as a `rows × cols` tensor on the device.
pub(super) fn to_device<T: tch::kind::Element>(
    backend: Backend,
    values: &[T],
    cols: usize,
) -> Result<Tensor> {
    let rows = values.len().checked_div(cols).unwrap_or(0);
    let host = Tensor::f_from_slice(values)?.f_view([rows as i64, cols as i64])?;
    Ok(host.f_to_device(backend.device)?.f_to_kind(backend.kind)?)
}

/// All elements of a tensor, row-major, to the host.
pub(super) fn to_host<T: tch::kind::Element>(tensor: &Tensor, out: &mut [T]) -> Result<()> {
    let host = tensor
        .f_to_device(Device::Cpu)?
        .f_to_kind(T::KIND)?
        .f_contiguous()?;
    Ok(host.f_copy_data(out, out.len())?)
}
