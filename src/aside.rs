//! Files that appear whole or not at all.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use tempfile::NamedTempFile;

/// A file that is written aside, in the folder of its place. [`Aside::finish`] synchronises it and moves it there; dropped before, it is
/// removed, and what is in its place stays as it is. The new file has the permissions of any newly created one; a symbolic link in its
/// place is replaced.
pub struct Aside {
    file: NamedTempFile,
    place: PathBuf,
}

impl Aside {
    /// Begins the file that will be `place`.
    ///
    /// # Errors
    /// Those of the operating system; if `place` is something else than a file.
    pub fn new(place: &Path) -> io::Result<Self> {
        // Renaming onto a device such as /dev/null would replace it.
        if let Ok(existing) = fs::metadata(place) {
            require_file(&existing)?;
        }
        let directory = match place.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent,
            _ => Path::new("."),
        };
        // Asked for itself, it is a clearer error than that of a file with a name of chance in it.
        fs::metadata(directory)?;
        let mut builder = tempfile::Builder::new();
        builder.prefix(".laser-");
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            // The process's umask takes its part away.
            builder.permissions(fs::Permissions::from_mode(0o666));
        }
        Ok(Aside {
            file: builder.tempfile_in(directory)?,
            place: place.into(),
        })
    }

    /// Moves the complete file to its place.
    ///
    /// # Errors
    /// Those of the operating system.
    pub fn finish(self) -> io::Result<()> {
        self.file.as_file().sync_all()?;
        self.file.persist(self.place)?;
        Ok(())
    }
}

impl Write for Aside {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

/// Passes on regular files.
///
/// # Errors
/// For directories, and whatever else is not one.
pub fn require_file(metadata: &fs::Metadata) -> io::Result<&fs::Metadata> {
    let (kind, what) = match metadata {
        m if m.is_file() => return Ok(metadata),
        m if m.is_dir() => (
            io::ErrorKind::IsADirectory,
            "this is a directory, not a file",
        ),
        _ => (io::ErrorKind::InvalidInput, "this is not a regular file"),
    };
    Err(io::Error::new(kind, what))
}
