//! `cargo xtask measure`: how big a kernel is, how long it takes to its init, what memory it costs.

mod subjects;

use std::time::Duration;

use anyhow::{Context as _, Result, anyhow};
use camino::{Utf8Path, Utf8PathBuf};
use clap::Args;
use serde::{Deserialize, Serialize};

use crate::boot::AccelChoice;
use crate::cmd::args::{JobsArgs, SourceArgs, TargetArgs, ToolchainArgs};
use crate::cmd::{Answer, Context};
use crate::diag::{self, Hint};
use crate::lock::Lock;
use crate::measure::{Baseline, Comparison, Console, Measurement, Settings, Subject, measure};
use crate::plan::Target;
use crate::report;
use crate::shell::Interrupted;
use crate::stage;
use crate::workspace::Workspace;

#[derive(Debug, Args)]
pub(crate) struct MeasureArgs {
    /// Image to measure [default: the staged one of every target]
    image: Option<Utf8PathBuf>,
    #[command(flatten)]
    target: TargetArgs,
    /// Build and measure this .config; may be given again
    #[arg(long, value_name = "FILE", conflicts_with = "image")]
    config: Vec<Utf8PathBuf>,
    /// Build others' fragments on the same tree, and measure them beside the targets; may be given again
    #[arg(long, value_name = "DIR", conflicts_with_all = ["image", "config"])]
    peers: Vec<Utf8PathBuf>,
    /// Report what an earlier run printed with --format json, and measure nothing; may be given again
    #[arg(long, value_name = "FILE", conflicts_with_all = ["image", "config", "peers", "source", "kernel_dir"])]
    from: Vec<Utf8PathBuf>,
    #[command(flatten)]
    source: SourceArgs,
    /// tcg counts instructions, kvm takes time; auto does both where KVM works
    #[arg(long, value_enum, default_value_t = AccelChoice::Auto)]
    accel: AccelChoice,
    /// Memory of the guest in MiB
    #[arg(long, value_name = "MIB", default_value_t = 256, value_parser = clap::value_parser!(u32).range(16..))]
    memory: u32,
    /// What the guest's init speaks through [default: serial on x86_64;
    /// semihosting on aarch64, under KVM virtio]
    #[arg(long, value_enum)]
    console: Option<Console>,
    /// How long one start may take
    #[arg(long, value_name = "SECONDS", default_value_t = 600, value_parser = clap::value_parser!(u64).range(1..))]
    deadline: u64,
    /// Starts of each kernel [default: 1 where instructions are counted, 5 under KVM]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    samples: Option<u16>,
    /// How many of the slowest initcalls to show; 0 leaves out the start that finds them
    #[arg(long, value_name = "N", default_value_t = 10)]
    initcalls: u16,
    /// Compare with this file, and fail where a figure is past its budget
    #[arg(long, value_name = "FILE", help_heading = "Report")]
    baseline: Option<Utf8PathBuf>,
    /// Write what was measured to the baseline
    #[arg(long, requires = "baseline", help_heading = "Report")]
    update: bool,
    /// Write tables for a release note
    #[arg(long, value_name = "FILE", help_heading = "Report")]
    markdown: Option<Utf8PathBuf>,
    /// Draw bars for each kernel, and the initcalls in NAME-initcalls.svg beside it
    #[arg(long, value_name = "FILE", help_heading = "Report")]
    svg: Option<Utf8PathBuf>,
    #[command(flatten)]
    jobs: JobsArgs,
    #[command(flatten)]
    toolchain: ToolchainArgs,
}

/// What a run found.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Measured {
    kernels: Vec<Measurement>,
    #[serde(skip_deserializing)]
    comparison: Option<Comparison>,
    #[serde(skip_deserializing)]
    failures: Vec<diag::Failure>,
}

impl MeasureArgs {
    pub(crate) fn run(self, ctx: &Context) -> Result<Answer> {
        // A slip in it is told before minutes are spent.
        let mut baseline = self.baseline()?;
        self.refuse_unwritable()?;
        let mut measured = if self.from.is_empty() { self.all(ctx)? } else { self.read()? };
        if let (Some(baseline), Some(path)) = (&mut baseline, &self.baseline) {
            if self.update {
                baseline.update(&measured.kernels);
                let json =
                    serde_json::to_string_pretty(baseline).context("failed to write JSON")?;
                write(path, &(json + "\n"))?;
            } else {
                let all = self.target.request(false)?.all;
                measured.comparison = Some(baseline.compare(&measured.kernels, all));
            }
        }
        self.report(&measured)?;
        ctx.print(&measured, |measured| {
            let compared = measured.comparison.as_ref().map(report::changes).unwrap_or_default();
            format!("{}{compared}", report::table(&measured.kernels))
        })?;
        let passed = measured.comparison.is_none_or(|comparison| comparison.passed);
        Ok(if passed && measured.failures.is_empty() { Answer::Yes } else { Answer::No })
    }

