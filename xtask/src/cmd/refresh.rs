//! `cargo xtask refresh`: what another kernel source means for the fragments, whether its kernels do,
//! and the report that a pull request needs.

mod outlook;
mod proof;
mod taking;

use anyhow::{Context as _, Result, anyhow};
use camino::{Utf8Path, Utf8PathBuf};
use clap::Args;
use vmm_kernel::{Arch, KernelType};

use crate::boot::AccelChoice;
use crate::cmd::args::{JobsArgs, parse};
use crate::cmd::{Answer, Context, confirm};
use crate::diag::{Hint, did_you_mean};
use crate::lock::Lock;
use crate::measure::Baseline;
use crate::plan::{Goes, Plan, Request, Target, plan};
use crate::refresh::{Finished, Refreshed};
use crate::report;
use crate::source::Sources;
use crate::stage;
use crate::workspace::Workspace;

use outlook::Road;
use proof::Proof;

/// Ends what a run writes of the report.
const YOURS: &str =
    "<!-- What you write below this line stays when the report is written again. -->\n";

#[derive(Debug, Args)]
pub(crate) struct RefreshArgs {
    /// The pinned source to go to
    #[arg(long, value_name = "SOURCE")]
    to: String,
    /// The pinned source to come from [default: the one that sources.toml names]
    #[arg(long, value_name = "SOURCE")]
    from: Option<String>,
    /// Guest architectures [default: both]
    #[arg(long, value_delimiter = ',', value_parser = parse::<Arch>, help_heading = "Target")]
    arch: Vec<Arch>,
    /// Kernel types [default: both]
    #[arg(long = "type", alias = "kernel-type", value_name = "TYPE", value_delimiter = ',', value_parser = parse::<KernelType>, help_heading = "Target")]
    kernel_type: Vec<KernelType>,
    /// Whose kernels are built, booted and measured [default: by type]
    #[arg(long, value_delimiter = ',', help_heading = "Target")]
    hypervisor: Vec<String>,
    /// Folder with the lists and fragments [default: the workspace's]
    #[arg(long, value_name = "DIR", help_heading = "Target")]
    kernel_conf_dir: Option<Utf8PathBuf>,
    /// Show how the fragments have to change, and ask whether to change them
    #[arg(long)]
    fix: bool,
    /// Answer yes to what is asked
    #[arg(long)]
    yes: bool,
    /// Only tell what the source means for the fragments
    #[arg(long)]
    no_build: bool,
    /// Take figures that are past their budgets, too
    #[arg(long, conflicts_with = "no_build")]
    allow_growth: bool,
    /// How the guest's instructions are run in a boot; figures are those of tcg
    #[arg(long, value_enum, default_value_t = AccelChoice::Auto, help_heading = "Proving")]
    accel: AccelChoice,
    /// How long a boot or a measured start may take
    #[arg(long, value_name = "SECONDS", default_value_t = 600, value_parser = clap::value_parser!(u64).range(1..), help_heading = "Proving")]
    deadline: u64,
    /// Figures of before [default: ci/baselines/tcg.json; those of another source than --from are taken anew]
    #[arg(long, value_name = "FILE", help_heading = "Proving")]
    baseline: Option<Utf8PathBuf>,
    #[command(flatten)]
    jobs: JobsArgs,
    /// Prefix of the cross tools, such as aarch64-linux-gnu-
    #[arg(long, value_name = "PREFIX", help_heading = "Proving")]
    cross_compile: Option<String>,
    /// Where the report goes, with its picture beside it [default: docs/refresh-FROM-TO.md]
    #[arg(long, value_name = "FILE", help_heading = "Report")]
    report: Option<Utf8PathBuf>,
}

impl RefreshArgs {
    pub(crate) fn run(self, ctx: &Context) -> Result<Answer> {
        let workspace = Workspace::read(&ctx.shell)?;
        let conf_dir = match &self.kernel_conf_dir {
            Some(dir) => camino::absolute_utf8(dir)?,
            None => workspace.conf_dir(),
        };
        let sources = Sources::read(&conf_dir)?;
        let pins = [sources.pin(self.from.as_deref())?, sources.pin(Some(&self.to))?];
        if pins[0] == pins[1] {
            return Err(anyhow!("failed to refresh from {} to itself", self.to))
                .hint(|| "name another source that sources.toml pins with --to or --from");
        }
        let everything = self.everything(&workspace, &conf_dir)?;
        let chosen = self.chosen(&workspace, &everything)?;
        let baseline = self.baseline(&workspace)?;
        self.report.iter().try_for_each(|path| stage::refuse_unwritable(path))?;
        let _lock = Lock::take(&ctx.shell, ctx.progress, &workspace.work.join("refresh"))?;
        let road = Road::new(ctx, &workspace, &everything, (&sources, pins), &self)?;
        let ahead = road.look(self.fix)?;
        let [from, to] = road.trees().map(|tree| tree.record.clone());
        let mut refreshed = Refreshed { from, to, ahead, proven: None };
        if !self.no_build && refreshed.ahead.is_fine() {
            let (shell, finished) = (&ctx.shell, Finished::new(&workspace.work)?);
            shell.check_interrupt()?;
            let proof = Proof::new(ctx, &workspace, &chosen, road.trees(), &self, finished)?;
            refreshed.proven = Some(proof.prove(&baseline, self.allow_growth)?);
        }
        self.write_report(ctx, &workspace, &refreshed)?;
        ctx.print(&refreshed, |refreshed| report::refreshed(refreshed, None))?;
        taking::tell(ctx, &refreshed);
        if let Some(proven) = refreshed.proven.as_ref().filter(|_| refreshed.passed()) {
            let path = self.baseline_path(&workspace);
            taking::take(ctx, &workspace, &sources, &self, (proven, baseline, &path))?;
        }
        Ok(if refreshed.passed() { Answer::Yes } else { Answer::No })
    }

