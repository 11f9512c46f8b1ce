//! Cloud Hypervisor, from v51.0 on, which takes a disk's `image_type`: a raw disk whose type it has
//! to find out, it lets nobody write the first sector of (vmm/src/device_manager.rs). Its options are
//! in cloud-hypervisor/src/main.rs, their syntax in vmm/src/config.rs.

use anyhow::Result;
use vmm_kernel::{Arch, Bus};

use super::{Given, NO_CARD, NO_DEVICE, NO_PLUG, Real, Unable};
use crate::boot::device::Supply;
use crate::boot::machine::{Root, Vm};
use crate::boot::round::SHUTDOWN;
use crate::boot::vmm::Call;

const COMMON: Real = Real {
    hypervisor: "cloud_hypervisor",
    program: "cloud-hypervisor",
    name: "cloud-hypervisor",
    arch: Arch::X86_64,
    bus: Bus::Pci,
    options: "earlycon=uart8250,io,0x3f8 console=ttyS0 console=hvc0",
    // A guest that resets is started again (vmm/src/lib.rs, vm_reboot).
    end: Some(SHUTDOWN),
    firmware: None,
    devices: DEVICES,
    // docs/vsock.md: the socket and the protocol are Firecracker's.
    serves: &[Supply::Vsock],
    unable: &[UNABLE],
    call,
};

/// On aarch64, it gives the kernel an `earlycon` itself (vmm/src/device_manager.rs).
pub(super) const MACHINES: &[Real] =
    &[COMMON, Real { arch: Arch::Aarch64, options: "console=ttyAMA0 console=hvc0", ..COMMON }];

const DEVICES: &[Given] = &[
    // Every machine has one (`--rng`).
    Given { check: "entropy", arguments: &[] },
    Given {
        check: "virtio-blk",
        arguments: &["--disk", "path={dir}/raw.img,serial=raw,image_type=raw"],
    },
    Given {
        check: "blk-ext4",
        arguments: &["--disk", "path={dir}/ext4.img,serial=ext4,image_type=raw"],
    },
    Given {
        check: "blk-xfs",
        arguments: &["--disk", "path={dir}/xfs.img,serial=xfs,image_type=raw"],
    },
    Given { check: "root-vda", arguments: &["--disk", "path={dir}/root.img,image_type=raw"] },
    Given { check: "root-pmem", arguments: &["--pmem", "file={dir}/pmem0.img"] },
    Given { check: "pmem-dax", arguments: &["--pmem", "file={dir}/pmem1.img"] },
    Given {
        check: "share-virtiofs",
        arguments: &["--fs", "tag=kuasar,socket={dir}/virtiofs.sock"],
    },
    Given { check: "vsock-answer", arguments: &["--vsock", "cid=3,socket={dir}/vsock-host.sock"] },
];

const UNABLE: Unable = &[
    ("network-card", NO_CARD),
    ("vlan", NO_CARD),
    ("scsi-disk", NO_DEVICE),
    ("nvdimm", NO_DEVICE),
    ("share-9p", NO_DEVICE),
    ("hotplug-block", NO_PLUG),
    ("hotplug-cpu", NO_PLUG),
    ("hotplug-memory", NO_PLUG),
];

fn call(real: &Real, vm: &Vm<'_>) -> Result<Call> {
    let memory = format!("size={}M,shared=on", vm.memory_mib);
    let line = vm.command_line(real.options);
    let mut arguments: Vec<String> = [
        "--kernel",
        vm.image.as_str(),
        "--cmdline",
        &line,
        "--cpus",
        "boot=1",
        "--memory",
        &memory,
        "--console",
        "tty",
        // Two terminals would both read what is said to the guest.
        "--serial",
        "file=/dev/stdout",
    ]
    .map(str::to_owned)
    .into();
    if let Root::Initramfs(file) = vm.root {
        arguments.extend(["--initramfs".to_owned(), file.to_string()]);
    }
    arguments.extend(vm.devices.iter().cloned());
    Ok(Call { arguments, config: None })
}