    fn all(&self, ctx: &Context) -> Result<Measured> {
        let workspace = Workspace::read(&ctx.shell)?;
        let subjects = self.subjects(ctx, &workspace)?;
        let mut measured = Measured::default();
        for subject in &subjects {
            match self.measure(ctx, &workspace, subject) {
                Ok(kernel) => measured.kernels.push(kernel),
                Err(error) if subjects.len() == 1 || error.is::<Interrupted>() => {
                    return Err(error);
                }
                Err(error) => measured.failures.push(diag::Failure::new(&error)),
            }
        }
        for failure in &measured.failures {
            anstream::eprint!("{failure}");
        }
        tell_no_kvm(ctx, &measured.kernels);
        Ok(measured)
    }

    /// What earlier runs printed.
    fn read(&self) -> Result<Measured> {
        let mut all = Measured::default();
        for path in &self.from {
            let failed = || format!("failed to read measurements from {path}");
            let text = std::fs::read_to_string(path).with_context(failed)?;
            let one: Measured = serde_json::from_str(&text).with_context(failed)?;
            all.kernels.extend(one.kernels);
        }
        Ok(all)
    }

    /// Measures the target's staged image.
    pub(super) fn target(
        &self,
        ctx: &Context,
        workspace: &Workspace,
        conf_dir: &Utf8Path,
        target: &Target,
    ) -> Result<Measurement> {
        self.measure(ctx, workspace, &subjects::staged(workspace, conf_dir, target)?)
    }

    fn measure(
        &self,
        ctx: &Context,
        workspace: &Workspace,
        subject: &Subject,
    ) -> Result<Measurement> {
        let arch = subject.machine.arch;
        let toolchain = self.toolchain.find(&ctx.shell, arch)?;
        let cache = workspace.work.join("measure");
        let work = cache.join(subject.name.replace('/', "_"));
        let _lock = Lock::take(&ctx.shell, ctx.progress, &work)?;
        let settings = Settings {
            accel: self.accel,
            memory_mib: self.memory,
            console: self.console,
            deadline: Duration::from_secs(self.deadline),
            samples: self.samples.map(usize::from),
            initcalls: usize::from(self.initcalls),
            work_dir: &work,
            cache_dir: &cache,
            compiler: &toolchain.gnu("gcc"),
        };
        measure(&ctx.shell, ctx.progress, subject, &settings)
    }

    /// What is compared with; empty where `--update` makes the file.
    fn baseline(&self) -> Result<Option<Baseline>> {
        let Some(path) = &self.baseline else { return Ok(None) };
        if self.update && !path.exists() {
            return Ok(Some(Baseline::default()));
        }
        let text = std::fs::read_to_string(path)
            .with_context(|| format!("failed to read baseline {path}"))
            .hint(|| "--update writes it")?;
        serde_json::from_str(&text)
            .map(Some)
            .with_context(|| format!("failed to read baseline {path}"))
    }

    /// Measuring takes minutes: what is written afterwards has to have a place.
    fn refuse_unwritable(&self) -> Result<()> {
        let written = self.baseline.iter().filter(|_| self.update);
        let mut written = written.chain(&self.markdown).chain(&self.svg);
        written.try_for_each(|path| stage::refuse_unwritable(path))
    }

    fn report(&self, measured: &Measured) -> Result<()> {
        let kernels = &measured.kernels;
        if let Some(path) = &self.markdown {
            write(path, &report::markdown(kernels, measured.comparison.as_ref()))?;
        }
        if let Some(path) = &self.svg {
            write(path, &report::picture(kernels))?;
            if kernels.iter().any(|kernel| kernel.initcalls.is_some()) {
                let stem = path.file_stem().unwrap_or_default();
                let beside = path.with_file_name(format!("{stem}-initcalls.svg"));
                write(&beside, &report::initcalls_picture(kernels))?;
            }
        }
        Ok(())
    }
}

/// Why nothing was timed, each reason once.
fn tell_no_kvm(ctx: &Context, kernels: &[Measurement]) {
    let mut told: Vec<&str> = vec![];
    for why in kernels.iter().filter_map(|kernel| kernel.not_timed.as_deref()) {
        if !told.contains(&why) {
            ctx.progress.say(format_args!("instructions are counted, nothing is timed: {why}"));
            told.push(why);
        }
    }
}

pub(super) fn write(path: &Utf8Path, text: &str) -> Result<()> {
    if let Some(folder) = path.parent().filter(|folder| !folder.as_str().is_empty()) {
        std::fs::create_dir_all(folder)
            .with_context(|| format!("failed to create folder {folder}"))?;
    }
    std::fs::write(path, text).with_context(|| format!("failed to write {path}"))
}

/// One machine is wanted, and several targets fit.
fn refuse_many(what: &str, count: usize) -> Result<()> {
    Err(anyhow!("failed to choose a machine for {what}: {count} targets fit"))
        .hint(|| "name one --arch, --type and --hypervisor")
}
