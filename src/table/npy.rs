//! NumPy's `.npy`: what it says of the numbers behind, and how that is written. The format is NumPy's enhancement proposal 1, "a simple file
//! format for NumPy arrays", in its versions 1.0, 2.0 and 3.0.

use crate::room;
use std::io::{self, Read};
use std::result::Result;

/// The longest header that is read: some fifty thousand named fields. That of a table takes about 100 bytes.
const LONGEST: usize = 1 << 20;
/// NumPy has no arrays of more dimensions.
const DIMENSIONS: usize = 64;
const MAGIC: &[u8; 6] = b"\x93NUMPY";

/// What a file says of its array.
#[derive(Debug, PartialEq)]
pub struct Header {
    /// What an element is.
    pub element: Element,
    /// Whether the first index runs fastest (Fortran), or else the last one (C).
    pub fortran: bool,
    /// Elements along every dimension.
    pub shape: Vec<u64>,
    /// Bytes before the array.
    pub start: u64,
}

/// What an element of an array is.
#[derive(Debug, PartialEq)]
pub enum Element {
    /// One value.
    Value(Type),
    /// A record of fields, one behind the other. What has no name aligns the field behind it.
    Record(Vec<(String, Type)>),
}

/// What a value is.
#[derive(Clone, Debug, PartialEq)]
pub struct Type {
    /// As the file has it, for messages.
    pub text: String,
    /// NumPy's letter: `f` for floating-point numbers, `i` and `u` for whole ones with and without a sign, `S` and `U` for text, in bytes and
    /// in code points of four bytes, others. None for records and arrays within a field.
    pub letter: Option<u8>,
    /// Whether the first of its bytes counts most; none if there is one alone, or they are in no order.
    pub big_endian: Option<bool>,
    /// How many bytes; none if they differ, or that was not looked at.
    pub size: Option<u64>,
}

impl Type {
    /// What a header has: text as `'<f8'`, of order of bytes, letter, size, and units of a time; or what is within a field.
    fn of(piece: &str) -> Result<Self, String> {
        if !piece.starts_with(['\'', '"']) {
            return Ok(Self::within(piece));
        }
        let unknown = || format!("{} is no type of NumPy", shown(piece));
        let text = Scanner { text: piece, at: 0 }.string()?;
        let [order, letter, rest @ ..] = text.as_bytes() else {
            return Err(unknown());
        };
        let digits = rest.iter().take_while(|b| b.is_ascii_digit()).count();
        // What is no letter of NumPy may end within a code point.
        let Some((size, units)) = text.get(2..).map(|rest| rest.split_at(digits)) else {
            return Err(unknown());
        };
        let is_time = matches!(letter, b'm' | b'M');
        if !b"biufcmMSaUOV".contains(letter) || is_time == units.is_empty() {
            return Err(unknown());
        }
        let big_endian = match order {
            b'<' => Some(false),
            b'>' => Some(true),
            b'|' => None,
            _ => return Err(unknown()),
        };
        let size: Option<u64> = match letter {
            b'O' => None,
            _ => Some(size.parse().map_err(|_| unknown())?),
        };
        let unit = if *letter == b'U' { 4 } else { 1 };
        Ok(Type {
            text: shown(piece),
            letter: Some(*letter),
            big_endian,
            size: size.and_then(|size| size.checked_mul(unit)),
        })
    }

    /// A record or an array within a field.
    fn within(text: &str) -> Self {
        Type {
            text: shown(text),
            letter: None,
            big_endian: None,
            size: None,
        }
    }
}

/// A part of a header, in a message.
fn shown(text: &str) -> String {
    const MOST: usize = 60;
    let letters = text.chars().map(|c| if c.is_control() { ' ' } else { c });
    match text.chars().nth(MOST) {
        None => letters.collect(),
        Some(_) => letters.take(MOST).chain(['…']).collect(),
    }
}

