//! What a pin comes to on this host: itself, or kernel.org's release of its series where there is no such
//! package.

use anyhow::Result;
use camino::Utf8Path;

use super::fetch::{FetchPlan, Wanted};
use super::pins::{Pin, Provider, Sources};
use crate::shell::Shell;

/// What is taken for a pin.
#[derive(Debug, Clone)]
pub(crate) struct Settled {
    pub(crate) pin: Pin,
    /// Why it is another one than what was named.
    pub(crate) why: Option<String>,
}

/// Says what would be taken, as far as that is known without a network. What is here already is, and
/// what is demanded by the lock can be had without the distribution's package manager.
///
/// # Errors
/// If the lock, the cache or apt's lists cannot be read.
pub(crate) fn settle(
    shell: &Shell,
    sources: &Sources,
    pin: &Pin,
    cache: &Utf8Path,
    wanted: Wanted,
) -> Result<Settled> {
    let itself = || Settled { pin: pin.clone(), why: None };
    let (Provider::Debian(package), Some(substitute)) = (&pin.provider, sources.substitute(pin))
    else {
        return Ok(itself());
    };
    let plan = FetchPlan::new(sources, pin, cache)?;
    let is_here = wanted != Wanted::Newest && plan.unpacked()?.is_some();
    if is_here || (wanted == Wanted::Locked && plan.locked.is_some()) {
        return Ok(itself());
    }
    Ok(match package.lacking(shell)? {
        Some(why) => Settled { pin: substitute, why: Some(why) },
        None => itself(),
    })
}
