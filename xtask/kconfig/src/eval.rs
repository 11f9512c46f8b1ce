//! What values come out, as the kernel's scripts/kconfig/symbol.c and expr.c have it.

use std::cmp::Ordering;
use std::sync::Arc;

use crate::config::{Config, State, User};
use crate::deep;
use crate::expr::{Expr, ExprId, Relation};
use crate::model::{Choice, Model, Reverse, SymbolId, Type};
use crate::number;
use crate::tristate::Tristate;
use Tristate::{M, N, Y};

impl Config<'_> {
    /// The value of an expression.
    pub fn expr(&mut self, id: ExprId) -> Tristate {
        if let Some(known) = self.exprs[id.index()] {
            return known;
        }
        let value = match self.model.expr(id) {
            Expr::Symbol(symbol) => {
                self.calc(symbol);
                self.state[symbol.index()].tri
            }
            Expr::Not(inner) => !deep(|| self.expr(inner)),
            Expr::And(left, right) => {
                let left = deep(|| self.expr(left));
                left.min(deep(|| self.expr(right)))
            }
            Expr::Or(left, right) => {
                let left = deep(|| self.expr(left));
                left.max(deep(|| self.expr(right)))
            }
            Expr::Compare(relation, left, right) => self.compare(relation, left, right),
        };
        self.exprs[id.index()] = Some(value);
        value
    }

    fn compare(&mut self, relation: Relation, left: SymbolId, right: SymbolId) -> Tristate {
        relate(relation, self.operand(left), self.operand(right))
    }

    /// What a comparison compares.
    pub(crate) fn operand(&mut self, symbol: SymbolId) -> (Arc<str>, Type) {
        self.calc(symbol);
        (self.shown(symbol), self.model[symbol].kind)
    }

    /// The value as a text, as comparisons see it.
    pub(crate) fn shown(&self, symbol: SymbolId) -> Arc<str> {
        if self.model[symbol].kind.is_logic() {
            self.state[symbol.index()].tri.as_str().into()
        } else {
            self.text(symbol)
        }
    }

    pub(crate) fn text(&self, symbol: SymbolId) -> Arc<str> {
        let known = &self.model[symbol];
        match (&self.state[symbol.index()].text, known.kind) {
            (Some(text), _) => text.clone(),
            (None, Type::Unknown) => known.name.clone(),
            (None, kind) => empty(self.model, kind),
        }
    }

    /// Computes the symbol's value, if it is not known.
    pub(crate) fn calc(&mut self, symbol: SymbolId) {
        if !self.state[symbol.index()].valid {
            deep(|| self.calc_anew(symbol));
        }
    }

    fn calc_anew(&mut self, symbol: SymbolId) {
        let model = self.model;
        let known = &model[symbol];
        if let (true, Some(choice)) = (self.state[symbol.index()].unsettled, known.member_of) {
            self.state[symbol.index()].unsettled = false;
            self.calc(choice);
        }
        self.state[symbol.index()].valid = true;
        if known.kind == Type::Unknown {
            let state = &mut self.state[symbol.index()];
            (state.tri, state.text) = (N, None);
            return;
        }
        self.state[symbol.index()].write = false;
        self.look(symbol);
        let state = &mut self.state[symbol.index()];
        state.write |= state.visible != N;
        // Whoever asks meanwhile finds this.
        (state.tri, state.text, state.member) = (N, None, None);
        if known.kind.is_logic() {
            let value = self.logic(symbol);
            let value = if self.kind(symbol) == Type::Bool { value.without_m() } else { value };
            self.state[symbol.index()].tri = value;
            self.adopt(symbol);
            if known.choice.is_some() && !model.dialect.choices_are_bool() && value == Y {
                let member = self.choose_by_symbol(symbol);
                let state = &mut self.state[symbol.index()];
                state.member = member;
                if member.is_none() {
                    state.tri = N;
                    // Its members were looked at as if it were y.
                    self.exprs.fill(None);
                }
            }
        } else {
            let text = self.plain(symbol);
            self.state[symbol.index()].text = Some(text);
            self.adopt(symbol);
            self.limit(symbol);
        }
        if symbol == model.modules {
            self.modules = self.state[symbol.index()].tri;
        }
        if known.choice.is_some() || known.transitional || known.never_written {
            self.finish_unwritten(symbol);
        }
    }

    /// What comes from a transitional symbol that was asked for was asked for under its old name.
    fn adopt(&mut self, symbol: SymbolId) {
        let model = self.model;
        let known = &model[symbol];
        if known.defaults.is_empty() || self.users[symbol.index()].is_set {
            return;
        }
        if known.choice.is_some() || known.member_of.is_some() {
            return;
        }
        let Some((value, _)) = self.default_value(symbol) else { return };
        let Expr::Symbol(source) = model.expr(value) else { return };
        if model[source].transitional && self.users[source.index()].is_set {
            let State { tri, text, .. } = self.state[symbol.index()].clone();
            self.users[symbol.index()] = User { is_set: true, tri, text, member: None };
        }
    }

    fn finish_unwritten(&mut self, symbol: SymbolId) {
        if !self.model.dialect.choices_are_bool() && self.state[symbol.index()].write {
            if let Some(Choice { members, .. }) = &self.model[symbol].choice {
                for member in members {
                    let state = &mut self.state[member.index()];
                    state.write |= state.visible != N;
                }
            }
        }
        self.state[symbol.index()].write = false;
        if self.state[symbol.index()].unsettled {
            self.settle_unasked(symbol);
        }
    }

    /// What limits the symbol: its prompts, what it depends on, what selects and implies it.
    pub(crate) fn look(&mut self, symbol: SymbolId) {
        let model = self.model;
        let known = &model[symbol];
        if known.transitional {
            // Whatever else is said of it.
            self.state[symbol.index()].visible = Y;
            return;
        }
        let old_choice = known.member_of.filter(|_| !model.dialect.choices_are_bool());
        let mut visible = N;
        for prompt in &known.prompts {
            let mut value = self.expr(prompt.condition);
            // Where the choice is y, only one of its members can be set.
            let is_y = |choice: SymbolId| self.state[choice.index()].tri == Y;
            if value == M && known.kind == Type::Tristate && old_choice.is_some_and(is_y) {
                value = N;
            }
            visible = visible.max(value);
        }
        if visible == M && (known.kind != Type::Tristate || self.modules == N) {
            visible = Y;
        }
        self.state[symbol.index()].visible = visible;
        if known.member_of.is_some() {
            return;
        }
        let depends = known.depends.map_or(Y, |depends| self.expr(depends));
        let selected = self.reverse(&known.selected_by);
        let implied = self.reverse(&known.implied_by);
        let is_bool = self.kind(symbol) == Type::Bool;
        let settle = |value: Tristate| if is_bool { value.without_m() } else { value };
        let state = &mut self.state[symbol.index()];
        state.depends = settle(depends);
        state.selected = settle(selected);
        state.implied = settle(implied);
    }

    fn reverse(&mut self, all: &[Reverse]) -> Tristate {
        let mut value = N;
        for Reverse { by, condition, .. } in all {
            self.calc(*by);
            let by = self.state[by.index()].tri;
            value = value.max(by.min(self.expr(*condition)));
        }
        value
    }

    fn logic(&mut self, symbol: SymbolId) -> Tristate {
        let model = self.model;
        let known = &model[symbol];
        if let Some(choice) = known.member_of {
            if model.dialect.choices_are_bool() {
                self.choose(choice);
                return self.state[symbol.index()].tri;
            }
            if self.state[symbol.index()].visible == Y {
                let set = self.state[choice.index()].member == Some(symbol);
                return if set { Y } else { N };
            }
        }
        let user = self.given(symbol);
        let State { visible, depends, selected, implied, .. } = self.state[symbol.index()];
        let value = match user {
            Some(asked) if visible != N => asked.min(visible),
            _ => {
                self.state[symbol.index()].write |= selected != N;
                if known.choice.is_some() { N } else { self.unasked(symbol, depends, implied) }
            }
        };
        value.max(selected)
    }

    /// By default, or because something implies it.
    fn unasked(&mut self, symbol: SymbolId, depends: Tristate, implied: Tristate) -> Tristate {
        let default = self.default_value(symbol);
        let value = default.map_or(N, |(value, condition)| self.expr(value).min(condition));
        self.state[symbol.index()].write |= value != N || implied != N;
        if implied == N { value } else { value.max(implied).min(depends) }
    }

    /// The first default whose condition holds, and how far it does.
    pub(crate) fn default_value(&mut self, symbol: SymbolId) -> Option<(ExprId, Tristate)> {
        let model = self.model;
        let mut all = model[symbol].defaults.iter();
        all.find_map(|default| match self.expr(default.condition) {
            N => None,
            holds => Some((default.value, holds)),
        })
    }

    /// A number's or a string's.
    fn plain(&mut self, symbol: SymbolId) -> Arc<str> {
        let model = self.model;
        let user = &self.users[symbol.index()];
        let usable = self.state[symbol.index()].visible != N;
        if let (true, true, Some(text)) = (usable, user.is_set, &user.text) {
            return text.clone();
        }
        if let Some((value, _)) = self.default_value(symbol) {
            if let Expr::Symbol(source) = model.expr(value) {
                self.state[symbol.index()].write = true;
                self.calc(source);
                return self.source_text(source);
            }
        }
        empty(model, model[symbol].kind)
    }

    /// That of a default, or of a range's end. That of a bool or tristate is what `conf` happens to have there: nothing that a
    /// tree relies on.
    pub(crate) fn source_text(&self, source: SymbolId) -> Arc<str> {
        match self.model[source].kind {
            Type::Tristate if source <= SymbolId::Y => self.model[source].name.clone(),
            Type::Bool | Type::Tristate => "n".into(),
            _ => self.text(source),
        }
    }

    pub(crate) fn range(&mut self, symbol: SymbolId) -> Option<(SymbolId, SymbolId)> {
        let model = self.model;
        let mut all = model[symbol].ranges.iter();
        let range = all.find(|range| self.expr(range.condition) != N)?;
        Some((range.low, range.high))
    }

    /// What is out of range becomes the end that it is beyond.
    fn limit(&mut self, symbol: SymbolId) {
        let Some(base) = self.model[symbol].kind.base() else { return };
        let Some((low, high)) = self.range(symbol) else { return };
        let value = number::signed(&self.text(symbol), base).signed();
        let end = if value < self.bound(low, base) {
            low
        } else if value > self.bound(high, base) {
            high
        } else {
            return;
        };
        self.state[symbol.index()].text = Some(self.source_text(end));
    }

    pub(crate) fn bound(&mut self, end: SymbolId, base: u32) -> i64 {
        self.calc(end);
        let base = self.model[end].kind.base().unwrap_or(base);
        number::signed(&self.source_text(end), base).signed()
    }
}

