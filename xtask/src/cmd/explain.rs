//! `cargo xtask explain SYMBOL`: its value and why, and what would turn it on.

use anyhow::{Result, anyhow};
use clap::Args;
use kconfig::{Config, Mode};

use crate::cmd::args::{SourceArgs, TargetArgs};
use crate::cmd::{Answer, Context};
use crate::diag::{self, Hint};
use crate::fragment;
use crate::history::History;
use crate::plan::plan;
use crate::resolve::{InKernel, Kconfigs, explain, translate, why_unknown};
use crate::toolchain::Toolchain;
use crate::workspace::Workspace;

#[derive(Debug, Args)]
pub(crate) struct ExplainArgs {
    /// With or without CONFIG_ before it
    symbol: String,
    #[command(flatten)]
    target: TargetArgs,
    #[command(flatten)]
    source: SourceArgs,
    /// Prefix of the cross tools, such as aarch64-linux-gnu-
    #[arg(long, value_name = "PREFIX")]
    cross_compile: Option<String>,
}

impl ExplainArgs {
    pub(crate) fn run(self, ctx: &Context) -> Result<Answer> {
        let name = self.symbol.strip_prefix("CONFIG_").unwrap_or(&self.symbol);
        let workspace = Workspace::read(&ctx.shell)?;
        let plan = plan(&workspace, &self.target.request(false)?)?;
        let history = History::read(&workspace, &plan.conf_dir)?;
        let tree = self.source.tree(ctx, &workspace, &plan.conf_dir)?;
        let kconfigs = Kconfigs::new(&ctx.shell, &tree, &workspace.work);
        let mut all = vec![];
        for targets in plan.variants() {
            let target = targets[0];
            let requested = fragment::read(&workspace, &plan.conf_dir, target)?.assignments;
            let prefix = self.cross_compile.as_deref();
            let toolchain = Toolchain::find(&ctx.shell, target.arch, prefix)?;
            let kconfig = kconfigs.of(&toolchain.kbuild_arch())?;
            let (asked, _) = translate(&kconfig, &tree.version, target.arch, &history, &requested);
            let lines: String = asked.iter().map(|one| one.line() + "\n").collect();
            let (mut config, _) = Config::resolve(&kconfig.model, Mode::AllNo, Some(&lines));
            let Some(symbol) = kconfig.model.defined(name) else {
                let cause = why_unknown(&kconfig, &tree.version, target.arch, &history, name);
                return Err(anyhow!("Linux {} has no symbol {name} here", tree.version))
                    .hint(|| diag::hint_for_unknown(name, &cause));
            };
            let asked = asked.into_iter().find(|one| one.symbol == name).map(|one| one.place);
            all.push(InKernel {
                kernel: target.variant(),
                linux: tree.version.to_string(),
                asked,
                explained: explain(&kconfig, &mut config, &lines, symbol),
            });
        }
        ctx.print(&all, |all| all.iter().map(diag::explained_text).collect())?;
        Ok(Answer::Yes)
    }
}
