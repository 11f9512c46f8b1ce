//! What a symbol's value comes from, as data, and what makes it another one in another configuration.

use std::sync::Arc;

use crate::config::{Config, State};
use crate::deep;
use crate::eval::relate;
use crate::explain::Selector;
use crate::expr::{Expr, ExprId};
use crate::model::{Location, Reverse, SymbolId, Type};
use crate::tristate::Tristate;
use Tristate::N;

/// What gave a symbol its value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// What was asked for it, or how the mode answered for those who did not ask.
    Given,
    /// These want it as much as it is.
    Selected {
        by: Vec<Selector>,
    },
    /// These would like it as much as it is.
    Implied {
        by: Vec<Selector>,
    },
    Default {
        location: Location,
    },
    /// It is the member that is set of this choice.
    Member {
        choice: Location,
    },
    /// Another member of its choice is set.
    OtherMember {
        choice: Location,
        set: Option<SymbolId>,
    },
    /// It can be set, and nobody did.
    Open,
    /// It cannot be set, and nothing else gives it a value.
    Off,
}

impl Config<'_> {
    /// What the symbol's value comes from.
    pub fn origin(&mut self, symbol: SymbolId) -> Origin {
        self.calc(symbol);
        if let Some(choice) = self.choice_that_decides(symbol) {
            let location = self.model[self.model[choice].entries[0]].location;
            return match self.state[symbol.index()].tri {
                N => Origin::OtherMember { choice: location, set: self.set_member(choice) },
                _ => Origin::Member { choice: location },
            };
        }
        if self.model[symbol].kind.is_logic() {
            self.origin_of_logic(symbol)
        } else {
            self.origin_of_text(symbol)
        }
    }

    /// A member that cannot be seen is no matter of its choice.
    fn choice_that_decides(&self, symbol: SymbolId) -> Option<SymbolId> {
        let visible = self.state[symbol.index()].visible;
        let decides = match self.model.dialect.choices_are_bool() {
            true => visible != N,
            false => visible == Tristate::Y,
        };
        self.model[symbol].member_of.filter(|_| decides)
    }

    fn origin_of_logic(&mut self, symbol: SymbolId) -> Origin {
        let known = &self.model[symbol];
        let is_bool = self.kind(symbol) == Type::Bool;
        let settle = |value: Tristate| if is_bool { value.without_m() } else { value };
        let State { visible, selected, tri, .. } = self.state[symbol.index()];
        match self.given(symbol) {
            Some(asked) if settle(asked.min(visible)) == tri && visible != N => {
                return Origin::Given;
            }
            Some(asked) if known.transitional && asked == tri => return Origin::Given,
            _ => {}
        }
        if tri == N {
            return if visible == N { Origin::Off } else { Origin::Open };
        }
        if selected >= tri {
            let by = self.selectors(symbol, |selector| settle(selector.value) >= tri);
            return Origin::Selected { by };
        }
        if let Some((origin, value)) = self.default_origin(symbol) {
            if settle(value) >= tri {
                return origin;
            }
        }
        let by = self.impliers(symbol).into_iter().filter(|one| settle(one.value) >= tri);
        Origin::Implied { by: by.collect() }
    }

    fn origin_of_text(&mut self, symbol: SymbolId) -> Origin {
        let visible = self.state[symbol.index()].visible != N;
        let user = &self.users[symbol.index()];
        if (visible || self.model[symbol].transitional) && user.is_set && user.text.is_some() {
            return Origin::Given;
        }
        match self.default_origin(symbol) {
            Some((origin, _)) => origin,
            None if visible => Origin::Open,
            None => Origin::Off,
        }
    }

    /// The default that counts, and what it gives.
    fn default_origin(&mut self, symbol: SymbolId) -> Option<(Origin, Tristate)> {
        let mut all = self.model[symbol].defaults.iter();
        let default = all.find(|default| self.expr(default.condition) != N)?;
        let gives = self.expr(default.value).min(self.expr(default.condition));
        Some((Origin::Default { location: default.location }, gives))
    }

    /// A symbol that has another value `there`, and so makes this one have another value there: of
    /// all that gave it its value here, the first that does.
    pub fn leader(&mut self, there: &mut Config<'_>, symbol: SymbolId) -> Option<SymbolId> {
        let model = self.model;
        let known = &model[symbol];
        let from = match self.origin(symbol) {
            Origin::Selected { by } => self.leading(there, &known.selected_by, &by),
            Origin::Implied { by } => self.leading(there, &known.implied_by, &by),
            Origin::Default { .. } | Origin::Open | Origin::Off => {
                self.leading_by_default(there, symbol)
            }
            Origin::OtherMember { set, .. } => set.filter(|set| self.differs(there, *set)),
            Origin::Given | Origin::Member { .. } => None,
        };
        // What can be seen can be answered.
        from.or_else(|| self.leading_by_prompt(there, symbol))
    }

    fn leading_by_prompt(&mut self, there: &mut Config<'_>, symbol: SymbolId) -> Option<SymbolId> {
        let mut prompts = self.model[symbol].prompts.iter();
        prompts.find_map(|prompt| self.decider(there, prompt.condition))
    }

    fn leading(
        &mut self,
        there: &mut Config<'_>,
        all: &[Reverse],
        by: &[Selector],
    ) -> Option<SymbolId> {
        let mut counting = all.iter().filter(|reverse| {
            by.iter().any(|by| (by.symbol, by.location) == (reverse.by, reverse.location))
        });
        counting.find_map(|reverse| match self.differs(there, reverse.by) {
            true => Some(reverse.by),
            false => self.decider(there, reverse.condition),
        })
    }

    /// The defaults are asked in order, until one counts.
    fn leading_by_default(&mut self, there: &mut Config<'_>, symbol: SymbolId) -> Option<SymbolId> {
        for default in &self.model[symbol].defaults {
            let decider = self.decider(there, default.condition);
            if decider.is_some() {
                return decider;
            }
            if self.expr(default.condition) != N {
                return self.decider(there, default.value);
            }
        }
        None
    }

    fn differs(&mut self, there: &mut Config<'_>, symbol: SymbolId) -> bool {
        self.operand(symbol).0 != self.operand_of(there, symbol).0
    }

    /// A symbol that has another value `there`, and so makes the expression have another one there.
    pub fn decider(&mut self, there: &mut Config<'_>, expr: ExprId) -> Option<SymbolId> {
        self.both(there, expr).decider
    }

    fn both(&mut self, there: &mut Config<'_>, expr: ExprId) -> Both {
        match self.model.expr(expr) {
            Expr::Symbol(symbol) => {
                self.calc(symbol);
                let here = self.state[symbol.index()].tri;
                let found = self.counterpart(there, symbol);
                let value = found.map_or(here, |found| found.map_or(N, |id| there.tri(id)));
                let both = Both { here, there: value, decider: Some(symbol) }.if_differing();
                match &self.model[symbol].choice {
                    // It has no name: whoever lets it be seen leads.
                    Some(_) if both.decider.is_some() => {
                        let decider = deep(|| self.leading_by_prompt(there, symbol));
                        Both { decider, ..both }
                    }
                    _ => both,
                }
            }
            Expr::Not(inner) => {
                let Both { here, there, decider } = deep(|| self.both(there, inner));
                Both { here: !here, there: !there, decider }
            }
            Expr::And(left, right) => {
                let left = deep(|| self.both(there, left));
                left.and(deep(|| self.both(there, right)))
            }
            Expr::Or(left, right) => {
                let left = deep(|| self.both(there, left)).negated();
                left.and(deep(|| self.both(there, right)).negated()).negated()
            }
            Expr::Compare(relation, left, right) => {
                let here = relate(relation, self.operand(left), self.operand(right));
                let of_there = (self.operand_of(there, left), self.operand_of(there, right));
                let decider = if self.differs(there, left) { left } else { right };
                let there = relate(relation, of_there.0, of_there.1);
                Both { here, there, decider: Some(decider) }.if_differing()
            }
        }
    }

    /// The symbol of that name there, if there is one; `None` for what is the same everywhere, as
    /// constants are.
    fn counterpart(&self, there: &Config<'_>, symbol: SymbolId) -> Option<Option<SymbolId>> {
        let known = &self.model[symbol];
        match () {
            () if known.is_const => None,
            () if std::ptr::eq(self.model, there.model) => Some(Some(symbol)),
            // Which choice it is there, nothing says.
            () if known.choice.is_some() => None,
            () => Some(there.model.find(&known.name)),
        }
    }

    fn operand_of(&mut self, there: &mut Config<'_>, symbol: SymbolId) -> (Arc<str>, Type) {
        match self.counterpart(there, symbol) {
            None => self.operand(symbol),
            Some(Some(found)) => there.operand(found),
            Some(None) if self.model[symbol].kind.is_logic() => ("n".into(), Type::Bool),
            Some(None) => (self.model[symbol].name.clone(), Type::Unknown),
        }
    }

    fn tri(&mut self, symbol: SymbolId) -> Tristate {
        self.calc(symbol);
        self.state[symbol.index()].tri
    }
}

/// An expression's value in two configurations, and the symbol that makes them differ.
struct Both {
    here: Tristate,
    there: Tristate,
    decider: Option<SymbolId>,
}

impl Both {
    fn if_differing(self) -> Self {
        let decider = self.decider.filter(|_| self.here != self.there);
        Both { decider, ..self }
    }

    fn negated(self) -> Self {
        Both { here: !self.here, there: !self.there, decider: self.decider }
    }

    /// Whoever is the lesser where all of it is the lesser decides; of two, the second: an entry's
    /// own condition is behind those that it inherits.
    fn and(self, other: Both) -> Both {
        let (here, there) = (self.here.min(other.here), self.there.min(other.there));
        let decides = match here < there {
            true => other.here == here,
            false => other.there == there,
        };
        let decider = if decides { other.decider } else { self.decider };
        Both { here, there, decider }.if_differing()
    }
}
