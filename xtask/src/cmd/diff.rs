//! `cargo xtask diff A B`: which symbols differ, and why.

use std::rc::Rc;

use anyhow::{Result, bail};
use camino::{Utf8Path, Utf8PathBuf};
use clap::Args;
use vmm_kernel::{Arch, Choice, KernelType};

use crate::cmd::args::{SourceArgs, ToolchainArgs, parse};
use crate::cmd::{Answer, Context};
use crate::diag::{self, Hint};
use crate::dot_config;
use crate::fragment::{self, Assignment};
use crate::history::History;
use crate::operand::{Found, Names, Operand, Words, labels};
use crate::plan::{Goes, Request, plan};
use crate::resolve::{Compared, Ground, Kconfig, Kconfigs, On, Side, Subject, diff, diff_texts};
use crate::source::{Sources, Tree};
use crate::workspace::Workspace;

const OPERANDS: &str = "\
A and B are, in the order in which they are looked for:
  micro, mini/aarch64, qemu     a target: words of type, arch and hypervisor, with / between them;
                                what is left out, the flags name or the tool chooses
  6.1                           a pinned source: the target that the flags name, on that tree
  DIR                           a kernel tree of your own: the same on that one
  FILE.list                     a list, without any hypervisor's overlay
  FILE                          any other file: a whole .config; `resolve` makes one of a defconfig
./NAME is always a path. A tree is compared with a tree; everything else is resolved on the one that
--kernel-dir or --source names. Two .config files are compared as texts unless one of these is given.

The exit code is 1 where symbols differ, and 0 where none does.";

#[derive(Debug, Args)]
#[command(after_help = OPERANDS)]
pub(crate) struct DiffArgs {
    /// A target, a pinned source, a kernel tree, a list or a .config
    a: String,
    /// What it is compared with
    b: String,
    /// Guest architecture: x86_64, aarch64 [default: the host's]
    #[arg(long, value_parser = parse::<Arch>, help_heading = "Target")]
    arch: Option<Arch>,
    /// Kernel type: micro, mini [default: what the hypervisor's machine boots]
    #[arg(long = "type", alias = "kernel-type", value_name = "TYPE", value_parser = parse::<KernelType>, help_heading = "Target")]
    kernel_type: Option<KernelType>,
    /// Hypervisor [default: the workspace's, or by type]
    #[arg(long, help_heading = "Target")]
    hypervisor: Option<String>,
    /// Folder with the lists and fragments [default: the workspace's]
    #[arg(long, value_name = "DIR", help_heading = "Target")]
    kernel_conf_dir: Option<Utf8PathBuf>,
    #[command(flatten)]
    source: SourceArgs,
    #[command(flatten)]
    toolchain: ToolchainArgs,
}

/// What is resolved for one side, and on which tree.
struct Input {
    name: String,
    source: SourceArgs,
    asks: Asks,
}

struct Asks {
    what: What,
    arch: Arch,
    /// Whose list it is.
    kernel: Option<String>,
    history: History,
    /// What was chosen of what was left out.
    choices: Vec<Choice>,
}

enum What {
    List(Vec<Assignment>),
    DotConfig(Utf8PathBuf, String),
}

impl DiffArgs {
    pub(crate) fn run(self, ctx: &Context) -> Result<Answer> {
        let workspace = Workspace::read(&ctx.shell)?;
        let conf_dir = match &self.kernel_conf_dir {
            Some(dir) => camino::absolute_utf8(dir)?,
            None => workspace.conf_dir(),
        };
        let (a, b) = self.operands(&workspace, &conf_dir)?;
        let labels = labels((&self.a, &a), (&self.b, &b));
        let mut compared = match (&a, &b) {
            (Operand::DotConfig(a), Operand::DotConfig(b)) if !self.source.is_given() => {
                let texts = (dot_config::read(a)?, dot_config::read(b)?);
                match [&texts.0, &texts.1].map(|text| dot_config::is_whole(text)) {
                    [true, false] => return refuse_part(b, &texts.1),
                    [false, true] => return refuse_part(a, &texts.0),
                    // Two of a kind.
                    _ => {}
                }
                let differences = diff_texts((a, &texts.0), (b, &texts.1));
                Compared { a: Subject::named(&self.a), b: Subject::named(&self.b), differences }
            }
            _ => {
                // A slip in a list is told before anything is fetched.
                let a = self.input(&workspace, &conf_dir, &self.a, a)?;
                let b = self.input(&workspace, &conf_dir, &self.b, b)?;
                self.resolved(ctx, &workspace, &conf_dir, &[a, b])?
            }
        };
        [compared.a.label, compared.b.label] = labels.map(str::to_owned);
        diag::tell_compared(ctx.progress, &compared);
        ctx.print(&compared, diag::compared_text)?;
        Ok(if compared.differences.is_empty() { Answer::Yes } else { Answer::No })
    }

