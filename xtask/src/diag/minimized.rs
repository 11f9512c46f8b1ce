//! What kernels can do without, in words.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use comfy_table::presets::NOTHING;
use comfy_table::{CellAlignment, Table};

use super::finding::because_text;
use crate::fragment::Place;
use crate::measure::{FIGURES, Figure, Unit};
use crate::minimize::{Gain, Least, LeftOut, Line, Verdict};
use crate::progress::Progress;
use crate::report::grouped;

/// Names that are shown of a list.
const MOST: usize = 3;

/// The verdicts, what speaks most for a line first; how one line of the kind is called, and what a
/// count of them is.
const VERDICTS: [(Verdict, &str, &str); 8] = [
    (Verdict::Needed, "needed", "that capabilities need"),
    (Verdict::Kept, "kept", "that are kept"),
    (Verdict::KeepsOut, "keeps out", "that keep others out"),
    (Verdict::Sets, "sets a value", "that only set a value"),
    (Verdict::Unneeded, "unneeded", "that no capability needs"),
    (Verdict::ChangesNothing, "changes nothing", "that change nothing"),
    (Verdict::Missed, "not as asked", "that do not come out as asked"),
    (Verdict::Absent, "absent", "that are for other trees"),
];

fn word(verdict: Verdict) -> &'static str {
    VERDICTS.iter().find(|(known, ..)| *known == verdict).map_or("", |(_, word, _)| word)
}

/// Says how many lines there are of each kind.
pub(crate) fn tell_counts(progress: Progress, lines: &[Line], kernels: usize) {
    let count = |verdict: Verdict| lines.iter().filter(|line| line.verdict == verdict).count();
    let of_kind = |(verdict, _, what): &(Verdict, &str, &str)| {
        let count = count(*verdict);
        (count > 0).then(|| format!("{count} {what}"))
    };
    let kinds: Vec<String> = VERDICTS.iter().filter_map(of_kind).collect();
    progress.say(format_args!("{} lines, {kernels} kernels: {}", lines.len(), kinds.join(", ")));
}

/// Says why lines cannot go.
pub(crate) fn tell_staying(progress: Progress, lines: &[&Line]) {
    for line in lines {
        let why = match line.verdict {
            Verdict::Needed | Verdict::Kept => why(line),
            _ => format!("{} asks for it, too, and was not judged", line.unjudged.join(", ")),
        };
        progress.complain(format_args!("{}: {} stays: {why}", line.place, line.line));
    }
}

pub(crate) fn lines_table(lines: &[&Line]) -> String {
    if lines.is_empty() {
        return String::new();
    }
    let estimated = lines.iter().any(|line| line.gain().is_some());
    let columns = if estimated { 6 } else { 5 };
    let mut table = Table::new();
    table.load_preset(NOTHING);
    table.set_header(&["LINE", "AT", "VERDICT", "WHY", "GOES WITH IT", "SAVES"][..columns]);
    for line in lines {
        let saves = line.gain().map(saves).unwrap_or_default();
        let cells = [
            line.line.clone(),
            line.place.to_string(),
            word(line.verdict).to_owned(),
            why(line),
            goes_with(line),
            saves,
        ];
        table.add_row(cells.into_iter().take(columns));
    }
    let legend = if estimated { format!("\n{SAVES}") } else { String::new() };
    format!("{}{legend}", table.trim_fmt())
}

const SAVES: &str = "SAVES is an estimate by the object tree of the last build, of the kernel that saves most: \
    code, data and bss, unpacked, of the objects that the makefiles bring in for a symbol that goes. What \
    other objects have for it behind #ifdef is not in it.";

fn saves(gain: &Gain) -> String {
    match gain.objects {
        0 => "no object".to_owned(),
        1 => format!("{} bytes of 1 object", grouped(gain.bytes())),
        many => format!("{} bytes of {many} objects", grouped(gain.bytes())),
    }
}

fn why(line: &Line) -> String {
    let deciding: Vec<_> = line.deciding().collect();
    let first = deciding.first().map(|one| &one.judged);
    let text = match line.verdict {
        Verdict::Needed => some(&line.all_of(|one| &one.effect.needed_by)),
        Verdict::Kept => {
            let kept_for = first.and_then(|one| one.effect.kept_for.first());
            kept_for.map(|kept| format!("{}: {}", kept.what, kept.reason)).unwrap_or_default()
        }
        Verdict::KeepsOut => some(&line.all_of(|one| &one.effect.comes)),
        Verdict::Sets => {
            let change = first.and_then(|one| one.effect.changes.first());
            change.map(|one| format!("{} without it", one.after)).unwrap_or_default()
        }
        Verdict::Unneeded => "no capability needs it".to_owned(),
        Verdict::ChangesNothing => match first.and_then(|one| one.because.as_ref()) {
            Some(because) => because_text(because),
            None => "another line that changes nothing makes it so".to_owned(),
        },
        Verdict::Missed | Verdict::Absent => String::new(),
    };
    match (deciding.len(), line.kernels.len(), line.unjudged.len()) {
        (some, all, _) if some < all && line.verdict > Verdict::Unneeded => {
            format!("{text} (in {some} of {all} kernels)")
        }
        (_, _, 0) => text,
        (_, _, others) => format!("{text}; {others} other kernels that ask for it were not judged"),
    }
}

