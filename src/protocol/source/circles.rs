//! Features that are angles: plain values that lie a period apart are one.

use super::Source;
use crate::model::{called, Scaling};
use crate::train::{Hooks, Level};
use crate::Result;

impl Source<'_> {
    /// Values of circles come within their bounds, as events do that are made: what judges compares plain values.
    pub(in crate::protocol) fn wrap(&self, x: &mut [f64]) {
        if self.wraps() {
            for row in x.chunks_exact_mut(self.known.dim) {
                for (x, scaling) in row.iter_mut().zip(&self.known.scalings) {
                    *x = scaling.within(*x);
                }
            }
        }
    }

    pub(super) fn wraps(&self) -> bool {
        let circle = |s: &Scaling| matches!(s, Scaling::Periodic { .. } | Scaling::Circle { .. });
        self.known.scalings.iter().any(circle)
    }

    /// Tells the host of circles whose values come back elsewhere, or are of another unit.
    ///
    /// # Errors
    /// Those of the host.
    pub(in crate::protocol) fn tell_of_circles(
        &mut self,
        hooks: &dyn Hooks,
        names: &[String],
    ) -> Result<()> {
        // As little as this of a circle is hardly an angle that can have every value.
        const NARROW: f64 = 0.05;
        if !self.wraps() {
            return Ok(());
        }
        let sample = self.origin.measured(&mut self.known)?;
        for (column, scaling) in self.known.scalings.iter().enumerate() {
            let (Scaling::Periodic { low, period, .. } | Scaling::Circle { low, period }) =
                *scaling
            else {
                continue;
            };
            let values = || sample.x.iter().skip(column).step_by(sample.dim).copied();
            let (least, most) = values().fold((f64::INFINITY, f64::NEG_INFINITY), |(a, b), x| {
                (a.min(x), b.max(x))
            });
            let (high, named) = (low + period, called(names, column));
            if most - least < NARROW * period {
                let message = format!(
                    "{named} has values from {least} to {most} on a circle from {low} to {high}: is the unit of `periodic` right? Angles in radians go from `-pi` to `pi`, in degrees from -180 to 180; for an angle that is never elsewhere take another scaling (`features.scaling`)"
                );
                hooks.warn("columns", &message)?;
            }
            let beside = values().filter(|x| !(low..=high).contains(x)).count();
            if beside > 0 {
                let message = format!(
                    "{named}: {:.1} % of the values lie beside its circle from {low} to {high}, and count as those a period away; events come within it, where a `support` takes the target's values as they are given",
                    100.0 * beside as f64 / sample.len() as f64
                );
                hooks.log(Level::Info, &message)?;
            }
        }
        Ok(())
    }
}
