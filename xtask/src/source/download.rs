//! Downloads a file over HTTP and goes on where an earlier try has stopped.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, bail};
use camino::Utf8Path;
use ureq::http::StatusCode;
use ureq::http::header::{CONTENT_RANGE, RANGE};

use crate::diag::Hint;
use crate::progress::Progress;
use crate::shell::Shell;

/// How often a cut connection is taken up again before it is the user's turn.
const TRIES: u32 = 4;
/// How long a server may say nothing.
const SILENCE: Duration = Duration::from_secs(60);

/// Brings `url` to `path`, which may hold its beginning. Nobody has checked the content then.
///
/// # Errors
/// If the server refuses, or the connection breaks again and again; `path` keeps what has come.
pub(super) fn download(
    shell: &Shell,
    progress: Progress,
    url: &str,
    path: &Utf8Path,
) -> Result<()> {
    let mut tries_left = TRIES;
    loop {
        let before = length(path);
        let broken = match one_try(shell, progress, url, path)? {
            Ok(()) => return Ok(()),
            Err(broken) => broken,
        };
        // A try that brought something has not failed in vain.
        tries_left = if length(path) > before { TRIES } else { tries_left - 1 };
        if tries_left == 0 {
            return Err(anyhow!(broken).context(format!("failed to download {url}")))
                .hint(|| format!("run again to go on: {path} keeps {} bytes", length(path)));
        }
        progress.say(format!("download of {url} broke off ({broken}), going on"));
        wait(shell, Duration::from_millis(500) * (TRIES - tries_left))?;
    }
}

/// What may go better at the next try.
type Broken = io::Error;

fn one_try(
    shell: &Shell,
    progress: Progress,
    url: &str,
    path: &Utf8Path,
) -> Result<Result<(), Broken>> {
    let have = length(path);
    let name = url.rsplit('/').next().unwrap_or(url);
    let incoming = start(url.to_owned(), have);
    let head = match next(shell, &incoming)? {
        Ok(Some(Message::Head(head))) => head,
        Ok(_) => return Ok(Err(Broken::from(io::ErrorKind::UnexpectedEof))),
        Err(broken) => return Ok(Err(broken)),
    };
    let (mut file, total) =
        match plan(&head, have).with_context(|| format!("failed to download {url}"))? {
            Plan::Complete => return Ok(Ok(())),
            Plan::Again => {
                let what = format!("the server answered {}", head.status);
                return Ok(Err(Broken::other(what)));
            }
            Plan::Append { total } => (OpenOptions::new().append(true).open(path), total),
            Plan::Anew { total } => (File::create(path), total),
        };
    let create = || format!("failed to write {path}");
    let file = file.as_mut().map_err(|error| anyhow!("{error}")).with_context(create)?;
    let bar = progress.bytes(format!("downloading {name}"), total.unwrap_or(0));
    bar.set_position(length(path));
    let ended = loop {
        match next(shell, &incoming)? {
            Ok(Some(Message::Bytes(bytes))) => {
                file.write_all(&bytes).with_context(create)?;
                bar.inc(bytes.len() as u64);
            }
            Ok(_) => break Ok(()),
            Err(broken) => break Err(broken),
        }
    };
    bar.finish_and_clear();
    let got = length(path);
    Ok(ended.and(match total {
        Some(total) if got < total => {
            Err(Broken::other(format!("the connection ended after {got} of {total} bytes")))
        }
        _ => Ok(()),
    }))
}

/// What an answer's head says.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Head {
    status: StatusCode,
    /// Bytes in the body.
    length: Option<u64>,
    content_range: Option<String>,
}

#[derive(Debug, PartialEq, Eq)]
enum Plan {
    Append {
        total: Option<u64>,
    },
    Anew {
        total: Option<u64>,
    },
    Complete,
    /// The server has too much to do, or trouble of its own.
    Again,
}

