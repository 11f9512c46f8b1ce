//! The only place that starts a process. Each one gets a process group of its own, a deadline and,
//! if asked for, a log file; the whole group is killed when the deadline passes, when the user
//! presses Ctrl-C, and when its leader ends and leaves children behind.

use std::fmt;
use std::fs::File;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use camino::Utf8Path;
use rustix::process::{Pid, Signal, kill_process_group};

use crate::progress::Progress;

/// The user asked to stop (SIGINT, SIGTERM or SIGHUP).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Interrupted;

impl fmt::Display for Interrupted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("interrupted")
    }
}

impl std::error::Error for Interrupted {}

/// Builds commands (with `xshell::cmd!` on `shell.sh`) and runs them.
pub(crate) struct Shell {
    pub sh: xshell::Shell,
    stop: Arc<AtomicBool>,
    /// Where each command is shown before it runs.
    show: Option<Progress>,
}

/// How a process ended, with what it printed when it was captured.
#[derive(Debug)]
pub(crate) struct Finished {
    pub status: ExitStatus,
    pub stdout: String,
    pub stderr: String,
    pub elapsed: Duration,
    /// The deadline passed, and the process was killed.
    pub timed_out: bool,
}

impl Finished {
    pub(crate) fn success(&self) -> bool {
        self.status.success() && !self.timed_out
    }

    /// The end of what it printed on stderr, or on stdout where that is empty.
    pub(crate) fn last_lines(&self, count: usize) -> String {
        let text = if self.stderr.trim().is_empty() { &self.stdout } else { &self.stderr };
        let lines: Vec<&str> = text.trim_end().lines().collect();
        lines[lines.len().saturating_sub(count)..].join("\n")
    }

