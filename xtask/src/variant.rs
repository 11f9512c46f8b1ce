//! A variant: what targets share that differ in hypervisor only. It has one `.config`, one object
//! tree, and a record of its last build, which tells whether there is anything to do.

use std::collections::{BTreeMap, BTreeSet};
use std::time::SystemTime;

use anyhow::{Context, Result};
use camino::{Utf8Path, Utf8PathBuf};
use serde::{Deserialize, Serialize};
use vmm_kernel::{ImageFormat, SourceRecord};

use crate::fragment::Assignment;
use crate::hash;
use crate::history::History;
use crate::image::Checked;
use crate::inputs::Inputs;
use crate::lock::Lock;
use crate::package::Package;
use crate::progress::Progress;
use crate::resolve::Resolved;
use crate::shell::Shell;
use crate::source::Tree;
use crate::toolchain::Toolchain;

/// Part of every key: another version of this tool may make another image of the same inputs.
pub(crate) const TOOL_VERSION: &str = env!("CARGO_PKG_VERSION");

/// Where a variant keeps its things: a folder below `target/guest-kernel/build/<tree>`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
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

    pub(crate) fn image(&self, format: ImageFormat) -> Utf8PathBuf {
        self.0.join("image").join(format.name())
    }

    pub(crate) fn package(&self, file_name: &str) -> Utf8PathBuf {
        self.0.join("package").join(file_name)
    }

    fn record(&self) -> Utf8PathBuf {
        self.0.join("record.json")
    }

    /// The right to change what is in it, and to have it stay as it is.
    ///
    /// # Errors
    /// If it cannot be made, or the user interrupts.
    pub(crate) fn lock(&self, shell: &Shell, progress: Progress) -> Result<Lock> {
        Lock::take(shell, progress, &self.0)
    }

    /// Locks several, in the order in which every run does: two runs do not wait for each other.
    ///
    /// # Errors
    /// If one cannot be made, or the user interrupts.
    pub(crate) fn lock_all<'a>(
        folders: impl Iterator<Item = &'a Folder>,
        shell: &Shell,
        progress: Progress,
    ) -> Result<Vec<Lock>> {
        let folders: BTreeSet<&Folder> = folders.collect();
        folders.into_iter().map(|folder| folder.lock(shell, progress)).collect()
    }

    /// The folder whose last build made the image with this hash, with its record.
    pub(crate) fn that_made(work: &Utf8Path, image_sha256: &str) -> Option<(Folder, Record)> {
        let below = |folder: &Utf8Path| -> Vec<Utf8PathBuf> {
            let entries = folder.read_dir_utf8().into_iter().flatten();
            entries.filter_map(|entry| Some(entry.ok()?.into_path())).collect()
        };
        let folders = below(&work.join("build")).into_iter().flat_map(|tree| below(&tree));
        folders.map(Folder).find_map(|folder| {
            let record = Record::read(&folder)?;
            let made = record.images.values().any(|made| made.sha256 == image_sha256);
            made.then_some((folder, record))
        })
    }

    /// The tree that the object tree is of: kbuild leaves a link to it.
    pub(crate) fn tree(&self) -> Option<Utf8PathBuf> {
        self.obj().join("source").read_link_utf8().ok()
    }
}

fn short(text: &str) -> String {
    hash::of_bytes(text)[..8].to_owned()
}

/// What the last build of a variant was made of, and what it made.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Record {
    request: Request,
    inputs: Inputs,
    pub resolved: Resolved,
    pub source: SourceRecord,
    pub release: String,
    pub images: BTreeMap<ImageFormat, Made>,
    #[serde(default)]
    pub packages: BTreeMap<Package, Packed>,
}

/// A package in the variant's folder.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Packed {
    pub file_name: String,
    pub sha256: String,
    pub size: u64,
}

/// An image in the variant's folder.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Made {
    pub sha256: String,
    pub checked: Checked,
}

/// All that is known before resolving; the tree's content comes on top of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Request {
    /// Hash of what decides the result.
    decides: String,
    /// Hash of where each line stands, which only counts where a line is spoken of.
    places: String,
}

