//! Where kernels are built that only a judgement wants: one copy of a variant's object tree, in which
//! kbuild redoes what each `.config` asks for, and what is known of those that were tried.

use std::collections::BTreeMap;
use std::fs::File;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use camino::{Utf8Path, Utf8PathBuf};
use serde::{Deserialize, Serialize};
use vmm_kernel::ImageFormat;
use walkdir::{DirEntry, WalkDir};
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
        say_moved(&part.join("tools"), from, &to)
            .with_context(|| format!("failed to move the paths in {part}/tools"))?;
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

/// The makefiles of a kernel's own tools name what they make by absolute paths, and a tool that is made
/// again has the whole kernel compiled again.
fn say_moved(tools: &Utf8Path, from: &Utf8Path, to: &Utf8Path) -> Result<()> {
    let files = WalkDir::new(tools).into_iter().flatten().map(DirEntry::into_path);
    for path in files.filter(|path| path.extension().is_some_and(|end| end == "cmd" || end == "d"))
    {
        let text = std::fs::read_to_string(&path)?;
        if text.contains(from.as_str()) {
            let time = std::fs::metadata(&path)?.modified()?;
            std::fs::write(&path, text.replace(from.as_str(), to.as_str()))?;
            File::options().write(true).open(&path)?.set_modified(time)?;
        }
    }
    Ok(())
}

fn remove(folder: &Utf8Path) -> Result<()> {
    match std::fs::remove_dir_all(folder) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(error).with_context(|| format!("failed to remove folder {folder}"))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use vmm_kernel::{Arch, SourceRecord, ToolchainRecord};

    use super::*;

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
        let toolchain = Toolchain { arch: Arch::X86_64, prefix: String::new(), record };
        let (shell, progress) = (Shell::for_tests(), Progress::Silent);
        let bench = |tree| Bench {
            shell: &shell,
            progress,
            tree,
            toolchain: &toolchain,
            folder,
            jobs: 1,
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

    #[test]
    fn a_copy_names_itself_and_keeps_its_times() {
        let dir = tempfile::tempdir().unwrap();
        let tools = Utf8Path::from_path(dir.path()).unwrap();
        let before = std::time::SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000);
        let write = |name: &str| {
            let path = tools.join(name);
            std::fs::write(&path, "cmd_/a/obj/tools/check.o := gcc").unwrap();
            File::options().write(true).open(&path).unwrap().set_modified(before).unwrap();
            path
        };
        let (command, source) = (write(".check.o.cmd"), write("check.c"));
        say_moved(tools, "/a/obj".into(), "/b/obj".into()).unwrap();
        let read = |path: &Utf8Path| {
            let text = std::fs::read_to_string(path).unwrap();
            (text, std::fs::metadata(path).unwrap().modified().unwrap())
        };
        assert_eq!(read(&command), ("cmd_/b/obj/tools/check.o := gcc".to_owned(), before));
        assert_eq!(read(&source).0, "cmd_/a/obj/tools/check.o := gcc");
    }
}
