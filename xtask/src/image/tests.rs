//! Small images, built here byte by byte; and real ones, where there are any.

use std::fs;

use camino::{Utf8Path, Utf8PathBuf};
use tempfile::TempDir;
use vmm_kernel::{Arch, ImageFormat, sniff};

use super::{Checked, Wanted, check, kbuild_output, make};
use crate::diag::Failure;

fn put(image: &mut [u8], at: usize, bytes: &[u8]) {
    image[at..at + bytes.len()].copy_from_slice(bytes);
}

/// A setup of two sectors and 1 KiB of code, half of which is the compressed kernel.
fn bzimage() -> Vec<u8> {
    let mut image = vec![0; 1024];
    image.resize(2048, 0x90);
    put(&mut image, 0x1f1, &[1]);
    put(&mut image, 0x1f4, &64u32.to_le_bytes());
    put(&mut image, 0x1fe, &[0x55, 0xaa]);
    put(&mut image, 0x202, b"HdrS\x0f\x02");
    put(&mut image, 0x211, &[1]);
    put(&mut image, 0x214, &0x10_0000u32.to_le_bytes());
    put(&mut image, 0x234, &[1]);
    put(&mut image, 0x236, &[1]);
    put(&mut image, 0x24c, &512u32.to_le_bytes());
    put(&mut image, 0x258, &0x100_0000u64.to_le_bytes());
    put(&mut image, 0x260, &0x20_0000u32.to_le_bytes());
    image
}

const PVH_NOTE: &[u8] = b"\x04\0\0\0\x08\0\0\0\x12\0\0\0Xen\0\x10\0\0\x01\0\0\0\0";

fn vmlinux(note: &[u8]) -> Vec<u8> {
    vmlinux_at(0x200, note)
}

/// One segment that ends in zeros, with a note in it, and a symbol table. A linker puts the segment
/// at a multiple of 2 MiB.
fn vmlinux_at(text: usize, note: &[u8]) -> Vec<u8> {
    let mut image = vec![0; text];
    image.extend([0x90; 512]);
    image.extend(note);
    image.extend([0x90; 512]);
    image.resize(text + 2048, 0);
    let sections = image.len() as u64;
    image.extend([0; 64 * 2]);
    let names = image.len() as u64;
    image.extend(b"\0.symtab\0");

    put(&mut image, 0, b"\x7fELF\x02\x01\x01");
    put(&mut image, 16, b"\x02\0\x3e\0\x01\0\0\0");
    let header = [0x100_0000, 64, sections];
    put(&mut image, 24, header.map(u64::to_le_bytes).as_flattened());
    let sizes = [64u16, 56, 2, 64, 2, 1];
    put(&mut image, 52, sizes.map(u16::to_le_bytes).as_flattened());
    let text = text as u64;
    let (base, high) = (0x100_0000, 0xffff_ffff_8100_0000);
    let load = [5 << 32 | 1, text, high, base, 2048, 16384, 2 << 20];
    let length = note.len() as u64;
    let notes = [4 << 32 | 4, text + 512, high + 512, base + 512, length, length, 4];
    put(&mut image, 64, load.map(u64::to_le_bytes).as_flattened());
    put(&mut image, 120, notes.map(u64::to_le_bytes).as_flattened());
    // The table of section names is the symbol table too: all that counts is its name.
    let symtab = [3 << 32 | 1, 0, 0, names, 9, 0, 1, 0];
    put(&mut image, sections as usize + 64, symtab.map(u64::to_le_bytes).as_flattened());
    image
}

/// With an EFI stub that speaks of one section, up to the end of the file.
fn image() -> Vec<u8> {
    let mut image = vec![0x1f; 1024];
    let header = [0, 0, 0x1_0000, 0b1010, 0, 0, 0].map(u64::to_le_bytes);
    put(&mut image, 0, header.as_flattened());
    put(&mut image, 0, b"MZ\x40\xfa");
    put(&mut image, 0x38, b"ARM\x64\x40\0\0\0");
    put(&mut image, 0x40, b"PE\0\0\x64\xaa\x01\0");
    put(&mut image, 0x40 + 20, &16u16.to_le_bytes());
    put(&mut image, 0x40 + 40 + 16, &512u32.to_le_bytes());
    put(&mut image, 0x40 + 40 + 20, &512u32.to_le_bytes());
    image
}

