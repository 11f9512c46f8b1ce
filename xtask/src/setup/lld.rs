//! The LLD that links aarch64 kernels: which is here, which a tree wants, which the distribution has.

use std::time::Duration;

use anyhow::Result;
use vmm_kernel::Arch;
use xshell::cmd;

use super::packages::Need;
use super::{Surveyed, Uses, on_path};
use crate::shell::Shell;
use crate::toolchain::{Lld, LldVersion, llds};

/// What is known of it.
#[derive(Debug, Default)]
pub(super) struct Linker {
    newest: Option<Lld>,
    /// What the tree wants at least.
    oldest: Option<LldVersion>,
    /// The package that would bring a newer one.
    offered: Option<Offered>,
}

/// A package of the distribution's whose LLD the tree takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Offered {
    /// `lld`
    Plain,
    /// One named by its version, such as `lld-19`.
    Named(u32),
}

impl Linker {
    pub(super) fn look(shell: &Shell, arches: &[Arch], uses: &Uses) -> Result<Self> {
        if !arches.contains(&Arch::Aarch64) {
            return Ok(Linker::default());
        }
        let newest = llds(shell)?.into_iter().next();
        let mut linker = Linker { newest, oldest: uses.oldest_lld.clone(), offered: None };
        if let (Some(oldest), false) = (&linker.oldest, linker.is_fine()) {
            linker.offered = offered(shell, oldest)?;
        }
        Ok(linker)
    }

    /// Whether the newest one that is here will do.
    fn is_fine(&self) -> bool {
        let Some(Lld { version, .. }) = &self.newest else { return false };
        match (version, &self.oldest) {
            (Some(version), Some(oldest)) => version >= oldest,
            _ => true,
        }
    }

    /// The need of an LLD, as it is on this host. An older one is as good as none where nothing newer is
    /// offered: GNU ld links then.
    pub(super) fn survey(&self, mut need: Need) -> Surveyed {
        if let Some(oldest) = &self.oldest {
            need.why += &format!(" This tree takes {oldest} and newer.");
        }
        match (&self.newest, self.offered) {
            (Some(newest), _) if self.is_fine() => {
                Surveyed { need: need.called(&newest.program), found: true }
            }
            (_, Some(Offered::Named(number))) => {
                Surveyed { need: need.ending(&format!("-{number}")), found: false }
            }
            (_, Some(Offered::Plain)) => Surveyed { need, found: false },
            (newest, None) => Surveyed { found: newest.is_some(), need },
        }
    }
}

/// What apt offers: the plain `lld`, or the newest `lld-N` where that is too old.
fn offered(shell: &Shell, oldest: &LldVersion) -> Result<Option<Offered>> {
    if !on_path(shell, "apt-cache") {
        return Ok(None);
    }
    let quick = Duration::from_secs(60);
    let plain = shell.run(cmd!(shell.sh, "apt-cache policy lld").env("LC_ALL", "C"), quick)?;
    if plain_major(&plain.stdout).is_some_and(|major| major >= oldest.major()) {
        return Ok(Some(Offered::Plain));
    }
    let names = "^lld-[0-9]+$";
    let named = shell.run(cmd!(shell.sh, "apt-cache --names-only search {names}"), quick)?;
    let newest = newest_named(&named.stdout).filter(|number| *number >= oldest.major());
    Ok(newest.map(Offered::Named))
}

/// The first number of what `apt-cache policy lld` calls the candidate, behind the epoch.
fn plain_major(policy: &str) -> Option<u32> {
    let candidate = policy.lines().find_map(|line| line.trim().strip_prefix("Candidate: "))?;
    let version = candidate.split_once(':').map_or(candidate, |(_, version)| version);
    version.split('.').next()?.parse().ok()
}

/// The greatest N of the packages `lld-N` that `apt-cache search` lists.
fn newest_named(search: &str) -> Option<u32> {
    let number = |line: &str| line.split(' ').next()?.strip_prefix("lld-")?.parse().ok();
    search.lines().filter_map(number).max()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::setup::packages::needs;

    const POLICY: &str = "lld:\n  Installed: (none)\n  Candidate: 1:14.0-55.7~deb12u1\n";
    const SEARCH: &str = "lld-14 - LLVM-based linker\nlld-19 - LLVM-based linker\nlld-9 - x\n";

    #[test]
    fn reads_what_apt_prints() {
        assert_eq!(plain_major(POLICY), Some(14));
        assert_eq!(plain_major("lld:\n  Candidate: (none)\n"), None);
        assert_eq!(newest_named(SEARCH), Some(19));
        assert_eq!(newest_named(""), None);
    }

    fn surveyed(newest: Option<&str>, oldest: Option<&str>, offered: Option<Offered>) -> String {
        let newest = newest.map(|version| Lld {
            program: "ld.lld-x".to_owned(),
            said: String::new(),
            version: LldVersion::find(version),
        });
        let oldest = oldest.and_then(LldVersion::find);
        let need = needs().unwrap().into_iter().find(Need::is_linker_beside_gcc).unwrap();
        let Surveyed { need, found } = Linker { newest, oldest, offered }.survey(need);
        let package = need.package(crate::setup::Manager::Apt, "").unwrap_or("-");
        format!("{} {package} {found}", need.probe)
    }

    #[test]
    fn an_old_one_is_missing_only_where_a_newer_one_is_offered() {
        assert_eq!(surveyed(Some("14.0.6"), None, None), "ld.lld-x lld true");
        assert_eq!(surveyed(Some("14.0.6"), Some("13.0.1"), None), "ld.lld-x lld true");
        let named = Some(Offered::Named(19));
        assert_eq!(surveyed(Some("14.0.6"), Some("17.0.1"), named), "ld.lld-19 lld-19 false");
        let plain = Some(Offered::Plain);
        assert_eq!(surveyed(Some("14.0.6"), Some("17.0.1"), plain), "ld.lld lld false");
        assert_eq!(surveyed(Some("14.0.6"), Some("17.0.1"), None), "ld.lld lld true");
        assert_eq!(surveyed(None, Some("17.0.1"), None), "ld.lld lld false");
        assert_eq!(surveyed(None, None, None), "ld.lld lld false");
    }
}
