//! The macro language: variables, functions, `$(shell …)`, the environment.
//! As Documentation/kbuild/kconfig-macro-language.rst of the kernel has it.

use rustc_hash::FxHashMap;

use crate::Dialect;
use crate::diagnostic::{Diagnostic, Problem, Severity};
use crate::host::Host;
use crate::lexer::Flavor;
use crate::model::{FileId, Location};

/// What the lexer needs of the macro language.
pub(crate) trait Expand {
    /// Expands the reference that `text` begins with, after its `$`; appends what it comes to and
    /// returns how many bytes of `text` it was.
    fn reference(&mut self, line: u32, text: &str, into: &mut String) -> usize;

    fn report(&mut self, line: u32, problem: Problem);

    /// Nothing more is to be read.
    fn has_stopped(&self) -> bool;
}

/// As many arguments as a function may have.
const MOST_ARGUMENTS: usize = 16;
/// References inside of references.
const DEEPEST: usize = 200;
/// References that one may lead to, and bytes that all of them may come to together.
const MOST_WORK: usize = 1 << 20;

struct Variable {
    /// `None` while the first one is made.
    value: Option<String>,
    /// Expanded when it is used, not when it was assigned.
    recursive: bool,
    /// How often it is being expanded at this moment.
    open: usize,
}

pub(crate) struct Macros<'h> {
    host: &'h dyn Host,
    variables: FxHashMap<String, Variable>,
    /// What is left of `MOST_WORK`.
    work: usize,
    depth: usize,
    pub(crate) file: FileId,
    /// Of that file, as `$(filename)` gives it.
    pub(crate) path: String,
    line: u32,
    /// What `$(lineno)` gives.
    counted: u32,
    dialect: Dialect,
    /// Nothing is read, and nothing is said, after what the tree's own tools stop at.
    pub(crate) stopped: bool,
    /// How many there were.
    pub(crate) errors: usize,
    pub(crate) diagnostics: Vec<Diagnostic>,
}

impl Expand for Macros<'_> {
    fn reference(&mut self, line: u32, text: &str, into: &mut String) -> usize {
        (self.line, self.counted) = (line, line);
        self.work = MOST_WORK;
        self.dollar(text, &[], into)
    }

    fn report(&mut self, line: u32, problem: Problem) {
        self.report_at(Location { file: self.file, line }, problem);
    }

    fn has_stopped(&self) -> bool {
        self.stopped
    }
}

impl<'h> Macros<'h> {
    pub(crate) fn new(host: &'h dyn Host, dialect: Dialect) -> Self {
        Macros {
            host,
            variables: FxHashMap::default(),
            work: 0,
            depth: 0,
            file: FileId(0),
            path: String::new(),
            line: 0,
            counted: 0,
            dialect,
            stopped: false,
            errors: 0,
            diagnostics: vec![],
        }
    }

    pub(crate) fn report_at(&mut self, location: Location, problem: Problem) {
        if self.stopped {
            return;
        }
        self.stopped = problem.is_fatal();
        let diagnostic = Diagnostic::new(problem, location, self.dialect);
        self.errors += usize::from(diagnostic.severity == Severity::Error);
        self.diagnostics.push(diagnostic);
    }

    /// `end` is the line after the assignment: the tree's own tools have read it by then.
    pub(crate) fn assign(&mut self, line: u32, end: u32, name: &str, flavor: Flavor, value: &str) {
        (self.line, self.counted, self.work) = (line, end, MOST_WORK);
        let known = self.variables.get(name);
        let recursive = match flavor {
            Flavor::Recursive => true,
            Flavor::Simple => false,
            Flavor::Append => known.is_none_or(|variable| variable.recursive),
        };
        if !recursive && known.is_none() {
            // Whoever asks for it before it has a value asks for ever.
            let open = Variable { value: None, recursive: true, open: 1 };
            self.variables.insert(name.to_owned(), open);
        }
        let new = if recursive { value.to_owned() } else { self.expand(value, &[]) };
        let value = match self.variables.get(name) {
            Some(Variable { value: Some(old), .. }) if flavor == Flavor::Append => {
                format!("{old} {new}")
            }
            _ => new,
        };
        let variable = Variable { value: Some(value), recursive, open: 0 };
        self.variables.insert(name.to_owned(), variable);
    }

    fn fault(&mut self, problem: Problem) {
        self.report(self.line, problem);
    }

    fn expand(&mut self, text: &str, arguments: &[String]) -> String {
        let mut expanded = String::new();
        let mut rest = text;
        while let Some((plain, after)) = rest.split_once('$') {
            expanded.push_str(plain);
            rest = &after[self.dollar(after, arguments, &mut expanded)..];
        }
        expanded.push_str(rest);
        expanded
    }

