//! Which version of a pin is taken, and from where.

use anyhow::{Context, Result};
use camino::Utf8Path;

use super::{FetchPlan, Wanted};
use crate::diag::Hint;
use crate::progress::Progress;
use crate::shell::Shell;
use crate::source::apt::{Lists, Offer};
use crate::source::debian::Package;
use crate::source::kernel_org::{self, Listed, Release};
use crate::source::lock::Locked;
use crate::source::pins::{Pin, Provider};

/// The version to take, and from where.
pub(super) struct Choice {
    pub(super) version: String,
    pub(super) supply: Supply,
}

pub(super) enum Supply {
    /// Where the pin says.
    Pinned,
    Apt(Offer),
    /// Debian's archive of what its mirrors have no more.
    Snapshot {
        why: String,
    },
    /// kernel.org, whose signed list was asked.
    Release(Listed),
}

pub(super) enum Chosen {
    This(Choice),
    /// Another pin, and why.
    Instead(Pin, String),
}

impl FetchPlan<'_> {
    pub(super) fn choose(
        &self,
        shell: &Shell,
        progress: Progress,
        scratch: &Utf8Path,
        wanted: Wanted,
    ) -> Result<Chosen> {
        let this = |version, supply| Ok(Chosen::This(Choice { version, supply }));
        match &self.pin.provider {
            Provider::Debian(package) => {
                self.choose_package(shell, progress, package, scratch, wanted)
            }
            Provider::KernelOrg { mirror, release } => {
                let recorded = self.locked.as_ref().filter(|_| wanted != Wanted::Newest);
                if let Some(Locked { version, sha256, .. }) = recorded {
                    let (version, sha256) = (version.clone(), sha256.clone());
                    let by = self.lock.path().to_string();
                    let listed = Listed { version: version.clone(), sha256, by };
                    return this(version, Supply::Release(listed));
                }
                let listed = kernel_org::look_up(shell, progress, mirror, release, scratch);
                let listed = listed.with_context(|| self.failed())?;
                if let Release::NewestOf(series) = release {
                    progress.say(format!("taking {}: the newest of {series}", listed.version));
                }
                this(listed.version.clone(), Supply::Release(listed))
            }
            other => this(other.version().context("the pin says no version")?, Supply::Pinned),
        }
    }

    fn choose_package(
        &self,
        shell: &Shell,
        progress: Progress,
        package: &Package,
        scratch: &Utf8Path,
        wanted: Wanted,
    ) -> Result<Chosen> {
        let snapshot = |gone: &str| {
            progress.say(format!("{gone}: asking {}", self.snapshot));
            let version = self.locked.as_ref().map(|locked| locked.version.clone());
            let supply = Supply::Snapshot { why: gone.to_owned() };
            Choice { version: version.unwrap_or_default(), supply }
        };
        let demanded = self.locked.as_ref().filter(|_| wanted == Wanted::Locked);
        let offer = match self.offer(shell, progress, package, scratch, wanted) {
            Ok(offer) => offer,
            Err(error) if demanded.is_some() => {
                shell.check_interrupt()?;
                return Ok(Chosen::This(snapshot(&format!("{error:#}"))));
            }
            Err(error) => {
                return Err(error.context(self.failed())).hint(|| self.other_sources());
            }
        };
        if let Some(locked) = demanded.filter(|locked| !offer.has(&locked.version)) {
            let has = match &offer.versions[..] {
                [] => offer.nothing(&package.name).to_string(),
                versions => format!("apt has {}", versions.join(", ")),
            };
            let gone = format!("{} {} is no longer offered ({has})", package.name, locked.version);
            return Ok(Chosen::This(snapshot(&gone)));
        }
        if offer.candidate.is_none() {
            let nothing = offer.nothing(&package.name);
            return match &self.substitute {
                // Whoever names a suite means Debian's.
                Some(pin) if package.suite.is_none() => {
                    Ok(Chosen::Instead(pin.clone(), nothing.to_string()))
                }
                _ => Err(nothing).with_context(|| self.failed()).hint(|| self.other_sources()),
            };
        }
        let version = self.version(progress, &package.name, &offer, wanted)?;
        Ok(Chosen::This(Choice { version, supply: Supply::Apt(offer) }))
    }

    /// What to do where a package cannot be had.
    fn other_sources(&self) -> String {
        let otherwise =
            "pin another package or suite in sources.toml, or give a tree with --kernel-dir";
        let locked = self
            .locked
            .as_ref()
            .map(|locked| format!("--locked takes {} from {}; ", locked.version, self.snapshot));
        let substitute = self
            .substitute
            .as_ref()
            .map(|pin| format!("--source {} takes {}; ", pin.name, pin.from()));
        [locked, substitute, Some(format!("or {otherwise}"))].into_iter().flatten().collect()
    }

    /// The host's package lists may be of any age, and a mirror keeps no version that they name: so
    /// fresh ones decide what to download.
    fn offer(
        &self,
        shell: &Shell,
        progress: Progress,
        package: &Package,
        scratch: &Utf8Path,
        wanted: Wanted,
    ) -> Result<Offer> {
        let host = package.offered(shell, Lists::default());
        let recorded = self.locked.as_ref().filter(|_| wanted != Wanted::Newest);
        if let (Ok(offer), Some(locked)) = (&host, recorded) {
            if offer.is_here(&locked.version) {
                return host;
            }
        }
        let folder = scratch.join("apt");
        if let Some(suite) = &package.suite {
            host?;
            let lists = Lists::of_suite(shell, progress, suite, &folder)?;
            return package.offered(shell, lists);
        }
        let fresh = || {
            let (lists, whole) = Lists::fresh(shell, progress, &folder)?;
            let offer = package.offered(shell, lists)?;
            let has_it = match recorded {
                Some(locked) => offer.has(&locked.version),
                None => offer.candidate.is_some(),
            };
            // Lists without a mirror's say only what there is, not what there is not.
            if has_it { Ok(offer) } else { whole.map(|()| offer) }
        };
        fresh().or_else(|error: anyhow::Error| {
            shell.check_interrupt()?;
            progress.say(format!("{error:#}; going on with this host's package lists"));
            host
        })
    }

    /// The recorded version while it can be had, unless the newest is wanted.
    fn version(
        &self,
        progress: Progress,
        package: &str,
        offer: &Offer,
        wanted: Wanted,
    ) -> Result<String> {
        let newest = offer.candidate.clone().context("apt has no candidate")?;
        let Some(recorded) = self.locked.as_ref().map(|locked| locked.version.clone()) else {
            progress.say(format!("taking {package} {newest}: the newest that apt offers"));
            return Ok(newest);
        };
        if recorded == newest {
            return Ok(newest);
        }
        let (lock, name) = (self.lock.path(), &self.pin.name);
        if wanted == Wanted::Newest {
            progress.say(format!("taking {package} {newest} in the place of {recorded}"));
            return Ok(newest);
        }
        if offer.has(&recorded) {
            if offer.is_newer(&newest, &recorded) {
                let how = format!("`cargo xtask source fetch --update {name}` takes it");
                progress.say(format!(
                    "taking {package} {recorded} of {lock}; there is {newest}, {how}"
                ));
            }
            return Ok(recorded);
        }
        progress.say(format!(
            "{package} {recorded} of {lock} is no longer offered: taking {newest}; --locked takes \
             what is recorded, from {}",
            self.snapshot
        ));
        Ok(newest)
    }
}
