//! Boots an image in a machine of QEMU's that stands in for the hypervisor's, with a probe as its
//! init that does what Kuasar's guest agent does first, and judges what the guest says.

mod accel;
mod console;
pub(crate) mod initramfs;
mod machine;
pub(crate) mod probe;
#[cfg(test)]
mod tests;
mod verdict;

use std::hash::{BuildHasher, Hasher, RandomState};
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail};
use camino::{Utf8Path, Utf8PathBuf};
use serde::{Deserialize, Serialize};
use vmm_kernel::{Arch, Bus, KernelType};
use xshell::cmd;

use crate::diag::Hint;
use crate::hash;
use crate::progress::Progress;
use crate::shell::{Next, Shell, Stream};

pub(crate) use accel::{Accel, AccelChoice, Accelerator, Experience, TRIAL, no_kvm};
pub(crate) use console::{CheckResult, Outcome};
pub(crate) use machine::Machine;
pub(crate) use verdict::{Phase, Verdict};

use console::Console;
use machine::Vm;
use verdict::End;

/// What to boot, and how.
#[derive(Debug)]
pub(crate) struct BootRequest<'a> {
    pub(crate) image: &'a Utf8Path,
    pub(crate) arch: Arch,
    pub(crate) bus: Bus,
    pub(crate) kernel_type: KernelType,
    pub(crate) hypervisor: &'a str,
    pub(crate) accel: AccelChoice,
    pub(crate) memory_mib: u32,
    pub(crate) deadline: Duration,
    /// For this boot's console log and initramfs.
    pub(crate) work_dir: &'a Utf8Path,
    /// For what later boots can use: compiled probes, and whether KVM works here.
    pub(crate) cache_dir: &'a Utf8Path,
    /// A C compiler for `arch`: `gcc`, `aarch64-linux-gnu-gcc`, `clang`.
    pub(crate) compiler: &'a str,
    /// More options for the kernel's command line.
    pub(crate) append: &'a [String],
}

/// What came of a boot.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct BootRecord {
    pub(crate) passed: bool,
    pub(crate) verdict: Verdict,
    /// The verdict in words, and what may be behind it.
    pub(crate) reason: String,
    pub(crate) hint: Option<String>,
    pub(crate) checks: Vec<CheckResult>,
    pub(crate) image: Utf8PathBuf,
    pub(crate) image_sha256: String,
    pub(crate) arch: Arch,
    #[serde(rename = "type")]
    pub(crate) kernel_type: KernelType,
    pub(crate) bus: Bus,
    pub(crate) hypervisor: String,
    /// As the guest's uname has it; none if init did not start.
    pub(crate) kernel_release: Option<String>,
    /// On the guest's boot clock when init starts. An emulated clock is no measure of speed.
    pub(crate) init_after_ms: Option<f64>,
    /// The machine that stood in, and in what it is not the hypervisor's.
    pub(crate) machine: String,
    pub(crate) differs: String,
    pub(crate) vmm: String,
    pub(crate) accelerator: Accelerator,
    pub(crate) memory_mib: u32,
    /// From the start of the VMM to its end.
    pub(crate) seconds: f64,
    pub(crate) console_log: Utf8PathBuf,
    /// The end of the console, if no check explains the failure.
    pub(crate) last_lines: Vec<String>,
}

/// A guest that prints more than this has lost its way; a whole boot with all its checks prints
/// less than 100 kB.
const CONSOLE_LIMIT: u64 = 8 << 20;

/// How many lines of the VMM's own are kept.
const ERROR_LINES: usize = 20;

