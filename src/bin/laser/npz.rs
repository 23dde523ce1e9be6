//! Events from NumPy's archives: one of their arrays, or the columns that `numpy.savez(pt=…, eta=…)` keeps each by itself.

use crate::events::{read_rows, Events};
use crate::failure::{Failure, Result};
use laser::table::npy::{self, Element};
use laser::table::Layout;
use std::fs::File;
use std::io::{BufReader, Read};
use std::path::Path;
use zip::ZipArchive;

/// The arrays that are taken where there are several, and what the columns are called in.
const EVENTS: [&str; 2] = ["events", "x"];
const NAMES: [&str; 2] = ["names", "columns"];

/// How many times their size in the archive arrays may take that are no small ones: numbers are not packed so tightly but to fill memory.
const PACKED: u64 = 200;
const SMALL: u64 = 1 << 26;

/// The file of `file.npz:name`, and the name of its array.
pub fn member(path: &Path) -> (&Path, Option<&str>) {
    const END: &str = ".npz:";
    let text = path.to_str().unwrap_or_default();
    match text.rfind(END) {
        Some(at) if !path.exists() => {
            let (file, name) = text.split_at(at + END.len() - 1);
            (Path::new(file), Some(&name[1..]))
        }
        _ => (path, None),
    }
}

/// An open archive.
struct Archive<'a> {
    path: &'a Path,
    zip: ZipArchive<BufReader<File>>,
    /// Bytes of it that no array has taken yet: entries that lie over each other want more than there are.
    left: u64,
}

impl Archive<'_> {
    /// The bytes of an array. The sizes stated are believed only as far as the archive's own size makes them possible.
    fn array(&mut self, name: &str) -> Result<Vec<u8>> {
        let wrong = |what: String| Failure::of(self.path, format!("its array `{name}`: {what}"));
        let entry = self.zip.by_name(&format!("{name}.npy"));
        let mut entry = entry.map_err(|e| wrong(e.to_string()))?;
        let (packed, size) = (entry.compressed_size(), entry.size());
        let left = self.left.checked_sub(packed);
        self.left = left.ok_or_else(|| wrong("it does not fit into the archive".into()))?;
        if size > SMALL && size / PACKED > packed {
            return Err(wrong(format!(
                "it would unpack to {size} bytes, more than {PACKED} times what it takes: no events"
            )));
        }
        let mut bytes = Vec::new();
        let room = bytes.try_reserve_exact(size as usize + 1);
        room.map_err(|e| wrong(e.to_string()))?;
        // To its end, where the checksum is compared; what is longer than stated is not read.
        let read = entry.by_ref().take(size + 1).read_to_end(&mut bytes);
        match read.map_err(|e| wrong(e.to_string()))? as u64 == size {
            true => Ok(bytes),
            false => Err(wrong(format!("it does not have the {size} bytes stated"))),
        }
    }

    /// Elements along every dimension of an array, by its header.
    fn shape(&mut self, name: &str) -> Result<Vec<u64>> {
        let wrong = |what: &dyn std::fmt::Display| {
            Failure::of(self.path, format!("its array `{name}`: {what}"))
        };
        let entry = self.zip.by_name(&format!("{name}.npy"));
        let header = npy::read(entry.map_err(|e| wrong(&e))?);
        Ok(header.map_err(|e| wrong(&e))?.shape)
    }

    /// Whether an array is what is meant where there are several, and not one of the columns that they all are.
    ///
    /// # Errors
    /// If others have as many rows, which would be lost.
    fn is_meant(&mut self, name: &str, names: &[String]) -> Result<bool> {
        let shape = self.shape(name)?;
        let Some(rows) = shape.first() else {
            return Ok(true);
        };
        let (mut beside, mut alike) = (Vec::new(), shape.len() == 1);
        for other in names.iter().filter(|other| *other != name) {
            let of = self.shape(other)?;
            alike &= of == shape;
            if of.first() == Some(rows) {
                beside.push(other.as_str());
            }
        }
        if beside.is_empty() || alike {
            return Ok(!alike);
        }
        let (path, beside) = (self.path.display(), beside.join(", "));
        Err(Failure::of(
            self.path,
            format!(
                "beside its array `{name}` it also holds {beside}, of as many rows: say `{path}:{name}` if that is not wanted, or keep each column by its name, as `numpy.savez(\"{path}\", pt=pt, w=w)` does"
            ),
        ))
    }

    /// The array as rows.
    fn rows(&mut self, name: &str) -> Result<Events> {
        let bytes = self.array(name)?;
        let layout = Layout::of(&bytes[..], bytes.len() as u64);
        let wrong = |what| Failure::of(self.path, format!("its array `{name}`: {what}"));
        read_rows(self.path, &layout.map_err(wrong)?, &bytes[..])
    }

    /// The strings of a one-dimensional array.
    fn words(&mut self, name: &str) -> Result<Vec<String>> {
        let bytes = self.array(name)?;
        let wrong = |what: &str| Failure::of(self.path, format!("its array `{name}`: {what}"));
        let header = npy::read(&bytes[..]).map_err(|e| wrong(&e.to_string()))?;
        let none = || {
            wrong(
                "the names of columns are strings, one dimension: `numpy.array([\"pt\", \"eta\"])`",
            )
        };
        let Element::Value(kind) = header.element else {
            return Err(none());
        };
        let size = kind.size.filter(|size| *size > 0).ok_or_else(none)?;
        let [words] = header.shape[..] else {
            return Err(none());
        };
        let data = &bytes[header.start as usize..];
        if words.checked_mul(size) != Some(data.len() as u64) {
            return Err(wrong("its strings do not fit its size"));
        }
        let word = |bytes: &[u8]| -> Option<String> {
            let letters: Option<String> = match kind.letter {
                Some(b'S' | b'a') => str::from_utf8(bytes).ok().map(str::to_owned),
                Some(b'U') => {
                    let letters = bytes.chunks_exact(4).map(|b| {
                        let code = b.try_into().ok()?;
                        char::from_u32(match kind.big_endian? {
                            true => u32::from_be_bytes(code),
                            false => u32::from_le_bytes(code),
                        })
                    });
                    letters.collect()
                }
                _ => None,
            };
            letters.map(|word| word.trim_end_matches('\0').to_owned())
        };
        data.chunks_exact(size as usize)
            .map(word)
            .collect::<Option<_>>()
            .ok_or_else(none)
    }

    /// All these arrays as columns.
    fn columns(&mut self, names: &[String]) -> Result<Events> {
        let mut columns = Vec::new();
        for name in names {
            let column = self.rows(name)?;
            if column.columns != 1 || !column.names().is_empty() {
                return Err(self.several(names));
            }
            columns.push(column);
        }
        let mut columns = columns.into_iter();
        let mut all = columns.next().ok_or_else(|| self.several(names))?;
        let others: Vec<Events> = columns.collect();
        let long = others.iter().map(|column| column.long[0]);
        let long = all.long.iter().copied().chain(long).collect();
        let others: Vec<Vec<f64>> = others.into_iter().map(|column| column.values).collect();
        if let Some(at) = others.iter().position(|other| other.len() != all.rows) {
            return Err(Failure::of(
                self.path,
                format!(
                    "its arrays are no columns of a table: `{}` has {} values, `{}` {}",
                    names[0],
                    all.rows,
                    names[at + 1],
                    others[at].len()
                ),
            ));
        }
        all.set_names(vec![names[0].clone()])?;
        all.append(&names[1..], &others);
        all.long = long;
        Ok(all)
    }

    fn several(&self, names: &[String]) -> Failure {
        let path = self.path.display();
        Failure::of(
            self.path,
            format!(
                "it holds {}: say which, `{path}:{}`; without a name, the only array is taken, or `events` or `x`, or arrays of one dimension and equal length as columns",
                names.join(", "),
                names.first().map_or("name", String::as_str)
            ),
        )
    }
}

