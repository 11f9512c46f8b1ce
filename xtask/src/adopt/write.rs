//! Writes files into a checkout: all of them, or none.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;

use anyhow::{Context, Result};
use camino::{Utf8Path, Utf8PathBuf};

use super::{Content, Files};
use crate::shell::Shell;

/// Everything is on the disk before the first file of the checkout is moved away.
///
/// # Errors
/// If a file cannot be written, or the user interrupts; then all are as they were.
pub(crate) fn write(shell: &Shell, root: &Utf8Path, files: &Files) -> Result<()> {
    let failed = || format!("failed to write into {root}");
    let scratch =
        tempfile::Builder::new().prefix(".adopt-").tempdir_in(root).with_context(failed)?;
    let folder = Utf8Path::from_path(scratch.path()).context("a path is not UTF-8")?;
    for (number, (path, content)) in files.iter().enumerate() {
        lay_out(&folder.join(format!("new-{number}")), content, &root.join(path))
            .with_context(|| format!("failed to write {path}"))?;
    }
    let mut moved = Moved::default();
    for (number, path) in files.keys().enumerate() {
        let put = shell.check_interrupt().and_then(|()| {
            moved
                .put(folder, number, &root.join(path))
                .with_context(|| format!("failed to put {path} in its place"))
        });
        if let Err(error) = put {
            if let Err(left) = moved.undo() {
                let folder = scratch.keep();
                let lost = format!("the files as they were are in {}: {left:#}", folder.display());
                return Err(error).context(lost);
            }
            return Err(error).with_context(|| format!("nothing was changed in {root}"));
        }
    }
    Ok(())
}

fn lay_out(to: &Utf8Path, content: &Content, instead_of: &Utf8Path) -> Result<()> {
    std::fs::write(to, &content.bytes)?;
    if let Ok(metadata) = std::fs::metadata(instead_of) {
        std::fs::set_permissions(to, metadata.permissions())?;
    }
    let mode = std::fs::metadata(to)?.permissions().mode();
    let executable = if content.executable { mode | 0o111 } else { mode & !0o111 };
    Ok(std::fs::set_permissions(to, Permissions::from_mode(executable))?)
}

/// A step that was taken, to be taken back.
enum Step {
    MadeFolder(Utf8PathBuf),
    MovedAway { from: Utf8PathBuf, to: Utf8PathBuf },
    MovedIn(Utf8PathBuf),
}

#[derive(Default)]
struct Moved(Vec<Step>);

impl Moved {
    fn put(&mut self, scratch: &Utf8Path, number: usize, path: &Utf8Path) -> Result<()> {
        let parents: Vec<_> = path.ancestors().skip(1).take_while(|one| !one.exists()).collect();
        for parent in parents.into_iter().rev() {
            std::fs::create_dir(parent)?;
            self.0.push(Step::MadeFolder(parent.to_owned()));
        }
        if path.exists() {
            let to = scratch.join(format!("old-{number}"));
            std::fs::rename(path, &to)?;
            self.0.push(Step::MovedAway { from: path.to_owned(), to });
        }
        std::fs::rename(scratch.join(format!("new-{number}")), path)?;
        self.0.push(Step::MovedIn(path.to_owned()));
        Ok(())
    }

    fn undo(self) -> Result<()> {
        for step in self.0.into_iter().rev() {
            match step {
                Step::MadeFolder(path) => std::fs::remove_dir(path)?,
                Step::MovedAway { from, to } => std::fs::rename(to, from)?,
                Step::MovedIn(path) => std::fs::remove_file(path)?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn content(text: &str) -> Content {
        Content { bytes: text.into(), executable: false }
    }

    #[test]
    fn what_cannot_be_written_whole_is_not_written_at_all() {
        let dir = tempfile::tempdir().unwrap();
        let root = Utf8Path::from_path(dir.path()).unwrap();
        for name in ["a", "z"] {
            std::fs::write(root.join(name), "before").unwrap();
        }
        let names = || -> Vec<String> {
            let mut names: Vec<_> =
                root.read_dir_utf8().unwrap().map(|e| e.unwrap().file_name().to_owned()).collect();
            names.sort();
            names
        };
        // The last one has a file where it needs a folder.
        let mut files: Files =
            ["a", "b/c/d", "z/e"].map(|name| (name.into(), content("after"))).into();
        let shell = Shell::for_tests();
        let error = write(&shell, root, &files).unwrap_err();
        assert_eq!(error.root_cause().to_string(), "Not a directory (os error 20)");
        assert!(format!("{error:#}").contains("failed to put z/e in its place"), "{error:#}");
        assert_eq!(names(), ["a", "z"]);
        assert_eq!(std::fs::read_to_string(root.join("a")).unwrap(), "before");
        files.remove(Utf8Path::new("z/e"));
        files.insert("run".into(), Content { executable: true, ..content("#!") });
        write(&shell, root, &files).unwrap();
        assert_eq!(names(), ["a", "b", "run", "z"]);
        assert_eq!(read(root, files.keys().cloned()), files);
    }

    fn read(root: &Utf8Path, paths: impl Iterator<Item = Utf8PathBuf>) -> Files {
        crate::adopt::read(root, paths).unwrap()
    }
}
