//! What a hostile host does, and what years of production come to: short here, longer by `make attack`.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // tests fail so

#[path = "attack/longer.rs"]
mod longer;

use laser::noise::{domain, Noise};
use laser::options::Options;
use laser::protocol::{refine, train_generator, Instance, Outputs, Sampler, Source};
use laser::{Error, Rows, RowsMut};
use longer::{done, longer};
use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::panic::{catch_unwind, AssertUnwindSafe};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::Arc;

/// Counts the bytes that this thread has taken and not given back.
struct Counted;

thread_local! {
    static TAKEN: Cell<isize> = const { Cell::new(0) };
}

fn count(bytes: isize) {
    // Not while a thread ends.
    let _ = TAKEN.try_with(|taken| taken.set(taken.get() + bytes));
}

#[global_allocator]
static ALLOCATOR: Counted = Counted;

// SAFETY: the system's allocator does the work; counting allocates nothing.
unsafe impl GlobalAlloc for Counted {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size() as isize);
        // SAFETY: the caller's promise.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        count(-(layout.size() as isize));
        // SAFETY: the caller's promise.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count(size as isize - layout.size() as isize);
        // SAFETY: the caller's promise.
        unsafe { System.realloc(pointer, layout, size) }
    }
}

/// Numbers below a limit, the same in every run.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, n: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005);
        self.0 = self.0.wrapping_add(1_442_695_040_888_963_407);
        ((self.0 >> 33) % n.max(1) as u64) as usize
    }

    fn of<T: Copy>(&mut self, choices: &[T]) -> T {
        choices[self.below(choices.len())]
    }
}

fn options(more: &str) -> Options {
    Options::from_json(&format!(
        r#"{{"validation.events": 1000, "weights.events": 20000,
            "flow": {{"blocks": 2, "layers": 1, "units": 12, "epochs": 1, "steps": 60, "batch": 300}},
            "classifier": {{"layers": 2, "units": 16, "epochs": 1, "steps": 100, "batch": 500, "lr": 0.01}},
            "hmc": {{"chains": 40, "burn_in": 3, "leapfrog": 3, "step_size": 0.1}} {more}}}"#
    ))
    .unwrap()
}

/// A flow of normal events, refined to others.
fn model(options: &Options) -> Arc<Instance> {
    let events = |stream, mean: f64, width: f64| {
        let mut x = vec![0.0; 2 * 8000];
        Noise::new(3, stream, domain::TRAINING).fill_normals(0, 8000, 2, &mut x);
        x.iter_mut().for_each(|x| *x = mean + width * *x);
        x
    };
    let (generated, wanted) = (events(0, 0.0, 1.0), events(1, 0.4, 0.8));
    let source = |x| Source::from_rows(Rows::packed(x, 2).unwrap(), None).unwrap();
    let (mut generated, mut target) = (source(&generated), source(&wanted));
    let generator = train_generator(&mut generated, options, &()).unwrap();
    let generator = Instance::new(generator);
    Arc::new(refine(&generator, &mut target, options, &()).unwrap())
}

/// A sampler by the method, on so many threads.
fn sampler(model: &Arc<Instance>, stream: u64, method: &str, threads: i64) -> Sampler {
    let mut options = options("");
    options.set_str("sampler.method", method).unwrap();
    options.set_i64("sampler.threads", threads).unwrap();
    Sampler::new(model.clone(), 7, stream, &options).unwrap()
}

/// The next events, and their weights.
fn draw(sampler: &mut Sampler, rows: usize) -> (Vec<f64>, Vec<f64>) {
    let (mut x, mut w) = (vec![0.0; 2 * rows], vec![0.0; rows]);
    let outputs = Outputs {
        x: Some(RowsMut::packed(&mut x, 2).unwrap()),
        z: None,
        w: Some(RowsMut::column(&mut w)),
        log_prob: None,
    };
    sampler.generate(rows, outputs).unwrap();
    (x, w)
}

