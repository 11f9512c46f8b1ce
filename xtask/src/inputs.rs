//! The files of a kernel tree that a build read, so that an edit to one of them is never missed and
//! a run with nothing to do costs a `stat` each.

use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::fs::MetadataExt;

use anyhow::{Context, Result, ensure};
use camino::{Utf8Path, Utf8PathBuf};
use serde::{Deserialize, Serialize};
use walkdir::WalkDir;

use crate::hash;

/// Paths are relative to the tree.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Inputs {
    files: BTreeMap<Utf8PathBuf, Input>,
    /// Folders that held one of the files: a file added there can shadow another.
    folders: BTreeMap<Utf8PathBuf, Stamp>,
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
}

impl Inputs {
    /// Collects what kbuild left in the object tree: the `.cmd` file of each object names its
    /// command and dependencies (the tree's `scripts/basic/fixdep.c`), `auto.conf.cmd` every
    /// Kconfig file. Makefiles and scripts that `make` reads by itself are added. `before` saves
    /// hashing what has not changed since.
    pub(crate) fn collect(
        tree: &Utf8Path,
        obj: &Utf8Path,
        before: Option<&Inputs>,
    ) -> Result<Self> {
        let mut names = named_in_commands(tree, obj)?;
        let folders: BTreeSet<Utf8PathBuf> =
            names.iter().flat_map(|name| name.ancestors().skip(1)).map(Utf8PathBuf::from).collect();
        let makefiles = folders.iter().flat_map(|dir| MAKE_FILES.map(|name| dir.join(name)));
        names.extend(makefiles.filter(|name| tree.join(name).is_file()));
        names.extend(makefile_parts(tree, &folders));
        let mut files = BTreeMap::new();
        for name in names {
            let path = tree.join(&name);
            let Some(stamp) = Stamp::of(&path) else { continue };
            let known = before.and_then(|before| before.files.get(&name));
            let sha256 = match known.filter(|known| known.stamp == stamp) {
                Some(known) => known.sha256.clone(),
                None => hash::of_file(&path)?,
            };
            files.insert(name, Input { stamp, sha256 });
        }
        let stamped =
            folders.into_iter().filter_map(|dir| Some((Stamp::of(&tree.join(&dir))?, dir)));
        Ok(Inputs { files, folders: stamped.map(|(stamp, dir)| (dir, stamp)).collect() })
    }

    /// The first file or folder that is no longer as the build saw it.
    pub(crate) fn changed(&self, tree: &Utf8Path) -> Option<&Utf8Path> {
        let moved = |path: &Utf8Path, stamp: Stamp| Stamp::of(&tree.join(path)) != Some(stamp);
        let file = self.files.iter().find(|(path, input)| moved(path, input.stamp));
        let folder = || self.folders.iter().find(|(path, stamp)| moved(path, **stamp));
        file.map(|(path, _)| path.as_path()).or_else(|| folder().map(|(path, _)| path.as_path()))
    }

    /// Hash of the names and contents of all files: a tree's identity as far as a build sees it.
    pub(crate) fn identity(&self) -> String {
        let lines = self.files.iter().map(|(path, input)| format!("{} {path}\n", input.sha256));
        hash::of_bytes(lines.collect::<String>())
    }
}

const MAKE_FILES: [&str; 3] = ["Makefile", "Kbuild", "Kconfig"];

/// Parts of makefiles that no `.cmd` file names: `scripts/Makefile.build`, `arch/arm64/Makefile.postlink`, ….
fn makefile_parts(tree: &Utf8Path, folders: &BTreeSet<Utf8PathBuf>) -> BTreeSet<Utf8PathBuf> {
    let part = |name: &str| {
        name.starts_with("Makefile.") || name.ends_with(".include") || name.ends_with(".sh")
    };
    let listed = folders.iter().filter_map(|dir| Some((dir, tree.join(dir).read_dir_utf8().ok()?)));
    let entries =
        listed.flat_map(|(dir, entries)| entries.flatten().map(move |e| dir.join(e.file_name())));
    entries.filter(|path| path.file_name().is_some_and(part)).collect()
}

