//! One thread's buffers, and what it computes in them block by block.

use super::lanes::{Cpu, Element};
use super::mlp::Mlp;
use super::packed::{Packed, PackedClassifier};
use crate::model::Scaling;

/// The buffers of one block. Arrays are row-major, as in [`Evaluator`](crate::model::Evaluator).
pub(super) struct Worker<T: Element> {
    /// Coordinates of the flow, or the gradient with respect to them.
    state: Vec<T::Feature>,
    log_det: T::Feature,
    /// The tape of the flow.
    tape: Vec<T::Feature>,
    /// The tape of a network of the classifier, or of the refiner.
    mlp_tape: Vec<T::Feature>,
    /// What every network of the classifier sees.
    features: Vec<T::Feature>,
}

impl<T: Element> Worker<T> {
    pub fn new() -> Self {
        Worker {
            state: Vec::new(),
            log_det: T::Feature::default(),
            tape: Vec::new(),
            mlp_tape: Vec::new(),
            features: Vec::new(),
        }
    }

    /// x = g(z), and log p_g(x) unless `log_prob` is empty.
    pub fn generate(
        &mut self,
        cpu: Cpu,
        networks: &Packed<T>,
        rows: usize,
        z: &[f64],
        x: &mut [f64],
        log_prob: &mut [f64],
    ) {
        let Packed { flow, scalings, .. } = networks;
        let dim = flow.dim();
        let tape = sized(&mut self.tape, flow.shared_tape());
        let state = sized(&mut self.state, dim);
        for (start, rows) in blocks(rows, T::ROWS) {
            let x = &mut x[start * dim..][..rows * dim];
            load::<T>(&z[start * dim..][..rows * dim], dim, state, |_, z| z);
            if !log_prob.is_empty() {
                for (lane, out) in log_prob[start..][..rows].iter_mut().enumerate() {
                    *out = log_normal::<T>(state, lane);
                }
            }
            self.log_det = T::Feature::default();
            flow.generate(cpu, rows, state, &mut self.log_det, tape);
            store::<T>(state, dim, x, |k, u| scalings[k].inverse(u));
            if !log_prob.is_empty() {
                let lanes = self.log_det.as_ref().iter().zip(x.chunks_exact(dim));
                for (out, (log_det, x)) in log_prob[start..][..rows].iter_mut().zip(lanes) {
                    *out += log_scale(x, scalings) - log_det.to_f64();
                }
            }
        }
    }

    /// log p_g(x).
    pub fn log_prob(
        &mut self,
        cpu: Cpu,
        networks: &Packed<T>,
        rows: usize,
        x: &[f64],
        out: &mut [f64],
    ) {
        let dim = networks.flow.dim();
        for (start, rows) in blocks(rows, T::ROWS) {
            let x = &x[start * dim..][..rows * dim];
            self.normalise(cpu, networks, x, rows);
            let out = out[start..][..rows].iter_mut();
            for (lane, (out, x)) in out.zip(x.chunks_exact(dim)).enumerate() {
                *out = log_normal::<T>(&self.state[..dim], lane)
                    + self.log_det.as_ref()[lane].to_f64()
                    + log_scale(x, &networks.scalings);
            }
        }
    }

    /// log p_g(x) and its gradient with respect to x.
    pub fn log_prob_gradient(
        &mut self,
        cpu: Cpu,
        networks: &Packed<T>,
        rows: usize,
        x: &[f64],
        log_prob: &mut [f64],
        gradient: &mut [f64],
    ) {
        let Packed { flow, scalings, .. } = networks;
        let dim = flow.dim();
        let tape = sized(&mut self.tape, flow.tape());
        let state = sized(&mut self.state, dim);
        let mut one = T::Feature::default();
        one.as_mut().fill(T::from_f64(1.0));
        for (start, rows) in blocks(rows, T::ROWS) {
            let x = &x[start * dim..][..rows * dim];
            let gradient = &mut gradient[start * dim..][..rows * dim];
            self.log_det = T::Feature::default();
            load::<T>(x, dim, state, |k, x| scalings[k].forward(x));
            flow.record::<true>(cpu, rows, state, &mut self.log_det, tape);
            let log_det = self.log_det.as_ref();
            let out = log_prob[start..][..rows].iter_mut();
            for (lane, (out, x)) in out.zip(x.chunks_exact(dim)).enumerate() {
                *out =
                    log_normal::<T>(state, lane) + log_det[lane].to_f64() + log_scale(x, scalings);
            }
            // ∇ log p(z) = −z.
            for z in state.iter_mut().flat_map(|z| z.as_mut()) {
                *z = -*z;
            }
            flow.backward::<true>(cpu, rows, state, &one, tape, None);
            store::<T>(state, dim, gradient, |_, g| g);
            for (g, x) in gradient.chunks_exact_mut(dim).zip(x.chunks_exact(dim)) {
                for ((g, &x), scaling) in g.iter_mut().zip(x).zip(scalings) {
                    *g = *g * scaling.log_derivative(x).exp() + scaling.log_derivative_slope(x);
                }
            }
        }
    }

