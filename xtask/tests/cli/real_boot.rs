//! Real boots in which checks must fail: a check that cannot fail proves nothing. They take long:
//! `cargo xtask ci` takes these tests, which others leave out.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use super::fixture::{Fixture, expect, run, stderr, stdout};

fn words(value: &Value) -> Vec<&str> {
    let words = value.as_array().map(Vec::as_slice).unwrap_or_default();
    words.iter().map(|word| word.as_str().unwrap()).collect()
}

/// The checks that failed, of what `boot --format json` printed.
fn failed(records: &str) -> BTreeSet<String> {
    let records: Value = serde_json::from_str(records).unwrap();
    let checks = records[0]["checks"].as_array().expect("a record with checks");
    let failed = checks.iter().filter(|check| check["outcome"] == "fail");
    failed.map(|check| check["name"].as_str().unwrap().to_owned()).collect()
}

fn wanted(names: &Value) -> BTreeSet<String> {
    words(names).into_iter().map(str::to_owned).collect()
}

/// Boots this workspace's staged kernels of the type that GUEST_KERNEL_BOOTS names, as
/// `boot-failures.toml` has it.
#[test]
#[ignore = "boots the staged kernels of the type that GUEST_KERNEL_BOOTS names"]
fn what_is_taken_away_is_missed_and_nothing_else() {
    let kernels = std::env::var("GUEST_KERNEL_BOOTS").expect("GUEST_KERNEL_BOOTS names a type");
    let table: Value = toml::from_str(include_str!("../data/boot-failures.toml")).unwrap();
    let boots = table["boot"].as_array().unwrap().iter().filter(|boot| boot["type"] == *kernels);
    let boots: Vec<_> = boots.collect();
    assert!(!boots.is_empty(), "no boot of {kernels}");
    for boot in boots {
        let mut command = boot_here();
        for flag in ["arch", "type"] {
            command.arg(format!("--{flag}")).arg(boot[flag].as_str().unwrap());
        }
        command.args(["--hypervisor", "stratovirt"]);
        for flag in ["without", "append"] {
            command.args(words(&boot[flag]).iter().map(|word| format!("--{flag}={word}")));
        }
        let (out, err) = expect(1, command);
        assert_eq!(failed(&out), wanted(&boot["fails"]), "{boot:#}\n{err}");
    }
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}

/// Boots what this workspace has staged.
fn boot_here() -> Command {
    #[expect(clippy::disallowed_methods, reason = "a test types commands")]
    let mut command = Command::new(assert_cmd::cargo::cargo_bin!("xtask"));
    command.current_dir(root()).args(["boot", "--format", "json", "--deadline", "300"]);
    command
}

/// The module that a boot has its guest load is built here against nothing but the headers beside the
/// staged mini kernel; a first boot shows where it goes.
#[test]
#[ignore = "boots the staged mini kernel"]
fn a_driver_built_against_the_headers_alone_loads() {
    let packages = files_in(&root().join("bin"), "headers-");
    let [package] = &packages[..] else {
        panic!("{} headers-*.tar.zst are in bin, not one: {packages:?}", packages.len());
    };
    let dir = tempfile::tempdir().unwrap();
    let packed = zstd::Decoder::new(std::fs::File::open(package).unwrap()).unwrap();
    tar::Archive::new(packed).unpack(dir.path()).unwrap();
    let headers = files_in(dir.path(), "linux-headers-").remove(0);
    let driver = dir.path().join("driver");
    let source = include_str!("../../probe/module/guest_probe.c").to_owned();
    std::fs::create_dir(&driver).unwrap();
    std::fs::write(driver.join("guest_probe.c"), source + "MODULE_INFO(by, \"headers\");\n")
        .unwrap();
    std::fs::write(driver.join("Kbuild"), "obj-m := guest_probe.o\n").unwrap();
    #[expect(clippy::disallowed_methods, reason = "a test types commands")]
    let mut make = Command::new("make");
    make.arg("-C").arg(headers).arg(format!("M={}", driver.display())).arg("modules");
    expect(0, make);

    let boot = || {
        let mut boot = boot_here();
        boot.args(["--type", "mini", "--arch", "x86_64"]);
        let records: Value = serde_json::from_str(&expect(0, boot).0).unwrap();
        let load = |check: &&Value| check["name"] == "module-load";
        let checks = records[0]["checks"].as_array().unwrap().clone();
        let load = checks.iter().find(load).unwrap().clone();
        (load, records[0]["console_log"].as_str().unwrap().to_owned())
    };
    let (_, console) = boot();
    let places = files_in(Path::new(&console).parent().unwrap(), "module-");
    assert!(!places.is_empty(), "no module beside {console}");
    places.iter().for_each(|place| drop(std::fs::copy(driver.join("guest_probe.ko"), place)));
    let (load, _) = boot();
    places.iter().for_each(|place| std::fs::remove_file(place).unwrap());
    assert_eq!(load["outcome"], "pass", "{load}");
}

fn files_in(folder: &Path, name: &str) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let named = |path: &PathBuf| path.file_name().unwrap().to_str().unwrap().starts_with(name);
    entries.map(|entry| entry.path()).filter(named).collect()
}

/// Builds the kernels of `lacking-kernels.toml` from the tree that GUEST_KERNEL_LACKING names, each in
/// a workspace of its own, and boots them.
#[test]
#[ignore = "builds for half an hour, from the kernel tree that GUEST_KERNEL_LACKING names"]
fn kernels_lacking_what_checks_look_for_fail_them() {
    let tree = std::env::var("GUEST_KERNEL_LACKING").expect("GUEST_KERNEL_LACKING names a tree");
    let table: Value = toml::from_str(include_str!("../data/lacking-kernels.toml")).unwrap();
    for kernel in table["kernel"].as_array().unwrap() {
        let fixture = Fixture::new();
        fixture.own_fragments(&words(&kernel["without"]));
        let kernel_type = kernel["type"].as_str().unwrap();
        let target = ["--arch", "x86_64", "--type", kernel_type, "--hypervisor", "stratovirt"];
        let make = ["kernel", "--kernel-dir", &tree, "--allow-missing"];
        expect(0, fixture.xtask(&[&make, &target[..]].concat()));
        let boot = ["boot", "--format", "json", "--deadline", "300"];
        let output = run(fixture.xtask(&[&boot, &target[..]].concat()));
        let (out, err) = (stdout(&output), stderr(&output));
        let records: Value = serde_json::from_str(&out).unwrap();
        assert_eq!(records[0]["verdict"]["outcome"], kernel["ends"], "{err}");
        assert_eq!(failed(&out), wanted(&kernel["lacks"]), "{kernel:#}\n{err}");
    }
}
