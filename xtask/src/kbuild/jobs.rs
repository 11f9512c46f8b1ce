//! One budget of jobs for all builds of a run, by make's own jobserver.

use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result};
use jobserver::{Acquired, Client};

use crate::shell::Shell;

/// How many objects may be compiled at once, by however many makes.
#[derive(Debug, Clone)]
pub(crate) struct Jobs(Client);

/// How often a build that waits looks whether a job is free, and whether the user wants to stop.
const PAUSE: Duration = Duration::from_millis(100);

impl Jobs {
    /// # Errors
    /// If the pipe that makes share cannot be made.
    pub(crate) fn new(count: usize) -> Result<Self> {
        Client::new(count).map(Jobs).context("failed to make a jobserver")
    }

    /// Waits for the job that a make takes for its own, and gives it back when that is dropped.
    ///
    /// # Errors
    /// If the user interrupts.
    pub(super) fn take(&self, shell: &Shell) -> Result<Acquired> {
        loop {
            shell.check_interrupt()?;
            if self.0.available().context("failed to ask the jobserver")? > 0 {
                return self.0.acquire().context("failed to take a job");
            }
            std::thread::sleep(PAUSE);
        }
    }

    /// A make that was killed gives back nothing: whoever waits for it is to see that all is over.
    pub(super) fn wake(&self) {
        // Without a pipe to write to, nobody waits on it.
        let _ = self.0.release_raw();
    }

    /// Has a make ask here for each job beyond its own.
    pub(super) fn share_with(&self, make: &mut Command) {
        self.0.configure_make(make);
    }
}
