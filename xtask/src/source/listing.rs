//! What is in a tree: one line a file, taken when it was unpacked, so that a tree can be compared
//! with what came out of its archive without the archive.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use anyhow::{Context, Result, anyhow};
use camino::{Utf8Path, Utf8PathBuf};
use indicatif::ProgressBar;
use serde::Serialize;
use sha2::{Digest, Sha256};

use crate::hash;
use crate::progress::Progress;
use crate::shell::Shell;

/// The files and symlinks of a tree by path, relative to it. Folders count by what is in them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Listing {
    entries: BTreeMap<Utf8PathBuf, Entry>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) kind: Kind,
    /// Of the content, or of a symlink's target.
    pub(super) sha256: [u8; 32],
}

/// The distinctions that git makes, in its words: write permission is none of the content.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    File,
    Program,
    Symlink,
}

impl Kind {
    fn mode(self) -> &'static str {
        match self {
            Kind::File => "100644",
            Kind::Program => "100755",
            Kind::Symlink => "120000",
        }
    }

    pub(super) fn of_file(mode: u32) -> Self {
        if mode & 0o100 == 0 { Kind::File } else { Kind::Program }
    }
}

/// How a tree differs from its listing; paths relative to the tree, sorted.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Difference {
    pub(crate) changed: Vec<Utf8PathBuf>,
    pub(crate) missing: Vec<Utf8PathBuf>,
    pub(crate) added: Vec<Utf8PathBuf>,
}

impl Difference {
    pub(crate) fn is_empty(&self) -> bool {
        self.changed.is_empty() && self.missing.is_empty() && self.added.is_empty()
    }
}

impl Listing {
    pub(super) fn insert(&mut self, path: Utf8PathBuf, entry: Entry) {
        self.entries.insert(path, entry);
    }

    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    /// One line an entry, sorted by path: mode as git writes it, sha256, path.
    pub(super) fn to_text(&self) -> String {
        let line = |(path, entry): (&Utf8PathBuf, &Entry)| {
            format!("{} {} {path}\n", entry.kind.mode(), hash::hex(entry.sha256))
        };
        self.entries.iter().map(line).collect()
    }

    /// Hash of that text.
    pub(super) fn sha256(&self) -> String {
        hash::of_bytes(self.to_text())
    }

    /// # Errors
    /// With the number of the first line that is not as `to_text` writes it.
    pub(super) fn from_text(text: &str) -> Result<Self> {
        let mut entries = BTreeMap::new();
        for (index, line) in text.lines().enumerate() {
            let (path, entry) =
                parse_line(line).with_context(|| format!("line {} is no entry", index + 1))?;
            entries.insert(path, entry);
        }
        Ok(Listing { entries })
    }

    /// Reads every file of `dir`, with as many threads as the machine has processors.
    pub(super) fn of_folder(shell: &Shell, progress: Progress, dir: &Utf8Path) -> Result<Self> {
        let found = walk(shell, dir)?;
        let bar = progress.steps(format!("reading {}", short(dir)), found.len() as u64);
        let work = Work { dir, found: &found, next: AtomicUsize::new(0), bar: &bar };
        let threads = std::thread::available_parallelism().map_or(1, usize::from);
        let entries = std::thread::scope(|scope| -> Result<_> {
            let workers: Vec<_> = (0..threads).map(|_| scope.spawn(|| work.hash_some())).collect();
            while !workers.iter().all(|worker| worker.is_finished()) {
                if let Err(interrupted) = shell.check_interrupt() {
                    work.stop();
                    return Err(interrupted);
                }
                std::thread::sleep(Duration::from_millis(20));
            }
            let mut entries = BTreeMap::new();
            for worker in workers {
                entries.extend(worker.join().map_err(|_| anyhow!("a reader of {dir} died"))??);
            }
            Ok(entries)
        });
        bar.finish_and_clear();
        Ok(Listing { entries: entries? })
    }

    /// What has become of the files listed here in `now`.
    pub(super) fn compare(&self, now: &Listing) -> Difference {
        let mut difference = Difference::default();
        for (path, entry) in &self.entries {
            match now.entries.get(path) {
                None => difference.missing.push(path.clone()),
                Some(found) if found != entry => difference.changed.push(path.clone()),
                Some(_) => {}
            }
        }
        let added = now.entries.keys().filter(|path| !self.entries.contains_key(*path));
        difference.added = added.cloned().collect();
        difference
    }
}

fn parse_line(line: &str) -> Option<(Utf8PathBuf, Entry)> {
    let (mode, rest) = line.split_once(' ')?;
    let (hash, path) = rest.split_once(' ')?;
    let kind =
        [Kind::File, Kind::Program, Kind::Symlink].into_iter().find(|kind| kind.mode() == mode)?;
    let mut sha256 = [0; 32];
    if hash.len() != 64 || !hash.is_ascii() {
        return None;
    }
    for (index, byte) in sha256.iter_mut().enumerate() {
        *byte = u8::from_str_radix(&hash[2 * index..2 * index + 2], 16).ok()?;
    }
    Some((path.into(), Entry { kind, sha256 }))
}

