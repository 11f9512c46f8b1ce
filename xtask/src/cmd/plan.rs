//! `cargo xtask plan`: the targets that `kernel` would produce for the same flags.

use anyhow::Result;
use clap::Args;

use crate::cmd::args::TargetArgs;
use crate::cmd::{Answer, Context};
use crate::diag;
use crate::plan::plan;
use crate::workspace::Workspace;

#[derive(Debug, Args)]
pub(crate) struct PlanArgs {
    #[command(flatten)]
    target: TargetArgs,
}

impl PlanArgs {
    pub(crate) fn run(self, ctx: &Context) -> Result<Answer> {
        let workspace = Workspace::read(&ctx.shell)?;
        let plan = plan(&workspace, &self.target.request(false)?)?;
        diag::tell_plan(ctx.progress, &plan);
        ctx.print(&plan, diag::plan_table)?;
        Ok(Answer::Yes)
    }
}
