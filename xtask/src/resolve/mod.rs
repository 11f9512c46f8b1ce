//! Target, assignments and tree to a `.config`: what `make allnoconfig` makes of the assignments as
//! `KCONFIG_ALLCONFIG`. What did not come out as asked is explained by the history where that is
//! possible, and else is a finding with its cause.

mod about;
mod answers;
mod breach;
mod brought;
mod cause;
mod deviation;
mod diff;
mod environment;
mod explain;
mod heir;
mod host;
mod kept;
mod known;
mod mend;
mod merged;
mod needless;
mod own_conf;
mod resolver;
mod reverse;
mod side;
mod tree;

use std::collections::BTreeMap;

use kconfig::{Config, Mode};
use serde::{Deserialize, Serialize};
use vmm_kernel::{Arch, ResolvedBy};

use crate::fragment::{Assignment, Place, config_line};
use crate::history::{History, Past, opposite};
use crate::source::KernelVersion;

pub(crate) use about::{About, Successor};
pub(crate) use breach::{
    AtFault, Breach, Wishes, breaches, breaches_and_wishes, broken, unexplained,
};
pub(crate) use cause::{Blocker, ByCommand, Cause, Selector, why_unknown};
pub(crate) use deviation::{Deviation, Hardened, Is, Stale, deviations, stale};
pub(crate) use diff::{Compared, Difference, On, Reason, Subject, Which, diff, diff_texts};
pub(crate) use explain::{Condition, Definition, InKernel, explain};
pub(crate) use heir::Lost;
pub(crate) use known::{Known, known};
pub(crate) use mend::{Excluded, Mended, Wanted};
pub(crate) use merged::{Layer, Lookup, Merged};
pub(crate) use needless::{Because, Needless, needless};
pub(crate) use resolver::{Kconfigs, Resolver};
pub(crate) use reverse::{Missed, Reversed, reverse};
#[cfg(test)]
pub(crate) use side::Asked;
pub(crate) use side::{At, By, Ground, Side, Why};
pub(crate) use tree::Kconfig;

/// A `.config`, and what became of the requests for it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Resolved {
    pub dot_config: String,
    /// Requests that did not come out as asked.
    pub findings: Vec<Finding>,
    /// Requests that the history translated or took out, or that the tools cannot meet.
    pub notes: Vec<Note>,
    /// Who selects or implies each symbol that comes of a request and is none.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub brought: BTreeMap<String, String>,
    #[serde(default, skip_serializing_if = "ResolvedBy::is_xtask")]
    pub resolved_by: ResolvedBy,
}

/// A requested symbol that did not come out as asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Finding {
    pub symbol: String,
    pub asked: String,
    /// What stands in the `.config`; `n` also where nothing does.
    pub got: String,
    pub place: Place,
    /// The line that asks for it.
    pub line: String,
    #[serde(flatten)]
    pub cause: Cause,
}

/// A request that the history changed for this tree.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Note {
    pub symbol: String,
    pub place: Place,
    pub past: Past,
}

/// What a tree of `version` makes of the requests for a kernel for `arch`. Symbols that do not come
/// out are findings, not errors.
pub(crate) fn resolve(
    kconfig: &Kconfig,
    version: &KernelVersion,
    arch: Arch,
    history: &History,
    assignments: &[Assignment],
) -> Resolved {
    let (asked, notes) = translate(kconfig, version, arch, history, assignments);
    resolve_translated(Ground { kconfig, version, arch, history }, &asked, notes).0
}

/// The same of requests in the tree's own names, with the configuration for further questions.
pub(crate) fn resolve_translated<'m>(
    ground: Ground<'m>,
    asked: &[Assignment],
    mut notes: Vec<Note>,
) -> (Resolved, Config<'m>) {
    let Ground { kconfig, version, arch, history } = ground;
    let lines: String = asked.iter().map(|assignment| assignment.line() + "\n").collect();
    let (mut config, _) = Config::resolve(&kconfig.model, Mode::AllNo, Some(&lines));
    let dot_config = config.dot_config();
    let mut findings = vec![];
    for (asked, got) in compare(&dot_config, asked) {
        if let Some(past) = past_of(history, version, arch, &asked.symbol, &dot_config) {
            notes.push(Note { symbol: asked.symbol.clone(), place: asked.place.clone(), past });
            continue;
        }
        let cause = match kconfig.model.defined(&asked.symbol) {
            Some(symbol) => cause::of_symbol(kconfig, &mut config, symbol, &asked.value),
            None => cause::why_unknown(kconfig, version, arch, history, &asked.symbol),
        };
        let Assignment { symbol, value, place, text } = asked.clone();
        findings.push(Finding { symbol, asked: value, got, place, line: text, cause });
    }
    let brought = brought::brought_in(&kconfig.model, &mut config, &dot_config, asked);
    let resolved_by = ResolvedBy::Xtask;
    (Resolved { dot_config, findings, notes, brought, resolved_by }, config)
}

