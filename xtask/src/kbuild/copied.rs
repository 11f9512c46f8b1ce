//! A copy of an object tree that kbuild takes for its own: it redoes only what a change asks for.

use std::fs::{self, File, FileTimes};
use std::os::unix::fs::symlink;

use anyhow::{Context, Result};
use camino::Utf8Path;
use walkdir::WalkDir;

use crate::shell::Shell;

/// Copies it to `to`, in place of what was there and only as a whole. Files keep their times, by which make tells what is
/// older. The kernel's own tools have their absolute path in what kbuild keeps of their commands (the
/// tree's tools/build/Makefile.build), and are made again where that changes, and all objects after
/// them: so it is changed there, too.
///
/// # Errors
/// If something cannot be read or written, or the user interrupts.
pub(crate) fn copy(shell: &Shell, from: &Utf8Path, to: &Utf8Path) -> Result<()> {
    let partial = &to.with_extension("partial");
    for old in [to, partial].into_iter().filter(|old| old.exists()) {
        fs::remove_dir_all(old).with_context(|| format!("failed to remove {old}"))?;
    }
    for entry in WalkDir::new(from) {
        shell.check_interrupt()?;
        let entry = entry.with_context(|| format!("failed to walk {from}"))?;
        let path = Utf8Path::from_path(entry.path())
            .with_context(|| format!("{} is not UTF-8", entry.path().display()))?;
        let target = partial.join(path.strip_prefix(from).unwrap_or(path));
        let kind = entry.file_type();
        let copied = match () {
            () if kind.is_dir() => fs::create_dir_all(&target),
            () if kind.is_symlink() => path.read_link().and_then(|link| symlink(link, &target)),
            () => file(path, &target, (from, to)),
        };
        copied.with_context(|| format!("failed to copy {path} to {target}"))?;
    }
    fs::rename(partial, to).with_context(|| format!("failed to rename {partial} to {to}"))
}

fn file(path: &Utf8Path, target: &Utf8Path, moved: (&Utf8Path, &Utf8Path)) -> std::io::Result<()> {
    let (from, to) = moved;
    let times = FileTimes::new().set_modified(path.metadata()?.modified()?);
    match path.extension() {
        Some("cmd") => {
            let text = fs::read_to_string(path)?;
            fs::write(target, text.replace(from.as_str(), to.as_str()))?;
        }
        _ => drop(fs::copy(path, target)?),
    }
    File::options().write(true).open(target)?.set_times(times)
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, SystemTime};

    use super::*;

    #[test]
    fn times_stay_and_paths_move() {
        let dir = tempfile::tempdir().unwrap();
        let dir = Utf8Path::from_path(dir.path()).unwrap();
        let (from, to) = (dir.join("obj"), dir.join("to/obj"));
        fs::create_dir_all(from.join("tools")).unwrap();
        fs::write(from.join("tools/x.o"), from.as_str()).unwrap();
        fs::write(from.join("tools/.x.o.cmd"), format!("cmd_{from}/tools/x.o := gcc")).unwrap();
        symlink("tools", from.join("link")).unwrap();
        let long_ago = SystemTime::now() - Duration::from_secs(1000);
        for name in ["tools/x.o", "tools/.x.o.cmd"] {
            let file = File::options().write(true).open(from.join(name)).unwrap();
            file.set_times(FileTimes::new().set_modified(long_ago)).unwrap();
        }
        fs::create_dir_all(&to).unwrap();
        fs::write(to.join("old"), "").unwrap();
        copy(&Shell::for_tests(), &from, &to).unwrap();
        assert!(!to.join("old").exists());
        let read = |name: &str| fs::read_to_string(to.join(name)).unwrap();
        assert_eq!(read("tools/.x.o.cmd"), format!("cmd_{to}/tools/x.o := gcc"));
        assert_eq!(read("tools/x.o"), from.as_str(), "an object is as it was");
        assert_eq!(to.join("link").read_link_utf8().unwrap(), "tools");
        let modified = |at: &Utf8Path| at.metadata().unwrap().modified().unwrap();
        for name in ["tools/x.o", "tools/.x.o.cmd"] {
            assert_eq!(modified(&to.join(name)), modified(&from.join(name)), "{name}");
        }
    }
}
