//! Reading `.config` files and fragments, as the kernel's scripts/kconfig/confdata.c does.

use crate::Dialect;
use crate::config::{Config, User};
use crate::diagnostic::{Diagnostic, Problem};
use crate::model::{FileId, Location, SymbolId, Type};
use crate::tristate::Tristate;

/// One line that asks for something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Line<'t> {
    pub(crate) symbol: &'t str,
    /// As it is written: a string with its quotes, `n` for `is not set`.
    pub(crate) value: &'t str,
    /// It is written as `is not set`.
    pub(crate) is_unset: bool,
}

/// What a line of a `.config` asks for; `Err` if it says something else.
pub(crate) fn line(text: &str, dialect: Dialect) -> Result<Option<Line<'_>>, ()> {
    if text.is_empty() {
        return Ok(None);
    }
    if let Some(comment) = text.strip_prefix('#') {
        let blank = if dialect.unset_lines_are_n() { " " } else { first_character(comment) };
        let name = comment.strip_prefix(blank).and_then(|rest| rest.strip_prefix("CONFIG_"));
        let name = name.and_then(|rest| rest.split_once(' '));
        let unset = name.filter(|(_, rest)| {
            let more = rest.strip_prefix("is not set");
            more.is_some_and(|more| more.is_empty() || !dialect.unset_lines_are_exact())
        });
        return Ok(unset.map(|(symbol, _)| Line { symbol, value: "n", is_unset: true }));
    }
    let (symbol, value) = text.strip_prefix("CONFIG_").and_then(|l| l.split_once('=')).ok_or(())?;
    Ok(Some(Line { symbol, value, is_unset: false }))
}

fn first_character(text: &str) -> &str {
    text.char_indices().nth(1).map_or(text, |(end, _)| &text[..end])
}

