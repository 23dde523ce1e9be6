//! Saving to and loading from a file system.

use super::longer::{done, longer};
use super::model;
use laser::model::{Dtype, Model};
use laser::{Error, Result};
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::Arc;

#[test]
fn saving_creates_an_ordinary_file_and_leaves_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("flow µ.laser");
    let (first, second) = (model(Dtype::Float32, 0), model(Dtype::Float64, 1));
    first.save(&path).unwrap();
    assert_eq!(Model::load(&path).unwrap(), first);
    second.save(&path).unwrap();
    assert_eq!(Model::load(&path).unwrap(), second);
    assert_eq!(std::fs::read(&path).unwrap(), second.to_bytes().unwrap());
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);

    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode();
        let ordinary = folder.path().join("ordinary");
        std::fs::write(&ordinary, "").unwrap();
        assert_eq!(mode(&path), mode(&ordinary));
    }
}

fn io_message<T: std::fmt::Debug>(result: Result<T>, path: &Path) -> String {
    match result {
        Err(
            ref error @ Error::Io {
                path: ref named, ..
            },
        ) if named == path => error.to_string(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn files_that_cannot_be_read_or_written_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let model = model(Dtype::Float32, 0);
    let at = |name: &str| folder.path().join(name);
    assert!(io_message(Model::load(&at("missing")), &at("missing")).contains("No such file"));
    assert!(io_message(Model::load(folder.path()), folder.path()).contains("is a directory"));
    assert!(io_message(model.save(folder.path()), folder.path()).contains("is a directory"));
    assert!(io_message(model.save(&at("no/folder")), &at("no/folder")).contains("No such file"));
    assert!(io_message(model.save(Path::new("")), Path::new("")).contains("No such file"));

    std::fs::write(at("empty"), "").unwrap();
    let message = Model::load(&at("empty")).unwrap_err().to_string();
    assert!(
        message.starts_with("not a valid liblaser file") && message.ends_with("empty: it is empty"),
        "{message}"
    );

    // A sparse file: as long as three greatest networks and more, without a byte on the disk.
    std::fs::File::create(at("long"))
        .unwrap()
        .set_len(1 << 40)
        .unwrap();
    assert!(
        io_message(Model::load(&at("long")), &at("long")).contains("1099511627776 bytes are more")
    );

    #[cfg(unix)]
    {
        // Endless to read, and worth keeping.
        std::os::unix::fs::symlink("/dev/zero", at("zero")).unwrap();
        assert!(io_message(Model::load(&at("zero")), &at("zero")).contains("not a regular file"));
        assert!(io_message(model.save(&at("zero")), &at("zero")).contains("not a regular file"));
        assert!(std::fs::symlink_metadata(at("zero")).unwrap().is_symlink());
    }
    let names = std::fs::read_dir(folder.path())
        .unwrap()
        .map(|e| e.unwrap().file_name());
    assert!(names
        .into_iter()
        .all(|name| !name.to_string_lossy().starts_with('.')));
}

#[test]
fn a_refused_save_leaves_the_old_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model");
    let good = model(Dtype::Float32, 0);
    good.save(&path).unwrap();
    let mut bad = good.clone();
    Arc::make_mut(&mut bad.generator.parameters)[0] = f64::NAN;
    assert!(bad.save(&path).is_err());
    assert_eq!(Model::load(&path).unwrap(), good);
}

/// A model of some 700 kB.
fn large() -> Model {
    let mut large = model(Dtype::Float64, 0);
    let classifier = large.classifier.as_mut().unwrap();
    classifier.network.hidden = vec![300, 280];
    classifier.parameters = vec![0.5; classifier.network.parameter_count().unwrap()].into();
    large
}

/// Not a test of its own: [`a_save_cut_short_leaves_the_old_file`] runs it in a process that may not write long files.
#[test]
#[ignore = "run by a_save_cut_short_leaves_the_old_file"]
fn save_large_model() {
    let path = std::env::var_os("MODEL_FILE").unwrap();
    let message = io_message(large().save(Path::new(&path)), Path::new(&path));
    assert!(message.contains("File too large"), "{message}");
}

#[cfg(target_os = "linux")]
#[test]
fn a_save_cut_short_leaves_the_old_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model");
    let old = model(Dtype::Float32, 0);
    old.save(&path).unwrap();
    // With the signal ignored the write fails half way; otherwise it kills the process there.
    for (trap, survives) in [("trap '' XFSZ; ", true), ("", false)] {
        let status = Command::new("sh")
            .args([
                "-c",
                &format!("{trap}ulimit -c 0; ulimit -f 64; exec \"$@\""),
            ])
            .arg("sh")
            .arg(std::env::current_exe().unwrap())
            .args([
                "disk::save_large_model",
                "--exact",
                "--ignored",
                "--test-threads=1",
            ])
            .env("MODEL_FILE", &path)
            .output()
            .unwrap()
            .status;
        assert_eq!(status.success(), survives, "{status}");
        assert_eq!(Model::load(&path).unwrap(), old);
        // This file system has files without a name: not even a process that was killed leaves one.
        let files = std::fs::read_dir(folder.path()).unwrap().count();
        assert_eq!(files, 1, "{survives}");
    }
    large().save(&path).unwrap();
    assert_eq!(Model::load(&path).unwrap(), large());
}

