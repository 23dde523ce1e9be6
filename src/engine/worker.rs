//! Threads' buffers, and what is computed in them, of blocks that pass together.

use super::cpu::Cpu;
use super::lanes::{blocks, own, own_mut, Element};
use super::map::{Pass, Point};
use super::mlp::Mlp;
use super::packed::{PackedClassifier, PackedMaps};
use super::rows::{
    copy_conditions, load, load_conditions, load_seen, log_normal, log_scale, log_scale_of, store,
};
use super::size::pass;
use super::threads;
use crate::model::{join, optional, Arrays, Scaling, STEPS};
use crate::room::Grow;
use crate::{Error, Result};

/// The buffers of every thread. Arrays are row-major, in the rows of [`Evaluator`](crate::model::Evaluator): latents and events are
/// followed by their conditions.
pub(super) struct Workers<T: Element>(Vec<Worker<T>>);

/// The buffers of blocks that pass together, made when first needed.
struct Worker<T: Element> {
    maps: Passage<T>,
    classifier: Judge<T>,
    /// Event rows.
    events: Vec<f64>,
    /// The same with their latents.
    seen: Vec<f64>,
}

/// For maps.
struct Passage<T: Element> {
    cpu: Cpu,
    /// The points under way through the maps, or the gradient with respect to them.
    states: Vec<T::Feature>,
    conditions: Vec<T::Feature>,
    tape: Vec<T::Feature>,
}

/// For a classifier.
struct Judge<T: Element> {
    cpu: Cpu,
    /// The gradient with respect to what every network sees, and that.
    features: Vec<T::Feature>,
    tape: Vec<T::Feature>,
}

/// Fewest blocks that are worth a thread: some 0.1 ms of work, several times what starting it costs.
const BLOCKS_PER_THREAD: usize = 2;

impl<T: Element> Workers<T> {
    pub fn new(cpu: Cpu, threads: usize) -> Self {
        let worker = || Worker {
            maps: Passage {
                cpu,
                states: Vec::new(),
                conditions: Vec::new(),
                tape: Vec::new(),
            },
            classifier: Judge {
                cpu,
                features: Vec::new(),
                tape: Vec::new(),
            },
            events: Vec::new(),
            seen: Vec::new(),
        };
        Workers((0..threads.max(1)).map(|_| worker()).collect())
    }

    /// Divides the rows among the workers and lets each do `task` on its share, at most `together` blocks at once.
    ///
    /// # Errors
    /// The first of the task.
    fn each<const I: usize, const O: usize>(
        &mut self,
        together: usize,
        arrays: Arrays<I, O>,
        task: impl Fn(&mut Worker<T>, [&[f64]; I], [&mut [f64]; O]) -> Result<()> + Sync,
    ) -> Result<()> {
        let all = &|worker: &mut Worker<T>, share: Arrays<I, O>| {
            let rows = pass::<T>(share.rows, together);
            share.blocks(rows).try_for_each(|blocks| {
                let (inputs, outputs) = blocks.slices();
                task(worker, inputs, outputs)
            })
        };
        let useful = arrays.rows.div_ceil(BLOCKS_PER_THREAD * T::ROWS);
        let threads = self.0.len().min(useful);
        match &mut self.0[..] {
            [alone, ..] if threads <= 1 => all(alone, arrays),
            workers => {
                let share = arrays.rows.div_ceil(threads).next_multiple_of(T::ROWS);
                let shares = arrays.blocks(share).zip(workers);
                threads::all(shares.map(|(share, worker)| move || all(worker, share)))
            }
        }
    }

    /// x = g(z), and log p_g(x) on request.
    pub fn generate(
        &mut self,
        maps: &PackedMaps<T>,
        rows: usize,
        z: &[f64],
        x: &mut [f64],
        log_prob: Option<&mut [f64]>,
    ) -> Result<()> {
        let (n, m, c) = maps.dims();
        let arrays = Arrays {
            rows,
            inputs: [(z, n + c)],
            outputs: [(x, m + c), optional(log_prob)],
        };
        self.each(maps.together(), arrays, |worker, [z], [x, log_prob]| {
            let (pass, mut point, tape) = worker.maps.enter(maps, z, false, false)?;
            for (block, log_prob) in log_prob.chunks_mut(T::ROWS).enumerate() {
                let z = &point.state(block)[..n];
                for (lane, out) in log_prob.iter_mut().enumerate() {
                    *out = log_normal::<T>(z, lane);
                }
            }
            maps.chain.apply(&pass, &mut point, tape);
            maps.store(&mut point, z, x);
            let blocks = log_prob
                .chunks_mut(T::ROWS)
                .zip(x.chunks(T::ROWS * (m + c)));
            for (block, (log_prob, x)) in blocks.enumerate() {
                let (u, log_det) = point.both(block);
                for (lane, (out, x)) in log_prob.iter_mut().zip(x.chunks_exact(m + c)).enumerate() {
                    let scale = log_scale_of::<T>(u, lane, x, &maps.scalings);
                    *out += scale - log_det.as_ref()[lane].to_f64();
                }
            }
            Ok(())
        })
    }

