//! What a checkout gets of this project, in words.

use std::collections::BTreeMap;

use camino::Utf8Path;

use super::tell::{tell_edited, warn};
use crate::adopt::{Adoption, Copied};
use crate::progress::Progress;

/// Shows the edits, counts the new files by folder, and names those that are replaced.
pub(crate) fn tell_adoption(progress: Progress, adoption: &Adoption) {
    let Adoption { edited, copied, kept, .. } = adoption;
    tell_edited(progress, edited);
    let mut new: BTreeMap<&Utf8Path, usize> = BTreeMap::new();
    for Copied { path, .. } in copied.iter().filter(|one| !one.replaces) {
        *new.entry(shown_folder(path)).or_default() += 1;
    }
    for (folder, count) in new {
        let files = if count == 1 { "file" } else { "files" };
        progress.say(format!("new: {count:4} {files} in {folder}"));
    }
    for Copied { path, .. } in copied.iter().filter(|one| one.replaces) {
        progress.say(format!("replaced: {path}"));
    }
    for entry in kept {
        warn(progress, format!("{entry} has another value there, which stays"));
    }
}

/// A file's folder, or the one above it that is not too deep to be listed.
fn shown_folder(path: &Utf8Path) -> &Utf8Path {
    const DEPTH: usize = 2;
    let folder = path.parent().unwrap_or(path);
    folder.ancestors().find(|one| one.components().count() <= DEPTH).unwrap_or(folder)
}
