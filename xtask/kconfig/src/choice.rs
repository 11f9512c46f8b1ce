//! Choices: which symbols are their members, and which member is set.

use crate::config::Config;
use crate::deep;
use crate::diagnostic::{Diagnostic, Problem};
use crate::expr::{Expr, ExprId, Relation};
use crate::model::{Choice, EntryId, EntryKind, Model, Prompt, Reverse, SymbolId, Type};
use crate::simplify::{Simplifier, eliminate_equal, is_not_n};
use crate::tristate::Tristate;

/// Where a choice may be tristate, it and its members lend each other their type.
pub(crate) fn settle_types(model: &mut Model, id: EntryId, choice: SymbolId) {
    if model.dialect.choices_are_bool() {
        return;
    }
    let members: Vec<SymbolId> =
        content(model, id).into_iter().filter_map(|id| model[id].symbol()).collect();
    if model[choice].kind == Type::Unknown {
        let typed = members.iter().map(|member| model[*member].kind);
        model[choice].kind = typed.into_iter().find(|k| *k != Type::Unknown).unwrap_or_default();
    }
    for member in members {
        if model[member].kind == Type::Unknown {
            model[member].kind = model[choice].kind;
        }
    }
}

/// What stands directly in a block.
fn content(model: &Model, block: EntryId) -> Vec<EntryId> {
    let mut found = vec![];
    let mut next = EntryId(block.0 + 1);
    while next < model[block].end {
        found.push(next);
        next = model[next].end;
    }
    found
}

pub(crate) fn settle_members(
    model: &mut Model,
    id: EntryId,
    choice: SymbolId,
    simplifier: &mut Simplifier,
    diagnostics: &mut Vec<Diagnostic>,
) {
    let entries = if model.dialect.choices_are_bool() {
        let inside = id.0 + 1..model[id].end.0;
        inside.map(EntryId).filter(|id| model[*id].symbol().is_some()).collect()
    } else {
        let mut found = vec![];
        let nested = Nest { model, simplifier }.block(id);
        direct(&nested, model, &mut found);
        found
    };
    for entry in entries {
        let Some(member) = model[entry].symbol().filter(|m| model[*m].member_of.is_none()) else {
            continue;
        };
        check_member(model, entry, member, diagnostics);
        model[member].member_of = Some(choice);
        if !model.dialect.choices_are_bool() {
            limit_to_y(model, entry, choice, member);
        }
        if let Some(Choice { members, .. }) = &mut model[choice].choice {
            members.push(member);
        }
    }
    let mandatory = model[choice].choice.as_ref().is_some_and(|choice| !choice.optional);
    if mandatory && !model.dialect.choices_are_bool() {
        if let Some(condition) = model.prompt_of(id).map(|prompt| prompt.condition) {
            // As if something selected it: where it can be seen, it cannot be off.
            let reverse = Reverse { by: SymbolId::M, condition, location: model[id].location };
            model[choice].selected_by.push(reverse);
        }
    }
}

fn check_member(
    model: &Model,
    entry: EntryId,
    member: SymbolId,
    diagnostics: &mut Vec<Diagnostic>,
) {
    let symbol = || model[member].name.clone();
    let one_prompt = model.dialect.members_have_one_prompt();
    let elsewhere = |prompt: &&Prompt| {
        let at = prompt.entry;
        let is_menu = model[at].is_menuconfig;
        !is_menu && at != entry && (one_prompt || menu_of(model, at) != menu_of(model, entry))
    };
    if let Some(prompt) = model[member].prompts.iter().find(elsewhere) {
        let problem = Problem::MemberPromptElsewhere { symbol: symbol() };
        diagnostics.push(Diagnostic::new(problem, prompt.location, model.dialect));
    }
    if let Some(default) = model[member].defaults.first() {
        let (problem, location) = (Problem::MemberDefault { symbol: symbol() }, default.location);
        diagnostics.push(Diagnostic::new(problem, location, model.dialect));
    }
}

/// The menu or choice that an entry is shown in.
fn menu_of(model: &Model, entry: EntryId) -> EntryId {
    let parent = model[entry].parent;
    if model[parent].kind == EntryKind::If { menu_of(model, parent) } else { parent }
}

/// A member that cannot be `m` can only be set while its choice is `y`.
fn limit_to_y(model: &mut Model, entry: EntryId, choice: SymbolId, member: SymbolId) {
    if model[choice].kind != Type::Tristate || model[member].kind == Type::Tristate {
        return;
    }
    let is_y = model.exprs.intern(Expr::Compare(Relation::Equal, choice, SymbolId::Y));
    let depends = model[entry].depends;
    model[entry].depends = model.exprs.and(is_y, depends);
    let mut prompts = std::mem::take(&mut model[member].prompts);
    for prompt in prompts.iter_mut().filter(|prompt| prompt.entry == entry) {
        prompt.condition = model.exprs.and(is_y, prompt.condition);
    }
    model[member].prompts = prompts;
}

/// An entry, and those that menus show below it because they depend on it.
struct Nested {
    entry: EntryId,
    below: Vec<Nested>,
}

/// Finds what menus show below a symbol, as `menu_finalize` of the kernel's scripts/kconfig/menu.c.
struct Nest<'m> {
    model: &'m mut Model,
    simplifier: &'m mut Simplifier,
}

