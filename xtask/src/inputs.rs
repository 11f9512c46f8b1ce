//! The files of a kernel tree that a build read, so that an edit to one of them is never missed and
//! a run with nothing to do costs a `stat` each.

mod stale;

use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::fs::MetadataExt;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, ensure};
use camino::{Utf8Path, Utf8PathBuf};
use serde::{Deserialize, Serialize};
use walkdir::WalkDir;

use crate::hash;

pub(crate) use stale::{are_from_the_future, remove_stale};

/// Paths are relative to the tree.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Inputs {
    files: BTreeMap<Utf8PathBuf, Input>,
    /// Folders that held one of the files: a file added there can shadow another.
    folders: BTreeMap<Utf8PathBuf, Folder>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Folder {
    stamp: Stamp,
    /// Hash of the names in it: editors and scripts put files there for a moment, which moves the
    /// stamp and means nothing.
    names: String,
}

impl Folder {
    fn names(path: &Utf8Path) -> Option<String> {
        let entries = path.read_dir_utf8().ok()?.collect::<Result<Vec<_>, _>>().ok()?;
        let names: BTreeSet<&str> = entries.iter().map(|entry| entry.file_name()).collect();
        Some(hash::of_bytes(names.into_iter().collect::<Vec<_>>().join("/")))
    }

