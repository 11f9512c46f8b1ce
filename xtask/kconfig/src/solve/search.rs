//! The cheapest way to a value, as far as the dependencies tell. A way costs what its lines turn on: their
//! symbols, and what those select.

use rustc_hash::{FxHashMap, FxHashSet};

use super::Lines;
use crate::config::{Config, Value};
use crate::expr::{Expr, ExprId, Relation};
use crate::model::{SymbolId, Type};
use crate::tristate::Tristate;
use Tristate::{M, N, Y};

/// Symbols that no line may be about: such lines did not come out.
pub(super) type Closed = FxHashSet<SymbolId>;

/// Dependencies of dependencies that are followed.
const DEEPEST: usize = 40;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Goal {
    AtLeast(SymbolId, Tristate),
    AtMost(SymbolId, Tristate),
}

pub(super) struct Search<'a, 'm> {
    config: &'a mut Config<'m>,
    closed: &'a Closed,
    /// What is asked for so far, and is not asked to be something else.
    taken: &'a Lines,
    /// What is not made anything else.
    kept: &'a Lines,
    /// Symbols of ways that there was another way than.
    pub(super) contested: Closed,
    /// What turning a symbol on costs.
    costs: FxHashMap<SymbolId, usize>,
    known: FxHashMap<Goal, Option<Lines>>,
    /// Goals on the way to this one: a way in a circle leads nowhere.
    open: Vec<Goal>,
    /// The deepest goal in the circles that were met, so that what they spoil is not kept.
    circle: usize,
}

impl<'a, 'm> Search<'a, 'm> {
    pub(super) fn new(
        config: &'a mut Config<'m>,
        closed: &'a Closed,
        taken: &'a Lines,
        kept: &'a Lines,
    ) -> Self {
        Search {
            config,
            closed,
            taken,
            kept,
            contested: Closed::default(),
            costs: FxHashMap::default(),
            known: FxHashMap::default(),
            open: vec![],
            circle: usize::MAX,
        }
    }

    /// The lines that make the symbol that value, with its own.
    pub(super) fn line(&mut self, symbol: SymbolId, value: &str) -> Option<Lines> {
        if !self.config.model.symbols[symbol.index()].kind.is_logic() {
            let seen = self.visible(symbol, M)?;
            return union(seen, one(symbol, value.to_owned()));
        }
        match Tristate::of_prefix(value)? {
            N => self.at_most(symbol, N),
            M => {
                let modules = self.at_least(self.config.model.modules(), Y)?;
                let seen = self.visible(symbol, M)?;
                union(union(modules, seen)?, one(symbol, "m".to_owned()))
            }
            Y => self.at_least(symbol, Y),
        }
    }

    fn at_least(&mut self, symbol: SymbolId, value: Tristate) -> Option<Lines> {
        self.goal(Goal::AtLeast(symbol, value))
    }

    fn at_most(&mut self, symbol: SymbolId, value: Tristate) -> Option<Lines> {
        self.goal(Goal::AtMost(symbol, value))
    }

    fn goal(&mut self, goal: Goal) -> Option<Lines> {
        let (Goal::AtLeast(symbol, _) | Goal::AtMost(symbol, _)) = goal;
        self.config.calc(symbol);
        let is = self.config.state[symbol.index()].tri;
        if match goal {
            Goal::AtLeast(_, value) => is >= value,
            Goal::AtMost(_, value) => is <= value,
        } {
            return Some(Lines::new());
        }
        if let Some(known) = self.known.get(&goal) {
            return known.clone();
        }
        if let Some(at) = self.open.iter().position(|open| *open == goal) {
            self.circle = self.circle.min(at);
            return None;
        }
        if self.open.len() == DEEPEST || symbol <= SymbolId::Y {
            return None;
        }
        self.open.push(goal);
        let found = crate::deep(|| match goal {
            Goal::AtLeast(symbol, value) => self.raise(symbol, value),
            Goal::AtMost(symbol, value) => self.lower(symbol, value),
        });
        self.open.pop();
        if self.circle >= self.open.len() {
            self.circle = usize::MAX;
            self.known.insert(goal, found.clone());
        }
        found
    }

    fn raise(&mut self, symbol: SymbolId, value: Tristate) -> Option<Lines> {
        let model = self.config.model;
        let known = &model[symbol];
        if known.kind == Type::Unknown || !known.kind.is_logic() {
            return None;
        }
        // Without modules, m is no value to ask for.
        let value = if self.config.kind(symbol) == Type::Bool { Y } else { value };
        if self.is_kept_below(symbol, value) {
            return None;
        }
        let mut best = None;
        let can_be_asked = known.transitional || !known.prompts.is_empty();
        if self.may_ask(symbol, value) && can_be_asked {
            let seen = self.visible(symbol, value);
            best = seen.and_then(|s| union(s, one(symbol, value.as_str().to_owned())));
        }
        // A default counts where nobody can ask for something else.
        if self.config.state[symbol.index()].visible == N {
            for default in &known.defaults {
                let holds = self.make(default.condition, value);
                let both = holds.and_then(|holds| union(holds, self.make(default.value, value)?));
                self.keep(&mut best, both);
            }
        }
        best.or_else(|| self.have_selected(symbol, value))
    }

