//! What of the contract a resolved configuration breaks, which symbols are at fault, and what mends it.

use std::collections::BTreeSet;

use camino::Utf8Path;
use kconfig::{Config, Mode, Way};
use serde::Serialize;

use super::cause::{self, Cause};
use super::mend::{Wanted, propose};
use super::side::Ground;
use super::{translate, values};
use crate::contract::{Broken, Contract, Level, Needs, Values};
use crate::edit::Edit;
use crate::fragment::{Assignment, Place, parse_fragment};
use crate::plan::Target;
use crate::source::KernelVersion;

/// A capability that a kernel does not have.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Breach {
    pub capability: String,
    pub level: Level,
    /// Those of the kernel's hypervisors that are asked for it.
    pub hypervisors: Vec<String>,
    pub reason: String,
    pub source: String,
    /// The expressions that do not hold.
    pub needs: Vec<String>,
    pub at_fault: Vec<AtFault>,
    /// Lines to add or to change; none where no way was found.
    pub mended_by: Option<Vec<Edit>>,
}

/// A symbol that keeps an expression from holding.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct AtFault {
    pub symbol: String,
    /// `n` also where the tree has no such symbol.
    pub value: String,
    /// The line that asks for this value.
    pub asked: Option<Place>,
    /// What else keeps it from being as it should.
    #[serde(flatten)]
    pub why: Option<Cause>,
}

impl Breach {
    fn new(
        Broken { capability, needs }: &Broken<'_>,
        hypervisors: Vec<String>,
        at_fault: Vec<AtFault>,
        mended_by: Option<Vec<Edit>>,
    ) -> Self {
        Breach {
            capability: capability.id.clone(),
            level: capability.level,
            hypervisors,
            reason: capability.reason.clone(),
            source: capability.source.clone(),
            needs: needs.iter().map(|needs| needs.text.clone()).collect(),
            at_fault,
            mended_by,
        }
    }

    pub(crate) fn is_refused(&self) -> bool {
        self.level == Level::Required
    }
}

/// The capabilities of a target that a `.config` does not have.
pub(crate) fn broken<'a>(
    contract: &'a Contract,
    target: &Target,
    version: &KernelVersion,
    dot_config: &str,
) -> Vec<Broken<'a>> {
    let set = values(dot_config);
    contract.broken(target, version, Values { arch: target.arch, set: &set })
}

/// All that a `.config` breaks for these targets, each with the hypervisors that are asked for it.
fn all_broken<'a>(
    contract: &'a Contract,
    targets: &[&Target],
    version: &KernelVersion,
    dot_config: &str,
) -> Vec<(Broken<'a>, Vec<String>)> {
    let mut found: Vec<(Broken<'_>, Vec<String>)> = vec![];
    let set = values(dot_config);
    for target in targets {
        let values = Values { arch: target.arch, set: &set };
        for broken in contract.broken(target, version, values) {
            let id = &broken.capability.id;
            match found.iter_mut().find(|(known, _)| known.capability.id == *id) {
                Some((_, hypervisors)) => hypervisors.push(target.hypervisor.clone()),
                None => found.push((broken, vec![target.hypervisor.clone()])),
            }
        }
    }
    found
}

/// All that a `.config` breaks for these targets, where nobody can say why.
pub(crate) fn unexplained(
    contract: &Contract,
    targets: &[&Target],
    version: &KernelVersion,
    dot_config: &str,
) -> Vec<Breach> {
    let set = values(dot_config);
    let breach = |(broken, hypervisors): (Broken<'_>, Vec<String>)| {
        let arch = targets.first().map(|target| target.arch);
        let value = |name: &str| {
            arch.and_then(|arch| contract.value(name, Values { arch, set: &set })).unwrap_or("n")
        };
        let names: BTreeSet<&str> = broken
            .needs
            .iter()
            .flat_map(|needs| needs.expression.faults(&|name| Some(value(name))))
            .collect();
        let at_fault = |symbol: &str| {
            let value = value(symbol).to_owned();
            AtFault { symbol: symbol.to_owned(), value, asked: None, why: None }
        };
        let at_fault = names.into_iter().map(at_fault).collect();
        Breach::new(&broken, hypervisors, at_fault, None)
    };
    all_broken(contract, targets, version, dot_config).into_iter().map(breach).collect()
}

/// All that a `.config` breaks for these targets, explained. `assignments` are what it was resolved from.
pub(crate) fn breaches(
    ground: Ground<'_>,
    contract: &Contract,
    targets: &[&Target],
    assignments: &[Assignment],
    dot_config: &str,
) -> Vec<Breach> {
    let found = all_broken(contract, targets, ground.version, dot_config);
    if found.is_empty() {
        return vec![];
    }
    let set = values(dot_config);
    let ids = found.iter().map(|(broken, _)| broken.capability.id.clone()).collect();
    let (asked, _) =
        translate(ground.kconfig, ground.version, ground.arch, ground.history, assignments);
    let lines: String = asked.iter().map(|one| one.line() + "\n").collect();
    let (config, _) = Config::resolve(&ground.kconfig.model, Mode::AllNo, Some(&lines));
    let values = Values { arch: ground.arch, set: &set };
    let mut explainer =
        Explainer { ground, contract, asked, values, config, targets, broken: ids, wanted: vec![] };
    found.into_iter().map(|(broken, hypervisors)| explainer.breach(&broken, hypervisors)).collect()
}

struct Explainer<'a> {
    ground: Ground<'a>,
    contract: &'a Contract,
    /// In the tree's own names.
    asked: Vec<Assignment>,
    values: Values<'a>,
    config: Config<'a>,
    targets: &'a [&'a Target],
    /// Capabilities that are broken as it is.
    broken: Vec<String>,
    /// What mends the breaches so far: the next one is mended beside them.
    wanted: Vec<Wanted>,
}

