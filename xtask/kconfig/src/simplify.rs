//! Expressions made as small as the kernel's scripts/kconfig/expr.c makes them: `expr_transform` and
//! `expr_eliminate_dups`. That changes no value, but which symbols a value needs: a constant cuts
//! what would be a circle.

use rustc_hash::FxHashMap;

use crate::deep;
use crate::expr::{Expr, ExprId, Relation};
use crate::model::{Model, SymbolId, Type};

const N: ExprId = ExprId::N;
const Y: ExprId = ExprId::Y;

/// What was made of an expression is remembered: most entries share what they depend on.
#[derive(Default)]
pub(crate) struct Simplifier {
    transformed: FxHashMap<ExprId, ExprId>,
    without_duplicates: FxHashMap<ExprId, ExprId>,
}

/// `&&` and `||` are treated alike.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Join {
    And,
    Or,
}

impl Join {
    /// The operands, if that is how they are joined.
    fn operands(self, expr: Expr) -> Option<(ExprId, ExprId)> {
        match (self, expr) {
            (Join::And, Expr::And(left, right)) | (Join::Or, Expr::Or(left, right)) => {
                Some((left, right))
            }
            _ => None,
        }
    }

    fn of(expr: Expr) -> Option<Self> {
        match expr {
            Expr::And(..) => Some(Join::And),
            Expr::Or(..) => Some(Join::Or),
            _ => None,
        }
    }

    fn make(self, model: &mut Model, left: ExprId, right: ExprId) -> ExprId {
        model.exprs.intern(match self {
            Join::And => Expr::And(left, right),
            Join::Or => Expr::Or(left, right),
        })
    }

    /// What changes nothing beside another operand.
    fn neutral(self) -> ExprId {
        if self == Join::And { Y } else { N }
    }
}

impl Simplifier {
    /// `m` needs modules, negations stand at symbols only, and a bool is compared with no constant.
    pub(crate) fn transform(&mut self, model: &mut Model, expr: ExprId) -> ExprId {
        if let Some(known) = self.transformed.get(&expr) {
            return *known;
        }
        let simple = deep(|| self.transform_anew(model, expr));
        self.transformed.insert(expr, simple);
        simple
    }

    fn transform_anew(&mut self, model: &mut Model, expr: ExprId) -> ExprId {
        match model.expr(expr) {
            Expr::Symbol(_) => expr,
            Expr::Compare(relation, left, right) => {
                compare_bool(model, expr, relation, left, right)
            }
            Expr::And(left, right) => {
                let (left, right) = (self.transform(model, left), self.transform(model, right));
                Join::And.make(model, left, right)
            }
            Expr::Or(left, right) => {
                let (left, right) = (self.transform(model, left), self.transform(model, right));
                Join::Or.make(model, left, right)
            }
            Expr::Not(inner) => {
                let inner = self.transform(model, inner);
                self.negate(model, inner)
            }
        }
    }

    fn negate(&mut self, model: &mut Model, inner: ExprId) -> ExprId {
        let negated = match model.expr(inner) {
            Expr::Not(inner) => return inner,
            Expr::Compare(relation, left, right) => Expr::Compare(relation.inverse(), left, right),
            Expr::Symbol(SymbolId::Y) => return N,
            Expr::Symbol(SymbolId::N) => return Y,
            Expr::Symbol(SymbolId::M) => return inner,
            Expr::Symbol(_) => Expr::Not(inner),
            Expr::And(left, right) | Expr::Or(left, right) => {
                let (left, right) =
                    (deep(|| self.negate(model, left)), deep(|| self.negate(model, right)));
                match model.expr(inner) {
                    Expr::And(..) => Expr::Or(left, right),
                    _ => Expr::And(left, right),
                }
            }
        };
        model.exprs.intern(negated)
    }

    /// Without operands that another one makes needless.
    pub(crate) fn eliminate_duplicates(&mut self, model: &mut Model, expr: ExprId) -> ExprId {
        if let Some(known) = self.without_duplicates.get(&expr) {
            return *known;
        }
        let simple = match model.dialect.constants_are_eliminated() {
            true => self.eliminate_by_halves(model, expr),
            false => eliminate_by_pairs(model, expr),
        };
        self.without_duplicates.insert(expr, simple);
        simple
    }

