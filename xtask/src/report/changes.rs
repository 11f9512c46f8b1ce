//! A comparison with a baseline, in words.

use std::fmt::Write as _;

use super::grid::{Grid, value};
use super::table::aligned;
use crate::measure::{Change, Clock, Comparison};

/// For a terminal.
pub(crate) fn changes(comparison: &Comparison) -> String {
    let mut text = String::new();
    let moved = grid(comparison);
    if !moved.rows.is_empty() {
        let _ = writeln!(text, "{}\n", aligned(&moved));
    }
    for note in notes(comparison) {
        let _ = writeln!(text, "{note}");
    }
    text
}

/// What moved; the clock of a figure is told by its unit, for only like is compared.
pub(super) fn grid(comparison: &Comparison) -> Grid {
    let header = ["", "KERNEL", "FIGURE", "BEFORE", "NOW", "BY", "BUDGET"];
    let row = |change: &&Change| {
        let Change { kernel, figure, before, now, percent, budget, over } = change;
        let shown = |number: u64| value(*figure, number, Clock::Instructions);
        vec![
            if *over { "OVER" } else { "" }.to_owned(),
            kernel.clone(),
            figure.facts().title.to_owned(),
            shown(*before),
            shown(*now),
            format!("{percent:+.3} %"),
            budget.map(|budget| format!("{budget} %")).unwrap_or_default(),
        ]
    };
    let rows = comparison.moved().iter().map(row).collect();
    Grid { header: header.map(str::to_owned).into(), rows }
}

pub(super) fn notes(comparison: &Comparison) -> Vec<String> {
    let mut notes = vec![];
    for unlike in &comparison.unlike {
        let how = unlike.differences.join("; ");
        notes.push(format!("{}: not compared, for it was taken on {how}", unlike.kernel));
    }
    for other in &comparison.made_of_other {
        notes.push(format!("{}: made of {}", other.kernel, other.differences.join("; ")));
    }
    for name in &comparison.not_measured {
        notes.push(format!("{name}: in the baseline, and not measured"));
    }
    for name in &comparison.not_in_baseline {
        notes.push(format!("{name}: not in the baseline (--update takes it in)"));
    }
    let over = comparison.changes.iter().filter(|change| change.over).count();
    notes.push(match over {
        0 => format!("{} figures within their budgets", comparison.gated()),
        1 => "1 figure past its budget".to_owned(),
        more => format!("{more} figures past their budgets"),
    });
    notes
}
