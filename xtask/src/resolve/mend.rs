//! The lines that make a symbol what is wanted, and the fragments that they belong to.

use kconfig::{Lines, Model, SymbolId, mend};
use serde::Serialize;

use super::tree::Kconfig;
use crate::edit::Edit;
use crate::fragment::{Assignment, Place, config_line};
use crate::history::History;

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
}

/// Finds the lines for one wanted symbol. `asked` is in the tree's own names.
pub(crate) fn propose(
    kconfig: &Kconfig,
    history: &History,
    asked: &[Assignment],
    wanted: &Wanted,
) -> Mended {
    let Wanted { symbol, value } = wanted.clone();
    let edits = edits(kconfig, history, asked, wanted);
    Mended { symbol, wanted: value, edits }
}

fn edits(
    kconfig: &Kconfig,
    history: &History,
    asked: &[Assignment],
    wanted: &Wanted,
) -> Option<Vec<Edit>> {
    let model = &kconfig.model;
    let symbol = model.defined(&wanted.symbol)?;
    let text: String = asked.iter().map(|one| one.line() + "\n").collect();
    let lines = mend(model, &text, &Lines::from([(symbol, wanted.value.clone())]))?;
    let home = home(model, asked, symbol)?;
    let edit = |(symbol, value): (&SymbolId, &String)| {
        let name = &model[*symbol].name;
        let line = config_line(history.newest_name(name), value);
        match asked.iter().find(|one| *one.symbol == **name) {
            Some(there) => Edit { at: there.place.clone(), replaces: true, text: line },
            None => Edit { at: home.clone(), replaces: false, text: line },
        }
    };
    let unchanged = |edit: &Edit| {
        edit.replaces && asked.iter().any(|one| one.place == edit.at && one.text == edit.text)
    };
    Some(lines.iter().map(edit).filter(|edit| !unchanged(edit)).collect())
}

/// Where a line about the symbol belongs: where it is asked for, or else beside the symbol that the
/// tree defines nearest to it.
fn home(model: &Model, asked: &[Assignment], symbol: SymbolId) -> Option<Place> {
    let name = &model[symbol].name;
    if let Some(there) = asked.iter().find(|one| *one.symbol == **name) {
        return Some(there.place.clone());
    }
    let path = |symbol: SymbolId| {
        let entry = model[symbol].entries.first()?;
        Some(model.path(model[*entry].location.file))
    };
    let own = path(symbol)?;
    let shared = |other: &str| {
        let parts = own.split('/').zip(other.split('/'));
        parts.take_while(|(own, other)| own == other).count()
    };
    let near = asked.iter().filter_map(|one| {
        let known = model.defined(&one.symbol)?;
        Some((shared(path(known)?), one))
    });
    near.max_by_key(|(shared, _)| *shared).map(|(_, one)| one.place.clone())
}