    /// As `reference`, inside of a function that was called with `arguments`.
    fn dollar(&mut self, text: &str, arguments: &[String], into: &mut String) -> usize {
        if !text.starts_with('(') {
            into.push('$');
            return 0;
        }
        let Some(end) = closing(text) else {
            self.fault(Problem::UnterminatedReference { text: text[1..].to_owned() });
            return text.len();
        };
        if self.work == 0 {
            return end + 1;
        }
        self.work -= 1;
        if self.depth >= DEEPEST || self.work == 0 {
            self.endless();
            return end + 1;
        }
        self.depth += 1;
        let value = self.clause(&text[1..end], arguments);
        self.depth -= 1;
        if value.len() < self.work {
            self.work -= value.len();
            into.push_str(&value);
        } else if self.work > 0 {
            self.endless();
        }
        end + 1
    }

    /// Whatever else the reference leads to comes to nothing, and soon.
    fn endless(&mut self) {
        self.work = 0;
        self.fault(Problem::EndlessExpansion { limit: DEEPEST });
    }

    /// `name` or `name,argument,…`
    fn clause(&mut self, clause: &str, arguments: &[String]) -> String {
        if let Ok(number @ 1..) = clause.trim_start().parse::<usize>() {
            if let Some(argument) = arguments.get(number - 1) {
                return argument.clone();
            }
        }
        let parts = split(clause);
        if parts.len() > MOST_ARGUMENTS {
            self.fault(Problem::TooManyArguments { function: parts[0].to_owned() });
            return String::new();
        }
        let name = self.expand(parts[0], arguments);
        let given: Vec<String> =
            parts[1..].iter().map(|part| self.expand(part, arguments)).collect();
        self.variable(&name, &given)
            .or_else(|| self.function(&name, &given))
            .or_else(|| {
                let value = self.host.env(&name).filter(|_| given.is_empty() && !name.is_empty());
                value.map(std::borrow::Cow::into_owned)
            })
            .unwrap_or_default()
    }

    fn variable(&mut self, name: &str, given: &[String]) -> Option<String> {
        let variable = self.variables.get_mut(name)?;
        let value = variable.value.clone().filter(|_| !given.is_empty() || variable.open == 0);
        let Some(value) = value else {
            self.fault(Problem::RecursiveVariable { name: name.to_owned() });
            return Some(String::new());
        };
        if !variable.recursive {
            return Some(value);
        }
        variable.open += 1;
        let expanded = self.expand(&value, given);
        if let Some(variable) = self.variables.get_mut(name) {
            variable.open -= 1;
        }
        Some(expanded)
    }

    fn function(&mut self, name: &str, given: &[String]) -> Option<String> {
        let takes = match name {
            "filename" | "lineno" => 0,
            "info" | "shell" => 1,
            "error-if" | "warning-if" => 2,
            _ => return None,
        };
        let function = name.to_owned();
        if given.len() != takes {
            self.fault(if given.len() < takes {
                Problem::TooFewArguments { function }
            } else {
                Problem::TooManyArguments { function }
            });
            return Some(String::new());
        }
        match (name, given) {
            ("filename", _) => return Some(self.path.clone()),
            ("lineno", _) => return Some(self.counted.to_string()),
            ("shell", [command]) => return Some(self.shell(command)),
            ("error-if", [condition, text]) if condition == "y" => {
                self.fault(Problem::Said { text: text.clone() });
            }
            _ => {}
        }
        Some(String::new())
    }

    /// What it prints, with line ends as blanks.
    fn shell(&mut self, command: &str) -> String {
        match self.host.shell(command) {
            Ok(printed) => {
                // The tree's own tool reads this much.
                let most = printed.len().min(4095);
                let printed = String::from_utf8_lossy(&printed.as_bytes()[..most]);
                printed.trim_end_matches('\n').replace('\n', " ")
            }
            Err(why) => {
                self.fault(Problem::ShellFailed { command: command.to_owned(), why });
                String::new()
            }
        }
    }
}

/// Where the parenthesis that `text` begins with is closed.
fn closing(text: &str) -> Option<usize> {
    let mut open = 0usize;
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            b'(' => open += 1,
            b')' if open == 1 => return Some(at),
            b')' => open -= 1,
            _ => {}
        }
    }
    None
}

/// At the commas that are in no parentheses.
fn split(clause: &str) -> Vec<&str> {
    let (mut parts, mut open, mut start) = (vec![], 0i64, 0);
    for (at, byte) in clause.bytes().enumerate() {
        match byte {
            b',' if open == 0 => {
                parts.push(&clause[start..at]);
                start = at + 1;
            }
            b'(' => open += 1,
            b')' => open -= 1,
            _ => {}
        }
    }
    parts.push(&clause[start..]);
    parts
}
