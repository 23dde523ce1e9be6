//! Files that appear whole or not at all.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use tempfile::NamedTempFile;

/// A file that is written aside, in the folder of its place. [`Aside::finish`] synchronises it and moves it there; dropped before, it is
/// removed, and what is in its place stays as it is. It has the permissions of the file in its place, or of any newly created one; a symbolic
/// link in its place is replaced.
///
/// Until it is finished it has no name, on Linux and a file system that can do that (ext4, xfs, btrfs, tmpfs, not NFS): however the process
/// ends, nothing is left. Only while it takes the place of another file it has one, `.laser-…`, as it has all the time elsewhere.
pub struct Aside {
    file: Unfinished,
    place: PathBuf,
    folder: PathBuf,
}

enum Unfinished {
    Named(NamedTempFile),
    #[cfg(target_os = "linux")]
    Unnamed(File),
}

impl Aside {
    /// Begins the file that will be `place`.
    ///
    /// # Errors
    /// Those of the operating system; if `place` is something else than a file.
    pub fn new(place: &Path) -> io::Result<Self> {
        let existing = fs::metadata(place).ok();
        if let Some(existing) = &existing {
            // Renaming onto a device such as /dev/null would replace it.
            require_file(existing)?;
        }
        let folder = match place.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent,
            _ => Path::new("."),
        };
        // Asked for itself, it is a clearer error than that of a file with a name of chance in it.
        fs::metadata(folder)?;
        let file = Unfinished::new(folder, existing.as_ref())?;
        Ok(Aside {
            file,
            place: place.into(),
            folder: folder.into(),
        })
    }

    /// Moves the complete file to its place.
    ///
    /// # Errors
    /// Those of the operating system.
    pub fn finish(self) -> io::Result<()> {
        self.file.as_file().sync_all()?;
        match self.file {
            Unfinished::Named(file) => drop(file.persist(self.place)?),
            #[cfg(target_os = "linux")]
            Unfinished::Unnamed(file) => match link(&file, &self.place) {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                    let named = builder().make_in(self.folder, |path| link(&file, path))?;
                    named.persist(self.place)?;
                }
                linked => linked?,
            },
        }
        Ok(())
    }
}

impl Unfinished {
    /// With the permissions of an `existing` file.
    fn new(folder: &Path, existing: Option<&fs::Metadata>) -> io::Result<Self> {
        #[cfg(target_os = "linux")]
        let unnamed = unnamed(folder).map(Unfinished::Unnamed);
        #[cfg(not(target_os = "linux"))]
        let unnamed = None;
        let file = match unnamed {
            Some(file) => file,
            None => Unfinished::Named(named(folder, existing)?),
        };
        #[cfg(unix)]
        if let Some(existing) = existing {
            permit(file.as_file(), existing)?;
        }
        Ok(file)
    }

    fn as_file(&self) -> &File {
        match self {
            Unfinished::Named(file) => file.as_file(),
            #[cfg(target_os = "linux")]
            Unfinished::Unnamed(file) => file,
        }
    }
}

/// Of a new file: the process's umask takes its part away.
#[cfg(unix)]
const MODE: u32 = 0o666;

fn builder() -> tempfile::Builder<'static, 'static> {
    let mut builder = tempfile::Builder::new();
    builder.prefix(".laser-");
    builder
}

/// A file with a name of chance, which nobody may open from the start who may not open the existing one.
#[cfg_attr(not(unix), allow(unused_variables))]
fn named(folder: &Path, existing: Option<&fs::Metadata>) -> io::Result<NamedTempFile> {
    let mut builder = builder();
    #[cfg(unix)]
    {
        use std::os::unix::fs::{MetadataExt, PermissionsExt};
        let mode = existing.map_or(MODE, |existing| existing.mode() & MODE);
        builder.permissions(fs::Permissions::from_mode(mode));
    }
    builder.tempfile_in(folder)
}

/// A file without a name, that can be given one; none where there are no such files.
#[cfg(target_os = "linux")]
fn unnamed(folder: &Path) -> Option<File> {
    use std::os::unix::fs::OpenOptionsExt;
    let mut options = fs::OpenOptions::new();
    options.write(true).mode(MODE);
    let file = options.custom_flags(libc::O_TMPFILE).open(folder).ok()?;
    fs::symlink_metadata(own_path(&file)).ok()?;
    Some(file)
}

