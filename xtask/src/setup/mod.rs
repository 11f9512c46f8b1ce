//! What this host has of what a kernel's build and boot need, and how to get the rest.

mod install;
mod packages;

#[cfg(test)]
mod tests;

use std::time::Duration;

use anyhow::Result;
use serde::Serialize;
use vmm_kernel::Arch;
use xshell::cmd;

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

fn is_there(shell: &Shell, need: &Need) -> Result<bool> {
    match &need.probe {
        Probe::Program { program } => Ok(on_path(shell, program)),
        Probe::Header { header, compiler } => {
            if !on_path(shell, compiler) {
                return Ok(false);
            }
            let cmd = cmd!(shell.sh, "{compiler} -E -x c -include {header} -o /dev/null /dev/null");
            Ok(shell.run(cmd, Duration::from_secs(30))?.success())
        }
    }
}
