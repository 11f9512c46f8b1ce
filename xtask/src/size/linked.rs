//! Which objects the kernel was linked of.

use std::collections::BTreeSet;

use anyhow::{Context, Result, anyhow, ensure};
use camino::{Utf8Component, Utf8Path, Utf8PathBuf};
use object::read::archive::ArchiveFile;

use crate::diag::Hint;
use crate::measure::Needs;

/// What the last link adds to vmlinux.a (the tree's scripts/link-vmlinux.sh), by the symbol that asks
/// for it; a `*` is the number of a round, of which the last one counts.
const ADDED: [(&str, &str, &str); 5] = [
    ("MODULES", "", ".vmlinux.export.o"),
    ("KALLSYMS", ".tmp_vmlinux.kallsyms", ".o"),
    ("KALLSYMS", ".tmp_vmlinux", ".kallsyms.o"),
    ("DEBUG_INFO_BTF", ".btf.vmlinux.bin", ".o"),
    ("DEBUG_INFO_BTF", ".tmp_vmlinux", ".btf.o"),
];

/// One object of the kernel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Linked {
    /// Relative to the object tree.
    pub(super) path: Utf8PathBuf,
    /// Of a library: the linker took it only if something needed it.
    pub(super) if_needed: bool,
    /// What asks for it, where no makefile says so.
    pub(super) needs: Option<Needs>,
}

/// All objects that the link of a kernel was given.
///
/// # Errors
/// If the object tree has none of what kbuild leaves there.
pub(super) fn linked(obj: &Utf8Path, is_on: &dyn Fn(&str) -> bool) -> Result<Vec<Linked>> {
    let mut all = vec![];
    for archive in archives(obj)? {
        // vmlinux.a is taken whole, a library is not.
        let if_needed = archive.file_name() != Some("vmlinux.a");
        let members = members(obj, &archive)?.into_iter();
        all.extend(members.map(|path| Linked { path, if_needed, needs: None }));
    }
    let alone = |path, needs| Linked { path, if_needed: false, needs: Some(needs) };
    let version = Utf8PathBuf::from("init/version-timestamp.o");
    all.extend(obj.join(&version).is_file().then(|| alone(version, Needs::Nothing)));
    for (symbol, before, after) in ADDED.into_iter().filter(|(symbol, ..)| is_on(symbol)) {
        let needs = Needs::Symbols(vec![symbol.to_owned()]);
        all.extend(last_round(obj, before, after).map(|path| alone(path, needs)));
    }
    Ok(all)
}

/// The archives in the command that made vmlinux.o: vmlinux.a, and libraries.
fn archives(obj: &Utf8Path) -> Result<Vec<Utf8PathBuf>> {
    let path = obj.join(".vmlinux.o.cmd");
    let text = std::fs::read_to_string(&path)
        .with_context(|| format!("failed to read {path}"))
        .hint(|| "an object tree is what `make` left in a folder where it built a kernel")?;
    let words = text.split_ascii_whitespace().filter(|word| word.ends_with(".a"));
    let words: BTreeSet<&str> = words.collect();
    if !words.contains("vmlinux.a") {
        return Err(anyhow!("failed to find vmlinux.a in the command in {path}"))
            .hint(|| "Linux 6.1 and newer link it; an older object tree cannot be read");
    }
    Ok(words.into_iter().map(Utf8PathBuf::from).collect())
}

/// The objects that a thin archive names.
fn members(obj: &Utf8Path, archive: &Utf8Path) -> Result<Vec<Utf8PathBuf>> {
    let failed = || format!("failed to read {}", obj.join(archive));
    let data = std::fs::read(obj.join(archive)).with_context(failed)?;
    let read = ArchiveFile::parse(data.as_slice()).with_context(failed)?;
    ensure!(read.is_thin(), "{}: it is no thin archive", failed());
    let mut paths = vec![];
    for member in read.members() {
        let name = String::from_utf8_lossy(member.with_context(failed)?.name()).into_owned();
        let folder = archive.parent().unwrap_or(Utf8Path::new(""));
        paths.push(plain(&folder.join(name)));
    }
    Ok(paths)
}

/// Without `a/../`.
fn plain(path: &Utf8Path) -> Utf8PathBuf {
    let mut plain = Utf8PathBuf::new();
    for component in path.components() {
        match component {
            Utf8Component::ParentDir => drop(plain.pop()),
            Utf8Component::CurDir => {}
            other => plain.push(other),
        }
    }
    plain
}

/// The file of the highest number between the two, or of none.
fn last_round(obj: &Utf8Path, before: &str, after: &str) -> Option<Utf8PathBuf> {
    let round = |name: &str| -> Option<(u32, Utf8PathBuf)> {
        let number = name.strip_prefix(before)?.strip_suffix(after)?;
        let number = if number.is_empty() { 0 } else { number.parse().ok()? };
        Some((number, name.into()))
    };
    let entries = obj.read_dir_utf8().ok()?.flatten();
    entries.filter_map(|entry| round(entry.file_name())).max().map(|(_, path)| path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_round_counts() {
        let dir = tempfile::tempdir().unwrap();
        let obj = Utf8Path::from_path(dir.path()).unwrap();
        let names =
            [".tmp_vmlinux9.kallsyms.o", ".tmp_vmlinux10.kallsyms.o", ".tmp_vmlinux2.btf.o"];
        for name in [&names[..], &[".tmp_vmlinux11.kallsyms.S", ".btf.vmlinux.bin.o"]].concat() {
            std::fs::write(obj.join(name), "").unwrap();
        }
        let last = |before, after| last_round(obj, before, after).map(Utf8PathBuf::into_string);
        assert_eq!(last(".tmp_vmlinux", ".kallsyms.o").as_deref(), Some(names[1]));
        assert_eq!(last(".tmp_vmlinux", ".btf.o").as_deref(), Some(names[2]));
        assert_eq!(last(".btf.vmlinux.bin", ".o").as_deref(), Some(".btf.vmlinux.bin.o"));
        assert_eq!(last(".tmp_vmlinux.kallsyms", ".o"), None);
    }

    #[test]
    fn a_member_of_an_archive_in_a_folder_is_found() {
        assert_eq!(plain("arch/x86/lib/../kernel/./a.o".into()), "arch/x86/kernel/a.o");
        assert_eq!(plain("lib/string.o".into()), "lib/string.o");
    }

    #[test]
    fn what_is_no_object_tree_is_told() {
        let dir = tempfile::tempdir().unwrap();
        let obj = Utf8Path::from_path(dir.path()).unwrap();
        let refused = |said: &str| {
            let error = format!("{:#}", linked(obj, &|_| true).unwrap_err());
            assert!(error.contains(said), "{error}");
        };
        refused(".vmlinux.o.cmd");
        std::fs::write(obj.join(".vmlinux.o.cmd"), "cmd_vmlinux.o := ld -r lib/lib.a").unwrap();
        refused("failed to find vmlinux.a in the command");
        std::fs::write(obj.join(".vmlinux.o.cmd"), "cmd_vmlinux.o := ld -r vmlinux.a").unwrap();
        refused("vmlinux.a");
        std::fs::write(obj.join("vmlinux.a"), "!<arch>\n").unwrap();
        refused("it is no thin archive");
    }
}
