//! The kernels that are judged, on each tree.

use std::collections::BTreeSet;
use std::rc::Rc;

use anyhow::{Result, anyhow, ensure};
use vmm_kernel::KernelType;

use crate::cmd::Context;
use crate::cmd::args::ToolchainArgs;
use crate::contract::Contract;
use crate::diag::Hint;
use crate::fragment::{self, Place, Requested};
use crate::history::History;
use crate::minimize::{Effect, InKernel, Keep, Kernel, Line, Objects, together};
use crate::plan::{Goes, Plan, Request, Target, plan};
use crate::resolve::{Ground, Kconfig, Kconfigs};
use crate::source::Tree;
use crate::toolchain::Toolchain;
use crate::variant::Folder;
use crate::workspace::Workspace;

/// What all kernels have in common, and what each list asks for.
pub(super) struct Yard<'a> {
    pub(super) workspace: &'a Workspace,
    pub(super) plan: &'a Plan,
    pub(super) contract: Contract,
    keep: Keep,
    history: History,
    orders: Vec<Order>,
    /// Lists that are not judged, with their lines.
    others: Vec<(String, BTreeSet<Place>)>,
}

/// What one variant's list asks for.
struct Order {
    name: String,
    /// All hypervisors whose kernel it is, whichever of them were named.
    targets: Vec<Target>,
    requested: Requested,
    toolchain: Toolchain,
}

/// A kernel on a tree.
pub(super) struct Field<'a> {
    order: &'a Order,
    pub(super) tree: &'a Tree,
    toolchain: Toolchain,
    kconfig: Rc<Kconfig>,
    /// As the contract has them.
    targets: Vec<&'a Target>,
}

impl Field<'_> {
    pub(super) fn name(&self) -> &str {
        &self.order.name
    }

    pub(super) fn toolchain(&self) -> &Toolchain {
        &self.toolchain
    }
}

/// A kernel's name, what it is without some lines, and its `.config` then.
pub(super) type Foretold = (String, Effect, String);

impl<'a> Yard<'a> {
    pub(super) fn read(
        ctx: &Context,
        workspace: &'a Workspace,
        plan: &'a Plan,
        toolchain: &ToolchainArgs,
    ) -> Result<Self> {
        let conf_dir = &plan.conf_dir;
        let (mut orders, mut others) = (vec![], vec![]);
        let everything = everything(workspace, plan)?;
        for targets in everything.variants() {
            let (first, name) = (targets[0], targets[0].variant());
            if plan.targets.iter().any(|target| target.variant() == name) {
                let requested = fragment::read(workspace, conf_dir, first)?;
                let toolchain = toolchain.find(&ctx.shell, first.arch)?;
                let targets = targets.into_iter().cloned().collect();
                orders.push(Order { name, targets, requested, toolchain });
            } else if conf_dir.join(&first.list).is_file() {
                let requested = fragment::read(workspace, conf_dir, first)?;
                let places = requested.lines().map(|line| line.place.clone()).collect();
                others.push((name, places));
            }
        }
        let contract = Contract::read(workspace, conf_dir)?;
        let keep = Keep::read(workspace, conf_dir)?;
        let history = History::read(workspace, conf_dir)?;
        Ok(Yard { workspace, plan, contract, keep, history, orders, others })
    }

    /// A build is of one kernel.
    pub(super) fn demand_one(&self) -> Result<()> {
        let names: Vec<&str> = self.orders.iter().map(|order| order.name.as_str()).collect();
        let one = || match names.as_slice() {
            [_] => Ok(()),
            _ => Err(anyhow!("failed to choose a kernel to build: {} fit", names.join(", "))),
        };
        one().hint(|| "name one with --type, --arch and --hypervisor")
    }

    /// Each kernel on each tree.
    pub(super) fn fields<'f>(&'f self, ctx: &Context, trees: &'f [Tree]) -> Result<Vec<Field<'f>>> {
        let mut fields = vec![];
        for tree in trees {
            let kconfigs = Kconfigs::new(&ctx.shell, tree, &self.workspace.work);
            for order in &self.orders {
                let toolchain = order.toolchain.for_tree(&ctx.shell, tree)?;
                let kconfig = kconfigs.of(&toolchain.kbuild_arch())?;
                fields.push(Field {
                    order,
                    tree,
                    toolchain,
                    kconfig,
                    targets: order.targets.iter().collect(),
                });
            }
        }
        Ok(fields)
    }

    pub(super) fn kernel<'f>(&'f self, field: &'f Field<'_>) -> Kernel<'f> {
        self.kernel_of(field, &field.order.requested)
    }

    fn kernel_of<'f>(&'f self, field: &'f Field<'_>, requested: &'f Requested) -> Kernel<'f> {
        let Field { order, tree, kconfig, targets, .. } = field;
        let (version, arch) = (&tree.version, order.toolchain.arch);
        let ground = Ground { kconfig, version, arch, history: &self.history };
        let (contract, keep) = (&self.contract, &self.keep);
        Kernel { ground, contract, keep, targets, requested }
    }

    pub(super) fn folder(&self, field: &Field<'_>) -> Folder {
        let Order { name, toolchain, .. } = &field.order;
        let name = toolchain.family.variant(name);
        Folder::new(&self.workspace.work, field.tree, &self.plan.conf_dir, &name)
    }

    /// All lines, with what the kernels' object trees say of them.
    pub(super) fn judge(&self, ctx: &Context, fields: &[Field<'_>]) -> Result<Vec<Line>> {
        let mut all = vec![];
        for field in fields {
            let (name, linux) = (field.name(), field.tree.version.to_string());
            let bar = ctx.progress.spinner(format!("judging {name} on Linux {linux}"));
            let arch = field.order.toolchain.arch;
            let objects = Objects::read(&self.folder(field).obj(), &field.tree.dir, arch)?;
            for judged in self.kernel(field).judge() {
                let gain = objects.as_ref().map(|objects| objects.without(&judged.effect.goes));
                let (kernel, linux) = (name.to_owned(), linux.clone());
                all.push(InKernel { kernel, linux, judged, gain });
            }
            bar.finish_and_clear();
            ctx.shell.check_interrupt()?;
        }
        Ok(together(all, &self.others))
    }

    /// What each kernel is without these lines.
    pub(super) fn without(&self, fields: &[Field<'_>], out: &BTreeSet<Place>) -> Vec<Foretold> {
        let of = |field: &Field<'_>| {
            let kernel = self.kernel(field);
            let name = format!("{} on Linux {}", field.name(), field.tree.version);
            (name, kernel.without(out), kernel.dot_config(out))
        };
        fields.iter().map(of).collect()
    }

    /// Reads the fragments again and resolves them: all is as foretold.
    pub(super) fn prove(&self, fields: &[Field<'_>], foretold: &[Foretold]) -> Result<()> {
        for (field, (name, _, dot_config)) in fields.iter().zip(foretold) {
            let first = &field.order.targets[0];
            let requested = fragment::read(self.workspace, &self.plan.conf_dir, first)?;
            let now = self.kernel_of(field, &requested).dot_config(&BTreeSet::new());
            ensure!(now == *dot_config, "{name} does not resolve as it did without these lines");
        }
        Ok(())
    }
}

/// Every kernel of the conf dir's lists.
fn everything(workspace: &Workspace, of: &Plan) -> Result<Plan> {
    let request = Request {
        types: vec![KernelType::Micro, KernelType::Mini],
        all: true,
        conf_dir: Some(of.conf_dir.clone()),
        goes: Goes::Nowhere,
        ..Request::default()
    };
    plan(workspace, &request)
}