    /// log p_g(x).
    pub fn log_prob(
        &mut self,
        flow: &PackedMaps<T>,
        rows: usize,
        x: &[f64],
        out: &mut [f64],
    ) -> Result<()> {
        let (_, m, c) = flow.dims();
        let arrays = Arrays {
            rows,
            inputs: [(x, m + c)],
            outputs: [(out, 1)],
        };
        self.each(flow.together(), arrays, |worker, [x], [out]| {
            let (pass, mut point, tape) = worker.maps.enter(flow, x, true, false)?;
            flow.chain.apply(&pass, &mut point, tape);
            let blocks = out.chunks_mut(T::ROWS).zip(x.chunks(T::ROWS * (m + c)));
            for (block, (out, x)) in blocks.enumerate() {
                let (z, log_det) = point.both(block);
                for (lane, (out, x)) in out.iter_mut().zip(x.chunks_exact(m + c)).enumerate() {
                    *out = log_normal::<T>(z, lane)
                        + log_det.as_ref()[lane].to_f64()
                        + log_scale(x, &flow.scalings);
                }
            }
            Ok(())
        })
    }

    /// z = g⁻¹(x).
    pub fn latent(
        &mut self,
        flow: &PackedMaps<T>,
        rows: usize,
        x: &[f64],
        z: &mut [f64],
    ) -> Result<()> {
        let (n, m, c) = flow.dims();
        let arrays = Arrays {
            rows,
            inputs: [(x, m + c)],
            outputs: [(z, n + c)],
        };
        self.each(flow.together(), arrays, |worker, [x], [z]| {
            let (pass, mut point, tape) = worker.maps.enter(flow, x, true, false)?;
            flow.chain.apply(&pass, &mut point, tape);
            for (block, z) in z.chunks_mut(T::ROWS * (n + c)).enumerate() {
                store::<T>(point.state(block), n + c, z, |_, z| z);
            }
            copy_conditions((x, m), (z, n), c);
            Ok(())
        })
    }

    /// log w of rows of what the classifier classifies.
    pub fn log_weight(
        &mut self,
        classifier: &PackedClassifier<T>,
        rows: usize,
        x: &[f64],
        out: &mut [f64],
    ) -> Result<()> {
        let arrays = Arrays {
            rows,
            inputs: [(x, classifier.scalings.len())],
            outputs: [(out, 1)],
        };
        self.each(classifier.together(), arrays, |worker, [x], [out]| {
            worker.classifier.logit(classifier, x, out)
        })
    }

    /// log w of rows of what the classifier classifies, and its gradient with respect to the first `n` values of a row.
    pub fn classifier_gradient(
        &mut self,
        classifier: &PackedClassifier<T>,
        n: usize,
        rows: usize,
        x: &[f64],
        log_w: &mut [f64],
        gradient: &mut [f64],
    ) -> Result<()> {
        let scalings = &classifier.scalings;
        smooth(&scalings[..n])?;
        let width = scalings.len();
        let arrays = Arrays {
            rows,
            inputs: [(x, width)],
            outputs: [(log_w, 1), (gradient, n)],
        };
        let together = classifier.together();
        self.each(together, arrays, |worker, [x], [log_w, gradient]| {
            let by_features = worker.classifier.gradient(classifier, x, log_w)?;
            let rows = gradient.chunks_exact_mut(n).zip(x.chunks_exact(width));
            for (row, (g, x)) in rows.enumerate() {
                let (block, lane) = (row / T::ROWS, row % T::ROWS);
                let mut inputs = own(by_features, classifier.inputs, block).iter();
                for ((g, &x), scaling) in g.iter_mut().zip(x).zip(scalings) {
                    *g = by_value::<T>(scaling, x, &mut inputs, lane);
                }
            }
            Ok(())
        })
    }

