//! What grew from one source's kernels to another's, as a table of symbols and kernels.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use super::grid::Grid;
use super::size::change;
use crate::refresh::Growth;
use crate::size::{For, Grown};

/// Rows of the table beside the one that sums up the others.
const MOST: usize = 20;

/// A symbol in each kernel that has it.
type Row<'a> = BTreeMap<usize, &'a Grown>;

/// The rows that moved most; what the linker adds comes last, for most of it is alignment.
pub(super) fn grid(growth: &[Growth]) -> Grid {
    let names = growth.iter().map(|one| one.kernel.clone());
    let header = std::iter::once("SYMBOL".to_owned()).chain(names).chain(["BECAUSE".to_owned()]);
    let (mut rows, mut linker): (BTreeMap<&str, Row<'_>>, Vec<(usize, i64)>) = Default::default();
    for (at, one) in
        growth.iter().enumerate().flat_map(|(at, one)| one.grown.iter().map(move |one| (at, one)))
    {
        match one.is_for {
            For::Linker => linker.push((at, one.by())),
            _ => drop(rows.entry(&one.symbol).or_default().insert(at, one)),
        }
    }
    let mut rows: Vec<(&str, Row<'_>)> = rows.into_iter().collect();
    rows.sort_by_key(|(_, row)| Reverse(row.values().map(|one| one.by().abs()).max()));
    let (shown, rest) = rows.split_at(rows.len().min(MOST));
    let count = growth.len();
    let mut cells: Vec<Vec<String>> = shown
        .iter()
        .map(|(symbol, row)| {
            let because = row.values().next().map(|one| because(one)).unwrap_or_default();
            let by = row.iter().map(|(at, one)| (*at, one.by()));
            line(symbol, &sums(count, by), because)
        })
        .collect();
    if !rest.is_empty() {
        let by = rest.iter().flat_map(|(_, row)| row.iter().map(|(at, one)| (*at, one.by())));
        cells.push(line(&format!("({} more)", rest.len()), &sums(count, by), String::new()));
    }
    let because = "tables, and space that aligns what follows".to_owned();
    cells.push(line("(linker)", &sums(count, linker.into_iter()), because));
    Grid { header: header.collect(), rows: cells }
}

/// For each of so many kernels.
fn sums(count: usize, by: impl Iterator<Item = (usize, i64)>) -> Vec<i64> {
    let mut sums = vec![0; count];
    by.for_each(|(at, by)| sums[at] += by);
    sums
}

fn line(name: &str, by: &[i64], because: String) -> Vec<String> {
    let by = by.iter().map(|&by| if by == 0 { String::new() } else { change(by) });
    std::iter::once(name.to_owned()).chain(by).chain([because]).collect()
}

fn because(one: &Grown) -> String {
    match (one.is_for, &one.asked) {
        (For::Unknown, _) => "the makefiles do not say".to_owned(),
        (_, None) => "in every kernel of the arch".to_owned(),
        (_, Some(asked)) => match asked.through.as_slice() {
            [] => format!("asked by {}", asked.place),
            through => format!("follows {}, asked by {}", through.join(", "), asked.place),
        },
    }
}
