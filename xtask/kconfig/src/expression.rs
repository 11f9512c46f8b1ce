//! An expression of its own, of no tree: written as what stands after `depends on`, about symbols by
//! name, and true or not of any `.config`.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::deep;
use crate::diagnostic::Problem;
use crate::eval::relate;
use crate::expr::{Expr, ExprId, Relation};
use crate::host::Host;
use crate::model::{Model, SymbolId, Type};
use crate::parse;
use crate::tristate::Tristate;

/// Values by symbol, as a `.config` has them; what would make an expression true.
pub type Way<'e> = BTreeMap<&'e str, String>;

/// Ways that are told of one expression.
const MOST_WAYS: usize = 16;

#[derive(Debug)]
pub struct Expression {
    /// Of its names alone.
    model: Model,
    root: ExprId,
}

/// There is nothing beside the text.
struct Nothing;

impl Host for Nothing {
    fn read(&self, _path: &str) -> Option<Vec<u8>> {
        None
    }

    fn shell(&self, _command: &str) -> Result<String, String> {
        Err(String::new())
    }

    fn env(&self, _name: &str) -> Option<Cow<'_, str>> {
        None
    }
}

impl Expression {
    /// Reads one, in the language's own grammar.
    ///
    /// # Errors
    /// All that is wrong with it.
    pub fn parse(text: &str) -> Result<Self, Vec<Problem>> {
        let (model, root, problems) = parse::expression_alone(&Nothing, text);
        if problems.is_empty() { Ok(Expression { model, root }) } else { Err(problems) }
    }

    /// The names in it, each once, in the order in which they are written.
    #[must_use]
    pub fn symbols(&self) -> Vec<&str> {
        let mut seen = BTreeSet::new();
        let all = self.model.symbols_in(self.root).into_iter();
        all.filter(|symbol| seen.insert(*symbol)).filter_map(|symbol| self.name(symbol)).collect()
    }

