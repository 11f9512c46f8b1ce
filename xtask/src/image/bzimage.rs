//! The setup header of an x86 bzImage; offsets and meanings are those of the tree's
//! Documentation/arch/x86/boot.rst.

use std::ops::Range;

use anyhow::{Result, bail};
use vmm_kernel::{Arch, ImageFormat};

use super::check::{Checked, field, fits, reaches};

/// `loadflags`: the protected-mode code is loaded at 1 MiB, which tells a bzImage from a zImage.
const LOADED_HIGH: u8 = 1;

/// First protocol that says whether there is a 64-bit entry; Linux has spoken it since 3.8.
const XLOADFLAGS_SINCE: u16 = 0x020c;

/// The 64-bit entry, from the start of the protected-mode code.
const ENTRY_64: u64 = 0x200;

const SECTOR: u64 = 512;

/// Where in the file the code for real mode ends.
fn setup(head: &[u8]) -> Result<u64> {
    let sectors = match field::<1>(head, 0x1f1)? {
        [0] => 4,
        [sectors] => u64::from(sectors),
    };
    Ok((sectors + 1) * SECTOR)
}

/// Where the code for real mode ends, and where the packed kernel lies, in bytes of the file.
///
/// # Errors
/// If the setup header is cut short.
pub(crate) fn payload(head: &[u8]) -> Result<(u64, Range<u64>)> {
    let setup = setup(head)?;
    let start = setup + u64::from(u32_at(head, 0x248)?);
    Ok((setup, start..start + u64::from(u32_at(head, 0x24c)?)))
}

pub(super) fn read(head: &[u8], size: u64) -> Result<Checked> {
    let (setup, payload) = payload(head)?;
    let code = u64::from(u32_at(head, 0x1f4)?) * 16;
    reaches("the code that its setup header announces", Some(setup + code), size)?;

    let version = u16::from_le_bytes(field(head, 0x206)?);
    let protocol = format!("{}.{}", version >> 8, version & 0xff);
    let [loadflags] = field(head, 0x211)?;
    if version < XLOADFLAGS_SINCE || loadflags & LOADED_HIGH == 0 {
        bail!(
            "it speaks boot protocol {protocol}; a 64-bit entry needs a bzImage of 2.12 or later"
        );
    }
    reaches("its compressed kernel", Some(payload.end), size)?;

    let load = u64::from(u32_at(head, 0x214)?);
    let preferred = u64::from_le_bytes(field(head, 0x258)?);
    let init_size = u64::from(u32_at(head, 0x260)?);
    // A kernel that is loaded lower than it prefers moves itself up before it unpacks.
    fits(preferred.max(load).checked_add(init_size))?;

    let mut checked = Checked::new(ImageFormat::BzImage, Arch::X86_64, size, load + ENTRY_64);
    checked.load_size = init_size;
    checked.protocol = Some(protocol);
    checked.relocatable = Some(field::<1>(head, 0x234)? != [0]);
    Ok(checked)
}

fn u32_at(head: &[u8], at: usize) -> Result<u32> {
    Ok(u32::from_le_bytes(field(head, at)?))
}