/// The value of what has none.
pub(crate) fn empty(model: &Model, kind: Type) -> Arc<str> {
    match kind {
        Type::Int if model.dialect.numbers_default_to_zero() => "0".into(),
        Type::Hex if model.dialect.numbers_default_to_zero() => "0x0".into(),
        _ => "".into(),
    }
}

/// Whether two values, each with its symbol's type, relate so.
pub(crate) fn relate(relation: Relation, a: (Arc<str>, Type), b: (Arc<str>, Type)) -> Tristate {
    let numbers = match (a.1, b.1) {
        (Type::String, Type::String) => None,
        (left, right) => Number::read(&a.0, left).zip(Number::read(&b.0, right)),
    };
    let order = match numbers {
        None => a.0.as_bytes().cmp(b.0.as_bytes()),
        Some((a, b)) => a.compare(b),
    };
    if relation.holds(order) { Y } else { N }
}

/// A value as comparisons read it.
#[derive(Clone, Copy)]
struct Number {
    bits: u64,
    is_signed: bool,
}

impl Number {
    /// `None` if it is to be compared as a text.
    fn read(text: &str, kind: Type) -> Option<Self> {
        let prefix = match kind {
            Type::Bool | Type::Tristate => {
                let bits = match text {
                    "n" => 0,
                    "m" => 1,
                    "y" => 2,
                    _ => u64::MAX,
                };
                return Some(Number { bits, is_signed: true });
            }
            Type::Int => number::signed(text, 10),
            Type::Hex => number::unsigned(text, 16),
            Type::Unknown | Type::String => number::signed(text, 0),
        };
        let last = text.bytes().last()?;
        let whole = prefix.length == text.len() && last.is_ascii_hexdigit() && !prefix.overflow;
        whole.then_some(Number { bits: prefix.bits, is_signed: kind != Type::Hex })
    }

    fn compare(self, other: Number) -> Ordering {
        if self.is_signed && other.is_signed {
            let signed = |bits: u64| i64::from_ne_bytes(bits.to_ne_bytes());
            signed(self.bits).cmp(&signed(other.bits))
        } else {
            self.bits.cmp(&other.bits)
        }
    }
}
