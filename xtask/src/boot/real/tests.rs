//! What each VMM is started with, and that every check has either its device there or a reason.

use std::fmt::Write as _;

use camino::Utf8Path;

use super::{MACHINES, Real};
use crate::boot::accel::Accel;
use crate::boot::device::{DEVICES, Device, PMEM, VDA};
use crate::boot::machine::{Root, Vm};
use crate::boot::vmm::Vmm;

const DIR: &str = "/tmp/guest";

fn machines() -> impl Iterator<Item = &'static Real> {
    MACHINES.into_iter().flatten()
}

/// All devices that can be had there.
fn devices(real: &Real) -> Vec<&'static Device> {
    let can = |device: &&Device| device.checks.iter().any(|check| real.impossible(check).is_none());
    DEVICES.iter().filter(can).collect()
}

/// What the machine gets to start from `root` with these devices.
fn call(real: &'static Real, root: Root<'_>, devices: &[&Device]) -> String {
    let vmm = Vmm::Real(real);
    let devices: Vec<String> =
        devices.iter().flat_map(|device| vmm.arguments_for(device, DIR.into())).collect();
    let call = vmm.call(&Vm {
        image: Utf8Path::new("/bin/vmlinux.bin"),
        root,
        accel: Accel::Kvm,
        memory_mib: 256,
        nonce: "0123456789abcdef",
        restarts: matches!(root, Root::Initramfs(_)),
        append: &["quiet".to_owned()],
        devices: &devices,
        dir: DIR.into(),
    });
    let call = call.unwrap();
    let mut text = format!("## {} {}, {} from {root:?}\n", real.program, real.arch, real.name);
    for argument in &call.arguments {
        let between = if argument.starts_with('-') { "\n" } else { " " };
        let _ = write!(text, "{between}{argument}");
    }
    let (path, config) = call.config.unwrap_or_default();
    format!("{}\n{path}{}{config}\n", text.trim(), if config.is_empty() { "" } else { ":\n" })
}

#[test]
fn what_each_is_started_with() {
    let initramfs = Root::Initramfs(Utf8Path::new("/tmp/initramfs"));
    let mut text = String::new();
    for real in machines() {
        text += &call(real, initramfs, &devices(real));
        let root = if real.hypervisor == "cloud_hypervisor" { PMEM } else { VDA };
        text += &call(real, Root::Disk(root.options), &[root.device]);
    }
    insta::assert_snapshot!(text);
}

#[test]
fn every_check_has_its_device_or_a_reason() {
    for real in machines() {
        for device in DEVICES.iter().chain([PMEM.device, VDA.device]) {
            let given = real.arguments_for(device).is_some();
            let checks = device.checks.iter();
            let without: Vec<_> =
                checks.filter(|check| !given && real.impossible(check).is_none()).collect();
            assert!(without.is_empty(), "{} {}: {without:?}", real.program, real.name);
        }
    }
}

/// Each row of a table is about something that is there.
#[test]
fn no_row_is_about_nothing() {
    let by_host = ["poweroff", "hvc0", "hotplug-memory"];
    let device = |check: &str| {
        let all = DEVICES.iter().chain([PMEM.device, VDA.device]);
        all.clone().any(|device| device.checks.contains(&check))
    };
    for real in machines() {
        let given = real.devices.iter().map(|given| given.check);
        let unable = real.unable.iter().copied().flatten().map(|(check, _)| *check);
        for check in given.chain(unable) {
            assert!(device(check) || by_host.contains(&check), "{}: {check}", real.program);
        }
    }
}
