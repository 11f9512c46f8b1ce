//! What runs a guest: QEMU in the hypervisor's place, or the hypervisor's own VMM.

use anyhow::{Result, anyhow};
use camino::{Utf8Path, Utf8PathBuf};
use clap::ValueEnum;
use vmm_kernel::{Arch, Bus};

use super::device::{self, Device, Supply};
use super::machine::{Machine, Slot, Vm};
use super::real::Real;
use crate::diag::Hint;
use crate::shell::Input;

/// What the user wants to run the guest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum VmmChoice {
    /// A machine of QEMU's that stands in for the hypervisor's
    Qemu,
    /// The hypervisor's own VMM, under KVM, or an error
    Real,
}

#[derive(Debug, Clone, Copy)]
pub(super) enum Vmm {
    StandIn(&'static Machine),
    /// A machine of QEMU's, for it is the hypervisor.
    Qemu(&'static Machine),
    Real(&'static Real),
}

/// What a VMM is started with.
#[derive(Debug, PartialEq)]
pub(super) struct Call {
    pub(super) arguments: Vec<String>,
    /// A file that they name, and what goes into it.
    pub(super) config: Option<(Utf8PathBuf, String)>,
}

impl Vmm {
    /// # Errors
    /// If no machine is known for the hypervisor on this arch and bus.
    pub(super) fn find(choice: VmmChoice, arch: Arch, bus: Bus, hypervisor: &str) -> Result<Self> {
        match (choice, hypervisor) {
            (VmmChoice::Qemu, _) => Machine::find(arch, bus, hypervisor).map(Vmm::StandIn),
            (VmmChoice::Real, "qemu") => Machine::find(arch, bus, hypervisor).map(Vmm::Qemu),
            (VmmChoice::Real, _) => Real::find(arch, bus, hypervisor)
                .map(Vmm::Real)
                .ok_or_else(|| {
                    anyhow!("failed to find {hypervisor}'s own VMM for {arch} with a {bus} bus")
                })
                .hint(|| "without --vmm, QEMU stands in"),
        }
    }

    pub(super) fn stands_in(self) -> bool {
        matches!(self, Vmm::StandIn(_))
    }

    fn machine(self) -> Option<&'static Machine> {
        match self {
            Vmm::StandIn(machine) | Vmm::Qemu(machine) => Some(machine),
            Vmm::Real(_) => None,
        }
    }

    pub(super) fn is_qemu(self) -> bool {
        self.machine().is_some()
    }

    pub(super) fn program(self) -> String {
        match self {
            Vmm::StandIn(machine) | Vmm::Qemu(machine) => machine.program(),
            Vmm::Real(real) => real.program.to_owned(),
        }
    }

    /// The machine's.
    pub(super) fn name(self) -> &'static str {
        match self {
            Vmm::StandIn(machine) | Vmm::Qemu(machine) => machine.name,
            Vmm::Real(real) => real.name,
        }
    }

    /// In what the machine is not the hypervisor's.
    pub(super) fn differs(self) -> &'static str {
        match self {
            Vmm::StandIn(machine) => machine.differs,
            Vmm::Qemu(_) | Vmm::Real(_) => "",
        }
    }

    /// A file that has to be there.
    pub(super) fn firmware(self) -> Option<&'static str> {
        match self {
            Vmm::StandIn(_) | Vmm::Qemu(_) => None,
            Vmm::Real(real) => real.firmware,
        }
    }

    pub(super) fn slot(self) -> Option<&'static Slot> {
        self.machine()?.slot.as_ref()
    }

    /// Cloud Hypervisor and StratoVirt read hvc0's input from a terminal only.
    pub(super) fn input(self) -> Input {
        if self.is_qemu() { Input::Pipe } else { Input::Terminal }
    }

    /// Why a check cannot be shown there, whatever the kernel.
    pub(super) fn impossible(self, check: &str) -> Option<&'static str> {
        match self {
            Vmm::StandIn(machine) | Vmm::Qemu(machine) => device::impossible(machine, check),
            Vmm::Real(real) => real.impossible(check),
        }
    }

    /// What the VMM is told of a device whose supplies are in `dir`.
    pub(super) fn arguments_for(self, device: &Device, dir: &Utf8Path) -> Vec<String> {
        let slot = self.slot().filter(|_| device.is_plugged_in);
        let slot = slot.map(|slot| slot.arguments).unwrap_or_default();
        let arguments = match self {
            Vmm::StandIn(_) | Vmm::Qemu(_) => device.arguments,
            Vmm::Real(real) => real.arguments_for(device).unwrap_or_default(),
        };
        let fill =
            |text: &&str| text.replace("{bus}", self.virtio()).replace("{dir}", dir.as_str());
        slot.iter().chain(arguments).map(fill).collect()
    }

    /// The host has to bring it, for the VMM does not.
    pub(super) fn needs(self, supply: Supply) -> bool {
        match self {
            Vmm::StandIn(_) | Vmm::Qemu(_) => true,
            Vmm::Real(real) => !real.serves.contains(&supply),
        }
    }

    /// The ending of the names of virtio devices.
    fn virtio(self) -> &'static str {
        let bus = match self {
            Vmm::StandIn(machine) | Vmm::Qemu(machine) => machine.bus,
            Vmm::Real(real) => real.bus,
        };
        if bus == Bus::Pci { "pci" } else { "device" }
    }

    pub(super) fn call(self, vm: &Vm<'_>) -> Result<Call> {
        match self {
            Vmm::StandIn(machine) | Vmm::Qemu(machine) => {
                Ok(Call { arguments: machine.arguments(vm), config: None })
            }
            Vmm::Real(real) => (real.call)(real, vm),
        }
    }

    /// What the machine's end is called if the VMM ended well; without the VMM's word for it, or
    /// where it knows but one end, the end that init was to ask for.
    pub(super) fn end(self, asked: &'static str) -> Option<&'static str> {
        match self {
            Vmm::StandIn(_) | Vmm::Qemu(_) => None,
            Vmm::Real(real) => Some(real.end.unwrap_or(asked)),
        }
    }
}
