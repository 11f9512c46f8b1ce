//! Transitional names, which a tree keeps for old `.config` files only (since Linux 6.18). Each symbol
//! that has one as its default inherits its value. conf sees to that for a whole `.config` only: in
//! fragments on top of `allnoconfig` it reads the name and drops its value without a word (7.3.4).

use kconfig::{DefaultValue, Expr};

use super::tree::Kconfig;
use super::values;

/// A value that was given to a transitional name, and that its heir does not have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Lost {
    pub symbol: String,
    pub value: String,
    pub heir: String,
}

impl Kconfig {
    /// The symbols that inherit what is asked by a transitional name.
    pub(crate) fn heirs(&self, name: &str) -> Vec<&str> {
        let symbol = self.model.defined(name).filter(|id| self.model[*id].transitional);
        let Some(symbol) = symbol else { return vec![] };
        let inherits = |default: &DefaultValue| matches!(self.model.expr(default.value), Expr::Symbol(of) if of == symbol);
        let heirs = self.model.defined_symbols();
        let heirs = heirs.filter(|(_, one)| one.defaults.iter().any(inherits));
        heirs.map(|(_, heir)| &*heir.name).collect()
    }

    /// What of `asked`, a `.config` or fragments, no heir has in the `.config` that was made of it.
    pub(crate) fn lost(&self, asked: &str, dot_config: &str) -> Vec<Lost> {
        let (asked, made) = (values(asked), values(dot_config));
        let mut lost = vec![];
        for (symbol, value) in asked.iter().filter(|(_, value)| **value != "n") {
            for heir in self.heirs(symbol) {
                if !asked.contains_key(heir) && made.get(heir) != Some(value) {
                    let [symbol, value, heir] = [*symbol, *value, heir].map(str::to_owned);
                    lost.push(Lost { symbol, value, heir });
                }
            }
        }
        lost
    }
}
