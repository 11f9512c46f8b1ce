//! Expressions: `||` binds less than `&&`, that less than `!`; only symbols are compared.

use super::Parser;
use super::tokens::Tokens;
use crate::Dialect;
use crate::diagnostic::{Expected, Problem};
use crate::expr::{Expr, ExprId};
use crate::host::Host;
use crate::lexer::{Lexer, Statement, Token};
use crate::model::{Model, SymbolId};
use crate::simplify::is_n;

/// Parentheses and `!` inside of each other.
const DEEPEST: usize = 500;

/// An expression that stands for itself, with what is wrong with it.
pub(crate) fn expression_alone(host: &dyn Host, text: &str) -> (Model, ExprId, Vec<Problem>) {
    let mut parser = Parser::new(host, Dialect::of(u32::MAX, 0));
    // What begins with a word is no assignment, whatever follows.
    let text = format!("if {text}\n");
    let mut lexer = Lexer::new(&text);
    let statement = lexer.statement(&mut parser.macros);
    let mut root = ExprId::Y;
    if let Some((_, Statement::Tokens(tokens))) = &statement {
        let mut tokens = Tokens::new(tokens);
        tokens.keyword("if");
        root = parser.dependency(&mut tokens);
        if !tokens.at_end() {
            parser.report(Problem::Malformed { word: text.trim().to_owned() });
        }
    }
    let whole = matches!(statement, Some((_, Statement::Tokens(_))));
    if !whole || lexer.statement(&mut parser.macros).is_some() {
        parser.report(Problem::Malformed { word: text.trim().to_owned() });
    }
    let problems = parser.macros.diagnostics.into_iter().map(|one| one.problem).collect();
    (parser.model, root, problems)
}

impl Parser<'_> {
    /// `y` where there is none to read, which is reported.
    pub(super) fn expression(&mut self, tokens: &mut Tokens<'_, '_>) -> ExprId {
        self.any(tokens, 0).unwrap_or_else(|problem| {
            self.report(problem);
            ExprId::Y
        })
    }

    /// What stands after `depends on`.
    pub(super) fn dependency(&mut self, tokens: &mut Tokens<'_, '_>) -> ExprId {
        let condition = self.expression(tokens);
        if !self.model.dialect.depends_have_conditions() || !tokens.keyword("if") {
            return condition;
        }
        let only_if = self.expression(tokens);
        let unless = is_n(&mut self.model, only_if);
        self.model.exprs.intern(Expr::Or(condition, unless))
    }

    /// `if EXPRESSION`, or nothing.
    pub(super) fn condition(&mut self, tokens: &mut Tokens<'_, '_>) -> ExprId {
        if !tokens.keyword("if") {
            return ExprId::Y;
        }
        match self.expression(tokens) {
            ExprId::Y => ExprId::WRITTEN_Y,
            other => other,
        }
    }

    fn any(&mut self, tokens: &mut Tokens<'_, '_>, depth: usize) -> Result<ExprId, Problem> {
        let mut left = self.all(tokens, depth)?;
        while tokens.sign(&Token::Or) {
            let right = self.all(tokens, depth)?;
            left = self.model.exprs.intern(Expr::Or(left, right));
        }
        Ok(left)
    }

    fn all(&mut self, tokens: &mut Tokens<'_, '_>, depth: usize) -> Result<ExprId, Problem> {
        let mut left = self.one(tokens, depth)?;
        while tokens.sign(&Token::And) {
            let right = self.one(tokens, depth)?;
            left = self.model.exprs.intern(Expr::And(left, right));
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
        if let Some(word) = tokens.name() {
            return Ok(self.model.name(word));
        }
        match tokens.quoted() {
            Some(text) => Ok(self.model.constant(text)),
            None => Err(Problem::Expected { what }),
        }
    }
}
