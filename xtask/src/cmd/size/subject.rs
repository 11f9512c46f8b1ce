//! The kernel that is meant: where it was built, of which tree, and what asked for its symbols.

use std::rc::Rc;

use anyhow::{Context as _, Result, anyhow};
use camino::{Utf8Path, Utf8PathBuf};
use vmm_kernel::Arch;

use super::SizeArgs;
use crate::cmd::args::SourceArgs;
use crate::cmd::{Context, diff};
use crate::diag::{self, Hint};
use crate::dot_config;
use crate::fragment::{self, Assignment};
use crate::history::History;
use crate::operand::{Names, Operand, Words};
use crate::plan::{Goes, Request, plan};
use crate::resolve::{self, Ground, Kconfig, Kconfigs, Side, differences, resolve};
use crate::size::{self, Built, Sized, origins};
use crate::source::{Sources, Tree};
use crate::toolchain::Toolchain;
use crate::variant::Folder;
use crate::workspace::Workspace;

pub(super) struct Subject {
    pub(super) name: String,
    pub(super) obj: Utf8PathBuf,
    pub(super) tree: Tree,
    pub(super) toolchain: Toolchain,
    pub(super) conf_dir: Utf8PathBuf,
    kconfig: Rc<Kconfig>,
    pub(super) history: History,
    pub(super) asks: Asks,
}

/// What its symbols come from.
pub(super) enum Asks {
    /// The lines of a target.
    Lines(Vec<Assignment>),
    /// What the object tree was configured with: its path and its text.
    DotConfig(Utf8PathBuf, String),
}

impl SizeArgs {
    pub(super) fn subject(
        &self,
        ctx: &Context,
        workspace: &Workspace,
        word: Option<&str>,
    ) -> Result<Subject> {
        let conf_dir = match &self.kernel_conf_dir {
            Some(dir) => camino::absolute_utf8(dir)?,
            None => workspace.conf_dir(),
        };
        let operand = match word {
            None => Operand::Target(Words::default()),
            Some(word) => operand(workspace, &conf_dir, word)?,
        };
        match operand {
            Operand::Target(words) => self.target(ctx, workspace, words, &self.source),
            Operand::Pinned(name) => {
                self.target(ctx, workspace, Words::default(), &self.source.pinned(&name))
            }
            Operand::Tree(dir) => self.object_tree(ctx, workspace, &conf_dir, &dir),
            Operand::List { path, .. } | Operand::DotConfig(path) => {
                Err(anyhow!("{path} is no kernel that was built")).hint(|| {
                    "name a target, or an object tree: `cargo xtask kernel` and `cargo xtask \
                     measure --config FILE` make one"
                })
            }
        }
    }

    fn target(
        &self,
        ctx: &Context,
        workspace: &Workspace,
        words: Words,
        source: &SourceArgs,
    ) -> Result<Subject> {
        let request = Request {
            arches: words.arch.or(self.arch).into_iter().collect(),
            types: words.kernel_type.or(self.kernel_type).into_iter().collect(),
            hypervisors: words.hypervisor.or(self.hypervisor.clone()).into_iter().collect(),
            all: false,
            conf_dir: self.kernel_conf_dir.as_deref().map(camino::absolute_utf8).transpose()?,
            goes: Goes::Nowhere,
        };
        let plan = plan(workspace, &request)?;
        diag::tell_choices(ctx.progress, &plan.choices);
        let target = &plan.targets[0];
        let lines = fragment::read(workspace, &plan.conf_dir, target)?.assignments;
        let tree = source.tree(ctx, workspace, &plan.conf_dir)?;
        let variant = target.variant();
        let obj = match &self.obj {
            Some(dir) => camino::absolute_utf8(dir)?,
            None => {
                let variant = self.toolchain.toolchain.variant(&variant);
                Folder::new(&workspace.work, &tree, &plan.conf_dir, &variant).obj()
            }
        };
        let name = format!("{variant} on Linux {}", tree.version);
        let asks = Asks::Lines(lines);
        let subject =
            self.assemble(ctx, workspace, (name, target.arch), obj, tree, (plan.conf_dir, asks))?;
        subject.refuse_stale()?;
        Ok(subject)
    }

