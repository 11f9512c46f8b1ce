//! `cargo xtask explain SYMBOL`: its value and why, and what would turn it on.

use anyhow::{Result, anyhow};
use clap::Args;
use kconfig::{Config, Mode};
use vmm_kernel::Arch;

use crate::cmd::args::{SourceArgs, TargetArgs, ToolchainArgs};
use crate::cmd::{Answer, Context};
use crate::contract::Contract;
use crate::diag::{self, Hint};
use crate::fragment;
use crate::history::History;
use crate::plan::{Plan, Target, plan};
use crate::resolve::{Cause, InKernel, Kconfigs, explain, known, translate, why_unknown};
use crate::source::{self, Sources, Tree};
use crate::toolchain::Toolchain;
use crate::workspace::Workspace;

#[derive(Debug, Args)]
pub(crate) struct ExplainArgs {
    /// As in a fragment or in the name of a module: VIRTIO_BLK, CONFIG_VIRTIO_BLK=y, virtio_blk
    symbol: String,
    #[command(flatten)]
    target: TargetArgs,
    #[command(flatten)]
    source: SourceArgs,
    #[command(flatten)]
    toolchain: ToolchainArgs,
}

impl ExplainArgs {
    pub(crate) fn run(self, ctx: &Context) -> Result<Answer> {
        let name = symbol(&self.symbol);
        let name = name.as_str();
        let workspace = Workspace::read(&ctx.shell)?;
        let plan = plan(&workspace, &self.target.request(false)?)?;
        let history = History::read(&workspace, &plan.conf_dir)?;
        let contract = Contract::read(&workspace, &plan.conf_dir)?;
        let tree = self.source.tree(ctx, &workspace, &plan.conf_dir)?;
        let kconfigs = Kconfigs::new(&ctx.shell, &tree, &workspace.work);
        let arches = self.arches(ctx, &plan);
        let mut exists_in = vec![known(&kconfigs, &arches, name)];
        for other in unpacked(&workspace, &plan, &tree) {
            let kconfigs = Kconfigs::new(&ctx.shell, &other, &workspace.work);
            exists_in.push(known(&kconfigs, &arches, name));
        }
        let mut all = vec![];
        for targets in plan.variants() {
            let target = targets[0];
            let requested = fragment::read(&workspace, &plan.conf_dir, target)?.assignments;
            let toolchain = self.toolchain.for_tree(ctx, target.arch, &tree)?;
            let kconfig = kconfigs.of(&toolchain.kbuild_arch())?;
            let (asked, _) = translate(&kconfig, &tree.version, target.arch, &history, &requested);
            let lines: String = asked.iter().map(|one| one.line() + "\n").collect();
            let (mut config, _) = Config::resolve(&kconfig.model, Mode::AllNo, Some(&lines));
            let Some(symbol) = kconfig.model.defined(name) else {
                let cause = why_unknown(&kconfig, &tree.version, target.arch, &history, name);
                let what = target.variant();
                return Err(anyhow!("Linux {} has no symbol {name} for {what}", tree.version))
                    .hint(|| match (&cause, diag::known_text(&exists_in[1..])) {
                        (Cause::Unknown { .. }, Some(others)) => format!("it exists in {others}"),
                        _ => diag::hint_for_unknown(name, &cause),
                    });
            };
            let asked = asked.into_iter().find(|one| one.symbol == name).map(|one| one.place);
            all.push(InKernel {
                kernel: target.variant(),
                linux: tree.version.to_string(),
                asked,
                wanted_by: wanted_by(&contract, &targets, name),
                explained: explain(&kconfig, &mut config, &lines, symbol),
                exists_in: exists_in.clone(),
            });
        }
        ctx.print(&all, |all| all.iter().map(diag::explained_text).collect())?;
        Ok(Answer::Yes)
    }

    /// Kuasar's, with the tools for each where they are here.
    fn arches(&self, ctx: &Context, plan: &Plan) -> Vec<(Arch, Option<Toolchain>)> {
        let tools = |arch: Arch| {
            let meant = plan.arches().contains(&arch);
            let tools = if meant { &self.toolchain } else { &self.toolchain.without_prefix() };
            tools.find(&ctx.shell, arch).ok()
        };
        Arch::ALL.iter().map(|arch| (*arch, tools(*arch))).collect()
    }
}

/// What a word names: a symbol, a line of a `.config`, or a module, whose name is as its symbol's in small letters.
fn symbol(word: &str) -> String {
    let name = word.split('=').next().unwrap_or(word).trim();
    let is_small = !name.contains(|c: char| c.is_ascii_uppercase());
    let name = if is_small { name.to_ascii_uppercase().replace('-', "_") } else { name.to_owned() };
    name.strip_prefix("CONFIG_").map_or(name.clone(), str::to_owned)
}

/// The capabilities of the contract that name the symbol.
fn wanted_by(contract: &Contract, targets: &[&Target], symbol: &str) -> Vec<String> {
    let mut ids: Vec<String> = vec![];
    for capability in targets.iter().flat_map(|target| contract.naming(target, symbol)) {
        if !ids.contains(&capability.id) {
            ids.push(capability.id.clone());
        }
    }
    ids
}

/// The trees of the pinned sources that are here, but for this one.
fn unpacked(workspace: &Workspace, plan: &Plan, tree: &Tree) -> Vec<Tree> {
    let Ok(sources) = Sources::read(&plan.conf_dir) else { return vec![] };
    let cache = workspace.work.join("source");
    let pins = sources.names().filter_map(|name| sources.pin(Some(name)).ok());
    let trees = pins.filter_map(|pin| source::find(&sources, pin, &cache).ok());
    trees.filter(|other| other.dir != tree.dir).collect()
}
