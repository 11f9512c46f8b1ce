//! What the host brings for a boot: disks, shared folders, and the daemons that serve devices.

use std::fs::File;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, bail};
use camino::{Utf8Path, Utf8PathBuf};
use gpt::disk::LogicalBlockSize;
use gpt::mbr::ProtectiveMBR;
use gpt::partition_types::LINUX_FS;
use xshell::cmd;

use super::device::Supply;
use crate::diag::Hint;
use crate::setup;
use crate::shell::{Background, Shell};

/// Sockets and disks of one boot, in a folder of its own that goes with it. It lies where paths are
/// short: a socket's has at most 107 bytes (unix(7)).
pub(super) struct Supplies {
    dir: tempfile::TempDir,
    daemons: Vec<Background>,
}

/// What goes into the guest's root, and where the daemons' words go.
pub(super) struct Goods<'a> {
    pub(super) shell: &'a Shell,
    pub(super) nonce: &'a str,
    pub(super) probe: &'a Utf8Path,
    /// Other files for the root, by name.
    pub(super) files: &'a Files,
    pub(super) log: &'a Utf8Path,
}

/// Files by name.
pub(super) type Files = Vec<(&'static str, Vec<u8>)>;

/// Folders that a read-only root has to have.
const ROOT_FOLDERS: [&str; 5] = ["dev", "proc", "run", "sys", "tmp"];

/// A root image, and where its only partition begins.
const ROOT_MIB: u64 = 30;
const PARTITION_AT: u64 = 1 << 20;

/// The smallest that mkfs.xfs makes (xfsprogs 5.19).
const XFS_MIB: u64 = 300;
const EXT4_MIB: u64 = 16;

const DEADLINE: Duration = Duration::from_secs(60);

impl Supplies {
    pub(super) fn new() -> Result<Self> {
        let dir = tempfile::Builder::new().prefix("guest-").tempdir();
        Ok(Supplies { dir: dir.context("failed to create a temporary folder")?, daemons: vec![] })
    }

    pub(super) fn dir(&self) -> Result<&Utf8Path> {
        Utf8Path::from_path(self.dir.path()).context("the temporary folder's path is not UTF-8")
    }

    /// Makes one of them, or starts it.
    ///
    /// # Errors
    /// If a program is missing or fails: the hint says what brings it.
    pub(super) fn bring(&mut self, supply: Supply, goods: &Goods<'_>) -> Result<()> {
        let dir = self.dir()?.to_owned();
        match supply {
            Supply::Folder(name) => folder_with_file(&dir.join(name), goods.nonce),
            Supply::Raw(name, mib) => raw(&dir.join(name), mib, goods.nonce),
            Supply::Ext4(name) => {
                let from = dir.join(format!("{name}.files"));
                folder_with_file(&from, goods.nonce)?;
                ext4(goods, &from, &dir.join(name), EXT4_MIB, 0)
            }
            Supply::Xfs(name) => xfs(goods, &dir.join(name)),
            Supply::Root(name) => {
                let from = root_folder(&dir.join(format!("{name}.files")), goods)?;
                ext4(goods, &from, &dir.join(name), ROOT_MIB, 0)
            }
            Supply::GptRoot(name) => {
                let from = root_folder(&dir.join(format!("{name}.files")), goods)?;
                let disk = dir.join(name);
                ext4(goods, &from, &disk, ROOT_MIB, PARTITION_AT)?;
                partition(&disk).with_context(|| format!("failed to partition {disk}"))
            }
            Supply::VirtioFs => self.start_virtiofsd(&dir, goods),
            Supply::Vsock => self.start_vsock(&dir, goods),
        }
    }

    fn start_virtiofsd(&mut self, dir: &Utf8Path, goods: &Goods<'_>) -> Result<()> {
        let program = program(goods.shell, "virtiofsd")?;
        let (socket, shared) = (dir.join("virtiofs.sock"), dir.join("share-virtiofs"));
        let asked = goods.shell.run(cmd!(goods.shell.sh, "{program} --version"), DEADLINE)?;
        // QEMU's own, up to 7.2, says so; the one in Rust that followed it has other options.
        let arguments = if format!("{}{}", asked.stdout, asked.stderr).contains("QEMU Project") {
            let source = format!("source={shared}");
            vec![format!("--socket-path={socket}"), "-o".to_owned(), source]
        } else {
            let shared = format!("--shared-dir={shared}");
            vec![format!("--socket-path={socket}"), shared, "--sandbox=none".to_owned()]
        };
        self.start(goods, cmd!(goods.shell.sh, "{program} {arguments...}"), &socket)
    }

    fn start_vsock(&mut self, dir: &Utf8Path, goods: &Goods<'_>) -> Result<()> {
        let program = program(goods.shell, "vhost-device-vsock")?;
        let (socket, host) = (dir.join("vsock.sock"), dir.join(VSOCK_HOST));
        let daemon =
            cmd!(goods.shell.sh, "{program} --guest-cid=3 --socket={socket} --uds-path={host}");
        self.start(goods, daemon, &socket)
    }

    /// Starts a daemon, and waits until QEMU can connect to it.
    fn start(
        &mut self,
        goods: &Goods<'_>,
        daemon: xshell::Cmd<'_>,
        socket: &Utf8Path,
    ) -> Result<()> {
        let what = daemon.to_string();
        let mut started = goods.shell.background(daemon, goods.log)?;
        let start = Instant::now();
        while !socket.exists() {
            goods.shell.check_interrupt()?;
            if let Some(status) = started.ended()? {
                bail!("`{what}` ended at once: {status}; what it said is in {}", goods.log);
            }
            if start.elapsed() > DEADLINE {
                bail!("`{what}` made no {socket} within {} s", DEADLINE.as_secs());
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        self.daemons.push(started);
        Ok(())
    }
}

/// The name of the socket on which the host reaches the guest's vsock ports.
pub(super) const VSOCK_HOST: &str = "vsock-host.sock";

fn program(shell: &Shell, name: &str) -> Result<Utf8PathBuf> {
    setup::find(shell, name)?
        .ok_or_else(|| anyhow!("no `{name}` on this host"))
        .hint(|| "`cargo xtask setup` installs it")
}

fn folder_with_file(dir: &Utf8Path, nonce: &str) -> Result<()> {
    std::fs::create_dir_all(dir).with_context(|| format!("failed to create folder {dir}"))?;
    write(&dir.join("from-host"), nonce.as_bytes(), 0o644)
}

fn write(path: &Utf8Path, bytes: &[u8], mode: u32) -> Result<()> {
    std::fs::write(path, bytes)
        .and_then(|()| std::fs::set_permissions(path, PermissionsExt::from_mode(mode)))
        .with_context(|| format!("failed to write {path}"))
}

fn root_folder(dir: &Utf8Path, goods: &Goods<'_>) -> Result<Utf8PathBuf> {
    for folder in ROOT_FOLDERS {
        let folder = dir.join(folder);
        std::fs::create_dir_all(&folder)
            .with_context(|| format!("failed to create folder {folder}"))?;
    }
    let probe = std::fs::read(goods.probe);
    let probe = probe.with_context(|| format!("failed to read {}", goods.probe))?;
    write(&dir.join("init"), &probe, 0o755)?;
    for (name, bytes) in goods.files {
        write(&dir.join(name), bytes, 0o644)?;
    }
    Ok(dir.to_owned())
}

/// A file of that size that takes no room until it is written to.
fn sparse(path: &Utf8Path, bytes: u64) -> Result<File> {
    let made = File::options().read(true).write(true).create_new(true).open(path);
    made.and_then(|file| file.set_len(bytes).map(|()| file))
        .with_context(|| format!("failed to create disk {path}"))
}

fn raw(path: &Utf8Path, mib: u64, nonce: &str) -> Result<()> {
    let mut disk = sparse(path, mib << 20)?;
    disk.write_all(nonce.as_bytes()).with_context(|| format!("failed to write disk {path}"))
}

/// Fills a disk with what is in a folder, from `offset` on; one MiB after the end stays free.
fn ext4(goods: &Goods<'_>, from: &Utf8Path, disk: &Utf8Path, mib: u64, offset: u64) -> Result<()> {
    let room = if offset > 0 { offset + (1 << 20) } else { 0 };
    sparse(disk, (mib << 20) + room)?;
    let mkfs = program(goods.shell, "mkfs.ext4")?;
    let (extended, size) = (format!("offset={offset}"), format!("{mib}M"));
    // Blocks of a page: DAX takes no others.
    let make = cmd!(goods.shell.sh, "{mkfs} -q -F -b 4096 -d {from} -E {extended} {disk} {size}");
    made(goods.shell, make, disk)
}

fn xfs(goods: &Goods<'_>, disk: &Utf8Path) -> Result<()> {
    sparse(disk, XFS_MIB << 20)?;
    let (host, proto) = (format!("{disk}.host"), format!("{disk}.proto"));
    write(host.as_str().into(), goods.nonce.as_bytes(), 0o644)?;
    // mkfs.xfs(8), -p: a boot program and two numbers that nobody reads, then the root's entries.
    let entries = format!("-\n0 0\nd--755 0 0\nfrom-host ---644 0 0 {host}\n$\n");
    write(proto.as_str().into(), entries.as_bytes(), 0o644)?;
    let mkfs = program(goods.shell, "mkfs.xfs")?;
    made(goods.shell, cmd!(goods.shell.sh, "{mkfs} -q -f -p {proto} {disk}"), disk)
}

fn made(shell: &Shell, mkfs: xshell::Cmd<'_>, disk: &Utf8Path) -> Result<()> {
    let finished = shell.run(mkfs, DEADLINE)?;
    if !finished.success() {
        let why = finished.last_lines(5);
        bail!("failed to make a file system on {disk}: {}: {why}", finished.how());
    }
    Ok(())
}

/// One partition from `PARTITION_AT` on.
fn partition(disk: &Utf8Path) -> Result<()> {
    let mut file = File::options().read(true).write(true).open(disk)?;
    let sectors = file.metadata()?.len() / LogicalBlockSize::Lb512.as_u64();
    let mbr = ProtectiveMBR::with_lb_size(u32::try_from(sectors - 1)?);
    mbr.overwrite_lba0(&mut file)?;
    let mut table = gpt::GptConfig::new()
        .writable(true)
        .logical_block_size(LogicalBlockSize::Lb512)
        .create_from_device(file, None)?;
    let first = PARTITION_AT / LogicalBlockSize::Lb512.as_u64();
    let size = ROOT_MIB << 20;
    table.add_partition_at(
        "root",
        1,
        first,
        size / LogicalBlockSize::Lb512.as_u64(),
        LINUX_FS,
        0,
    )?;
    table.write()?;
    Ok(())
}
