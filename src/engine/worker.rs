//! One thread's buffers, and what it computes in them block by block.

use super::chain::Chain;
use super::cpu::Cpu;
use super::lanes::Element;
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
    /// The tape of a network of the classifier.
    mlp_tape: Vec<T::Feature>,
    /// What every network of the classifier sees.
    features: Vec<T::Feature>,
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
            features: Vec::new(),
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
        chain: &Chain<T>,
        classifier: &PackedClassifier<T>,
        rows: usize,
        z: &[f64],
        log_w: &mut [f64],
        gradient: &mut [f64],
    ) {
        let scalings = &networks.scalings;
        let (n, m, c) = (chain.inputs(), scalings.len(), chain.conditions());
        let mut events = std::mem::take(&mut self.events);
        let event_rows = sized(&mut events, T::ROWS * (m + c));
        for (start, rows) in blocks(rows, T::ROWS) {
            let z = &z[start * (n + c)..][..rows * (n + c)];
            let gradient = &mut gradient[start * n..][..rows * n];
            let x = &mut event_rows[..rows * (m + c)];
            let tape = sized(&mut self.tape, chain.tape());
            let state = sized(&mut self.state, chain.widest());
            let conditions = sized(&mut self.conditions, c);
            load::<T>(z, n + c, &mut state[..n], |_, z| z);
            load_conditions::<T>(z, n, &networks.conditions, conditions);
            chain.record::<false>(cpu, rows, state, conditions, &mut self.log_det, tape);
            // Through x, in double precision: log w(z) has the bits of log w(g(z)).
            store::<T>(&state[..m], m + c, x, |k, u| scalings[k].inverse(u));
            copy_conditions((z, n), (x, m), c);
            self.logit_gradient(cpu, classifier, x, &mut log_w[start..][..rows]);
            let tape = sized(&mut self.tape, chain.tape());
            let state = sized(&mut self.state, chain.widest());
            for (lane, x) in x.chunks_exact(m + c).enumerate() {
                for (k, (&x, from)) in x.iter().zip(scalings).enumerate() {
                    // du'/du, the classifier's features by the generator's.
                    let to = &classifier.scalings[k];
                    let scale = (to.log_derivative(x) - from.log_derivative(x)).exp();
                    let gradient = self.features[k].as_ref()[lane].to_f64();
                    state[k].as_mut()[lane] = T::from_f64(gradient * scale);
                }
            }
            chain.backward::<false>(cpu, rows, state, &T::Feature::default(), tape);
            store::<T>(&state[..n], n, gradient, |_, g| g);
        }
        self.events = events;
    }

    /// log w of rows of what a classifier takes, and its gradient with respect to the first `n` values of a row.
    #[allow(clippy::too_many_arguments)]
    pub fn classifier_gradient(
        &mut self,
        cpu: Cpu,
        classifier: &PackedClassifier<T>,
        n: usize,
        rows: usize,
        x: &[f64],
        log_w: &mut [f64],
        gradient: &mut [f64],
    ) {
        let scalings = &classifier.scalings;
        let width = scalings.len();
        for (start, rows) in blocks(rows, T::ROWS) {
            let x = &x[start * width..][..rows * width];
            let gradient = &mut gradient[start * n..][..rows * n];
            self.logit_gradient(cpu, classifier, x, &mut log_w[start..][..rows]);
            store::<T>(&self.features[..n], n, gradient, |_, g| g);
            for (g, x) in gradient.chunks_exact_mut(n).zip(x.chunks_exact(width)) {
                for ((g, &x), scaling) in g.iter_mut().zip(x).zip(scalings) {
                    *g *= scaling.log_derivative(x).exp();
                }
            }
        }
    }

    /// log w of one block of rows; leaves its gradient with respect to the scaled values in `features`.
    fn logit_gradient(
        &mut self,
        cpu: Cpu,
        classifier: &PackedClassifier<T>,
        x: &[f64],
        log_w: &mut [f64],
    ) {
        let PackedClassifier {
            networks, scalings, ..
        } = classifier;
        let (width, rows) = (scalings.len(), log_w.len());
        let inputs = sized(&mut self.features, 2 * width);
        let (sums, inputs) = inputs.split_at_mut(width);
        load::<T>(x, width, inputs, |k, x| scalings[k].forward(x));
        sums.fill(T::Feature::default());
        log_w.fill(0.0);
        let share = T::from_f64(1.0 / networks.len() as f64);
        for network in networks {
            let tape = sized(&mut self.mlp_tape, network.tape());
            tape[..width].copy_from_slice(inputs);
            network.forward(cpu, rows, tape);
            let output = network.output(tape);
            add_logits::<T>(output, log_w);
            output[0].as_mut().fill(share);
            network.backward(cpu, rows, tape, None);
            for (sum, own) in sums.iter_mut().zip(&*tape) {
                let lanes = sum.as_mut().iter_mut().zip(own.as_ref());
                lanes.for_each(|(sum, &own)| *sum = *sum + own);
            }
        }
        classifier.finish(log_w);
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
