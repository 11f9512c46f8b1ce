//! The lines that make symbols what is wanted, and the fragments that they belong to. All that is wanted
//! of one configuration is solved together; nothing that was asked for and came out is given up for it.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use kconfig::{Config, Demand, Lines, Location, Mode, Model, SymbolId, mend};
use serde::Serialize;

use super::cause::{self, Cause};
use super::side::Ground;
use super::{Finding, translate};
use crate::edit::Edit;
use crate::fragment::{Assignment, Place, config_line};
use crate::history::opposite;

/// A wanted symbol, and what would make it so.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Mended {
    pub symbol: String,
    pub wanted: String,
    /// Lines to add or to change; none where no way was found.
    pub edits: Option<Vec<Edit>>,
    /// Requests that do not come out beside it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub excludes: Vec<Excluded>,
    /// Why no way was found, where no line of the list asks for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cause: Option<Cause>,
}

impl Mended {
    /// That of a name which the tree does not have.
    pub(crate) fn unknown(wanted: &Wanted, cause: Cause) -> Self {
        let Wanted { symbol, value, .. } = wanted;
        let (symbol, wanted) = (symbol.clone(), value.clone());
        Mended { symbol, wanted, edits: None, excludes: vec![], cause: Some(cause) }
    }
}

/// A request that does not come out beside another one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Excluded {
    pub line: String,
    /// None where no line asks for it.
    pub place: Option<Place>,
    /// The capability of the contract that needs it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub capability: Option<String>,
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

    /// The same in the tree's own names.
    ///
    /// # Errors
    /// What is known of the name, if the tree has none for it.
    pub(crate) fn here(&self, ground: Ground<'_>) -> Result<Self, Cause> {
        let Ground { kconfig, version, arch, history } = ground;
        let nowhere = Place { path: "".into(), line: 0 };
        let (symbol, value) = (self.symbol.clone(), self.value.clone());
        let asked = Assignment { symbol, value, place: nowhere, text: String::new() };
        let (translated, _) = translate(kconfig, version, arch, history, &[asked]);
        let known = translated.into_iter().find(|one| kconfig.model.defined(&one.symbol).is_some());
        let (symbol, value) = match known {
            Some(Assignment { symbol, value, .. }) => (symbol, value),
            None => match cause::why_unknown(kconfig, version, arch, history, &self.symbol) {
                Cause::Called { name: to, opposite: other }
                | Cause::Renamed { to, opposite: other } => {
                    let value = opposite(&self.value).filter(|_| other);
                    (to, value.unwrap_or(&self.value).to_owned())
                }
                cause => return Err(cause),
            },
        };
        Ok(Wanted { symbol, value, in_place_of: self.in_place_of.clone() })
    }
}

/// What has to come out together, one way or another.
#[derive(Debug, Clone, Default)]
pub(super) struct Group {
    /// In the tree's own names, the first way first.
    pub ways: Vec<Vec<Wanted>>,
    /// The capability of the contract that it is for.
    pub capability: Option<String>,
}

/// What became of a group.
#[derive(Debug, Clone, Default)]
pub(super) struct Solved {
    /// The lines that it takes beside those of the groups before.
    pub edits: Option<Vec<Edit>>,
    pub excludes: Vec<Excluded>,
}

/// Solves what is wanted of one list.
pub(super) struct Mender<'a> {
    ground: Ground<'a>,
    /// In the tree's own names.
    asked: &'a [Assignment],
    /// Whether a `.config` is no worse than the one that there is.
    judge: &'a dyn Fn(&str) -> bool,
    /// Lines that came out may be given up, if they are told.
    gives_up: bool,
    text: String,
    kept: Lines,
}

/// What was found for the groups so far.
#[derive(Clone, Default)]
struct Found {
    wanted: Lines,
    /// Each line with the group that it was first needed for, and the wanted symbol of that.
    lines: BTreeMap<SymbolId, (String, usize, SymbolId)>,
    excludes: BTreeMap<usize, Vec<Excluded>>,
    /// What came out before, and does not any more.
    given_up: BTreeSet<SymbolId>,
}

impl Found {
    fn has(&self, mender: &Mender<'_>, way: &[Wanted]) -> bool {
        let is_wanted =
            |(symbol, value): (&SymbolId, &String)| self.wanted.get(symbol) == Some(value);
        mender.lines_of(way).is_some_and(|lines| lines.iter().all(is_wanted))
    }
}