fn named_in_commands(tree: &Utf8Path, obj: &Utf8Path) -> Result<BTreeSet<Utf8PathBuf>> {
    // kbuild spells the tree by its real path.
    let real = tree.canonicalize_utf8().with_context(|| format!("failed to find {tree}"))?;
    let prefix = format!("{real}/");
    let mut names = BTreeSet::new();
    for entry in WalkDir::new(obj) {
        let entry = entry.with_context(|| format!("failed to list object tree {obj}"))?;
        if !entry.file_name().to_string_lossy().ends_with(".cmd") {
            continue;
        }
        let path = entry.path();
        let bytes =
            std::fs::read(path).with_context(|| format!("failed to read {}", path.display()))?;
        for word in String::from_utf8_lossy(&bytes).split_ascii_whitespace() {
            if let Some(name) = word.strip_prefix(&prefix) {
                insert_file(tree, name, &mut names);
            }
        }
    }
    ensure!(!names.is_empty(), "object tree {obj} names no file of tree {tree}");
    Ok(names)
}

/// Words of a command line can carry a shell's punctuation, and can be folders.
fn insert_file(tree: &Utf8Path, word: &str, names: &mut BTreeSet<Utf8PathBuf>) {
    let name = Utf8Path::new(word.trim_end_matches([';', ')', '\'', '"', ',', ':']));
    if !names.contains(name) && tree.join(name).is_file() {
        names.insert(normal(name));
    }
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

    /// A tree with three sources, and the object tree of a build that read two of them.
    fn trees(root: &Utf8Path) -> (Utf8PathBuf, Utf8PathBuf) {
        let (tree, obj) = (root.join("tree"), root.join("obj"));
        for name in [
            "Makefile",
            "kernel/Makefile",
            "kernel/fork.c",
            "include/a.h",
            "drivers/x.c",
            "scripts/Makefile.build",
            "scripts/gen.sh",
        ] {
            write(tree.join(name), name);
        }
        let command = format!(
            "savedcmd_kernel/fork.o := sh {tree}/scripts/gen.sh; gcc -I{tree}/include\n\
             source_kernel/fork.o := {tree}/kernel/fork.c\n\
             deps_kernel/fork.o := \\\n  $(wildcard include/config/SMP) \\\n  {tree}/kernel/../include/a.h \\\n"
        );
        write(obj.join("kernel/.fork.o.cmd"), &command);
        (tree, obj)
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
        let inputs = Inputs::collect(&tree, &obj, None).unwrap();
        let names: Vec<_> = inputs.files.keys().map(|name| name.as_str()).collect();
        let expected = [
            "Makefile",
            "include/a.h",
            "kernel/Makefile",
            "kernel/fork.c",
            "scripts/Makefile.build",
            "scripts/gen.sh",
        ];
        assert_eq!(names, expected);
        assert_eq!(inputs.changed(&tree), None);
    }

    #[test]
    fn an_edit_is_seen_even_with_its_time_put_back() {
        let (_keep, root) = temporary();
        let (tree, obj) = trees(&root);
        let inputs = Inputs::collect(&tree, &obj, None).unwrap();
        let file = tree.join("kernel/fork.c");
        let modified = std::fs::metadata(&file).unwrap().modified().unwrap();
        std::fs::write(&file, "kernel/FORK.c").unwrap();
        std::fs::File::open(&file).unwrap().set_modified(modified).unwrap();
        assert_eq!(inputs.changed(&tree), Some(Utf8Path::new("kernel/fork.c")));
        let again = Inputs::collect(&tree, &obj, Some(&inputs)).unwrap();
        assert_ne!(again.identity(), inputs.identity());
    }

    #[test]
    fn touching_a_file_keeps_the_identity_and_an_unread_file_does_not_count() {
        let (_keep, root) = temporary();
        let (tree, obj) = trees(&root);
        let inputs = Inputs::collect(&tree, &obj, None).unwrap();
        std::fs::write(tree.join("drivers/x.c"), "other").unwrap();
        assert_eq!(inputs.changed(&tree), None);
        std::fs::write(tree.join("kernel/fork.c"), "kernel/fork.c").unwrap();
        assert!(inputs.changed(&tree).is_some());
        assert_eq!(
            Inputs::collect(&tree, &obj, Some(&inputs)).unwrap().identity(),
            inputs.identity()
        );
    }

    #[test]
    fn a_new_file_beside_a_read_one_is_seen() {
        let (_keep, root) = temporary();
        let (tree, obj) = trees(&root);
        let inputs = Inputs::collect(&tree, &obj, None).unwrap();
        std::fs::write(tree.join("include/shadow.h"), "").unwrap();
        assert_eq!(inputs.changed(&tree), Some(Utf8Path::new("include")));
    }
}
