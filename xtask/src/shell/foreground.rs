//! A program that a person talks to: it has the terminal, for as long as it likes. It stays in this
//! program's own process group, so that Ctrl-Z and Ctrl-C are the shell's and the user's, as ever.

use std::process::{Child, Command, ExitStatus};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use rustix::process::{Pid, Signal, kill_process};
use rustix::termios::{OptionalActions, Termios, tcgetattr, tcsetattr};

use super::{GRACE, Interrupted, Shell};

/// How long a program that hears of Ctrl-C itself may take to end by itself.
const MOMENT: Duration = Duration::from_millis(300);

/// What leaves a full-screen program's screen (xterm's control sequences, as terminfo's `rmcup`,
/// `cnorm`, `sgr0` and `rmkx` have them): one that was killed cannot.
const LEAVE_SCREEN: &str = "\x1b[?1049l\x1b[?25h\x1b[0m\x1b[?1l\x1b>";

impl Shell {
    /// Runs on the user's terminal to the end.
    ///
    /// # Errors
    /// If the program cannot be started, or the user interrupts: whatever it left is not meant then.
    pub(crate) fn foreground(&self, cmd: impl Into<Command>) -> Result<ExitStatus> {
        self.check_interrupt()?;
        let mut cmd: Command = cmd.into();
        self.shown(&cmd);
        let mode = tcgetattr(std::io::stdin()).ok();
        #[expect(clippy::disallowed_methods, reason = "beside Group::start, which is for the rest")]
        let mut child = cmd.spawn().with_context(|| {
            format!("failed to start `{}`", cmd.get_program().to_string_lossy())
        })?;
        let status = loop {
            if let Some(status) = child.try_wait().context("failed to wait for a process")? {
                break status;
            }
            if self.check_interrupt().is_err() {
                end(&mut child, mode.as_ref());
                return Err(Interrupted.into());
            }
            std::thread::sleep(Duration::from_millis(20));
        };
        restore(mode.as_ref());
        self.check_interrupt()?;
        Ok(status)
    }
}

/// `make` hands SIGTERM on to what it started, and waits for that.
fn end(child: &mut Child, mode: Option<&Termios>) {
    let pid = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
    let ends_within = |child: &mut Child, time: Duration| {
        let asked = Instant::now();
        while asked.elapsed() < time && matches!(child.try_wait(), Ok(None)) {
            std::thread::sleep(Duration::from_millis(5));
        }
        !matches!(child.try_wait(), Ok(None))
    };
    if !ends_within(child, MOMENT) {
        let _ = pid.map(|pid| kill_process(pid, Signal::TERM));
        if !ends_within(child, GRACE) {
            let _ = child.kill();
            let _ = child.wait();
        }
        if mode.is_some() {
            // Without a terminal there is nothing to leave.
            let _ = std::fs::write("/dev/tty", LEAVE_SCREEN);
        }
    }
    restore(mode);
}

fn restore(mode: Option<&Termios>) {
    if let Some(mode) = mode {
        // The terminal may be gone, and then nobody sees what it shows.
        let _ = tcsetattr(std::io::stdin(), OptionalActions::Drain, mode);
    }
}
