//! An HTTP server for one file, with the faults that real ones have.

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

/// How the next request is answered; after the last, as `Well`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Answer {
    /// With the range that is asked for, if one is.
    Well,
    /// Promises all and closes after so many bytes of the body.
    Cut(usize),
    /// Sends all, whatever was asked for.
    NoRange,
    /// Another range than the one that was asked for.
    WrongRange,
    Status(u16),
}

pub(super) struct Server {
    pub(super) url: String,
    /// First byte asked for by each request, `None` if it asked for all.
    asked: Arc<Mutex<Vec<Option<usize>>>>,
}

impl Server {
    /// Serves until the test process ends.
    pub(super) fn start(name: &str, content: Vec<u8>, mut answers: Vec<Answer>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/{name}", listener.local_addr().unwrap());
        let asked = Arc::new(Mutex::new(Vec::new()));
        let log = Arc::clone(&asked);
        answers.reverse();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let start = read_request(&stream);
                log.lock().unwrap().push(start);
                // A client that has heard enough may hang up.
                let _ = respond(stream, &content, start, answers.pop().unwrap_or(Answer::Well));
            }
        });
        Server { url, asked }
    }

    pub(super) fn asked(&self) -> Vec<Option<usize>> {
        self.asked.lock().unwrap().clone()
    }
}

fn read_request(stream: &TcpStream) -> Option<usize> {
    let mut start = None;
    for line in BufReader::new(stream).lines() {
        let line = line.unwrap_or_default().to_ascii_lowercase();
        if line.is_empty() {
            break;
        }
        if let Some(range) = line.strip_prefix("range: bytes=") {
            start = range.trim_end_matches('-').parse().ok();
        }
    }
    start
}

fn respond(
    mut stream: TcpStream,
    content: &[u8],
    start: Option<usize>,
    answer: Answer,
) -> std::io::Result<()> {
    let total = content.len();
    let (status, range, body) = match (answer, start) {
        (Answer::Status(status), _) => (status, String::new(), &b"sorry"[..]),
        (Answer::NoRange, _) | (_, None) => (200, String::new(), content),
        (_, Some(start)) if start >= total => {
            (416, format!("Content-Range: bytes */{total}\r\n"), &b""[..])
        }
        (answer, Some(start)) => {
            let said = if answer == Answer::WrongRange { start + 1 } else { start };
            let range = format!("Content-Range: bytes {said}-{}/{total}\r\n", total - 1);
            (206, range, &content[start..])
        }
    };
    let length = body.len();
    let sent = match answer {
        Answer::Cut(after) => &body[..after.min(length)],
        _ => body,
    };
    write!(
        stream,
        "HTTP/1.1 {status} X\r\nContent-Length: {length}\r\n{range}Connection: close\r\n\r\n"
    )?;
    stream.write_all(sent)
}
