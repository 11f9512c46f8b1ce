//! Which lines make symbols what is wanted: those that bring in the least, as far as they can be found.
//!
//! A search over the dependencies proposes lines, the evaluation judges them. What the search cannot
//! see (two lines that are in each other's way) it learns from the judge: a line that did not come
//! out is wanted in its turn, or its way is closed and another one is tried.

mod search;

use std::collections::BTreeMap;

use crate::config::{Config, Value};
use crate::dotconfig;
use crate::mode::Mode;
use crate::model::{Model, SymbolId};
use crate::tristate::Tristate;
use search::{Closed, Search};

/// Values to ask for, by symbol: `y`, `m`, `n`, a number, a string in quotes.
pub type Lines = BTreeMap<SymbolId, String>;

/// Ways that are tried before giving up.
const MOST_TRIES: usize = 40;

/// Rounds in which lines are added to one way.
const MOST_ROUNDS: usize = 20;

/// Lines of a way that works for which another way is looked for, that might bring in less.
const MOST_RIVALS: usize = 6;

/// What lines have to come to.
#[derive(Debug, Clone, Copy)]
pub struct Demand<'a> {
    pub wanted: &'a Lines,
    /// What may not become anything else on the way: no line changes it, and it comes out.
    pub kept: &'a Lines,
}

/// Lines that make all of a demand come out.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Mend {
    pub lines: Lines,
    /// By the symbol of a line: the wanted one that it was found for.
    pub needed_by: BTreeMap<SymbolId, SymbolId>,
}

/// The lines to add to `asked` (a fragment, resolved as `allnoconfig` does) that meet a demand; `None`
/// if none were found. A line takes the place of an earlier one about its symbol.
///
/// A symbol's own prompt and what that depends on come first; what selects it, where that fails. Of
/// several ways that is taken which turns on the fewest symbols.
#[must_use]
pub fn mend(model: &Model, asked: &str, demand: Demand<'_>) -> Option<Mend> {
    let mut fixed = demand.kept.clone();
    fixed.extend(demand.wanted.iter().map(|(symbol, value)| (*symbol, value.clone())));
    let solver = Solver { model, asked, demand, fixed };
    let mut contested = Closed::default();
    let first = solver.solve(Closed::default(), &mut contested)?;
    Some(solver.cheapest(first, &contested))
}

struct Solver<'a> {
    model: &'a Model,
    asked: &'a str,
    demand: Demand<'a>,
    /// No line makes these anything else.
    fixed: Lines,
}

enum Attempt {
    Works(Mend),
    /// Not so, and a way was closed.
    Another,
    NoWay,
}

impl<'a> Solver<'a> {
    /// Without those lines. `contested` gets the symbols that there was another way than.
    fn solve(&self, mut closed: Closed, contested: &mut Closed) -> Option<Mend> {
        for _ in 0..MOST_TRIES {
            match self.attempt(&mut closed, contested) {
                Attempt::Works(mend) => return Some(self.smallest(mend)),
                Attempt::Another => {}
                Attempt::NoWay => return None,
            }
        }
        None
    }

    /// Adds lines until all comes out, or nothing new can be added.
    fn attempt(&self, closed: &mut Closed, contested: &mut Closed) -> Attempt {
        let mut mend = Mend::default();
        for _ in 0..MOST_ROUNDS {
            let mut config = self.with(&mend.lines);
            let missed = self.missed(&mut config, &mend.lines);
            let Some((first, _)) = missed.first() else { return Attempt::Works(mend) };
            let known = mend.lines.clone();
            for (symbol, value) in &missed {
                let mut search = Search::new(&mut config, closed, &known, &self.fixed);
                let found = search.line(*symbol, value);
                contested.extend(search.contested);
                let is_wanted = self.demand.wanted.contains_key(symbol);
                match found {
                    Some(found) => mend.add(found, *symbol),
                    None if is_wanted && known.is_empty() => return Attempt::NoWay,
                    None => {}
                }
            }
            if mend.lines == known {
                return self.close(*first, &mend.lines, closed);
            }
        }
        Attempt::Another
    }

    /// Nothing makes that symbol come out beside the lines: one of them is not asked for again.
    fn close(&self, symbol: SymbolId, lines: &Lines, closed: &mut Closed) -> Attempt {
        let Demand { wanted, kept } = self.demand;
        let wrong = match lines.contains_key(&symbol) && !wanted.contains_key(&symbol) {
            true => Some(symbol),
            false => {
                let value = wanted.get(&symbol).or_else(|| kept.get(&symbol));
                let others = || lines.keys().rev().filter(|line| !wanted.contains_key(line));
                let culprit = |line: &&SymbolId| {
                    value.is_some_and(|value| {
                        is(&mut self.with(&less(lines, **line)), symbol, value)
                    })
                };
                others().find(culprit).or_else(|| others().next()).copied()
            }
        };
        match wrong.is_some_and(|line| closed.insert(line)) {
            true => Attempt::Another,
            false => Attempt::NoWay,
        }
    }

