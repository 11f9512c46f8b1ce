//! `cargo xtask check`: resolves lists on kernel sources, builds nothing.

mod row;

use std::collections::BTreeSet;

use anyhow::{Context as _, Result, anyhow};
use camino::Utf8Path;
use clap::Args;
use serde::Serialize;

use row::{needless_everywhere, table};

use crate::cmd::args::{SourcesArgs, TargetArgs, ToolchainArgs};
use crate::cmd::{Answer, Context};
use crate::contract::{Contract, Hardening};
use crate::diag;
use crate::edit::{self, Edited};
use crate::fragment::{self, Assignment, Repeated, Requested, config_line};
use crate::history::{History, Past};
use crate::lock::Lock;
use crate::plan::{Goes, Plan, Request, Target, plan};
use crate::progress::Progress;
use crate::resolve::{
    Deviation, Ground, Hardened, Kconfigs, Mended, Note, Resolved, Resolver, Stale, Wanted, Wishes,
    breaches_and_wishes, deviations, needless, resolve_translated, stale, translate, unexplained,
    values,
};
use crate::shell::Shell;
use crate::source::{KernelVersion, Tree};
use crate::toolchain::Toolchain;
use crate::workspace::Workspace;

#[derive(Debug, Args)]
pub(crate) struct CheckArgs {
    #[command(flatten)]
    target: TargetArgs,
    #[command(flatten)]
    sources: SourcesArgs,
    #[command(flatten)]
    toolchain: ToolchainArgs,
    /// Say what each kernel does without of what the Kernel Self Protection Project recommends, and why
    #[arg(long, conflicts_with_all = ["want", "fix"])]
    hardening: bool,
    /// Say which lines would make this symbol come out, though no fragment asks for it [value: y]
    #[arg(long, value_name = "SYMBOL[=VALUE]", value_delimiter = ',', value_parser = wanted, help_heading = "Mending")]
    want: Vec<Wanted>,
    /// Show how the fragments have to change for all to come out
    #[arg(long, help_heading = "Mending")]
    fix: bool,
    /// Change them
    #[arg(long, requires = "fix", help_heading = "Mending")]
    yes: bool,
}

/// What the kernels do without of what is recommended.
#[derive(Debug, Serialize)]
struct Deviations {
    deviations: Vec<Deviation>,
    stale: Vec<Stale>,
}

impl CheckArgs {
    pub(crate) fn run(self, ctx: &Context) -> Result<Answer> {
        let workspace = Workspace::read(&ctx.shell)?;
        let plan = plan(&workspace, &self.target.request_all_by_default()?)?;
        let lock = || Lock::take_for_files(&ctx.shell, ctx.progress, &plan.conf_dir);
        let _lock = self.yes.then(lock).transpose()?;
        diag::tell_unread(ctx.progress, &workspace, &plan.conf_dir);
        let contract = Contract::read(&workspace, &plan.conf_dir)?;
        let mut rows = self.rows(ctx, &workspace, &plan, &contract)?;
        diag::tell_needless(ctx.progress, &needless_everywhere(&rows));
        if self.hardening {
            return Self::compare(ctx, &workspace, &plan, &rows);
        }
        let edits = edits(&rows, self.fix);
        let edited = edit::edit(&workspace.root, &edits.apply)?;
        let answer = self.answer(&rows, &edits, &edited);
        if self.fix {
            let judged: Vec<String> = rows.iter().map(|row| row.kernel.clone()).collect();
            for Edited { path, .. } in &edited {
                let others = fragment::kernels_with(&workspace, &plan.conf_dir, path, &judged)?;
                diag::tell_reach(ctx.progress, path, &others);
            }
        }
        let mut took = true;
        if self.yes && !edited.is_empty() {
            edit::write(&workspace.root, &edited)?;
            ctx.progress.say("changed; resolving again");
            (rows, took) = self.judged_again(ctx, &workspace, (&plan, &contract), rows, &edited)?;
        }
        ctx.print(&rows, |rows| answer + &table(rows, &contract))?;
        Ok(if took && rows.iter().all(Row::is_fine) { Answer::Yes } else { Answer::No })
    }