impl Request {
    pub(crate) fn new(
        assignments: &[Assignment],
        history: &History,
        source: &SourceRecord,
        toolchain: &Toolchain,
    ) -> Result<Self> {
        let asked: Vec<_> = assignments.iter().map(|a| (&a.symbol, &a.value)).collect();
        let places: Vec<_> = assignments.iter().map(|a| &a.place).collect();
        let Toolchain { arch, prefix, record, .. } = toolchain;
        let decides = (asked, history, source, arch, prefix, record, TOOL_VERSION);
        Ok(Request { decides: hash_of(&decides)?, places: hash_of(&places)? })
    }
}

fn hash_of(value: &impl Serialize) -> Result<String> {
    Ok(hash::of_bytes(serde_json::to_vec(value).context("failed to write a request")?))
}

impl Record {
    /// The record of the last build, if that build still stands for this request and tree; with
    /// those of its images that are as they were made.
    pub(crate) fn standing(folder: &Folder, request: &Request, tree: &Tree) -> Option<Self> {
        let mut record = Self::read(folder)?;
        let speaks_of_lines =
            !record.resolved.findings.is_empty() || !record.resolved.notes.is_empty();
        let stands = record.request.decides == request.decides
            && (record.request.places == request.places || !speaks_of_lines)
            && record.inputs.changed(&tree.dir).is_none();
        if !stands {
            return None;
        }
        record.images.retain(|format, made| {
            hash::is_of_file(&made.sha256, made.checked.size, &folder.image(*format))
        });
        record.packages.retain(|_, packed| {
            hash::is_of_file(&packed.sha256, packed.size, &folder.package(&packed.file_name))
        });
        Some(record)
    }

    /// Whether it has an image of each of these formats, and these packages.
    pub(crate) fn has(&self, formats: &[ImageFormat], packages: &[Package]) -> bool {
        formats.iter().all(|format| self.images.contains_key(format))
            && packages.iter().all(|package| self.packages.contains_key(package))
    }

    pub(crate) fn inputs(&self) -> &Inputs {
        &self.inputs
    }

    pub(crate) fn read(folder: &Folder) -> Option<Self> {
        serde_json::from_slice(&std::fs::read(folder.record()).ok()?).ok()
    }

    /// Takes away the record of the last build, before its files change.
    pub(crate) fn take(folder: &Folder) -> Result<Option<Self>> {
        let record = Self::read(folder);
        let path = folder.record();
        match std::fs::remove_file(&path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                Err(error).with_context(|| format!("failed to remove {path}"))
            }
            _ => Ok(record),
        }
    }

    /// Takes down what a build that began at `started` read and left; `images` are filled in as
    /// they are made. `before` is the record of the build before this one.
    pub(crate) fn after_build(
        folder: &Folder,
        request: Request,
        tree: &Tree,
        started: SystemTime,
        built: (Resolved, String),
        before: Option<&Record>,
    ) -> Result<Self> {
        let before = before.map(|record| &record.inputs);
        let inputs = Inputs::collect(&tree.dir, &folder.obj(), started, before)?;
        let mut source = tree.record.clone();
        if !tree.pinned {
            source.sha256 = inputs.identity();
        }
        let (resolved, release) = built;
        let (images, packages) = (BTreeMap::new(), BTreeMap::new());
        Ok(Record { request, inputs, resolved, source, release, images, packages })
    }

    /// # Errors
    /// If the record cannot be written; the next run then builds again.
    pub(crate) fn write(&self, folder: &Folder) -> Result<()> {
        let path = folder.record();
        let json = serde_json::to_vec(self).context("failed to write a build record")?;
        std::fs::write(&path, json).with_context(|| format!("failed to write {path}"))
    }
}

#[cfg(test)]
mod tests {
    use vmm_kernel::{Arch, ResolvedBy, ToolchainRecord};

    use super::*;
    use crate::toolchain::Family;

