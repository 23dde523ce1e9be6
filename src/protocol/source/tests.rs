use super::*;
use crate::objective::Batch;
use crate::protocol::feed::SourceFeed;
use crate::train::Feed;

mod callbacks;
mod files;

/// Counts upwards: event i is (i, −i). Ends an epoch after `length` events, then begins again.
struct Counter {
    length: usize,
    next: usize,
    weighted: bool,
}

impl EventSource for Counter {
    fn dim(&self) -> usize {
        2
    }

    fn weighted(&self) -> bool {
        self.weighted
    }

    fn fill(&mut self, x: &mut [f64], w: &mut [f64]) -> Result<usize> {
        for (i, (x, w)) in x.chunks_exact_mut(2).zip(w).enumerate() {
            if self.next == self.length {
                self.next = 0;
                return Ok(i);
            }
            x.copy_from_slice(&[self.next as f64, -(self.next as f64)]);
            if self.weighted {
                *w = 1.0 + (self.next % 3) as f64;
            }
            self.next += 1;
        }
        Ok(x.len() / 2)
    }
}

fn counter(length: usize, weighted: bool) -> Source<'static> {
    Source::from_events(Box::new(Counter {
        length,
        next: 0,
        weighted,
    }))
    .unwrap()
}

fn options(held_out: i64) -> Options {
    let mut options = Options::new();
    options.set_i64("validation.events", held_out).unwrap();
    options
}

const UNSCALED: [Scaling; 2] = [const { Scaling::None }; 2];

/// The first features of the next `batches` batches of `rows`.
fn served(feed: &mut SourceFeed, rows: usize, batches: usize) -> Vec<usize> {
    let mut batch = Batch::<f64>::default();
    let mut seen = Vec::new();
    for _ in 0..batches {
        feed.fill(rows, &mut batch).unwrap();
        assert_eq!(
            (batch.rows, batch.x.len(), batch.weights.len()),
            (rows, 2 * rows, rows)
        );
        for x in batch.x.chunks_exact(2) {
            assert_eq!(x[0], -x[1]);
            seen.push(x[0] as usize);
        }
    }
    seen
}

#[test]
fn arrays_are_shuffled_split_and_served_whole() {
    let x: Vec<f64> = (0..1000)
        .flat_map(|i| [i as f64, -(i as f64), f64::NAN])
        .collect();
    let options = options(100);
    let mut source = Source::from_rows(Rows::new(&x, 1000, 2, 3).unwrap(), None).unwrap();
    let mut feed = SourceFeed::new(&mut source, &UNSCALED, &options).unwrap();
    let held: Vec<Batch<f64>> = feed.held_out().unwrap();
    let mut all: Vec<usize> = held[0].x.iter().step_by(2).map(|&x| x as usize).collect();
    assert_eq!(all.len(), 100);
    assert!(
        all.iter().any(|&i| i >= 500),
        "the held-out events are drawn from the whole array"
    );
    // Batches that do not divide the array: every pass has every event once.
    let both = served(&mut feed, 120, 15);
    let (first, second) = (both[..900].to_vec(), both[900..].to_vec());
    assert_ne!(first, second);
    all.extend(&first);
    all.sort();
    assert_eq!(all, (0..1000).collect::<Vec<_>>());
    let mut again = second.clone();
    again.extend(held[0].x.iter().step_by(2).map(|&x| x as usize));
    again.sort();
    assert_eq!(again, all);
}

#[test]
fn weights_come_in_units_of_their_mean() {
    let options = options(300);
    let mut source = counter(30_000, true);
    let mut feed = SourceFeed::new(&mut source, &UNSCALED, &options).unwrap();
    assert_eq!(feed.weight_unit, 2.0);
    let mut batch = Batch::<f64>::default();
    feed.fill(300, &mut batch).unwrap();
    assert_eq!(&batch.weights[..3], [0.5, 1.0, 1.5]);
    assert_eq!((feed.rows, feed.weight.value()), (300.0, 600.0));
}

