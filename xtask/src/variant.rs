//! A variant: what targets share that differ in hypervisor only. It has one `.config`, one object
//! tree, and a record of its last build, which tells whether there is anything to do.

use std::collections::BTreeMap;

use anyhow::{Context, Result};
use camino::{Utf8Path, Utf8PathBuf};
use serde::{Deserialize, Serialize};
use vmm_kernel::{ImageFormat, SourceRecord};

use crate::fragment::Assignment;
use crate::hash;
use crate::image::Checked;
use crate::inputs::Inputs;
use crate::resolve::Resolved;
use crate::source::Tree;
use crate::toolchain::Toolchain;

/// Part of every key: another version of this tool may make another image of the same inputs.
pub(crate) const TOOL_VERSION: &str = env!("CARGO_PKG_VERSION");

/// Where a variant keeps its things: a folder below `target/guest-kernel/build/<tree>`.
#[derive(Debug, Clone)]
pub(crate) struct Folder(Utf8PathBuf);

impl Folder {
    /// One for each tree, conf dir, type, arch and overlay, so that going back and forth between
    /// two of them rebuilds neither.
    pub(crate) fn new(work: &Utf8Path, tree: &Tree, conf_dir: &Utf8Path, variant: &str) -> Self {
        let name = tree.dir.file_name().unwrap_or("tree");
        let folder = match tree.pinned {
            true => name.to_owned(),
            false => format!("{name}-{}", short(tree.dir.as_str())),
        };
        let variant = format!("{variant}-{}", short(conf_dir.as_str()));
        Folder(work.join("build").join(folder).join(variant))
    }

    pub(crate) fn obj(&self) -> Utf8PathBuf {
        self.0.join("obj")
    }

    pub(crate) fn log(&self) -> Utf8PathBuf {
        self.0.join("build.log")
    }

    /// The object tree of the tree's Kconfig tools, which every variant of an arch could share; its
    /// own keeps two runs from meeting there.
    pub(crate) fn conf(&self) -> Utf8PathBuf {
        self.0.join("conf")
    }

    pub(crate) fn image(&self, format: ImageFormat) -> Utf8PathBuf {
        self.0.join("image").join(format.name())
    }

    fn record(&self) -> Utf8PathBuf {
        self.0.join("record.json")
    }
}

fn short(text: &str) -> String {
    hash::of_bytes(text)[..8].to_owned()
}

/// What the last build of a variant was made of, and what it made.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Record {
    request: String,
    inputs: Inputs,
    pub resolved: Resolved,
    pub source: SourceRecord,
    pub release: String,
    pub images: BTreeMap<ImageFormat, Made>,
}

/// An image in the variant's folder.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Made {
    pub sha256: String,
    pub checked: Checked,
}

/// Hash of all that is known before resolving; the tree's content comes on top of it.
pub(crate) fn request_hash(
    assignments: &[Assignment],
    source: &SourceRecord,
    toolchain: &Toolchain,
) -> Result<String> {
    let asked: Vec<_> = assignments.iter().map(|a| (&a.symbol, &a.value)).collect();
    let all = (asked, source, toolchain.arch, &toolchain.prefix, &toolchain.record, TOOL_VERSION);
    Ok(hash::of_bytes(serde_json::to_vec(&all).context("failed to write a request")?))
}

impl Record {
    /// The record of the last build, if that build still stands for this request, tree and formats.
    pub(crate) fn current(
        folder: &Folder,
        request: &str,
        tree: &Tree,
        formats: &[ImageFormat],
    ) -> Option<Self> {
        let record = Self::read(folder)?;
        let made = |format: &ImageFormat| {
            let size = std::fs::metadata(folder.image(*format)).map(|metadata| metadata.len()).ok();
            record.images.get(format).is_some_and(|made| size == Some(made.checked.size))
        };
        let current = record.request == request
            && record.resolved.findings.is_empty()
            && formats.iter().all(made)
            && record.inputs.changed(&tree.dir).is_none();
        current.then_some(record)
    }

    fn read(folder: &Folder) -> Option<Self> {
        serde_json::from_slice(&std::fs::read(folder.record()).ok()?).ok()
    }

    /// Takes down what a build read and left; `images` are filled in as they are made.
    pub(crate) fn after_build(
        folder: &Folder,
        request: String,
        tree: &Tree,
        resolved: Resolved,
        release: String,
    ) -> Result<Self> {
        let before = Self::read(folder).map(|record| record.inputs);
        let inputs = Inputs::collect(&tree.dir, &folder.obj(), before.as_ref())?;
        let mut source = tree.record.clone();
        if !tree.pinned {
            source.sha256 = inputs.identity();
        }
        Ok(Record { request, inputs, resolved, source, release, images: BTreeMap::new() })
    }

    /// # Errors
    /// If the record cannot be written; the next run then builds again.
    pub(crate) fn write(&self, folder: &Folder) -> Result<()> {
        let path = folder.record();
        let json = serde_json::to_vec(self).context("failed to write a build record")?;
        std::fs::write(&path, json).with_context(|| format!("failed to write {path}"))
    }

    /// Forgets the last build, before its files change.
    pub(crate) fn forget(folder: &Folder) -> Result<()> {
        let path = folder.record();
        match std::fs::remove_file(&path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                Err(error).with_context(|| format!("failed to remove {path}"))
            }
            _ => Ok(()),
        }
    }
}
