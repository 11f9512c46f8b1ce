//! Which fragments a kernel has beside its list's, and which nothing reads.

use super::fixture::{Fixture, expect};

const CHECK: [&str; 7] = ["check", "--type", "micro", "--arch", "x86_64", "--kernel-dir", "tree"];

#[test]
fn every_hypervisor_has_the_overlay_of_its_name() {
    for (file, kernel) in [
        ("stratovirt.conf", "micro-x86_64-stratovirt"),
        ("stratovirt-x86_64.conf", "micro-x86_64-stratovirt"),
        ("firecracker.conf", "micro-x86_64-firecracker"),
    ] {
        let fixture = Fixture::new();
        let overlay = format!("fragments/hypervisor/{file}");
        fixture.write(&overlay, "CONFIG_NO_SUCH=y\n");
        let (_, err) = expect(1, fixture.xtask(&CHECK));
        assert!(err.contains(&format!("{overlay}:1")), "{err}");
        assert!(err.contains(&format!("1 of 2 symbols of {kernel} are not as asked")), "{err}");
        fixture.write(&overlay, "CONFIG_SERIAL=y\n");
        let (_, err) = expect(0, fixture.xtask(&CHECK));
        assert!(!err.contains("warning: fragments"), "{err}");
    }
}

#[test]
fn an_overlay_of_another_arch_is_not_read() {
    let fixture = Fixture::new();
    fixture.write("fragments/hypervisor/stratovirt-aarch64.conf", "CONFIG_NO_SUCH=y\n");
    let (out, err) = expect(0, fixture.xtask(&CHECK));
    assert!(!out.contains("x86_64-stratovirt") && !err.contains("NO_SUCH"), "{out}{err}");
}

#[test]
fn what_nothing_reads_is_named() {
    let fixture = Fixture::new();
    for name in ["extra", "other", "debug", "hypervisor/stratovit", "hypervisor/stratovirt-arm"] {
        fixture.write(&format!("fragments/{name}.conf"), "CONFIG_NO_SUCH=y\n");
    }
    fixture.write("fragments/mini-kernel-aarch64.list", "base.conf\nother.conf\n");
    let (_, err) = expect(0, fixture.xtask(&CHECK));
    for name in ["hypervisor/stratovit", "hypervisor/stratovirt-arm"] {
        let told = format!("warning: fragments/{name}.conf is no hypervisor's overlay");
        assert!(err.contains(&told), "{err}");
    }
    assert!(err.contains("note: no list names fragments/extra.conf, so no kernel has it"), "{err}");
}