/// Reads a header and nothing more. The length that it states is bounded before memory is taken for it.
///
/// # Errors
/// Those of the reader; [`io::ErrorKind::InvalidData`] for what is no header.
pub fn read(mut reader: impl Read) -> io::Result<Header> {
    let wrong = |what: String| io::Error::new(io::ErrorKind::InvalidData, what);
    // Magic string, version, and the length in two bytes or, from version 2 on, four.
    let mut head = [0; 8];
    if fill(&mut reader, &mut head)? < head.len() || !head.starts_with(MAGIC) {
        return Err(wrong(
            "it does not begin as such a file, with \"\\x93NUMPY\"".into(),
        ));
    }
    let version = (head[6], head[7]);
    let width = match version {
        (1, 0) => 2,
        (2 | 3, 0) => 4,
        (major, minor) => {
            return Err(wrong(format!(
                "it is of version {major}.{minor}; 1.0, 2.0 and 3.0 are known"
            )))
        }
    };
    let mut length = [0; 4];
    reader.read_exact(&mut length[..width])?;
    let length = u32::from_le_bytes(length) as usize;
    if length > LONGEST {
        return Err(wrong(format!(
            "a header of {length} bytes, longer than {LONGEST}"
        )));
    }
    let missing = |_| io::Error::from(io::ErrorKind::OutOfMemory);
    let mut bytes = room::filled(length, 0).map_err(missing)?;
    reader.read_exact(&mut bytes)?;
    let text = match version.0 {
        3 => String::from_utf8(bytes).map_err(|e| wrong(e.to_string()))?,
        // Latin-1, whose bytes are the first code points.
        _ => bytes.into_iter().map(char::from).collect(),
    };
    let mut scanner = Scanner { text: &text, at: 0 };
    let header = scanner.header();
    let start = (head.len() + width + length) as u64;
    let header = header.map_err(|what| {
        let at = scanner.text[..scanner.at].chars().count();
        wrong(format!("{what}, at character {at}"))
    });
    Ok(Header { start, ..header? })
}