    /// By what selects it. That heeds no dependencies, so they are seen to.
    fn have_selected(&mut self, symbol: SymbolId, value: Tristate) -> Option<Lines> {
        let known = &self.config.model[symbol];
        if known.transitional || known.selected_by.is_empty() {
            return None;
        }
        let depends =
            known.depends.map_or_else(|| Some(Lines::new()), |on| self.make(on, value))?;
        let mut best = None;
        for reverse in &known.selected_by {
            let by = self.at_least(reverse.by, value);
            let both = by.and_then(|by| union(by, self.make(reverse.condition, value)?));
            self.keep(&mut best, both);
        }
        union(best?, depends)
    }

    /// It is asked for as less than that.
    fn is_kept_below(&self, symbol: SymbolId, value: Tristate) -> bool {
        let kept = self.kept.get(&symbol).and_then(|kept| Tristate::of_prefix(kept));
        kept.is_some_and(|kept| kept < value)
    }

    fn is_kept_above(&self, symbol: SymbolId, value: Tristate) -> bool {
        let kept = self.kept.get(&symbol).and_then(|kept| Tristate::of_prefix(kept));
        kept.is_some_and(|kept| kept > value)
    }

    /// The cheaper one.
    fn keep(&mut self, best: &mut Option<Lines>, found: Option<Lines>) {
        let Some(found) = found else { return };
        let Some(known) = best.as_ref() else {
            *best = Some(found);
            return;
        };
        self.contested.extend(known.keys().chain(found.keys()).copied());
        if self.cost(&found) < self.cost(known) {
            *best = Some(found);
        }
    }

    fn cost(&mut self, lines: &Lines) -> usize {
        lines
            .iter()
            .map(|(symbol, value)| if value == "n" { 1 } else { self.cost_of(*symbol) })
            .sum()
    }

    /// The symbol, and what it selects that is off.
    fn cost_of(&mut self, symbol: SymbolId) -> usize {
        if let Some(cost) = self.costs.get(&symbol) {
            return *cost;
        }
        let model = self.config.model;
        let (mut seen, mut next) = (Closed::from_iter([symbol]), vec![symbol]);
        while let Some(by) = next.pop() {
            for select in &model[by].selects {
                self.config.calc(select.target);
                let is_off = self.config.state[select.target.index()].tri == N;
                if is_off && self.config.expr(select.condition) != N && seen.insert(select.target) {
                    next.push(select.target);
                }
            }
        }
        self.costs.insert(symbol, seen.len());
        seen.len()
    }

    fn lower(&mut self, symbol: SymbolId, value: Tristate) -> Option<Lines> {
        let model = self.config.model;
        let known = &model[symbol];
        if self.is_kept_above(symbol, value) {
            return None;
        }
        let mut lines = Lines::new();
        // What selects a transitional symbol does nothing to it.
        let selects = known.selected_by.iter().filter(|_| !known.transitional);
        for reverse in selects {
            let condition = self.config.expr(reverse.condition);
            self.config.calc(reverse.by);
            if self.config.state[reverse.by.index()].tri.min(condition) <= value {
                continue;
            }
            let mut best = self.at_most(reverse.by, value);
            let found = self.unmake(reverse.condition, value);
            self.keep(&mut best, found);
            lines = union(lines, best?)?;
        }
        if self.config.state[symbol.index()].visible != N {
            let mut best = None;
            if self.may_ask(symbol, value) {
                best = Some(one(symbol, value.as_str().to_owned()));
            }
            for other in self.other_members(symbol) {
                let found = self.at_least(other, Y);
                self.keep(&mut best, found);
            }
            return union(lines, best?);
        }
        for default in &known.defaults {
            if self.config.expr(default.condition).min(self.config.expr(default.value)) > value {
                let mut best = self.unmake(default.condition, value);
                let found = self.unmake(default.value, value);
                self.keep(&mut best, found);
                lines = union(lines, best?)?;
            }
        }
        Some(lines)
    }

    /// Of a choice, some member has to be set.
    fn other_members(&self, symbol: SymbolId) -> Vec<SymbolId> {
        let model = self.config.model;
        let choice = model[symbol].member_of.and_then(|choice| model[choice].choice.as_ref());
        let members = choice.map(|choice| choice.members.clone()).unwrap_or_default();
        members.into_iter().filter(|member| *member != symbol).collect()
    }

    /// Whether a line may ask for that.
    fn may_ask(&self, symbol: SymbolId, value: Tristate) -> bool {
        let free = |lines: &Lines| lines.get(&symbol).is_none_or(|line| line == value.as_str());
        free(self.taken) && free(self.kept) && !self.closed.contains(&symbol)
    }

