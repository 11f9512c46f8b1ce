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
    pub(crate) globals: &'static [&'static str],
    /// The guest ends the machine by a reset, since it has no way to power off.
    restarts: bool,
    /// Where it is not what the hypervisor's machine is.
    pub(crate) differs: &'static str,
}

/// The first one that fits is taken.
const MACHINES: &[Machine] = &[
    Machine {
        arch: Arch::X86_64,
        bus: Bus::Mmio,
        hypervisors: &[],
        // QEMU names its virtio-mmio devices on the kernel's command line only without ACPI
        // (hw/i386/microvm.c), as StratoVirt and Firecracker always do.
        name: "microvm,acpi=off",
        globals: &["virtio-mmio.force-legacy=false"],
        restarts: true,
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
        restarts: false,
        differs: "it has legacy hardware beside ACPI, and its root is an initramfs",
    },
    Machine {
        arch: Arch::X86_64,
        bus: Bus::Pci,
        hypervisors: &["stratovirt"],
        name: "q35",
        globals: &[],
        restarts: false,
        differs: "SeaBIOS takes the place of EDK2",
    },
    Machine {
        arch: Arch::X86_64,
        bus: Bus::Pci,
        hypervisors: &[],
        name: "pc",
        globals: &[],
        restarts: false,
        differs: "",
    },
    Machine {
        arch: Arch::Aarch64,
        bus: Bus::Mmio,
        hypervisors: &[],
        name: "virt,gic-version=max",
        globals: &["virtio-mmio.force-legacy=false"],
        restarts: false,
        differs: "",
    },
    Machine {
        arch: Arch::Aarch64,
        bus: Bus::Pci,
        hypervisors: &[],
        name: "virt,gic-version=max",
        globals: &[],
        restarts: false,
        differs: "the device tree describes it, not ACPI",
    },
];

/// What every sandbox of Kuasar's has: console, entropy, a disk and a network card. The back ends
/// are QEMU's own and lead nowhere.
const DEVICES: &[(&str, &str)] = &[
    ("virtio-serial", ""),
    ("virtio-rng", ""),
    ("virtio-blk", ",drive=disk"),
    ("virtio-net", ",netdev=net"),
];

/// Options for every kernel: a panic and an oops end the machine at once, and what the probe writes
/// to the log is never held back.
const OPTIONS: &str = "panic=-1 oops=panic printk.devkmsg=on";

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

    /// Kuasar hands a gzip initrd to StratoVirt and QEMU, so there a kernel has to take one. Where the
    /// root is an image of its own, it need not.
    pub(super) fn initramfs_is_gzip(&self, hypervisor: &str) -> bool {
        matches!(hypervisor, "stratovirt" | "qemu")
    }

    /// The kernel's command line. The consoles go from the one that works first to the one that
    /// Kuasar uses; the last that exists is the guest's /dev/console.
    fn command_line(&self, nonce: &str, append: &[String]) -> String {
        let arch = match self.arch {
            Arch::X86_64 => "earlycon=uart8250,io,0x3f8 console=ttyS0 reboot=t",
            Arch::Aarch64 => "earlycon=pl011,mmio32,0x9000000 console=ttyAMA0",
        };
        let end = if self.restarts { "restart" } else { "poweroff" };
        let mut line = format!("{arch} console=hvc0 {OPTIONS} probe_nonce={nonce} probe_end={end}");
        for option in append {
            let _ = write!(line, " {option}");
        }
        line
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
        let ending = if self.bus == Bus::Pci { "pci" } else { "device" };
        let mut arguments: Vec<String> = [
            "-machine",
            self.name,
            "-accel",
            vm.accel.name(),
            "-cpu",
            self.cpu(vm.accel),
            "-m",
            &vm.memory_mib.to_string(),
            "-nodefaults",
            "-no-user-config",
            "-no-reboot",
            "-display",
            "none",
            // Both consoles go to one stream; `mux` is what lets them share it.
            "-chardev",
            "stdio,id=console,mux=on,signal=off",
            "-serial",
            "chardev:console",
            "-blockdev",
            "null-co,node-name=disk,size=1048576,read-zeroes=on",
            "-netdev",
            "hubport,id=net,hubid=0",
            "-kernel",
            vm.image.as_str(),
            "-initrd",
            vm.initramfs.as_str(),
            "-append",
            &self.command_line(vm.nonce, vm.append),
        ]
        .map(str::to_owned)
        .into();
        for global in self.globals {
            arguments.extend(["-global".to_owned(), (*global).to_owned()]);
        }
        for (device, options) in DEVICES {
            arguments.extend(["-device".to_owned(), format!("{device}-{ending}{options}")]);
        }
        arguments.extend(["-device".to_owned(), "virtconsole,chardev=console".to_owned()]);
        arguments
    }
}

/// One boot on a machine.
pub(super) struct Vm<'a> {
    pub(super) image: &'a Utf8Path,
    pub(super) initramfs: &'a Utf8Path,
    pub(super) accel: Accel,
    pub(super) memory_mib: u32,
    pub(super) nonce: &'a str,
    pub(super) append: &'a [String],
}
