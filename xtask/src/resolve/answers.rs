//! What the commands of `$(shell …)` printed: a compiler is not asked again whether it knows an
//! option. Kept for each toolchain and tree.

use std::collections::BTreeMap;

use anyhow::Result;
use camino::{Utf8Path, Utf8PathBuf};
use serde::{Deserialize, Serialize};

use super::environment::Stamp;
use crate::files;

#[derive(Debug, Serialize, Deserialize)]
struct Answer {
    printed: String,
    /// The files of the tree that the command names, as they were.
    files: Vec<(Utf8PathBuf, Stamp)>,
}

/// What is written.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Known {
    /// Of the environment that the commands ran in.
    identity: String,
    by_command: BTreeMap<String, Answer>,
}

/// Answers by command.
#[derive(Debug)]
pub(super) struct Answers {
    path: Utf8PathBuf,
    tree: Utf8PathBuf,
    known: Known,
    changed: bool,
}

impl Answers {
    /// Those kept in `path`; none if it is not there, not to be read, or of another environment.
    pub(super) fn read(path: Utf8PathBuf, tree: &Utf8Path, identity: String) -> Self {
        let known = std::fs::read(&path).ok();
        let known = known.and_then(|text| serde_json::from_slice::<Known>(&text).ok());
        let known = known.filter(|known| known.identity == identity);
        let known = known.unwrap_or_else(|| Known { identity, ..Known::default() });
        Answers { path, tree: tree.to_owned(), known, changed: false }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.known.by_command.is_empty()
    }

    pub(super) fn get(&self, command: &str) -> Option<&str> {
        let answer = self.known.by_command.get(command)?;
        let same = answer.files.iter().all(|(path, stamp)| Stamp::of(path) == *stamp);
        same.then_some(answer.printed.as_str())
    }

    pub(super) fn insert(&mut self, command: &str, printed: &str) {
        let words = command.split(|c: char| c.is_whitespace() || "\"';(){}".contains(c));
        let files = words
            .filter(|word| word.starts_with(self.tree.as_str()))
            .map(|word| (Utf8PathBuf::from(word), Stamp::of(Utf8Path::new(word))))
            .collect();
        let answer = Answer { printed: printed.to_owned(), files };
        self.known.by_command.insert(command.to_owned(), answer);
        self.changed = true;
    }

    /// # Errors
    /// If they cannot be written.
    pub(super) fn write(&self) -> Result<()> {
        if !self.changed {
            return Ok(());
        }
        files::replace(&self.path, &serde_json::to_vec(&self.known)?)
    }
}