    /// As since 6.11: each half of its own, then one with the other.
    fn eliminate_by_halves(&mut self, model: &mut Model, expr: ExprId) -> ExprId {
        let mut simple = expr;
        while let Some(join) = Join::of(model.expr(simple)) {
            let Some((left, right)) = join.operands(model.expr(simple)) else { break };
            let left = deep(|| self.eliminate_duplicates(model, left));
            let right = deep(|| self.eliminate_duplicates(model, right));
            let mut found = false;
            let (left, right) = join_all(model, join, left, right, &mut found);
            simple = join.make(model, left, right);
            simple = without_constants(model, simple);
            if !found {
                break;
            }
        }
        simple
    }
}

/// As before 6.11: all operands with all others. Constants stay where no two could be joined.
fn eliminate_by_pairs(model: &mut Model, expr: ExprId) -> ExprId {
    let mut simple = expr;
    loop {
        let mut found = false;
        simple = join_pairs(model, simple, &mut found);
        if !found {
            return simple;
        }
        simple = without_constants(model, simple);
    }
}

fn join_pairs(model: &mut Model, expr: ExprId, found: &mut bool) -> ExprId {
    let Some(join) = Join::of(model.expr(expr)) else { return expr };
    let mut operands = operands(model, join, expr);
    for one in 0..operands.len() {
        for other in (0..operands.len()).filter(|other| *other != one) {
            operands[one] = deep(|| join_pairs(model, operands[one], found));
            let joined = joined(model, join, operands[one], operands[other]);
            if let Some(joined) = joined {
                *found = true;
                (operands[one], operands[other]) = (join.neutral(), joined);
            }
        }
    }
    let all = operands.into_iter().reduce(|left, right| join.make(model, left, right));
    all.unwrap_or(expr)
}

/// In the order in which they are written.
fn operands(model: &Model, join: Join, expr: ExprId) -> Vec<ExprId> {
    let (mut open, mut found) = (vec![expr], vec![]);
    while let Some(id) = open.pop() {
        match join.operands(model.expr(id)) {
            Some((left, right)) => open.extend([right, left]),
            None => found.push(id),
        }
    }
    found
}

/// Both as one, if they can be.
fn joined(model: &mut Model, join: Join, left: ExprId, right: ExprId) -> Option<ExprId> {
    match are_equal(model, left, right) {
        true => Some(left),
        false => join_comparisons(model, join, left, right),
    }
}

/// That an expression is `n`, as `expr_trans_compare` has it: what is compared is symbols. That
/// differs from `!` where a part is `m`.
pub(crate) fn is_n(model: &mut Model, expr: ExprId) -> ExprId {
    compared_with_n(model, Relation::Equal, expr)
}

/// That an expression is not `n`.
pub(crate) fn is_not_n(model: &mut Model, expr: ExprId) -> ExprId {
    compared_with_n(model, Relation::Unequal, expr)
}

fn compared_with_n(model: &mut Model, relation: Relation, expr: ExprId) -> ExprId {
    let equal = relation == Relation::Equal;
    let whole = match model.expr(expr) {
        Expr::Symbol(symbol) => {
            return model.exprs.intern(Expr::Compare(relation, symbol, SymbolId::N));
        }
        Expr::Not(inner) => return deep(|| compared_with_n(model, relation.inverse(), inner)),
        Expr::Compare(..) if equal => return model.exprs.intern(Expr::Not(expr)),
        Expr::Compare(..) => return expr,
        Expr::And(left, right) => {
            let (left, right) = (deep(|| is_n(model, left)), deep(|| is_n(model, right)));
            Join::Or.make(model, left, right)
        }
        Expr::Or(left, right) => {
            let (left, right) = (deep(|| is_n(model, left)), deep(|| is_n(model, right)));
            Join::And.make(model, left, right)
        }
    };
    if equal { whole } else { model.exprs.intern(Expr::Not(whole)) }
}

