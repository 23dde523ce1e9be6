//! What is unfolded: pairs of generated and reconstructed events, and measured ones.

use crate::metrics::{poisson, Sum};
use crate::model::{listed_names, Scaling};
use crate::noise::places::{self, Places};
use crate::options::{keys, Options};
use crate::protocol::names;
use crate::protocol::reweight::of;
use crate::protocol::source::Source;
use crate::room::{self, Gather, Grow};
use crate::{Error, Result};

/// Flag of an event that has a counterpart at particle level: it is in the fiducial space.
pub const PAIR_GENERATED: i32 = 1;
/// Flag of an event that was reconstructed.
pub const PAIR_RECONSTRUCTED: i32 = 2;
const BOTH: i32 = PAIR_GENERATED | PAIR_RECONSTRUCTED;

/// Packed rows of one level, with what they count.
pub(super) struct Level {
    pub dim: usize,
    pub x: Vec<f64>,
    pub w: Vec<f64>,
    /// Number of the row in the host's array.
    pub rows: Vec<usize>,
    pub names: Vec<String>,
}

impl Level {
    /// Those rows of a source, with their weights and, of a replica, how often they are drawn.
    fn new(
        source: &Source,
        rows: Vec<usize>,
        names: Vec<String>,
        weight: impl Fn(usize) -> f64,
    ) -> Result<Self> {
        let sample = source.sample()?;
        let dim = sample.dim();
        let mut x = room::empty(rows.len() * dim)?;
        rows.iter()
            .for_each(|&row| x.extend_from_slice(sample.event(row)));
        Ok(Level {
            dim,
            x,
            w: rows.iter().map(|&row| weight(row)).gather()?,
            rows,
            names,
        })
    }

    /// Those of its rows that `keep` says.
    pub fn only(&self, keep: impl Fn(usize) -> bool) -> Result<Self> {
        let of = (0..self.rows.len()).filter(|&i| keep(i)).gather()?;
        let mut x = room::empty(of.len() * self.dim)?;
        of.iter()
            .for_each(|&i| x.extend_from_slice(&self.x[i * self.dim..][..self.dim]));
        Ok(Level {
            dim: self.dim,
            x,
            w: of.iter().map(|&i| self.w[i]).gather()?,
            rows: of.iter().map(|&i| self.rows[i]).gather()?,
            names: self.names.clone(),
        })
    }

    /// Σ of the weights.
    ///
    /// # Errors
    /// [`Error::Data`] if it is not positive and finite; `whose` they are.
    pub fn total(&self, whose: &str) -> Result<f64> {
        let total = self.w.iter().copied().collect::<Sum>().value();
        if total > 0.0 && total.is_finite() {
            return Ok(total);
        }
        Err(Error::Data(format!(
            "the weights of {whose} sum to {total}; a positive, finite total is required"
        )))
    }

    /// Checks that the scalings can take all values.
    pub fn possible(&self, scalings: &[Scaling]) -> Result<()> {
        let rows = self.x.chunks_exact(self.dim).zip(&self.rows);
        for (event, row) in rows {
            let columns = event.iter().zip(scalings).enumerate();
            for (column, (&x, scaling)) in columns {
                if let Some(what) = scaling.objection(x) {
                    return Err(Error::Data(format!(
                        "column {column} of row {row} (counted from 0) is {x}, {what}; leave such events out, by their flags if they have no such level, or set the scaling to bounds that hold"
                    )));
                }
            }
        }
        Ok(())
    }
}

/// Everything that unfolding starts from.
pub(super) struct Input {
    /// All events with a particle level, with their Monte Carlo weights v.
    pub generated: Level,
    /// All reconstructed events, with their weights u at detector level.
    pub reconstructed: Level,
    /// Which of `reconstructed` have a particle level; the others are fakes.
    pub matched: Vec<bool>,
    /// The place in `generated` of every matched event.
    pub partner: Vec<usize>,
    pub data: Level,
    /// Rows of the host's arrays.
    pub n: usize,
    /// How often each of them is drawn, of a replica.
    pub drawn: Option<Vec<f64>>,
}

/// Refuses what has no events in memory.
fn in_memory(name: &str, source: &Source) -> Result<()> {
    match source.sample() {
        Ok(_) => Ok(()),
        Err(Error::Unsupported(_)) => Err(Error::Unsupported(format!(
            "`{name}` is a callback or a file larger than `source.memory`; unfolding goes through the same events again and again, and needs their number: give an array, or a file within that limit"
        ))),
        Err(other) => Err(other),
    }
}

/// Poisson numbers of mean 1, for every row; none of replica 0.
fn drawn(place: Places, replica: u64, rows: usize, seed: u64) -> Result<Option<Vec<f64>>> {
    if replica == 0 {
        return Ok(None);
    }
    let noise = place.at(replica).noise(seed);
    let draw = |row| poisson(1.0, &mut noise.rng(row as u64));
    (0..rows).map(draw).gather().map(Some)
}

/// Names for columns that have none: r0, r1, … at detector level, so that messages tell the levels apart.
fn detector_names(reconstructed: &Source, data: &Source) -> Result<Vec<String>> {
    let (own, of_data) = (reconstructed.names(), data.names());
    if !own.is_empty() && !of_data.is_empty() && own != of_data {
        return Err(Error::InvalidArgument(format!(
            "the columns of `reconstructed` are called {}, those of `data` {}; give both the same ones in the same order",
            own.join(", "),
            of_data.join(", ")
        )));
    }
    let names = if own.is_empty() { of_data } else { own };
    if !names.is_empty() {
        return room::copied(names);
    }
    let numbered: Vec<String> = (0..data.dim()).map(|i| format!("r{i}")).collect();
    listed_names(&numbered.join(","), data.dim())
}

