//! Why a command ended before its end.

use std::any::Any;
use std::io;
use std::path::Path;

/// Why a command ended. The message says what would be right.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// Said by the library.
    #[error("{0}")]
    Library(laser::Error),
    /// Said by the program.
    #[error("{0}")]
    Wrong(String),
    /// A mistake in the arguments that clap cannot see.
    #[error("{0}")]
    Usage(String),
    /// What was made is there, but deserves no trust.
    #[error("{0}")]
    Doubtful(String),
    /// By the user: Ctrl-C, or a batch system that ends its job.
    #[error("interrupted; nothing was written")]
    Interrupted,
    /// The same, of a training that a checkpoint keeps.
    #[error("interrupted; {0}")]
    Kept(String),
    /// Whoever reads the output wants no more of it.
    #[error("the output is closed")]
    ClosedPipe,
}

/// The result of all that can fail here.
pub type Result<T> = std::result::Result<T, Failure>;

impl Failure {
    /// A failure with the file that it is about.
    pub fn of(path: &Path, what: impl std::fmt::Display) -> Self {
        Failure::Wrong(format!("{}: {what}", path.display()))
    }

    /// A mistake in the arguments, with the file that it is about.
    pub fn usage(path: &Path, what: impl std::fmt::Display) -> Self {
        Failure::Usage(format!("{}: {what}", path.display()))
    }

    /// What the arguments ask for and their files do not have is a mistake in the arguments.
    pub fn asked(self) -> Self {
        match self {
            Failure::Wrong(what) => Failure::Usage(what),
            Failure::Library(error @ laser::Error::Unsupported(_)) => {
                Failure::Usage(error.to_string())
            }
            other => other,
        }
    }

    /// A panic that was caught.
    pub fn defect(payload: &(dyn Any + Send)) -> Self {
        let text = payload.downcast_ref::<String>().map(String::as_str);
        let text = text.or_else(|| payload.downcast_ref::<&str>().copied());
        let text = text.unwrap_or("no message");
        Failure::Wrong(format!(
            "a defect of liblaser, please report it with the command: {text}"
        ))
    }
}

impl From<laser::Error> for Failure {
    fn from(error: laser::Error) -> Self {
        match error {
            laser::Error::Cancelled(_) => Failure::Interrupted,
            error => Failure::Library(error),
        }
    }
}

/// Of what is written to stdout.
impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::BrokenPipe => Failure::ClosedPipe,
            _ => Failure::Wrong(format!("stdout: {error}")),
        }
    }
}
