//! `Built` -> `Image`: makes the file that a hypervisor boots from what kbuild left, and checks any
//! such file as the hypervisor's loader would read it. One file name stands for several formats,
//! and a wrong one hangs without a word: so none leaves here unchecked.

mod arm64;
mod bzimage;
mod check;
mod elf;
mod load;
mod make;
#[cfg(test)]
mod tests;

use vmm_kernel::ImageFormat;

pub(crate) use bzimage::payload as payload_of_bzimage;
pub(crate) use check::{Checked, Wanted, check, readable};
pub(crate) use make::make;

/// What is known of one image format.
struct Facts {
    target: &'static str,
    output: &'static str,
    /// Goes into "… boots {name} for {arch}".
    name: &'static str,
    /// What becomes of another file; goes into "… boots a bzImage: {why}".
    why: &'static str,
}

const fn facts(format: ImageFormat) -> &'static Facts {
    match format {
        // StratoVirt's boot_loader/src/x86_64/direct_boot, QEMU's x86_load_linux in hw/i386.
        ImageFormat::BzImage => &Facts {
            target: "bzImage",
            output: "arch/x86/boot/bzImage",
            name: "a bzImage",
            why: "it enters a kernel by the setup header of a bzImage; a file without one \
                  StratoVirt copies raw to memory, where it hangs, and QEMU refuses unless it is \
                  an ELF with a PVH note",
        },
        // Firecracker's src/vmm/src/arch/x86_64 and rust-vmm's linux-loader.
        ImageFormat::Vmlinux => &Facts {
            target: "vmlinux",
            output: "vmlinux",
            name: "a stripped ELF vmlinux",
            why: "it copies the segments of an ELF file to their addresses and jumps to its entry \
                  point, and can do nothing with another file",
        },
        // Cloud Hypervisor's vmm/src/vm.rs. Since release 39 it enters a bzImage too, but that one
        // unpacks itself at every start.
        ImageFormat::PvhVmlinux => &Facts {
            target: "vmlinux",
            output: "vmlinux",
            name: "a stripped ELF vmlinux with a PVH note",
            why: "it copies the segments of an ELF file to their addresses and enters them by the \
                  PVH note; an ELF without one it refuses (KernelMissingPvhHeader), and \
                  releases before 39 refuse a bzImage too",
        },
        // The tree's Documentation/arch/arm64/booting.rst; the kernel brings no decompressor along.
        ImageFormat::Image => &Facts {
            target: "Image",
            output: "arch/arm64/boot/Image",
            name: "an uncompressed Image",
            why: "the arm64 boot protocol has the file copied to memory as it is and entered at \
                  its first byte; it can neither be packed nor be an ELF",
        },
    }
}

/// The kbuild target that makes what `make` needs.
pub(crate) const fn kbuild_target(format: ImageFormat) -> &'static str {
    facts(format).target
}

/// What that target leaves, relative to the object tree.
pub(crate) const fn kbuild_output(format: ImageFormat) -> &'static str {
    facts(format).output
}
