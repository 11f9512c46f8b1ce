//! What goes beside an image: the kernel's modules, what others' modules are built against, and what a
//! debugger reads.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};

use anyhow::{Context, Result, anyhow};
use camino::{Utf8Path, Utf8PathBuf};
use serde::{Deserialize, Serialize};
use tar::{Builder, HeaderMode};
use walkdir::WalkDir;

use crate::diag::Hint;

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Package {
    /// `lib/modules/<release>`, as `modules_install` leaves it.
    Modules,
    /// `linux-headers-<release>`: a folder for `make -C` and `M=`.
    Headers,
    /// The vmlinux with all that a debugger reads in it.
    Vmlinux,
}

impl Package {
    /// The file's name for a kernel of that release, and of a kind (`-debug`) that may be empty.
    pub(crate) fn file_name(self, release: &str, kind: &str) -> String {
        match self {
            Package::Modules => format!("modules-{release}{kind}.tar.zst"),
            Package::Headers => format!("headers-{release}{kind}.tar.zst"),
            Package::Vmlinux => "vmlinux.debug".to_owned(),
        }
    }

    /// Whether only a kernel with loadable modules has it.
    pub(crate) fn needs_modules(self) -> bool {
        self != Package::Vmlinux
    }
}

/// Packs what `modules_install` left below `root`. Its links into the trees of this build stay behind.
///
/// # Errors
/// If something cannot be read or written, or depmod has not indexed all modules.
pub(crate) fn modules(root: &Utf8Path, to: &Utf8Path) -> Result<()> {
    let mut files = Files::new();
    gather(root, &["lib"], |name| !root.join(name).is_symlink(), &mut files)?;
    refuse_unindexed(&files)?;
    pack(&files, to)
}

/// What modules' names end in, by MODULE_COMPRESS_* of the tree's kernel/module/Kconfig.
const MODULES: [&str; 4] = [".ko", ".ko.gz", ".ko.xz", ".ko.zst"];

/// A depmod that cannot unpack a module takes it for none, and succeeds: modprobe finds none of those that
/// modules.dep does not name (modules.dep(5)).
fn refuse_unindexed(files: &Files) -> Result<()> {
    let is_module = |name: &&Utf8PathBuf| MODULES.iter().any(|end| name.as_str().ends_with(end));
    let modules: Vec<&Utf8PathBuf> = files.keys().filter(is_module).collect();
    let mut indexed = BTreeSet::new();
    for (name, path) in files.iter().filter(|file| file.0.file_name() == Some("modules.dep")) {
        let text = fs::read_to_string(path).with_context(|| format!("failed to read {path}"))?;
        let folder = name.parent().unwrap_or(name);
        let named = text.lines().filter_map(|line| line.split_once(':'));
        indexed.extend(named.map(|(module, _)| folder.join(module)));
    }
    let unknown: Vec<_> = modules.iter().filter(|name| !indexed.contains(**name)).collect();
    let Some(first) = unknown.first() else { return Ok(()) };
    let (count, all) = (unknown.len(), modules.len());
    let packing = first.extension().filter(|end| *end != "ko");
    Err(anyhow!("depmod does not index {count} of {all} modules, such as {first}")).hint(|| {
        match packing {
            Some(end) => format!(
                "`depmod --version` says what it unpacks: without .{end}, ask for another \
                 MODULE_COMPRESS_… symbol, or for none"
            ),
            None => "modprobe would find none of them: see what the depmod on PATH says".to_owned(),
        }
    })
}

/// What modules are built against, as the tree's own packages have it (scripts/package/install-extmod-build,
/// in older trees scripts/package/builddeb): `arch` is the arch's folder in the tree.
///
/// # Errors
/// If something cannot be read or written.
pub(crate) fn headers(
    tree: &Utf8Path,
    obj: &Utf8Path,
    (arch, release): (&str, &str),
    to: &Utf8Path,
) -> Result<()> {
    let arch = format!("arch/{arch}");
    let folders = ["include", "scripts", &arch];
    let belongs = |name: &Utf8Path| belongs(name, &arch);
    let mut files = Files::new();
    gather(tree, &["Makefile"], belongs, &mut files)?;
    // What was generated takes the place of what the tree has by the same name.
    for root in [tree, obj] {
        gather(root, &folders, belongs, &mut files)?;
    }
    gather(obj, &MADE, |_| true, &mut files)?;
    let folder = Utf8PathBuf::from(format!("linux-headers-{release}"));
    pack(&files.into_iter().map(|(name, path)| (folder.join(name), path)).collect(), to)
}

