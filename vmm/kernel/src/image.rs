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

/// What the first bytes of a file say it is. Its `Display` goes into a sentence: "it is …".
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sniffed {
    Empty,
    BzImage {
        /// Spelled as in the setup header: 0x020f is 2.15.
        protocol: u16,
        /// Whether it has a 64-bit entry; protocols before 2.12 (Linux 3.8) cannot say.
        long_mode: Option<bool>,
    },
    Elf {
        /// `e_machine`.
        machine: u16,
        /// `e_type`.
        kind: u16,
        /// 64-bit, with a segment in the upper half of the address space, where only kernels live.
        kernel: bool,
    },
    Arm64Image,
    /// The name of the compression is also that of the tool that undoes it.
    Compressed(&'static str),
    /// COFF machine of an EFI or Windows program; 0 where the file does not come to say.
    Pe {
        machine: u16,
    },
    Text,
    /// What else people take for a kernel.
    Other(&'static str),
}

/// Tells an image by its magic; `head` holds the first 4 KiB or more (less only if the file is shorter).
pub fn sniff(head: &[u8]) -> Option<Sniffed> {
    // A bzImage or an arm64 Image with an EFI stub is a PE program too: the more telling goes first.
    bzimage(head)
        .or_else(|| arm64_image(head))
        .or_else(|| elf(head))
        .or_else(|| magic(head))
        .or_else(|| pe(head))
        .or_else(|| plain(head))
}

impl Sniffed {
    /// The architecture of a kernel that Kuasar has guests for.
    pub fn arch(self) -> Option<Arch> {
        match self {
            Sniffed::BzImage { long_mode, .. } => long_mode.unwrap_or(true).then_some(Arch::X86_64),
            Sniffed::Arm64Image => Some(Arch::Aarch64),
            Sniffed::Elf { machine, .. } => ELF_MACHINES.iter().find(|m| m.0 == machine)?.2,
            Sniffed::Pe { machine } => PE_MACHINES.iter().find(|m| m.0 == machine)?.2,
            _ => None,
        }
    }

    /// Whether a file of that format looks like this. The format's finer points are not looked at.
    pub fn may_be(self, format: ImageFormat) -> bool {
        match format {
            ImageFormat::BzImage => matches!(self, Sniffed::BzImage { .. }),
            ImageFormat::Vmlinux | ImageFormat::PvhVmlinux => {
                matches!(self, Sniffed::Elf { kernel: true, .. })
            }
            ImageFormat::Image => self == Sniffed::Arm64Image,
        }
    }
}

impl fmt::Display for Sniffed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Sniffed::Empty => f.write_str("an empty file"),
            Sniffed::BzImage { protocol, long_mode } => {
                let arch = match long_mode {
                    Some(true) => Arch::X86_64.name(),
                    Some(false) => "32-bit x86",
                    None => "x86",
                };
                let (major, minor) = (protocol >> 8, protocol & 0xff);
                write!(f, "a bzImage for {arch} (boot protocol {major}.{minor})")
            }
            Sniffed::Elf { machine, kind, kernel } => {
                let what = match (kernel, kind) {
                    (true, _) => "vmlinux",
                    (_, ET_REL) => "object file",
                    _ => "program",
                };
                write!(f, "an ELF {what} for {}", machine_name(ELF_MACHINES, machine))
            }
            Sniffed::Arm64Image => f.write_str("an arm64 Image"),
            Sniffed::Compressed(how) => write!(f, "a file compressed with {how}"),
            Sniffed::Pe { machine } => {
                write!(f, "a PE (EFI) program for {}", machine_name(PE_MACHINES, machine))
            }
            Sniffed::Text => f.write_str("a text file"),
            Sniffed::Other(what) => f.write_str(what),
        }
    }
}

type Machines = &'static [(u16, &'static str, Option<Arch>)];

/// `e_machine` (the tree's include/uapi/linux/elf-em.h).
const ELF_MACHINES: Machines = &[
    (3, "32-bit x86", None),
    (22, "s390", None),
    (40, "32-bit ARM", None),
    (62, "x86_64", Some(Arch::X86_64)),
    (183, "aarch64", Some(Arch::Aarch64)),
    (243, "RISC-V", None),
    (258, "LoongArch", None),
];

