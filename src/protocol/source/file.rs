//! Events in a file that is too large to be held: read window by window.

use super::array::checksum;
use super::events::{objection, Events};
use super::origin::{Known, Origin, CHUNK, MEASURE};
use super::restriction::Restriction;
use super::watch::Watch;
use crate::noise::{places, Permutation};
use crate::options::{keys, Options};
use crate::order::sort_numbers;
use crate::room::{Gather, Grow};
use crate::table::Table;
use crate::train::{GoOn, Words};
use crate::{Error, Result};
use rand::RngCore;
use sha2::{Digest, Sha256};

/// Bytes of neighbouring rows, in memory, that are read together: a compromise between disks and how well a window is mixed.
const BLOCK: usize = 1 << 16;
/// Rows that a checkpoint knows the file by, besides its size.
const KNOWN_BY: usize = 1000;

/// The training events are numbered without those that are held out. A pass begins at an event of chance and cuts them into blocks, which it takes
/// in a random order; so many blocks as fit into memory are a window, whose events come in a random order. What comes at which position of a pass is
/// a function of seed, pass and position.
pub(super) struct Rows {
    /// Features, and behind them the weight, if there is one.
    table: Table,
    weighted: bool,
    /// Events of a block and of a window, which is made of whole blocks.
    block: usize,
    window: usize,
    /// Of every row that is held out, in their order, how many before it are not.
    held: Vec<usize>,
    /// The rows of `Known::held_out`.
    numbers: Vec<usize>,
    /// All rows, those that are held out first.
    order: Option<Permutation>,
    /// Training events drawn, those outside the support included.
    position: u64,
    loaded: Option<Window>,
    /// The values of its rows, block by block.
    values: Vec<f64>,
    /// What was held out before some were left out.
    before: Option<(Events, Vec<usize>)>,
}

/// A part of a pass.
struct Window {
    /// Seed, pass, and number within the pass.
    of: (u64, u64, usize),
    rows: usize,
    /// The training events that its blocks begin with.
    blocks: Vec<usize>,
    order: Permutation,
}

impl Rows {
    /// Takes about so many bytes of memory.
    pub fn new(table: Table, weighted: bool, memory: usize) -> Self {
        let width = table.layout().columns();
        let fit = (memory / (width * size_of::<f64>())).max(1);
        // Of doubles, whatever the file has: the order is that of the events.
        let block = BLOCK / (width * size_of::<f64>());
        let block = block.clamp(1, fit);
        Rows {
            table,
            weighted,
            block,
            window: fit / block * block,
            held: Vec::new(),
            numbers: Vec::new(),
            order: None,
            position: 0,
            loaded: None,
            values: Vec::new(),
            before: None,
        }
    }

    /// Training events.
    fn rows(&self) -> usize {
        self.table.layout().rows() - self.held.len()
    }

    /// Held-out rows before a training event.
    fn held_before(&self, event: usize) -> usize {
        self.held.partition_point(|&before| before <= event)
    }

    /// Reads the training events from `first` on, up to the last one.
    fn read(&self, first: usize, out: &mut [f64]) -> Result<()> {
        let width = self.table.layout().columns();
        let events = out.len() / width;
        let held = self.held_before(first);
        let between = self.held_before(first + events - 1) - held;
        if between == 0 {
            return self.table.read(first + held..first + held + events, out);
        }
        let mut rows = Vec::new();
        rows.sized((events + between) * width, 0.0)?;
        self.table
            .read(first + held..first + held + events + between, &mut rows)?;
        let mut left_out = self.held[held..held + between].iter().peekable();
        let mut row = rows.chunks_exact(width);
        for (event, out) in (first..).zip(out.chunks_exact_mut(width)) {
            while left_out.next_if(|before| **before <= event).is_some() {
                row.next();
            }
            if let Some(row) = row.next() {
                out.copy_from_slice(row);
            }
        }
        Ok(())
    }

