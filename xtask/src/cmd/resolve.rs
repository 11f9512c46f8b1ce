//! `cargo xtask resolve`: the `.config` that the tree's own `conf` would write, without it.

use anyhow::{Context as _, Result, anyhow, ensure};
use camino::{Utf8Path, Utf8PathBuf};
use clap::Args;
use kconfig::Mode;
use serde::Serialize;
use vmm_kernel::{Arch, KernelType};

use crate::cmd::args::{SourceArgs, ToolchainArgs};
use crate::cmd::{Answer, Context};
use crate::diag::{self, Hint, did_you_mean};
use crate::dot_config;
use crate::files;
use crate::fragment;
use crate::history::History;
use crate::plan::{Request, plan};
use crate::resolve::{Finding, Kconfigs, Layer, Lookup, Resolver};
use crate::source::Tree;
use crate::toolchain::KbuildArch;
use crate::workspace::Workspace;

#[derive(Debug, Args)]
pub(crate) struct ResolveArgs {
    #[command(flatten)]
    source: SourceArgs,
    /// Architecture, by Kuasar's name or Linux's own: aarch64, arm64, riscv [default: the host's]
    #[arg(long)]
    arch: Option<String>,
    /// How what nobody asked for is answered: as `make MODE` does
    #[arg(long, default_value = "allnoconfig", value_parser = MODES)]
    mode: String,
    /// .config files or fragments; of several, the last one about a symbol counts
    #[arg(long, value_name = "FILE", num_args = 1.., conflicts_with = "kernel_type")]
    config: Vec<Utf8PathBuf>,
    /// Take what the list of a kernel type asks for
    #[arg(long = "type", alias = "kernel-type", value_name = "TYPE")]
    kernel_type: Option<KernelType>,
    /// Folder with the lists and fragments [default: the workspace's]
    #[arg(long, value_name = "DIR")]
    kernel_conf_dir: Option<Utf8PathBuf>,
    #[command(flatten)]
    toolchain: ToolchainArgs,
    /// Write only what differs from the defaults, as `make savedefconfig` does
    #[arg(long)]
    savedefconfig: bool,
    /// Write to this file [default: stdout]
    #[arg(long, short, value_name = "FILE")]
    output: Option<Utf8PathBuf>,
}

const MODES: [&str; 6] =
    ["allnoconfig", "allyesconfig", "allmodconfig", "alldefconfig", "olddefconfig", "defconfig"];

#[derive(Debug, Serialize)]
struct Answered {
    config: String,
    findings: Vec<Finding>,
    /// A value went nowhere.
    #[serde(skip)]
    lost: bool,
}

impl ResolveArgs {
    pub(crate) fn run(self, ctx: &Context) -> Result<Answer> {
        let workspace = Workspace::read(&ctx.shell)?;
        let conf_dir = match &self.kernel_conf_dir {
            Some(dir) => camino::absolute_utf8(dir)?,
            None => workspace.conf_dir(),
        };
        let tree = self.source.tree(ctx, &workspace, &conf_dir)?;
        let arch = self.kbuild_arch(ctx, &tree)?;
        let kconfigs = Kconfigs::new(&ctx.shell, &tree, &workspace.work);
        let resolver = kconfigs.resolver(ctx.progress, &arch)?;
        let mut answered = match self.kernel_type {
            Some(kernel_type) => self.list(ctx, &workspace, &tree, &resolver, kernel_type)?,
            None => self.files(ctx, &workspace, &conf_dir, &tree, &resolver)?,
        };
        if self.savedefconfig {
            answered.config = resolver.defconfig(&answered.config)?;
        }
        match &self.output {
            Some(file) => {
                files::replace(file, answered.config.as_bytes())?;
                ctx.print(&answered.findings, |_| String::new())?;
            }
            None => ctx.print(&answered, |answered| answered.config.clone())?,
        }
        Ok(if answered.findings.is_empty() && !answered.lost { Answer::Yes } else { Answer::No })
    }

