//! Two-dimensional histograms.

use super::sample::Sample;
use super::sum::{Squares, Sum};
use crate::room::{self, Gather};
use crate::{Error, Result, Rows};

/// Weighted histogram of events over `[xlo, xhi] × [ylo, yhi]` in `nx × ny` bins of equal size.
///
/// Bins include their lower edges and exclude their upper ones; the last bin of an axis includes both. Bin i of n over [lo, hi] begins at
/// lo + i · ((hi − lo) / n), as `numpy.histogram` has it.
/// Events outside the range are counted apart. Weights that cancel, but for their rounding, sum to 0. Memory: 40 bytes a bin. Filling needs
/// exclusive access; reading is safe from any number of threads.
#[derive(Debug, Clone)]
pub struct Histogram2d {
    x: Axis,
    y: Axis,
    bins: Vec<Bin>,
    outside: Sum,
    /// Of the weights inside.
    squares: Squares,
    entries: u64,
}

/// The weights in a bin.
#[derive(Debug, Clone, Copy, Default)]
struct Bin {
    sum: Sum,
    squares: Squares,
}

/// Bins of equal width over a closed range.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Axis {
    bins: usize,
    range: [f64; 2],
    /// Of a bin.
    width: f64,
}

impl Axis {
    fn new(name: &str, bins: usize, range: [f64; 2]) -> Result<Self> {
        let [lo, hi] = range;
        if bins == 0 {
            return Err(Error::InvalidArgument(format!(
                "n{name} is 0; at least one bin is required"
            )));
        }
        let width = (hi - lo) / bins as f64;
        if !(width.is_normal() && width > 0.0 && lo + width > lo && hi - width < hi) {
            return Err(Error::InvalidArgument(format!(
                "the {name} range [{lo}, {hi}] cannot be divided into {bins} bins; finite edges in increasing order are required"
            )));
        }
        Ok(Axis { bins, range, width })
    }

    /// Where bin `bin` begins.
    fn edge(&self, bin: usize) -> f64 {
        self.range[0] + bin as f64 * self.width
    }

    fn bin(&self, value: f64) -> Option<usize> {
        let [lo, hi] = self.range;
        if value < lo || value > hi {
            return None;
        }
        // Rounded: the edges themselves decide.
        let guess = ((value - lo) / self.width) as usize;
        let mut bin = guess.min(self.bins - 1);
        while value < self.edge(bin) {
            bin -= 1;
        }
        while bin + 1 < self.bins && value >= self.edge(bin + 1) {
            bin += 1;
        }
        Some(bin)
    }
}

impl Histogram2d {
    /// An empty histogram of `nx` bins over `[xlo, xhi]` and `ny` bins over `[ylo, yhi]`.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] for zero bins, edges that are not finite or not in increasing order; [`Error::Memory`] for a number of
    /// bins whose memory cannot be had.
    pub fn new(nx: usize, x_range: [f64; 2], ny: usize, y_range: [f64; 2]) -> Result<Self> {
        let x = Axis::new("x", nx, x_range)?;
        let y = Axis::new("y", ny, y_range)?;
        // Too many to count are too many to hold.
        let bins = room::filled(nx.saturating_mul(ny), Bin::default());
        Ok(Histogram2d {
            x,
            y,
            bins: bins.map_err(|e| e.for_what("the bins of a histogram"))?,
            outside: Sum::default(),
            squares: Squares::default(),
            entries: 0,
        })
    }

    /// Add events: rows of x and y. `weights` has one weight per row; without it each event weighs 1.
    ///
    /// # Errors
    /// [`Error::NotFinite`] for the first NaN or infinity among the events or weights, and [`Error::InvalidArgument`] for rows of other
    /// than 2 columns or too few weights; the histogram is then left as it was.
    pub fn fill(&mut self, events: Rows<f64>, weights: Option<&[f64]>) -> Result<()> {
        if events.rows() == 0 {
            return Ok(());
        }
        if events.dim() != 2 {
            return Err(Error::InvalidArgument(format!(
                "events have {} columns; x and y are required",
                events.dim()
            )));
        }
        let events = Sample::new(events, weights)?;
        for row in 0..events.rows() {
            let (event, weight) = (events.event(row), events.weight(row));
            match (self.x.bin(event[0]), self.y.bin(event[1])) {
                (Some(ix), Some(iy)) => {
                    let bin = &mut self.bins[ix * self.y.bins + iy];
                    bin.sum.add(weight);
                    bin.squares.add(weight);
                    self.squares.add(weight);
                }
                _ => self.outside.add(weight),
            }
        }
        self.entries += events.rows() as u64;
        Ok(())
    }

