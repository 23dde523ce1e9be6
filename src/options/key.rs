//! What an option key is: a name, the values it may take, its defaults and its meaning.

use super::Value;
use crate::error::{Error, Result};

/// The name, range, defaults and meaning of one option whose values are of kind `T`:
/// `i64`, `f64` or `&'static str`. The keys themselves are the constants of [`keys`](super::keys).
#[derive(Clone, Copy, Debug)]
pub struct Key<T: Kind> {
    name: &'static str,
    domain: T::Domain,
    default: T,
    fast: T,
    doc: &'static str,
}

impl<T: Kind> Key<T> {
    /// The dotted name, such as `flow.blocks`.
    pub const fn name(&self) -> &'static str {
        self.name
    }

    const fn new(name: &'static str, domain: T::Domain, default: T) -> Self {
        Key {
            name,
            domain,
            default,
            fast: default,
            doc: "",
        }
    }

    /// This key with another value in the preset `fast`.
    pub(super) const fn fast(self, fast: T) -> Self {
        Key { fast, ..self }
    }

    /// This key with its meaning.
    pub(super) const fn doc(self, doc: &'static str) -> Self {
        Key { doc, ..self }
    }

    /// The value of this key, which `value` is when it comes from the options' table.
    pub(super) fn read<'a>(&self, value: Option<&'a Value>) -> T::Read<'a> {
        value
            .and_then(T::read)
            .unwrap_or_else(|| T::borrow(self.default))
    }
}

/// An integer key with `min <= value <= max`.
pub(super) const fn int(name: &'static str, min: i64, max: i64, default: i64) -> Key<i64> {
    Key::new(name, (min, max), default)
}

/// A floating-point key.
pub(super) const fn float(name: &'static str, range: Interval, default: f64) -> Key<f64> {
    Key::new(name, range, default)
}

/// A key that takes one of `choices`.
pub(super) const fn choice(
    name: &'static str,
    choices: &'static [&'static str],
    default: &'static str,
) -> Key<&'static str> {
    Key::new(name, choices, default)
}

/// A key that takes any text.
pub(super) const fn text(name: &'static str, default: &'static str) -> Key<&'static str> {
    const ANY: &[&str] = &[];
    Key::new(name, ANY, default)
}

/// An interval of the finite numbers; either end may be excluded.
#[derive(Clone, Copy, Debug)]
pub struct Interval {
    low: f64,
    high: f64,
    open_low: bool,
    open_high: bool,
}

impl Interval {
    const fn new(low: f64, open_low: bool, high: f64, open_high: bool) -> Self {
        Interval {
            low,
            high,
            open_low,
            open_high,
        }
    }

    /// `value >= low`
    pub(super) const fn at_least(low: f64) -> Self {
        Self::new(low, false, f64::INFINITY, true)
    }

    /// `value > low`
    pub(super) const fn above(low: f64) -> Self {
        Self::new(low, true, f64::INFINITY, true)
    }

    /// `low <= value < high`
    pub(super) const fn from_below(low: f64, high: f64) -> Self {
        Self::new(low, false, high, true)
    }

    /// `low < value <= high`
    pub(super) const fn above_to(low: f64, high: f64) -> Self {
        Self::new(low, true, high, false)
    }

    /// `low <= value <= high`
    pub(super) const fn from_to(low: f64, high: f64) -> Self {
        Self::new(low, false, high, false)
    }

    fn contains(&self, x: f64) -> bool {
        let above = x > self.low || (x == self.low && !self.open_low);
        let below = x < self.high || (x == self.high && !self.open_high);
        x.is_finite() && above && below
    }
}

/// A kind of option value; implemented by `i64`, `f64` and `&'static str` only.
pub trait Kind: Copy + sealed::Sealed + 'static {
    /// The values that a key of this kind may be restricted to.
    type Domain: Copy + std::fmt::Debug;
    /// How a value is read; text is borrowed from the options.
    type Read<'a>;
    #[doc(hidden)]
    fn read(value: &Value) -> Option<Self::Read<'_>>;
    #[doc(hidden)]
    fn borrow<'a>(value: Self) -> Self::Read<'a>;
}

mod sealed {
    pub trait Sealed {}
    impl Sealed for i64 {}
    impl Sealed for f64 {}
    impl Sealed for &'static str {}
}

impl Kind for i64 {
    type Domain = (i64, i64);
    type Read<'a> = i64;
    fn read(value: &Value) -> Option<i64> {
        match value {
            Value::Int(v) => Some(*v),
            _ => None,
        }
    }
    fn borrow<'a>(value: i64) -> Self::Read<'a> {
        value
    }
}

impl Kind for f64 {
    type Domain = Interval;
    type Read<'a> = f64;
    fn read(value: &Value) -> Option<f64> {
        match value {
            Value::Float(v) => Some(*v),
            _ => None,
        }
    }
    fn borrow<'a>(value: f64) -> Self::Read<'a> {
        value
    }
}

impl Kind for &'static str {
    /// The choices; none means free text.
    type Domain = &'static [&'static str];
    type Read<'a> = &'a str;
    fn read(value: &Value) -> Option<&str> {
        match value {
            Value::Text(v) => Some(v),
            _ => None,
        }
    }
    fn borrow<'a>(value: &'static str) -> Self::Read<'a> {
        value
    }
}