impl Nest<'_> {
    /// The content of a block as menus show it.
    fn block(&mut self, block: EntryId) -> Vec<Nested> {
        let list = content(self.model, block);
        let (mut shown, mut at) = (vec![], 0);
        while at < list.len() {
            shown.push(self.from(&list, &mut at));
        }
        shown
    }

    fn from(&mut self, list: &[EntryId], at: &mut usize) -> Nested {
        let entry = list[*at];
        *at += 1;
        if self.model[entry].kind == EntryKind::If {
            return Nested { entry, below: deep(|| self.block(entry)) };
        }
        let mut below = vec![];
        let parent = self.model[self.model[entry].parent].kind;
        if matches!(parent, EntryKind::Choice(_)) && !self.model.dialect.members_nest() {
            return Nested { entry, below };
        }
        if let EntryKind::Config(symbol) = self.model[entry].kind {
            while list.get(*at).is_some_and(|next| self.follows(entry, symbol, *next)) {
                below.push(deep(|| self.from(list, at)));
            }
        }
        Nested { entry, below }
    }

    /// Whether `next` is there only where `symbol` is.
    fn follows(&mut self, entry: EntryId, symbol: SymbolId, next: EntryId) -> bool {
        let condition = |id| self.model.prompt_of(id).map(|prompt| prompt.condition);
        let depends = condition(next).unwrap_or(self.model[next].depends);
        let own = condition(entry);
        if !self.model.exprs.symbols(depends).contains(&symbol) {
            return false;
        }
        let needs = |part: &ExprId| match self.model.expr(*part) {
            Expr::Symbol(found) => found == symbol,
            Expr::Compare(Relation::Equal, found, value) => {
                found == symbol && [SymbolId::Y, SymbolId::M].contains(&value)
            }
            Expr::Compare(Relation::Unequal, found, SymbolId::N) => found == symbol,
            _ => false,
        };
        if self.model.exprs.conjuncts(depends).iter().any(needs) {
            return true;
        }
        // Or it needs all that the symbol's prompt needs.
        let Some(own) = own else { return true };
        let (own, depends) = (self.not_n(own), self.not_n(depends));
        eliminate_equal(self.model, depends, own).1 == ExprId::Y
    }

    fn not_n(&mut self, expr: ExprId) -> ExprId {
        let compared = is_not_n(self.model, expr);
        let simple = self.simplifier.transform(self.model, compared);
        self.simplifier.eliminate_duplicates(self.model, simple)
    }
}

/// What is shown below something that has no prompt is shown in its place.
fn direct(nested: &[Nested], model: &Model, found: &mut Vec<EntryId>) {
    for Nested { entry, below } in nested {
        found.push(*entry);
        if model.prompt_of(*entry).is_none() {
            deep(|| direct(below, model, found));
        }
    }
}

impl Config<'_> {
    /// The member that a bool choice comes to; it and the others that can be seen get their values.
    pub(crate) fn choose(&mut self, choice: SymbolId) {
        let model = self.model;
        let Some(Choice { members, .. }) = &model[choice].choice else { return };
        let mut set = None;
        for member in self.priority(choice) {
            self.look(member);
            let visible = self.state[member.index()].visible != Tristate::N;
            if visible && self.given(member) == Some(Tristate::Y) {
                set = Some(member);
                break;
            }
        }
        // Of what nobody said anything about, the default or else the first.
        let set = set
            .or_else(|| {
                let default = self.default_member(choice)?;
                (self.given(default) != Some(Tristate::N)).then_some(default)
            })
            .or_else(|| {
                let mut unsaid = members.iter().filter(|member| self.given(**member).is_none());
                unsaid.find(|member| self.is_visible(**member)).copied()
            })
            .or_else(|| {
                self.priority(choice).into_iter().rev().find(|member| self.is_visible(*member))
            });
        for member in members {
            let state = &mut self.state[member.index()];
            if state.visible != Tristate::N {
                state.tri = if Some(*member) == set { Tristate::Y } else { Tristate::N };
                (state.valid, state.write) = (true, true);
            }
        }
    }

    /// The member that an old choice comes to.
    pub(crate) fn choose_by_symbol(&mut self, choice: SymbolId) -> Option<SymbolId> {
        let model = self.model;
        let Some(Choice { members, .. }) = &model[choice].choice else { return None };
        let mut all_given = self.users[choice.index()].is_set;
        for member in members {
            self.look(*member);
            if self.is_visible(*member) {
                all_given &= self.users[member.index()].is_set;
            }
        }
        self.users[choice.index()].is_set = all_given;
        let given = self.users[choice.index()].member;
        given.filter(|member| self.is_visible(*member)).or_else(|| self.default_member(choice))
    }

    fn is_visible(&self, symbol: SymbolId) -> bool {
        self.state[symbol.index()].visible != Tristate::N
    }

    /// The first default that can be seen, or else the first member that can.
    pub(crate) fn default_member(&mut self, choice: SymbolId) -> Option<SymbolId> {
        let model = self.model;
        for default in &model[choice].defaults {
            if self.expr(default.condition) == Tristate::N {
                continue;
            }
            if let Expr::Symbol(member) = model.expr(default.value) {
                if self.is_visible(member) {
                    return Some(member);
                }
            }
        }
        let members = model[choice].choice.as_ref().map(|choice| &choice.members)?;
        members.iter().find(|member| self.is_visible(**member)).copied()
    }
}
