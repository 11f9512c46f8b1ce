//! What is measured, what is refused, and what is told; a guest that really runs belongs to `ci`.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt as _;
use std::process::Command;

use super::fixture::{Fixture, expect};

/// What a run of long ago printed.
const EARLIER: &str = include_str!("../data/measure/measured.json");

fn measure(fixture: &Fixture, arguments: &[&str]) -> Command {
    fixture.xtask(&[&["measure"][..], arguments].concat())
}

/// Programs that come before the host's: a compiler that makes an empty init, and QEMU as a script.
fn with_programs(fixture: &Fixture, mut command: Command, qemu: &str) -> Command {
    // The kernel's objects are real.
    let gcc = "case \"$*\" in *measure_start*) ;; *) PATH=${PATH#*:} exec gcc \"$@\";; esac\n\
               while [ $1 != -o ]; do shift; done; : > \"$2\"";
    let qemu = format!("[ $1 = --version ] && {{ echo QEMU emulator version 7.2; exit; }}\n{qemu}");
    for (name, script) in [("gcc", gcc), ("qemu-system-x86_64", &qemu)] {
        let name = format!("first/{name}");
        fixture.write(&name, &format!("#!/bin/sh\n{script}\n"));
        std::fs::set_permissions(fixture.path(&name), Permissions::from_mode(0o755)).unwrap();
    }
    let path = std::env::var("PATH").unwrap();
    let tools = fixture.path("foreign-tools");
    command.env("PATH", format!("{}:{path}:{}", fixture.path("first").display(), tools.display()));
    command
}

const TARGET: [&str; 6] = ["--type", "micro", "--arch", "x86_64", "--hypervisor", "stratovirt"];

fn start(fixture: &Fixture, more: &[&str], qemu: &str) -> Command {
    let command = measure(fixture, &[&TARGET[..], &["--accel", "tcg"], more].concat());
    with_programs(fixture, command, qemu)
}

#[test]
fn a_call_that_makes_no_sense_is_refused() {
    let fixture = Fixture::new();
    fixture.write("measured.json", EARLIER);
    for (arguments, message) in [
        (&["--update"][..], "--baseline <FILE>"),
        (&["image", "--config", "x"], "cannot be used with"),
        (&["--samples", "0"], "0 is not in 1.."),
        (&["--from", "none.json"], "failed to read measurements from none.json"),
        (&["--from", "Cargo.toml"], "failed to read measurements from Cargo.toml"),
        (&["--from", "measured.json", "--baseline", "none.json"], "--update writes it"),
        (&["tree/image", "--arch", "x86_64,aarch64"], "failed to choose a machine for tree/image"),
        (&["tree/Makefile", "--type", "micro", "--arch", "x86_64"], "it is a text file"),
        (&["--type", "micro", "--arch", "x86_64"], "failed to check image"),
        (&["--config", "tree/image"], "is no .config"),
        (&["--peers", "tree", "--type", "micro", "--arch", "x86_64"], "failed to check image"),
    ] {
        let (_, err) = expect(2, measure(&fixture, arguments));
        assert!(err.contains(message), "{arguments:?}: {err}");
    }
}

#[test]
fn a_guest_that_tells_nothing_gives_no_figure() {
    let fixture = Fixture::new();
    expect(0, fixture.kernel(&[]));
    for (qemu, message) in [
        ("echo Decompressing Linux...", "the machine ended before init told anything"),
        ("echo 'Kernel panic - not syncing: VFS'; sleep 100", "kernel panic: VFS"),
        ("echo no such machine >&2; exit 1", "QEMU failed: exit status 1: no such machine"),
        (
            "for o; do case $o in *probe_nonce=*) n=${o##*probe_nonce=};; esac; done\n\
             echo \"@probe $n measure counter=7 lines=3\"; sleep 100",
            "the guest garbled a line: `measure counter=7 lines=3`",
        ),
        (
            "while [ $1 != -pidfile ]; do shift; done; echo $$ > $2\n\
             for o; do case $o in *probe_nonce=*) n=${o##*probe_nonce=};; esac; done\n\
             echo \"@probe $n measure counter=7 lines=0\"; sleep 100",
            "has no mapping /memfd:memory-backend-memfd",
        ),
    ] {
        let (out, err) = expect(2, start(&fixture, &[], qemu));
        assert!(err.contains(message) && out.is_empty(), "{qemu}: {out}\n{err}");
    }
    let (_, err) = expect(2, start(&fixture, &[], "echo Decompressing Linux..."));
    assert!(err.contains("Decompressing Linux..."), "{err}");
    let (_, err) = expect(2, start(&fixture, &["--console", "semihosting"], "exec sleep 100"));
    assert!(err.contains("nobody hears semihosting"), "{err}");
    let (_, err) = expect(2, start(&fixture, &["--deadline", "1"], "exec sleep 100"));
    assert!(err.contains("init told nothing: killed after 1 s"), "{err}");
}

#[test]
fn peers_are_built_on_the_same_tree_beside_the_target() {
    let fixture = Fixture::new();
    expect(0, fixture.kernel(&[]));
    fixture.write("peers/other/micro-kernel-x86_64.list", "a.conf\n");
    fixture.write("peers/other/a.conf", "CONFIG_NET=y\nCONFIG_NONE=y\n");
    fixture.write("peers/third/third-aarch64.conf", "CONFIG_NET=y\n");
    let peers = ["--peers", "peers", "--kernel-dir", "tree"];
    let qemu = "echo too little memory >&2; exit 1";
    let (_, err) = expect(1, start(&fixture, &peers, qemu));
    assert!(err.contains("failed to measure micro-x86_64-stratovirt"), "{err}");
    assert!(err.contains("other/micro-x86_64: 1 symbols do not come out as asked"), "{err}");
    assert!(err.contains("failed to measure other/micro-x86_64"), "{err}");
    assert!(!err.contains("third"), "a kernel for another arch: {err}");
}

