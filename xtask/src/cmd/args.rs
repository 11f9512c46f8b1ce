//! Flags that several subcommands share. Each names its heading: one of a whole group would stay for the
//! subcommand's own flags behind it.

use std::fmt;

use anyhow::{Result, ensure};
use camino::{Utf8Path, Utf8PathBuf};
use clap::Args;
use serde::Serialize;
use vmm_kernel::{Arch, KernelType, SourceRecord};

use crate::cmd::Context;
use crate::diag::{self, did_you_mean};
use crate::kbuild::Jobs;
use crate::launcher::{Launcher, Masquerade};
use crate::plan::{Goes, Request};
use crate::shell::Shell;
use crate::source::{self, Origin, Pin, Sources, Tree, Wanted};
use crate::stage;
use crate::toolchain::{Family, KbuildArch, Toolchain};
use crate::workspace::Workspace;

/// Which kernels are meant.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct TargetArgs {
    /// Guest architecture: x86_64, aarch64 [default: the host's]
    #[arg(long, value_delimiter = ',', value_parser = parse::<Arch>, help_heading = "Target")]
    arch: Vec<Arch>,
    /// Kernel type: micro (light VM), mini (standard VM) [default: what the hypervisor's machine boots]
    #[arg(long = "type", alias = "kernel-type", value_name = "TYPE", value_delimiter = ',', value_parser = parse::<KernelType>, help_heading = "Target")]
    kernel_type: Vec<KernelType>,
    /// Hypervisor: stratovirt, cloud_hypervisor, qemu, firecracker [default: the workspace's, or by type]
    #[arg(long, value_delimiter = ',', help_heading = "Target")]
    hypervisor: Vec<String>,
    /// Every hypervisor that boots the type, on every arch that is not left out with --arch
    #[arg(long, conflicts_with = "hypervisor", help_heading = "Target")]
    all: bool,
    /// Folder with the lists and fragments [default: the workspace's]
    #[arg(long, value_name = "DIR", help_heading = "Target")]
    kernel_conf_dir: Option<Utf8PathBuf>,
}

impl TargetArgs {
    /// The request of a command that makes nothing, and means every hypervisor where none is named.
    pub(crate) fn request_all_by_default(&self) -> Result<Request> {
        let request = self.request(false)?;
        let all = request.all || request.hypervisors.is_empty();
        Ok(Request { all, goes: Goes::Nowhere, ..request })
    }

    /// The request of a command about one image, where it is given: the target that its manifest names, unless
    /// another is asked for.
    pub(crate) fn request_for(&self, image: Option<&Utf8Path>) -> Result<Request> {
        let mut request = self.request(false)?;
        let manifest = image.and_then(stage::read_manifest);
        if let Some(of) = manifest.filter(|of| request.is_met_by(of)) {
            request.arches = vec![of.arch];
            request.types = vec![of.kernel_type];
            request.hypervisors = vec![of.hypervisor];
        }
        Ok(request)
    }

    pub(crate) fn request(&self, install: bool) -> Result<Request> {
        Ok(Request {
            arches: self.arch.clone(),
            types: self.kernel_type.clone(),
            hypervisors: self.hypervisor.clone(),
            all: self.all,
            conf_dir: self.kernel_conf_dir.as_deref().map(camino::absolute_utf8).transpose()?,
            goes: if install { Goes::Installed } else { Goes::Staged },
        })
    }
}

/// A term of the field, with the nearest known one where it is none.
pub(super) fn parse<T: std::str::FromStr<Err = vmm_kernel::UnknownTerm>>(
    word: &str,
) -> Result<T, String> {
    word.parse().map_err(|unknown: vmm_kernel::UnknownTerm| {
        format!("{unknown}; {}", did_you_mean(word, unknown.known))
    })
}

/// Which kernel source is built.
#[derive(Debug, Clone, Default, PartialEq, Eq, Args)]
pub(crate) struct SourceArgs {
    /// Your own Linux tree; it is never written to
    #[arg(long, value_name = "DIR", conflicts_with = "source", help_heading = "Source")]
    pub(super) kernel_dir: Option<Utf8PathBuf>,
    /// A pinned source of the conf dir's sources.toml [default: the one that file names]
    #[arg(long, value_name = "NAME", help_heading = "Source")]
    pub(super) source: Option<String>,
    /// Demand exactly the version and hash of sources.lock
    #[arg(long, conflicts_with = "kernel_dir", help_heading = "Source")]
    pub(super) locked: bool,
    /// Leave out a patch of the pinned source, such as vsock-reuseport
    #[arg(
        long,
        value_name = "NAME",
        value_delimiter = ',',
        conflicts_with = "kernel_dir",
        help_heading = "Source"
    )]
    pub(super) no_patch: Vec<String>,
}