    /// A variant after a build that made images of two formats, and what it was built from.
    fn built(root: &Utf8Path) -> (Folder, Request, Tree) {
        let dir = root.join("tree");
        std::fs::create_dir_all(dir.join("scripts")).unwrap();
        std::fs::write(dir.join("Makefile"), "").unwrap();
        let record = SourceRecord {
            name: "dir".to_owned(),
            version: "6.12.0".to_owned(),
            sha256: String::new(),
            patches: vec![],
        };
        let tree = Tree { dir, version: "6.12.0".parse().unwrap(), record, pinned: false };
        let folder = Folder(root.join("variant"));
        std::fs::create_dir_all(folder.obj()).unwrap();
        std::fs::create_dir_all(folder.0.join("image")).unwrap();
        std::fs::write(folder.obj().join("x.cmd"), format!("{}/Makefile", tree.dir)).unwrap();
        let request = request(&[]);
        let resolved = Resolved {
            dot_config: String::new(),
            findings: vec![],
            notes: vec![],
            brought: BTreeMap::new(),
            resolved_by: ResolvedBy::default(),
        };
        let later = SystemTime::now() + std::time::Duration::from_secs(1);
        let built = (resolved, "6.12.0".to_owned());
        let mut record =
            Record::after_build(&folder, request.clone(), &tree, later, built, None).unwrap();
        for format in [ImageFormat::BzImage, ImageFormat::Vmlinux] {
            std::fs::write(folder.image(format), format.name()).unwrap();
            let size = format.name().len() as u64;
            let checked = serde_json::json!({
                "format": format, "arch": "x86_64", "size": size, "entry": 0, "load_size": 0,
                "warnings": [],
            });
            let checked = serde_json::from_value(checked).unwrap();
            let made = Made { sha256: hash::of_bytes(format.name()), checked };
            record.images.insert(format, made);
        }
        record.write(&folder).unwrap();
        (folder, request, tree)
    }

    fn request(history: &[(&str, &str)]) -> Request {
        let entry = |(name, was): &(&str, &str)| {
            format!("[[symbol]]\nname = \"{name}\"\nwas = [\"{was}\"]\nevidence = \"\"\n")
        };
        let history = toml::from_str(&history.iter().map(entry).collect::<String>()).unwrap();
        let source = SourceRecord {
            name: "dir".to_owned(),
            version: "6.12.0".to_owned(),
            sha256: String::new(),
            patches: vec![],
        };
        let record = ToolchainRecord { name: "gcc".to_owned(), versions: vec![] };
        let toolchain = Toolchain {
            arch: Arch::X86_64,
            family: Family::Gnu,
            prefix: String::new(),
            linker: None,
            record,
            compromise: None,
        };
        Request::new(&[], &history, &source, &toolchain).unwrap()
    }

    fn temporary() -> (tempfile::TempDir, Utf8PathBuf) {
        let dir = tempfile::tempdir().unwrap();
        let path = Utf8PathBuf::from_path_buf(dir.path().to_owned()).unwrap();
        (dir, path)
    }

    #[test]
    fn an_image_that_is_not_as_it_was_made_is_made_again_and_the_other_stays() {
        let (_keep, root) = temporary();
        let (folder, request, tree) = built(&root);
        let both = [ImageFormat::BzImage, ImageFormat::Vmlinux];
        assert!(Record::standing(&folder, &request, &tree).unwrap().has(&both, &[]));
        std::fs::write(folder.image(ImageFormat::BzImage), "BZiMAGE").unwrap();
        let record = Record::standing(&folder, &request, &tree).unwrap();
        assert_eq!(record.images.keys().collect::<Vec<_>>(), [&ImageFormat::Vmlinux]);
    }

    #[test]
    fn a_corrected_translation_is_resolved_again() {
        let (_keep, root) = temporary();
        let (folder, _, tree) = built(&root);
        let corrected = request(&[("NEW", "OLD")]);
        assert!(Record::standing(&folder, &corrected, &tree).is_none());
        assert_ne!(corrected, request(&[("NEW", "OLDER")]));
    }

    #[test]
    fn a_record_is_taken_with_what_it_knows_of_the_inputs() {
        let (_keep, root) = temporary();
        let (folder, ..) = built(&root);
        let taken = Record::take(&folder).unwrap().unwrap();
        assert_ne!(taken.inputs, Inputs::default());
        assert!(Record::take(&folder).unwrap().is_none());
    }
}
