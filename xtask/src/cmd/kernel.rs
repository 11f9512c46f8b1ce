//! `cargo xtask kernel`: plan, resolve, build, check the image, stage it.

mod check_image;

use std::collections::BTreeMap;
use std::time::{Instant, SystemTime};

use anyhow::{Context as _, Result};
use camino::{Utf8Path, Utf8PathBuf};
use clap::Args;
use serde::Serialize;
use vmm_kernel::{ImageFormat, Manifest};

use crate::cmd::args::{SourceArgs, TargetArgs};
use crate::cmd::{Answer, Context, setup};
use crate::contract::Contract;
use crate::diag::{self, Hint};
use crate::fragment::{self, Requested};
use crate::hash;
use crate::history::History;
use crate::image::{self, Wanted};
use crate::kbuild::Build;
use crate::lock::Lock;
use crate::plan::{Target, plan};
use crate::resolve::{Breach, Finding, Ground, Kconfigs, Resolved, breaches, broken, resolve};
use crate::source::Tree;
use crate::stage::{self, Identity};
use crate::toolchain::Toolchain;
use crate::variant::{Folder, Made, Record, Request, TOOL_VERSION};
use crate::workspace::Workspace;

#[derive(Debug, Args)]
pub(crate) struct KernelArgs {
    #[command(flatten)]
    target: TargetArgs,
    #[command(flatten)]
    source: SourceArgs,
    /// First install what this host lacks for the build and for a boot of what it makes
    #[arg(long)]
    setup: bool,
    /// Answer yes to what --setup asks
    #[arg(long, requires = "setup")]
    yes: bool,
    /// Go on without the symbols that do not come out as asked; the manifest names them
    #[arg(long)]
    allow_missing: bool,
    /// Go on without this capability of the contract; the manifest names it
    #[arg(long, value_name = "ID", value_delimiter = ',')]
    allow_breach: Vec<String>,
    /// Also put the image where the sandboxer looks for it
    #[arg(long)]
    install: bool,
    /// Folder that stands for / when installing
    #[arg(long, value_name = "ROOT", requires = "install")]
    dest_dir: Option<Utf8PathBuf>,
    /// Compile this many objects at once [default: one a core]
    #[arg(long, short, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    jobs: Option<u16>,
    /// Prefix of the cross tools, such as aarch64-linux-gnu-
    #[arg(long, value_name = "PREFIX")]
    cross_compile: Option<String>,
    /// Say what would be made, and make nothing
    #[arg(long)]
    dry_run: bool,
    /// Only check that the hypervisor can boot this file
    #[arg(long, value_name = "FILE", conflicts_with_all = ["install", "dry_run", "all", "setup"])]
    check_image: Option<Utf8PathBuf>,
}

/// What became of one target.
#[derive(Debug, Serialize)]
struct Outcome {
    #[serde(flatten)]
    target: Target,
    action: Action,
    installed: Option<Utf8PathBuf>,
    manifest: Manifest,
    warnings: Vec<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
enum Action {
    /// Compiled, at least in part.
    Built,
    /// Copied from the last build.
    Staged,
    /// Was there already.
    Unchanged,
}

impl KernelArgs {
    pub(crate) fn run(self, ctx: &Context) -> Result<Answer> {
        let workspace = Workspace::read(&ctx.shell)?;
        let plan = plan(&workspace, &self.target.request(self.install)?)?;
        diag::tell_plan(ctx.progress, &plan);
        if let Some(file) = &self.check_image {
            return check_image::run(ctx, &plan, file);
        }
        if self.dry_run {
            return ctx.print(&plan, diag::plan_table).map(|()| Answer::Yes);
        }
        if self.setup {
            setup::install_for_kernel(ctx, &plan.arches(), self.yes)?;
        }
        let history = History::read(&workspace, &plan.conf_dir)?;
        let contract = Contract::read(&workspace, &plan.conf_dir)?;
        self.allow_breach.iter().try_for_each(|id| contract.demand(id))?;
        let mut orders = vec![];
        for targets in plan.variants() {
            orders.push(Order::read(ctx, &self, &workspace, &plan.conf_dir, targets)?);
        }
        for path in plan.targets.iter().filter_map(|target| self.installed(target)) {
            stage::refuse_unwritable(&path).hint(|| "run this as root, or name a --dest-dir")?;
        }
        let _lock = Lock::take(&ctx.shell, ctx.progress, &workspace.work)?;
        let tree = self.source.tree(ctx, &workspace, &plan.conf_dir)?;
        let kconfigs = Kconfigs::new(&ctx.shell, &tree, &workspace.work);
        let (mut variants, mut obstacles) = (vec![], vec![]);
        for order in orders {
            let folder = Folder::new(&workspace.work, &tree, &plan.conf_dir, &order.name());
            let mut variant = Variant::resolve(ctx, order, folder, &history, &tree, &kconfigs)?;
            variant.breaches = variant.breaches(ctx, &contract, &history, &tree, &kconfigs)?;
            let findings = variant.findings().iter().filter(|_| !self.allow_missing);
            obstacles.extend(findings.cloned().map(Obstacle::Finding));
            let breaches = variant.breaches.iter().filter(|one| self.refuses(one));
            obstacles.extend(breaches.cloned().map(Obstacle::Breach));
            variants.push(variant);
        }
        if !obstacles.is_empty() {
            diag::tell_refused(ctx.progress, &Obstacle::flags(&obstacles));
            ctx.print(&obstacles, |_| String::new())?;
            return Ok(Answer::No);
        }
        let mut outcomes = vec![];
        for variant in variants {
            outcomes.extend(variant.produce(ctx, &self, &tree)?);
        }
        ctx.print(&outcomes, |outcomes| outcomes.iter().map(describe).collect())?;
        Ok(Answer::Yes)
    }