/// What an object tree has beside folders of headers and scripts, as far as its kernel needs it.
const MADE: [&str; 6] = [
    ".config",
    "Module.symvers",
    "include/config/auto.conf",
    "include/config/kernel.release",
    "tools/objtool/objtool",
    "tools/bpf/resolve_btfids/resolve_btfids",
];

/// Folders of what is done before a kernel is built, and of the empty files by which kbuild tells that a
/// symbol changed.
const LEFT_OUT: [&str; 5] =
    ["include/config", "scripts/atomic", "scripts/dtc", "scripts/kconfig", "scripts/package"];

/// Of an arch, headers and what the top Makefile includes; of nothing, what a build leaves of each step.
fn belongs(name: &Utf8Path, arch: &str) -> bool {
    let file = name.file_name().unwrap_or_default();
    let is_step =
        file.starts_with('.') || ["o", "a", "s"].iter().any(|end| name.extension() == Some(end));
    let is_top = name.parent() == Some(Utf8Path::new(arch)) && file.starts_with("Makefile");
    let of_arch = !name.starts_with(arch) || name.as_str().contains("/include/") || is_top;
    of_arch && !is_step && !LEFT_OUT.iter().any(|folder| name.starts_with(folder))
}

/// Each file by its name in the archive.
type Files = BTreeMap<Utf8PathBuf, Utf8PathBuf>;

/// Adds the files at and below these places in `root` that are wanted, by their names there.
fn gather(
    root: &Utf8Path,
    places: &[&str],
    wanted: impl Fn(&Utf8Path) -> bool,
    files: &mut Files,
) -> Result<()> {
    for place in places.iter().map(|place| root.join(place)).filter(|place| place.exists()) {
        for entry in WalkDir::new(&place) {
            let entry = entry.with_context(|| format!("failed to list {place}"))?;
            let path = Utf8Path::from_path(entry.path())
                .with_context(|| format!("{} is not UTF-8", entry.path().display()))?;
            let name = path.strip_prefix(root).unwrap_or(path);
            if !entry.file_type().is_dir() && wanted(name) {
                files.insert(name.to_owned(), path.to_owned());
            }
        }
    }
    Ok(())
}

/// The same files give the same bytes: in the order of their names, all root's, all of one time.
fn pack(files: &Files, to: &Utf8Path) -> Result<()> {
    let folder = to.parent().unwrap_or(Utf8Path::new("."));
    fs::create_dir_all(folder).with_context(|| format!("failed to create folder {folder}"))?;
    let write = || -> Result<()> {
        let zstd = zstd::Encoder::new(File::create(to)?, LEVEL)?;
        let mut tar = Builder::new(zstd);
        tar.mode(HeaderMode::Deterministic);
        tar.follow_symlinks(false);
        for (name, path) in files {
            tar.append_path_with_name(path, name)
                .with_context(|| format!("failed to add {path}"))?;
        }
        tar.into_inner()?.finish()?;
        Ok(())
    };
    write().with_context(|| format!("failed to write {to}"))
}

/// Of zstd's 22.
const LEVEL: i32 = 12;

#[cfg(test)]
mod tests {
    use std::io::Read as _;
    use std::os::unix::fs::symlink;

    use super::*;

    fn folder() -> (tempfile::TempDir, Utf8PathBuf) {
        let dir = tempfile::tempdir().unwrap();
        let path = Utf8PathBuf::from_path_buf(dir.path().to_owned()).unwrap();
        (dir, path)
    }

