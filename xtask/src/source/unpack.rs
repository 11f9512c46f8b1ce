//! Unpacks a kernel tarball: whole or not at all, and nowhere but into its folder.

use std::collections::HashSet;
use std::fs::{File, OpenOptions};
use std::io::{self, BufReader, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::{Duration, SystemTime};

use anyhow::{Context, Result, bail};
use camino::{Utf8Component, Utf8Path, Utf8PathBuf};
use indicatif::ProgressBar;
use sha2::{Digest, Sha256};
use tar::EntryType;

use super::listing::{Entry, Kind, Listing};
use super::symlinks;
use crate::progress::Progress;
use crate::shell::Shell;

/// Unpacks `archive` (.tar.xz, .tar.gz or .tar) into the empty folder `into`, without the archive's one
/// top-level folder. Files keep their times, which kbuild looks at, and lose their write
/// permission: a tree is never written to.
///
/// # Errors
/// If the archive is damaged, has a path that leads out of the folder or more than one top-level
/// folder, or the user interrupts; `into` then holds a part of it.
pub(super) fn unpack(
    shell: &Shell,
    progress: Progress,
    archive: &Utf8Path,
    into: &Utf8Path,
) -> Result<Listing> {
    let size = archive.metadata().with_context(|| format!("failed to open {archive}"))?.len();
    let name = archive.file_name().unwrap_or(archive.as_str());
    let bar = progress.bytes(format!("unpacking {name}"), size);
    let unpacked = decode(archive, bar.clone()).and_then(|bytes| {
        let mut unpacker = Unpacker::new(shell, into);
        let mut tar = tar::Archive::new(bytes);
        for entry in tar.entries()? {
            unpacker.entry(&mut entry?)?;
        }
        // Decodes the padding too: only the end of the stream has the checksum of the whole.
        io::copy(&mut tar.into_inner(), &mut io::sink())?;
        unpacker.finish()
    });
    bar.finish_and_clear();
    shell.check_interrupt()?;
    unpacked.with_context(|| format!("failed to unpack {archive}"))
}

struct Unpacker<'a> {
    shell: &'a Shell,
    into: &'a Utf8Path,
    top: Option<String>,
    folders: HashSet<Utf8PathBuf>,
    /// Created last, so that nothing is ever written through one.
    symlinks: Vec<(Utf8PathBuf, Utf8PathBuf)>,
    buffer: Vec<u8>,
    listing: Listing,
}

impl<'a> Unpacker<'a> {
    fn new(shell: &'a Shell, into: &'a Utf8Path) -> Self {
        Unpacker {
            shell,
            into,
            top: None,
            folders: HashSet::from([Utf8PathBuf::new()]),
            symlinks: Vec::new(),
            buffer: vec![0; 1 << 16],
            listing: Listing::default(),
        }
    }

    fn entry(&mut self, entry: &mut tar::Entry<'_, impl Read>) -> Result<()> {
        self.shell.check_interrupt()?;
        let kind = entry.header().entry_type();
        if matches!(kind, EntryType::XGlobalHeader | EntryType::XHeader) {
            return Ok(());
        }
        let bytes = entry.path_bytes();
        let path = std::str::from_utf8(&bytes)
            .with_context(|| format!("path {:?} is not UTF-8", String::from_utf8_lossy(&bytes)))?;
        let Some(path) = self.below_top(Utf8Path::new(path), kind)? else { return Ok(()) };
        match kind {
            EntryType::Directory => self.folder(&path),
            EntryType::Regular | EntryType::Continuous => self.file(&path, entry),
            EntryType::Symlink => {
                let target = entry
                    .link_name_bytes()
                    .and_then(|bytes| String::from_utf8(bytes.into_owned()).ok())
                    .with_context(|| format!("symlink `{path}` has no target in UTF-8"))?;
                self.symlink(path, target.into())
            }
            other => bail!("`{path}` is neither a file, a folder nor a symlink but {other:?}"),
        }
    }

    /// The path without the top-level folder; `None` for that folder itself.
    fn below_top(&mut self, path: &Utf8Path, kind: EntryType) -> Result<Option<Utf8PathBuf>> {
        let mut parts = Vec::new();
        for part in path.components() {
            match part {
                Utf8Component::CurDir => {}
                Utf8Component::Normal(part) if !part.contains('\n') => parts.push(part),
                _ => bail!("path `{}` leads out of the folder", path.as_str().escape_debug()),
            }
        }
        let Some((&top, rest)) = parts.split_first() else { return Ok(None) };
        let known = self.top.get_or_insert_with(|| top.to_owned());
        if known.as_str() != top {
            bail!("has two top-level folders, `{known}` and `{top}`");
        }
        if rest.is_empty() && kind != EntryType::Directory {
            bail!("`{top}` is not in a top-level folder");
        }
        Ok(Some(rest.iter().collect()).filter(|path: &Utf8PathBuf| !path.as_str().is_empty()))
    }

