//! `contract.toml`: what the guest agent, the sandboxers and their workloads ask of a kernel, and
//! which of it a `.config` breaks.

mod hardening;
mod read;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use anyhow::{Result, anyhow};
use kconfig::{Expression, Tristate};
use serde::{Deserialize, Serialize};
use vmm_kernel::{Arch, Bus, KernelType};

use crate::diag::{Hint, did_you_mean};
use crate::history::History;
use crate::plan::Target;
use crate::source::KernelVersion;

pub(crate) use hardening::{Hardening, Reason};

/// What all kernels of a workspace have to keep.
#[derive(Debug, Default)]
pub(crate) struct Contract {
    capabilities: Vec<Capability>,
    /// What older trees call the symbols that it names.
    history: History,
}

/// One thing that a guest can do.
#[derive(Debug)]
pub(crate) struct Capability {
    pub id: String,
    /// What breaks without it.
    pub reason: String,
    /// Where the reason is from.
    pub source: String,
    pub level: Level,
    when: When,
    needs: Vec<Needs>,
    /// The guest's checks that prove it.
    pub probe: Vec<String>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Level {
    /// A kernel without it is refused.
    #[default]
    Required,
    /// A kernel without it is told of.
    Wanted,
}

/// Which kernels a capability is asked of; what is empty means all.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct When {
    #[serde(rename = "type")]
    kernel_type: Vec<KernelType>,
    hypervisor: Vec<toml::Spanned<String>>,
    arch: Vec<Arch>,
    bus: Vec<Bus>,
}

impl When {
    fn holds(&self, target: &Target) -> bool {
        let hypervisor = |name: &toml::Spanned<String>| *name.get_ref() == target.hypervisor;
        let any = |list: bool, found: bool| list || found;
        any(self.kernel_type.is_empty(), self.kernel_type.contains(&target.kernel_type))
            && any(self.hypervisor.is_empty(), self.hypervisor.iter().any(hypervisor))
            && any(self.arch.is_empty(), self.arch.contains(&target.arch))
            && any(self.bus.is_empty(), self.bus.contains(&target.bus))
    }
}

/// An expression that has to be `y`, and for which kernels.
#[derive(Debug)]
pub(crate) struct Needs {
    /// First version that it holds for.
    since: Option<KernelVersion>,
    /// First version that it no longer holds for.
    before: Option<KernelVersion>,
    arch: Option<Arch>,
    pub text: String,
    pub expression: Expression,
}

impl Needs {
    fn holds_for(&self, arch: Arch, version: &KernelVersion) -> bool {
        self.since.as_ref().is_none_or(|since| version >= since)
            && self.before.as_ref().is_none_or(|before| version < before)
            && self.arch.is_none_or(|only| only == arch)
    }
}

/// A capability that a `.config` does not have.
#[derive(Debug)]
pub(crate) struct Broken<'a> {
    pub capability: &'a Capability,
    /// Those of its needs that are not met.
    pub needs: Vec<&'a Needs>,
}

/// What a `.config` sets, by symbol, for one arch.
#[derive(Clone, Copy)]
pub(crate) struct Values<'a> {
    pub arch: Arch,
    pub set: &'a BTreeMap<&'a str, &'a str>,
}

impl Contract {
    pub(crate) fn is_empty(&self) -> bool {
        self.capabilities.is_empty()
    }

    /// The capabilities that a target's kernel has to have.
    pub(crate) fn of(&self, target: &Target) -> impl Iterator<Item = &Capability> {
        self.capabilities.iter().filter(|capability| capability.when.holds(target))
    }

    /// Those of them that a `.config` on a tree of `version` does not have.
    pub(crate) fn broken<'a>(
        &'a self,
        target: &Target,
        version: &KernelVersion,
        values: Values<'_>,
    ) -> Vec<Broken<'a>> {
        let unmet = |needs: &&Needs| {
            needs.holds_for(values.arch, version)
                && needs.expression.value(&|name| self.value(name, values)) != Tristate::Y
        };
        let broken = |capability: &'a Capability| {
            let needs: Vec<_> = capability.needs.iter().filter(unmet).collect();
            (!needs.is_empty()).then_some(Broken { capability, needs })
        };
        self.of(target).filter_map(broken).collect()
    }

    /// A symbol's value, by its name or by an older one. Of a symbol that is off a `.config` does not
    /// say whether the tree knows it, and need not: no tree knows it by both names.
    pub(crate) fn value<'c>(&self, name: &str, values: Values<'c>) -> Option<&'c str> {
        let names = std::iter::once(name).chain(self.older_names(name, values.arch));
        names.into_iter().find_map(|name| values.set.get(name).copied())
    }

    pub(crate) fn older_names(&self, name: &str, arch: Arch) -> impl Iterator<Item = &str> {
        self.history.older_names(name, arch)
    }

    pub(crate) fn history(&self) -> &History {
        &self.history
    }

    /// The capabilities of a target that name the symbol, whatever it was called.
    pub(crate) fn naming<'a>(
        &'a self,
        target: &Target,
        symbol: &'a str,
    ) -> impl Iterator<Item = &'a Capability> {
        let symbol = self.history.newest_name(symbol);
        let names = move |needs: &Needs| needs.expression.symbols().contains(&symbol);
        self.of(target).filter(move |capability| capability.needs.iter().any(names))
    }

    /// # Errors
    /// If it has no capability of that name.
    pub(crate) fn demand(&self, id: &str) -> Result<()> {
        let ids: Vec<&str> = self.capabilities.iter().map(|one| one.id.as_str()).collect();
        match ids.contains(&id) {
            true => Ok(()),
            false if ids.is_empty() => {
                Err(anyhow!("there is no contract, so no capability `{id}`"))
            }
            false => Err(anyhow!("the contract has no capability `{id}`"))
                .hint(|| did_you_mean(id, &ids)),
        }
    }
}
