//! The rows of a file, block by block.

use crate::argument::MOST_EXACT;
use crate::events::{open, Events, Kind, Wanted};
use crate::failure::{Failure, Result};
use crate::output::Array;
use crate::parquet::Groups;
use crate::particle::features::Features;
use crate::terminal;
use laser::table::Table;
use std::ops::Range;
use std::path::Path;

/// Numbers that are held in memory at once.
pub const BLOCK: usize = 1 << 20;

/// The rows of a file: read as they are wanted, or all of them.
pub enum Input {
    Table(Table),
    Groups(Groups),
    Whole(Events),
}

impl Input {
    pub fn open(path: &Path, features: Option<&Features>) -> Result<Self> {
        match Kind::of(path) {
            Ok(Kind::Npy) => return Ok(Input::Table(Table::open(path)?)),
            Ok(Kind::Parquet) => return Ok(Input::Groups(Groups::open(path, open(path)?)?)),
            _ => (),
        }
        let wanted = Wanted {
            features,
            weights: features.is_some() && matches!(Kind::of(path), Ok(Kind::Particles(_))),
            name: None,
        };
        let mut events = Events::read_wanted(path, wanted)?;
        if wanted.weights {
            // It takes no part: what is multiplied with it is asked for.
            events.split_weights(events.columns - 1)?;
        }
        terminal::warn(events.warning.as_deref());
        Ok(Input::Whole(events))
    }

    pub fn rows(&self) -> usize {
        match self {
            Input::Table(table) => table.layout().rows(),
            Input::Groups(groups) => groups.rows(),
            Input::Whole(events) => events.rows,
        }
    }

    pub fn columns(&self) -> usize {
        match self {
            Input::Table(table) => table.layout().columns(),
            Input::Groups(groups) => groups.names().len(),
            Input::Whole(events) => events.columns,
        }
    }

    pub fn names(&self) -> &[String] {
        match self {
            Input::Table(table) => table.layout().names(),
            Input::Groups(groups) => groups.names(),
            Input::Whole(events) => events.names(),
        }
    }

    /// What a column is called, or else by its number.
    pub fn name(&self, column: usize) -> String {
        match self.names().get(column) {
            Some(name) if !name.is_empty() => name.clone(),
            _ => format!("x{column}"),
        }
    }

    /// How a .npy holds its rows, and others with them: where they have names, by them.
    pub fn array(&self) -> Array {
        match self.names() {
            [] => Array::Table,
            _ => Array::Records,
        }
    }

    /// The columns whose whole numbers may be others when they are written.
    pub fn long(&self) -> Vec<usize> {
        match self {
            Input::Table(table) => {
                let columns = 0..table.layout().columns();
                columns.filter(|&c| table.layout().is_long(c)).collect()
            }
            Input::Groups(groups) => groups.long().to_vec(),
            Input::Whole(events) => (0..events.columns).filter(|&c| events.long[c]).collect(),
        }
    }

    /// All columns of these rows.
    pub fn read(&self, rows: Range<usize>, out: &mut [f64]) -> Result<()> {
        match self {
            Input::Table(table) => Ok(table.read(rows, out)?),
            Input::Groups(groups) => groups.read(rows, out),
            Input::Whole(events) => {
                let columns = events.columns;
                out.copy_from_slice(&events.values[rows.start * columns..rows.end * columns]);
                Ok(())
            }
        }
    }
}

/// Refuses to write another number than the file has: `row` is number `i`, and `long` are the columns of whole numbers.
pub fn require_exact(path: &Path, i: usize, row: &[f64], long: &[usize]) -> Result<()> {
    let is_beyond = |&&column: &&usize| row[column].abs() >= MOST_EXACT as f64;
    match long.iter().find(is_beyond) {
        None => Ok(()),
        Some(column) => Err(Failure::of(
            path,
            format!("row {i}, column {column} (both from 0): a whole number of 2^53 or more, which the doubles that are written do not hold; leave the column out, or make two of it, n // 2**32 and n % 2**32"),
        )),
    }
}
