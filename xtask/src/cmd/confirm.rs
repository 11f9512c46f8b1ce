//! A question to whoever sits at the terminal.

use std::io::IsTerminal;
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::Duration;

use anyhow::{Context as _, Result};

use crate::cmd::Context;

/// Whether there is somebody to ask.
pub(super) fn on_terminal() -> bool {
    std::io::stdin().is_terminal() && std::io::stderr().is_terminal()
}

/// # Errors
/// If the answer cannot be read, or the user interrupts.
pub(super) fn confirm(ctx: &Context, question: &str) -> Result<bool> {
    anstream::eprint!("{question} [y/N] ");
    Ok(matches!(read_answer(ctx)?.trim(), "y" | "Y" | "yes"))
}

/// A line from the terminal, read aside so that Ctrl-C counts as an answer too.
fn read_answer(ctx: &Context) -> Result<String> {
    let (sender, receiver) = channel();
    std::thread::spawn(move || {
        let mut answer = String::new();
        let read = std::io::stdin().read_line(&mut answer);
        // Nobody listens any more after a Ctrl-C.
        let _ = sender.send(read.map(|_| answer));
    });
    loop {
        match receiver.recv_timeout(Duration::from_millis(50)) {
            Ok(answer) => return answer.context("failed to read the answer"),
            Err(RecvTimeoutError::Timeout) => ctx.shell.check_interrupt()?,
            Err(RecvTimeoutError::Disconnected) => return Ok(String::new()),
        }
    }
}
