//! What a tree could turn on at all, for the arch and the tools that it was read for.

use crate::expr::{Expr, ExprId};
use crate::model::{Model, SymbolId, Type};

impl Model {
    /// For each symbol, whether any configuration might have it on. What is `n` here is so in all of them; what is
    /// not may still be: of `!` and of comparisons all is believed.
    #[must_use]
    pub fn possible(&self) -> Possible {
        let mut on = vec![false; self.symbols.len()];
        on[SymbolId::M.index()] = true;
        on[SymbolId::Y.index()] = true;
        loop {
            let mut known = vec![None; self.exprs.len()];
            let mut changed = false;
            for (symbol, one) in self.defined_symbols() {
                if on[symbol.index()] || !one.kind.is_logic() {
                    continue;
                }
                let mut holds = |expr| self.may_hold(expr, &on, &mut known);
                let may = one.prompts.iter().any(|prompt| holds(prompt.condition))
                    || one.defaults.iter().any(|one| holds(one.condition) && holds(one.value))
                    || one.selected_by.iter().any(|by| on[by.by.index()] && holds(by.condition));
                on[symbol.index()] = may;
                changed |= may;
            }
            if !changed {
                return Possible { on };
            }
        }
    }

    fn may_hold(&self, expr: ExprId, on: &[bool], known: &mut Vec<Option<bool>>) -> bool {
        if let Some(known) = known[expr.index()] {
            return known;
        }
        let holds = match self.expr(expr) {
            Expr::Symbol(symbol) => on[symbol.index()],
            Expr::Not(_) => true,
            Expr::And(left, right) => {
                crate::deep(|| self.may_hold(left, on, known))
                    && crate::deep(|| self.may_hold(right, on, known))
            }
            Expr::Or(left, right) => {
                crate::deep(|| self.may_hold(left, on, known))
                    || crate::deep(|| self.may_hold(right, on, known))
            }
            Expr::Compare(..) => true,
        };
        known[expr.index()] = Some(holds);
        holds
    }

    /// It stands for a number, and is no symbol.
    #[must_use]
    pub fn is_number(&self, symbol: SymbolId) -> bool {
        let known = &self[symbol];
        known.kind == Type::Unknown && crate::expression::is_number(&known.name)
    }
}

/// The symbols that may be on.
#[derive(Debug)]
pub struct Possible {
    on: Vec<bool>,
}

impl Possible {
    #[must_use]
    pub fn has(&self, symbol: SymbolId) -> bool {
        self.on[symbol.index()]
    }
}
