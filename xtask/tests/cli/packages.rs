//! What goes beside an image.

use std::collections::BTreeMap;
use std::io::Read as _;
use std::process::Command;

use super::fixture::{Fixture, bzimage, expect};

/// A tree whose kernels can load modules, and programs that its packages take.
fn fixture() -> Fixture {
    let fixture = Fixture::new();
    let modules = "config MODULES\n\tbool \"modules\"\n\tmodules\n";
    fixture.write("tree/Kconfig", &(fixture.read("tree/Kconfig") + modules));
    fixture.conf("base.conf\n", "CONFIG_NET=y\nCONFIG_MODULES=y\n");
    fixture.write("fragments/debug.conf", "CONFIG_MODULES=y\nCONFIG_INET=y\n");
    fixture
}

fn kernel(fixture: &Fixture, more: &[&str]) -> Command {
    fixture.program("pahole", "exit 1");
    let path = fixture.program("depmod", "echo main.ko: > $2/lib/modules/$3/modules.dep");
    let mut kernel = fixture.kernel(more);
    kernel.env("PATH", path);
    kernel
}

fn files(fixture: &Fixture, archive: &str) -> BTreeMap<String, Vec<u8>> {
    let file = std::fs::File::open(fixture.path(archive)).unwrap();
    let mut archive = tar::Archive::new(zstd::Decoder::new(file).unwrap());
    let read = |entry: std::io::Result<tar::Entry<'_, _>>| {
        let mut entry = entry.unwrap();
        let mut bytes = vec![];
        entry.read_to_end(&mut bytes).unwrap();
        (entry.path().unwrap().to_str().unwrap().to_owned(), bytes)
    };
    archive.entries().unwrap().map(read).collect()
}

#[test]
fn modules_and_headers_are_put_beside_the_image_once() {
    let fixture = fixture();
    let (out, _) = expect(0, kernel(&fixture, &["--modules", "--headers"]));
    assert!(out.contains("/bin/modules-6.12.0.tar.zst\n"), "{out}");
    let modules = files(&fixture, "bin/modules-6.12.0.tar.zst");
    let names: Vec<&str> = modules.keys().map(String::as_str).collect();
    assert_eq!(names, ["lib/modules/6.12.0/main.ko", "lib/modules/6.12.0/modules.dep"]);
    let headers = files(&fixture, "bin/headers-6.12.0.tar.zst");
    for name in ["Makefile", ".config", "Module.symvers", "scripts/mod/modpost"] {
        assert!(headers.contains_key(&format!("linux-headers-6.12.0/{name}")), "{name}");
    }
    fixture.write("slow", "touch $(dirname $0)/woken");
    let (out, _) = expect(0, kernel(&fixture, &["--modules", "--headers"]));
    assert!(out.contains("unchanged"), "{out}");
    std::fs::remove_file(fixture.path("bin/headers-6.12.0.tar.zst")).unwrap();
    let (out, _) = expect(0, kernel(&fixture, &["--modules", "--headers"]));
    assert!(out.contains("staged again") && !fixture.path("woken").exists(), "{out}");
    assert_eq!(files(&fixture, "bin/headers-6.12.0.tar.zst"), headers);
}

#[test]
fn packages_that_come_later_leave_the_image_as_it_was() {
    let fixture = fixture();
    expect(0, kernel(&fixture, &[]));
    let before = fixture.read("bin/vmlinux.bin.json");
    expect(0, kernel(&fixture, &["--modules"]));
    assert_eq!(fixture.read("bin/vmlinux.bin.json"), before);
    assert!(fixture.path("bin/modules-6.12.0.tar.zst").exists());
}

#[test]
fn a_kernel_without_modules_has_none_to_pack() {
    let fixture = fixture();
    fixture.conf("base.conf\n", "CONFIG_NET=y\n");
    let (out, err) = expect(2, kernel(&fixture, &["--modules"]));
    assert!(out.is_empty() && !fixture.path("bin").exists(), "{out}");
    assert!(err.contains("micro-x86_64: it loads no modules"), "{err}");
    assert!(err.contains("hint: a mini kernel does: --type mini"), "{err}");
}

#[test]
fn a_debug_kernel_takes_nothing_elses_place() {
    let fixture = fixture();
    expect(0, kernel(&fixture, &[]));
    let before = fixture.read("bin/vmlinux.bin.json");
    let (out, err) = expect(0, kernel(&fixture, &["--debug", "--modules"]));
    assert!(err.contains("building micro-x86_64-debug"), "{err}");
    assert!(out.contains("/bin/vmlinux-debug.bin\n"), "{out}");
    assert_eq!(fixture.read("bin/vmlinux.bin.json"), before);
    assert_eq!(std::fs::read(fixture.path("bin/vmlinux-debug.bin")).unwrap(), bzimage(2048));
    let manifest = fixture.read("bin/vmlinux-debug.bin.json");
    assert!(manifest.contains("\"debug.conf\""), "{manifest}");
    let elf = std::fs::read(fixture.path("bin/vmlinux.debug")).unwrap();
    assert!(elf.starts_with(b"\x7fELF"));
    assert!(fixture.path("bin/modules-6.12.0-debug.tar.zst").exists());
    let verify = ["verify", "bin/vmlinux-debug.bin", "--kernel-dir", "tree"];
    let (out, _) = expect(0, fixture.xtask(&verify));
    assert!(out.contains("built again bit for bit"), "{out}");
    let (out, _) = expect(0, kernel(&fixture, &[]));
    assert!(out.contains("unchanged"), "{out}");
    let (_, err) = expect(2, kernel(&fixture, &["--debug", "--install"]));
    assert!(err.contains("cannot be used with"), "{err}");
}

#[test]
fn what_a_package_takes_is_told_before_anything_is_built() {
    let fixture = fixture();
    let mut kernel = fixture.kernel(&["--debug"]);
    kernel.env("PATH", fixture.programs_without(&["pahole"]));
    let (_, err) = expect(2, kernel);
    assert!(err.contains("no `pahole` on PATH, which --debug takes"), "{err}");
    assert!(err.contains("`cargo xtask setup --debug` installs it"), "{err}");
}

/// As depmod of Debian 12 is to modules that gzip packed.
#[test]
fn modules_that_depmod_does_not_know_are_not_staged() {
    let fixture = fixture();
    let mut unknown = kernel(&fixture, &["--modules"]);
    unknown.env("PATH", fixture.program("depmod", ": > $2/lib/modules/$3/modules.dep"));
    let (_, err) = expect(2, unknown);
    let told = "depmod does not index 1 of 1 modules, such as lib/modules/6.12.0/main.ko";
    assert!(err.contains(told), "{err}");
    assert!(!fixture.path("bin").exists());
    expect(0, kernel(&fixture, &["--modules"]));
    assert!(fixture.path("bin/modules-6.12.0.tar.zst").exists());
}