    /// Add the contents of another histogram of the same binning.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] if the binnings differ.
    pub fn merge(&mut self, other: &Histogram2d) -> Result<()> {
        self.require_same_binning(other)?;
        for (mine, theirs) in self.bins.iter_mut().zip(&other.bins) {
            mine.sum.merge(&theirs.sum);
            mine.squares.merge(theirs.squares);
        }
        self.outside.merge(&other.outside);
        self.squares.merge(other.squares);
        self.entries += other.entries;
        Ok(())
    }

    /// The sum of weights of each bin: `nx * ny` values, bin `(ix, iy)` at `ix * ny + iy`.
    ///
    /// # Errors
    /// [`Error::Memory`].
    pub fn contents(&self) -> Result<Vec<f64>> {
        self.bins.iter().map(|bin| bin.sum.value()).gather()
    }

    /// The number of bins in x.
    pub fn nx(&self) -> usize {
        self.x.bins
    }

    /// The number of bins in y.
    pub fn ny(&self) -> usize {
        self.y.bins
    }

    /// The edges of the x axis, `[xlo, xhi]`.
    pub fn x_range(&self) -> [f64; 2] {
        self.x.range
    }

    /// The edges of the y axis, `[ylo, yhi]`.
    pub fn y_range(&self) -> [f64; 2] {
        self.y.range
    }

    /// The sum of weights inside the range.
    pub fn total(&self) -> f64 {
        let mut total = Sum::default();
        self.bins.iter().for_each(|bin| total.merge(&bin.sum));
        total.value()
    }

    /// The sum of weights of the events outside the range; no score takes account of them.
    pub fn outside(&self) -> f64 {
        self.outside.value()
    }

    /// The number of events filled, inside and outside the range.
    pub fn entries(&self) -> u64 {
        self.entries
    }

    /// (Σw)² / Σw² of the events inside the range: how many unweighted events they are worth. NaN for an empty histogram.
    pub fn effective_entries(&self) -> f64 {
        self.squares.effective(self.total())
    }

    /// Σw² of each bin, of weights whose total is 1.
    pub(super) fn normalised_squares(&self) -> Result<Vec<f64>> {
        let total = self.total();
        let of_bin = |bin: &Bin| 1.0 / bin.squares.effective(total);
        self.bins.iter().map(of_bin).gather()
    }

    /// A histogram of the same binning with these contents.
    pub(super) fn with_contents(&self, contents: impl Iterator<Item = f64>) -> Result<Self> {
        let bins = contents.map(|w| Bin {
            sum: Sum::from_iter([w]),
            squares: Squares::from_iter([w]),
        });
        let bins = bins.gather()?;
        Ok(Histogram2d {
            squares: bins.iter().fold(Squares::default(), |mut all, bin| {
                all.merge(bin.squares);
                all
            }),
            bins,
            outside: Sum::default(),
            ..*self
        })
    }

    /// The width of a bin in x and in y.
    pub fn bin_widths(&self) -> [f64; 2] {
        [self.x.width, self.y.width]
    }

    /// The area of a bin, in units of x times units of y.
    pub fn bin_area(&self) -> f64 {
        self.x.width * self.y.width
    }

    pub(super) fn require_same_binning(&self, other: &Histogram2d) -> Result<()> {
        if (self.x, self.y) == (other.x, other.y) {
            return Ok(());
        }
        let binning = |h: &Histogram2d| {
            format!(
                "{} bins over {:?} × {} bins over {:?}",
                h.x.bins, h.x.range, h.y.bins, h.y.range
            )
        };
        Err(Error::InvalidArgument(format!(
            "the histograms differ in binning ({}; {}); the same binning is required",
            binning(self),
            binning(other)
        )))
    }
}
