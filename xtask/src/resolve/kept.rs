//! A tree's Kconfig as it was read last: reading it anew takes more than twice as long as seeing that
//! nothing of what was read has changed.

use std::collections::BTreeMap;

use anyhow::{Context, Result};
use camino::Utf8Path;
use kconfig::Model;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::answers::Answers;
use super::environment::{Environment, Stamp};
use crate::{files, programs};

/// All that a model was made of.
#[derive(Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Basis {
    /// As the tree names them; those that were looked for and not there, too.
    files: Vec<(String, Stamp)>,
    /// Commands with what they printed.
    commands: Vec<(String, String)>,
    /// Variables that the Kconfig files name.
    variables: BTreeMap<String, Option<String>>,
    /// The program that read it; none where it is not to be kept.
    tool: Option<Stamp>,
}

impl Basis {
    /// Nothing is read yet.
    pub(super) fn new() -> Self {
        Basis { tool: Some(tool()), ..Basis::default() }
    }

    pub(super) fn add_file(&mut self, tree: &Utf8Path, path: &str) {
        self.files.push((path.to_owned(), Stamp::of(&tree.join(path))));
    }

    pub(super) fn add_command(&mut self, command: &str, printed: &str) {
        self.commands.push((command.to_owned(), printed.to_owned()));
    }

    /// A command had no answer: it is asked again the next time.
    pub(super) fn add_failure(&mut self) {
        self.tool = None;
    }

    pub(super) fn add_variable(&mut self, name: &str, value: Option<&str>) {
        if !self.variables.contains_key(name) {
            self.variables.insert(name.to_owned(), value.map(str::to_owned));
        }
    }

    /// Whether it would be the same now.
    fn holds(&self, tree: &Utf8Path, environment: &Environment, answers: &Answers) -> bool {
        let Basis { files, commands, variables, tool: made_by } = self;
        *made_by == Some(tool())
            && variables
                .iter()
                .all(|(name, was)| environment.get(name).as_deref() == was.as_deref())
            && commands.iter().all(|(command, was)| answers.get(command) == Some(was))
            && files.iter().all(|(path, stamp)| Stamp::of(&tree.join(path)) == *stamp)
    }
}

/// This program: another one may keep models otherwise.
fn tool() -> Stamp {
    Stamp::of(Utf8Path::new(programs::THIS))
}

/// The model kept in `path`, if it is there, whole, and of what is there now.
pub(super) fn read(
    path: &Utf8Path,
    tree: &Utf8Path,
    environment: &Environment,
    answers: &Answers,
) -> Option<Model> {
    let kept = std::fs::read(path).ok()?;
    let (hash, rest) = kept.split_at_checked(32)?;
    if Sha256::digest(rest).as_slice() != hash {
        return None;
    }
    let (basis, model): (Basis, _) = postcard::take_from_bytes(rest).ok()?;
    // Each takes about as long as the other.
    std::thread::scope(|scope| {
        let model = scope.spawn(|| Model::from_bytes(model));
        let holds = basis.holds(tree, environment, answers);
        model.join().ok().flatten().filter(|_| holds)
    })
}

/// Keeps a model.
///
/// # Errors
/// If it cannot be written.
pub(super) fn write(path: &Utf8Path, basis: &Basis, model: &Model) -> Result<()> {
    let mut kept = postcard::to_stdvec(basis).context("failed to pack what a model was made of")?;
    kept.extend(model.to_bytes());
    let hash = Sha256::digest(&kept);
    files::replace(path, &[hash.as_slice(), &kept].concat())
}
