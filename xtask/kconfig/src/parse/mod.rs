//! Kconfig files to a model: statements, blocks and files. It never fails: what cannot be understood
//! is reported and left out.

mod expression;
mod option;
mod tokens;

pub(crate) use expression::expression_alone;

use std::sync::Arc;

use rustc_hash::FxHashMap;

use crate::Dialect;
use crate::diagnostic::{Diagnostic, Expected, Problem};
use crate::expr::ExprId;
use crate::host::Host;
use crate::lexer::{Lexer, Statement};
use crate::macros::Macros;
use crate::model::{
    Choice, Entry, EntryId, EntryKind, FileId, Location, Model, Prompt, Symbol, SymbolId, Type,
};
use tokens::Tokens;

/// Files that source files, and blocks inside of blocks.
const DEEPEST_FILE: usize = 100;
const DEEPEST_BLOCK: usize = 1000;

pub(crate) struct Parser<'h> {
    macros: Macros<'h>,
    model: Model,
    /// The blocks that are open, from the outermost.
    open: Vec<Open>,
    /// What the next options belong to.
    current: Option<EntryId>,
    /// Something was read.
    begun: bool,
    /// The last statement is none of the language: what follows are its options.
    lost: bool,
    /// The files that are being read, from the outermost.
    sources: Vec<String>,
    /// Where each file was sourced first.
    sourced: FxHashMap<String, Location>,
    here: Location,
}

struct Open {
    entry: EntryId,
    file: FileId,
}

/// What a block is called.
fn name_of(kind: EntryKind) -> &'static str {
    match kind {
        EntryKind::Choice(_) => "choice",
        EntryKind::If => "if",
        _ => "menu",
    }
}

/// Reads the file `root` and all that it sources.
pub(crate) fn parse(host: &dyn Host, root: &str, dialect: Dialect) -> (Model, Vec<Diagnostic>) {
    let mut parser = Parser::new(host, dialect);
    parser.add_entry(EntryKind::Root);
    parser.current = None;
    parser.file(host, root);
    let end = parser.next_entry();
    parser.model[EntryId::ROOT].end = end;
    if parser.model[EntryId::ROOT].prompt.is_none() {
        parser.main_menu("Main menu");
    }
    (parser.model, parser.macros.diagnostics)
}

impl<'h> Parser<'h> {
    fn new(host: &'h dyn Host, dialect: Dialect) -> Self {
        Parser {
            macros: Macros::new(host, dialect),
            model: Model::new(dialect),
            open: vec![],
            current: None,
            begun: false,
            lost: false,
            sources: vec![],
            sourced: FxHashMap::default(),
            here: Location { file: FileId(0), line: 0 },
        }
    }
}