    /// Where the target's image goes beside the workspace.
    fn installed(&self, target: &Target) -> Option<Utf8PathBuf> {
        self.install.then(|| under(self.dest_dir.as_deref(), &target.install))
    }

    fn refuses(&self, breach: &Breach) -> bool {
        breach.is_refused() && !self.allow_breach.contains(&breach.capability)
    }

    fn jobs(&self) -> usize {
        let cores = || std::thread::available_parallelism().map_or(1, usize::from);
        self.jobs.map_or_else(cores, usize::from)
    }
}

/// What keeps a kernel from being made.
#[derive(Debug, Serialize)]
#[serde(untagged)]
enum Obstacle {
    Finding(Finding),
    Breach(Breach),
}

impl Obstacle {
    /// What to go on without them takes, each flag once.
    fn flags(all: &[Obstacle]) -> Vec<String> {
        let flag = |one: &Obstacle| match one {
            Obstacle::Finding(_) => "--allow-missing".to_owned(),
            Obstacle::Breach(breach) => format!("--allow-breach {}", breach.capability),
        };
        let mut flags: Vec<String> = vec![];
        for flag in all.iter().map(flag) {
            if !flags.contains(&flag) {
                flags.push(flag);
            }
        }
        flags
    }
}

fn wanted(target: &Target) -> Wanted<'_> {
    Wanted { hypervisor: &target.hypervisor, arch: target.arch, format: target.format }
}

/// Targets with one `.config`, and what their fragments ask for. Read before anything is fetched or
/// run: a slip in a fragment is told first.
struct Order<'a> {
    targets: Vec<&'a Target>,
    formats: Vec<ImageFormat>,
    requested: Requested,
    toolchain: Toolchain,
}

impl<'a> Order<'a> {
    fn read(
        ctx: &Context,
        args: &KernelArgs,
        workspace: &Workspace,
        conf_dir: &Utf8Path,
        targets: Vec<&'a Target>,
    ) -> Result<Self> {
        let first = targets[0];
        let requested = fragment::read(workspace, conf_dir, first)?;
        if let Some(overlay) = &requested.overlay_missing {
            diag::tell_no_overlay(ctx.progress, conf_dir, overlay, first);
        }
        let toolchain = Toolchain::find(&ctx.shell, first.arch, args.cross_compile.as_deref())?;
        let mut formats: Vec<ImageFormat> = targets.iter().map(|target| target.format).collect();
        formats.sort();
        formats.dedup();
        Ok(Order { targets, formats, requested, toolchain })
    }

    fn name(&self) -> String {
        self.targets[0].variant()
    }
}

/// An order on its way through the stages.
struct Variant<'a> {
    order: Order<'a>,
    folder: Folder,
    request: Request,
    /// What changes in the tree from here on, the build may or may not have seen.
    started: SystemTime,
    state: State,
    /// What it breaks of the contract.
    breaches: Vec<Breach>,
}

/// Nothing to do, or to be built.
enum State {
    Current(Box<Record>),
    /// With the images of other formats that the last build still stands for.
    Resolved(Resolved, BTreeMap<ImageFormat, Made>),
}