    /// log w(z) = log w(g(z)) and its gradient.
    pub fn log_weight_gradient(
        &mut self,
        maps: &PackedMaps<T>,
        classifier: &PackedClassifier<T>,
        rows: usize,
        z: &[f64],
        log_w: &mut [f64],
        gradient: &mut [f64],
    ) -> Result<()> {
        smooth(&maps.scalings)?;
        let (n, m, c) = maps.dims();
        let arrays = Arrays {
            rows,
            inputs: [(z, n + c)],
            outputs: [(log_w, 1), (gradient, n)],
        };
        let together = maps.together().max(classifier.together());
        self.each(together, arrays, |worker, [z], [log_w, gradient]| {
            let (pass, mut point, tape) = worker.maps.enter(maps, z, false, true)?;
            maps.chain.apply(&pass, &mut point, tape);
            // Through x, in double precision: log w(z) has the bits of log w(g(z)).
            // For whole blocks, as the other buffers.
            let lanes = blocks::<T>(log_w.len()) * T::ROWS;
            let x = &mut sized(&mut worker.events, lanes * (m + c))?[..log_w.len() * (m + c)];
            maps.store(&mut point, z, x);
            let width = classifier.scalings.len();
            let seen = match classifier.latents {
                0 => &*x,
                latents => {
                    worker.seen.clear();
                    join((x, m + c), (z, n + c), latents, &mut worker.seen)?;
                    &worker.seen
                }
            };
            let by_features = worker.classifier.gradient(classifier, seen, log_w)?;
            let mut by_z = point.gradient();
            let rows = seen.chunks_exact(width).zip(gradient.chunks_exact_mut(n));
            for (row, (x, direct)) in rows.enumerate() {
                let (block, lane) = (row / T::ROWS, row % T::ROWS);
                let by_z = by_z.state(block);
                let mut inputs = own(by_features, classifier.inputs, block).iter();
                let mut columns = x.iter().zip(&classifier.scalings);
                let mut by_column = || {
                    let (&x, scaling) = columns.next()?;
                    Some((x, by_value::<T>(scaling, x, &mut inputs, lane)))
                };
                for (by_u, from) in by_z.iter_mut().zip(&maps.scalings) {
                    // By u, of the generator.
                    let Some((x, by_x)) = by_column() else { break };
                    by_u.as_mut()[lane] = T::from_f64(by_x * libm::exp(-from.log_derivative(x)));
                }
                // What the classifier sees of z itself, behind the conditions.
                let latents = std::iter::from_fn(by_column).skip(c);
                direct.fill(0.0);
                for (direct, (_, by_z)) in direct.iter_mut().zip(latents) {
                    *direct = by_z;
                }
            }
            maps.chain.backward(&pass, &mut by_z, tape, None);
            for (block, gradient) in gradient.chunks_mut(T::ROWS * n).enumerate() {
                let through = &by_z.state(block)[..n];
                if classifier.latents == 0 {
                    store::<T>(through, n, gradient, |_, g| g);
                    continue;
                }
                for (lane, row) in gradient.chunks_exact_mut(n).enumerate() {
                    for (sum, g) in row.iter_mut().zip(through) {
                        *sum += g.as_ref()[lane].to_f64();
                    }
                }
            }
            Ok(())
        })
    }
}

impl<T: Element> Passage<T> {
    /// The rows at the entrance of the maps, scaled where what comes out of them goes in: how they pass, where they are, and the
    /// tape.
    #[allow(clippy::type_complexity)]
    fn enter(
        &mut self,
        maps: &PackedMaps<T>,
        from: &[f64],
        inverse: bool,
        keep: bool,
    ) -> Result<(Pass<'_, T>, Point<'_, T>, &mut [T::Feature])> {
        let (n, m, c) = maps.dims();
        let dim = if inverse { m } else { n };
        let (rows, width) = (from.len() / (dim + c), maps.chain.widest());
        let blocks = blocks::<T>(rows);
        let states = sized(&mut self.states, blocks * width)?;
        let conditions = sized(&mut self.conditions, blocks * c)?;
        for (block, from) in from.chunks(T::ROWS * (dim + c)).enumerate() {
            let state = &mut own_mut(states, width, block)[..dim];
            if inverse {
                load::<T>(from, m + c, state, |k, x| maps.scalings[k].forward(x));
            } else {
                load::<T>(from, n + c, state, |_, z| z);
            }
            let conditions = own_mut(conditions, c, block);
            load_conditions::<T>(from, dim, &maps.conditions, conditions);
        }
        let pass = Pass {
            cpu: self.cpu,
            rows,
            conditions,
            inverse,
            keep,
        };
        let tape = sized(&mut self.tape, blocks * maps.chain.tape(keep))?;
        Ok((pass, Point::new(states, width), tape))
    }
}

