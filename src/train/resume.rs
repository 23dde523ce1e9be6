//! What has a position of its own, from which it can go on.

use crate::{Error, Result};

/// Rows, events or random numbers that are drawn one after the other. Where it stands are some words of 64 bits, which a checkpoint keeps.
pub trait Resume {
    /// Adds where it stands.
    ///
    /// # Errors
    /// Those of a host that is asked.
    fn position(&self, words: &mut Vec<u64>) -> Result<()>;

    /// Goes on from a position that is not before its own, without delivering what lies between.
    ///
    /// # Errors
    /// [`Error::Format`] if there are too few words; those of the source.
    fn resume(&mut self, words: &mut Words) -> Result<()>;
}

/// Asked now and then by what takes long: whether to go on. An error ends it.
pub type GoOn<'a> = &'a dyn Fn() -> Result<()>;

/// The words of a position, in the order in which they were added.
pub struct Words<'a> {
    words: std::slice::Iter<'a, u64>,
    /// The most rows of a kind that the training can have drawn.
    pub most: u64,
    /// Rows of a kind that an update draws.
    pub batch: usize,
    /// Asked for every block of rows that are passed over on the way there.
    pub go_on: GoOn<'a>,
}

impl<'a> Words<'a> {
    /// Of a training that can have made `updates` updates with `batch` rows of a kind each.
    pub fn new(words: &'a [u64], updates: u64, batch: usize, go_on: GoOn<'a>) -> Self {
        Words {
            words: words.iter(),
            most: updates.saturating_mul(batch as u64),
            batch,
            go_on,
        }
    }

    /// The next of them, as a number of rows drawn, of which `drawn` were before the training.
    ///
    /// # Errors
    /// [`Error::Format`] if there is none, or it cannot be.
    pub fn next_drawn(&mut self, drawn: u64) -> Result<u64> {
        let to = self.next_word()?;
        match to.checked_sub(drawn) {
            Some(rows) if rows <= self.most => Ok(to),
            _ => Err(Error::Format(format!(
                "{to} rows drawn, where there were {drawn} before it and it can have drawn at most {}",
                self.most
            ))),
        }
    }

    /// The next of them.
    ///
    /// # Errors
    /// [`Error::Format`] if there is none.
    pub fn next_word(&mut self) -> Result<u64> {
        let word = self.words.next().copied();
        word.ok_or_else(|| Error::Format("the checkpoint says too little of its source".into()))
    }
}
