//! Who brought in the symbols that nobody asks for.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use kconfig::{Config, Model, SymbolId, Tristate};

use super::values;
use crate::fragment::Assignment;

/// For each symbol that is on because one that is asked for selects or implies it, in however many
/// steps: the symbol that is one step nearer to what is asked for.
pub(super) fn brought_in(
    model: &Model,
    config: &mut Config<'_>,
    dot_config: &str,
    asked: &[Assignment],
) -> BTreeMap<String, String> {
    let is_on: BTreeSet<&str> = values(dot_config).into_keys().collect();
    let mut brings: BTreeMap<SymbolId, Vec<SymbolId>> = BTreeMap::new();
    for (symbol, known) in model.defined_symbols() {
        if !is_on.contains(&*known.name) {
            continue;
        }
        let by = config.selectors(symbol, |_| true).into_iter().chain(config.impliers(symbol));
        for one in by.filter(|one| one.value != Tristate::N) {
            brings.entry(one.symbol).or_default().push(symbol);
        }
    }
    let name = |symbol: SymbolId| model[symbol].name.to_string();
    let asked = asked.iter().filter(|one| is_on.contains(one.symbol.as_str()));
    let mut next: VecDeque<SymbolId> = asked.filter_map(|one| model.defined(&one.symbol)).collect();
    let mut seen: BTreeSet<SymbolId> = next.iter().copied().collect();
    let mut brought = BTreeMap::new();
    while let Some(by) = next.pop_front() {
        for &symbol in brings.get(&by).into_iter().flatten() {
            if seen.insert(symbol) {
                brought.insert(name(symbol), name(by));
                next.push_back(symbol);
            }
        }
    }
    brought
}

#[cfg(test)]
mod tests {
    use kconfig::Mode;

    use super::*;
    use crate::fragment::Place;
    use crate::resolve::Kconfig;

    const TREE: &str = "\
        config EXT4\n\tbool \"ext4\"\n\tselect JBD2\n\timply ACL\n\n\
        config XFS\n\tbool \"xfs\"\n\tselect CRC\n\n\
        config JBD2\n\tbool\n\tselect CRC\n\n\
        config CRC\n\tbool\n\n\
        config ACL\n\tbool \"acl\"\n\n\
        config BASE\n\tdef_bool y\n\tselect RCU\n\n\
        config RCU\n\tbool\n";

    #[test]
    fn the_way_leads_back_to_what_is_asked_for() {
        let model = Kconfig::of_text(TREE).model;
        let asked = ["EXT4", "GONE"].map(|symbol| Assignment {
            symbol: symbol.to_owned(),
            value: "y".to_owned(),
            place: Place { path: "f.conf".into(), line: 1 },
            text: String::new(),
        });
        let lines: String = asked.iter().map(|one| one.line() + "\n").collect();
        let (mut config, _) = Config::resolve(&model, Mode::AllNo, Some(&lines));
        let dot_config = config.dot_config();
        let brought = brought_in(&model, &mut config, &dot_config, &asked);
        // XFS is off, nobody asks for BASE, and allnoconfig answers no to what is only implied.
        let expected = [("CRC", "JBD2"), ("JBD2", "EXT4")];
        assert_eq!(brought, expected.map(|(a, b)| (a.to_owned(), b.to_owned())).into());
    }
}