#[test]
fn peers_of_another_source_are_not_put_beside() {
    let fixture = Fixture::new();
    expect(0, fixture.kernel(&[]));
    fixture.write("peers/other/other-x86_64.conf", "CONFIG_NET=y\n");
    let makefile = fixture.read("tree/Makefile").replace("SUBLEVEL = 0", "SUBLEVEL = 1");
    fixture.write("tree/Makefile", &makefile);
    let mut command = measure(&fixture, &["--peers", "peers", "--kernel-dir", "tree"]);
    command.args(["--arch", "x86_64", "--hypervisor", "stratovirt", "--type", "micro"]);
    let (_, err) = expect(2, command);
    assert!(err.contains("failed to find a peer in peers"), "a mini kernel is no micro one: {err}");
    fixture.write("peers/other/micro-x86_64.conf", "CONFIG_NET=y\n");
    let mut command = measure(&fixture, &["--peers", "peers", "--kernel-dir", "tree"]);
    command.args(["--arch", "x86_64", "--hypervisor", "stratovirt", "--type", "micro"]);
    let (_, err) = expect(2, command);
    assert!(
        err.contains("it was made of Linux 6.12.0 (dir), they would be of Linux 6.12.1"),
        "{err}"
    );
}

#[test]
fn a_config_is_built_in_a_folder_of_its_own() {
    let fixture = Fixture::new();
    fixture.write("mine.config", "CONFIG_X86_64=y\nCONFIG_NET=y\n");
    let config = ["--config", "mine.config", "--kernel-dir", "tree", "--accel", "tcg"];
    let command = with_programs(&fixture, measure(&fixture, &config), "exit 1");
    let (_, err) = expect(2, command);
    assert!(err.contains("failed to measure mine.config"), "{err}");
    let tree = std::fs::read_dir(fixture.path("target/guest-kernel/build")).unwrap();
    let tree = tree.flatten().next().unwrap().path();
    let variant = std::fs::read_dir(tree).unwrap().flatten().next().unwrap().file_name();
    assert!(variant.to_str().unwrap().starts_with("measured-mine_config-"), "{variant:?}");
    assert!(!fixture.path("bin").exists(), "nothing is staged");
}

#[test]
fn figures_are_held_against_a_baseline() {
    let fixture = Fixture::new();
    fixture.write("measured.json", EARLIER);
    let from =
        |more: &[&str]| measure(&fixture, &[&["--from", "measured.json"][..], more].concat());
    let baseline = ["--baseline", "b/base.json"];
    expect(0, from(&[&baseline[..], &["--update"]].concat()));
    let (out, _) = expect(0, from(&baseline));
    assert!(out.contains("figures within their budgets"), "{out}");
    let base = fixture.read("b/base.json");
    assert!(!base.contains("initcalls"), "{base}");
    // A kernel that was smaller.
    let size =
        serde_json::from_str::<serde_json::Value>(&base).unwrap()["kernels"][0]["sizes"]["image"]
            .clone();
    fixture
        .write("b/base.json", &base.replace(&format!("\"image\": {size}"), "\"image\": 1000000"));
    let (out, _) = expect(1, from(&baseline));
    assert!(out.contains("OVER") && out.contains("1 figure past its budget"), "{out}");
    // What is wide enough.
    let wide =
        fixture.read("b/base.json").replace("\"budget\": {}", "\"budget\": { \"image\": 1000 }");
    fixture.write("b/base.json", &wide);
    expect(0, from(&baseline));
    // Another machine.
    fixture.write("b/base.json", &base.replace("\"memory_mib\": 256", "\"memory_mib\": 512"));
    let (out, _) = expect(1, from(&baseline));
    assert!(
        out.contains("not compared, for it was taken on memory `256 MiB`, not `512 MiB`"),
        "{out}"
    );
    // Another kernel: said, and a failure where all are meant.
    fixture.write("b/base.json", &base);
    let name = "\"name\": \"micro-aarch64-stratovirt\"";
    fixture.write("measured.json", &EARLIER.replace(name, "\"name\": \"other\""));
    let (out, _) = expect(1, from(&baseline));
    assert!(out.contains("micro-aarch64-stratovirt: in the baseline, and not measured"), "{out}");
    assert!(out.contains("other: not in the baseline (--update takes it in)"), "{out}");
    fixture.write("b/base.json", "{ \"kernels\": [], \"bugdet\": {} }");
    let (_, err) = expect(2, from(&baseline));
    assert!(err.contains("unknown field `bugdet`"), "{err}");
}

#[test]
fn an_earlier_run_is_written_and_drawn_again() {
    let fixture = Fixture::new();
    fixture.write("measured.json", EARLIER);
    let files = ["--markdown", "out/note.md", "--svg", "out/all.svg"];
    let from = ["--from", "measured.json"];
    let (out, _) = expect(0, measure(&fixture, &[&from[..], &files].concat()));
    assert!(out.contains("micro-aarch64-stratovirt") && out.contains("7,161,864"), "{out}");
    assert!(fixture.read("out/note.md").contains("| micro-aarch64-stratovirt |"));
    assert!(fixture.read("out/all.svg").starts_with("<svg "));
    assert!(fixture.read("out/all-initcalls.svg").contains("Slowest initcalls"));
    let (json, _) = expect(0, measure(&fixture, &[&from[..], &["--format", "json"]].concat()));
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(
        json["kernels"],
        serde_json::from_str::<serde_json::Value>(EARLIER).unwrap()["kernels"]
    );
}