/// Where the system shows an open file, its name or none.
#[cfg(target_os = "linux")]
fn own_path(file: &File) -> PathBuf {
    use std::os::fd::AsRawFd;
    format!("/proc/self/fd/{}", file.as_raw_fd()).into()
}

/// Gives a file without a name the name `place`, where there must be none.
#[cfg(target_os = "linux")]
fn link(file: &File, place: &Path) -> io::Result<()> {
    use std::ffi::CString;
    use std::os::unix::ffi::OsStrExt;
    let text = |path: &Path| CString::new(path.as_os_str().as_bytes());
    let (from, to) = (text(&own_path(file))?, text(place)?);
    let here = libc::AT_FDCWD;
    // SAFETY: both texts end with NUL, and live until the call is over.
    match unsafe {
        libc::linkat(
            here,
            from.as_ptr(),
            here,
            to.as_ptr(),
            libc::AT_SYMLINK_FOLLOW,
        )
    } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

/// Gives a file the permissions of another, and its owner and group where the process may do that. A group that it may not give has no more
/// rights than others have.
#[cfg(unix)]
fn permit(file: &File, like: &fs::Metadata) -> io::Result<()> {
    use std::os::unix::fs::{fchown, MetadataExt, PermissionsExt};
    let own = file.metadata()?;
    let mut mode = like.mode() & 0o777;
    if own.uid() != like.uid() {
        // The system's to refuse: then it is the file of who writes it, as a new one would be.
        let _ = fchown(file, Some(like.uid()), None);
    }
    if own.gid() != like.gid() && fchown(file, None, Some(like.gid())).is_err() {
        mode &= 0o707 | (mode & 0o007) << 3;
    }
    file.set_permissions(fs::Permissions::from_mode(mode))
}

impl Write for Aside {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.as_file().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.as_file().flush()
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

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::{symlink, PermissionsExt};

    fn names(folder: &Path) -> Vec<String> {
        let entries = fs::read_dir(folder).unwrap();
        let names = entries.map(|e| e.unwrap().file_name().into_string().unwrap());
        let mut names: Vec<_> = names.collect();
        names.sort();
        names
    }

    /// With a name of its own and without one: the same.
    fn both(place: &Path) -> [Aside; 2] {
        let [mut named, unnamed] = [(); 2].map(|()| Aside::new(place).unwrap());
        let existing = fs::metadata(place).ok();
        let file = super::named(&named.folder, existing.as_ref()).unwrap();
        if let Some(existing) = &existing {
            permit(file.as_file(), existing).unwrap();
        }
        named.file = Unfinished::Named(file);
        [named, unnamed]
    }

    #[test]
    fn a_file_keeps_its_permissions() {
        let folder = tempfile::tempdir().unwrap();
        let place = folder.path().join("model");
        for mode in [0o600, 0o640, 0o666, 0o400] {
            fs::write(&place, "old").unwrap();
            fs::set_permissions(&place, fs::Permissions::from_mode(mode)).unwrap();
            for mut file in both(&place) {
                file.write_all(b"new").unwrap();
                file.finish().unwrap();
                let now = fs::metadata(&place).unwrap();
                assert_eq!(now.permissions().mode() & 0o777, mode);
                assert_eq!(fs::read(&place).unwrap(), b"new");
                assert_eq!(names(folder.path()), ["model"]);
            }
            fs::remove_file(&place).unwrap();
        }
    }

    #[test]
    fn a_file_appears_in_a_free_place_and_in_that_of_a_link() {
        let folder = tempfile::tempdir().unwrap();
        let place = folder.path().join("model");
        for target in [None, Some("nowhere"), Some("other")] {
            for mut file in both(&place) {
                if let Some(target) = target {
                    fs::write(folder.path().join("other"), "kept").unwrap();
                    symlink(target, &place).unwrap();
                }
                file.write_all(b"new").unwrap();
                file.finish().unwrap();
                assert!(fs::symlink_metadata(&place).unwrap().is_file());
                fs::remove_file(&place).unwrap();
            }
        }
        assert_eq!(fs::read(folder.path().join("other")).unwrap(), b"kept");
        assert_eq!(names(folder.path()), ["other"]);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn an_unfinished_file_has_no_name() {
        let folder = tempfile::tempdir().unwrap();
        let mut file = Aside::new(&folder.path().join("model")).unwrap();
        file.write_all(b"new").unwrap();
        if let Unfinished::Named(_) = file.file {
            println!(
                "skipped: {} has no files without a name",
                folder.path().display()
            );
            return;
        }
        assert_eq!(names(folder.path()), [""; 0]);
    }
}
