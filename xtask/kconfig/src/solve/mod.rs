//! Which lines make a symbol what is wanted: the smallest set that can be found.
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
use search::{Closed, Search};

/// Values to ask for, by symbol: `y`, `m`, `n`, a number, a string in quotes.
pub type Lines = BTreeMap<SymbolId, String>;

/// Ways that are tried before giving up.
const MOST_TRIES: usize = 60;

/// The lines to add to `asked` (a fragment, resolved as `allnoconfig` does) that make all of `wanted`
/// come out; `None` if none were found. A line takes the place of an earlier one about its symbol.
#[must_use]
pub fn mend(model: &Model, asked: &str, wanted: &Lines) -> Option<Lines> {
    let mut closed = Closed::default();
    for _ in 0..MOST_TRIES {
        match attempt(model, asked, wanted, &mut closed) {
            Attempt::Works(lines) => return Some(smallest(model, asked, wanted, lines)),
            Attempt::Another => {}
            Attempt::NoWay => return None,
        }
    }
    None
}

enum Attempt {
    Works(Lines),
    /// Not so, and a way was closed.
    Another,
    NoWay,
}

/// Adds lines until all comes out, or nothing new can be added.
fn attempt(model: &Model, asked: &str, wanted: &Lines, closed: &mut Closed) -> Attempt {
    let mut lines = Lines::new();
    for _ in 0..MOST_TRIES {
        let mut config = with_lines(model, asked, &lines);
        let missed = missed(&mut config, wanted).or_else(|| missed(&mut config, &lines));
        let Some((symbol, value)) = missed else { return Attempt::Works(lines) };
        let known = lines.clone();
        match Search::new(&mut config, closed, &lines).line(symbol, &value) {
            Some(found) => {
                // What is asked for already holds its place.
                for (symbol, value) in found {
                    lines.entry(symbol).or_insert(value);
                }
            }
            None if wanted.contains_key(&symbol) && lines.is_empty() => return Attempt::NoWay,
            None => {}
        }
        if lines == known {
            return close(symbol, wanted, &lines, closed);
        }
    }
    Attempt::Another
}

/// Nothing makes that line come out beside the others: it is not asked for again.
fn close(symbol: SymbolId, wanted: &Lines, lines: &Lines, closed: &mut Closed) -> Attempt {
    let new = if wanted.contains_key(&symbol) {
        // Of the lines that lead to it, the last that was added is the likeliest to be wrong.
        lines
            .keys()
            .rfind(|line| !wanted.contains_key(line))
            .is_some_and(|line| closed.insert(*line))
    } else {
        closed.insert(symbol)
    };
    if new { Attempt::Another } else { Attempt::NoWay }
}

/// Without the lines that are not needed.
fn smallest(model: &Model, asked: &str, wanted: &Lines, mut lines: Lines) -> Lines {
    for symbol in lines.keys().copied().collect::<Vec<_>>() {
        let mut fewer = lines.clone();
        fewer.remove(&symbol);
        if missed(&mut with_lines(model, asked, &fewer), wanted).is_none() {
            lines = fewer;
        }
    }
    lines
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
        let lines = mend(model, asked, &wanted).unwrap_or(wanted);
        with_lines(model, asked, &lines)
    }
}

/// The first that does not come out.
fn missed(config: &mut Config<'_>, lines: &Lines) -> Option<(SymbolId, String)> {
    let wrong = lines.iter().find(|(symbol, value)| !is(config, **symbol, value));
    wrong.map(|(symbol, value)| (*symbol, value.clone()))
}

fn is(config: &mut Config<'_>, symbol: SymbolId, value: &str) -> bool {
    match config.value(symbol) {
        Value::Logic(got) => got.as_str() == value,
        Value::Text(got) => *got == *value.trim_matches('"'),
    }
}
