//! Events in single precision: within the support, and told of where it is too coarse.

use super::{beyond, Sampler};
use crate::model::{Method, Real};
use crate::room::{self, Gather, Grow};
use crate::{Error, Result};

/// A feature is told of if rounding moves a value by more than this part of its standard deviation.
const COARSE: f64 = 1e-3;
/// Events from which the standard deviation is taken.
const SEVERAL: usize = 30;

impl Sampler {
    /// The events of the block from row `offset` on, rounded to T, with their conditions: no feature beyond its bounds, and no event outside the
    /// support that was within it.
    ///
    /// # Errors
    /// [`Error::Numerical`] for values that T has no numbers for; those of evaluator and hooks.
    pub(super) fn rounded<T: Real>(&mut self, offset: usize, count: usize) -> Result<()> {
        let dims = self.model.generator.dims();
        let (row, features) = (dims.event_row(), dims.features);
        let exact = &self.block.x[offset * row..(offset + count) * row];
        let scalings = &self.model.generator.scalings;
        self.scratch.clear();
        self.scratch.put_all(exact.iter().copied())?;
        let first = self.block.first.wrapping_add(offset as u64);
        for (i, x) in self.scratch.chunks_exact_mut(row).enumerate() {
            for (j, x) in x[..features].iter_mut().enumerate() {
                let rounded: T = scalings
                    .get(j)
                    .map_or_else(|| T::from_f64(*x), |s| s.round(*x));
                if !rounded.to_f64().is_finite() {
                    return Err(beyond(first.wrapping_add(i as u64), *x));
                }
                *x = rounded.to_f64();
            }
        }
        if let Some(hooks) = self
            .hooks
            .as_ref()
            .filter(|_| !self.coarse && count >= SEVERAL)
        {
            let column = |x: &[f64], j: usize| x.iter().skip(j).step_by(row).copied().gather();
            for j in 0..features {
                let (x, rounded) = (column(exact, j)?, column(&self.scratch, j)?);
                if let Some((off, width)) = coarse(&x, &rounded) {
                    self.coarse = true;
                    let named = crate::model::called(&self.model.names, j);
                    hooks.warn("sampling", &format!(
                        "in single precision the values of {named} go in steps of {:.2e}, where they vary by {:.2e}: take the events in double precision, or train on the feature less a constant",
                        2.0 * off, width
                    ))?;
                    break;
                }
            }
        }
        if self.model.support.is_none() || self.method == Method::Baseline {
            return Ok(());
        }
        let mut inside = room::filled(count, true)?;
        self.evaluator.inside(&self.scratch, count, &mut inside)?;
        for (i, _) in inside.iter().enumerate().filter(|(_, inside)| !**inside) {
            let x = &self.block.x[(offset + i) * row..(offset + i + 1) * row];
            let mut as_made = [false];
            self.evaluator.inside(x, 1, &mut as_made)?;
            // Of weight 0.
            if !as_made[0] {
                continue;
            }
            let to = &mut self.scratch[i * row..(i + 1) * row];
            // The numbers on the other side of the exact ones, of one feature or of all.
            let other = |j: usize| {
                let (x, nearest) = (x[j], T::from_f64(to[j]));
                let other = match nearest.to_f64() {
                    r if r < x => nearest.next_up(),
                    r if r > x => nearest.next_down(),
                    _ => nearest,
                };
                let scaling = self.model.generator.scalings.get(j);
                let kept: T = scaling.map_or(other, |s| s.round(other.to_f64()));
                kept.to_f64()
            };
            let others = (0..features).map(other).gather()?;
            let nearest = room::copied(to)?;
            let mut found = false;
            for one in (0..=features).filter(|j| features == *j || others[*j] != nearest[*j]) {
                match one == features {
                    true => to[..features].copy_from_slice(&others),
                    false => {
                        to.copy_from_slice(&nearest);
                        to[one] = others[one];
                    }
                }
                let mut inside = [false];
                self.evaluator.inside(to, 1, &mut inside)?;
                found = inside[0];
                if found {
                    break;
                }
            }
            if !found {
                return Err(Error::Numerical(format!(
                    "event {} is within the support, and none of the numbers of single precision around it is; take the events in double precision",
                    first.wrapping_add(i as u64)
                )));
            }
        }
        Ok(())
    }
}

/// How far rounding moves values, and their standard deviation, if that is too far. One value alone, as of a pile-up, is moved, too, and
/// nothing is lost by it.
fn coarse(x: &[f64], rounded: &[f64]) -> Option<(f64, f64)> {
    let count = x.len() as f64;
    let mean = x.iter().sum::<f64>() / count;
    let width = (x.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / count).sqrt();
    let off = x.iter().zip(rounded).map(|(x, r)| (x - r).abs());
    let off = off.fold(0.0, f64::max);
    let one = x.windows(2).all(|pair| pair[0] == pair[1]);
    (off > COARSE * width && !one).then_some((off, width))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_value_is_not_coarse_and_a_narrow_feature_far_off_is() {
        let rounded = |x: &[f64]| x.iter().map(|x| f64::from(*x as f32)).collect::<Vec<_>>();
        let told = |x: &[f64]| coarse(x, &rounded(x)).is_some();
        let far: Vec<f64> = (0..40).map(|i| 5.4e6 + 0.1 * f64::from(i)).collect();
        assert!(told(&far));
        assert!(!told(&[0.3; 40]));
        let near: Vec<f64> = far.iter().map(|x| x - 5.4e6).collect();
        assert!(!told(&near));
    }
}
