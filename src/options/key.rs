//! What an option key is: a name, the values it may take, its defaults and its meaning.

use crate::error::{Error, Result};

/// The name, range, defaults and meaning of one option whose values are of kind `T`: `i64`, `f64`, `&'static str` or a
/// [`Choice`]. The keys themselves are the constants of [`keys`](super::keys).
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
        self.default.read(self.domain, value)
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

/// A key that takes one of `words`, each of which means a value.
pub(super) const fn choice<T: Choice>(
    name: &'static str,
    words: &'static [(&'static str, T)],
    default: T,
) -> Key<T> {
    Key::new(name, words, default)
}

/// A key that takes text of one of the `forms`, or any text if there are none. `N` at the end of a form stands for a number of 16 bits.
pub(super) const fn text(
    name: &'static str,
    forms: &'static [&'static str],
    default: &'static str,
) -> Key<&'static str> {
    Key::new(name, forms, default)
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

/// A kind of option value: `i64`, `f64`, `&'static str` or a [`Choice`].
pub trait Kind: Copy + Sync + 'static {
    /// The values that a key of this kind may be restricted to.
    type Domain: Copy + Sync + std::fmt::Debug;
    /// How a value is read; text is borrowed from the options.
    type Read<'a>;
    /// As what a key of this kind is set and read, for a message.
    #[doc(hidden)]
    const AS: &'static str;
    /// The domain in words.
    #[doc(hidden)]
    fn allowed(domain: Self::Domain) -> String;
    /// `given` as a value in the domain, `Some(None)` if it is outside, `None` if it is of another kind. An integer for
    /// a floating-point key becomes a floating-point number.
    #[doc(hidden)]
    fn check(domain: Self::Domain, given: &mut Given) -> Option<Option<Value>>;
    #[doc(hidden)]
    fn value(self, domain: Self::Domain) -> Value;
    /// `value`, or this where there is none.
    #[doc(hidden)]
    fn read<'a>(self, domain: Self::Domain, value: Option<&'a Value>) -> Self::Read<'a>;
}

impl Kind for i64 {
    type Domain = (i64, i64);
    type Read<'a> = i64;
    const AS: &'static str = "an integer, a number without a fraction";
    fn allowed(domain: (i64, i64)) -> String {
        match domain {
            (min, i64::MAX) => format!("an integer of at least {min}"),
            (min, max) => format!("an integer from {min} to {max}"),
        }
    }
    fn check((min, max): (i64, i64), given: &mut Given) -> Option<Option<Value>> {
        let &mut Given::Int(v) = given else {
            return None;
        };
        let v = i64::try_from(v).ok().filter(|v| (min..=max).contains(v));
        Some(v.map(Value::Int))
    }
    fn value(self, _: (i64, i64)) -> Value {
        Value::Int(self)
    }
    fn read(self, _: (i64, i64), value: Option<&Value>) -> i64 {
        value.and_then(Value::int).unwrap_or(self)
    }
}

impl Kind for f64 {
    type Domain = Interval;
    type Read<'a> = f64;
    const AS: &'static str = "a number";
    fn allowed(domain: Interval) -> String {
        let Interval { low, high, .. } = domain;
        match (domain.open_low, domain.open_high) {
            (true, _) if high.is_infinite() => format!("a finite number above {low}"),
            (false, _) if high.is_infinite() => format!("a finite number of at least {low}"),
            (open_low, open_high) => {
                let left = if open_low { "above" } else { "from" };
                let right = if open_high { "below" } else { "to" };
                let joint = if open_high { " and " } else { " " };
                format!("a number {left} {low}{joint}{right} {high}")
            }
        }
    }
    fn check(domain: Interval, given: &mut Given) -> Option<Option<Value>> {
        if let Given::Int(v) = *given {
            *given = Given::Float(v as f64);
        }
        let &mut Given::Float(v) = given else {
            return None;
        };
        Some(domain.contains(v).then_some(Value::Float(v)))
    }
    fn value(self, _: Interval) -> Value {
        Value::Float(self)
    }
    fn read(self, _: Interval, value: Option<&Value>) -> f64 {
        value.and_then(Value::float).unwrap_or(self)
    }
}

