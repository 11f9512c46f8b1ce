//! What the new source means for the lists, and what mends them.

use std::collections::BTreeMap;
use std::rc::Rc;

use anyhow::{Context as _, Result, bail};
use vmm_kernel::Arch;

use super::RefreshArgs;
use crate::cmd::Context;
use crate::cmd::args::{SourceArgs, typed};
use crate::cmd::check::{CheckArgs, Order, Row, edits};
use crate::contract::Contract;
use crate::diag;
use crate::edit::{self, Edit, Edited};
use crate::fragment;
use crate::history::History;
use crate::plan::Plan;
use crate::refresh::{
    Ahead, Kernel, Outlook, Proposal, changes, entries, new_options, newcomers, proposals,
};
use crate::resolve::{Ground, Kconfig, Kconfigs, On, Resolver, Subject};
use crate::source::{self, Pin, Sources, Tree, Unfit, try_patches};
use crate::workspace::Workspace;

/// From one tree to another.
pub(super) struct Road<'a> {
    ctx: &'a Context,
    workspace: &'a Workspace,
    plan: &'a Plan,
    sources: &'a Sources,
    pins: [&'a Pin; 2],
    trees: [Tree; 2],
    args: &'a RefreshArgs,
    check: CheckArgs,
}

/// A list on both trees.
struct Field<'a> {
    order: &'a Order<'a>,
    kconfigs: [Rc<Kconfig>; 2],
}

