//! Who resolves for a tree: this tool's own reading of its Kconfig files or, where they say what this
//! does not understand, the conf that the tree brings along.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;

use anyhow::{Context, Error, Result};
use camino::Utf8Path;
use kconfig::{Config, Diagnostic, Dialect, Mode, Problem, Severity};
use vmm_kernel::Arch;

use super::answers::Answers;
use super::environment::{self, Environment};
use super::host::{DEADLINE, TreeHost};
use super::kept::{self, Basis};
use super::own_conf::OwnConf;
use super::tree::Kconfig;
use super::{Resolved, resolve};
use crate::diag::{self, BadInput, BadInputs, Failure, Hint, bad_kconfig};
use crate::fragment::Assignment;
use crate::hash;
use crate::history::History;
use crate::progress::Progress;
use crate::shell::{Interrupted, Shell};
use crate::source::{KernelVersion, Tree};
use crate::toolchain::{KbuildArch, Toolchain};

/// Makes configurations of what is asked for.
#[derive(Clone)]
pub(crate) enum Resolver<'a> {
    Engine(Rc<Kconfig>),
    Conf(Rc<OwnConf<'a>>),
}

impl Resolver<'_> {
    /// What [`resolve`] does, by whoever can.
    ///
    /// # Errors
    /// If the tree's own conf fails.
    pub(crate) fn resolve(
        &self,
        version: &KernelVersion,
        arch: Arch,
        history: &History,
        assignments: &[Assignment],
    ) -> Result<Resolved> {
        match self {
            Resolver::Engine(kconfig) => Ok(resolve(kconfig, version, arch, history, assignments)),
            Resolver::Conf(conf) => conf.resolve(version, arch, history, assignments),
        }
    }

    /// What is known of the tree: of one that its own conf resolves, the names.
    pub(crate) fn kconfig(&self) -> &Kconfig {
        match self {
            Resolver::Engine(kconfig) => kconfig,
            Resolver::Conf(conf) => &conf.kconfig,
        }
    }

    /// What of a `.config` differs from the defaults.
    ///
    /// # Errors
    /// If the tree's own conf fails.
    pub(crate) fn defconfig(&self, dot_config: &str) -> Result<String> {
        match self {
            Resolver::Engine(kconfig) => {
                let mode = Mode::OldDefault;
                let (mut config, _) = Config::resolve(&kconfig.model, mode, Some(dot_config));
                Ok(config.defconfig())
            }
            Resolver::Conf(conf) => conf.defconfig(dot_config),
        }
    }
}

/// The Kconfig of one tree for each arch that is asked for, read once.
pub(crate) struct Kconfigs<'a> {
    shell: &'a Shell,
    tree: &'a Tree,
    work: &'a Utf8Path,
    read: RefCell<BTreeMap<KbuildArch, Resolver<'a>>>,
    /// With the linker that the tree accepts, by the one that was found.
    accepted: RefCell<BTreeMap<KbuildArch, KbuildArch>>,
    told: Cell<bool>,
}

impl<'a> Kconfigs<'a> {
    pub(crate) fn new(shell: &'a Shell, tree: &'a Tree, work: &'a Utf8Path) -> Self {
        let (read, accepted, told) = Default::default();
        Kconfigs { shell, tree, work, read, accepted, told }
    }

    /// The tree's version.
    pub(crate) fn linux(&self) -> String {
        self.tree.version.to_string()
    }

    /// For what needs to know why a symbol has its value.
    ///
    /// # Errors
    /// If the tree's own tools would refuse it, or this tool does not understand it.
    pub(crate) fn of(&self, arch: &KbuildArch) -> Result<Rc<Kconfig>> {
        match self.read(arch)? {
            Resolver::Engine(kconfig) => Ok(kconfig),
            Resolver::Conf(conf) => Err(Error::new(conf.unknown.clone()))
                .with_context(|| {
                    let linux = self.linux();
                    format!("failed to read the Kconfig files of Linux {linux}: this tool does not know all they say")
                })
                .hint(|| {
                    "`kernel`, `check`, `refresh` and `resolve` have it resolved by the tree's own conf, which does not \
                     say why: its menus do (`make menuconfig`, then /)"
                }),
        }
    }