/// Which kernel sources lists are resolved on.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct SourcesArgs {
    /// Your own Linux trees; they are never written to
    #[arg(long, value_name = "DIR", value_delimiter = ',', help_heading = "Source")]
    kernel_dir: Vec<Utf8PathBuf>,
    /// Pinned sources of the conf dir's sources.toml [default: all of them]
    #[arg(long, value_name = "NAME", value_delimiter = ',', help_heading = "Source")]
    source: Vec<String>,
    /// Demand exactly the versions and hashes of sources.lock
    #[arg(long, help_heading = "Source")]
    locked: bool,
    /// Leave out a patch of the pinned sources, such as vsock-reuseport
    #[arg(long, value_name = "NAME", value_delimiter = ',', help_heading = "Source")]
    no_patch: Vec<String>,
}

impl SourcesArgs {
    /// Those that were named.
    pub(crate) fn named(&self) -> Vec<SourceArgs> {
        let dirs = self.kernel_dir.iter().cloned().map(SourceArgs::dir);
        dirs.chain(self.source.iter().map(|name| self.like().pinned(name))).collect()
    }

    /// Those that were named, else all that are pinned.
    pub(crate) fn all(&self, conf_dir: &Utf8Path) -> Result<Vec<SourceArgs>> {
        let named = self.named();
        if !named.is_empty() {
            return Ok(named);
        }
        let pinned = Sources::read(conf_dir)?;
        Ok(pinned.names().map(|name| self.like().pinned(name)).collect())
    }

    /// The one that was named, else the default one.
    pub(crate) fn one(&self) -> Result<SourceArgs> {
        let mut named = self.named();
        ensure!(named.len() < 2, "failed to choose a kernel source: {} are named", named.len());
        Ok(named.pop().unwrap_or_else(|| self.like()))
    }

    /// The conditions under which each of them is taken.
    fn like(&self) -> SourceArgs {
        let (locked, no_patch) = (self.locked, self.no_patch.clone());
        SourceArgs { locked, no_patch, ..SourceArgs::default() }
    }
}

/// The source that would be built.
#[derive(Debug, Serialize)]
pub(crate) struct PlannedSource {
    name: String,
    /// The provider and what it is asked for; nothing for a tree of the user's own.
    from: Option<String>,
    /// Where a package is looked for, if that is not the host's own lists.
    #[serde(skip_serializing_if = "Option::is_none")]
    suite: Option<String>,
    /// Why it is another one than what was named.
    #[serde(skip_serializing_if = "Option::is_none")]
    why: Option<String>,
    patches: Vec<String>,
    left_out: Vec<String>,
}

impl fmt::Display for PlannedSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(from) = &self.from else {
            return write!(f, "source {}: taken as it is, no patch is applied", self.name);
        };
        write!(f, "source {}: {from}", self.name)?;
        if let Some(suite) = &self.suite {
            write!(f, " of {suite}")?;
        }
        if let Some(why) = &self.why {
            write!(f, ", since {why}")?;
        }
        if !self.patches.is_empty() {
            write!(f, ", with patch {}", self.patches.join(", "))?;
        }
        if !self.left_out.is_empty() {
            write!(f, ", without patch {}", self.left_out.join(", "))?;
        }
        Ok(())
    }
}

impl SourceArgs {
    pub(crate) fn dir(dir: Utf8PathBuf) -> Self {
        SourceArgs { kernel_dir: Some(dir), ..Self::default() }
    }

    /// A pin under the same conditions.
    pub(crate) fn pinned(&self, name: &str) -> Self {
        SourceArgs { source: Some(name.to_owned()), kernel_dir: None, ..self.clone() }
    }

    /// What `tree` would take, as far as that is known without a network.
    pub(crate) fn planned(
        &self,
        ctx: &Context,
        workspace: &Workspace,
        conf_dir: &Utf8Path,
    ) -> Result<PlannedSource> {
        if let Some(dir) = &self.kernel_dir {
            let (name, none) = (dir.to_string(), || vec![]);
            let (from, suite, why) = (None, None, None);
            return Ok(PlannedSource { name, from, suite, why, patches: none(), left_out: none() });
        }
        let sources = Sources::read(conf_dir)?;
        let (pin, cache) = (self.pin(&sources)?, workspace.work.join("source"));
        let settled = source::settle(&ctx.shell, &sources, &pin, &cache, self.wanted())?;
        let pin = settled.pin;
        Ok(PlannedSource {
            from: Some(pin.from()),
            suite: pin.suite().map(str::to_owned),
            why: settled.why,
            patches: source::state(&sources, &pin, &cache)?.patches,
            left_out: self.no_patch.clone(),
            name: pin.name,
        })
    }

    fn wanted(&self) -> Wanted {
        Wanted::locked_if(self.locked)
    }

