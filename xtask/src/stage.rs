//! Puts an image where it is expected, whole or not at all.

use std::fs::File;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;

use anyhow::{Context, Result, ensure};
use camino::{Utf8Path, Utf8PathBuf};
use rustix::fs::{Access, access};
use serde::Serialize;
use vmm_kernel::{ImageFormat, Manifest, SourceRecord, ToolchainRecord};

use crate::diag::Hint;
use crate::hash;
use crate::provenance::{Document, ENDINGS};

/// All that decides an image; the key of a target is its hash.
#[derive(Serialize)]
pub(crate) struct Identity<'a> {
    pub source: &'a SourceRecord,
    pub config_sha256: &'a str,
    pub toolchain: &'a ToolchainRecord,
    pub format: ImageFormat,
    pub tool_version: &'a str,
}

impl Identity<'_> {
    pub(crate) fn key(&self) -> Result<String> {
        Ok(hash::of_bytes(serde_json::to_vec(self).context("failed to write an identity")?))
    }
}

/// The file beside an image that says what it is.
pub(crate) fn manifest_path(image: &Utf8Path) -> Utf8PathBuf {
    beside(image, ".json")
}

/// The manifest beside an image; none if there is none that can be read.
pub(crate) fn read_manifest(image: &Utf8Path) -> Option<Manifest> {
    serde_json::from_slice(&std::fs::read(manifest_path(image)).ok()?).ok()
}

/// The manifest beside an image that has to have one.
///
/// # Errors
/// If it is not there, or is none that this tool can read.
pub(crate) fn demand_manifest(image: &Utf8Path) -> Result<Manifest> {
    let path = manifest_path(image);
    let failed = || format!("failed to read manifest {path}");
    let bytes = std::fs::read(&path).with_context(failed).hint(|| {
        "it says what the image was made of: take it along wherever the image goes, or make the \
         image anew with `cargo xtask kernel`"
    })?;
    serde_json::from_slice(&bytes).with_context(failed).hint(|| {
        "another version of this tool wrote it, or it was changed: `cargo xtask kernel` writes it anew"
    })
}

/// The file beside an image that ends so.
fn beside(image: &Utf8Path, ending: &str) -> Utf8PathBuf {
    Utf8PathBuf::from(format!("{image}{ending}"))
}

/// The image is there with exactly this manifest and these documents, and is what they say. The key alone would not
/// do: hypervisors share it, and one key has come to other bytes where something in the host moved.
pub(crate) fn is_current(image: &Utf8Path, manifest: &Manifest, documents: &[Document]) -> bool {
    let is_there = |document: &Document| {
        let text = std::fs::read(beside(image, document.ending));
        text.is_ok_and(|text| text == document.json.as_bytes())
    };
    read_manifest(image).as_ref() == Some(manifest)
        && documents.iter().all(is_there)
        && is_whole(image, manifest)
}

/// The image's bytes are those that the manifest speaks of.
pub(crate) fn is_whole(image: &Utf8Path, manifest: &Manifest) -> bool {
    hash::is_of_file(&manifest.sha256, manifest.size, image)
}

/// Looks whether a file can be put there, and writes nothing: a build takes minutes, and its
/// result has to have a place.
///
/// # Errors
/// If a folder is there, the nearest thing above that exists is no folder, or this user may not write in it.
pub(crate) fn refuse_unwritable(file: &Utf8Path) -> Result<()> {
    let above = file.ancestors().skip(1).filter(|folder| !folder.as_str().is_empty());
    // A link that leads nowhere is there, too.
    let folder = above.into_iter().find(|folder| folder.symlink_metadata().is_ok());
    let folder = folder.unwrap_or(Utf8Path::new("."));
    let failed = || format!("failed to find a place for {file}: cannot write in {folder}");
    ensure!(!file.is_dir(), "failed to find a place for {file}: it is a folder");
    ensure!(folder.is_dir(), "{}: it is no folder", failed());
    access(folder.as_std_path(), Access::WRITE_OK | Access::EXEC_OK).with_context(failed)
}

