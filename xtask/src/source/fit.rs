//! How patches do on a tree that they were not made for.

use anyhow::{Context, Result};
use camino::{Utf8Path, Utf8PathBuf};
use serde::Serialize;

use super::Tree;
use super::patches::{Patch, git_apply};
use super::pins::Pin;
use crate::shell::Shell;

/// A patch, and how it does.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Tried {
    pub patch: String,
    /// The pin that names it.
    pub of: String,
    #[serde(flatten)]
    pub fit: Fit,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "fit", content = "said", rename_all = "kebab-case")]
pub(crate) enum Fit {
    /// Each line is where it was.
    Exact,
    /// Lines have moved: what git says of each hunk.
    Moved(Vec<String>),
    /// The tree has it already.
    There,
    /// It does not apply; git's words.
    Unfit(String),
}

/// Applies the patches of the pins, one after the other, to those files of `tree` that they are about,
/// in a folder below `work`. What the tree was patched with is taken out of them first.
///
/// # Errors
/// If there is no git, or the files cannot be copied.
pub(crate) fn try_patches(
    shell: &Shell,
    work: &Utf8Path,
    tree: &Tree,
    pins: &[&Pin],
) -> Result<Vec<Tried>> {
    let mut all: Vec<(String, Patch)> = vec![];
    for pin in pins {
        for patch in pin.all_patches()?.of(&tree.version).files() {
            if all.iter().all(|(_, known)| known.record() != patch.record()) {
                all.push((pin.name.clone(), patch.clone()));
            }
        }
    }
    let scratch = tempfile::tempdir_in(work)
        .with_context(|| format!("failed to create a folder in {work}"))?;
    let folder = Utf8Path::from_path(scratch.path()).context("a path is not UTF-8")?;
    for (_, patch) in &all {
        for path in touched(&patch.path)? {
            copy(&tree.dir, &path, folder)?;
        }
    }
    let applied = all.iter().filter(|(_, patch)| tree.record.patches.contains(&patch.record()));
    for (_, patch) in applied.rev() {
        let undone = git_apply(shell, folder, &["--reverse"], &patch.path)?;
        anyhow::ensure!(undone.success(), "failed to undo {}: {}", patch.path, undone.stderr);
    }
    let try_one = |(of, patch): &(String, Patch)| {
        let (patch, of) = (patch, of.clone());
        Ok(Tried { patch: patch.name().to_owned(), of, fit: fit(shell, folder, &patch.path)? })
    };
    all.iter().map(try_one).collect()
}

fn fit(shell: &Shell, folder: &Utf8Path, patch: &Utf8Path) -> Result<Fit> {
    let done = git_apply(shell, folder, &["--verbose"], patch)?;
    if done.success() {
        let moved: Vec<String> = moved(&done.stderr).collect();
        return Ok(if moved.is_empty() { Fit::Exact } else { Fit::Moved(moved) });
    }
    if git_apply(shell, folder, &["--reverse", "--check"], patch)?.success() {
        return Ok(Fit::There);
    }
    let errors = done.stderr.lines().filter_map(|line| line.strip_prefix("error: "));
    // What it searched for stands below that, and is long.
    let errors = errors.filter(|error| !error.starts_with("while searching for"));
    Ok(Fit::Unfit(errors.collect::<Vec<_>>().join("; ")))
}

/// "mm/slub.c: hunk #1 succeeded at 4969 (offset -83 lines)", of each that moved.
fn moved(said: &str) -> impl Iterator<Item = String> {
    let mut file = "";
    said.lines().filter_map(move |line| {
        if let Some(path) = line.strip_prefix("Checking patch ") {
            file = path.trim_end_matches("...");
        }
        let hunk = line.strip_prefix("Hunk ").filter(|hunk| hunk.contains("offset"))?;
        Some(format!("{file}: hunk {}", hunk.trim_end_matches('.')))
    })
}

/// The files that a patch is about, as the tree names them.
fn touched(patch: &Utf8Path) -> Result<Vec<Utf8PathBuf>> {
    let bytes = std::fs::read(patch).with_context(|| format!("failed to read {patch}"))?;
    let text = String::from_utf8_lossy(&bytes);
    let path = |line: &str| {
        let name = line.strip_prefix("--- ").or(line.strip_prefix("+++ "))?;
        let name = name.split('\t').next()?.trim_end();
        Some(Utf8PathBuf::from(name.split_once('/')?.1)).filter(|_| name != "/dev/null")
    };
    Ok(text.lines().filter_map(path).collect())
}

