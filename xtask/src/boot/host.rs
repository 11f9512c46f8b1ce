//! The host's part in the checks: the guest asks for something on its console, the host does it and
//! answers.

use std::io::{BufRead, BufReader, Read, Write};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use camino::{Utf8Path, Utf8PathBuf};
use serde_json::json;

use super::machine::Slot;
use super::qmp::{self, Qmp};
use super::supply::VSOCK_HOST;
use crate::shell::Speaker;

/// What a boot's guest can ask of its host.
pub(super) struct Host<'a> {
    /// Where the machine takes a device.
    slot: Option<&'static Slot>,
    dir: &'a Utf8Path,
    nonce: &'a str,
    /// QEMU's control socket; none before the guest is known to run, or if QEMU does not speak.
    qmp: Option<Qmp>,
    deaf: Option<String>,
    connecting: Option<JoinHandle<Result<()>>>,
}

impl<'a> Host<'a> {
    pub(super) fn new(slot: Option<&'static Slot>, dir: &'a Utf8Path, nonce: &'a str) -> Self {
        Host { slot, dir, nonce, qmp: None, deaf: None, connecting: None }
    }

    /// The machine runs: from here on its end is heard of. A QEMU that is deaf has ended, or fails
    /// the checks that need it.
    pub(super) fn listen(&mut self, socket: &Utf8Path) {
        if self.qmp.is_some() || self.deaf.is_some() {
            return;
        }
        match Qmp::connect(socket) {
            Ok(qmp) => self.qmp = Some(qmp),
            Err(error) => self.deaf = Some(format!("{error:#}")),
        }
    }

    /// Why QEMU ended the machine, if it said so.
    pub(super) fn shutdown_reason(self) -> Option<String> {
        self.qmp.and_then(Qmp::shutdown_reason)
    }

    /// Does what the guest asks for, and tells it how that went.
    pub(super) fn serve(&mut self, what: &str, guest: &Speaker) {
        let answer = match self.act(what) {
            Ok(()) => "ok".to_owned(),
            Err(error) => format!("no {error:#}").replace('\n', " "),
        };
        // A guest that has ended by now is judged by what it said.
        let _ = guest.say(&format!("@host {} {answer}", self.nonce));
    }

    fn act(&mut self, what: &str) -> Result<()> {
        match what {
            "echo" => Ok(()),
            "share-9p" | "share-virtiofs" => self.guest_wrote(what),
            "vsock-connect" => {
                let (socket, nonce) = (self.dir.join(VSOCK_HOST), self.nonce.to_owned());
                self.connecting = Some(std::thread::spawn(move || call(socket, &nonce)));
                Ok(())
            }
            "vsock-answered" => {
                let call = self.connecting.take().context("no connection was begun")?;
                call.join().unwrap_or_else(|_| bail!("the connection's thread died"))
            }
            "plug-block" => self.plug_block(),
            "unplug-block" => {
                self.qmp()?.execute("device_del", &json!({ "id": "plugged" })).map(drop)
            }
            "plug-cpu" => self.plug_cpu(),
            "plug-memory" => self.plug_memory(),
            _ => bail!("the host knows no `{what}`"),
        }
    }

    fn qmp(&mut self) -> Result<&mut Qmp> {
        let deaf = self.deaf.as_deref().unwrap_or("QEMU's control socket is closed");
        self.qmp.as_mut().with_context(|| deaf.to_owned())
    }

    fn guest_wrote(&self, share: &str) -> Result<()> {
        let path = self.dir.join(share).join("from-guest");
        let text = std::fs::read_to_string(&path).with_context(|| format!("no {path} came"))?;
        ensure!(text == self.nonce, "{path} holds `{text}`");
        Ok(())
    }

    fn plug_block(&mut self) -> Result<()> {
        let slot = self.slot.context("the machine has no slot for it")?;
        let device = json!({
            "driver": "virtio-blk-pci",
            "id": "plugged",
            "bus": slot.bus,
            "addr": slot.device,
            "drive": "plugged",
            "serial": "plugged",
        });
        self.qmp()?.execute("device_add", &device).map(drop)
    }

    /// QEMU names the CPU that has a place and is not there yet.
    fn plug_cpu(&mut self) -> Result<()> {
        let qmp = self.qmp()?;
        let cpus = qmp.execute("query-hotpluggable-cpus", &json!({}))?;
        let free = cpus.as_array().into_iter().flatten().find(|cpu| cpu.get("qom-path").is_none());
        let free = free.context("the machine has no place for another CPU")?;
        let mut device = free["props"].clone();
        device["driver"] = free["type"].clone();
        device["id"] = json!("cpu1");
        qmp.execute("device_add", &device).map(drop)
    }

    fn plug_memory(&mut self) -> Result<()> {
        let qmp = self.qmp()?;
        let backend = json!({ "qom-type": "memory-backend-memfd", "id": "more", "size": 128 << 20, "share": true });
        qmp.execute("object-add", &backend)?;
        let device = json!({ "driver": "pc-dimm", "id": "dimm", "memdev": "more" });
        qmp.execute("device_add", &device).map(drop)
    }
}

/// A guest under emulation answers late; one that never does is told of.
const PATIENCE: Duration = Duration::from_secs(10);

/// Calls the agent's port as the sandboxer does, through the protocol that Firecracker and Cloud
/// Hypervisor share (Firecracker's docs/vsock.md), and expects the nonce back.
fn call(socket: Utf8PathBuf, nonce: &str) -> Result<()> {
    let mut stream = qmp::connect(&socket, PATIENCE)
        .with_context(|| format!("failed to connect to {socket}"))?;
    stream.set_read_timeout(Some(PATIENCE))?;
    writeln!(stream, "CONNECT 1024").context("failed to ask for port 1024")?;
    let mut reader = BufReader::new(stream.try_clone()?);
    let mut line = String::new();
    reader.read_line(&mut line).context("no answer to CONNECT")?;
    ensure!(line.starts_with("OK "), "CONNECT 1024 was answered with `{}`", line.trim_end());
    stream.write_all(nonce.as_bytes()).context("failed to send through vsock")?;
    let mut heard = vec![0; nonce.len()];
    reader.read_exact(&mut heard).context("no answer came through vsock")?;
    ensure!(heard == nonce.as_bytes(), "something else came back through vsock");
    Ok(())
}