    /// Its value, where `config` gives what stands behind `CONFIG_NAME=`. A symbol that has no such
    /// line is `n`.
    pub fn value<'c>(&self, config: &dyn Fn(&str) -> Option<&'c str>) -> Tristate {
        self.of(self.root, config)
    }

    /// The names that keep it from `y`; none where it is `y`.
    pub fn faults<'c>(&self, config: &dyn Fn(&str) -> Option<&'c str>) -> Vec<&str> {
        let mut found = vec![];
        self.faults_of(self.root, true, config, &mut found);
        found
    }

    /// What would make it `y`, changing no more than that takes. The first way is the one that is
    /// written first; there may be none.
    pub fn ways<'c>(&self, config: &dyn Fn(&str) -> Option<&'c str>) -> Vec<Way<'_>> {
        let mut ways = self.ways_to(self.root, true, config);
        // What was as it had to be may not be so any more.
        ways.retain(|way| {
            let config = |name: &str| way.get(name).map(String::as_str).or_else(|| config(name));
            self.value(&config) == Tristate::Y
        });
        ways
    }

    /// Of what stands for a symbol, and not for itself.
    fn name(&self, symbol: SymbolId) -> Option<&str> {
        let known = &self.model[symbol];
        (!known.is_const && !is_number(&known.name)).then_some(&*known.name)
    }

    fn of<'c>(&self, expr: ExprId, config: &dyn Fn(&str) -> Option<&'c str>) -> Tristate {
        match self.model.expr(expr) {
            Expr::Symbol(symbol) => match self.operand(symbol, config) {
                (value, Type::Tristate) => Tristate::of_prefix(&value).unwrap_or_default(),
                _ => Tristate::N,
            },
            Expr::Not(inner) => !deep(|| self.of(inner, config)),
            Expr::And(left, right) => {
                deep(|| self.of(left, config)).min(deep(|| self.of(right, config)))
            }
            Expr::Or(left, right) => {
                deep(|| self.of(left, config)).max(deep(|| self.of(right, config)))
            }
            Expr::Compare(relation, left, right) => {
                relate(relation, self.operand(left, config), self.operand(right, config))
            }
        }
    }

    fn operand<'c>(
        &self,
        symbol: SymbolId,
        config: &dyn Fn(&str) -> Option<&'c str>,
    ) -> (Arc<str>, Type) {
        let known = &self.model[symbol];
        match self.name(symbol) {
            None => (known.name.clone(), known.kind),
            Some(name) => typed(config(name).unwrap_or("n")),
        }
    }

    /// It is `y`, or `n` where that is what is wanted.
    fn is<'c>(&self, expr: ExprId, wanted: bool, config: &dyn Fn(&str) -> Option<&'c str>) -> bool {
        self.of(expr, config) == if wanted { Tristate::Y } else { Tristate::N }
    }

    fn faults_of<'e, 'c>(
        &'e self,
        expr: ExprId,
        wanted: bool,
        config: &dyn Fn(&str) -> Option<&'c str>,
        found: &mut Vec<&'e str>,
    ) {
        if self.is(expr, wanted, config) {
            return;
        }
        let mut add = |symbol| {
            found.extend(self.name(symbol).filter(|name| !found.contains(name)));
        };
        match self.model.expr(expr) {
            Expr::Symbol(symbol) => add(symbol),
            Expr::Compare(_, left, right) => [left, right].into_iter().for_each(add),
            Expr::Not(inner) => deep(|| self.faults_of(inner, !wanted, config, found)),
            Expr::And(left, right) | Expr::Or(left, right) => {
                deep(|| self.faults_of(left, wanted, config, found));
                deep(|| self.faults_of(right, wanted, config, found));
            }
        }
    }

    fn ways_to<'c>(
        &self,
        expr: ExprId,
        wanted: bool,
        config: &dyn Fn(&str) -> Option<&'c str>,
    ) -> Vec<Way<'_>> {
        if self.is(expr, wanted, config) {
            return vec![Way::new()];
        }
        match self.model.expr(expr) {
            Expr::Symbol(symbol) => {
                let value = if wanted { "y" } else { "n" };
                self.name(symbol)
                    .map(|name| Way::from([(name, value.to_owned())]))
                    .into_iter()
                    .collect()
            }
            Expr::Compare(relation, left, right) => {
                self.way_to_compare(relation, left, right, wanted).into_iter().collect()
            }
            Expr::Not(inner) => deep(|| self.ways_to(inner, !wanted, config)),
            Expr::And(left, right) if wanted => deep(|| self.both(left, right, wanted, config)),
            Expr::Or(left, right) if !wanted => deep(|| self.both(left, right, wanted, config)),
            Expr::And(left, right) | Expr::Or(left, right) => {
                let mut ways = deep(|| self.ways_to(left, wanted, config));
                ways.extend(deep(|| self.ways_to(right, wanted, config)));
                ways.truncate(MOST_WAYS);
                ways
            }
        }
    }

    /// Each way to the one with each way to the other, but for those that contradict each other.
    fn both<'c>(
        &self,
        left: ExprId,
        right: ExprId,
        wanted: bool,
        config: &dyn Fn(&str) -> Option<&'c str>,
    ) -> Vec<Way<'_>> {
        let (first, second) =
            (self.ways_to(left, wanted, config), self.ways_to(right, wanted, config));
        let together = |one: &Way<'_>, other: &Way<'_>| {
            one.iter().all(|(name, value)| other.get(name).is_none_or(|known| known == value))
        };
        let mut ways = vec![];
        for one in &first {
            for other in second.iter().filter(|other| together(one, other)) {
                ways.push(one.iter().chain(other).map(|(n, v)| (*n, v.clone())).collect());
            }
        }
        ways.truncate(MOST_WAYS);
        ways
    }

    /// A symbol that is compared with a constant can be made equal to it.
    fn way_to_compare(
        &self,
        relation: Relation,
        left: SymbolId,
        right: SymbolId,
        wanted: bool,
    ) -> Option<Way<'_>> {
        use Relation as R;
        let name = self.name(left)?;
        let constant = &self.model[right];
        if self.name(right).is_some() {
            return None;
        }
        let value = match (relation, wanted) {
            (R::Equal | R::LessEqual | R::GreaterEqual, true)
            | (R::Unequal | R::Less | R::Greater, false) => literal(&constant.name),
            (R::Unequal, true) | (R::Equal, false) if *constant.name == *"n" => "y".to_owned(),
            (R::Unequal, true) | (R::Equal, false) if *constant.name == *"y" => "n".to_owned(),
            _ => return None,
        };
        Some(Way::from([(name, value)]))
    }
}

pub(crate) fn is_number(text: &str) -> bool {
    let hex = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X"));
    let digits = text.strip_prefix('-').unwrap_or(text);
    (!digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit()))
        || hex.is_some_and(|hex| !hex.is_empty() && hex.bytes().all(|b| b.is_ascii_hexdigit()))
}