struct Folder(TempDir);

impl Folder {
    fn new() -> Self {
        Folder(tempfile::tempdir().unwrap())
    }

    fn path(&self, name: &str) -> Utf8PathBuf {
        Utf8Path::from_path(self.0.path()).unwrap().join(name)
    }

    fn with(&self, name: &str, bytes: &[u8]) -> Utf8PathBuf {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        // A new file: ext4 waits for the disk where one is written over.
        let _ = fs::remove_file(&path);
        fs::write(&path, bytes).unwrap();
        path
    }
}

const X86: Arch = Arch::X86_64;
const ARM: Arch = Arch::Aarch64;

fn wanted(format: ImageFormat, arch: Arch) -> Wanted<'static> {
    Wanted { hypervisor: "vmm", arch, format }
}

fn good() -> [(Vec<u8>, ImageFormat, Arch); 4] {
    [
        (bzimage(), ImageFormat::BzImage, X86),
        (vmlinux(&[]), ImageFormat::Vmlinux, X86),
        (vmlinux(PVH_NOTE), ImageFormat::PvhVmlinux, X86),
        (image(), ImageFormat::Image, ARM),
    ]
}

#[test]
fn good_ones() {
    let folder = Folder::new();
    let told = good().map(|(bytes, format, arch)| {
        let checked = check(&folder.with("k", &bytes), wanted(format, arch)).unwrap();
        assert_eq!(checked.loaded_by.is_some(), Arch::host() == Ok(arch), "{checked}");
        let json = serde_json::to_string(&checked).unwrap();
        assert_eq!(serde_json::from_str::<Checked>(&json).unwrap(), checked);
        let told = checked.to_string();
        let warnings = checked.warnings.join("; ");
        let (facts, _loader) = told.rsplit_once(", ").unwrap();
        format!("{facts}; {warnings}")
    });
    let expected = [
        "bzImage for x86_64, 2.00 KiB, takes 2.00 MiB of memory, entry 0x100200, \
         boot protocol 2.15; ",
        "vmlinux for x86_64, 2.63 KiB, takes 16.00 KiB of memory, entry 0x1000000; \
         it carries .symtab: 9 B could go",
        "pvh-vmlinux for x86_64, 2.63 KiB, takes 16.00 KiB of memory, entry 0x1000000, \
         PVH entry 0x1000010; it carries .symtab: 9 B could go",
        "Image for aarch64, 1.00 KiB, takes 64.00 KiB of memory, entry 0x0; ",
    ];
    assert_eq!(told, expected);
}

