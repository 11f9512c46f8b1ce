//! The cache: unpacked trees, each with a record and a listing beside it, in one folder.
//!
//! `NAME` is `<pin>-<version>[-<patches>]`. `NAME.json` is written last: without it, `NAME` is what
//! a killed run left behind.

use std::io::Write;
use std::os::unix::fs::PermissionsExt;

use anyhow::{Context, Result, anyhow};
use camino::{Utf8Path, Utf8PathBuf};
use serde::{Deserialize, Serialize};
use vmm_kernel::SourceRecord;

use super::listing::{Difference, Listing};
use super::{KernelVersion, Tree, tree};
use crate::diag::Hint;
use crate::hash;
use crate::lock::Lock;
use crate::progress::Progress;
use crate::shell::Shell;

/// Everything of a run that has not been published yet has a name that starts so.
const SCRATCH: &str = ".tmp-";

/// `NAME.json`: what an unpacked tree is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Record {
    pub(super) pin: String,
    /// As the lock writes it.
    pub(super) from: String,
    pub(super) version: String,
    /// As the lock writes it.
    pub(super) sha256: String,
    /// `NAME@<hash>` of each patch, in order.
    pub(super) patches: Vec<String>,
    /// Of the tree's Makefile.
    pub(super) kernel_version: String,
    pub(super) files: usize,
    pub(super) listing_sha256: String,
}

/// The cache folder, with the right to change it.
pub(super) struct Store<'a> {
    dir: &'a Utf8Path,
    _lock: Lock,
}

/// An unpacked tree and its record.
#[derive(Debug, Clone)]
pub(super) struct Stored {
    pub(super) dir: Utf8PathBuf,
    pub(super) record: Record,
}

impl Stored {
    pub(super) fn tree(self) -> Result<Tree> {
        let version: KernelVersion = self.record.kernel_version.parse()?;
        let Record { pin: name, version: package, sha256, patches, .. } = self.record;
        let record = SourceRecord { name, version: package, sha256, patches };
        Ok(Tree { dir: self.dir, version, record, pinned: true })
    }
}

/// The tree of that name, if it is there as a whole.
pub(super) fn find(cache: &Utf8Path, name: &str) -> Result<Option<Stored>> {
    let path = cache.join(format!("{name}.json"));
    let text = match std::fs::read_to_string(&path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        text => text.with_context(|| format!("failed to read {path}"))?,
    };
    let dir = camino::absolute_utf8(cache.join(name))
        .with_context(|| format!("failed to make the path of {cache} absolute"))?;
    // A record of another version of this tool, or a tree that was removed by hand: as if not there.
    let record = serde_json::from_str(&text).ok();
    Ok(record.filter(|_| dir.join("Makefile").is_file()).map(|record| Stored { dir, record }))
}

/// Compares a tree with the listing that was taken when it was unpacked.
pub(super) fn verify(shell: &Shell, progress: Progress, stored: &Stored) -> Result<Difference> {
    let path = listing_path(&stored.dir);
    let text = std::fs::read_to_string(&path).with_context(|| format!("failed to read {path}"))?;
    if hash::of_bytes(text.as_bytes()) != stored.record.listing_sha256 {
        return Err(anyhow!("listing {path} is not the one that was written with its tree"))
            .hint(|| format!("remove {} and fetch again", stored.dir));
    }
    let listing = Listing::from_text(&text).with_context(|| format!("failed to read {path}"))?;
    Ok(listing.compare(&Listing::of_folder(shell, progress, &stored.dir)?))
}

fn listing_path(dir: &Utf8Path) -> Utf8PathBuf {
    Utf8PathBuf::from(format!("{dir}.files"))
}

impl<'a> Store<'a> {
    /// Waits until no other run changes the cache, then removes what killed runs have left.
    pub(super) fn open(shell: &Shell, progress: Progress, dir: &'a Utf8Path) -> Result<Self> {
        let lock = Lock::take(shell, progress, dir)?;
        sweep(dir, SCRATCH)?;
        Ok(Store { dir, _lock: lock })
    }

