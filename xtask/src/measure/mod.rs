//! An image to its figures: how big it is, how long it takes to its init, what memory it costs, and
//! which initcalls take the time. A guest without any work but to tell.

mod baseline;
mod console;
mod figure;
mod guest;
mod initcalls;
mod makefile;
mod memory;
mod peers;
mod size;

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context, Result, anyhow};
use camino::{Utf8Path, Utf8PathBuf};
use serde::{Deserialize, Serialize};
use vmm_kernel::{Arch, SourceRecord, ToolchainRecord};

use crate::boot::{
    Accel, AccelChoice, Experience, Machine, TRIAL, get_qemu, initramfs, no_kvm, probe, vmm_version,
};
use crate::diag::Hint;
use crate::fragment::Place;
use crate::progress::Progress;
use crate::shell::{Interrupted, Shell};

pub(crate) use baseline::{Baseline, Change, Comparison};
pub(crate) use figure::{FIGURES, Facts, Figure, Spread, Unit};
pub(crate) use guest::Console;
pub(crate) use initcalls::{Asked, Initcall, Initcalls, is_compiled};
pub(crate) use makefile::{Makefiles, Needs};
pub(crate) use peers::{Lines, Peer, find as find_peers};
pub(crate) use size::{of as sizes, of_vmlinux as vmlinux_sizes};

use guest::Guest;

/// What is to be measured.
#[derive(Debug)]
pub(crate) struct Subject {
    /// `micro-x86_64-stratovirt`, `kuasar/micro-x86_64`, a path.
    pub(crate) name: String,
    pub(crate) peer: bool,
    pub(crate) machine: &'static Machine,
    pub(crate) image: Utf8PathBuf,
    /// `bzImage, gzip`: what the size of the file is of.
    pub(crate) format: String,
    pub(crate) made: Option<Made>,
}

/// What is known of how an image was made.
#[derive(Debug)]
pub(crate) struct Made {
    pub(crate) arch: Arch,
    pub(crate) of: MadeOf,
    /// The object tree, and the kernel tree.
    pub(crate) obj: Utf8PathBuf,
    pub(crate) tree: Utf8PathBuf,
    pub(crate) dot_config: String,
    /// Symbols by this tree's names, and the lines that ask for them.
    pub(crate) asked: BTreeMap<String, Place>,
    /// Who brought in the symbols that no line asks for.
    pub(crate) brought: BTreeMap<String, String>,
    /// How many requested symbols the kernel lacks.
    pub(crate) missing: usize,
}

/// Source and tools: where these differ, so may the figures, whatever the fragments say.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct MadeOf {
    pub(crate) source: SourceRecord,
    pub(crate) toolchain: ToolchainRecord,
}

/// All that was measured of one kernel.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Measurement {
    pub(crate) name: String,
    /// Of somebody else's fragments.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(crate) peer: bool,
    pub(crate) arch: Arch,
    pub(crate) release: Option<String>,
    pub(crate) format: String,
    pub(crate) made_of: Option<MadeOf>,
    #[serde(default, skip_serializing_if = "is_zero")]
    pub(crate) missing: usize,
    /// In bytes.
    pub(crate) sizes: BTreeMap<Figure, u64>,
    /// One for each accelerator.
    pub(crate) runs: Vec<Run>,
    /// Why there is no run under KVM, where one was welcome.
    #[serde(skip)]
    pub(crate) not_timed: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) initcalls: Option<Initcalls>,
}

fn is_zero(count: &usize) -> bool {
    *count == 0
}

/// The starts under one accelerator.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Run {
    pub(crate) conditions: Conditions,
    pub(crate) figures: BTreeMap<Figure, Spread>,
}

/// Under what a run's figures were taken. Only figures of the same conditions are compared.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Conditions {
    pub(crate) accelerator: Accel,
    pub(crate) clock: Clock,
    pub(crate) vmm: String,
    pub(crate) machine: String,
    /// QEMU's model; under KVM, the host's CPU.
    pub(crate) cpu: String,
    pub(crate) cpus: u32,
    pub(crate) memory_mib: u32,
    /// The kernel's, without what changes from start to start.
    pub(crate) command_line: String,
    /// The host backs guest RAM with huge pages, so that more of it is resident than was touched.
    pub(crate) huge_pages: bool,
    pub(crate) samples: usize,
}

/// What the guest's clock counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Clock {
    /// A nanosecond for each instruction, and the waiting of an idle CPU.
    Instructions,
    /// Time on the host.
    Time,
}