/// Each is wrong in one way; the words are the cause and the hint, in part.
#[test]
fn wrong_ones() {
    use ImageFormat::{BzImage, Image, PvhVmlinux, Vmlinux};
    let with = |mut image: Vec<u8>, at: usize, bytes: &[u8]| {
        put(&mut image, at, bytes);
        image
    };
    let arm_vmlinux = with(vmlinux(&[]), 18, &[183]);
    let hole = [vec![0; 4096], vec![1]].concat();
    let tail = [image(), vec![1]].concat();
    let cases: &[(Vec<u8>, ImageFormat, Arch, &str)] = &[
        (vec![], BzImage, X86, "it is an empty file, and vmm boots a bzImage for x86_64"),
        (vmlinux(&[]), BzImage, X86, "it is an ELF vmlinux for x86_64, and vmm boots a bzImage"),
        (vmlinux(&[]), BzImage, X86, "copies raw to memory, where it hangs"),
        (vmlinux(&[]), BzImage, X86, "`cargo xtask kernel --arch x86_64 --hypervisor vmm` makes"),
        (image(), BzImage, X86, "it is an arm64 Image, and vmm boots a bzImage for x86_64"),
        (bzimage(), PvhVmlinux, X86, "it is a bzImage for x86_64 (boot protocol 2.15), and vmm"),
        (bzimage(), PvhVmlinux, X86, "KernelMissingPvhHeader"),
        (vmlinux(&[]), PvhVmlinux, X86, "it is an ELF vmlinux without a PVH note"),
        (vmlinux(&[]), PvhVmlinux, X86, "CONFIG_PVH=y"),
        (arm_vmlinux, Image, ARM, "it is an ELF vmlinux for aarch64, and vmm boots an uncompr"),
        (b"\x1f\x8b\x08\0".to_vec(), Image, ARM, "it is a file compressed with gzip"),
        (b"\x1f\x8b\x08\0".to_vec(), Image, ARM, "unpack it (`gzip -dc "),
        (hole, Image, ARM, "it is a file that begins with nothing but zeros"),
        (vec![0xff, 0, 1], Image, ARM, "a file of no known kind (it begins with ff 00 01)"),
        (with(bzimage(), 0x236, &[0]), BzImage, X86, "it is a bzImage for 32-bit x86"),
        (with(bzimage(), 0x206, &[6]), BzImage, X86, "it speaks boot protocol 2.6"),
        (with(bzimage(), 0x1f4, &[65]), BzImage, X86, "it is cut short: the code that its setup"),
        (with(bzimage(), 0x24d, &[9]), BzImage, X86, "it is cut short: its compressed kernel"),
        (with(bzimage(), 0x263, &[0x7f]), BzImage, X86, "it needs memory up to"),
        (with(vmlinux(&[]), 24, &[0, 0, 0xff]), Vmlinux, X86, "lies in no executable segment"),
        (with(vmlinux(&[]), 24, &[0; 8]), Vmlinux, X86, "below the 1 MiB that belong to"),
        (with(vmlinux(&[]), 64 + 40, &[0; 8]), Vmlinux, X86, "more bytes in the file than it has"),
        (with(vmlinux(&[]), 64 + 37, &[0xff]), Vmlinux, X86, "it is cut short: a loaded segment"),
        (with(image(), 0x10, &[0; 8]), Image, ARM, "its header has no image_size"),
        (with(image(), 0x18, &[1]), Image, ARM, "it is big-endian"),
        (with(image(), 0x0b, &[1]), Image, ARM, "its text_offset 0x1000000 is no offset"),
        (with(image(), 0x79, &[9]), Image, ARM, "it is cut short: a section ends"),
    ];
    let folder = Folder::new();
    for (bytes, format, arch, words) in cases {
        let path = folder.with("k", bytes);
        let failure = Failure::new(&check(&path, wanted(*format, *arch)).unwrap_err());
        assert_eq!(failure.error, format!("failed to check image {path} for vmm on {arch}"));
        let told = [failure.causes, failure.hints].concat().join("\n");
        assert!(told.contains(words), "`{words}` is not in:\n{told}");
    }
    let checked = check(&folder.with("k", &tail), wanted(Image, ARM)).unwrap();
    assert_eq!(checked.warnings, [""; 0]);
}

#[test]
fn no_file() {
    let folder = Folder::new();
    let causes = |name: &str| {
        let error = check(&folder.path(name), wanted(ImageFormat::Image, ARM)).unwrap_err();
        Failure::new(&error).causes.join("\n")
    };
    assert!(causes("missing").contains("failed to look at"));
    assert_eq!(causes(""), "it is a folder");
}

/// The cut is seen at every length, and none makes the check panic.
#[test]
fn truncated() {
    let folder = Folder::new();
    for (bytes, format, arch) in good() {
        for length in 0..bytes.len() {
            let path = folder.with("k", &bytes[..length]);
            assert!(check(&path, wanted(format, arch)).is_err(), "{format} cut to {length} bytes");
        }
    }
}