/// A header as Python writes it: a dictionary of literals. What is nested deeper than a header is is passed over by counting brackets, so that
/// nothing here calls itself.
struct Scanner<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Scanner<'a> {
    /// What comes next, spaces apart.
    fn rest(&mut self) -> &'a str {
        let rest = self.text[self.at..].trim_ascii_start();
        self.at = self.text.len() - rest.len();
        rest
    }

    /// Passes over a piece of text, if it comes next.
    fn take(&mut self, piece: &str) -> bool {
        let comes = self.rest().starts_with(piece);
        if comes {
            self.at += piece.len();
        }
        comes
    }

    fn need(&mut self, piece: &str) -> Result<(), String> {
        match self.take(piece) {
            true => Ok(()),
            false => Err(format!("its header lacks `{piece}`")),
        }
    }

    /// The elements of a list, each read by `element`, up to the bracket that closes it.
    fn list(
        &mut self,
        close: &str,
        mut element: impl FnMut(&mut Self) -> Result<(), String>,
    ) -> Result<(), String> {
        while !self.take(close) {
            element(self)?;
            if !self.take(",") {
                return self.need(close);
            }
        }
        Ok(())
    }

    /// Text in quotation marks, with what Python escapes in it.
    fn string(&mut self) -> Result<String, String> {
        let wrong =
            || Err("its header has no text, in quotation marks, where one is needed".into());
        let rest = self.rest();
        let mut letters = rest.char_indices();
        let Some((_, quote @ ('\'' | '"'))) = letters.next() else {
            return wrong();
        };
        let mut text = String::new();
        while let Some((at, letter)) = letters.next() {
            if letter == quote {
                self.at += at + 1;
                return Ok(text);
            }
            if letter != '\\' {
                text.push(letter);
                continue;
            }
            let Some((at, letter)) = letters.next() else {
                return wrong();
            };
            let digits = match letter {
                'x' => 2,
                'u' => 4,
                'U' => 8,
                _ => 0,
            };
            let code = rest.get(at + 1..at + 1 + digits);
            let code = code.and_then(|code| u32::from_str_radix(code, 16).ok());
            text.push(match (letter, code.and_then(char::from_u32)) {
                ('x' | 'u' | 'U', Some(letter)) => letter,
                ('\\' | '\'' | '"', _) => letter,
                ('n', _) => '\n',
                ('r', _) => '\r',
                ('t', _) => '\t',
                _ => return wrong(),
            });
            if digits > 0 {
                letters.nth(digits - 1);
            }
        }
        wrong()
    }

    /// Passes over a value of whatever kind, up to the comma or the bracket behind it, and says what it was.
    fn pass(&mut self) -> Result<&'a str, String> {
        let rest = self.rest();
        let start = self.at;
        let mut depth = 0_usize;
        while let Some(letter) = self.rest().chars().next() {
            match letter {
                '\'' | '"' => {
                    self.string()?;
                    continue;
                }
                ',' | ')' | ']' | '}' if depth == 0 => break,
                '(' | '[' | '{' => depth += 1,
                ')' | ']' | '}' => depth -= 1,
                _ => (),
            }
            self.at += letter.len_utf8();
        }
        match self.at - start {
            0 => Err("its header lacks a value".into()),
            length => Ok(rest[..length].trim_ascii_end()),
        }
    }

    /// Opens a tuple or a list; with what closes it.
    fn open(&mut self) -> Result<&'static str, String> {
        if self.take("[") {
            return Ok("]");
        }
        self.need("(")?;
        Ok(")")
    }

    fn shape(&mut self) -> Result<Vec<u64>, String> {
        let close = self.open()?;
        let mut shape = Vec::new();
        self.list(close, |scanner| {
            let text = scanner.pass()?;
            let digits = text.bytes().all(|b| b.is_ascii_digit());
            let size = text.parse().ok().filter(|_| digits);
            let size = size.ok_or_else(|| {
                format!(
                    "its shape has {}, which is no number of elements",
                    shown(text)
                )
            })?;
            if shape.len() == DIMENSIONS {
                return Err(format!("its shape has more than {DIMENSIONS} dimensions"));
            }
            shape.push(size);
            Ok(())
        })?;
        Ok(shape)
    }

    /// What a field is called: its name, or title and name.
    fn name(&mut self) -> Result<String, String> {
        if !self.take("(") {
            return self.string();
        }
        self.pass()?;
        self.need(",")?;
        let name = self.string()?;
        self.need(")")?;
        Ok(name)
    }

    fn element(&mut self) -> Result<Element, String> {
        if !self.take("[") {
            return Type::of(self.pass()?).map(Element::Value);
        }
        let mut fields = Vec::new();
        self.list("]", |scanner| {
            let close = scanner.open()?;
            let name = scanner.name()?;
            scanner.need(",")?;
            let (start, mut pieces) = (scanner.rest(), 0);
            let first = scanner.pass()?;
            scanner.take(",");
            scanner.list(close, |scanner| {
                pieces += 1;
                scanner.pass().map(drop)
            })?;
            let length = start.len() - scanner.text[scanner.at..].len() - close.len();
            fields.push((
                name,
                match pieces {
                    0 => Type::of(first)?,
                    1 => Type::within(&start[..length]),
                    _ => {
                        return Err(
                            "a field of its header has more than name, type and shape".into()
                        )
                    }
                },
            ));
            Ok(())
        })?;
        Ok(Element::Record(fields))
    }

    fn header(&mut self) -> Result<Header, String> {
        let (mut element, mut fortran, mut shape) = (None, None, None);
        self.need("{")?;
        self.list("}", |scanner| {
            let key = scanner.string()?;
            scanner.need(":")?;
            let twice = match key.as_str() {
                "descr" => element.replace(scanner.element()?).is_some(),
                "fortran_order" => {
                    let is = match scanner.pass()? {
                        "True" => true,
                        "False" => false,
                        _ => return Err("its `fortran_order` is neither True nor False".into()),
                    };
                    fortran.replace(is).is_some()
                }
                "shape" => shape.replace(scanner.shape()?).is_some(),
                _ => return Err(format!("its header has a `{}`", shown(&key))),
            };
            match twice {
                true => Err(format!("its header has `{key}` twice")),
                false => Ok(()),
            }
        })?;
        let lacks = |key: &str| format!("its header lacks `{key}`");
        if !self.rest().is_empty() {
            return Err("its header goes on behind its dictionary".into());
        }
        Ok(Header {
            element: element.ok_or_else(|| lacks("descr"))?,
            fortran: fortran.ok_or_else(|| lacks("fortran_order"))?,
            shape: shape.ok_or_else(|| lacks("shape"))?,
            start: 0,
        })
    }
}

