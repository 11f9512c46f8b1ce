//! `packages.toml`, read and checked.

use std::collections::BTreeMap;
use std::fmt;

use anyhow::{Context, Result, bail};
use camino::Utf8PathBuf;
use serde::{Deserialize, Serialize};
use vmm_kernel::Arch;

use super::{Manager, Uses};
use crate::launcher::Launcher;
use crate::toolchain::Family;

const DATA: &str = include_str!("packages.toml");

/// Something that a build or a boot needs of the host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Need {
    #[serde(flatten)]
    pub(crate) probe: Probe,
    /// One sentence.
    pub(crate) why: String,
    /// Needed only for guests of this arch.
    pub(crate) guest: Option<Arch>,
    /// Needed only for guests of another arch than the host's, or only for those of its own.
    pub(crate) foreign: Option<bool>,
    /// Not needed to build, only to boot.
    pub(crate) boot: bool,
    /// Not needed to build, only to edit.
    pub(crate) edit: bool,
    /// Needed only where this is to launch compilers.
    pub(crate) launcher: Option<Launcher>,
    /// Needed only where LLVM's tools compile.
    pub(crate) llvm: bool,
    /// Not needed to build, only to pack modules.
    pub(crate) modules: bool,
    /// Not needed to build, only for what debuggers read.
    pub(crate) debug: bool,
    /// Not needed to build, only for this project's own tests.
    pub(crate) tests: bool,
    #[serde(flatten)]
    packages: Packages,
}

/// How to see that it is there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub(crate) enum Probe {
    Program {
        program: String,
        /// Where else than on PATH it may be.
        #[serde(skip_serializing_if = "Vec::is_empty")]
        paths: Vec<Utf8PathBuf>,
    },
    Header {
        header: String,
        compiler: String,
    },
}

impl fmt::Display for Probe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Probe::Program { program, .. } => f.write_str(program),
            Probe::Header { header, compiler } if compiler == "gcc" => write!(f, "<{header}>"),
            Probe::Header { header, compiler } => write!(f, "<{header}> for {compiler}"),
        }
    }
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Packages {
    apt: Option<String>,
    dnf: Option<String>,
    zypper: Option<String>,
    pacman: Option<String>,
    /// By ID and VERSION_ID of os-release(5).
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    release: BTreeMap<String, String>,
    cargo: Option<String>,
}

impl Need {
    /// The crate that brings it where no distribution does, with its version.
    pub(crate) fn krate(&self) -> Option<&str> {
        self.packages.cargo.as_deref()
    }

    /// The package that brings it, where one is known.
    pub(crate) fn package(&self, manager: Manager, release: &str) -> Option<&str> {
        if let Some(package) = self.packages.release.get(release) {
            return Some(package);
        }
        match manager {
            Manager::Apt => self.packages.apt.as_deref(),
            Manager::Dnf => self.packages.dnf.as_deref(),
            Manager::Zypper => self.packages.zypper.as_deref(),
            Manager::Pacman => self.packages.pacman.as_deref(),
        }
    }

    /// Whether a host (`None`: of an arch that has no guests) needs it for guests of `arches`.
    pub(super) fn applies(&self, host: Option<Arch>, arches: &[Arch], uses: &Uses) -> bool {
        let guest = |arch: &Arch| {
            self.guest.is_none_or(|guest| guest == *arch)
                && self.foreign.is_none_or(|foreign| foreign == (host != Some(*arch)))
        };
        let only_for = [
            (self.boot, uses.boot),
            (self.edit, uses.edit),
            (self.launcher.is_some(), uses.launcher == self.launcher),
            (self.llvm, uses.family != Family::Gnu),
            (self.modules, uses.modules),
            (self.debug, uses.debug),
            (self.tests, uses.tests),
        ];
        only_for.iter().all(|(only, use_)| *use_ || !only) && arches.iter().any(guest)
    }
}

impl Need {
    /// The same where the tools' names end in a version: Debian's packages are called so, too.
    pub(super) fn of_version(self, family: &Family) -> Self {
        match family {
            Family::Llvm(end) if self.llvm && !end.is_empty() => self.ending(end),
            _ => self,
        }
    }

    /// The same program and package with this behind their names, as Debian's have a version.
    pub(super) fn ending(mut self, end: &str) -> Self {
        if let Probe::Program { program, .. } = &mut self.probe {
            program.push_str(end);
            let apt = self.packages.apt.map(|package| package + end);
            self.packages = Packages { apt, ..Packages::default() };
        }
        self
    }

    /// The same by another name.
    pub(super) fn called(mut self, name: &str) -> Self {
        if let Probe::Program { program, .. } = &mut self.probe {
            name.clone_into(program);
        }
        self
    }

    /// Whether it is the LLD that links what GCC compiles.
    pub(super) fn is_linker_beside_gcc(&self) -> bool {
        let is_lld = matches!(&self.probe, Probe::Program { program, .. } if program == "ld.lld");
        is_lld && !self.llvm
    }
}

/// The file as it is written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawNeeds {
    need: Vec<RawNeed>,
}

#[derive(Deserialize)]
struct RawNeed {
    program: Option<String>,
    #[serde(default)]
    paths: Vec<Utf8PathBuf>,
    header: Option<String>,
    compiler: Option<String>,
    why: String,
    guest: Option<Arch>,
    foreign: Option<bool>,
    #[serde(default)]
    boot: bool,
    #[serde(default)]
    edit: bool,
    launcher: Option<Launcher>,
    #[serde(default)]
    llvm: bool,
    #[serde(default)]
    modules: bool,
    #[serde(default)]
    debug: bool,
    #[serde(default)]
    tests: bool,
    #[serde(flatten)]
    packages: Packages,
}

/// Everything that anyone may need.
pub(super) fn needs() -> Result<Vec<Need>> {
    let raw: RawNeeds = toml::from_str(DATA).context("failed to read packages.toml")?;
    raw.need.into_iter().map(validate).collect()
}

fn validate(raw: RawNeed) -> Result<Need> {
    let probe = match (raw.program, raw.header, raw.compiler) {
        (Some(program), None, None) => Probe::Program { program, paths: raw.paths },
        (None, Some(header), compiler) => {
            Probe::Header { header, compiler: compiler.unwrap_or_else(|| "gcc".to_owned()) }
        }
        _ => bail!("packages.toml: a need has a program, or a header and maybe a compiler"),
    };
    let RawNeed {
        why,
        guest,
        foreign,
        boot,
        edit,
        launcher,
        llvm,
        modules,
        debug,
        tests,
        packages,
        ..
    } = raw;
    Ok(Need {
        probe,
        why,
        guest,
        foreign,
        boot,
        edit,
        launcher,
        llvm,
        modules,
        debug,
        tests,
        packages,
    })
}
