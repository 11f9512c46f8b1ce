use std::fmt::Write as _;

use super::changes::{grid as changes_grid, notes};
use super::grid::{self, Grid};
use super::table::is_number;
use crate::measure::{Comparison, Measurement};

/// For a release note.
pub(crate) fn markdown(measured: &[Measurement], comparison: Option<&Comparison>) -> String {
    let mut text = String::from("## Guest kernels, measured\n\n");
    text.push_str(&piped(&grid::figures(measured)));
    text.push('\n');
    for (index, conditions) in grid::conditions(measured).into_iter().enumerate() {
        let _ = writeln!(text, "- [{}] {}", index + 1, grid::describe(conditions));
    }
    for one in measured {
        if let Some(of) = &one.made_of {
            let tools = of.toolchain.versions.join(", ");
            let release = one.release.as_deref().unwrap_or("of unknown version");
            let lacks = match one.missing {
                0 => String::new(),
                missing => format!("; lacks {missing} of the symbols it asks for"),
            };
            let source = format!("{} {}", of.source.name, of.source.version);
            let _ = writeln!(text, "- {}: Linux {release} from {source}, {tools}{lacks}", one.name);
        }
    }
    let _ = writeln!(text, "\n{}", grid::LEGEND);
    if let Some(comparison) = comparison {
        text.push_str("\n### Since the baseline\n\n");
        let moved = changes_grid(comparison);
        if moved.rows.is_empty() {
            text.push_str("No figure changed.\n");
        } else {
            text.push_str(&piped(&moved));
        }
        for note in notes(comparison) {
            let _ = write!(text, "\n{note}\n");
        }
    }
    for one in measured {
        if let Some(calls) = &one.initcalls {
            let _ = write!(text, "\n### Slowest initcalls of {}\n\n", one.name);
            text.push_str(&piped(&grid::initcalls(calls)));
            let _ = write!(text, "\n{}\n", grid::total(calls));
        }
    }
    text
}

pub(super) fn piped(grid: &Grid) -> String {
    let line = |cells: &[String]| {
        let cells: Vec<String> = cells.iter().map(|cell| cell.replace('|', "\\|")).collect();
        format!("| {} |\n", cells.join(" | "))
    };
    let rule = |index: usize| {
        let number = grid.rows.iter().all(|row| is_number(row.get(index)));
        if number { "---:" } else { "---" }.to_owned()
    };
    let rules: Vec<String> = (0..grid.header.len()).map(rule).collect();
    let mut text = line(&grid.header) + &line(&rules);
    text.extend(grid.rows.iter().map(|row| line(row)));
    text
}