#[test]
fn bad_arrays_are_named() {
    let nan = [0.0, 1.0, 2.0, f64::NAN];
    let error = Source::from_rows(Rows::packed(&nan, 2).unwrap(), None)
        .err()
        .unwrap()
        .to_string();
    assert!(
        error.contains("row 1") && error.contains("column 1"),
        "{error}"
    );
    let error = Source::from_rows(Rows::packed(&nan[..2], 2).unwrap(), Some(&[f64::INFINITY]))
        .err()
        .unwrap()
        .to_string();
    assert!(
        error.contains("row 0") && error.contains("weight"),
        "{error}"
    );
    for (rows, dim) in [(0, 2), (1, 0)] {
        assert!(matches!(
            Source::from_rows(Rows::new(&[0.0; 4], rows, dim, 2).unwrap(), None),
            Err(Error::InvalidArgument(_))
        ));
    }
    let error = Source::from_rows(Rows::packed(&[1.0, 2.0, 1.0, 3.0], 2).unwrap(), None)
        .unwrap()
        .standardisation(&[], &options(0))
        .unwrap_err();
    assert!(
        error
            .to_string()
            .contains("column 0 of the events is constant"),
        "{error}"
    );
}

/// The largest and the smallest value of the last column are one number, a condition's as a feature's.
#[test]
fn constant_columns_are_refused() {
    for value in [1.0, 0.1, 0.10566, 91.1876] {
        for rows in [2, 100, 5000, 20_000] {
            let x: Vec<f64> = (0..rows).flat_map(|i| [f64::from(i), value]).collect();
            let mut source = Source::from_rows(Rows::packed(&x, 2).unwrap(), None).unwrap();
            let error = source.standardisation(&[], &options(0)).unwrap_err();
            let text = format!("column 1 of the events is constant ({value})");
            assert!(matches!(error, Error::Data(_)));
            assert!(error.to_string().contains(&text), "{error}");
        }
    }
}

/// 0.1 + 0.2 − 0.3, again and again: nothing in all, whatever the rounding.
#[test]
fn held_out_weights_that_cancel_are_refused() {
    for held_out in [3, 30, 3000] {
        let x: Vec<f64> = (0..9000).map(f64::from).collect();
        let w = [0.1, 0.2, -0.3].repeat(3000);
        let mut source = Source::from_rows(Rows::column(&x), Some(&w)).unwrap();
        source.known.held_out = Some(Events {
            dim: 1,
            x: x[..held_out].to_vec(),
            w: w[..held_out].to_vec(),
        });
        let options = options(0);
        let feed = SourceFeed::new(&mut source, &[Scaling::None], &options);
        let error = feed.map(|_| ()).unwrap_err().to_string();
        assert!(error.contains("held-out events is 0; the total"), "{error}");
    }
}

#[test]
fn events_beyond_the_bounds_of_their_scaling_are_named() {
    let mut o = options(50);
    o.set_str("features.scaling", "log(-1), logit(-99.5:0)")
        .unwrap();
    let says = |result: Result<()>, parts: &[&str]| {
        let error = result.unwrap_err();
        assert!(matches!(error, Error::Data(_)));
        let text = error.to_string();
        assert!(parts.iter().all(|p| text.contains(p)), "{text}");
    };
    // Events i ↦ (i, −i): number 100 is beyond the second bound, after the held-out ones.
    let parts = ["column 1", "-100", "outside the bounds -99.5 to 0"];
    let mut stream = counter(1000, false);
    let measured = stream.standardisation(&[], &o).map(|_| ());
    says(measured, &[&parts[..], &["row 50", "event 50 of"]].concat());
    let x: Vec<f64> = (0..1000)
        .flat_map(|i| [f64::from(i), -f64::from(i)])
        .collect();
    let mut array = Source::from_rows(Rows::packed(&x, 2).unwrap(), None).unwrap();
    says(
        array.standardisation(&[], &o).map(|_| ()),
        &[&parts[..], &["row 100"]].concat(),
    );
    // Scalings of another source: the held-out events are looked at, and later ones as they come.
    let scalings = counter(90, false).standardisation(&[], &o).unwrap();
    let mut stream = counter(1000, false);
    stream.held_out(&options(500)).unwrap();
    let feed = SourceFeed::of_generator(&mut stream, &scalings, 2, &o).map(|_| ());
    says(feed, &[&parts[..], &["row 100"]].concat());
    let mut stream = counter(1000, false);
    let mut feed = SourceFeed::of_generator(&mut stream, &scalings, 2, &o).unwrap();
    let mut batch = Batch::<f64>::default();
    feed.fill(50, &mut batch).unwrap();
    says(feed.fill(50, &mut batch), &parts);
}

#[test]
fn a_source_is_usable_after_an_error() {
    let mut source = counter(30, false);
    assert!(source.held_out(&options(50)).is_err());
    assert_eq!(source.held_out(&options(20)).unwrap().len(), 20);
}