impl Kind for &'static str {
    /// The forms; none means free text.
    type Domain = &'static [&'static str];
    type Read<'a> = &'a str;
    const AS: &'static str = "text";
    fn allowed(forms: Self::Domain) -> String {
        match forms {
            [] => "text".into(),
            forms => format!("one of `{}`", forms.join("`, `")),
        }
    }
    fn check(forms: Self::Domain, given: &mut Given) -> Option<Option<Value>> {
        let &mut Given::Text(v) = given else {
            return None;
        };
        let any = forms.is_empty() && !v.contains('\0');
        let good = any || forms.iter().any(|form| is(form, v));
        Some(good.then(|| Value::Text(v.into())))
    }
    fn value(self, _: Self::Domain) -> Value {
        Value::Text(self.into())
    }
    fn read(self, _: Self::Domain, value: Option<&Value>) -> &str {
        value.and_then(Value::text).unwrap_or(self)
    }
}

/// A type of which a key takes some values, each by a word.
pub trait Choice: Copy + Sync + PartialEq + std::fmt::Debug + 'static {}

impl<T: Choice> Kind for T {
    /// The words and what they mean.
    type Domain = &'static [(&'static str, T)];
    type Read<'a> = T;
    const AS: &'static str = "text";
    fn allowed(words: Self::Domain) -> String {
        let words: Vec<_> = words.iter().map(|(word, _)| *word).collect();
        format!("one of `{}`", words.join("`, `"))
    }
    fn check(words: Self::Domain, given: &mut Given) -> Option<Option<Value>> {
        let &mut Given::Text(v) = given else {
            return None;
        };
        let known = words.iter().any(|(word, _)| *word == v);
        Some(known.then(|| Value::Text(v.into())))
    }
    fn value(self, words: Self::Domain) -> Value {
        let word = words.iter().find(|(_, value)| *value == self);
        Value::Text(word.map_or("", |(word, _)| word).into())
    }
    fn read(self, words: Self::Domain, value: Option<&Value>) -> T {
        let text = value.and_then(Value::text);
        let word = words.iter().find(|(word, _)| Some(*word) == text);
        word.map_or(self, |(_, value)| *value)
    }
}

/// A checked value of an option.
#[doc(hidden)]
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// An integer.
    Int(i64),
    /// A finite number.
    Float(f64),
    /// A choice or free text.
    Text(String),
}

impl Value {
    pub(super) fn int(&self) -> Option<i64> {
        match self {
            Value::Int(v) => Some(*v),
            _ => None,
        }
    }

    pub(super) fn float(&self) -> Option<f64> {
        match self {
            Value::Float(v) => Some(*v),
            _ => None,
        }
    }

    pub(super) fn text(&self) -> Option<&str> {
        match self {
            Value::Text(v) => Some(v),
            _ => None,
        }
    }
}

impl std::fmt::Display for Value {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Value::Int(v) => write!(f, "{v}"),
            Value::Float(v) => write!(f, "{v:?}"),
            Value::Text(v) => f.write_str(v),
        }
    }
}

/// A value as the host gave it, before it is checked against a key.
#[derive(Clone, Debug)]
pub enum Given<'a> {
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
pub(super) trait Row: Sync {
    fn name(&self) -> &'static str;
    fn doc(&self) -> &'static str;
    /// The value in the presets `paper` and `fast`.
    fn presets(&self) -> [Value; 2];
    /// Kind and range in words.
    fn allowed(&self) -> String;
    /// As what this key is set and read, for a message.
    fn kind(&self) -> &'static str;
    /// `given` as a value of this key. Errors: another kind, outside the range.
    fn check(&self, given: Given) -> Result<Value>;
}

impl<T: Kind> Row for Key<T> {
    fn name(&self) -> &'static str {
        self.name
    }
    fn doc(&self) -> &'static str {
        self.doc.trim()
    }
    fn presets(&self) -> [Value; 2] {
        [self.default, self.fast].map(|v| v.value(self.domain))
    }
    fn allowed(&self) -> String {
        T::allowed(self.domain)
    }
    fn kind(&self) -> &'static str {
        T::AS
    }
    fn check(&self, mut given: Given) -> Result<Value> {
        let checked = T::check(self.domain, &mut given);
        let hint = match checked {
            Some(_) => String::new(),
            None => format!("; give it as {}", T::AS),
        };
        checked.flatten().ok_or_else(|| {
            let (name, allowed) = (self.name, self.allowed());
            Error::InvalidArgument(format!(
                "option `{name}` takes {allowed}, not {given}{hint}"
            ))
        })
    }
}

/// Whether `text` has this form, such as `cuda:N`.
fn is(form: &str, text: &str) -> bool {
    let numbered = || {
        let number = text.strip_prefix(form.strip_suffix('N')?)?;
        let digits = number.bytes().all(|b| b.is_ascii_digit());
        Some(digits && number.parse::<u16>().is_ok())
    };
    form == text && !form.ends_with('N') || numbered().unwrap_or(false)
}
