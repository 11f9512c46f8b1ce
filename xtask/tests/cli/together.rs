//! Several kernels in one run.

use std::process::Command;

use super::fixture::{Fixture, expect};

/// A micro kernel with NET for StratoVirt, whose first machine it boots, and a mini one without for QEMU.
fn two() -> Fixture {
    let fixture = Fixture::new();
    std::fs::remove_file(fixture.path("vmm/sandbox/config_stratovirt_x86_64.toml")).unwrap();
    fixture.write("fragments/mini-kernel-x86_64.list", "none.conf\n");
    fixture.write("fragments/none.conf", "");
    fixture
}

fn both(fixture: &Fixture, more: &[&str]) -> Command {
    let target = ["--hypervisor", "stratovirt,qemu", "--arch", "x86_64", "--kernel-dir", "tree"];
    fixture.xtask(&[&["kernel"], &target[..], more].concat())
}

#[test]
fn the_second_begins_with_what_the_first_left() {
    let fixture = two();
    let (out, err) = expect(0, both(&fixture, &[]));
    assert!(err.contains("beginning mini-x86_64 with a copy of micro-x86_64\n"), "{err}");
    assert!(out.contains("x86_64 micro") && out.contains("x86_64 mini"), "{out}");
    let (_, err) = expect(0, both(&fixture, &[]));
    assert!(!err.contains("building"), "{err}");
}

#[test]
fn one_that_fails_leaves_the_others_be() {
    let fixture = two();
    fixture.write("tree/net/socket.c", "int net(void) { return nothing; }\n");
    let (out, err) = expect(2, both(&fixture, &[]));
    assert!(err.contains("failed to build micro-x86_64") && err.contains("undeclared"), "{err}");
    assert!(out.contains("x86_64 mini") && !out.contains("x86_64 micro"), "{out}");
    let (out, _) = expect(2, both(&fixture, &["--format", "json"]));
    let results: serde_json::Value = serde_json::from_str(&out).unwrap();
    assert_eq!(results[0]["variant"], "micro-x86_64");
    assert!(results[0]["failure"].to_string().contains("failed to build micro-x86_64"));
    assert_eq!(results[1]["action"], "unchanged");
    fixture.write("tree/net/socket.c", "int net(void) { return 0; }\n");
    let (_, err) = expect(0, both(&fixture, &[]));
    assert!(!err.contains("beginning"), "it goes on with what it has: {err}");
}

#[test]
fn the_first_failure_ends_it_if_told_to() {
    let fixture = two();
    fixture.write("tree/net/socket.c", "int net(void) { return nothing; }\n");
    let (out, err) = expect(2, both(&fixture, &["--fail-fast"]));
    assert!(err.contains("not begun, since another kernel failed"), "{err}");
    assert_eq!(out, "");
}
