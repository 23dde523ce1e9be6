//! What is wrong with the events as a whole, and spoils model and judgement alike, is told: one that outweighs all others, an order, and
//! held-out events that come again.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // tests fail so

use laser::model::Model;
use laser::noise::{domain, Noise};
use laser::options::Options;
use laser::protocol::{
    refine, train_generator, train_reweighter, unfold, EventSource, Instance, Source,
};
use laser::train::Checkpoint;
use laser::{Error, Result, Rows};
use std::cell::Cell;
use std::io::Write;

fn options(more: &str) -> Options {
    let json = r#"{"preset": "fast", "weights.events": 4000, "refiner.method": "reweight",
        "flow": {"blocks": 2, "layers": 1, "units": 4, "epochs": 1, "steps": 20, "batch": 1000},
        "classifier": {"layers": 1, "units": 4, "epochs": 1, "steps": 20, "batch": 1000}"#;
    Options::from_json(&format!("{json}, {more}}}")).unwrap()
}

const HELD_OUT: &str = r#""validation.events": 2000"#;

fn normals(rows: usize, stream: u64) -> Vec<f64> {
    let mut x = vec![0.0; 2 * rows];
    Noise::new(31, stream, domain::LATENT).fill_normals(0, rows, 2, &mut x);
    x
}

fn array<'a>(x: &'a [f64], w: &'a [f64]) -> Source<'a> {
    Source::from_rows(Rows::packed(x, 2).unwrap(), Some(w)).unwrap()
}

/// What was warned of the events.
fn told(model: &Model) -> Vec<String> {
    let judgement = &model.record["judgement"];
    let warnings = judgement["warnings"].as_array().unwrap().iter();
    let messages: Vec<String> = warnings
        .filter(|w| w["about"] == "events")
        .map(|w| w["message"].as_str().unwrap().into())
        .collect();
    let verdict = judgement["verdict"].as_str().unwrap();
    assert_eq!(
        verdict.contains("events"),
        !messages.is_empty(),
        "{verdict}"
    );
    messages
}

/// Whether one of the messages has these words.
fn has(messages: &[String], words: &str) -> bool {
    messages.iter().any(|m| m.contains(words))
}

/// Rows that a host delivers from beginning to end and again, in an order that it chooses for every pass.
struct Passes<'a> {
    x: &'a [f64],
    w: Option<&'a [f64]>,
    order: &'a (dyn Fn(usize, usize) -> usize + Sync),
    pass: usize,
    next: usize,
}

impl EventSource for Passes<'_> {
    fn dim(&self) -> usize {
        2
    }

    fn weighted(&self) -> bool {
        self.w.is_some()
    }

    fn fill(&mut self, x: &mut [f64], w: &mut [f64]) -> Result<usize> {
        for (i, (x, w)) in x.chunks_exact_mut(2).zip(w).enumerate() {
            if self.next == self.x.len() / 2 {
                (self.next, self.pass) = (0, self.pass + 1);
                return Ok(i);
            }
            let row = (self.order)(self.pass, self.next);
            x.copy_from_slice(&self.x[2 * row..][..2]);
            if let Some(weights) = self.w {
                *w = weights[row];
            }
            self.next += 1;
        }
        Ok(x.len() / 2)
    }
}

fn callback<'a>(
    x: &'a [f64],
    w: Option<&'a [f64]>,
    order: &'a (dyn Fn(usize, usize) -> usize + Sync),
) -> Source<'a> {
    let (pass, next) = (0, 0);
    Source::from_events(Box::new(Passes {
        x,
        w,
        order,
        pass,
        next,
    }))
    .unwrap()
}

fn in_order(_: usize, row: usize) -> usize {
    row
}

const ROWS: usize = 20_000;

