//! One error type for the whole crate. Its one translation to the status numbers of the C API is in `capi`.

use std::path::PathBuf;

/// What can go wrong. The message names the argument, what was wrong with it and what would be right; what a caller can act on is in the
/// fields:
///
/// ```
/// use laser::{protocol::Source, Error, Rows};
///
/// let mut events = vec![[0.5, 1.0], [f64::NAN, 2.0], [0.7, 3.0]];
/// let bad = match Source::from_rows(Rows::packed(events.as_flattened(), 2)?, None) {
///     Err(Error::NotFinite { row, .. }) => row,
///     other => return other.map(drop),
/// };
/// events.remove(bad);
/// assert!(Source::from_rows(Rows::packed(events.as_flattened(), 2)?, None).is_ok());
/// # Ok::<(), Error>(())
/// ```
///
/// Callbacks written in Rust ([`EventSource`](crate::protocol::EventSource), [`Hooks`](crate::train::Hooks) and the like) stop a call with
/// an error of their own in [`Error::Host`], and the call gives it back as it was:
///
/// ```
/// use laser::{options::Options, protocol, Error, Result};
/// use std::io;
///
/// struct Broken;
/// impl protocol::EventSource for Broken {
///     fn dim(&self) -> usize { 2 }
///     fn weighted(&self) -> bool { false }
///     fn fill(&mut self, _: &mut [f64], _: &mut [f64]) -> Result<usize> {
///         Err(Error::Host(io::Error::from(io::ErrorKind::UnexpectedEof).into()))
///     }
/// }
///
/// let mut source = protocol::Source::from_events(Box::new(Broken))?;
/// let error = protocol::train_generator(&mut source, &Options::new(), &()).unwrap_err();
/// assert!(matches!(error, Error::Host(error) if error.is::<io::Error>()));
/// # Ok::<(), Error>(())
/// ```
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// An argument outside its domain: zero size, overflowing size, NaN, unknown constant.
    #[error("{0}")]
    InvalidArgument(String),
    /// A pointer that must not be NULL was NULL.
    #[error("argument `{0}` is NULL; a valid pointer is required")]
    NullPointer(&'static str),
    /// An option key that does not exist.
    #[error("unknown option `{key}`{}", near_misses(.near))]
    UnknownOption {
        /// The key as given.
        key: String,
        /// Existing keys that look like it, best first.
        near: Vec<String>,
    },
    /// A file could not be read or written.
    #[error("{}: {source}", .path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the operating system said.
        source: std::io::Error,
    },
    /// A file that is no valid model file or checkpoint.
    #[error("not a valid liblaser file: {0}")]
    Format(String),
    /// A callback of a C host returned nonzero.
    #[error("the {callback} callback returned {code}; 0 would go on")]
    Callback {
        /// Which callback.
        callback: &'static str,
        /// What it returned.
        code: i32,
    },
    /// A callback of a Rust host failed; the error is its own.
    #[error(transparent)]
    Host(Box<dyn std::error::Error + Send + Sync>),
    /// The cancel token was tripped, during the stage that [`Progress`](crate::train::Progress) names so, or `source`: on the way back to where
    /// the call of a checkpoint began.
    #[error("cancelled by the caller's token during {0}")]
    Cancelled(&'static str),
    /// A handle is in use by another call, on another thread or further up this one.
    #[error("the {0} handle is in use by another call; use one handle per thread and do not re-enter it from a callback")]
    Busy(&'static str),
    /// This build, model or method cannot do what was asked.
    #[error("{0}")]
    Unsupported(String),
    /// Memory that cannot be had. The call has changed nothing that another would meet, and may succeed once there is more.
    #[error("{bytes} bytes of memory cannot be had for {what}")]
    Memory {
        /// How much was asked for.
        bytes: usize,
        /// What for.
        what: &'static str,
    },
    /// A number of an array that is NaN or infinite.
    #[error("{message}")]
    NotFinite {
        /// Its row, from 0.
        row: usize,
        /// Its column, from 0; None for the weight of the row.
        column: Option<usize>,
        /// The whole message.
        message: String,
    },
    /// Events that cannot be used for another reason, or come from a callback: too few, beyond their bounds, without weight.
    #[error("{0}")]
    Data(String),
    /// A computation left the finite numbers.
    #[error("{0}")]
    Numerical(String),
    /// The compute device is not usable.
    #[error("{0}")]
    Device(String),
    /// libtorch reported an error.
    #[error("libtorch: {0}")]
    Torch(String),
    /// A defect of liblaser itself.
    #[error("internal error, please report: {0}")]
    Internal(String),
}

impl Error {
    /// Of a `value` in an array that messages call `array`.
    pub(crate) fn not_finite(array: &str, row: usize, column: Option<usize>, value: f64) -> Self {
        let place = match column {
            Some(column) => format!("row {row}, column {column} of {array}"),
            None => format!("the weight of row {row} of {array}"),
        };
        Error::NotFinite {
            row,
            column,
            message: format!("{place} (counted from 0) is {value}; it must be finite"),
        }
    }

    /// Names what memory that cannot be had was asked for.
    pub(crate) fn for_what(self, what: &'static str) -> Self {
        match self {
            Error::Memory { bytes, .. } => Error::Memory { bytes, what },
            other => other,
        }
    }

    /// What is wrong with a description that options make, and not a file.
    pub(crate) fn of_options(self) -> Self {
        match self {
            Error::Format(why) => Error::InvalidArgument(why),
            other => other,
        }
    }
}

/// The result of everything fallible here.
pub type Result<T> = std::result::Result<T, Error>;

fn near_misses(near: &[String]) -> String {
    if near.is_empty() {
        "; printing the options as JSON lists all of them".into()
    } else {
        format!("; did you mean `{}`?", near.join("` or `"))
    }
}
