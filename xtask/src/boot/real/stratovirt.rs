//! StratoVirt. Its options are in docs/config_guidebook.md of its sources. A PCI device has to be told
//! its place: `{at}` becomes the next one.

use anyhow::Result;
use vmm_kernel::{Arch, Bus};

use super::{Given, NO_ACPI, NO_CARD, NO_DEVICE, NO_PLUG, Real, Unable};
use crate::boot::machine::{Root, Vm};
use crate::boot::round::{RESET, SHUTDOWN};
use crate::boot::vmm::Call;

const COMMON: Real = Real {
    hypervisor: "stratovirt",
    program: "stratovirt",
    name: "microvm",
    arch: Arch::X86_64,
    bus: Bus::Mmio,
    // A triple fault ends the VMM (hypervisor/src/kvm/mod.rs); nothing else does there.
    options: "earlycon=uart8250,io,0x3f8 console=ttyS0 reboot=t console=hvc0",
    end: Some(RESET),
    firmware: None,
    devices: DEVICES,
    serves: &[],
    unable: &[NO_ACPI, NO_PCI, UNABLE],
    call,
};

const ARM_OPTIONS: &str = "earlycon=pl011,mmio32,0x9000000 console=ttyAMA0 console=hvc0";

pub(super) const MACHINES: &[Real] = &[
    COMMON,
    // A reset is a shutdown there (machine/src/micro_common/mod.rs).
    Real {
        arch: Arch::Aarch64,
        options: ARM_OPTIONS,
        end: None,
        unable: &[NO_PCI, UNABLE],
        ..COMMON
    },
    Real {
        name: "q35",
        bus: Bus::Pci,
        // A guest that resets is started again (machine/src/x86_64/standard.rs).
        options: "earlycon=uart8250,io,0x3f8 console=ttyS0 console=hvc0",
        end: Some(SHUTDOWN),
        // Kuasar's vmm/sandbox/config_stratovirt_x86_64.toml.
        firmware: Some("/usr/share/edk2/ovmf/OVMF_CODE.fd"),
        unable: &[UNABLE],
        ..COMMON
    },
    Real {
        name: "virt",
        arch: Arch::Aarch64,
        bus: Bus::Pci,
        options: ARM_OPTIONS,
        end: Some(SHUTDOWN),
        unable: &[UNABLE],
        ..COMMON
    },
];

/// Disks lie where no file can be opened without the host's cache.
const DEVICES: &[Given] = &[
    Given {
        check: "entropy",
        arguments: &[
            "-object",
            "rng-random,id=random,filename=/dev/urandom",
            "-device",
            "virtio-rng-{bus},rng=random,id=entropy{at}",
        ],
    },
    Given {
        check: "virtio-blk",
        arguments: &[
            "-drive",
            "id=raw,file={dir}/raw.img,direct=off",
            "-device",
            "virtio-blk-{bus},drive=raw,id=raw,serial=raw{at}",
        ],
    },
    Given {
        check: "blk-ext4",
        arguments: &[
            "-drive",
            "id=ext4,file={dir}/ext4.img,direct=off",
            "-device",
            "virtio-blk-{bus},drive=ext4,id=ext4,serial=ext4{at}",
        ],
    },
    Given {
        check: "blk-xfs",
        arguments: &[
            "-drive",
            "id=xfs,file={dir}/xfs.img,direct=off",
            "-device",
            "virtio-blk-{bus},drive=xfs,id=xfs,serial=xfs{at}",
        ],
    },
    Given {
        check: "root-vda",
        arguments: &[
            "-drive",
            "id=root,file={dir}/root.img,direct=off",
            "-device",
            "virtio-blk-{bus},drive=root,id=root{at}",
        ],
    },
    Given {
        check: "scsi-disk",
        arguments: &[
            "-drive",
            "id=scsi-disk,file={dir}/scsi.img,direct=off",
            "-device",
            "virtio-scsi-{bus},id=scsi{at}",
            "-device",
            "scsi-hd,bus=scsi.0,scsi-id=0,lun=0,drive=scsi-disk,id=scsi-disk",
        ],
    },
    Given {
        check: "share-virtiofs",
        arguments: &[
            "-chardev",
            "socket,id=virtiofs,path={dir}/virtiofs.sock",
            "-device",
            "vhost-user-fs-{bus},chardev=virtiofs,tag=kuasar,id=virtiofs{at}",
        ],
    },
];

const NO_VSOCK: &str =
    "its vsock device is the host kernel's, and the check's host calls through a Unix socket";

const NO_PCI: Unable = &[("scsi-disk", "its SCSI controller is a PCI device")];

const UNABLE: Unable = &[
    ("vsock-answer", NO_VSOCK),
    ("network-card", NO_CARD),
    ("vlan", NO_CARD),
    // It has a virtio-pmem that is not built in by default (machine/Cargo.toml).
    ("root-pmem", NO_DEVICE),
    ("pmem-dax", NO_DEVICE),
    ("nvdimm", NO_DEVICE),
    ("share-9p", NO_DEVICE),
    ("hotplug-block", NO_PLUG),
    ("hotplug-cpu", NO_PLUG),
    ("hotplug-memory", NO_PLUG),
];

fn call(real: &Real, vm: &Vm<'_>) -> Result<Call> {
    let (machine, memory) = (format!("{},mem-share=on", real.name), format!("{}M", vm.memory_mib));
    let bus = if real.bus == Bus::Pci { "pci" } else { "device" };
    let mut arguments: Vec<String> = [
        "-machine",
        &machine,
        "-smp",
        "1",
        "-m",
        &memory,
        // As Kuasar starts it.
        "-disable-seccomp",
        "-chardev",
        "stdio,id=hvc0",
        "-serial",
        "file,path=/dev/stdout",
        "-device",
        &format!("virtio-serial-{bus},id=consoles{{at}}"),
        "-device",
        "virtconsole,chardev=hvc0,id=hvc0",
        "-kernel",
        vm.image.as_str(),
        "-append",
        &vm.command_line(real.options),
    ]
    .map(str::to_owned)
    .into();
    if let Root::Initramfs(file) = vm.root {
        arguments.extend(["-initrd".to_owned(), file.to_string()]);
    }
    if let Some(firmware) = real.firmware {
        let drive = format!("file={firmware},if=pflash,unit=0,readonly=on");
        arguments.extend(["-drive".to_owned(), drive]);
    }
    arguments.extend(vm.devices.iter().cloned());
    let mut slots = 1..;
    for argument in arguments.iter_mut().filter(|argument| argument.ends_with(AT)) {
        let place = slots.next().filter(|_| real.bus == Bus::Pci);
        let place = place.map(|slot: u8| format!(",bus=pcie.0,addr={slot:#x}"));
        *argument = argument.replace(AT, &place.unwrap_or_default());
    }
    Ok(Call { arguments, config: None })
}

const AT: &str = "{at}";