/// All files and symlinks below `dir`.
fn walk(shell: &Shell, dir: &Utf8Path) -> Result<Vec<Utf8PathBuf>> {
    let mut found = Vec::new();
    for entry in walkdir::WalkDir::new(dir) {
        let entry = entry.with_context(|| format!("failed to look through folder {dir}"))?;
        if entry.file_type().is_dir() {
            shell.check_interrupt()?;
            continue;
        }
        let path = Utf8Path::from_path(entry.path())
            .ok_or_else(|| anyhow!("file name {} is not UTF-8", entry.path().display()))?;
        found.push(path.strip_prefix(dir).unwrap_or(path).to_owned());
    }
    Ok(found)
}

/// Files to be read, handed out one after another to several threads.
struct Work<'a> {
    dir: &'a Utf8Path,
    found: &'a [Utf8PathBuf],
    next: AtomicUsize,
    bar: &'a ProgressBar,
}

impl Work<'_> {
    fn hash_some(&self) -> Result<Vec<(Utf8PathBuf, Entry)>> {
        let (mut hashed, mut buffer) = (Vec::new(), vec![0; 1 << 16]);
        while let Some(path) = self.found.get(self.next.fetch_add(1, Ordering::Relaxed)) {
            let full = self.dir.join(path);
            let entry =
                hash_one(&full, &mut buffer).with_context(|| format!("failed to read {full}"))?;
            hashed.push((path.clone(), entry));
            self.bar.inc(1);
        }
        Ok(hashed)
    }

    /// No thread finds another file.
    fn stop(&self) {
        self.next.store(self.found.len(), Ordering::Relaxed);
    }
}

fn hash_one(path: &Utf8Path, buffer: &mut [u8]) -> std::io::Result<Entry> {
    let meta = path.symlink_metadata()?;
    if meta.is_symlink() {
        let target = path.read_link_utf8()?;
        let sha256 = Sha256::digest(target.as_str()).into();
        return Ok(Entry { kind: Kind::Symlink, sha256 });
    }
    let kind = Kind::of_file(meta.permissions().mode());
    if !meta.is_file() {
        // A socket or a pipe would block its reader; no listing has this hash.
        return Ok(Entry { kind, sha256: [0; 32] });
    }
    let mut hasher = Sha256::new();
    let mut file = File::open(path)?;
    loop {
        match file.read(buffer)? {
            0 => return Ok(Entry { kind, sha256: hasher.finalize().into() }),
            read => hasher.update(&buffer[..read]),
        }
    }
}

fn short(dir: &Utf8Path) -> &str {
    dir.file_name().unwrap_or(dir.as_str())
}

#[cfg(test)]
mod tests {
    use super::super::tests::{put, shell, temp};
    use super::*;

    fn listing(dir: &Utf8Path) -> Listing {
        Listing::of_folder(&shell(), Progress::Silent, dir).unwrap()
    }

    #[test]
    fn survives_its_own_text() {
        let (_keep, dir) = temp();
        put(&dir, "a b/c", "content");
        put(&dir, "empty", "");
        std::os::unix::fs::symlink("a b/c", dir.join("link")).unwrap();
        let before = listing(&dir);
        let text = before.to_text();
        assert_eq!(text.lines().count(), 3);
        assert!(text.contains("120000"));
        assert_eq!(Listing::from_text(&text).unwrap(), before);
        assert!(Listing::from_text("100644 12 x\n").is_err());
        assert!(Listing::from_text("hello\n").is_err());
    }

    #[test]
    fn sees_every_change() {
        let (_keep, dir) = temp();
        for file in ["same", "changed", "missing", "program"] {
            put(&dir, file, file);
        }
        std::os::unix::fs::symlink("same", dir.join("link")).unwrap();
        let before = listing(&dir);
        assert!(before.compare(&listing(&dir)).is_empty());
        put(&dir, "changed", "otherwise");
        std::fs::remove_file(dir.join("missing")).unwrap();
        put(&dir, "deep/added", "");
        std::fs::set_permissions(dir.join("program"), PermissionsExt::from_mode(0o755)).unwrap();
        std::fs::remove_file(dir.join("link")).unwrap();
        std::os::unix::fs::symlink("changed", dir.join("link")).unwrap();
        let difference = before.compare(&listing(&dir));
        assert_eq!(difference.changed, ["changed", "link", "program"]);
        assert_eq!(difference.missing, ["missing"]);
        assert_eq!(difference.added, ["deep/added"]);
    }
}