/// `IMAGE_FILE_MACHINE_*` (the tree's include/linux/pe.h).
const PE_MACHINES: Machines = &[
    (0x014c, "32-bit x86", None),
    (0x8664, "x86_64", Some(Arch::X86_64)),
    (0xaa64, "aarch64", Some(Arch::Aarch64)),
    (0x5064, "RISC-V", None),
    (0x6264, "LoongArch", None),
];

fn machine_name(machines: Machines, machine: u16) -> &'static str {
    machines.iter().find(|known| known.0 == machine).map_or("another machine", |known| known.1)
}

const ET_REL: u16 = 1;

const MAGICS: &[(usize, &[u8], Sniffed)] = &[
    (0, b"\x1f\x8b", Sniffed::Compressed("gzip")),
    (0, b"\xfd7zXZ\0", Sniffed::Compressed("xz")),
    (0, b"\x28\xb5\x2f\xfd", Sniffed::Compressed("zstd")),
    (0, b"\x02\x21\x4c\x18", Sniffed::Compressed("lz4")),
    (0, b"\x04\x22\x4d\x18", Sniffed::Compressed("lz4")),
    (0, b"BZh", Sniffed::Compressed("bzip2")),
    (0, b"\x5d\0\0", Sniffed::Compressed("lzma")),
    (0, b"\x89LZO\0", Sniffed::Compressed("lzop")),
    // drivers/firmware/efi/libstub/zboot-header.S
    (0, b"MZ\0\0zimg", Sniffed::Other("an EFI zboot image, which holds a compressed kernel")),
    (0, b"\x27\x05\x19\x56", Sniffed::Other("a U-Boot uImage")),
    (0, b"\xd0\x0d\xfe\xed", Sniffed::Other("a device tree or U-Boot FIT image")),
    (0, b"QFI\xfb", Sniffed::Other("a qcow2 disk image")),
    (0, b"070701", Sniffed::Other("a cpio archive (an initramfs)")),
    (0, b"!<arch>\n", Sniffed::Other("an ar archive or Debian package")),
    (257, b"ustar", Sniffed::Other("a tar archive")),
    (0x438, b"\x53\xef", Sniffed::Other("an ext2, ext3 or ext4 file system")),
];

/// The setup header at 0x1f1 (the tree's Documentation/arch/x86/boot.rst).
fn bzimage(head: &[u8]) -> Option<Sniffed> {
    let boot_flag = u16::from_le_bytes(bytes(head, 0x1fe)?);
    if boot_flag != 0xaa55 || &bytes::<4>(head, 0x202)? != b"HdrS" {
        return None;
    }
    let protocol = u16::from_le_bytes(bytes(head, 0x206).unwrap_or_default());
    // Bit 0 of xloadflags is XLF_KERNEL_64.
    let xloadflags = || bytes(head, 0x236).map(u16::from_le_bytes);
    let long_mode =
        if protocol >= 0x020c { xloadflags().map(|flags| flags & 1 != 0) } else { None };
    Some(Sniffed::BzImage { protocol, long_mode })
}

/// The header at 0 (the tree's Documentation/arch/arm64/booting.rst).
fn arm64_image(head: &[u8]) -> Option<Sniffed> {
    (&bytes::<4>(head, 0x38)? == b"ARM\x64").then_some(Sniffed::Arm64Image)
}

fn elf(head: &[u8]) -> Option<Sniffed> {
    if !head.starts_with(b"\x7fELF") {
        return None;
    }
    let [class, data] = bytes(head, 4).unwrap_or_default();
    let half = |at| {
        let raw = bytes(head, at).unwrap_or_default();
        if data == 2 { u16::from_be_bytes(raw) } else { u16::from_le_bytes(raw) }
    };
    let kernel = class == 2 && data == 1 && has_kernel_segment(head).unwrap_or(false);
    Some(Sniffed::Elf { machine: half(18), kind: half(16), kernel })
}