    /// What does not come out: of what is wanted or kept first, and of that what has a prompt, since
    /// the rest may follow.
    fn missed(&self, config: &mut Config<'_>, lines: &Lines) -> Vec<(SymbolId, String)> {
        let Demand { wanted, kept } = self.demand;
        let mut of = |all: &Lines| -> Vec<(SymbolId, String)> {
            let missed = all.iter().filter(|(symbol, value)| !is(config, **symbol, value));
            missed.map(|(symbol, value)| (*symbol, value.clone())).collect()
        };
        let has_prompt = |symbol: SymbolId| !self.model[symbol].prompts.is_empty();
        let (own, others): (Vec<_>, Vec<_>) =
            of(wanted).into_iter().partition(|(symbol, _)| has_prompt(*symbol));
        let next = |first: Vec<_>, then: &mut dyn FnMut() -> Vec<_>| {
            if first.is_empty() { then() } else { first }
        };
        next(own, &mut || next(others.clone(), &mut || next(of(kept), &mut || of(lines))))
    }

    /// Without the lines that are not needed.
    fn smallest(&self, mut mend: Mend) -> Mend {
        for symbol in mend.lines.keys().copied().collect::<Vec<_>>() {
            let fewer = less(&mend.lines, symbol);
            if self.missed(&mut self.with(&fewer), &Lines::new()).is_empty() {
                mend.lines = fewer;
            }
        }
        mend.needed_by.retain(|symbol, _| mend.lines.contains_key(symbol));
        mend
    }

    /// Tries the other ways where there are such.
    fn cheapest(&self, first: Mend, contested: &Closed) -> Mend {
        let Demand { wanted, .. } = self.demand;
        let rivals = first.lines.keys().copied();
        let rivals = rivals.filter(|line| contested.contains(line) && !wanted.contains_key(line));
        let rivals: Vec<SymbolId> = rivals.take(MOST_RIVALS).collect();
        let mut best = first;
        for rival in rivals {
            let other = self.solve(Closed::from_iter([rival]), &mut Closed::default());
            let cost = |mend: &Mend| (self.comes_in(&mend.lines), mend.lines.len());
            best = match other {
                Some(other) if cost(&other) < cost(&best) => other,
                _ => best,
            };
        }
        best
    }

    /// The symbols that are on with these lines.
    fn comes_in(&self, lines: &Lines) -> usize {
        let mut config = self.with(lines);
        let mut on = |symbol: SymbolId| !matches!(config.value(symbol), Value::Logic(Tristate::N));
        self.model.defined_symbols().map(|(symbol, _)| symbol).filter(|one| on(*one)).count()
    }

    fn with(&self, lines: &Lines) -> Config<'a> {
        with_lines(self.model, self.asked, lines)
    }
}

impl Mend {
    /// What is asked for already holds its place.
    fn add(&mut self, found: Lines, missed: SymbolId) {
        let wanted = self.needed_by.get(&missed).copied().unwrap_or(missed);
        for (symbol, value) in found {
            self.needed_by.entry(symbol).or_insert(wanted);
            self.lines.entry(symbol).or_insert(value);
        }
    }
}

fn less(lines: &Lines, symbol: SymbolId) -> Lines {
    let mut fewer = lines.clone();
    fewer.remove(&symbol);
    fewer
}

fn with_lines<'m>(model: &'m Model, asked: &str, lines: &Lines) -> Config<'m> {
    let replaced = |text: &&str| match dotconfig::line(text, model.dialect) {
        Ok(Some(line)) => model.find(line.symbol).is_some_and(|symbol| lines.contains_key(&symbol)),
        _ => false,
    };
    let mut all: Vec<String> =
        asked.lines().filter(|text| !replaced(text)).map(str::to_owned).collect();
    let new = lines.iter().map(|(symbol, value)| format!("CONFIG_{}={value}", model[*symbol].name));
    all.extend(new);
    Config::resolve(model, Mode::AllNo, Some(&all.join("\n"))).0
}

impl<'m> Config<'m> {
    /// The configuration of `asked` (as `mend` takes it) with a symbol turned off, and with what
    /// selects it.
    #[must_use]
    pub fn without(model: &'m Model, asked: &str, symbol: SymbolId) -> Self {
        let wanted = Lines::from([(symbol, "n".to_owned())]);
        let demand = Demand { wanted: &wanted, kept: &Lines::new() };
        let lines = mend(model, asked, demand).map_or(wanted.clone(), |mend| mend.lines);
        with_lines(model, asked, &lines)
    }

    /// The configuration of `asked` with lines in the place of those about their symbols.
    #[must_use]
    pub fn with_lines(model: &'m Model, asked: &str, lines: &Lines) -> Self {
        with_lines(model, asked, lines)
    }

    /// Whether the symbol has that value, as a line has it.
    pub fn has(&mut self, symbol: SymbolId, value: &str) -> bool {
        is(self, symbol, value)
    }
}

fn is(config: &mut Config<'_>, symbol: SymbolId, value: &str) -> bool {
    match config.value(symbol) {
        Value::Logic(got) => got.as_str() == value,
        Value::Text(got) => *got == *value.trim_matches('"'),
    }
}
