//! What this host has of what a kernel's build and boot need, and how to get the rest.

mod install;
mod lld;
mod packages;

#[cfg(test)]
mod tests;

use std::time::Duration;

use anyhow::Result;
use camino::Utf8PathBuf;
use serde::Serialize;
use vmm_kernel::Arch;
use xshell::cmd;

use crate::launcher::Launcher;
use crate::shell::Shell;
use crate::source::Tree;
use crate::toolchain::{Family, LldVersion, oldest_lld_for, on_path, which};

pub(crate) use self::install::{Installation, Manager, install, release};
use self::lld::Linker;
use self::packages::{Need, Probe};

/// One thing that is needed, and whether it is there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Surveyed {
    #[serde(flatten)]
    pub(crate) need: Need,
    pub(crate) found: bool,
}

/// What a host is for, beside building.
#[derive(Debug, Clone, Default)]
pub(crate) struct Uses {
    pub(crate) boot: bool,
    /// With the tree's own menus.
    pub(crate) edit: bool,
    /// Through this.
    pub(crate) launcher: Option<Launcher>,
    /// With these tools.
    pub(crate) family: Family,
    /// With its modules packed.
    pub(crate) modules: bool,
    /// With what debuggers read.
    pub(crate) debug: bool,
    /// With all that this project's own tests use.
    pub(crate) tests: bool,
    /// Of trees that accept no older LLD.
    pub(crate) oldest_lld: Option<LldVersion>,
}

/// The oldest LLD that a tree accepts for aarch64 kernels, where it says so.
///
/// # Errors
/// If the tree's own script fails.
pub(crate) fn oldest_lld(shell: &Shell, tree: &Tree) -> Result<Option<LldVersion>> {
    oldest_lld_for(shell, &tree.dir, Arch::Aarch64.kbuild())
}

/// One thing that is needed and not there.
pub(crate) type Missing = Need;

/// Looks for everything that guests of `arches` need to be built, and for these uses.
///
/// # Errors
/// If the compiler that looks for headers does not come to an end, or the user interrupts.
pub(crate) fn survey(shell: &Shell, arches: &[Arch], uses: &Uses) -> Result<Vec<Surveyed>> {
    let host = Arch::host().ok();
    let needs = packages::needs()?.into_iter().filter(|need| need.applies(host, arches, uses));
    let needs = needs.map(|need| need.of_version(&uses.family));
    let linker = Linker::look(shell, arches, uses)?;
    let survey = |need: Need| match need.is_linker_beside_gcc() {
        true => Ok(linker.survey(need)),
        false => Ok(Surveyed { found: is_there(shell, &need)?, need }),
    };
    needs.map(survey).collect()
}

/// What `survey` does not find.
pub(crate) fn missing(shell: &Shell, arches: &[Arch], uses: &Uses) -> Result<Vec<Missing>> {
    let surveyed = survey(shell, arches, uses)?;
    Ok(surveyed.into_iter().filter(|one| !one.found).map(|one| one.need).collect())
}

fn is_there(shell: &Shell, need: &Need) -> Result<bool> {
    match &need.probe {
        Probe::Program { program, .. } => Ok(find(shell, program)?.is_some()),
        Probe::Header { header, compiler } => {
            if !on_path(shell, compiler) {
                return Ok(false);
            }
            let cmd = cmd!(shell.sh, "{compiler} -E -x c -include {header} -o /dev/null /dev/null");
            Ok(shell.run(cmd, Duration::from_secs(30))?.success())
        }
    }
}

/// A program that a boot needs: on PATH, where distributions hide it, or where cargo installs.
///
/// # Errors
/// If the list of needs cannot be read.
pub(crate) fn find(shell: &Shell, program: &str) -> Result<Option<Utf8PathBuf>> {
    let named = |need: &Need| match &need.probe {
        Probe::Program { program: name, paths } if name == program => {
            Some((paths.clone(), need.krate().is_some()))
        }
        _ => None,
    };
    let (mut paths, is_krate) = packages::needs()?.iter().find_map(named).unwrap_or_default();
    paths.extend(is_krate.then(|| cargo_bin(shell)).flatten().map(|bin| bin.join(program)));
    Ok(which(shell, program).or_else(|| paths.into_iter().find(|path| path.is_file())))
}

/// Where `cargo install` puts programs (The Cargo Book, cargo-install(1)).
fn cargo_bin(shell: &Shell) -> Option<Utf8PathBuf> {
    let root = ["CARGO_INSTALL_ROOT", "CARGO_HOME"].iter().find_map(|name| shell.sh.var(name).ok());
    let home = || Some(Utf8PathBuf::from(shell.sh.var("HOME").ok()?).join(".cargo"));
    root.map(Utf8PathBuf::from).or_else(home).map(|root| root.join("bin"))
}
