//! `cargo xtask edit`: a kernel's configuration in the tree's own menus, and what was changed there as
//! lines of its fragments.

use std::io::IsTerminal;

use anyhow::{Context as _, Result, anyhow, bail, ensure};
use camino::{Utf8Path, Utf8PathBuf};
use clap::Args;
use serde::Serialize;

use crate::cmd::args::{SourceArgs, TargetArgs, ToolchainArgs};
use crate::cmd::{Answer, Context, confirm};
use crate::contract::Contract;
use crate::diag::{self, Hint};
use crate::edit::{self, Edit, Edited};
use crate::fragment::{self, Requested};
use crate::history::History;
use crate::kbuild;
use crate::lock::Lock;
use crate::plan::{Plan, Target, plan};
use crate::resolve::{Breach, Ground, Kconfigs, Reversed, breaches, broken, resolve, reverse};
use crate::setup::{self, Uses};
use crate::source::Tree;
use crate::toolchain::Toolchain;
use crate::workspace::Workspace;

#[derive(Debug, Args)]
pub(crate) struct EditArgs {
    #[command(flatten)]
    target: TargetArgs,
    #[command(flatten)]
    source: SourceArgs,
    #[command(flatten)]
    toolchain: ToolchainArgs,
    /// The menus to open
    #[arg(long, value_name = "MENUS", default_value = "menuconfig", value_parser = ["menuconfig", "nconfig"])]
    with: String,
    /// Open none: take this .config, which was changed elsewhere
    #[arg(long, value_name = "FILE", conflicts_with = "with")]
    config: Option<Utf8PathBuf>,
    /// Change the fragments without asking
    #[arg(long, short)]
    yes: bool,
    /// Write them although the kernel then lacks this capability of the contract
    #[arg(long, value_name = "ID", value_delimiter = ',')]
    allow_breach: Vec<String>,
}

/// What became of the change.
#[derive(Debug, Serialize)]
struct Outcome {
    kernel: String,
    linux: String,
    #[serde(flatten)]
    reversed: Reversed,
    /// Fragments that change, with the other kernels that they are of.
    reaches: Vec<(Utf8PathBuf, Vec<String>)>,
    /// What the changed configuration breaks of the contract.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    breaches: Vec<Breach>,
    written: bool,
}

/// The kernel that is edited, and what it is edited with.
struct Subject<'a> {
    ctx: &'a Context,
    workspace: &'a Workspace,
    plan: &'a Plan,
    target: &'a Target,
    /// All whose kernel it is.
    targets: &'a [&'a Target],
    contract: &'a Contract,
    ground: Ground<'a>,
}

/// A configuration of the subject, and what gives it.
struct Given<'a> {
    requested: &'a Requested,
    dot_config: &'a str,
}

impl EditArgs {
    pub(crate) fn run(self, ctx: &Context) -> Result<Answer> {
        let workspace = Workspace::read(&ctx.shell)?;
        let plan = plan(&workspace, &self.target.request(false)?)?;
        diag::tell_plan(ctx.progress, &plan);
        let [targets] = &plan.variants()[..] else {
            return Err(anyhow!("one kernel is edited at a time, and these flags name more"))
                .hint(|| "name one --type, one --arch and one --hypervisor");
        };
        let target = targets[0];
        let history = History::read(&workspace, &plan.conf_dir)?;
        let tree = self.source.tree(ctx, &workspace, &plan.conf_dir)?;
        let toolchain = self.toolchain.for_tree(ctx, target.arch, &tree)?;
        let kconfig =
            Kconfigs::new(&ctx.shell, &tree, &workspace.work).of(&toolchain.kbuild_arch())?;
        let (version, arch) = (&tree.version, target.arch);
        let ground = Ground { kconfig: &kconfig, version, arch, history: &history };
        let contract = Contract::read(&workspace, &plan.conf_dir)?;
        self.allow_breach.iter().try_for_each(|id| contract.demand(id))?;
        let subject = Subject {
            ctx,
            workspace: &workspace,
            plan: &plan,
            target,
            targets,
            contract: &contract,
            ground,
        };
        let requested = subject.requested()?;
        let before = resolve(&kconfig, version, arch, &history, &requested.assignments);
        let (name, count) = (target.variant(), requested.assignments.len());
        diag::tell_resolved(ctx.progress, &name, version, count, &before);
        let edited = match &self.config {
            Some(file) => {
                std::fs::read_to_string(file).with_context(|| format!("failed to read {file}"))?
            }
            None => self.open(ctx, &workspace, (&tree, &toolchain), &before.dot_config)?,
        };
        let _lock = Lock::take_for_files(&ctx.shell, ctx.progress, &plan.conf_dir)?;
        let same = subject.requested()? == requested;
        ensure!(same, "the fragments of {name} were changed while its configuration was open");
        let reversed = reverse(ground, &requested, &before.dot_config, &edited);
        let given = Given { requested: &requested, dot_config: &before.dot_config };
        let (outcome, answer) = subject.take_over(given, reversed, &self)?;
        ctx.print(&outcome, |_| String::new())?;
        Ok(answer)
    }

