use super::*;
use crate::objective::Batch;
use crate::protocol::feed::SourceFeed;
use crate::train::Feed;

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

/// Files of the test, which has their folder for itself.
struct Files(tempfile::TempDir);

/// Of the events (i, −i), of weight 1 + i mod 3 in a column between them.
const LARGE: usize = 100_000;

fn value(row: usize, column: usize) -> f64 {
    match column {
        0 => row as f64,
        1 => 1.0 + (row % 3) as f64,
        _ => -(row as f64),
    }
}

impl Files {
    fn new() -> Self {
        Files(tempfile::tempdir().unwrap())
    }

    fn write(&self, name: &str, bytes: &[u8]) -> std::path::PathBuf {
        let path = self.0.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        path
    }

    /// `rows` events as NumPy keeps them.
    fn npy(&self, name: &str, rows: usize, single: bool, order: npyz::Order) -> std::path::PathBuf {
        let places: Vec<(usize, usize)> = match order {
            npyz::Order::C => (0..rows)
                .flat_map(|r| (0..3).map(move |c| (r, c)))
                .collect(),
            npyz::Order::Fortran => (0..3)
                .flat_map(|c| (0..rows).map(move |r| (r, c)))
                .collect(),
        };
        let values = places.into_iter().map(|(r, c)| value(r, c));
        use npyz::WriterBuilder;
        let mut bytes = Vec::new();
        let shape = [rows as u64, 3];
        if single {
            let npy = npyz::WriteOptions::new().default_dtype().order(order);
            let mut npy = npy.shape(&shape).writer(&mut bytes).begin_nd().unwrap();
            npy.extend(values.map(|x| x as f32)).unwrap();
            npy.finish().unwrap();
        } else {
            let npy = npyz::WriteOptions::new().default_dtype().order(order);
            let mut npy = npy.shape(&shape).writer(&mut bytes).begin_nd().unwrap();
            npy.extend(values).unwrap();
            npy.finish().unwrap();
        }
        self.write(name, &bytes)
    }

    /// Doubles behind the library's own header.
    fn plain(&self, name: &str, rows: usize) -> std::path::PathBuf {
        let mut bytes = b"LASERF64".to_vec();
        bytes.extend(3u64.to_le_bytes());
        bytes.extend((rows as u64).to_le_bytes());
        for row in 0..rows {
            (0..3).for_each(|c| bytes.extend(value(row, c).to_le_bytes()));
        }
        self.write(name, &bytes)
    }
}

/// A source of a file whose weights are in column 1; with 1 MiB of memory if it is to be a large one.
fn of_file(path: &std::path::Path, large: bool) -> Source<'static> {
    let mut options = options(1000);
    options.set_str("source.weight", "1").unwrap();
    options
        .set_i64("source.memory", if large { 1 } else { 64 })
        .unwrap();
    Source::from_file(path, &options).unwrap()
}

/// The numbers of the next events, whose columns and weights are those of the file.
fn drawn(source: &mut Source, rows: usize) -> Vec<usize> {
    source.next(rows, 5).unwrap();
    let events = source.buffer();
    let all = events.x.chunks_exact(2).zip(&events.w);
    all.map(|(x, &w)| {
        let row = x[0] as usize;
        assert_eq!((x[1], w), (value(row, 2), value(row, 1)));
        row
    })
    .collect()
}

#[test]
fn files_of_all_kinds_hold_the_same_events() {
    let files = Files::new();
    let x: Vec<f64> = (0..LARGE)
        .flat_map(|r| [value(r, 0), value(r, 2)])
        .collect();
    let w: Vec<f64> = (0..LARGE).map(|r| value(r, 1)).collect();
    let mut array = Source::from_rows(Rows::packed(&x, 2).unwrap(), Some(&w)).unwrap();
    let paths = [
        files.npy("c.npy", LARGE, false, npyz::Order::C),
        files.npy("f.npy", LARGE, false, npyz::Order::Fortran),
        files.npy("c4.npy", LARGE, true, npyz::Order::C),
        files.npy("f4.npy", LARGE, true, npyz::Order::Fortran),
        files.plain("plain.bin", LARGE),
    ];
    let held_out = |source: &mut Source| source.held_out(&options(1000)).unwrap().x.clone();
    let (held, rows) = (held_out(&mut array), drawn(&mut array, 5000));
    let mut large = of_file(&paths[0], true);
    let (held_large, rows_large) = (held_out(&mut large), drawn(&mut large, 70_000));
    for path in &paths {
        let mut source = of_file(path, false);
        assert_eq!((source.dim(), source.weighted()), (2, true));
        assert!(held_out(&mut source) == held);
        assert!(drawn(&mut source, 5000) == rows);
        assert_eq!(source.identity().unwrap(), array.identity().unwrap());
        assert_eq!(source.sample().unwrap().rows(), LARGE);
        let mut source = of_file(path, true);
        assert!(held_out(&mut source) == held_large);
        assert!(drawn(&mut source, 70_000) == rows_large);
        assert_eq!(source.identity().unwrap(), large.identity().unwrap());
        assert!(matches!(source.sample(), Err(Error::Unsupported(_))));
    }
}

