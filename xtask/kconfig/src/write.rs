//! Writing `.config`, and what of it is no default.

use std::fmt::Write as _;

use crate::config::Config;
use crate::expr::Expr;
use crate::model::{EntryId, EntryKind, SymbolId, Type};
use crate::tristate::Tristate;

impl Config<'_> {
    /// The `.config`.
    pub fn dot_config(&mut self) -> String {
        if !self.changed {
            self.clear();
        }
        let model = self.model;
        let title = model[EntryId::ROOT].prompt.as_ref().map_or("", |prompt| &prompt.text);
        let mut out = format!("#\n# Automatically generated file; DO NOT EDIT.\n# {title}\n#\n");
        let mut written = vec![false; model.symbols.len()];
        let mut open: Vec<EntryId> = vec![];
        let mut gap = false;
        for id in model.all_entries().skip(1) {
            while let Some(menu) = open.last().copied().filter(|menu| model[*menu].end <= id) {
                open.pop();
                gap |= self.end_of(menu, &mut out);
            }
            match model[id].kind {
                EntryKind::Config(symbol)
                    if !written[symbol.index()] && self.is_written(symbol) =>
                {
                    written[symbol.index()] = true;
                    if std::mem::take(&mut gap) {
                        out.push('\n');
                    }
                    self.line(symbol, &mut out);
                }
                EntryKind::Menu | EntryKind::Comment => {
                    if let Some(text) = self.title_if_visible(id) {
                        let _ = write!(out, "\n#\n# {text}\n#\n");
                        gap = false;
                    }
                    if model[id].kind == EntryKind::Menu {
                        open.push(id);
                    }
                }
                _ => {}
            }
        }
        while let Some(menu) = open.pop() {
            self.end_of(menu, &mut out);
        }
        out
    }

    fn end_of(&mut self, menu: EntryId, out: &mut String) -> bool {
        let is_empty = self.model[menu].end == EntryId(menu.0 + 1);
        if is_empty && !self.model.dialect.empty_menus_end() {
            return false;
        }
        let Some(text) = self.title_if_visible(menu) else { return false };
        let _ = writeln!(out, "# end of {text}");
        true
    }

    fn title_if_visible(&mut self, id: EntryId) -> Option<std::sync::Arc<str>> {
        let model = self.model;
        let prompt = model[id].prompt.as_ref()?;
        let visible = self.expr(model[id].visible_if) != Tristate::N
            && self.expr(prompt.condition) != Tristate::N;
        visible.then(|| prompt.text.clone())
    }

    fn line(&mut self, symbol: SymbolId, out: &mut String) {
        let known = &self.model[symbol];
        let name = &known.name;
        let value = self.shown(symbol);
        let _ = match known.kind {
            Type::Unknown => Ok(()),
            Type::Bool | Type::Tristate if &*value == "n" => {
                writeln!(out, "# CONFIG_{name} is not set")
            }
            Type::String => writeln!(out, "CONFIG_{name}={}", quote(&value)),
            _ => writeln!(out, "CONFIG_{name}={value}"),
        };
    }

    /// What of it a user has to ask for: a `defconfig`.
    pub fn defconfig(&mut self) -> String {
        self.clear();
        let model = self.model;
        let mut out = String::new();
        let mut written = vec![false; model.symbols.len()];
        for id in model.all_entries().skip(1) {
            let EntryKind::Config(symbol) = model[id].kind else { continue };
            if written[symbol.index()] || !self.is_written(symbol) {
                continue;
            }
            // Where only the mark is taken off, settling a choice may put it on again.
            written[symbol.index()] = self.model.dialect.defconfigs_have_no_repeats();
            self.state[symbol.index()].write = false;
            if self.is_changeable(symbol) && !self.is_default(symbol) {
                self.line(symbol, &mut out);
            }
        }
        out
    }

    fn is_default(&mut self, symbol: SymbolId) -> bool {
        if self.shown(symbol) == self.default_text(symbol) {
            return true;
        }
        let known = &self.model[symbol];
        let Some(choice) = known.member_of else { return false };
        let optional = self.model[choice].choice.as_ref().is_some_and(|choice| choice.optional);
        let can_be_left_out =
            self.model.dialect.choices_are_bool() || (!optional && known.kind == Type::Bool);
        can_be_left_out
            && self.default_member(choice) == Some(symbol)
            && self.state[symbol.index()].tri == Tristate::Y
    }

    /// The value that it would have if nobody asked for one.
    pub(crate) fn default_text(&mut self, symbol: SymbolId) -> std::sync::Arc<str> {
        self.look(symbol);
        let known = &self.model[symbol];
        let default = self.default_value(symbol);
        if !known.kind.is_logic() {
            if let Some(Expr::Symbol(source)) = default.map(|(value, _)| self.model.expr(value)) {
                self.calc(source);
                let text = self.source_text(source);
                if !text.is_empty() {
                    return text;
                }
            }
            return crate::eval::empty(self.model, known.kind);
        }
        let mut value = default.map_or(Tristate::N, |(value, holds)| self.expr(value).min(holds));
        let state = &self.state[symbol.index()];
        value = value.max(state.selected);
        let modules = self.state[self.model.modules.index()].tri;
        let is_member = known.member_of.is_some();
        if (!is_member && modules == Tristate::N) || known.kind == Type::Bool {
            value = value.without_m();
        }
        value.max(state.implied).as_str().into()
    }
}

fn quote(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('"');
    for found in text.chars() {
        if matches!(found, '"' | '\\') {
            quoted.push('\\');
        }
        quoted.push(found);
    }
    quoted.push('"');
    quoted
}
