//! What an image puts into a guest's memory, by address.

use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail};
use camino::Utf8Path;
use object::LittleEndian as LE;
use object::elf::{FileHeader64, PT_LOAD};
use object::read::elf::{FileHeader as _, ProgramHeader as _};
use vmm_kernel::{ImageFormat, Sniffed, sniff};
use xshell::cmd;

use crate::diag::Hint;
use crate::image::payload_of_bzimage;
use crate::shell::Shell;

#[derive(Debug)]
pub(super) struct Memory {
    segments: Vec<(u64, Vec<u8>)>,
}

impl Memory {
    /// Of an image that may be packed; an arm64 Image, which names no address, is loaded to `start`.
    /// What unpacks it writes into `scratch`.
    ///
    /// # Errors
    /// If it is no such image, or cannot be unpacked.
    pub(super) fn of_image(
        shell: &Shell,
        (image, format): (&[u8], ImageFormat),
        start: u64,
        scratch: &Utf8Path,
    ) -> Result<Self> {
        match format {
            ImageFormat::Image => Ok(Memory { segments: vec![(start, image.to_owned())] }),
            ImageFormat::Vmlinux | ImageFormat::PvhVmlinux => Self::of_elf(image),
            ImageFormat::BzImage => Self::of_elf(&unpack(shell, image, scratch)?),
        }
    }

    fn of_elf(data: &[u8]) -> Result<Self> {
        let failed = "failed to read the ELF headers of a kernel";
        let header = FileHeader64::<LE>::parse(data).context(failed)?;
        let mut segments = vec![];
        for segment in header.program_headers(LE, data).context(failed)? {
            if segment.p_type(LE) == PT_LOAD {
                let content = segment.data(LE, data);
                let content = content.map_err(|()| anyhow!("a segment is cut off"))?.to_owned();
                segments.push((segment.p_vaddr(LE), content));
            }
        }
        Ok(Memory { segments })
    }

    /// What lies there; none where a part of it is not loaded.
    pub(super) fn at(&self, address: u64, length: usize) -> Option<&[u8]> {
        self.segments.iter().find_map(|(start, content)| {
            let from = usize::try_from(address.checked_sub(*start)?).ok()?;
            content.get(from..from.checked_add(length)?)
        })
    }
}

/// What kbuild appends to the packed kernel, but for gzip, which has it by itself: the length of what
/// is packed (`size_append` in the tree's scripts/Makefile.lib).
const APPENDED: usize = 4;

const DEADLINE: Duration = Duration::from_secs(120);

/// The kernel in a bzImage.
fn unpack(shell: &Shell, image: &[u8], scratch: &Utf8Path) -> Result<Vec<u8>> {
    let (_, payload) = payload_of_bzimage(image)?;
    let range = usize::try_from(payload.start)?..usize::try_from(payload.end)?;
    let packed = image.get(range).context("its packed kernel is cut off")?;
    let program = match sniff(packed) {
        Some(Sniffed::Compressed(program)) => program,
        _ if packed.starts_with(b"\x7fELF") => return Ok(packed.to_owned()),
        _ => bail!("nobody knows what its kernel is packed with"),
    };
    let appended = if program == "gzip" { 0 } else { APPENDED };
    let end = packed.len().saturating_sub(appended);
    let (from, to) = (scratch.join("packed"), scratch.join("unpacked"));
    std::fs::write(&from, &packed[..end]).with_context(|| format!("failed to write {from}"))?;
    let script = "exec \"$0\" -dc < \"$1\" > \"$2\"";
    let done = shell.run(cmd!(shell.sh, "sh -c {script} {program} {from} {to}"), DEADLINE)?;
    let failed = || format!("failed to unpack a kernel with `{program}`");
    if !done.success() {
        return Err(anyhow!("{}: {}", failed(), done.last_lines(3)))
            .hint(|| "`cargo xtask setup` installs what kernels are packed with");
    }
    std::fs::read(&to).with_context(failed)
}
