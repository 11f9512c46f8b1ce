use std::fmt;
use std::fs::{self, File};
use std::io::Read;

use anyhow::{Context, Result, anyhow, bail};
use camino::Utf8Path;
use indicatif::BinaryBytes;
use serde::{Deserialize, Serialize};
use vmm_kernel::{Arch, ImageFormat, Sniffed, sniff};

use super::{Facts, arm64, bzimage, elf, facts, load};
use crate::diag::Hint;

/// The memory that Kuasar's shipped configs give a sandbox (`memory_in_mb` of its
/// `vmm/sandbox/config_*.toml`): a kernel that does not fit in it boots nowhere.
pub(super) const GUEST_MEMORY: u64 = 1 << 30;

/// Enough for every header but an ELF's section names and notes.
const HEAD: u64 = 64 << 10;

/// Which hypervisor is to boot the image, and what it takes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Wanted<'a> {
    pub hypervisor: &'a str,
    pub arch: Arch,
    pub format: ImageFormat,
}

/// What a good image says of itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Checked {
    pub format: ImageFormat,
    pub arch: Arch,
    /// Size of the file in bytes.
    pub size: u64,
    /// Guest address of the first instruction; of an Image, its offset from the 2 MiB aligned
    /// address that the hypervisor chooses.
    pub entry: u64,
    /// Bytes of guest memory that the kernel takes before it runs, BSS and decompression included.
    pub load_size: u64,
    /// Version of the x86 boot protocol.
    pub protocol: Option<String>,
    /// Whether a bzImage runs at another address than the one it was linked for.
    pub relocatable: Option<bool>,
    /// Guest address of the 32-bit PVH entry.
    pub pvh_entry: Option<u64>,
    /// In bytes; of an Image that says so.
    pub page_size: Option<u32>,
    /// The VMM loader that took the image; none where it does not exist for this host's arch, and
    /// the headers alone were checked.
    pub loaded_by: Option<String>,
    pub warnings: Vec<String>,
}

impl fmt::Display for Checked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Checked { format, arch, .. } = self;
        write!(f, "{format} for {arch}, {}, ", BinaryBytes(self.size))?;
        write!(f, "takes {} of memory, entry {:#x}", BinaryBytes(self.load_size), self.entry)?;
        if let Some(protocol) = &self.protocol {
            write!(f, ", boot protocol {protocol}")?;
        }
        if let Some(entry) = self.pvh_entry {
            write!(f, ", PVH entry {entry:#x}")?;
        }
        match &self.loaded_by {
            Some(loader) => write!(f, ", loaded by {loader}"),
            None => f.write_str(", checked by its headers alone"),
        }
    }
}

/// Checks that the file is the image which the hypervisor boots, whole, and that the rust-vmm
/// loader takes it.
///
/// # Errors
/// If it is not; the error says what the file is, what is wanted and why.
pub(crate) fn check(file: &Utf8Path, wanted: Wanted<'_>) -> Result<Checked> {
    let Wanted { hypervisor, arch, .. } = wanted;
    inspect(file, wanted)
        .with_context(|| format!("failed to check image {file} for {hypervisor} on {arch}"))
}

/// Whether there is a file to be checked at all.
///
/// # Errors
/// If there is none, or it cannot be read.
pub(crate) fn readable(file: &Utf8Path) -> Result<()> {
    open(file).map(drop).with_context(|| format!("failed to check image {file}"))
}

fn inspect(path: &Utf8Path, wanted: Wanted<'_>) -> Result<Checked> {
    let (file, head, size) = open(path)?;
    let sniffed = sniff(&head);
    if !sniffed.is_some_and(|it| it.may_be(wanted.format) && it.arch() == Some(wanted.arch)) {
        return wrong(path, sniffed, &head, wanted);
    }
    let mut checked = match wanted.format {
        ImageFormat::BzImage => bzimage::read(&head, size)?,
        ImageFormat::Vmlinux => elf::read(&file, size)?,
        ImageFormat::PvhVmlinux => needs_pvh(elf::read(&file, size)?)?,
        ImageFormat::Image => arm64::read(&head, size)?,
    };
    checked.format = wanted.format;
    checked.loaded_by = load::load(file, &checked)?.map(str::to_owned);
    Ok(checked)
}