#[test]
fn readers_see_one_whole_model_or_the_other() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model");
    let (a, b) = (model(Dtype::Float32, 0), large());
    a.save(&path).unwrap();
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let writer = scope.spawn(|| {
            for _ in 0..20 {
                b.save(&path).unwrap();
                a.save(&path).unwrap();
            }
            done.store(true, Relaxed);
        });
        while !done.load(Relaxed) && !writer.is_finished() {
            let read = Model::load(&path).unwrap();
            assert!(read == a || read == b);
        }
    });
}

/// Not a test of its own: [`a_save_killed_anywhere_leaves_one_whole_model`] runs and kills it.
#[test]
#[ignore = "run by a_save_killed_anywhere_leaves_one_whole_model"]
fn save_for_ever() {
    let path = std::env::var_os("MODEL_FILE").unwrap();
    println!("saving");
    for _ in 0..100_000 {
        large().save(Path::new(&path)).unwrap();
        model(Dtype::Float32, 0).save(Path::new(&path)).unwrap();
    }
}

#[cfg(target_os = "linux")]
#[test]
fn a_save_killed_anywhere_leaves_one_whole_model() {
    use std::io::{BufRead, BufReader};
    use std::time::Duration;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model");
    let models = [model(Dtype::Float32, 0), large()];
    let mut named = 0;
    let kills = 100 * longer() as u64;
    for point in 0..kills {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["disk::save_for_ever", "--exact", "--ignored", "--nocapture"])
            .env("MODEL_FILE", &path)
            .stdout(std::process::Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        assert!(lines.any(|line| line.unwrap().ends_with("saving")));
        // All over a pair of saves, which take some milliseconds.
        std::thread::sleep(Duration::from_nanos(point * 9_700_000 / kills));
        child.kill().unwrap();
        child.wait().unwrap();
        match Model::load(&path) {
            Ok(read) => assert!(models.contains(&read)),
            Err(error) => assert!(error.to_string().contains("No such file"), "{error}"),
        }
        for entry in std::fs::read_dir(folder.path()).unwrap() {
            let entry = entry.unwrap();
            if entry.file_name() != "model" {
                // Killed while it took the place of another: whole it is.
                assert!(models.contains(&Model::load(&entry.path()).unwrap()));
                std::fs::remove_file(entry.path()).unwrap();
                named += 1;
            }
        }
    }
    done(&format!(
        "{kills} kills of a save, {named} of them between link and rename"
    ));
}

