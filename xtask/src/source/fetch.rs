//! Brings the tree of a pin into the cache: by the lock, from its provider, checked, patched.

mod choose;

use anyhow::{Context, Result, anyhow};
use camino::Utf8Path;
use vmm_kernel::SourceRecord;

use self::choose::{Choice, Chosen, Supply};
use super::debian::Package;
use super::listing::Listing;
use super::lock::{Lock, Locked};
use super::patches::Patches;
use super::pins::{Pin, Provider, Sources};
use super::store::{self, Record, Store, Stored};
use super::substitute::settle;
use super::{Archive, Tree, debian, git, kernel_org, snapshot, tarball, unpack};
use crate::diag::Hint;
use crate::progress::Progress;
use crate::shell::Shell;

/// Which version of a pin is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wanted {
    /// That of `sources.lock`, and no other.
    Locked,
    /// That of `sources.lock`, or the newest where it can no longer be had.
    Recorded,
    /// The newest that there is.
    Newest,
}

impl Wanted {
    pub(crate) fn locked_if(locked: bool) -> Self {
        if locked { Wanted::Locked } else { Wanted::Recorded }
    }
}

/// The tree of a pin, fetched and unpacked if it is not there yet. What it came to is recorded in
/// `sources.lock`.
///
/// # Errors
/// If the source cannot be had, or is not what the lock or the pin says it is.
pub(crate) fn fetch(
    shell: &Shell,
    progress: Progress,
    sources: &Sources,
    pin: &Pin,
    cache: &Utf8Path,
    wanted: Wanted,
) -> Result<Tree> {
    let settled = settle(shell, sources, pin, cache, wanted)?;
    if let Some(why) = &settled.why {
        progress.say(format!("source {}: {}, since {why}", pin.name, settled.pin.from()));
    }
    let pin = &settled.pin;
    if let Some(stored) = FetchPlan::new(sources, pin, cache)?.is_done(wanted)? {
        return stored.tree();
    }
    let store = Store::open(shell, progress, cache)?;
    // Another run may have changed the lock, and fetched the same, while this one waited.
    let mut plan = FetchPlan::new(sources, pin, cache)?;
    if let Some(stored) = plan.is_done(wanted)? {
        return stored.tree();
    }
    let (scratch_guard, scratch) = store.scratch()?;
    let choice = match plan.choose(shell, progress, &scratch, wanted)? {
        Chosen::This(choice) => choice,
        Chosen::Instead(pin, why) => {
            drop((scratch_guard, store));
            progress.say(format!("source {}: {}, since {why}", plan.pin.name, pin.from()));
            return fetch(shell, progress, sources, &pin, cache, wanted);
        }
    };
    let stored = match plan.reusable(&choice, &store)? {
        Some(stored) => stored,
        None => plan.unpack(shell, progress, &store, &choice, &scratch)?,
    };
    drop(scratch_guard);
    let came_to = plan.entry(&stored.record.version, &stored.record.sha256);
    if plan.locked.as_ref() != Some(&came_to) && wanted != Wanted::Locked {
        progress.say(format!(
            "recorded {} {} in {}",
            came_to.from,
            came_to.version,
            plan.lock.path()
        ));
        plan.lock.set(&pin.name, came_to)?;
    }
    stored.tree()
}

/// All that decides what a fetch has to do.
pub(super) struct FetchPlan<'a> {
    pin: &'a Pin,
    cache: &'a Utf8Path,
    /// Those to apply, of kernels of all versions.
    patches: Patches,
    /// Hash of all patches of the pin: the lock knows nothing of what one run leaves out.
    pinned_patches: Option<String>,
    lock: Lock,
    /// What may be taken in the place of a package.
    substitute: Option<Pin>,
    /// URL of Debian's archive of what its mirrors have no more.
    snapshot: String,
    /// The lock's entry, if it is about what the pin says now.
    pub(super) locked: Option<Locked>,
}

impl<'a> FetchPlan<'a> {
    pub(super) fn new(sources: &Sources, pin: &'a Pin, cache: &'a Utf8Path) -> Result<Self> {
        let all_patches = pin.all_patches()?;
        let lock = Lock::read(sources, cache)?;
        let current = |locked: &&Locked| {
            locked.from == pin.from()
                && pin.provider.sha256().is_none_or(|sha256| locked.sha256 == sha256)
        };
        let locked = lock.get(&pin.name).filter(current).cloned();
        let pinned_patches = all_patches.sha256();
        let patches = all_patches.without(&pin.left_out);
        let (substitute, snapshot) = (sources.substitute(pin), sources.snapshot.clone());
        Ok(FetchPlan { pin, cache, patches, pinned_patches, lock, substitute, snapshot, locked })
    }

