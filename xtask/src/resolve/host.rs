//! What the engine asks for while it reads a tree: files, answers of commands, variables.

use std::borrow::Cow;
use std::cell::RefCell;
use std::collections::BTreeSet;
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use camino::{Utf8Path, Utf8PathBuf};
use kconfig::{Dialect, Host};
use xshell::cmd;

use super::answers::Answers;
use super::environment::Environment;
use super::kept::Basis;
use crate::shell::Shell;

/// For one command of `$(shell …)`.
const DEADLINE: Duration = Duration::from_secs(60);

/// Stands where a command has no answer yet; a word to Kconfig, as answers are.
const UNANSWERED: &str = "__unanswered__";

pub(super) struct TreeHost<'a> {
    pub shell: &'a Shell,
    pub dir: &'a Utf8Path,
    /// Where commands run: they compile things in their folder.
    pub there: Utf8PathBuf,
    pub environment: Environment,
    pub answers: RefCell<Answers>,
    pub basis: RefCell<Basis>,
}

impl TreeHost<'_> {
    /// Reads the tree without an answer to anything, and asks all that this finds at once: the
    /// commands wait for compilers, and most do not need each other.
    pub(super) fn foresee(&self, dialect: Dialect) {
        let blind = Blind { host: self, commands: RefCell::default() };
        kconfig::parse(&blind, "Kconfig", dialect);
        let commands: Vec<String> = blind.commands.into_inner().into_iter().collect();
        let answers = ask_all(self.shell, &self.environment, &self.there, &commands);
        for (command, printed) in answers {
            self.answers.borrow_mut().insert(&command, &printed);
        }
    }

    fn answer(&self, command: &str) -> Result<String, String> {
        if let Some(known) = self.answers.borrow().get(command) {
            return Ok(known.to_owned());
        }
        let printed = ask(self.shell, &self.environment, &self.there, command)?;
        self.answers.borrow_mut().insert(command, &printed);
        Ok(printed)
    }

    /// A variable that is not kbuild's own, unless kbuild hides it.
    fn foreign_variable(name: &str) -> Option<Option<String>> {
        let hidden = Environment::foreign().any(|foreign| foreign == name);
        (!hidden).then(|| std::env::var(name).ok())
    }
}

fn ask(
    shell: &Shell,
    environment: &Environment,
    there: &Utf8Path,
    command: &str,
) -> Result<String, String> {
    let mut run: Command = cmd!(shell.sh, "sh -c {command}").into();
    for name in Environment::foreign() {
        run.env_remove(name);
    }
    run.current_dir(there).envs(&environment.variables);
    let run = shell.run(run, DEADLINE).map_err(|error| format!("{error:#}"))?;
    if run.timed_out { Err(run.how()) } else { Ok(run.stdout) }
}

/// The answers of those that have one, on all processors.
fn ask_all(
    shell: &Shell,
    environment: &Environment,
    there: &Utf8Path,
    commands: &[String],
) -> Vec<(String, String)> {
    let next = AtomicUsize::new(0);
    let asking = |shell: Shell| {
        let mut answers = vec![];
        while let Some(command) = commands.get(next.fetch_add(1, Ordering::Relaxed)) {
            // What fails is asked again in its turn, and told there.
            let Ok(printed) = ask(&shell, environment, there, command) else { continue };
            answers.push((command.clone(), printed));
        }
        answers
    };
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        let shells = (0..threads).filter_map(|_| shell.for_thread().ok());
        let running: Vec<_> = shells.map(|shell| scope.spawn(|| asking(shell))).collect();
        running.into_iter().flat_map(|thread| thread.join().unwrap_or_default()).collect()
    })
}

impl Host for TreeHost<'_> {
    fn read(&self, path: &str) -> Option<Vec<u8>> {
        self.basis.borrow_mut().add_file(self.dir, path);
        std::fs::read(self.dir.join(path)).ok()
    }

    fn shell(&self, command: &str) -> Result<String, String> {
        let answer = self.answer(command);
        match &answer {
            Ok(printed) => self.basis.borrow_mut().add_command(command, printed),
            Err(_) => self.basis.borrow_mut().add_failure(),
        }
        answer
    }

    fn env(&self, name: &str) -> Option<Cow<'_, str>> {
        if let Some(own) = self.environment.variables.get(name) {
            return Some(Cow::Borrowed(own));
        }
        let value = Self::foreign_variable(name)?;
        self.basis.borrow_mut().add_variable(name, value.as_deref());
        value.map(Cow::Owned)
    }
}

/// Answers no command, and takes down those that could be run now.
struct Blind<'a> {
    host: &'a TreeHost<'a>,
    commands: RefCell<BTreeSet<String>>,
}

impl Host for Blind<'_> {
    fn read(&self, path: &str) -> Option<Vec<u8>> {
        std::fs::read(self.host.dir.join(path)).ok()
    }

    fn shell(&self, command: &str) -> Result<String, String> {
        if let Some(known) = self.host.answers.borrow().get(command) {
            return Ok(known.to_owned());
        }
        if !command.contains(UNANSWERED) {
            self.commands.borrow_mut().insert(command.to_owned());
        }
        Ok(UNANSWERED.to_owned())
    }

    fn env(&self, name: &str) -> Option<Cow<'_, str>> {
        let own = self.host.environment.variables.get(name);
        let foreign = || TreeHost::foreign_variable(name).flatten().map(Cow::Owned);
        own.map(|own| Cow::Borrowed(own.as_str())).or_else(foreign)
    }
}