/// Of an array, of a callback, and of each sample of a reweighter and of unfolding.
#[test]
fn an_event_that_outweighs_all_others_is_told_wherever_it_is() {
    let (x, other) = (normals(ROWS, 0), normals(ROWS, 1));
    let usual: Vec<f64> = (0..ROWS).map(|i| [0.5, 1.5, -0.1, 2.0][i % 4]).collect();
    let mut heavy = vec![1.0; ROWS];
    heavy[19_000] = 1700.0;
    let options = options(HELD_OUT);
    let words = "has the weight 1700, ";

    for (w, expected) in [(&heavy, true), (&usual, false)] {
        for mut source in [array(&x, w), callback(&x, Some(w), &in_order)] {
            let generator = train_generator(&mut source, &options, &()).unwrap();
            let messages = told(&generator);
            assert_eq!(has(&messages, words), expected, "{messages:?}");
            assert_eq!(messages.is_empty(), !expected, "{messages:?}");
            let refined = refine(&Instance::new(generator), &mut source, &options, &());
            // A training may come to no weight by such an event.
            if let Ok(refined) = refined {
                let messages = told(&refined);
                assert_eq!(has(&messages, words), expected, "{messages:?}");
            }
        }
    }

    for (from, to, whose) in [
        (&heavy, &usual, Some("the events of `from`")),
        (&usual, &heavy, Some("the events of `to`")),
        (&usual, &usual, None),
    ] {
        let (mut from, mut to) = (array(&x, from), array(&other, to));
        let trained = train_reweighter(&mut from, &mut to, &options, &()).unwrap();
        let messages = told(&trained);
        match whose {
            Some(whose) => assert!(
                has(&messages, &format!("{words}7.8 % of the sum of {whose}")),
                "{messages:?}"
            ),
            None => assert!(messages.is_empty(), "{messages:?}"),
        }
    }

    let simulated = vec![1.0; ROWS];
    for (data, expected) in [(&heavy, true), (&usual, false)] {
        let (generated, data) = (array(&x, &simulated), array(&other, data));
        let reconstructed = array(&x, &simulated);
        let unfolded = unfold(&generated, &reconstructed, &data, None, &options, &()).unwrap();
        let messages = told(&unfolded.reweighter);
        assert_eq!(
            has(&messages, &format!("{words}7.8 % of the sum of the data")),
            expected,
            "{messages:?}"
        );
    }
}

/// Normal events, of which the last ones are shifted.
fn two_processes() -> Vec<f64> {
    let mut x = normals(ROWS, 2);
    x[ROWS / 5 * 6..]
        .iter_mut()
        .step_by(2)
        .for_each(|x| *x += 1.0);
    x
}

/// As a random permutation does, spreads the rows.
fn spread(_: usize, row: usize) -> usize {
    row * 7_919 % ROWS
}

#[test]
fn a_callback_that_delivers_one_process_after_the_other_is_told() {
    let x = two_processes();
    let options = options(HELD_OUT);
    let words = "are not distributed as the first, which are held out";
    for (order, expected) in [
        (in_order as fn(usize, usize) -> usize, true),
        (spread, false),
    ] {
        let mut source = callback(&x, None, &order);
        let generator = train_generator(&mut source, &options, &()).unwrap();
        let messages = told(&generator);
        assert_eq!(has(&messages, words), expected, "{messages:?}");
        assert_eq!(has(&messages, "feature 0 by 0.1"), expected, "{messages:?}");
        assert!(!has(&messages, "feature 1"), "{messages:?}");
        // A reweighter has not been warned of a generator before.
        let (y, ones) = (normals(ROWS, 3), vec![1.0; ROWS]);
        let mut source = callback(&x, None, &order);
        let mut from = array(&y, &ones);
        let trained = train_reweighter(&mut from, &mut source, &options, &()).unwrap();
        let messages = told(&trained);
        assert_eq!(
            has(
                &messages,
                &format!("the events of `to` that came later {words}")
            ),
            expected,
            "{messages:?}"
        );
        assert_eq!(messages.len(), usize::from(expected), "{messages:?}");
    }
}