    fn object_tree(
        &self,
        ctx: &Context,
        workspace: &Workspace,
        conf_dir: &Utf8Path,
        dir: &Utf8Path,
    ) -> Result<Subject> {
        let obj = camino::absolute_utf8(dir)?;
        let path = dir.join(".config");
        let text = std::fs::read_to_string(&path)
            .with_context(|| format!("failed to read {path}"))
            .hint(|| "an object tree is what `make` left in a folder where it built a kernel")?;
        let arch = match dot_config::arch_of(&text).or(self.arch) {
            Some(arch) => arch,
            None => Arch::host().hint(|| "name the guest's with --arch")?,
        };
        // kbuild leaves a link to the tree that it built.
        let source = match obj.join("source").read_link_utf8() {
            Ok(tree) if !self.source.is_given() => SourceArgs::dir(tree),
            _ => self.source.clone(),
        };
        let tree = source.tree(ctx, workspace, conf_dir)?;
        let asks = Asks::DotConfig(".config".into(), text);
        let name = (dir.to_string(), arch);
        self.assemble(ctx, workspace, name, obj, tree, (conf_dir.to_owned(), asks))
    }

    fn assemble(
        &self,
        ctx: &Context,
        workspace: &Workspace,
        (name, arch): (String, Arch),
        obj: Utf8PathBuf,
        tree: Tree,
        (conf_dir, asks): (Utf8PathBuf, Asks),
    ) -> Result<Subject> {
        let toolchain = self.toolchain.for_tree(ctx, arch, &tree)?;
        let bar = ctx.progress.spinner(format!("reading {name}"));
        let kconfigs = Kconfigs::new(&ctx.shell, &tree, &workspace.work);
        let kconfig = kconfigs.of(&toolchain.kbuild_arch())?;
        bar.finish_and_clear();
        let history = History::read(workspace, &conf_dir)?;
        Ok(Subject { name, obj, tree, toolchain, conf_dir, kconfig, history, asks })
    }
}

impl Subject {
    pub(super) fn arch(&self) -> Arch {
        self.toolchain.arch
    }

    fn ground(&self) -> Ground<'_> {
        let Subject { kconfig, tree, history, .. } = self;
        Ground { kconfig, version: &tree.version, arch: self.arch(), history }
    }

    pub(super) fn side(&self) -> Side<'_> {
        match &self.asks {
            Asks::Lines(lines) => self.side_of(lines),
            Asks::DotConfig(path, text) => Side::of_dot_config(self.ground(), path, text),
        }
    }

    pub(super) fn side_of(&self, lines: &[Assignment]) -> Side<'_> {
        Side::of_list(self.ground(), lines)
    }

    pub(super) fn resolve(&self, lines: &[Assignment]) -> resolve::Resolved {
        let Ground { kconfig, version, arch, history } = self.ground();
        resolve(kconfig, version, arch, history, lines)
    }

    /// What the lines come to has to be what was built.
    fn refuse_stale(&self) -> Result<()> {
        let Asks::Lines(lines) = &self.asks else { return Ok(()) };
        let path = self.obj.join(".config");
        let built = std::fs::read_to_string(&path);
        let built = built.ok().filter(|_| self.obj.join("vmlinux").is_file());
        let hint = || "`cargo xtask kernel` takes the same flags, and builds it";
        let Some(built) = built else {
            return Err(anyhow!("{} was not built: there is no kernel in {}", self.name, self.obj))
                .hint(hint);
        };
        let differing = differences(&self.resolve(lines).dot_config, &built).len();
        match differing {
            0 => Ok(()),
            _ => Err(anyhow!(
                "the kernel in {} is not what the fragments come to: {differing} symbols differ",
                self.obj
            ))
            .hint(hint),
        }
    }

    /// What the kernel in its own object tree is made of.
    pub(super) fn sized(&self) -> Result<Sized> {
        self.sized_in(&self.obj, &mut self.side())
    }

    /// What a build of that configuration in that folder is made of.
    pub(super) fn sized_in(&self, obj: &Utf8Path, side: &mut Side<'_>) -> Result<Sized> {
        let asked = origins(&resolve::diff(&mut self.side_of(&[]), side));
        size::of(&Built {
            name: &self.name,
            arch: self.arch(),
            obj,
            tree: &self.tree.dir,
            origins: &asked,
        })
    }
}

fn operand(workspace: &Workspace, conf_dir: &Utf8Path, word: &str) -> Result<Operand> {
    let sources = conf_dir.is_dir().then(|| Sources::read(conf_dir)).transpose()?;
    let names = Names {
        hypervisors: workspace.hypervisors(),
        sources: sources.iter().flat_map(Sources::names).collect(),
    };
    Operand::parse(word, &names, diff::look)
}
