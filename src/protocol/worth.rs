//! What weights leave of a sample: how many events of weight 1 it is worth, and whether one of them outweighs the others.

use crate::metrics::{Squares, Sum};
use crate::train::{Hooks, Words};
use crate::Result;

/// Events that are worth fewer tell hardly anything of a shape; where that is less than this share of their number, it is the weights' fault.
const FEW: f64 = 1000.0;
const LOST: f64 = 0.9;
/// An event with this share of Σw² decides alone what its surroundings weigh, if there are as many.
const HUGE: f64 = 0.1;
const ENOUGH: u64 = 100;

/// Weighted events, as they are met.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Worth {
    rows: u64,
    negative: u64,
    total: Sum,
    squares: Squares,
    /// The largest in absolute value, and its row, if rows have numbers.
    largest: (Option<u64>, f64),
}

impl Worth {
    /// Of rows with their numbers.
    pub fn of(weights: impl Iterator<Item = (usize, f64)>) -> Self {
        let mut worth = Worth::default();
        weights.for_each(|(row, w)| worth.add(Some(row as u64), w));
        worth
    }

    pub fn add(&mut self, row: Option<u64>, w: f64) {
        self.rows += 1;
        self.negative += u64::from(w < 0.0);
        self.total.add(w);
        self.squares.add(w);
        if w.abs() > self.largest.1.abs() {
            self.largest = (row, w);
        }
    }

    pub fn rows(&self) -> u64 {
        self.rows
    }

    /// Those of negative weight.
    pub fn negative(&self) -> u64 {
        self.negative
    }

    /// Σw.
    pub fn total(&self) -> f64 {
        self.total.value()
    }

    /// How many events of weight 1 they are worth: (Σw)² / Σw².
    pub fn effective(&self) -> f64 {
        self.squares.effective(self.total())
    }

    /// Warns of `whose` weights, if they leave few events, or one has most of the weight.
    ///
    /// # Errors
    /// Those of the hooks.
    pub fn warn(&self, hooks: &dyn Hooks, whose: &str) -> Result<()> {
        let Worth { rows, negative, .. } = *self;
        let effective = self.effective();
        if effective < FEW && effective < LOST * rows as f64 {
            let why = match negative {
                0 => "as their weights differ so much",
                _ => "as their signs cancel",
            };
            let message = format!(
                "{whose}, {rows} in all, are worth {effective:.0} of weight 1, {why}: too few to tell what is left of them where. Deliver more"
            );
            hooks.warn("events", &message)?;
        }
        let (row, w) = self.largest;
        // w² / Σw².
        let share = self.squares.effective(w);
        if share <= HUGE || rows < ENOUGH {
            return Ok(());
        }
        let which = match row {
            Some(row) => format!("the event of row {row} (from 0)"),
            None => "one event".into(),
        };
        let message = format!(
            "{which} has the weight {w}, {:.1} % of the sum of {whose}, and {:.0} % of that of the squares: it alone decides what its surroundings weigh, and takes from all others. Leave it out, if it is a failure of the generator",
            100.0 * w / self.total(),
            100.0 * share
        );
        hooks.warn("events", &message)
    }

    /// Adds its bits.
    pub fn position(&self, words: &mut Vec<u64>) {
        words.extend([self.rows, self.negative]);
        words.extend(self.total.words());
        words.extend(self.squares.words());
        words.push(self.largest.1.to_bits());
    }

    /// That of such bits, of rows without numbers.
    ///
    /// # Errors
    /// Those of [`Words`].
    pub fn resumed(words: &mut Words) -> Result<Self> {
        let mut word = || words.next_word();
        Ok(Worth {
            rows: word()?,
            negative: word()?,
            total: Sum::from_words([word()?, word()?, word()?]),
            squares: Squares::from_words([word()?, word()?]),
            largest: (None, f64::from_bits(word()?)),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::noise::{domain, Noise};
    use std::cell::RefCell;

    #[derive(Default)]
    struct Told(RefCell<Vec<String>>);

    impl Hooks for Told {
        fn warn(&self, about: &'static str, message: &str) -> Result<()> {
            assert_eq!(about, "events");
            self.0.borrow_mut().push(message.into());
            Ok(())
        }
    }

    fn told(weights: &[f64]) -> String {
        let hooks = Told::default();
        let worth = Worth::of(weights.iter().copied().enumerate());
        worth.warn(&hooks, "the events").unwrap();
        hooks.0.into_inner().join("; ")
    }

    #[test]
    fn one_event_that_outweighs_the_others_is_named_and_broad_weights_are_not() {
        let mut z = vec![0.0; 20_000];
        Noise::new(5, 0, domain::PILOT).fill_normals(0, 20_000, 1, &mut z);
        let mut w = vec![1.0; 20_000];
        assert_eq!(told(&w), "");
        w[17] = 1700.0;
        let one = told(&w);
        for words in [
            "the event of row 17 (from 0) has the weight 1700, 7.8 % of the sum of the events, and 99 % of",
            "20000 in all, are worth 162 of weight 1, as their weights differ so much",
        ] {
            assert!(one.contains(words), "{one}");
        }
        // As they are met in samples: lognormal, exponential, of both signs, of slices of very different cross sections; few, but of one weight.
        let broad: [&dyn Fn(usize) -> f64; 5] = [
            &|i| libm::exp(z[i]),
            &|i| -libm::log(0.5 + 0.499 * (z[i] / 5.0).clamp(-1.0, 1.0)),
            &|i| if i % 5 == 0 { -1.0 } else { 1.0 },
            &|i| [1.0, 0.01, 0.0001][i % 3],
            &|i| if i < 500 { 2.0 } else { 0.0 },
        ];
        for (number, weight) in broad.iter().enumerate() {
            let w: Vec<f64> = (0..20_000).map(weight).collect();
            let rows = if number == 4 { 500 } else { w.len() };
            assert_eq!(told(&w[..rows]), "", "{number}");
        }
        // Of both signs, and next to nothing is left.
        let signs: Vec<f64> = (0..20_000).map(|i| [1.1, -1.0][i % 2]).collect();
        assert!(told(&signs).contains("are worth 45 of weight 1, as their signs cancel"));
    }
}