impl<'a> Explainer<'a> {
    fn breach(&mut self, broken: &Broken<'_>, hypervisors: Vec<String>) -> Breach {
        let Broken { capability, needs } = broken;
        let mended = self.mended_by(needs);
        if let (Some((wanted, _)), Level::Required) = (&mended, capability.level) {
            self.wanted.extend(wanted.iter().cloned());
        }
        let mut at_fault: Vec<AtFault> = vec![];
        for one in needs.iter().flat_map(|needs| self.at_fault(needs)) {
            if at_fault.iter().all(|known| known.symbol != one.symbol) {
                at_fault.push(one);
            }
        }
        Breach::new(broken, hypervisors, at_fault, mended.map(|(_, edits)| edits))
    }

    fn value(&self, name: &str) -> Option<&'a str> {
        self.contract.value(name, self.values)
    }

    /// What the tree calls a symbol of the contract, if it has it.
    fn name_here<'n>(&'n self, name: &'n str) -> Option<&'n str> {
        let kconfig = self.ground.kconfig;
        let older = self.contract.older_names(name, self.ground.arch);
        let names: Vec<&str> = std::iter::once(name).chain(older).collect();
        // A name that a line can set before one that only selects set.
        let find = |is: &dyn Fn(&str) -> bool| names.iter().copied().find(|name| is(name));
        find(&|name| kconfig.asks(name))
            .or_else(|| find(&|name| kconfig.model.defined(name).is_some()))
    }

    fn ways<'n>(&self, needs: &'n Needs) -> Vec<Way<'n>> {
        needs.expression.ways(&|name| self.value(name))
    }

    fn at_fault(&self, needs: &Needs) -> Vec<AtFault> {
        let ways = self.ways(needs);
        let names = needs.expression.faults(&|name| self.value(name));
        let explained = |name: &str| {
            let wanted = ways.iter().find_map(|way| way.get(name)).map_or("y", String::as_str);
            let symbol = self.name_here(name).unwrap_or(name).to_owned();
            let value = self.value(name).unwrap_or("n").to_owned();
            let asked = self.asked.iter().find(|one| one.symbol == symbol && one.value == value);
            let asked = asked.map(|one| one.place.clone());
            let why = Some(self.why_not(&symbol, wanted));
            let said = |why: &Cause| matches!(why, Cause::NotAsked { .. } | Cause::Unclear);
            let why = why.filter(|why| asked.is_none() || !said(why));
            AtFault { symbol, value, asked, why }
        };
        names.into_iter().map(explained).collect()
    }

    fn why_not(&self, symbol: &str, wanted: &str) -> Cause {
        let Ground { kconfig, version, arch, .. } = self.ground;
        match kconfig.model.defined(symbol) {
            Some(symbol) => cause::of_symbol(kconfig, &mut self.config.clone(), symbol, wanted),
            None => cause::why_unknown(kconfig, version, arch, self.contract.history(), symbol),
        }
    }

    /// What makes all of them hold, and the lines for it: of each the first way that leads there beside
    /// what mends the breaches before.
    fn mended_by(&self, needs: &[&Needs]) -> Option<(Vec<Wanted>, Vec<Edit>)> {
        let Ground { kconfig, history, .. } = self.ground;
        let mut mended = (vec![], vec![]);
        for needs in needs {
            mended = self.ways(needs).into_iter().find_map(|way| {
                let own = [mended.0.clone(), self.wanted(way)?].concat();
                let all = [own.clone(), self.wanted.clone()].concat();
                let found = propose(kconfig, history, &self.asked, &all).into_iter();
                let edits = found.map(|one| one.edits).collect::<Option<Vec<_>>>()?;
                if !self.keeps_the_rest(&edits.concat()) {
                    return None;
                }
                let edits = edits.into_iter().take(own.len()).flatten().collect();
                Some((own, edits))
            })?;
        }
        Some(mended)
    }

    /// With these lines, nothing is broken that was not.
    fn keeps_the_rest(&self, edits: &[Edit]) -> bool {
        let Ground { kconfig, version, arch, history } = self.ground;
        let new: String = edits.iter().map(|edit| format!("{}\n", edit.text)).collect();
        let Ok(new) = parse_fragment(Utf8Path::new(""), &new) else { return false };
        let (new, _) = translate(kconfig, version, arch, history, &new);
        let old = self.asked.iter().filter(|one| new.iter().all(|new| new.symbol != one.symbol));
        let lines: String = old.chain(&new).map(|one| one.line() + "\n").collect();
        let dot_config = Config::resolve(&kconfig.model, Mode::AllNo, Some(&lines)).0.dot_config();
        let after = self
            .targets
            .iter()
            .flat_map(|one| broken(self.contract, one, version, &dot_config).into_iter());
        let mut after = after.filter(|one| one.capability.level == Level::Required);
        after.all(|one| self.broken.contains(&one.capability.id))
    }

    /// A way in the tree's own names, if it has them all.
    fn wanted(&self, way: Way<'_>) -> Option<Vec<Wanted>> {
        let wanted = |(name, value): (&str, String)| {
            let symbol = self.name_here(name)?.to_owned();
            Some(Wanted { symbol, value, in_place_of: None })
        };
        way.into_iter().map(wanted).collect()
    }
}