    pub(super) fn dir(&self) -> &Utf8Path {
        self.dir
    }

    /// A folder that is gone when it is dropped, and swept if this run is killed.
    pub(super) fn scratch(&self) -> Result<(tempfile::TempDir, Utf8PathBuf)> {
        let create = || format!("failed to create a folder in {}", self.dir);
        let temp = tempfile::Builder::new()
            .prefix(SCRATCH)
            .permissions(std::fs::Permissions::from_mode(0o755))
            .tempdir_in(self.dir)
            .with_context(create)?;
        let path = camino::absolute_utf8(Utf8Path::from_path(temp.path()).with_context(create)?)
            .with_context(create)?;
        Ok((temp, path))
    }

    /// Puts the unpacked tree `unpacked` (in a scratch folder) where `find` finds it.
    pub(super) fn publish(
        &self,
        unpacked: &Utf8Path,
        name: &str,
        listing: &Listing,
        mut record: Record,
    ) -> Result<Stored> {
        let version = tree::inspect(unpacked)?;
        let text = listing.to_text();
        record.kernel_version = version.to_string();
        record.files = listing.len();
        record.listing_sha256 = hash::of_bytes(text.as_bytes());
        let dir = self.dir.join(name);
        let json = serde_json::to_string_pretty(&record).context("failed to write JSON")? + "\n";
        let record_path = self.dir.join(format!("{name}.json"));
        remove(&record_path)?;
        self.discard(&dir)?;
        std::fs::rename(unpacked, &dir)
            .with_context(|| format!("failed to move {unpacked} to {dir}"))?;
        replace_file(&listing_path(&dir), &text)?;
        replace_file(&record_path, &json)?;
        let dir = camino::absolute_utf8(&dir)
            .with_context(|| format!("failed to make the path {dir} absolute"))?;
        Ok(Stored { dir, record })
    }

    /// Out of the way at once, then removed.
    fn discard(&self, dir: &Utf8Path) -> Result<()> {
        if dir.exists() {
            let (_gone_when_dropped, scratch) = self.scratch()?;
            std::fs::rename(dir, scratch.join("old"))
                .with_context(|| format!("failed to move {dir} away"))?;
        }
        Ok(())
    }
}

/// Removes what killed runs have left in `dir` under such a name.
fn sweep(dir: &Utf8Path, prefix: &str) -> Result<()> {
    let read = || format!("failed to read folder {dir}");
    for entry in dir.read_dir_utf8().with_context(read)? {
        let entry = entry.with_context(read)?;
        if entry.file_name().starts_with(prefix) {
            remove(entry.path())?;
        }
    }
    Ok(())
}

fn remove(path: &Utf8Path) -> Result<()> {
    let removed = match path.symlink_metadata() {
        Ok(meta) if meta.is_dir() => std::fs::remove_dir_all(path),
        Ok(_) => std::fs::remove_file(path),
        Err(error) => Err(error),
    };
    match removed {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(error).with_context(|| format!("failed to remove {path}"))
        }
        _ => Ok(()),
    }
}

/// Readers see the old text or the new one, never a part. What an earlier, killed run had begun goes.
pub(super) fn replace_file(path: &Utf8Path, text: &str) -> Result<()> {
    let write = || -> Result<()> {
        let (folder, name) = path.parent().zip(path.file_name()).context("it is no file")?;
        let prefix = format!("{SCRATCH}{name}-");
        sweep(folder, &prefix)?;
        let mut file = tempfile::Builder::new()
            .prefix(&prefix)
            .permissions(std::fs::Permissions::from_mode(0o644))
            .tempfile_in(folder)?;
        file.write_all(text.as_bytes())?;
        file.as_file().sync_all()?;
        file.persist(path)?;
        Ok(())
    };
    write().with_context(|| format!("failed to write {path}"))
}