#[test]
fn passes_of_a_large_file_have_every_event_once_however_they_are_drawn() {
    let files = Files::new();
    for rows in [LARGE, LARGE + 777] {
        let path = files.npy("events.npy", rows, false, npyz::Order::C);
        let mut source = of_file(&path, true);
        let held_out = source.held_out(&options(1000)).unwrap();
        let held_out: Vec<usize> = held_out.x.iter().step_by(2).map(|&x| x as usize).collect();
        assert!(held_out.len() == 1000 && held_out.iter().any(|&row| row > rows / 2));
        let pass = source.pass().unwrap();
        assert_eq!(pass, rows - 1000);
        let passes = [0, 1].map(|_| drawn(&mut source, pass));
        assert!(passes[0] != passes[1]);
        for rows_of_pass in &passes {
            let mut all = [&rows_of_pass[..], &held_out].concat();
            all.sort_unstable();
            assert!(all == (0..rows).collect::<Vec<_>>());
        }
        // Neighbours of the file are not neighbours in a batch, and its parts are mixed.
        let near = passes[0].windows(2).filter(|w| w[0].abs_diff(w[1]) < 10);
        assert!(near.count() < 100);
        let first: f64 = passes[0][..10_000].iter().map(|&row| row as f64).sum();
        assert!(
            (first / 10_000.0 / rows as f64 - 0.5).abs() < 0.15,
            "{first}"
        );
        // In other pieces, and from a position on.
        let whole = passes.concat();
        let mut parts = of_file(&path, true);
        parts.held_out(&options(1000)).unwrap();
        let pieces: Vec<usize> = [1, 999, 50_000, 50_000]
            .into_iter()
            .flat_map(|n| drawn(&mut parts, n))
            .collect();
        assert_eq!(pieces, whole[..pieces.len()]);
        let mut on = of_file(&path, true);
        on.held_out(&options(1000)).unwrap();
        let mut words = Words([].iter());
        on.origin
            .skip(&mut on.known, 150_000, 5, &mut words)
            .unwrap();
        assert_eq!(drawn(&mut on, 1000), whole[150_000..151_000]);
    }
}

#[test]
fn what_is_wrong_with_a_file_is_named() {
    let files = Files::new();
    let whole = files.plain("whole", LARGE);
    let bytes = std::fs::read(&whole).unwrap();
    let error = |path: &std::path::Path, large: bool| {
        let mut options = options(1000);
        options.set_str("source.weight", "1").unwrap();
        options
            .set_i64("source.memory", if large { 1 } else { 64 })
            .unwrap();
        let mut source = Source::from_file(path, &options)?;
        source.held_out(&options)?;
        source.next(LARGE - 1000, 5)
    };
    for (place, at, words) in [
        (24 + 24 * 700, f64::NAN, "row 700, column 0 of "),
        (
            24 + 24 * 90_000 + 8,
            f64::INFINITY,
            "the weight of row 90000 of ",
        ),
        (24 + 24 * 99_999 + 16, f64::NAN, "row 99999, column 2 of "),
    ] {
        let mut bytes = bytes.clone();
        bytes[place..place + 8].copy_from_slice(&at.to_le_bytes());
        let path = files.write("bad", &bytes);
        for large in [false, true] {
            let error = error(&path, large).unwrap_err();
            assert!(matches!(error, Error::NotFinite { .. }));
            assert!(error.to_string().contains(words), "{error}");
        }
    }
    let cut = files.write("cut", &bytes[..bytes.len() - 1]);
    let text = error(&cut, true).unwrap_err().to_string();
    assert!(
        text.contains("100000 rows of 3 doubles do not fit its 2399999 bytes"),
        "{text}"
    );
    // Cut while it is open.
    let mut source = of_file(&whole, true);
    source.held_out(&options(1000)).unwrap();
    let file = std::fs::OpenOptions::new()
        .write(true)
        .open(&whole)
        .unwrap();
    file.set_len(100_000).unwrap();
    let error = source.next(LARGE - 1000, 5).unwrap_err();
    assert!(matches!(error, Error::Io { .. }));
    assert!(
        error.to_string().contains("was it cut or written anew"),
        "{error}"
    );
    let none = Source::from_file(&files.0.path().join("none"), &options(0));
    assert!(matches!(none.err().unwrap(), Error::Io { .. }));
    let other = files.write("other", b"events");
    let text = Source::from_file(&other, &options(0))
        .err()
        .unwrap()
        .to_string();
    assert!(text.contains("no .npy file that can be read"), "{text}");
    let mut named = options(0);
    named.set_str("source.weight", "w").unwrap();
    let path = files.plain("few", 10);
    let text = Source::from_file(&path, &named).err().unwrap().to_string();
    assert!(
        text.contains("no column is called `w`; its 3 columns have no names"),
        "{text}"
    );
    let empty = files.plain("empty", 0);
    let text = Source::from_file(&empty, &options(0))
        .err()
        .unwrap()
        .to_string();
    assert!(text.contains("there are no events in it"), "{text}");
}

