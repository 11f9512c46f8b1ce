//! `cargo xtask edit`: a kernel's configuration in the tree's own menus, and what was changed there as
//! lines of its fragments.

use std::io::IsTerminal;

use anyhow::{Context as _, Result, anyhow, bail, ensure};
use camino::{Utf8Path, Utf8PathBuf};
use clap::Args;
use serde::Serialize;

use crate::cmd::args::{SourceArgs, TargetArgs, ToolchainArgs};
use crate::cmd::{Answer, Context, confirm};
use crate::diag::{self, Hint};
use crate::edit::{self, Edited};
use crate::fragment::{self, Requested};
use crate::history::History;
use crate::kbuild;
use crate::lock::Lock;
use crate::plan::{Goes, Plan, Request, Target, plan};
use crate::resolve::{Ground, Kconfigs, Reversed, resolve, reverse};
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
    written: bool,
}

/// The kernel that is edited, and what it is edited with.
struct Subject<'a> {
    ctx: &'a Context,
    workspace: &'a Workspace,
    plan: &'a Plan,
    target: &'a Target,
    ground: Ground<'a>,
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
        let subject = Subject { ctx, workspace: &workspace, plan: &plan, target, ground };
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
        let (outcome, answer) = subject.take_over(reversed, self.yes)?;
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
    fn take_over(&self, reversed: Reversed, yes: bool) -> Result<(Outcome, Answer)> {
        let progress = self.ctx.progress;
        diag::tell_reversed(progress, &reversed);
        let edited = edit::edit(&self.workspace.root, &reversed.edits)?;
        diag::tell_edited(progress, &edited);
        let mut reaches = vec![];
        for Edited { path, .. } in &edited {
            let others = self.others_with(path)?;
            diag::tell_reach(progress, path, &others);
            reaches.push((path.clone(), others));
        }
        let possible = reversed.out_of_reach.is_empty() && reversed.homeless.is_empty();
        let written = possible && !edited.is_empty() && self.agreed(yes)?;
        if written {
            self.write(&edited, &reversed.dot_config)?;
        } else if possible && edited.is_empty() {
            progress.say("nothing was changed");
        }
        let done = written || edited.is_empty();
        let answer = match possible && done && reversed.missed.is_empty() {
            true => Answer::Yes,
            false => Answer::No,
        };
        let (kernel, linux) = (self.target.variant(), self.ground.version.to_string());
        Ok((Outcome { kernel, linux, reversed, reaches, written }, answer))
    }

    fn agreed(&self, yes: bool) -> Result<bool> {
        if yes {
            return Ok(true);
        }
        if confirm::on_terminal() {
            return confirm::confirm(self.ctx, "change the fragments so?");
        }
        self.ctx.progress.say("nothing was written: there is no terminal to ask on, use --yes");
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

    /// The other kernels of the conf dir that a fragment is of.
    fn others_with(&self, path: &Utf8Path) -> Result<Vec<String>> {
        let conf_dir = &self.plan.conf_dir;
        let all = Request {
            all: true,
            conf_dir: Some(conf_dir.clone()),
            goes: Goes::Nowhere,
            ..Request::default()
        };
        let all = plan(self.workspace, &all)?;
        let others = all.variants().into_iter().map(|targets| targets[0]);
        let mut found = vec![];
        for other in others.filter(|other| other.variant() != self.target.variant()) {
            // A list that is not there, or not to be read, is for `check` to tell of.
            let Ok(requested) = fragment::read(self.workspace, conf_dir, other) else { continue };
            let shown = |name: &Utf8PathBuf| self.workspace.shown(&conf_dir.join(name)) == path;
            if requested.fragments.iter().any(shown) {
                found.push(other.variant());
            }
        }
        Ok(found)
    }
}