    /// Reads a window, unless it is there.
    fn load(&mut self, of: (u64, u64, usize)) -> Result<()> {
        if self.loaded.as_ref().is_some_and(|window| window.of == of) {
            return Ok(());
        }
        self.loaded = None;
        let (seed, pass, number) = of;
        let (all, width) = (self.rows(), self.table.layout().columns());
        let mut rng = places::TARGET_ROWS.noise(seed).rng(pass);
        let start = (rng.next_u64() % all as u64) as usize;
        let whole = all / self.block;
        let order = Permutation::new(whole, &mut rng);
        let per_window = self.window / self.block;
        let places = number * per_window..whole.min((number + 1) * per_window);
        let mut blocks = places.map(|i| order.at(i) * self.block).gather()?;
        let rows = self.window.min(all - number * self.window);
        if rows > blocks.len() * self.block {
            // What is left behind the whole blocks comes last.
            blocks.put(whole * self.block)?;
        }
        for block in &mut blocks {
            *block = (*block + start) % all;
        }
        let mut values = std::mem::take(&mut self.values);
        values.sized(rows * width, 0.0)?;
        values.truncate(rows * width);
        for (&first, out) in blocks.iter().zip(values.chunks_mut(self.block * width)) {
            let (to_end, from_start) = out.split_at_mut(out.len().min((all - first) * width));
            self.read(first, to_end)?;
            if !from_start.is_empty() {
                self.read(0, from_start)?;
            }
        }
        self.values = values;
        let windows = all.div_ceil(self.window) as u64;
        let noise = places::FILE_WINDOWS.noise(seed);
        let mut rng = noise.rng(pass.wrapping_mul(windows).wrapping_add(number as u64));
        self.loaded = Some(Window {
            of,
            rows,
            blocks,
            order: Permutation::new(rows, &mut rng),
        });
        Ok(())
    }

    /// Puts a row, with its weight if there is one, behind others, if it can be used.
    fn put(&self, known: &Known, row: &[f64], number: usize, events: &mut Events) -> Result<()> {
        if let Some(column) = row.iter().position(|v| !v.is_finite()) {
            return Err(self
                .table
                .not_finite(number, column, self.weighted, row[column]));
        }
        let (x, w) = row.split_at(known.dim);
        if let Some(what) = objection(number, x, &known.scalings) {
            return Err(self.beyond(&what));
        }
        events.x.put_all(x.iter().copied())?;
        events.w.put(w.first().copied().unwrap_or(1.0))
    }

    /// Of a value that its scaling cannot take.
    fn beyond(&self, what: &str) -> Error {
        Error::Data(format!(
            "{} has an unusable event: {what} (rows and columns count from 0); leave such events out, or set `features.scaling` to bounds that hold",
            self.table.path().display()
        ))
    }

    /// Says where a row that is outside the support is.
    fn place(&self, number: usize) -> String {
        format!(
            "row {number} (from 0) of {} is",
            self.table.path().display()
        )
    }

    /// These rows, in the order of the file.
    fn single(&self, known: &Known, rows: &[usize]) -> Result<Events> {
        let mut events = Events::new(known.dim);
        events.room(rows.len())?;
        let mut row = Vec::new();
        row.sized(self.table.layout().columns(), 0.0)?;
        for &number in rows {
            self.table.read(number..number + 1, &mut row)?;
            self.put(known, &row, number, &mut events)?;
        }
        Ok(events)
    }

    /// Leaves out those of some events, the rows `numbers`, that are outside.
    fn leave_out(
        &self,
        restriction: &mut Restriction,
        events: &mut Events,
        numbers: &mut Vec<usize>,
    ) -> Result<()> {
        let place = |row: usize| self.place(numbers[row]);
        let inside = restriction.mark(&events.x, events.dim, place)?;
        events.retain(&inside);
        let mut inside = inside.iter();
        numbers.retain(|_| inside.next().is_some_and(|inside| *inside));
        Ok(())
    }
}