/// Nothing where the tree has no such file.
fn copy(tree: &Utf8Path, path: &Utf8Path, to: &Utf8Path) -> Result<()> {
    let (from, to) = (tree.join(path), to.join(path));
    let inside = path.components().all(|part| matches!(part, camino::Utf8Component::Normal(_)));
    if !inside || !from.is_file() {
        return Ok(());
    }
    let failed = || format!("failed to copy {from}");
    if let Some(parent) = to.parent() {
        std::fs::create_dir_all(parent).with_context(failed)?;
    }
    std::fs::copy(&from, &to).map(drop).with_context(failed)
}

#[cfg(test)]
mod tests {
    use vmm_kernel::SourceRecord;

    use super::super::pins::{Location, Provider};
    use super::super::tests::{put, temp};
    use super::*;

    const BEFORE: &str = "1\n2\n3\n4\n5\n6\n7\n8\n";

    fn patch(from: &str, to: &str) -> String {
        format!("--- a/a/f\n+++ b/a/f\n@@ -3,3 +3,3 @@\n 3\n-{from}\n+{to}\n 5\n")
    }

    /// A tree with that file, patched with the patches of these names, and two pins.
    fn tried(file: &str, applied: &[&str]) -> Vec<(String, String, Fit)> {
        let (_keep, dir) = temp();
        put(&dir, "tree/a/f", file);
        put(&dir, "one/0001-four.patch", &patch("4", "four"));
        put(&dir, "one/0002-vier.patch", &patch("four", "vier"));
        put(&dir, "two/0001-four.patch", &patch("4", "four"));
        put(&dir, "two/0003-new.patch", "--- /dev/null\n+++ b/n\n@@ -0,0 +1 @@\n+new\n");
        let pin = |name: &str| Pin {
            name: name.to_owned(),
            provider: Provider::Tarball { from: Location::File("x".into()), sha256: "0".into() },
            patches: Some(dir.join(name)),
            left_out: vec![],
        };
        let pins = [pin("one"), pin("two")];
        let records = pins[0].all_patches().unwrap().records();
        let is_applied = |record: &String| applied.iter().any(|name| record.contains(name));
        let record = SourceRecord {
            name: "new".to_owned(),
            version: "6.18".to_owned(),
            sha256: String::new(),
            patches: records.into_iter().filter(is_applied).collect(),
        };
        let version = "6.18".parse().unwrap();
        let tree = Tree { dir: dir.join("tree"), version, record, pinned: true };
        let shell = Shell::for_tests();
        let tried = try_patches(&shell, &dir, &tree, &pins.each_ref()).unwrap();
        assert_eq!(std::fs::read_to_string(dir.join("tree/a/f")).unwrap(), file);
        tried.into_iter().map(|one| (one.patch, one.of, one.fit)).collect()
    }

    #[test]
    fn patches_are_tried_in_turn_on_the_tree_without_them() {
        let expected =
            [("four", "one", Fit::Exact), ("vier", "one", Fit::Exact), ("new", "two", Fit::Exact)];
        let expected = expected.map(|(name, of, fit)| (name.to_owned(), of.to_owned(), fit));
        assert_eq!(tried(BEFORE, &[]), expected);
        assert_eq!(tried(&BEFORE.replace('4', "vier"), &["four", "vier"]), expected);
    }

    #[test]
    fn what_moved_is_there_or_does_not_apply_is_told() {
        let fits = |file: &str| tried(file, &[]).into_iter().map(|one| one.2).collect::<Vec<_>>();
        let moved = fits(&format!("0\n0\n{BEFORE}"));
        let Fit::Moved(hunks) = &moved[0] else { panic!("{moved:?}") };
        assert_eq!(hunks, &["a/f: hunk #1 succeeded at 5 (offset 2 lines)"]);
        assert_eq!(fits(&BEFORE.replace('4', "four"))[0], Fit::There);
        let other = fits(&BEFORE.replace('4', "other"));
        let Fit::Unfit(said) = &other[0] else { panic!("{other:?}") };
        assert!(said.contains("patch failed: a/f:3"), "{said}");
    }
}