    fn operands(&self, workspace: &Workspace, conf_dir: &Utf8Path) -> Result<(Operand, Operand)> {
        let sources = conf_dir.is_dir().then(|| Sources::read(conf_dir)).transpose()?;
        let names = Names {
            hypervisors: workspace.hypervisors(),
            sources: sources.iter().flat_map(Sources::names).collect(),
        };
        let a = Operand::parse(&self.a, &names, look)?;
        let b = Operand::parse(&self.b, &names, look)?;
        let is_tree = |one: &Operand| matches!(one, Operand::Pinned(_) | Operand::Tree(_));
        let refuse = |message: String| -> Result<()> { bail!(message) };
        match (is_tree(&a), is_tree(&b)) {
            (true, true) if self.source.is_given() => {
                refuse("both sides are trees, and --kernel-dir or --source names another".into())
                    .hint(|| "leave out the flag")?;
            }
            (true, true) | (false, false) => {}
            (first, _) => {
                let (tree, other) = if first { (&self.a, &self.b) } else { (&self.b, &self.a) };
                refuse(format!("`{tree}` is a tree, and `{other}` is none")).hint(|| {
                    "name the tree that all is resolved on with --kernel-dir or --source, and the \
                     target of two trees with --type, --arch and --hypervisor"
                })?;
            }
        }
        Ok((a, b))
    }

    /// What is to be resolved for `name`; nothing is resolved yet.
    fn input(
        &self,
        workspace: &Workspace,
        conf_dir: &Utf8Path,
        name: &str,
        operand: Operand,
    ) -> Result<Input> {
        let source = match &operand {
            Operand::Pinned(name) => self.source.pinned(name),
            Operand::Tree(dir) => SourceArgs::dir(dir.clone()),
            _ => self.source.clone(),
        };
        let asks = match operand {
            Operand::Target(words) => self.target(workspace, words)?,
            Operand::Pinned(_) | Operand::Tree(_) => self.target(workspace, Words::default())?,
            Operand::List { path, arch } => {
                let path = camino::absolute_utf8(path)?;
                let what = What::List(fragment::read_list(workspace, &path)?);
                let history = History::read(workspace, path.parent().unwrap_or(conf_dir))?;
                let kernel = path.file_stem().map(str::to_owned);
                Asks { what, arch: self.arch_or(arch)?, kernel, history, choices: vec![] }
            }
            Operand::DotConfig(path) => {
                let text = dot_config::read(&path)?;
                if !dot_config::is_whole(&text) {
                    return refuse_part(&path, &text);
                }
                let (arch, history) = (
                    self.arch_or(dot_config::arch_of(&text))?,
                    History::read(workspace, conf_dir)?,
                );
                let what = What::DotConfig(path, text);
                Asks { what, arch, kernel: None, history, choices: vec![] }
            }
        };
        Ok(Input { name: name.to_owned(), source, asks })
    }

