//! [`Map`](crate::model::Map)s applied one after the other to a block.

use super::cpu::Cpu;
use super::flow::Flow;
use super::lanes::Element;
use super::matching::Matching;
use super::mlp::Mlp;
use crate::model;

/// Networks with their weights packed. Immutable.
///
/// They turn a state of features into another in place, given the features of the condition. Only chains of flows go backwards, from x to z.
pub(super) struct Chain<T> {
    maps: Vec<Map<T>>,
    conditions: usize,
}

enum Map<T> {
    Flow(Flow<T>),
    Network(Mlp<T>),
    Matching(Matching<T>),
}

impl<T: Element> Chain<T> {
    /// The maps, which take `conditions` features of condition, with their parameters.
    pub fn new(maps: &[model::Map], conditions: usize, mut parameters: &[f64]) -> Self {
        let maps = maps.iter().map(|map| match map {
            model::Map::Flow(flow) => {
                let mut packed = Flow::new(flow);
                packed.pack(&mut parameters);
                Map::Flow(packed)
            }
            model::Map::Network(network) => {
                let mut packed = Mlp::new(network);
                packed.pack(&mut parameters);
                Map::Network(packed)
            }
            model::Map::Matching(matching) => {
                let mut packed = Matching::new(matching);
                packed.pack(&mut parameters);
                Map::Matching(packed)
            }
        });
        Chain {
            maps: maps.collect(),
            conditions,
        }
    }

    /// Features of the state before.
    pub fn inputs(&self) -> usize {
        self.maps.first().map_or(0, |m| self.input(m))
    }

    /// Features of the state afterwards.
    pub fn outputs(&self) -> usize {
        self.maps.last().map_or(0, Map::outputs)
    }

    /// Features of the condition.
    pub fn conditions(&self) -> usize {
        self.conditions
    }

    /// Whether it can be inverted.
    pub fn invertible(&self) -> bool {
        self.maps.iter().all(|m| matches!(m, Map::Flow(_)))
    }

    fn input(&self, map: &Map<T>) -> usize {
        match map {
            Map::Flow(flow) => flow.dim(),
            Map::Network(network) => network.inputs() - self.conditions,
            Map::Matching(matching) => matching.dim(),
        }
    }

    /// Features that the state must have room for.
    pub fn widest(&self) -> usize {
        let outputs = self.maps.iter().map(Map::outputs);
        outputs.max().unwrap_or(0).max(self.inputs())
    }

    /// Features of the tape that [`Chain::backward`] needs.
    pub fn tape(&self) -> usize {
        self.maps.iter().map(Map::tape).sum()
    }

    /// Features of a tape that one map after the other uses.
    pub fn shared_tape(&self) -> usize {
        let tapes = self.maps.iter().map(|map| match map {
            Map::Flow(flow) => flow.shared_tape(),
            Map::Network(network) => network.tape(),
            Map::Matching(matching) => matching.shared_tape(),
        });
        tapes.max().unwrap_or(0)
    }

    /// z ↦ x in `state`. Adds log |det ∂x/∂z| to `log_det`, which means nothing if a map is not invertible.
    pub fn generate(
        &self,
        cpu: Cpu,
        rows: usize,
        state: &mut [T::Feature],
        conditions: &[T::Feature],
        log_det: &mut T::Feature,
        tape: &mut [T::Feature],
    ) {
        for map in &self.maps {
            match map {
                Map::Flow(flow) => {
                    flow.generate(cpu, rows, state, conditions, log_det, tape);
                }
                Map::Network(network) => {
                    let tape = &mut tape[..network.tape()];
                    apply(network, cpu, rows, state, conditions, tape);
                }
                Map::Matching(matching) => {
                    matching.generate(cpu, rows, state, conditions, tape);
                }
            }
        }
    }