impl Input {
    /// # Errors
    /// [`Error::InvalidArgument`] for sources and flags that do not belong together, naming the first row; [`Error::Unsupported`] for
    /// sources that are not in memory; [`Error::Data`] for weights without a positive total.
    pub fn new(
        generated: &Source,
        reconstructed: &Source,
        data: &Source,
        flags: Option<&[i32]>,
        options: &Options,
    ) -> Result<Self> {
        for (name, source) in [
            ("generated", generated),
            ("reconstructed", reconstructed),
            ("data", data),
        ] {
            in_memory(name, source)?;
        }
        let n = generated.sample()?.rows();
        let rows = reconstructed.sample()?.rows();
        let wrong = |what: String| Err(Error::InvalidArgument(what));
        if rows != n {
            return wrong(format!(
                "`generated` has {n} rows, `reconstructed` {rows}: row i of both must be the same simulated event; `flags` say what it has"
            ));
        }
        if let Some(flags) = flags.filter(|flags| flags.len() != n) {
            return wrong(format!(
                "there are {} flags for {n} simulated events; each needs one",
                flags.len()
            ));
        }
        if data.dim() != reconstructed.dim() {
            return wrong(format!(
                "the events of `reconstructed` have {} columns, those of `data` {}; they need the same; if one is a weight, say so",
                reconstructed.dim(),
                data.dim()
            ));
        }
        let flag = |row: usize| flags.map_or(BOTH, |flags| flags[row]);
        for row in 0..n {
            match flag(row) {
                1..=BOTH => (),
                0 => {
                    return wrong(format!(
                        "row {row} (counted from 0) of `flags` is 0: an event that is neither generated nor reconstructed has no place; leave it out"
                    ))
                }
                other => {
                    return wrong(format!(
                        "row {row} (counted from 0) of `flags` is {other}; flags are 1 (generated), 2 (reconstructed) or 3 (both)"
                    ))
                }
            }
        }
        let (of_truth, of_detector) = (generated.sample()?, reconstructed.sample()?);
        let weighted = reconstructed.weighted();
        let lost = |row: usize| weighted && of_detector.weight(row) == 0.0;
        // An event that weighs nothing at detector level was not reconstructed, whatever its flag says.
        let is = |row: usize, bit: i32| {
            flag(row) & bit != 0 && !(bit == PAIR_RECONSTRUCTED && lost(row))
        };
        let replica = options.get(keys::UNFOLD_REPLICA) as u64;
        let seed = options.get(keys::SEED) as u64;
        let drawn_pairs = drawn(places::UNFOLD_PAIRS, replica, n, seed)?;
        let events = data.sample()?;
        let drawn_data = drawn(places::UNFOLD_DATA, replica, events.rows(), seed)?;
        let times = |drawn: &Option<Vec<f64>>, row: usize| drawn.as_ref().map_or(1.0, |d| d[row]);
        let rows = |bit: i32| (0..n).filter(|&row| is(row, bit)).gather();
        let generated = Level::new(
            generated,
            rows(PAIR_GENERATED)?,
            names::wanted(None, generated, options)?,
            |row| of_truth.weight(row) * times(&drawn_pairs, row),
        )?;
        let names = detector_names(reconstructed, data)?;
        let reconstructed = Level::new(
            reconstructed,
            rows(PAIR_RECONSTRUCTED)?,
            room::copied(&names)?,
            |row| {
                let weight = match weighted {
                    true => of_detector.weight(row),
                    false => of_truth.weight(row),
                };
                weight * times(&drawn_pairs, row)
            },
        )?;
        let data = Level::new(data, (0..events.rows()).gather()?, names, |row| {
            events.weight(row) * times(&drawn_data, row)
        })?;
        let matched = reconstructed.rows.iter();
        let matched = matched.map(|&row| is(row, PAIR_GENERATED)).gather()?;
        let mut partner = Vec::new();
        for (place, &row) in generated.rows.iter().enumerate() {
            if is(row, PAIR_RECONSTRUCTED) {
                partner.put(place)?;
            }
        }
        if partner.is_empty() {
            return wrong(format!(
                "of {n} simulated events none is both generated and reconstructed; are the bits of `flags` exchanged, or all weights of `reconstructed` 0?"
            ));
        }
        of("generated", generated.total("its events").map(drop))?;
        of(
            "data",
            data.total("its events, backgrounds subtracted,").map(drop),
        )?;
        Ok(Input {
            generated,
            reconstructed,
            matched,
            partner,
            data,
            n,
            drawn: drawn_pairs,
        })
    }

    /// The particle level of the matched events, with the weights that they have at detector level.
    pub fn particles(&self, matched: &Level) -> Result<Level> {
        let mut reconstructed = room::filled(self.generated.rows.len(), false)?;
        self.partner.iter().for_each(|&i| reconstructed[i] = true);
        Ok(Level {
            w: room::copied(&matched.w)?,
            ..self.generated.only(|i| reconstructed[i])?
        })
    }
}
