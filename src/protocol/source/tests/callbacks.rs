//! Events that a host delivers.

use super::*;

#[test]
fn held_out_events_of_a_callback_never_enter_the_training() {
    let options = options(100);
    let mut source = counter(350, false);
    // Two trainings in turn, each of several epochs: both are spared the same 100 events.
    for _ in 0..2 {
        let mut feed = SourceFeed::new(&mut source, &UNSCALED, &options).unwrap();
        let seen = served(&mut feed, 25, 33);
        assert!(seen.iter().all(|&i| i >= 100), "{seen:?}");
        let held: Vec<Batch<f64>> = feed.held_out().unwrap();
        let held: Vec<usize> = held
            .iter()
            .flat_map(|b| b.x.iter().step_by(2).map(|&x| x as usize))
            .collect();
        assert_eq!(held, (0..100).collect::<Vec<_>>());
    }
}

#[test]
fn events_of_a_callback_begin_again_where_they_end() {
    let options = options(100);
    // Batches that do not divide the 250 training events, and others that do.
    for rows in [25, 40] {
        let mut source = counter(350, false);
        let mut feed = SourceFeed::new(&mut source, &UNSCALED, &options).unwrap();
        assert_eq!(Feed::<f64>::pass(&feed), None);
        let seen = served(&mut feed, rows, 20);
        let expected = (100..350).cycle().take(20 * rows);
        assert_eq!(seen, expected.collect::<Vec<_>>());
        assert_eq!(Feed::<f64>::pass(&feed), Some(250));
    }
    // Too few for a batch: an error, not the same events twice in one.
    let mut source = counter(130, false);
    let mut feed = SourceFeed::new(&mut source, &UNSCALED, &options).unwrap();
    let error = feed
        .fill(31, &mut Batch::<f64>::default())
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("after 30 events to train on, besides 100"),
        "{error}"
    );
}

#[test]
fn a_callback_that_ends_while_it_is_measured_goes_on_from_its_beginning() {
    let options = options(100);
    let mut source = counter(350, false);
    source.standardisation(&[], &options).unwrap();
    let mut feed = SourceFeed::new(&mut source, &UNSCALED, &options).unwrap();
    assert_eq!(Feed::<f64>::pass(&feed), Some(250));
    let expected = (100..350).cycle().take(600);
    assert_eq!(served(&mut feed, 30, 20), expected.collect::<Vec<_>>());
}

#[test]
fn measured_events_belong_to_the_training_too() {
    let options = options(100);
    let mut source = counter(20_000, false);
    let scalings = source.standardisation(&[], &options).unwrap();
    // Events 0..100 are held out; then whole chunks until 10 000 are measured.
    let measured = (100 + 3 * CHUNK) as f64;
    let Scaling::Standardise { mean, std } = scalings[0] else {
        panic!()
    };
    assert!((mean - (measured - 1.0) / 2.0).abs() < 1e-9, "{mean}");
    assert!((std - measured / 12f64.sqrt()).abs() < 1e-3 * std);
    let mut feed = SourceFeed::new(&mut source, &UNSCALED, &options).unwrap();
    let mut batch = Batch::<f64>::default();
    feed.fill(10, &mut batch).unwrap();
    assert_eq!(batch.x[0], 100.0);
}

/// Delivers what it is told to.
struct Broken(Vec<f64>, usize);

impl EventSource for Broken {
    fn dim(&self) -> usize {
        1
    }

    fn weighted(&self) -> bool {
        false
    }

    fn fill(&mut self, x: &mut [f64], _: &mut [f64]) -> Result<usize> {
        x.iter_mut().zip(&self.0).for_each(|(x, v)| *x = *v);
        Ok(self.1)
    }
}

