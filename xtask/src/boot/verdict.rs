//! What a boot came to: one verdict, from what the guest said and how its VMM ended. Pure.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::console::{Console, Outcome};
use super::root::Given;

/// How the VMM ended.
#[derive(Debug, Clone)]
pub(super) struct End {
    /// It was killed when this many seconds had passed.
    pub(super) timed_out: Option<u64>,
    /// It was killed because the console passed its limit.
    pub(super) flooded: bool,
    /// "exit status 1": any end but a success and those above.
    pub(super) failed: Option<String>,
    /// What it said on stderr.
    pub(super) errors: Vec<String>,
}

/// Only `Passed` is a boot that went well.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "outcome", rename_all = "kebab-case", rename_all_fields = "kebab-case")]
pub(crate) enum Verdict {
    Passed,
    ChecksFailed {
        checks: Vec<String>,
    },
    /// The kernel stopped itself.
    Panicked {
        message: String,
        phase: Phase,
    },
    /// The machine ended by itself and too early.
    Died {
        phase: Phase,
    },
    /// The deadline passed.
    TimedOut {
        seconds: u64,
        phase: Phase,
    },
    /// The guest gave more than one verdict.
    SeveralVerdicts {
        count: usize,
    },
    /// The verdict does not fit the checks that came before it.
    Inconsistent {
        said_passed: bool,
        said_checks: usize,
        seen_checks: usize,
        seen_failed: usize,
    },
    /// A line has this boot's nonce and is no word of the protocol.
    Garbled {
        line: String,
    },
    /// The console would not stop.
    Flooded {
        bytes: u64,
    },
    /// The VMM refused, crashed or was killed.
    VmmFailed {
        how: String,
        message: String,
    },
}

/// How far a guest came.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "reached", rename_all = "kebab-case", rename_all_fields = "kebab-case")]
pub(crate) enum Phase {
    /// Nothing was printed.
    Nothing,
    /// The kernel, or the firmware before it, printed something.
    Kernel,
    /// Init runs; the last check that it finished, if any.
    Init { last_check: Option<String> },
    /// Init gave its verdict, and the machine should have ended.
    Verdict,
}

impl Phase {
    pub(super) fn is_before_init(&self) -> bool {
        matches!(self, Phase::Nothing | Phase::Kernel)
    }

    fn of(console: &Console) -> Self {
        match (&console.start, console.said.len(), console.transcript.bytes) {
            (_, 1.., _) => Phase::Verdict,
            (Some(_), ..) => {
                Phase::Init { last_check: console.checks.last().map(|check| check.name.clone()) }
            }
            (None, _, 1..) => Phase::Kernel,
            (None, ..) => Phase::Nothing,
        }
    }
}

impl Verdict {
    pub(super) fn judge(console: &Console, end: &End) -> Self {
        let phase = Phase::of(console);
        if end.flooded {
            return Verdict::Flooded { bytes: console.transcript.bytes };
        }
        if let Some(message) = &console.transcript.panic {
            return Verdict::Panicked { message: message.clone(), phase };
        }
        if let Some(how) = &end.failed {
            return Verdict::VmmFailed { how: how.clone(), message: end.errors.join("\n") };
        }
        if let Some(line) = console.garbled.first() {
            return Verdict::Garbled { line: line.clone() };
        }
        if console.said.len() > 1 {
            return Verdict::SeveralVerdicts { count: console.said.len() };
        }
        if let Some(seconds) = end.timed_out {
            return Verdict::TimedOut { seconds, phase };
        }
        let Some(said) = console.said.first() else {
            return Verdict::Died { phase };
        };
        let failed = console.checks.iter().filter(|check| check.outcome == Outcome::Fail);
        let failed: Vec<String> = failed.map(|check| check.name.clone()).collect();
        if said.checks != console.checks.len() || said.passed != failed.is_empty() {
            return Verdict::Inconsistent {
                said_passed: said.passed,
                said_checks: said.checks,
                seen_checks: console.checks.len(),
                seen_failed: failed.len(),
            };
        }
        if failed.is_empty() { Verdict::Passed } else { Verdict::ChecksFailed { checks: failed } }
    }