/// Whether a loaded segment lies in the upper half; headers beyond the head do not count.
fn has_kernel_segment(head: &[u8]) -> Option<bool> {
    const PT_LOAD: u32 = 1;
    let table = usize::try_from(u64::from_le_bytes(bytes(head, 32)?)).ok()?;
    let size = usize::from(u16::from_le_bytes(bytes(head, 54)?));
    let count = usize::from(u16::from_le_bytes(bytes(head, 56)?));
    let mut headers = head.get(table..)?.chunks_exact(size.max(1)).take(count);
    Some(headers.any(|header| {
        let kind = bytes(header, 0).map(u32::from_le_bytes);
        let address = bytes(header, 16).map(u64::from_le_bytes);
        kind == Some(PT_LOAD) && address.is_some_and(|address| address >> 63 == 1)
    }))
}

fn magic(head: &[u8]) -> Option<Sniffed> {
    let known = MAGICS
        .iter()
        .find(|(at, magic, _)| head.get(*at..).is_some_and(|rest| rest.starts_with(magic)));
    known.map(|known| known.2)
}

fn pe(head: &[u8]) -> Option<Sniffed> {
    if !head.starts_with(b"MZ") {
        return None;
    }
    let machine = || {
        let at = usize::try_from(u32::from_le_bytes(bytes(head, 0x3c)?)).ok()?;
        let [magic @ .., low, high] = bytes::<6>(head, at)?;
        (&magic == b"PE\0\0").then_some(u16::from_le_bytes([low, high]))
    };
    Some(Sniffed::Pe { machine: machine().unwrap_or(0) })
}

fn plain(head: &[u8]) -> Option<Sniffed> {
    if head.is_empty() {
        return Some(Sniffed::Empty);
    }
    if head.iter().take(4096).all(|byte| *byte == 0) {
        return Some(Sniffed::Other("a file that begins with nothing but zeros"));
    }
    let text = match std::str::from_utf8(head) {
        Ok(text) => text,
        // The end of the head may cut a character in two.
        Err(error) if error.error_len().is_none() => {
            std::str::from_utf8(head.get(..error.valid_up_to())?).ok()?
        }
        Err(_) => return None,
    };
    let readable = |c: char| !c.is_control() || matches!(c, '\n' | '\r' | '\t');
    (!text.is_empty() && text.chars().all(readable)).then_some(Sniffed::Text)
}