/// Fits an answer to what is there already. A server may ignore the range and send all.
fn plan(head: &Head, have: u64) -> Result<Plan> {
    let range = head.content_range.as_deref().and_then(parse_range);
    match head.status {
        StatusCode::OK => Ok(Plan::Anew { total: head.length }),
        StatusCode::PARTIAL_CONTENT => match range {
            Some((Some(start), total)) if start == have => Ok(Plan::Append { total }),
            _ => bail!("the server sent range {:?}, asked from {have}", head.content_range),
        },
        // Nothing follows: the file is whole, or another one; its hash will tell.
        StatusCode::RANGE_NOT_SATISFIABLE if have > 0 => Ok(Plan::Complete),
        status if status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS => {
            Ok(Plan::Again)
        }
        status => Err(anyhow!("the server answered {status}"))
            .hint(|| "look at that URL with a browser, and at the pin in sources.toml"),
    }
}

/// `bytes 100-199/200` or `bytes */200`: first byte and length of the whole (RFC 9110, 14.4).
fn parse_range(text: &str) -> Option<(Option<u64>, Option<u64>)> {
    let (range, total) = text.strip_prefix("bytes ")?.split_once('/')?;
    let start = range.split_once('-').and_then(|(start, _)| start.parse().ok());
    Some((start, total.parse().ok()))
}

enum Message {
    Head(Head),
    Bytes(Vec<u8>),
}

type Incoming = Receiver<io::Result<Message>>;

/// Reads in a thread of its own: a silent server would keep this one from seeing an interrupt.
fn start(url: String, have: u64) -> Incoming {
    let (sender, receiver) = sync_channel(8);
    std::thread::spawn(move || {
        if let Err(error) = transfer(&url, have, &sender) {
            // The receiver may be gone: then nobody wants to know.
            let _ = sender.send(Err(error));
        }
    });
    receiver
}

fn transfer(url: &str, have: u64, sender: &SyncSender<io::Result<Message>>) -> io::Result<()> {
    let mut request = ureq::get(url);
    if have > 0 {
        request = request.header(RANGE, format!("bytes={have}-"));
    }
    let request = request
        .config()
        .http_status_as_error(false)
        .timeout_connect(Some(SILENCE))
        .timeout_recv_response(Some(SILENCE))
        .build();
    let response = request.call().map_err(ureq::Error::into_io)?;
    let header = response.headers().get(CONTENT_RANGE);
    let head = Head {
        status: response.status(),
        length: response.body().content_length(),
        content_range: header.and_then(|value| value.to_str().ok()).map(str::to_owned),
    };
    if sender.send(Ok(Message::Head(head))).is_err() {
        return Ok(());
    }
    let mut body = response.into_body().into_reader();
    loop {
        let mut bytes = vec![0; 1 << 17];
        let read = body.read(&mut bytes)?;
        bytes.truncate(read);
        if read == 0 || sender.send(Ok(Message::Bytes(bytes))).is_err() {
            return Ok(());
        }
    }
}

/// The next message; `None` at the end. Outer errors end the download, inner ones only this try.
fn next(shell: &Shell, incoming: &Incoming) -> Result<Result<Option<Message>, Broken>> {
    let since = Instant::now();
    loop {
        shell.check_interrupt()?;
        match incoming.recv_timeout(Duration::from_millis(50)) {
            Ok(message) => return Ok(message.map(Some)),
            Err(RecvTimeoutError::Disconnected) => return Ok(Ok(None)),
            Err(RecvTimeoutError::Timeout) if since.elapsed() > SILENCE => {
                let what = format!("the server was silent for {} s", SILENCE.as_secs());
                return Ok(Err(Broken::new(io::ErrorKind::TimedOut, what)));
            }
            Err(RecvTimeoutError::Timeout) => {}
        }
    }
}

fn wait(shell: &Shell, time: Duration) -> Result<()> {
    let since = Instant::now();
    while since.elapsed() < time {
        shell.check_interrupt()?;
        std::thread::sleep(Duration::from_millis(20));
    }
    Ok(())
}

fn length(path: &Utf8Path) -> u64 {
    path.metadata().map_or(0, |meta| meta.len())
}
