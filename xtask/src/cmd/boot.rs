//! `cargo xtask boot`: boots staged images, or a given one, and runs the probes in the guest.

use std::fmt::Write as _;
use std::time::Duration;

use anstyle::AnsiColor;
use anyhow::{Context as _, Result, anyhow};
use camino::{Utf8Path, Utf8PathBuf};
use clap::Args;
use comfy_table::Table;
use comfy_table::presets::NOTHING;
use object::{Architecture, Object as _};
use vmm_kernel::{Arch, Manifest};

use crate::boot::{
    AccelChoice, Asked, BootRecord, BootRequest, Checked, Outcome, Started, VmmChoice, boot,
    module, start,
};
use crate::cmd::args::TargetArgs;
use crate::cmd::kernel::wanted;
use crate::cmd::{Answer, Context};
use crate::contract::{Contract, Level};
use crate::diag::{self, Hint};
use crate::image;
use crate::lock::Lock;
use crate::plan::{Target, places, plan};
use crate::stage;
use crate::toolchain::{Family, Toolchain};
use crate::variant::Folder;
use crate::workspace::Workspace;

#[derive(Debug, Args)]
pub(crate) struct BootArgs {
    /// Image to boot [default: the staged one of every target]
    image: Option<Utf8PathBuf>,
    #[command(flatten)]
    target: TargetArgs,
    /// What runs the guest
    #[arg(long, value_enum, default_value_t = VmmChoice::Qemu)]
    vmm: VmmChoice,
    /// How the guest's instructions are run
    #[arg(long, value_enum, default_value_t = AccelChoice::Auto)]
    accel: AccelChoice,
    /// Memory of the guest in MiB
    #[arg(long, value_name = "MIB", default_value_t = 256, value_parser = clap::value_parser!(u32).range(16..))]
    memory: u32,
    /// How long a boot may take
    #[arg(long, value_name = "SECONDS", default_value_t = 120, value_parser = clap::value_parser!(u64).range(1..))]
    deadline: u64,
    /// Leave out the devices that this check needs, to see it fail; may be given again
    #[arg(long, value_name = "CHECK")]
    without: Vec<String>,
    /// Start this static program as the guest's init, in place of the checks, and show its console
    #[arg(long, value_name = "FILE")]
    init: Option<Utf8PathBuf>,
    /// One more option for the kernel's command line; may be given again
    #[arg(long, value_name = "OPTION", allow_hyphen_values = true)]
    append: Vec<String>,
    /// Prefix of the cross tools, such as aarch64-linux-gnu-
    #[arg(long, value_name = "PREFIX")]
    cross_compile: Option<String>,
}

impl BootArgs {
    pub(crate) fn run(self, ctx: &Context) -> Result<Answer> {
        let workspace = Workspace::read(&ctx.shell)?;
        let request = self.target.request_for(self.image.as_deref())?;
        let plan = plan(&workspace, &request)?;
        diag::tell_plan(ctx.progress, &plan);
        let one = self.image.as_ref().or(self.init.as_ref());
        if let (Some(file), 2..) = (one, plan.targets.len()) {
            let asked = anyhow!(
                "failed to choose a machine for {file}: {} targets fit",
                plan.targets.len()
            );
            return Err(asked).hint(|| "name one --arch, --type and --hypervisor");
        }
        if let Some(init) = &self.init {
            return self.start(ctx, &workspace, &plan.conf_dir, &plan.targets[0], init);
        }
        let mut records = vec![];
        for target in &plan.targets {
            records.push(self.boot(ctx, &workspace, &plan.conf_dir, target)?);
        }
        ctx.print(&records, |records| records.iter().map(describe).collect::<Vec<_>>().join("\n"))?;
        Ok(if records.iter().all(|record| record.passed) { Answer::Yes } else { Answer::No })
    }

    /// Boots the target's image.
    pub(super) fn boot(
        &self,
        ctx: &Context,
        workspace: &Workspace,
        conf_dir: &Utf8Path,
        target: &Target,
    ) -> Result<BootRecord> {
        self.with(ctx, workspace, conf_dir, target, |request| {
            boot(&ctx.shell, request, ctx.progress)
        })
    }

    fn start(
        &self,
        ctx: &Context,
        workspace: &Workspace,
        conf_dir: &Utf8Path,
        target: &Target,
        init: &Utf8Path,
    ) -> Result<Answer> {
        refuse_other_than_programs(init, target)?;
        let started = self.with(ctx, workspace, conf_dir, target, |request| {
            let show = |line: &str| anstream::eprintln!("{line}");
            start(&ctx.shell, request, init, ctx.progress, show)
        })?;
        ctx.print(&started, |started| {
            let Started { how, seconds, console_log, .. } = started;
            format!("{init}: {how} ({seconds:.1} s)\nconsole: {console_log}\n")
        })?;
        Ok(if started.fine { Answer::Yes } else { Answer::No })
    }

