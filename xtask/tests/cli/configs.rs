//! What the workspace and the sandboxer's config files say, and what it does to a plan.

use super::fixture::{Fixture, expect};

const CONFIG: &str = "vmm/sandbox/config_stratovirt_x86_64.toml";
const PLAN: [&str; 5] = ["plan", "--arch", "x86_64", "--hypervisor", "stratovirt"];

#[test]
fn a_broken_config_is_told_with_its_line() {
    let fixture = Fixture::new();
    fixture.write(CONFIG, "[hypervisor]\nmachine_type = q35\n");
    let (out, err) = expect(2, fixture.xtask(&PLAN));
    assert!(out.is_empty(), "{out}");
    assert!(err.contains(&format!("{CONFIG}:2")), "{err}");
    assert!(err.contains("machine_type = q35"), "{err}");
}

#[test]
fn a_machine_that_nobody_knows_is_refused() {
    let fixture = Fixture::new();
    fixture.write(CONFIG, "[hypervisor]\nmachine_type = \"q36\"\n");
    let (_, err) = expect(2, fixture.xtask(&PLAN));
    assert!(err.contains("q36") && err.contains(CONFIG), "{err}");
    assert!(err.contains("hint: "), "{err}");
}

#[test]
fn the_machine_in_a_config_decides_the_type() {
    let fixture = Fixture::new();
    fixture.write(CONFIG, "[hypervisor]\nmachine_type = \"microvm\"\n");
    let (out, err) = expect(0, fixture.xtask(&PLAN));
    assert!(out.contains("micro-kernel-x86_64.list") && !err.contains("warning"), "{out}{err}");
}

/// What rustup answers in cargo's place; a backtrace is asked for.
fn without_toolchain(fixture: &Fixture, said: &str) -> String {
    let backtrace = "[ \"$RUST_BACKTRACE\" = 0 ] || echo 'Stack backtrace:' >&2";
    fixture.program("cargo", &format!("echo \"{said}\" >&2\n{backtrace}\nexit 1"));
    let mut plan = fixture.xtask(&PLAN);
    plan.env("CARGO", fixture.path("first/cargo")).env("RUST_BACKTRACE", "1");
    plan.env_remove("RUSTUP_TOOLCHAIN");
    expect(2, plan).1
}

#[test]
fn a_toolchain_that_is_missing_is_named() {
    let fixture = Fixture::new();
    fixture.write("rust-toolchain.toml", "[toolchain]\nchannel = \"1.61.0\"\n");
    for said in [
        "error: toolchain '1.61.0' is not installed",
        "error: override toolchain '1.61.0' is not installed",
    ] {
        let err = without_toolchain(&fixture, said);
        assert!(err.contains("toolchain '1.61.0' is not installed"), "{err}");
        assert!(
            err.contains("hint: `rustup toolchain install 1.61.0` installs it, which "),
            "{err}"
        );
        assert!(err.contains("/rust-toolchain.toml names"), "{err}");
        assert!(!err.contains("backtrace") && !err.contains("run this inside"), "{err}");
    }
    let err = without_toolchain(&fixture, "error: failed to parse manifest at Cargo.toml");
    assert!(err.contains("failed to parse manifest") && !err.contains("hint"), "{err}");
    let err = without_toolchain(&fixture, "error: could not find \\`Cargo.toml\\` in /");
    assert!(err.contains("hint: run this inside a Kuasar workspace"), "{err}");
}