    /// What `--want` and `--fix` asked, in words.
    fn answer(&self, rows: &[Row<'_>], edits: &Edits, edited: &[Edited]) -> String {
        let mended: Vec<diag::Answered<'_>> = rows.iter().map(Row::answered).collect();
        let mut text = diag::mended_text(&mended, self.fix);
        text += &diag::stays_text(&edits.stays);
        if self.fix {
            text.extend(edited.iter().map(diag::diff));
        }
        text
    }

    /// Resolves the changed fragments. If any kernel is worse, they are as they were.
    fn judged_again<'a>(
        &self,
        ctx: &Context,
        workspace: &Workspace,
        (plan, contract): (&'a Plan, &Contract),
        before: Vec<Row<'a>>,
        edited: &[Edited],
    ) -> Result<(Vec<Row<'a>>, bool)> {
        let after = match self.rows(ctx, workspace, plan, contract) {
            Ok(after) => after,
            Err(error) => {
                edit::take_back(&workspace.root, edited)?;
                return Err(error)
                    .context("the changed fragments cannot be judged, and are as they were");
            }
        };
        let worse: Vec<(String, Vec<String>)> = before
            .iter()
            .zip(&after)
            .map(|(before, after)| {
                (format!("{} on Linux {}", before.kernel, before.linux), after.worse_than(before))
            })
            .filter(|(_, lost)| !lost.is_empty())
            .collect();
        if worse.is_empty() {
            return Ok((after, true));
        }
        edit::take_back(&workspace.root, edited)?;
        diag::tell_taken_back(ctx.progress, &worse);
        Ok((before, false))
    }

    /// Holds each kernel against what is recommended.
    fn compare(
        ctx: &Context,
        workspace: &Workspace,
        planned: &Plan,
        rows: &[Row<'_>],
    ) -> Result<Answer> {
        let hardening = Hardening::read(workspace, &planned.conf_dir)?;
        let kernels: Vec<Hardened<'_>> = rows.iter().map(Row::hardened).collect();
        let found: Vec<Deviation> =
            kernels.iter().flat_map(|one| deviations(&hardening, *one)).collect();
        let conf_dir = Some(planned.conf_dir.clone());
        let all = Request { all: true, conf_dir, goes: Goes::Nowhere, ..Request::default() };
        let stale = stale(&hardening, &kernels, &found, &plan(workspace, &all)?.targets);
        let names: Vec<_> =
            rows.iter().map(|row| (row.kernel.clone(), row.linux.clone())).collect();
        diag::tell_hardening(ctx.progress, &found, &stale, &names);
        let explained = found.iter().all(|one| one.reason.is_some());
        let result = Deviations { deviations: found, stale };
        ctx.print(&result, |result| diag::hardening_table(&result.deviations, &names))?;
        let fine = explained && rows.iter().all(Row::is_fine);
        Ok(if fine { Answer::Yes } else { Answer::No })
    }

    /// Resolves each list on each source.
    fn rows<'a>(
        &self,
        ctx: &Context,
        workspace: &Workspace,
        plan: &'a Plan,
        contract: &Contract,
    ) -> Result<Vec<Row<'a>>> {
        // A slip in a list is told before anything is fetched.
        let history = History::read(workspace, &plan.conf_dir)?;
        let orders = self.orders(ctx, workspace, plan)?;
        let mut trees = vec![];
        for source in self.sources.all(&plan.conf_dir)? {
            let tree = source.tree(ctx, workspace, &plan.conf_dir)?;
            for (at, order) in orders.iter().enumerate() {
                let toolchain = &order.toolchain;
                if orders[..at].iter().all(|other| other.toolchain.arch != toolchain.arch) {
                    diag::tell_compromise(ctx.progress, &toolchain.for_tree(&ctx.shell, &tree)?);
                }
            }
            trees.push(tree);
        }
        let mut rows = vec![];
        for row in self.on_trees(ctx, &workspace.work, &trees, &orders, (&history, contract)) {
            for row in row? {
                row.tell(ctx);
                rows.push(row);
            }
        }
        Ok(rows)
    }

