//! What a bzImage unpacks: the vmlinux without its symbols, which kbuild packs into it.

use std::io::Write as _;

use anyhow::{Context, Result, anyhow};
use camino::Utf8Path;
use object::LittleEndian as LE;
use object::elf::{FileHeader64, PT_LOAD, ProgramHeader64};
use object::pod::{bytes_of, bytes_of_slice};
use object::read::elf::{FileHeader as _, ProgramHeader as _};

const FILE: &str = "arch/x86/boot/compressed/vmlinux.bin";

/// The ELF headers are in front of the kernel's memory, on a page of their own.
const HEADERS: usize = 4096;

/// Lays the segments in the file as they lie in memory, one page further on; false if they do already.
///
/// The linker, told of pages of 2 MiB, leaves megabytes between them. The whole file is unpacked to guest RAM,
/// holes too, before each segment is moved down to its place (`parse_elf` in the tree's
/// arch/x86/boot/compressed/misc.c). What is moved must not come to lie on what is still to be moved, nor on the
/// relocations behind the file: so none may move up.
///
/// # Errors
/// If the file is not as kbuild makes it, or cannot be replaced.
pub(super) fn close_up(obj: &Utf8Path) -> Result<bool> {
    let path = obj.join(FILE);
    let failed = || format!("failed to close up the segments of {path}");
    if !path.exists() {
        // A tree that packs by other means.
        return Ok(false);
    }
    let data = std::fs::read(&path).with_context(failed)?;
    let Some(closed) = closed_up(&data).with_context(failed)? else { return Ok(false) };
    let folder = path.parent().unwrap_or(obj);
    let mut file = tempfile::NamedTempFile::new_in(folder).with_context(failed)?;
    file.write_all(&closed).with_context(failed)?;
    file.persist(&path).with_context(failed)?;
    Ok(true)
}

/// None if there is nothing to gain, or a segment would have to move up.
fn closed_up(data: &[u8]) -> Result<Option<Vec<u8>>> {
    let mut header = *FileHeader64::<LE>::parse(data).context("failed to read its ELF header")?;
    let segments =
        header.program_headers(LE, data).context("failed to read its program headers")?;
    let mut loaded: Vec<ProgramHeader64<LE>> =
        segments.iter().filter(|segment| segment.p_type(LE) == PT_LOAD).copied().collect();
    let start = loaded.iter().map(|segment| segment.p_paddr(LE)).min().unwrap_or_default();
    let mut closed = vec![0; HEADERS];
    for segment in &mut loaded {
        let content = segment.data(LE, data).map_err(|()| anyhow!("a segment is cut off"))?;
        let place = HEADERS + usize::try_from(segment.p_paddr(LE) - start)?;
        if place < closed.len() || place > data.len() {
            return Ok(None);
        }
        closed.resize(place, 0);
        closed.extend(content);
        segment.p_offset.set(LE, place as u64);
    }
    if closed.len() >= data.len() {
        return Ok(None);
    }
    // Sections mean nothing to what unpacks it.
    header.e_shoff.set(LE, 0);
    header.e_shnum.set(LE, 0);
    header.e_shstrndx.set(LE, 0);
    header.e_phoff.set(LE, size_of_val(&header) as u64);
    header.e_phnum.set(LE, u16::try_from(loaded.len())?);
    let headers = [bytes_of(&header), bytes_of_slice(&loaded)].concat();
    let room = closed[..HEADERS].get_mut(..headers.len()).context("its headers fill a page")?;
    room.copy_from_slice(&headers);
    Ok(Some(closed))
}

#[cfg(test)]
mod tests {
    use object::Endianness;
    use object::elf::{EM_X86_64, ET_EXEC};
    use object::write::StreamingBuffer;
    use object::write::elf::{FileHeader, ProgramHeader, Writer};

    use super::*;

    /// A file with these segments: offset, physical address, content.
    fn vmlinux(segments: &[(u64, u64, &[u8])]) -> Vec<u8> {
        let mut out = StreamingBuffer::new(vec![]);
        let mut writer = Writer::new(Endianness::Little, true, &mut out);
        writer.reserve_file_header();
        writer.reserve_program_headers(u32::try_from(segments.len()).unwrap());
        let header = FileHeader {
            os_abi: 0,
            abi_version: 0,
            e_type: ET_EXEC,
            e_machine: EM_X86_64,
            e_entry: 0x100_0000,
            e_flags: 0,
        };
        writer.write_file_header(&header).unwrap();
        for (p_offset, p_paddr, content) in segments {
            let length = content.len() as u64;
            writer.write_program_header(&ProgramHeader {
                p_type: PT_LOAD,
                p_flags: 0,
                p_offset: *p_offset,
                p_vaddr: *p_paddr,
                p_paddr: *p_paddr,
                p_filesz: length,
                p_memsz: length,
                p_align: 0x20_0000,
            });
        }
        for (offset, _, content) in segments {
            let offset = usize::try_from(*offset).unwrap();
            writer.reserve_until(offset);
            writer.pad_until(offset);
            writer.reserve(content.len(), 1);
            writer.write(content);
        }
        out.into_inner()
    }

    #[test]
    fn segments_lie_a_page_behind_their_places() {
        let loose = vmlinux(&[(0x20_0000, 0x100_0000, b"text"), (0x60_0000, 0x120_0000, b"data")]);
        let closed = closed_up(&loose).unwrap().unwrap();
        assert_eq!(closed.len(), 0x20_1000 + 4);
        assert_eq!((&closed[0x1000..0x1004], &closed[0x20_1000..]), (&b"text"[..], &b"data"[..]));
        let header = FileHeader64::<LE>::parse(&closed[..]).unwrap();
        let segments = header.program_headers(LE, &closed[..]).unwrap();
        let contents: Vec<&[u8]> =
            segments.iter().map(|segment| segment.data(LE, &closed[..]).unwrap()).collect();
        assert_eq!(contents, [b"text", b"data"]);
        assert_eq!(header.e_entry(LE), 0x100_0000);
        assert_eq!(segments[1].p_paddr(LE), 0x120_0000);
        assert!(closed_up(&closed).unwrap().is_none(), "there is nothing left to close up");
    }

    #[test]
    fn what_would_move_up_stays() {
        let tight = vmlinux(&[(0x1000, 0x100_0000, b"text"), (0x2000, 0x120_0000, b"data")]);
        assert!(closed_up(&tight).unwrap().is_none());
        let mixed = vmlinux(&[(0x20_0000, 0x120_0000, b"data"), (0x60_0000, 0x100_0000, b"text")]);
        assert!(closed_up(&mixed).unwrap().is_none());
    }

    #[test]
    fn what_is_no_vmlinux_is_refused() {
        assert!(closed_up(b"no ELF").unwrap_err().to_string().contains("ELF header"));
        let cut = vmlinux(&[(0x20_0000, 0x100_0000, b"text")]);
        assert!(closed_up(&cut[..0x20_0002]).is_err());
    }
}
