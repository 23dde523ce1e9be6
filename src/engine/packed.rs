//! The networks of a model, packed for the CPU.

use super::flow::Flow;
use super::lanes::Element;
use super::mlp::Mlp;
use crate::model::{
    self, Classifier, GanRefiner, Generator, GeneratorKind, Model, Parameter, Scaling,
};
use crate::{Error, Result};

/// A model's networks.
pub(super) struct Packed<T> {
    pub flow: Flow<T>,
    pub scalings: Vec<Scaling>,
    classifier: Option<PackedClassifier<T>>,
    refiner: Option<Mlp<T>>,
}

pub(super) struct PackedClassifier<T> {
    /// The members of the ensemble, all of one shape.
    pub networks: Vec<Mlp<T>>,
    pub scalings: Vec<Scaling>,
    pub log_ratio_offset: f64,
}

impl<T: Element> Packed<T> {
    pub(super) fn new(model: &Model) -> Result<Self> {
        model.validate()?;
        let Generator {
            kind: GeneratorKind::Flow(flow),
            scalings,
            parameters,
        } = &model.generator;
        if flow.conditions > 0 {
            return Err(Error::Unsupported(
                "the generator needs conditions, which evaluators do not take".into(),
            ));
        }
        fits("generator", &flow.parameters(""), parameters)?;
        let mut packed = Flow::new(flow);
        packed.pack(&mut &parameters[..]);
        let flow = packed;
        let classifier = model.classifier.as_ref().map(|classifier| {
            let Classifier {
                network,
                members,
                scalings,
                log_ratio_offset,
                parameters,
            } = classifier;
            fits("classifier", &classifier.tensors(""), parameters)?;
            let each = parameters.chunks_exact(parameters.len() / members);
            Ok::<_, Error>(PackedClassifier {
                networks: each.map(|parameters| mlp(network, parameters)).collect(),
                scalings: scalings.clone(),
                log_ratio_offset: *log_ratio_offset,
            })
        });
        let gan = model.refinement.as_ref().and_then(|r| r.gan.as_ref());
        let refiner = gan.map(|gan| {
            let GanRefiner {
                network,
                parameters,
            } = gan;
            fits("refiner", &network.parameters(""), parameters)?;
            Ok::<_, Error>(mlp(network, parameters))
        });
        Ok(Packed {
            flow,
            scalings: scalings.clone(),
            classifier: classifier.transpose()?,
            refiner: refiner.transpose()?,
        })
    }

    pub fn classifier(&self) -> Result<&PackedClassifier<T>> {
        self.classifier.as_ref().ok_or_else(|| {
            Error::Unsupported(
                "the model has no classifier, so its events have no weights; refine it first"
                    .into(),
            )
        })
    }

    pub fn refiner(&self) -> Result<&Mlp<T>> {
        self.refiner.as_ref().ok_or_else(|| {
            Error::Unsupported(
                "the model has no learned refiner; refine it with `refiner.method` = `gan`".into(),
            )
        })
    }
}

fn mlp<T: Element>(network: &model::Mlp, mut parameters: &[f64]) -> Mlp<T> {
    let mut packed = Mlp::new(network);
    packed.pack(&mut parameters);
    packed
}

fn fits(what: &str, tensors: &[Parameter], parameters: &[f64]) -> Result<()> {
    let needed: usize = tensors.iter().map(Parameter::len).sum();
    if parameters.len() == needed {
        return Ok(());
    }
    Err(Error::Format(format!(
        "the {what} has {} parameters where its network has {needed}",
        parameters.len()
    )))
}
