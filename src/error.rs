//! One error type for the whole crate, and its one translation to the status numbers of the C API.

use std::path::PathBuf;

/// What can go wrong. The message names the argument, what was wrong with it and what would be right.
#[derive(Debug, thiserror::Error)]
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
    /// A file that is not a valid model file.
    #[error("not a valid liblaser model: {0}")]
    Format(String),
    /// A host callback returned nonzero.
    #[error("the {callback} callback returned {code}; 0 would go on")]
    Callback {
        /// Which callback.
        callback: &'static str,
        /// What it returned.
        code: i32,
    },
    /// The cancel token was tripped.
    #[error("cancelled by the caller's token during {0}")]
    Cancelled(&'static str),
    /// A handle is in use by another call, on another thread or further up this one.
    #[error("the {0} handle is in use by another call; use one handle per thread and do not re-enter it from a callback")]
    Busy(&'static str),
    /// This build, model or method cannot do what was asked.
    #[error("{0}")]
    Unsupported(String),
    /// Events that cannot be used: NaN, inf, too few.
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