    /// z = g⁻¹(x).
    pub fn latent(
        &mut self,
        cpu: Cpu,
        networks: &Packed<T>,
        rows: usize,
        x: &[f64],
        z: &mut [f64],
    ) {
        let dim = networks.flow.dim();
        for (start, rows) in blocks(rows, T::ROWS) {
            self.normalise(cpu, networks, &x[start * dim..][..rows * dim], rows);
            let z = &mut z[start * dim..][..rows * dim];
            store::<T>(&self.state, dim, z, |_, z| z);
        }
    }

    /// Scaled events to latents in `state`, and log |det| in `log_det`, for one block.
    fn normalise(&mut self, cpu: Cpu, networks: &Packed<T>, x: &[f64], rows: usize) {
        let Packed { flow, scalings, .. } = networks;
        let tape = sized(&mut self.tape, flow.shared_tape());
        let state = sized(&mut self.state, flow.dim());
        self.log_det = T::Feature::default();
        load::<T>(x, scalings.len(), state, |k, x| scalings[k].forward(x));
        flow.normalise(cpu, rows, state, &mut self.log_det, tape);
    }

    /// log w(x).
    pub fn log_weight(
        &mut self,
        cpu: Cpu,
        classifier: &PackedClassifier<T>,
        rows: usize,
        x: &[f64],
        out: &mut [f64],
    ) {
        let scalings = &classifier.scalings;
        let dim = scalings.len();
        let features = sized(&mut self.features, dim);
        for (start, rows) in blocks(rows, T::ROWS) {
            let x = &x[start * dim..][..rows * dim];
            load::<T>(x, dim, features, |k, x| scalings[k].forward(x));
            let out = &mut out[start..][..rows];
            out.fill(0.0);
            for network in &classifier.networks {
                let tape = sized(&mut self.mlp_tape, network.tape());
                tape[..dim].copy_from_slice(features);
                network.forward(cpu, rows, tape);
                add_logits::<T>(network.output(tape), out);
            }
            classifier.finish(out);
        }
    }