#[test]
fn option_calls_set_or_refuse() {
    let keys: Vec<String> = {
        let json = Options::new().to_json();
        let all: serde_json::Map<_, _> = serde_json::from_str(&json).unwrap();
        let flat = |(group, value): (&String, &serde_json::Value)| match value {
            serde_json::Value::Object(inner) => {
                inner.keys().map(|key| format!("{group}.{key}")).collect()
            }
            _ => vec![group.clone()],
        };
        all.iter().flat_map(flat).collect()
    };
    let numbers = &mut Numbers(1);
    let mut options = Options::new();
    let (calls, mut set) = (10_000 * longer(), 0);
    for call in 0..calls {
        let mut key = keys[numbers.below(keys.len())].clone();
        if numbers.below(8) == 0 {
            let at = numbers.below(key.len());
            key.replace_range(
                at..at + 1,
                numbers.of(&["", ".", "a", "\0", "ä", "\u{10ffff}"]),
            );
        }
        let integers = [0, 1, -1, 2, 1000, 1 << 40, i64::MAX, i64::MIN];
        let reals = [0.0, -0.0, 0.5, 1.0, 1e-320, 1e308, f64::INFINITY, f64::NAN];
        let texts = [
            "",
            "auto",
            "hmc",
            "float32",
            "cpu",
            "logit(0:1)",
            "x0 > 1",
            "\n",
            "ä(",
            "1e999",
        ];
        let before = options.clone();
        let result = match numbers.below(4) {
            0 => options.set_i64(&key, numbers.of(&integers)),
            1 => options.set_f64(&key, numbers.of(&reals)),
            2 => options.set_str(&key, numbers.of(&texts)),
            _ => {
                let value = match numbers.below(3) {
                    0 => numbers.of(&integers).to_string(),
                    1 => format!("{:e}", numbers.of(&reals)),
                    _ => serde_json::to_string(numbers.of(&texts)).unwrap(),
                };
                let json = format!("{{{}: {value}}}", serde_json::to_string(&key).unwrap());
                Options::from_json(&json).map(|made| options = made)
            }
        };
        match result {
            Ok(()) => set += 1,
            Err(Error::InvalidArgument(_) | Error::UnknownOption { .. }) => {
                assert_eq!(options.to_json(), before.to_json());
            }
            Err(other) => panic!("{key}: {other:?}"),
        }
        if call % 100 == 0 {
            let json = options.to_json();
            assert_eq!(Options::from_json(&json).unwrap().to_json(), json);
        }
    }
    assert!(set > calls / 20, "{set}");
    done(&format!(
        "{calls} option calls, {set} of them set something"
    ));
}

#[test]
fn a_stream_has_the_same_bits_in_pieces() {
    let model = model(&options(""));
    let numbers = &mut Numbers(2);
    let mut all = 0;
    for (method, rows, chains) in [
        ("baseline", 20_000, false),
        ("reweight", 20_000, false),
        ("rejection", 20_000, false),
        ("resampling", 4000, false),
        ("hmc", 1000, true),
    ] {
        let rows = rows * longer();
        let (x, w) = draw(&mut sampler(&model, 1, method, 1), rows);
        let mut other = sampler(&model, 1, method, 3);
        let mut at = 0;
        while at < rows {
            let n = numbers.of(&[1, 2, 31, 32, 33, 1000, 1024, 5000]);
            let n = n.min(rows - at);
            // As long as the stream is, however often it is left for elsewhere; chains have to walk there.
            if !chains && numbers.below(20) == 0 {
                let elsewhere = numbers.below(rows - n);
                other.seek(elsewhere as u64).unwrap();
                let there = draw(&mut other, n);
                assert!(there.0 == x[2 * elsewhere..2 * (elsewhere + n)], "{method}");
                other.seek(at as u64).unwrap();
                all += n;
            }
            let (piece, weights) = draw(&mut other, n);
            let same = piece == x[2 * at..2 * (at + n)] && weights == w[at..at + n];
            assert!(same, "{method}: events {at} to {}", at + n);
            at += n;
        }
        all += 2 * rows;
    }
    done(&format!(
        "{all} events over batches, seeks and threads, all bits the same"
    ));
}

