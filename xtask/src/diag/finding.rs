//! Findings, drawn under the lines that they are about.

use annotate_snippets::{Level, Message, Renderer, Snippet};

use super::Quote;
use crate::fragment::config_line;
use crate::resolve::{Because, Blocker, ByCommand, Cause, Finding, Needless, Selector};

/// A line to draw, and what is said of it.
struct Drawn<'a> {
    line: &'a Quote,
    label: String,
}

/// The finding as a message with the fragment's line, and the lines of the tree that decide.
pub(crate) fn finding_text(finding: &Finding) -> String {
    let asked = Quote {
        path: finding.place.path.clone(),
        line: finding.place.line,
        text: finding.line.clone(),
    };
    let title =
        format!("{} resolves to {}", config_line(&finding.symbol, &finding.asked), finding.got);
    let (label, drawn, notes) = explain(&finding.cause);
    draw(Level::Error, &title, &Drawn { line: &asked, label }, &drawn, &notes)
}

/// A line that changes nothing in `kernels` of them, and what makes its symbol so without it.
pub(crate) fn needless_text(needless: &Needless, kernels: usize) -> String {
    let Needless { symbol: _, place, line, because } = needless;
    let own = Quote { path: place.path.clone(), line: place.line, text: line.clone() };
    let kernels = match kernels {
        1 => "the kernel that asks".to_owned(),
        many => format!("any of the {many} kernels that ask"),
    };
    let title = format!("this changes nothing in {kernels} for it");
    let (label, drawn) = explain_needless(because);
    draw(Level::Help, &title, &Drawn { line: &own, label }, &drawn, &[])
}

fn explain_needless(because: &Because) -> (String, Vec<Drawn<'_>>) {
    match because {
        Because::Selected { by } => ("selected anyway".to_owned(), those(by, "selects")),
        Because::Implied { by } => ("implied anyway".to_owned(), those(by, "implies")),
        Because::Default { default } => {
            let label = "the default".to_owned();
            ("the same by default".to_owned(), vec![Drawn { line: default, label }])
        }
        Because::Member { choice } => {
            let label = "comes to this by itself".to_owned();
            ("one of a choice".to_owned(), vec![Drawn { line: choice, label }])
        }
        Because::ByItself => ("the same without it".to_owned(), vec![]),
        Because::Twice { first } => (format!("asked for at {first} already"), vec![]),
        Because::Overridden { by } => (format!("{by} counts in its place"), vec![]),
    }
}

fn those<'a>(all: &'a [Selector], what: &str) -> Vec<Drawn<'a>> {
    let label = |by: &Selector| format!("{} is {} and {what} it", by.symbol, by.value);
    all.iter().take(MOST).map(|by| Drawn { line: &by.line, label: label(by) }).collect()
}