impl Conditions {
    /// In what they are not alike; empty if figures of both can be compared. More samples of the same
    /// are no other conditions.
    pub(crate) fn differences(&self, other: &Conditions) -> Vec<String> {
        let of = |it: &Conditions| -> [(&'static str, String); 8] {
            [
                ("accelerator", it.accelerator.name().to_owned()),
                ("clock", it.clock.name().to_owned()),
                ("VMM", series(&it.vmm).to_owned()),
                ("machine", it.machine.clone()),
                ("CPU", format!("{} x {}", it.cpus, it.cpu)),
                ("memory", format!("{} MiB", it.memory_mib)),
                ("command line", it.command_line.clone()),
                ("huge pages", it.huge_pages.to_string()),
            ]
        };
        let pairs = of(self).into_iter().zip(of(other));
        let differing = pairs.filter(|(a, b)| a.1 != b.1);
        differing.map(|((what, a), (_, b))| format!("{what} `{a}`, not `{b}`")).collect()
    }
}

/// Up to its second number: `QEMU emulator version 7.2` of `QEMU emulator version 7.2.22 (Debian
/// 1:7.2+dfsg-7+deb12u18)`. A distribution's fixes come later and leave the figures alone.
fn series(vmm: &str) -> &str {
    vmm.match_indices('.').nth(1).map_or(vmm, |(at, _)| &vmm[..at])
}

impl Clock {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Clock::Instructions => "instructions",
            Clock::Time => "time",
        }
    }
}

/// How to measure.
#[derive(Debug)]
pub(crate) struct Settings<'a> {
    pub(crate) accel: AccelChoice,
    pub(crate) memory_mib: u32,
    /// None: what fits the arch and the accelerator.
    pub(crate) console: Option<Console>,
    pub(crate) deadline: Duration,
    /// None: as many as the clock needs.
    pub(crate) samples: Option<usize>,
    /// How many of the slowest initcalls are wanted.
    pub(crate) initcalls: usize,
    /// For the console logs of this subject.
    pub(crate) work_dir: &'a Utf8Path,
    /// For what later runs can use: a compiled init, and whether KVM works here.
    pub(crate) cache_dir: &'a Utf8Path,
    /// A C compiler for the guest.
    pub(crate) compiler: &'a str,
}

/// Under a clock that counts instructions every start is like the first one.
const SAMPLES_COUNTED: usize = 1;
/// On the host's clock, the median of these.
const SAMPLES_TIMED: usize = 5;

/// Measures one kernel.
///
/// # Errors
/// If it could not be measured at all: a console that nobody hears, no QEMU, no compiler, no image, a guest that does not report,
/// or KVM was asked for and does not work here.
pub(crate) fn measure(
    shell: &Shell,
    progress: Progress,
    subject: &Subject,
    settings: &Settings<'_>,
) -> Result<Measurement> {
    let (machine, made) = (subject.machine, subject.made.as_ref());
    let emulated = machine.arch == Arch::Aarch64 && settings.accel == AccelChoice::Tcg;
    if settings.console == Some(Console::Semihosting) && !emulated {
        return Err(anyhow!("failed to measure {}: nobody hears semihosting", subject.name))
            .hint(|| "it is for aarch64 under --accel tcg, where it needs no --console");
    }
    let vmlinux = made.map(|made| made.obj.join("vmlinux")).filter(|path| path.is_file());
    let sizes = size::of(&subject.image, vmlinux.as_deref())?;
    let vmm = vmm_version(shell, &machine.program()).hint(|| get_qemu(machine.arch))?;
    let (work, cache) = (settings.work_dir, settings.cache_dir);
    for dir in [work, cache] {
        std::fs::create_dir_all(dir).with_context(|| format!("failed to create folder {dir}"))?;
    }
    let init = probe::build(shell, &probe::MEASURE, machine.arch, settings.compiler, cache)?;
    let archive = work.join("initramfs");
    initramfs::write(&archive, &init, &[], false)?;
    let guest = Guest {
        shell,
        progress,
        name: &subject.name,
        machine,
        image: &subject.image,
        initramfs: &archive,
        memory_mib: settings.memory_mib,
        console: settings.console,
        work_dir: work,
    };
    let mut measurement = Measurement {
        name: subject.name.clone(),
        peer: subject.peer,
        arch: machine.arch,
        release: None,
        format: subject.format.clone(),
        made_of: made.map(|made| made.of.clone()),
        missing: made.map_or(0, |made| made.missing),
        sizes,
        runs: vec![],
        not_timed: None,
        initcalls: None,
    };
    let starts = Starts { guest, settings, vmm };
    if settings.accel != AccelChoice::Kvm {
        starts.counted(&mut measurement)?;
        if settings.initcalls > 0 {
            measurement.initcalls = Some(starts.initcalls(made)?);
        }
    }
    if settings.accel != AccelChoice::Tcg {
        starts.timed(&mut measurement)?;
    }
    Ok(measurement)
}