impl Config<'_> {
    /// Asks for what a `.config` or a fragment says, and for nothing else any more. The last line
    /// about a symbol counts. Diagnostics are of file 0, which is this text.
    pub fn read(&mut self, text: &str) -> Vec<Diagnostic> {
        for (user, symbol) in self.users.iter_mut().zip(&self.model.symbols) {
            let is_set = symbol.choice.is_some() && !self.model.dialect.choices_are_bool();
            *user = User { is_set, ..User::default() };
        }
        self.forget();
        let mut problems = vec![];
        for (number, text) in (1..).zip(text.lines()) {
            let mut report = |problem| {
                let location = Location { file: FileId(0), line: number };
                problems.push(Diagnostic::new(problem, location, self.model.dialect));
            };
            match line(text, self.model.dialect) {
                Ok(None) => {}
                Ok(Some(line)) => match self.model.find(line.symbol) {
                    // A `.config` that names what the tree does not know is out of date.
                    None => self.changed = true,
                    Some(symbol) => self.ask(symbol, line, &mut report),
                },
                Err(()) => report(Problem::UnexpectedData { text: text.to_owned() }),
            }
        }
        self.changed |= !problems.is_empty();
        problems
    }

    fn ask(&mut self, symbol: SymbolId, line: Line<'_>, report: &mut impl FnMut(Problem)) {
        let known = &self.model[symbol];
        if self.users[symbol.index()].is_set {
            report(Problem::Reassigned { symbol: line.symbol.to_owned() });
        }
        let is_ignored =
            line.is_unset && !known.kind.is_logic() && !self.model.dialect.unset_lines_are_n();
        let value = if is_ignored { Ok(None) } else { self.read_value(symbol, line.value) };
        match value {
            Ok(Some(user)) => self.users[symbol.index()] = user,
            Ok(None) => {}
            Err(problem) => return report(problem),
        }
        let Some(choice) = known.member_of else { return };
        if self.model.dialect.choices_are_bool() {
            self.asked.push(symbol);
            return;
        }
        let asked = self.users[symbol.index()].tri;
        let of = &mut self.users[choice.index()];
        match asked {
            Tristate::M if of.tri == Tristate::Y => of.is_set = false,
            Tristate::Y => of.member = Some(symbol),
            _ => {}
        }
        of.tri = of.tri.max(asked);
    }

    fn read_value(&self, symbol: SymbolId, value: &str) -> Result<Option<User>, Problem> {
        let known = &self.model[symbol];
        let invalid =
            || Problem::InvalidValue { symbol: known.name.to_string(), value: value.to_owned() };
        let text = match known.kind {
            Type::Unknown => return Ok(None),
            Type::Bool | Type::Tristate => {
                let tri = Tristate::of_prefix(value)
                    .filter(|tri| known.kind == Type::Tristate || *tri != Tristate::M)
                    .ok_or_else(invalid)?;
                return Ok(Some(User { is_set: true, tri, ..User::default() }));
            }
            Type::String => match value.strip_prefix('"') {
                // What is not in quotes says nothing.
                None => return Ok(None),
                Some(rest) => unquote(rest)
                    .ok_or_else(|| Problem::InvalidString { symbol: known.name.to_string() })?,
            },
            kind => Some(value).filter(|value| is_number(kind, value)).ok_or_else(invalid)?.into(),
        };
        Ok(Some(User { is_set: true, text: Some(text.into()), ..User::default() }))
    }

    /// As the tree's own tool does after it has read a `.config`: it looks whether that is what it
    /// would write, and in older trees drops what is out of range.
    pub(crate) fn check_read(&mut self) {
        self.calc(self.model.modules);
        for symbol in self.model.all().skip(3) {
            self.calc(symbol);
            if self.model[symbol].choice.is_some() {
                continue;
            }
            let (user, state) = (&self.users[symbol.index()], &self.state[symbol.index()]);
            let same = if user.is_set && state.write {
                match self.model[symbol].kind.is_logic() {
                    true => user.tri == state.tri,
                    false => user.text == state.text,
                }
            } else {
                !user.is_set && !state.write
            };
            self.changed |= !same;
        }
        if !self.model.dialect.choices_are_bool() {
            self.drop_out_of_range();
        }
    }

    fn drop_out_of_range(&mut self) {
        let mut unsaved = self.changed;
        for symbol in self.model.all().skip(3) {
            let known = &self.model[symbol];
            if !self.users[symbol.index()].is_set || known.member_of.is_some() {
                continue;
            }
            if self.state[symbol.index()].visible == Tristate::N && !unsaved {
                self.users[symbol.index()].is_set = false;
            }
            if known.kind.is_logic() || self.user_is_in_range(symbol) {
                continue;
            }
            self.users[symbol.index()].is_set = false;
            self.state[symbol.index()].valid = false;
            unsaved = true;
        }
        self.changed |= unsaved;
    }

    fn user_is_in_range(&mut self, symbol: SymbolId) -> bool {
        let Some(base) = self.model[symbol].kind.base() else { return true };
        let Some(text) = self.users[symbol.index()].text.clone() else { return true };
        let Some((low, high)) = self.range(symbol) else { return true };
        let value = crate::number::signed(&text, base).signed();
        value >= self.bound(low, base) && value <= self.bound(high, base)
    }
}

/// `None` if no quote ends it.
fn unquote(text: &str) -> Option<String> {
    let (mut value, mut rest) = (String::new(), text.chars());
    loop {
        match rest.next()? {
            '"' => return Some(value),
            '\\' => value.extend(rest.next()),
            other => value.push(other),
        }
    }
}

pub(crate) fn is_number(kind: Type, text: &str) -> bool {
    if kind == Type::Hex {
        let digits = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")).unwrap_or(text);
        return !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    }
    let digits = text.strip_prefix('-').unwrap_or(text);
    let plain = digits.bytes().all(|byte| byte.is_ascii_digit());
    !digits.is_empty() && plain && (digits == "0" || !digits.starts_with('0'))
}