    /// What the lists come to on each tree, told nobody: all trees are read at once.
    fn on_trees<'a>(
        &self,
        ctx: &Context,
        work: &Utf8Path,
        trees: &[Tree],
        orders: &[Order<'a>],
        known: (&History, &Contract),
    ) -> Vec<Result<Vec<Row<'a>>>> {
        let (progress, mends) = (ctx.progress, self.fix || !self.want.is_empty());
        let on_tree = |shell: &Shell, tree: &Tree| -> Result<Vec<Row<'a>>> {
            let kconfigs = Kconfigs::new(shell, tree, work);
            let row = |order: &Order<'a>| {
                if mends {
                    // Nothing is mended that is not understood.
                    kconfigs.by(&order.toolchain)?;
                }
                order.on(progress, known, tree, &kconfigs)
            };
            orders.iter().map(row).collect()
        };
        // Without bars, each row says so when it is told: threads say it in any order.
        let bar = (progress == Progress::Bars).then(|| progress.spinner("resolving the lists"));
        let rows = std::thread::scope(|scope| {
            let look = |tree| {
                let shell = ctx.shell.for_thread();
                scope.spawn(move || on_tree(&shell?, tree))
            };
            let running: Vec<_> = trees.iter().map(look).collect();
            let died = |_| Err(anyhow!("failed to read a tree: the thread that did it died"));
            running.into_iter().map(|thread| thread.join().unwrap_or_else(died)).collect()
        });
        if let Some(bar) = bar {
            bar.finish_and_clear();
        }
        rows
    }

    /// What each list asks for.
    pub(super) fn orders<'a>(
        &self,
        ctx: &Context,
        workspace: &Workspace,
        plan: &'a Plan,
    ) -> Result<Vec<Order<'a>>> {
        let mut orders = vec![];
        for targets in plan.variants() {
            orders.push(self.order(ctx, workspace, plan, targets, &orders)?);
        }
        Ok(orders)
    }

    fn order<'a>(
        &self,
        ctx: &Context,
        workspace: &Workspace,
        plan: &Plan,
        targets: Vec<&'a Target>,
        others: &[Order<'_>],
    ) -> Result<Order<'a>> {
        let first = targets[0];
        let requested = fragment::read(workspace, &plan.conf_dir, first)?;
        let known = others.iter().map(|other| &other.toolchain).find(|one| one.arch == first.arch);
        let toolchain = match known {
            Some(toolchain) => toolchain.clone(),
            None => self.toolchain.find(&ctx.shell, first.arch)?,
        };
        let Requested { assignments, repeated, .. } = requested;
        let (kernel, wanted, fix) = (first.variant(), self.want.clone(), self.fix);
        Ok(Order { kernel, targets, assignments, repeated, toolchain, wanted, fix })
    }
}

pub(super) use row::{Edits, Row, edits};

/// What one list asks for.
pub(super) struct Order<'a> {
    pub(super) kernel: String,
    /// Those whose kernel it is.
    targets: Vec<&'a Target>,
    pub(super) assignments: Vec<Assignment>,
    repeated: Vec<Repeated>,
    pub(super) toolchain: Toolchain,
    /// Beside what the list asks for.
    wanted: Vec<Wanted>,
    /// Look for what mends the list, too.
    fix: bool,
}

