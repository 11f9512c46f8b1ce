//! The values of a model's symbols: what was asked apart from what came out.

use std::sync::Arc;

use crate::model::{Model, SymbolId, Type};
use crate::tristate::Tristate;

/// What was asked for a symbol.
#[derive(Debug, Clone, Default)]
pub(crate) struct User {
    pub(crate) is_set: bool,
    pub(crate) tri: Tristate,
    pub(crate) text: Option<Arc<str>>,
    /// The member asked for, where the symbol is a choice of an old tree.
    pub(crate) member: Option<SymbolId>,
}

/// What came out.
#[derive(Debug, Clone, Default)]
pub(crate) struct State {
    pub(crate) valid: bool,
    /// It stands in the `.config`.
    pub(crate) write: bool,
    pub(crate) tri: Tristate,
    /// Of a number or a string.
    pub(crate) text: Option<Arc<str>>,
    /// The member that is set, where the symbol is a choice of an old tree.
    pub(crate) member: Option<SymbolId>,
    /// As much as a user could set it to.
    pub(crate) visible: Tristate,
    pub(crate) depends: Tristate,
    pub(crate) selected: Tristate,
    pub(crate) implied: Tristate,
    /// An old choice or its member whose choice has yet to be settled.
    pub(crate) unsettled: bool,
}

/// A symbol's value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    Logic(Tristate),
    /// Of a number or a string, without quotes.
    Text(Arc<str>),
}

impl Value {
    #[must_use]
    pub fn as_str(&self) -> &str {
        match self {
            Value::Logic(value) => value.as_str(),
            Value::Text(text) => text,
        }
    }
}

/// A configuration of a model.
#[derive(Debug, Clone)]
pub struct Config<'m> {
    pub(crate) model: &'m Model,
    pub(crate) users: Vec<User>,
    pub(crate) state: Vec<State>,
    /// Values of expressions that are known.
    pub(crate) exprs: Vec<Option<Tristate>>,
    /// Members of bool choices that were asked for, in order: the last one counts most.
    pub(crate) asked: Vec<SymbolId>,
    /// Of the symbol that says so, as last computed.
    pub(crate) modules: Tristate,
    /// Whether what was read is not what would be written.
    pub(crate) changed: bool,
}

impl<'m> Config<'m> {
    /// Nothing is asked for yet.
    #[must_use]
    pub fn new(model: &'m Model) -> Self {
        let mut state = vec![State::default(); model.symbols.len()];
        for (id, tri) in
            [(SymbolId::N, Tristate::N), (SymbolId::M, Tristate::M), (SymbolId::Y, Tristate::Y)]
        {
            state[id.index()] = State { valid: true, tri, ..State::default() };
        }
        Config {
            model,
            users: vec![User::default(); model.symbols.len()],
            state,
            exprs: vec![None; model.exprs.len()],
            asked: vec![],
            modules: Tristate::N,
            changed: true,
        }
    }

    /// The symbol's value.
    pub fn value(&mut self, symbol: SymbolId) -> Value {
        self.calc(symbol);
        if self.model[symbol].kind.is_logic() {
            Value::Logic(self.state[symbol.index()].tri)
        } else {
            Value::Text(self.text(symbol))
        }
    }

    /// Whether the symbol has a line in the `.config`.
    pub fn is_written(&mut self, symbol: SymbolId) -> bool {
        self.calc(symbol);
        self.state[symbol.index()].write
    }

    /// What was asked for a symbol of logic.
    pub(crate) fn given(&self, symbol: SymbolId) -> Option<Tristate> {
        let user = &self.users[symbol.index()];
        user.is_set.then_some(user.tri)
    }

    /// The members of a bool choice, from the one that counts most.
    pub(crate) fn priority(&self, choice: SymbolId) -> Vec<SymbolId> {
        let Some(of) = &self.model[choice].choice else { return vec![] };
        let asked =
            self.asked.iter().rev().filter(|one| self.model[**one].member_of == Some(choice));
        let mut order: Vec<SymbolId> = vec![];
        for member in asked.chain(&of.members) {
            if !order.contains(member) {
                order.push(*member);
            }
        }
        order
    }

    /// Forgets what came out, not what was asked.
    pub(crate) fn clear(&mut self) {
        self.forget();
        self.changed = true;
        self.calc(self.model.modules);
    }

    pub(crate) fn forget(&mut self) {
        for state in &mut self.state[3..] {
            state.valid = false;
        }
        self.exprs.fill(None);
    }

    /// The type that counts: without modules, there is no tristate.
    pub(crate) fn kind(&self, symbol: SymbolId) -> Type {
        let known = &self.model[symbol];
        let old_member = known.member_of.is_some() && !self.model.dialect.choices_are_bool();
        let visible = self.state[symbol.index()].visible;
        match known.kind {
            Type::Tristate if old_member && visible == Tristate::Y => Type::Bool,
            Type::Tristate if self.modules == Tristate::N => Type::Bool,
            kind => kind,
        }
    }
}
