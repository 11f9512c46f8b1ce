//! Kconfig problems in words.

use std::fmt;

use camino::Utf8PathBuf;
use kconfig::{Diagnostic, Expected, Link, Location, Problem, Step};
use serde::{Deserialize, Serialize};

use super::BadInput;
use crate::resolve::Kconfig;

/// A line of a file, as it stands there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Quote {
    pub path: Utf8PathBuf,
    /// From 1.
    pub line: usize,
    pub text: String,
}

impl fmt::Display for Quote {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.path, self.line)
    }
}

/// What of a tree's Kconfig its own tools would refuse, as bad input with its place.
pub(crate) fn bad_kconfig(kconfig: &Kconfig, diagnostic: &Diagnostic) -> BadInput {
    let Quote { path, line, text } = kconfig.quote(diagnostic.location);
    BadInput { path, line, message: problem_text(kconfig, &diagnostic.problem), source: text }
}

/// What is wrong with an expression that stands in no tree.
pub(crate) fn expression_fault(problems: &[Problem]) -> String {
    let nowhere = |_| String::new();
    let texts: Vec<String> = problems.iter().map(|one| text_of(&nowhere, one)).collect();
    texts.join(", ")
}

pub(super) fn problem_text(kconfig: &Kconfig, problem: &Problem) -> String {
    text_of(&|location| kconfig.quote(location).to_string(), problem)
}

fn text_of(place: &dyn Fn(Location) -> String, problem: &Problem) -> String {
    use Problem as P;
    match problem {
        P::NoFile { path } => format!("there is no file {path}"),
        P::NotUtf8 => "this line is not UTF-8".to_owned(),
        P::SourcesItself { path } => format!("{path} sources itself"),
        P::SourcedTooDeep { limit } => format!("more than {limit} files source each other here"),
        P::NestedTooDeep { limit } => format!("more than {limit} levels inside of each other"),
        P::Character { found } => format!("`{found}` begins no word"),
        P::UnterminatedString => "the string has no closing quote".to_owned(),
        P::UnterminatedReference { text } => format!("no `)` closes `$({text}`"),
        P::TooManyArguments { function } => format!("too many arguments for `{function}`"),
        P::TooFewArguments { function } => format!("too few arguments for `{function}`"),
        P::RecursiveVariable { name } => format!("variable `{name}` needs itself"),
        P::EndlessExpansion { .. } => "this expands without an end".to_owned(),
        P::Said { text } => text.clone(),
        P::ShellFailed { command, why } => format!("failed to run `{command}`: {why}"),
        P::UnknownStatement { word } => format!("unknown statement `{word}`"),
        P::Misplaced { word } => format!("`{word}` does not belong here"),
        P::Malformed { word } => format!("too many words for `{word}`"),
        P::Expected { what } => format!("expected {}", expected(*what)),
        P::EndWithoutStart { found } => format!("`end{found}` without a `{found}`"),
        P::EndOfAnother { found, open, opened } => {
            format!("`end{found}` within the {open} of {}", place(*opened))
        }
        P::EndInOtherFile { block, opened } => {
            format!("the {block} began in another file, at {}", place(*opened))
        }
        P::NoEnd { block } => format!("no `end{block}` follows"),
        P::NoFinalNewline => "no line end at the end of the file".to_owned(),
        P::SourcedTwice { path, first } => {
            format!("{path} is sourced a second time; the first is at {}", place(*first))
        }
        P::ModulesTwice { first } => format!("{first} is the symbol for modules already"),
        P::TypeRedefined { symbol } => format!("{symbol} has another type already"),
        P::NoType { symbol } => format!("{symbol} has no type"),
        P::PromptRedefined { symbol } => format!("{symbol} has a prompt already"),
        P::BlankHelp => "the help says nothing".to_owned(),
        P::SecondHelp => "the help is the second one".to_owned(),
        P::ChoiceWithoutPrompt => "the choice has no prompt".to_owned(),
        P::MemberWithoutPrompt { symbol } => {
            format!("{symbol} has no prompt, and is a choice's member")
        }
        P::MemberNotBool { symbol } => format!("{symbol} is not bool, and is a choice's member"),
        P::MemberDefault { symbol } => {
            format!("{symbol} has a default, and is a choice's member")
        }
        P::MemberPromptElsewhere { symbol } => {
            format!("{symbol} is a choice's member, and has a prompt elsewhere")
        }
        P::MenuWithoutPrompt { symbol } => format!("the `menuconfig` of {symbol} has no prompt"),
        P::TransitionalProperty { symbol } => {
            format!("{symbol} is transitional, and has more than a type and a help text")
        }
        P::Recursive { steps } => recursion(place, steps),
        P::UnexpectedData { text } => format!("`{text}` is no line of a .config"),
        P::InvalidValue { symbol, value } => format!("`{value}` is no value of {symbol}"),
        P::InvalidString { symbol } => format!("the value of {symbol} has no closing quote"),
        P::Reassigned { symbol } => format!("{symbol} has a value already"),
    }
}

fn expected(what: Expected) -> &'static str {
    match what {
        Expected::Name => "a name",
        Expected::Text => "a text in quotes",
        Expected::Expression => "an expression",
        Expected::Symbol => "a symbol",
        Expected::ClosingParenthesis => "`)`",
        Expected::On => "`on`",
    }
}

fn recursion(place: &dyn Fn(Location) -> String, steps: &[Step]) -> String {
    let name = |step: &Step| match &*step.symbol {
        "" => "a choice".to_owned(),
        name => name.to_owned(),
    };
    let mut text = "a symbol's value needs itself:".to_owned();
    for (at, step) in steps.iter().enumerate() {
        let next = name(&steps[(at + 1) % steps.len()]);
        let why = match step.why {
            Link::DependsOn => "depends on",
            Link::SelectedBy => "is selected by",
            Link::ImpliedBy => "is implied by",
            Link::PromptVisibleIf => "has a prompt that depends on",
            Link::Default => "has a default that contains",
            Link::DefaultIf => "has a default that depends on",
            Link::RangeIf => "has a range that depends on",
        };
        let place = step.location.map(place).map(|place| format!(" ({place})")).unwrap_or_default();
        text.push_str(&format!(" {} {why} {next}{place};", name(step)));
    }
    text.trim_end_matches(';').to_owned()
}