impl Parser<'_> {
    fn report(&mut self, problem: Problem) {
        self.macros.report_at(self.here, problem);
    }

    fn next_entry(&self) -> EntryId {
        EntryId(u32::try_from(self.model.entries.len()).unwrap_or(u32::MAX))
    }

    fn file(&mut self, host: &dyn Host, path: &str) {
        if self.sources.len() >= DEEPEST_FILE {
            return self.report(Problem::SourcedTooDeep { limit: DEEPEST_FILE });
        }
        if self.sources.iter().any(|open| open == path) {
            return self.report(Problem::SourcesItself { path: path.to_owned() });
        }
        let Some(bytes) = host.read(path) else {
            return self.report(Problem::NoFile { path: path.to_owned() });
        };
        let first = *self.sourced.entry(path.to_owned()).or_insert(self.here);
        if self.model.dialect.sources_once() && first != self.here {
            return self.report(Problem::SourcedTwice { path: path.to_owned(), first });
        }
        let file = FileId(u32::try_from(self.model.files.len()).unwrap_or(u32::MAX));
        self.model.files.push(path.into());
        let text = self.text(file, bytes);
        let outer = (self.here, self.macros.file, std::mem::take(&mut self.macros.path));
        self.sources.push(path.to_owned());
        (self.macros.file, self.macros.path) = (file, path.to_owned());
        let mut lexer = Lexer::new(&text);
        while let Some((line, statement)) = lexer.statement(&mut self.macros) {
            self.here = Location { file, line };
            match statement {
                Statement::Assignment { name, flavor, value } => {
                    self.finish();
                    self.begun = true;
                    self.macros.assign(line, lexer.line, &name, flavor, value);
                }
                Statement::Tokens(tokens) => {
                    self.statement(host, &mut Tokens::new(&tokens), &mut lexer);
                }
            }
        }
        self.finish();
        self.close_file(file);
        self.sources.pop();
        (self.here, self.macros.file, self.macros.path) = outer;
    }

    fn text(&mut self, file: FileId, bytes: Vec<u8>) -> String {
        String::from_utf8(bytes).unwrap_or_else(|error| {
            let valid = &error.as_bytes()[..error.utf8_error().valid_up_to()];
            let before = valid.iter().filter(|byte| **byte == b'\n').count();
            let line = u32::try_from(before).map_or(u32::MAX, |lines| lines.saturating_add(1));
            let location = Location { file, line };
            self.macros.report_at(location, Problem::NotUtf8);
            String::from_utf8_lossy(error.as_bytes()).into_owned()
        })
    }

    fn statement(&mut self, host: &dyn Host, tokens: &mut Tokens<'_, '_>, lexer: &mut Lexer<'_>) {
        let Some(keyword) = tokens.word() else {
            return self.report(Problem::Malformed { word: String::new() });
        };
        let errors = self.macros.errors;
        if option::is_one(keyword) {
            if !self.option(keyword, tokens, lexer) {
                self.misplaced(keyword, lexer);
                return;
            }
        } else {
            self.block(host, keyword, tokens);
        }
        // A statement takes all of its line.
        if !tokens.at_end() && self.macros.errors == errors {
            self.report(Problem::Malformed { word: keyword.to_owned() });
        }
    }

    /// An option that nothing before it takes. That of an unknown statement is no fault of its own.
    fn misplaced(&mut self, keyword: &str, lexer: &mut Lexer<'_>) {
        if !self.lost {
            self.report(Problem::Misplaced { word: keyword.to_owned() });
        }
        if keyword == "help" {
            lexer.skip_help();
        }
    }

    /// What begins or ends an entry, or leads to another file.
    fn block(&mut self, host: &dyn Host, keyword: &str, tokens: &mut Tokens<'_, '_>) {
        self.finish();
        let is_first = !std::mem::replace(&mut self.begun, true);
        let not_in_choice = ["menu", "menuconfig", "choice", "source", "mainmenu"];
        if self.is_in_choice() && not_in_choice.contains(&keyword) {
            self.report(Problem::Misplaced { word: keyword.to_owned() });
        }
        match keyword {
            "config" | "menuconfig" => self.config(tokens, keyword == "menuconfig"),
            "choice" => self.choice(tokens),
            "menu" | "comment" => self.titled(tokens, keyword),
            "if" => {
                let condition = self.expression(tokens);
                let entry = self.open_block(EntryKind::If);
                let here = self.here;
                self.model[entry].conditions.push((condition, here));
                self.current = None;
            }
            "endif" => self.close("if"),
            "endmenu" => self.close("menu"),
            "endchoice" => self.close("choice"),
            "source" => match tokens.quoted() {
                Some(path) => {
                    let path = path.to_owned();
                    self.file(host, &path);
                }
                None => self.report(Problem::Expected { what: Expected::Text }),
            },
            "mainmenu" if is_first => match tokens.quoted() {
                Some(text) => {
                    let text = text.to_owned();
                    self.main_menu(&text);
                }
                None => self.report(Problem::Expected { what: Expected::Text }),
            },
            "mainmenu" => self.report(Problem::Misplaced { word: keyword.to_owned() }),
            word => {
                self.lost = true;
                self.report(Problem::UnknownStatement { word: word.to_owned() });
            }
        }
    }

    /// What an entry must have, and nothing more can give it.
    fn finish(&mut self) {
        self.lost = false;
        let Some(entry) = self.current.take() else { return };
        let Entry { kind, is_menuconfig, location, .. } = self.model[entry];
        let has_prompt = self.model.prompt_of(entry).is_some();
        match kind {
            EntryKind::Choice(_) if !has_prompt => {
                self.macros.report_at(location, Problem::ChoiceWithoutPrompt);
            }
            EntryKind::Config(id) => {
                let symbol = self.model[id].name.clone();
                if is_menuconfig && !has_prompt {
                    let symbol = symbol.clone();
                    self.macros.report_at(location, Problem::MenuWithoutPrompt { symbol });
                }
                if !self.is_in_choice() {
                    return;
                }
                if !has_prompt {
                    let symbol = symbol.clone();
                    self.macros.report_at(location, Problem::MemberWithoutPrompt { symbol });
                }
                if self.model.dialect.choices_are_bool() && self.model[id].kind != Type::Bool {
                    self.macros.report_at(location, Problem::MemberNotBool { symbol });
                }
            }
            _ => {}
        }
    }

    fn is_in_choice(&self) -> bool {
        let around = self.open.iter().rev().map(|open| self.model[open.entry].kind);
        around
            .take_while(|kind| !matches!(kind, EntryKind::Menu))
            .any(|kind| matches!(kind, EntryKind::Choice(_)))
    }

    fn add_entry(&mut self, kind: EntryKind) -> EntryId {
        let id = self.next_entry();
        let parent = self.open.last().map_or(EntryId::ROOT, |open| open.entry);
        self.model.entries.push(Entry {
            kind,
            parent,
            is_menuconfig: false,
            end: EntryId(id.0 + 1),
            prompt: None,
            conditions: vec![],
            depends: ExprId::Y,
            visible_if: ExprId::Y,
            help: None,
            location: self.here,
        });
        if let EntryKind::Config(symbol) | EntryKind::Choice(symbol) = kind {
            self.model[symbol].entries.push(id);
        }
        self.current = Some(id);
        id
    }

    fn open_block(&mut self, kind: EntryKind) -> EntryId {
        if self.open.len() == DEEPEST_BLOCK {
            self.report(Problem::NestedTooDeep { limit: DEEPEST_BLOCK });
        }
        let entry = self.add_entry(kind);
        self.open.push(Open { entry, file: self.here.file });
        entry
    }

    fn config(&mut self, tokens: &mut Tokens<'_, '_>, is_menuconfig: bool) {
        let Some(name) = tokens.name() else {
            self.lost = true;
            return self.report(Problem::Expected { what: Expected::Name });
        };
        let symbol = self.model.name(name);
        let entry = self.add_entry(EntryKind::Config(symbol));
        self.model[entry].is_menuconfig = is_menuconfig;
    }

    fn choice(&mut self, tokens: &mut Tokens<'_, '_>) {
        // Nothing ever asks for its name.
        if self.model.dialect.choices_have_names() {
            tokens.name();
        }
        let kind = if self.model.dialect.choices_are_bool() { Type::Bool } else { Type::Unknown };
        let choice = Some(Choice::default());
        let symbol = self.model.add(Symbol { kind, choice, ..Symbol::default() });
        self.open_block(EntryKind::Choice(symbol));
    }

    /// A menu or a comment.
    fn titled(&mut self, tokens: &mut Tokens<'_, '_>, keyword: &str) {
        let text: Arc<str> = match tokens.quoted() {
            Some(text) => text.trim_start().into(),
            None => {
                self.report(Problem::Expected { what: Expected::Text });
                "".into()
            }
        };
        let entry = if keyword == "menu" {
            self.open_block(EntryKind::Menu)
        } else {
            self.add_entry(EntryKind::Comment)
        };
        self.model[entry].prompt = Some(self.title(entry, text));
    }

    fn main_menu(&mut self, text: &str) {
        let prompt = self.title(EntryId::ROOT, text.trim_start().into());
        self.model[EntryId::ROOT].prompt = Some(prompt);
    }

    fn title(&self, entry: EntryId, text: Arc<str>) -> Prompt {
        let (condition, location) = (ExprId::Y, self.here);
        Prompt { text, own_condition: condition, condition, entry, location }
    }

    fn close(&mut self, found: &'static str) {
        let Some(open) = self.open.last() else {
            return self.report(Problem::EndWithoutStart { found });
        };
        let entry = &self.model[open.entry];
        let (is, opened) = (name_of(entry.kind), entry.location);
        if is != found {
            return self.report(Problem::EndOfAnother { found, open: is, opened });
        }
        if open.file != self.here.file {
            return self.report(Problem::EndInOtherFile { block: is, opened });
        }
        self.pop();
    }

    fn pop(&mut self) {
        let end = self.next_entry();
        if let Some(open) = self.open.pop() {
            self.model[open.entry].end = end;
        }
    }

    /// A block ends in the file that it begins in.
    fn close_file(&mut self, file: FileId) {
        while let Some(open) = self.open.last().filter(|open| open.file == file) {
            let entry = &self.model[open.entry];
            let problem = Problem::NoEnd { block: name_of(entry.kind) };
            let location = entry.location;
            self.macros.report_at(location, problem);
            self.pop();
        }
    }

    fn symbol_of(&self, entry: EntryId) -> Option<SymbolId> {
        self.model[entry].symbol()
    }
}