    fn target(&self, workspace: &Workspace, words: Words) -> Result<Asks> {
        let request = Request {
            arches: words.arch.or(self.arch).into_iter().collect(),
            types: words.kernel_type.or(self.kernel_type).into_iter().collect(),
            hypervisors: words.hypervisor.or(self.hypervisor.clone()).into_iter().collect(),
            all: false,
            conf_dir: self.kernel_conf_dir.as_deref().map(camino::absolute_utf8).transpose()?,
            goes: Goes::Nowhere,
        };
        let plan = plan(workspace, &request)?;
        let target = &plan.targets[0];
        Ok(Asks {
            what: What::List(fragment::read(workspace, &plan.conf_dir, target)?.assignments),
            arch: target.arch,
            kernel: Some(target.variant()),
            history: History::read(workspace, &plan.conf_dir)?,
            choices: plan.choices,
        })
    }

    fn arch_or(&self, known: Option<Arch>) -> Result<Arch> {
        match known.or(self.arch) {
            Some(arch) => Ok(arch),
            None => Arch::host().hint(|| "name the guest's with --arch"),
        }
    }

    fn resolved(
        &self,
        ctx: &Context,
        workspace: &Workspace,
        conf_dir: &Utf8Path,
        inputs: &[Input; 2],
    ) -> Result<Compared> {
        let [a, b] = inputs;
        let mut choices = a.asks.choices.clone();
        choices.extend(
            b.asks.choices.iter().filter(|choice| !a.asks.choices.contains(choice)).cloned(),
        );
        diag::tell_choices(ctx.progress, &choices);
        let mut trees = vec![a.source.tree(ctx, workspace, conf_dir)?];
        if a.source != b.source {
            trees.push(b.source.tree(ctx, workspace, conf_dir)?);
        }
        let (of_a, of_b) = (&trees[0], &trees[trees.len() - 1]);
        let bar = ctx.progress.spinner(format!("comparing {} with {}", a.name, b.name));
        let each = |tree| Kconfigs::new(&ctx.shell, tree, &workspace.work);
        let kconfigs: Vec<Kconfigs<'_>> = trees.iter().map(each).collect();
        let kconfig = |input: &Input, kconfigs: &Kconfigs<'_>| -> Result<Rc<Kconfig>> {
            kconfigs.by(&self.toolchain.find(&ctx.shell, input.asks.arch)?)
        };
        let kconfig_a = kconfig(a, &kconfigs[0])?;
        let kconfig_b = kconfig(b, &kconfigs[kconfigs.len() - 1])?;
        let differences = diff(&mut a.side(&kconfig_a, of_a), &mut b.side(&kconfig_b, of_b));
        bar.finish_and_clear();
        Ok(Compared { a: a.subject(of_a), b: b.subject(of_b), differences })
    }
}

impl Input {
    fn side<'a>(&'a self, kconfig: &'a Kconfig, tree: &'a Tree) -> Side<'a> {
        let Asks { what, arch, history, .. } = &self.asks;
        let ground = Ground { kconfig, version: &tree.version, arch: *arch, history };
        match what {
            What::List(asked) => Side::of_list(ground, asked),
            What::DotConfig(path, text) => Side::of_dot_config(ground, path, text),
        }
    }

    fn subject(&self, tree: &Tree) -> Subject {
        let on = On { linux: tree.version.to_string(), arch: self.asks.arch };
        let kernel = self.asks.kernel.clone();
        Subject { kernel, on: Some(on), ..Subject::named(&self.name) }
    }
}

/// What a defconfig or a fragment does not say is no difference.
fn refuse_part<T>(path: &Utf8Path, text: &str) -> Result<T> {
    let set = dot_config::lines(text).count();
    let message = format!(
        "failed to compare {path}: it is no whole .config, but a defconfig or a fragment, whose lines \
         ({set}) say nothing of the other symbols"
    );
    let refuse = || -> Result<T> { bail!(message) };
    refuse().hint(|| {
        format!(
            "`cargo xtask resolve --mode defconfig --config {path} -o whole.config` makes a whole one of a defconfig; \
             without --mode, of a fragment on top of allnoconfig"
        )
    })
}

pub(super) fn look(path: &Utf8Path) -> Option<Found> {
    let meta = path.metadata().ok()?;
    Some(if meta.is_dir() { Found::Folder } else { Found::File })
}