    /// Lets a person change the configuration in a folder that is gone afterwards.
    fn open(
        &self,
        ctx: &Context,
        workspace: &Workspace,
        (tree, toolchain): (&Tree, &Toolchain),
        dot_config: &str,
    ) -> Result<String> {
        let menus = &self.with;
        if !std::io::stdin().is_terminal() || !std::io::stdout().is_terminal() {
            return Err(anyhow!("there is no terminal to open {menus} on"))
                .hint(|| "--config takes a .config that was changed elsewhere");
        }
        let uses = Uses { edit: true, ..Uses::default() };
        let missing = setup::missing(&ctx.shell, &[toolchain.arch], &uses)?;
        if let Some(need) = missing.into_iter().find(|need| need.edit) {
            return Err(anyhow!("{menus} is compiled with {}, which is not here", need.probe))
                .hint(|| "cargo xtask setup --edit installs it");
        }
        let scratch = tempfile::tempdir_in(&workspace.work)
            .with_context(|| format!("failed to create a folder in {}", workspace.work))?;
        let folder = Utf8Path::from_path(scratch.path()).context("a path is not UTF-8")?;
        kbuild::edit(&ctx.shell, (tree, toolchain), menus, folder, dot_config)
    }
}

impl Subject<'_> {
    fn requested(&self) -> Result<Requested> {
        fragment::read(self.workspace, &self.plan.conf_dir, self.target)
    }

    /// Shows what the fragments would have to say, and lets them say it if that is wanted.
    fn take_over(
        &self,
        given: Given<'_>,
        reversed: Reversed,
        args: &EditArgs,
    ) -> Result<(Outcome, Answer)> {
        let progress = self.ctx.progress;
        diag::tell_reversed(progress, &reversed);
        let breaches = self.breaches(&given, &reversed)?;
        diag::tell_breaches(progress, &self.target.variant(), self.ground.version, &breaches);
        let refused = self.refused(&given, &breaches, &args.allow_breach);
        let edited = edit::edit(&self.workspace.root, &reversed.edits)?;
        diag::tell_edited(progress, &edited);
        let mut reaches = vec![];
        for Edited { path, .. } in &edited {
            let conf_dir = &self.plan.conf_dir;
            let own = [self.target.variant()];
            let others = fragment::kernels_with(self.workspace, conf_dir, path, &own)?;
            diag::tell_reach(progress, path, &others);
            reaches.push((path.clone(), others));
        }
        let possible = reversed.out_of_reach.is_empty() && reversed.homeless.is_empty();
        let written = possible && !edited.is_empty() && self.agreed(args.yes, &refused)?;
        if written {
            self.write(&edited, &reversed.dot_config)?;
        } else if possible && edited.is_empty() {
            progress.say("nothing was changed");
        }
        let done = written || edited.is_empty();
        let answer = match possible && done && reversed.missed.is_empty() && refused.is_empty() {
            true => Answer::Yes,
            false => Answer::No,
        };
        let (kernel, linux) = (self.target.variant(), self.ground.version.to_string());
        Ok((Outcome { kernel, linux, reversed, reaches, breaches, written }, answer))
    }

    /// What the changed configuration breaks of the contract.
    fn breaches(&self, given: &Given<'_>, reversed: &Reversed) -> Result<Vec<Breach>> {
        let mut assignments = given.requested.assignments.clone();
        for Edit { at, replaces, text, .. } in &reversed.edits {
            assignments.retain(|one| !replaces || one.place != *at);
            assignments.extend(fragment::parse_fragment(&at.path, text)?);
        }
        let Subject { ground, contract, targets, .. } = self;
        Ok(breaches(*ground, contract, targets, &assignments, &reversed.dot_config))
    }

    /// Those that were not broken before, and that nobody allowed.
    fn refused(&self, given: &Given<'_>, breaches: &[Breach], allowed: &[String]) -> Vec<String> {
        let version = self.ground.version;
        let before = self.targets.iter().flat_map(|target| {
            broken(self.contract, target, version, given.dot_config).into_iter()
        });
        let before: Vec<&str> = before.map(|one| one.capability.id.as_str()).collect();
        let refused = breaches.iter().filter(|one| one.is_refused());
        let refused = refused.map(|one| one.capability.clone());
        refused.filter(|id| !before.contains(&id.as_str()) && !allowed.contains(id)).collect()
    }

    /// Whoever was told of a breach can still want it; a flag that was given before was given without
    /// knowing.
    fn agreed(&self, yes: bool, refused: &[String]) -> Result<bool> {
        if yes && refused.is_empty() {
            return Ok(true);
        }
        if !yes && confirm::on_terminal() {
            let question = match refused {
                [] => "change the fragments so?".to_owned(),
                _ => format!("change the fragments so, and break {}?", refused.join(", ")),
            };
            return confirm::confirm(self.ctx, &question);
        }
        let (why, flag) = match refused {
            [] => ("there is no terminal to ask on", "--yes".to_owned()),
            _ => ("the contract would be broken", format!("--allow-breach {}", refused.join(","))),
        };
        self.ctx.progress.complain(format!("nothing was written: {why}, use {flag}"));
        Ok(false)
    }

    /// Writes the fragments, and reads them again to see that they give what was wanted; if they do
    /// not, they are as they were.
    fn write(&self, edited: &[Edited], wanted: &str) -> Result<()> {
        let Ground { kconfig, version, arch, history } = self.ground;
        edit::write(&self.workspace.root, edited)?;
        let proved = self.requested().map(|requested| {
            let resolved = resolve(kconfig, version, arch, history, &requested.assignments);
            let count = requested.assignments.len();
            (resolved.dot_config == wanted).then_some((resolved, count))
        });
        let Ok(Some((resolved, count))) = proved else {
            edit::take_back(&self.workspace.root, edited)?;
            proved.context("the changed fragments cannot be read, and are as they were")?;
            bail!("the changed fragments came to another configuration, and are as they were");
        };
        let name = self.target.variant();
        diag::tell_resolved(self.ctx.progress, &name, version, count, &resolved);
        self.ctx.progress.say("the fragments give this configuration, to the byte");
        Ok(())
    }
}
