//! Input made to harm.

use super::longer::{done, longer};
use super::{close, description, model, open, refused_with, sealed, Numbers};
use laser::model::{Dtype, Model};
use laser::Error;
use serde_json::Value;
use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

/// Remembers the largest allocation that was asked for.
struct Watched;

static LARGEST: AtomicUsize = AtomicUsize::new(0);

#[global_allocator]
static ALLOCATOR: Watched = Watched;

// SAFETY: the system's allocator does the work; watching allocates nothing.
unsafe impl GlobalAlloc for Watched {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        LARGEST.fetch_max(layout.size(), Relaxed);
        // SAFETY: the caller's promise.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the caller's promise.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        LARGEST.fetch_max(size, Relaxed);
        // SAFETY: the caller's promise.
        unsafe { System.realloc(pointer, layout, size) }
    }
}

/// Reads what may be anything, also with a checksum that fits; only a panic, or an allocation that the input's size does not justify,
/// fails.
fn survives(bytes: &[u8]) {
    read(bytes);
    read(&sealed(bytes));
}

fn read(bytes: &[u8]) {
    if let Err(error) = Model::from_bytes(bytes) {
        assert!(matches!(error, Error::Format(_)), "{error:?}");
        let message = error.to_string();
        assert!(message.len() < 4096 && !message.contains('\0'), "{message}");
    }
}

/// Every number within the value, replaced in turn.
fn with_each_number(value: &Value, replacement: &str, visit: &mut dyn FnMut(String)) {
    const MARK: &str = "\u{1}here";
    fn count(value: &Value) -> usize {
        match value {
            Value::Number(_) => 1,
            Value::Array(items) => items.iter().map(count).sum(),
            Value::Object(items) => items.values().map(count).sum(),
            _ => 0,
        }
    }
    fn mark(value: &mut Value, nth: &mut usize) {
        match value {
            Value::Number(_) if *nth == 0 => {
                *value = MARK.into();
                *nth = usize::MAX;
            }
            Value::Number(_) => *nth = nth.saturating_sub(usize::from(*nth != usize::MAX)),
            Value::Array(items) => items.iter_mut().for_each(|item| mark(item, nth)),
            Value::Object(items) => items.values_mut().for_each(|item| mark(item, nth)),
            _ => {}
        }
    }
    let marker = Value::from(MARK).to_string();
    for n in 0..count(value) {
        let mut marked = value.clone();
        mark(&mut marked, &mut { n });
        let text = marked.to_string();
        assert!(text.contains(&marker));
        visit(text.replace(&marker, replacement));
    }
}

