//! Expressions: dependencies, conditions, default values. Each is kept once, under a number, so that
//! its value can be too.

use rustc_hash::FxHashMap;
use serde::{Deserialize, Serialize};

use crate::model::SymbolId;

/// An expression of a model.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ExprId(pub(crate) u32);

impl ExprId {
    /// The constant `y`: what stands where no condition is written.
    pub const Y: ExprId = ExprId(0);
    pub(crate) const N: ExprId = ExprId(1);
    /// A `y` that is written as a condition.
    pub(crate) const WRITTEN_Y: ExprId = ExprId(2);

    pub(crate) fn index(self) -> usize {
        self.0 as usize
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Relation {
    Equal,
    Unequal,
    Less,
    LessEqual,
    Greater,
    GreaterEqual,
}

impl Relation {
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Relation::Equal => "=",
            Relation::Unequal => "!=",
            Relation::Less => "<",
            Relation::LessEqual => "<=",
            Relation::Greater => ">",
            Relation::GreaterEqual => ">=",
        }
    }

    /// What holds where this does not.
    pub(crate) fn inverse(self) -> Self {
        match self {
            Relation::Equal => Relation::Unequal,
            Relation::Unequal => Relation::Equal,
            Relation::Less => Relation::GreaterEqual,
            Relation::GreaterEqual => Relation::Less,
            Relation::Greater => Relation::LessEqual,
            Relation::LessEqual => Relation::Greater,
        }
    }

    pub(crate) fn holds(self, order: std::cmp::Ordering) -> bool {
        match self {
            Relation::Equal => order.is_eq(),
            Relation::Unequal => order.is_ne(),
            Relation::Less => order.is_lt(),
            Relation::LessEqual => order.is_le(),
            Relation::Greater => order.is_gt(),
            Relation::GreaterEqual => order.is_ge(),
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Expr {
    Symbol(SymbolId),
    Not(ExprId),
    And(ExprId, ExprId),
    Or(ExprId, ExprId),
    Compare(Relation, SymbolId, SymbolId),
}

/// All expressions of a model. A part always has a lesser number than what it is a part of.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Exprs {
    all: Vec<Expr>,
    /// Needed while a model is made.
    #[serde(skip)]
    known: FxHashMap<Expr, ExprId>,
}

impl Exprs {
    pub(crate) fn new() -> Self {
        let mut exprs = Exprs { all: vec![], known: FxHashMap::default() };
        exprs.intern(Expr::Symbol(SymbolId::Y));
        exprs.intern(Expr::Symbol(SymbolId::N));
        exprs.all.push(Expr::Symbol(SymbolId::Y));
        exprs
    }

    pub(crate) fn get(&self, id: ExprId) -> Expr {
        self.all[id.index()]
    }

    pub(crate) fn len(&self) -> usize {
        self.all.len()
    }

    pub(crate) fn intern(&mut self, expr: Expr) -> ExprId {
        let next = ExprId(u32::try_from(self.all.len()).unwrap_or(u32::MAX));
        *self.known.entry(expr).or_insert_with(|| {
            self.all.push(expr);
            next
        })
    }

    pub(crate) fn symbol(&mut self, symbol: SymbolId) -> ExprId {
        self.intern(Expr::Symbol(symbol))
    }

    /// `y` is left out: it changes no value.
    pub(crate) fn and(&mut self, left: ExprId, right: ExprId) -> ExprId {
        match (left, right) {
            (ExprId::Y, one) | (one, ExprId::Y) => one,
            _ if left == right => left,
            _ => self.intern(Expr::And(left, right)),
        }
    }

    pub(crate) fn or(&mut self, left: ExprId, right: ExprId) -> ExprId {
        if left == right { left } else { self.intern(Expr::Or(left, right)) }
    }

    /// The operands of the `&&` at the top, in the order in which they are written.
    pub(crate) fn conjuncts(&self, expr: ExprId) -> Vec<ExprId> {
        let (mut open, mut found) = (vec![expr], vec![]);
        while let Some(id) = open.pop() {
            match self.get(id) {
                Expr::And(left, right) => open.extend([right, left]),
                _ => found.push(id),
            }
        }
        found
    }

    /// Every symbol in it, constants too; one may come more than once.
    pub(crate) fn symbols(&self, expr: ExprId) -> Vec<SymbolId> {
        let (mut open, mut found) = (vec![expr], vec![]);
        while let Some(id) = open.pop() {
            match self.get(id) {
                Expr::Symbol(symbol) => found.push(symbol),
                Expr::Compare(_, left, right) => found.extend([left, right]),
                Expr::Not(inner) => open.push(inner),
                Expr::And(left, right) | Expr::Or(left, right) => open.extend([right, left]),
            }
        }
        found
    }
}
