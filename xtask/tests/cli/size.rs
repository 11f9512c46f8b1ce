//! What a kernel is made of, and what a line costs, in a tiny tree that is really compiled and linked.

use std::path::PathBuf;
use std::process::Command;

use super::fixture::{Fixture, expect};

const TARGET: [&str; 8] =
    ["--type", "micro", "--arch", "x86_64", "--hypervisor", "stratovirt", "--kernel-dir", "tree"];

fn size(fixture: &Fixture, arguments: &[&str]) -> Command {
    fixture.xtask(&[&["size"][..], arguments].concat())
}

fn of_target(fixture: &Fixture, more: &[&str]) -> Command {
    size(fixture, &[&TARGET[..], more].concat())
}

/// The object trees below the folder of the one tree.
fn object_trees(fixture: &Fixture) -> Vec<PathBuf> {
    let below = |folder: PathBuf| std::fs::read_dir(folder).unwrap().map(|one| one.unwrap().path());
    let tree = below(fixture.path("target/guest-kernel/build")).next().unwrap();
    let mut all: Vec<PathBuf> = below(tree).map(|variant| variant.join("obj")).collect();
    all.sort();
    all
}

#[test]
fn what_was_not_built_or_has_changed_since_is_refused() {
    let fixture = Fixture::new();
    let (_, err) = expect(2, of_target(&fixture, &[]));
    assert!(err.contains("micro-x86_64 on Linux 6.12.0 was not built"), "{err}");
    assert!(err.contains("`cargo xtask kernel` takes the same flags"), "{err}");
    expect(0, fixture.kernel(&[]));
    expect(0, of_target(&fixture, &[]));
    fixture.conf("base.conf\n", "CONFIG_NET=y\nCONFIG_INET=y\n");
    let (_, err) = expect(2, of_target(&fixture, &[]));
    assert!(err.contains("is not what the fragments come to: 1 symbols differ"), "{err}");
}

#[test]
fn a_call_that_makes_no_sense_is_refused() {
    let fixture = Fixture::new();
    expect(0, fixture.kernel(&[]));
    let obj = object_trees(&fixture).remove(0);
    let obj = obj.to_str().unwrap();
    for (arguments, message) in [
        (&["Cargo.toml"][..], "Cargo.toml is no kernel that was built"),
        (&["tree"], "an object tree is what `make` left"),
        (&["micor"], "did you mean `micro`?"),
        (&["a", "b", "--without", "NET"], "cannot be used with"),
        (&[obj, "--without", "NET"], "failed to leave lines out of"),
        (
            &["micro/x86_64/stratovirt", "--kernel-dir", "tree", "--without", "NEET"],
            "did you mean `NET`?",
        ),
        (
            &["micro/x86_64/stratovirt", "--kernel-dir", "tree", "--without", "bas"],
            "did you mean `base.conf`?",
        ),
    ] {
        let (out, err) = expect(2, size(&fixture, arguments));
        assert!(err.contains(message) && out.is_empty(), "{arguments:?}: {err}");
    }
}

#[test]
fn each_object_is_there_for_a_line_or_in_every_kernel() {
    let fixture = Fixture::new();
    expect(0, fixture.kernel(&[]));
    let (out, _) = expect(0, of_target(&fixture, &["--by", "fragment"]));
    let row = |name: &str| {
        let line = out.lines().find(|line| line.trim_start().starts_with(name));
        line.unwrap_or_else(|| panic!("no {name} in {out}")).to_owned()
    };
    assert!(row("fragments/base.conf").contains("4,096"), "{out}");
    assert!(row("(every kernel)").contains(" 1 "), "{out}");
    let files = ["--svg", "out/map.svg", "--html", "out/map.html", "--format", "json"];
    let (out, _) = expect(0, of_target(&fixture, &files));
    let json: serde_json::Value = serde_json::from_str(&out).unwrap();
    let parts = json["kernel"]["parts"].as_array().unwrap();
    let socket = parts.iter().find(|part| part["name"] == "net/socket.o").unwrap();
    assert_eq!(socket["bss"], 4096);
    assert_eq!(socket["needs"], serde_json::json!({ "symbols": ["NET"] }));
    let place = serde_json::json!({ "path": "fragments/base.conf", "line": 1 });
    assert_eq!(socket["asked"]["NET"]["place"], place);
    for file in ["out/map.svg", "out/map.html"] {
        assert!(fixture.read(file).contains("socket.o"), "{file}");
    }
}

#[test]
fn an_object_tree_tells_by_its_own_config() {
    let fixture = Fixture::new();
    expect(0, fixture.kernel(&[]));
    let obj = object_trees(&fixture).remove(0);
    let command = size(&fixture, &[obj.to_str().unwrap(), "--format", "json", "--by", "symbol"]);
    let (out, _) = expect(0, command);
    let json: serde_json::Value = serde_json::from_str(&out).unwrap();
    let names: Vec<_> = json["rows"].as_array().unwrap().iter().map(|row| &row["name"]).collect();
    assert!(names.contains(&&"NET".into()) && names.contains(&&"(every kernel)".into()), "{out}");
    assert_eq!(json["kernel"]["image"], serde_json::json!(["bzImage", 2048]));
}

#[test]
fn without_a_line_the_kernel_is_built_elsewhere_and_compared() {
    let fixture = Fixture::new();
    fixture.conf("base.conf\n", "CONFIG_NET=y\nCONFIG_INET=y\n");
    expect(0, fixture.kernel(&[]));
    let [obj] = object_trees(&fixture).try_into().unwrap();
    let modified = || obj.join("vmlinux").metadata().unwrap().modified().unwrap();
    let before = modified();
    let (out, err) = expect(0, of_target(&fixture, &["--without", "CONFIG_NET"]));
    assert!(err.contains("2 symbols differ: 2 only in"), "{err}");
    assert!(err.contains("built without CONFIG_NET"), "{err}");
    assert!(out.contains("-4,096") && out.contains("asked by fragments/base.conf:1"), "{out}");
    assert!(out.contains("hidden by NET [=n]"), "{out}");
    assert_eq!(modified(), before, "the kernel's own object tree is left alone");
    let trees = object_trees(&fixture);
    assert_eq!(trees.len(), 2, "{trees:?}");
    let words: Vec<&str> = trees.iter().map(|path| path.to_str().unwrap()).collect();
    let (json, _) = expect(0, size(&fixture, &[&words[..], &["--format", "json"]].concat()));
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    let changed = json["changes"].as_array().unwrap().iter().find(|one| one["name"] == "net");
    let changed = changed.unwrap();
    assert!(changed["after"].is_null() && changed["before"]["bss"] == 4096, "{json}");
    // The whole fragment is as good as its lines.
    let (_, err) = expect(0, of_target(&fixture, &["--without", "base.conf"]));
    assert!(err.contains("2 symbols differ"), "{err}");
    // INET alone goes, and no object with it.
    let (out, _) = expect(0, of_target(&fixture, &["--without", "INET"]));
    assert!(out.contains("Nothing grew or shrank."), "{out}");
}

#[test]
fn a_line_that_changes_nothing_is_not_built_without() {
    let fixture = Fixture::new();
    fixture.conf("base.conf\n", "CONFIG_NET=y\nCONFIG_WIRELESS=y\n");
    expect(0, fixture.kernel(&["--allow-missing"]));
    let (_, err) = expect(2, of_target(&fixture, &["--without", "WIRELESS"]));
    assert!(err.contains("without WIRELESS the kernel is the same"), "{err}");
    assert!(err.contains("`cargo xtask explain WIRELESS`"), "{err}");
    assert_eq!(object_trees(&fixture).len(), 1);
}
