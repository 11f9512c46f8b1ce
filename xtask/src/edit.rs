//! Edits of fragments: lines that are added or changed; comments, order and all other lines stay.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, Result};
use camino::{Utf8Path, Utf8PathBuf};
use serde::Serialize;

use crate::files::{self, Content};
use crate::fragment::Place;

/// One line for a fragment.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub(crate) struct Edit {
    /// The line that it changes, or stands before. One behind the last line is the end.
    pub at: Place,
    pub replaces: bool,
    /// Empty where the line is taken out.
    pub text: String,
    /// The line is about the same thing by another name.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub renames: bool,
}

/// A fragment before and after its edits.
#[derive(Debug)]
pub(crate) struct Edited {
    /// As people are shown it.
    pub path: Utf8PathBuf,
    pub before: String,
    pub after: String,
}

/// What the edits make of the fragments that they are about; paths are relative to `root`.
///
/// # Errors
/// If a fragment cannot be read.
pub(crate) fn edit(root: &Utf8Path, edits: &[Edit]) -> Result<Vec<Edited>> {
    let mut by_path: BTreeMap<&Utf8Path, Vec<&Edit>> = BTreeMap::new();
    for edit in edits {
        by_path.entry(&edit.at.path).or_default().push(edit);
    }
    let mut edited = vec![];
    for (path, edits) in by_path {
        let file = root.join(path);
        let before =
            std::fs::read_to_string(&file).with_context(|| format!("failed to read {file}"))?;
        let after = apply(&before, &edits);
        edited.push(Edited { path: path.to_owned(), before, after });
    }
    Ok(edited)
}

fn apply(text: &str, edits: &[&Edit]) -> String {
    let mut after = String::new();
    let mut add = |text: &str| {
        after.push_str(text);
        after.push('\n');
    };
    let end = text.lines().count() + 1;
    for (number, line) in (1..).zip(text.lines().map(Some).chain([None])) {
        let here = || edits.iter().filter(|edit| edit.at.line.min(end) == number);
        here().filter(|edit| !edit.replaces).for_each(|added| add(&added.text));
        let changed = here().find(|edit| edit.replaces).map(|edit| edit.text.as_str());
        if let Some(text) = changed.or(line).filter(|_| changed != Some("")) {
            add(text);
        }
    }
    after
}

/// The fragments without these lines; paths are relative to `root`.
///
/// # Errors
/// If a fragment cannot be read.
pub(crate) fn without(root: &Utf8Path, lines: &BTreeSet<Place>) -> Result<Vec<Edited>> {
    let paths: BTreeSet<&Utf8Path> = lines.iter().map(|place| &*place.path).collect();
    let mut edited = vec![];
    for path in paths {
        let file = root.join(path);
        let before =
            std::fs::read_to_string(&file).with_context(|| format!("failed to read {file}"))?;
        let stays = |line: usize| !lines.contains(&Place { path: path.to_owned(), line });
        let kept = before.lines().enumerate().filter(|(index, _)| stays(index + 1));
        let after = kept.map(|(_, line)| format!("{line}\n")).collect();
        edited.push(Edited { path: path.to_owned(), before, after });
    }
    Ok(edited)
}

/// Writes the fragments, all of them or none.
///
/// # Errors
/// If one cannot be written.
pub(crate) fn write(root: &Utf8Path, edited: &[Edited]) -> Result<()> {
    put(root, edited, |one| &one.after)
}

/// Has the fragments as they were before.
///
/// # Errors
/// If one cannot be written.
pub(crate) fn take_back(root: &Utf8Path, edited: &[Edited]) -> Result<()> {
    put(root, edited, |one| &one.before)
}

fn put(root: &Utf8Path, edited: &[Edited], text: fn(&Edited) -> &str) -> Result<()> {
    let file = |one: &Edited| (one.path.clone(), Content::text(text(one)));
    files::write(root, &edited.iter().map(file).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn other_lines_stay() {
        let edit = |line, replaces, text: &str| Edit {
            at: Place { path: "f.conf".into(), line },
            replaces,
            text: text.to_owned(),
            renames: false,
        };
        let edits = [
            edit(3, false, "CONFIG_A=y"),
            edit(3, true, "CONFIG_B=y"),
            edit(4, false, "CONFIG_C=y"),
            edit(5, false, "CONFIG_E=y"),
        ];
        let text = "# why\n\nCONFIG_B=m\nCONFIG_D=y";
        let out = [edit(3, true, "")];
        assert_eq!(apply(text, &out.iter().collect::<Vec<_>>()), "# why\n\nCONFIG_D=y\n");
        let expected = "# why\n\nCONFIG_A=y\nCONFIG_B=y\nCONFIG_C=y\nCONFIG_D=y\nCONFIG_E=y\n";
        assert_eq!(apply(text, &edits.iter().collect::<Vec<_>>()), expected);
    }

    #[test]
    fn comments_outlive_their_lines() {
        let dir = tempfile::tempdir().unwrap();
        let root = Utf8Path::from_path(dir.path()).unwrap();
        for name in ["a.conf", "b.conf"] {
            std::fs::write(root.join(name), "# why\nCONFIG_A=y\n\nCONFIG_B=y\nCONFIG_C=y").unwrap();
        }
        let place = |path: &str, line| Place { path: path.into(), line };
        let out = [place("a.conf", 2), place("b.conf", 4), place("b.conf", 5)].into();
        let after: Vec<_> = without(root, &out).unwrap().into_iter().map(|one| one.after).collect();
        assert_eq!(after, ["# why\n\nCONFIG_B=y\nCONFIG_C=y\n", "# why\nCONFIG_A=y\n\n"]);
    }
}