    fn is_as_it_was(&self, path: &Utf8Path) -> bool {
        Stamp::of(path) == Some(self.stamp) || Folder::names(path).as_ref() == Some(&self.names)
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Input {
    stamp: Stamp,
    sha256: String,
}

/// Size in bytes, and both times in nanoseconds: an edit that restores the modification time still
/// moves the change time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct Stamp(u64, i64, i64);

impl Stamp {
    fn of(path: &Utf8Path) -> Option<Self> {
        let metadata = std::fs::metadata(path).ok()?;
        let nanoseconds = |seconds: i64, rest: i64| seconds.wrapping_mul(1_000_000_000) + rest;
        Some(Stamp(
            metadata.len(),
            nanoseconds(metadata.mtime(), metadata.mtime_nsec()),
            nanoseconds(metadata.ctime(), metadata.ctime_nsec()),
        ))
    }

    /// Equal to that of no file: what has it is looked at again.
    const NEVER: Stamp = Stamp(0, 0, 0);

    /// The stamp, unless the file changed after `started`: then nobody knows which content was read.
    fn if_older(self, started: SystemTime) -> Self {
        let started = started.checked_sub(TICK).unwrap_or(UNIX_EPOCH);
        let started = started.duration_since(UNIX_EPOCH).unwrap_or_default().as_nanos();
        let older = u128::try_from(self.2).map_or(true, |changed| changed < started);
        if older { self } else { Stamp::NEVER }
    }
}

/// A file's times are those of the system's last clock tick, which is some milliseconds ago.
const TICK: Duration = Duration::from_millis(20);

impl Inputs {
    /// Collects what a build that began at `started` has read. kbuild names most of it in the object
    /// tree: the `.cmd` file of each object has its command and dependencies (the tree's
    /// `scripts/basic/fixdep.c`), `auto.conf.cmd` every Kconfig file. What it does not name is taken
    /// by the folder. `before` saves hashing what has not changed since.
    pub(crate) fn collect(
        tree: &Utf8Path,
        obj: &Utf8Path,
        started: SystemTime,
        before: Option<&Inputs>,
    ) -> Result<Self> {
        let mut names = named_in_commands(tree, obj)?;
        for folder in tool_folders(tree, obj)? {
            names.extend(all_below(tree, &folder)?);
        }
        let folders: BTreeSet<Utf8PathBuf> =
            names.iter().flat_map(|name| name.ancestors().skip(1)).map(Utf8PathBuf::from).collect();
        for folder in &folders {
            names.extend(unnamed_in(tree, folder)?);
        }
        let mut files = BTreeMap::new();
        for name in names {
            let path = tree.join(&name);
            let Some(stamp) = Stamp::of(&path).map(|stamp| stamp.if_older(started)) else {
                continue;
            };
            let known = before.and_then(|before| before.files.get(&name));
            let sha256 = match known.filter(|known| known.stamp == stamp) {
                Some(known) => known.sha256.clone(),
                None => hash::of_file(&path)?,
            };
            files.insert(name, Input { stamp, sha256 });
        }
        let looked_at = folders.into_iter().filter_map(|dir| {
            let path = tree.join(&dir);
            let stamp = Stamp::of(&path)?.if_older(started);
            // What came or went while the build ran may have been read or not.
            let at_rest = stamp != Stamp::NEVER;
            let names = if at_rest { Folder::names(&path)? } else { String::new() };
            Some((dir, Folder { stamp, names }))
        });
        Ok(Inputs { files, folders: looked_at.collect() })
    }

    /// The first file or folder that is no longer as the build saw it.
    pub(crate) fn changed(&self, tree: &Utf8Path) -> Option<&Utf8Path> {
        let moved = |path: &Utf8Path, stamp: Stamp| Stamp::of(&tree.join(path)) != Some(stamp);
        let file = self.files.iter().find(|(path, input)| moved(path, input.stamp));
        let other = |path: &Utf8Path, folder: &Folder| !folder.is_as_it_was(&tree.join(path));
        let folder = || self.folders.iter().find(|(path, folder)| other(path, folder));
        file.map(|(path, _)| path.as_path()).or_else(|| folder().map(|(path, _)| path.as_path()))
    }

    /// Whether the build read this file, and as it is now.
    pub(crate) fn knows(&self, tree: &Utf8Path, name: &Utf8Path) -> bool {
        let path = tree.join(name);
        self.files.get(name).is_some_and(|known| {
            Stamp::of(&path) == Some(known.stamp)
                || hash::of_file(&path).is_ok_and(|sha256| sha256 == known.sha256)
        })
    }

    /// Hash of the names and contents of all files: a tree's identity as far as a build sees it.
    pub(crate) fn identity(&self) -> String {
        let lines = self.files.iter().map(|(path, input)| format!("{} {path}\n", input.sha256));
        hash::of_bytes(lines.collect::<String>())
    }
}

/// Folders whose files are all taken. What builds a tool of the kernel's own below `tools/` writes
/// other names into its `.cmd` files (the tree's `tools/build/Build.include`), and those tools share
/// the rest of this; what `scripts/` holds, makefiles run without a word.
fn tool_folders(tree: &Utf8Path, obj: &Utf8Path) -> Result<Vec<Utf8PathBuf>> {
    let mut folders = vec![Utf8PathBuf::from("scripts")];
    let tools = obj.join("tools");
    if tools.is_dir() {
        folders.extend(
            ["lib", "build", "scripts", "arch", "include"]
                .map(|name| Utf8Path::new("tools").join(name)),
        );
        for entry in tools.read_dir_utf8().with_context(|| format!("failed to list {tools}"))? {
            let entry = entry.with_context(|| format!("failed to list {tools}"))?;
            folders.push(Utf8Path::new("tools").join(entry.file_name()));
        }
    }
    folders.retain(|folder| tree.join(folder).is_dir());
    Ok(folders)
}

fn all_below(tree: &Utf8Path, folder: &Utf8Path) -> Result<Vec<Utf8PathBuf>> {
    let mut names = vec![];
    for entry in WalkDir::new(tree.join(folder)) {
        let entry = entry.with_context(|| format!("failed to list {folder} of tree {tree}"))?;
        let path = Utf8Path::from_path(entry.path()).filter(|path| path.is_file());
        names.extend(path.and_then(|path| path.strip_prefix(tree).ok()).map(Utf8Path::to_owned));
    }
    Ok(names)
}

/// What kbuild may read in a folder without naming it: makefiles and their parts, scripts, tables,
/// linker scripts. Of C and assembly it names each file that it read.
fn unnamed_in(tree: &Utf8Path, folder: &Utf8Path) -> Result<Vec<Utf8PathBuf>> {
    let path = tree.join(folder);
    let named = |name: &str| {
        name.starts_with('.') || [".c", ".S", ".h"].iter().any(|suffix| name.ends_with(suffix))
    };
    let mut names = vec![];
    for entry in path.read_dir_utf8().with_context(|| format!("failed to list {path}"))? {
        let entry = entry.with_context(|| format!("failed to list {path}"))?;
        if !named(entry.file_name()) && entry.path().is_file() {
            names.push(folder.join(entry.file_name()));
        }
    }
    Ok(names)
}

/// The file that names every Kconfig file, relative to the tree.
const KCONFIG_NAMES: &str = "include/config/auto.conf.cmd";

fn named_in_commands(tree: &Utf8Path, obj: &Utf8Path) -> Result<BTreeSet<Utf8PathBuf>> {
    let prefix = real_prefix(tree)?;
    let kconfig_names = obj.join(KCONFIG_NAMES);
    let mut names = BTreeSet::new();
    for command in commands(obj)? {
        let (path, text) = command?;
        let relative = path == kconfig_names;
        for word in text.split_ascii_whitespace() {
            if let Some(name) = word.strip_prefix(&prefix) {
                insert_file(tree, name, &mut names);
            } else if relative && !word.starts_with('/') {
                insert_file(tree, word, &mut names);
            }
        }
    }
    ensure!(!names.is_empty(), "object tree {obj} names no file of tree {tree}");
    Ok(names)
}

/// How kbuild's commands spell the tree: by its real path.
fn real_prefix(tree: &Utf8Path) -> Result<String> {
    let real = tree.canonicalize_utf8().with_context(|| format!("failed to find {tree}"))?;
    Ok(format!("{real}/"))
}

/// The files in which kbuild keeps its commands and what they depend on, with what they hold.
fn commands(obj: &Utf8Path) -> Result<impl Iterator<Item = Result<(Utf8PathBuf, String)>>> {
    ensure!(obj.is_dir(), "failed to list object tree {obj}: it is no folder");
    let failed = move || format!("failed to list object tree {obj}");
    let entries = WalkDir::new(obj).into_iter().map(move |entry| entry.with_context(failed));
    let read = |path: Utf8PathBuf| {
        let bytes = std::fs::read(&path).with_context(|| format!("failed to read {path}"))?;
        Ok((path, String::from_utf8_lossy(&bytes).into_owned()))
    };
    Ok(entries.filter_map(move |entry| match entry.map(|entry| entry.into_path()) {
        Ok(path) => {
            let path = Utf8PathBuf::from_path_buf(path).ok()?;
            (path.extension() == Some("cmd")).then(|| read(path))
        }
        Err(error) => Some(Err(error)),
    }))
}

fn insert_file(tree: &Utf8Path, word: &str, names: &mut BTreeSet<Utf8PathBuf>) {
    let name = without_punctuation(word);
    if !names.contains(name) && tree.join(name).is_file() {
        names.insert(normal(name));
    }
}

/// Words of a command line can carry a shell's punctuation, and can be folders.
fn without_punctuation(word: &str) -> &Utf8Path {
    Utf8Path::new(word.trim_end_matches([';', ')', '\'', '"', ',', ':']))
}

/// `a/b/../c` as `a/c`: the same file counts once.
fn normal(path: &Utf8Path) -> Utf8PathBuf {
    let mut normal = Utf8PathBuf::new();
    for part in path {
        match part {
            ".." => drop(normal.pop()),
            "." => {}
            part => normal.push(part),
        }
    }
    normal
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(path: Utf8PathBuf, text: &str) {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    /// A tree, and the object tree of a build that read part of it.
    fn trees(root: &Utf8Path) -> (Utf8PathBuf, Utf8PathBuf) {
        let (tree, obj) = (root.join("tree"), root.join("obj"));
        for name in [
            "Makefile",
            "kernel/Makefile",
            "kernel/fork.c",
            "include/a.h",
            "drivers/x.c",
            "drivers/Kconfig",
            "kernel/time.bc",
            "scripts/Makefile.build",
            "scripts/gen.sh",
            "scripts/lib/table.c",
            "tools/objtool/check.c",
            "tools/lib/string.c",
            "tools/perf/perf.c",
        ] {
            write(tree.join(name), name);
        }
        let command = format!(
            "savedcmd_kernel/fork.o := sh {tree}/scripts/gen.sh; gcc -I{tree}/include\n\
             source_kernel/fork.o := {tree}/kernel/fork.c\n\
             deps_kernel/fork.o := \\\n  $(wildcard include/config/SMP) \\\n  {tree}/kernel/../include/a.h \\\n"
        );
        write(obj.join("kernel/.fork.o.cmd"), &command);
        write(obj.join(KCONFIG_NAMES), "deps_config := \\\n\tdrivers/Kconfig \\\n");
        write(obj.join("tools/objtool/objtool"), "");
        (tree, obj)
    }

    /// As of a build that began when all files were there and at rest.
    fn collect(tree: &Utf8Path, obj: &Utf8Path, before: Option<&Inputs>) -> Inputs {
        let started = SystemTime::now() + Duration::from_secs(1);
        Inputs::collect(tree, obj, started, before).unwrap()
    }

    fn temporary() -> (tempfile::TempDir, Utf8PathBuf) {
        let dir = tempfile::tempdir().unwrap();
        let path = Utf8PathBuf::from_path_buf(dir.path().to_owned()).unwrap();
        (dir, path)
    }

    #[test]
    fn what_was_read_and_what_make_reads_by_itself() {
        let (_keep, root) = temporary();
        let (tree, obj) = trees(&root);
        let inputs = collect(&tree, &obj, None);
        let names: Vec<_> = inputs.files.keys().map(|name| name.as_str()).collect();
        let expected = [
            "Makefile",
            "drivers/Kconfig",
            "include/a.h",
            "kernel/Makefile",
            "kernel/fork.c",
            "kernel/time.bc",
            "scripts/Makefile.build",
            "scripts/gen.sh",
            "scripts/lib/table.c",
            "tools/lib/string.c",
            "tools/objtool/check.c",
        ];
        assert_eq!(names, expected);
        assert_eq!(inputs.changed(&tree), None);
    }

    #[test]
    fn an_edit_is_seen_even_with_its_time_put_back() {
        let (_keep, root) = temporary();
        let (tree, obj) = trees(&root);
        let inputs = collect(&tree, &obj, None);
        let file = tree.join("kernel/fork.c");
        let modified = std::fs::metadata(&file).unwrap().modified().unwrap();
        std::fs::write(&file, "kernel/FORK.c").unwrap();
        std::fs::File::open(&file).unwrap().set_modified(modified).unwrap();
        assert_eq!(inputs.changed(&tree), Some(Utf8Path::new("kernel/fork.c")));
        let again = collect(&tree, &obj, Some(&inputs));
        assert_ne!(again.identity(), inputs.identity());
    }

    #[test]
    fn touching_a_file_keeps_the_identity_and_an_unread_file_does_not_count() {
        let (_keep, root) = temporary();
        let (tree, obj) = trees(&root);
        let inputs = collect(&tree, &obj, None);
        std::fs::write(tree.join("drivers/x.c"), "other").unwrap();
        assert_eq!(inputs.changed(&tree), None);
        std::fs::write(tree.join("kernel/fork.c"), "kernel/fork.c").unwrap();
        assert!(inputs.changed(&tree).is_some());
        assert_eq!(collect(&tree, &obj, Some(&inputs)).identity(), inputs.identity());
    }

    #[test]
    fn a_new_file_beside_a_read_one_is_seen() {
        let (_keep, root) = temporary();
        let (tree, obj) = trees(&root);
        let inputs = collect(&tree, &obj, None);
        std::fs::write(tree.join("include/shadow.h"), "").unwrap();
        assert_eq!(inputs.changed(&tree), Some(Utf8Path::new("include")));
    }

    #[test]
    fn a_file_that_came_and_went_does_not_count() {
        let (_keep, root) = temporary();
        let (tree, obj) = trees(&root);
        let inputs = collect(&tree, &obj, None);
        std::fs::write(tree.join("include/.a.h.swp"), "").unwrap();
        assert!(inputs.changed(&tree).is_some());
        std::fs::remove_file(tree.join("include/.a.h.swp")).unwrap();
        assert_eq!(inputs.changed(&tree), None);
    }

    #[test]
    fn what_changes_while_make_runs_is_looked_at_again() {
        let (_keep, root) = temporary();
        let (tree, obj) = trees(&root);
        let started = SystemTime::now();
        std::fs::write(tree.join("kernel/fork.c"), "saved after it was compiled").unwrap();
        let inputs = Inputs::collect(&tree, &obj, started, None).unwrap();
        assert_eq!(inputs.files[Utf8Path::new("kernel/fork.c")].stamp, Stamp::NEVER);
        assert!(inputs.changed(&tree).is_some());
    }

    #[test]
    fn what_has_not_changed_is_not_hashed_again() {
        let (_keep, root) = temporary();
        let (tree, obj) = trees(&root);
        let mut before = collect(&tree, &obj, None);
        let fork = Utf8Path::new("kernel/fork.c");
        before.files.get_mut(fork).unwrap().sha256 = "as known before".to_owned();
        let inputs = collect(&tree, &obj, Some(&before));
        assert_eq!(inputs.files[fork].sha256, "as known before");
    }
}
