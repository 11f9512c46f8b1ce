//! What is wrong with a Kconfig tree or a `.config`, as data.

use std::sync::Arc;

use crate::Dialect;
use crate::model::Location;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnostic {
    pub problem: Problem,
    /// What the tree's own tools make of it.
    pub severity: Severity,
    /// Where; of a `.config`, the file is that text.
    pub location: Location,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// The tree's own tools go on, too.
    Warning,
    /// The tree's own tools stop.
    Error,
}

/// A step on the way from a symbol to itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// Empty for a choice.
    pub symbol: Arc<str>,
    pub why: Link,
    pub location: Option<Location>,
}

/// Why a symbol's value needs the next one's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Link {
    DependsOn,
    SelectedBy,
    ImpliedBy,
    PromptVisibleIf,
    Default,
    DefaultIf,
    RangeIf,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Problem {
    NoFile {
        path: String,
    },
    NotUtf8,
    SourcesItself {
        path: String,
    },
    SourcedTooDeep {
        limit: usize,
    },
    NestedTooDeep {
        limit: usize,
    },
    /// A character that no token begins with.
    Character {
        found: char,
    },
    UnterminatedString,
    UnterminatedReference {
        text: String,
    },
    TooManyArguments {
        function: String,
    },
    TooFewArguments {
        function: String,
    },
    RecursiveVariable {
        name: String,
    },
    EndlessExpansion {
        limit: usize,
    },
    /// `$(error-if, …)` of the tree's own.
    Said {
        text: String,
    },
    ShellFailed {
        command: String,
        why: String,
    },
    UnknownStatement {
        word: String,
    },
    /// A statement where it does not belong.
    Misplaced {
        word: String,
    },
    /// More or other words than the statement takes.
    Malformed {
        word: String,
    },
    Expected {
        what: Expected,
    },
    EndWithoutStart {
        found: &'static str,
    },
    EndOfAnother {
        found: &'static str,
        open: &'static str,
        opened: Location,
    },
    EndInOtherFile {
        block: &'static str,
        opened: Location,
    },
    NoEnd {
        block: &'static str,
    },
    NoFinalNewline,
    SourcedTwice {
        path: String,
        first: Location,
    },
    ModulesTwice {
        first: Arc<str>,
    },
    TypeRedefined {
        symbol: Arc<str>,
    },
    NoType {
        symbol: Arc<str>,
    },
    PromptRedefined {
        symbol: Arc<str>,
    },
    BlankHelp,
    SecondHelp,
    ChoiceWithoutPrompt,
    MemberWithoutPrompt {
        symbol: Arc<str>,
    },
    MemberNotBool {
        symbol: Arc<str>,
    },
    MemberDefault {
        symbol: Arc<str>,
    },
    MemberPromptElsewhere {
        symbol: Arc<str>,
    },
    MenuWithoutPrompt {
        symbol: Arc<str>,
    },
    /// A transitional symbol has more than a type and a help text.
    TransitionalProperty {
        symbol: Arc<str>,
    },
    Recursive {
        steps: Vec<Step>,
    },
    // Of a `.config`:
    UnexpectedData {
        text: String,
    },
    InvalidValue {
        symbol: String,
        value: String,
    },
    InvalidString {
        symbol: String,
    },
    Reassigned {
        symbol: String,
    },
}

/// What a statement lacks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expected {
    Name,
    Text,
    Expression,
    Symbol,
    ClosingParenthesis,
    On,
}

impl Diagnostic {
    pub(crate) fn new(problem: Problem, location: Location, dialect: Dialect) -> Self {
        let severity = problem.severity(dialect);
        Diagnostic { problem, severity, location }
    }
}

impl Problem {
    fn severity(&self, dialect: Dialect) -> Severity {
        use Problem as P;
        let is_error = match self {
            P::BlankHelp | P::SecondHelp | P::MenuWithoutPrompt { .. } => {
                dialect.warnings_are_errors()
            }
            P::ChoiceWithoutPrompt
            | P::MemberWithoutPrompt { .. }
            | P::MemberDefault { .. }
            | P::MemberPromptElsewhere { .. } => dialect.choices_are_checked(),
            P::Character { .. }
            | P::UnterminatedString
            | P::NoFinalNewline
            | P::TypeRedefined { .. }
            | P::NoType { .. }
            | P::PromptRedefined { .. }
            | P::NotUtf8
            | P::UnexpectedData { .. }
            | P::InvalidValue { .. }
            | P::InvalidString { .. }
            | P::Reassigned { .. } => false,
            _ => true,
        };
        if is_error { Severity::Error } else { Severity::Warning }
    }

    /// The tree's own tools stop at once.
    pub(crate) fn is_fatal(&self) -> bool {
        use Problem as P;
        matches!(
            self,
            P::NoFile { .. }
                | P::SourcesItself { .. }
                | P::SourcedTwice { .. }
                | P::UnterminatedReference { .. }
                | P::TooManyArguments { .. }
                | P::TooFewArguments { .. }
                | P::RecursiveVariable { .. }
                | P::EndlessExpansion { .. }
                | P::Said { .. }
        )
    }
}
