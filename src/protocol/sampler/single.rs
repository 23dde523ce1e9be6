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
        if let Some(hooks) = self.hooks.as_ref().filter(|_| !self.coarse.told) {
            let pairs = exact.chunks_exact(row).zip(self.scratch.chunks_exact(row));
            for (x, rounded) in pairs {
                self.coarse.add(&x[..features], rounded)?;
            }
            if let Some((j, off, width)) = self.coarse.found() {
                let named = crate::model::called(&self.model.names, j);
                hooks.warn("sampling", &format!(
                    "in single precision the values of {named} go in steps of {:.2e}, where they vary by {:.2e}: take the events in double precision, or train on the feature less a constant",
                    2.0 * off, width
                ))?;
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

/// Looks for features that single precision is too coarse for, in so many events at least, however few are asked for at a time.
#[derive(Default)]
pub(super) struct Coarse {
    /// Whether the hooks have been told.
    told: bool,
    /// Events gathered, and their features.
    rows: usize,
    columns: Vec<Column>,
}

/// What the values of a feature are, and what rounding makes of them.
#[derive(Clone, Copy, Default)]
struct Column {
    mean: f64,
    /// Σ (x − mean)².
    squares: f64,
    /// How far rounding moves them at most.
    off: f64,
    /// Whether there is more than one value: one alone, as of a pile-up, is moved, too, and nothing is lost by it.
    first: f64,
    several: bool,
}

impl Coarse {
    /// Takes in a further event.
    fn add(&mut self, x: &[f64], rounded: &[f64]) -> Result<()> {
        if self.rows == 0 {
            self.columns.clear();
            self.columns.sized(x.len(), Column::default())?;
        }
        self.rows += 1;
        for ((of, x), rounded) in self.columns.iter_mut().zip(x).zip(rounded) {
            if self.rows == 1 {
                (of.first, of.mean) = (*x, *x);
            }
            let before = x - of.mean;
            of.mean += before / self.rows as f64;
            of.squares += before * (x - of.mean);
            of.off = of.off.max((x - rounded).abs());
            of.several |= *x != of.first;
        }
        Ok(())
    }

    /// A feature that is too coarse, how far rounding moves it, and its standard deviation: once, of events enough, after which it begins anew.
    fn found(&mut self) -> Option<(usize, f64, f64)> {
        if self.rows < SEVERAL {
            return None;
        }
        let rows = std::mem::take(&mut self.rows) as f64;
        let columns = self.columns.iter().enumerate();
        let mut found = columns.map(|(j, of)| (j, of.off, (of.squares / rows).sqrt(), of.several));
        let (j, off, width, _) =
            found.find(|(_, off, width, several)| *several && *off > COARSE * width)?;
        self.told = true;
        Some((j, off, width))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_value_is_not_coarse_and_a_narrow_feature_far_off_is() {
        let told = |x: &[f64], at_once: usize| {
            let mut coarse = Coarse::default();
            let mut found = 0;
            for x in x.chunks(at_once) {
                for x in x {
                    coarse.add(&[*x], &[f64::from(*x as f32)]).unwrap();
                }
                found += usize::from(coarse.found().is_some());
            }
            found > 0
        };
        let far: Vec<f64> = (0..40).map(|i| 5.4e6 + 0.1 * f64::from(i)).collect();
        let near: Vec<f64> = far.iter().map(|x| x - 5.4e6).collect();
        for at_once in [1, 7, 40] {
            assert!(told(&far, at_once));
            assert!(!told(&[0.3; 40], at_once));
            assert!(!told(&near, at_once));
        }
        assert!(!told(&far[..SEVERAL - 1], 1));
    }
}
