//! Boots an image in a machine of QEMU's that stands in for the hypervisor's, or in the hypervisor's
//! own VMM, with a probe as its init that does what Kuasar's guest agent does first, and judges what
//! the guest says.

mod accel;
mod console;
mod device;
mod host;
pub(crate) mod initramfs;
mod machine;
pub(crate) mod module;
mod own;
pub(crate) mod probe;
mod qmp;
mod real;
mod root;
mod round;
mod run;
mod supply;
#[cfg(test)]
mod tests;
mod transcript;
mod verdict;
mod vmm;

use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail};
use camino::{Utf8Path, Utf8PathBuf};
use serde::{Deserialize, Serialize};
use vmm_kernel::{Arch, Bus, KernelType};
use xshell::cmd;

use crate::diag::Hint;
use crate::hash;
use crate::progress::Progress;
use crate::shell::Shell;

pub(crate) use accel::{Accel, AccelChoice, Accelerator, Experience, TRIAL, no_kvm};
pub(crate) use console::{CheckResult, Outcome};
pub(crate) use machine::Machine;
pub(crate) use round::Asked;
pub(crate) use run::Started;
pub(crate) use transcript::Transcript;
pub(crate) use verdict::Verdict;
pub(crate) use vmm::VmmChoice;

use round::Round;
use run::Ran;
use vmm::Vmm;

/// What to boot, and how.
#[derive(Debug)]
pub(crate) struct BootRequest<'a> {
    pub(crate) image: &'a Utf8Path,
    pub(crate) arch: Arch,
    pub(crate) bus: Bus,
    pub(crate) kernel_type: KernelType,
    pub(crate) hypervisor: &'a str,
    pub(crate) vmm: VmmChoice,
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
    /// Checks that are made, though the machine lacks their devices.
    pub(crate) without: &'a [String],
    /// In the order in which the guest makes them.
    pub(crate) checks: &'a [Asked],
    /// What `module-load` loads, built for this very kernel; without one the check tells whether the
    /// kernel loads any.
    pub(crate) module: Option<&'a Utf8Path>,
}

/// What came of a boot.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct BootRecord {
    pub(crate) passed: bool,
    pub(crate) verdict: Verdict,
    /// The verdict in words, and what may be behind it.
    pub(crate) reason: String,
    pub(crate) hint: Option<String>,
    pub(crate) checks: Vec<Checked>,
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
    /// QEMU took the hypervisor's place.
    pub(crate) stands_in: bool,
    /// Which machine it was, and in what it is not the hypervisor's.
    pub(crate) machine: String,
    pub(crate) differs: String,
    /// The VMM's name and version, in its words.
    pub(crate) vmm: String,
    pub(crate) accelerator: Accelerator,
    pub(crate) memory_mib: u32,
    /// From the first start of the VMM to its last end.
    pub(crate) seconds: f64,
    /// Of the first boot, or of the one that decided the verdict.
    pub(crate) console_log: Utf8PathBuf,
    /// The end of the console, if no check explains the failure.
    pub(crate) last_lines: Vec<String>,
}

/// What came of a check, and who wanted it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Checked {
    #[serde(flatten)]
    pub(crate) result: CheckResult,
    pub(crate) wanted_by: Vec<String>,
    pub(crate) required: bool,
}

/// Boots the image as often as it takes to show all that was asked for: once or twice, and once more
/// where it is KVM that fails.
///
/// # Errors
/// If the boot could not be tried: no VMM, no compiler, no image, or KVM was asked for, as the
/// hypervisor's own VMM does, and does not work here. A boot that fails is a record.
pub(crate) fn boot(
    shell: &Shell,
    request: &BootRequest<'_>,
    progress: Progress,
) -> Result<BootRecord> {
    let build = |cache: &Utf8Path| {
        probe::build(shell, &probe::PROBE, request.arch, request.compiler, cache)
    };
    Boot::prepare(shell, request, progress, build)?.all()
}

/// Boots the image with a static program of the user's as its init, once, on a machine with all
/// that the checks would need, and hands over each line of its console. It runs until the guest
/// ends or the deadline passes.
///
/// # Errors
/// As for `boot`.
pub(crate) fn start(
    shell: &Shell,
    request: &BootRequest<'_>,
    init: &Utf8Path,
    progress: Progress,
    on_line: impl FnMut(&str),
) -> Result<Started> {
    let boot = Boot::prepare(shell, request, progress, |_| Ok(init.to_owned()))?;
    let (rounds, _) = round::rounds(boot.vmm, request.checks);
    let accelerator = boot.settled()?;
    boot.start(&rounds[0], accelerator, on_line)
}

/// A boot that is ready to run.
struct Boot<'a> {
    shell: &'a Shell,
    request: &'a BootRequest<'a>,
    progress: Progress,
    vmm: Vmm,
    version: String,
    image_sha256: String,
    /// The guest's init.
    probe: Utf8PathBuf,
}

