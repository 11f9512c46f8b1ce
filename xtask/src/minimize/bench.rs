//! Where kernels are built that only a judgement wants: one copy of a variant's object tree, in which
//! kbuild redoes what each `.config` asks for, and what is known of those that were tried.

use std::collections::BTreeMap;

use anyhow::{Context, Result};
use camino::{Utf8Path, Utf8PathBuf};
use serde::{Deserialize, Serialize};
use vmm_kernel::ImageFormat;

use crate::image;
use crate::kbuild::{Build, Jobs, copy_object_tree};
use crate::measure::{Figure, sizes};
use crate::progress::Progress;
use crate::shell::Shell;
use crate::source::Tree;
use crate::toolchain::Toolchain;
use crate::variant::TOOL_VERSION;
use crate::{files, hash};

#[derive(Clone, Copy)]
pub(crate) struct Bench<'a> {
    pub shell: &'a Shell,
    pub progress: Progress,
    pub tree: &'a Tree,
    pub toolchain: &'a Toolchain,
    /// For the copy, images and what is remembered.
    pub folder: &'a Utf8Path,
    pub jobs: &'a Jobs,
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
        // It is there once all was copied.
        let done = self.folder.join("copied");
        if done.exists() || !from.join("vmlinux").is_file() {
            return Ok(());
        }
        let bar = self.progress.spinner(format!("copying the object tree of {}", self.name));
        copy_object_tree(from, &self.obj())?;
        bar.finish_and_clear();
        std::fs::write(&done, "").with_context(|| format!("failed to write {done}"))
    }

    /// Builds a kernel and makes its images.
    ///
    /// # Errors
    /// If kbuild fails, or an image cannot be made.
    pub(crate) fn build(&self, dot_config: &str, formats: &[ImageFormat]) -> Result<Made> {
        let Bench { shell, progress, tree, toolchain, folder, jobs, name } = *self;
        let (obj, log) = (self.obj(), folder.join("build.log"));
        let name = name.to_owned();
        let (own, close_up) = (obj.clone(), true);
        let build = Build { shell, progress, tree, toolchain, obj: own, log, jobs, name, close_up };
        let targets: Vec<_> = formats.iter().map(|format| image::kbuild_target(*format)).collect();
        build.run(dot_config, &targets, None)?;
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
        files::replace(&path, &serde_json::to_vec(tried).context("failed to write JSON")?)
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

#[cfg(test)]
mod tests {
    use vmm_kernel::{Arch, SourceRecord, ToolchainRecord};

    use super::*;
    use crate::toolchain::Family;

    #[test]
    fn what_passes_elsewhere_and_not_here_is_missed() {
        let tried = |all: &[(&str, &[&str])]| {
            let checks = |checks: &[&str]| checks.iter().map(|one| (*one).to_owned()).collect();
            let passed = all.iter().map(|(name, passed)| ((*name).to_owned(), checks(passed)));
            Try { passed: passed.collect(), ..Try::default() }
        };
        let whole = tried(&[("qemu", &["vsock", "fuse"]), ("firecracker", &["vsock", "epoll"])]);
        assert_eq!(whole.misses(&whole), Vec::<String>::new());
        let less = tried(&[("qemu", &["fuse", "more"]), ("firecracker", &["vsock"])]);
        assert_eq!(less.misses(&whole), ["epoll", "vsock"]);
        assert_eq!(tried(&[]).misses(&whole), ["epoll", "fuse", "vsock"]);
    }

    #[test]
    fn a_try_is_remembered_by_all_that_decides_it_and_of_a_tree_that_stays() {
        let dir = tempfile::tempdir().unwrap();
        let folder = Utf8Path::from_path(dir.path()).unwrap();
        let record = SourceRecord {
            name: "6.12".to_owned(),
            version: "6.12.0".to_owned(),
            sha256: String::new(),
            patches: vec![],
        };
        let version = "6.12.0".parse().unwrap();
        let tree = Tree { dir: folder.to_owned(), version, record, pinned: true };
        let record = ToolchainRecord { name: "gcc".to_owned(), versions: vec![] };
        let toolchain = Toolchain {
            arch: Arch::X86_64,
            family: Family::Gnu,
            prefix: String::new(),
            linker: None,
            record,
            compromise: None,
        };
        let (shell, progress) = (Shell::for_tests(), Progress::Silent);
        let jobs = Jobs::new(1, None).unwrap();
        let bench = |tree| Bench {
            shell: &shell,
            progress,
            tree,
            toolchain: &toolchain,
            folder,
            jobs: &jobs,
            name: "micro",
        };
        let one = bench(&tree);
        let key = one.key("CONFIG_A=y\n", &"qemu").unwrap();
        assert_ne!(key, one.key("CONFIG_B=y\n", &"qemu").unwrap());
        assert_ne!(key, one.key("CONFIG_A=y\n", &"firecracker").unwrap());
        assert_eq!(one.recall(&key), None);
        let tried = Try { failed: Some("it hangs".to_owned()), ..Try::default() };
        one.remember(&key, &tried).unwrap();
        assert_eq!(one.recall(&key), Some(tried));
        let own = Tree { pinned: false, ..tree.clone() };
        assert_eq!(bench(&own).recall(&key), None);
    }
}