    /// What most often lies behind it, and what to do; `root` is the disk that the kernel was given
    /// as its root, if it was given one.
    pub(super) fn hint(
        &self,
        console: &Console,
        end: &End,
        root: Option<&Given>,
    ) -> Option<String> {
        let told = &console.transcript.root;
        let said = match self {
            Verdict::Panicked { message, .. } => message.clone(),
            Verdict::VmmFailed { .. } => end.errors.join("\n"),
            Verdict::TimedOut { phase: Phase::Nothing, .. }
            | Verdict::Died { phase: Phase::Nothing } => {
                return Some(SILENT.to_owned());
            }
            // With `rootwait` there is no panic.
            Verdict::TimedOut { phase: Phase::Kernel, .. } if !told.is_empty() => {
                return root.map(|root| root.why_not_mounted(told));
            }
            Verdict::TimedOut { phase: Phase::Verdict, .. } => return Some(NO_END.to_owned()),
            _ => return None,
        };
        if let Some(root) = root {
            if said.contains(NO_ROOT) {
                return Some(root.why_not_mounted(told));
            }
            if NO_INIT.iter().any(|sign| said.contains(sign)) {
                return Some(root.why_no_init());
            }
        }
        CAUSES.iter().find(|(sign, _)| said.contains(sign)).map(|(_, hint)| (*hint).to_owned())
    }
}

/// init/do_mounts.c
const NO_ROOT: &str = "Unable to mount root fs";

/// init/main.c: without `init=`, and with it.
const NO_INIT: [&str; 2] = ["No working init found", "Requested init "];

const SILENT: &str = "the image has the wrong format for the machine, or the kernel has no console \
    there (SERIAL_8250_CONSOLE or SERIAL_AMBA_PL011_CONSOLE, VIRTIO_CONSOLE), or too little memory";

const NO_END: &str = "the guest gave its verdict but could not end the machine: powering off takes \
    ACPI on x86_64 (PSCI on aarch64)";

/// Words of a kernel that was given an initramfs, of QEMU (hw/i386/x86.c, softmmu/) and of Cloud
/// Hypervisor (vmm/src/vm.rs), and what is behind them.
const CAUSES: &[(&str, &str)] = &[
    (
        NO_ROOT,
        "the kernel did not take the initramfs: it needs BLK_DEV_INITRD and, for a gzip one, RD_GZIP",
    ),
    (
        NO_INIT[0],
        "the kernel found the initramfs but could not start its /init: it needs BINFMT_ELF",
    ),
    (
        "without PVH ELF Note",
        "QEMU boots an ELF kernel through PVH only: build it with PVH, or give a bzImage",
    ),
    (
        "lacks PVH header",
        "Cloud Hypervisor boots an ELF kernel through PVH only: build it with PVH",
    ),
    (
        "linux kernel too old",
        "QEMU takes the file for no kernel: give a bzImage or, with a PVH note, an ELF vmlinux",
    ),
    (
        "unsupported machine type",
        "QEMU 4.2 is the first with a microvm machine; `cargo xtask setup` installs the distribution's",
    ),
    ("Could not access KVM", "give --accel tcg, or give yourself access to /dev/kvm"),
    ("Cannot allocate memory", "give the guest less memory with --memory"),
];

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Phase::Nothing => f.write_str("before the guest printed anything"),
            Phase::Kernel => f.write_str("before the kernel started its init"),
            Phase::Init { last_check: None } => {
                f.write_str("in init, before its first check ended")
            }
            Phase::Init { last_check: Some(name) } => write!(f, "in init, after check `{name}`"),
            Phase::Verdict => f.write_str("after init gave its verdict"),
        }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Verdict::Passed => f.write_str("no check failed"),
            Verdict::ChecksFailed { checks } => write!(f, "failed checks: {}", checks.join(", ")),
            Verdict::Panicked { message, phase } => write!(f, "kernel panic {phase}: {message}"),
            Verdict::Died { phase } => write!(f, "the machine ended {phase}"),
            Verdict::TimedOut { seconds, phase } => {
                write!(f, "the deadline of {seconds} s passed {phase}")
            }
            Verdict::SeveralVerdicts { count } => {
                write!(f, "the guest gave {count} verdicts where it must give one")
            }
            Verdict::Inconsistent { said_passed, said_checks, seen_checks, seen_failed } => {
                let said = if *said_passed { "pass" } else { "fail" };
                write!(
                    f,
                    "the guest's verdict, {said} of {said_checks} checks, does not fit what was seen: \
                     {seen_checks} checks, {seen_failed} of them failed"
                )
            }
            Verdict::Garbled { line } => write!(f, "the guest garbled a line: `{line}`"),
            Verdict::Flooded { bytes } => {
                write!(f, "the guest flooded its console: {bytes} bytes and no end")
            }
            Verdict::VmmFailed { how, message } => {
                let message = message.trim();
                write!(
                    f,
                    "the VMM failed: {how}{}{message}",
                    if message.is_empty() { "" } else { ": " }
                )
            }
        }
    }
}