    /// "exit status 2", "killed by signal 9" or "killed after 120 s".
    pub(crate) fn how(&self) -> String {
        match (self.timed_out, self.status.code(), self.status.signal()) {
            (true, ..) => format!("killed after {} s", self.elapsed.as_secs()),
            (_, Some(code), _) => format!("exit status {code}"),
            (_, _, Some(signal)) => format!("killed by signal {signal}"),
            _ => "unknown end".to_owned(),
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stream {
    Stdout,
    Stderr,
}

/// What the reader of a running process's lines wants next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Next {
    Continue,
    /// Enough was seen: kill the process; its end is not a failure.
    Stop,
}

impl Shell {
    /// Takes over SIGINT, SIGTERM and SIGHUP for the life of the program.
    pub(crate) fn new(show: Option<Progress>) -> Result<Self> {
        let stop = Arc::new(AtomicBool::new(false));
        let flag = Arc::clone(&stop);
        ctrlc::set_handler(move || flag.store(true, Ordering::SeqCst))
            .context("failed to take over the interrupt signal")?;
        let sh = xshell::Shell::new().context("failed to read the working folder")?;
        Ok(Shell { sh, stop, show })
    }

    /// A shell that no signal reaches: tests share one process, which has one handler.
    #[cfg(test)]
    pub(crate) fn for_tests() -> Self {
        let sh = xshell::Shell::new().expect("the working folder exists");
        Shell { sh, stop: Arc::default(), show: None }
    }

    /// Fails once the user has asked to stop. Long work that is not a process calls it now and then.
    pub(crate) fn check_interrupt(&self) -> Result<()> {
        if self.stop.load(Ordering::SeqCst) { Err(Interrupted.into()) } else { Ok(()) }
    }

    /// Runs to the end and captures both streams.
    ///
    /// # Errors
    /// If the program cannot be started, or the user interrupts. An exit status other than zero
    /// is no error here.
    pub(crate) fn run(&self, cmd: impl Into<Command>, deadline: Duration) -> Result<Finished> {
        self.capture(cmd, deadline, None)
    }

    /// Runs to the end, captures both streams and copies them to `log`.
    pub(crate) fn run_logged(
        &self,
        cmd: impl Into<Command>,
        deadline: Duration,
        log: &Utf8Path,
    ) -> Result<Finished> {
        self.capture(cmd, deadline, Some(log))
    }

    fn capture(
        &self,
        cmd: impl Into<Command>,
        deadline: Duration,
        log: Option<&Utf8Path>,
    ) -> Result<Finished> {
        let (mut stdout, mut stderr) = (String::new(), String::new());
        let mut finished = self.stream(cmd, deadline, log, |stream, line| {
            let text = if stream == Stream::Stdout { &mut stdout } else { &mut stderr };
            text.push_str(line);
            text.push('\n');
            Next::Continue
        })?;
        (finished.stdout, finished.stderr) = (stdout, stderr);
        Ok(finished)
    }

    /// Runs, handing over each line as it comes and copying it to `log`.
    pub(crate) fn stream(
        &self,
        cmd: impl Into<Command>,
        deadline: Duration,
        log: Option<&Utf8Path>,
        mut on_line: impl FnMut(Stream, &str) -> Next,
    ) -> Result<Finished> {
        self.check_interrupt()?;
        let mut log = log
            .map(|path| File::create(path).with_context(|| format!("failed to create log {path}")))
            .transpose()?;
        let cmd: Command = cmd.into();
        if let Some(progress) = self.show {
            progress.say(format!("+ {cmd:?}"));
        }
        let start = Instant::now();
        let mut group = Group::spawn(cmd)?;
        let lines = group.lines();
        let mut timed_out = false;
        let mut kill = false;
        loop {
            match lines.recv_timeout(Duration::from_millis(50)) {
                Ok((stream, line)) => {
                    if let Some(log) = &mut log {
                        writeln!(log, "{line}").context("failed to write the log")?;
                    }
                    if on_line(stream, &line) == Next::Stop {
                        kill = true;
                        break;
                    }
                }
                Err(RecvTimeoutError::Disconnected) => break,
                Err(RecvTimeoutError::Timeout) if group.leader_ended_before(GRACE)? => break,
                Err(RecvTimeoutError::Timeout) => {}
            }
            self.check_interrupt()?;
            if start.elapsed() > deadline {
                (timed_out, kill) = (true, true);
                break;
            }
        }
        let status = group.finish(kill)?;
        let elapsed = start.elapsed();
        Ok(Finished { status, stdout: String::new(), stderr: String::new(), elapsed, timed_out })
    }
}

/// How long a group may take to end after SIGTERM, or to close its pipes after its leader ended.
const GRACE: Duration = Duration::from_secs(2);

/// A process group; dropped before its end, it is killed.
struct Group {
    child: Child,
    leader_ended: Option<Instant>,
    finished: bool,
}

impl Group {
    fn spawn(mut cmd: Command) -> Result<Self> {
        cmd.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).process_group(0);
        #[expect(clippy::disallowed_methods, reason = "the one place that starts a process")]
        let child = cmd.spawn().with_context(|| {
            format!("failed to start `{}`", cmd.get_program().to_string_lossy())
        })?;
        Ok(Group { child, leader_ended: None, finished: false })
    }

    /// Both streams, line by line; disconnects when every process of the group has closed them.
    fn lines(&mut self) -> Receiver<(Stream, String)> {
        let (sender, receiver) = channel();
        if let Some(out) = self.child.stdout.take() {
            read_lines(out, Stream::Stdout, sender.clone());
        }
        if let Some(err) = self.child.stderr.take() {
            read_lines(err, Stream::Stderr, sender);
        }
        receiver
    }

    fn leader_ended_before(&mut self, grace: Duration) -> Result<bool> {
        if self.leader_ended.is_none() && self.child.try_wait().context("failed to wait")?.is_some()
        {
            self.leader_ended = Some(Instant::now());
        }
        Ok(self.leader_ended.is_some_and(|at| at.elapsed() > grace))
    }

    /// Waits for the leader, killing the group first where it does not end by itself.
    fn finish(&mut self, kill: bool) -> Result<ExitStatus> {
        if kill {
            self.kill();
        }
        let asked = Instant::now();
        let status = loop {
            if let Some(status) = self.child.try_wait().context("failed to wait for a process")? {
                break status;
            }
            if asked.elapsed() > GRACE {
                self.kill();
            }
            std::thread::sleep(Duration::from_millis(5));
        };
        self.finished = true;
        Ok(status)
    }

    fn signal(&self, signal: Signal) {
        // The group may be gone already: that is what the signal is for.
        if let Some(pid) = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw) {
            let _ = kill_process_group(pid, signal);
        }
    }

    fn kill(&mut self) {
        self.signal(Signal::TERM);
        let asked = Instant::now();
        while asked.elapsed() < GRACE && matches!(self.child.try_wait(), Ok(None)) {
            std::thread::sleep(Duration::from_millis(5));
        }
        self.signal(Signal::KILL);
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        if !self.finished {
            self.kill();
            let _ = self.child.wait();
        }
    }
}

fn read_lines(pipe: impl Read + Send + 'static, stream: Stream, sender: Sender<(Stream, String)>) {
    std::thread::spawn(move || {
        let mut pipe = BufReader::new(pipe);
        let mut bytes = Vec::new();
        while matches!(pipe.read_until(b'\n', &mut bytes), Ok(read) if read > 0) {
            let line = String::from_utf8_lossy(&bytes);
            if sender.send((stream, line.trim_end_matches(['\r', '\n']).to_owned())).is_err() {
                return;
            }
            bytes.clear();
        }
    });
}