    /// Makes one of the symbol's prompts seen.
    fn visible(&mut self, symbol: SymbolId, value: Tristate) -> Option<Lines> {
        if self.config.model[symbol].transitional {
            return Some(Lines::new());
        }
        let mut best = None;
        for prompt in &self.config.model[symbol].prompts {
            let seen = self.make(prompt.condition, value);
            let found = seen;
            self.keep(&mut best, found);
        }
        best
    }

    /// Makes an expression at least so.
    fn make(&mut self, expr: ExprId, value: Tristate) -> Option<Lines> {
        if self.config.expr(expr) >= value {
            return Some(Lines::new());
        }
        match self.config.model.expr(expr) {
            Expr::Symbol(symbol) => self.at_least(symbol, value),
            Expr::Not(inner) => self.unmake(inner, !value),
            Expr::And(left, right) => {
                let left = crate::deep(|| self.make(left, value))?;
                union(left, crate::deep(|| self.make(right, value))?)
            }
            Expr::Or(left, right) => {
                let mut best = crate::deep(|| self.make(left, value));
                let found = crate::deep(|| self.make(right, value));
                self.keep(&mut best, found);
                best
            }
            Expr::Compare(relation, left, right) => self.relate(relation, left, right),
        }
    }

    /// Makes an expression at most so.
    fn unmake(&mut self, expr: ExprId, value: Tristate) -> Option<Lines> {
        if self.config.expr(expr) <= value {
            return Some(Lines::new());
        }
        match self.config.model.expr(expr) {
            Expr::Symbol(symbol) => self.at_most(symbol, value),
            Expr::Not(inner) => self.make(inner, !value),
            Expr::And(left, right) => {
                let mut best = crate::deep(|| self.unmake(left, value));
                let found = crate::deep(|| self.unmake(right, value));
                self.keep(&mut best, found);
                best
            }
            Expr::Or(left, right) => {
                let left = crate::deep(|| self.unmake(left, value))?;
                union(left, crate::deep(|| self.unmake(right, value))?)
            }
            Expr::Compare(relation, left, right) => self.relate(relation.inverse(), left, right),
        }
    }

    /// Makes a comparison true, by what a symbol is compared with.
    fn relate(&mut self, relation: Relation, left: SymbolId, right: SymbolId) -> Option<Lines> {
        let model = self.config.model;
        if model[left].entries.is_empty() {
            let flipped = flip(relation);
            let defined = !model[right].entries.is_empty();
            return if defined { self.relate(flipped, right, left) } else { None };
        }
        let other = self.config.value(right);
        if model[left].kind.is_logic() {
            let Value::Logic(other) = other else { return None };
            return match (relation, other) {
                (Relation::Equal, N) | (Relation::Less, M) => self.at_most(left, N),
                (Relation::Equal, Y) | (Relation::Greater, M) => self.at_least(left, Y),
                (Relation::Unequal | Relation::Greater, N) => self.at_least(left, M),
                (Relation::Unequal | Relation::Less, Y) => self.at_most(left, M),
                (Relation::Equal, M) => union(self.at_least(left, M)?, one(left, "m".to_owned())),
                _ => None,
            };
        }
        let text = match relation {
            Relation::Equal | Relation::LessEqual | Relation::GreaterEqual => {
                other.as_str().to_owned()
            }
            Relation::Less => offset(other.as_str(), -1)?,
            Relation::Greater | Relation::Unequal => offset(other.as_str(), 1)?,
        };
        let other =
            |lines: &Lines| lines.get(&left).is_some_and(|line| *line.trim_matches('"') != text);
        if self.closed.contains(&left) || other(self.taken) || other(self.kept) {
            return None;
        }
        let text = if model[left].kind == Type::String { format!("\"{text}\"") } else { text };
        union(self.visible(left, M)?, one(left, text))
    }
}

/// The same with its sides changed.
fn flip(relation: Relation) -> Relation {
    match relation {
        Relation::Less => Relation::Greater,
        Relation::Greater => Relation::Less,
        Relation::LessEqual => Relation::GreaterEqual,
        Relation::GreaterEqual => Relation::LessEqual,
        same => same,
    }
}

fn offset(number: &str, by: i64) -> Option<String> {
    Some(number.parse::<i64>().ok()?.checked_add(by)?.to_string())
}

fn one(symbol: SymbolId, value: String) -> Lines {
    Lines::from([(symbol, value)])
}

/// Both; `None` if they want different values of one symbol.
fn union(mut left: Lines, right: Lines) -> Option<Lines> {
    for (symbol, value) in right {
        match left.get_mut(&symbol) {
            None => {
                left.insert(symbol, value);
            }
            Some(known) if *known == value => {}
            // What is y is at least m.
            Some(known) if *known == "m" && value == "y" => *known = value,
            Some(known) if *known == "y" && value == "m" => {}
            Some(_) => return None,
        }
    }
    Some(left)
}
