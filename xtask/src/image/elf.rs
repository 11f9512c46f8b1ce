//! The headers of an x86_64 ELF vmlinux, as rust-vmm's linux-loader and QEMU's `load_elf` use them:
//! loaded segments go to their physical addresses, and the entry point is a physical one too.

use std::fs::File;

use anyhow::{Context, Result, anyhow, bail};
use indicatif::BinaryBytes;
use object::LittleEndian as LE;
use object::elf::{FileHeader64, ProgramHeader64, SHF_ALLOC, SHT_NOBITS, SHT_NULL};
use object::elf::{PF_X, PT_LOAD, PT_NOTE};
use object::read::elf::{FileHeader, ProgramHeader, SectionHeader};
use object::read::{ReadCache, ReadRef};
use vmm_kernel::{Arch, ImageFormat};

use super::check::{Checked, fits, reaches};

pub(super) type Header = FileHeader64<LE>;
pub(super) type Segment = ProgramHeader64<LE>;

/// Below 1 MiB lie the VMM's own tables; Firecracker and Cloud Hypervisor both tell linux-loader
/// that high memory starts here.
pub(super) const HIGH_MEMORY: u64 = 1 << 20;

/// `XEN_ELFNOTE_PHYS32_ENTRY` (the tree's include/xen/interface/elfnote.h).
const PHYS32_ENTRY: u32 = 18;

pub(super) fn read(file: &File, size: u64) -> Result<Checked> {
    let data = ReadCache::new(file);
    let header = header(&data)?;
    whole(header, size)?;
    let segments = segments(header, &data)?;

    let entry = header.e_entry(LE);
    let mut checked = Checked::new(ImageFormat::Vmlinux, Arch::X86_64, size, entry);
    let (mut low, mut high) = (u64::MAX, 0);
    for segment in loaded(segments) {
        let (offset, length) = segment.file_range(LE);
        reaches("a loaded segment", offset.checked_add(length), size)?;
        if length > segment.p_memsz(LE) {
            bail!("a loaded segment has more bytes in the file than it has memory");
        }
        low = low.min(segment.p_paddr(LE));
        high = high.max(fits(end(segment))?);
    }
    if low < HIGH_MEMORY || entry < HIGH_MEMORY {
        let lowest = low.min(entry);
        bail!(
            "it wants to be loaded at {lowest:#x}, below the 1 MiB that belong to the hypervisor"
        );
    }
    if !executable_at(segments, entry) {
        bail!("its entry point {entry:#x} lies in no executable segment");
    }
    checked.load_size = high.saturating_sub(low);
    checked.pvh_entry = pvh_entry(segments, &data)?;
    if let Some(pvh) = checked.pvh_entry.filter(|pvh| !executable_at(segments, *pvh)) {
        bail!("its PVH entry point {pvh:#x} lies in no executable segment");
    }
    checked.warnings.extend(ballast(header, &data, size)?);
    Ok(checked)
}

pub(super) fn header<'data, R: ReadRef<'data>>(data: R) -> Result<&'data Header> {
    Header::parse(data).context("failed to read its ELF header")
}

pub(super) fn segments<'data, R: ReadRef<'data>>(
    header: &'data Header,
    data: R,
) -> Result<&'data [Segment]> {
    header.program_headers(LE, data).context("failed to read its program headers")
}

pub(super) fn loaded(segments: &[Segment]) -> impl Iterator<Item = &Segment> {
    segments.iter().filter(|segment| segment.p_type(LE) == PT_LOAD)
}

/// Both header tables must be in the file. The section headers stand at its end: they are what a
/// cut takes first.
fn whole(header: &Header, size: u64) -> Result<()> {
    let table = |at: u64, count: u16, entry: u16| {
        at.checked_add(u64::from(count) * u64::from(entry)).filter(|_| count > 0).or(Some(0))
    };
    let segments = table(header.e_phoff(LE), header.e_phnum(LE), header.e_phentsize(LE));
    reaches("the table of its program headers", segments, size)?;
    let sections = table(header.e_shoff(LE), header.e_shnum(LE), header.e_shentsize(LE));
    reaches("the table of its section headers", sections, size)
}

fn end(segment: &Segment) -> Option<u64> {
    segment.p_paddr(LE).checked_add(segment.p_memsz(LE))
}

fn executable_at(segments: &[Segment], address: u64) -> bool {
    loaded(segments).any(|segment| {
        let start = segment.p_paddr(LE);
        let end = start.saturating_add(segment.p_filesz(LE));
        segment.p_flags(LE) & PF_X != 0 && (start..end).contains(&address)
    })
}

/// The note's content is an address of pointer size, of which loaders take the lower 32 bits.
fn pvh_entry<'data, R: ReadRef<'data>>(segments: &[Segment], data: R) -> Result<Option<u64>> {
    for segment in segments.iter().filter(|segment| segment.p_type(LE) == PT_NOTE) {
        let notes = segment.notes(LE, data).context("failed to read its notes")?;
        let mut notes = notes.ok_or_else(|| anyhow!("its note segment holds no notes"))?;
        while let Some(note) = notes.next().context("failed to read its notes")? {
            if note.name() == b"Xen" && note.n_type(LE) == PHYS32_ENTRY {
                let address = note.desc().first_chunk::<4>();
                let address = address.ok_or_else(|| anyhow!("its PVH note holds no address"))?;
                return Ok(Some(u32::from_le_bytes(*address).into()));
            }
        }
    }
    Ok(None)
}

/// Sections that no loader reads: symbols, debug information, relocations.
fn ballast<'data, R: ReadRef<'data>>(
    header: &Header,
    data: R,
    size: u64,
) -> Result<Option<String>> {
    let sections = header.sections(LE, data).context("failed to read its sections")?;
    let (mut bytes, mut names) = (0_u64, Vec::new());
    for section in sections.iter() {
        let allocated = section.sh_flags(LE) & u64::from(SHF_ALLOC) != 0;
        if allocated || matches!(section.sh_type(LE), SHT_NULL | SHT_NOBITS) {
            continue;
        }
        let length = section.sh_size(LE);
        reaches("a section", section.sh_offset(LE).checked_add(length), size)?;
        bytes = bytes.saturating_add(length);
        let name = sections.section_name(LE, section).unwrap_or_default();
        if matches!(name, b".symtab" | b".debug_info") {
            names.push(String::from_utf8_lossy(name));
        }
    }
    let what = || format!("it carries {}: {} could go", names.join(" and "), BinaryBytes(bytes));
    Ok((!names.is_empty()).then(what))
}