/// Only its owner writes to it and its group reads it, as Kuasar's `make install-vmm` has it.
const MODE: u32 = 0o640;

/// Replaces image, manifest and documents at `to`; documents of another image go. The manifest goes
/// first: it names the hash of its image, so that a kill between the two leaves the old image whole and
/// is seen by the next run.
///
/// # Errors
/// If a file cannot be written; what was there before then stays.
pub(crate) fn stage(
    image: &Utf8Path,
    (manifest, documents): (&Manifest, &[Document]),
    to: &Utf8Path,
) -> Result<()> {
    let folder = to.parent().unwrap_or(Utf8Path::new("."));
    std::fs::create_dir_all(folder).with_context(|| format!("failed to create folder {folder}"))?;
    sweep(folder)?;
    let content = File::open(image).with_context(|| format!("failed to read {image}"))?;
    let new_image = temporary(folder, to, content)?;
    let json = serde_json::to_vec_pretty(manifest).context("failed to write a manifest")?;
    let manifest = manifest_path(to);
    let new_manifest = temporary(folder, &manifest, json.as_slice())?;
    let mut new_documents = vec![];
    for Document { ending, json } in documents {
        let path = beside(to, ending);
        new_documents.push((temporary(folder, &path, json.as_bytes())?, path));
    }
    for path in ENDINGS.map(|ending| beside(to, ending)).iter().filter(|path| path.exists()) {
        std::fs::remove_file(path).with_context(|| format!("failed to remove {path}"))?;
    }
    publish(new_manifest, &manifest)?;
    publish(new_image, to)?;
    for (new_document, path) in new_documents {
        publish(new_document, &path)?;
    }
    flush(folder)
}

/// Replaces a file that goes beside an image, whose folder is there.
///
/// # Errors
/// If the file cannot be written; what was there before then stays.
pub(crate) fn stage_beside(file: &Utf8Path, to: &Utf8Path) -> Result<()> {
    let folder = to.parent().unwrap_or(Utf8Path::new("."));
    sweep(folder)?;
    let content = File::open(file).with_context(|| format!("failed to read {file}"))?;
    publish(temporary(folder, to, content)?, to)?;
    flush(folder)
}

fn flush(folder: &Utf8Path) -> Result<()> {
    let synced = File::open(folder).and_then(|folder| folder.sync_all());
    synced.with_context(|| format!("failed to flush folder {folder}"))
}

const TEMPORARY: &str = ".guest-kernel-";

/// A complete, flushed file in the folder of its destination.
fn temporary(
    folder: &Utf8Path,
    to: &Utf8Path,
    mut content: impl std::io::Read,
) -> Result<tempfile::NamedTempFile> {
    let mut write = || -> std::io::Result<_> {
        let mut file = tempfile::Builder::new().prefix(TEMPORARY).tempfile_in(folder)?;
        std::io::copy(&mut content, &mut file)?;
        file.flush()?;
        file.as_file().set_permissions(std::fs::Permissions::from_mode(MODE))?;
        file.as_file().sync_all()?;
        Ok(file)
    };
    write().with_context(|| format!("failed to write {to}; what was there is untouched"))
}

fn publish(file: tempfile::NamedTempFile, to: &Utf8Path) -> Result<()> {
    file.persist(to).map(drop).with_context(|| format!("failed to replace {to}"))
}

/// Removes what a killed run left. The lock is held, so no live run owns any of it.
fn sweep(folder: &Utf8Path) -> Result<()> {
    for entry in folder.read_dir_utf8().with_context(|| format!("failed to list {folder}"))? {
        let entry = entry.with_context(|| format!("failed to list {folder}"))?;
        if entry.file_name().starts_with(TEMPORARY) {
            std::fs::remove_file(entry.path())
                .with_context(|| format!("failed to remove {}", entry.path()))?;
        }
    }
    Ok(())
}
