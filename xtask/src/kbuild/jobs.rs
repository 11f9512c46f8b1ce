//! One budget of jobs for all builds of a run, by make's own jobserver, and what launches their compilers.

use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result};
use jobserver::{Acquired, Client};

use crate::launcher::Masquerade;
use crate::shell::Shell;
use crate::toolchain::Toolchain;

/// How many objects may be compiled at once, by however many makes.
#[derive(Debug, Clone)]
pub(crate) struct Jobs {
    client: Client,
    /// How many kernels' objects may be compiled at once.
    turns: Client,
    launched_by: Option<Masquerade>,
}

/// One kernel's objects keep so many jobs busy. Fewer jobs are not shared: the compilers of two arches side by side
/// take 4 % longer than one after the other, since each wants the processors' caches for its own code.
const JOBS_OF_A_TURN: usize = 4;

/// While there is one, a kernel's objects may be compiled.
#[derive(Debug)]
pub(crate) struct Turn(#[expect(dead_code, reason = "given back when it is dropped")] Acquired);

/// How often a build that waits looks whether a job is free, and whether the user wants to stop.
const PAUSE: Duration = Duration::from_millis(100);

impl Jobs {
    /// # Errors
    /// If the pipe that makes share cannot be made.
    pub(crate) fn new(count: usize, launched_by: Option<Masquerade>) -> Result<Self> {
        let server = |count| Client::new(count).context("failed to make a jobserver");
        let (client, turns) = (server(count)?, server(count.div_ceil(JOBS_OF_A_TURN))?);
        Ok(Jobs { client, turns, launched_by })
    }

    /// Waits for the job that a make takes for its own, and gives it back when that is dropped.
    ///
    /// # Errors
    /// If the user interrupts.
    pub(super) fn take(&self, shell: &Shell) -> Result<Acquired> {
        wait_for(&self.client, shell)
    }

    /// Waits until another kernel's objects may be compiled.
    ///
    /// # Errors
    /// If the user interrupts.
    pub(crate) fn turn(&self, shell: &Shell) -> Result<Turn> {
        wait_for(&self.turns, shell).map(Turn)
    }

    /// A make that was killed gives back nothing: whoever waits for it is to see that all is over.
    pub(super) fn wake(&self) {
        // Without a pipe to write to, nobody waits on it.
        let _ = self.client.release_raw();
    }

    /// Has a make ask here for each job beyond its own, and compile through what launches compilers.
    ///
    /// # Errors
    /// If that cannot be put in its way.
    pub(super) fn share_with(
        &self,
        shell: &Shell,
        toolchain: &Toolchain,
        make: &mut Command,
    ) -> Result<()> {
        self.client.configure_make(make);
        if let Some(masquerade) = &self.launched_by {
            make.env("PATH", masquerade.path(shell, &toolchain.compilers())?);
        }
        Ok(())
    }
}

fn wait_for(server: &Client, shell: &Shell) -> Result<Acquired> {
    loop {
        shell.check_interrupt()?;
        if server.available().context("failed to ask the jobserver")? > 0 {
            return server.acquire().context("failed to take a job");
        }
        std::thread::sleep(PAUSE);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kernel_has_few_jobs_for_itself() {
        let turns = |jobs| Jobs::new(jobs, None).unwrap().turns.available().unwrap();
        assert_eq!([1, 2, 4, 5, 64].map(turns), [1, 1, 1, 2, 16]);
    }
}
