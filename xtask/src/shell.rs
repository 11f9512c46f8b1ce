//! The only place that starts a process. Each one gets a process group of its own, a deadline and,
//! if asked for, a log file; the whole group is killed when the deadline passes, when the user
//! presses Ctrl-C, and when its leader ends and leaves children behind. The one without a
//! deadline is the program that a person talks to, in `foreground`.

mod foreground;
mod interrupt;

use std::fmt;
use std::fs::File;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use camino::Utf8Path;
use rustix::process::{Pid, Signal, kill_process_group};
use rustix::pty::{OpenptFlags, grantpt, ioctl_tiocgptpeer, openpt, unlockpt};
use rustix::termios::{OptionalActions, tcgetattr, tcsetattr};

use self::interrupt::Stop;
use crate::progress::Progress;

pub(crate) use self::interrupt::whole;

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
    stop: Arc<Stop>,
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

/// What a process that is spoken to reads from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Input {
    Pipe,
    /// A terminal that changes nothing of what is said.
    Terminal,
}

/// What the reader of a running process's lines wants next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Next {
    Continue,
    /// Enough was seen: kill the process; its end is not a failure.
    Stop,
}

impl Shell {
    /// Takes over SIGINT, SIGTERM and SIGHUP for the life of the program; `end` ends it at once.
    pub(crate) fn new(show: Option<Progress>, end: fn()) -> Result<Self> {
        let stop = Stop::on_signal(end)?;
        let sh = xshell::Shell::new().context("failed to read the working folder")?;
        Ok(Shell { sh, stop, show })
    }

    /// The same for another thread.
    ///
    /// # Errors
    /// If the working folder is gone.
    pub(crate) fn for_thread(&self) -> Result<Self> {
        let sh = xshell::Shell::new().context("failed to read the working folder")?;
        Ok(Shell { sh, stop: Arc::clone(&self.stop), show: self.show })
    }

    /// A shell that no signal reaches: tests share one process, which has one handler.
    #[cfg(test)]
    pub(crate) fn for_tests() -> Self {
        let sh = xshell::Shell::new().expect("the working folder exists");
        Shell { sh, stop: Arc::default(), show: None }
    }

    /// Fails once the user has asked to stop. Long work that is not a process calls it now and then.
    pub(crate) fn check_interrupt(&self) -> Result<()> {
        if self.stop.is_asked() { Err(Interrupted.into()) } else { Ok(()) }
    }

    /// Runs to the end and captures both streams.
    ///
    /// # Errors
    /// If the program cannot be started, or the user interrupts. An exit status other than zero
    /// is no error here.
    pub(crate) fn run(&self, cmd: impl Into<Command>, deadline: Duration) -> Result<Finished> {
        let (mut stdout, mut stderr) = (Vec::new(), Vec::new());
        let group = self.spawn(cmd.into(), Stdio::null())?;
        let mut finished = self.pieces(group, deadline, None, |stream, piece| {
            let text = if stream == Stream::Stdout { &mut stdout } else { &mut stderr };
            text.extend_from_slice(piece);
            Next::Continue
        })?;
        finished.stdout = String::from_utf8_lossy(&stdout).into_owned();
        finished.stderr = String::from_utf8_lossy(&stderr).into_owned();
        Ok(finished)
    }

    /// Runs, handing over each line as it comes and copying it to `log`. A line longer than
    /// `PIECE` comes in pieces.
    pub(crate) fn stream(
        &self,
        cmd: impl Into<Command>,
        deadline: Duration,
        log: Option<&Utf8Path>,
        mut on_line: impl FnMut(Stream, &str) -> Next,
    ) -> Result<Finished> {
        let group = self.spawn(cmd.into(), Stdio::null())?;
        self.pieces(group, deadline, log, |stream, piece| on_line(stream, &line_of(piece)))
    }

    /// The same for a process that can be spoken to, from any thread.
    pub(crate) fn converse(
        &self,
        cmd: impl Into<Command>,
        input: Input,
        deadline: Duration,
        log: Option<&Utf8Path>,
        mut on_line: impl FnMut(&Speaker, Stream, &str) -> Next,
    ) -> Result<Finished> {
        let (stdin, ours) = match input {
            Input::Pipe => (Stdio::piped(), None),
            Input::Terminal => {
                let (ours, theirs) = terminal().context("failed to make a terminal")?;
                (Stdio::from(theirs), Some(ours))
            }
        };
        let mut group = self.spawn(cmd.into(), stdin)?;
        let ours = ours.or_else(|| group.child.stdin.take().map(OwnedFd::from));
        let ours = ours.context("a process has no standard input")?;
        let speaker = Speaker(Arc::new(Mutex::new(File::from(ours))));
        self.pieces(group, deadline, log, |stream, piece| {
            on_line(&speaker, stream, &line_of(piece))
        })
    }

