//! What the engine asks for while it reads a tree: files, answers of commands, variables.

use std::borrow::Cow;
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
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
pub(super) const DEADLINE: Duration = Duration::from_secs(60);

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
    pub deadline: Duration,
    /// Commands that came to no end, which nobody waits for twice, and why.
    pub hung: RefCell<BTreeMap<String, String>>,
}

impl TreeHost<'_> {
    /// Reads the tree without an answer to anything, and asks all that this finds at once: the
    /// commands wait for compilers, and most do not need each other.
    pub(super) fn foresee(&self, dialect: Dialect) {
        let blind = Blind { host: self, commands: RefCell::default() };
        kconfig::parse(&blind, "Kconfig", dialect);
        let commands: Vec<String> = blind.commands.into_inner().into_iter().collect();
        for (command, answer) in Asking::of(self).ask_all(self.shell, &commands) {
            match answer {
                Ok(printed) => self.answers.borrow_mut().insert(&command, &printed),
                Err(why) => drop(self.hung.borrow_mut().insert(command, why)),
            }
        }
    }

    fn answer(&self, command: &str) -> Result<String, String> {
        if let Some(known) = self.answers.borrow().get(command) {
            return Ok(known.to_owned());
        }
        if let Some(why) = self.hung.borrow().get(command) {
            return Err(why.clone());
        }
        let printed = Asking::of(self).ask(self.shell, command)?;
        self.answers.borrow_mut().insert(command, &printed);
        Ok(printed)
    }
}

/// What threads share that ask.
struct Asking<'a> {
    environment: &'a Environment,
    there: &'a Utf8Path,
    deadline: Duration,
}

impl<'a> Asking<'a> {
    fn of(host: &'a TreeHost<'_>) -> Self {
        Asking { environment: &host.environment, there: &host.there, deadline: host.deadline }
    }

    fn ask(&self, shell: &Shell, command: &str) -> Result<String, String> {
        let mut run: Command = cmd!(shell.sh, "sh -c {command}").into();
        for name in Environment::foreign() {
            run.env_remove(name);
        }
        run.current_dir(self.there).envs(self.environment.variables());
        let run = shell.run(run, self.deadline).map_err(|error| format!("{error:#}"))?;
        if run.timed_out { Err(run.how()) } else { Ok(run.stdout) }
    }

    /// On all processors.
    fn ask_all(&self, shell: &Shell, commands: &[String]) -> Vec<(String, Result<String, String>)> {
        let next = AtomicUsize::new(0);
        let asking = |shell: Shell| {
            let mut answers = vec![];
            while let Some(command) = commands.get(next.fetch_add(1, Ordering::Relaxed)) {
                answers.push((command.clone(), self.ask(&shell, command)));
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
        let value = self.environment.get(name);
        self.basis.borrow_mut().add_variable(name, value.as_deref());
        value
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
        self.host.environment.get(name)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;
    use crate::resolve::kept::Basis;

    #[test]
    fn a_command_that_hangs_is_waited_for_once() {
        let folder = tempfile::tempdir().unwrap();
        let dir = Utf8Path::from_path(folder.path()).unwrap();
        let kconfig =
            "config A\n\tdef_bool $(shell,sleep 100)\n\nconfig B\n\tdef_bool $(shell,sleep 100)\n";
        std::fs::write(dir.join("Kconfig"), kconfig).unwrap();
        let shell = Shell::for_tests();
        let host = TreeHost {
            shell: &shell,
            dir,
            there: dir.to_owned(),
            environment: Environment::default(),
            answers: RefCell::new(Answers::read(dir.join("answers"), dir, String::new())),
            basis: RefCell::new(Basis::new()),
            deadline: Duration::from_secs(1),
            hung: RefCell::default(),
        };
        let start = Instant::now();
        host.foresee(Dialect::of(6, 12));
        let (_, problems) = kconfig::parse(&host, "Kconfig", Dialect::of(6, 12));
        assert!(start.elapsed() < Duration::from_secs(50), "{:?}", start.elapsed());
        let told = format!("{:?}", problems.first().unwrap().problem);
        assert!(told.contains("sleep 100") && told.contains("1 s"), "{told}");
    }
}
