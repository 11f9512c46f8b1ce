//! A small object tree, whose objects are written here.

use camino::{Utf8Path, Utf8PathBuf};
use object::Endianness;
use object::build::elf::{Builder, SectionData};
use object::elf::*;
use tempfile::TempDir;
use vmm_kernel::Arch;

use super::*;
use crate::fragment::Place;

const CODE: u32 = SHF_ALLOC | SHF_EXECINSTR;
const DATA: u32 = SHF_ALLOC | SHF_WRITE;
const STRINGS: u32 = SHF_ALLOC | SHF_MERGE | SHF_STRINGS;

/// Name, flags, address, content.
type Section = (&'static str, u32, u64, Vec<u8>);

/// Sections, those named `.bss` without content, and global symbols with their addresses.
fn elf(sections: &[Section], symbols: &[(&'static str, u64)]) -> Vec<u8> {
    let mut builder = Builder::new(Endianness::Little, true);
    builder.header.e_type = ET_REL;
    builder.header.e_machine = EM_X86_64;
    let mut first = None;
    for (name, flags, address, content) in sections {
        let section = builder.sections.add();
        section.name = (*name).into();
        section.sh_flags = u64::from(*flags);
        section.sh_addr = *address;
        section.sh_addralign = 1;
        section.sh_entsize = u64::from(flags & SHF_MERGE != 0);
        section.sh_size = content.len() as u64;
        (section.sh_type, section.data) = match name.starts_with(".bss") {
            true => (SHT_NOBITS, SectionData::UninitializedData(content.len() as u64)),
            false => (SHT_PROGBITS, SectionData::Data(content.clone().into())),
        };
        first = first.or(Some(section.id()));
    }
    for (name, address) in symbols {
        let symbol = builder.symbols.add();
        symbol.name = (*name).into();
        symbol.section = first;
        symbol.st_value = *address;
        symbol.set_st_info(STB_GLOBAL, STT_FUNC);
    }
    for (name, kind, data) in [
        (".symtab", SHT_SYMTAB, SectionData::Symbol),
        (".strtab", SHT_STRTAB, SectionData::String),
        (".shstrtab", SHT_STRTAB, SectionData::SectionString),
    ] {
        let section = builder.sections.add();
        (section.name, section.sh_type, section.data) = (name.into(), kind, data);
        section.sh_addralign = 8;
    }
    builder.set_section_sizes();
    let mut image = vec![];
    builder.write(&mut image).unwrap();
    image
}

/// Names without content, as `ar cDPrST` leaves them (ar(5), and the GNU extension for long names).
fn thin_archive(members: &[&str]) -> Vec<u8> {
    let entry = |name: &str, size: usize| {
        format!("{name:<16}{:<12}{:<6}{:<6}{:<8}{size:<10}`\n", 0, 0, 0, 644)
    };
    let mut names: String = members.iter().map(|name| format!("{name}/\n")).collect();
    names.push_str(if names.len() % 2 == 1 { "\n" } else { "" });
    let mut archive = format!("!<thin>\n{}{names}", entry("//", names.len()));
    let mut at = 0;
    for name in members {
        archive.push_str(&entry(&format!("/{at}"), 1));
        at += name.len() + 2;
    }
    archive.into_bytes()
}

const SCRIPT: &str = "SECTIONS {\n .text : { *(.text .text.*) }\n .rodata : { *(.rodata .rodata.*) }\n\
    .data : { *(.data) }\n .data..percpu 0 : { *(.data..percpu) }\n .init.text : { *(.init.text) }\n\
    .bss : { *(.bss) }\n /DISCARD/ : { *(.exitcall.exit) }\n}\n";

struct Fixture {
    _keep: TempDir,
    dir: Utf8PathBuf,
}

impl Fixture {
    fn new() -> Self {
        let keep = tempfile::tempdir().unwrap();
        let dir = Utf8PathBuf::from_path_buf(keep.path().to_owned()).unwrap();
        let fixture = Fixture { _keep: keep, dir };
        let (write, zeros) =
            (|path: &str, data: Vec<u8>| fixture.write(path, data), |n| vec![0; n]);
        write("obj/.config", "CONFIG_EXT4=y\nCONFIG_JBD2=y\nCONFIG_MMU=y\n".into());
        write("obj/arch/x86/kernel/vmlinux.lds", SCRIPT.into());
        let command = "cmd_vmlinux.o := ld -r -o vmlinux.o --whole-archive vmlinux.a \
                       --no-whole-archive --start-group lib/lib.a --end-group";
        write("obj/.vmlinux.o.cmd", command.into());
        write("obj/vmlinux.a", thin_archive(&["fs/ext4/super.o", "fs/jbd2.o", "mm/odd.o"]));
        write("obj/lib/lib.a", thin_archive(&["used.o", "unused.o"]));
        let sections = [
            (".text", CODE, 0, zeros(100)),
            (".rodata.str1.1", STRINGS, 0, b"shared\0only here\0".to_vec()),
            (".data..percpu", DATA, 0, zeros(8)),
            (".init.text", CODE, 0, zeros(30)),
            (".exitcall.exit", SHF_ALLOC, 0, zeros(8)),
            (".comment", 0, 0, zeros(50)),
        ];
        write("obj/fs/ext4/super.o", elf(&sections, &[("ext4_init", 0)]));
        let sections = [
            (".text.unlikely", CODE, 0, zeros(40)),
            (".rodata.str1.1", STRINGS, 0, b"shared\0".to_vec()),
            (".bss", DATA, 0, zeros(5000)),
        ];
        write("obj/fs/jbd2.o", elf(&sections, &[]));
        write("obj/mm/odd.o", elf(&[(".data", DATA, 0, zeros(16))], &[]));
        write("obj/lib/used.o", elf(&[(".text", CODE, 0, zeros(10))], &[("memcpy", 0)]));
        write("obj/lib/unused.o", elf(&[(".text", CODE, 0, zeros(99))], &[("strnlen", 0)]));
        let sections = [
            (".text", CODE, 0x1000, zeros(200)),
            (".rodata", DATA, 0x2000, zeros(16)),
            (".data", DATA, 0x3000, zeros(16)),
            (".data..percpu", DATA, 0, zeros(8)),
            (".init.text", CODE, 0x4000, zeros(30)),
            (".orc_lookup", SHF_ALLOC, 0x5000, zeros(12)),
            (".bss", DATA, 0x6000, zeros(5000)),
        ];
        let symbols = [
            ("__start_rodata", 0x2000),
            ("__end_rodata", 0x3000),
            ("__init_begin", 0x4000),
            ("__init_end", 0x5000),
            ("memcpy", 0x1000),
        ];
        write("obj/vmlinux", elf(&sections, &symbols));
        write("tree/Kbuild", "obj-y += fs/ mm/ lib/\n".into());
        let ext4 = "obj-$(CONFIG_EXT4) += ext4/\nobj-$(CONFIG_JBD2) += jbd2.o\n";
        write("tree/fs/Makefile", ext4.into());
        write("tree/fs/ext4/Makefile", "obj-y += super.o\n".into());
        write("tree/lib/Makefile", "lib-$(CONFIG_MMU) := used.o unused.o\n".into());
        fixture
    }

    fn write(&self, path: &str, data: Vec<u8>) {
        let path = self.dir.join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, data).unwrap();
    }

    fn sized(&self) -> Result<Sized> {
        let place = Place { path: "fragments/fs.conf".into(), line: 4 };
        let asked = |through: &[&str]| Asked {
            place: place.clone(),
            through: through.iter().map(|&symbol| symbol.to_owned()).collect(),
        };
        let origins = [("EXT4", asked(&[])), ("JBD2", asked(&["EXT4"]))];
        of(&Built {
            name: "small",
            arch: Arch::X86_64,
            obj: &self.dir.join("obj"),
            tree: &self.dir.join("tree"),
            origins: &origins.map(|(symbol, asked)| (symbol.to_owned(), asked)).into(),
        })
    }
}

fn told(rows: &[Row]) -> Vec<String> {
    let row = |Row { name, bytes: b, parts }: &Row| {
        format!("{name} {} {} {} {} {} in {parts}", b.text, b.rodata, b.data, b.bss, b.init)
    };
    rows.iter().map(row).collect()
}

#[test]
fn each_byte_of_the_vmlinux_is_somebodys() {
    let sized = Fixture::new().sized().unwrap();
    let expected = [
        "fs/jbd2.o 40 0 0 5000 0 in 1",
        "fs/ext4/super.o 100 17 8 0 30 in 1",
        "(linker) .text 50 0 0 0 0 in 1",
        "mm/odd.o 0 0 16 0 0 in 1",
        "(linker) .orc_lookup 0 12 0 0 0 in 1",
        "lib/used.o 10 0 0 0 0 in 1",
        // A string that ends another one is kept once: the linker sees more than is counted.
        "(linker) .rodata 0 -1 0 0 0 in 1",
    ];
    assert_eq!(told(&rows(&sized.parts, View::Object)), expected);
    let counted: u64 = sized.vmlinux.values().sum();
    assert_eq!(sized.total().all().unsigned_abs(), counted);
    assert_eq!((sized.total().image(), sized.total().kept()), (282, 5252));
}

#[test]
fn parts_are_put_together_by_what_is_asked() {
    let sized = Fixture::new().sized().unwrap();
    let names = |view| -> Vec<String> {
        let rows = rows(&sized.parts, view).into_iter();
        rows.map(|row| row.name).filter(|name| !name.starts_with("(linker)")).collect()
    };
    assert_eq!(names(View::Folder(1)), ["fs", "mm", "lib"]);
    assert_eq!(names(View::Folder(2)), ["fs", "fs/ext4", "mm", "lib"]);
    assert_eq!(names(View::Symbol), ["JBD2", "EXT4", "(unknown)", "MMU"]);
    assert_eq!(names(View::Fragment), ["fragments/fs.conf", "(unknown)", "(every kernel)"]);
    let kinds: Vec<For> = sized.parts.iter().map(Part::is_for).collect();
    let expected = [For::Every, For::Asked, For::Follows, For::Unknown];
    assert_eq!(kinds[..4], expected);
}

#[test]
fn what_grew_came_and_went_is_told() {
    let fixture = Fixture::new();
    let before = fixture.sized().unwrap();
    fixture.write("obj/vmlinux.a", thin_archive(&["fs/ext4/super.o", "fs/new.o", "mm/odd.o"]));
    fixture.write("obj/fs/new.o", elf(&[(".text", CODE, 0, vec![0; 7])], &[]));
    fixture.write("obj/mm/odd.o", elf(&[(".data", DATA, 0, vec![0; 4])], &[]));
    let after = fixture.sized().unwrap();
    let changes = compare(&before.parts, &after.parts, View::Object);
    let told: Vec<_> = changes
        .iter()
        .map(|change| (change.name.as_str(), change.by().all(), change.before.is_some()))
        .collect();
    let expected = [
        ("fs/jbd2.o", -5040, true),
        ("(linker) .bss", 5000, false),
        ("(linker) .text", 33, true),
        ("(linker) .data", 12, false),
        ("mm/odd.o", -12, true),
        ("fs/new.o", 7, false),
    ];
    assert_eq!(told, expected);
}

#[test]
fn folders_hold_what_is_below_them() {
    let sized = Fixture::new().sized().unwrap();
    let root = tree(&sized);
    let names = |node: &Node<'_>| -> Vec<(String, u64)> {
        node.children.iter().map(|child| (child.name.clone(), child.bytes)).collect()
    };
    let named = |all: &[(&str, u64)]| -> Vec<(String, u64)> {
        all.iter().map(|(name, bytes)| ((*name).to_owned(), *bytes)).collect()
    };
    assert_eq!(names(&root), named(&[("fs", 5195), ("(linker)", 62), ("mm", 16), ("lib", 10)]));
    assert_eq!(names(&root.children[0]), named(&[("jbd2.o", 5040), ("ext4", 155)]));
}

#[test]
fn what_cannot_be_read_is_told() {
    let fixture = Fixture::new();
    let refused = |path: &str, content: &[u8], said: &str| {
        let before = std::fs::read(fixture.dir.join(path)).unwrap();
        fixture.write(path, content.to_vec());
        let error = format!("{:#}", fixture.sized().unwrap_err());
        assert!(error.contains(said), "{path}: {error}");
        fixture.write(path, before);
    };
    refused("obj/fs/jbd2.o", b"BC\xc0\xde bitcode", "failed to read sections of");
    refused("obj/vmlinux", b"", "failed to read sections of");
    refused("obj/vmlinux.a", b"!<thin>\nrubbish", "failed to read");
    refused("obj/vmlinux.a", &thin_archive(&["gone.o"]), "gone.o");
    assert!(fixture.sized().is_ok());
}

/// Every object tree that this workspace holds.
fn real() -> Vec<(Utf8PathBuf, Arch)> {
    let root = Utf8Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let below = |dir: &Utf8Path| -> Vec<Utf8PathBuf> {
        dir.read_dir_utf8().into_iter().flatten().flatten().map(|one| one.into_path()).collect()
    };
    let builds = below(&root.join("target/guest-kernel/build"));
    let all = builds.iter().flat_map(|tree| below(tree)).map(|variant| variant.join("obj"));
    let arch = |obj: &Utf8Path| {
        let arches = [("x86", Arch::X86_64), ("arm64", Arch::Aarch64)];
        let script = |name: &str| obj.join("arch").join(name).join("kernel/vmlinux.lds");
        arches.into_iter().find(|(name, _)| script(name).is_file()).map(|(_, arch)| arch)
    };
    // A build that was interrupted has left some of it out.
    let built = all.filter(|obj| obj.join("vmlinux").is_file() && obj.join("vmlinux.a").is_file());
    built.filter_map(|obj| Some((obj.clone(), arch(&obj)?))).collect()
}

#[test]
#[ignore = "takes the kernels that were built in this workspace"]
fn the_parts_of_real_kernels_are_what_size_counts() {
    let real = real();
    assert!(!real.is_empty(), "no kernel was built here");
    for (obj, arch) in real {
        let tree = obj.join("source").read_link_utf8().unwrap();
        let origins = BTreeMap::new();
        let built = Built { name: "real", arch, obj: &obj, tree: &tree, origins: &origins };
        let sized = of(&built).unwrap();
        let counted: u64 = sized.vmlinux.values().sum();
        assert_eq!(sized.total().all().unsigned_abs(), counted, "{obj}");
        let of = |parts: &[Part], which: fn(&Part) -> bool| -> i64 {
            parts.iter().filter(|part| which(part)).map(|part| part.bytes.all()).sum()
        };
        // What the script leaves empty may be megabytes; relocations are the linker's by nature.
        let tables = |part: &Part| {
            let large = [".text", ".bss", ".brk", ".rela.dyn"].contains(&part.name.as_str());
            part.maker == Maker::Linker && !large
        };
        let objects = of(&sized.parts, |part| part.maker == Maker::Compiler);
        let unaccounted = of(&sized.parts, tables);
        assert!(unaccounted.abs() * 20 < objects, "{obj}: {unaccounted} beside {objects}");
        let unknown = of(&sized.parts, |part| part.is_for() == For::Unknown);
        assert!(unknown * 20 < objects, "{obj}: {unknown} of {objects}");
    }
}