    /// Makes all ready for a boot of the target, and has it done.
    fn with<T>(
        &self,
        ctx: &Context,
        workspace: &Workspace,
        conf_dir: &Utf8Path,
        target: &Target,
        run: impl FnOnce(&BootRequest<'_>) -> Result<T>,
    ) -> Result<T> {
        let image = match &self.image {
            Some(image) => given(image, target)?,
            None => staged(workspace, target)?,
        };
        let prefix = self.cross_compile.as_deref();
        let toolchain = Toolchain::find(&ctx.shell, target.arch, &Family::Gnu, prefix)?;
        let cache = workspace.work.join("boot");
        let work =
            cache.join(format!("{}-{}-{}", target.kernel_type, target.arch, target.hypervisor));
        let _lock = Lock::take(&ctx.shell, ctx.progress, &work)?;
        let contract = Contract::read(workspace, conf_dir)?;
        let manifest = stage::read_manifest(&image);
        let allowed = manifest.as_ref().map(|m| m.breaches.as_slice()).unwrap_or_default();
        let checks = asked(&contract, target, allowed);
        let built = match manifest {
            Some(manifest) if checks.iter().any(|asked| asked.check == MODULE_CHECK) => {
                build_module(ctx, workspace, &manifest, prefix, &work)?
            }
            _ => None,
        };
        run(&BootRequest {
            image: &image,
            arch: target.arch,
            bus: target.bus,
            kernel_type: target.kernel_type,
            hypervisor: &target.hypervisor,
            vmm: self.vmm,
            accel: self.accel,
            memory_mib: self.memory,
            deadline: Duration::from_secs(self.deadline),
            work_dir: &work,
            cache_dir: &cache,
            compiler: &toolchain.gnu("gcc"),
            append: &self.append,
            without: &self.without,
            checks: &checks,
            module: built.as_deref(),
        })
    }
}

/// A script or a program of another arch would only be a kernel panic.
fn refuse_other_than_programs(init: &Utf8Path, target: &Target) -> Result<()> {
    let bytes = std::fs::read(init).with_context(|| format!("failed to read init {init}"))?;
    let file = object::File::parse(&*bytes).ok();
    let wanted = match target.arch {
        Arch::X86_64 => Architecture::X86_64,
        Arch::Aarch64 => Architecture::Aarch64,
    };
    let failed = |why: &str| anyhow!("failed to start {init} on {}: {why}", target.arch);
    match file {
        Some(file) if file.architecture() != wanted => {
            Err(failed(&format!("it is a program for {:?}", file.architecture())))
        }
        Some(file) if file.section_by_name(".interp").is_some() => {
            Err(failed("it needs a dynamic loader, which the guest's root has not"))
                .hint(|| "link it statically: for Rust, a -musl target")
        }
        Some(_) => Ok(()),
        None => Err(failed("it is no ELF program")),
    }
}

/// What the target's contract has a guest show, in the contract's order. A capability that the image
/// may break is still looked for, and does not fail the boot.
pub(super) fn asked(contract: &Contract, target: &Target, allowed: &[String]) -> Vec<Asked> {
    let mut all: Vec<Asked> = vec![];
    for capability in contract.of(target) {
        let required = capability.level == Level::Required && !allowed.contains(&capability.id);
        for check in &capability.probe {
            match all.iter_mut().find(|asked| asked.check == *check) {
                Some(asked) => {
                    asked.wanted_by.push(capability.id.clone());
                    asked.required |= required;
                }
                None => all.push(Asked {
                    check: check.clone(),
                    wanted_by: vec![capability.id.clone()],
                    required,
                }),
            }
        }
    }
    all
}

const MODULE_CHECK: &str = "module-load";

/// The module that the guest is to load, if it is built already, or if its kernel loads modules and
/// the object tree is still here. The kernel's own tools build it; only building it waits for other runs.
fn build_module(
    ctx: &Context,
    workspace: &Workspace,
    manifest: &Manifest,
    prefix: Option<&str>,
    work: &Utf8Path,
) -> Result<Option<Utf8PathBuf>> {
    let place = module::place(work, &manifest.sha256);
    if place.exists() {
        return Ok(Some(place));
    }
    let folder = Folder::that_made(&workspace.work, &manifest.sha256);
    let Some((folder, tree)) = folder.and_then(|(folder, _)| folder.tree().map(|t| (folder, t)))
    else {
        return Ok(None);
    };
    let (obj, dir) = (folder.obj(), work.join("module"));
    if !module::can_be_loaded(&obj) {
        return Ok(None);
    }
    let toolchain = Toolchain::recorded(&ctx.shell, manifest.arch, &manifest.toolchain, prefix)?;
    let _lock = folder.lock(&ctx.shell, ctx.progress)?;
    module::build(&ctx.shell, &toolchain, &tree, &obj, &dir, &place)?;
    Ok(Some(place))
}

/// The image that was given, if the target's hypervisor boots it.
pub(super) fn given(file: &Utf8Path, target: &Target) -> Result<Utf8PathBuf> {
    image::readable(file).hint(|| "give the path of a kernel image")?;
    image::check(file, wanted(target))?;
    Ok(file.to_owned())
}

/// The target's staged image, as its manifest has it. How many targets the `kernel` call that made
/// it had is not known: it may stand alone or among others.
pub(super) fn staged(workspace: &Workspace, target: &Target) -> Result<Utf8PathBuf> {
    let [alone, among_others] = places(workspace, target);
    let places = [target.stage.clone(), alone, among_others];
    let is_ours = |image: &&Utf8PathBuf| image.exists() && another_targets(image, target).is_none();
    let file = places.iter().find(is_ours).unwrap_or(&target.stage);
    image::readable(file).hint(|| format!("{} makes it", command(target)))?;
    if let Some(other) = another_targets(file, target) {
        return refuse_another_targets(file, target, &other);
    }
    image::check(file, wanted(target))?;
    let damaged = stage::read_manifest(file).is_some_and(|m| !stage::is_whole(file, &m));
    if damaged {
        return Err(anyhow!("failed to boot {file}: it is not the image its manifest speaks of"))
            .hint(|| format!("{} stages it again", command(target)));
    }
    Ok(file.clone())
}

/// What makes the target's image.
fn command(target: &Target) -> String {
    let Target { arch, kernel_type, hypervisor, .. } = target;
    format!("`cargo xtask kernel --arch {arch} --type {kernel_type} --hypervisor {hypervisor}`")
}

/// One file name serves many targets: the manifest of the staged image, if that is another one's.
fn another_targets(image: &Utf8Path, target: &Target) -> Option<Manifest> {
    let wanted = (target.arch, target.kernel_type, target.hypervisor.as_str());
    let theirs = |m: &Manifest| (m.arch, m.kernel_type, m.hypervisor.as_str()) != wanted;
    stage::read_manifest(image).filter(theirs)
}

fn refuse_another_targets<T>(image: &Utf8Path, target: &Target, staged: &Manifest) -> Result<T> {
    let theirs = format!("{} {} for {}", staged.arch, staged.kernel_type, staged.hypervisor);
    let wanted = format!("{} {} for {}", target.arch, target.kernel_type, target.hypervisor);
    Err(anyhow!("failed to boot {image} as {wanted}: its manifest says {theirs}")).hint(|| {
        format!(
            "--arch {} --type {} --hypervisor {} boots it as what it is",
            staged.arch, staged.kernel_type, staged.hypervisor
        )
    })
}

fn describe(record: &BootRecord) -> String {
    let (colour, word) =
        if record.passed { (AnsiColor::Green, "passed") } else { (AnsiColor::Red, "failed") };
    let style = diag::style(colour);
    let mut text = format!("{style}{word}{style:#}: {}: {}\n", record.image, record.reason);
    let release = record.kernel_release.as_deref().unwrap_or("unknown");
    let BootRecord { machine, memory_mib, hypervisor, arch, bus, differs, .. } = record;
    let _ = if record.stands_in {
        let differs = if differs.is_empty() { String::new() } else { format!(" ({differs})") };
        writeln!(
            text,
            "Linux {release} on {machine} with {memory_mib} MiB, in place of {hypervisor}'s {arch} \
             {bus} machine{differs}"
        )
    } else {
        writeln!(
            text,
            "Linux {release} on {hypervisor}'s own {arch} {bus} machine, {machine}, with {memory_mib} \
             MiB: nothing stands in for it"
        )
    };
    let accelerator = &record.accelerator;
    let _ = writeln!(text, "{}, {}: {}", record.vmm, accelerator.name.name(), accelerator.why);
    if let Some(ms) = record.init_after_ms {
        let _ = writeln!(
            text,
            "init {ms:.0} ms after the start of the guest's clock, {:.1} s in all",
            record.seconds
        );
    }
    if !record.checks.is_empty() {
        let _ = writeln!(text, "\n{}", check_table(record));
    }
    if !record.last_lines.is_empty() {
        let _ = writeln!(text, "\nend of the console:\n  {}", record.last_lines.join("\n  "));
    }
    if let Some(hint) = &record.hint {
        let _ = writeln!(text, "hint: {hint}");
    }
    let _ = writeln!(text, "console: {}", record.console_log);
    text
}

fn check_table(record: &BootRecord) -> String {
    let mut table = Table::new();
    table.load_preset(NOTHING);
    table.set_header(["CHECK", "WANTED BY", "", "MS", "REASON"]);
    for Checked { result, wanted_by, required } in &record.checks {
        let mut reason = result.reason.clone();
        for line in &result.kernel_log {
            let _ = write!(reason, "\nkernel: {line}");
        }
        let outcome = match (result.outcome, required) {
            (Outcome::Fail, true) => "FAIL",
            (Outcome::Fail, false) => "lacks",
            (outcome, _) => outcome.name(),
        };
        let milliseconds = format!("{:.1}", result.milliseconds);
        table.add_row([&result.name, &wanted_by.join(" "), outcome, &milliseconds, &reason]);
    }
    table.trim_fmt()
}
