//! The weights that a reweighter gave to a file: whether their mean is that of the events it knows.

use crate::meaning::Meaning;
use crate::output;
use crate::terminal::{self, number, percent, rate};
use std::path::Path;

/// How far from 1 the mean weight of events of FROM may be.
const OFF: f64 = 0.1;

/// Fewest events that it is told by.
const ENOUGH: usize = 100;

/// Sums over events with weights v of their own, for the mean of w.
#[derive(Default)]
struct Sums {
    v: f64,
    vw: f64,
    /// Of v² w⁰, v² w and v² w².
    squares: [f64; 3],
}

impl Sums {
    fn add(&mut self, w: f64, v: f64) {
        self.v += v;
        self.vw += v * w;
        let v2 = v * v;
        for (sum, power) in self.squares.iter_mut().zip([1.0, w, w * w]) {
            *sum += v2 * power;
        }
    }

    /// Whether the mean is not 1: by chance it is off by the root of what the weights vary, over the events.
    fn off(&self) -> bool {
        let mean = self.vw / self.v;
        let [zeroth, first, second] = self.squares;
        let variance = second - 2.0 * mean * first + mean * mean * zeroth;
        let error = variance.max(0.0).sqrt() / self.v;
        self.v <= 0.0 || (mean - 1.0).abs() > OFF + 4.0 * error
    }
}

/// What weights came out.
pub struct Seen {
    /// Of a reweighter whose FROM are events without weights.
    replaces: bool,
    pub rows: usize,
    plain: Sums,
    /// With the weights that the events have.
    weighted: Option<Sums>,
}

impl Seen {
    pub fn new(meaning: Meaning) -> Self {
        Seen {
            replaces: meaning.replaces(),
            rows: 0,
            plain: Sums::default(),
            weighted: None,
        }
    }

    pub fn add(&mut self, w: f64, own: Option<f64>) {
        self.rows += 1;
        self.plain.add(w, 1.0);
        if let Some(v) = own.filter(|_| !self.replaces) {
            self.weighted.get_or_insert_default().add(w, v);
        }
    }

    /// What came of it, on stderr.
    pub fn tell(&self, path: &Path, seconds: f64) {
        let Seen {
            replaces,
            rows,
            plain,
            weighted,
        } = self;
        let mean = |sums: &Sums| number(sums.vw / sums.v);
        let with = match weighted {
            None => String::new(),
            Some(sums) if sums.v <= 0.0 => {
                format!(", the events' own weights sum to {}", number(sums.v))
            }
            Some(sums) => format!(", with the events' own weights {}", mean(sums)),
        };
        let all = weighted.as_ref().unwrap_or(plain);
        terminal::say(&format!(
            "weights of {rows} events in {} s ({}) in {}: mean {}{with}, effective fraction {}",
            number(seconds),
            rate(*rows as f64 / seconds),
            output::shown(path),
            mean(plain),
            percent(all.vw * all.vw / all.squares[2] / *rows as f64),
        ));
        // A few do not tell how much the weights vary. A reweighter may be one of events without their weights.
        if *rows >= ENOUGH && plain.off() && weighted.as_ref().is_none_or(Sums::off) {
            let others = match weighted {
                Some(_) => "",
                None if *replaces => "",
                None => ", or they have weights, which --weight-column names",
            };
            terminal::warn(Some(&format!(
                "the mean weight of these events is {}{with}, and of events like those of FROM it is 1: these are others, or their conditions are{others}. Weights of other events mean nothing",
                mean(plain)
            )));
        }
    }
}