/// The starts of one guest.
struct Starts<'a> {
    guest: Guest<'a>,
    settings: &'a Settings<'a>,
    vmm: String,
}

impl Starts<'_> {
    fn counted(&self, into: &mut Measurement) -> Result<()> {
        let samples = self.settings.samples.unwrap_or(SAMPLES_COUNTED);
        self.take(Accel::Tcg, samples, self.settings.deadline, into)
    }

    /// Under KVM, if guests make progress under it here.
    fn timed(&self, into: &mut Measurement) -> Result<()> {
        let Settings { accel, cache_dir, deadline, samples, .. } = *self.settings;
        let forced = accel == AccelChoice::Kvm;
        let known = Experience::recall(cache_dir, &self.vmm);
        let why_not = no_kvm(self.guest.machine.arch).or_else(|| {
            known.as_ref().filter(|known| !known.works && !forced).map(|k| k.why.clone())
        });
        if let Some(why) = why_not {
            if forced {
                let error = anyhow!("failed to measure {} under KVM: {why}", self.guest.name);
                return Err(error).hint(|| "--accel tcg counts instructions, and needs no KVM");
            }
            into.not_timed = Some(why);
            return Ok(());
        }
        let limit = if known.is_some() { deadline } else { TRIAL.min(deadline) };
        let keep = |works, why: &str| Experience::new(&self.vmm, works, why).keep(cache_dir);
        match self.take(Accel::Kvm, samples.unwrap_or(SAMPLES_TIMED), limit, into) {
            Ok(()) => keep(true, "a guest came to its init under KVM"),
            Err(error) if forced || error.is::<Interrupted>() => Err(error),
            // The same guest told all when it was emulated.
            Err(error) => {
                let why = format!("under KVM, a guest did not report: {}", error.root_cause());
                let why = why.lines().next().unwrap_or_default();
                into.not_timed = Some(why.to_owned());
                keep(false, why)
            }
        }
    }

    fn take(
        &self,
        accel: Accel,
        samples: usize,
        deadline: Duration,
        into: &mut Measurement,
    ) -> Result<()> {
        let mut figures = vec![];
        for _ in 0..samples {
            let seen = self.guest.start(accel, false, deadline)?;
            into.release = seen.release.or(into.release.take());
            figures.push(seen.figures);
        }
        into.runs.push(Run {
            conditions: self.conditions(accel, samples),
            figures: figure::spreads(&figures),
        });
        Ok(())
    }

    fn conditions(&self, accel: Accel, samples: usize) -> Conditions {
        let model = self.guest.machine.cpu(accel);
        let (clock, cpu) = match accel {
            Accel::Tcg => (Clock::Instructions, model.to_owned()),
            Accel::Kvm => (Clock::Time, host_cpu().unwrap_or_else(|| model.to_owned())),
        };
        Conditions {
            accelerator: accel,
            clock,
            vmm: self.vmm.clone(),
            machine: self.guest.machine.name.to_owned(),
            cpu,
            cpus: 1,
            memory_mib: self.guest.memory_mib,
            command_line: self.guest.command_line(accel),
            huge_pages: memory::huge_pages(),
            samples,
        }
    }

    fn initcalls(&self, made: Option<&Made>) -> Result<Initcalls> {
        let seen = self.guest.start(Accel::Tcg, true, self.settings.deadline)?;
        let mut calls = initcalls::slowest(&seen.log, self.settings.initcalls);
        if let Some(made) = made {
            calls.trace(made)?;
        }
        Ok(calls)
    }
}

/// The host's CPU, as /proc/cpuinfo names it.
fn host_cpu() -> Option<String> {
    let text = std::fs::read_to_string("/proc/cpuinfo").ok()?;
    let line = text.lines().find(|line| line.starts_with("model name"))?;
    Some(line.split_once(':')?.1.trim().to_owned())
}
