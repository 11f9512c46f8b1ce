//! Options that only the new tree has, that it turns on by default, and that are off in a kernel.
//!
//! `allnoconfig` answers n to every prompt. So a feature that was always built in is lost without a word
//! once it is given a prompt of its own, as the checks of `HARDENED_USERCOPY` were in Linux 6.15
//! (`HARDENED_USERCOPY_DEFAULT_ON`, security/Kconfig.hardening).

use serde::Serialize;

use super::Kernel;
use crate::resolve::{About, Side};

#[derive(Debug, PartialEq, Eq, Serialize)]
pub(crate) struct NewOption {
    pub symbol: String,
    /// What it would be if nobody answered.
    pub default: String,
    pub about: About,
    pub kernels: Vec<String>,
}

/// Each option once, with all kernels that it is off in.
pub(crate) fn new_options(kernels: &[Kernel<'_>]) -> Vec<NewOption> {
    let mut all: Vec<NewOption> = vec![];
    for Kernel { name, asked, old, new } in kernels {
        let is_new = |symbol: &str| old.kconfig.model.defined(symbol).is_none();
        for (symbol, default) in Side::of_list(*new, asked).off_unasked(is_new) {
            let known = all.iter_mut().find(|one| one.symbol == symbol && one.default == default);
            match (known, new.kconfig.about(&symbol)) {
                (Some(known), _) => known.kernels.push((*name).to_owned()),
                (None, Some(about)) => {
                    all.push(NewOption {
                        symbol,
                        default,
                        about,
                        kernels: vec![(*name).to_owned()],
                    });
                }
                (None, None) => {}
            }
        }
    }
    all
}