impl Window {
    /// The training event that a row of the window is.
    fn event(&self, row: usize, block: usize, all: usize) -> usize {
        (self.blocks[row / block] + row % block) % all
    }
}

impl Origin for Rows {
    fn hold_out(&mut self, known: &mut Known, options: &Options) -> Result<Events> {
        let all = self.table.layout().rows();
        let wanted = options.get(keys::VALIDATION_EVENTS) as usize;
        let fraction = options.get(keys::VALIDATION_FRACTION);
        let rows = wanted.min((all as f64 * fraction) as usize);
        let seed = options.get(keys::SEED) as u64;
        let order = Permutation::new(all, &mut places::HELD_OUT.rng(seed));
        let mut numbers = (0..rows).map(|i| order.at(i)).gather()?;
        sort_numbers(&mut numbers);
        let before = |(i, row): (usize, &usize)| row - i;
        let held = numbers.iter().enumerate().map(before).gather()?;
        let mut events = self.single(known, &numbers)?;
        if let Some(restriction) = &mut known.restriction {
            self.leave_out(restriction, &mut events, &mut numbers)?;
        }
        (self.held, self.numbers, self.order) = (held, numbers, Some(order));
        // Its numbers are of other events.
        self.loaded = None;
        Ok(events)
    }

    fn next(&mut self, known: &mut Known, rows: usize, _: usize, seed: u64) -> Result<Events> {
        let all = self.rows();
        if all == 0 {
            return Err(Error::Data(format!(
                "all events of {} are held out",
                self.table.path().display()
            )));
        }
        let width = self.table.layout().columns();
        let mut batch = Events::new(known.dim);
        batch.room(rows)?;
        let mut fruitless = 0;
        while batch.len() < rows {
            let (pass, at) = (self.position / all as u64, self.position % all as u64);
            let (number, at) = (at as usize / self.window, at as usize % self.window);
            self.load((seed, pass, number))?;
            let Some(window) = &self.loaded else {
                return Err(Error::Internal("a window that was read is there".into()));
            };
            let take = (rows - batch.len()).min(window.rows - at);
            let file_row = |i: usize| {
                let event = window.event(window.order.at(i), self.block, all);
                event + self.held_before(event)
            };
            let mut drawn = Events::new(known.dim);
            drawn.room(take)?;
            for i in at..at + take {
                let row = &self.values[window.order.at(i) * width..][..width];
                // Where it is matters only for a message.
                if self.put(known, row, 0, &mut drawn).is_err() {
                    self.put(known, row, file_row(i), &mut drawn)?;
                }
            }
            if let Some(restriction) = &mut known.restriction {
                let place = |row: usize| self.place(file_row(at + row));
                let inside = restriction.mark_neighbours(&drawn.x, known.dim, place)?;
                drawn.retain(&inside);
            }
            batch.put(&drawn)?;
            self.position += take as u64;
            fruitless = if drawn.len() > 0 { 0 } else { fruitless + take };
            if fruitless > all {
                return Err(Error::Data(format!(
                    "no event of {} is within the support, but those that may be left out (`target.outside`)",
                    self.table.path().display()
                )));
            }
        }
        Ok(batch)
    }

    fn skip(&mut self, known: &mut Known, rows: u64, seed: u64, words: &mut Words) -> Result<()> {
        if known.restriction.is_some() {
            // How many are left out is known only from themselves.
            return super::origin::draw_and_forget(self, known, rows, seed, words);
        }
        self.position += rows;
        Ok(())
    }

    fn place(&self, words: &mut Vec<u64>) {
        words.extend([self.position, checksum(&self.numbers), checksum(&self.held)]);
    }

    fn reset(&mut self) -> Result<()> {
        self.position = 0;
        self.loaded = None;
        (self.held, self.numbers, self.order) = (Vec::new(), Vec::new(), None);
        Ok(())
    }