/// The line's own symbol is no news.
fn goes_with(line: &Line) -> String {
    let mut names = line.all_of(|one| &one.effect.goes);
    names.retain(|name| *name != line.symbol);
    match (line.verdict, names.as_slice()) {
        (Verdict::Unneeded, []) => "nothing else".to_owned(),
        (_, names) => some(names),
    }
}

/// "A, B, C and 4 more"
fn some(names: &[&str]) -> String {
    let shown = names[..names.len().min(MOST)].join(", ");
    match names.len().saturating_sub(MOST) {
        0 => shown,
        more => format!("{shown} and {more} more"),
    }
}

/// What builds without single lines came to.
pub(crate) fn built_table(built: &[LeftOut]) -> String {
    let known = |figure: Figure| built.iter().any(|one| one.saves.contains_key(&figure));
    let columns: Vec<_> = FIGURES.iter().filter(|facts| known(facts.figure)).collect();
    if columns.is_empty() {
        return String::new();
    }
    let mut table = Table::new();
    table.load_preset(NOTHING);
    let titles = columns.iter().map(|facts| facts.title);
    table.set_header(["WITHOUT", "AT"].into_iter().chain(titles));
    for one in built {
        let cell = |figure: Figure, unit: Unit| {
            one.saves.get(&figure).map(|saved| saved_text(*saved, unit)).unwrap_or_default()
        };
        let cells = columns.iter().map(|facts| cell(facts.figure, facts.unit));
        table.add_row([one.line.clone(), one.place.to_string()].into_iter().chain(cells));
    }
    for column in table.column_iter_mut().skip(2) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    format!("saved by builds without single lines:\n{}", table.trim_fmt())
}

/// What is saved has a minus, as the figure is less.
fn saved_text(saved: i64, unit: Unit) -> String {
    let sign = match saved {
        0 => return "0".to_owned(),
        1.. => "-",
        _ => "+",
    };
    let amount = saved.unsigned_abs();
    match unit {
        Unit::Bytes | Unit::Memory => format!("{sign}{}", grouped(amount)),
        Unit::Nanoseconds => format!("{sign}{:.1} M", amount as f64 / 1e6),
        Unit::Microseconds => format!("{sign}{:.1} ms", amount as f64 / 1e3),
    }
}

/// What a bisection came to.
pub(crate) fn least_text(least: &Least, lines: &[Line]) -> String {
    let of = |place: &Place| lines.iter().find(|line| line.place == *place);
    let named = |place: &Place| match of(place) {
        Some(line) => format!("  {} ({place})", line.line),
        None => format!("  {place}"),
    };
    let Least { stay, go, is_least, tried, remembered, before, after, effect } = least;
    let mut text = format!("{tried} kernels built and booted, {remembered} known from before\n");
    let _ = match go.len() {
        0 => writeln!(text, "no line was seen to be one that all checks pass without"),
        count => writeln!(
            text,
            "{count} lines can go together: {} symbols go, and every check still passes",
            effect.goes.len()
        ),
    };
    for place in go {
        let _ = writeln!(text, "{}", named(place));
    }
    if !stay.is_empty() {
        let why = match is_least {
            true => "these stay, for without any single one of them a check was seen to fail",
            false => "these stay for now: there were no tries left to find out",
        };
        let _ = writeln!(text, "{why}");
        for place in stay {
            let _ = writeln!(text, "{}", named(place));
        }
    }
    let _ = writeln!(text, "{}", sizes_text(before, after));
    if !go.is_empty() {
        let symbols: Vec<&str> = go.iter().filter_map(of).map(|line| &*line.symbol).collect();
        let _ = writeln!(
            text,
            "in every kernel that asks for them: --fix --drop {}",
            symbols.join(",")
        );
    }
    text
}

/// "IMAGE 3,000 -> 2,000, TEXT …"
fn sizes_text(before: &BTreeMap<Figure, u64>, after: &BTreeMap<Figure, u64>) -> String {
    let of = |facts: &crate::measure::Facts| {
        let (before, after) = (before.get(&facts.figure)?, after.get(&facts.figure)?);
        Some(format!("{} {} -> {}", facts.title, grouped(*before), grouped(*after)))
    };
    FIGURES.iter().filter_map(of).collect::<Vec<_>>().join(", ")
}
