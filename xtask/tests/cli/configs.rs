//! What the sandboxer's config files say, and what it does to a plan.

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
