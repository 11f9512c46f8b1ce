//! Two configurations side by side, in words.

use std::fmt::Write as _;

use super::cause_text;
use crate::progress::Progress;
use crate::resolve::{
    At, Blocker, By, Cause, Compared, Difference, On, Reason, Subject, Which, Why,
};

/// Parts of a condition that are named.
const MOST: usize = 3;

/// What differs, menu by menu.
pub(crate) fn compared_text(compared: &Compared) -> String {
    let Compared { a, b, differences } = compared;
    if differences.is_empty() {
        return String::new();
    }
    let bold = anstyle::Style::new().bold();
    let mut text = format!("--- {}\n+++ {}\n", subject_text(a), subject_text(b));
    for group in differences.chunk_by(|one, next| one.menu == next.menu) {
        if differences.iter().any(|one| !one.menu.is_empty()) {
            let menu = match group[0].menu.as_slice() {
                [] => "(in no menu)".to_owned(),
                menu => menu.join(" > "),
            };
            let _ = writeln!(text, "\n{bold}{menu}{bold:#}");
        }
        let width = group.iter().map(|one| one.symbol.len()).max().unwrap_or_default();
        for one in group {
            let change = format!("{} -> {}", shown(&one.a, &one.b), shown(&one.b, &one.a));
            let line = format!("  {:width$}  {change}  {}", one.symbol, because((a, b), one));
            let _ = writeln!(text, "{}", line.trim_end());
        }
    }
    text
}

fn subject_text(subject: &Subject) -> String {
    let Subject { name, kernel, on, .. } = subject;
    let on = on.as_ref().map(|On { linux, arch }| match kernel {
        Some(kernel) => format!(" ({kernel} on Linux {linux})"),
        None => format!(" ({arch} on Linux {linux})"),
    });
    format!("{name}{}", on.unwrap_or_default())
}

/// What is not set is `n` beside a `y`; a number or a text is not there.
fn shown<'a>(at: &'a At, other: &At) -> &'a str {
    match (&at.value, other.value.as_deref()) {
        (Some(value), _) => value,
        (None, Some("y" | "m") | None) => "n",
        (None, Some(_)) => "(none)",
    }
}

/// The reason of a difference, told of the side that has more of the symbol.
pub(crate) fn because((a, b): (&Subject, &Subject), one: &Difference) -> String {
    let (high, low, in_high, in_low) = match one.greater() {
        Which::A => (&one.a, &one.b, a, b),
        Which::B => (&one.b, &one.a, b, a),
    };
    let told = at_text(high, one.follows.as_deref());
    let beside = |text: String| format!("{told}; {}: {text}", in_low.label);
    match (one.reason, &low.why, &one.cause, &low.asked) {
        (Reason::Unknown, ..) if in_high.on.is_none() => String::new(),
        (_, Why::Undefined { cause }, ..) => {
            format!("{told}; {}", undefined_text(cause.as_ref(), in_low, in_high))
        }
        (_, _, Some(cause), _) => beside(short(cause)),
        (Reason::Asked, _, _, Some(asked)) => {
            beside(format!("{} asked by {}", asked.value, asked.place))
        }
        (Reason::Asked, ..) => told,
        (Reason::Follows, ..) => match &one.follows {
            Some(follows) if !names(&high.why, follows) => format!("{told}, follows {follows}"),
            _ => told,
        },
        (Reason::Tree | Reason::Unknown, ..) => beside(at_text(low, None)),
    }
}

/// What a value comes from. Of several that select it, `first` is named if it is there.
fn at_text(at: &At, first: Option<&str>) -> String {
    match &at.why {
        Why::Asked => {
            at.asked.as_ref().map_or_else(String::new, |a| format!("asked by {}", a.place))
        }
        Why::NotAsked => "not asked for".to_owned(),
        Why::Selected { by } => format!("selected by {}", by_text(by, first)),
        Why::Implied { by } => format!("implied by {}", by_text(by, first)),
        Why::Default { place } => format!("default ({place})"),
        Why::Member { choice } => format!("the choice's default ({choice})"),
        Why::OtherMember { choice, set: Some(set) } => format!("the choice is {set} ({choice})"),
        Why::OtherMember { choice, set: None } => format!("nothing is chosen ({choice})"),
        Why::Off => "off".to_owned(),
        Why::Undefined { .. } => "no such symbol".to_owned(),
        Why::Stated { place: Some(place) } => format!("{place} says so"),
        Why::Stated { place: None } => "no line about it".to_owned(),
    }
}

