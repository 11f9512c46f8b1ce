//! An HTTP server for a few files, with the faults that real ones have.

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
    /// The same name in another folder.
    Moved,
}

pub(super) struct Server {
    pub(super) url: String,
    asked: Arc<Mutex<Vec<Request>>>,
}

#[derive(Debug, Clone)]
struct Request {
    path: String,
    /// First byte asked for; `None` for all.
    start: Option<usize>,
}

impl Server {
    /// Serves one file until the test process ends; `url` is that file's.
    pub(super) fn start(name: &str, content: Vec<u8>, answers: Vec<Answer>) -> Self {
        let server = Self::of_files(vec![(name.to_owned(), content)], answers);
        Server { url: format!("{}/{name}", server.url), ..server }
    }

    /// Serves files by their names, in whatever folder.
    pub(super) fn of_files(files: Vec<(String, Vec<u8>)>, mut answers: Vec<Answer>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let asked = Arc::new(Mutex::new(Vec::new()));
        let log = Arc::clone(&asked);
        answers.reverse();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let request = read_request(&stream);
                log.lock().unwrap().push(request.clone());
                let name = request.path.rsplit('/').next().unwrap();
                let file = files.iter().find(|(known, _)| known == name);
                let answer = answers.pop().unwrap_or(Answer::Well);
                // A client that has heard enough may hang up.
                let _ = match file {
                    Some((_, content)) => respond(stream, content, &request, answer),
                    None => respond(stream, b"", &request, Answer::Status(404)),
                };
            }
        });
        Server { url, asked }
    }

    /// First byte asked for by each request, `None` if it asked for all.
    pub(super) fn asked(&self) -> Vec<Option<usize>> {
        self.asked.lock().unwrap().iter().map(|request| request.start).collect()
    }

    pub(super) fn paths(&self) -> Vec<String> {
        self.asked.lock().unwrap().iter().map(|request| request.path.clone()).collect()
    }
}

fn read_request(stream: &TcpStream) -> Request {
    let mut lines = BufReader::new(stream).lines().map(Result::unwrap_or_default);
    let path = lines.next().unwrap_or_default().split(' ').nth(1).unwrap_or_default().to_owned();
    let mut start = None;
    for line in lines.take_while(|line| !line.is_empty()) {
        if let Some(range) = line.to_ascii_lowercase().strip_prefix("range: bytes=") {
            start = range.trim_end_matches('-').parse().ok();
        }
    }
    Request { path, start }
}

fn respond(
    mut stream: TcpStream,
    content: &[u8],
    request: &Request,
    answer: Answer,
) -> std::io::Result<()> {
    let total = content.len();
    let (status, header, body) = match (answer, request.start) {
        (Answer::Moved, _) => (302, format!("Location: /moved{}\r\n", request.path), &b"there"[..]),
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
        "HTTP/1.1 {status} X\r\nContent-Length: {length}\r\n{header}Connection: close\r\n\r\n"
    )?;
    stream.write_all(sent)
}