    fn write(path: Utf8PathBuf, text: &str) {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    fn listed(archive: &Utf8Path) -> BTreeMap<String, String> {
        let zstd = zstd::Decoder::new(File::open(archive).unwrap()).unwrap();
        let read = |entry: std::io::Result<tar::Entry<'_, _>>| {
            let mut entry = entry.unwrap();
            let header = entry.header();
            assert_eq!((header.uid().unwrap(), header.gid().unwrap()), (0, 0));
            let name = entry.path().unwrap().to_str().unwrap().to_owned();
            let mut text = String::new();
            entry.read_to_string(&mut text).unwrap();
            (name, text)
        };
        tar::Archive::new(zstd).entries().unwrap().map(read).collect()
    }

    #[test]
    fn modules_are_packed_alike_whenever_they_are() {
        let (_keep, root) = folder();
        let file = root.join("first/lib/modules/6.12.0/kernel/xfs.ko");
        write(file.clone(), "xfs");
        symlink("../../../obj", root.join("first/lib/modules/6.12.0/build")).unwrap();
        for tree in ["first", "second"] {
            let index = root.join(tree).join("lib/modules/6.12.0/modules.dep");
            write(index, "kernel/xfs.ko:\n");
        }
        modules(&root.join("first"), &root.join("a.tar.zst")).unwrap();
        write(root.join("second/lib/modules/6.12.0/kernel/xfs.ko"), "xfs");
        fs::File::open(&file).unwrap().set_modified(std::time::UNIX_EPOCH).unwrap();
        modules(&root.join("second"), &root.join("b.tar.zst")).unwrap();
        let bytes = ["a.tar.zst", "b.tar.zst"].map(|name| fs::read(root.join(name)).unwrap());
        assert_eq!(bytes[0], bytes[1]);
        let names: Vec<_> = listed(&root.join("a.tar.zst")).into_keys().collect();
        let packed =
            ["kernel/xfs.ko", "modules.dep"].map(|file| format!("lib/modules/6.12.0/{file}"));
        assert_eq!(names, packed);
    }

    #[test]
    fn headers_are_of_both_trees_and_hold_no_object() {
        let (_keep, root) = folder();
        let (tree, obj) = (root.join("tree"), root.join("obj"));
        for name in [
            "Makefile",
            "Kconfig",
            "include/linux/module.h",
            "scripts/Makefile.build",
            "scripts/kconfig/conf.c",
            "arch/x86/Makefile",
            "arch/x86/boot/Makefile",
            "arch/x86/include/asm/io.h",
            "arch/x86/kernel/head.S",
            "arch/arm64/include/asm/io.h",
        ] {
            write(tree.join(name), "tree");
        }
        for name in [
            "Makefile",
            ".config",
            "Module.symvers",
            "include/config/auto.conf",
            "include/generated/autoconf.h",
            "include/generated/.autoconf.h.cmd",
            "scripts/mod/modpost",
            "scripts/mod/modpost.o",
            "arch/x86/include/generated/asm/x.h",
            "vmlinux",
        ] {
            write(obj.join(name), "obj");
        }
        write(obj.join("include/config/NET"), "");
        let to = root.join("h.tar.zst");
        headers(&tree, &obj, ("x86", "6.12.0"), &to).unwrap();
        let files = listed(&to);
        let of = |whose: &str| -> Vec<&str> {
            let of_it = files.iter().filter(|(_, text)| *text == whose);
            of_it.map(|(name, _)| name.strip_prefix("linux-headers-6.12.0/").unwrap()).collect()
        };
        assert_eq!(
            of("tree"),
            [
                "Makefile",
                "arch/x86/Makefile",
                "arch/x86/include/asm/io.h",
                "include/linux/module.h",
                "scripts/Makefile.build",
            ]
        );
        assert_eq!(
            of("obj"),
            [
                ".config",
                "Module.symvers",
                "arch/x86/include/generated/asm/x.h",
                "include/config/auto.conf",
                "include/generated/autoconf.h",
                "scripts/mod/modpost",
            ]
        );
        assert_eq!(files.len(), 11);
    }
}
