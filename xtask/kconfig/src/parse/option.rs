//! What stands under a `config`, a `choice`, a `menu` or a `comment`.

use std::sync::Arc;

use super::Parser;
use super::tokens::Tokens;
use crate::Dialect;
use crate::diagnostic::{Expected, Problem};
use crate::expr::ExprId;
use crate::lexer::Lexer;
use crate::model::{DefaultValue, EntryId, EntryKind, Prompt, Range, Select, SymbolId, Type};

const OF_CONFIG: [&str; 18] = [
    "bool",
    "tristate",
    "int",
    "hex",
    "string",
    "def_bool",
    "def_tristate",
    "prompt",
    "default",
    "select",
    "imply",
    "range",
    "modules",
    "option",
    "transitional",
    "depends",
    "help",
    "optional",
];

pub(super) fn is_one(word: &str) -> bool {
    OF_CONFIG.contains(&word) || word == "visible"
}

fn type_of(word: &str) -> Option<Type> {
    Some(match word {
        "bool" | "def_bool" => Type::Bool,
        "tristate" | "def_tristate" => Type::Tristate,
        "int" => Type::Int,
        "hex" => Type::Hex,
        "string" => Type::String,
        _ => return None,
    })
}

/// What an entry may have below it.
fn takes(dialect: Dialect, kind: EntryKind, word: &str) -> bool {
    match kind {
        EntryKind::Config(_) => match word {
            "optional" => false,
            "option" => dialect.has_options(),
            "modules" => !dialect.has_options(),
            "transitional" => dialect.has_transitional(),
            word => OF_CONFIG.contains(&word),
        },
        EntryKind::Choice(_) => match word {
            "bool" => dialect.choices_have_types(),
            "tristate" => !dialect.choices_are_bool(),
            "optional" => dialect.choices_are_optional(),
            word => ["prompt", "default", "depends", "help"].contains(&word),
        },
        EntryKind::Menu => ["depends", "visible"].contains(&word),
        EntryKind::Comment => word == "depends",
        EntryKind::Root | EntryKind::If => false,
    }
}

