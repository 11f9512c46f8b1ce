//! A kernel of a few parts, as tables, as a picture and as a page.

use std::collections::BTreeMap;

use vmm_kernel::{Arch, ImageFormat};

use super::*;
use crate::fragment::Place;
use crate::measure::{Asked, Figure, Needs};
use crate::size::{Bytes, Maker, Part, Sized, View, compare, rows};

fn part(name: &str, text: i64, symbol: &str, through: &[&str]) -> Part {
    let place = Place { path: "fragments/<net>.conf".into(), line: 4 };
    let through = through.iter().map(|&symbol| symbol.to_owned()).collect();
    let asked = Asked { place, through };
    Part {
        name: name.into(),
        maker: Maker::Compiler,
        bytes: Bytes { text, rodata: text / 10, data: 64, bss: 4096, init: 300 },
        needs: match symbol {
            "" => Needs::Nothing,
            symbol => Needs::Symbols(vec![symbol.to_owned()]),
        },
        asked: (!symbol.is_empty()).then(|| (symbol.to_owned(), asked)).into_iter().collect(),
    }
}

fn kernel(name: &str, image: u64, parts: Vec<Part>) -> Sized {
    let vmlinux = [(Figure::Text, 8_801_881), (Figure::Data, 1_576_128), (Figure::Bss, image / 4)];
    Sized {
        name: name.to_owned(),
        arch: Arch::X86_64,
        image: Some((ImageFormat::BzImage, image)),
        vmlinux: BTreeMap::from(vmlinux),
        parts,
    }
}

fn small() -> Sized {
    let rest = |name: &str, bytes: Bytes| Part {
        name: name.into(),
        maker: Maker::Linker,
        bytes,
        needs: Needs::Unknown,
        asked: BTreeMap::new(),
    };
    let parts = vec![
        part("net/ipv4/tcp.o", 40_000, "INET", &[]),
        part("net/ipv4/udp.o", 20_000, "INET", &[]),
        part("net/socket.o", 9_000, "NET", &["INET"]),
        part("arch/x86/kernel/head_64.o", 5_000, "", &[]),
        rest(".text", Bytes { text: 12_000, ..Bytes::default() }),
        rest(".rodata", Bytes { rodata: -120, ..Bytes::default() }),
    ];
    kernel("micro & small", 3_228_672, parts)
}

fn smaller() -> Sized {
    let mut sized = small();
    sized.parts.remove(0);
    sized.parts.push(part("net/new.o", 100, "NET", &[]));
    Sized { name: "without <INET>".to_owned(), ..kernel("", 3_000_000, sized.parts) }
}

#[test]
fn one_kernel() {
    let kernel = small();
    insta::assert_snapshot!(sizes(&kernel, &rows(&kernel.parts, View::Folder(2)), 3));
}

#[test]
fn two_kernels() {
    let (a, b) = (small(), smaller());
    let changes = compare(&a.parts, &b.parts, View::Object);
    insta::assert_snapshot!(growth(&a, &b, &changes, 0));
    assert!(growth(&a, &a, &[], 0).contains("Nothing grew or shrank."));
}

#[test]
fn a_picture() {
    insta::assert_snapshot!(treemap(&small()));
}

#[test]
fn a_page() {
    let page = page(&small());
    let script = page.find("<script>").unwrap();
    insta::assert_snapshot!(page[page.find("<body>").unwrap()..script]);
    // It needs nothing from anywhere.
    for from_elsewhere in ["http:", "https:", "src=", "@import", "url("] {
        assert!(!page.contains(from_elsewhere), "{from_elsewhere}");
    }
}
