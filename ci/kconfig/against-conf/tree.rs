//! A random Kconfig tree, and lines that ask for values of it.

use crate::judge::Case;
use crate::rng::Rng;

/// A statement with its options and its content.
#[derive(Debug, Clone)]
pub(crate) struct Node {
    /// The statement itself, then its options.
    pub(crate) lines: Vec<String>,
    pub(crate) content: Vec<Node>,
    /// What closes the content.
    pub(crate) end: Option<&'static str>,
}

#[derive(Debug, Clone)]
pub(crate) struct Tree {
    /// Of `Kconfig` and of `Kconfig.sub`.
    pub(crate) files: [Vec<Node>; 2],
    /// Lines of a `.config`.
    pub(crate) asked: Vec<String>,
}

impl Tree {
    pub(crate) fn case(&self) -> Case {
        let names = ["Kconfig", "Kconfig.sub"];
        let texts = names.iter().enumerate().map(|(at, name)| ((*name).to_owned(), self.text(at)));
        let used = texts.filter(|(name, text)| name == names[0] || !text.is_empty());
        let files = used.map(|(name, text)| (name, text.into_bytes())).collect();
        Case { files, asked: self.asked() }
    }

    /// The text of one of the files.
    pub(crate) fn text(&self, file: usize) -> String {
        let mut text = String::new();
        for node in &self.files[file] {
            render(node, &mut text);
        }
        text
    }

    pub(crate) fn asked(&self) -> String {
        self.asked.iter().map(|line| format!("{line}\n")).collect()
    }
}

fn render(node: &Node, text: &mut String) {
    for (at, line) in node.lines.iter().enumerate() {
        text.push_str(if at == 0 { "" } else { "\t" });
        text.push_str(line);
        text.push('\n');
    }
    for inner in &node.content {
        render(inner, text);
    }
    if let Some(end) = node.end {
        text.push_str(end);
        text.push('\n');
    }
}

const TYPES: [&str; 5] = ["bool", "tristate", "int", "hex", "string"];
const RELATIONS: [&str; 6] = ["=", "!=", "<", "<=", ">", ">="];

/// Makes a tree. `kernel` is the version whose language it is in, but for slips.
pub(crate) fn tree(rng: &mut Rng, kernel: (u32, u32)) -> Tree {
    let count = rng.range(3, 12);
    let logic = |rng: &mut Rng| if rng.percent(75) { rng.range(0, 2) } else { rng.range(2, 5) };
    let kinds = (0..count).map(|_| TYPES[logic(rng)]).collect();
    let has_modules = rng.percent(70);
    let mut maker = Maker {
        rng,
        kernel,
        kinds,
        next: 0,
        sub: vec![],
        has_sub: false,
        choices: 0,
        members: vec![],
    };
    let mut top = vec![];
    if maker.rng.percent(10) {
        top.push(leaf("mainmenu \"Random\""));
    }
    if maker.rng.percent(30) {
        top.extend(maker.variables());
    }
    if has_modules {
        top.push(maker.modules());
    }
    while maker.next < count {
        top.extend(maker.statement(0));
    }
    let asked = maker.asked();
    let files = [top, std::mem::take(&mut maker.sub)];
    Tree { files, asked }
}

fn leaf(line: &str) -> Node {
    Node { lines: vec![line.to_owned()], content: vec![], end: None }
}

struct Maker<'r> {
    rng: &'r mut Rng,
    kernel: (u32, u32),
    /// The type of each symbol, by its number.
    kinds: Vec<&'static str>,
    /// The next symbol to define.
    next: usize,
    sub: Vec<Node>,
    has_sub: bool,
    choices: usize,
    /// Which symbols are members of choices.
    members: Vec<usize>,
}

