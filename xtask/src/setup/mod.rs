//! What this host has of what a kernel's build and boot need, and how to get the rest.

mod install;
mod packages;

#[cfg(test)]
mod tests;

use std::time::Duration;

use anyhow::{Context as _, Result, anyhow};
use camino::Utf8PathBuf;
use serde::Serialize;
use vmm_kernel::Arch;
use xshell::cmd;

use crate::diag::Hint;
use crate::shell::Shell;
use crate::toolchain::on_path;

pub(crate) use self::install::{Installation, Manager, install};
use self::packages::{Need, Probe};

/// One thing that is needed, and whether it is there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Surveyed {
    #[serde(flatten)]
    pub(crate) need: Need,
    pub(crate) found: bool,
}

/// One thing that is needed and not there.
pub(crate) type Missing = Need;

/// Looks for everything that guests of `arches` need to be built, and with `boot` to be booted.
///
/// # Errors
/// If the compiler that looks for headers does not come to an end, or the user interrupts.
pub(crate) fn survey(shell: &Shell, arches: &[Arch], boot: bool) -> Result<Vec<Surveyed>> {
    let host = Arch::host().ok();
    let needs = packages::needs()?.into_iter().filter(|need| need.applies(host, arches, boot));
    needs.map(|need| Ok(Surveyed { found: is_there(shell, &need)?, need })).collect()
}

/// What `survey` does not find.
pub(crate) fn missing(shell: &Shell, arches: &[Arch], boot: bool) -> Result<Vec<Missing>> {
    let surveyed = survey(shell, arches, boot)?;
    Ok(surveyed.into_iter().filter(|one| !one.found).map(|one| one.need).collect())
}

/// A program of `packages.toml`, wherever it lies.
///
/// # Errors
/// If it is not here.
#[cfg_attr(not(test), expect(dead_code, reason = "for the stages that start such programs"))]
pub(crate) fn find(shell: &Shell, program: &str) -> Result<Utf8PathBuf> {
    let is_it = |need: &Need| matches!(&need.probe, Probe::Program { program: name, .. } if name == program);
    let need = packages::needs()?.into_iter().find(is_it);
    let need = need.with_context(|| format!("packages.toml has no program `{program}`"))?;
    located(shell, &need)
        .ok_or_else(|| anyhow!("no `{program}` on this host"))
        .hint(|| "cargo xtask setup installs it")
}

/// On PATH, at its other paths, or where cargo puts programs.
fn located(shell: &Shell, need: &Need) -> Option<Utf8PathBuf> {
    let Probe::Program { program, paths } = &need.probe else { return None };
    let on_path = which::which_in(program, shell.sh.var_os("PATH"), shell.sh.current_dir());
    let on_path = on_path.ok().and_then(|path| Utf8PathBuf::from_path_buf(path).ok());
    let of_cargo = need.krate().and_then(|_| Some(cargo_bin(shell)?.join(program)));
    let elsewhere = || paths.iter().chain(&of_cargo).find(|path| path.is_file()).cloned();
    on_path.or_else(elsewhere)
}

/// Where `cargo install` puts programs, unless it is told otherwise.
fn cargo_bin(shell: &Shell) -> Option<Utf8PathBuf> {
    let cargo = shell.sh.var("CARGO_HOME").map(Utf8PathBuf::from);
    let home = || shell.sh.var("HOME").map(|home| Utf8PathBuf::from(home).join(".cargo"));
    cargo.or_else(|_| home()).ok().map(|cargo| cargo.join("bin"))
}

fn is_there(shell: &Shell, need: &Need) -> Result<bool> {
    match &need.probe {
        Probe::Program { .. } => Ok(located(shell, need).is_some()),
        Probe::Header { header, compiler } => {
            if !on_path(shell, compiler) {
                return Ok(false);
            }
            let cmd = cmd!(shell.sh, "{compiler} -E -x c -include {header} -o /dev/null /dev/null");
            Ok(shell.run(cmd, Duration::from_secs(30))?.success())
        }
    }
}
