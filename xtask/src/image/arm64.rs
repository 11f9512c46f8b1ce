//! The header of an arm64 Image; offsets and meanings are those of the tree's
//! Documentation/arch/arm64/booting.rst.

use anyhow::{Result, anyhow, bail};
use indicatif::BinaryBytes;
use vmm_kernel::{Arch, ImageFormat};

use super::check::{Checked, field, fits, reaches};
use crate::diag::Hint;

const HEADER: u64 = 64;

/// The Image stands at this offset from an address with this alignment, so it is always less.
const BASE_ALIGN: u64 = 2 << 20;

pub(super) fn read(head: &[u8], size: u64) -> Result<Checked> {
    reaches("its header", Some(HEADER), size)?;
    let text_offset = u64::from_le_bytes(field(head, 8)?);
    let image_size = u64::from_le_bytes(field(head, 16)?);
    let flags = u64::from_le_bytes(field(head, 24)?);
    if image_size == 0 {
        bail!("its header has no image_size: it is older than Linux 3.17, or damaged");
    }
    if flags & 1 != 0 {
        return Err(anyhow!("it is big-endian, and Kuasar's guest is little-endian"))
            .hint(|| "build it without CONFIG_CPU_BIG_ENDIAN");
    }
    if text_offset >= BASE_ALIGN {
        bail!("its text_offset {text_offset:#x} is no offset from a 2 MiB aligned address");
    }
    fits(text_offset.checked_add(image_size))?;
    pe_sections(head, size)?;

    let mut checked = Checked::new(ImageFormat::Image, Arch::Aarch64, size, text_offset);
    checked.load_size = image_size;
    checked.page_size = match flags >> 1 & 3 {
        1 => Some(4 << 10),
        2 => Some(16 << 10),
        3 => Some(64 << 10),
        _ => None,
    };
    if size > image_size {
        let extra = BinaryBytes(size - image_size);
        checked.warnings.push(format!("{extra} follow the end of the Image, as its header has it"));
    }
    Ok(checked)
}

/// Only the PE header of an EFI stub knows how long the file is: `image_size` counts the BSS in,
/// which the file leaves out. Without the stub, a cut in the last section goes unseen here.
fn pe_sections(head: &[u8], size: u64) -> Result<()> {
    let pe = usize::try_from(u32::from_le_bytes(field(head, 0x3c)?))?;
    if !head.starts_with(b"MZ") || pe == 0 {
        return Ok(());
    }
    let at = |offset: usize| pe.saturating_add(offset);
    if &field::<4>(head, pe)? != b"PE\0\0" {
        bail!("its EFI stub points to a PE header at {pe:#x}, and there is none");
    }
    let sections = u16::from_le_bytes(field(head, at(6))?);
    let optional_header = u16::from_le_bytes(field(head, at(20))?);
    for nth in 0..usize::from(sections) {
        let section = at(24 + usize::from(optional_header) + nth * 40);
        let length = u32::from_le_bytes(field(head, section.saturating_add(16))?);
        let offset = u32::from_le_bytes(field(head, section.saturating_add(20))?);
        reaches("a section", Some(u64::from(offset) + u64::from(length)), size)?;
    }
    Ok(())
}