#[test]
fn bad_callbacks_are_named() {
    let broken =
        |values: Vec<f64>, got| Source::from_events(Box::new(Broken(values, got))).unwrap();
    let error = broken(vec![0.0, 1.0, f64::NAN], 3)
        .held_out(&options(50))
        .unwrap_err()
        .to_string();
    assert!(error.contains("column 0 of row 2 is NaN"), "{error}");
    let error = broken(vec![], 1_000_000)
        .held_out(&options(50))
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("1000000") && error.contains("50 were asked"),
        "{error}"
    );
    let error = counter(30, false).held_out(&options(50)).unwrap_err();
    assert!(
        matches!(error, Error::Data(_)) && error.to_string().contains("after 30 events"),
        "{error}"
    );
}

/// Counts, but for every so many calls, which fail.
struct Failing {
    events: Counter,
    every: usize,
    calls: usize,
    failures: usize,
}

impl EventSource for Failing {
    fn dim(&self) -> usize {
        2
    }

    fn weighted(&self) -> bool {
        false
    }

    fn fill(&mut self, x: &mut [f64], w: &mut [f64]) -> Result<usize> {
        self.calls += 1;
        if self.calls % self.every < self.failures {
            x.fill(f64::NAN);
            w.fill(f64::NAN);
            return Err(Error::Host("the farm is down".into()));
        }
        self.events.fill(x, w)
    }
}

/// Writes its rows and fails; asked again, it claims rows without writing them.
struct Forgetful(bool);

impl EventSource for Forgetful {
    fn dim(&self) -> usize {
        2
    }

    fn weighted(&self) -> bool {
        true
    }

    fn fill(&mut self, x: &mut [f64], w: &mut [f64]) -> Result<usize> {
        if std::mem::take(&mut self.0) {
            x.fill(0.5);
            w.fill(0.5);
            return Err(Error::Host("the farm is down".into()));
        }
        x[0] = 0.25;
        x[1] = 0.25;
        w[0] = 1.0;
        Ok(w.len())
    }
}

#[test]
fn what_a_call_that_failed_has_written_is_not_used() {
    let mut o = options(50);
    o.set_i64("source.failures", 1).unwrap();
    let mut source = Source::from_events(Box::new(Forgetful(true))).unwrap();
    let error = source.held_out(&o).unwrap_err().to_string();
    assert!(error.contains("column 0 of row 1 is NaN"), "{error}");
}

fn failing(failures: usize) -> Source<'static> {
    let events = Counter {
        length: 10_000,
        next: 0,
        weighted: false,
    };
    let failing = Failing {
        events,
        every: 5,
        calls: 0,
        failures,
    };
    Source::from_events(Box::new(failing)).unwrap()
}

#[test]
fn callbacks_may_fail_as_often_as_is_declared() {
    let mut o = options(100);
    o.set_i64("source.failures", 2).unwrap();
    let mut plain = counter(10_000, false);
    let mut failing_twice = failing(3);
    // Calls 5, 6 and 7 fail, and so on: after two repetitions the third is told.
    let mut told = 0;
    plain.held_out(&o).unwrap();
    while failing_twice.held_out(&o).is_err() {
        told += 1;
    }
    for batch in 0..20 {
        plain.next(50, 1).unwrap();
        while let Err(error) = failing_twice.next(50, 1) {
            assert!(error.to_string().contains("the farm is down"), "{error}");
            told += 1;
        }
        let (x, w) = (&failing_twice.buffer().x, &failing_twice.buffer().w);
        assert_eq!(*x, plain.buffer().x, "batch {batch}");
        assert!(w.iter().all(|w| *w == 1.0));
    }
    assert!(told >= 4, "{told}");
    // Two in a row are borne without a word.
    let mut borne = failing(2);
    borne.held_out(&o).unwrap();
    (0..100).for_each(|_| borne.next(50, 1).unwrap());
}

/// Counts, and says what it was asked for at most.
struct Greedy(Counter, Arc<std::sync::atomic::AtomicUsize>);

impl EventSource for Greedy {
    fn dim(&self) -> usize {
        2
    }

    fn weighted(&self) -> bool {
        false
    }