/// Boots the image once, or twice where it is KVM that fails.
///
/// # Errors
/// If the boot could not be tried: no QEMU, no compiler, no image, or KVM was asked for and does not
/// work here. A boot that fails is a record.
pub(crate) fn boot(
    shell: &Shell,
    request: &BootRequest<'_>,
    progress: Progress,
) -> Result<BootRecord> {
    let (image, cache) = (request.image, request.cache_dir);
    let image_sha256 = hash::of_file(image).context("failed to read the image to boot")?;
    let machine = Machine::find(request.arch, request.bus, request.hypervisor)?;
    let vmm = vmm_version(shell, &machine.program(), request.arch)?;
    for dir in [request.work_dir, cache] {
        std::fs::create_dir_all(dir).with_context(|| format!("failed to create folder {dir}"))?;
    }
    let probe = probe::build(shell, &probe::PROBE, request.arch, request.compiler, cache)?;
    let initramfs = request.work_dir.join("initramfs");
    initramfs::write(&initramfs, &probe, machine.initramfs_is_gzip(request.hypervisor))?;
    let boot = Boot { shell, request, progress, machine, vmm, image_sha256, initramfs };
    boot.choose()
}

/// A boot that is ready to run.
struct Boot<'a> {
    shell: &'a Shell,
    request: &'a BootRequest<'a>,
    progress: Progress,
    machine: &'static Machine,
    vmm: String,
    image_sha256: String,
    initramfs: Utf8PathBuf,
}

