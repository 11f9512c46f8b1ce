//! What is known of a symbol, in words.

use std::fmt::Write as _;

use anstyle::AnsiColor;

use super::{cause_text, style};
use crate::resolve::{Condition, Definition, InKernel, Known, Selector};

/// Symbols of a list that are named before the rest is counted.
const MOST: usize = 12;

pub(crate) fn explained_text(in_kernel: &InKernel) -> String {
    let InKernel { kernel, linux, asked, wanted_by, explained, exists_in } = in_kernel;
    let bold = anstyle::Style::new().bold();
    let mut text = format!(
        "{bold}{}{bold:#} is {}: {} on Linux {linux}, {}\n",
        explained.symbol, explained.value, kernel, explained.kind
    );
    match asked {
        Some(place) => line(&mut text, 2, &format!("asked for by {place}")),
        None => line(&mut text, 2, "no fragment asks for it"),
    }
    if !wanted_by.is_empty() {
        line(&mut text, 2, &format!("wanted by the contract: {}", wanted_by.join(", ")));
    }
    for definition in &explained.definitions {
        definition_text(&mut text, definition);
    }
    selectors_text(&mut text, "selected by", &explained.selected_by);
    selectors_text(&mut text, "implied by", &explained.implied_by);
    if let Some(cause) = &explained.off_because {
        line(&mut text, 2, &format!("off: {}", cause_text(cause)));
    }
    match &explained.turned_on_by {
        Some(lines) => {
            line(&mut text, 2, "turned on by");
            for one in lines {
                line(&mut text, 4, one);
            }
        }
        None if explained.off_because.is_some() => {
            line(&mut text, 2, "no lines were found that turn it on for this arch");
        }
        None => {}
    }
    if let Some(trees) = known_text(exists_in) {
        line(&mut text, 2, &format!("exists in {trees}"));
    }
    if !explained.without_it.is_empty() {
        let changes =
            explained.without_it.iter().map(|c| format!("{} {} -> {}", c.symbol, c.from, c.to));
        line(&mut text, 2, "without it");
        some(&mut text, changes.collect());
    }
    text
}

/// The trees that know a symbol, with the architectures; none where no tree does.
pub(crate) fn known_text(all: &[Known]) -> Option<String> {
    let tree = |Known { linux, arches, unasked }: &Known| {
        let mut text = format!("Linux {linux} for {}", arches.join(", "));
        for arch in unasked {
            let _ = write!(text, " ({arch} was not asked: its tools are not here)");
        }
        text
    };
    let trees: Vec<_> = all.iter().filter(|known| !known.arches.is_empty()).map(tree).collect();
    (!trees.is_empty()).then(|| trees.join("; "))
}

fn line(text: &mut String, indent: usize, what: &str) {
    let _ = writeln!(text, "{:indent$}{what}", "");
}

fn some(text: &mut String, all: Vec<String>) {
    for one in all.iter().take(MOST) {
        line(text, 4, one);
    }
    if all.len() > MOST {
        line(text, 4, &format!("and {} more", all.len() - MOST));
    }
}

fn definition_text(text: &mut String, definition: &Definition) {
    let prompt = definition.prompt.as_ref().map(|prompt| format!("\"{prompt}\""));
    let prompt = prompt.unwrap_or_else(|| "without a prompt".to_owned());
    line(text, 2, &format!("{}: {prompt}", definition.line));
    for Condition { expression, value, line: quote } in &definition.depends_on {
        let colour = if value == "n" { AnsiColor::Red } else { AnsiColor::Green };
        let value_style = style(colour);
        let depends =
            format!("depends on {expression}: {value_style}{value}{value_style:#} ({quote})");
        line(text, 4, &depends);
    }
    for default in &definition.defaults {
        line(text, 4, &format!("{} ({default})", default.text.trim()));
    }
}

fn selectors_text(text: &mut String, what: &str, all: &[Selector]) {
    if all.is_empty() {
        return;
    }
    line(text, 2, what);
    // Those that do come first.
    let (on, off): (Vec<_>, Vec<_>) = all.iter().partition(|one| one.value != "n");
    let shown = on.into_iter().chain(off);
    some(
        text,
        shown.map(|one| format!("{} [={}] ({})", one.symbol, one.value, one.line)).collect(),
    );
}
