//! One thread's buffers, and what it computes in them block by block.

use super::chain::Chain;
use super::lanes::{Cpu, Element};
use super::packed::{Packed, PackedClassifier};
use crate::model::Scaling;

/// The buffers of one block. Arrays are row-major, in the rows of [`Evaluator`](crate::model::Evaluator): latents and events are followed by
/// their conditions.
pub(super) struct Worker<T: Element> {
    /// The point under way through the maps, or the gradient with respect to it.
    state: Vec<T::Feature>,
    conditions: Vec<T::Feature>,
    log_det: T::Feature,
    /// The tape of the maps.
    tape: Vec<T::Feature>,
    /// The tape of the classifier.
    mlp_tape: Vec<T::Feature>,
    /// Event rows of a block.
    events: Vec<f64>,
}

impl<T: Element> Worker<T> {
    pub fn new() -> Self {
        Worker {
            state: Vec::new(),
            conditions: Vec::new(),
            log_det: T::Feature::default(),
            tape: Vec::new(),
            mlp_tape: Vec::new(),
            events: Vec::new(),
        }
    }

    /// x = g(z), and log p_g(x) unless `log_prob` is empty.
    #[allow(clippy::too_many_arguments)]
    pub fn generate(
        &mut self,
        cpu: Cpu,
        networks: &Packed<T>,
        chain: &Chain<T>,
        rows: usize,
        z: &[f64],
        x: &mut [f64],
        log_prob: &mut [f64],
    ) {
        let scalings = &networks.scalings;
        let (n, m, c) = (chain.inputs(), scalings.len(), chain.conditions());
        let tape = sized(&mut self.tape, chain.shared_tape());
        let state = sized(&mut self.state, chain.widest());
        let conditions = sized(&mut self.conditions, c);
        for (start, rows) in blocks(rows, T::ROWS) {
            let z = &z[start * (n + c)..][..rows * (n + c)];
            let x = &mut x[start * (m + c)..][..rows * (m + c)];
            load::<T>(z, n + c, &mut state[..n], |_, z| z);
            load_conditions::<T>(z, n, &networks.conditions, conditions);
            if !log_prob.is_empty() {
                for (lane, out) in log_prob[start..][..rows].iter_mut().enumerate() {
                    *out = log_normal::<T>(&state[..n], lane);
                }
            }
            self.log_det = T::Feature::default();
            chain.generate(cpu, rows, state, conditions, &mut self.log_det, tape);
            store::<T>(&state[..m], m + c, x, |k, u| scalings[k].inverse(u));
            copy_conditions((z, n), (x, m), c);
            if !log_prob.is_empty() {
                let lanes = self.log_det.as_ref().iter().zip(x.chunks_exact(m + c));
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
        flow: &Chain<T>,
        rows: usize,
        x: &[f64],
        out: &mut [f64],
    ) {
        let (m, width) = (flow.outputs(), flow.outputs() + flow.conditions());
        for (start, rows) in blocks(rows, T::ROWS) {
            let x = &x[start * width..][..rows * width];
            self.normalise(cpu, networks, flow, x, rows);
            let out = out[start..][..rows].iter_mut();
            for (lane, (out, x)) in out.zip(x.chunks_exact(width)).enumerate() {
                *out = log_normal::<T>(&self.state[..m], lane)
                    + self.log_det.as_ref()[lane].to_f64()
                    + log_scale(x, &networks.scalings);
            }
        }
    }

    /// log p_g(x) and its gradient with respect to x.
    #[allow(clippy::too_many_arguments)]
    pub fn log_prob_gradient(
        &mut self,
        cpu: Cpu,
        networks: &Packed<T>,
        flow: &Chain<T>,
        rows: usize,
        x: &[f64],
        log_prob: &mut [f64],
        gradient: &mut [f64],
    ) {
        let scalings = &networks.scalings;
        let (m, c) = (flow.outputs(), flow.conditions());
        let tape = sized(&mut self.tape, flow.tape());
        let state = sized(&mut self.state, m);
        let conditions = sized(&mut self.conditions, c);
        let mut one = T::Feature::default();
        one.as_mut().fill(T::from_f64(1.0));
        for (start, rows) in blocks(rows, T::ROWS) {
            let x = &x[start * (m + c)..][..rows * (m + c)];
            let gradient = &mut gradient[start * m..][..rows * m];
            self.log_det = T::Feature::default();
            load::<T>(x, m + c, state, |k, x| scalings[k].forward(x));
            load_conditions::<T>(x, m, &networks.conditions, conditions);
            flow.record::<true>(cpu, rows, state, conditions, &mut self.log_det, tape);
            let log_det = self.log_det.as_ref();
            let out = log_prob[start..][..rows].iter_mut();
            for (lane, (out, x)) in out.zip(x.chunks_exact(m + c)).enumerate() {
                *out =
                    log_normal::<T>(state, lane) + log_det[lane].to_f64() + log_scale(x, scalings);
            }
            // ∇ log p(z) = −z.
            for z in state.iter_mut().flat_map(|z| z.as_mut()) {
                *z = -*z;
            }
            flow.backward::<true>(cpu, rows, state, &one, tape);
            store::<T>(state, m, gradient, |_, g| g);
            for (g, x) in gradient.chunks_exact_mut(m).zip(x.chunks_exact(m + c)) {
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
        flow: &Chain<T>,
        rows: usize,
        x: &[f64],
        z: &mut [f64],
    ) {
        let (m, c) = (flow.outputs(), flow.conditions());
        for (start, rows) in blocks(rows, T::ROWS) {
            let x = &x[start * (m + c)..][..rows * (m + c)];
            let z = &mut z[start * (m + c)..][..rows * (m + c)];
            self.normalise(cpu, networks, flow, x, rows);
            store::<T>(&self.state[..m], m + c, z, |_, z| z);
            copy_conditions((x, m), (z, m), c);
        }
    }

    /// Scaled events to latents in `state`, and log |det| in `log_det`, for one block.
    fn normalise(
        &mut self,
        cpu: Cpu,
        networks: &Packed<T>,
        flow: &Chain<T>,
        x: &[f64],
        rows: usize,
    ) {
        let scalings = &networks.scalings;
        let (m, c) = (flow.outputs(), flow.conditions());
        let tape = sized(&mut self.tape, flow.shared_tape());
        let state = sized(&mut self.state, m);
        let conditions = sized(&mut self.conditions, c);
        self.log_det = T::Feature::default();
        load::<T>(x, m + c, state, |k, x| scalings[k].forward(x));
        load_conditions::<T>(x, m, &networks.conditions, conditions);
        flow.normalise(cpu, rows, state, conditions, &mut self.log_det, tape);
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
        let PackedClassifier {
            network,
            scalings,
            log_ratio_offset,
        } = classifier;
        let dim = scalings.len();
        let tape = sized(&mut self.mlp_tape, network.tape());
        for (start, rows) in blocks(rows, T::ROWS) {
            let x = &x[start * dim..][..rows * dim];
            load::<T>(x, dim, tape, |k, x| scalings[k].forward(x));
            network.forward(cpu, rows, tape);
            let out = &mut out[start..][..rows];
            store::<T>(network.output(tape), 1, out, |_, logit| {
                logit + log_ratio_offset
            });
        }
    }

    /// log w(z) = log w(g(z)) and its gradient.
    #[allow(clippy::too_many_arguments)]
    pub fn log_weight_gradient(
        &mut self,
        cpu: Cpu,
        networks: &Packed<T>,
        chain: &Chain<T>,
        classifier: &PackedClassifier<T>,
        rows: usize,
        z: &[f64],
        log_w: &mut [f64],
        gradient: &mut [f64],
    ) {
        let scalings = &networks.scalings;
        let network = &classifier.network;
        let (n, m, c) = (chain.inputs(), scalings.len(), chain.conditions());
        let tape = sized(&mut self.tape, chain.tape());
        let mlp_tape = sized(&mut self.mlp_tape, network.tape());
        let state = sized(&mut self.state, chain.widest());
        let conditions = sized(&mut self.conditions, c);
        let events = sized(&mut self.events, T::ROWS * (m + c));
        for (start, rows) in blocks(rows, T::ROWS) {
            let z = &z[start * (n + c)..][..rows * (n + c)];
            let gradient = &mut gradient[start * n..][..rows * n];
            let events = &mut events[..rows * (m + c)];
            load::<T>(z, n + c, &mut state[..n], |_, z| z);
            load_conditions::<T>(z, n, &networks.conditions, conditions);
            chain.record::<false>(cpu, rows, state, conditions, &mut self.log_det, tape);
            // Through x, in double precision: log w(z) has the bits of log w(g(z)).
            store::<T>(&state[..m], m + c, events, |k, u| scalings[k].inverse(u));
            copy_conditions((z, n), (events, m), c);
            load::<T>(events, m + c, &mut mlp_tape[..m + c], |k, x| {
                classifier.scalings[k].forward(x)
            });
            network.forward(cpu, rows, mlp_tape);
            let output = network.output(mlp_tape);
            store::<T>(output, 1, &mut log_w[start..][..rows], |_, logit| {
                logit + classifier.log_ratio_offset
            });
            output[0].as_mut().fill(T::from_f64(1.0));
            network.backward(cpu, rows, mlp_tape, None);
            // du'/du, the classifier's features by the generator's.
            for (lane, x) in events.chunks_exact(m + c).enumerate() {
                let scalings = classifier.scalings.iter().zip(scalings);
                for (k, (&x, (to, from))) in x.iter().zip(scalings).enumerate() {
                    let scale = (to.log_derivative(x) - from.log_derivative(x)).exp();
                    state[k].as_mut()[lane] =
                        T::from_f64(mlp_tape[k].as_ref()[lane].to_f64() * scale);
                }
            }
            chain.backward::<false>(cpu, rows, state, &T::Feature::default(), tape);
            store::<T>(&state[..n], n, gradient, |_, g| g);
        }
    }

    /// log w(z) of a classifier of latents, and its gradient with respect to the first `n` values of a row.
    #[allow(clippy::too_many_arguments)]
    pub fn latent_weight_gradient(
        &mut self,
        cpu: Cpu,
        classifier: &PackedClassifier<T>,
        n: usize,
        rows: usize,
        z: &[f64],
        log_w: &mut [f64],
        gradient: &mut [f64],
    ) {
        let PackedClassifier {
            network, scalings, ..
        } = classifier;
        let width = scalings.len();
        let tape = sized(&mut self.mlp_tape, network.tape());
        for (start, rows) in blocks(rows, T::ROWS) {
            let z = &z[start * width..][..rows * width];
            let gradient = &mut gradient[start * n..][..rows * n];
            load::<T>(z, width, &mut tape[..width], |k, z| scalings[k].forward(z));
            network.forward(cpu, rows, tape);
            let output = network.output(tape);
            store::<T>(output, 1, &mut log_w[start..][..rows], |_, logit| {
                logit + classifier.log_ratio_offset
            });
            output[0].as_mut().fill(T::from_f64(1.0));
            network.backward(cpu, rows, tape, None);
            store::<T>(&tape[..n], n, gradient, |_, g| g);
            for (g, z) in gradient.chunks_exact_mut(n).zip(z.chunks_exact(width)) {
                for ((g, &z), scaling) in g.iter_mut().zip(z).zip(scalings) {
                    *g *= scaling.log_derivative(z).exp();
                }
            }
        }
    }

    /// z = Φ(y).
    pub fn refine(
        &mut self,
        cpu: Cpu,
        networks: &Packed<T>,
        refiner: &Chain<T>,
        rows: usize,
        y: &[f64],
        z: &mut [f64],
    ) {
        let (l, n, c) = (refiner.inputs(), refiner.outputs(), refiner.conditions());
        let tape = sized(&mut self.tape, refiner.shared_tape());
        let state = sized(&mut self.state, refiner.widest());
        let conditions = sized(&mut self.conditions, c);
        for (start, rows) in blocks(rows, T::ROWS) {
            let y = &y[start * (l + c)..][..rows * (l + c)];
            let z = &mut z[start * (n + c)..][..rows * (n + c)];
            load::<T>(y, l + c, &mut state[..l], |_, y| y);
            load_conditions::<T>(y, l, &networks.conditions, conditions);
            refiner.generate(cpu, rows, state, conditions, &mut self.log_det, tape);
            store::<T>(&state[..n], n + c, z, |_, z| z);
            copy_conditions((y, l), (z, n), c);
        }
    }

    /// log q_Φ(z) of a refiner that is invertible.
    pub fn refined_log_prob(
        &mut self,
        cpu: Cpu,
        networks: &Packed<T>,
        refiner: &Chain<T>,
        rows: usize,
        z: &[f64],
        out: &mut [f64],
    ) {
        let (n, c) = (refiner.outputs(), refiner.conditions());
        let tape = sized(&mut self.tape, refiner.shared_tape());
        let state = sized(&mut self.state, n);
        let conditions = sized(&mut self.conditions, c);
        for (start, rows) in blocks(rows, T::ROWS) {
            let z = &z[start * (n + c)..][..rows * (n + c)];
            self.log_det = T::Feature::default();
            load::<T>(z, n + c, state, |_, z| z);
            load_conditions::<T>(z, n, &networks.conditions, conditions);
            refiner.normalise(cpu, rows, state, conditions, &mut self.log_det, tape);
            for (lane, out) in out[start..][..rows].iter_mut().enumerate() {
                *out = log_normal::<T>(state, lane) + self.log_det.as_ref()[lane].to_f64();
            }
        }
    }
}

/// At least `features` features (or numbers), made if they are not there yet.
pub(super) fn sized<F: Copy + Default>(buffer: &mut Vec<F>, features: usize) -> &mut [F] {
    if buffer.len() < features {
        buffer.resize(features, F::default());
    }
    &mut buffer[..features]
}

/// Scaled conditions, which follow `dim` other values of every row, into the lanes of a block.
fn load_conditions<T: Element>(
    rows: &[f64],
    dim: usize,
    scalings: &[Scaling],
    block: &mut [T::Feature],
) {
    if scalings.is_empty() {
        return;
    }
    for (lane, row) in rows.chunks_exact(dim + scalings.len()).enumerate() {
        for ((&value, scaling), feature) in row[dim..].iter().zip(scalings).zip(&mut *block) {
            feature.as_mut()[lane] = T::from_f64(scaling.forward(value));
        }
    }
}

/// The `conditions` last values of all rows; beside each rows goes how many values come before them.
fn copy_conditions((from, n): (&[f64], usize), (to, m): (&mut [f64], usize), conditions: usize) {
    if conditions == 0 {
        return;
    }
    let from = from.chunks_exact(n + conditions);
    for (to, from) in to.chunks_exact_mut(m + conditions).zip(from) {
        to[m..].copy_from_slice(&from[n..]);
    }
}

/// Rows of `dim` columns into the lanes of a block, through `map` (column, value); the first columns, as many as the block has features.
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

/// Σ log |du/dx| of a row.
fn log_scale(x: &[f64], scalings: &[Scaling]) -> f64 {
    // Conditions, behind the features, take no part.
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
