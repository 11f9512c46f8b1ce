//! A `.config` that somebody changed, back to the lines of fragments that give it: what a person has to
//! ask for, and nothing that follows from it.

use std::collections::BTreeSet;

use kconfig::{Config, Mode};
use serde::Serialize;

use super::cause::{self, Cause};
use super::mend::home;
use super::side::Ground;
use super::tree::Kconfig;
use super::{differences, same, translate, values};
use crate::dot_config::lines;
use crate::edit::Edit;
use crate::fragment::{Assignment, Place, Requested, config_line};

/// The lines, and what they come to.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Reversed {
    /// What the tree makes of the changed `.config`.
    #[serde(skip)]
    pub dot_config: String,
    pub edits: Vec<Edit>,
    /// Changed lines that the tree does not take over.
    pub missed: Vec<Missed>,
    /// Symbols that no lines give the value that is wanted, as they come out and as they should.
    pub out_of_reach: Vec<(String, String)>,
    /// Symbols to ask for that no fragment has a place for: none asks for anything.
    pub homeless: Vec<String>,
}

/// A line of a `.config` that does not come out.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Missed {
    pub line: String,
    /// `n` also where the tree has no such symbol.
    pub got: String,
    #[serde(flatten)]
    pub cause: Cause,
}

/// A line that may be in the fragments.
#[derive(Debug, Clone)]
struct Line {
    symbol: String,
    value: String,
    /// The line of the fragments that it is, or takes the place of.
    asked: Option<usize>,
    changed: bool,
    /// Without it, a line below the overlay would ask for something else.
    stays: bool,
}

/// Finds the smallest change of what is requested that gives what the tree makes of `edited`, which was
/// `before` until somebody changed it.
pub(crate) fn reverse(
    ground: Ground<'_>,
    requested: &Requested,
    before: &str,
    edited: &str,
) -> Reversed {
    let Ground { kconfig, version, arch, history } = ground;
    let (asked, _) = translate(kconfig, version, arch, history, &requested.assignments);
    let mut config = Config::resolve(&kconfig.model, Mode::OldDefault, Some(edited)).0;
    let dot_config = config.dot_config();
    let missed = missed(ground, &mut config, (before, edited), &dot_config);
    let search = Search { kconfig, wanted: &dot_config };
    let mut found = search.enough(requested, &asked);
    let out_of_reach = differences(&search.resolved(&found), &dot_config);
    if out_of_reach.is_empty() {
        search.shrink(&mut found);
    }
    let (mut edits, mut homeless) = (vec![], vec![]);
    for (index, assignment) in asked.iter().enumerate() {
        let line = found.iter().find(|line| line.asked == Some(index));
        let text = match line {
            Some(Line { changed: false, .. }) => continue,
            Some(line) => history.newest_line(&assignment.symbol, &line.value),
            None => String::new(),
        };
        let again = requested.repeated.iter();
        let again = again.filter(|one| one.same && one.counts == assignment.place);
        let places =
            std::iter::once(&assignment.place).chain(again.map(|one| &one.assignment.place));
        edits.extend(places.map(|at| Edit {
            at: at.clone(),
            replaces: true,
            text: text.clone(),
            renames: false,
        }));
    }
    for Line { symbol, value, .. } in found.iter().filter(|line| line.asked.is_none()) {
        let known = kconfig.model.defined(symbol);
        match known.and_then(|known| home(&kconfig.model, &asked, known)) {
            Some(beside) => {
                // Behind its neighbour: before it may be the comment that says why it is there.
                let at = Place { line: beside.line + 1, ..beside };
                let text = history.newest_line(symbol, value);
                edits.push(Edit { at, replaces: false, text, renames: false });
            }
            None => homeless.push(config_line(symbol, value)),
        }
    }
    Reversed { dot_config, edits, missed, out_of_reach, homeless }
}

/// The line counts in the place of one of the list that asks for something else.
fn overrides(requested: &Requested, place: &Place) -> bool {
    requested.repeated.iter().any(|one| !one.same && one.counts == *place)
}