/// A bool is `y` or `n`: comparing it with either is asking for it.
fn compare_bool(
    model: &mut Model,
    expr: ExprId,
    relation: Relation,
    left: SymbolId,
    right: SymbolId,
) -> ExprId {
    if model[left].kind != Type::Bool {
        return expr;
    }
    let symbol = model.exprs.symbol(left);
    match (relation, right) {
        (Relation::Equal, SymbolId::Y) | (Relation::Unequal, SymbolId::N) => symbol,
        (Relation::Equal, SymbolId::N) | (Relation::Unequal, SymbolId::Y) => {
            model.exprs.intern(Expr::Not(symbol))
        }
        (Relation::Equal, SymbolId::M) => N,
        (Relation::Unequal, SymbolId::M) => Y,
        _ => expr,
    }
}

/// Each operand of the one joined with each of the other; `found` tells whether any two could be.
fn join_all(
    model: &mut Model,
    join: Join,
    left: ExprId,
    right: ExprId,
    found: &mut bool,
) -> (ExprId, ExprId) {
    if let Some((one, other)) = join.operands(model.expr(left)) {
        let (one, right) = deep(|| join_all(model, join, one, right, found));
        let (other, right) = deep(|| join_all(model, join, other, right, found));
        return (join.make(model, one, other), right);
    }
    if let Some((one, other)) = join.operands(model.expr(right)) {
        let (left, one) = deep(|| join_all(model, join, left, one, found));
        let (left, other) = deep(|| join_all(model, join, left, other, found));
        return (left, join.make(model, one, other));
    }
    match joined(model, join, left, right) {
        Some(joined) => {
            *found = true;
            (join.neutral(), joined)
        }
        None => (left, right),
    }
}

/// `expr && y` is `expr`, and so on.
fn without_constants(model: &mut Model, expr: ExprId) -> ExprId {
    let Some(join) = Join::of(model.expr(expr)) else { return expr };
    let Some((left, right)) = join.operands(model.expr(expr)) else { return expr };
    let left = deep(|| without_constants(model, left));
    let right = deep(|| without_constants(model, right));
    let (neutral, deciding) = match join {
        Join::And => (Y, N),
        Join::Or => (N, Y),
    };
    match (left, right) {
        (one, _) | (_, one) if one == deciding => deciding,
        (one, other) | (other, one) if one == neutral => other,
        _ => join.make(model, left, right),
    }
}

/// The same operands in any order.
fn are_equal(model: &mut Model, left: ExprId, right: ExprId) -> bool {
    if left == right {
        return true;
    }
    match (model.expr(left), model.expr(right)) {
        (Expr::Not(left), Expr::Not(right)) => deep(|| are_equal(model, left, right)),
        (Expr::And(..), Expr::And(..)) | (Expr::Or(..), Expr::Or(..)) => {
            let (left, right) = deep(|| eliminate_equal(model, left, right));
            left == right && matches!(model.expr(left), Expr::Symbol(_))
        }
        _ => false,
    }
}

/// What both have is replaced by what changes nothing.
pub(crate) fn eliminate_equal(model: &mut Model, left: ExprId, right: ExprId) -> (ExprId, ExprId) {
    let (mut left, mut right) = (left, right);
    let of_left = Join::of(model.expr(left));
    if let Some(join) = of_left {
        (left, right) = equal_to_neutral(model, join, left, right);
    }
    let of_right = Join::of(model.expr(right));
    if let Some(join) = of_right.filter(|join| Join::of(model.expr(left)) != Some(*join)) {
        (left, right) = equal_to_neutral(model, join, left, right);
    }
    (without_constants(model, left), without_constants(model, right))
}

fn equal_to_neutral(
    model: &mut Model,
    join: Join,
    left: ExprId,
    right: ExprId,
) -> (ExprId, ExprId) {
    if let Some((one, other)) = join.operands(model.expr(left)) {
        let (one, right) = deep(|| equal_to_neutral(model, join, one, right));
        let (other, right) = deep(|| equal_to_neutral(model, join, other, right));
        return (join.make(model, one, other), right);
    }
    if let Some((one, other)) = join.operands(model.expr(right)) {
        let (left, one) = deep(|| equal_to_neutral(model, join, left, one));
        let (left, other) = deep(|| equal_to_neutral(model, join, left, other));
        return (left, join.make(model, one, other));
    }
    let are_constant = left == right && [N, Y].contains(&left);
    if !are_constant && are_equal(model, left, right) {
        return (join.neutral(), join.neutral());
    }
    (left, right)
}