impl Boot<'_> {
    /// Takes the accelerator that was asked for, or finds out which one works.
    fn choose(&self) -> Result<BootRecord> {
        let request = self.request;
        let forced = request.accel == AccelChoice::Kvm;
        if request.accel == AccelChoice::Tcg {
            return self.run(Accelerator::new(Accel::Tcg, "asked for"), request.deadline);
        }
        if let Some(why) = no_kvm(request.arch) {
            if forced {
                return Err(anyhow!("failed to boot {} under KVM: {why}", request.image))
                    .hint(|| "give --accel tcg, which emulates");
            }
            return self.run(Accelerator::new(Accel::Tcg, why), request.deadline);
        }
        match Experience::recall(request.cache_dir, &self.vmm) {
            Some(kept) if kept.works => {
                let why = if forced { "asked for".to_owned() } else { kept.why };
                self.run(Accelerator::new(Accel::Kvm, why), request.deadline)
            }
            Some(kept) if !forced => {
                let why = format!("seen since this host booted: {}", kept.why);
                self.run(Accelerator::new(Accel::Tcg, why), request.deadline)
            }
            Some(_) | None => self.try_kvm(forced),
        }
    }

    /// Nobody knows yet whether KVM works: boots under it, and emulates if that hangs.
    fn try_kvm(&self, forced: bool) -> Result<BootRecord> {
        let request = self.request;
        let limit = TRIAL.min(request.deadline);
        let why = if forced { "asked for" } else { "this guest came to its init under KVM" };
        let record = self.run(Accelerator::new(Accel::Kvm, why), limit)?;
        let stuck = match &record.verdict {
            Verdict::TimedOut { phase: Phase::Nothing | Phase::Kernel, .. } => {
                format!("under KVM, a guest did not come to its init within {} s", limit.as_secs())
            }
            Verdict::VmmFailed { .. } => {
                format!("under KVM, {}", record.reason.lines().next().unwrap_or_default())
            }
            _ => {
                self.keep(true, "a guest came to its init under KVM")?;
                let late = matches!(record.verdict, Verdict::TimedOut { .. });
                let accelerator = record.accelerator.clone();
                let again = late && limit < request.deadline;
                return if again { self.run(accelerator, request.deadline) } else { Ok(record) };
            }
        };
        if forced {
            return Err(anyhow!("failed to boot {}: {stuck}", request.image)).hint(
                || "inside another VM, KVM often opens and runs no kernel; --accel tcg emulates",
            );
        }
        self.progress.say(format_args!("{stuck}; emulating instead"));
        let emulated = self.run(Accelerator::new(Accel::Tcg, &*stuck), request.deadline)?;
        // A kernel that fails either way says nothing about KVM.
        if emulated.kernel_release.is_some() {
            self.keep(false, &stuck)?;
        }
        Ok(emulated)
    }

    fn keep(&self, works: bool, why: &str) -> Result<()> {
        Experience::new(&self.vmm, works, why).keep(self.request.cache_dir)
    }

    fn run(&self, accelerator: Accelerator, deadline: Duration) -> Result<BootRecord> {
        let Boot { shell, request, machine, .. } = self;
        let nonce = nonce();
        let vm = Vm {
            image: request.image,
            initramfs: &self.initramfs,
            accel: accelerator.name,
            memory_mib: request.memory_mib,
            nonce: &nonce,
            append: request.append,
        };
        let (program, arguments) = (machine.program(), machine.arguments(&vm));
        let log = request.work_dir.join("console.log");
        let how = accelerator.name.name();
        let bar = self
            .progress
            .spinner(format!("boot {} on {} under {how}", request.image, machine.name));
        let mut console = Console::new(&nonce);
        let mut errors = vec![];
        let mut flooded = false;
        let command = cmd!(shell.sh, "{program} {arguments...}");
        let finished = shell.stream(command, deadline, Some(&log), |stream, line| {
            match stream {
                Stream::Stdout => console.line(line),
                Stream::Stderr if errors.len() < ERROR_LINES => errors.push(line.to_owned()),
                Stream::Stderr => {}
            }
            flooded = console.bytes > CONSOLE_LIMIT;
            if flooded { Next::Stop } else { Next::Continue }
        })?;
        bar.finish_and_clear();
        let failed = !finished.success() && !finished.timed_out && !flooded;
        let end = End {
            timed_out: finished.timed_out.then_some(deadline.as_secs()),
            flooded,
            failed: failed.then(|| finished.how()),
            errors,
        };
        Ok(self.record(accelerator, console, &end, finished.elapsed, log))
    }

    fn record(
        &self,
        accelerator: Accelerator,
        console: Console,
        end: &End,
        elapsed: Duration,
        console_log: Utf8PathBuf,
    ) -> BootRecord {
        let request = self.request;
        let verdict = Verdict::judge(&console, end);
        let passed = verdict == Verdict::Passed;
        let explained = matches!(verdict, Verdict::Passed | Verdict::ChecksFailed { .. });
        let (kernel_release, init_after_ms) =
            console.start.map(|start| (start.kernel_release, start.milliseconds)).unzip();
        BootRecord {
            passed,
            reason: verdict.to_string(),
            hint: verdict.hint(end).map(str::to_owned),
            verdict,
            checks: console.checks,
            image: request.image.to_owned(),
            image_sha256: self.image_sha256.clone(),
            arch: request.arch,
            kernel_type: request.kernel_type,
            bus: request.bus,
            hypervisor: request.hypervisor.to_owned(),
            kernel_release,
            init_after_ms,
            machine: self.machine.name.to_owned(),
            differs: self.machine.differs.to_owned(),
            vmm: self.vmm.clone(),
            accelerator,
            memory_mib: request.memory_mib,
            seconds: elapsed.as_secs_f64(),
            console_log,
            last_lines: if explained { vec![] } else { console.last.into() },
        }
    }
}

/// The first line of `program --version`.
pub(crate) fn vmm_version(shell: &Shell, program: &str, arch: Arch) -> Result<String> {
    let asked = shell
        .run(cmd!(shell.sh, "{program} --version"), Duration::from_secs(20))
        .hint(|| format!("a boot needs QEMU; `cargo xtask setup --arch {arch}` installs it"))?;
    match asked.stdout.lines().next() {
        Some(line) if asked.success() => Ok(line.trim().to_owned()),
        _ => bail!("failed to ask `{program} --version`: {}", asked.how()),
    }
}

/// Not to be foretold by anything that runs in the guest.
fn nonce() -> String {
    format!("{:016x}", RandomState::new().build_hasher().finish())
}