    /// Where what `tree` gives is had, by what its record says. Asks nobody.
    pub(crate) fn origin(&self, conf_dir: &Utf8Path, record: &SourceRecord) -> Result<Origin> {
        match self.kernel_dir {
            Some(_) => Ok(Origin::default()),
            None => {
                let sources = Sources::read(conf_dir)?;
                Ok(sources.pin(Some(&record.name))?.origin(&record.version))
            }
        }
    }

    pub(super) fn pin(&self, sources: &Sources) -> Result<Pin> {
        sources.pin(self.source.as_deref())?.without(&self.no_patch)
    }

    /// A tree is named.
    pub(crate) fn is_given(&self) -> bool {
        self.kernel_dir.is_some() || self.source.is_some()
    }

    /// The tree that is meant, fetched and unpacked if need be.
    pub(crate) fn tree(
        &self,
        ctx: &Context,
        workspace: &Workspace,
        conf_dir: &Utf8Path,
    ) -> Result<Tree> {
        source::check_work(&workspace.work)?;
        if let Some(dir) = &self.kernel_dir {
            return source::user_tree(&camino::absolute_utf8(dir)?);
        }
        let sources = Sources::read(conf_dir)?;
        let pin = &self.pin(&sources)?;
        source::fetch(
            &ctx.shell,
            ctx.progress,
            &sources,
            pin,
            &workspace.work.join("source"),
            self.wanted(),
        )
    }
}

/// The arguments of a subcommand, as they are when these words follow it.
///
/// # Errors
/// If it does not take them.
pub(super) fn typed<A: Args>(words: &[impl AsRef<str>]) -> Result<A> {
    let command = A::augment_args(clap::Command::new("xtask").no_binary_name(true));
    let words = words.iter().map(|word| word.as_ref().to_owned());
    Ok(A::from_arg_matches(&command.try_get_matches_from(words)?)?)
}

/// Which tools compile and link.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct ToolchainArgs {
    /// Whose tools compile and link: gcc, llvm, or llvm-N for clang-N and its like
    #[arg(long, value_name = "NAME", default_value_t, help_heading = "Tools")]
    pub(super) toolchain: Family,
    /// Prefix of the cross tools, such as aarch64-linux-gnu-
    #[arg(long, value_name = "PREFIX", help_heading = "Tools")]
    cross_compile: Option<String>,
}

impl ToolchainArgs {
    /// # Errors
    /// If one of the tools for that arch is not there.
    pub(crate) fn find(&self, shell: &Shell, arch: Arch) -> Result<Toolchain> {
        Toolchain::find(shell, arch, &self.toolchain, self.cross_compile.as_deref())
    }

    /// The tools for kernels of that tree, told where they are not what makes the smallest.
    ///
    /// # Errors
    /// If one of the tools for that arch is not there.
    pub(crate) fn for_tree(&self, ctx: &Context, arch: Arch, tree: &Tree) -> Result<Toolchain> {
        let found = self.find(&ctx.shell, arch)?.for_tree(&ctx.shell, tree)?;
        diag::tell_compromise(ctx.progress, &found);
        Ok(found)
    }

    /// The same for arches that nobody named a prefix for.
    pub(crate) fn without_prefix(&self) -> Self {
        ToolchainArgs { cross_compile: None, ..self.clone() }
    }

    /// For an arch of Linux's, whether its tools are there or not.
    pub(crate) fn of_any_arch(&self, name: &str) -> KbuildArch {
        let prefix = self.cross_compile.as_deref().unwrap_or_default();
        KbuildArch { family: self.toolchain.clone(), ..KbuildArch::new(name, prefix) }
    }
}

/// How many objects are compiled at once, and by what.
#[derive(Debug, Clone, Args)]
pub(crate) struct JobsArgs {
    /// Compile this many objects at once [default: one a core]
    #[arg(long, short, value_name = "N", value_parser = clap::value_parser!(u16).range(1..), help_heading = "Building")]
    jobs: Option<u16>,
    /// Compile through this program, which has its settings from its own environment
    #[arg(long, value_enum, help_heading = "Building")]
    pub(super) launcher: Option<Launcher>,
}

impl JobsArgs {
    /// As they are typed.
    pub(crate) fn words(&self) -> Vec<String> {
        let jobs = self.jobs.map(|jobs| format!("--jobs={jobs}"));
        let launcher = self.launcher.map(|launcher| format!("--launcher={launcher}"));
        jobs.into_iter().chain(launcher).collect()
    }

    /// # Errors
    /// If what makes share cannot be made, or the launcher is not there.
    pub(crate) fn budget(&self, shell: &Shell, workspace: &Workspace) -> Result<Jobs> {
        let cores = || std::thread::available_parallelism().map_or(1, usize::from);
        let masquerade = |launcher| Masquerade::new(shell, launcher, &workspace.work);
        let launched_by = self.launcher.map(masquerade).transpose()?;
        Jobs::new(self.jobs.map_or_else(cores, usize::from), launched_by)
    }
}
