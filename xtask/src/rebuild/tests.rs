use std::collections::BTreeMap;
use std::io::Write as _;

use camino::Utf8Path;
use flate2::Compression;
use flate2::write::GzEncoder;
use vmm_kernel::{FileRecord, ImageFormat, Manifest, SourceRecord, ToolchainRecord};

use super::compare::sections;
use super::kernel::{Content, Kernel};
use super::memory::Memory;
use super::*;
use crate::shell::Shell;

/// Two symbols in one section, and what lies in front of them.
fn kernel(data: &[u8]) -> Kernel {
    let symbols = BTreeMap::from([(2, "first".to_owned()), (6, "second".to_owned())]);
    let section =
        Content { name: ".text".to_owned(), address: 0x1000, data: data.to_owned(), symbols };
    Kernel { sections: vec![section] }
}

#[test]
fn a_byte_is_told_by_its_symbol() {
    assert_eq!(sections(&kernel(b"..1111222222"), &kernel(b"..1111222222")), []);
    let differing = sections(&kernel(b"..1111222222"), &kernel(b"..1111222X2X"));
    let [Section { name, symbols, .. }] = &differing[..] else { panic!("{differing:?}") };
    assert_eq!(name, ".text");
    let [symbol] = &symbols[..] else { panic!("{symbols:?}") };
    assert_eq!(
        (symbol.name.as_str(), symbol.bytes.first, symbol.bytes.differing),
        ("second", 3, 2)
    );
}

#[test]
fn what_grew_stands_before_what_only_moved() {
    let mut grown = kernel(b"..1111XX222Y22");
    grown.sections[0].symbols = BTreeMap::from([(2, "first".to_owned()), (8, "second".to_owned())]);
    let differing = sections(&kernel(b"..1111222222"), &grown);
    let names: Vec<_> = differing[0].symbols.iter().map(|one| one.name.as_str()).collect();
    assert_eq!(names, ["first", "second"]);
    assert_eq!(
        (differing[0].symbols[0].given, differing[0].symbols[0].rebuilt),
        (Some(4), Some(6))
    );
    grown.sections[0].symbols.remove(&8);
    let differing = sections(&kernel(b"..1111222222"), &grown);
    let gone = differing[0].symbols.iter().find(|one| one.name == "second").unwrap();
    assert_eq!((gone.given, gone.rebuilt), (Some(6), None));
}

#[test]
fn a_section_that_only_one_has_is_told() {
    let differing = sections(&Kernel { sections: vec![] }, &kernel(b"..1111222222"));
    assert_eq!((differing[0].given, differing[0].rebuilt), (None, Some(12)));
}

/// An ELF file with one segment at 0x1000.
fn elf(content: &[u8]) -> Vec<u8> {
    let mut file = b"\x7fELF\x02\x01\x01".to_vec();
    file.resize(16, 0);
    for (value, size) in [
        (2, 2),
        (62, 2),
        (1, 4),
        (0x1000, 8),
        (64, 8),
        (0, 8),
        (0, 4),
        (64, 2),
        (56, 2),
        (1, 2),
        (64, 2),
        (0, 2),
        (0, 2),
    ] {
        file.extend(&u64::to_le_bytes(value)[..size]);
    }
    let length = content.len() as u64;
    for (value, size) in
        [(1, 4), (5, 4), (120, 8), (0x1000, 8), (0x1000, 8), (length, 8), (length, 8), (1, 8)]
    {
        file.extend(&u64::to_le_bytes(value)[..size]);
    }
    file.extend(content);
    file
}

/// A setup header that names a packed kernel right behind it.
fn bzimage(content: &[u8]) -> Vec<u8> {
    let mut gzip = GzEncoder::new(vec![], Compression::fast());
    gzip.write_all(&elf(content)).unwrap();
    let packed = gzip.finish().unwrap();
    let mut image = vec![0; 1024];
    image[0x1f1] = 1;
    image[0x24c..0x250].copy_from_slice(&u32::try_from(packed.len()).unwrap().to_le_bytes());
    image.extend(packed);
    image
}