    fn mode(&self) -> Mode {
        let named = Mode::NAMES.iter().find(|(name, _)| *name == self.mode);
        named.map_or(Mode::AllNo, |(_, mode)| *mode)
    }

    /// Kuasar's arches have their toolchain; for another one the host's compiler has to do, as it
    /// does for kbuild.
    fn kbuild_arch(&self, ctx: &Context, tree: &Tree) -> Result<KbuildArch> {
        let name = match &self.arch {
            Some(name) => name.as_str(),
            None => Arch::host()?.kbuild(),
        };
        if let Some(arch) = kuasar_arch(name) {
            return Ok(self.toolchain.for_tree(ctx, arch, tree)?.kbuild_arch());
        }
        let arch = self.toolchain.of_any_arch(name);
        if tree.dir.join("arch").join(arch.source()).join("Kconfig").is_file() {
            return Ok(arch);
        }
        let known = tree.arches();
        let known: Vec<&str> = known.iter().map(String::as_str).collect();
        Err(anyhow!("{} has no architecture `{name}`", tree.dir))
            .hint(|| did_you_mean(name, &known))
    }

    fn list(
        &self,
        ctx: &Context,
        workspace: &Workspace,
        tree: &Tree,
        resolver: &Resolver<'_>,
        kernel_type: KernelType,
    ) -> Result<Answered> {
        ensure!(self.mode() == Mode::AllNo, "a list is resolved as allnoconfig, not {}", self.mode);
        let arch = match &self.arch {
            None => Arch::host()?,
            Some(name) => kuasar_arch(name)
                .with_context(|| format!("there is no list for architecture `{name}`"))?,
        };
        let request = Request {
            arches: vec![arch],
            types: vec![kernel_type],
            conf_dir: self.kernel_conf_dir.as_deref().map(camino::absolute_utf8).transpose()?,
            ..Request::default()
        };
        let plan = plan(workspace, &request)?;
        let requested = fragment::read(workspace, &plan.conf_dir, &plan.targets[0])?.assignments;
        let history = History::read(workspace, &plan.conf_dir)?;
        let resolved = resolver.resolve(&tree.version, arch, &history, &requested)?;
        let name = plan.targets[0].variant();
        diag::tell_resolved(ctx.progress, &name, &tree.version, requested.len(), &resolved);
        Ok(Answered { config: resolved.dot_config, findings: resolved.findings, lost: false })
    }

    fn files(
        &self,
        ctx: &Context,
        workspace: &Workspace,
        conf_dir: &Utf8Path,
        tree: &Tree,
        resolver: &Resolver<'_>,
    ) -> Result<Answered> {
        let mut layers = vec![];
        for path in &self.config {
            layers.push(Layer { path: path.clone(), text: dot_config::read(path)? });
        }
        if layers.is_empty() && matches!(self.mode(), Mode::OldDefault | Mode::Default) {
            return Err(anyhow!("{} needs a configuration to start from", self.mode))
                .hint(|| "name it with --config");
        }
        let history = History::read(workspace, conf_dir)?;
        let arch = self.arch.as_deref().map_or_else(|| Arch::host().ok(), kuasar_arch);
        let lookup = arch.map(|arch| Lookup { version: &tree.version, arch, history: &history });
        let merged = resolver.merge(self.mode(), &layers, lookup)?;
        let names: Vec<&str> = self.config.iter().map(|path| path.as_str()).collect();
        let names = names.join(" ");
        diag::tell_merged(ctx.progress, &names, &tree.version, resolver.kconfig(), &merged);
        let lost = !merged.lost.is_empty();
        Ok(Answered { config: merged.dot_config, findings: merged.findings, lost })
    }
}

/// By its own name or by Linux's.
fn kuasar_arch(name: &str) -> Option<Arch> {
    Arch::ALL.iter().copied().find(|arch| arch.name() == name || arch.kbuild() == name)
}
