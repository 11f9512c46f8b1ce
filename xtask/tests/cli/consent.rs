//! Who may install packages: what was told to by name.

use std::process::Command;

use super::fixture::{Fixture, run, stderr, stdout};

/// Runs where QEMU is missing, and package managers write down what they are asked.
fn without_qemu(fixture: &Fixture, words: &[&str]) -> (Option<i32>, String, bool) {
    let managers = ["apt-get", "dnf", "zypper", "pacman", "sudo"];
    let hidden = [&managers[..], &["qemu-system"]].concat();
    let programs = match fixture.path("programs") {
        there if there.exists() => there,
        _ => fixture.programs_without(&hidden),
    };
    for manager in managers {
        fixture.program(manager, "echo \"$(basename $0) $*\" >> $(dirname $0)/asked");
    }
    let mut command: Command = fixture.xtask(words);
    let path = [fixture.path("first"), programs].map(|path| path.display().to_string()).join(":");
    command.env("PATH", path);
    let output = run(command);
    let asked = std::fs::read_to_string(fixture.path("first/asked")).unwrap_or_default();
    let said = stdout(&output) + &stderr(&output);
    (output.status.code(), said, asked.contains("install") || asked.contains("-S"))
}

#[test]
fn without_a_terminal_both_that_install_go_on_and_show_what_they_run() {
    let boots: [&[&str]; 2] = [
        &["setup", "--arch", "x86_64"],
        &["kernel", "--setup", "--type", "micro", "--arch", "x86_64", "--kernel-dir", "tree"],
    ];
    for words in boots {
        let fixture = Fixture::new();
        let (code, said, installed) = without_qemu(&fixture, words);
        assert_eq!(code, Some(2), "{said}");
        assert!(installed && said.contains("still missing after the installation"), "{said}");
    }
}

#[test]
fn ci_installs_only_what_it_is_told_to() {
    let fixture = Fixture::new();
    let (code, said, installed) = without_qemu(&fixture, &["ci", "setup"]);
    assert_eq!((code, installed), (Some(1), false), "{said}");
    assert!(said.contains("this host lacks ") && said.contains("qemu-system-x86_64"), "{said}");
    assert!(said.contains("`cargo xtask ci --setup` installs what is missing"), "{said}");
    let (code, said, installed) = without_qemu(&fixture, &["ci", "setup", "--setup"]);
    assert_eq!((code, installed), (Some(1), true), "{said}");
}
