//! What a build without libtorch has in its place: the same functions, which say that it is not there.

use crate::engine::Element;
use crate::model::{Dtype, Evaluator, HostGenerator, Model};
use crate::objective::{Goal, Objective};
use crate::options::Options;
use crate::{Error, Result};
use std::sync::Arc;

pub(crate) trait Number: Element {}
impl<T: Element> Number for T {}

fn absent<T>() -> Result<T> {
    Err(Error::Unsupported(
        "this is the standalone build of liblaser, without libtorch, which CUDA, TorchScript modules and `backend` = `torch` need; install the full one (`make install` without STANDALONE=1)".into(),
    ))
}

pub(crate) fn evaluator(_: &Model, _: &Options) -> Result<Box<dyn Evaluator>> {
    absent()
}

pub(crate) fn objective<'a, T: Number>(
    _: Goal<'a>,
    _: Dtype,
    _: &Options,
) -> Result<Box<dyn Objective<T> + 'a>> {
    absent()
}

pub(crate) fn script(_: &Model, _: &Options) -> Result<Arc<dyn HostGenerator>> {
    absent()
}

pub(crate) fn script_model(_: Vec<u8>, _: (usize, usize), _: Dtype, _: &Options) -> Result<Model> {
    absent()
}

pub(crate) fn check_device(device: &str) -> Result<()> {
    match device {
        "cpu" => Ok(()),
        _ if device == "cuda" || device.starts_with("cuda:") => absent(),
        _ => Err(Error::InvalidArgument(format!(
            "device `{device}` is none of `cpu`, `cuda`, `cuda:N` (N from 0)"
        ))),
    }
}

pub(crate) fn check(_: &Options, _: Dtype) -> Result<()> {
    absent()
}