    /// Starts a process that runs until what this gives is dropped; both its streams go to `log`.
    pub(crate) fn background(&self, cmd: impl Into<Command>, log: &Utf8Path) -> Result<Background> {
        self.check_interrupt()?;
        let open = || File::options().create(true).append(true).open(log);
        let log = || open().with_context(|| format!("failed to open log {log}"));
        let mut cmd: Command = cmd.into();
        self.shown(&cmd);
        cmd.stdin(Stdio::null()).stdout(log()?).stderr(log()?);
        Ok(Background(Group::start(cmd)?))
    }

    fn shown(&self, cmd: &Command) {
        if let Some(progress) = self.show {
            progress.say(format!("+ {cmd:?}"));
        }
    }

    fn spawn(&self, mut cmd: Command, stdin: Stdio) -> Result<Group> {
        self.check_interrupt()?;
        self.shown(&cmd);
        cmd.stdin(stdin).stdout(Stdio::piped()).stderr(Stdio::piped());
        Group::start(cmd)
    }

    fn pieces(
        &self,
        mut group: Group,
        deadline: Duration,
        log: Option<&Utf8Path>,
        mut on_piece: impl FnMut(Stream, &[u8]) -> Next,
    ) -> Result<Finished> {
        let mut log = log
            .map(|path| File::create(path).with_context(|| format!("failed to create log {path}")))
            .transpose()?;
        let start = Instant::now();
        let pieces = group.pieces();
        let mut timed_out = false;
        let mut kill = false;
        loop {
            match pieces.recv_timeout(Duration::from_millis(50)) {
                Ok((stream, piece)) => {
                    if let Some(log) = &mut log {
                        log.write_all(&piece).context("failed to write the log")?;
                    }
                    if on_piece(stream, &piece) == Next::Stop {
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

fn line_of(piece: &[u8]) -> String {
    String::from_utf8_lossy(piece).trim_end_matches(['\r', '\n']).to_owned()
}

/// Both ends of a new terminal (pty(7)): ours, and the one that a process takes for its own. It
/// becomes nobody's controlling terminal, and hands on each byte as it is.
fn terminal() -> rustix::io::Result<(OwnedFd, OwnedFd)> {
    let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC;
    let ours = openpt(flags)?;
    grantpt(&ours)?;
    unlockpt(&ours)?;
    let theirs = ioctl_tiocgptpeer(&ours, flags)?;
    let mut mode = tcgetattr(&theirs)?;
    mode.make_raw();
    tcsetattr(&theirs, OptionalActions::Now, &mode)?;
    Ok((ours, theirs))
}

/// Writes to a process's standard input.
#[derive(Debug, Clone)]
pub(crate) struct Speaker(Arc<Mutex<File>>);

impl Speaker {
    /// # Errors
    /// If the process has closed its standard input, or has ended.
    pub(crate) fn say(&self, line: &str) -> std::io::Result<()> {
        let mut stdin = self.0.lock().map_err(|_| std::io::Error::other("another thread died"))?;
        stdin.write_all(format!("{line}\n").as_bytes())?;
        stdin.flush()
    }
}

/// A process that runs beside others, and is killed with all its children when this is dropped.
#[derive(Debug)]
pub(crate) struct Background(Group);

impl Background {
    /// How it ended, if it did.
    pub(crate) fn ended(&mut self) -> Result<Option<ExitStatus>> {
        self.0.child.try_wait().context("failed to wait for a process")
    }
}

/// How long a group may take to end after SIGTERM, or to close its pipes after its leader ended.
const GRACE: Duration = Duration::from_secs(2);

/// A process group; dropped before its end, it is killed.
#[derive(Debug)]
struct Group {
    child: Child,
    leader_ended: Option<Instant>,
    finished: bool,
}

impl Group {
    fn start(mut cmd: Command) -> Result<Self> {
        cmd.process_group(0);
        let child = interrupt::start(|| {
            #[expect(clippy::disallowed_methods, reason = "the one place that starts a process")]
            cmd.spawn().with_context(|| {
                format!("failed to start `{}`", cmd.get_program().to_string_lossy())
            })
        })?;
        Ok(Group { child, leader_ended: None, finished: false })
    }

    /// Both streams, line by line; disconnects when every process of the group has closed them.
    fn pieces(&mut self) -> Receiver<(Stream, Vec<u8>)> {
        let (sender, receiver) = sync_channel(WAITING);
        if let Some(out) = self.child.stdout.take() {
            read_pieces(out, Stream::Stdout, sender.clone());
        }
        if let Some(err) = self.child.stderr.take() {
            read_pieces(err, Stream::Stderr, sender);
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

    /// Waits for the leader, killing the group first where it does not end by itself, and ends
    /// whatever the leader leaves behind.
    fn finish(&mut self, kill: bool) -> Result<ExitStatus> {
        if kill {
            self.kill();
        }
        let asked = Instant::now();
        // Its pipes are closed: it ends at once, and hundreds of small commands are waited for.
        let mut pause = Duration::from_micros(50);
        let status = loop {
            if let Some(status) = self.child.try_wait().context("failed to wait for a process")? {
                break status;
            }
            if asked.elapsed() > GRACE {
                self.kill();
            }
            std::thread::sleep(pause);
            pause = (pause * 2).min(Duration::from_millis(5));
        };
        self.signal(Signal::KILL);
        self.finished = true;
        interrupt::ended(&self.child);
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
            interrupt::ended(&self.child);
        }
    }
}

/// The most that is read of one line at a time: a guest may print without end and without a newline.
const PIECE: u64 = 64 << 10;

/// How many pieces may wait for their reader before the process that prints them has to.
const WAITING: usize = 256;

fn read_pieces(
    pipe: impl Read + Send + 'static,
    stream: Stream,
    sender: SyncSender<(Stream, Vec<u8>)>,
) {
    std::thread::spawn(move || {
        let mut pipe = BufReader::new(pipe);
        loop {
            let mut piece = Vec::new();
            let read = (&mut pipe).take(PIECE).read_until(b'\n', &mut piece);
            if !matches!(read, Ok(1..)) || sender.send((stream, piece)).is_err() {
                return;
            }
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use xshell::cmd;

    const LONG: Duration = Duration::from_secs(60);

    /// A process that was killed and that nobody has waited for is not alive.
    fn is_alive(pid: &str) -> bool {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        stat.rsplit(')').next().is_some_and(|rest| !rest.is_empty() && !rest.starts_with(" Z"))
    }

    fn dies(pid: &str) -> bool {
        let start = Instant::now();
        while is_alive(pid) && start.elapsed() < Duration::from_secs(5) {
            std::thread::sleep(Duration::from_millis(5));
        }
        !is_alive(pid)
    }

    #[test]
    fn a_deadline_ends_the_whole_group() {
        let shell = Shell::for_tests();
        let script = "sleep 300 & echo $!; wait";
        let done = shell.run(cmd!(shell.sh, "sh -c {script}"), Duration::from_millis(300)).unwrap();
        assert!(done.timed_out && !done.success(), "{done:?}");
        assert_eq!(done.how(), "killed after 0 s");
        assert!(dies(done.stdout.trim()), "{done:?}");
    }

    #[test]
    fn what_a_leader_leaves_behind_is_killed() {
        let shell = Shell::for_tests();
        // The first holds the pipes, the second does not.
        for script in ["sleep 300 & echo $!", "sleep 300 >/dev/null 2>&1 & echo $!"] {
            let done = shell.run(cmd!(shell.sh, "sh -c {script}"), LONG).unwrap();
            assert!(done.success() && done.elapsed < LONG, "{done:?}");
            assert!(dies(done.stdout.trim()), "{script}: {done:?}");
        }
    }

    #[test]
    fn a_reader_that_has_seen_enough_ends_it() {
        let shell = Shell::for_tests();
        let mut seen = 0;
        let done = shell.stream(cmd!(shell.sh, "yes"), LONG, None, |stream, line| {
            assert_eq!((stream, line), (Stream::Stdout, "y"));
            seen += 1;
            if seen == 3 { Next::Stop } else { Next::Continue }
        });
        let done = done.unwrap();
        assert_eq!(seen, 3);
        assert!(!done.timed_out && done.how() == "killed by signal 15", "{done:?}");
    }

    #[test]
    fn what_is_said_comes_as_it_was_to_a_pipe_and_to_a_terminal() {
        let shell = Shell::for_tests();
        let script = "test -t 0 && echo tty || echo pipe; read line; echo \"<$line>\"";
        for (input, kind) in [(Input::Pipe, "pipe"), (Input::Terminal, "tty")] {
            let mut heard = vec![];
            let answer = cmd!(shell.sh, "sh -c {script}");
            let done = shell.converse(answer, input, LONG, None, |speaker, _, line| {
                if heard.is_empty() {
                    speaker.say("a\tb").unwrap();
                }
                heard.push(line.to_owned());
                Next::Continue
            });
            assert!(done.unwrap().success());
            assert_eq!(heard, [kind, "<a\tb>"]);
        }
    }

    #[test]
    fn a_line_without_end_comes_in_pieces() {
        let shell = Shell::for_tests();
        let script = "head -c 200000 /dev/zero | tr '\\0' x";
        let mut lengths = vec![];
        let print = || cmd!(shell.sh, "sh -c {script}");
        let done = shell.stream(print(), LONG, None, |_, line| {
            lengths.push(line.len());
            Next::Continue
        });
        done.unwrap();
        assert_eq!(lengths, [65536, 65536, 65536, 3392]);
        // Captured, it is what it was.
        assert_eq!(shell.run(print(), LONG).unwrap().stdout, "x".repeat(200_000));
    }
}