fn bytes<const N: usize>(head: &[u8], at: usize) -> Option<[u8; N]> {
    head.get(at..at.checked_add(N)?)?.try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn put(head: &mut [u8], at: usize, bytes: &[u8]) {
        head[at..at + bytes.len()].copy_from_slice(bytes);
    }

    fn bzimage(protocol: u16, xloadflags: u16) -> Vec<u8> {
        let mut head = vec![0; 4096];
        put(&mut head, 0x1fe, &[0x55, 0xaa]);
        put(&mut head, 0x202, b"HdrS");
        put(&mut head, 0x206, &protocol.to_le_bytes());
        put(&mut head, 0x236, &xloadflags.to_le_bytes());
        head
    }

    fn elf(machine: u16, kind: u16, address: u64) -> Vec<u8> {
        let mut head = vec![0; 4096];
        put(&mut head, 0, b"\x7fELF\x02\x01\x01");
        put(&mut head, 16, &kind.to_le_bytes());
        put(&mut head, 18, &machine.to_le_bytes());
        put(&mut head, 32, &64u64.to_le_bytes());
        put(&mut head, 54, &56u16.to_le_bytes());
        put(&mut head, 56, &2u16.to_le_bytes());
        put(&mut head, 64 + 56, &1u32.to_le_bytes());
        put(&mut head, 64 + 56 + 16, &address.to_le_bytes());
        head
    }

    fn with(size: usize, parts: &[(usize, &[u8])]) -> Vec<u8> {
        let mut head = vec![0; size];
        for (at, bytes) in parts {
            put(&mut head, *at, bytes);
        }
        head
    }

    const KERNEL: u64 = 0xffff_ffff_8100_0000;

    #[test]
    fn words() {
        let mut efi_stub = bzimage(0x020f, 0x7f);
        put(&mut efi_stub, 0, b"MZ");
        let cases: &[(Vec<u8>, &str, Option<Arch>)] = &[
            (vec![], "an empty file", None),
            (bzimage(0x020f, 1), "a bzImage for x86_64 (boot protocol 2.15)", Some(Arch::X86_64)),
            (bzimage(0x020c, 0), "a bzImage for 32-bit x86 (boot protocol 2.12)", None),
            (bzimage(0x0206, 0), "a bzImage for x86 (boot protocol 2.6)", Some(Arch::X86_64)),
            (efi_stub, "a bzImage for x86_64 (boot protocol 2.15)", Some(Arch::X86_64)),
            (elf(62, 2, KERNEL), "an ELF vmlinux for x86_64", Some(Arch::X86_64)),
            (elf(183, 3, KERNEL), "an ELF vmlinux for aarch64", Some(Arch::Aarch64)),
            (elf(62, 3, 0x1000), "an ELF program for x86_64", Some(Arch::X86_64)),
            (elf(243, 1, 0), "an ELF object file for RISC-V", None),
            (elf(9999, 1, 0), "an ELF object file for another machine", None),
            (with(64, &[(0x38, b"ARM\x64")]), "an arm64 Image", Some(Arch::Aarch64)),
            (
                with(128, &[(0, b"MZ"), (0x38, b"ARM\x64"), (0x3c, &[0x40]), (0x40, b"PE\0\0")]),
                "an arm64 Image",
                Some(Arch::Aarch64),
            ),
            (
                with(128, &[(0, b"MZ"), (0x3c, &[0x40]), (0x40, b"PE\0\0\x64\x86")]),
                "a PE (EFI) program for x86_64",
                Some(Arch::X86_64),
            ),
            (b"MZ".to_vec(), "a PE (EFI) program for another machine", None),
            (b"\x1f\x8b\x08".to_vec(), "a file compressed with gzip", None),
            (b"\x28\xb5\x2f\xfd....".to_vec(), "a file compressed with zstd", None),
            (b"\xfd7zXZ\0".to_vec(), "a file compressed with xz", None),
            (b"\x27\x05\x19\x56".to_vec(), "a U-Boot uImage", None),
            (with(64, &[]), "a file that begins with nothing but zeros", None),
            (b"version https://git-lfs\n".to_vec(), "a text file", None),
            ("K\u{fc}".as_bytes()[..2].to_vec(), "a text file", None),
        ];
        for (head, words, arch) in cases {
            let sniffed = sniff(head).unwrap_or_else(|| panic!("not told: {words}"));
            assert_eq!((sniffed.to_string().as_str(), sniffed.arch()), (*words, *arch));
        }
        assert_eq!(sniff(b"\xff\xfe\0\x01"), None);
    }

    #[test]
    fn formats() {
        let formats = |head: &[u8]| -> Vec<ImageFormat> {
            let sniffed = sniff(head).unwrap();
            ImageFormat::ALL.iter().copied().filter(|format| sniffed.may_be(*format)).collect()
        };
        assert_eq!(formats(&bzimage(0x020f, 1)), [ImageFormat::BzImage]);
        let elf_formats = [ImageFormat::Vmlinux, ImageFormat::PvhVmlinux];
        assert_eq!(formats(&elf(62, 2, KERNEL)), elf_formats);
        assert_eq!(formats(&elf(62, 2, 0x40_0000)), []);
        assert_eq!(formats(&with(64, &[(0x38, b"ARM\x64")])), [ImageFormat::Image]);
    }

    /// No head is too short, and none is too odd.
    #[test]
    fn never_panics() {
        let mut wild = elf(62, 2, KERNEL);
        put(&mut wild, 32, &u64::MAX.to_le_bytes());
        put(&mut wild, 54, &[0xff; 4]);
        let mut wild_pe = with(4096, &[(0, b"MZ")]);
        put(&mut wild_pe, 0x3c, &u32::MAX.to_le_bytes());
        for head in [bzimage(0x020f, 1), elf(62, 2, KERNEL), wild, wild_pe, vec![0xff; 4096]] {
            for length in 0..head.len() {
                let _ = sniff(&head[..length]);
            }
        }
    }
}