fn draw(
    level: Level,
    title: &str,
    first: &Drawn<'_>,
    drawn: &[Drawn<'_>],
    notes: &[String],
) -> String {
    let mut message = level.title(title).snippet(snippet(level, first));
    for one in drawn {
        message = message.snippet(snippet(level, one));
    }
    let message = notes
        .iter()
        .fold(message, |message: Message<'_>, note| message.footer(Level::Note.title(note)));
    Renderer::styled().render(message).to_string()
}

fn snippet<'a>(level: Level, drawn: &'a Drawn<'a>) -> Snippet<'a> {
    let text = &drawn.line.text;
    let start = text.len() - text.trim_start().len();
    let end = text.trim_end().len().max(start);
    Snippet::source(text)
        .origin(drawn.line.path.as_str())
        .line_start(drawn.line.line)
        .annotation(level.span(start..end).label(&drawn.label))
}

/// What stands under the fragment's line, the lines of the tree, and what no line shows.
fn explain(cause: &Cause) -> (String, Vec<Drawn<'_>>, Vec<String>) {
    let said = |label: String| (label, vec![], vec![]);
    match cause {
        Cause::Unknown { near, only_in } => {
            let mut notes = vec![];
            notes.extend(near.as_ref().map(|near| format!("did you mean CONFIG_{near}?")));
            if !only_in.is_empty() {
                notes.push(format!("it is defined only for {}", only_in.join(", ")));
            }
            ("this tree has no such symbol".to_owned(), vec![], notes)
        }
        Cause::Called { name, opposite: false } => {
            said(format!("this tree calls it CONFIG_{name}"))
        }
        Cause::Called { name, opposite: true } => {
            said(format!("this tree asks the opposite, CONFIG_{name}"))
        }
        Cause::Renamed { to, opposite: false } => said(format!("renamed to CONFIG_{to}")),
        Cause::Renamed { to, opposite: true } => said(format!("CONFIG_{to} asks the opposite now")),
        Cause::NotYet { version } => said(format!("it came with {version}")),
        Cause::Gone { version, instead: None } => said(format!("it went with {version}")),
        Cause::Gone { version, instead: Some(instead) } => {
            said(format!("it went with {version}: {instead}"))
        }
        Cause::Vendor { of } => said(format!("of {of}'s kernels, never in Linux itself")),
        Cause::WrongType { kind, definition } => {
            let label = format!("its type is {kind}");
            ("no value of its type".to_owned(), vec![Drawn { line: definition, label }], vec![])
        }
        Cause::NoModules { modules } => {
            let how = modules.as_ref().map(|modules| format!("CONFIG_{modules}=y turns them on"));
            ("there are no modules".to_owned(), vec![], how.into_iter().collect())
        }
        Cause::OutOfRange { low, high, range } => {
            let label = format!("from {low} to {high}");
            ("out of range".to_owned(), vec![Drawn { line: range, label }], vec![])
        }
        Cause::NoPrompt { definition, selected_by, defaults } => {
            let mut drawn = vec![Drawn { line: definition, label: "has no prompt".to_owned() }];
            drawn.extend(selected_by.iter().take(MOST).map(|by| Drawn {
                line: &by.line,
                label: format!("{} selects it, and is {}", by.symbol, by.value),
            }));
            for default in defaults.iter().take(MOST) {
                let label = match default.blockers.is_empty() {
                    true => "a default, and no more than this",
                    false => "a default, which does not count here",
                };
                drawn.push(Drawn { line: &default.line, label: label.to_owned() });
                drawn.extend(default.blockers.iter().map(too_little));
            }
            let notes = more(selected_by.len(), "select it").into_iter().collect();
            ("only a select or a default sets it".to_owned(), drawn, notes)
        }
        Cause::Hidden { prompt: _, blockers } => {
            let drawn = blockers.iter().map(too_little).collect();
            let told = blockers.iter().flat_map(|blocker| &blocker.by_command).map(told_by_command);
            let mut notes: Vec<String> = told.collect();
            notes.dedup();
            ("hidden: not all that it depends on is there".to_owned(), drawn, notes)
        }
        Cause::NotAsked { prompt } => {
            let label = "a line is enough".to_owned();
            ("no line asks for it".to_owned(), vec![Drawn { line: prompt, label }], vec![])
        }
        Cause::Selected { by } => {
            let notes = more(by.len(), "select it").into_iter().collect();
            ("selected, so it cannot be less".to_owned(), those(by, "selects"), notes)
        }
        Cause::OtherMember { choice, set } => {
            let set = set.as_deref().unwrap_or("none of its members");
            let label = format!("of this choice, {set} is set");
            ("one of a choice".to_owned(), vec![Drawn { line: choice, label }], vec![])
        }
        Cause::Unclear => said("its value changed while it was computed".to_owned()),
        Cause::Untold => said("the tree's own conf does not say why".to_owned()),
    }
}

/// A cause in one line.
pub(crate) fn cause_text(cause: &Cause) -> String {
    let (label, drawn, notes) = explain(cause);
    let lines = drawn.iter().map(|drawn| format!("{} ({})", drawn.label, drawn.line));
    let details: Vec<String> = lines.chain(notes).collect();
    match details.is_empty() {
        true => label,
        false => format!("{label}: {}", details.join("; ")),
    }
}

/// What makes a line needless, in one line.
pub(crate) fn because_text(because: &Because) -> String {
    let (label, drawn) = explain_needless(because);
    let lines: Vec<String> =
        drawn.iter().map(|drawn| format!("{} ({})", drawn.label, drawn.line)).collect();
    if lines.is_empty() { label } else { format!("{label}: {}", lines.join("; ")) }
}

/// What to do about a name that the tree does not define for this arch.
pub(crate) fn hint_for_unknown(name: &str, cause: &Cause) -> String {
    match cause {
        Cause::Unknown { only_in, .. } if !only_in.is_empty() => {
            format!("it is defined only for {}", only_in.join(", "))
        }
        Cause::Unknown { near: Some(near), .. } => format!("did you mean {near}?"),
        Cause::Unknown { near: None, .. } => {
            format!("search the tree: grep -rw {name} --include='Kconfig*'")
        }
        cause => cause_text(cause),
    }
}

/// Where a value comes from that no line can change. What a tool's version is 0 for is not here
/// (`scripts/pahole-version.sh`, 6.12).
fn told_by_command(one: &ByCommand) -> String {
    let ByCommand { symbol, value, line } = one;
    match symbol.strip_suffix("_VERSION").filter(|_| value == "0") {
        Some(tool) => {
            let tool = tool.to_ascii_lowercase();
            format!("{symbol} is 0 since the tools here have no {tool} ({line})")
        }
        None => format!("{symbol} is {value} by what the tools here can do ({line})"),
    }
}

fn too_little(blocker: &Blocker) -> Drawn<'_> {
    let label = format!("{}: this is {}", blocker.expression, blocker.value);
    Drawn { line: &blocker.line, label }
}

/// Lines of one kind that are drawn.
const MOST: usize = 4;

fn more(count: usize, what: &str) -> Option<String> {
    (count > MOST).then(|| format!("{} more {what}", count - MOST))
}
