//! What is said to a running QEMU, in its machine protocol: one JSON object a line (QEMU's
//! docs/interop/qmp-spec.txt).

use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use camino::Utf8Path;
use serde_json::{Value, json};

/// An answer takes milliseconds; QEMU listens from before the guest's first instruction.
const PATIENCE: Duration = Duration::from_secs(10);

#[derive(Debug)]
pub(super) struct Qmp {
    writer: UnixStream,
    reader: BufReader<UnixStream>,
    shutdown: Option<String>,
}

impl Qmp {
    /// # Errors
    /// If nobody answers on the socket, or not in this protocol.
    pub(super) fn connect(socket: &Utf8Path) -> Result<Self> {
        let failed = || format!("failed to speak to QEMU on {socket}");
        let writer = connect(socket, PATIENCE).with_context(failed)?;
        writer.set_read_timeout(Some(PATIENCE)).with_context(failed)?;
        let reader = BufReader::new(writer.try_clone().with_context(failed)?);
        let mut qmp = Qmp { writer, reader, shutdown: None };
        qmp.message()?.context("QEMU closed its control socket")?;
        qmp.execute("qmp_capabilities", &json!({}))?;
        Ok(qmp)
    }

    /// # Errors
    /// If QEMU refuses, with what it says.
    pub(super) fn execute(&mut self, command: &str, arguments: &Value) -> Result<Value> {
        let line = json!({ "execute": command, "arguments": arguments });
        writeln!(self.writer, "{line}").with_context(|| format!("failed to send {line}"))?;
        while let Some(mut message) = self.message()? {
            if let Some(error) = message.get("error") {
                bail!("{command}: {}", error["desc"].as_str().unwrap_or("refused"));
            }
            if let Some(result) = message.get_mut("return") {
                return Ok(result.take());
            }
        }
        bail!("{command}: QEMU closed its control socket")
    }

    /// Why the machine ended, once QEMU has: `guest-shutdown`, `guest-reset`, ... (ShutdownCause of
    /// QEMU's qapi/run-state.json).
    pub(super) fn shutdown_reason(mut self) -> Option<String> {
        while let Ok(Some(_)) = self.message() {}
        self.shutdown
    }

    /// None: the end of the conversation.
    fn message(&mut self) -> Result<Option<Value>> {
        let mut line = String::new();
        if self.reader.read_line(&mut line).context("failed to hear from QEMU")? == 0 {
            return Ok(None);
        }
        let message: Value = serde_json::from_str(&line)
            .with_context(|| format!("failed to read what QEMU says: {}", line.trim_end()))?;
        if message["event"] == "SHUTDOWN" {
            self.shutdown = message["data"]["reason"].as_str().map(str::to_owned);
        }
        Ok(Some(message))
    }
}

/// Connects as soon as somebody listens.
pub(super) fn connect(socket: &Utf8Path, patience: Duration) -> std::io::Result<UnixStream> {
    let start = Instant::now();
    loop {
        match UnixStream::connect(socket) {
            Err(_) if start.elapsed() < patience => std::thread::sleep(Duration::from_millis(5)),
            connected => return connected,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::net::UnixListener;

    /// A QEMU that says these lines, whatever it hears.
    fn speaking(lines: &'static str) -> Result<(Qmp, tempfile::TempDir)> {
        let dir = tempfile::tempdir().unwrap();
        let socket = Utf8Path::from_path(dir.path()).unwrap().join("qmp");
        let listener = UnixListener::bind(&socket).unwrap();
        std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            stream.write_all(lines.as_bytes()).unwrap();
            // Closed only when the other side has said all it wants to.
            let _ = stream.shutdown(std::net::Shutdown::Write);
            std::io::copy(&mut stream, &mut std::io::sink()).unwrap();
        });
        Ok((Qmp::connect(&socket)?, dir))
    }

    #[test]
    fn answers_are_told_from_events() {
        let (mut qmp, _dir) = speaking(
            "{\"QMP\": {}}\n{\"return\": {}}\n{\"event\": \"X\"}\n{\"return\": 1}\n\
             {\"error\": {\"desc\": \"no bus\"}}\n\
             {\"event\": \"SHUTDOWN\", \"data\": {\"guest\": true, \"reason\": \"guest-reset\"}}\n",
        )
        .unwrap();
        assert_eq!(qmp.execute("a", &json!({})).unwrap(), 1);
        assert_eq!(qmp.execute("b", &json!({})).unwrap_err().to_string(), "b: no bus");
        assert_eq!(qmp.shutdown_reason().as_deref(), Some("guest-reset"));
    }

    #[test]
    fn an_end_is_no_answer() {
        let (mut qmp, _dir) = speaking("{\"QMP\": {}}\n{\"return\": {}}\n").unwrap();
        assert!(qmp.execute("a", &json!({})).is_err());
        assert_eq!(qmp.shutdown_reason(), None);
        assert!(speaking("hello\n").is_err());
    }
}
