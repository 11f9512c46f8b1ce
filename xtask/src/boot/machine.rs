//! Which QEMU machine stands in for a hypervisor's, as data, and the arguments that make it.

use std::fmt::Write as _;

use anyhow::{Result, bail};
use camino::Utf8Path;
use vmm_kernel::{Arch, Bus};

use super::accel::Accel;

/// A machine that boots a kernel as one hypervisor's machine does. The table says it all; what it
/// does not name is the same for every machine.
#[derive(Debug)]
pub(crate) struct Machine {
    pub(crate) arch: Arch,
    pub(crate) bus: Bus,
    /// Every hypervisor, if empty.
    hypervisors: &'static [&'static str],
    /// The value of `-machine`.
    pub(crate) name: &'static str,
    /// Values of `-global`.
    pub(crate) globals: &'static [&'static str],
    /// Where it takes devices while it runs.
    pub(super) slot: Option<Slot>,
    /// Where it is not what the hypervisor's machine is.
    pub(crate) differs: &'static str,
}

/// A bus for a device that is plugged in, and the arguments that make it.
#[derive(Debug)]
pub(super) struct Slot {
    pub(super) bus: &'static str,
    /// Its device number on that bus: a port has but one, a bridge keeps the first for itself.
    pub(super) device: &'static str,
    pub(super) arguments: &'static [&'static str],
}

/// Devices of virtio 1.x, which is all that the VMMs have.
const MODERN: &[&str] = &["virtio-mmio.force-legacy=false"];

const ROOT_PORT: &[&str] = &["-device", "pcie-root-port,id=slot0,chassis=1"];

/// StratoVirt's ports tell of a device themselves, not through ACPI.
const NATIVE_PORT: &[&str] = &[
    "-global",
    "ICH9-LPC.acpi-pci-hotplug-with-bridge-support=off",
    "-device",
    "pcie-root-port,id=slot0,chassis=1",
];

/// Kuasar's QEMU sandboxer plugs into such a bridge (vmm/sandbox/src/qemu/devices/mod.rs); QEMU tells
/// of what comes there through ACPI.
const BRIDGE: &[&str] = &["-device", "pci-bridge,id=slot0,chassis_nr=1,shpc=on"];

/// The first one that fits is taken.
const MACHINES: &[Machine] = &[
    Machine {
        arch: Arch::X86_64,
        bus: Bus::Mmio,
        hypervisors: &[],
        // QEMU names its virtio-mmio devices on the kernel's command line only without ACPI
        // (hw/i386/microvm.c), as StratoVirt and Firecracker always do.
        name: "microvm,acpi=off",
        globals: MODERN,
        slot: None,
        differs: "it has the legacy PIC, PIT and RTC, and a firmware that loads the kernel",
    },
    Machine {
        arch: Arch::X86_64,
        bus: Bus::Pci,
        hypervisors: &["cloud_hypervisor"],
        // PVH, ACPI and devices on PCI. QEMU's microvm with ACPI is nearer, but has no clock that a
        // kernel can set its own by when it is emulated.
        name: "q35",
        globals: &[],
        slot: Some(Slot { bus: "slot0", device: "0", arguments: ROOT_PORT }),
        differs: "it has legacy hardware beside ACPI",
    },
    Machine {
        arch: Arch::X86_64,
        bus: Bus::Pci,
        hypervisors: &["stratovirt"],
        name: "q35",
        globals: &[],
        slot: Some(Slot { bus: "slot0", device: "0", arguments: NATIVE_PORT }),
        differs: "SeaBIOS takes the place of EDK2",
    },
    Machine {
        arch: Arch::X86_64,
        bus: Bus::Pci,
        hypervisors: &[],
        name: "pc",
        globals: &[],
        slot: Some(Slot { bus: "slot0", device: "1", arguments: BRIDGE }),
        differs: "",
    },
    Machine {
        arch: Arch::Aarch64,
        bus: Bus::Mmio,
        hypervisors: &[],
        name: "virt,gic-version=max",
        globals: MODERN,
        slot: None,
        differs: "",
    },
    Machine {
        arch: Arch::Aarch64,
        bus: Bus::Pci,
        hypervisors: &["cloud_hypervisor"],
        name: "virt,gic-version=max",
        globals: &[],
        // Its guests hear of a device through ACPI, and have no driver for a port that tells itself.
        slot: None,
        differs: "the device tree describes it, not ACPI",
    },
    Machine {
        arch: Arch::Aarch64,
        bus: Bus::Pci,
        hypervisors: &[],
        name: "virt,gic-version=max",
        globals: &[],
        slot: Some(Slot { bus: "slot0", device: "0", arguments: ROOT_PORT }),
        differs: "the device tree describes it, not ACPI",
    },
];

/// Options for every kernel: a panic and an oops end the machine at once, and what the probe writes
/// to the log is never held back.
const OPTIONS: &str = "panic=-1 oops=panic printk.devkmsg=on";

/// The name of QEMU's control socket.
pub(super) const QMP: &str = "qmp.sock";

