//! `cargo xtask kernel`: plan, resolve, build, check the image, stage it.

mod check_image;
mod packages;
mod together;
mod variant;

use std::sync::atomic::AtomicBool;

use anyhow::Result;
use camino::{Utf8Path, Utf8PathBuf};
use clap::Args;
use serde::Serialize;
use vmm_kernel::{Arch, Manifest};

use self::variant::{Looked, Order, Site, Variant};
use crate::cmd::args::{JobsArgs, SourceArgs, TargetArgs, ToolchainArgs};
use crate::cmd::{Answer, Context, setup};
use crate::contract::Contract;
use crate::diag::{self, Hint};
use crate::history::History;
use crate::image::Wanted;
use crate::kbuild::Jobs;
use crate::plan::{Plan, Target, plan};
use crate::resolve::{Breach, Finding, Kconfigs};
use crate::setup::{Uses, oldest_lld};
use crate::stage;
use crate::variant::Folder;
use crate::workspace::Workspace;

#[derive(Debug, Args)]
pub(crate) struct KernelArgs {
    #[command(flatten)]
    target: TargetArgs,
    #[command(flatten)]
    source: SourceArgs,
    /// First install what this host lacks for the build and for a boot of what it makes; asks on a terminal
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
    /// Also put the kernel's modules beside the image: modules-RELEASE.tar.zst
    #[arg(long)]
    modules: bool,
    /// Also put beside the image what modules of others are built against: headers-RELEASE.tar.zst
    #[arg(long)]
    headers: bool,
    /// Make a kernel for finding out what goes wrong, apart from the others: with debug.conf, and a
    /// vmlinux.debug for debuggers
    #[arg(long, conflicts_with_all = ["install", "check_image"])]
    debug: bool,
    /// Also write what the image was made of: an SPDX document and an in-toto provenance statement
    #[arg(long)]
    sbom: bool,
    #[command(flatten)]
    jobs: JobsArgs,
    #[command(flatten)]
    toolchain: ToolchainArgs,
    /// Where a kernel fails, begin no other one [default: go on, and tell all failures at the end]
    #[arg(long)]
    fail_fast: bool,
    /// Say what would be made, and make nothing
    #[arg(long)]
    dry_run: bool,
    /// Only check that the hypervisor can boot this file
    #[arg(long, value_name = "FILE", conflicts_with_all = ["install", "dry_run", "all", "setup"])]
    check_image: Option<Utf8PathBuf>,
}

/// What became of one target.
#[derive(Debug, Serialize)]
pub(super) struct Outcome {
    #[serde(flatten)]
    pub(super) target: Target,
    action: Action,
    installed: Option<Utf8PathBuf>,
    /// What was put beside the image.
    beside: Vec<Utf8PathBuf>,
    pub(super) manifest: Manifest,
    warnings: Vec<String>,
}

