//! Real boots in which checks must fail: a check that cannot fail proves nothing. They take long, so
//! each test says "skipped" unless `cargo xtask ci` asks for it.

use std::collections::BTreeSet;
use std::path::Path;
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
fn what_is_taken_away_is_missed_and_nothing_else() {
    let Ok(kernels) = std::env::var("GUEST_KERNEL_BOOTS") else {
        eprintln!("skipped: GUEST_KERNEL_BOOTS names no type of staged kernels");
        return;
    };
    let table: Value = toml::from_str(include_str!("../data/boot-failures.toml")).unwrap();
    let boots = table["boot"].as_array().unwrap().iter().filter(|boot| boot["type"] == *kernels);
    let boots: Vec<_> = boots.collect();
    assert!(!boots.is_empty(), "no boot of {kernels}");
    for boot in boots {
        #[expect(clippy::disallowed_methods, reason = "a test types commands")]
        let mut command = Command::new(assert_cmd::cargo::cargo_bin!("xtask"));
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
        command.current_dir(root).args(["boot", "--format", "json", "--deadline", "300"]);
        for flag in ["arch", "type"] {
            command.arg(format!("--{flag}")).arg(boot[flag].as_str().unwrap());
        }
        for flag in ["without", "append"] {
            command.args(words(&boot[flag]).iter().map(|word| format!("--{flag}={word}")));
        }
        let (out, err) = expect(1, command);
        assert_eq!(failed(&out), wanted(&boot["fails"]), "{boot:#}\n{err}");
    }
}

/// Builds the kernels of `lacking-kernels.toml` from the tree that GUEST_KERNEL_LACKING names, each in
/// a workspace of its own, and boots them.
#[test]
fn kernels_lacking_what_checks_look_for_fail_them() {
    let Ok(tree) = std::env::var("GUEST_KERNEL_LACKING") else {
        eprintln!("skipped: GUEST_KERNEL_LACKING names no kernel tree");
        return;
    };
    let table: Value = toml::from_str(include_str!("../data/lacking-kernels.toml")).unwrap();
    for kernel in table["kernel"].as_array().unwrap() {
        let fixture = Fixture::new();
        fixture.own_fragments(&words(&kernel["without"]));
        let target = ["--arch", "x86_64", "--type", kernel["type"].as_str().unwrap()];
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