/// Reads an array of an archive: that asked for, the only one, `events` or `x` if no other has as many rows; or all as columns. An array of
/// strings, `names` or `columns`, has the names of the columns.
pub fn read(path: &Path, file: File, asked: Option<&str>) -> Result<Events> {
    let failed = |e: &dyn std::fmt::Display| {
        Failure::of(path, format!("no archive of NumPy that can be read: {e}"))
    };
    let left = file.metadata().map_err(|e| failed(&e))?.len();
    let zip = ZipArchive::new(BufReader::new(file)).map_err(|e| failed(&e))?;
    let mut names = Vec::new();
    for name in zip.file_names() {
        let name = name.map_err(|e| failed(&e))?;
        names.extend(name.strip_suffix(".npy").map(str::to_owned));
    }
    let mut archive = Archive { path, zip, left };
    let words = NAMES.iter().find(|word| names.iter().any(|n| n == *word));
    let words = words.filter(|word| asked != Some(**word));
    names.retain(|name| Some(name.as_str()) != words.copied());
    let is = |name: &&str| names.iter().any(|n| n == *name);
    let name = match (asked, &names[..]) {
        (Some(asked), _) if is(&asked) => Some(asked),
        (Some(asked), _) => {
            let what = format!("it has no array `{asked}`; there are {}", names.join(", "));
            return Err(Failure::usage(path, what));
        }
        (None, [only]) => Some(only.as_str()),
        (None, _) => match EVENTS.into_iter().find(|name| is(name)) {
            Some(name) => archive.is_meant(name, &names)?.then_some(name),
            None => None,
        },
    };
    let Some(name) = name else {
        return archive.columns(&names);
    };
    let mut events = archive.rows(name)?;
    if let Some(words) = words.filter(|_| events.names().is_empty()) {
        let words = archive.words(words)?;
        events.set_names(words)?;
    }
    Ok(events)
}