fn by_text(by: &[By], first: Option<&str>) -> String {
    let named = by.iter().find(|one| Some(one.symbol.as_str()) == first).or(by.first());
    let named = named.map(|By { symbol, place }| format!("{symbol} ({place})"));
    match by.len() {
        0 | 1 => named.unwrap_or_default(),
        many => format!("{} and {} more", named.unwrap_or_default(), many - 1),
    }
}

/// It is one of those that select or imply it.
fn names(why: &Why, symbol: &str) -> bool {
    match why {
        Why::Selected { by } | Why::Implied { by } => by.iter().any(|one| one.symbol == symbol),
        _ => false,
    }
}

fn undefined_text(cause: Option<&Cause>, in_it: &Subject, other: &Subject) -> String {
    let (Some(on), Some(other)) = (&in_it.on, &other.on) else { return String::new() };
    let linux = &on.linux;
    match cause {
        Some(Cause::Called { name, opposite } | Cause::Renamed { to: name, opposite }) => {
            let how = if *opposite { "the opposite of" } else { "called" };
            format!("{how} {name} in Linux {linux}")
        }
        Some(Cause::NotYet { version }) => format!("not in Linux {linux}, came with {version}"),
        Some(Cause::Gone { version, .. }) => format!("not in Linux {linux}, went with {version}"),
        _ if on.linux == other.linux && on.arch != other.arch => format!("not for {}", on.arch),
        _ => format!("not in Linux {linux}"),
    }
}

/// A cause in fewer words than under a line.
fn short(cause: &Cause) -> String {
    match cause {
        Cause::Hidden { blockers, .. } if !blockers.is_empty() => {
            let part = |one: &Blocker| format!("{} ({})", one.expression, one.line);
            let mut parts: Vec<String> = blockers.iter().take(MOST).map(part).collect();
            if blockers.len() > MOST {
                parts.push(format!("{} more", blockers.len() - MOST));
            }
            format!("hidden by {}", parts.join(", "))
        }
        Cause::NoPrompt { selected_by, defaults, .. } => {
            let what = match (selected_by.is_empty(), defaults.is_empty()) {
                (true, true) => "no prompt, and nothing sets it",
                (true, false) => "no prompt, and no default sets it",
                (false, true) => "no prompt, and nothing that selects it is on",
                (false, false) => "no prompt, nothing on that selects it, no default that sets it",
            };
            what.to_owned()
        }
        other => cause_text(other),
    }
}

/// Says how much differs.
pub(crate) fn tell_compared(progress: Progress, compared: &Compared) {
    let Compared { a, b, differences } = compared;
    let count =
        |which: &dyn Fn(&Difference) -> bool| differences.iter().filter(|d| which(d)).count();
    let parts = |all: &[(usize, String)]| -> String {
        let some = all.iter().filter(|(count, _)| *count > 0);
        let words: Vec<String> = some.map(|(count, what)| format!("{count} {what}")).collect();
        words.join(", ")
    };
    if differences.is_empty() {
        return progress.say("no symbol differs");
    }
    let values = parts(&[
        (count(&|one| one.b.value.is_none()), format!("only in {}", a.label)),
        (count(&|one| one.a.value.is_none()), format!("only in {}", b.label)),
        (
            count(&|one| one.a.value.is_some() && one.b.value.is_some()),
            "with another value".to_owned(),
        ),
    ]);
    let reason = |reason: Reason| count(&|one| one.reason == reason);
    let reasons = parts(&[
        (reason(Reason::Asked), "asked for".to_owned()),
        (reason(Reason::Follows), "follow others".to_owned()),
        (reason(Reason::Tree), "by what the Kconfig files say".to_owned()),
        (reason(Reason::Unknown), "by what a file says".to_owned()),
    ]);
    let reasons = match a.on.is_some() {
        true => reasons,
        false => "name a tree for the reasons: --kernel-dir or --source".to_owned(),
    };
    let symbols = if differences.len() == 1 { "symbol differs" } else { "symbols differ" };
    progress.say(format!("{} {symbols}: {values}; {reasons}", differences.len()));
}