impl<'a> Mender<'a> {
    /// One for which what came out stays.
    pub(super) fn new(
        ground: Ground<'a>,
        asked: &'a [Assignment],
        judge: &'a dyn Fn(&str) -> bool,
    ) -> Self {
        let model = &ground.kconfig.model;
        let text: String = asked.iter().map(|one| one.line() + "\n").collect();
        let (mut config, _) = Config::resolve(model, Mode::AllNo, Some(&text));
        let mut kept = Lines::new();
        for Assignment { symbol, value, .. } in asked {
            let symbol = model.defined(symbol);
            if let Some(symbol) = symbol.filter(|symbol| config.has(*symbol, value)) {
                kept.insert(symbol, value.clone());
            }
        }
        Mender { ground, asked, judge, gives_up: false, text, kept }
    }

    /// Lines about these symbols are changed if that is what it takes.
    pub(super) fn free(&mut self, wanted: &[Wanted]) {
        for one in wanted {
            let symbol = self.model().defined(&one.symbol);
            symbol.and_then(|symbol| self.kept.remove(&symbol));
        }
    }

    /// The same where whatever came out may be given up for these, if that is told.
    pub(super) fn giving_up(&self, wanted: &[Wanted]) -> Mender<'a> {
        let (text, kept) = (self.text.clone(), self.kept.clone());
        let Mender { ground, asked, .. } = *self;
        let mut other = Mender { ground, asked, judge: &|_| true, gives_up: true, text, kept };
        other.free(wanted);
        other
    }

    fn model(&self) -> &'a Model {
        &self.ground.kconfig.model
    }

    /// All groups together, or else as many as go together, the first ones first.
    pub(super) fn solve(&self, groups: &[Group]) -> Vec<Solved> {
        let mut found = self.found(groups);
        let mut excludes = std::mem::take(&mut found.excludes);
        let solved = |(index, group): (usize, &Group)| {
            let way = group.ways.iter().find(|way| found.has(self, way));
            let edits = way.map(|way| self.edits(&found, index, way));
            let excludes = excludes.remove(&index).unwrap_or_default();
            Solved { edits, excludes }
        };
        groups.iter().enumerate().map(solved).collect()
    }

    fn found(&self, groups: &[Group]) -> Found {
        let all: Vec<(usize, &Group)> = groups.iter().enumerate().collect();
        let known = |(_, group): &(usize, &Group)| {
            group.ways.first().is_some_and(|way| self.lines_of(way).is_some())
        };
        let known: Vec<(usize, &Group)> = all.iter().copied().filter(known).collect();
        if let Some(found) = self.together(&known) {
            return found;
        }
        // What nothing gives keeps the rest from being solved together.
        let alone = |(index, group): &(usize, &Group)| {
            let way = |way: &&Vec<Wanted>| {
                self.beside(&Found::default(), (*index, way), &self.kept).is_some()
            };
            group.ways.first().is_some_and(|first| way(&first))
        };
        let possible: Vec<(usize, &Group)> = known.iter().copied().filter(alone).collect();
        let fewer = possible.len() < known.len();
        let found = if fewer { self.together(&possible) } else { None };
        match found {
            Some(found) => {
                let is_done = |index| possible.iter().any(|(done, _)| *done == index);
                let rest = all.into_iter().filter(|(index, _)| !is_done(*index)).collect();
                self.most(groups, found, rest)
            }
            None => self.most(groups, Found::default(), all),
        }
    }

    /// The first way of each group.
    fn together(&self, groups: &[(usize, &Group)]) -> Option<Found> {
        let mut wanted = Lines::new();
        let mut owner = BTreeMap::new();
        for (index, group) in groups {
            for (symbol, value) in self.lines_of(group.ways.first()?)? {
                owner.entry(symbol).or_insert(*index);
                let other = wanted.insert(symbol, value.clone());
                if other.is_some_and(|other| other != value) {
                    return None;
                }
            }
        }
        let demand = Demand { wanted: &wanted, kept: &self.kept };
        let found = mend(self.model(), &self.text, demand)?;
        if !self.is_good(&found.lines) {
            return None;
        }
        let line = |(symbol, value): (SymbolId, String)| {
            let by = found.needed_by.get(&symbol).copied().unwrap_or(symbol);
            (symbol, (value, owner.get(&by).copied().unwrap_or(0), by))
        };
        let lines = found.lines.into_iter().map(line).collect();
        Some(Found { wanted, lines, ..Found::default() })
    }

    /// One after the other, each beside those before.
    fn most(&self, groups: &[Group], mut found: Found, rest: Vec<(usize, &Group)>) -> Found {
        for (index, group) in rest {
            let one = |kept: &Lines| {
                group.ways.iter().find_map(|way| self.beside(&found, (index, way), kept))
            };
            let kept = self.kept_beside(&found.given_up);
            if let Some(more) = one(&kept) {
                found = more;
                continue;
            }
            let Some(way) = group.ways.first() else { continue };
            let excluded = self.excluded(&found, way, groups);
            let mut given_up = found.given_up.clone();
            given_up.extend(excluded.iter().map(|(symbol, _)| *symbol));
            let more = if self.gives_up { one(&self.kept_beside(&given_up)) } else { None };
            if let Some(more) = more {
                found = Found { given_up, ..more };
            }
            let excluded = excluded.into_iter().map(|(_, excluded)| excluded).collect();
            found.excludes.insert(index, excluded);
        }
        found
    }

    /// What came out, without what was given up.
    fn kept_beside(&self, given_up: &BTreeSet<SymbolId>) -> Lines {
        let kept = self.kept.iter().filter(|(symbol, _)| !given_up.contains(symbol));
        kept.map(|(symbol, value)| (*symbol, value.clone())).collect()
    }

    /// A way beside what was found so far.
    fn beside(
        &self,
        found: &Found,
        (index, way): (usize, &[Wanted]),
        kept: &Lines,
    ) -> Option<Found> {
        let mut more = found.clone();
        for (symbol, value) in self.lines_of(way)? {
            let other = more.wanted.insert(symbol, value.clone());
            if other.is_some_and(|other| other != value) {
                return None;
            }
        }
        let demand = Demand { wanted: &more.wanted, kept };
        let new = mend(self.model(), &self.text_with(found), demand)?;
        for (symbol, value) in new.lines {
            let by = new.needed_by.get(&symbol).copied().unwrap_or(symbol);
            more.lines.entry(symbol).or_insert((String::new(), index, by)).0 = value;
        }
        let lines = more.lines.iter().map(|(symbol, line)| (*symbol, line.0.clone())).collect();
        self.is_good(&lines).then_some(more)
    }

    /// What does not come out where a way does, whatever else becomes of it.
    fn excluded(
        &self,
        found: &Found,
        way: &[Wanted],
        groups: &[Group],
    ) -> Vec<(SymbolId, Excluded)> {
        let Some(own) = self.lines_of(way) else { return vec![] };
        let Some(mut config) = self.relaxed(found, &own) else { return vec![] };
        let mut excluded: Vec<(SymbolId, Excluded)> = vec![];
        let kept = self.kept_beside(&found.given_up);
        let before = found.wanted.iter().filter(|(symbol, _)| !own.contains_key(symbol));
        let all = kept.iter().chain(before);
        for (symbol, value) in all {
            let known = excluded.iter().any(|(known, _)| known == symbol);
            if known || config.has(*symbol, value) {
                continue;
            }
            let name = &*self.model()[*symbol].name;
            let asked = self.asked.iter().find(|one| one.symbol == name && one.value == *value);
            let needs = |group: &&Group| {
                group.ways.iter().flatten().any(|one| one.symbol == name && one.value == *value)
            };
            let capability = groups.iter().find(needs).and_then(|group| group.capability.clone());
            let capability = capability.filter(|_| asked.is_none());
            let place = asked.map(|one| one.place.clone());
            let written = asked.map(|one| one.text.clone()).filter(|text| !text.is_empty());
            let line = written.unwrap_or_else(|| config_line(name, value));
            excluded.push((*symbol, Excluded { line, place, capability }));
        }
        excluded
    }

    /// The configuration in which those lines come out, beside as much of all else as can be found.
    fn relaxed(&self, found: &Found, own: &Lines) -> Option<Config<'a>> {
        let text = self.text_with(found);
        let mut beside = found.wanted.clone();
        beside.extend(own.iter().map(|(symbol, value)| (*symbol, value.clone())));
        let try_with = |wanted: &Lines, kept: &Lines| {
            let lines = mend(self.model(), &text, Demand { wanted, kept })?.lines;
            Some(Config::with_lines(self.model(), &text, &lines))
        };
        let none = Lines::new();
        let (wanted, mut config) = match try_with(&beside, &none) {
            Some(config) => (&beside, config),
            None => (own, try_with(own, &none)?),
        };
        let mut kept = self.kept_beside(&found.given_up);
        kept.retain(|symbol, value| config.has(*symbol, value));
        Some(try_with(wanted, &kept).unwrap_or(config))
    }

    /// A way by the tree's symbols, if it has them all and none is asked to be two things.
    fn lines_of(&self, way: &[Wanted]) -> Option<Lines> {
        let mut lines = Lines::new();
        for Wanted { symbol, value, .. } in way {
            let other = lines.insert(self.model().defined(symbol)?, value.clone());
            if other.is_some_and(|other| other != *value) {
                return None;
            }
        }
        Some(lines)
    }

    fn is_good(&self, lines: &Lines) -> bool {
        let mut config = Config::with_lines(self.model(), &self.text, lines);
        (self.judge)(&config.dot_config())
    }

    /// What is asked for, with the lines found so far in place of those about their symbols.
    fn text_with(&self, found: &Found) -> String {
        let model = self.model();
        let replaced = |one: &&Assignment| {
            model.defined(&one.symbol).is_some_and(|id| found.lines.contains_key(&id))
        };
        let kept = self.asked.iter().filter(|one| !replaced(one)).map(Assignment::line);
        let new = found.lines.iter();
        let new = new.map(|(symbol, (value, ..))| config_line(&model[*symbol].name, value));
        kept.chain(new).map(|line| line + "\n").collect()
    }

    /// The lines of a group as edits of the fragments that its symbols belong to.
    fn edits(&self, found: &Found, index: usize, way: &[Wanted]) -> Vec<Edit> {
        let model = self.model();
        let asked_for =
            |symbol: SymbolId| self.asked.iter().find(|one| *one.symbol == *model[symbol].name);
        let mut edits = vec![];
        for Wanted { symbol, value, in_place_of } in way {
            let Some(at) = in_place_of.clone() else { continue };
            let there = self.asked.iter().any(|one| one.symbol == *symbol && one.place != at);
            let text = if there { String::new() } else { config_line(symbol, value) };
            edits.push(Edit { at, replaces: true, text, renames: true });
        }
        let renamed = |symbol: SymbolId| {
            let named = |one: &&Wanted| *one.symbol == *model[symbol].name;
            way.iter().find(named).is_some_and(|one| one.in_place_of.is_some())
        };
        let own = found.lines.iter().filter(|(_, (_, group, _))| *group == index);
        for (symbol, (value, _, needed_by)) in own.filter(|(symbol, _)| !renamed(**symbol)) {
            let text = self.ground.history.newest_line(&model[*symbol].name, value);
            let by = way.iter().find(|one| *one.symbol == *model[*needed_by].name);
            let home = || {
                let in_place = by.and_then(|one| one.in_place_of.clone());
                in_place.or_else(|| home(model, self.asked, *needed_by))
            };
            let edit = match asked_for(*symbol) {
                Some(there) if there.text == text => None,
                Some(there) => {
                    Some(Edit { at: there.place.clone(), replaces: true, text, renames: false })
                }
                None => home().map(|at| Edit { at, replaces: false, text, renames: false }),
            };
            edits.extend(edit);
        }
        edits
    }
}

/// What becomes of each wanted symbol, in the same order, where they are solved as these groups.
pub(super) fn mended(
    ground: Ground<'_>,
    asked: &[Assignment],
    wanted: &Wanted,
    solved: Solved,
) -> Mended {
    let Wanted { symbol, value, .. } = wanted;
    let Solved { edits, excludes } = solved;
    let kconfig = ground.kconfig;
    let untold = edits.is_none() && excludes.is_empty();
    let untold = untold && asked.iter().all(|one| one.symbol != *symbol || one.value != *value);
    let known = kconfig.model.defined(symbol).filter(|_| untold);
    let cause = known.map(|known| {
        let text: String = asked.iter().map(|one| one.line() + "\n").collect();
        let (mut config, _) = Config::resolve(&kconfig.model, Mode::AllNo, Some(&text));
        cause::of_symbol(kconfig, &mut config, known, value)
    });
    let (symbol, wanted) = (symbol.clone(), value.clone());
    Mended { symbol, wanted, edits, excludes, cause }
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
