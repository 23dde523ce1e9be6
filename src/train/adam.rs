//! Adam (Kingma & Ba, arXiv:1412.6980) on a flat buffer of parameters.

use crate::engine::{Cpu, Element, Simd, Task};
use crate::{room, Result};

/// Constants of the optimiser.
#[derive(Clone, Copy, Debug)]
pub struct AdamSettings {
    /// Decay of the first moment.
    pub beta1: f64,
    /// Decay of the second moment.
    pub beta2: f64,
    /// Added to the root of the second moment.
    pub epsilon: f64,
    /// λ of the L2 penalty ½ λ |θ|², added to the gradient (as the paper does).
    pub weight_decay: f64,
}

/// The moments of one range of parameters. Moments are kept in the parameters' own precision.
#[derive(Debug)]
pub(super) struct Adam<T> {
    settings: AdamSettings,
    steps: i32,
    first: Vec<T>,
    second: Vec<T>,
}

impl<T: Element> Adam<T> {
    /// For `n` parameters.
    pub fn new(n: usize, settings: AdamSettings) -> Result<Self> {
        Ok(Adam {
            settings,
            steps: 0,
            first: room::filled(n, T::default())?,
            second: room::filled(n, T::default())?,
        })
    }

    /// Steps made.
    pub fn steps(&self) -> i32 {
        self.steps
    }

    /// As if so many steps had been made.
    pub fn set_steps(&mut self, steps: i32) {
        self.steps = steps;
    }

    /// The first and the second moment of every parameter.
    pub fn moments(&self) -> [&[T]; 2] {
        [&self.first, &self.second]
    }

    /// The same, to be changed.
    pub fn moments_mut(&mut self) -> [&mut [T]; 2] {
        [&mut self.first, &mut self.second]
    }

    /// θ ← θ − lr · m̂ / (√v̂ + ε). `parameters` and `gradient` have the length given to [`Adam::new`].
    pub fn step(&mut self, learning_rate: f64, parameters: &mut [T], gradient: &[T]) {
        let AdamSettings {
            beta1,
            beta2,
            epsilon,
            weight_decay,
        } = self.settings;
        self.steps = self.steps.saturating_add(1);
        let scale1 = 1.0 / (1.0 - beta1.powi(self.steps));
        let scale2 = 1.0 / (1.0 - beta2.powi(self.steps));
        let real = T::from_f64;
        Cpu::detect().run(Step::<T> {
            weight_decay: real(weight_decay),
            decay: [real(beta1), real(beta2)],
            gain: [real(1.0 - beta1), real(1.0 - beta2)],
            rate: real(learning_rate * scale1),
            scale: real(scale2.sqrt()),
            epsilon: real(epsilon),
            parameters,
            gradient,
            first: &mut self.first,
            second: &mut self.second,
        });
    }
}

/// One step in the parameters' precision, many of them at once.
struct Step<'a, T> {
    weight_decay: T,
    decay: [T; 2],
    gain: [T; 2],
    /// lr / (1 − β₁ᵗ).
    rate: T,
    /// 1 / √(1 − β₂ᵗ).
    scale: T,
    epsilon: T,
    parameters: &'a mut [T],
    gradient: &'a [T],
    first: &'a mut [T],
    second: &'a mut [T],
}

impl<T: Element> Task<T> for Step<'_, T> {
    #[inline(always)]
    fn run<S: Simd<T>>(self, simd: S) {
        let moments = self.first.iter_mut().zip(self.second);
        let parameters = self.parameters.iter_mut().zip(self.gradient);
        for ((p, &g), (m, v)) in parameters.zip(moments) {
            let g = simd.mul_add(self.weight_decay, *p, g);
            *m = simd.mul_add(self.gain[0], g, self.decay[0] * *m);
            *v = simd.mul_add(self.gain[1], g * g, self.decay[1] * *v);
            let width = simd.mul_add(v.square_root(), self.scale, self.epsilon);
            *p = *p - self.rate * *m / width;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SETTINGS: AdamSettings = AdamSettings {
        beta1: 0.9,
        beta2: 0.999,
        epsilon: 1e-8,
        weight_decay: 0.0,
    };

    #[test]
    fn the_first_steps_follow_the_algorithm() {
        // Two steps by hand with gradients 1 and −2: m = 0.1, then −0.11; v = 0.001, then 0.004999.
        let mut p = [1.0f64];
        let mut adam = Adam::new(1, SETTINGS).unwrap();
        adam.step(0.1, &mut p, &[1.0]);
        assert!((p[0] - 0.9).abs() < 1e-8);
        adam.step(0.1, &mut p, &[-2.0]);
        let m = -0.11 / (1.0 - 0.81);
        let v: f64 = 0.004999 / (1.0 - 0.998001);
        assert!((p[0] - (0.9 - 0.1 * m / v.sqrt())).abs() < 1e-7);
    }

    #[test]
    fn weight_decay_pulls_to_zero_and_a_bowl_is_minimised() {
        let mut p = [3.0f32, -2.0];
        let mut adam = Adam::new(
            2,
            AdamSettings {
                weight_decay: 0.5,
                ..SETTINGS
            },
        )
        .unwrap();
        for _ in 0..4000 {
            // ½ (p − 1)²: with the penalty the minimum is at 1 / 1.5.
            let g = [p[0] - 1.0, p[1] - 1.0];
            adam.step(0.01, &mut p, &g);
        }
        assert!(p.iter().all(|p| (p - 2.0 / 3.0).abs() < 1e-3), "{p:?}");
    }
}