impl<'a> Variant<'a> {
    /// Resolves unless the last build still stands.
    fn resolve(
        ctx: &Context,
        order: Order<'a>,
        folder: Folder,
        history: &History,
        tree: &Tree,
        kconfigs: &Kconfigs<'_>,
    ) -> Result<Self> {
        let mut started = SystemTime::now();
        let Order { requested, toolchain, formats, .. } = &order;
        let request = Request::new(&requested.assignments, history, &tree.record, toolchain)?;
        let state = match Record::standing(&folder, &request, tree) {
            Some(record) if record.has(formats) => State::Current(Box::new(record)),
            Some(record) => State::Resolved(record.resolved, record.images),
            None => {
                let bar = ctx.progress.spinner(format!("resolving {}", order.name()));
                let kconfig = kconfigs.of(&toolchain.kbuild_arch())?;
                let (version, asked) = (&tree.version, &requested.assignments);
                let resolved = resolve(&kconfig, version, toolchain.arch, history, asked);
                bar.finish_and_clear();
                // An edit while it resolved is the build's to see: kbuild reads Kconfig again.
                started = SystemTime::now();
                State::Resolved(resolved, BTreeMap::new())
            }
        };
        let variant = Variant { order, folder, request, started, state, breaches: vec![] };
        let count = variant.order.requested.assignments.len();
        let name = variant.order.name();
        diag::tell_resolved(ctx.progress, &name, &tree.version, count, variant.resolved());
        Ok(variant)
    }

    fn resolved(&self) -> &Resolved {
        match &self.state {
            State::Resolved(resolved, _) => resolved,
            State::Current(record) => &record.resolved,
        }
    }

    fn findings(&self) -> &[Finding] {
        &self.resolved().findings
    }

    /// What its `.config` breaks of the contract, told. The tree is asked only where there is something.
    fn breaches(
        &self,
        ctx: &Context,
        contract: &Contract,
        history: &History,
        tree: &Tree,
        kconfigs: &Kconfigs<'_>,
    ) -> Result<Vec<Breach>> {
        let Order { targets, requested, toolchain, .. } = &self.order;
        let (version, dot_config) = (&tree.version, &self.resolved().dot_config);
        if targets.iter().all(|one| broken(contract, one, version, dot_config).is_empty()) {
            return Ok(vec![]);
        }
        let kconfig = kconfigs.of(&toolchain.kbuild_arch())?;
        let ground = Ground { kconfig: &kconfig, version, arch: toolchain.arch, history };
        let breaches = breaches(ground, contract, targets, &requested.assignments, dot_config);
        diag::tell_breaches(ctx.progress, &self.order.name(), version, &breaches);
        Ok(breaches)
    }

    fn produce(self, ctx: &Context, args: &KernelArgs, tree: &Tree) -> Result<Vec<Outcome>> {
        let (record, built) = match &self.state {
            State::Current(record) => (record.as_ref().clone(), false),
            State::Resolved(resolved, kept) => (self.build(ctx, args, tree, resolved, kept)?, true),
        };
        let mut outcomes = vec![];
        for target in &self.order.targets {
            outcomes.push(self.stage(ctx, args, &record, target, built)?);
        }
        Ok(outcomes)
    }

    fn build(
        &self,
        ctx: &Context,
        args: &KernelArgs,
        tree: &Tree,
        resolved: &Resolved,
        kept: &BTreeMap<ImageFormat, Made>,
    ) -> Result<Record> {
        let before = Record::take(&self.folder)?;
        let start = Instant::now();
        let obj = self.folder.obj();
        let build = Build {
            shell: &ctx.shell,
            progress: ctx.progress,
            tree,
            toolchain: &self.order.toolchain,
            obj: obj.clone(),
            log: self.folder.log(),
            jobs: args.jobs(),
            name: self.order.name(),
            close_up: true,
        };
        let make_targets: Vec<_> =
            self.order.formats.iter().map(|f| image::kbuild_target(*f)).collect();
        let built = build.run(&resolved.dot_config, &make_targets)?;
        let mut record = Record::after_build(
            &self.folder,
            self.request.clone(),
            tree,
            self.started,
            (resolved.clone(), built.release),
            before.as_ref(),
        )?;
        record.images.clone_from(kept);
        for target in &self.order.targets {
            let format = target.format;
            if record.images.contains_key(&format) {
                continue;
            }
            let file = self.folder.image(format);
            image::make(&obj, format, &file)?;
            let checked = image::check(&file, wanted(target))?;
            record.images.insert(format, Made { sha256: hash::of_file(&file)?, checked });
        }
        record.write(&self.folder)?;
        diag::tell_built(ctx.progress, &self.order.name(), built.compiled, start.elapsed());
        Ok(record)
    }

