//! Loads an image into guest memory with rust-vmm's linux-loader, the loader of Cloud Hypervisor
//! and Firecracker. It has its x86 formats on x86 hosts only, and the arm64 Image on arm64 hosts.

use std::fs::File;

use anyhow::Result;

use super::check::Checked;

/// The name of the loader that took the image; none where this host's arch has none for it.
#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
pub(super) fn load(_: File, _: &Checked) -> Result<Option<&'static str>> {
    Ok(None)
}

#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
pub(super) use here::load;

#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
mod here {
    use anyhow::{Context, bail};
    use linux_loader::loader::KernelLoader;
    use vm_memory::{Bytes, GuestAddress, GuestMemoryMmap};
    use vmm_kernel::ImageFormat;

    use super::super::check::GUEST_MEMORY;
    use super::{Checked, File, Result};

    type Memory = GuestMemoryMmap<()>;

    pub(in super::super) fn load(file: File, checked: &Checked) -> Result<Option<&'static str>> {
        let memory = Memory::from_ranges(&[(GuestAddress(0), usize::try_from(GUEST_MEMORY)?)])
            .context("failed to map the memory of a guest")?;
        load_format(&memory, file, checked)
    }

    #[cfg(target_arch = "x86_64")]
    fn load_format(
        memory: &Memory,
        mut file: File,
        checked: &Checked,
    ) -> Result<Option<&'static str>> {
        use linux_loader::loader::{BzImage, Elf, PvhBootCapability};

        let high = Some(GuestAddress(super::super::elf::HIGH_MEMORY));
        match checked.format {
            ImageFormat::BzImage => {
                BzImage::load(memory, None, &mut file, high)
                    .context("linux-loader's BzImage refuses it")?;
                begins_at(memory, checked.entry)?;
                Ok(Some("linux-loader BzImage"))
            }
            ImageFormat::Vmlinux | ImageFormat::PvhVmlinux => {
                let loaded = Elf::load(memory, None, &mut file, high)
                    .context("linux-loader's Elf refuses it")?;
                let pvh = match loaded.pvh_boot_cap {
                    PvhBootCapability::PvhEntryPresent(address) => Some(address.0),
                    _ => None,
                };
                if pvh != checked.pvh_entry {
                    bail!("linux-loader's Elf does not see its PVH entry: {}", loaded.pvh_boot_cap);
                }
                begins_at(memory, pvh.unwrap_or(checked.entry))?;
                Ok(Some("linux-loader Elf"))
            }
            ImageFormat::Image => Ok(None),
        }
    }

    #[cfg(target_arch = "aarch64")]
    fn load_format(
        memory: &Memory,
        mut file: File,
        checked: &Checked,
    ) -> Result<Option<&'static str>> {
        use linux_loader::loader::PE;

        if checked.format != ImageFormat::Image {
            return Ok(None);
        }
        PE::load(memory, Some(GuestAddress(0)), &mut file, None)
            .context("linux-loader's PE refuses it")?;
        begins_at(memory, checked.entry)?;
        Ok(Some("linux-loader PE"))
    }

    /// A file with a hole where its code should be has perfect headers.
    fn begins_at(memory: &Memory, entry: u64) -> Result<()> {
        let mut code = [0; 16];
        memory
            .read_slice(&mut code, GuestAddress(entry))
            .with_context(|| format!("failed to read guest memory at {entry:#x}"))?;
        if code == [0; 16] {
            bail!("it holds nothing but zeros at its entry point {entry:#x}");
        }
        Ok(())
    }
}
