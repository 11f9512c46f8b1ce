//! The lines that make a symbol what is wanted, and the fragments that they belong to.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use kconfig::{Lines, Location, Model, SymbolId, mend};
use serde::Serialize;

use super::Finding;
use super::cause::Cause;
use super::tree::Kconfig;
use crate::edit::Edit;
use crate::fragment::{Assignment, Place, config_line};
use crate::history::{History, opposite};

/// A wanted symbol, and what would make it so.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Mended {
    pub symbol: String,
    pub wanted: String,
    /// Lines to add or to change; none where no way was found.
    pub edits: Option<Vec<Edit>>,
}

/// What is wanted beside, or instead of, what is asked for.
#[derive(Debug, Clone)]
pub(crate) struct Wanted {
    pub symbol: String,
    pub value: String,
    /// The line that asks for it by a name that the tree no longer has.
    pub in_place_of: Option<Place>,
}

impl Wanted {
    /// What would mend a finding; nothing where the tree has no such symbol by any newer name.
    pub(crate) fn of(finding: &Finding) -> Option<Self> {
        let Finding { symbol, asked, place, cause, .. } = finding;
        let same = || Some(asked.as_str());
        let (symbol, value, in_place_of) = match cause {
            Cause::Renamed { to, opposite: false } => (to, same(), Some(place.clone())),
            Cause::Renamed { to, opposite: true } => (to, opposite(asked), Some(place.clone())),
            Cause::Unknown { .. }
            | Cause::Called { .. }
            | Cause::NotYet { .. }
            | Cause::Gone { .. }
            | Cause::Vendor { .. }
            | Cause::Untold => return None,
            _ => (symbol, same(), None),
        };
        Some(Wanted { symbol: symbol.clone(), value: value?.to_owned(), in_place_of })
    }
}

/// Finds the lines that make all that is wanted come out together, as far as there are some.
/// `asked` is in the tree's own names. A line stands with the first wanted symbol that needs it.
pub(crate) fn propose(
    kconfig: &Kconfig,
    history: &History,
    asked: &[Assignment],
    wanted: &[Wanted],
) -> Vec<Mended> {
    let model = &kconfig.model;
    // Each line with the wanted symbol that it was first needed for.
    let mut lines: BTreeMap<SymbolId, (String, usize)> = BTreeMap::new();
    let mut possible = Lines::new();
    for (index, Wanted { symbol, value, .. }) in wanted.iter().enumerate() {
        let Some(symbol) = model.defined(symbol) else { continue };
        let mut together = possible.clone();
        together.insert(symbol, value.clone());
        let Some(found) = mend(model, &text(model, asked, &lines), &together) else { continue };
        for (symbol, value) in found {
            let line = lines.entry(symbol).or_insert((String::new(), index));
            line.0 = value;
        }
        possible = together;
    }
    let edits_of = |index: usize, symbol: SymbolId| {
        let own = lines.iter().filter(|(_, (_, needed_by))| *needed_by == index);
        let own = own.map(|(symbol, (value, _))| (*symbol, value.as_str()));
        edits(model, history, asked, (&wanted[index], symbol), own)
    };
    let mended = |(index, Wanted { symbol, value, .. }): (usize, &Wanted)| {
        let known = model.defined(symbol).filter(|known| possible.contains_key(known));
        let edits = known.map(|known| edits_of(index, known));
        Mended { symbol: symbol.clone(), wanted: value.clone(), edits }
    };
    wanted.iter().enumerate().map(mended).collect()
}

/// What is asked for, with the lines found so far in place of those about their symbols.
fn text(
    model: &Model,
    asked: &[Assignment],
    lines: &BTreeMap<SymbolId, (String, usize)>,
) -> String {
    let replaced =
        |one: &&Assignment| model.defined(&one.symbol).is_some_and(|id| lines.contains_key(&id));
    let kept = asked.iter().filter(|one| !replaced(one)).map(Assignment::line);
    let new = lines.iter().map(|(symbol, (value, _))| config_line(&model[*symbol].name, value));
    kept.chain(new).map(|line| line + "\n").collect()
}

/// The lines as edits of the fragment that the wanted symbol belongs to.
fn edits<'a>(
    model: &Model,
    history: &History,
    asked: &[Assignment],
    (wanted, symbol): (&Wanted, SymbolId),
    lines: impl Iterator<Item = (SymbolId, &'a str)>,
) -> Vec<Edit> {
    let Wanted { value, in_place_of, .. } = wanted;
    let home = in_place_of.clone().or_else(|| home(model, asked, symbol));
    let Some(home) = home else { return vec![] };
    let renamed = in_place_of.clone().map(|at| {
        let text = config_line(&wanted.symbol, value);
        Edit { at, replaces: true, text }
    });
    let lines = lines.filter(|(line, _)| in_place_of.is_none() || *line != symbol);
    let edit = |(symbol, value): (SymbolId, &str)| {
        let name = &model[symbol].name;
        let line = history.newest_line(name, value);
        match asked.iter().find(|one| *one.symbol == **name) {
            Some(there) => Edit { at: there.place.clone(), replaces: true, text: line },
            None => Edit { at: home.clone(), replaces: false, text: line },
        }
    };
    let unchanged = |edit: &Edit| {
        edit.replaces && asked.iter().any(|one| one.place == edit.at && one.text == edit.text)
    };
    let edits = lines.map(edit).filter(|edit| !unchanged(edit));
    renamed.into_iter().chain(edits).collect()
}

/// Where a line about the symbol belongs: where it is asked for, or else beside the symbol that the
/// tree defines nearest to it.
pub(super) fn home(model: &Model, asked: &[Assignment], symbol: SymbolId) -> Option<Place> {
    let name = &model[symbol].name;
    if let Some(there) = asked.iter().find(|one| *one.symbol == **name) {
        return Some(there.place.clone());
    }
    let location = |symbol: SymbolId| Some(model[*model[symbol].entries.first()?].location);
    let own = location(symbol)?;
    let nearness = |other: Location| {
        let parts = model.path(own.file).split('/').zip(model.path(other.file).split('/'));
        let shared = parts.take_while(|(own, other)| own == other).count();
        // Of one file, the lines tell.
        let same = own.file == other.file;
        (shared, Reverse(if same { own.line.abs_diff(other.line) } else { u32::MAX }))
    };
    let near = asked.iter().filter_map(|one| {
        let known = model.defined(&one.symbol)?;
        Some((nearness(location(known)?), one))
    });
    near.max_by_key(|(nearness, _)| *nearness).map(|(_, one)| one.place.clone())
}
