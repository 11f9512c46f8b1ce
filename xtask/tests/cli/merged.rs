//! `resolve --config A B`: what comes of files that are read one on top of the other.

use std::io::Write as _;

use super::fixture::{Fixture, expect};

const RESOLVE: [&str; 6] = ["resolve", "--arch", "x86_64", "--kernel-dir", "tree", "--config"];

fn resolve(fixture: &Fixture, code: i32, more: &[&str]) -> (String, String) {
    expect(code, fixture.xtask(&[&RESOLVE[..], more].concat()))
}

#[test]
fn what_does_not_come_out_is_told_with_file_and_line() {
    let fixture = Fixture::new();
    fixture.write("a", "CONFIG_NET=y\nCONFIG_SERIAL=y\n# CONFIG_INET is not set\nCONFIG_SPEED=3\n");
    fixture.write("b", "CONFIG_SPEED=4\nCONFIG_NO_SUCH=y\nCONFIG_WIRELESS=y\n");
    for mode in ["allnoconfig", "olddefconfig", "alldefconfig"] {
        let (out, err) = resolve(&fixture, 1, &["a", "b", "--mode", mode]);
        assert!(out.contains("CONFIG_SPEED=4") && !out.contains("NO_SUCH"), "{out}");
        assert!(err.contains("CONFIG_NO_SUCH=y resolves to n\n --> b:2:1"), "{err}");
        assert!(err.contains("CONFIG_WIRELESS=y resolves to n\n  --> b:3:1"), "{err}");
        assert!(err.contains("2 of 6 symbols of a b are not as asked on Linux 6.12"), "{err}");
        assert!(!err.contains("warning"), "what a later file overrides is none: {err}");
    }
    let (out, _) = resolve(&fixture, 1, &["a", "b", "--format", "json"]);
    let answer: serde_json::Value = serde_json::from_str(&out).unwrap();
    assert_eq!(answer["findings"][0]["place"]["path"], "b");
    assert_eq!(answer["findings"][0]["place"]["line"], 2);
}

#[test]
fn what_can_only_be_a_module_is_not_built_in_without_a_word() {
    let fixture = Fixture::new();
    let more = "\nconfig MODULES\n\tbool \"modules\"\n\tmodules\n\nconfig BUS\n\ttristate \"bus\"\n\n\
                config DISK\n\ttristate \"disk\"\n\tdepends on BUS\n";
    fixture.write("tree/Kconfig", &(fixture.read("tree/Kconfig") + more));
    fixture.write("a", "CONFIG_MODULES=y\nCONFIG_BUS=m\nCONFIG_DISK=m\n");
    fixture.write("b", "CONFIG_DISK=y\n");
    resolve(&fixture, 0, &["a"]);
    let (out, err) = resolve(&fixture, 1, &["a", "b"]);
    assert!(out.contains("CONFIG_DISK=m"), "{out}");
    assert!(err.contains("CONFIG_DISK=y resolves to m\n  --> b:1:1"), "{err}");
}

#[test]
fn a_line_that_conf_does_not_understand_has_its_file() {
    let fixture = Fixture::new();
    fixture.write("a", "CONFIG_NET=y\n");
    fixture.write("b", "# why\nCONFIG_NET=y\nnonsense\nCONFIG_SERIAL=yes\nCONFIG_SERIAL=y\n");
    let (_, err) = resolve(&fixture, 0, &["a", "b"]);
    assert!(err.contains("warning: b:3: `nonsense` is no line of a .config"), "{err}");
    assert!(err.contains("warning: b:5: SERIAL has a value already"), "{err}");
    assert_eq!(err.matches("warning").count(), 2, "{err}");
}

/// conf computes anew what no line can set.
#[test]
fn a_whole_config_asks_for_what_can_be_set() {
    let fixture = Fixture::new();
    let computed = "CONFIG_BOARD=y\n# CONFIG_SERIAL is not set\n";
    fixture.write("whole", &format!("# Automatically generated file; DO NOT EDIT.\n{computed}"));
    fixture.write("fragment", computed);
    resolve(&fixture, 0, &["whole", "--mode", "olddefconfig"]);
    let (_, err) = resolve(&fixture, 1, &["fragment"]);
    assert!(err.contains("CONFIG_BOARD=y resolves to n"), "{err}");
}

#[test]
fn what_sets_nothing_is_refused() {
    let fixture = Fixture::new();
    let mut packed = flate2::write::GzEncoder::new(vec![], flate2::Compression::fast());
    packed.write_all(b"CONFIG_NET=y\n").unwrap();
    std::fs::write(fixture.path("config.gz"), packed.finish().unwrap()).unwrap();
    std::fs::copy("/proc/self/exe", fixture.path("program")).unwrap();
    std::fs::write(fixture.path("bytes"), b"CONFIG_NET=y\n\0\x01\xff").unwrap();
    fixture.write("empty", "");
    fixture.write("comments", "# nothing\n\n# CONFIG_NET is set\n");
    fixture.write("good", "CONFIG_NET=y\n");
    for (file, why) in [
        ("config.gz", "config.gz is no .config: it is a file compressed with gzip"),
        ("program", "program is no .config: it is an ELF program"),
        ("bytes", "bytes is no .config: it is a file that is no text"),
        ("empty", "empty is no .config: none of its lines sets a symbol"),
        ("comments", "comments is no .config: none of its lines sets a symbol"),
    ] {
        let (out, err) = resolve(&fixture, 2, &["good", file]);
        assert!(out.is_empty() && err.contains(why), "{file}: {out}{err}");
    }
    assert!(
        resolve(&fixture, 2, &["config.gz"]).1.contains("hint: unpack it: `gzip -dc config.gz`")
    );
}
