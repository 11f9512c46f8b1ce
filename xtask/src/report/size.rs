//! What a kernel is made of, and what grew, as tables for a terminal.

use std::fmt::Write as _;

use super::grid::{Grid, grouped};
use super::table::aligned;
use crate::measure::Figure;
use crate::size::{Bytes, Change, Row, Sized};

/// The figures of `size`.
const VMLINUX: [(Figure, &str); 3] =
    [(Figure::Text, "text"), (Figure::Data, "data"), (Figure::Bss, "bss")];

type Of = fn(&Bytes) -> i64;

const COLUMNS: [(&str, Of); 7] = [
    ("IMAGE", Bytes::image),
    ("KEPT", Bytes::kept),
    ("TEXT", |bytes| bytes.text),
    ("RODATA", |bytes| bytes.rodata),
    ("DATA", |bytes| bytes.data),
    ("BSS", |bytes| bytes.bss),
    ("INIT", |bytes| bytes.init),
];

const LEGEND: &str = "IMAGE: bytes before packing. KEPT: memory that is never given back. INIT: \
    given back once the kernel has started. (linker): what no object accounts for.";

/// The largest rows of one kernel; 0 for all.
pub(crate) fn sizes(kernel: &Sized, rows: &[Row], most: usize) -> String {
    let mut text = format!("{}\n\n", heading(kernel));
    let mut grid = Grid { header: header(&["", "PARTS"]), rows: vec![] };
    let cells = |name: &str, bytes: &Bytes, parts: usize| {
        let mut cells = vec![name.to_owned(), parts.to_string()];
        cells.extend(COLUMNS.iter().map(|(_, of)| number(of(bytes))));
        cells
    };
    let (shown, rest) = rows.split_at(limit(rows.len(), most));
    grid.rows.extend(shown.iter().map(|row| cells(&row.name, &row.bytes, row.parts)));
    if !rest.is_empty() {
        let sum = rest.iter().fold(Bytes::default(), |sum, row| sum + row.bytes);
        let parts = rest.iter().map(|row| row.parts).sum();
        grid.rows.push(cells(&format!("({} more)", rest.len()), &sum, parts));
    }
    grid.rows.push(cells("(all)", &kernel.total(), kernel.parts.len()));
    let _ = writeln!(text, "{}\n\n{LEGEND}", aligned(&grid));
    text
}

/// What differs between two kernels.
pub(crate) fn growth(a: &Sized, b: &Sized, changes: &[Change], most: usize) -> String {
    let mut text = format!("--- {}\n+++ {}\n\n", heading(a), heading(b));
    let _ = writeln!(text, "{}\n", aligned(&totals(a, b)));
    let mut grid = Grid { header: header(&["", "BEFORE", "NOW", "BY"]), rows: vec![] };
    let all = |side: &Option<Bytes>| side.map(|bytes| number(bytes.all())).unwrap_or_default();
    let by = |bytes: &Bytes| COLUMNS.iter().map(|(_, of)| change(of(bytes))).collect::<Vec<_>>();
    let (shown, rest) = changes.split_at(limit(changes.len(), most));
    for one in shown {
        let moved = one.by();
        let first = [one.name.clone(), all(&one.before), all(&one.after), change(moved.all())];
        grid.rows.push([first.to_vec(), by(&moved)].concat());
    }
    if !rest.is_empty() {
        let sum = rest.iter().fold(Bytes::default(), |sum, one| sum + one.by());
        let name = format!("({} more)", rest.len());
        let first = [name, String::new(), String::new(), change(sum.all())];
        grid.rows.push([first.to_vec(), by(&sum)].concat());
    }
    match grid.rows.is_empty() {
        true => text.push_str("Nothing grew or shrank.\n"),
        false => {
            let _ = writeln!(text, "{}\n\n{LEGEND}", aligned(&grid));
        }
    }
    text
}

/// "micro-x86_64 on Linux 6.1.192: bzImage 3,228,672; vmlinux: text 8,801,881, data …"
fn heading(kernel: &Sized) -> String {
    let image = kernel.image.map(|(format, size)| format!("{format} {}; ", grouped(size)));
    let figure = |(figure, name): &(Figure, &str)| {
        Some(format!("{name} {}", grouped(*kernel.vmlinux.get(figure)?)))
    };
    let vmlinux: Vec<String> = VMLINUX.iter().filter_map(figure).collect();
    format!("{}: {}vmlinux: {}", kernel.name, image.unwrap_or_default(), vmlinux.join(", "))
}

/// The kernels as a whole: files as they are, and what the columns below add up to.
fn totals(a: &Sized, b: &Sized) -> Grid {
    let mut rows = vec![];
    let mut add = |name: &str, before: Option<u64>, now: Option<u64>| {
        if let (Some(before), Some(now)) = (before.map(signed), now.map(signed)) {
            let by = change(now - before);
            rows.push(vec![name.to_owned(), number(before), number(now), by]);
        }
    };
    let image = |kernel: &Sized| kernel.image.map(|(_, size)| size);
    let format = a.image.map_or("image", |(format, _)| format.name());
    add(format, image(a), image(b));
    for (figure, name) in VMLINUX {
        let of = |kernel: &Sized| kernel.vmlinux.get(&figure).copied();
        add(&format!("vmlinux {name}"), of(a), of(b));
    }
    let of = |kernel: &Sized, of: Of| u64::try_from(of(&kernel.total())).ok();
    add("memory kept", of(a, Bytes::kept), of(b, Bytes::kept));
    Grid { header: ["", "BEFORE", "NOW", "BY"].map(str::to_owned).into(), rows }
}

fn header(first: &[&str]) -> Vec<String> {
    let names = COLUMNS.iter().map(|(name, _)| *name);
    first.iter().copied().chain(names).map(str::to_owned).collect()
}

fn limit(rows: usize, most: usize) -> usize {
    if most == 0 { rows } else { rows.min(most) }
}

fn signed(bytes: u64) -> i64 {
    i64::try_from(bytes).unwrap_or(i64::MAX)
}

pub(super) fn number(bytes: i64) -> String {
    let sign = if bytes < 0 { "-" } else { "" };
    format!("{sign}{}", grouped(bytes.unsigned_abs()))
}

pub(super) fn change(bytes: i64) -> String {
    let sign = if bytes > 0 { "+" } else { "" };
    format!("{sign}{}", number(bytes))
}