impl Maker<'_> {
    /// Something that the language does not have at this version, or does not allow.
    fn slip(&mut self) -> bool {
        self.rng.per_mille(4)
    }

    /// Whether a feature that came with, or went before, a release may be written.
    fn may(&mut self, has: bool) -> bool {
        has || self.slip()
    }

    fn variables(&mut self) -> Vec<Node> {
        // One that is defined with `:=` by itself is what lies in conf's memory by chance.
        let plain = ["y", "n", "m", "S0", "$(shell,echo y)", "$(lineno)", "$(filename)"];
        let recursive = ["$(B)", "$(C,$(A))", "$(1)", "$(C,$(1),$(B))"];
        let count = self.rng.range(1, 4);
        (0..count)
            .map(|_| {
                let name = self.rng.pick(&["A", "B", "C"]);
                let line = match self.rng.percent(60) {
                    true => format!("{name} := {}", self.rng.pick(&plain)),
                    false => {
                        let sign = self.rng.pick(&["=", "+="]);
                        format!("{name} {sign} {}", self.rng.pick(&recursive))
                    }
                };
                leaf(&line)
            })
            .collect()
    }

    fn modules(&mut self) -> Node {
        let kind = if self.rng.percent(90) { "bool" } else { "tristate" };
        let mut lines = vec!["config MODULES".to_owned()];
        let prompt = if self.rng.percent(80) { " \"modules\"" } else { "" };
        lines.push(format!("{kind}{prompt}"));
        let old = self.kernel < (5, 14);
        let option = if old != self.slip() { "option modules" } else { "modules" };
        lines.push(option.to_owned());
        if self.rng.percent(50) {
            lines.push(format!("default {}", self.rng.pick(&["y", "n", "m"])));
        }
        Node { lines, content: vec![], end: None }
    }

    fn statement(&mut self, depth: usize) -> Vec<Node> {
        let deep = depth >= 3;
        match self.rng.range(0, 100) {
            0..=63 => vec![self.config(self.rng_menuconfig(), false)],
            64..=74 if !deep => vec![self.choice()],
            75..=84 if !deep => vec![self.block("if", depth)],
            85..=92 if !deep => vec![self.block("menu", depth)],
            93..=95 => vec![self.comment()],
            96 => self.source(),
            97 if self.slip() => vec![leaf(self.rng.pick(&SLIPS))],
            _ => vec![self.config("config", false)],
        }
    }

    fn rng_menuconfig(&self) -> &'static str {
        // Every seventh symbol, so that the choice is not one more number of the stream.
        if self.next % 7 == 3 { "menuconfig" } else { "config" }
    }

    fn source(&mut self) -> Vec<Node> {
        let mut found = vec![];
        if !self.has_sub && self.next < self.kinds.len() {
            self.has_sub = true;
            self.sub = self.statement(2);
            found.push(leaf("source \"Kconfig.sub\""));
        } else if self.has_sub && self.rng.percent(5) {
            found.push(leaf("source \"Kconfig.sub\""));
        }
        found
    }

    fn block(&mut self, kind: &'static str, depth: usize) -> Node {
        let mut lines = vec![];
        if kind == "if" {
            lines.push(format!("if {}", self.expression(self.next, 2)));
        } else {
            lines.push(format!("menu \"Menu {}\"", self.rng.range(0, 100)));
            if self.rng.percent(40) {
                lines.push(self.depends());
            }
            if self.rng.percent(30) {
                lines.push(format!("visible if {}", self.expression(self.next, 1)));
            }
        }
        let count = self.rng.range(0, 4);
        let content = (0..count).flat_map(|_| self.statement(depth + 1)).collect();
        let end = if kind == "if" { "endif" } else { "endmenu" };
        Node { lines, content, end: Some(end) }
    }

    fn comment(&mut self) -> Node {
        let mut lines = vec![format!("comment \"Comment {}\"", self.rng.range(0, 100))];
        if self.rng.percent(60) {
            lines.push(self.depends());
        }
        Node { lines, content: vec![], end: None }
    }

    fn choice(&mut self) -> Node {
        self.choices += 1;
        let old = self.kernel < (6, 11);
        let first = self.next;
        let mut lines = vec!["choice".to_owned()];
        if self.rng.percent(5) && self.may(self.kernel < (6, 9)) {
            lines[0] = format!("choice NAMED{}", self.choices);
        }
        let typed = self.rng.percent(60) && self.may(old);
        let prompted = !self.rng.percent(2);
        match (typed, self.rng.pick(&["bool", "bool", "tristate"])) {
            (true, kind) if self.rng.percent(50) && prompted => {
                lines.push(format!("{kind} \"choice\"{}", self.condition(first)));
            }
            (true, kind) => {
                lines.push(kind.to_owned());
                if prompted {
                    lines.push(format!("prompt \"choice\"{}", self.condition(first)));
                }
            }
            (false, _) if prompted => {
                lines.push(format!("prompt \"choice\"{}", self.condition(first)));
            }
            _ => {}
        }
        if self.rng.percent(25) {
            lines.push(self.depends());
        }
        if self.rng.percent(20) && self.may(old) {
            lines.push("optional".to_owned());
        }
        let count = self.rng.range(1, 4);
        let mut content = vec![];
        for _ in 0..count {
            let member = self.config("config", true);
            match self.rng.range(0, 20) {
                0 => content.push(Node {
                    lines: vec![format!("if {}", self.expression(first, 1))],
                    content: vec![member],
                    end: Some("endif"),
                }),
                1 => content.extend([member, self.comment()]),
                _ => content.push(member),
            }
        }
        if self.rng.percent(40) {
            let default = self.rng.range(first, self.next.max(first + 1));
            lines.push(format!("default {}{}", self.symbol(default), self.condition(first)));
        }
        Node { lines, content, end: Some("endchoice") }
    }

    fn symbol(&self, number: usize) -> String {
        format!("S{number}")
    }

    fn config(&mut self, keyword: &str, in_choice: bool) -> Node {
        let again = self.next > 0 && (self.next >= self.kinds.len() || self.rng.percent(8));
        let again = again && (!in_choice || self.slip());
        let number = if again {
            self.rng.range(0, self.next.min(self.kinds.len()))
        } else {
            self.next += 1;
            self.next - 1
        };
        if number >= self.kinds.len() {
            self.kinds.push("bool");
        }
        if in_choice && !again {
            let old = self.kernel < (6, 11);
            let tristate = self.rng.percent(40) && self.may(old);
            self.members.push(number);
            self.kinds[number] = if tristate { "tristate" } else { "bool" };
        }
        let mut lines = vec![format!("{keyword} {}", self.symbol(number))];
        if self.rng.percent(3) && !in_choice && self.may(self.kernel >= (6, 18)) {
            lines.push(self.kinds[number].to_owned());
            lines.push("transitional".to_owned());
            if !self.slip() {
                return Node { lines, content: vec![], end: None };
            }
        }
        self.options(number, again, in_choice, keyword, &mut lines);
        Node { lines, content: vec![], end: None }
    }

    fn options(
        &mut self,
        number: usize,
        again: bool,
        in_choice: bool,
        keyword: &str,
        lines: &mut Vec<String>,
    ) {
        let kind = self.kinds[number];
        let prompted = match (in_choice, keyword) {
            (true, _) => !self.rng.percent(1),
            (_, "menuconfig") => !self.rng.percent(5),
            _ => self.rng.percent(if again { 30 } else { 65 }),
        };
        match (prompted, self.rng.percent(80)) {
            (true, true) => lines.push(format!("{kind} \"p {number}\"{}", self.condition(number))),
            (true, false) => {
                lines.push(kind.to_owned());
                lines.push(format!("prompt \"p {number}\"{}", self.condition(number)));
            }
            (false, true) => lines.push(kind.to_owned()),
            (false, false) if ["bool", "tristate"].contains(&kind) && !in_choice => {
                let value = self.expression(number, 1);
                lines.push(format!("def_{kind} {value}{}", self.condition(number)));
            }
            (false, false) => {}
        }
        for _ in 0..2 {
            if self.rng.percent(30) {
                lines.push(self.depends_of(number));
            }
            if self.rng.percent(35) && (!in_choice || self.slip()) {
                let value = self.value(number, kind);
                lines.push(format!("default {value}{}", self.condition(number)));
            }
        }
        let is_logic = ["bool", "tristate"].contains(&kind) || self.slip();
        if is_logic && self.rng.percent(25) {
            let word = self.rng.pick(&["select", "imply", "imply"]);
            let target = self.rng.range(number + 1, number + 5);
            lines.push(format!("{word} {}{}", self.symbol(target), self.condition(number)));
        }
        if ["int", "hex"].contains(&kind) && self.rng.percent(40) {
            let (low, high) = (self.number(number, kind), self.number(number, kind));
            lines.push(format!("range {low} {high}{}", self.condition(number)));
        }
        if self.rng.percent(8) {
            lines.push("help\n\t  Some help,\n\n\t    and more.\n".to_owned());
        }
        if self.rng.per_mille(5) {
            lines.push(
                self.rng.pick(&["help\n", "help\n\t  Again.\n", "prompt \"again\""]).to_owned(),
            );
        }
        if self.rng.per_mille(3) {
            lines.push(self.rng.pick(&OPTION_SLIPS).to_owned());
        }
    }

    fn value(&mut self, number: usize, kind: &str) -> String {
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

    fn number(&mut self, number: usize, kind: &str) -> String {
        if number > 0 && self.rng.percent(15) {
            return self.any_value(number);
        }
        let value = self.rng.range(0, 40);
        match (kind, self.rng.percent(95)) {
            ("hex", true) | ("int", false) => format!("0x{value:x}"),
            _ => format!("{value}"),
        }
    }

    fn depends(&mut self) -> String {
        self.depends_of(self.next)
    }

    fn depends_of(&mut self, number: usize) -> String {
        let condition = self.expression(number, 2);
        let more = self.rng.percent(20) && self.may(self.kernel >= (7, 0));
        match more {
            true => format!("depends on {condition} if {}", self.expression(number, 1)),
            false => format!("depends on {condition}"),
        }
    }

    fn condition(&mut self, number: usize) -> String {
        match self.rng.percent(25) {
            true => format!(" if {}", self.expression(number, 1)),
            false => String::new(),
        }
    }

    /// A symbol that was written before that one, so that there are few circles.
    fn any_symbol(&mut self, number: usize) -> String {
        let forward = self.rng.per_mille(8);
        let limit = if forward { self.kinds.len() } else { number.max(1) };
        match self.rng.percent(4) {
            true => self.rng.pick(&["MODULES", "NOWHERE"]).to_owned(),
            false => format!("S{}", self.rng.range(0, limit)),
        }
    }

    /// A symbol whose value a number or a string may take: since 6.11 conf does so from a choice's
    /// member what lies in its memory by chance.
    fn any_value(&mut self, number: usize) -> String {
        let at = self.rng.range(0, number);
        let by_chance = self.members.contains(&at) && self.kernel >= (6, 11);
        if by_chance { "NOWHERE".to_owned() } else { self.symbol(at) }
    }

    /// An expression about symbols before that one.
    fn expression(&mut self, number: usize, depth: usize) -> String {
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

    fn comparison(&mut self, number: usize) -> String {
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

    fn asked(&mut self) -> Vec<String> {
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

/// Statements that are none.
const SLIPS: [&str; 9] = [
    "endif",
    "endmenu",
    "nonsense here",
    "if",
    "config",
    "menu nothing",
    "source \"Kconfig.none\"",
    "$(error-if,y,no)",
    "mainmenu \"late\"",
];

/// Options that are none, or that do not belong to every symbol.
const OPTION_SLIPS: [&str; 8] = [
    "optional",
    "depends S0",
    "default",
    "bool \"p\" \"q\"",
    "range 1",
    "visible if y",
    "select \"S1\"",
    "modules",
];