    fn go_to(&mut self, drawn: u64, _: u64, _: GoOn) -> Result<()> {
        self.position = drawn;
        Ok(())
    }

    fn pass(&self) -> Option<usize> {
        Some(self.rows())
    }

    fn measured(&mut self, known: &mut Known) -> Result<Events> {
        let mut sample = match &known.held_out {
            Some(held_out) => held_out.copied()?,
            None => Events::new(known.dim),
        };
        let wanted = MEASURE.min(self.table.layout().rows());
        if let Some(order) = self.order.as_ref().filter(|_| sample.len() < wanted) {
            let mut more = (self.held.len()..wanted).map(|i| order.at(i)).gather()?;
            sort_numbers(&mut more);
            let mut events = self.single(known, &more)?;
            if let Some(restriction) = &mut known.restriction {
                self.leave_out(restriction, &mut events, &mut more)?;
            }
            sample.put(&events)?;
        }
        Ok(sample)
    }

    fn restrict(&mut self, known: &mut Known, restriction: &mut Restriction) -> Result<()> {
        let Some(held_out) = &mut known.held_out else {
            return Ok(());
        };
        self.before = Some((held_out.copied()?, crate::room::copied(&self.numbers)?));
        let mut numbers = std::mem::take(&mut self.numbers);
        self.leave_out(restriction, held_out, &mut numbers)?;
        self.numbers = numbers;
        Ok(())
    }

    fn release(&mut self, known: &mut Known) {
        // It has gone on, as a stream: what was held out since stays so.
        if let Some((held_out, numbers)) = self.before.take() {
            known.held_out = Some(held_out);
            self.numbers = numbers;
        }
    }

    fn bound(&self, known: &Known) -> Result<()> {
        let Some(held_out) = &known.held_out else {
            return Ok(());
        };
        let mut events = held_out.x.chunks_exact(known.dim).zip(&self.numbers);
        let defect = events.find_map(|(x, &row)| objection(row, x, &known.scalings));
        defect.map_or(Ok(()), |what| Err(self.beyond(&what)))
    }

    fn size(&self) -> Option<(&'static str, usize)> {
        Some(("file", self.table.layout().rows()))
    }

    fn watch(&self, held_out: &Events) -> Result<Option<Watch>> {
        Watch::new(held_out, false).map(Some)
    }

    fn identity(&self, known: &Known, weighted: &str) -> Result<String> {
        let all = self.table.layout().rows();
        let mut hash = Sha256::new();
        let mut row = Vec::new();
        row.sized(self.table.layout().columns(), 0.0)?;
        for number in (0..all).step_by((all / KNOWN_BY).max(1)) {
            self.table.read(number..number + 1, &mut row)?;
            row.iter().for_each(|x| hash.update(x.to_le_bytes()));
        }
        Ok(format!(
            "a file of {all} {weighted}events of {} values, {KNOWN_BY} of them with the SHA-256 {:x}",
            known.dim,
            hash.finalize()
        ))
    }
}

/// All rows of a table that fits into memory: features, and behind them the weight, if there is one.
pub(super) fn whole(table: &Table, weighted: bool) -> Result<Events> {
    let (rows, width) = (table.layout().rows(), table.layout().columns());
    let mut events = Events::new(width - usize::from(weighted));
    events.room(rows)?;
    let mut values = Vec::new();
    for first in (0..rows).step_by(CHUNK) {
        let last = rows.min(first + CHUNK);
        values.clear();
        values.sized((last - first) * width, 0.0)?;
        table.read(first..last, &mut values)?;
        if let Some(i) = values.iter().position(|v| !v.is_finite()) {
            return Err(table.not_finite(first + i / width, i % width, weighted, values[i]));
        }
        for row in values.chunks_exact(width) {
            let (x, w) = row.split_at(events.dim);
            events.x.extend_from_slice(x);
            events.w.push(w.first().copied().unwrap_or(1.0));
        }
    }
    Ok(events)
}