/// What became of a variant's targets.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub(super) enum Produced {
    Made(Box<Outcome>),
    Failed { variant: String, failure: diag::Failure },
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
        let request = match &self.check_image {
            Some(file) => self.target.request_for(Some(file))?,
            None => self.target.request(self.install)?,
        };
        let mut plan = plan(&workspace, &request)?;
        plan.targets.iter_mut().for_each(|target| target.stage = self.staged(&target.stage));
        diag::tell_plan(ctx.progress, &plan);
        if let Some(file) = &self.check_image {
            return check_image::run(ctx, &plan, file);
        }
        if self.dry_run {
            if !self.setup {
                self.prepare(ctx, &workspace, &plan)?;
            }
            return ctx.print(&plan, diag::plan_table).map(|()| Answer::Yes);
        }
        if self.setup {
            self.set_up(ctx, &workspace, &plan)?;
        }
        let results = match self.make(ctx, &workspace, &plan)? {
            Ok(results) => results,
            Err(obstacles) => {
                diag::tell_refused(ctx.progress, &Obstacle::flags(&obstacles));
                ctx.print(&obstacles, |_| String::new())?;
                return Ok(Answer::No);
            }
        };
        ctx.print(&results, |results| results.iter().map(Produced::describe).collect())?;
        Ok(if results.iter().any(Produced::failed) { Answer::Failed } else { Answer::Yes })
    }

    /// Makes the kernels of a plan and stages them, or tells what keeps them from being made.
    pub(super) fn make(
        &self,
        ctx: &Context,
        workspace: &Workspace,
        plan: &Plan,
    ) -> Result<Result<Vec<Produced>, Vec<Obstacle>>> {
        let Prepared { jobs, history, contract, mut orders } =
            self.prepare(ctx, workspace, plan)?;
        let tree = self.source.tree(ctx, workspace, &plan.conf_dir)?;
        variant::link_for(ctx, &mut orders, &tree)?;
        let kconfigs = Kconfigs::new(&ctx.shell, &tree, &workspace.work);
        let (mut variants, mut obstacles) = (vec![], vec![]);
        let folder =
            |order: &Order<'_>| Folder::new(&workspace.work, &tree, &plan.conf_dir, &order.name());
        let orders: Vec<_> = orders.into_iter().map(|order| (folder(&order), order)).collect();
        let folders = orders.iter().map(|(folder, _)| folder);
        let _locks = Folder::lock_all(folders, &ctx.shell, ctx.progress)?;
        for looked in Looked::at(orders, &history, &tree)? {
            let mut variant = Variant::resolve(ctx, looked, &history, &tree, &kconfigs)?;
            variant.refuse_without_modules()?;
            variant.breaches = variant.breaches(ctx, &contract, &history, &tree, &kconfigs)?;
            let findings = variant.findings().iter().filter(|_| !self.allow_missing);
            obstacles.extend(findings.cloned().map(Obstacle::Finding));
            let breaches = variant.breaches.iter().filter(|one| self.refuses(one));
            obstacles.extend(breaches.cloned().map(Obstacle::Breach));
            variants.push(variant);
        }
        if !obstacles.is_empty() {
            return Ok(Err(obstacles));
        }
        let origin = &self.source.origin(&plan.conf_dir, &tree.record)?;
        let failed = &AtomicBool::new(false);
        let site = Site { args: self, tree: &tree, jobs: &jobs, origin, failed };
        together::produce(ctx, site, &variants).map(Ok)
    }

    /// What can be known before anything is fetched or made.
    fn prepare<'p>(
        &self,
        ctx: &Context,
        workspace: &Workspace,
        plan: &'p Plan,
    ) -> Result<Prepared<'p>> {
        let jobs = self.jobs.budget(&ctx.shell, workspace)?;
        packages::require_tools(&ctx.shell, &self.packages())?;
        let history = History::read(workspace, &plan.conf_dir)?;
        let contract = Contract::read(workspace, &plan.conf_dir)?;
        self.allow_breach.iter().try_for_each(|id| contract.demand(id))?;
        let mut orders = vec![];
        for targets in plan.variants() {
            orders.push(Order::read(ctx, self, workspace, &plan.conf_dir, targets, &orders)?);
        }
        for target in &plan.targets {
            stage::refuse_unwritable(&target.stage)?;
            if let Some(path) = self.installed(target) {
                let failed = stage::refuse_unwritable(&path);
                failed.hint(|| "run this as root, or name a --dest-dir")?;
            }
        }
        Ok(Prepared { jobs, history, contract, orders })
    }

    /// Where the target's image goes beside the workspace.
    fn installed(&self, target: &Target) -> Option<Utf8PathBuf> {
        self.install.then(|| under(self.dest_dir.as_deref(), &target.install))
    }

    /// Installs what is missing to fetch the tree, then what that wants beyond.
    fn set_up(&self, ctx: &Context, workspace: &Workspace, plan: &Plan) -> Result<()> {
        let arches = plan.arches();
        let uses = self.uses();
        setup::install_for_kernel(ctx, &arches, &uses, self.yes)?;
        if !arches.contains(&Arch::Aarch64) {
            return Ok(());
        }
        let tree = self.source.tree(ctx, workspace, &plan.conf_dir)?;
        let oldest_lld = oldest_lld(&ctx.shell, &tree)?;
        setup::install_for_kernel(ctx, &arches, &Uses { oldest_lld, ..uses }, self.yes)
    }

    /// What --setup installs for.
    fn uses(&self) -> Uses {
        Uses {
            boot: true,
            launcher: self.jobs.launcher,
            family: self.toolchain.toolchain.clone(),
            modules: self.modules,
            debug: self.debug,
            ..Uses::default()
        }
    }

    fn refuses(&self, breach: &Breach) -> bool {
        breach.is_refused() && !self.allow_breach.contains(&breach.capability)
    }
}

struct Prepared<'p> {
    jobs: Jobs,
    history: History,
    contract: Contract,
    orders: Vec<Order<'p>>,
}

impl Produced {
    fn failed(&self) -> bool {
        matches!(self, Produced::Failed { .. })
    }

    /// A failure is told on stderr.
    fn describe(&self) -> String {
        match self {
            Produced::Made(outcome) => describe(outcome),
            Produced::Failed { .. } => String::new(),
        }
    }
}

/// What keeps a kernel from being made.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub(super) enum Obstacle {
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

/// The image that the target's hypervisor boots.
pub(super) fn wanted(target: &Target) -> Wanted<'_> {
    Wanted { hypervisor: &target.hypervisor, arch: target.arch, format: target.format }
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
    let others = outcome.installed.iter().chain(&outcome.beside);
    line.extend(others.map(|path| format!("  {path}\n")));
    line.extend(outcome.warnings.iter().map(|warning| format!("  warning: {warning}\n")));
    line
}