/// What the history says of a symbol that did not come out: the tree may have the name, and yet not ask for it as
/// newer ones do.
fn past_of(
    history: &History,
    version: &KernelVersion,
    arch: Arch,
    symbol: &str,
    dot_config: &str,
) -> Option<Past> {
    let is_set = |name: &str| values(dot_config).contains_key(name);
    let past = history.translate(symbol, arch, version, |_| false);
    past.or_else(|| history.left_by_tools(symbol, is_set))
}

/// The requests in the names that this tree knows, without those that it cannot know.
pub(crate) fn translate(
    kconfig: &Kconfig,
    version: &KernelVersion,
    arch: Arch,
    history: &History,
    assignments: &[Assignment],
) -> (Vec<Assignment>, Vec<Note>) {
    let asks = |name: &str| kconfig.asks(name);
    let (mut translated, mut notes) = (vec![], vec![]);
    for assignment in assignments {
        let symbol = &assignment.symbol;
        let in_vain = !asks(symbol);
        let past = in_vain.then(|| history.translate(symbol, arch, version, asks)).flatten();
        let heirs = if in_vain && past.is_none() { kconfig.heirs(symbol) } else { vec![] };
        for heir in &heirs {
            let (symbol, place) = (symbol.clone(), assignment.place.clone());
            notes.push(Note { symbol, place, past: Past::Inherited((*heir).to_owned()) });
            // A line of the heir's own says more.
            if assignments.iter().all(|one| one.symbol != *heir) {
                translated.push(Assignment { symbol: (*heir).to_owned(), ..assignment.clone() });
            }
        }
        match &past {
            None if heirs.is_empty() => translated.push(assignment.clone()),
            Some(Past::Called(name)) => {
                translated.push(Assignment { symbol: name.clone(), ..assignment.clone() });
            }
            Some(Past::Opposite(name)) => {
                let value = opposite(&assignment.value).unwrap_or(&assignment.value).to_owned();
                translated.push(Assignment { symbol: name.clone(), value, ..assignment.clone() });
            }
            None
            | Some(
                Past::Inherited(_)
                | Past::CameWith(_)
                | Past::Undefended { .. }
                | Past::WentWith(_)
                | Past::LeftByTools { .. },
            ) => {}
        }
        let place = assignment.place.clone();
        notes.extend(past.map(|past| Note { symbol: symbol.clone(), place, past }));
    }
    (translated, notes)
}

/// The requests whose value in the `.config` is another one, with that value.
fn compare<'a>(dot_config: &str, assignments: &'a [Assignment]) -> Vec<(&'a Assignment, String)> {
    let values = values(dot_config);
    let got = |asked: &Assignment| values.get(asked.symbol.as_str()).copied().unwrap_or("n");
    let differing = assignments.iter().filter(|asked| !same(got(asked), &asked.value));
    differing.map(|asked| (asked, got(asked).to_owned())).collect()
}

/// Hexadecimal digits compare whatever their case: `conf` keeps the spelling it was given.
fn same(got: &str, asked: &str) -> bool {
    got == asked || (asked.starts_with("0x") && got.eq_ignore_ascii_case(asked))
}

/// Symbol to value, for every symbol that a `.config` sets.
pub(crate) fn values(dot_config: &str) -> BTreeMap<&str, &str> {
    dot_config.lines().filter_map(|line| line.strip_prefix("CONFIG_")?.split_once('=')).collect()
}

/// Symbols whose value differs between what was resolved and what kbuild left, with both lines.
pub(crate) fn differences(resolved: &str, left: &str) -> Vec<(String, String)> {
    let (before, after) = (values(resolved), values(left));
    let symbols: std::collections::BTreeSet<_> = before.keys().chain(after.keys()).collect();
    let value = |map: &BTreeMap<&str, &str>, symbol: &str| {
        config_line(symbol, map.get(symbol).copied().unwrap_or("n"))
    };
    symbols
        .into_iter()
        .map(|symbol| (value(&before, symbol), value(&after, symbol)))
        .filter(|(before, after)| before != after)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_counts_as_asked_only_with_its_value() {
        let assign = |symbol: &str, value: &str| Assignment {
            symbol: symbol.into(),
            value: value.into(),
            place: Place { path: "f.conf".into(), line: 1 },
            text: String::new(),
        };
        let asked = [
            assign("A", "y"),
            assign("B", "n"),
            assign("C", "n"),
            assign("D", "0xFF"),
            assign("E", "m"),
            assign("F", "y"),
            assign("G", "\"x\""),
        ];
        let config = "CONFIG_A=y\n# CONFIG_B is not set\nCONFIG_C=y\nCONFIG_D=0xff\nCONFIG_E=y\nCONFIG_G=\"x\"\n";
        let found: Vec<_> =
            compare(config, &asked).into_iter().map(|(a, got)| (a.symbol.clone(), got)).collect();
        let expected = [("C", "y"), ("E", "y"), ("F", "n")];
        assert_eq!(found, expected.map(|(symbol, got)| (symbol.to_owned(), got.to_owned())));
    }
}
