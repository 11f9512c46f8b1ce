//! Names that a tree keeps for old `.config` files alone (`transitional`, since Linux 6.18): the
//! symbol whose default one is takes its value over. conf does that for a whole `.config` only: in fragments on
//! top of `allnoconfig` the name is read and goes nowhere, without a word (7.3.4).

use kconfig::Expr;

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
    /// The symbol that takes over what is asked by a transitional name.
    pub(crate) fn heir(&self, name: &str) -> Option<&str> {
        let symbol = self.model.defined(name).filter(|id| self.model[*id].transitional)?;
        let is_heir = |default: &kconfig::DefaultValue| matches!(self.model.expr(default.value), Expr::Symbol(of) if of == symbol);
        let heir = self.model.defined_symbols().find(|(_, one)| one.defaults.iter().any(is_heir));
        heir.map(|(_, heir)| &*heir.name)
    }

    /// What of `asked`, a `.config` or fragments, no heir has in the `.config` that was made of it.
    pub(crate) fn lost(&self, asked: &str, dot_config: &str) -> Vec<Lost> {
        let (asked, made) = (values(asked), values(dot_config));
        let lost = |(symbol, value): (&&str, &&str)| {
            let heir = self.heir(symbol)?;
            let is_there =
                *value == "n" || asked.contains_key(heir) || made.get(heir) == Some(value);
            let lost = || Lost {
                symbol: (*symbol).to_owned(),
                value: (*value).to_owned(),
                heir: heir.to_owned(),
            };
            (!is_there).then(lost)
        };
        asked.iter().filter_map(lost).collect()
    }
}
