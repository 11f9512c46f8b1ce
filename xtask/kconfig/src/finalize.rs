//! What an entry inherits from those around it, and what selects mean for their targets. After this
//! every condition says all that it depends on.

use crate::choice;
use crate::deep;
use crate::diagnostic::{Diagnostic, Problem};
use crate::expr::{Expr, ExprId};
use crate::model::{EntryId, EntryKind, Location, Model, Reverse, Symbol, SymbolId, Type};
use crate::simplify::Simplifier;

pub(crate) fn finalize(model: &mut Model, diagnostics: &mut Vec<Diagnostic>) {
    let mut inherited = Inherited { simplifier: Simplifier::default(), depends: vec![None] };
    for id in model.all_entries().skip(1) {
        if let EntryKind::Choice(choice) = model[id].kind {
            choice::settle_types(model, id, choice);
        }
        inherited.inherit(model, id);
    }
    for id in model.all_entries().skip(1) {
        if let EntryKind::Choice(choice) = model[id].kind {
            let simplifier = &mut inherited.simplifier;
            choice::settle_members(model, id, choice, simplifier, diagnostics);
        }
    }
    for symbol in model.all() {
        let known = &model[symbol];
        if let Some(location) = transitional_fault(model, known) {
            let problem = Problem::TransitionalProperty { symbol: known.name.clone() };
            diagnostics.push(Diagnostic::new(problem, location, model.dialect));
        }
        if known.kind == Type::Unknown && !known.entries.is_empty() {
            let (problem, entry) =
                (Problem::NoType { symbol: known.name.clone() }, known.entries[0]);
            diagnostics.push(Diagnostic::new(problem, model[entry].location, model.dialect));
        }
    }
}

/// Where a transitional symbol has something that it may not have.
fn transitional_fault(model: &Model, symbol: &Symbol) -> Option<Location> {
    if !symbol.transitional {
        return None;
    }
    let entries = symbol.entries.iter().map(|entry| &model[*entry]);
    let limited = entries.filter(|entry| entry.depends != ExprId::Y).map(|entry| entry.location);
    let properties = (symbol.prompts.iter().map(|prompt| prompt.location))
        .chain(symbol.defaults.iter().map(|default| default.location))
        .chain(symbol.ranges.iter().map(|range| range.location))
        .chain(symbol.selects.iter().chain(&symbol.implies).map(|select| select.location));
    limited.chain(properties).next()
}

/// What an entry depends on, made simple; `None` where nothing is written. A parent's entry comes
/// first, so that what it inherits is known.
struct Inherited {
    simplifier: Simplifier,
    depends: Vec<Option<ExprId>>,
}

impl Inherited {
    fn inherit(&mut self, model: &mut Model, id: EntryId) {
        let parent = model[id].parent;
        let from_parent = match model[parent].kind {
            // The value of a choice limits what its members can be.
            EntryKind::Choice(choice) if !model.dialect.choices_are_bool() => {
                Some(model.exprs.symbol(choice))
            }
            _ => self.depends[parent.index()],
        };
        let mut own = None;
        let mut conditions = std::mem::take(&mut model[id].conditions);
        for (condition, _) in &mut conditions {
            *condition = need_modules(model, *condition);
            own = and(model, own, Some(*condition));
        }
        model[id].conditions = conditions;
        let depends = self.simple(model, from_parent, own);
        self.depends.push(depends);
        model[id].depends = depends.unwrap_or(ExprId::Y);
        match model[id].symbol() {
            Some(symbol) => self.inherit_in_symbol(model, id, symbol, depends),
            None => {
                let depends = model[id].depends;
                if let Some(prompt) = &mut model.entries[id.index()].prompt {
                    prompt.condition = depends;
                }
            }
        }
    }

    /// Both together, as small as can be.
    fn simple(
        &mut self,
        model: &mut Model,
        inherited: Option<ExprId>,
        own: Option<ExprId>,
    ) -> Option<ExprId> {
        let own = own.map(|own| self.simplifier.transform(model, own));
        let both = and(model, inherited, own)?;
        Some(self.simplifier.eliminate_duplicates(model, both))
    }

    fn inherit_in_symbol(
        &mut self,
        model: &mut Model,
        id: EntryId,
        symbol: SymbolId,
        depends: Option<ExprId>,
    ) {
        let mut taken = std::mem::take(&mut model[symbol]);
        let conditions = (taken.prompts.iter_mut().map(|p| (p.entry, &mut p.condition)))
            .chain(taken.defaults.iter_mut().map(|d| (d.entry, &mut d.condition)))
            .chain(taken.ranges.iter_mut().map(|r| (r.entry, &mut r.condition)))
            .chain(taken.selects.iter_mut().map(|s| (s.entry, &mut s.condition)))
            .chain(taken.implies.iter_mut().map(|s| (s.entry, &mut s.condition)));
        for (_, condition) in conditions.filter(|(entry, _)| *entry == id) {
            let written = Some(*condition).filter(|own| *own != ExprId::Y);
            let own = written.map(|own| need_modules(model, own));
            *condition = self.simple(model, depends, own).unwrap_or(ExprId::Y);
        }
        let parent = model[model[id].parent].kind;
        // What limits a member is its prompt.
        let is_limited = !matches!(parent, EntryKind::Choice(_)) || model.dialect.members_nest();
        if model[id].kind == EntryKind::Config(symbol) && is_limited {
            // An entry that depends on nothing widens no other one.
            taken.depends = match (taken.depends, depends) {
                (Some(before), Some(depends)) => Some(model.exprs.or(before, depends)),
                (before, depends) => before.or(depends),
            };
        }
        let here = |select: &&crate::model::Select| select.entry == id;
        let reverse = |select: &crate::model::Select| {
            let (condition, location) = (select.condition, select.location);
            (select.target, Reverse { by: symbol, condition, location })
        };
        let selects: Vec<_> = taken.selects.iter().filter(here).map(reverse).collect();
        let implies: Vec<_> = taken.implies.iter().filter(here).map(reverse).collect();
        model[symbol] = taken;
        for (target, reverse) in selects {
            model[target].selected_by.push(reverse);
        }
        for (target, reverse) in implies {
            model[target].implied_by.push(reverse);
        }
    }
}

/// Nothing that is written changes nothing.
fn and(model: &mut Model, left: Option<ExprId>, right: Option<ExprId>) -> Option<ExprId> {
    match (left, right) {
        (Some(left), Some(right)) => Some(model.exprs.intern(Expr::And(left, right))),
        (left, right) => left.or(right),
    }
}

/// `m` alone means `m && MODULES`: there is none without modules.
fn need_modules(model: &mut Model, expr: ExprId) -> ExprId {
    deep(|| need_modules_below(model, expr))
}

fn need_modules_below(model: &mut Model, expr: ExprId) -> ExprId {
    match model.expr(expr) {
        Expr::Symbol(SymbolId::M) => {
            let modules = model.exprs.symbol(model.modules);
            model.exprs.and(expr, modules)
        }
        Expr::Not(inner) => {
            let inner = need_modules(model, inner);
            model.exprs.intern(Expr::Not(inner))
        }
        Expr::And(left, right) => {
            let (left, right) = (need_modules(model, left), need_modules(model, right));
            model.exprs.intern(Expr::And(left, right))
        }
        Expr::Or(left, right) => {
            let (left, right) = (need_modules(model, left), need_modules(model, right));
            model.exprs.intern(Expr::Or(left, right))
        }
        Expr::Symbol(SymbolId::Y) => ExprId::Y,
        Expr::Symbol(_) | Expr::Compare(..) => expr,
    }
}
