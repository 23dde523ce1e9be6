//! The random numbers of a sampler: its own, by their place, or the host's, as they come.

use crate::noise::normal_quantiles;
use crate::noise::places::{self, Places};
use crate::room::Grow;
use crate::{Error, Result};

/// Uniform numbers of a host, in place of the sampler's own.
pub trait Uniforms: Send {
    /// Fills `u` with numbers of [0, 1].
    ///
    /// # Errors
    /// Whatever the host stops with.
    fn fill(&mut self, u: &mut [f64]) -> Result<()>;
}

/// Where a sampler's random numbers come from.
pub(super) enum Draws {
    /// Functions of seed, stream and their place.
    Counter { seed: u64, stream: u64 },
    /// Taken from the host in the order of need.
    Host {
        source: Box<dyn Uniforms>,
        buffer: Vec<f64>,
    },
}

impl Draws {
    pub fn host(source: Box<dyn Uniforms>) -> Self {
        Draws::Host {
            source,
            buffer: Vec::new(),
        }
    }

    /// Whether numbers are found by their place.
    pub fn have_places(&self) -> bool {
        matches!(self, Draws::Counter { .. })
    }

    /// For every event, a row of standard normal numbers in `normals` and a uniform number in `accept`; either may be empty. By their
    /// place, they are those of `places`, number `attempt` of their kind. A host is asked once for all: event by event, those first that
    /// become normal.
    ///
    /// # Errors
    /// [`Error::Data`] for numbers outside [0, 1]; those of the host.
    pub fn draw(
        &mut self,
        places: Places,
        events: impl ExactSizeIterator<Item = u64> + Clone,
        attempt: u64,
        normals: &mut [f64],
        accept: &mut [f64],
    ) -> Result<()> {
        if events.len() == 0 {
            return Ok(());
        }
        let dim = normals.len() / events.len();
        match self {
            &mut Draws::Counter { seed, stream } => {
                let noise = places.at(stream).noise(seed);
                for (row, event) in normals.chunks_exact_mut(dim.max(1)).zip(events.clone()) {
                    noise.uniforms(event, attempt.wrapping_mul(dim as u64), row);
                }
                let noise = places::UNIFORMS.at(stream).noise(seed);
                for (u, event) in accept.chunks_exact_mut(1).zip(events) {
                    noise.uniforms(event, attempt, u);
                }
            }
            Draws::Host { source, buffer } => {
                let each = dim + usize::from(!accept.is_empty());
                buffer.clear();
                buffer.sized(events.len() * each, 0.0)?;
                source.fill(buffer)?;
                open_interval(buffer)?;
                let rows = buffer.chunks_exact(each);
                for (row, from) in normals.chunks_exact_mut(dim.max(1)).zip(rows.clone()) {
                    row.copy_from_slice(&from[..dim]);
                }
                for (u, from) in accept.iter_mut().zip(rows) {
                    *u = from[dim];
                }
            }
        }
        normal_quantiles(normals);
        Ok(())
    }
}

/// Moves 0 and 1, which many generators include and whose quantiles are infinite, to the nearest numbers between.
fn open_interval(u: &mut [f64]) -> Result<()> {
    const LEAST: f64 = f64::EPSILON / 2.0;
    if let Some(i) = u.iter().position(|u| !(0.0..=1.0).contains(u)) {
        return Err(Error::Data(format!(
            "the noise callback delivered {} as number {i} (from 0) of {}; they must be uniform in [0, 1]",
            u[i],
            u.len()
        )));
    }
    u.iter_mut().for_each(|u| *u = u.clamp(LEAST, 1.0 - LEAST));
    Ok(())
}