    fn folder(&mut self, path: &Utf8Path) -> Result<()> {
        if !self.folders.contains(path) {
            let full = self.into.join(path);
            std::fs::create_dir_all(&full)
                .with_context(|| format!("failed to create folder {full}"))?;
            self.folders.insert(path.to_owned());
        }
        Ok(())
    }

    fn file(&mut self, path: &Utf8Path, entry: &mut tar::Entry<'_, impl Read>) -> Result<()> {
        self.folder(path.parent().unwrap_or(Utf8Path::new("")))?;
        let kind = Kind::of_file(entry.header().mode()?);
        let mode = if kind == Kind::Program { 0o555 } else { 0o444 };
        let full = self.into.join(path);
        let create = || format!("failed to create {full}");
        let mut file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(mode)
            .open(&full)
            .with_context(create)?;
        let mut hasher = Sha256::new();
        loop {
            let read = entry.read(&mut self.buffer)?;
            if read == 0 {
                break;
            }
            hasher.update(&self.buffer[..read]);
            file.write_all(&self.buffer[..read]).with_context(create)?;
        }
        let time = Duration::from_secs(entry.header().mtime()?);
        let time = SystemTime::UNIX_EPOCH
            .checked_add(time)
            .with_context(|| format!("`{path}` has no possible time"))?;
        file.set_modified(time).with_context(create)?;
        self.listing.insert(path.to_owned(), Entry { kind, sha256: hasher.finalize().into() });
        Ok(())
    }

    fn symlink(&mut self, path: Utf8PathBuf, target: Utf8PathBuf) -> Result<()> {
        self.folder(path.parent().unwrap_or(Utf8Path::new("")))?;
        let sha256 = Sha256::digest(target.as_str()).into();
        self.listing.insert(path.clone(), Entry { kind: Kind::Symlink, sha256 });
        self.symlinks.push((path, target));
        Ok(())
    }

    fn finish(self) -> Result<Listing> {
        symlinks::check(&self.symlinks)?;
        for (path, target) in &self.symlinks {
            let full = self.into.join(path);
            std::os::unix::fs::symlink(target, &full)
                .with_context(|| format!("failed to create symlink {full}"))?;
        }
        Ok(self.listing)
    }
}

/// The decompressed bytes of `archive`, made by another thread while this one writes files.
fn decode(archive: &Utf8Path, bar: ProgressBar) -> Result<Chunks> {
    let file = File::open(archive).with_context(|| format!("failed to open {archive}"))?;
    let file = BufReader::with_capacity(1 << 18, bar.wrap_read(file));
    let (sender, receiver) = sync_channel(16);
    match archive.extension() {
        Some("xz") => {
            let bytes = liblzma::bufread::XzDecoder::new_multi_decoder(file);
            std::thread::spawn(move || send_all(bytes, &sender));
        }
        Some("gz") => {
            let bytes = flate2::bufread::MultiGzDecoder::new(file);
            std::thread::spawn(move || send_all(bytes, &sender));
        }
        Some("tar") => drop(std::thread::spawn(move || send_all(file, &sender))),
        _ => bail!("{archive} is neither .tar, .tar.xz nor .tar.gz"),
    }
    Ok(Chunks { receiver, chunk: Vec::new(), at: 0 })
}

/// Ends early when nobody listens any more.
fn send_all(mut bytes: impl Read, sender: &SyncSender<io::Result<Vec<u8>>>) {
    loop {
        let mut chunk = vec![0; 1 << 20];
        let sent = match bytes.read(&mut chunk) {
            Ok(0) => return,
            Ok(read) => {
                chunk.truncate(read);
                sender.send(Ok(chunk))
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => {
                // The receiver may be gone: then nobody wants to know.
                let _ = sender.send(Err(error));
                return;
            }
        };
        if sent.is_err() {
            return;
        }
    }
}

struct Chunks {
    receiver: Receiver<io::Result<Vec<u8>>>,
    chunk: Vec<u8>,
    at: usize,
}

impl Read for Chunks {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.at == self.chunk.len() {
            match self.receiver.recv() {
                Ok(chunk) => (self.chunk, self.at) = (chunk?, 0),
                // The sender has gone: the end.
                Err(_) => return Ok(0),
            }
        }
        let rest = &self.chunk[self.at..];
        let read = rest.len().min(buffer.len());
        buffer[..read].copy_from_slice(&rest[..read]);
        self.at += read;
        Ok(read)
    }
}
