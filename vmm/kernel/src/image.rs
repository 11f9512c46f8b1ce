use crate::terms::terms;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::{Arch, UnknownTerm};

terms! {
    /// A kernel file as a boot protocol wants it.
    ImageFormat, "image format" {
        /// x86 boot protocol (the tree's Documentation/arch/x86/boot.rst).
        BzImage = "bzImage",
        /// Stripped x86_64 ELF, entered at its 64-bit entry point.
        Vmlinux = "vmlinux",
        /// The same with a PVH entry note, which Cloud Hypervisor refuses to do without.
        PvhVmlinux = "pvh-vmlinux",
        /// arm64 flat image (the tree's Documentation/arch/arm64/booting.rst).
        Image = "Image",
    }
}

/// What the first bytes of a file say it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sniffed {
    pub arch: Option<Arch>,
    pub kind: &'static str,
}

/// Tells an image by its magic; `head` holds the first 4 KiB or more (less only if the file is shorter).
pub fn sniff(_head: &[u8]) -> Option<Sniffed> {
    None
}
