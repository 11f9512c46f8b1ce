//! Symlinks of a tree: none leads out of it.

use std::collections::HashSet;

use anyhow::{Result, bail};
use camino::{Utf8Component, Utf8Path, Utf8PathBuf};

/// Checks all symlinks of a tree, by their paths in it and what they lead to.
///
/// # Errors
/// If one leads out of the tree, or nobody can tell.
pub(super) fn check(symlinks: &[(Utf8PathBuf, Utf8PathBuf)]) -> Result<()> {
    let paths: HashSet<&Utf8Path> = symlinks.iter().map(|(path, _)| path.as_path()).collect();
    for (path, target) in symlinks {
        if leads_out(path, target) {
            bail!("symlink `{path}` leads out of the folder, to `{target}`");
        }
        if let Some(other) = passes_through(path, target, &paths) {
            bail!("symlink `{path}` leads through another one, `{other}`, to `{target}`");
        }
    }
    Ok(())
}

fn leads_out(path: &Utf8Path, target: &Utf8Path) -> bool {
    let start = path.components().count() - 1;
    let end = target.components().try_fold(start, |depth, part| match part {
        Utf8Component::CurDir => Some(depth),
        Utf8Component::Normal(_) => Some(depth + 1),
        Utf8Component::ParentDir => depth.checked_sub(1),
        Utf8Component::RootDir | Utf8Component::Prefix(_) => None,
    });
    end.is_none()
}

/// The symlink among `links` on the way to `target`, but for its end. Behind one, `..` is not where
/// the path says it is, so nobody could tell whether the way leaves the folder.
fn passes_through(
    path: &Utf8Path,
    target: &Utf8Path,
    links: &HashSet<&Utf8Path>,
) -> Option<Utf8PathBuf> {
    let mut at = path.parent().map(Utf8Path::to_owned).unwrap_or_default();
    let mut parts = target.components().peekable();
    while let Some(part) = parts.next() {
        match part {
            Utf8Component::ParentDir => drop(at.pop()),
            part => at.push(part),
        }
        if parts.peek().is_some() && links.contains(at.as_path()) {
            return Some(at);
        }
    }
    None
}