/// Whatever one byte of a header is, the check comes to an end.
#[test]
fn damaged() {
    let folder = Folder::new();
    for (bytes, format, arch) in good() {
        for at in (0..0x270).chain(bytes.len() - 137..bytes.len()) {
            for value in [0, 0xff] {
                let mut bytes = bytes.clone();
                put(&mut bytes, at, &[value]);
                let _ = check(&folder.with("k", &bytes), wanted(format, arch));
            }
        }
    }
}

#[test]
fn made() {
    let folder = Folder::new();
    let linked = (vmlinux_at(2 << 20, PVH_NOTE), ImageFormat::PvhVmlinux, X86);
    for (bytes, format, arch) in good().into_iter().chain([linked]) {
        folder.with(kbuild_output(format), &bytes);
        let to = folder.path("made");
        make(&folder.path(""), format, &to).unwrap();
        let made = check(&to, wanted(format, arch)).unwrap();
        assert_eq!(made.warnings, [""; 0]);
        match format {
            ImageFormat::BzImage | ImageFormat::Image => assert_eq!(fs::read(&to).unwrap(), bytes),
            ImageFormat::Vmlinux | ImageFormat::PvhVmlinux => {
                assert!(made.size <= 4096 + 1024 + 64, "{made}");
                assert_eq!(fs::read(&to).unwrap()[4096..4096 + 512], [0x90; 512]);
                // Nothing is left to strip.
                fs::copy(&to, folder.path(kbuild_output(format))).unwrap();
                make(&folder.path(""), format, &folder.path("again")).unwrap();
                assert_eq!(fs::read(&to).unwrap(), fs::read(folder.path("again")).unwrap());
            }
        }
    }
}

#[test]
fn nothing_to_make() {
    let folder = Folder::new();
    let error = make(&folder.path("obj"), ImageFormat::Image, &folder.path("to")).unwrap_err();
    let failure = Failure::new(&error);
    assert!(failure.error.ends_with("obj/arch/arm64/boot/Image"), "{}", failure.error);
    assert!(failure.hints.concat().contains("`make Image`"));
}

/// Takes the kernels of this host and those named in `XTASK_TEST_IMAGES` (paths, separated by
/// colons).
#[test]
#[ignore = "takes kernels of /boot, or those that XTASK_TEST_IMAGES names"]
fn real_ones() {
    let named = std::env::var("XTASK_TEST_IMAGES").unwrap_or_default();
    let named = named.split(':').filter(|path| !path.is_empty()).map(Utf8PathBuf::from);
    let boot = Utf8Path::new("/boot").read_dir_utf8().into_iter().flatten().flatten();
    let boot = boot.map(camino::Utf8DirEntry::into_path);
    let boot = boot.filter(|path| path.file_name().is_some_and(|name| name.starts_with("vmlinuz")));
    let mut seen = 0;
    for path in named.chain(boot) {
        // A host's kernel may be readable by root only.
        let Ok(bytes) = fs::read(&path) else { continue };
        let Some(sniffed) = sniff(&bytes) else { continue };
        let formats = ImageFormat::ALL.iter().find(|format| sniffed.may_be(**format));
        let (Some(format), Some(arch)) = (formats, sniffed.arch()) else { continue };
        let checked = check(&path, wanted(*format, arch)).unwrap();
        println!("{path}: {checked} {:?}", checked.warnings);
        seen += 1;
        if *format == ImageFormat::Vmlinux {
            real_vmlinux(&path, &checked);
        }
    }
    assert!(seen > 0, "no kernel can be read in /boot, and XTASK_TEST_IMAGES names none");
}

fn real_vmlinux(path: &Utf8Path, before: &Checked) {
    let folder = Folder::new();
    fs::copy(path, folder.path("vmlinux")).unwrap();
    make(&folder.path(""), ImageFormat::Vmlinux, &folder.path("made")).unwrap();
    let after = check(&folder.path("made"), wanted(ImageFormat::Vmlinux, X86)).unwrap();
    println!("{path}, stripped: {after}");
    assert!(after.size <= before.size && after.warnings.is_empty());
    let facts = |checked: &Checked| (checked.entry, checked.load_size, checked.pvh_entry);
    assert_eq!(facts(&after), facts(before));
}
