//! A trained model on the CPU engine.

use super::cpu::Cpu;
use super::lanes::Element;
use super::packed::{pack, Packed};
use super::worker::Workers;
use crate::model::{Dtype, Evaluator, Model};
use crate::Result;
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
    /// [`Error::Format`](crate::Error::Format) if the description or the number of parameters does not fit.
    pub fn new(model: &Model) -> Result<Self> {
        Ok(Engine(match model.dtype {
            Dtype::Float32 => Networks::Single(Arc::new(pack(model)?)),
            Dtype::Float64 => Networks::Double(Arc::new(pack(model)?)),
        }))
    }

    /// What computes with them, on the thread that calls it and on up to `threads` − 1 helpers that live no longer than a call; their
    /// number changes no bit. It holds the buffers of one block of rows per thread and makes them when first needed; on one thread, later
    /// calls allocate nothing.
    pub fn evaluator(&self, threads: usize) -> Box<dyn Evaluator> {
        let cpu = Cpu::detect();
        match &self.0 {
            Networks::Single(n) => Box::new(EngineEvaluator::new(n.clone(), cpu, threads)),
            Networks::Double(n) => Box::new(EngineEvaluator::new(n.clone(), cpu, threads)),
        }
    }
}

/// Evaluates shared networks.
struct EngineEvaluator<T: Element> {
    networks: Arc<Packed<T>>,
    workers: Workers<T>,
}

impl<T: Element> EngineEvaluator<T> {
    fn new(networks: Arc<Packed<T>>, cpu: Cpu, threads: usize) -> Self {
        EngineEvaluator {
            networks,
            workers: Workers::new(cpu, threads),
        }
    }
}

impl<T: Element> Evaluator for EngineEvaluator<T> {
    fn rows_are_independent(&self) -> bool {
        true
    }

    fn weighs_latents(&self) -> bool {
        self.networks.latent_classifier().is_some()
    }

    fn inside(&mut self, _: &[f64], _: usize, inside: &mut [bool]) -> Result<()> {
        inside.fill(true);
        Ok(())
    }

    fn generate(
        &mut self,
        z: &[f64],
        rows: usize,
        x: &mut [f64],
        log_prob: Option<&mut [f64]>,
    ) -> Result<()> {
        let generator = match log_prob {
            Some(_) => self.networks.flow()?,
            None => self.networks.generator()?,
        };
        self.workers.generate(generator, rows, z, x, log_prob)
    }

    fn log_prob(&mut self, x: &[f64], rows: usize, out: &mut [f64]) -> Result<()> {
        self.workers.log_prob(self.networks.flow()?, rows, x, out)
    }

    fn latent(&mut self, x: &[f64], rows: usize, z: &mut [f64]) -> Result<()> {
        self.workers.latent(self.networks.flow()?, rows, x, z)
    }

    fn log_weight(&mut self, x: &[f64], rows: usize, out: &mut [f64]) -> Result<()> {
        let classifier = self.networks.classifier()?;
        self.workers.log_weight(classifier, rows, x, out)
    }

    fn pull_back(&mut self, z: &[f64], x: &[f64], rows: usize, out: &mut [f64]) -> Result<()> {
        let (classifier, of) = self.networks.judge(z, x)?;
        self.workers.log_weight(classifier, rows, of, out)
    }

    fn event_weight_gradient(
        &mut self,
        x: &[f64],
        rows: usize,
        log_w: &mut [f64],
        gradient: &mut [f64],
    ) -> Result<()> {
        let (classifier, m) = (self.networks.classifier()?, self.networks.event_dim);
        let workers = &mut self.workers;
        workers.classifier_gradient(classifier, m, rows, x, log_w, gradient)
    }

    fn log_weight_gradient(
        &mut self,
        z: &[f64],
        rows: usize,
        log_w: &mut [f64],
        gradient: &mut [f64],
    ) -> Result<()> {
        let (networks, workers) = (&self.networks, &mut self.workers);
        match networks.latent_classifier() {
            Some(latent) => {
                let n = networks.latent_dim;
                workers.classifier_gradient(latent, n, rows, z, log_w, gradient)
            }
            None => {
                let (classifier, maps) = (networks.classifier()?, networks.generator()?);
                workers.log_weight_gradient(maps, classifier, rows, z, log_w, gradient)
            }
        }
    }

    fn refine(&mut self, y: &[f64], rows: usize, z: &mut [f64]) -> Result<()> {
        let refiner = self.networks.refiner()?;
        self.workers.generate(refiner, rows, y, z, None)
    }

    fn refined_log_prob(&mut self, z: &[f64], rows: usize, out: &mut [f64]) -> Result<()> {
        let refiner = self.networks.refiner_flow()?;
        self.workers.log_prob(refiner, rows, z, out)
    }

