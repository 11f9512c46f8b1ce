//! Which boots it takes to show all that was asked for, and what each of them shows. Pure.

use serde::{Deserialize, Serialize};

use super::console::{CheckResult, Outcome};
use super::device::{DiskRoot, PMEM, VDA};
use super::vmm::Vmm;

/// One check that a boot is to make.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Asked {
    pub(crate) check: String,
    /// The capabilities of the contract that it proves.
    pub(crate) wanted_by: Vec<String>,
    /// The boot fails with it.
    pub(crate) required: bool,
}

/// One run of the machine.
#[derive(Debug, Clone)]
pub(super) struct Round {
    pub(super) from: From,
    /// What the guest's init runs, in this order.
    pub(super) checks: Vec<String>,
    /// The guest ends the machine by a reset.
    pub(super) restarts: bool,
    /// What the run shows by itself.
    pub(super) shows: Vec<&'static str>,
}

/// Where init comes from.
#[derive(Debug, Clone, Copy)]
pub(super) enum From {
    Initramfs { gzip: bool },
    Disk(&'static DiskRoot),
}

const GZIP: &str = "initrd-gzip";
const REBOOT: &str = "reboot";
const POWEROFF: &str = "poweroff";

/// What any init needs before it can look at its root.
const FIRST: [&str; 3] = ["mount-proc", "mount-sys", "mount-dev"];

/// What the machine's end is called when a check has passed: QEMU's words (ShutdownCause of its
/// qapi/run-state.json), for every VMM.
const ENDS: [(&str, &str); 2] = [(REBOOT, RESET), (POWEROFF, SHUTDOWN)];

pub(super) const RESET: &str = "guest-reset";
pub(super) const SHUTDOWN: &str = "guest-shutdown";

/// The rounds, and the checks that cannot be shown there, with the reason.
pub(super) fn rounds(vmm: Vmm, asked: &[Asked]) -> (Vec<Round>, Vec<CheckResult>) {
    let mut impossible_ones = vec![];
    let mut names: Vec<&str> = vec![];
    for check in asked.iter().map(|asked| asked.check.as_str()) {
        match vmm.impossible(check) {
            Some(why) => impossible_ones.push(skipped(check, why)),
            None => names.push(check),
        }
    }
    let wants = |name: &str| names.contains(&name);
    let can_power_off = vmm.impossible(POWEROFF).is_none();
    let mut ends: Vec<&'static str> =
        [REBOOT, POWEROFF].into_iter().filter(|end| wants(end)).collect();
    if ends.is_empty() {
        ends.push(if can_power_off { POWEROFF } else { REBOOT });
    }
    let from =
        if wants(PMEM.check) { From::Disk(PMEM) } else { From::Initramfs { gzip: wants(GZIP) } };
    let by_host = [GZIP, REBOOT, POWEROFF, VDA.check];
    let first = Round {
        from,
        checks: names
            .iter()
            .filter(|name| !by_host.contains(name))
            .map(|&n| n.to_owned())
            .collect(),
        restarts: ends[0] == REBOOT,
        shows: shows(&names, from, ends[0]),
    };
    let mut all = vec![first];
    let last = ends[ends.len() - 1];
    if wants(VDA.check) || ends.len() > 1 {
        let from = if wants(VDA.check) { From::Disk(VDA) } else { from };
        let mut checks: Vec<&str> = FIRST.into_iter().filter(|name| wants(name)).collect();
        checks.extend(wants(VDA.check).then_some(VDA.check));
        all.push(Round {
            from,
            checks: checks.into_iter().map(str::to_owned).collect(),
            restarts: last == REBOOT,
            shows: shows(&names, from, last).into_iter().filter(|one| *one == last).collect(),
        });
    }
    (all, impossible_ones)
}

fn shows(wanted: &[&str], from: From, end: &'static str) -> Vec<&'static str> {
    let gzip = matches!(from, From::Initramfs { gzip: true }).then_some(GZIP);
    gzip.into_iter().chain([end]).filter(|name| wanted.contains(name)).collect()
}

impl Round {
    /// How that went which the run shows by itself: init started, and the machine's end was the
    /// one that init asked for.
    pub(super) fn shown(&self, started: bool, ended: Option<&str>) -> Vec<CheckResult> {
        self.shows.iter().map(|&name| shown(name, started, ended)).collect()
    }
}

fn shown(name: &str, started: bool, ended: Option<&str>) -> CheckResult {
    let Some((_, wanted)) = ENDS.iter().find(|(end, _)| *end == name) else {
        let reason = if started { "init came from it" } else { "no init came from it" };
        return result(
            name,
            if started { Outcome::Pass } else { Outcome::Fail },
            reason.to_owned(),
        );
    };
    let passed = ended == Some(wanted);
    let reason = format!("how the machine ended: {}", ended.unwrap_or("nobody knows"));
    result(name, if passed { Outcome::Pass } else { Outcome::Fail }, reason)
}

pub(super) fn skipped(name: &str, why: &str) -> CheckResult {
    result(name, Outcome::Skip, why.to_owned())
}

fn result(name: &str, outcome: Outcome, reason: String) -> CheckResult {
    CheckResult { name: name.to_owned(), outcome, milliseconds: 0.0, reason, kernel_log: vec![] }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::boot::machine::Machine;
    use vmm_kernel::{Arch, Bus};

    fn plan(arch: Arch, bus: Bus, names: &[&str]) -> (Vec<Round>, Vec<CheckResult>) {
        let vmm = Vmm::StandIn(Machine::find(arch, bus, "any").unwrap());
        let asked =
            |check: &&str| Asked { check: (*check).to_owned(), wanted_by: vec![], required: true };
        rounds(vmm, &names.iter().map(asked).collect::<Vec<_>>())
    }

    #[test]
    fn nothing_asked_is_one_boot_from_an_initramfs() {
        let (rounds, skipped) = plan(Arch::X86_64, Bus::Pci, &[]);
        assert!(matches!(rounds[..], [Round { from: From::Initramfs { gzip: false }, .. }]));
        assert!(rounds[0].checks.is_empty() && rounds[0].shows.is_empty() && !rounds[0].restarts);
        assert!(skipped.is_empty());
        let (rounds, _) = plan(Arch::X86_64, Bus::Mmio, &[]);
        assert!(rounds[0].restarts, "without ACPI there is no other end");
    }

    #[test]
    fn both_ends_and_a_disk_take_two() {
        let asked = ["mount-proc", "hvc0", "root-vda", "initrd-gzip", "poweroff", "reboot"];
        let (rounds, skipped) = plan(Arch::Aarch64, Bus::Pci, &asked);
        assert!(skipped.is_empty());
        assert!(matches!(rounds[0].from, From::Initramfs { gzip: true }));
        assert_eq!(rounds[0].checks, ["mount-proc", "hvc0"]);
        assert_eq!(
            (rounds[0].restarts, &rounds[0].shows[..]),
            (true, &["initrd-gzip", "reboot"][..])
        );
        assert!(matches!(rounds[1].from, From::Disk(root) if root.check == "root-vda"));
        assert_eq!(rounds[1].checks, ["mount-proc", "root-vda"]);
        assert_eq!((rounds[1].restarts, &rounds[1].shows[..]), (false, &["poweroff"][..]));
    }

    #[test]
    fn what_a_machine_cannot_do_is_skipped_with_the_reason() {
        let (rounds, skipped) = plan(Arch::X86_64, Bus::Mmio, &["poweroff", "reboot", "root-vda"]);
        assert_eq!(skipped[0].name, "poweroff");
        assert_eq!(rounds.len(), 2);
        assert!(rounds.iter().all(|round| round.restarts && round.shows == ["reboot"]));
    }

    #[test]
    fn only_the_end_that_init_asked_for_passes() {
        let (rounds, _) = plan(Arch::X86_64, Bus::Pci, &["reboot", "initrd-gzip"]);
        let outcomes = |started, ended| -> Vec<Outcome> {
            rounds[0].shown(started, ended).iter().map(|check| check.outcome).collect()
        };
        assert_eq!(outcomes(true, Some("guest-reset")), [Outcome::Pass, Outcome::Pass]);
        assert_eq!(outcomes(true, Some("guest-shutdown")), [Outcome::Pass, Outcome::Fail]);
        assert_eq!(outcomes(false, None), [Outcome::Fail, Outcome::Fail]);
    }
}
