//! Why a symbol did not come out as asked, as data.

use std::sync::Arc;

use crate::config::Config;
use crate::expr::{Expr, ExprId};
use crate::model::{EntryId, EntryKind, Location, Prompt, Reverse, SymbolId, Type};
use crate::number;
use crate::tristate::Tristate;
use Tristate::M;

/// Why a symbol is not what was asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Cause {
    /// What was asked is no value of its type.
    WrongType { kind: Type },
    /// There are no modules, so nothing is `m`.
    NoModules,
    /// It is a number beyond one of these ends.
    OutOfRange { low: Arc<str>, high: Arc<str>, location: Location },
    /// It has no prompt: only those that select it, and its defaults, say what it is.
    NoPrompt { selected_by: Vec<Selector>, defaults: Vec<Hiding> },
    /// It has prompts, and something keeps each of them from being seen.
    Hidden { prompts: Vec<Hiding> },
    /// Something that is on wants it at least so.
    Selected { by: Vec<Selector> },
    /// It is a member of a choice, and another one is set.
    OtherMember { choice: Location, set: Option<SymbolId> },
}

/// What keeps a prompt from being seen, or a default from counting.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hiding {
    /// The line of the prompt or the default.
    pub line: Location,
    pub blockers: Vec<Blocker>,
}

/// A part of a condition that is not enough.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Blocker {
    pub part: ExprId,
    pub value: Tristate,
    /// The line that says so.
    pub location: Location,
}

/// What selects or implies a symbol.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Selector {
    pub symbol: SymbolId,
    /// How far it does, at this moment.
    pub value: Tristate,
    pub location: Location,
}