impl<'a> Order<'a> {
    pub(super) fn check(
        &self,
        ctx: &Context,
        known: (&History, &Contract),
        tree: &Tree,
        kconfigs: &Kconfigs<'_>,
    ) -> Result<Row<'a>> {
        let row = self.on(ctx.progress, known, tree, kconfigs)?;
        row.tell(ctx);
        Ok(row)
    }

    /// What the list comes to on a tree, told nobody.
    fn on(
        &self,
        progress: Progress,
        (history, contract): (&History, &Contract),
        tree: &Tree,
        kconfigs: &Kconfigs<'_>,
    ) -> Result<Row<'a>> {
        let (version, arch) = (&tree.version, self.toolchain.arch);
        let resolver = kconfigs.resolver_by(progress, &self.toolchain)?;
        match &resolver {
            Resolver::Engine(kconfig) => {
                Ok(self.row(Ground { kconfig, version, arch, history }, contract))
            }
            Resolver::Conf(_) => {
                let resolved = resolver.resolve(version, arch, history, &self.assignments)?;
                let dot_config = &resolved.dot_config;
                let breaches = unexplained(contract, &self.targets, version, dot_config);
                Ok(Row { breaches, ..self.bare_row(version, resolved) })
            }
        }
    }

    /// The same, where the tree is understood.
    pub(super) fn row(&self, ground: Ground<'_>, contract: &Contract) -> Row<'a> {
        let Order { targets, assignments, .. } = self;
        let Ground { kconfig, version, arch, history } = ground;
        let (asked, notes) = translate(kconfig, version, arch, history, assignments);
        let (resolved, mut config) = resolve_translated(ground, &asked, notes);
        let here: Vec<_> = self.wanted.iter().map(|one| (one, one.here(ground))).collect();
        let named: Vec<Wanted> = here.iter().filter_map(|(_, here)| here.clone().ok()).collect();
        let missed = self.missed(&resolved);
        let wishes = Wishes { named: &named, missed: &missed, fix: self.fix };
        let of_list = (&asked[..], resolved.dot_config.as_str());
        let (breaches, mut mended) =
            breaches_and_wishes(ground, contract, targets, of_list, wishes);
        let unknown = here.into_iter().filter_map(|(one, here)| Some((one, here.err()?)));
        mended.extend(unknown.map(|(one, cause)| Mended::unknown(one, cause)));
        let needless =
            needless(kconfig, (&mut config, &resolved.dot_config), &asked, &self.repeated);
        let set = values(&resolved.dot_config);
        let came_out = |one: &&Assignment| {
            set.get(one.symbol.as_str()).copied().unwrap_or("n") == one.value
                && named.iter().all(|named| named.symbol != one.symbol)
        };
        let came_out = asked.iter().filter(came_out);
        let came_out = came_out.map(|one| (one.symbol.clone(), one.value.clone())).collect();
        let by_name = |one: &&Assignment| {
            kconfig.asks(&one.symbol) && history.newest_line(&one.symbol, &one.value) == one.line()
        };
        let names = assignments.iter().filter(by_name).map(|one| one.place.clone()).collect();
        let row = self.bare_row(version, resolved);
        Row { breaches, mended, needless, came_out, names, ..row }
    }

    /// Without all that takes an understanding of the tree.
    fn bare_row(&self, version: &KernelVersion, resolved: Resolved) -> Row<'a> {
        let Order { kernel, targets, assignments, .. } = self;
        let requested = assignments.len();
        let all = assignments.iter().chain(self.repeated.iter().map(|one| &one.assignment));
        let places = all.map(|one| one.place.clone()).collect();
        let (kernel, linux) = (kernel.clone(), version.to_string());
        let (version, targets) = (version.clone(), targets.clone());
        Row {
            kernel,
            linux,
            requested,
            resolved,
            mended: vec![],
            needless: vec![],
            breaches: vec![],
            places,
            version,
            targets,
            came_out: vec![],
            names: BTreeSet::new(),
        }
    }

    /// The heir of a transitional name: the first one in place of it.
    fn inherited(&self, resolved: &Resolved, note: &Note) -> Option<Wanted> {
        let Past::Inherited(heir) = &note.past else { return None };
        let line = self.assignments.iter().find(|one| one.place == note.place)?;
        let is_first = resolved.notes.iter().find(|one| one.place == note.place) == Some(note);
        let in_place_of = is_first.then(|| note.place.clone());
        Some(Wanted { symbol: heir.clone(), value: line.value.clone(), in_place_of })
    }

    /// What did not come out, and what another name took over, if that is to be mended.
    fn missed(&self, resolved: &Resolved) -> Vec<Wanted> {
        let missed = resolved.findings.iter().filter(|_| self.fix).filter_map(Wanted::of);
        let renamed = resolved.notes.iter().filter(|_| self.fix);
        let renamed = renamed.filter_map(|note| self.inherited(resolved, note));
        missed.chain(renamed).collect()
    }
}

/// A symbol that `--want` names, with or without `CONFIG_`.
fn wanted(word: &str) -> Result<Wanted, String> {
    let word = word.strip_prefix("CONFIG_").unwrap_or(word);
    let (symbol, value) = word.split_once('=').unwrap_or((word, "y"));
    fragment::parse_line(&config_line(symbol, value))?;
    Ok(Wanted { symbol: symbol.to_owned(), value: value.to_owned(), in_place_of: None })
}
