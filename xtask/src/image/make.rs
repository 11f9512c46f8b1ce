use std::fs::{self, File};
use std::io::{BufWriter, Write};

use anyhow::{Context, Result, anyhow};
use camino::Utf8Path;
use object::elf::PT_LOAD;
use object::read::elf::{FileHeader as _, ProgramHeader as _};
use object::read::{ReadCache, ReadRef};
use object::write::StreamingBuffer;
use object::write::elf::{FileHeader, ProgramHeader, Writer};
use object::{Endianness, LittleEndian as LE};
use vmm_kernel::ImageFormat;

use super::elf::{Header, Segment, header, segments};
use super::{kbuild_output, kbuild_target};
use crate::diag::Hint;

/// Makes the image from what kbuild left in the object tree. `to` is replaced, its
/// folder made; the caller moves it to its place once it is checked.
///
/// # Errors
/// If kbuild's file is not there or not what it should be, or `to` cannot be written.
pub(crate) fn make(obj: &Utf8Path, format: ImageFormat, to: &Utf8Path) -> Result<()> {
    let from = obj.join(kbuild_output(format));
    if !from.is_file() {
        return Err(anyhow!("failed to make a {format}: kbuild left no {from}"))
            .hint(|| format!("`make {}` in the object tree makes it", kbuild_target(format)));
    }
    if let Some(folder) = to.parent() {
        fs::create_dir_all(folder).with_context(|| format!("failed to create folder {folder}"))?;
    }
    match format {
        ImageFormat::BzImage | ImageFormat::Image => {
            fs::copy(&from, to).with_context(|| format!("failed to copy {from} to {to}"))?;
        }
        ImageFormat::Vmlinux | ImageFormat::PvhVmlinux => {
            strip(&from, to).with_context(|| format!("failed to strip {from} into {to}"))?;
        }
    }
    Ok(())
}

/// Alignment of a segment's content in the file. The linker aligns to 2 MiB, which x86_64 calls its
/// largest page; no loader maps the file, and so none needs the holes.
const ALIGN: u64 = 4096;

/// Keeps of a vmlinux what loaders read: the ELF header, the program headers and the content of the
/// segments, notes included. Symbols, debug information and the section table go, and so do the
/// zeros at a segment's end, for memory past `p_filesz` is zero by definition. Unlike the `strip`
/// of a toolchain it gives the same bytes everywhere.
fn strip(from: &Utf8Path, to: &Utf8Path) -> Result<()> {
    let data = ReadCache::new(File::open(from).context("failed to open it")?);
    let header = header(&data)?;
    let kept = lay_out(segments(header, &data)?, &data)?;
    let file = File::create(to).context("failed to create the new file")?;
    let mut out = StreamingBuffer::new(BufWriter::new(file));
    write(header, &kept, &mut Writer::new(Endianness::Little, true, &mut out))?;
    out.result().context("failed to write")?;
    out.into_inner().flush().context("failed to write")
}

/// A segment with its place in the new file.
struct Kept<'data> {
    segment: &'data Segment,
    content: &'data [u8],
    offset: u64,
    /// The content is inside that of another segment, which carries it.
    inside: bool,
}

fn lay_out<'data, R: ReadRef<'data>>(
    segments: &'data [Segment],
    data: R,
) -> Result<Vec<Kept<'data>>> {
    let mut end = (size_of::<Header>() + size_of_val(segments)) as u64;
    let mut kept: Vec<Kept<'_>> = Vec::new();
    for segment in segments {
        let content = segment
            .data(LE, data)
            .map_err(|()| anyhow!("a segment lies beyond the end of the file"))?;
        let content = if segment.p_type(LE) == PT_LOAD { without_tail(content) } else { content };
        let carrier = kept.iter().find_map(|other| other.carries(segment, content));
        let offset = carrier.unwrap_or_else(|| {
            // ELF wants an offset and its address to be alike in what the alignment leaves over.
            let skew = segment.p_vaddr(LE) % ALIGN;
            end.saturating_sub(skew).next_multiple_of(ALIGN) + skew
        });
        let inside = carrier.is_some();
        if !inside && !content.is_empty() {
            end = offset + content.len() as u64;
        }
        kept.push(Kept { segment, content, offset, inside });
    }
    Ok(kept)
}

impl Kept<'_> {
    /// Where in the new file this segment carries the content of another one.
    fn carries(&self, segment: &Segment, content: &[u8]) -> Option<u64> {
        let within = segment.p_offset(LE).checked_sub(self.segment.p_offset(LE))?;
        let end = within.checked_add(content.len() as u64)?;
        (end <= self.content.len() as u64).then(|| self.offset.saturating_add(within))
    }

    fn header(&self) -> ProgramHeader {
        let loaded = self.segment.p_type(LE) == PT_LOAD;
        ProgramHeader {
            p_type: self.segment.p_type(LE),
            p_flags: self.segment.p_flags(LE),
            p_offset: self.offset,
            p_vaddr: self.segment.p_vaddr(LE),
            p_paddr: self.segment.p_paddr(LE),
            p_filesz: self.content.len() as u64,
            p_memsz: self.segment.p_memsz(LE),
            p_align: if loaded { ALIGN } else { self.segment.p_align(LE) },
        }
    }
}

fn without_tail(content: &[u8]) -> &[u8] {
    let length = content.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
    content.get(..length).unwrap_or(content)
}

fn write(header: &Header, kept: &[Kept<'_>], out: &mut Writer<'_>) -> Result<()> {
    out.reserve_file_header();
    out.reserve_program_headers(u32::try_from(kept.len())?);
    out.write_file_header(&FileHeader {
        os_abi: header.e_ident().os_abi,
        abi_version: header.e_ident().abi_version,
        e_type: header.e_type(LE),
        e_machine: header.e_machine(LE),
        e_entry: header.e_entry(LE),
        e_flags: header.e_flags(LE),
    })?;
    for segment in kept {
        out.write_program_header(&segment.header());
    }
    for segment in kept.iter().filter(|kept| !kept.inside && !kept.content.is_empty()) {
        let offset = usize::try_from(segment.offset)?;
        out.reserve_until(offset);
        out.pad_until(offset);
        out.reserve(segment.content.len(), 1);
        out.write(segment.content);
    }
    Ok(())
}
