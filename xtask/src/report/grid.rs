//! What tables on a terminal and in Markdown have in common: cells, and what stands below them.

use crate::measure::{
    Asked, Clock, Conditions, FIGURES, Figure, Initcall, Initcalls, Measurement, Needs, Run,
    Spread, Unit,
};

/// A table's cells.
#[derive(Debug, Default)]
pub(super) struct Grid {
    pub(super) header: Vec<String>,
    pub(super) rows: Vec<Vec<String>>,
}

/// All conditions, each once: rows name them by their number.
pub(super) fn conditions(measured: &[Measurement]) -> Vec<&Conditions> {
    let mut all: Vec<&Conditions> = vec![];
    for run in measured.iter().flat_map(|one| &one.runs) {
        if !all.contains(&&run.conditions) {
            all.push(&run.conditions);
        }
    }
    all
}

/// One row for each kernel and accelerator.
pub(super) fn figures(measured: &[Measurement]) -> Grid {
    let known = |figure: Figure| {
        let has = |one: &Measurement| {
            one.sizes.contains_key(&figure)
                || one.runs.iter().any(|run| run.figures.contains_key(&figure))
        };
        measured.iter().any(has)
    };
    let columns: Vec<Figure> = FIGURES.iter().map(|f| f.figure).filter(|f| known(*f)).collect();
    let mut header = vec!["KERNEL".to_owned(), "FORMAT".to_owned()];
    header.extend(columns.iter().map(|figure| figure.facts().title.to_owned()));
    header.push("ON".to_owned());
    let all = conditions(measured);
    let number = |run: &Run| all.iter().position(|one| **one == run.conditions).map(|at| at + 1);
    let mut rows = vec![];
    for one in measured {
        for run in &one.runs {
            let mut row = vec![one.name.clone(), one.format.clone()];
            row.extend(columns.iter().map(|figure| cell(one, run, *figure)));
            row.push(number(run).map(|number| format!("[{number}]")).unwrap_or_default());
            rows.push(row);
        }
    }
    Grid { header, rows }
}

fn cell(one: &Measurement, run: &Run, figure: Figure) -> String {
    if let Some(size) = one.sizes.get(&figure) {
        return value(figure, *size, run.conditions.clock);
    }
    let Some(spread) = run.figures.get(&figure) else { return String::new() };
    let median = value(figure, spread.median, run.conditions.clock);
    match spread {
        Spread { min, max, .. } if min == max => median,
        _ => format!("{median} ({:.3} %)", spread.percent()),
    }
}

/// A figure in its unit.
pub(super) fn value(figure: Figure, value: u64, clock: Clock) -> String {
    match (figure.facts().unit, clock) {
        (Unit::Bytes, _) => grouped(value),
        (Unit::Memory, _) => format!("{:.1} MB", value as f64 / 1e6),
        (Unit::Nanoseconds, Clock::Instructions) => format!("{:.1} M", value as f64 / 1e6),
        (Unit::Nanoseconds, Clock::Time) => format!("{:.1} ms", value as f64 / 1e6),
        (Unit::Microseconds, _) => format!("{:.1} ms", value as f64 / 1e3),
    }
}

/// "3,228,672"
pub(crate) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index) % 3 == 0 {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// The conditions in words.
pub(super) fn describe(conditions: &Conditions) -> String {
    let Conditions { accelerator, clock, vmm, machine, cpu, cpus, memory_mib, samples, .. } =
        conditions;
    let clock = match clock {
        Clock::Instructions => "a clock of one ns an instruction (icount shift 0)",
        Clock::Time => "the host's clock",
    };
    let huge = if conditions.huge_pages { ", huge pages in guest RAM" } else { "" };
    let samples = if *samples == 1 { "1 sample".to_owned() } else { format!("{samples} samples") };
    format!(
        "{vmm}, {}, {clock}; {machine}, {cpus} x {cpu}, {memory_mib} MiB{huge}; {samples}; `{}`",
        accelerator.name(),
        conditions.command_line
    )
}

/// What the columns are, in the words of docs/measuring.md.
pub(super) const LEGEND: &str = "START: from power-on to init's first instruction. RUN INIT: the \
    kernel's own clock then. RESIDENT: guest RAM that the host had to give. VM-INIT: memory of the \
    VMM's process less that of init, an emulator's own included. USED: MemTotal less MemAvailable. \
    UNSEEN: guest RAM that never reached MemTotal. Figures of different [conditions] do not compare.";

/// The slowest initcalls of a kernel.
pub(super) fn initcalls(calls: &Initcalls) -> Grid {
    let header = ["INITCALL", "INSTRUCTIONS", "OBJECT", "SYMBOL", "ASKED BY"];
    let row = |call: &Initcall| {
        let object = call.object.as_ref().map_or("unknown", |object| object.as_str());
        let asked: Vec<String> = call.asked.values().map(asked_by).collect();
        vec![
            call.function.clone(),
            thousands(call.us),
            object.to_owned(),
            symbol(call),
            asked.join(", "),
        ]
    };
    Grid { header: header.map(str::to_owned).into(), rows: calls.slowest.iter().map(row).collect() }
}

/// "fragments/filesystem.conf:5", or with what stands between: "fragments/base.conf:24 by PROC_SYSCTL".
pub(super) fn asked_by(asked: &Asked) -> String {
    let Asked { place, through } = asked;
    if through.is_empty() {
        place.to_string()
    } else {
        format!("{place} by {}", through.join(", "))
    }
}

/// Where a clock counts an instruction as a nanosecond, a microsecond is a thousand of them.
pub(super) fn thousands(us: u64) -> String {
    if us >= 1000 { format!("{:.1} M", us as f64 / 1e3) } else { format!("{us} k") }
}

pub(super) fn symbol(call: &Initcall) -> String {
    match &call.needs {
        Needs::Nothing => "in every kernel".to_owned(),
        Needs::Symbols(symbols) => symbols.join(", "),
        Needs::Unknown => "unknown".to_owned(),
    }
}

/// "241 initcalls, 12.3 M instructions in all"
pub(super) fn total(calls: &Initcalls) -> String {
    format!("{} initcalls, {} instructions in all", calls.count, thousands(calls.total_us))
}
