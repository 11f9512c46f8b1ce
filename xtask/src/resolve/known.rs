//! In which trees, and for which architectures of them, a symbol exists.

use serde::Serialize;
use vmm_kernel::Arch;

use super::resolver::Kconfigs;
use crate::toolchain::Toolchain;

/// The architectures of a tree that a symbol exists for.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Known {
    pub linux: String,
    /// Kuasar's names, then the folders of other architectures that define it.
    pub arches: Vec<String>,
    /// Kuasar's names of those that the tree cannot be asked about: their tools are not here.
    pub unasked: Vec<Arch>,
}

/// Asks a tree for each of the architectures with tools.
pub(crate) fn known(
    kconfigs: &Kconfigs<'_>,
    arches: &[(Arch, Option<Toolchain>)],
    symbol: &str,
) -> Known {
    let (mut names, mut unasked) = (vec![], vec![]);
    let mut elsewhere = vec![];
    for (arch, tools) in arches {
        match tools.as_ref().and_then(|tools| kconfigs.by(tools).ok()) {
            None => unasked.push(*arch),
            Some(kconfig) => {
                if kconfig.model.defined(symbol).is_some() {
                    names.push(arch.to_string());
                }
                elsewhere = kconfig.other_arches_with(symbol);
            }
        }
    }
    let of_kuasar = |folder: &String| {
        let mut tools = arches.iter().filter_map(|(_, tools)| tools.as_ref());
        tools.any(|tools| tools.kbuild_arch().source() == folder.as_str())
    };
    elsewhere.retain(|folder| !of_kuasar(folder));
    names.extend(elsewhere);
    Known { linux: kconfigs.linux(), arches: names, unasked }
}