    fn fill(&mut self, x: &mut [f64], w: &mut [f64]) -> Result<usize> {
        let left = self.0.length - self.0.next;
        assert!(w.len() <= left, "asked for {} of {left}", w.len());
        self.1
            .fetch_add(w.len(), std::sync::atomic::Ordering::Relaxed);
        let got = self.0.fill(x, w)?;
        self.0.next %= self.0.length;
        Ok(got)
    }
}

#[test]
fn a_callback_is_not_asked_for_more_than_it_has() {
    let mut o = options(100);
    o.set_i64("source.events", 350).unwrap();
    let asked = Arc::default();
    let counter = Counter {
        length: 350,
        next: 0,
        weighted: false,
    };
    let greedy = Greedy(counter, Arc::clone(&asked));
    let mut source = Source::from_events(Box::new(greedy)).unwrap();
    source.held_out(&o).unwrap();
    let mut feed = SourceFeed::new(&mut source, &UNSCALED, &o).unwrap();
    let seen = served(&mut feed, 40, 20);
    let expected = (100..350).cycle().take(800);
    assert_eq!(seen, expected.collect::<Vec<_>>());
    assert_eq!(Feed::<f64>::pass(&feed), Some(250));
}

#[test]
fn a_pool_spreads_what_comes_one_after_the_other() {
    let mut o = options(100);
    o.set_i64("source.shuffle", 500).unwrap();
    let all = |batches: &[usize]| {
        let mut source = counter(1_000_000, true);
        source.held_out(&o).unwrap();
        let rows = |&n: &usize| {
            source.next(n, 3).unwrap();
            let events = source.buffer();
            let rows = events.x.iter().step_by(2).zip(&events.w);
            rows.map(|(&x, &w)| {
                assert_eq!(w, 1.0 + (x as usize % 3) as f64);
                x as usize
            })
            .collect::<Vec<_>>()
        };
        batches.iter().flat_map(rows).collect::<Vec<_>>()
    };
    let whole = all(&[6000]);
    assert_eq!(all(&[1, 10, 989, 2500, 2500]), whole);
    let mut sorted = whole.clone();
    sorted.sort_unstable();
    sorted.dedup();
    assert_eq!(sorted.len(), 6000, "no event twice");
    // The n-th is one of those up to 500 further on, and an event waits for 500 others on average.
    assert!(whole
        .iter()
        .enumerate()
        .all(|(n, &row)| (100..100 + n + 501).contains(&row)));
    let late = whole
        .iter()
        .enumerate()
        .map(|(n, &row)| n as f64 + 100.0 - row as f64);
    let mean = late.sum::<f64>() / 6000.0;
    assert!((-250.0..250.0).contains(&mean), "{mean}");
    assert!(whole.windows(2).filter(|w| w[0] + 1 == w[1]).count() < 60);
    assert!(whole.iter().all(|&row| row >= 100), "none that is held out");
}

#[test]
fn a_callback_goes_back_as_far_as_its_training_can_have_come_and_can_be_stopped() {
    let go = |position: u64, go_on: GoOn| {
        let mut source = counter(1000, false);
        source.held_out(&options(10)).unwrap();
        // Of one host, which told no position of its own.
        let words = [2, 0, position, 0, 0, 0, 0, 0, 0, 0, 0, 0];
        let mut words = Words::new(&words, 5, 10, go_on);
        let gone = source.origin.skip(&mut source.known, 50, 5, &mut words);
        gone.map(|()| source.origin.next(&mut source.known, 1, 1, 5).unwrap().x[0])
    };
    assert_eq!(go(60, &|| Ok(())).unwrap(), 60.0);
    let cancelled = go(60, &|| Err(Error::Cancelled("flow")));
    assert!(matches!(cancelled, Err(Error::Cancelled("flow"))));
    let error = go(1 << 60, &|| Ok(())).unwrap_err();
    assert!(matches!(error, Error::Format(_)));
    let words = "1152921504606846976 events delivered by the callback, of which 10 were before";
    assert!(error.to_string().contains(words), "{error}");
}
