//! What of the contract a resolved configuration breaks, which symbols are at fault, and what mends it.

use std::collections::BTreeSet;

use kconfig::{Config, Mode, Way};
use serde::Serialize;

use super::cause::{self, Cause};
use super::mend::{Excluded, Group, Mended, Mender, Solved, Wanted, mended as mended_of};
use super::side::Ground;
use super::{translate, values};
use crate::contract::{Broken, Contract, Level, Needs, Values};
use crate::edit::Edit;
use crate::fragment::{Assignment, Place};
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
    /// Requests that do not come out beside it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub excludes: Vec<Excluded>,
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
        Solved { edits, excludes }: Solved,
    ) -> Self {
        Breach {
            capability: capability.id.clone(),
            level: capability.level,
            hypervisors,
            reason: capability.reason.clone(),
            source: capability.source.clone(),
            needs: needs.iter().map(|needs| needs.text.clone()).collect(),
            at_fault,
            mended_by: edits,
            excludes,
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
        Breach::new(&broken, hypervisors, at_fault, Solved::default())
    };
    all_broken(contract, targets, version, dot_config).into_iter().map(breach).collect()
}

/// What is wanted of a list beside what the contract asks of it, in the tree's own names.
#[derive(Clone, Copy, Default)]
pub(crate) struct Wishes<'a> {
    /// Those named on the command line. Lines about these symbols may be changed.
    pub named: &'a [Wanted],
    /// Those that lines ask for and that did not come out.
    pub missed: &'a [Wanted],
    /// All is mended together, with what the contract asks for, and no line that came out is given up.
    pub fix: bool,
}

/// All that a `.config` breaks for these targets, explained. `assignments` are what it was resolved from.
pub(crate) fn breaches(
    ground: Ground<'_>,
    contract: &Contract,
    targets: &[&Target],
    assignments: &[Assignment],
    dot_config: &str,
) -> Vec<Breach> {
    let Ground { kconfig, version, arch, history } = ground;
    let (asked, _) = translate(kconfig, version, arch, history, assignments);
    breaches_and_wishes(ground, contract, targets, (&asked, dot_config), Wishes::default()).0
}

/// The same, and what makes the wishes come out: first those that are named. `asked` is in the tree's own
/// names.
pub(crate) fn breaches_and_wishes(
    ground: Ground<'_>,
    contract: &Contract,
    targets: &[&Target],
    (asked, dot_config): (&[Assignment], &str),
    wishes: Wishes<'_>,
) -> (Vec<Breach>, Vec<Mended>) {
    let found = all_broken(contract, targets, ground.version, dot_config);
    let wanted: Vec<&Wanted> = wishes.named.iter().chain(wishes.missed).collect();
    if found.is_empty() && wanted.is_empty() {
        return (vec![], vec![]);
    }
    let set = values(dot_config);
    let lines: String = asked.iter().map(|one| one.line() + "\n").collect();
    let (config, _) = Config::resolve(&ground.kconfig.model, Mode::AllNo, Some(&lines));
    let values = Values { arch: ground.arch, set: &set };
    let explainer = Explainer { ground, contract, asked, values, config };
    let broken: BTreeSet<&str> =
        found.iter().map(|(broken, _)| broken.capability.id.as_str()).collect();
    let judge = |dot_config: &str| {
        let after = targets
            .iter()
            .flat_map(|target| self::broken(contract, target, ground.version, dot_config));
        let mut after = after.filter(|one| one.capability.level == Level::Required);
        after.all(|one| broken.contains(one.capability.id.as_str()))
    };
    let mut mender = Mender::new(ground, asked, &judge);
    let of_contract = |(broken, _): &(Broken<'_>, Vec<String>)| {
        let required = broken.capability.level == Level::Required;
        required.then(|| explainer.group(broken))
    };
    let mut groups: Vec<Group> = found.iter().filter_map(of_contract).collect();
    let required = groups.len();
    let single = |one: &&Wanted| Group { ways: vec![vec![(*one).clone()]], capability: None };
    let single: Vec<Group> = wanted.iter().map(single).collect();
    let (mut solved, of_wishes) = if wishes.fix {
        mender.free(wishes.named);
        groups.extend(single);
        let mut solved = mender.solve(&groups);
        let of_wishes = solved.split_off(required);
        (solved.into_iter(), of_wishes)
    } else {
        let solved = mender.solve(&groups);
        (solved.into_iter(), mender.giving_up(wishes.named).solve(&single))
    };
    let breach = |(broken, hypervisors): &(Broken<'_>, Vec<String>)| {
        let solved = match broken.capability.level {
            Level::Required => solved.next(),
            Level::Wanted => mender.solve(&[explainer.group(broken)]).pop(),
        };
        let at_fault = explainer.all_at_fault(broken);
        Breach::new(broken, hypervisors.clone(), at_fault, solved.unwrap_or_default())
    };
    let breaches = found.iter().map(breach).collect();
    let mended = wanted.iter().zip(of_wishes);
    (breaches, mended.map(|(wanted, solved)| mended_of(ground, asked, wanted, solved)).collect())
}

struct Explainer<'a> {
    ground: Ground<'a>,
    contract: &'a Contract,
    /// In the tree's own names.
    asked: &'a [Assignment],
    values: Values<'a>,
    config: Config<'a>,
}

/// Ways to what a capability needs that are tried.
const MOST_WAYS: usize = 16;

impl<'a> Explainer<'a> {
    fn all_at_fault(&self, broken: &Broken<'_>) -> Vec<AtFault> {
        let mut at_fault: Vec<AtFault> = vec![];
        for one in broken.needs.iter().flat_map(|needs| self.at_fault(needs)) {
            if at_fault.iter().all(|known| known.symbol != one.symbol) {
                at_fault.push(one);
            }
        }
        at_fault
    }

    /// The ways to all that a capability needs: of each of its needs, one.
    fn group(&self, broken: &Broken<'_>) -> Group {
        let mut ways: Vec<Vec<Wanted>> = vec![vec![]];
        for needs in &broken.needs {
            let own: Vec<Vec<Wanted>> =
                self.ways(needs).into_iter().filter_map(|way| self.wanted(way)).collect();
            let both = ways.iter().flat_map(|way| own.iter().map(|own| [&way[..], own].concat()));
            ways = both.take(MOST_WAYS).collect();
        }
        Group { ways, capability: Some(broken.capability.id.clone()) }
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

    /// A way in the tree's own names, if it has them all.
    fn wanted(&self, way: Way<'_>) -> Option<Vec<Wanted>> {
        let wanted = |(name, value): (&str, String)| {
            let symbol = self.name_here(name)?.to_owned();
            Some(Wanted { symbol, value, in_place_of: None })
        };
        way.into_iter().map(wanted).collect()
    }
}