impl Parser<'_> {
    /// Whether the statement is an option of the current entry.
    pub(super) fn option(
        &mut self,
        word: &str,
        tokens: &mut Tokens<'_, '_>,
        lexer: &mut Lexer<'_>,
    ) -> bool {
        let Some(entry) = self.current else { return false };
        if !takes(self.model.dialect, self.model[entry].kind, word) {
            return false;
        }
        let result = match self.symbol_of(entry) {
            Some(symbol) if !["depends", "help"].contains(&word) => {
                self.option_of_symbol(entry, symbol, word, tokens)
            }
            _ => self.option_of_entry(entry, word, tokens, lexer),
        };
        if let Err(problem) = result {
            self.report(problem);
        }
        true
    }

    fn option_of_entry(
        &mut self,
        entry: EntryId,
        word: &str,
        tokens: &mut Tokens<'_, '_>,
        lexer: &mut Lexer<'_>,
    ) -> Result<(), Problem> {
        match word {
            "depends" => {
                if !tokens.keyword("on") {
                    return Err(Problem::Expected { what: Expected::On });
                }
                let condition = self.dependency(tokens);
                let here = self.here;
                self.model[entry].conditions.push((condition, here));
            }
            "visible" => {
                let more = self.condition(tokens);
                let visible_if = self.model[entry].visible_if;
                self.model[entry].visible_if = self.model.exprs.and(visible_if, more);
            }
            _ => {
                let (first, end, says) = lexer.help();
                if self.model[entry].help.replace((first, end)).is_some() {
                    self.report(Problem::SecondHelp);
                }
                if !says {
                    self.report(Problem::BlankHelp);
                }
            }
        }
        Ok(())
    }

    fn option_of_symbol(
        &mut self,
        entry: EntryId,
        symbol: SymbolId,
        word: &str,
        tokens: &mut Tokens<'_, '_>,
    ) -> Result<(), Problem> {
        let location = self.here;
        match word {
            "default" if self.model[symbol].choice.is_some() => {
                let member = tokens.name().ok_or(Problem::Expected { what: Expected::Name })?;
                let member = self.model.name(member);
                let value = self.model.exprs.symbol(member);
                self.default(entry, symbol, value, tokens);
            }
            "default" | "def_bool" | "def_tristate" => {
                let value = self.expression(tokens);
                self.default(entry, symbol, value, tokens);
                if let Some(kind) = type_of(word) {
                    self.set_type(symbol, kind);
                }
            }
            "prompt" => {
                let text = tokens.quoted().ok_or(Problem::Expected { what: Expected::Text })?;
                self.prompt(entry, symbol, text, tokens);
            }
            "select" | "imply" => {
                let target = tokens.name().ok_or(Problem::Expected { what: Expected::Name })?;
                let target = self.model.name(target);
                let condition = self.condition(tokens);
                let select = Select { target, condition, entry, location };
                let symbol = &mut self.model[symbol];
                let list = if word == "select" { &mut symbol.selects } else { &mut symbol.implies };
                list.push(select);
            }
            "range" => {
                let low = self.operand(tokens, Expected::Symbol)?;
                let high = self.operand(tokens, Expected::Symbol)?;
                let condition = self.condition(tokens);
                self.model[symbol].ranges.push(Range { low, high, condition, entry, location });
            }
            "modules" => self.modules(symbol)?,
            "option" => match tokens.word() {
                Some("modules") => self.modules(symbol)?,
                Some("allnoconfig_y") => self.model[symbol].allnoconfig_y = true,
                Some("defconfig_list") => self.model[symbol].never_written = true,
                _ => return Err(Problem::Malformed { word: word.to_owned() }),
            },
            "transitional" => self.model[symbol].transitional = true,
            "optional" => {
                if let Some(choice) = &mut self.model[symbol].choice {
                    choice.optional = true;
                }
            }
            _ => {
                match tokens.quoted() {
                    Some(text) => self.prompt(entry, symbol, text, tokens),
                    None if self.type_needs_prompt(symbol) => {
                        return Err(Problem::Expected { what: Expected::Text });
                    }
                    None => {}
                }
                if let Some(kind) = type_of(word) {
                    self.set_type(symbol, kind);
                }
            }
        }
        Ok(())
    }

    fn default(
        &mut self,
        entry: EntryId,
        symbol: SymbolId,
        value: ExprId,
        tokens: &mut Tokens<'_, '_>,
    ) {
        let condition = self.condition(tokens);
        let (own_condition, location) = (condition, self.here);
        let default = DefaultValue { value, own_condition, condition, entry, location };
        self.model[symbol].defaults.push(default);
    }

    /// Where a choice has no type of its own, `bool` is another word for `prompt`.
    fn type_needs_prompt(&self, symbol: SymbolId) -> bool {
        self.model[symbol].choice.is_some() && self.model.dialect.choices_are_bool()
    }

    fn modules(&mut self, symbol: SymbolId) -> Result<(), Problem> {
        if self.model.modules != SymbolId::N {
            let first = self.model[self.model.modules].name.clone();
            return Err(Problem::ModulesTwice { first });
        }
        self.model.modules = symbol;
        Ok(())
    }

    /// The first type counts.
    fn set_type(&mut self, symbol: SymbolId, kind: Type) {
        let known = &mut self.model[symbol];
        if known.kind == Type::Unknown {
            known.kind = kind;
        } else if known.kind != kind {
            let symbol = known.name.clone();
            self.report(Problem::TypeRedefined { symbol });
        }
    }

    fn prompt(
        &mut self,
        entry: EntryId,
        symbol: SymbolId,
        text: &str,
        tokens: &mut Tokens<'_, '_>,
    ) {
        let own_condition = self.condition(tokens);
        let mut condition = own_condition;
        for open in self.open.iter().rev().filter(|open| open.entry != entry) {
            let visible_if = self.model[open.entry].visible_if;
            condition = self.model.exprs.and(condition, visible_if);
        }
        if self.model[symbol].prompts.iter().any(|prompt| prompt.entry == entry) {
            let symbol = self.model[symbol].name.clone();
            self.report(Problem::PromptRedefined { symbol });
        }
        let (text, location) = (Arc::from(text.trim_start()), self.here);
        self.model[symbol].prompts.push(Prompt { text, own_condition, condition, entry, location });
    }
}
