//! A kernel by LLVM's tools.

use std::process::Command;

use super::fixture::{Fixture, expect};

/// Where clang and its like are, in a version that no host has.
fn with_llvm(fixture: &Fixture, mut command: Command) -> Command {
    let mut path = String::new();
    for tool in ["clang-99", "ld.lld-99"] {
        path = fixture.program(tool, &format!("echo {tool} 99.1"));
    }
    command.env("PATH", path);
    command
}

fn manifest(fixture: &Fixture) -> serde_json::Value {
    serde_json::from_str(&fixture.read("bin/vmlinux.bin.json")).unwrap()
}

#[test]
fn kbuild_and_the_manifest_get_its_tools() {
    let fixture = Fixture::new();
    fixture.write("slow", "echo \"$LLVM $LD\" > $(dirname $0)/seen");
    let kernel = || with_llvm(&fixture, fixture.kernel(&["--toolchain", "llvm-99"]));
    expect(0, kernel());
    assert_eq!(fixture.read("seen").trim(), "-99 ld.lld-99");
    let by_llvm = manifest(&fixture);
    let tools = serde_json::json!({
        "name": "llvm-99", "versions": ["clang-99 99.1", "ld.lld-99 99.1"],
    });
    assert_eq!(by_llvm["toolchain"], tools);
    expect(0, fixture.kernel(&[]));
    assert_eq!(fixture.read("seen").trim(), "ld");
    assert_ne!(manifest(&fixture)["key"], by_llvm["key"]);
}

#[test]
fn going_back_and_forth_rebuilds_neither() {
    let fixture = Fixture::new();
    let by_llvm = || with_llvm(&fixture, fixture.kernel(&["--toolchain", "llvm-99"]));
    expect(0, by_llvm());
    expect(0, fixture.kernel(&[]));
    fixture.write("slow", "touch $(dirname $0)/woken");
    for kernel in [by_llvm(), fixture.kernel(&[])] {
        let (out, _) = expect(0, kernel);
        assert!(out.contains("staged again"), "{out}");
    }
    assert!(!fixture.path("woken").exists(), "it called make");
}

#[test]
fn kconfig_asks_clang_with_the_flags_that_the_tree_gives_it() {
    let fixture = Fixture::new();
    let asks = "config BY_CLANG\n\tdef_bool $(shell,test \"$(CC) $(CLANG_FLAGS)\" = \"clang-99 \
                --target=x86\" && echo y || echo n)\n";
    fixture.write("tree/Kconfig", &(fixture.read("tree/Kconfig") + asks));
    let resolve = ["resolve", "--type", "micro", "--arch", "x86_64", "--kernel-dir", "tree"];
    let (out, _) = expect(0, fixture.xtask(&resolve));
    assert!(!out.contains("CONFIG_BY_CLANG=y"), "{out}");
    let by_llvm = fixture.xtask(&[&resolve[..], &["--toolchain", "llvm-99"]].concat());
    let (out, _) = expect(0, with_llvm(&fixture, by_llvm));
    assert!(out.contains("CONFIG_BY_CLANG=y"), "{out}");
}

#[test]
fn what_is_not_there_is_told() {
    let fixture = Fixture::new();
    let (_, err) = expect(2, fixture.kernel(&["--toolchain", "llvm-98"]));
    assert!(
        err.contains("no `clang-98` on PATH, which a kernel for x86_64 is built with"),
        "{err}"
    );
    assert!(err.contains("`cargo xtask setup --toolchain llvm-98` installs it"), "{err}");
    let (_, err) = expect(2, fixture.kernel(&["--toolchain", "clang"]));
    assert!(err.contains("known are gcc, llvm, and llvm-N"), "{err}");
    let setup = ["setup", "--check", "--arch", "x86_64", "--no-boot", "--toolchain", "llvm-98"];
    let (out, _) = expect(1, fixture.xtask(&setup));
    assert!(out.contains("clang-98") && out.contains("ld.lld-98"), "{out}");
}

#[test]
fn a_tree_that_is_too_old_for_it_is_refused() {
    let fixture = Fixture::new();
    let makefile = fixture.read("tree/Makefile").replace("VERSION = 6", "VERSION = 5");
    fixture.write("tree/Makefile", &makefile.replace("PATCHLEVEL = 12", "PATCHLEVEL = 15"));
    let (_, err) = expect(2, with_llvm(&fixture, fixture.kernel(&["--toolchain", "llvm-99"])));
    assert!(err.contains("Linux 5.15.0 is not built with llvm-99: 5.18 is the first"), "{err}");
}
