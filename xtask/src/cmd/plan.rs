//! `cargo xtask plan`: the targets that `kernel` would produce for the same flags, and the source.

use anyhow::Result;
use clap::Args;
use serde::Serialize;
use vmm_kernel::Arch;

use crate::cmd::args::{PlannedSource, SourceArgs, TargetArgs, ToolchainArgs};
use crate::cmd::{Answer, Context};
use crate::diag;
use crate::fragment;
use crate::hash;
use crate::history::History;
use crate::plan::{Plan, plan};
use crate::resolve::Kconfigs;
use crate::stage::Identity;
use crate::variant::TOOL_VERSION;
use crate::workspace::Workspace;

#[derive(Debug, Args)]
pub(crate) struct PlanArgs {
    #[command(flatten)]
    target: TargetArgs,
    #[command(flatten)]
    source: SourceArgs,
    /// Also say the key of each image, which a cache can keep it by: fetches the source and resolves
    #[arg(long, conflicts_with = "kernel_dir")]
    keys: bool,
    #[command(flatten)]
    toolchain: ToolchainArgs,
}

#[derive(Debug, Serialize)]
struct Planned {
    #[serde(flatten)]
    plan: Plan,
    source: PlannedSource,
    /// In the order of the targets.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    keys: Vec<Key>,
}

/// What an image's manifest will name as its key.
#[derive(Debug, Serialize)]
struct Key {
    hypervisor: String,
    arch: Arch,
    key: String,
}

impl PlanArgs {
    pub(crate) fn run(self, ctx: &Context) -> Result<Answer> {
        let workspace = Workspace::read(&ctx.shell)?;
        let plan = plan(&workspace, &self.target.request(false)?)?;
        let source = self.source.planned(ctx, &workspace, &plan.conf_dir)?;
        diag::tell_plan(ctx.progress, &plan);
        ctx.progress.say(&source);
        let keys = if self.keys { self.keys(ctx, &workspace, &plan)? } else { vec![] };
        ctx.print(&Planned { plan, source, keys }, text)?;
        Ok(Answer::Yes)
    }

    fn keys(&self, ctx: &Context, workspace: &Workspace, plan: &Plan) -> Result<Vec<Key>> {
        let tree = self.source.tree(ctx, workspace, &plan.conf_dir)?;
        let history = History::read(workspace, &plan.conf_dir)?;
        let kconfigs = Kconfigs::new(&ctx.shell, &tree, &workspace.work);
        let mut keys = vec![];
        for target in &plan.targets {
            let toolchain = self.toolchain.for_tree(ctx, target.arch, &tree)?;
            let requested = fragment::read(workspace, &plan.conf_dir, target)?.assignments;
            let resolver = kconfigs.resolver(ctx.progress, &toolchain.kbuild_arch())?;
            let resolved = resolver.resolve(&tree.version, target.arch, &history, &requested)?;
            let identity = Identity {
                source: &tree.record,
                config_sha256: &hash::of_bytes(&resolved.dot_config),
                toolchain: &toolchain.record,
                format: target.format,
                tool_version: TOOL_VERSION,
            };
            let (hypervisor, arch) = (target.hypervisor.clone(), target.arch);
            keys.push(Key { hypervisor, arch, key: identity.key()? });
        }
        Ok(keys)
    }
}

fn text(planned: &Planned) -> String {
    let line = |Key { hypervisor, arch, key }: &Key| format!("\n{key} {arch} {hypervisor}");
    let keys: String = planned.keys.iter().map(line).collect();
    diag::plan_table(&planned.plan) + &keys
}
