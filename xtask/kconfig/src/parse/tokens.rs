//! The tokens of a statement, one after the other.

use std::borrow::Cow;

use crate::expr::Relation;
use crate::lexer::Token;

/// Those that the language had in every release.
const KEYWORDS: [&str; 28] = [
    "bool",
    "choice",
    "comment",
    "config",
    "def_bool",
    "def_tristate",
    "default",
    "depends",
    "endchoice",
    "endif",
    "endmenu",
    "help",
    "hex",
    "if",
    "imply",
    "int",
    "mainmenu",
    "menu",
    "menuconfig",
    "modules",
    "on",
    "prompt",
    "range",
    "select",
    "source",
    "string",
    "tristate",
    "visible",
];

pub(crate) struct Tokens<'a, 't> {
    all: &'a [Token<'t>],
    at: usize,
}

impl<'a, 't> Tokens<'a, 't> {
    pub(crate) fn new(all: &'a [Token<'t>]) -> Self {
        Tokens { all, at: 0 }
    }

    pub(crate) fn at_end(&self) -> bool {
        self.at >= self.all.len()
    }

    fn take<T>(&mut self, what: impl Fn(&'a Token<'t>) -> Option<T>) -> Option<T> {
        let found = what(self.all.get(self.at)?)?;
        self.at += 1;
        Some(found)
    }

    /// Takes that token if it is the next one.
    pub(crate) fn sign(&mut self, sign: &Token<'_>) -> bool {
        self.take(|token| (token == sign).then_some(())).is_some()
    }

    pub(crate) fn keyword(&mut self, keyword: &str) -> bool {
        self.take(|token| matches!(token, Token::Word(word) if word == keyword).then_some(()))
            .is_some()
    }

    pub(crate) fn word(&mut self) -> Option<&'a str> {
        self.take(|token| if let Token::Word(word) = token { Some(&**word) } else { None })
    }

    /// A word that is none of the language's own; what a macro gave is none of those.
    pub(crate) fn name(&mut self) -> Option<&'a str> {
        self.take(|token| match token {
            Token::Word(Cow::Borrowed(word)) if KEYWORDS.contains(word) => None,
            Token::Word(word) => Some(&**word),
            _ => None,
        })
    }

    pub(crate) fn quoted(&mut self) -> Option<&'a str> {
        self.take(|token| if let Token::Quoted(text) = token { Some(&**text) } else { None })
    }

    pub(crate) fn relation(&mut self) -> Option<Relation> {
        self.take(|token| if let Token::Relation(is) = token { Some(*is) } else { None })
    }
}
