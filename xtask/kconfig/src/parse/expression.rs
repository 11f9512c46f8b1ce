//! Expressions: `||` binds less than `&&`, that less than `!`; only symbols are compared.

use super::Parser;
use super::tokens::Tokens;
use crate::diagnostic::{Expected, Problem};
use crate::expr::{Expr, ExprId};
use crate::lexer::Token;
use crate::model::SymbolId;

/// Parentheses and `!` inside of each other.
const DEEPEST: usize = 500;

impl Parser<'_> {
    /// `y` where there is none to read, which is reported.
    pub(super) fn expression(&mut self, tokens: &mut Tokens<'_, '_>) -> ExprId {
        self.any(tokens, 0).unwrap_or_else(|problem| {
            self.report(problem);
            ExprId::Y
        })
    }

    /// `if EXPRESSION`, or nothing.
    pub(super) fn condition(&mut self, tokens: &mut Tokens<'_, '_>) -> ExprId {
        if tokens.keyword("if") { self.expression(tokens) } else { ExprId::Y }
    }

    fn any(&mut self, tokens: &mut Tokens<'_, '_>, depth: usize) -> Result<ExprId, Problem> {
        let mut left = self.all(tokens, depth)?;
        while tokens.sign(&Token::Or) {
            let right = self.all(tokens, depth)?;
            left = self.model.exprs.or(left, right);
        }
        Ok(left)
    }

    fn all(&mut self, tokens: &mut Tokens<'_, '_>, depth: usize) -> Result<ExprId, Problem> {
        let mut left = self.one(tokens, depth)?;
        while tokens.sign(&Token::And) {
            let right = self.one(tokens, depth)?;
            left = self.model.exprs.and(left, right);
        }
        Ok(left)
    }

    fn one(&mut self, tokens: &mut Tokens<'_, '_>, depth: usize) -> Result<ExprId, Problem> {
        if depth == DEEPEST {
            return Err(Problem::NestedTooDeep { limit: DEEPEST });
        }
        if tokens.sign(&Token::Not) {
            let inner = self.one(tokens, depth + 1)?;
            return Ok(self.model.exprs.intern(Expr::Not(inner)));
        }
        if tokens.sign(&Token::Open) {
            let inner = self.any(tokens, depth + 1)?;
            let closed = tokens.sign(&Token::Close);
            let missing = Problem::Expected { what: Expected::ClosingParenthesis };
            return if closed { Ok(inner) } else { Err(missing) };
        }
        let left = self.operand(tokens, Expected::Expression)?;
        match tokens.relation() {
            None => Ok(self.model.exprs.symbol(left)),
            Some(relation) => {
                let right = self.operand(tokens, Expected::Symbol)?;
                Ok(self.model.exprs.intern(Expr::Compare(relation, left, right)))
            }
        }
    }

    /// A symbol, or a constant in quotes.
    pub(super) fn operand(
        &mut self,
        tokens: &mut Tokens<'_, '_>,
        what: Expected,
    ) -> Result<SymbolId, Problem> {
        if let Some(word) = tokens.word() {
            return Ok(self.model.name(word));
        }
        match tokens.quoted() {
            Some(text) => Ok(self.model.constant(text)),
            None => Err(Problem::Expected { what }),
        }
    }
}
