//! Files, held in memory and read window by window.

use super::*;

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
        let mut words = Words::new(&[], u64::MAX, 1000, &|| Ok(()));
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
        .skip(
            &mut source.known,
            123_456_789_012,
            5,
            &mut Words::new(&[], u64::MAX, 1000, &|| Ok(())),
        )
        .unwrap();
    source.next(10, 5).unwrap();
}