/// How a file holds rows of doubles.
#[derive(Clone, Copy)]
pub enum Shape<'a> {
    /// Each of one value, without a dimension of its own.
    Flat,
    /// Each of so many values.
    Table(usize),
    /// Each a record of fields of these names.
    Records(&'a [String]),
}

/// What a file begins with that holds `rows` of little-endian doubles.
pub fn head(rows: u64, shape: Shape) -> Vec<u8> {
    const ALIGNED: usize = 64;
    let double = "'<f8'".to_owned();
    let (element, columns) = match shape {
        Shape::Flat => (double, String::new()),
        Shape::Table(columns) => (double, format!(" {columns}")),
        Shape::Records(names) => {
            let fields = names
                .iter()
                .map(|name| format!("({}, '<f8'), ", literal(name)));
            (format!("[{}]", fields.collect::<String>()), String::new())
        }
    };
    let mut text =
        format!("{{'descr': {element}, 'fortran_order': False, 'shape': ({rows},{columns}), }}");
    // Version 1.0 has two bytes for the length, and no text but Latin letters.
    let long = !text.is_ascii() || text.len() + 2 * ALIGNED > u16::MAX.into();
    let before = MAGIC.len() + if long { 6 } else { 4 };
    while !(before + text.len() + 1).is_multiple_of(ALIGNED) {
        text.push(' ');
    }
    text.push('\n');
    let mut head = Vec::from(*MAGIC);
    head.extend([if long { 3 } else { 1 }, 0]);
    let length = (text.len() as u32).to_le_bytes();
    head.extend(if long { &length } else { &length[..2] });
    head.extend(text.bytes());
    head
}

/// Text as Python writes it.
fn literal(text: &str) -> String {
    let mut quoted = String::from("'");
    for c in text.chars() {
        match c {
            '\'' | '\\' => quoted.extend(['\\', c]),
            c if c.is_control() => quoted.push_str(&format!("\\u{:04x}", c as u32)),
            c => quoted.push(c),
        }
    }
    quoted.push('\'');
    quoted
}

