//! The only place that words errors and findings for people: what an error carries beside its
//! message, and how a failed run is told. What a run that goes well says is in `tell`.

mod adopted;
mod breach;
mod compared;
mod explained;
mod finding;
mod hardening;
mod kconfig;
mod mended;
mod minimized;
mod refreshed;
mod reversed;
mod tell;
mod verified;

use std::fmt;

use annotate_snippets::{Level, Renderer, Snippet};
use anyhow::Error;
use camino::{Utf8Path, Utf8PathBuf};
use serde::Serialize;

use crate::shell::Interrupted;

pub(crate) use adopted::tell_adoption;
pub(crate) use breach::tell_breaches;
pub(crate) use compared::{because, compared_text, tell_compared};
pub(crate) use explained::{explained_text, known_text};
pub(crate) use finding::{cause_text, hint_for_unknown};
pub(crate) use hardening::{hardening_table, tell_hardening};
pub(crate) use kconfig::{Quote, bad_kconfig, expression_fault};
pub(crate) use mended::{
    Answered, edit_text, excluded_text, mended_text, stays_text, tell_taken_back,
};
pub(crate) use minimized::{built_table, least_text, lines_table, tell_counts, tell_staying};
pub(crate) use refreshed::{tell_ahead, tell_proven};
pub(crate) use reversed::{tell_reach, tell_reversed};
pub(crate) use tell::{
    diff, plan_table, print_result, tell_bad_lines, tell_built, tell_choices, tell_clock_set_back,
    tell_compromise, tell_edited, tell_merged, tell_needless, tell_no_overlay, tell_own_conf,
    tell_plan, tell_refused, tell_resolved, tell_unread,
};
pub(crate) use verified::{differences_text, tell_obstacles};

/// An error with what to do next.
#[derive(Debug)]
pub(crate) struct Hinted {
    error: Error,
    hint: String,
}

impl fmt::Display for Hinted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.error.fmt(f)
    }
}

impl std::error::Error for Hinted {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.error.source()
    }
}

/// Adds to an error what its reader can do about it; shown last, as `hint: …`.
pub(crate) trait Hint<T> {
    fn hint<S: Into<String>>(self, hint: impl FnOnce() -> S) -> anyhow::Result<T>;
}

impl<T, E: Into<Error>> Hint<T> for Result<T, E> {
    fn hint<S: Into<String>>(self, hint: impl FnOnce() -> S) -> anyhow::Result<T> {
        self.map_err(|error| {
            let error = error.into();
            // Nothing is wrong then, and whoever asks whether it is one must see it.
            if error.is::<Interrupted>() {
                return error;
            }
            Error::new(Hinted { error, hint: hint().into() })
        })
    }
}

/// Something wrong in a text that a person wrote, with the line it stands on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct BadInput {
    pub path: Utf8PathBuf,
    /// From 1.
    pub line: usize,
    pub message: String,
    /// The line itself, to be shown.
    pub source: String,
}

impl BadInput {
    pub(crate) fn at(path: &Utf8Path, text: &str, line: usize, message: impl Into<String>) -> Self {
        let source = text.lines().nth(line.saturating_sub(1)).unwrap_or_default().to_owned();
        BadInput { path: path.to_owned(), line, message: message.into(), source }
    }

    pub(crate) fn toml(path: &Utf8Path, text: &str, error: &toml::de::Error) -> Self {
        let before = error.span().and_then(|span| text.get(..span.start)).unwrap_or_default();
        Self::at(path, text, before.matches('\n').count() + 1, error.message())
    }
}

impl fmt::Display for BadInput {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.path, self.line, self.message)
    }
}

impl std::error::Error for BadInput {}

/// A hint for a name that is not known: the nearest known one, else all of them.
pub(crate) fn did_you_mean(word: &str, known: &[&str]) -> String {
    let near = known.iter().map(|name| (strsim::jaro_winkler(word, name), name));
    match near.max_by(|a, b| a.0.total_cmp(&b.0)) {
        Some((score, name)) if score > 0.7 => format!("did you mean `{name}`?"),
        _ => format!("take one of: {}", known.join(", ")),
    }
}