/// What is left where the first feature is below a bound.
#[derive(Debug)]
struct Below(f64);

impl Region for Below {
    fn inside(&self, x: &[f64], inside: &mut [bool]) -> Result<()> {
        let rows = x.chunks_exact(2).zip(inside);
        rows.for_each(|(x, inside)| *inside = x[0] < self.0);
        Ok(())
    }
}

#[test]
fn events_of_a_large_file_are_bounded_and_left_out_as_they_come() {
    let files = Files::new();
    let path = files.plain("events", LARGE);
    let mut source = of_file(&path, true);
    let half = LARGE as f64 / 2.0;
    source.restrict(Arc::new(Below(half)), 0.6).unwrap();
    let held_out = source.held_out(&options(1000)).unwrap().len();
    assert!((450..550).contains(&held_out), "{held_out}");
    let mut inside = drawn(&mut source, 49_000);
    assert!(inside.iter().all(|&row| row < LARGE / 2));
    inside.sort_unstable();
    inside.dedup();
    assert_eq!(inside.len(), 49_000);
    let (seen, outside) = source.left_out().unwrap();
    assert!((outside as f64 / seen as f64 - 0.5).abs() < 0.02);
    source.release();
    assert!(drawn(&mut source, 1000).iter().any(|&row| row >= LARGE / 2));
    let mut strict = of_file(&path, true);
    strict.restrict(Arc::new(Below(half)), 0.0).unwrap();
    let text = strict
        .held_out(&options(1000))
        .map(|_| ())
        .unwrap_err()
        .to_string();
    assert!(
        text.contains("target events are outside the support, as row "),
        "{text}"
    );
    // 99 999 is beyond its bound; it is found when it comes.
    let mut bounded = of_file(&path, true);
    bounded.held_out(&options(1000)).unwrap();
    let logit = |low, high| Scaling::Logit {
        low,
        high,
        mean: 0.0,
        std: 1.0,
    };
    bounded
        .bound(&[logit(-1.0, 99_998.5), Scaling::None])
        .unwrap();
    let text = bounded.next(99_000, 5).unwrap_err().to_string();
    assert!(
        text.contains("column 0 of row 99999 is 99999, outside the bounds"),
        "{text}"
    );
    let text = bounded
        .bound(&[logit(-1.0, 50.5), Scaling::None])
        .unwrap_err()
        .to_string();
    assert!(text.contains("unusable event: column 0 of row"), "{text}");
}

/// 10⁹ events, of which the file system holds none.
#[test]
fn a_huge_file_is_opened_at_once() {
    let files = Files::new();
    let rows = 1_000_000_000u64;
    let mut bytes = b"LASERF64".to_vec();
    bytes.extend(3u64.to_le_bytes());
    bytes.extend(rows.to_le_bytes());
    let path = files.write("huge", &bytes);
    let file = std::fs::OpenOptions::new().write(true).open(&path).unwrap();
    file.set_len(24 + 24 * rows).unwrap();
    let mut source = of_file(&path, true);
    assert_eq!(source.held_out(&options(1000)).unwrap().len(), 1000);
    source.next(100_000, 5).unwrap();
    assert!(source.buffer().x.iter().all(|x| *x == 0.0));
    assert_eq!(source.pass(), Some(rows as usize - 1000));
    source
        .origin
        .skip(&mut source.known, 123_456_789_012, 5, &mut Words([].iter()))
        .unwrap();
    source.next(10, 5).unwrap();
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
