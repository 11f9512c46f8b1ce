//! Where kernels are built that only a judgement wants: one copy of a variant's object tree, in which
//! kbuild redoes what each `.config` asks for, and what is known of those that were tried.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use camino::{Utf8Path, Utf8PathBuf};
use serde::{Deserialize, Serialize};
use vmm_kernel::ImageFormat;
use xshell::cmd;

use crate::hash;
use crate::image;
use crate::kbuild::Build;
use crate::measure::{Figure, sizes};
use crate::progress::Progress;
use crate::shell::Shell;
use crate::source::Tree;
use crate::toolchain::Toolchain;
use crate::variant::TOOL_VERSION;

#[derive(Clone, Copy)]
pub(crate) struct Bench<'a> {
    pub shell: &'a Shell,
    pub progress: Progress,
    pub tree: &'a Tree,
    pub toolchain: &'a Toolchain,
    /// For the copy, images and what is remembered.
    pub folder: &'a Utf8Path,
    pub jobs: usize,
    /// The kernel's name.
    pub name: &'a str,
}

/// What a build made.
#[derive(Debug)]
pub(crate) struct Made {
    pub images: BTreeMap<ImageFormat, Utf8PathBuf>,
    /// In bytes, of the first image and of the vmlinux.
    pub sizes: BTreeMap<Figure, u64>,
}

/// How long a copy of some hundred megabytes may take.
const COPY: Duration = Duration::from_secs(1800);

impl Bench<'_> {
    pub(crate) fn obj(&self) -> Utf8PathBuf {
        self.folder.join("obj")
    }

    /// Copies the object tree of the variant's last build, unless there is a copy from before. Without
    /// one the first build takes as long as a first build does.
    ///
    /// # Errors
    /// If it cannot be copied.
    pub(crate) fn set_up(&self, from: &Utf8Path) -> Result<()> {
        let (to, part) = (self.obj(), self.folder.join("obj.part"));
        if to.exists() || !from.join("vmlinux").is_file() {
            return Ok(());
        }
        let Bench { shell, progress, name, .. } = self;
        let bar = progress.spinner(format!("copying the object tree of {name}"));
        // What an earlier run did not copy to the end.
        remove(&part)?;
        // Times have to stay: they are what kbuild goes by.
        let copy = cmd!(shell.sh, "cp -a --reflink=auto {from} {part}");
        let done = shell.run(copy, COPY)?;
        bar.finish_and_clear();
        if !done.success() {
            bail!("failed to copy {from} to {part}: {}\n{}", done.how(), done.last_lines(3));
        }
        std::fs::rename(&part, &to).with_context(|| format!("failed to move {part} to {to}"))
    }

    /// Builds a kernel and makes its images.
    ///
    /// # Errors
    /// If kbuild fails, or an image cannot be made.
    pub(crate) fn build(&self, dot_config: &str, formats: &[ImageFormat]) -> Result<Made> {
        let Bench { shell, progress, tree, toolchain, folder, jobs, name } = *self;
        let (obj, log) = (self.obj(), folder.join("build.log"));
        let name = name.to_owned();
        let build = Build { shell, progress, tree, toolchain, obj: obj.clone(), log, jobs, name };
        let targets: Vec<_> = formats.iter().map(|format| image::kbuild_target(*format)).collect();
        build.run(dot_config, &targets)?;
        let mut images = BTreeMap::new();
        for format in formats {
            let file = folder.join("image").join(format.name());
            image::make(&obj, *format, &file)?;
            images.insert(*format, file);
        }
        let first = formats.first().and_then(|format| images.get(format));
        let first = first.context("no image format is asked for")?;
        let sizes = sizes(first, Some(&obj.join("vmlinux")))?;
        Ok(Made { images, sizes })
    }

    /// The name under which what came of a `.config` is remembered; `how` is all else that decides.
    ///
    /// # Errors
    /// If it cannot be written down.
    pub(crate) fn key(&self, dot_config: &str, how: &impl Serialize) -> Result<String> {
        let Bench { tree, toolchain, .. } = self;
        let all = (TOOL_VERSION, &tree.record, &toolchain.record, dot_config, how);
        let all = serde_json::to_vec(&all).context("failed to write what a try depends on")?;
        Ok(hash::of_bytes(all)[..16].to_owned())
    }

    /// What came of a kernel before. Nothing is remembered of a tree of the user's own, which may
    /// change.
    pub(crate) fn recall(&self, key: &str) -> Option<Try> {
        let path = self.memory(key);
        let text = self.tree.pinned.then(|| std::fs::read(path).ok()).flatten()?;
        serde_json::from_slice(&text).ok()
    }

    /// # Errors
    /// If it cannot be written.
    pub(crate) fn remember(&self, key: &str, tried: &Try) -> Result<()> {
        let path = self.memory(key);
        let write = || -> Result<()> {
            let folder = path.parent().context("it has no folder")?;
            std::fs::create_dir_all(folder)?;
            let file = tempfile::NamedTempFile::new_in(folder)?;
            serde_json::to_writer(&file, tried)?;
            file.persist(&path)?;
            Ok(())
        };
        write().with_context(|| format!("failed to write {path}"))
    }

    fn memory(&self, key: &str) -> Utf8PathBuf {
        self.folder.join("tries").join(format!("{key}.json"))
    }
}

/// What came of a kernel that was built and booted.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Try {
    /// The checks that passed, by hypervisor.
    pub passed: BTreeMap<String, Vec<String>>,
    /// Why a boot ended otherwise than it should, in words.
    pub failed: Option<String>,
    /// Of the image and the vmlinux, and of a start where one was measured.
    pub figures: BTreeMap<Figure, u64>,
}

impl Try {
    /// The checks that pass in another kernel and not in this one.
    pub(crate) fn misses(&self, other: &Try) -> Vec<String> {
        let mut missed = vec![];
        for (hypervisor, checks) in &other.passed {
            let here = self.passed.get(hypervisor).map(Vec::as_slice).unwrap_or_default();
            missed.extend(checks.iter().filter(|check| !here.contains(check)).cloned());
        }
        missed.sort();
        missed.dedup();
        missed
    }
}

fn remove(folder: &Utf8Path) -> Result<()> {
    match std::fs::remove_dir_all(folder) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(error).with_context(|| format!("failed to remove folder {folder}"))
        }
        _ => Ok(()),
    }
}