    /// x ↦ z in `state` through a chain of flows; adds log |det ∂z/∂x| to `log_det`.
    pub fn normalise(
        &self,
        cpu: Cpu,
        rows: usize,
        state: &mut [T::Feature],
        conditions: &[T::Feature],
        log_det: &mut T::Feature,
        tape: &mut [T::Feature],
    ) {
        for map in self.maps.iter().rev() {
            if let Map::Flow(flow) = map {
                flow.normalise(cpu, rows, state, conditions, log_det, tape);
            }
        }
    }

    /// As [`Chain::generate`] or, for `INVERSE`, [`Chain::normalise`], keeping on the tape what [`Chain::backward`] needs.
    pub fn record<const INVERSE: bool>(
        &self,
        cpu: Cpu,
        rows: usize,
        state: &mut [T::Feature],
        conditions: &[T::Feature],
        log_det: &mut T::Feature,
        tape: &mut [T::Feature],
    ) {
        self.along::<INVERSE>(tape, |map, tape| match map {
            Map::Flow(flow) => {
                flow.record::<INVERSE>(cpu, rows, state, conditions, log_det, tape);
            }
            Map::Network(network) => apply(network, cpu, rows, state, conditions, tape),
            Map::Matching(matching) => matching.record(cpu, rows, state, conditions, tape),
        });
    }

    /// Back through what [`Chain::record`] left on the tape: the gradient with respect to its results, the state and log |det|, becomes in
    /// place that with respect to the state that came in.
    pub fn backward<const INVERSE: bool>(
        &self,
        cpu: Cpu,
        rows: usize,
        gradient: &mut [T::Feature],
        log_det_gradient: &T::Feature,
        tape: &mut [T::Feature],
    ) {
        let back = |map: &Map<T>, tape: &mut [T::Feature]| match map {
            Map::Flow(flow) => {
                flow.backward::<INVERSE>(cpu, rows, gradient, log_det_gradient, tape, None);
            }
            Map::Network(network) => {
                let output = network.output(tape);
                output.copy_from_slice(&gradient[..output.len()]);
                network.backward(cpu, rows, tape, None);
                let inputs = network.inputs() - self.conditions;
                gradient[..inputs].copy_from_slice(&tape[..inputs]);
            }
            Map::Matching(matching) => matching.backward(cpu, rows, gradient, tape),
        };
        // Last applied, first undone.
        if INVERSE {
            self.along::<false>(tape, back);
        } else {
            self.along::<true>(tape, back);
        }
    }

    /// Calls `f` with every map and its part of the tape; from the last to the first if `REVERSE`.
    fn along<const REVERSE: bool>(
        &self,
        tape: &mut [T::Feature],
        mut f: impl FnMut(&Map<T>, &mut [T::Feature]),
    ) {
        if REVERSE {
            let mut end = self.tape();
            for map in self.maps.iter().rev() {
                let start = end - map.tape();
                f(map, &mut tape[start..end]);
                end = start;
            }
        } else {
            let mut start = 0;
            for map in &self.maps {
                let end = start + map.tape();
                f(map, &mut tape[start..end]);
                start = end;
            }
        }
    }
}

impl<T: Element> Map<T> {
    fn outputs(&self) -> usize {
        match self {
            Map::Flow(flow) => flow.dim(),
            Map::Network(network) => network.outputs(),
            Map::Matching(matching) => matching.dim(),
        }
    }

    fn tape(&self) -> usize {
        match self {
            Map::Flow(flow) => flow.tape(),
            Map::Network(network) => network.tape(),
            Map::Matching(matching) => matching.tape(),
        }
    }
}

/// The network on the front of the state and the condition, in the tape; its output to the front of the state.
fn apply<T: Element>(
    network: &Mlp<T>,
    cpu: Cpu,
    rows: usize,
    state: &mut [T::Feature],
    conditions: &[T::Feature],
    tape: &mut [T::Feature],
) {
    let (point, rest) = tape.split_at_mut(network.inputs() - conditions.len());
    point.copy_from_slice(&state[..point.len()]);
    rest[..conditions.len()].copy_from_slice(conditions);
    network.forward(cpu, rows, tape);
    let output = network.output(tape);
    state[..output.len()].copy_from_slice(output);
}
