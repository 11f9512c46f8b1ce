use std::fmt::Write as _;

use comfy_table::presets::NOTHING;
use comfy_table::{CellAlignment, Table};

use super::grid::{self, Grid};
use crate::measure::Measurement;

/// For a terminal.
pub(crate) fn table(measured: &[Measurement]) -> String {
    let mut text = format!("{}\n\n", aligned(&grid::figures(measured)));
    for (index, conditions) in grid::conditions(measured).into_iter().enumerate() {
        let _ = writeln!(text, "[{}] {}", index + 1, grid::describe(conditions));
    }
    let _ = writeln!(text, "{}", grid::LEGEND);
    for one in measured.iter().filter(|one| one.missing > 0) {
        let _ = writeln!(text, "{} lacks {} of the symbols it asks for", one.name, one.missing);
    }
    for one in measured {
        if let Some(calls) = &one.initcalls {
            let _ = writeln!(text, "\n{}: {}", one.name, grid::total(calls));
            let _ = writeln!(text, "{}", aligned(&grid::initcalls(calls)));
        }
    }
    text
}

pub(super) fn aligned(grid: &Grid) -> String {
    let mut table = Table::new();
    table.load_preset(NOTHING).set_header(&grid.header).add_rows(&grid.rows);
    for (index, column) in table.column_iter_mut().enumerate() {
        if grid.rows.iter().all(|row| is_number(row.get(index))) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    table.trim_fmt()
}

pub(super) fn is_number(cell: Option<&String>) -> bool {
    let figure = |c: char| c.is_ascii_digit() || "+-.,".contains(c);
    // A unit may follow; a version and a hash only begin like one.
    cell.and_then(|cell| cell.split(' ').next()).is_none_or(|word| word.chars().all(figure))
}