impl<'a> Boot<'a> {
    fn prepare(
        shell: &'a Shell,
        request: &'a BootRequest<'a>,
        progress: Progress,
        init: impl FnOnce(&Utf8Path) -> Result<Utf8PathBuf>,
    ) -> Result<Self> {
        let (image, cache) = (request.image, request.cache_dir);
        let image_sha256 = hash::of_file(image).context("failed to read the image to boot")?;
        let vmm = Vmm::find(request.vmm, request.arch, request.bus, request.hypervisor)?;
        own::refuse_emulation(vmm, request)?;
        let version = vmm_version(shell, &vmm.program()).hint(|| how_to_get(vmm, request.arch))?;
        own::demand(vmm, request)?;
        for dir in [request.work_dir, cache] {
            let made = std::fs::create_dir_all(dir);
            made.with_context(|| format!("failed to create folder {dir}"))?;
        }
        device::demand(request.without)?;
        let probe = init(cache)?;
        Ok(Boot { shell, request, progress, vmm, version, image_sha256, probe })
    }

    /// What is known to work, without a trial.
    fn settled(&self) -> Result<Accelerator> {
        let request = self.request;
        if !self.vmm.stands_in() {
            return self.kvm_or_nothing().map(|(accelerator, _)| accelerator);
        }
        let known = Experience::recall(request.cache_dir, &self.version);
        let (name, why) = match (request.accel, no_kvm(request.arch), known) {
            (AccelChoice::Tcg, ..) => (Accel::Tcg, "asked for".to_owned()),
            (AccelChoice::Kvm, Some(why), _) => {
                return Err(anyhow!("failed to boot {} under KVM: {why}", request.image))
                    .hint(|| "give --accel tcg, which emulates");
            }
            (AccelChoice::Kvm, None, _) => (Accel::Kvm, "asked for".to_owned()),
            (AccelChoice::Auto, Some(why), _) => (Accel::Tcg, why),
            (AccelChoice::Auto, None, Some(kept)) if kept.works => (Accel::Kvm, kept.why),
            (AccelChoice::Auto, None, _) => {
                (Accel::Tcg, "no guest is known to run under KVM".to_owned())
            }
        };
        Ok(Accelerator::new(name, why))
    }

    fn all(&self) -> Result<BootRecord> {
        let request = self.request;
        let (rounds, skipped) = round::rounds(self.vmm, request.checks);
        let (accelerator, first) = self.choose(&rounds[0])?;
        let mut ran = vec![first];
        for (index, round) in rounds.iter().enumerate().skip(1) {
            if ran[0].came_to_init() {
                ran.push(self.run(round, index, accelerator.name, request.deadline)?);
            }
        }
        Ok(self.record(accelerator, ran, skipped))
    }

    /// Takes the accelerator that was asked for, or finds out which one works.
    fn choose(&self, round: &Round) -> Result<(Accelerator, Ran)> {
        let request = self.request;
        if !self.vmm.stands_in() {
            return self.under_own_vmm(round);
        }
        let forced = request.accel == AccelChoice::Kvm;
        let run = |name, why: String| {
            Ok((Accelerator::new(name, why), self.run(round, 0, name, request.deadline)?))
        };
        if request.accel == AccelChoice::Tcg {
            return run(Accel::Tcg, "asked for".to_owned());
        }
        if let Some(why) = no_kvm(request.arch) {
            if forced {
                return Err(anyhow!("failed to boot {} under KVM: {why}", request.image))
                    .hint(|| "give --accel tcg, which emulates");
            }
            return run(Accel::Tcg, why);
        }
        match Experience::recall(request.cache_dir, &self.version) {
            Some(kept) if kept.works => {
                run(Accel::Kvm, if forced { "asked for".to_owned() } else { kept.why })
            }
            Some(kept) if !forced => {
                run(Accel::Tcg, format!("seen since this host booted: {}", kept.why))
            }
            Some(_) | None => self.try_kvm(round, forced),
        }
    }

    /// Nobody knows yet whether KVM works: boots under it, and emulates if that hangs.
    fn try_kvm(&self, round: &Round, forced: bool) -> Result<(Accelerator, Ran)> {
        let request = self.request;
        let limit = TRIAL.min(request.deadline);
        let why = if forced { "asked for" } else { "this guest came to its init under KVM" };
        let kvm = Accelerator::new(Accel::Kvm, why);
        let ran = self.run(round, 0, Accel::Kvm, limit)?;
        let stuck = match &ran.verdict {
            Verdict::TimedOut { phase, .. } if phase.is_before_init() => {
                format!("under KVM, a guest did not come to its init within {} s", limit.as_secs())
            }
            Verdict::VmmFailed { .. } => {
                format!("under KVM, {}", ran.verdict.to_string().lines().next().unwrap_or_default())
            }
            _ => {
                self.keep(true, "a guest came to its init under KVM")?;
                let late = matches!(ran.verdict, Verdict::TimedOut { .. });
                let again = late && limit < request.deadline;
                let again = again.then(|| self.run(round, 0, Accel::Kvm, request.deadline));
                return Ok((kvm, again.transpose()?.unwrap_or(ran)));
            }
        };
        if forced {
            return Err(anyhow!("failed to boot {}: {stuck}", request.image)).hint(
                || "inside another VM, KVM often opens and runs no kernel; --accel tcg emulates",
            );
        }
        self.progress.say(format_args!("{stuck}; emulating instead"));
        let emulated = self.run(round, 0, Accel::Tcg, request.deadline)?;
        // A kernel that fails either way says nothing about KVM.
        if emulated.came_to_init() {
            self.keep(false, &stuck)?;
        }
        Ok((Accelerator::new(Accel::Tcg, stuck), emulated))
    }

