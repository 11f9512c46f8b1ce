//! Others' fragments: which kernels a folder of them describes.

use anyhow::{Context, Result, anyhow};
use camino::{Utf8Path, Utf8PathBuf};
use vmm_kernel::{Arch, KernelType};

use crate::diag::Hint;

/// A kernel that somebody else describes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Peer {
    /// `kuasar/micro-x86_64`, `kata-x86_64`.
    pub(crate) name: String,
    pub(crate) arch: Arch,
    /// By its name; whatever is no micro kernel is for the standard VM.
    pub(crate) kernel_type: KernelType,
    pub(crate) lines: Lines,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Lines {
    /// Names fragments beside it.
    List(Utf8PathBuf),
    Fragment(Utf8PathBuf),
    /// Names files of the kernel's tree, one a line, for defaults and what goes on top of them: as
    /// `make x86_64_defconfig kvm_guest.config` takes them.
    OfTree(Utf8PathBuf),
}

impl Lines {
    pub(crate) fn path(&self) -> &Utf8Path {
        let (Lines::List(path) | Lines::Fragment(path) | Lines::OfTree(path)) = self;
        path
    }
}

/// The kernels that lists (`micro-kernel-x86_64.list`), fragments (`kata-x86_64.conf`) and names of the
/// tree's own files (`defconfig-x86_64.configs`) in this folder's folders describe, by name. A folder that has lists keeps parts of kernels in its fragments.
///
/// # Errors
/// If the folder cannot be listed, or describes no kernel.
pub(crate) fn find(dir: &Utf8Path) -> Result<Vec<Peer>> {
    let mut peers = vec![];
    for folder in entries(dir)?.into_iter().filter(|path| path.is_dir()) {
        let mut files = entries(&folder)?;
        let is_list = |path: &Utf8PathBuf| path.extension() == Some("list");
        if files.iter().any(is_list) {
            files.retain(is_list);
        }
        let whose = folder.file_name().unwrap_or_default().to_owned();
        peers.extend(files.into_iter().filter_map(|file| peer(&whose, file)));
    }
    if peers.is_empty() {
        let none = anyhow!("failed to find a kernel in {dir}");
        return Err(none).hint(|| {
            "it needs a folder for each project, with NAME-kernel-ARCH.list and the fragments that \
             these name, with NAME-ARCH.conf or with NAME-ARCH.configs"
        });
    }
    Ok(peers)
}

fn entries(dir: &Utf8Path) -> Result<Vec<Utf8PathBuf>> {
    let listed = || -> std::io::Result<Vec<Utf8PathBuf>> {
        dir.read_dir_utf8()?.map(|entry| Ok(entry?.into_path())).collect()
    };
    let mut entries = listed().with_context(|| format!("failed to list {dir}"))?;
    entries.sort();
    Ok(entries)
}

/// None: the file's name does not say which arch it is for.
fn peer(whose: &str, file: Utf8PathBuf) -> Option<Peer> {
    let (name, arch) = file.file_stem()?.rsplit_once('-')?;
    let arch: Arch = arch.parse().ok()?;
    let name = name.strip_suffix("-kernel").unwrap_or(name);
    let kernel_type = name.parse().unwrap_or(KernelType::Mini);
    let name = if name == whose { whose.to_owned() } else { format!("{whose}/{name}") };
    let lines = match file.extension()? {
        "list" => Lines::List(file),
        "conf" => Lines::Fragment(file),
        "configs" => Lines::OfTree(file),
        _ => return None,
    };
    Some(Peer { name: format!("{name}-{arch}"), arch, kernel_type, lines })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_and_fragments_are_kernels_and_parts_are_none() {
        let temp = tempfile::tempdir().unwrap();
        let dir = Utf8Path::from_path(temp.path()).unwrap();
        assert!(find(dir).unwrap_err().to_string().contains("failed to find a kernel"));
        for file in [
            "kuasar/micro-kernel-x86_64.list",
            "kuasar/mini-kernel-aarch64.list",
            "kuasar/part-x86_64.conf",
            "kuasar/fragments/mini-kernel-x86_64.conf",
            "kata/kata-x86_64.conf",
            "kata/README.md",
            "linux/defconfig-aarch64.configs",
            "kata/kata-riscv64.conf",
        ] {
            std::fs::create_dir_all(dir.join(file).parent().unwrap()).unwrap();
            std::fs::write(dir.join(file), "").unwrap();
        }
        let found = find(dir).unwrap();
        let told: Vec<_> = found.iter().map(|p| (p.name.as_str(), p.kernel_type.name())).collect();
        let expected = [
            ("kata-x86_64", "mini"),
            ("kuasar/micro-x86_64", "micro"),
            ("kuasar/mini-aarch64", "mini"),
            ("linux/defconfig-aarch64", "mini"),
        ];
        assert_eq!(told, expected);
        assert!(matches!(found[0].lines, Lines::Fragment(_)));
    }
}
