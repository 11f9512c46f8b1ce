//! `cargo xtask plan`: the targets that `kernel` would produce for the same flags, and the source.

use anyhow::Result;
use clap::Args;
use serde::Serialize;

use crate::cmd::args::{PlannedSource, SourceArgs, TargetArgs};
use crate::cmd::{Answer, Context};
use crate::diag;
use crate::plan::{Plan, plan};
use crate::workspace::Workspace;

#[derive(Debug, Args)]
pub(crate) struct PlanArgs {
    #[command(flatten)]
    target: TargetArgs,
    #[command(flatten)]
    source: SourceArgs,
}

#[derive(Debug, Serialize)]
struct Planned {
    #[serde(flatten)]
    plan: Plan,
    source: PlannedSource,
}

impl PlanArgs {
    pub(crate) fn run(self, ctx: &Context) -> Result<Answer> {
        let workspace = Workspace::read(&ctx.shell)?;
        let plan = plan(&workspace, &self.target.request(false)?)?;
        let source = self.source.planned(&plan.conf_dir)?;
        diag::tell_plan(ctx.progress, &plan);
        ctx.progress.say(&source);
        ctx.print(&Planned { plan, source }, |planned| diag::plan_table(&planned.plan))?;
        Ok(Answer::Yes)
    }
}