/// Reads until `out` is full or nothing comes any more; how much came.
pub(super) fn fill(reader: &mut impl Read, out: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while filled < out.len() {
        match reader.read(&mut out[filled..])? {
            0 => break,
            more => filled += more,
        }
    }
    Ok(filled)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let names = |names: &[&str]| names.iter().map(|n| (*n).to_owned()).collect::<Vec<_>>();
        let many: Vec<String> = (0..5000)
            .map(|i| format!("a rather long name {i}"))
            .collect();
        for names in [
            names(&["pt", "w"]),
            names(&["it's \\ \"so\"", "Δφ", "a\nb"]),
            many[..1000].to_vec(),
        ] {
            let head = head(7, Shape::Records(&names));
            let header = read(&head[..]).unwrap();
            assert_eq!(
                (&header.shape[..], header.start),
                (&[7][..], head.len() as u64)
            );
            assert!(head.len().is_multiple_of(64));
            let Element::Record(fields) = header.element else {
                panic!("no records");
            };
            let read = fields.into_iter().map(|(name, kind)| {
                assert_eq!(kind.text, "'<f8'");
                name
            });
            assert_eq!(read.collect::<Vec<_>>(), names);
        }
        for (shape, dimensions) in [(Shape::Flat, &[7][..]), (Shape::Table(3), &[7, 3])] {
            assert_eq!(read(&head(7, shape)[..]).unwrap().shape, dimensions);
        }
    }

    /// What a header of this text is, in a version.
    fn version(major: u8, text: &[u8]) -> Result<Header, String> {
        let mut bytes = MAGIC.to_vec();
        bytes.extend([major, 0]);
        let length = (text.len() as u32).to_le_bytes();
        bytes.extend(&length[..if major == 1 { 2 } else { 4 }]);
        bytes.extend(text);
        let end = bytes.len() as u64;
        bytes.extend(b"numbers");
        let header = read(&bytes[..]).map_err(|e| e.to_string())?;
        assert_eq!(header.start, end);
        Ok(header)
    }

    fn of(descr: &str) -> Result<Element, String> {
        let text = format!("{{'descr': {descr}, 'fortran_order': False, 'shape': (3,), }}\n");
        version(1, text.as_bytes()).map(|header| header.element)
    }

    fn value(descr: &str) -> Type {
        match of(descr).unwrap() {
            Element::Value(value) => value,
            Element::Record(_) => panic!("{descr} is no record"),
        }
    }

    #[test]
    fn what_numpy_writes_is_read() {
        for (order, is) in [("True", true), ("False", false)] {
            let text =
                format!("{{'descr': '>f4', 'fortran_order': {order}, 'shape': (3, 2), }}   \n");
            for major in 1..=3 {
                let header = version(major, text.as_bytes()).unwrap();
                assert_eq!((header.fortran, &header.shape[..]), (is, &[3, 2][..]));
                let Element::Value(value) = header.element else {
                    panic!("one value");
                };
                assert_eq!(value.text, "'>f4'");
                let read = (value.letter, value.big_endian, value.size);
                assert_eq!(read, (Some(b'f'), Some(true), Some(4)));
            }
        }
        // Any order of keys, either kind of quotation marks, and no comma at the end.
        let turned = "{\"shape\":(),\"fortran_order\":False,\"descr\":\"|u1\"}";
        let header = version(1, turned.as_bytes()).unwrap();
        assert!(header.shape.is_empty());
        let sizes = [
            ("'<U8'", b'U', Some(32)),
            ("'|S5'", b'S', Some(5)),
            ("'|O'", b'O', None),
            ("'<M8[ns]'", b'M', Some(8)),
            ("'<U18446744073709551615'", b'U', None),
        ];
        for (descr, letter, size) in sizes {
            let value = value(descr);
            assert_eq!((value.letter, value.size), (Some(letter), size), "{descr}");
        }
    }

    #[test]
    fn fields_have_their_names_and_what_is_nested_is_passed_over() {
        let descr = r#"[('a\'\\\x41\u00e9', '<f8'), (('a title', "b"), "<i4"), ('', '|V3'), ('c', '<f4', (2, 3)), ('d', [('e,)', '<f8')]),]"#;
        let Element::Record(fields) = of(descr).unwrap() else {
            panic!("a record");
        };
        let names: Vec<&str> = fields.iter().map(|(name, _)| &name[..]).collect();
        assert_eq!(names, ["a'\\Aé", "b", "", "c", "d"]);
        let sizes: Vec<_> = fields.iter().map(|(_, t)| (t.letter, t.size)).collect();
        let within = (None, None);
        assert_eq!(
            sizes,
            [
                (Some(b'f'), Some(8)),
                (Some(b'i'), Some(4)),
                (Some(b'V'), Some(3)),
                within,
                within
            ]
        );
        assert_eq!(fields[3].1.text, "'<f4', (2, 3)");
        assert_eq!(fields[4].1.text, "[('e,)', '<f8')]");
        // However deep.
        let deep = format!("[('a', {}{})]", "[".repeat(30_000), "]".repeat(30_000));
        assert!(of(&deep).is_ok());
        // Latin-1 before version 3, UTF-8 in it.
        let text = "{'descr': [('é', '<f8')], 'fortran_order': False, 'shape': (1,)}";
        let latin: Vec<u8> = text.chars().map(|c| c as u8).collect();
        let name = |header: Header| match header.element {
            Element::Record(fields) => fields[0].0.clone(),
            Element::Value(_) => String::new(),
        };
        assert_eq!(version(2, &latin).map(name).unwrap(), "é");
        assert_eq!(version(3, text.as_bytes()).map(name).unwrap(), "é");
        assert!(version(3, &latin).is_err());
    }

    #[test]
    fn what_is_wrong_is_said_with_its_place() {
        let deep = format!("{}{}", "[".repeat(30_000), "]".repeat(30_000));
        for (descr, words) in [
            ("'f8'", "'f8' is no type of NumPy"),
            ("'<x8'", "'<x8' is no type of NumPy"),
            ("'<f'", "'<f' is no type of NumPy"),
            ("'<f8[ns]'", "is no type of NumPy"),
            ("'<M8'", "is no type of NumPy"),
            ("'<\\xe98'", "is no type of NumPy, at character 18"),
            ("'<f8", "no text, in quotation marks"),
            ("'\\x4'", "no text, in quotation marks"),
            ("'\\é'", "no text, in quotation marks"),
            ("", "lacks a value, at character 10"),
            ("[('a')]", "lacks `,`"),
            ("[('a', '<f8', (2,), 3)]", "more than name, type and shape"),
            ("[(('title', 'a', 'b'), '<f8')]", "lacks `)`"),
            ("[(('title',), '<f8')]", "no text, in quotation marks"),
            (&deep, "no text, in quotation marks"),
        ] {
            let error = of(descr).unwrap_err();
            assert!(error.contains(words), "{descr:.80}: {error}");
            assert!(error.len() < 200, "{error}");
        }
        let head = "'descr': '<f8', 'fortran_order'";
        for (text, words) in [
            ("", "lacks `{`, at character 0"),
            ("{}", "lacks `descr`"),
            (
                &format!("{{{head}: 0, 'shape': (1,)}}"),
                "neither True nor False",
            ),
            (&format!("{{{head}: True}}"), "lacks `shape`"),
            (
                &format!("{{{head}: True, 'shape': (1,)}} 1"),
                "goes on behind",
            ),
            (
                &format!("{{{head}: True, 'shape': (1,), 'x': 2}}"),
                "has a `x`",
            ),
            (
                &format!("{{{head}: True, {head}: True}}"),
                "has `descr` twice",
            ),
            (
                &format!("{{{head}: True, 'shape': (-1,)}}"),
                "has -1, which is no",
            ),
            (
                &format!("{{{head}: True, 'shape': (1 2)}}"),
                "has 1 2, which is no",
            ),
            (&format!("{{{head}: True, 'shape': 3}}"), "lacks `(`"),
            (
                &format!("{{{head}: True, 'shape': (18446744073709551616,)}}"),
                "has 18446744073709551616, which is no",
            ),
            (
                &format!("{{{head}: True, 'shape': ({})}}", "1,".repeat(65)),
                "more than 64 dimensions",
            ),
        ] {
            let error = version(1, text.as_bytes()).unwrap_err();
            assert!(error.contains(words), "{text}: {error}");
        }
        let unknown = read(&b"\x93NUMPY\x04\0\0\0\0\0"[..]).unwrap_err();
        assert!(unknown.to_string().contains("version 4.0"), "{unknown}");
    }

    #[test]
    fn what_is_written_is_read_by_others() {
        for (rows, columns) in [(0, 1), (3, 2), (u64::MAX, usize::MAX)] {
            let head = head(rows, Shape::Table(columns));
            assert_eq!(head.len() % 64, 0);
            let ours = read(&head[..]).unwrap();
            assert_eq!(ours.shape, [rows, columns as u64]);
            let theirs = npyz::NpyHeader::from_reader(&head[..]).unwrap();
            assert_eq!(theirs.shape(), ours.shape);
            assert_eq!(theirs.dtype().descr(), "'<f8'");
        }
        // An array of one dimension.
        let head = head(7, Shape::Flat);
        assert_eq!(read(&head[..]).unwrap().shape, [7]);
        assert_eq!(
            npyz::NpyHeader::from_reader(&head[..]).unwrap().shape(),
            [7]
        );
    }
}