fn open(path: &Utf8Path) -> Result<(File, Vec<u8>, u64)> {
    // Looked at before it is opened: a pipe would wait for its writer.
    let metadata = fs::metadata(path).with_context(|| format!("failed to look at {path}"))?;
    if metadata.is_dir() {
        return Err(anyhow!("it is a folder")).hint(|| "name the image file in it");
    }
    if !metadata.is_file() {
        bail!("it is no regular file");
    }
    let file = File::open(path).with_context(|| format!("failed to open {path}"))?;
    let mut head = Vec::new();
    (&file)
        .take(HEAD)
        .read_to_end(&mut head)
        .with_context(|| format!("failed to read the first {HEAD} bytes of {path}"))?;
    Ok((file, head, metadata.len()))
}

fn wrong<T>(
    path: &Utf8Path,
    sniffed: Option<Sniffed>,
    head: &[u8],
    wanted: Wanted<'_>,
) -> Result<T> {
    let Wanted { format, arch, hypervisor } = wanted;
    let Facts { name, why, .. } = facts(format);
    let is = sniffed.map_or_else(|| unknown(head), |sniffed| sniffed.to_string());
    let make = format!("`cargo xtask kernel --arch {arch} --hypervisor {hypervisor}` makes one");
    let hint = match sniffed {
        Some(Sniffed::Compressed(tool)) => format!("unpack it (`{tool} -dc {path}`), or {make}"),
        _ => make,
    };
    Err(anyhow!("it is {is}, and {hypervisor} boots {name} for {arch}: {why}")).hint(|| hint)
}

fn unknown(head: &[u8]) -> String {
    let first: Vec<String> = head.iter().take(8).map(|byte| format!("{byte:02x}")).collect();
    format!("a file of no known kind (it begins with {})", first.join(" "))
}

fn needs_pvh(checked: Checked) -> Result<Checked> {
    if checked.pvh_entry.is_some() {
        return Ok(checked);
    }
    let why = facts(ImageFormat::PvhVmlinux).why;
    Err(anyhow!("it is an ELF vmlinux without a PVH note (XEN_ELFNOTE_PHYS32_ENTRY): {why}"))
        .hint(|| "build it with CONFIG_PVH=y, which needs CONFIG_HYPERVISOR_GUEST=y")
}

/// A part of the file that its headers speak of must be there.
pub(super) fn reaches(what: &str, end: Option<u64>, size: u64) -> Result<()> {
    match end {
        Some(end) if end <= size => Ok(()),
        _ => {
            let end = end.map_or_else(|| "beyond all bounds".to_owned(), |end| format!("at {end}"));
            Err(anyhow!("it is cut short: {what} ends {end}, the file has {size} bytes"))
                .hint(|| "copy or build it again; was a copy interrupted, or is a disk full?")
        }
    }
}

/// The kernel must fit in the memory of a sandbox.
pub(super) fn fits(end: Option<u64>) -> Result<u64> {
    let limit = BinaryBytes(GUEST_MEMORY);
    match end {
        Some(end) if end <= GUEST_MEMORY => Ok(end),
        Some(end) => {
            bail!("it needs memory up to {}, a sandbox of Kuasar has {limit}", BinaryBytes(end))
        }
        None => bail!("it needs memory beyond all bounds, a sandbox of Kuasar has {limit}"),
    }
}

impl Checked {
    /// What every format says; its reader fills in the rest.
    pub(super) fn new(format: ImageFormat, arch: Arch, size: u64, entry: u64) -> Self {
        Checked {
            format,
            arch,
            size,
            entry,
            load_size: 0,
            protocol: None,
            relocatable: None,
            pvh_entry: None,
            page_size: None,
            loaded_by: None,
            warnings: Vec::new(),
        }
    }
}

/// `N` bytes of a header; an error where it is too short for them.
pub(super) fn field<const N: usize>(head: &[u8], at: usize) -> Result<[u8; N]> {
    at.checked_add(N)
        .and_then(|end| head.get(at..end)?.try_into().ok())
        .ok_or_else(|| anyhow!("it is cut short: its header has {} bytes", head.len()))
}
