//! What a check needs of the machine: QEMU devices, and what the host has to bring for them. Data.

use anyhow::{Result, anyhow};
use vmm_kernel::{Arch, Bus};

use super::machine::Machine;
use crate::diag::{Hint, did_you_mean};

/// Devices that some checks need. In the arguments, `{bus}` is the ending of a virtio device's
/// name, `{dir}` the folder of the supplies.
#[derive(Debug)]
pub(super) struct Device {
    pub(super) checks: &'static [&'static str],
    pub(super) arguments: &'static [&'static str],
    pub(super) supplies: &'static [Supply],
    /// It comes while the machine runs, which takes a slot.
    pub(super) is_plugged_in: bool,
}

/// What a device has that needs nothing of the host, and is there from the start.
const PLAIN: Device = Device { checks: &[], arguments: &[], supplies: &[], is_plugged_in: false };

/// What the host makes or starts before the machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Supply {
    /// A folder to share, with a file of the host's in it.
    Folder(&'static str),
    /// `virtiofsd` for a folder.
    VirtioFs,
    /// `vhost-device-vsock`.
    Vsock,
    /// A disk of this many MiB that begins with the nonce.
    Raw(&'static str, u64),
    /// A file system with a file of the host's in it.
    Ext4(&'static str),
    Xfs(&'static str),
    /// The guest's root, with the probe in it.
    Root(&'static str),
    /// The same as the first partition of a GPT disk.
    GptRoot(&'static str),
}

/// A disk that Kuasar gives its guests as their root.
#[derive(Debug)]
pub(super) struct DiskRoot {
    pub(super) check: &'static str,
    /// The kernel's options for it.
    pub(super) options: &'static str,
    pub(super) device: &'static Device,
}

/// DEFAULT_KERNEL_PARAMS of Kuasar's vmm/sandbox/src/cloud_hypervisor/config.rs.
pub(super) const PMEM: &DiskRoot = &DiskRoot {
    check: "root-pmem",
    options: "root=/dev/pmem0p1 rootflags=data=ordered,errors=remount-ro ro rootfstype=ext4",
    // Memory devices are sized in multiples of 2 MiB, and the kernel maps them in such.
    device: &Device {
        checks: &["root-pmem"],
        arguments: &[
            "-object",
            "memory-backend-file,id=pmem0,share=on,mem-path={dir}/pmem0.img,size=32M",
            "-device",
            "virtio-pmem-{bus},memdev=pmem0",
        ],
        supplies: &[Supply::GptRoot("pmem0.img")],
        ..PLAIN
    },
};

/// ROOTFS_KERNEL_PARAMS of Kuasar's vmm/sandbox/src/stratovirt/config.rs.
pub(super) const VDA: &DiskRoot = &DiskRoot {
    check: "root-vda",
    options: "root=/dev/vda ro rootfstype=ext4",
    device: &Device {
        checks: &["root-vda"],
        arguments: &[
            "-blockdev",
            "driver=file,node-name=root,filename={dir}/root.img",
            "-device",
            "virtio-blk-{bus},drive=root",
        ],
        supplies: &[Supply::Root("root.img")],
        ..PLAIN
    },
};

pub(super) const DEVICES: &[Device] = &[
    Device { checks: &["entropy"], arguments: &["-device", "virtio-rng-{bus}"], ..PLAIN },
    // The back end leads nowhere.
    Device {
        checks: &["network-card", "vlan"],
        arguments: &["-netdev", "hubport,id=net,hubid=0", "-device", "virtio-net-{bus},netdev=net"],
        ..PLAIN
    },
    Device {
        checks: &["virtio-blk", "block-class"],
        arguments: &[
            "-blockdev",
            "driver=file,node-name=raw,filename={dir}/raw.img",
            "-device",
            "virtio-blk-{bus},drive=raw,serial=raw",
        ],
        supplies: &[Supply::Raw("raw.img", 1)],
        ..PLAIN
    },
    Device {
        checks: &["blk-ext4"],
        arguments: &[
            "-blockdev",
            "driver=file,node-name=ext4,filename={dir}/ext4.img",
            "-device",
            "virtio-blk-{bus},drive=ext4,serial=ext4",
        ],
        supplies: &[Supply::Ext4("ext4.img")],
        ..PLAIN
    },
    Device {
        checks: &["blk-xfs"],
        arguments: &[
            "-blockdev",
            "driver=file,node-name=xfs,filename={dir}/xfs.img",
            "-device",
            "virtio-blk-{bus},drive=xfs,serial=xfs",
        ],
        supplies: &[Supply::Xfs("xfs.img")],
        ..PLAIN
    },
    Device {
        checks: &["scsi-disk"],
        arguments: &[
            "-blockdev",
            "driver=file,node-name=scsi,filename={dir}/scsi.img",
            "-device",
            "virtio-scsi-{bus},id=scsi",
            "-device",
            "scsi-hd,bus=scsi.0,drive=scsi",
        ],
        supplies: &[Supply::Raw("scsi.img", 1)],
        ..PLAIN
    },
    Device {
        checks: &["pmem-dax"],
        arguments: &[
            "-object",
            "memory-backend-file,id=pmem1,share=on,mem-path={dir}/pmem1.img,size=16M",
            "-device",
            "virtio-pmem-{bus},memdev=pmem1",
        ],
        supplies: &[Supply::Ext4("pmem1.img")],
        ..PLAIN
    },
    // As large as a block of memory, so that memory that is plugged in after it begins with one.
    Device {
        checks: &["nvdimm"],
        arguments: &[
            "-machine",
            "nvdimm=on",
            "-object",
            "memory-backend-file,id=nvdimm,share=on,mem-path={dir}/nvdimm.img,size=128M",
            "-device",
            "nvdimm,memdev=nvdimm",
        ],
        supplies: &[Supply::Raw("nvdimm.img", 128)],
        ..PLAIN
    },
    Device {
        checks: &["share-9p"],
        arguments: &[
            "-fsdev",
            "local,id=share-9p,path={dir}/share-9p,security_model=none",
            "-device",
            "virtio-9p-{bus},fsdev=share-9p,mount_tag=kuasar",
        ],
        supplies: &[Supply::Folder("share-9p")],
        ..PLAIN
    },
    Device {
        checks: &["share-virtiofs"],
        arguments: &[
            "-chardev",
            "socket,id=share-virtiofs,path={dir}/virtiofs.sock",
            "-device",
            "vhost-user-fs-{bus},chardev=share-virtiofs,tag=kuasar",
        ],
        supplies: &[Supply::Folder("share-virtiofs"), Supply::VirtioFs],
        ..PLAIN
    },
    Device {
        checks: &["vsock-answer"],
        arguments: &[
            "-chardev",
            "socket,id=vsock,path={dir}/vsock.sock",
            "-device",
            "vhost-user-vsock-{bus},chardev=vsock",
        ],
        supplies: &[Supply::Vsock],
        ..PLAIN
    },
    Device {
        checks: &["hotplug-block"],
        arguments: &["-blockdev", "driver=file,node-name=plugged,filename={dir}/plugged.img"],
        supplies: &[Supply::Raw("plugged.img", 1)],
        is_plugged_in: true,
    },
    // In a socket of its own: a kernel that knows of no hypervisor takes no CPU that comes to one
    // where others run (arch/x86/kernel/cpu/topology.c).
    Device {
        checks: &["hotplug-cpu"],
        arguments: &["-smp", "1,sockets=2,cores=1,threads=1,maxcpus=2"],
        ..PLAIN
    },
];

/// A check that no machine of QEMU's can be asked for here.
struct Impossible {
    check: &'static str,
    on: fn(&Machine) -> bool,
    why: &'static str,
}

const NO_ACPI: &str = "QEMU's virt machine announces it through ACPI only, which takes a firmware";

const NO_PMEM: &str = "QEMU's virt machine has no virtio-pmem";

const IMPOSSIBLE: &[Impossible] = &[
    Impossible { check: "root-pmem", on: is_virt, why: NO_PMEM },
    Impossible { check: "pmem-dax", on: is_virt, why: NO_PMEM },
    Impossible { check: "nvdimm", on: is_virt, why: NO_ACPI },
    Impossible { check: "hotplug-memory", on: is_virt, why: NO_ACPI },
    Impossible { check: "hotplug-cpu", on: is_virt, why: "QEMU's virt machine cannot plug CPUs" },
    Impossible {
        check: "hotplug-block",
        on: |machine| machine.bus == Bus::Mmio,
        why: "nothing is plugged into a machine without PCI",
    },
    Impossible { check: "hotplug-block", on: |machine| machine.slot.is_none(), why: NO_ACPI },
    Impossible {
        check: "poweroff",
        on: |machine| machine.arch == Arch::X86_64 && machine.bus == Bus::Mmio,
        why: "a machine without ACPI has no way to power off",
    },
];

fn is_virt(machine: &Machine) -> bool {
    machine.arch == Arch::Aarch64
}

/// Why this machine cannot show a capability, whatever the kernel.
pub(super) fn impossible(machine: &Machine, check: &str) -> Option<&'static str> {
    let fits = |one: &&Impossible| one.check == check && (one.on)(machine);
    IMPOSSIBLE.iter().find(fits).map(|one| one.why)
}

/// # Errors
/// If one of these checks needs no device.
pub(super) fn demand(checks: &[String]) -> Result<()> {
    let known: Vec<&str> = DEVICES.iter().flat_map(|device| device.checks).copied().collect();
    match checks.iter().find(|check| !known.contains(&check.as_str())) {
        None => Ok(()),
        Some(unknown) => Err(anyhow!("no device is there for a check `{unknown}`"))
            .hint(|| did_you_mean(unknown, &known)),
    }
}

/// The devices that these checks need, in the order of the table.
pub(super) fn devices(checks: &[String]) -> impl Iterator<Item = &'static Device> {
    DEVICES.iter().filter(|device| checks.iter().any(|c| device.checks.contains(&c.as_str())))
}
