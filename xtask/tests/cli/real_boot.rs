//! Real boots of this workspace's staged kernels, in which checks must fail. They take seconds each,
//! so they run only where GUEST_KERNEL_BOOTS is set, as `cargo xtask ci` does; else they say "skipped".

use std::collections::BTreeSet;
use std::process::Command;

use serde_json::Value;

use super::fixture::expect;

fn words(value: &Value) -> Vec<&str> {
    value.as_array().unwrap().iter().map(|word| word.as_str().unwrap()).collect()
}

/// Every boot of `boot-failures.toml` fails in the checks that it names, and in no others.
#[test]
fn what_is_taken_away_is_missed_and_nothing_else() {
    if std::env::var_os("GUEST_KERNEL_BOOTS").is_none() {
        eprintln!("skipped: GUEST_KERNEL_BOOTS is not set, so no kernel is booted");
        return;
    }
    let table: Value = toml::from_str(include_str!("../data/boot-failures.toml")).unwrap();
    for boot in table["boot"].as_array().unwrap() {
        let mut command = Command::new(env!("CARGO_BIN_EXE_xtask"));
        command
            .current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
            .args(["boot", "--format", "json"]);
        for flag in ["arch", "type"] {
            command.arg(format!("--{flag}")).arg(boot[flag].as_str().unwrap());
        }
        for flag in ["without", "append"] {
            for word in words(&boot[flag]) {
                command.arg(format!("--{flag}={word}"));
            }
        }
        let (out, err) = expect(1, command);
        let records: Value = serde_json::from_str(&out).unwrap();
        let failed: BTreeSet<&str> = records[0]["checks"]
            .as_array()
            .unwrap_or_else(|| panic!("{out}\n{err}"))
            .iter()
            .filter(|check| check["outcome"] == "fail")
            .map(|check| check["name"].as_str().unwrap())
            .collect();
        let wanted: BTreeSet<&str> = words(&boot["fails"]).into_iter().collect();
        assert_eq!(failed, wanted, "{boot:#}\n{err}");
    }
}
