//! Kernel source trees: a folder of the user's own, or a pinned source that is fetched, checked,
//! unpacked once and then never written to.

mod apt;
mod deb;
mod debian;
mod download;
mod fetch;
mod fit;
mod git;
mod kernel_org;
mod listing;
mod lock;
mod openpgp;
mod origin;
pub(crate) mod patches;
mod pins;
mod releases;
mod snapshot;
mod store;
mod substitute;
mod symlinks;
mod tarball;
mod tree;
mod unpack;
mod version;

#[cfg(test)]
mod tests;

use anyhow::{Result, anyhow};
use camino::{Utf8Path, Utf8PathBuf};
use vmm_kernel::SourceRecord;

use self::fetch::FetchPlan;
use self::store::Stored;
use crate::diag::Hint;
use crate::progress::Progress;
use crate::shell::Shell;

pub(crate) use self::apt::NotCarried;
pub(crate) use self::fetch::{Wanted, fetch};
pub(crate) use self::fit::{Fit, Tried, try_patches};
pub(crate) use self::listing::Difference;
pub(crate) use self::lock::Locked;
pub(crate) use self::origin::Origin;
pub(crate) use self::patches::Unfit;
pub(crate) use self::pins::{Pin, Sources};
pub(crate) use self::releases::Releases;
pub(crate) use self::substitute::settle;
pub(crate) use self::tree::{Tree, check_work, user_tree};
pub(crate) use self::version::KernelVersion;

/// A tarball that is here, and what it is.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Archive {
    path: Utf8PathBuf,
    version: String,
    /// `None` where the listing of what is in it says what it is: one commit makes another tarball
    /// with another git.
    sha256: Option<String>,
    /// It is in the cache, and nobody else's.
    downloaded: bool,
}

/// What is known of a pin without asking anyone.
#[derive(Debug, Clone)]
pub(crate) struct State {
    /// What `sources.lock` says of the pin; `None` also for an entry that is out of date.
    pub(crate) locked: Option<Locked>,
    /// The locked version, unpacked.
    pub(crate) tree: Option<Tree>,
    /// What the tree of the locked version is, here or not.
    pub(crate) record: Option<SourceRecord>,
    /// Names of the patches that are applied. Where nobody can say yet which version the tree will
    /// be of, also of those that are only for others.
    pub(crate) patches: Vec<String>,
}

/// Looks up a pin in the lock and in the cache.
pub(crate) fn state(sources: &Sources, pin: &Pin, cache: &Utf8Path) -> Result<State> {
    let plan = FetchPlan::new(sources, pin, cache)?;
    let tree = plan.unpacked()?.map(Stored::tree).transpose()?;
    let record = tree.as_ref().map(|tree| tree.record.clone()).or_else(|| plan.record());
    let patches = plan.patch_names(tree.as_ref());
    Ok(State { tree, record, locked: plan.locked, patches })
}

/// The tree of a pin, if it is here.
///
/// # Errors
/// If it is not, or cannot be read.
pub(crate) fn find(sources: &Sources, pin: &Pin, cache: &Utf8Path) -> Result<Tree> {
    unpacked(sources, pin, cache)?.tree()
}

/// Compares the unpacked tree of a pin with what came out of its archive.
///
/// # Errors
/// If there is no such tree, or it cannot be read.
pub(crate) fn verify(
    shell: &Shell,
    progress: Progress,
    sources: &Sources,
    pin: &Pin,
    cache: &Utf8Path,
) -> Result<Difference> {
    store::verify(shell, progress, &unpacked(sources, pin, cache)?)
}

fn unpacked(sources: &Sources, pin: &Pin, cache: &Utf8Path) -> Result<Stored> {
    let name = &pin.name;
    FetchPlan::new(sources, pin, cache)?
        .unpacked()?
        .ok_or_else(|| anyhow!("kernel source `{name}` is not unpacked in {cache}"))
        .hint(|| format!("cargo xtask source fetch {name}"))
}