impl<'a> Road<'a> {
    pub(super) fn new(
        ctx: &'a Context,
        workspace: &'a Workspace,
        plan: &'a Plan,
        (sources, pins): (&'a Sources, [&'a Pin; 2]),
        args: &'a RefreshArgs,
    ) -> Result<Self> {
        let [from, to] = pins;
        let trees = [tree(ctx, workspace, plan, from)?, tree(ctx, workspace, plan, to)?];
        let prefix = args.cross_compile.iter().flat_map(|prefix| ["--cross-compile", prefix]);
        let words: Vec<&str> = ["--fix"].into_iter().chain(prefix).collect();
        let check = typed::<CheckArgs>(&words)?;
        Ok(Road { ctx, workspace, plan, sources, pins, trees, args, check })
    }

    pub(super) fn trees(&self) -> [&Tree; 2] {
        self.trees.each_ref()
    }

    /// Tells what the lists come to on the new tree; with `fix`, once more after they were mended.
    pub(super) fn look(&self, fix: bool) -> Result<Ahead> {
        let Road { ctx, workspace, plan, .. } = self;
        let contract = Contract::read(workspace, &plan.conf_dir)?;
        let history = History::read(workspace, &plan.conf_dir)?;
        let orders = self.check.orders(ctx, workspace, plan)?;
        let read =
            self.trees.each_ref().map(|tree| Kconfigs::new(&ctx.shell, tree, &workspace.work));
        let (mut fields, mut lists) = (vec![], vec![]);
        for order in &orders {
            if fix {
                read[1].by(&order.toolchain)?;
            }
            let of = |at: usize| read[at].resolver_by(ctx.progress, &order.toolchain);
            // What a tree's own conf resolves is not compared: it does not say what follows what.
            if let (Resolver::Engine(old), Resolver::Engine(new)) = (of(0)?, of(1)?) {
                fields.push(Field { order, kconfigs: [old, new] });
            }
            let row = order.check(ctx, (&history, &contract), &self.trees[1], &read[1])?;
            lists.push(outlook(row));
        }
        let kernels: Vec<Kernel<'_>> =
            fields.iter().map(|field| self.kernel(field, &history)).collect();
        let proposals = proposals(&kernels);
        if fix && self.fix(&fields, &history, &contract, &proposals)? {
            return self.look(false);
        }
        let bar = ctx.progress.spinner("comparing the trees");
        let [from, to] = [0, 1].map(|at| self.subject(at));
        let [old, new] = self.pins;
        let ahead = Ahead {
            changes: changes(&kernels),
            new_options: new_options(&kernels),
            compared: fields.len() == orders.len(),
            needless_history: self.needless_history(&history, &fields)?,
            patches: try_patches(&ctx.shell, &workspace.work, &self.trees[1], &[new, old])?,
            from,
            to,
            lists,
            proposals,
        };
        bar.finish_and_clear();
        Ok(ahead)
    }

    fn ground<'f>(&'f self, field: &'f Field<'_>, at: usize, history: &'f History) -> Ground<'f> {
        let arch = field.order.toolchain.arch;
        let version = &self.trees[at].version;
        Ground { kconfig: &field.kconfigs[at], version, arch, history }
    }

    fn kernel<'f>(&'f self, field: &'f Field<'_>, history: &'f History) -> Kernel<'f> {
        let ground = |at| self.ground(field, at, history);
        let Order { kernel, assignments, .. } = field.order;
        Kernel { name: kernel, asked: assignments, old: ground(0), new: ground(1) }
    }

    fn subject(&self, at: usize) -> Subject {
        let on = On { linux: self.trees[at].version.to_string(), arch: self.plan.targets[0].arch };
        Subject { on: Some(on), ..Subject::named(&self.pins[at].name) }
    }

    /// Symbols of the history that every pinned tree which is here can be asked for.
    fn needless_history(&self, history: &History, fields: &[Field<'_>]) -> Result<Vec<String>> {
        let Road { ctx, workspace, sources, .. } = self;
        let mut trees: Vec<BTreeMap<Arch, Rc<Kconfig>>> = vec![];
        for at in [0, 1] {
            let known =
                |field: &Field<'_>| (field.order.toolchain.arch, field.kconfigs[at].clone());
            trees.push(fields.iter().map(known).collect());
        }
        for pin in sources.pins().iter().filter(|pin| !self.pins.contains(pin)) {
            let state = source::state(sources, pin, &workspace.work.join("source"))?;
            let Some(tree) = state.tree else { continue };
            let kconfigs = Kconfigs::new(&ctx.shell, &tree, &workspace.work);
            let mut of = BTreeMap::new();
            for Field { order, .. } in fields {
                let resolver = kconfigs.resolver_by(ctx.progress, &order.toolchain)?;
                if let Resolver::Engine(kconfig) = resolver {
                    of.insert(order.toolchain.arch, kconfig);
                }
            }
            trees.push(of);
        }
        let knows = |tree: &BTreeMap<Arch, Rc<Kconfig>>, arch: &Arch, name: &str| {
            tree.get(arch).is_some_and(|kconfig| kconfig.asks(name))
        };
        let lacked = |name: &str, arches: &[Arch]| {
            trees.iter().any(|tree| !arches.iter().any(|arch| knows(tree, arch, name)))
        };
        Ok(history.needless(lacked).into_iter().map(str::to_owned).collect())
    }

    /// Shows what mends the lists on both trees, and with a yes mends them; says whether it did.
    fn fix(
        &self,
        fields: &[Field<'_>],
        history: &History,
        contract: &Contract,
        proposals: &[Proposal],
    ) -> Result<bool> {
        let Road { ctx, workspace, plan, .. } = self;
        let file = plan.conf_dir.join(fragment::HISTORY);
        let before = std::fs::read_to_string(&file).unwrap_or_default();
        // Without a file of its own, the conf dir's lists are in nobody's words.
        let more = if file.exists() { entries(proposals) } else { String::new() };
        let amended = history.clone().with(&more)?;
        let expected = self.rows(fields, &amended, contract);
        let edits = edits(&expected, true).apply;
        let mut edited = edit::edit(&workspace.root, &edits)?;
        edited.retain(|one| one.before != one.after);
        let mut lines = vec![];
        for Edit { at, text, .. } in &edits {
            lines.extend(fragment::parse_fragment(&at.path, text)?);
        }
        let kernels: Vec<Kernel<'_>> =
            fields.iter().map(|field| self.kernel(field, &amended)).collect();
        let newcomers = if file.exists() { newcomers(&kernels, &lines) } else { String::new() };
        let more = more + &newcomers;
        if !more.is_empty() {
            let path = workspace.shown(&file).to_owned();
            edited.push(Edited { path, after: format!("{before}{more}"), before });
        }
        if edited.is_empty() {
            ctx.progress.say("there is nothing to mend");
            return Ok(false);
        }
        diag::tell_edited(ctx.progress, &edited);
        if !self.args.agreed(ctx, "change the fragments so?")? {
            return Ok(false);
        }
        edit::write(&workspace.root, &edited)?;
        if let Err(error) = self.prove(fields, contract, &expected) {
            edit::take_back(&workspace.root, &edited)?;
            return Err(error).context("the changed fragments do not do, and are as they were");
        }
        ctx.progress.say("changed; resolving again");
        Ok(true)
    }

    /// What each list comes to on the old tree, and on the new one.
    fn rows<'f>(
        &self,
        fields: &[Field<'f>],
        history: &History,
        contract: &Contract,
    ) -> Vec<Row<'f>> {
        let on = |field: &Field<'f>, at| field.order.row(self.ground(field, at, history), contract);
        fields.iter().flat_map(|field| [on(field, 0), on(field, 1)]).collect()
    }

    /// Reads the lists again: what was to be mended comes out, and all else comes out as it did.
    fn prove(&self, fields: &[Field<'_>], contract: &Contract, expected: &[Row<'_>]) -> Result<()> {
        let Road { ctx, workspace, plan, .. } = self;
        let history = History::read(workspace, &plan.conf_dir)?;
        let orders = self.check.orders(ctx, workspace, plan)?;
        let again = |(field, order)| {
            let Field { kconfigs, .. }: &Field<'_> = field;
            Field { order, kconfigs: kconfigs.clone() }
        };
        let again: Vec<Field<'_>> = fields.iter().zip(&orders).map(again).collect();
        for (before, after) in expected.iter().zip(self.rows(&again, &history, contract)) {
            let is_mended = |symbol: &str| {
                before.mended.iter().any(|one| one.symbol == symbol && one.edits.is_some())
            };
            let stays = |symbol: &str| {
                let mut findings = before.resolved.findings.iter();
                findings.any(|one| one.symbol == symbol) && !is_mended(symbol)
            };
            if let Some(one) = after.resolved.findings.iter().find(|one| !stays(&one.symbol)) {
                bail!("{}: CONFIG_{} does not come out as asked", after.kernel, one.symbol);
            }
        }
        Ok(())
    }
}

/// The pin's tree; without its patches, where one of them does not apply.
fn tree(ctx: &Context, workspace: &Workspace, plan: &Plan, pin: &Pin) -> Result<Tree> {
    let source = SourceArgs::default().pinned(&pin.name);
    match source.tree(ctx, workspace, &plan.conf_dir) {
        Err(error) if error.chain().any(|cause| cause.is::<Unfit>()) => {
            ctx.progress.complain(diag::Failure::new(&error));
            let bare = SourceArgs { no_patch: pin.patch_names()?, ..source };
            bare.tree(ctx, workspace, &plan.conf_dir)
        }
        tree => tree,
    }
}

fn outlook(row: Row<'_>) -> Outlook {
    let Row { kernel, requested, resolved, breaches, mended, .. } = row;
    let (findings, notes) = (resolved.findings, resolved.notes);
    Outlook { kernel, requested, findings, notes, breaches, mended }
}