/// An operand that says something of one symbol.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Says {
    Is,
    IsNot,
    Equals(SymbolId),
    Differs(SymbolId),
}

fn says(expr: Expr, model: &Model) -> Option<(SymbolId, Says)> {
    match expr {
        Expr::Symbol(symbol) => Some((symbol, Says::Is)),
        Expr::Compare(Relation::Equal, symbol, value) => Some((symbol, Says::Equals(value))),
        Expr::Compare(Relation::Unequal, symbol, value) => Some((symbol, Says::Differs(value))),
        Expr::Not(inner) => match model.expr(inner) {
            Expr::Symbol(symbol) => Some((symbol, Says::IsNot)),
            _ => None,
        },
        _ => None,
    }
}

/// Two operands about the same symbol as one.
fn join_comparisons(model: &mut Model, join: Join, left: ExprId, right: ExprId) -> Option<ExprId> {
    let (symbol, one) = says(model.expr(left), model)?;
    let (same, other) = says(model.expr(right), model)?;
    let kind = model[symbol].kind;
    if symbol != same || !kind.is_logic() {
        return None;
    }
    let joined = match join {
        Join::Or => either(kind, one, other)?,
        Join::And => both(model, kind, one, other)?,
    };
    Some(match joined {
        Joined::Always => Y,
        Joined::Never => N,
        Joined::Says(Says::Equals(value)) => {
            model.exprs.intern(Expr::Compare(Relation::Equal, symbol, value))
        }
        Joined::Says(Says::Differs(value)) => {
            model.exprs.intern(Expr::Compare(Relation::Unequal, symbol, value))
        }
        Joined::Says(_) => model.exprs.symbol(symbol),
    })
}

enum Joined {
    Always,
    Never,
    Says(Says),
}

/// The constant of `n`, `m` and `y` that is neither of these two.
fn third(one: SymbolId, other: SymbolId) -> Option<SymbolId> {
    let are_two = one != other && one <= SymbolId::Y && other <= SymbolId::Y;
    let mut all = [SymbolId::N, SymbolId::M, SymbolId::Y].into_iter();
    all.find(|third| are_two && *third != one && *third != other)
}

fn either(kind: Type, one: Says, other: Says) -> Option<Joined> {
    match (one, other) {
        (Says::Equals(one), Says::Equals(other)) if kind == Type::Tristate => {
            third(one, other).map(|third| Joined::Says(Says::Differs(third)))
        }
        (Says::Is, Says::IsNot) | (Says::IsNot, Says::Is) if kind == Type::Bool => {
            Some(Joined::Always)
        }
        _ => None,
    }
}

fn both(model: &Model, kind: Type, one: Says, other: Says) -> Option<Joined> {
    match (one, other) {
        (Says::Is, Says::Equals(SymbolId::Y)) | (Says::Equals(SymbolId::Y), Says::Is) => {
            Some(Joined::Says(Says::Equals(SymbolId::Y)))
        }
        (Says::Is, Says::Differs(SymbolId::N)) | (Says::Differs(SymbolId::N), Says::Is) => {
            Some(Joined::Says(Says::Is))
        }
        (Says::Is, Says::Differs(SymbolId::M)) | (Says::Differs(SymbolId::M), Says::Is) => {
            Some(Joined::Says(Says::Equals(SymbolId::Y)))
        }
        (Says::Equals(value), Says::Differs(no)) | (Says::Differs(no), Says::Equals(value))
            if kind == Type::Tristate && model[value].is_const && model[no].is_const =>
        {
            let never = value == no;
            Some(if never { Joined::Never } else { Joined::Says(Says::Equals(value)) })
        }
        (Says::Differs(one), Says::Differs(other)) if kind == Type::Tristate => {
            third(one, other).map(|third| Joined::Says(Says::Equals(third)))
        }
        _ => None,
    }
}