    fn surrogate(&mut self, z: &[f64], rows: usize, out: &mut [f64]) -> Result<()> {
        let surrogate = self.networks.surrogate()?;
        self.workers.log_weight(surrogate, rows, z, out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Activation, Coupling, Knots, SoftClamp, Transform};
    use crate::model::{Classifier, Generator, GeneratorKind, Scaling};
    use crate::noise::{domain, Noise};

    fn model(dtype: Dtype, hidden: &[usize]) -> Model {
        let random = |n, stream| {
            let mut out = vec![0.0; n];
            Noise::new(1, stream, domain::INITIAL).normals(0, 0, &mut out);
            out.iter_mut().for_each(|v| *v *= 0.5);
            out
        };
        let network = |inputs, outputs| crate::model::Mlp {
            inputs,
            hidden: hidden.to_vec(),
            outputs,
            activation: Activation::Tanh,
        };
        let block = |active: [usize; 1], passive: [usize; 2]| Coupling {
            active: active.to_vec(),
            passive: passive.to_vec(),
            transform: Transform::affine(1.5),
            inverse: false,
            subnet: network(2, 2),
        };
        let mut flow = crate::model::Flow {
            dim: 3,
            conditions: 0,
            blocks: vec![
                block([0], [2, 1]),
                block([1], [0, 2]),
                block([2], [0, 1]),
                block([0], [1, 2]),
                block([1], [2, 0]),
            ],
        };
        flow.blocks[1].transform = Transform::Affine {
            clamp: 1.5,
            soft_clamp: SoftClamp::Atan,
        };
        for (i, knots) in [(2, Knots::Tanh), (3, Knots::Softplus), (4, Knots::Softsign)] {
            flow.blocks[i].transform = Transform::Spline {
                bins: 4,
                bound: 2.5,
                knots,
            };
            flow.blocks[i].subnet = network(2, 11);
        }
        for i in [1, 3] {
            flow.blocks[i].inverse = true;
        }
        let scaling = Scaling::Standardise {
            mean: 0.5,
            std: 2.0,
        };
        Model {
            dtype,
            generator: Generator {
                parameters: random(flow.parameter_count().unwrap(), 1).into(),
                kind: GeneratorKind::flow(flow),
                conditions: Vec::new(),
                module: Arc::default(),
                scalings: vec![scaling; 3],
            },
            classifier: Some(Classifier {
                parameters: random(network(3, 1).parameter_count().unwrap(), 2).into(),
                network: network(3, 1),
                scalings: vec![Scaling::None; 3],
                log_ratio_offset: 0.25,
                limits: None,
                members: 1,
                latents: 0,
            }),
            latent_classifier: None,
            names: Vec::new(),
            support: None,
            refinement: None,
            record: serde_json::Map::new(),
        }
    }

    /// Columns of what [`all`] gives.
    const COLUMNS: [usize; 6] = [3, 1, 1, 3, 1, 3];

    /// Everything the evaluator computes from `z`.
    fn all<T: Element>(cpu: Cpu, model: &Model, z: &[f64]) -> [Vec<f64>; 6] {
        let mut e = EngineEvaluator::<T>::new(Arc::new(pack(model).unwrap()), cpu, 1);
        let rows = z.len() / 3;
        let (mut x, mut back) = (vec![0.0; z.len()], vec![0.0; z.len()]);
        let (mut log_p, mut log_q, mut w) = (vec![0.0; rows], vec![0.0; rows], vec![0.0; rows]);
        let mut gradient = vec![0.0; z.len()];
        e.generate(z, rows, &mut x, Some(&mut log_p)).unwrap();
        e.log_prob(&x, rows, &mut log_q).unwrap();
        e.latent(&x, rows, &mut back).unwrap();
        e.log_weight_gradient(z, rows, &mut w, &mut gradient)
            .unwrap();
        [x, log_p, log_q, back, w, gradient]
    }

    fn levels<T: Element>(dtype: Dtype, tolerance: f64) {
        let model = model(dtype, &[13, 6]);
        let mut z = vec![0.0; 3 * 50];
        Noise::new(2, 0, domain::INITIAL).normals(0, 0, &mut z);
        let results: Vec<Vec<f64>> = Cpu::all()
            .into_iter()
            .map(|cpu| all::<T>(cpu, &model, &z).concat())
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

    /// Blocks pass wide networks together.
    fn rows_stand_alone<T: Element>(dtype: Dtype) {
        let model = model(dtype, &[256; 3]);
        let mut z = vec![0.0; 3 * 700];
        Noise::new(2, 0, domain::INITIAL).normals(0, 0, &mut z);
        let together = all::<T>(Cpu::detect(), &model, &z);
        for (first, rows) in [(0, 1), (37, 7), (611, 89)] {
            let few = all::<T>(Cpu::detect(), &model, &z[3 * first..3 * (first + rows)]);
            for ((few, all), columns) in few.iter().zip(&together).zip(COLUMNS) {
                assert_eq!(few, &all[columns * first..columns * (first + rows)]);
            }
        }
    }

    #[test]
    fn rows_of_wide_networks_do_not_depend_on_others() {
        rows_stand_alone::<f32>(Dtype::Float32);
        rows_stand_alone::<f64>(Dtype::Float64);
    }

    #[test]
    fn all_levels_of_the_processor_agree() {
        levels::<f32>(Dtype::Float32, 2e-4);
        levels::<f64>(Dtype::Float64, 1e-12);
    }
}
