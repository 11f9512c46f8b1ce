//! Firecracker, which reads one file of JSON (VmmConfig of src/vmm/src/resources.rs). A device's
//! arguments are a key of it and what stands there, a list's entries being one list of all devices'.

use anyhow::{Context, Result};
use serde_json::{Value, json};
use vmm_kernel::{Arch, Bus};

use super::{Given, NO_ACPI, NO_CARD, NO_DEVICE, NO_PLUG, Real, Unable};
use crate::boot::machine::{Root, Vm};
use crate::boot::round::RESET;
use crate::boot::vmm::Call;

const COMMON: Real = Real {
    hypervisor: "firecracker",
    program: "firecracker",
    name: "firecracker",
    arch: Arch::X86_64,
    bus: Bus::Mmio,
    // It takes a triple fault for a failure (src/vmm/src/arch/x86_64/vcpu.rs), and ends well where the
    // guest asks the keyboard's controller for a reset (docs/getting-started.md).
    options: "earlycon=uart8250,io,0x3f8 console=ttyS0 reboot=k",
    end: Some(RESET),
    firmware: None,
    devices: DEVICES,
    serves: &[],
    unable: &[NO_ACPI, UNABLE],
    call,
};

/// On aarch64, it gives the kernel an `earlycon` itself (src/vmm/src/device_manager/mmio.rs), and
/// ends at either event of KVM's (src/vmm/src/vstate/vcpu.rs).
pub(super) const MACHINES: &[Real] = &[
    COMMON,
    Real { arch: Arch::Aarch64, options: "console=ttyS0", end: None, unable: &[UNABLE], ..COMMON },
];

const DEVICES: &[Given] = &[
    Given { check: "entropy", arguments: &["entropy", "{}"] },
    Given {
        check: "virtio-blk",
        arguments: &[
            "drives",
            r#"[{ "drive_id": "raw", "path_on_host": "{dir}/raw.img", "is_root_device": false }]"#,
        ],
    },
    // As a root device, it would put options of its own on the kernel's command line.
    Given {
        check: "root-vda",
        arguments: &[
            "drives",
            r#"[{ "drive_id": "root", "path_on_host": "{dir}/root.img", "is_root_device": false }]"#,
        ],
    },
    Given {
        check: "root-pmem",
        arguments: &["pmem", r#"[{ "id": "pmem0", "path_on_host": "{dir}/pmem0.img" }]"#],
    },
    Given {
        check: "pmem-dax",
        arguments: &["pmem", r#"[{ "id": "pmem1", "path_on_host": "{dir}/pmem1.img" }]"#],
    },
];

/// build_disk_image_id of src/vmm/src/devices/virtio/block/virtio/device.rs.
const NO_SERIAL: &str = "Firecracker makes up the serial number that the check knows its disk by";
const NO_HVC0: &str = "the guest asks its host over hvc0, which Firecracker has not";

const UNABLE: Unable = &[
    ("virtio-blk", NO_SERIAL),
    ("blk-ext4", NO_SERIAL),
    ("blk-xfs", NO_SERIAL),
    ("hvc0", NO_HVC0),
    ("vsock-answer", NO_HVC0),
    ("network-card", NO_CARD),
    ("vlan", NO_CARD),
    ("scsi-disk", NO_DEVICE),
    ("nvdimm", NO_DEVICE),
    ("share-9p", NO_DEVICE),
    ("share-virtiofs", NO_DEVICE),
    ("hotplug-block", NO_PLUG),
    ("hotplug-cpu", NO_PLUG),
    ("hotplug-memory", NO_PLUG),
];

fn call(real: &Real, vm: &Vm<'_>) -> Result<Call> {
    let mut config = json!({
        "boot-source": {
            "kernel_image_path": vm.image,
            "boot_args": vm.command_line(real.options),
        },
        "machine-config": { "vcpu_count": 1, "mem_size_mib": vm.memory_mib },
        "drives": [],
    });
    if let Root::Initramfs(file) = vm.root {
        config["boot-source"]["initrd_path"] = json!(file);
    }
    for device in vm.devices.chunks(2) {
        let [key, text] = device else { continue };
        let value: Value = serde_json::from_str(text)
            .with_context(|| format!("failed to write device {text} as JSON"))?;
        match (&mut config[key.as_str()], value) {
            (Value::Array(all), Value::Array(more)) => all.extend(more),
            (place, value) => *place = value,
        }
    }
    let path = vm.dir.join("firecracker.json");
    let log = ["--log-path", "/dev/stderr", "--level", "Error"];
    let arguments = ["--no-api", "--config-file", path.as_str()].into_iter().chain(log);
    let arguments = arguments.map(str::to_owned).collect();
    Ok(Call { arguments, config: Some((path, format!("{config:#}\n"))) })
}