/// All that is wrong in what a person wrote; at least one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct BadInputs(pub Vec<BadInput>);

impl BadInputs {
    /// Fails unless the list is empty.
    pub(crate) fn none(bad: Vec<BadInput>) -> Result<(), BadInputs> {
        if bad.is_empty() { Ok(()) } else { Err(BadInputs(bad)) }
    }
}

impl fmt::Display for BadInputs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lines: Vec<String> = self.0.iter().map(BadInput::to_string).collect();
        f.write_str(&lines.join("\n"))
    }
}

impl std::error::Error for BadInputs {}

/// A failed run, as it is told: the headline, what caused it, and what to do next.
#[derive(Debug, Serialize)]
pub(crate) struct Failure {
    pub error: String,
    pub causes: Vec<String>,
    pub hints: Vec<String>,
    #[serde(skip)]
    snippets: Vec<BadInput>,
}

impl Failure {
    pub(crate) fn new(error: &Error) -> Self {
        let mut messages: Vec<String> = vec![];
        let (mut hints, mut snippets) = (vec![], vec![]);
        for cause in error.chain() {
            if let Some(hinted) = cause.downcast_ref::<Hinted>() {
                hints.push(hinted.hint.clone());
                snippets.extend(bad_inputs(hinted.error.as_ref()));
            }
            snippets.extend(bad_inputs(cause));
            let message = cause.to_string();
            if messages.last() != Some(&message) {
                messages.push(message);
            }
        }
        let error = messages.remove(0);
        Failure { error, causes: messages, hints, snippets }
    }
}

fn bad_inputs(error: &(dyn std::error::Error + 'static)) -> Vec<BadInput> {
    let one = || error.downcast_ref::<BadInput>().map(|bad| vec![bad.clone()]);
    error.downcast_ref::<BadInputs>().map(|all| all.0.clone()).or_else(one).unwrap_or_default()
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let told =
            |message: &String| self.snippets.iter().any(|bad| message.contains(&bad.to_string()));
        let renderer = Renderer::styled();
        let (error, bold) = (style(anstyle::AnsiColor::Red), anstyle::Style::new().bold());
        for bad in &self.snippets {
            if bad.source.trim().is_empty() {
                // Nothing to draw, and an empty snippet loses its line number.
                writeln!(f, "{error}error{error:#}{bold}: {bad}{bold:#}")?;
                continue;
            }
            let end = bad.source.trim_end().len();
            let snippet = Snippet::source(&bad.source)
                .origin(bad.path.as_str())
                .line_start(bad.line)
                .annotation(Level::Error.span(0..end));
            writeln!(f, "{}", renderer.render(Level::Error.title(&bad.message).snippet(snippet)))?;
        }
        if !told(&self.error) {
            writeln!(f, "{error}error{error:#}{bold}: {}{bold:#}", self.error)?;
        }
        for cause in self.causes.iter().filter(|cause| !told(cause)) {
            writeln!(f, "  caused by: {}", cause.replace('\n', "\n    "))?;
        }
        let hint = style(anstyle::AnsiColor::Cyan);
        for text in &self.hints {
            writeln!(f, "{hint}hint{hint:#}: {text}")?;
        }
        Ok(())
    }
}

/// Bold, in a colour; `anstream` takes it out where the reader is no terminal.
pub(crate) fn style(colour: anstyle::AnsiColor) -> anstyle::Style {
    anstyle::Style::new().bold().fg_color(Some(colour.into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_interrupt_takes_no_hint() {
        let hinted = Err::<(), _>(Error::new(Interrupted)).hint(|| "install it");
        assert!(hinted.unwrap_err().is::<Interrupted>());
        let hinted = Err::<(), _>(anyhow::anyhow!("no such program")).hint(|| "install it");
        assert_eq!(Failure::new(&hinted.unwrap_err()).hints, ["install it"]);
    }
}
