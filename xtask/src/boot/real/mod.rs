//! The hypervisors' own VMMs, as data: how each is started, how its machines end, and which devices
//! the checks can have there. Facts are from the VMMs' sources, which the files name.

mod cloud_hypervisor;
mod firecracker;
mod stratovirt;
#[cfg(test)]
mod tests;

use anyhow::Result;
use vmm_kernel::{Arch, Bus};

use super::device::{Device, Supply};
use super::machine::Vm;
use super::vmm::Call;

/// One machine of a hypervisor's own VMM.
#[derive(Debug)]
pub(super) struct Real {
    hypervisor: &'static str,
    pub(super) program: &'static str,
    /// The machine's.
    pub(super) name: &'static str,
    pub(super) arch: Arch,
    pub(super) bus: Bus,
    /// The kernel's, for its consoles and for how it resets.
    options: &'static str,
    /// How the machine ended, if the VMM ended well; none where a reset and powering off are one.
    /// Where a reset starts the guest again, the kernel's first line tells of it.
    pub(super) end: Option<&'static str>,
    /// A file that has to be there.
    pub(super) firmware: Option<&'static str>,
    devices: &'static [Given],
    /// What of the host's part the VMM does itself.
    pub(super) serves: &'static [Supply],
    unable: &'static [Unable],
    pub(super) call: fn(&Real, &Vm<'_>) -> Result<Call>,
}

/// Checks, and why each cannot be made.
type Unable = &'static [(&'static str, &'static str)];

/// A device for some checks, in the VMM's own words. `{bus}` and `{dir}` are as for QEMU's.
#[derive(Debug)]
struct Given {
    /// The first one of the device's.
    check: &'static str,
    arguments: &'static [&'static str],
}

const MACHINES: [&[Real]; 3] =
    [cloud_hypervisor::MACHINES, firecracker::MACHINES, stratovirt::MACHINES];

const NO_CARD: &str = "its network cards lead to TAP devices, which take privileges";
const NO_PLUG: &str = "only QEMU is asked here to plug something in";
const NO_DEVICE: &str = "the VMM has no such device";
const NO_ACPI: Unable = &[("poweroff", "a machine without ACPI has no way to power off")];

impl Real {
    pub(super) fn find(arch: Arch, bus: Bus, hypervisor: &str) -> Option<&'static Real> {
        let fits = |real: &&Real| (real.arch, real.bus, real.hypervisor) == (arch, bus, hypervisor);
        MACHINES.into_iter().flatten().find(fits)
    }

    pub(super) fn impossible(&self, check: &str) -> Option<&'static str> {
        let mut all = self.unable.iter().copied().flatten();
        all.find(|(unable, _)| *unable == check).map(|(_, why)| *why)
    }

    /// None: it has no such device.
    pub(super) fn arguments_for(&self, device: &Device) -> Option<&'static [&'static str]> {
        let fits = |given: &&Given| device.checks.first() == Some(&given.check);
        self.devices.iter().find(fits).map(|given| given.arguments)
    }
}