    /// For what needs no more than a configuration. Says once if the tree's own conf makes it.
    ///
    /// # Errors
    /// If the tree's own tools would refuse it.
    pub(crate) fn resolver(&self, progress: Progress, arch: &KbuildArch) -> Result<Resolver<'a>> {
        let resolver = self.read(arch)?;
        if let (Resolver::Conf(conf), false) = (&resolver, self.told.get()) {
            diag::tell_own_conf(progress, &self.tree.version, &conf.unknown);
            self.told.set(true);
        }
        Ok(resolver)
    }

    /// For these tools, with the linker that the tree accepts: see [`Kconfigs::of`].
    ///
    /// # Errors
    /// As there.
    pub(crate) fn by(&self, toolchain: &Toolchain) -> Result<Rc<Kconfig>> {
        self.of(&self.accepted(toolchain)?)
    }

    fn accepted(&self, toolchain: &Toolchain) -> Result<KbuildArch> {
        let found = toolchain.kbuild_arch();
        if let Some(known) = self.accepted.borrow().get(&found) {
            return Ok(known.clone());
        }
        let accepted = toolchain.for_tree(self.shell, self.tree)?.kbuild_arch();
        self.accepted.borrow_mut().insert(found, accepted.clone());
        Ok(accepted)
    }

    /// For these tools, with the linker that the tree accepts: see [`Kconfigs::resolver`].
    ///
    /// # Errors
    /// As there.
    pub(crate) fn resolver_by(
        &self,
        progress: Progress,
        toolchain: &Toolchain,
    ) -> Result<Resolver<'a>> {
        self.resolver(progress, &self.accepted(toolchain)?)
    }

    fn read(&self, arch: &KbuildArch) -> Result<Resolver<'a>> {
        if let Some(known) = self.read.borrow().get(arch) {
            return Ok(known.clone());
        }
        let resolver = self.read_anew(arch)?;
        self.read.borrow_mut().insert(arch.clone(), resolver.clone());
        Ok(resolver)
    }

    /// Answers of the tools, and the model, are kept below the work folder.
    fn read_anew(&self, arch: &KbuildArch) -> Result<Resolver<'a>> {
        let Kconfigs { shell, tree, .. } = *self;
        let folder = self.work.join("kconfig");
        let there = folder.join("run");
        std::fs::create_dir_all(&there)
            .with_context(|| format!("failed to create folder {there}"))?;
        // cargo and rustup have a PATH of their own for what they run.
        let path = environment::path();
        let name = hash::of_bytes(format!("{}\n{:?}\n{path}", tree.dir, arch.arguments()));
        let kept = |what: &str| folder.join(format!("{}.{what}", &name[..16]));
        let path = kept("model");
        let environment = Environment::of(shell, tree, arch, &kept("environment"))?;
        let answers = Answers::read(kept("json"), &tree.dir, environment.identity()?);
        if let Some(model) = kept::read(&path, &tree.dir, &environment, &answers) {
            return Ok(Resolver::Engine(Rc::new(Kconfig::new(model, tree))));
        }
        let nothing_known = answers.is_empty();
        let host = TreeHost {
            shell,
            dir: &tree.dir,
            there,
            environment,
            answers: RefCell::new(answers),
            basis: RefCell::new(Basis::new()),
            deadline: DEADLINE,
            hung: RefCell::default(),
        };
        let (major, minor) = tree.version.numbers();
        let dialect = Dialect::of(major, minor);
        if nothing_known {
            host.foresee(dialect);
        }
        let (model, problems) = kconfig::parse(&host, "Kconfig", dialect);
        shell.check_interrupt()?;
        host.answers.borrow().write()?;
        let kconfig = Kconfig::new(model, tree);
        let is_error = |one: &&Diagnostic| one.severity == Severity::Error;
        let errors: Vec<&Diagnostic> = problems.iter().filter(is_error).collect();
        let drawn = |one: &&Diagnostic| bad_kconfig(&kconfig, one);
        let drawn_all: Vec<BadInput> = errors.iter().map(drawn).collect();
        // What the tree itself objects to, no conf goes on after.
        let is_refused = errors.iter().any(|one| matches!(one.problem, Problem::Said { .. }));
        let mut unknown = errors.iter().filter(|one| !is_refused && may_be_newer(&one.problem));
        let Some(unknown) = unknown.next().map(drawn) else {
            BadInputs::none(drawn_all)
                .with_context(|| format!("failed to read the Kconfig files of {}", tree.dir))?;
            kept::write(&path, &host.basis.borrow(), &kconfig.model)?;
            return Ok(Resolver::Engine(Rc::new(kconfig)));
        };
        let TreeHost { environment, basis, .. } = host;
        let read = (kconfig, unknown, basis.into_inner());
        match OwnConf::of(shell, (tree, arch), environment, read, &kept("conf")) {
            Ok(conf) => Ok(Resolver::Conf(Rc::new(conf))),
            Err(error) if error.is::<Interrupted>() => Err(error),
            Err(error) => {
                let Failure { error, causes, hints, .. } = Failure::new(&error);
                let said = [vec![error], causes].concat().join(": ");
                let failed = Err(Error::new(BadInputs(drawn_all))).with_context(|| {
                    let dir = &tree.dir;
                    format!(
                        "failed to read the Kconfig files of {dir}, and so did its own conf: {said}"
                    )
                });
                match hints.is_empty() {
                    true => failed,
                    false => failed.hint(|| hints.join(", ")),
                }
            }
        }
    }
}

/// Whether a newer conf may accept it: a statement that is not known here, and all that follows from it, or more
/// of something than this engine takes. Not what any conf refuses.
fn may_be_newer(problem: &Problem) -> bool {
    !matches!(
        problem,
        Problem::NoFile { .. }
            | Problem::SourcesItself { .. }
            | Problem::RecursiveVariable { .. }
            | Problem::ShellFailed { .. }
    )
}