/// A value of a `.config` with the type that it shows.
fn typed(value: &str) -> (Arc<str>, Type) {
    if let Some(quoted) = value.strip_prefix('"') {
        return (quoted.strip_suffix('"').unwrap_or(quoted).into(), Type::String);
    }
    let kind = match value {
        "n" | "m" | "y" => Type::Tristate,
        hex if hex.starts_with("0x") || hex.starts_with("0X") => Type::Hex,
        _ => Type::Int,
    };
    (value.into(), kind)
}

/// A constant as a `.config` has it.
fn literal(constant: &str) -> String {
    let plain = matches!(constant, "n" | "m" | "y") || is_number(constant);
    if plain { constant.to_owned() } else { format!("\"{constant}\"") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Expression {
        Expression::parse(text).unwrap()
    }

    const CONFIG: [(&str, &str); 5] =
        [("A", "y"), ("M", "m"), ("HZ", "250"), ("S", "\"x\""), ("HEX", "0x1F")];

    fn config(name: &str) -> Option<&'static str> {
        CONFIG.iter().find(|(known, _)| *known == name).map(|(_, value)| *value)
    }

    #[test]
    fn values_are_those_of_the_language() {
        for (text, value) in [
            ("A", "y"),
            ("M", "m"),
            ("M=m", "y"),
            ("N", "n"),
            ("!N && A", "y"),
            ("!M", "m"),
            ("A && (N || M)", "m"),
            ("N = n", "y"),
            ("A!=y", "n"),
            ("HZ=250", "y"),
            ("HZ<1000 && HZ >= 100", "y"),
            ("HEX=31", "y"),
            ("S=\"x\" && S!='y'", "y"),
            ("64BIT", "n"),
            ("N if A", "n"),
            ("N if M", "n"),
            ("M if A", "m"),
            ("N if N || HZ=100", "y"),
            ("y", "y"),
            ("'yes' || HZ || S", "n"),
        ] {
            assert_eq!(parse(text).value(&config).as_str(), value, "{text}");
        }
    }

    #[test]
    fn only_what_is_at_fault_is_named() {
        let faults = |text: &str| {
            let parsed = parse(text);
            parsed.faults(&config).join(" ")
        };
        assert_eq!(faults("A && N && !A && M"), "N A M");
        assert_eq!(faults("A || N"), "");
        assert_eq!(faults("N if A && M"), "N A M");
        assert_eq!(faults("(N || HZ<100) && A"), "N HZ");
        assert_eq!(faults("!(A && N || A)"), "A");
        assert_eq!(parse("A && 64BIT=y && HZ<100 && A").symbols(), ["A", "64BIT", "HZ"]);
    }

    #[test]
    fn ways_change_only_what_is_at_fault() {
        let ways = |text: &str| {
            let parsed = parse(text);
            let line = |(name, value): (&&str, &String)| format!("{name}={value}");
            let way = |way: &Way<'_>| way.iter().map(line).collect::<Vec<_>>().join(" ");
            parsed.ways(&config).iter().map(way).collect::<Vec<_>>().join(" | ")
        };
        assert_eq!(ways("A && N && O"), "N=y O=y");
        assert_eq!(ways("A && (N || O)"), "N=y | O=y");
        assert_eq!(ways("N if A"), "N=y | A=n");
        assert_eq!(ways("!A && HZ=100 && S=\"z\""), "A=n HZ=100 S=\"z\"");
        assert_eq!(ways("!(A || M)"), "A=n M=n");
        assert_eq!(ways("N && !N"), "");
        assert_eq!(ways("HZ>1000"), "");
        assert_eq!(ways("A"), "");
        let many = (0..40).map(|i| format!("(B{i} || C{i})")).collect::<Vec<_>>().join(" && ");
        assert_eq!(parse(&many).ways(&config).len(), MOST_WAYS);
    }

    #[test]
    fn what_is_no_expression_is_refused() {
        for text in [
            "",
            " ",
            "A &&",
            "A B",
            "A if",
            "if A",
            "(A",
            "A)",
            "= A",
            "A = ",
            "A := B",
            "A\nB",
            "a ? b",
            "\"A",
            "$(shell,x)",
            "A # why\nB",
        ] {
            assert!(Expression::parse(text).is_err(), "{text:?}");
        }
        for text in ["!".repeat(10_000), "(".repeat(10_000), format!("A{}", " && B".repeat(100))] {
            let parsed = Expression::parse(&text);
            let _ = parsed.map(|one| (one.ways(&config).len(), one.faults(&config).len()));
        }
        let long = (0..5_000).map(|i| format!("X{i}")).collect::<Vec<_>>().join(" && ");
        assert_eq!(parse(&long).value(&config), Tristate::N);
        assert_eq!(parse(&long).symbols().len(), 5_000);
    }
}