#[test]
fn an_image_is_looked_into_by_the_addresses_of_the_other() {
    let shell = Shell::for_tests();
    let folder = tempfile::tempdir().unwrap();
    let scratch = Utf8Path::from_path(folder.path()).unwrap();
    let content = b"..1111222222";
    let images = [
        (bzimage(content), ImageFormat::BzImage),
        (elf(content), ImageFormat::Vmlinux),
        (content.to_vec(), ImageFormat::Image),
    ];
    let layout = kernel(b"..1111222X22");
    for (image, format) in images {
        let image = (&image[..], format);
        let memory = Memory::of_image(&shell, image, layout.start(), scratch).unwrap();
        assert_eq!(memory.at(0x1000, 13), None, "{format} ends before that");
        let differing = sections(&layout.with_content(&memory), &layout);
        assert_eq!(differing[0].symbols[0].name, "second", "{format}");
        assert_eq!(differing[0].symbols[0].bytes.first, 3, "{format}");
    }
}

fn record(path: &str, sha256: &str) -> FileRecord {
    FileRecord { path: path.into(), sha256: sha256.to_owned() }
}

fn source(sha256: &str, patches: &[&str]) -> SourceRecord {
    SourceRecord {
        name: "6.12".to_owned(),
        version: "6.12.8".to_owned(),
        sha256: sha256.to_owned(),
        patches: patches.iter().map(|&patch| patch.to_owned()).collect(),
    }
}

fn manifest() -> Manifest {
    let json = serde_json::json!({
        "key": "", "sha256": "", "size": 0, "arch": "x86_64", "type": "micro", "hypervisor": "stratovirt",
        "machine": null, "bus": "mmio", "format": "bzImage", "kernel_release": "6.12.8",
        "source": source("a", &["0001-a.patch@1", "0002-b.patch@2"]),
        "toolchain": { "name": "gcc", "versions": ["gcc 12", "ld 2.40"] },
        "tool_version": "0.1.0", "config_sha256": "", "fragments": [],
        "inputs": [record("base.conf", "1"), record("net.conf", "2")],
        "missing": [], "choices": [],
    });
    serde_json::from_value(json).unwrap()
}

#[test]
fn each_thing_that_is_not_as_it_was_is_told() {
    let manifest = manifest();
    let found = |source: SourceRecord, inputs: &[FileRecord], versions: &[&str]| {
        let versions = versions.iter().map(|&line| line.to_owned()).collect();
        let toolchain = &ToolchainRecord { name: "gcc".to_owned(), versions };
        let (inputs, format) = (inputs.to_vec(), ImageFormat::BzImage);
        obstacles(&manifest, &Here { tool_version: "0.1.0", format, inputs, toolchain, source })
    };
    let tools = ["gcc 12", "ld 2.40"];
    assert_eq!(found(manifest.source.clone(), &manifest.inputs, &tools), []);
    let patches = ["0002-b.patch@3", "0003-c.patch@4"];
    let inputs = [record("base.conf", "9"), record("new.conf", "1")];
    let patch = |name: &str, change| Obstacle::Patch { name: name.to_owned(), change };
    let input = |path: &str, change| Obstacle::Input { path: path.into(), change };
    assert_eq!(
        found(source("a", &patches), &inputs, &tools),
        [
            input("base.conf", Change::Changed),
            input("net.conf", Change::Missing),
            input("new.conf", Change::New),
            patch("0001-a.patch", Change::Missing),
            patch("0002-b.patch", Change::Changed),
            patch("0003-c.patch", Change::New),
        ]
    );
    let other = found(source("b", &[]), &manifest.inputs, &["gcc 13", "ld 2.40"]);
    assert!(
        matches!(other[..], [Obstacle::Toolchain { .. }, Obstacle::Source { .. }]),
        "{other:?}"
    );
}

#[test]
fn patches_that_were_left_out_are_told_by_name() {
    let all = ["0001-a@7.1.patch@1".to_owned(), "0002-b.patch@2".to_owned()];
    assert_eq!(left_out(&["0002-b.patch@9".to_owned()], &all), ["a"]);
    assert_eq!(left_out(&all, &all), Vec::<String>::new());
    let forms = ["0001-a.patch@1".to_owned(), "0001-a@7.1.patch@2".to_owned()];
    assert_eq!(left_out(&forms[..1], &forms), Vec::<String>::new());
}
