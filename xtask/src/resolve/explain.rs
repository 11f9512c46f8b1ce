//! All that is known of one symbol in one configuration.

use kconfig::{Config, Demand, Lines, SymbolId, mend};
use serde::Serialize;

use super::cause::{self, Cause, Selector, type_name, with_values};
use super::known::Known;
use super::tree::Kconfig;
use crate::diag::Quote;
use crate::fragment::{Place, config_line};

/// A symbol in one kernel.
#[derive(Debug, Serialize)]
pub(crate) struct InKernel {
    pub kernel: String,
    pub linux: String,
    /// The fragment's line that asks for it.
    pub asked: Option<Place>,
    /// Capabilities of the contract that name it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub wanted_by: Vec<String>,
    #[serde(flatten)]
    pub explained: Explained,
    /// This tree first, then the pinned ones that are unpacked.
    pub exists_in: Vec<Known>,
}

#[derive(Debug, Serialize)]
pub(crate) struct Explained {
    pub symbol: String,
    #[serde(rename = "type")]
    pub kind: String,
    pub value: String,
    pub definitions: Vec<Definition>,
    pub selected_by: Vec<Selector>,
    pub implied_by: Vec<Selector>,
    /// Why it is not on, where it is off.
    pub off_because: Option<Cause>,
    /// Lines that would turn it on, where it is off and there are some.
    pub turned_on_by: Option<Vec<String>>,
    /// What else would change if it were turned off, where it is on.
    pub without_it: Vec<Change>,
}

#[derive(Debug, Serialize)]
pub(crate) struct Definition {
    pub line: Quote,
    pub prompt: Option<String>,
    /// Each line that says what it depends on, with the values in it and its own.
    pub depends_on: Vec<Condition>,
    pub defaults: Vec<Quote>,
}

#[derive(Debug, Serialize)]
pub(crate) struct Condition {
    pub expression: String,
    pub value: String,
    pub line: Quote,
}

#[derive(Debug, Serialize)]
pub(crate) struct Change {
    pub symbol: String,
    pub from: String,
    pub to: String,
}

/// Explains a symbol of the configuration that `lines` resolved to.
pub(crate) fn explain(
    kconfig: &Kconfig,
    config: &mut Config<'_>,
    lines: &str,
    symbol: SymbolId,
) -> Explained {
    let known = &kconfig.model[symbol];
    let value = config.value(symbol).as_str().to_owned();
    let is_off = known.kind.is_logic() && value == "n";
    let is_on = known.kind.is_logic() && value != "n";
    let selectors = config.selectors(symbol, |_| true);
    let impliers = config.impliers(symbol);
    Explained {
        symbol: known.name.to_string(),
        kind: type_name(known.kind).to_owned(),
        value,
        definitions: definitions(kconfig, config, symbol),
        selected_by: cause::selectors(kconfig, &selectors),
        implied_by: cause::selectors(kconfig, &impliers),
        off_because: is_off.then(|| cause::of_symbol(kconfig, config, symbol, "y")),
        turned_on_by: if is_off { turned_on_by(kconfig, lines, symbol) } else { None },
        without_it: if is_on { without(kconfig, config, lines, symbol) } else { vec![] },
    }
}

fn definitions(kconfig: &Kconfig, config: &mut Config<'_>, symbol: SymbolId) -> Vec<Definition> {
    let known = &kconfig.model[symbol];
    let mut all = vec![];
    for entry in &known.entries {
        let prompt = known.prompts.iter().find(|prompt| prompt.entry == *entry);
        let defaults = known.defaults.iter().filter(|default| default.entry == *entry);
        let mut depends_on = vec![];
        for (condition, location) in config.conditions_of(*entry) {
            depends_on.push(Condition {
                expression: with_values(kconfig, config, condition),
                value: config.expr(condition).to_string(),
                line: kconfig.quote(location),
            });
        }
        all.push(Definition {
            line: kconfig.quote(kconfig.model[*entry].location),
            prompt: prompt.map(|prompt| prompt.text.to_string()),
            depends_on,
            defaults: defaults.map(|default| kconfig.quote(default.location)).collect(),
        });
    }
    all
}

fn turned_on_by(kconfig: &Kconfig, lines: &str, symbol: SymbolId) -> Option<Vec<String>> {
    let wanted = Lines::from([(symbol, "y".to_owned())]);
    let demand = Demand { wanted: &wanted, kept: &Lines::new() };
    let found = mend(&kconfig.model, lines, demand)?.lines;
    let line =
        |(symbol, value): (&SymbolId, &String)| config_line(&kconfig.model[*symbol].name, value);
    Some(found.iter().map(line).collect())
}

/// What changes when the symbol is off, whoever asks for it or selects it.
fn without(
    kconfig: &Kconfig,
    config: &mut Config<'_>,
    lines: &str,
    symbol: SymbolId,
) -> Vec<Change> {
    let model = &kconfig.model;
    let mut other = Config::without(model, lines, symbol);
    let mut changes = vec![];
    for (id, known) in model.defined_symbols() {
        let (from, to) = (config.value(id), other.value(id));
        let written = config.is_written(id) || other.is_written(id);
        if id != symbol && from != to && written {
            let (from, to) = (from.as_str().to_owned(), to.as_str().to_owned());
            changes.push(Change { symbol: known.name.to_string(), from, to });
        }
    }
    changes
}