impl Config<'_> {
    /// Why the symbol is not `asked` (a value as a `.config` has it); `None` if it is.
    pub fn why_not(&mut self, symbol: SymbolId, asked: &str) -> Option<Cause> {
        self.calc(symbol);
        let kind = self.model[symbol].kind;
        if !kind.is_logic() {
            return self.why_not_text(symbol, kind, asked);
        }
        let Some(wanted) = Tristate::of_prefix(asked).filter(|_| asked.len() == 1) else {
            return Some(Cause::WrongType { kind });
        };
        let is = self.state[symbol.index()].tri;
        if is == wanted {
            return None;
        }
        if wanted == Tristate::M && kind == Type::Bool {
            return Some(Cause::WrongType { kind });
        }
        if wanted == Tristate::M && self.modules == Tristate::N {
            return Some(Cause::NoModules);
        }
        if is > wanted && self.state[symbol.index()].selected > wanted {
            let by = self.selectors(symbol, |selector| selector.value > wanted);
            return Some(Cause::Selected { by });
        }
        if self.model[symbol].prompts.is_empty() {
            return Some(self.why_promptless(symbol));
        }
        if let (Some(choice), Tristate::Y) = (self.model[symbol].member_of, wanted) {
            if self.state[symbol.index()].visible == Tristate::Y {
                return Some(self.why_other_member(choice));
            }
        }
        Some(self.why_hidden(symbol, wanted.max(Tristate::M)))
    }

    fn why_not_text(&mut self, symbol: SymbolId, kind: Type, asked: &str) -> Option<Cause> {
        let plain = asked.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
        let text = match (kind, plain) {
            (Type::String, None) | (Type::Int | Type::Hex, Some(_)) | (Type::Unknown, _) => {
                return Some(Cause::WrongType { kind });
            }
            (_, plain) => plain.unwrap_or(asked),
        };
        if *self.text(symbol) == *text {
            return None;
        }
        if kind != Type::String && !crate::dotconfig::is_number(kind, text) {
            return Some(Cause::WrongType { kind });
        }
        if self.model[symbol].prompts.is_empty() {
            return Some(self.why_promptless(symbol));
        }
        if self.state[symbol.index()].visible == Tristate::N {
            return Some(self.why_hidden(symbol, Tristate::M));
        }
        self.why_out_of_range(symbol, text)
    }

    fn why_out_of_range(&mut self, symbol: SymbolId, text: &str) -> Option<Cause> {
        let base = self.model[symbol].kind.base()?;
        let (low, high) = self.range(symbol)?;
        let value = number::signed(text, base).signed();
        if value >= self.bound(low, base) && value <= self.bound(high, base) {
            return None;
        }
        let range = self.model[symbol].ranges.iter().find(|r| (r.low, r.high) == (low, high));
        let location = range.map(|range| range.location)?;
        Some(Cause::OutOfRange { low: self.text(low), high: self.text(high), location })
    }

    fn why_promptless(&mut self, symbol: SymbolId) -> Cause {
        let selected_by = self.selectors(symbol, |_| true);
        let model = self.model;
        let defaults = model[symbol].defaults.iter().map(|default| Hiding {
            line: default.location,
            blockers: self.blockers(default.own_condition, default.location, default.entry, M),
        });
        let defaults = defaults.collect();
        Cause::NoPrompt { selected_by, defaults }
    }

    fn why_other_member(&mut self, choice: SymbolId) -> Cause {
        let location = self.model[self.model[choice].entries[0]].location;
        Cause::OtherMember { choice: location, set: self.set_member(choice) }
    }

    pub(crate) fn set_member(&mut self, choice: SymbolId) -> Option<SymbolId> {
        let members = &self.model[choice].choice.as_ref()?.members;
        members.iter().copied().find(|member| {
            self.calc(*member);
            self.state[member.index()].tri == Tristate::Y
        })
    }

    fn why_hidden(&mut self, symbol: SymbolId, wanted: Tristate) -> Cause {
        let model = self.model;
        let hiding = |prompt: &Prompt| Hiding {
            line: prompt.location,
            blockers: self.blockers(prompt.own_condition, prompt.location, prompt.entry, wanted),
        };
        Cause::Hidden { prompts: model[symbol].prompts.iter().map(hiding).collect() }
    }

    /// The parts of a condition, and of those of the entries around it, that are too little.
    fn blockers(
        &mut self,
        own_condition: ExprId,
        line: Location,
        entry: EntryId,
        wanted: Tristate,
    ) -> Vec<Blocker> {
        let model = self.model;
        let mut found = vec![];
        let mut add = |config: &mut Self, condition, location| {
            for part in config.short_of(condition, wanted) {
                let value = config.expr(part);
                if found.iter().all(|known: &Blocker| known.part != part) {
                    found.push(Blocker { part, value, location });
                }
            }
        };
        add(self, own_condition, line);
        let mut at = entry;
        loop {
            let around = &model[at];
            for (condition, location) in &around.conditions {
                add(self, *condition, *location);
            }
            if at != entry {
                add(self, around.visible_if, around.location);
                if let (EntryKind::Choice(_), Some(title)) = (around.kind, model.prompt_of(at)) {
                    add(self, title.own_condition, title.location);
                }
            }
            if at == EntryId::ROOT {
                return found;
            }
            at = around.parent;
        }
    }

    /// Every line that says what an entry depends on, its own and those of the entries around it.
    pub fn conditions_of(&self, entry: EntryId) -> Vec<(ExprId, Location)> {
        let (mut at, mut found) = (entry, vec![]);
        loop {
            found.extend(self.model[at].conditions.iter().copied());
            if at == EntryId::ROOT {
                return found;
            }
            at = self.model[at].parent;
        }
    }

    /// The smallest parts of a condition that keep it below `wanted`.
    fn short_of(&mut self, condition: ExprId, wanted: Tristate) -> Vec<ExprId> {
        let parts = self.model.conjuncts(condition).into_iter();
        parts.filter(|part| self.expr(*part) < wanted).collect()
    }

    /// Who selects the symbol, with how far each does.
    pub fn selectors(
        &mut self,
        symbol: SymbolId,
        which: impl Fn(&Selector) -> bool,
    ) -> Vec<Selector> {
        let all = &self.model[symbol].selected_by;
        all.iter().map(|reverse| self.selector(reverse)).filter(which).collect()
    }

    /// Who implies the symbol, with how far each does.
    pub fn impliers(&mut self, symbol: SymbolId) -> Vec<Selector> {
        let all = &self.model[symbol].implied_by;
        all.iter().map(|reverse| self.selector(reverse)).collect()
    }

    fn selector(&mut self, reverse: &Reverse) -> Selector {
        self.calc(reverse.by);
        let by = self.state[reverse.by.index()].tri;
        let value = by.min(self.expr(reverse.condition));
        Selector { symbol: reverse.by, value, location: reverse.location }
    }
}

/// An expression as people write it, parentheses where they are needed.
#[must_use]
pub fn expression_text(
    model: &crate::Model,
    expr: ExprId,
    name: &mut impl FnMut(SymbolId) -> String,
) -> String {
    text_of(model, expr, name, 0)
}

/// How tightly the operator around it binds.
fn text_of(
    model: &crate::Model,
    expr: ExprId,
    name: &mut impl FnMut(SymbolId) -> String,
    around: u8,
) -> String {
    let (text, binds) = match model.expr(expr) {
        Expr::Symbol(symbol) => return name(symbol),
        Expr::Compare(relation, left, right) => {
            (format!("{}{}{}", name(left), relation.as_str(), name(right)), 3)
        }
        Expr::Not(inner) => (format!("!{}", crate::deep(|| text_of(model, inner, name, 4))), 4),
        Expr::And(left, right) => {
            let left = crate::deep(|| text_of(model, left, name, 2));
            (format!("{left} && {}", crate::deep(|| text_of(model, right, name, 2))), 2)
        }
        Expr::Or(left, right) => {
            let left = crate::deep(|| text_of(model, left, name, 1));
            (format!("{left} || {}", crate::deep(|| text_of(model, right, name, 1))), 1)
        }
    };
    if binds < around { format!("({text})") } else { text }
}
