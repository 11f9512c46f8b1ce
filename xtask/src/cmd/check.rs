//! `cargo xtask check`: resolves lists on kernel sources, builds nothing.

use anyhow::Result;
use camino::Utf8PathBuf;
use clap::Args;
use comfy_table::Table;
use comfy_table::presets::NOTHING;
use serde::Serialize;

use crate::cmd::args::{SourceArgs, TargetArgs};
use crate::cmd::{Answer, Context};
use crate::diag;
use crate::fragment::{self, Assignment};
use crate::history::History;
use crate::lock::Lock;
use crate::plan::{Plan, Target, plan};
use crate::resolve::{Kconfigs, Resolved, resolve};
use crate::source::{Sources, Tree};
use crate::toolchain::Toolchain;
use crate::workspace::Workspace;

#[derive(Debug, Args)]
pub(crate) struct CheckArgs {
    #[command(flatten)]
    target: TargetArgs,
    /// Your own Linux trees; they are never written to
    #[arg(long, value_name = "DIR", value_delimiter = ',', help_heading = "Source")]
    kernel_dir: Vec<Utf8PathBuf>,
    /// Pinned sources of the conf dir's sources.toml [default: all of them]
    #[arg(long, value_name = "NAME", value_delimiter = ',', help_heading = "Source")]
    source: Vec<String>,
    /// Demand exactly the versions and hashes of sources.lock
    #[arg(long, help_heading = "Source")]
    locked: bool,
    /// Prefix of the cross tools, such as aarch64-linux-gnu-
    #[arg(long, value_name = "PREFIX")]
    cross_compile: Option<String>,
}

/// What one list came to on one tree.
#[derive(Debug, Serialize)]
struct Row {
    kernel: String,
    linux: String,
    requested: usize,
    #[serde(flatten)]
    resolved: Resolved,
}

impl CheckArgs {
    pub(crate) fn run(self, ctx: &Context) -> Result<Answer> {
        let workspace = Workspace::read(&ctx.shell)?;
        let plan = plan(&workspace, &self.target.request_all_by_default()?)?;
        let _lock = Lock::take(&ctx.shell, ctx.progress, &workspace.work)?;
        // A slip in a list is told before anything is fetched.
        let history = History::read(&plan.conf_dir)?;
        let mut orders = vec![];
        for targets in plan.variants() {
            orders.push(self.order(ctx, &workspace, &plan, targets[0])?);
        }
        let mut rows = vec![];
        for source in self.sources(&plan)? {
            let tree = source.tree(ctx, &workspace, &plan.conf_dir)?;
            let kconfigs = Kconfigs::new(&ctx.shell, &tree, &workspace.work);
            for order in &orders {
                rows.push(order.check(ctx, &history, &tree, &kconfigs)?);
            }
        }
        ctx.print(&rows, |rows| table(rows))?;
        let fine = rows.iter().all(|row| row.resolved.findings.is_empty());
        Ok(if fine { Answer::Yes } else { Answer::No })
    }

    fn sources(&self, plan: &Plan) -> Result<Vec<SourceArgs>> {
        let pinned = |name: &str| SourceArgs::pinned(name, self.locked);
        let mut sources: Vec<_> = self.kernel_dir.iter().cloned().map(SourceArgs::dir).collect();
        sources.extend(self.source.iter().map(|name| pinned(name)));
        if sources.is_empty() {
            sources.extend(Sources::read(&plan.conf_dir)?.names().map(pinned));
        }
        Ok(sources)
    }

    fn order(
        &self,
        ctx: &Context,
        workspace: &Workspace,
        plan: &Plan,
        target: &Target,
    ) -> Result<Order> {
        let requested = fragment::read(workspace, &plan.conf_dir, target)?;
        let toolchain = Toolchain::find(&ctx.shell, target.arch, self.cross_compile.as_deref())?;
        Ok(Order { kernel: target.variant(), assignments: requested.assignments, toolchain })
    }
}

/// What one list asks for.
struct Order {
    kernel: String,
    assignments: Vec<Assignment>,
    toolchain: Toolchain,
}

impl Order {
    fn check(
        &self,
        ctx: &Context,
        history: &History,
        tree: &Tree,
        kconfigs: &Kconfigs<'_>,
    ) -> Result<Row> {
        let Order { kernel, assignments, toolchain } = self;
        let bar = ctx.progress.spinner(format!("resolving {kernel} on Linux {}", tree.version));
        let kconfig = kconfigs.of(&toolchain.kbuild_arch())?;
        let resolved = resolve(&kconfig, &tree.version, toolchain.arch, history, assignments);
        bar.finish_and_clear();
        let requested = assignments.len();
        diag::tell_resolved(ctx.progress, kernel, &tree.version, requested, &resolved);
        Ok(Row { kernel: kernel.clone(), linux: tree.version.to_string(), requested, resolved })
    }
}

fn table(rows: &[Row]) -> String {
    let mut table = Table::new();
    table.load_preset(NOTHING);
    table.set_header(["KERNEL", "LINUX", "REQUESTED", "TRANSLATED", "MISSING"]);
    for row in rows {
        let counts = [row.requested, row.resolved.notes.len(), row.resolved.findings.len()];
        let [requested, notes, missing] = counts.map(|count| count.to_string());
        table.add_row([&row.kernel, &row.linux, &requested, &notes, &missing]);
    }
    table.trim_fmt()
}
