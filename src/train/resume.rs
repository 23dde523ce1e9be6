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

/// The words of a position, in the order in which they were added.
#[derive(Debug)]
pub struct Words<'a>(pub std::slice::Iter<'a, u64>);

impl Words<'_> {
    /// The next of them.
    ///
    /// # Errors
    /// [`Error::Format`] if there is none.
    pub fn next_word(&mut self) -> Result<u64> {
        let word = self.0.next().copied();
        word.ok_or_else(|| Error::Format("the checkpoint says too little of its source".into()))
    }
}
