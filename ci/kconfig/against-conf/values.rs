//! What random trees are made of: expressions, values, and lines that ask for values.

use crate::tree::{Maker, TYPES};

const RELATIONS: [&str; 6] = ["=", "!=", "<", "<=", ">", ">="];

impl Maker<'_> {
    pub(crate) fn value(&mut self, number: usize, kind: &str) -> String {
        match kind {
            "bool" | "tristate" => self.expression(number, 1),
            "string" => match self.rng.range(0, 4) {
                0 if number > 0 => self.any_value(number),
                1 => "\"\"".to_owned(),
                2 => "\"$(A) a\\\"b\"".to_owned(),
                _ => "\"text\"".to_owned(),
            },
            kind => self.number(number, kind),
        }
    }

    pub(crate) fn number(&mut self, number: usize, kind: &str) -> String {
        if number > 0 && self.rng.percent(15) {
            return self.any_value(number);
        }
        let value = self.rng.range(0, 40);
        match (kind, self.rng.percent(95)) {
            ("hex", true) | ("int", false) => format!("0x{value:x}"),
            _ => format!("{value}"),
        }
    }

    /// A symbol that was written before that one, so that there are few circles.
    pub(crate) fn any_symbol(&mut self, number: usize) -> String {
        let number = number.min(self.limit);
        let forward = self.rng.per_mille(8);
        let limit = if forward { self.kinds.len() } else { number.max(1) };
        match self.rng.percent(4) {
            true => self.rng.pick(&["MODULES", "NOWHERE"]).to_owned(),
            false => format!("S{}", self.rng.range(0, limit)),
        }
    }

    /// A symbol whose value a number or a string may take: since 6.11 conf does so from a choice's
    /// member what lies in its memory by chance.
    pub(crate) fn any_value(&mut self, number: usize) -> String {
        let at = self.rng.range(0, number);
        let by_chance = self.members.contains(&at) && self.kernel >= (6, 11);
        if by_chance { "NOWHERE".to_owned() } else { self.symbol(at) }
    }

    /// An expression about symbols before that one.
    pub(crate) fn expression(&mut self, number: usize, depth: usize) -> String {
        let number = number.min(self.limit);
        if number == 0 {
            return self.rng.pick(&["y", "n", "m", "\"y\"", "$(A)y", "!n"]).to_owned();
        }
        match self.rng.range(0, 100) {
            0..=39 => self.any_symbol(number),
            40..=49 => format!("!{}", self.any_symbol(number)),
            50..=54 => self.rng.pick(&["y", "n", "m", "\"m\"", "y$(A)", "$(B)n"]).to_owned(),
            55..=66 => self.comparison(number),
            67..=69 => format!("!({})", self.expression(number, depth.saturating_sub(1))),
            _ if depth == 0 => self.any_symbol(number),
            at => {
                let sign = if at < 85 { "&&" } else { "||" };
                let left = self.expression(number, depth - 1);
                let right = self.expression(number, depth - 1);
                match self.rng.percent(30) {
                    true => format!("({left} {sign} {right})"),
                    false => format!("{left} {sign} {right}"),
                }
            }
        }
    }

    pub(crate) fn comparison(&mut self, number: usize) -> String {
        let at = self.rng.range(0, number.min(self.kinds.len()));
        let relation = match self.rng.percent(70) {
            true => self.rng.pick(&RELATIONS[..2]),
            false => self.rng.pick(&RELATIONS),
        };
        let right = match (self.kinds[at], self.rng.percent(15)) {
            (_, true) => self.any_symbol(number),
            ("bool" | "tristate", _) => self.rng.pick(&["y", "m", "n", "'y'"]).to_owned(),
            ("string", _) => self.rng.pick(&["\"text\"", "\"\"", "'x'"]).to_owned(),
            (kind, _) => self.number(0, kind),
        };
        // What conf 6.11 and newer make of this is what lies in its memory by chance.
        let by_chance = self.kinds[at] == "bool" && relation == "!=" && right.contains('y');
        let right = if by_chance && self.kernel >= (6, 11) { "n".to_owned() } else { right };
        format!("S{at} {relation} {right}")
    }

    pub(crate) fn asked(&mut self) -> Vec<String> {
        let mut lines = vec![];
        for number in 0..self.kinds.len() {
            if !self.rng.percent(55) {
                continue;
            }
            let name = self.symbol(number);
            let kind =
                if self.rng.percent(97) { self.kinds[number] } else { self.rng.pick(&TYPES) };
            let value = match kind {
                "bool" => self.rng.pick(&["y", "n", "y", "n", "m"]).to_owned(),
                "tristate" => self.rng.pick(&["y", "n", "m"]).to_owned(),
                "string" => {
                    self.rng.pick(&["\"text\"", "\"a \\\" b\"", "\"\"", "bare", "\"x"]).to_owned()
                }
                kind => self.number(0, kind),
            };
            lines.push(match (value.as_str(), self.rng.percent(60)) {
                ("n", true) => format!("# CONFIG_{name} is not set"),
                ("n", false) if self.rng.percent(10) => {
                    format!("# CONFIG_{name} is not set at all")
                }
                _ => format!("CONFIG_{name}={value}"),
            });
        }
        if self.rng.percent(60) {
            lines.push(format!("CONFIG_MODULES={}", self.rng.pick(&["y", "y", "y", "n", "m"])));
        }
        if self.rng.percent(5) {
            let odd = [
                "nothing",
                "CONFIG_S0",
                "CONFIG_NOWHERE=y",
                "#CONFIG_S1 is not set",
                "",
                "CONFIG_=y",
            ];
            lines.push(self.rng.pick(&odd).to_owned());
        }
        // One in ten is asked twice; the order is not that of the tree.
        if !lines.is_empty() && self.rng.percent(30) {
            let (from, to) = (self.rng.range(0, lines.len()), self.rng.range(0, lines.len()));
            lines.swap(from, to);
            if self.rng.percent(30) {
                lines.push(lines[from].replace("=y", "=m"));
            }
        }
        lines
    }
}
