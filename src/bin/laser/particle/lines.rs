//! Lines of text, of bounded length, also out of gzip.

use flate2::bufread::MultiGzDecoder;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};

/// No line is longer, and no event has more bytes than [`LARGEST`].
const LONGEST: u64 = 1 << 20;
pub const LARGEST: usize = 1 << 26;

/// A file's lines.
pub struct Lines<'r> {
    reader: Box<dyn BufRead + 'r>,
    /// The line that was read last, from 1.
    pub number: u64,
}

impl Lines<'static> {
    /// Those of a file, which may be packed by gzip: its content says so.
    pub fn open(file: File) -> io::Result<Self> {
        let mut reader = BufReader::with_capacity(1 << 18, file);
        let packed = reader.fill_buf()?.starts_with(&[0x1f, 0x8b]);
        Ok(match packed {
            true => Lines::of(BufReader::with_capacity(
                1 << 18,
                MultiGzDecoder::new(reader),
            )),
            false => Lines::of(reader),
        })
    }
}

impl<'r> Lines<'r> {
    pub fn of(reader: impl BufRead + 'r) -> Self {
        Lines {
            reader: Box::new(reader),
            number: 0,
        }
    }

    /// Puts the next line, with its end, behind what `text` has. False if there is none.
    pub fn read(&mut self, text: &mut String) -> Result<bool, String> {
        let failed = |e: io::Error| {
            match e.kind() {
            io::ErrorKind::InvalidData => {
                "it is no text in UTF-8, as accents of Latin-1 are not; `iconv -f latin1 -t utf-8` makes it one".into()
            },
            io::ErrorKind::UnexpectedEof => "the file is cut short: its gzip ends too early".into(),
            _ => e.to_string(),
        }
        };
        let read = (&mut self.reader).take(LONGEST).read_line(text);
        let read = read.map_err(|e| self.wrong(failed(e)))?;
        if read as u64 == LONGEST {
            return Err(self.wrong("it is longer than any line of such a file".into()));
        }
        self.number += u64::from(read > 0);
        if text.len() > LARGEST {
            return Err(self.wrong(format!("the event takes more than {LARGEST} bytes")));
        }
        Ok(read > 0)
    }

    /// A message with the line that was to be read.
    fn wrong(&self, what: String) -> String {
        format!("line {}: {what}", self.number + 1)
    }
}

/// A number as these files have them, with Fortran's exponents: `1.0D+02`, and `0.1-101`, which has no letter where three digits need its
/// place.
pub fn number(text: &str) -> Result<f64, String> {
    let value = match (text.parse(), text.rfind(['+', '-'])) {
        (Ok(value), _) => Ok(value),
        (_, Some(sign)) if text[..sign].ends_with(|c: char| c.is_ascii_digit() || c == '.') => {
            format!("{}e{}", &text[..sign], &text[sign..]).parse::<f64>()
        }
        _ => text.replace(['d', 'D'], "e").parse::<f64>(),
    };
    match value {
        Ok(value) if value.is_finite() => Ok(value),
        _ => Err(format!("`{text}` is no number, or not finite")),
    }
}

/// A whole number.
pub fn whole(text: &str) -> Result<i64, String> {
    text.parse()
        .map_err(|_| format!("`{text}` is no whole number"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_of_fortran_are_read() {
        for (text, value) in [
            ("1.0D+02", 100.0),
            ("-2.5d-3", -0.0025),
            ("0.10000000-101", 1e-102),
            ("-.1+102", -1e101),
            ("+1.E-300", 1e-300),
            ("7", 7.0),
        ] {
            assert_eq!(number(text), Ok(value), "{text}");
        }
        for text in [
            "1-2-3", "-", "1.0-", "0.1+999", "NaN", "inf", "1 2", "e5", "é-1",
        ] {
            assert!(number(text).is_err(), "{text}");
        }
    }
}
