//! A trained model on the CPU engine.

use super::flow::Flow;
use super::lanes::{Cpu, Element};
use super::mlp::Mlp;
use crate::model::{Classifier, Dtype, Evaluator, GanRefiner, Generator, GeneratorKind, Model};
use crate::model::{Parameter, Scaling};
use crate::{Error, Result};
use std::sync::Arc;

/// The networks of a model, packed once for the CPU. Immutable and shared: clones and evaluators on any threads refer to the same copy.
#[derive(Clone)]
pub struct Engine(Networks);

#[derive(Clone)]
enum Networks {
    Single(Arc<Packed<f32>>),
    Double(Arc<Packed<f64>>),
}

impl Engine {
    /// Packs the model's networks in the model's precision.
    ///
    /// # Errors
    /// [`Error::Format`] if the description or the number of parameters does not fit, [`Error::Unsupported`] for a conditional generator.
    pub fn new(model: &Model) -> Result<Self> {
        Ok(Engine(match model.dtype {
            Dtype::Float32 => Networks::Single(Arc::new(Packed::new(model)?)),
            Dtype::Float64 => Networks::Double(Arc::new(Packed::new(model)?)),
        }))
    }

    /// What computes with them, on the thread that calls it. It holds the buffers of one block of rows and makes them when first needed;
    /// later calls allocate nothing.
    pub fn evaluator(&self) -> Box<dyn Evaluator> {
        let cpu = Cpu::detect();
        match &self.0 {
            Networks::Single(networks) => Box::new(EngineEvaluator::new(networks.clone(), cpu)),
            Networks::Double(networks) => Box::new(EngineEvaluator::new(networks.clone(), cpu)),
        }
    }
}

/// A model's networks.
pub(super) struct Packed<T> {
    flow: Flow<T>,
    scalings: Vec<Scaling>,
    classifier: Option<PackedClassifier<T>>,
    refiner: Option<Mlp<T>>,
}