/// A value as the host gave it, before it is checked against a key.
#[derive(Clone, Debug)]
pub(super) enum Given<'a> {
    /// Wider than any key's range, so that an overflowing JSON number is reported as it was written.
    Int(i128),
    Float(f64),
    Text(&'a str),
    /// What no key takes: a list, an object, null, a Boolean.
    Other(&'static str),
}

impl std::fmt::Display for Given<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Given::Int(v) => write!(f, "{v}"),
            Given::Float(v) => write!(f, "{v:?}"),
            Given::Text(v) => write!(f, "{:?}", clip(v)),
            Given::Other(what) => f.write_str(what),
        }
    }
}

/// The beginning of `text`, short enough for a message.
pub(super) fn clip(text: &str) -> String {
    const LONGEST: usize = 64;
    match text.char_indices().nth(LONGEST) {
        None => text.to_owned(),
        Some((end, _)) => format!("{}...", &text[..end]),
    }
}

/// A key of any kind: a row of the table.
#[derive(Clone, Copy, Debug)]
pub(super) enum AnyKey {
    Int(Key<i64>),
    Float(Key<f64>),
    Text(Key<&'static str>),
}

impl AnyKey {
    pub(super) fn name(&self) -> &'static str {
        match self {
            AnyKey::Int(k) => k.name,
            AnyKey::Float(k) => k.name,
            AnyKey::Text(k) => k.name,
        }
    }

    pub(super) fn doc(&self) -> &'static str {
        match self {
            AnyKey::Int(k) => k.doc,
            AnyKey::Float(k) => k.doc,
            AnyKey::Text(k) => k.doc,
        }
        .trim()
    }

    /// The value in the presets `paper` and `fast`.
    pub(super) fn presets(&self) -> [Value; 2] {
        match self {
            AnyKey::Int(k) => [k.default, k.fast].map(Value::Int),
            AnyKey::Float(k) => [k.default, k.fast].map(Value::Float),
            AnyKey::Text(k) => [k.default, k.fast].map(|v| Value::Text(v.to_owned())),
        }
    }

    /// Kind and range in words.
    pub(super) fn allowed(&self) -> String {
        match self {
            AnyKey::Int(k) => match k.domain {
                (min, i64::MAX) => format!("an integer of at least {min}"),
                (min, max) => format!("an integer from {min} to {max}"),
            },
            AnyKey::Float(k) => {
                let Interval { low, high, .. } = k.domain;
                match (k.domain.open_low, k.domain.open_high) {
                    (true, _) if high.is_infinite() => format!("a finite number above {low}"),
                    (false, _) if high.is_infinite() => {
                        format!("a finite number of at least {low}")
                    }
                    (open_low, open_high) => {
                        let left = if open_low { "above" } else { "from" };
                        let right = if open_high { "below" } else { "to" };
                        let joint = if open_high { " and " } else { " " };
                        format!("a number {left} {low}{joint}{right} {high}")
                    }
                }
            }
            AnyKey::Text(k) if k.domain.is_empty() => "text".into(),
            AnyKey::Text(k) => format!("one of `{}`", k.domain.join("`, `")),
        }
    }

    /// `given` as a value of this key. Errors: another kind, outside the range.
    pub(super) fn check(&self, given: &Given) -> Result<Value> {
        let checked = match (self, given) {
            (AnyKey::Int(k), Given::Int(v)) => i64::try_from(*v)
                .ok()
                .filter(|v| (k.domain.0..=k.domain.1).contains(v))
                .map(Value::Int),
            (AnyKey::Float(k), Given::Float(v)) => {
                Some(*v).filter(|v| k.domain.contains(*v)).map(Value::Float)
            }
            (AnyKey::Float(_), Given::Int(v)) => return self.check(&Given::Float(*v as f64)),
            (AnyKey::Text(k), Given::Text(v)) => {
                let any = k.domain.is_empty() && !v.contains('\0');
                (any || k.domain.iter().any(|choice| is(choice, v)))
                    .then(|| Value::Text(v.to_string()))
            }
            _ => return Err(self.refuse(given, &format!("; give it as {}", self.kind()))),
        };
        checked.ok_or_else(|| self.refuse(given, ""))
    }

    fn refuse(&self, given: &Given, hint: &str) -> Error {
        Error::InvalidArgument(format!(
            "option `{}` takes {}, not {given}{hint}",
            self.name(),
            self.allowed()
        ))
    }

    /// As what this key is set and read, for a message.
    pub(super) fn kind(&self) -> &'static str {
        match self {
            AnyKey::Int(_) => "an integer, a number without a fraction",
            AnyKey::Float(_) => "a number",
            AnyKey::Text(_) => "text",
        }
    }
}

/// Whether `text` is this choice. `N` at the end of a choice stands for a number of 16 bits, as in `cuda:N`.
fn is(choice: &str, text: &str) -> bool {
    let numbered = || {
        let number = text.strip_prefix(choice.strip_suffix('N')?)?;
        let digits = number.bytes().all(|b| b.is_ascii_digit());
        Some(digits && number.parse::<u16>().is_ok())
    };
    choice == text && !choice.ends_with('N') || numbered().unwrap_or(false)
}
