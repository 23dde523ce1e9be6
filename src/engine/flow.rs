//! The blocks of a [`Flow`](model::Flow): both directions with log |det|, and their gradients.

use super::affine::{Affine, AffineGradient};
use super::gradient::MlpGradient;
use super::lanes::Element;
use super::map::{Map, Pass, Point};
use super::mlp::Mlp;
use super::spline::{Form, Spline, SplineGradient};
use crate::model::{self, Transform};
use crate::{room, Result};

/// The tape holds the active coordinates where the formula begins, what the transform keeps aside, and the tape of the subnet.
pub(super) struct Coupling<T> {
    active: Vec<usize>,
    passive: Vec<usize>,
    transform: Transform,
    inverse: bool,
    subnet: Mlp<T>,
}

impl<T: Element> Map<T> for Coupling<T> {
    fn pack(&mut self, parameters: &mut &[T]) {
        self.subnet.pack(parameters);
    }

    fn sums(&self) -> Result<MlpGradient<T>> {
        self.subnet.sums()
    }

    fn tape(&self, _: bool) -> usize {
        self.active.len() + self.aside() + self.subnet.tape()
    }

    fn apply(&self, pass: &Pass<T>, point: &mut Point<T>, tape: &mut [T::Feature]) {
        if self.inverse == pass.inverse {
            self.transform::<false>(pass, point, tape);
        } else {
            self.transform::<true>(pass, point, tape);
        }
    }

    fn backward(
        &self,
        pass: &Pass<T>,
        gradient: &mut Point<T>,
        tape: &mut [T::Feature],
        sums: Option<&mut MlpGradient<T>>,
    ) {
        let (start, aside, tape) = self.parts(tape);
        let outputs = self.subnet.output(tape);
        if self.inverse == pass.inverse {
            self.transform_back::<false>(pass, gradient, start, aside, outputs);
        } else {
            self.transform_back::<true>(pass, gradient, start, aside, outputs);
        }
        self.subnet.backward(pass.cpu, pass.rows, tape, sums);
        for (add, &k) in tape.iter().zip(&self.passive) {
            let lanes = gradient.state[k].as_mut().iter_mut().zip(add.as_ref());
            lanes.for_each(|(g, &add)| *g = *g + add);
        }
    }
}

impl<T: Element> Coupling<T> {
    /// The block with its parameters 0 until they are packed.
    pub fn new(block: &model::Coupling) -> Result<Self> {
        Ok(Coupling {
            active: room::copied(&block.active)?,
            passive: room::copied(&block.passive)?,
            transform: block.transform,
            inverse: block.inverse,
            subnet: Mlp::new(&block.subnet)?,
        })
    }

    /// Features that the transform keeps for its gradient beside the subnet's outputs.
    fn aside(&self) -> usize {
        match self.transform {
            Transform::Affine { .. } => 0,
            Transform::Spline { bins, knots, .. } => {
                Form::<T>::aside(bins, knots) * self.active.len()
            }
        }
    }

    /// The parts of the tape: where the formula begins, aside, the subnet's.
    #[allow(clippy::type_complexity)]
    fn parts<'a>(
        &self,
        tape: &'a mut [T::Feature],
    ) -> (
        &'a mut [T::Feature],
        &'a mut [T::Feature],
        &'a mut [T::Feature],
    ) {
        let (start, tape) = tape.split_at_mut(self.active.len());
        let (aside, tape) = tape.split_at_mut(self.aside());
        (start, aside, tape)
    }

    /// Along the transform's formula or, for `BACK`, against it.
    fn transform<const BACK: bool>(
        &self,
        pass: &Pass<T>,
        point: &mut Point<T>,
        tape: &mut [T::Feature],
    ) {
        let (start, aside, tape) = self.parts(tape);
        let keep = |start: &mut [T::Feature], state: &[T::Feature]| {
            for (to, &k) in start.iter_mut().zip(&self.active) {
                *to = state[k];
            }
        };
        if !BACK {
            keep(start, point.state);
        }
        let (passive, given) = tape.split_at_mut(self.passive.len());
        for (to, &k) in passive.iter_mut().zip(&self.passive) {
            *to = point.state[k];
        }
        given[..pass.conditions.len()].copy_from_slice(pass.conditions);
        self.subnet.forward(pass.cpu, pass.rows, tape);
        let (active, outputs) = (&self.active, self.subnet.output(tape));
        let (state, log_det) = (&mut *point.state, &mut point.log_det);
        match self.transform {
            Transform::Affine { clamp, soft_clamp } => pass.cpu.run(Affine::<T, BACK> {
                clamp,
                soft_clamp,
                active,
                outputs,
                state,
                log_det,
            }),
            Transform::Spline { bins, bound, knots } => pass.cpu.run(Spline::<T, BACK> {
                form: Form::new(bins, bound, knots),
                active,
                outputs,
                aside,
                state,
                log_det,
            }),
        }
        if BACK {
            keep(start, point.state);
        }
    }

    /// The gradient back through [`Coupling::transform`], with respect to the state and the subnet's outputs.
    fn transform_back<const BACK: bool>(
        &self,
        pass: &Pass<T>,
        gradient: &mut Point<T>,
        start: &[T::Feature],
        aside: &[T::Feature],
        outputs: &mut [T::Feature],
    ) {
        let (active, log_det_gradient) = (&self.active, &gradient.log_det);
        let gradient = &mut *gradient.state;
        match self.transform {
            Transform::Affine { .. } => pass.cpu.run(AffineGradient::<T, BACK> {
                active,
                start,
                outputs,
                gradient,
                log_det_gradient,
            }),
            Transform::Spline { bins, bound, knots } => pass.cpu.run(SplineGradient::<T, BACK> {
                form: Form::new(bins, bound, knots),
                active,
                start,
                outputs,
                aside,
                gradient,
                log_det_gradient,
            }),
        }
    }
}