/// Rejection and what is above its limit, as weights: together the refined density, which reweighted events have, too.
#[test]
fn rejection_with_carried_weights_is_exact() {
    const BINS: usize = 20;
    let model = model(&options(r#", "rejection.overweight": 0.2"#));
    // In each of the two features; sums of weights, of their squares, and of events whose weight is above 1.
    let histogram = |method: &str, rows: usize| {
        let mut sampler = sampler(&model, 3, method, 1);
        let (mut sums, mut carried) = ([[0.0; 2]; 2 * BINS], 0);
        let (mut total, mut left) = (0.0, rows);
        while left > 0 {
            let n = left.min(10_000);
            let (x, w) = draw(&mut sampler, n);
            for (x, &w) in x.chunks(2).zip(&w) {
                carried += usize::from(w > 1.0);
                total += w;
                for (feature, &x) in x.iter().enumerate() {
                    let bin = ((x + 3.0) / 6.0 * BINS as f64).clamp(0.0, BINS as f64 - 1.0);
                    let bin = &mut sums[feature * BINS + bin as usize];
                    bin[0] += w;
                    bin[1] += w * w;
                }
            }
            left -= n;
        }
        sums.iter_mut()
            .for_each(|bin| *bin = [bin[0] / total, bin[1] / (total * total)]);
        (sums, carried)
    };
    let rows = 40_000 * longer();
    let ((rejection, carried), (reweighted, _)) = (
        histogram("rejection", rows),
        histogram("reweight", 2 * rows),
    );
    assert!(carried > rows / 100, "{carried} of {rows} carry a weight");
    let pulls = rejection
        .iter()
        .zip(&reweighted)
        .filter(|(a, _)| a[1] > 0.0);
    let pulls = pulls.map(|(a, b)| (a[0] - b[0]) / (a[1] + b[1]).sqrt());
    let largest = pulls.fold(0.0, |largest, pull: f64| pull.abs().max(largest));
    // Of 40 bins, one in a thousand runs has a larger one.
    assert!(largest < 4.2, "{largest}");
    done(&format!(
        "{rows} events of rejection, {carried} of them with a weight above 1, beside {} reweighted ones: pulls up to {largest:.2} in {} bins",
        2 * rows,
        2 * BINS
    ));
}

#[test]
fn streams_are_not_correlated() {
    const STREAMS: usize = 23;
    let model = model(&options(""));
    let rows = 2000 * longer();
    let standardised = |stream: usize| {
        let (x, _) = draw(&mut sampler(&model, stream as u64, "rejection", 1), rows);
        let x: Vec<f64> = x.chunks(2).map(|x| x[0]).collect();
        let mean = x.iter().sum::<f64>() / rows as f64;
        let variance = x.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / rows as f64;
        let scale = variance.sqrt().recip();
        x.into_iter()
            .map(|x| (x - mean) * scale)
            .collect::<Vec<f64>>()
    };
    let streams: Vec<Vec<f64>> = (0..STREAMS).map(standardised).collect();
    let (mut pairs, mut largest, mut squares) = (0.0, 0.0_f64, 0.0);
    for (i, a) in streams.iter().enumerate() {
        for b in &streams[..i] {
            let r = a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>() / (rows as f64).sqrt();
            pairs += 1.0;
            largest = largest.max(r.abs());
            squares += r * r;
        }
    }
    // Each is normal of width 1: of 253, one in ten thousand runs has a larger one, or such a sum.
    let sigma = (squares - pairs) / f64::sqrt(2.0 * pairs);
    assert!(largest < 5.1 && sigma.abs() < 4.5, "{largest}, {sigma}");
    done(&format!(
        "{pairs} pairs of streams of {rows} events: correlations up to {largest:.2} standard deviations, their squares {sigma:+.2} from chance"
    ));
}

#[test]
fn loads_and_samplers_give_back_what_they_take() {
    let bytes = model(&options("")).to_bytes().unwrap();
    let once = || {
        let model = laser::model::Model::from_bytes(&bytes).unwrap();
        let model = Arc::new(Instance::new(model));
        for method in ["baseline", "rejection", "hmc"] {
            draw(&mut sampler(&model, 1, method, 1), 50);
        }
        assert!(laser::model::Model::from_bytes(&bytes[1..]).is_err());
        let wrong = options("").set_str("sampler.method", "none such");
        assert!(wrong.is_err());
    };
    // What is made once for the life of a thread is no leak.
    once();
    let before = TAKEN.get();
    let loads = 20 * longer();
    (0..loads).for_each(|_| once());
    assert_eq!(TAKEN.get(), before, "bytes after {loads} loads");
    done(&format!(
        "{loads} loads, with {} samplers: not a byte more than before",
        3 * loads
    ));
}

#[cfg(target_os = "linux")]
#[test]
fn a_fork_comes_at_any_time() {
    let model = model(&options(""));
    let methods = ["baseline", "rejection", "resampling", "hmc"];
    let expected = methods.map(|method| draw(&mut sampler(&model, 5, method, 1), 200));
    let forks = 20 * longer();
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for stream in 0..3 {
            let (model, stop) = (&model, &stop);
            scope.spawn(move || {
                while !stop.load(Ordering::Relaxed) {
                    for method in methods {
                        draw(&mut sampler(model, stream, method, 2), 300);
                    }
                }
            });
        }
        // A panic must end the others, too.
        let all = catch_unwind(AssertUnwindSafe(|| {
            for fork in 0..forks {
                // Made before or after.
                let mut made = sampler(&model, 5, methods[fork % 4], 1);
                // SAFETY: the child goes on with this thread alone, as a host's does, and ends without what would be the parent's.
                unsafe {
                    let child = libc::fork();
                    if child == 0 {
                        libc::alarm(60); // a hang is a failure
                        let good = catch_unwind(AssertUnwindSafe(|| {
                            let (x, w) = &expected[fork % 4];
                            let own = draw(&mut sampler(&model, 5, methods[fork % 4], 2), 200);
                            let made = draw(&mut made, 200);
                            own.0 == *x && own.1 == *w && own == made
                        }));
                        libc::_exit(if matches!(good, Ok(true)) { 0 } else { 1 });
                    }
                    let mut status = -1;
                    assert_eq!(libc::waitpid(child, &mut status, 0), child);
                    let good = libc::WIFEXITED(status) && libc::WEXITSTATUS(status) == 0;
                    assert!(good, "fork {fork}: {status}");
                }
            }
        }));
        stop.store(true, Ordering::Relaxed);
        all.unwrap();
    });
    done(&format!("{forks} forks while three threads drew events"));
}