struct PackedClassifier<T> {
    network: Mlp<T>,
    scalings: Vec<Scaling>,
    log_ratio_offset: f64,
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
        let flow = Flow::new(flow, &mut &parameters[..]);
        let classifier = model.classifier.as_ref().map(|classifier| {
            let Classifier {
                network,
                scalings,
                log_ratio_offset,
                parameters,
            } = classifier;
            fits("classifier", &network.parameters(""), parameters)?;
            Ok::<_, Error>(PackedClassifier {
                network: Mlp::new(network, &mut &parameters[..]),
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
            Ok::<_, Error>(Mlp::new(network, &mut &parameters[..]))
        });
        Ok(Packed {
            flow,
            scalings: scalings.clone(),
            classifier: classifier.transpose()?,
            refiner: refiner.transpose()?,
        })
    }

    fn classifier(&self) -> Result<&PackedClassifier<T>> {
        self.classifier.as_ref().ok_or_else(|| {
            Error::Unsupported(
                "the model has no classifier, so its events have no weights; refine it first"
                    .into(),
            )
        })
    }
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

/// Evaluates shared networks in kept buffers. One per thread.
pub(super) struct EngineEvaluator<T: Element> {
    networks: Arc<Packed<T>>,
    cpu: Cpu,
    /// Coordinates of the flow, or the gradient with respect to them.
    state: Vec<T::Feature>,
    log_det: T::Feature,
    /// The tape of the flow.
    tape: Vec<T::Feature>,
    /// The tape of the classifier or the refiner.
    mlp_tape: Vec<T::Feature>,
}

impl<T: Element> EngineEvaluator<T> {
    pub(super) fn new(networks: Arc<Packed<T>>, cpu: Cpu) -> Self {
        EngineEvaluator {
            state: vec![T::Feature::default(); networks.flow.dim()],
            log_det: T::Feature::default(),
            tape: Vec::new(),
            mlp_tape: Vec::new(),
            networks,
            cpu,
        }
    }

    /// Scaled events to latents in `state`, for one block.
    fn normalise(&mut self, x: &[f64], rows: usize) {
        let Packed { flow, scalings, .. } = &*self.networks;
        let tape = sized(&mut self.tape, flow.shared_tape());
        self.log_det = T::Feature::default();
        load::<T>(x, scalings.len(), &mut self.state, |k, x| {
            scalings[k].forward(x)
        });
        flow.normalise(self.cpu, rows, &mut self.state, &mut self.log_det, tape);
    }
}

/// At least `features` features, made if they are not there yet.
fn sized<F: Copy + Default>(buffer: &mut Vec<F>, features: usize) -> &mut [F] {
    if buffer.len() < features {
        buffer.resize(features, F::default());
    }
    &mut buffer[..features]
}

/// Rows of `dim` columns into the lanes of a block, through `map` (column, value).
fn load<T: Element>(
    rows: &[f64],
    dim: usize,
    block: &mut [T::Feature],
    map: impl Fn(usize, f64) -> f64,
) {
    for (lane, row) in rows.chunks_exact(dim).enumerate() {
        for (k, (&value, feature)) in row.iter().zip(&mut *block).enumerate() {
            feature.as_mut()[lane] = T::from_f64(map(k, value));
        }
    }
}

/// The inverse of [`load`].
fn store<T: Element>(
    block: &[T::Feature],
    dim: usize,
    rows: &mut [f64],
    map: impl Fn(usize, f64) -> f64,
) {
    for (lane, row) in rows.chunks_exact_mut(dim).enumerate() {
        for (k, (value, feature)) in row.iter_mut().zip(block).enumerate() {
            *value = map(k, feature.as_ref()[lane].to_f64());
        }
    }
}

/// Σ log |du/dx| of a row.
fn log_scale(x: &[f64], scalings: &[Scaling]) -> f64 {
    let columns = x.iter().zip(scalings);
    columns.map(|(&x, s)| s.log_derivative(x)).sum()
}

/// log of the standard normal density of one row of a block.
fn log_normal<T: Element>(z: &[T::Feature], lane: usize) -> f64 {
    let squares = z.iter().map(|z| z.as_ref()[lane].to_f64().powi(2));
    let normalisation = z.len() as f64 * (2.0 * std::f64::consts::PI).ln();
    -0.5 * (squares.sum::<f64>() + normalisation)
}

/// Blocks of at most so many of `rows` rows: (first row, rows).
fn blocks(rows: usize, size: usize) -> impl Iterator<Item = (usize, usize)> {
    let starts = (0..rows).step_by(size);
    starts.map(move |start| (start, size.min(rows - start)))
}

impl<T: Element> Evaluator for EngineEvaluator<T> {
    fn generate(
        &mut self,
        z: &[f64],
        rows: usize,
        x: &mut [f64],
        mut log_prob: Option<&mut [f64]>,
    ) -> Result<()> {
        let Packed { flow, scalings, .. } = &*self.networks;
        let dim = flow.dim();
        let tape = sized(&mut self.tape, flow.shared_tape());
        for (start, rows) in blocks(rows, T::ROWS) {
            let x = &mut x[start * dim..][..rows * dim];
            load::<T>(
                &z[start * dim..][..rows * dim],
                dim,
                &mut self.state,
                |_, z| z,
            );
            if let Some(out) = &mut log_prob {
                for (lane, out) in out[start..][..rows].iter_mut().enumerate() {
                    *out = log_normal::<T>(&self.state, lane);
                }
            }
            self.log_det = T::Feature::default();
            flow.generate(self.cpu, rows, &mut self.state, &mut self.log_det, tape);
            store::<T>(&self.state, dim, x, |k, u| scalings[k].inverse(u));
            if let Some(out) = &mut log_prob {
                let lanes = self.log_det.as_ref().iter().zip(x.chunks_exact(dim));
                for (out, (log_det, x)) in out[start..][..rows].iter_mut().zip(lanes) {
                    *out += log_scale(x, scalings) - log_det.to_f64();
                }
            }
        }
        Ok(())
    }

    fn log_prob(&mut self, x: &[f64], rows: usize, out: &mut [f64]) -> Result<()> {
        let dim = self.networks.flow.dim();
        for (start, rows) in blocks(rows, T::ROWS) {
            let x = &x[start * dim..][..rows * dim];
            self.normalise(x, rows);
            for (lane, (out, x)) in out[start..][..rows]
                .iter_mut()
                .zip(x.chunks_exact(dim))
                .enumerate()
            {
                *out = log_normal::<T>(&self.state, lane)
                    + self.log_det.as_ref()[lane].to_f64()
                    + log_scale(x, &self.networks.scalings);
            }
        }
        Ok(())
    }

    fn latent(&mut self, x: &[f64], rows: usize, z: &mut [f64]) -> Result<()> {
        let dim = self.networks.flow.dim();
        for (start, rows) in blocks(rows, T::ROWS) {
            self.normalise(&x[start * dim..][..rows * dim], rows);
            store::<T>(
                &self.state,
                dim,
                &mut z[start * dim..][..rows * dim],
                |_, z| z,
            );
        }
        Ok(())
    }

    fn log_weight(&mut self, x: &[f64], rows: usize, out: &mut [f64]) -> Result<()> {
        let PackedClassifier {
            network,
            scalings,
            log_ratio_offset,
        } = self.networks.classifier()?;
        let dim = scalings.len();
        let tape = sized(&mut self.mlp_tape, network.tape());
        for (start, rows) in blocks(rows, T::ROWS) {
            load::<T>(&x[start * dim..][..rows * dim], dim, tape, |k, x| {
                scalings[k].forward(x)
            });
            network.forward(self.cpu, rows, tape);
            store::<T>(
                network.output(tape),
                1,
                &mut out[start..][..rows],
                |_, logit| logit + log_ratio_offset,
            );
        }
        Ok(())
    }

    fn log_weight_gradient(
        &mut self,
        z: &[f64],
        rows: usize,
        log_w: &mut [f64],
        gradient: &mut [f64],
    ) -> Result<()> {
        let Packed { flow, scalings, .. } = &*self.networks;
        let classifier = self.networks.classifier()?;
        let network = &classifier.network;
        let dim = flow.dim();
        let tape = sized(&mut self.tape, flow.tape());
        let mlp_tape = sized(&mut self.mlp_tape, network.tape());
        for (start, rows) in blocks(rows, T::ROWS) {
            let rectangle = start * dim..(start + rows) * dim;
            let gradient = &mut gradient[rectangle.clone()];
            load::<T>(&z[rectangle], dim, &mut self.state, |_, z| z);
            flow.record(self.cpu, rows, &mut self.state, &mut self.log_det, tape);
            // Through x, in double precision: log w(z) has the bits of log w(g(z)). `gradient` keeps du'/du, the classifier's features by
            // the generator's, until its place is taken.
            store::<T>(&self.state, dim, gradient, |k, u| scalings[k].inverse(u));
            load::<T>(gradient, dim, mlp_tape, |k, x| {
                classifier.scalings[k].forward(x)
            });
            for x in gradient.chunks_exact_mut(dim) {
                for (x, (to, from)) in x.iter_mut().zip(classifier.scalings.iter().zip(scalings)) {
                    *x = (to.log_derivative(*x) - from.log_derivative(*x)).exp();
                }
            }
            network.forward(self.cpu, rows, mlp_tape);
            let output = network.output(mlp_tape);
            store::<T>(output, 1, &mut log_w[start..][..rows], |_, logit| {
                logit + classifier.log_ratio_offset
            });
            output[0].as_mut().fill(T::from_f64(1.0));
            network.backward(self.cpu, rows, mlp_tape);
            for (lane, scale) in gradient.chunks_exact(dim).enumerate() {
                for ((scale, from), to) in scale.iter().zip(&*mlp_tape).zip(&mut self.state) {
                    to.as_mut()[lane] = T::from_f64(from.as_ref()[lane].to_f64() * scale);
                }
            }
            flow.backward(self.cpu, rows, &mut self.state, tape);
            store::<T>(&self.state, dim, gradient, |_, g| g);
        }
        Ok(())
    }

    fn refine(&mut self, y: &[f64], rows: usize, z: &mut [f64]) -> Result<()> {
        let network = self.networks.refiner.as_ref().ok_or_else(|| {
            Error::Unsupported(
                "the model has no learned refiner; refine it with `refiner.method` = `gan`".into(),
            )
        })?;
        let (l, n) = (network.inputs(), network.outputs());
        let tape = sized(&mut self.mlp_tape, network.tape());
        for (start, rows) in blocks(rows, T::ROWS) {
            load::<T>(&y[start * l..][..rows * l], l, tape, |_, y| y);
            network.forward(self.cpu, rows, tape);
            store::<T>(
                network.output(tape),
                n,
                &mut z[start * n..][..rows * n],
                |_, z| z,
            );
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::noise::{domain, Noise};
    use crate::model::{Activation, Coupling, Transform};

    fn model(dtype: Dtype) -> Model {
        let random = |n, stream| {
            let mut out = vec![0.0; n];
            Noise::new(1, stream, domain::INITIAL).normals(0, 0, &mut out);
            out.iter_mut().for_each(|v| *v *= 0.5);
            out
        };
        let network = |inputs, outputs| crate::model::Mlp {
            inputs,
            hidden: vec![13, 6],
            outputs,
            activation: Activation::Tanh,
        };
        let block = |active: [usize; 1], passive: [usize; 2]| Coupling {
            active: active.to_vec(),
            passive: passive.to_vec(),
            transform: Transform::Affine { clamp: 1.5 },
            subnet: network(2, 2),
        };
        let flow = crate::model::Flow {
            dim: 3,
            conditions: 0,
            blocks: vec![block([0], [2, 1]), block([1], [0, 2]), block([2], [0, 1])],
        };
        let scaling = Scaling::Standardise {
            mean: 0.5,
            std: 2.0,
        };
        Model {
            dtype,
            generator: Generator {
                parameters: random(flow.parameter_count().unwrap(), 1),
                kind: GeneratorKind::Flow(flow),
                scalings: vec![scaling; 3],
            },
            classifier: Some(Classifier {
                parameters: random(network(3, 1).parameter_count().unwrap(), 2),
                network: network(3, 1),
                scalings: vec![Scaling::None; 3],
                log_ratio_offset: 0.25,
            }),
            refinement: None,
            record: serde_json::Map::new(),
        }
    }

    /// Everything the evaluator computes from `z`.
    fn all<T: Element>(cpu: Cpu, model: &Model, z: &[f64]) -> Vec<f64> {
        let mut e = EngineEvaluator::<T>::new(Arc::new(Packed::new(model).unwrap()), cpu);
        let rows = z.len() / 3;
        let (mut x, mut back) = (vec![0.0; z.len()], vec![0.0; z.len()]);
        let (mut log_p, mut log_q, mut w) = (vec![0.0; rows], vec![0.0; rows], vec![0.0; rows]);
        let mut gradient = vec![0.0; z.len()];
        e.generate(z, rows, &mut x, Some(&mut log_p)).unwrap();
        e.log_prob(&x, rows, &mut log_q).unwrap();
        e.latent(&x, rows, &mut back).unwrap();
        e.log_weight_gradient(z, rows, &mut w, &mut gradient)
            .unwrap();
        [x, log_p, log_q, back, w, gradient].concat()
    }

    fn levels<T: Element>(dtype: Dtype, tolerance: f64) {
        let model = model(dtype);
        let mut z = vec![0.0; 3 * 50];
        Noise::new(2, 0, domain::INITIAL).normals(0, 0, &mut z);
        let results: Vec<Vec<f64>> = Cpu::all()
            .into_iter()
            .map(|cpu| all::<T>(cpu, &model, &z))
            .collect();
        let [fused @ .., portable] = &results[..] else {
            unreachable!()
        };
        for other in fused {
            assert_eq!(
                other, &fused[0],
                "fused multiply-adds round alike, whatever the width"
            );
            for (a, b) in other.iter().zip(portable) {
                assert!((a - b).abs() < tolerance * (1.0 + a.abs()), "{a}, {b}");
            }
        }
    }

    #[test]
    fn all_levels_of_the_processor_agree() {
        levels::<f32>(Dtype::Float32, 2e-4);
        levels::<f64>(Dtype::Float64, 1e-12);
    }
}