    /// The tree, where it is here and nobody has to be asked for another one.
    fn is_done(&self, wanted: Wanted) -> Result<Option<Stored>> {
        match wanted {
            Wanted::Locked => self.demand_lock()?,
            Wanted::Newest if self.pin.provider.version().is_none() => return Ok(None),
            Wanted::Recorded | Wanted::Newest => {}
        }
        self.unpacked()
    }

    fn demand_lock(&self) -> Result<()> {
        let (name, path) = (&self.pin.name, self.lock.path());
        let fault = match &self.locked {
            None => format!("{path} has no entry for kernel source `{name}` as it is pinned now"),
            Some(locked) if locked.patches != self.pinned_patches => {
                format!("the patches of kernel source `{name}` are not those in {path}")
            }
            Some(_) => return Ok(()),
        };
        Err(anyhow!(fault))
            .hint(|| format!("without --locked, `cargo xtask source fetch {name}` records it"))
    }

    fn entry(&self, version: &str, sha256: &str) -> Locked {
        Locked {
            from: self.pin.from(),
            version: version.to_owned(),
            sha256: sha256.to_owned(),
            patches: self.pinned_patches.clone(),
        }
    }

    /// What the tree of the locked version is.
    pub(super) fn record(&self) -> Option<SourceRecord> {
        self.locked.as_ref().map(|locked| SourceRecord {
            name: self.pin.name.clone(),
            version: locked.version.clone(),
            sha256: locked.sha256.clone(),
            patches: self.patches.of_release(&locked.version).records(),
        })
    }

    /// Names of the patches that are for the tree, or for one of the version that is known.
    pub(super) fn patch_names(&self, tree: Option<&Tree>) -> Vec<String> {
        let locked = self.locked.as_ref().map(|locked| locked.version.clone());
        let version = tree.map(|tree| tree.version.to_string());
        let version = version.or(locked).or_else(|| self.pin.provider.version());
        let patches = version.map(|version| self.patches.of_release(&version));
        let names = patches.as_ref().unwrap_or(&self.patches).names();
        names.into_iter().map(str::to_owned).collect()
    }

    /// Name of the tree in the cache. A version of Debian's may have a colon, which kbuild refuses.
    fn tree_name(&self, version: &str) -> String {
        let patches = self.patches.of_release(version).sha256();
        let version = version.replace(':', "_");
        match patches {
            Some(hash) => format!("{}-{version}-{}", self.pin.name, &hash[..8]),
            None => format!("{}-{version}", self.pin.name),
        }
    }

    /// The tree of the locked version, which needs no network and no right to write. New patches
    /// on it are news to the lock: then there is none.
    pub(super) fn unpacked(&self) -> Result<Option<Stored>> {
        let Some(locked) = &self.locked else { return Ok(None) };
        if locked.patches != self.pinned_patches {
            return Ok(None);
        }
        let stored = store::find(self.cache, &self.tree_name(&locked.version))?;
        Ok(stored.filter(|stored| {
            stored.record.sha256 == locked.sha256
                && stored.record.from == locked.from
                && self.is_patched(&stored.record)
        }))
    }

    /// Whether a tree has the patches that are for its version.
    fn is_patched(&self, record: &Record) -> bool {
        record.patches == self.patches.of_release(&record.kernel_version).records()
    }

    fn failed(&self) -> String {
        format!("failed to fetch kernel source `{}`", self.pin.name)
    }

    /// A tree that is there although the lock does not name it, such as after a change of branch.
    fn reusable(&self, choice: &Choice, store: &Store<'_>) -> Result<Option<Stored>> {
        let stored = store::find(store.dir(), &self.tree_name(&choice.version))?;
        let wanted = self.pin.provider.sha256().or(self.locked_sha256(&choice.version));
        Ok(stored.filter(|stored| {
            stored.record.from == self.pin.from()
                && self.is_patched(&stored.record)
                && wanted.is_none_or(|sha256| sha256 == stored.record.sha256)
        }))
    }

    /// What the lock says of that version.
    fn locked_sha256(&self, version: &str) -> Option<&str> {
        let locked = self.locked.as_ref().filter(|locked| locked.version == version)?;
        Some(&locked.sha256)
    }