impl<T: Element> Judge<T> {
    /// log w of the rows.
    fn logit(
        &mut self,
        classifier: &PackedClassifier<T>,
        x: &[f64],
        log_w: &mut [f64],
    ) -> Result<()> {
        self.judge(classifier, x, log_w, |_, _, _| ()).map(drop)
    }

    /// The same, and its gradient with respect to the scaled values.
    fn gradient(
        &mut self,
        classifier: &PackedClassifier<T>,
        x: &[f64],
        log_w: &mut [f64],
    ) -> Result<&[T::Feature]> {
        let (cpu, rows) = (self.cpu, log_w.len());
        let share = T::from_f64(1.0 / classifier.networks.len() as f64);
        self.judge(classifier, x, log_w, |network, tape, sums| {
            for output in network.output(blocks::<T>(rows), tape) {
                output.as_mut().fill(share);
            }
            network.backward(cpu, rows, tape, None);
            for (sum, own) in sums.iter_mut().zip(&*tape) {
                let lanes = sum.as_mut().iter_mut().zip(own.as_ref());
                lanes.for_each(|(sum, &own)| *sum = *sum + own);
            }
        })
    }

    /// log w of the rows; calls `member` with every network after its logits are on its tape, and with what it returns, 0 before.
    fn judge(
        &mut self,
        classifier: &PackedClassifier<T>,
        x: &[f64],
        log_w: &mut [f64],
        member: impl Fn(&Mlp<T>, &mut [T::Feature], &mut [T::Feature]),
    ) -> Result<&[T::Feature]> {
        let scalings = &classifier.scalings;
        let (width, rows) = (classifier.inputs, log_w.len());
        let blocks = blocks::<T>(rows);
        let features = sized(&mut self.features, 2 * blocks * width)?;
        let (sums, inputs) = features.split_at_mut(blocks * width);
        for (block, x) in x.chunks(T::ROWS * scalings.len()).enumerate() {
            let inputs = own_mut(inputs, width, block);
            if width == scalings.len() {
                load::<T>(x, width, inputs, |k, x| scalings[k].forward(x));
            } else {
                load_seen::<T>(x, scalings, inputs);
            }
        }
        sums.fill(T::Feature::default());
        log_w.fill(0.0);
        for network in &classifier.networks {
            let tape = sized(&mut self.tape, blocks * network.tape())?;
            tape[..inputs.len()].copy_from_slice(inputs);
            network.forward(self.cpu, rows, tape);
            let logits = network.output(blocks, tape).iter();
            for (sums, logits) in log_w.chunks_mut(T::ROWS).zip(logits) {
                for (sum, logit) in sums.iter_mut().zip(logits.as_ref()) {
                    *sum += logit.to_f64();
                }
            }
            member(network, tape, sums);
        }
        classifier.finish(log_w);
        Ok(sums)
    }
}

/// Whether features have gradients.
fn smooth(scalings: &[Scaling]) -> Result<()> {
    match scalings.iter().any(Scaling::stepped) {
        true => Err(Error::Unsupported(STEPS.into())),
        false => Ok(()),
    }
}

/// The derivative with respect to the value x of a row, of which a classifier sees the next of `inputs`, given that with respect to these.
fn by_value<'a, T: Element>(
    scaling: &Scaling,
    x: f64,
    inputs: &mut impl Iterator<Item = &'a T::Feature>,
    lane: usize,
) -> f64 {
    let mut sum = 0.0;
    scaling.each_slope(x, |slope| {
        let by_input = inputs.next().map_or(0.0, |g| g.as_ref()[lane].to_f64());
        sum += by_input * slope;
    });
    sum
}

/// At least `features` features (or numbers), made if they are not there yet.
fn sized<F: Copy + Default>(buffer: &mut Vec<F>, features: usize) -> Result<&mut [F]> {
    if buffer.len() < features {
        buffer.sized(features, F::default())?;
    }
    Ok(&mut buffer[..features])
}