/// Runs an ignored test of this file, named so, by a shell's commands `"$@"`.
#[cfg(target_os = "linux")]
fn in_a_shell(script: &str, name: &str, path: &Path) -> std::process::Output {
    let mut command = Command::new("sh");
    command.args(["-c", script, "sh"]);
    command.arg(std::env::current_exe().unwrap());
    command.args([name, "--exact", "--ignored", "--test-threads=1"]);
    command.env("MODEL_FILE", path).output().unwrap()
}

/// Not a test of its own: [`a_save_meets_every_limit`] runs it.
#[cfg(target_os = "linux")]
#[test]
#[ignore = "run by a_save_meets_every_limit"]
fn save_up_to_every_limit() {
    let path = std::env::var_os("MODEL_FILE").unwrap();
    let path = Path::new(&path);
    let (old, new) = (model(Dtype::Float32, 0), large());
    let length = new.to_bytes().unwrap().len();
    for limit in (0..length).step_by(length / 40).chain([length - 1]) {
        let mut limits = libc::rlimit {
            rlim_cur: limit as u64,
            rlim_max: libc::RLIM_INFINITY,
        };
        // SAFETY: reads a structure of this function.
        assert_eq!(unsafe { libc::setrlimit(libc::RLIMIT_FSIZE, &limits) }, 0);
        let message = io_message(new.save(path), path);
        assert!(message.contains("File too large"), "{limit}: {message}");
        limits.rlim_cur = libc::RLIM_INFINITY;
        // SAFETY: as above.
        assert_eq!(unsafe { libc::setrlimit(libc::RLIMIT_FSIZE, &limits) }, 0);
        assert_eq!(Model::load(path).unwrap(), old);
        let folder = path.parent().unwrap();
        assert_eq!(std::fs::read_dir(folder).unwrap().count(), 1);
    }
    new.save(path).unwrap();
}

#[cfg(target_os = "linux")]
#[test]
fn a_save_meets_every_limit() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model");
    model(Dtype::Float32, 0).save(&path).unwrap();
    let script = "trap '' XFSZ; exec \"$@\"";
    let output = in_a_shell(script, "disk::save_up_to_every_limit", &path);
    assert!(output.status.success(), "{output:?}");
    assert_eq!(Model::load(&path).unwrap(), large());
}

/// Not a test of its own: [`a_full_and_a_read_only_disk_keep_the_old_file`] runs it, once on each.
#[cfg(target_os = "linux")]
#[test]
#[ignore = "run by a_full_and_a_read_only_disk_keep_the_old_file"]
fn save_where_it_does_not_fit() {
    let path = std::env::var_os("MODEL_FILE").unwrap();
    let path = Path::new(&path);
    let old = model(Dtype::Float32, 0);
    let (model, words) = match std::env::var_os("READ_ONLY") {
        Some(_) => (old.clone(), "Read-only file system"),
        None => {
            old.save(path).unwrap();
            (large(), "No space left on device")
        }
    };
    for _ in 0..3 {
        let message = io_message(model.save(path), path);
        assert!(message.contains(words), "{message}");
        assert_eq!(Model::load(path).unwrap(), old);
        let folder = path.parent().unwrap();
        assert_eq!(std::fs::read_dir(folder).unwrap().count(), 1);
    }
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_and_a_read_only_disk_keep_the_old_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model");
    // A disk of its own, which nobody else sees and which goes with the process.
    let script = "
        if ! unshare --map-root-user --mount true; then echo CANNOT; exit 0; fi
        exec unshare --map-root-user --mount sh -c '
            folder=${MODEL_FILE%/*}
            mount -t tmpfs -o size=128k tmpfs \"$folder\" || { echo CANNOT; exit 0; }
            \"$@\" && mount -o remount,ro \"$folder\" && READ_ONLY=1 \"$@\"
        ' sh \"$@\"";
    let output = in_a_shell(script, "disk::save_where_it_does_not_fit", &path);
    let said = String::from_utf8_lossy(&output.stdout);
    if said.contains("CANNOT") {
        println!("skipped: this user may not make a file system of their own");
        return;
    }
    assert!(output.status.success(), "{output:?}");
    assert_eq!(said.matches("1 passed").count(), 2, "{said}");
}