    fn keep(&self, works: bool, why: &str) -> Result<()> {
        Experience::new(&self.version, works, why).keep(self.request.cache_dir)
    }

    fn record(
        &self,
        accelerator: Accelerator,
        ran: Vec<Ran>,
        skipped: Vec<CheckResult>,
    ) -> BootRecord {
        let request = self.request;
        let seconds = ran.iter().map(|ran| ran.elapsed.as_secs_f64()).sum();
        let start = ran[0].start.clone();
        let (kernel_release, init_after_ms) =
            start.map(|start| (start.kernel_release, start.milliseconds)).unzip();
        let explained =
            |ran: &Ran| matches!(ran.verdict, Verdict::Passed | Verdict::ChecksFailed { .. });
        let results = ran.iter().flat_map(|ran| ran.checks.clone()).chain(skipped).collect();
        let checks = self.wanted(results);
        let deciding = ran.iter().find(|ran| !explained(ran));
        let verdict = deciding.map_or_else(|| of_checks(&checks), |ran| ran.verdict.clone());
        BootRecord {
            passed: verdict == Verdict::Passed,
            reason: reason(&verdict, &checks),
            hint: deciding.and_then(|ran| ran.hint.clone()),
            verdict,
            checks,
            image: request.image.to_owned(),
            image_sha256: self.image_sha256.clone(),
            arch: request.arch,
            kernel_type: request.kernel_type,
            bus: request.bus,
            hypervisor: request.hypervisor.to_owned(),
            kernel_release,
            init_after_ms,
            stands_in: self.vmm.stands_in(),
            machine: self.vmm.name().to_owned(),
            differs: self.vmm.differs().to_owned(),
            vmm: self.version.clone(),
            accelerator,
            memory_mib: request.memory_mib,
            seconds,
            console_log: deciding.unwrap_or(&ran[0]).log.clone(),
            last_lines: deciding.map(|ran| ran.last_lines.clone()).unwrap_or_default(),
        }
    }

    /// In the order in which they were asked for; of several results of one check, the worst.
    fn wanted(&self, mut results: Vec<CheckResult>) -> Vec<Checked> {
        results.sort_by_key(|result| match result.outcome {
            Outcome::Fail => 0,
            Outcome::Pass => 1,
            Outcome::Skip => 2,
        });
        let one = |asked: &Asked| {
            let result = results.iter().find(|result| result.name == asked.check)?.clone();
            Some(Checked { result, wanted_by: asked.wanted_by.clone(), required: asked.required })
        };
        self.request.checks.iter().filter_map(one).collect()
    }
}

/// The verdict in words, with what failed and may.
fn reason(verdict: &Verdict, checks: &[Checked]) -> String {
    let failed = checks.iter().filter(|checked| checked.result.outcome == Outcome::Fail);
    let failed: Vec<&str> = failed.map(|checked| checked.result.name.as_str()).collect();
    match (verdict, failed.as_slice()) {
        (Verdict::Passed, [_, ..]) => {
            format!("no check failed but what is only wanted: {}", failed.join(", "))
        }
        _ => verdict.to_string(),
    }
}

/// The verdict on a guest that told all it was asked for.
fn of_checks(checks: &[Checked]) -> Verdict {
    let failed = |checked: &&Checked| checked.required && checked.result.outcome == Outcome::Fail;
    let failed: Vec<String> =
        checks.iter().filter(failed).map(|checked| checked.result.name.clone()).collect();
    if failed.is_empty() { Verdict::Passed } else { Verdict::ChecksFailed { checks: failed } }
}

fn how_to_get(vmm: Vmm, arch: Arch) -> String {
    if vmm.is_qemu() {
        return get_qemu(arch);
    }
    let program = vmm.program();
    format!("put `{program}` on the PATH, or leave out --vmm, and QEMU stands in for it")
}

pub(crate) fn get_qemu(arch: Arch) -> String {
    format!("a boot needs QEMU; `cargo xtask setup --arch {arch}` installs it")
}

/// The first line of `program --version`.
pub(crate) fn vmm_version(shell: &Shell, program: &str) -> Result<String> {
    let version = cmd!(shell.sh, "{program} --version");
    let asked = shell.run(version, Duration::from_secs(20))?;
    match asked.stdout.lines().next() {
        Some(line) if asked.success() => Ok(line.trim().to_owned()),
        _ => bail!("failed to ask `{program} --version`: {}", asked.how()),
    }
}