    /// Every kernel that these flags leave, of every hypervisor, where there is a list for it.
    fn everything(&self, workspace: &Workspace, conf_dir: &Utf8Path) -> Result<Plan> {
        let types = match self.kernel_type.as_slice() {
            [] => KernelType::ALL,
            named => named,
        };
        let request = Request {
            arches: self.arch.clone(),
            types: types.to_vec(),
            all: true,
            conf_dir: Some(conf_dir.to_owned()),
            goes: Goes::Nowhere,
            ..Request::default()
        };
        let mut all = plan(workspace, &request)?;
        all.targets.retain(|target| conf_dir.join(&target.list).is_file());
        if all.targets.is_empty() {
            return Err(anyhow!("{conf_dir} has no list for such a kernel"))
                .hint(|| "name another folder with --kernel-conf-dir");
        }
        Ok(all)
    }

    /// Those of the named hypervisors, or of each type's default one.
    fn chosen(&self, workspace: &Workspace, everything: &Plan) -> Result<Plan> {
        let known = workspace.hypervisors();
        for name in &self.hypervisor {
            if !known.contains(&name.as_str()) {
                return Err(anyhow!("unknown hypervisor `{name}`"))
                    .hint(|| did_you_mean(name, &known));
            }
        }
        let facts = &workspace.facts;
        let is_meant = |target: &Target| match self.hypervisor.as_slice() {
            [] => {
                let default = facts.default_hypervisor_for.get(&target.kernel_type);
                target.hypervisor == *default.unwrap_or(&facts.default_hypervisor)
            }
            named => named.contains(&target.hypervisor),
        };
        let mut chosen = everything.clone();
        chosen.targets.retain(is_meant);
        if chosen.targets.is_empty() {
            return Err(anyhow!("no hypervisor that is meant boots such a kernel"))
                .hint(|| "name another --type or --hypervisor");
        }
        Ok(chosen)
    }

    fn baseline_path(&self, workspace: &Workspace) -> Utf8PathBuf {
        self.baseline.clone().unwrap_or_else(|| workspace.root.join("ci/baselines/tcg.json"))
    }

    /// Empty where there is none yet. A slip in it is told before hours are spent.
    fn baseline(&self, workspace: &Workspace) -> Result<Baseline> {
        let path = self.baseline_path(workspace);
        let failed = || format!("failed to read baseline {path}");
        match std::fs::read_to_string(&path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Baseline::default()),
            text => serde_json::from_str(&text.with_context(failed)?).with_context(failed),
        }
    }

    /// `ask` is whether to do it.
    fn agreed(&self, ctx: &Context, ask: &str) -> Result<bool> {
        if self.yes {
            return Ok(true);
        }
        if confirm::on_terminal() {
            return confirm::confirm(ctx, ask);
        }
        ctx.progress.say("nothing was written: there is no terminal to ask on, use --yes");
        Ok(false)
    }

    /// Where nothing was built, only if it was asked for.
    fn write_report(
        &self,
        ctx: &Context,
        workspace: &Workspace,
        refreshed: &Refreshed,
    ) -> Result<()> {
        let Refreshed { from, to, proven, .. } = refreshed;
        let default = || {
            let name = format!("docs/refresh-{}-{}.md", from.name, to.name);
            proven.is_some().then(|| workspace.root.join(name))
        };
        let Some(path) = self.report.clone().or_else(default) else { return Ok(()) };
        let picture = path.with_extension("svg");
        let drawn = report::refreshed_picture(refreshed);
        if let Some(drawn) = &drawn {
            super::measure::write(&picture, drawn)?;
        }
        let beside = drawn.and_then(|_| picture.file_name());
        let report = report::refreshed(refreshed, beside);
        super::measure::write(&path, &format!("{report}\n{YOURS}{}", own_words(&path)))?;
        ctx.progress.say(format_args!("the report is {}", workspace.shown(&path)));
        Ok(())
    }
}

/// What somebody has written below [`YOURS`] in the report of an earlier run.
fn own_words(report: &Utf8Path) -> String {
    let before = std::fs::read_to_string(report).unwrap_or_default();
    before.split_once(YOURS).map(|(_, own)| own.to_owned()).unwrap_or_default()
}
