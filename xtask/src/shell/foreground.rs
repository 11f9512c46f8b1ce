//! A program that a person talks to: it has the terminal, for as long as it likes. As a shell does for
//! a job, its group is made the terminal's foreground group: Ctrl-C and Ctrl-Z are its own.

use std::process::{Command, ExitStatus};
use std::time::Duration;

use anyhow::{Context, Result};
use nix::sys::signal::{SigSet, Signal as Blocked};
use rustix::process::{
    Pid, Signal, WaitId, WaitIdOptions, getpgrp, kill_current_process_group, waitid,
};
use rustix::termios::{OptionalActions, Termios, tcgetattr, tcgetpgrp, tcsetattr, tcsetpgrp};

use super::{Group, Interrupted, Shell};

impl Shell {
    /// Runs on the user's terminal to the end. A program that ends by Ctrl-C says so in its status.
    ///
    /// # Errors
    /// If the program cannot be started, or this program is told to end.
    pub(crate) fn foreground(&self, cmd: impl Into<Command>) -> Result<ExitStatus> {
        self.check_interrupt()?;
        let cmd: Command = cmd.into();
        self.shown(&cmd);
        let terminal = Terminal::ours();
        let mut group = Group::start(cmd)?;
        let pid = i32::try_from(group.child.id()).ok().and_then(Pid::from_raw);
        let pid = pid.context("a process has no id")?;
        terminal.hand_to(pid);
        while group.child.try_wait().context("failed to wait for a process")?.is_none() {
            if is_stopped(pid) {
                terminal.take_back();
                // Until the user's shell brings this job back.
                let _ = kill_current_process_group(Signal::TSTP);
                terminal.hand_to(pid);
                group.signal(Signal::CONT);
            }
            if self.check_interrupt().is_err() {
                break;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        let told_to_end = self.check_interrupt().is_err();
        let status = group.finish(told_to_end);
        terminal.take_back();
        if told_to_end { Err(Interrupted.into()) } else { status }
    }
}

/// The user's terminal and its mode, where this program is the one that it talks to.
struct Terminal(Option<Termios>);

impl Terminal {
    fn ours() -> Self {
        let stdin = std::io::stdin();
        let is_ours = tcgetpgrp(&stdin).is_ok_and(|group| group == getpgrp());
        Terminal(tcgetattr(&stdin).ok().filter(|_| is_ours))
    }

    fn hand_to(&self, group: Pid) {
        if self.0.is_some() {
            without_being_stopped(|| tcsetpgrp(std::io::stdin(), group));
        }
    }

    fn take_back(&self) {
        if let Some(mode) = &self.0 {
            without_being_stopped(|| tcsetpgrp(std::io::stdin(), getpgrp()));
            without_being_stopped(|| tcsetattr(std::io::stdin(), OptionalActions::Drain, mode));
        }
    }
}

/// Whoever is not in the foreground is stopped by SIGTTOU where he changes a terminal, unless he blocks
/// it (tcsetpgrp(3)). What fails here fails on a terminal that is gone.
fn without_being_stopped(change: impl FnOnce() -> rustix::io::Result<()>) {
    let signal = SigSet::from(Blocked::SIGTTOU);
    let _ = signal.thread_block();
    let _ = change();
    let _ = signal.thread_unblock();
}

/// Asks for stops only: the end is for the group to see.
fn is_stopped(pid: Pid) -> bool {
    let options = WaitIdOptions::STOPPED | WaitIdOptions::NOHANG;
    matches!(waitid(WaitId::Pid(pid), options), Ok(Some(status)) if status.stopped())
}