#[test]
fn held_out_events_that_come_again_are_told() {
    const FEW: usize = 2_500;
    let x = normals(FEW, 4);
    let options = options(r#""validation.events": 500"#);
    let again = |order: &(dyn Fn(usize, usize) -> usize + Sync), x: &[f64]| {
        let mut source = callback(x, None, order);
        let generator = train_generator(&mut source, &options, &()).unwrap();
        has(
            &told(&generator),
            "of the held-out events of the target's events came again",
        )
    };
    // Shuffled anew whenever it begins, in order, and fresh.
    assert!(again(&|pass, row| row * [1, 3, 7, 9][pass % 4] % FEW, &x));
    assert!(!again(&in_order, &x));
    assert!(!again(&in_order, &normals(60_000, 5)));
    // Few or rounded values agree by chance.
    for steps in [3.0, 300.0] {
        let rounded: Vec<f64> = normals(60_000, 6)
            .iter()
            .map(|x| (steps * x).round())
            .collect();
        assert!(!again(&in_order, &rounded), "{steps}");
    }
    let charged: Vec<f64> = normals(60_000, 7)
        .chunks(2)
        .flat_map(|x| [(1e5 * x[0]).round(), x[1].signum()])
        .collect();
    assert!(!again(&in_order, &charged));
}

#[test]
fn a_large_file_that_has_every_event_twice_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("events.f64");
    let mut options = options(r#""validation.events": 1000"#);
    options.set_i64("source.memory", 1).unwrap();
    let again = |x: &[f64]| {
        let mut file = std::fs::File::create(&path).unwrap();
        let mut bytes = b"LASERF64".to_vec();
        bytes.extend([2, x.len() as u64 / 2].iter().flat_map(|n| n.to_le_bytes()));
        bytes.extend(x.iter().flat_map(|x| x.to_le_bytes()));
        file.write_all(&bytes).unwrap();
        let mut source = Source::from_file(&path, &options).unwrap();
        assert!(source.sample().is_err());
        let messages = told(&train_generator(&mut source, &options, &()).unwrap());
        has(&messages, "came again")
    };
    assert!(!again(&normals(80_000, 8)));
    assert!(again(&normals(40_000, 9).repeat(2)));
}

/// What is told is told of a training that was stopped as well, in the same words.
#[test]
fn a_training_that_goes_on_has_seen_what_it_saw_before() {
    let x = two_processes();
    let order = |pass: usize, row: usize| match pass {
        0 => row,
        _ => row * 7_919 % ROWS,
    };
    let options = options(HELD_OUT);
    let folder = tempfile::tempdir().unwrap();
    let checkpoint = Checkpoint::new(&folder.path().join("checkpoint"), 1e6, 1).unwrap();
    struct Stop<'c>(Cell<u64>, &'c Checkpoint);
    impl laser::train::Hooks for Stop<'_> {
        fn check(&self, stage: &'static str) -> Result<()> {
            self.0.set(self.0.get() + 1);
            match self.0.get() {
                14 => Err(Error::Cancelled(stage)),
                _ => Ok(()),
            }
        }
        fn checkpoint(&self) -> Option<&Checkpoint> {
            Some(self.1)
        }
    }
    let train = |hooks: &dyn laser::train::Hooks| {
        let mut source = callback(&x, None, &order);
        train_generator(&mut source, &options, hooks)
    };
    let whole = train(&()).unwrap();
    let messages = told(&whole);
    assert!(
        has(&messages, "came again") && has(&messages, "came later"),
        "{messages:?}"
    );
    assert!(matches!(
        train(&Stop(Cell::new(0), &checkpoint)),
        Err(Error::Cancelled("flow"))
    ));
    let on = train(&Stop(Cell::new(100), &checkpoint)).unwrap();
    assert!(on.to_bytes().unwrap() == whole.to_bytes().unwrap());
}