    fn stage(
        &self,
        ctx: &Context,
        args: &KernelArgs,
        record: &Record,
        target: &Target,
        built: bool,
    ) -> Result<Outcome> {
        let manifest = self.manifest(record, target)?;
        let image = self.folder.image(target.format);
        let mut changed = stage_at(ctx, &image, &manifest, &target.stage)?;
        let installed = args.installed(target);
        if let Some(path) = &installed {
            changed |= stage_at(ctx, &image, &manifest, path)?;
        }
        let action = match (built, changed) {
            (true, _) => Action::Built,
            (false, true) => Action::Staged,
            (false, false) => Action::Unchanged,
        };
        let made = record.images.get(&target.format);
        let warnings = made.map(|made| made.checked.warnings.clone()).unwrap_or_default();
        Ok(Outcome { target: target.clone(), action, installed, manifest, warnings })
    }

    /// Those that a target's hypervisor is made to bear.
    fn breaches_of(&self, target: &Target) -> Vec<String> {
        let of = |one: &&Breach| one.is_refused() && one.hypervisors.contains(&target.hypervisor);
        self.breaches.iter().filter(of).map(|one| one.capability.clone()).collect()
    }

    fn manifest(&self, record: &Record, target: &Target) -> Result<Manifest> {
        let made = record.images.get(&target.format);
        let made = made.with_context(|| format!("no {} image was made", target.format))?;
        let config_sha256 = hash::of_bytes(&record.resolved.dot_config);
        let identity = Identity {
            source: &record.source,
            config_sha256: &config_sha256,
            toolchain: &self.order.toolchain.record,
            format: target.format,
            tool_version: TOOL_VERSION,
        };
        let missing =
            |f: &Finding| format!("{} ({})", fragment::config_line(&f.symbol, &f.asked), f.place);
        Ok(Manifest {
            key: identity.key()?,
            sha256: made.sha256.clone(),
            size: made.checked.size,
            arch: target.arch,
            kernel_type: target.kernel_type,
            hypervisor: target.hypervisor.clone(),
            machine: target.machine.clone(),
            bus: target.bus,
            format: target.format,
            kernel_release: record.release.clone(),
            source: record.source.clone(),
            toolchain: self.order.toolchain.record.clone(),
            tool_version: TOOL_VERSION.to_owned(),
            config_sha256,
            fragments: self.order.requested.fragments.clone(),
            missing: record.resolved.findings.iter().map(missing).collect(),
            breaches: self.breaches_of(target),
            choices: target.choices.clone(),
        })
    }
}

/// Puts the image there unless it is there already; says whether it did.
fn stage_at(ctx: &Context, image: &Utf8Path, manifest: &Manifest, to: &Utf8Path) -> Result<bool> {
    if stage::is_current(to, manifest) {
        return Ok(false);
    }
    let folder = to.parent().unwrap_or(Utf8Path::new("."));
    let _lock = Lock::take(&ctx.shell, ctx.progress, folder)?;
    stage::stage(image, manifest, to)?;
    Ok(true)
}

/// An absolute path below another root.
fn under(root: Option<&Utf8Path>, path: &Utf8Path) -> Utf8PathBuf {
    match root {
        Some(root) => root.join(path.strip_prefix("/").unwrap_or(path)),
        None => path.to_owned(),
    }
}

fn describe(outcome: &Outcome) -> String {
    let (target, manifest) = (&outcome.target, &outcome.manifest);
    let action = match outcome.action {
        Action::Built => "built",
        Action::Staged => "staged again",
        Action::Unchanged => "unchanged",
    };
    let mut line = format!(
        "{} {} {} for {}: {action}, Linux {}, {} of {} bytes\n  {}\n",
        target.arch,
        target.kernel_type,
        target.bus,
        target.hypervisor,
        manifest.kernel_release,
        target.format,
        manifest.size,
        target.stage,
    );
    line.extend(outcome.installed.iter().map(|path| format!("  {path}\n")));
    line.extend(outcome.warnings.iter().map(|warning| format!("  warning: {warning}\n")));
    line
}
