use camino::Utf8PathBuf;
use serde::{Deserialize, Serialize};

use crate::{Arch, Bus, ImageFormat, KernelType};

/// `vmlinux.bin.json`: what the image beside it is and what it was made of. All hashes are sha256
/// in lower-case hex.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// Hash of all that decides the image; same key, same image.
    pub key: String,
    /// Hash of the image file.
    pub sha256: String,
    /// Size of the image file in bytes.
    pub size: u64,
    pub arch: Arch,
    #[serde(rename = "type")]
    pub kernel_type: KernelType,
    pub hypervisor: String,
    pub machine: Option<String>,
    pub bus: Bus,
    pub format: ImageFormat,
    pub kernel_release: String,
    pub source: SourceRecord,
    pub toolchain: ToolchainRecord,
    pub tool_version: String,
    /// Hash of the final `.config`.
    pub config_sha256: String,
    #[serde(default)]
    pub resolved_by: ResolvedBy,
    /// List and overlays, relative to the conf dir.
    pub fragments: Vec<Utf8PathBuf>,
    /// The files of the conf dir that decided the `.config`, as they were: list, fragments, history.
    /// Nothing in a manifest of a tool that did not record them.
    #[serde(default)]
    pub inputs: Vec<FileRecord>,
    /// First line of the `--version` of what packed a bzImage.
    #[serde(default)]
    pub packer: Option<String>,
    /// Requested symbols that the image does without (`--allow-missing`).
    pub missing: Vec<String>,
    /// Capabilities of the contract that the image does without (`--allow-breach`).
    #[serde(default)]
    pub breaches: Vec<String>,
    /// Left-out flags, what was taken for them and why.
    pub choices: Vec<Choice>,
}

/// What made the `.config` of the fragments.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ResolvedBy {
    /// The tool's own Kconfig engine, which the kernel's build then agreed with.
    #[default]
    Xtask,
    /// The `conf` of the kernel source, whose Kconfig files said more than the tool knew.
    Conf,
}

impl ResolvedBy {
    pub fn is_xtask(&self) -> bool {
        *self == ResolvedBy::Xtask
    }
}

/// Where the kernel source came from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SourceRecord {
    /// Pin name, or `dir` for a folder of the user's own.
    pub name: String,
    /// Version of the package or tarball; the kernel's own version for a folder.
    pub version: String,
    /// Hash of the archive, or of the content of all files the build read from a folder.
    pub sha256: String,
    /// Patches applied, in order.
    pub patches: Vec<String>,
}

/// A file by its content.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileRecord {
    /// Relative to the conf dir.
    pub path: Utf8PathBuf,
    pub sha256: String,
}

/// What compiled it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ToolchainRecord {
    /// `gcc`, `llvm`, or `llvm-N` for clang-N and its like.
    pub name: String,
    /// First line of each tool's `--version`: compiler, linker, and assembler where that is another one.
    pub versions: Vec<String>,
}

/// A flag that was left out, what was taken for it and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Choice {
    pub what: String,
    pub value: String,
    pub reason: String,
}
