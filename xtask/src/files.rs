//! Files below a folder: read as they are there, and written all of them or none.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::fs::Permissions;
use std::io::{ErrorKind, Write as _};
use std::os::unix::fs::PermissionsExt;

use anyhow::{Context, Result};
use camino::{Utf8Path, Utf8PathBuf};
use tempfile::TempDir;

/// Files by their paths below a folder, or by absolute ones.
pub(crate) type Files = BTreeMap<Utf8PathBuf, Content>;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Content {
    pub bytes: Vec<u8>,
    pub executable: bool,
}

impl Content {
    pub(crate) fn text(text: impl Into<Vec<u8>>) -> Self {
        Content { bytes: text.into(), executable: false }
    }
}

/// Those of these files that are there.
///
/// # Errors
/// If one cannot be read.
pub(crate) fn read(root: &Utf8Path, paths: impl Iterator<Item = Utf8PathBuf>) -> Result<Files> {
    let mut files = Files::new();
    for path in paths {
        let file = root.join(&path);
        let content = || -> std::io::Result<Content> {
            let executable = std::fs::metadata(&file)?.permissions().mode() & 0o100 != 0;
            Ok(Content { bytes: std::fs::read(&file)?, executable })
        };
        match content() {
            Ok(content) => drop(files.insert(path, content)),
            Err(error)
                if [ErrorKind::NotFound, ErrorKind::NotADirectory].contains(&error.kind()) => {}
            Err(error) => return Err(error).with_context(|| format!("failed to read {file}")),
        }
    }
    Ok(files)
}

/// Writes one file, and its folder if need be. Whoever reads it meanwhile, or after a kill, sees the old
/// content or the new one, never a part.
///
/// # Errors
/// If it cannot be written.
pub(crate) fn replace(path: &Utf8Path, content: &[u8]) -> Result<()> {
    let write = || -> Result<()> {
        let folder = path.parent().filter(|folder| !folder.as_str().is_empty());
        let folder = folder.unwrap_or(Utf8Path::new("."));
        std::fs::create_dir_all(folder)?;
        let mut file = tempfile::NamedTempFile::new_in(folder)?;
        file.write_all(content)?;
        file.persist(path)?;
        Ok(())
    };
    write().with_context(|| format!("failed to write {path}"))
}

/// Everything is on the disk before the first one is put in its place, and each is there at every
/// moment, as it was or as it will be.
///
/// # Errors
/// If one cannot be written; then all are as they were.
pub(crate) fn write(root: &Utf8Path, files: &Files) -> Result<()> {
    let mut beside = Beside::default();
    let mut laid_out = vec![];
    for (number, (path, content)) in files.iter().enumerate() {
        let to = root.join(path);
        let laid = beside.folder(&to).and_then(|folder| {
            let laid = folder.join(number.to_string());
            lay_out(&laid, content, &to)?;
            Ok(laid)
        });
        laid_out.push((laid.with_context(|| format!("failed to write {path}"))?, path, to));
    }
    let mut moved = Moved::default();
    for (laid, path, to) in laid_out {
        let put = moved.put(&laid, &to);
        if let Err(error) = put.with_context(|| format!("failed to put {path} in its place")) {
            if let Err(left) = moved.undo() {
                let folders = beside.keep().join(", ");
                return Err(error)
                    .with_context(|| format!("the files as they were are in {folders}: {left:#}"));
            }
            return Err(error).with_context(|| format!("nothing was changed in {root}"));
        }
    }
    Ok(())
}

/// A folder in each that files go to or below, and so on the same file system.
#[derive(Default)]
struct Beside(BTreeMap<Utf8PathBuf, TempDir>);

impl Beside {
    fn folder(&mut self, to: &Utf8Path) -> Result<Utf8PathBuf> {
        let there = to.ancestors().skip(1).find(|one| one.is_dir());
        let there = there.with_context(|| format!("there is no folder for {to}"))?;
        let folder = match self.0.entry(there.to_owned()) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(new) => {
                new.insert(tempfile::Builder::new().prefix(".xtask-").tempdir_in(there)?)
            }
        };
        let path = Utf8Path::from_path(folder.path());
        path.map(Utf8Path::to_owned).context("a path is not UTF-8")
    }

    fn keep(self) -> Vec<String> {
        self.0.into_values().map(|folder| folder.keep().display().to_string()).collect()
    }
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
    Replaced { path: Utf8PathBuf, old: Utf8PathBuf },
    Added(Utf8PathBuf),
}

#[derive(Default)]
struct Moved(Vec<Step>);

impl Moved {
    fn put(&mut self, laid_out: &Utf8Path, path: &Utf8Path) -> Result<()> {
        let parents: Vec<_> = path.ancestors().skip(1).take_while(|one| !one.exists()).collect();
        for parent in parents.into_iter().rev() {
            std::fs::create_dir(parent)?;
            self.0.push(Step::MadeFolder(parent.to_owned()));
        }
        let step = if path.exists() {
            let old = laid_out.with_extension("old");
            // Where the file system knows no hard links, a copy does.
            std::fs::hard_link(path, &old).or_else(|_| std::fs::copy(path, &old).map(drop))?;
            Step::Replaced { path: path.to_owned(), old }
        } else {
            Step::Added(path.to_owned())
        };
        std::fs::rename(laid_out, path)?;
        self.0.push(step);
        Ok(())
    }

    fn undo(self) -> Result<()> {
        for step in self.0.into_iter().rev() {
            match step {
                Step::MadeFolder(path) => std::fs::remove_dir(path)?,
                Step::Replaced { path, old } => std::fs::rename(old, path)?,
                Step::Added(path) => std::fs::remove_file(path)?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
            ["a", "b/c/d", "z/e"].map(|name| (name.into(), Content::text("after"))).into();
        let error = write(root, &files).unwrap_err();
        assert_eq!(error.root_cause().to_string(), "Not a directory (os error 20)");
        assert!(format!("{error:#}").contains("failed to put z/e in its place"), "{error:#}");
        assert_eq!(names(), ["a", "z"]);
        assert_eq!(std::fs::read_to_string(root.join("a")).unwrap(), "before");
        files.remove(Utf8Path::new("z/e"));
        files.insert("run".into(), Content { executable: true, ..Content::text("#!") });
        write(root, &files).unwrap();
        assert_eq!(names(), ["a", "b", "run", "z"]);
        assert_eq!(read(root, files.keys().cloned()).unwrap(), files);
    }

    #[test]
    fn a_file_that_is_replaced_is_there_at_every_moment() {
        let dir = tempfile::tempdir().unwrap();
        let root = Utf8Path::from_path(dir.path()).unwrap();
        let files: Files = [("a".into(), Content::text("text"))].into();
        write(root, &files).unwrap();
        std::thread::scope(|scope| {
            let writer = scope.spawn(|| (0..300).for_each(|_| write(root, &files).unwrap()));
            while !writer.is_finished() {
                assert_eq!(std::fs::read_to_string(root.join("a")).unwrap(), "text");
            }
        });
    }
}
