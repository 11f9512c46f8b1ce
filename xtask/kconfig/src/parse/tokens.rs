//! The tokens of a statement, one after the other.

use crate::expr::Relation;
use crate::lexer::Token;

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

    pub(crate) fn quoted(&mut self) -> Option<&'a str> {
        self.take(|token| if let Token::Quoted(text) = token { Some(&**text) } else { None })
    }

    pub(crate) fn relation(&mut self) -> Option<Relation> {
        self.take(|token| if let Token::Relation(is) = token { Some(*is) } else { None })
    }
}