/// Memory devices come on top of the guest's memory, below this many GiB in all.
const MEMORY_ROOM: &str = "slots=4,maxmem=8G";

impl Machine {
    /// The machine that stands in for one of `hypervisor`'s.
    pub(crate) fn find(arch: Arch, bus: Bus, hypervisor: &str) -> Result<&'static Machine> {
        let fits = |machine: &&Machine| {
            machine.arch == arch
                && machine.bus == bus
                && (machine.hypervisors.is_empty() || machine.hypervisors.contains(&hypervisor))
        };
        let Some(machine) = MACHINES.iter().find(fits) else {
            bail!("no machine of QEMU stands in for {hypervisor} on {arch} with a {bus} bus");
        };
        Ok(machine)
    }

    /// The QEMU program for this machine.
    pub(crate) fn program(&self) -> String {
        format!("qemu-system-{}", self.arch)
    }

    /// The ending of the names of QEMU's virtio devices.
    pub(super) fn virtio(&self) -> &'static str {
        if self.bus == Bus::Pci { "pci" } else { "device" }
    }

    /// The kernel's options for its consoles, and for how it resets.
    fn options(&self) -> &'static str {
        match self.arch {
            Arch::X86_64 => "earlycon=uart8250,io,0x3f8 console=ttyS0 reboot=t console=hvc0",
            Arch::Aarch64 => "earlycon=pl011,mmio32,0x9000000 console=ttyAMA0 console=hvc0",
        }
    }

    /// The model of `-cpu`.
    pub(crate) fn cpu(&self, accel: Accel) -> &'static str {
        match (accel, self.arch) {
            (Accel::Kvm, _) => "host",
            (Accel::Tcg, Arch::X86_64) => "max",
            // Real pointer authentication is most of the time of an emulated arm64 kernel.
            (Accel::Tcg, Arch::Aarch64) => "max,pauth-impdef=on",
        }
    }

    pub(super) fn arguments(&self, vm: &Vm<'_>) -> Vec<String> {
        let memory = vm.memory_mib;
        let room = if self.bus == Bus::Pci { format!(",{MEMORY_ROOM}") } else { String::new() };
        let mut arguments: Vec<String> = [
            // Processes that serve the guest's devices map its memory.
            "-object",
            &format!("memory-backend-memfd,id=ram,size={memory}M,share=on"),
            "-machine",
            &format!("{},memory-backend=ram", self.name),
            "-accel",
            vm.accel.name(),
            "-cpu",
            self.cpu(vm.accel),
            "-m",
            &format!("{memory}M{room}"),
            "-nodefaults",
            "-no-user-config",
            "-no-reboot",
            "-display",
            "none",
            // Both consoles go to one stream; what is said to the guest reaches hvc0 only.
            "-chardev",
            "stdio,id=hvc0,signal=off",
            "-serial",
            "file:/dev/stdout",
            "-device",
            &format!("virtio-serial-{}", self.virtio()),
            "-device",
            "virtconsole,chardev=hvc0",
            "-qmp",
            &format!("unix:{},server=on,wait=off", vm.dir.join(QMP)),
            "-kernel",
            vm.image.as_str(),
            "-append",
            &vm.command_line(self.options()),
        ]
        .map(str::to_owned)
        .into();
        if let Root::Initramfs(file) = vm.root {
            arguments.extend(["-initrd".to_owned(), file.to_string()]);
        }
        for global in self.globals {
            arguments.extend(["-global".to_owned(), (*global).to_owned()]);
        }
        arguments.extend(vm.devices.iter().cloned());
        arguments
    }
}

/// Where the guest's init comes from.
#[derive(Debug, Clone, Copy)]
pub(super) enum Root<'a> {
    Initramfs(&'a Utf8Path),
    /// A device, with the options that Kuasar gives for it.
    Disk(&'a str),
}

/// One boot on a machine.
pub(super) struct Vm<'a> {
    pub(super) image: &'a Utf8Path,
    pub(super) root: Root<'a>,
    pub(super) accel: Accel,
    pub(super) memory_mib: u32,
    pub(super) nonce: &'a str,
    /// The guest ends the machine by a reset, and not by powering it off.
    pub(super) restarts: bool,
    pub(super) append: &'a [String],
    pub(super) devices: &'a [String],
    /// For its sockets.
    pub(super) dir: &'a Utf8Path,
}

impl Vm<'_> {
    /// The kernel's command line. The consoles in a machine's `options` go from the one that works
    /// first to the one that Kuasar uses; the last that exists is the guest's /dev/console.
    pub(super) fn command_line(&self, options: &str) -> String {
        let end = if self.restarts { "restart" } else { "poweroff" };
        let mut line = format!("{options} {OPTIONS} probe_nonce={} probe_end={end}", self.nonce);
        if let Root::Disk(options) = self.root {
            let _ = write!(line, " {options} init=/init");
        }
        for option in self.append {
            let _ = write!(line, " {option}");
        }
        line
    }
}