    fn obtain(
        &self,
        shell: &Shell,
        progress: Progress,
        store: &Store<'_>,
        choice: &Choice,
        scratch: &Utf8Path,
    ) -> Result<Archive> {
        let version = &choice.version;
        let archive = match (&self.pin.provider, &choice.supply) {
            (Provider::Debian(package), Supply::Apt(offer)) => {
                let by_apt = debian::obtain(shell, progress, package, version, offer, scratch);
                match (by_apt, self.locked_sha256(version)) {
                    // apt's lists may name a version that its mirror has replaced.
                    (Err(error), Some(_)) => {
                        shell.check_interrupt()?;
                        let why = format!("{error:#}");
                        progress.say(format!("{why}: asking {}", self.snapshot));
                        self.fetch_snapshot(
                            shell,
                            progress,
                            store,
                            (package, version, &why),
                            scratch,
                        )
                    }
                    (by_apt, _) => by_apt,
                }
            }
            (Provider::Debian(package), Supply::Snapshot { why }) => {
                self.fetch_snapshot(shell, progress, store, (package, version, why), scratch)
            }
            (Provider::KernelOrg { mirror, .. }, Supply::Release(listed)) => {
                kernel_org::obtain(shell, progress, mirror, listed, store.dir())
            }
            (Provider::Debian(_) | Provider::KernelOrg { .. }, _) => {
                Err(anyhow!("nothing was chosen to fetch"))
            }
            (Provider::Tarball { from, sha256 }, _) => {
                tarball::obtain(shell, progress, from, (sha256, "sources.toml"), store.dir())
            }
            (Provider::Git(revision), _) => git::obtain(shell, progress, revision, scratch),
        };
        archive.with_context(|| self.failed())
    }

    /// The locked version from Debian's archive; `why` its mirrors were not enough.
    fn fetch_snapshot(
        &self,
        shell: &Shell,
        progress: Progress,
        store: &Store<'_>,
        (package, version, why): (&Package, &str, &str),
        scratch: &Utf8Path,
    ) -> Result<Archive> {
        let sha256 = self.locked_sha256(version).unwrap_or_default();
        let wanted = snapshot::Wanted { package, version, sha256, said_by: self.lock.path() };
        snapshot::obtain(shell, progress, &self.snapshot, wanted, store.dir(), scratch)
            .with_context(|| why.to_owned())
            .hint(|| {
                let name = &self.pin.name;
                format!("`cargo xtask source fetch --update {name}` takes what the mirrors carry now, and records it")
            })
    }

    /// One version has one content, asked for with --locked or not.
    fn check_content(&self, version: &str, sha256: &str) -> Result<()> {
        let other = |expected: &&str| *expected != sha256;
        let Some(expected) = self.locked_sha256(version).filter(other) else { return Ok(()) };
        let from = self.pin.from();
        Err(anyhow!("{from} {version} has sha256 {sha256}, expected {expected}")).hint(|| {
            let name = &self.pin.name;
            format!("if this content is meant, remove `{name}` from {}", self.lock.path())
        })
    }

    fn unpack(
        &self,
        shell: &Shell,
        progress: Progress,
        store: &Store<'_>,
        choice: &Choice,
        scratch: &Utf8Path,
    ) -> Result<Stored> {
        let archive = self.obtain(shell, progress, store, choice, scratch)?;
        if let Some(sha256) = &archive.sha256 {
            self.check_content(&archive.version, sha256)?;
        }
        let unpacked = scratch.join("tree");
        std::fs::create_dir(&unpacked)
            .with_context(|| format!("failed to create folder {unpacked}"))?;
        let listing = unpack::unpack(shell, progress, &archive.path, &unpacked);
        if listing.is_err() && shell.check_interrupt().is_ok() {
            // It is the file that was asked for, and of no use all the same.
            set_aside(&archive, scratch)?;
        }
        let mut listing = listing?;
        let sha256 = archive.sha256.clone().unwrap_or_else(|| listing.sha256());
        self.check_content(&archive.version, &sha256)?;
        let patches = match self.patches.is_empty() {
            true => Patches::default(),
            false => self.patches.for_tree(&unpacked)?,
        };
        if !patches.is_empty() {
            patches.apply(shell, progress, &unpacked)?;
            listing = Listing::of_folder(shell, progress, &unpacked)?;
        }
        let record = Record {
            pin: self.pin.name.clone(),
            from: self.pin.from(),
            version: archive.version.clone(),
            sha256,
            patches: patches.records(),
            kernel_version: String::new(),
            files: 0,
            listing_sha256: String::new(),
        };
        set_aside(&archive, scratch)?;
        store.publish(&unpacked, &self.tree_name(&archive.version), &listing, record)
    }
}

/// A download has served its purpose: the listing tells whether the tree is still whole. With the
/// scratch folder it goes in any case, were this run killed here.
fn set_aside(archive: &Archive, scratch: &Utf8Path) -> Result<()> {
    if archive.downloaded {
        std::fs::rename(&archive.path, scratch.join("archive"))
            .with_context(|| format!("failed to move {} away", archive.path))?;
    }
    Ok(())
}
