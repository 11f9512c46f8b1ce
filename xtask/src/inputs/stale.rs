//! What make would not see of a change. It compares modification times only: a source that is put back together with
//! its own, or edited after the clock was set back, is older than the object that was made of other content.

use std::collections::HashMap;
use std::fs::Metadata;
use std::os::unix::fs::MetadataExt as _;
use std::time::{Duration, SystemTime};

use anyhow::{Context, Result};
use camino::{Utf8Path, Utf8PathBuf};

use super::{commands, normal, real_prefix, without_punctuation};

/// Clocks of a file server and of its clients differ by less.
const SKEW: Duration = Duration::from_secs(10);

/// Whether one of these files was written at a time that is yet to come: what is made from now on would be older than
/// what is there.
pub(crate) fn are_from_the_future(files: &[Utf8PathBuf]) -> bool {
    let now = SystemTime::now() + SKEW;
    let written = |file: &Utf8PathBuf| file.metadata().and_then(|metadata| metadata.modified());
    files.iter().filter_map(|file| written(file).ok()).any(|written| written > now)
}

/// Removes the objects for which a file was exchanged by an older one since they were made, as its change time tells,
/// which nobody can set. `is_known` says of a file whether its content is that of the last build.
///
/// # Errors
/// If the object tree cannot be read or changed.
pub(crate) fn remove_stale(
    tree: &Utf8Path,
    obj: &Utf8Path,
    is_known: impl Fn(&Utf8Path) -> bool,
) -> Result<()> {
    let prefix = real_prefix(tree)?;
    let mut exchanged: HashMap<String, Option<Exchanged>> = HashMap::new();
    for command in commands(obj)? {
        let (path, text) = command?;
        let Some(object) = made_by(&path) else { continue };
        let Ok(made) = object.metadata().map(|metadata| modified(&metadata)) else { continue };
        let mut names = text.split_ascii_whitespace().filter_map(|word| word.strip_prefix(&prefix));
        let is_stale = names.any(|name| {
            if !exchanged.contains_key(name) {
                let file = Exchanged::read(tree, without_punctuation(name), &is_known);
                exchanged.insert(name.to_owned(), file);
            }
            exchanged[name].is_some_and(|file| file.changed > made && file.modified <= made)
        });
        if is_stale {
            std::fs::remove_file(&object).with_context(|| format!("failed to remove {object}"))?;
        }
    }
    Ok(())
}

/// Seconds and nanoseconds.
type Time = (i64, i64);

#[derive(Clone, Copy)]
struct Exchanged {
    modified: Time,
    changed: Time,
}

impl Exchanged {
    /// Of a file that may have been; none where its content is known.
    fn read(
        tree: &Utf8Path,
        name: &Utf8Path,
        is_known: impl Fn(&Utf8Path) -> bool,
    ) -> Option<Self> {
        let metadata = tree.join(name).metadata().ok().filter(Metadata::is_file)?;
        let changed = (metadata.ctime(), metadata.ctime_nsec());
        let modified = modified(&metadata);
        (changed > modified && !is_known(&normal(name))).then_some(Exchanged { modified, changed })
    }
}

fn modified(metadata: &Metadata) -> Time {
    (metadata.mtime(), metadata.mtime_nsec())
}

/// kbuild keeps the command that makes `fork.o` in `.fork.o.cmd`.
fn made_by(command: &Utf8Path) -> Option<Utf8PathBuf> {
    let name = command.file_name()?.strip_prefix('.')?.strip_suffix(".cmd")?;
    Some(command.with_file_name(name))
}
