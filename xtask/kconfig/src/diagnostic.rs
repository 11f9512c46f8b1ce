//! What is wrong with a Kconfig tree or a `.config`, as data.

use std::sync::Arc;

use crate::model::Location;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnostic {
    pub problem: Problem,
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

impl Problem {
    #[must_use]
    pub fn severity(&self) -> Severity {
        use Problem as P;
        match self {
            P::Character { .. }
            | P::UnterminatedString
            | P::NoFinalNewline
            | P::TypeRedefined { .. }
            | P::NoType { .. }
            | P::PromptRedefined { .. }
            | P::BlankHelp
            | P::SecondHelp
            | P::NotUtf8
            | P::UnexpectedData { .. }
            | P::InvalidValue { .. }
            | P::InvalidString { .. }
            | P::Reassigned { .. } => Severity::Warning,
            _ => Severity::Error,
        }
    }
}