    /// log w(z) = log w(g(z)) and its gradient.
    #[allow(clippy::too_many_arguments)]
    pub fn log_weight_gradient(
        &mut self,
        cpu: Cpu,
        networks: &Packed<T>,
        classifier: &PackedClassifier<T>,
        rows: usize,
        z: &[f64],
        log_w: &mut [f64],
        gradient: &mut [f64],
    ) {
        let Packed { flow, scalings, .. } = networks;
        let members = classifier.networks.len() as f64;
        let dim = flow.dim();
        let tape = sized(&mut self.tape, flow.tape());
        let features = sized(&mut self.features, dim);
        let state = sized(&mut self.state, dim);
        for (start, rows) in blocks(rows, T::ROWS) {
            let rectangle = start * dim..(start + rows) * dim;
            let gradient = &mut gradient[rectangle.clone()];
            load::<T>(&z[rectangle], dim, state, |_, z| z);
            flow.record::<false>(cpu, rows, state, &mut self.log_det, tape);
            // Through x, in double precision: log w(z) has the bits of log w(g(z)). `gradient` keeps du'/du, the classifier's features by
            // the generator's, until its place is taken.
            store::<T>(state, dim, gradient, |k, u| scalings[k].inverse(u));
            load::<T>(gradient, dim, features, |k, x| {
                classifier.scalings[k].forward(x)
            });
            for x in gradient.chunks_exact_mut(dim) {
                for (x, (to, from)) in x.iter_mut().zip(classifier.scalings.iter().zip(scalings)) {
                    *x = (to.log_derivative(*x) - from.log_derivative(*x)).exp();
                }
            }
            let log_w = &mut log_w[start..][..rows];
            log_w.fill(0.0);
            state.fill(T::Feature::default());
            for network in &classifier.networks {
                let mlp_tape = sized(&mut self.mlp_tape, network.tape());
                mlp_tape[..dim].copy_from_slice(features);
                network.forward(cpu, rows, mlp_tape);
                let output = network.output(mlp_tape);
                add_logits::<T>(output, log_w);
                output[0].as_mut().fill(T::from_f64(1.0));
                network.backward(cpu, rows, mlp_tape, None);
                for (lane, scale) in gradient.chunks_exact(dim).enumerate() {
                    for ((scale, from), to) in scale.iter().zip(&*mlp_tape).zip(&mut *state) {
                        let sum = &mut to.as_mut()[lane];
                        let share = from.as_ref()[lane].to_f64() * scale / members;
                        *sum = T::from_f64(sum.to_f64() + share);
                    }
                }
            }
            classifier.finish(log_w);
            flow.backward::<false>(cpu, rows, state, &T::Feature::default(), tape, None);
            store::<T>(state, dim, gradient, |_, g| g);
        }
    }

    /// z = Φ(y).
    pub fn refine(&mut self, cpu: Cpu, network: &Mlp<T>, rows: usize, y: &[f64], z: &mut [f64]) {
        let (l, n) = (network.inputs(), network.outputs());
        let tape = sized(&mut self.mlp_tape, network.tape());
        for (start, rows) in blocks(rows, T::ROWS) {
            load::<T>(&y[start * l..][..rows * l], l, tape, |_, y| y);
            network.forward(cpu, rows, tape);
            let z = &mut z[start * n..][..rows * n];
            store::<T>(network.output(tape), n, z, |_, z| z);
        }
    }
}

/// At least `features` features, made if they are not there yet.
pub(super) fn sized<F: Copy + Default>(buffer: &mut Vec<F>, features: usize) -> &mut [F] {
    if buffer.len() < features {
        buffer.resize(features, F::default());
    }
    &mut buffer[..features]
}

/// Rows of `dim` columns into the lanes of a block, through `map` (column, value).
pub(super) fn load<T: Element>(
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
pub(super) fn store<T: Element>(
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

impl<T> PackedClassifier<T> {
    /// Sums of the members' logits to log w.
    fn finish(&self, sums: &mut [f64]) {
        let members = self.networks.len() as f64;
        for sum in sums {
            *sum = *sum / members + self.log_ratio_offset;
        }
    }
}

/// Adds the logits of a block's rows to `sums`.
fn add_logits<T: Element>(output: &[T::Feature], sums: &mut [f64]) {
    for (sum, logit) in sums.iter_mut().zip(output[0].as_ref()) {
        *sum += logit.to_f64();
    }
}

/// Σ log |du/dx| of a row.
fn log_scale(x: &[f64], scalings: &[Scaling]) -> f64 {
    let columns = x.iter().zip(scalings);
    columns.map(|(&x, s)| s.log_derivative(x)).sum()
}

/// log of the standard normal density of one row of a block.
pub(super) fn log_normal<T: Element>(z: &[T::Feature], lane: usize) -> f64 {
    let squares = z.iter().map(|z| z.as_ref()[lane].to_f64().powi(2));
    let normalisation = z.len() as f64 * (2.0 * std::f64::consts::PI).ln();
    -0.5 * (squares.sum::<f64>() + normalisation)
}

/// Blocks of at most so many of `rows` rows: (first row, rows).
pub(super) fn blocks(rows: usize, size: usize) -> impl Iterator<Item = (usize, usize)> {
    let starts = (0..rows).step_by(size);
    starts.map(move |start| (start, size.min(rows - start)))
}