/// What a `.config` says since it was changed, and the tree makes something else of.
fn missed(
    ground: Ground<'_>,
    config: &mut Config<'_>,
    (before, edited): (&str, &str),
    dot_config: &str,
) -> Vec<Missed> {
    let Ground { kconfig, version, arch, history } = ground;
    let (before, after) = (values(before), values(dot_config));
    let mut found = vec![];
    for (_, symbol, value) in lines(edited) {
        let was = before.get(symbol).copied().unwrap_or("n");
        let got = after.get(symbol).copied().unwrap_or("n");
        if same(was, value) || same(got, value) {
            continue;
        }
        let cause = match kconfig.model.defined(symbol) {
            Some(known) => cause::of_symbol(kconfig, config, known, value),
            None => cause::why_unknown(kconfig, version, arch, history, symbol),
        };
        found.push(Missed { line: config_line(symbol, value), got: got.to_owned(), cause });
    }
    found
}

struct Search<'a> {
    kconfig: &'a Kconfig,
    /// The `.config` that the lines have to come to.
    wanted: &'a str,
}

impl Search<'_> {
    fn resolved(&self, all: &[Line]) -> String {
        let lines: String =
            all.iter().map(|line| config_line(&line.symbol, &line.value) + "\n").collect();
        Config::resolve(&self.kconfig.model, Mode::AllNo, Some(&lines)).0.dot_config()
    }

    /// Lines that come to what is wanted, if there are such: what is asked for, with the values that
    /// are wanted, and whatever else has another value without a line.
    fn enough(&self, requested: &Requested, asked: &[Assignment]) -> Vec<Line> {
        let wanted = values(self.wanted);
        let value = |symbol: &str| wanted.get(symbol).copied().unwrap_or("n").to_owned();
        let line = |(index, one): (usize, &Assignment)| {
            let (wanted, symbol) = (value(&one.symbol), one.symbol.clone());
            let changed = !same(&wanted, &one.value);
            let value = if changed { wanted } else { one.value.clone() };
            let stays = overrides(requested, &one.place);
            Line { symbol, value, asked: Some(index), changed, stays }
        };
        let mut all: Vec<Line> = asked.iter().enumerate().map(line).collect();
        let mut known: BTreeSet<String> = all.iter().map(|line| line.symbol.clone()).collect();
        loop {
            let got = self.resolved(&all);
            if got == self.wanted {
                return all;
            }
            let got = values(&got);
            let differs = |symbol: &&str| got.get(symbol) != wanted.get(symbol);
            let symbols: BTreeSet<&str> = got.keys().chain(wanted.keys()).copied().collect();
            let before = all.len();
            for symbol in symbols.into_iter().filter(differs) {
                if self.can_be_set(symbol) && known.insert(symbol.to_owned()) {
                    let (symbol, value) = (symbol.to_owned(), value(symbol));
                    all.push(Line { symbol, value, asked: None, changed: true, stays: false });
                }
            }
            if all.len() == before {
                return all;
            }
        }
    }

    fn can_be_set(&self, symbol: &str) -> bool {
        let model = &self.kconfig.model;
        model.defined(symbol).is_some_and(|symbol| !model[symbol].prompts.is_empty())
    }

    /// Takes out all new and changed lines without which nothing is another: what turns something off
    /// first, since nearly all of it is off unless it is asked for.
    fn shrink(&self, all: &mut Vec<Line>) {
        for off in [true, false] {
            let may_go = |line: &&Line| line.changed && !line.stays && (line.value == "n") == off;
            let candidates = all.iter().filter(may_go);
            let candidates: Vec<String> = candidates.map(|line| line.symbol.clone()).collect();
            self.take_out(all, &candidates);
        }
    }

    /// As many of the candidates as can go, halves at a time.
    fn take_out(&self, all: &mut Vec<Line>, candidates: &[String]) {
        if candidates.is_empty() {
            return;
        }
        let stays = |line: &&Line| !candidates.contains(&line.symbol);
        let fewer: Vec<Line> = all.iter().filter(stays).cloned().collect();
        if self.resolved(&fewer) == self.wanted {
            *all = fewer;
        } else if candidates.len() > 1 {
            let (first, second) = candidates.split_at(candidates.len() / 2);
            self.take_out(all, first);
            self.take_out(all, second);
        }
    }
}