#[test]
fn no_input_makes_reading_panic_or_take_memory() {
    let good = model(Dtype::Float32, 1).to_bytes().unwrap();
    let (header, data) = open(&good);
    survives(&good);

    for length in 0..good.len() {
        assert!(
            Model::from_bytes(&good[..length]).is_err(),
            "cut to {length} bytes"
        );
    }
    let mut bytes = good.clone();
    for at in 0..good.len() {
        for change in [0x01, 0x02, 0x10, 0x20, 0x80, 0xff] {
            bytes[at] ^= change;
            survives(&bytes);
            bytes[at] = good[at];
        }
    }
    // Several bytes replaced, removed or doubled at once.
    let mut numbers = Numbers(1);
    let mutations = 20_000 * longer();
    for _ in 0..mutations {
        let mut bytes = good.clone();
        for _ in 0..=numbers.below(4) {
            let at = numbers.below(bytes.len());
            match numbers.below(4) {
                0 => bytes[at] = b"[]{},:\"\\0123456789-+.eE"[numbers.below(23)],
                1 => bytes[at] = numbers.next() as u8,
                2 => drop(bytes.drain(at..(at + numbers.below(40)).min(bytes.len()))),
                _ => {
                    let piece = bytes[at..(at + numbers.below(40)).min(bytes.len())].to_vec();
                    bytes.splice(at..at, piece);
                }
            }
        }
        // Half of them with a header length that fits again.
        if numbers.below(2) == 0 && bytes.len() > 8 + data.len() {
            let length = (bytes.len() - 8 - data.len()) as u64;
            bytes[..8].copy_from_slice(&length.to_le_bytes());
        }
        survives(&bytes);
    }
    done(&format!(
        "{mutations} structured mutations of a model file, each read as it is and resealed"
    ));

    let replacements = [
        "0",
        "-1",
        "3",
        "65536",
        "65537",
        "268435456",
        "4294967295",
        "2305843009213693952",
        "9223372036854775807",
        "18446744073709551615",
        "18446744073709551616",
        "1e308",
        "1e999",
        "-0.0",
        "0.5",
        "null",
        "[]",
        "{}",
        "\"1\"",
    ];
    for replacement in replacements {
        with_each_number(&header, replacement, &mut |text| {
            survives(&close(&text, &data))
        });
        with_each_number(&description(&header), replacement, &mut |text| {
            let mut header = header.clone();
            header["__metadata__"]["laser"] = text.into();
            survives(&close(&header.to_string(), &data));
        });
    }
    for length in [
        0,
        1,
        7,
        1 << 24,
        1 << 32,
        i64::MAX as u64,
        u64::MAX - 8,
        u64::MAX,
    ] {
        let mut bytes = good.clone();
        bytes[..8].copy_from_slice(&length.to_le_bytes());
        survives(&bytes);
    }

    // Tensors that are consistent with themselves and add up to more than the address space.
    let huge = 1u64 << 61;
    let mut tensors: Vec<String> = (0..7)
        .map(|i| {
            format!(
                r#""{i}":{{"dtype":"U8","shape":[{huge}],"data_offsets":[{},{}]}}"#,
                i * huge,
                (i + 1) * huge
            )
        })
        .collect();
    let last = huge - 1;
    tensors.push(format!(
        r#""7":{{"dtype":"U8","shape":[{last}],"data_offsets":[{},{}]}}"#,
        7 * huge,
        u64::MAX
    ));
    survives(&close(&format!("{{{}}}", tensors.join(",")), &data));

    let text = header.to_string();
    for (open, end) in [("[", "]"), ("{\"a\":", "}")] {
        for depth in [100, 127, 128, 129, 50_000] {
            let nested = format!("{}1{}", open.repeat(depth), end.repeat(depth));
            survives(&close(&nested, &data));
            survives(&close(&format!("{{\"__metadata__\":{nested}}}"), &data));
            survives(&close(&text.replacen("[3,2]", &nested, 1), &data));
            survives(&close(&text.replacen("F32", &nested, 1), &data));
            let description = description(&header).to_string();
            for whole in [
                nested.clone(),
                description.replacen("null", &nested, 1),
                description.replacen("[1]", &nested, 1),
            ] {
                let mut header = header.clone();
                header["__metadata__"]["laser"] = whole.into();
                survives(&close(&header.to_string(), &data));
            }
        }
    }

    // Every key twice, in the header and in the description.
    let doubled = |text: &str, value: &Value| -> Vec<String> {
        let keys = value.as_object().unwrap().iter();
        keys.map(|(key, value)| format!("{{{}:{value},{}", Value::from(key.as_str()), &text[1..]))
            .collect()
    };
    for text in doubled(&text, &header) {
        survives(&close(&text, &data));
    }
    let original = description(&header);
    let inner = original["model"].to_string();
    let mut twice = doubled(&original.to_string(), &original);
    twice.extend(
        doubled(&inner, &original["model"])
            .iter()
            .map(|model| original.to_string().replace(&inner, model)),
    );
    for text in twice {
        let mut header = header.clone();
        header["__metadata__"]["laser"] = text.into();
        refused_with(&close(&header.to_string(), &data), "duplicate field");
    }

    largest();
}

fn largest() {
    let largest = LARGEST.load(Relaxed);
    assert!(largest < 16 << 20, "one allocation of {largest} bytes");
}

#[test]
fn data_are_read_if_the_header_is_right() {
    // As long as a model can be, and not a byte on the disk but the start.
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("sparse");
    let good = model(Dtype::Float32, 1).to_bytes().unwrap();
    let header = 8 + good[..8]
        .iter()
        .rev()
        .fold(0, |n, b| n << 8 | usize::from(*b));
    for (start, words) in [
        (
            &b"\x02\0\0\0\0\0\0\0{}"[..],
            "its tensors need 0 bytes of data, but it holds 8589934582",
        ),
        (b"\x02\0\0\0\0\0\0\0[]", "a map of tensors"),
        (b"\0\0\0\0\0\0\0\0", "EOF"),
        (
            b"laser of another kind",
            "does not begin like a safetensors file",
        ),
        (&good[..header], "bytes of data, but it holds"),
        (&good, "bytes of data, but it holds"),
    ] {
        std::fs::write(&path, start).unwrap();
        let file = std::fs::OpenOptions::new().write(true).open(&path).unwrap();
        file.set_len(1 << 33).unwrap();
        let message = Model::load(&path).unwrap_err().to_string();
        assert!(message.contains(words), "{message}");
    }
    std::fs::write(&path, &good).unwrap();
    assert_eq!(Model::load(&path).unwrap().to_bytes().unwrap(), good);
    largest();
}

#[test]
fn metadata_of_others_cost_nothing() {
    let mut text = String::with_capacity(15 << 20);
    text.push_str("{\"__metadata__\":{");
    (0..1_000_000).for_each(|k| text.push_str(&format!("\"{k}\":\"\",")));
    text.push_str("\"\":\"\"}}");
    let mut bytes = (text.len() as u64).to_le_bytes().to_vec();
    bytes.reserve_exact(text.len());
    bytes.extend(text.bytes());
    drop(text);
    refused_with(&bytes, "has no `laser` in its metadata");
    largest();
    let twice = |text: &str| refused_with(&close(text, &[]), "twice");
    twice(r#"{"__metadata__":{"laser":"a","laser":"b"}}"#);
    twice(r#"{"__metadata__":{"laser":"a"},"__metadata__":{"laser":"b"}}"#);
}
