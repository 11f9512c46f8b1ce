//! What is measured, as a table: each figure's name, unit and budget.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// One kind of figure. Their order is that of tables and pictures.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Figure {
    /// The image file.
    Image,
    /// What gzip makes of all that is loaded: alike for kernels that are packed by different means.
    Packed,
    /// Code and constants of the vmlinux, as `size` counts them.
    Text,
    Data,
    Bss,
    /// From power-on to init's first instruction, in ns. Where the clock counts instructions, one is
    /// one ns.
    Start,
    /// On the kernel's own clock when it starts init, in µs.
    RunInit,
    /// Guest RAM that the host had to give.
    Resident,
    /// The VMM's memory less that of init.
    Process,
    /// MemTotal less MemAvailable.
    Used,
    /// Guest RAM that never reached MemTotal.
    Unseen,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unit {
    /// Bytes of a file: each counts.
    Bytes,
    /// Bytes of memory.
    Memory,
    Nanoseconds,
    Microseconds,
}

/// What is known of a figure.
#[derive(Debug)]
pub(crate) struct Facts {
    pub(crate) figure: Figure,
    /// As a column is headed.
    pub(crate) title: &'static str,
    pub(crate) unit: Unit,
    /// By how many percent it may grow, where a baseline names nothing else. None: it is shown and
    /// not held against anything.
    pub(crate) budget: Option<f64>,
}

pub(crate) const FIGURES: [Facts; 11] = [
    fact(Figure::Image, "IMAGE", Unit::Bytes, Some(1.0)),
    fact(Figure::Packed, "PACKED", Unit::Bytes, None),
    fact(Figure::Text, "TEXT", Unit::Bytes, None),
    fact(Figure::Data, "DATA", Unit::Bytes, None),
    fact(Figure::Bss, "BSS", Unit::Bytes, None),
    fact(Figure::Start, "START", Unit::Nanoseconds, Some(1.0)),
    fact(Figure::RunInit, "RUN INIT", Unit::Microseconds, None),
    fact(Figure::Resident, "RESIDENT", Unit::Memory, Some(2.0)),
    // Holds the emulator's own memory, which is no growth of the kernel's.
    fact(Figure::Process, "VM-INIT", Unit::Memory, None),
    fact(Figure::Used, "USED", Unit::Memory, None),
    fact(Figure::Unseen, "UNSEEN", Unit::Memory, None),
];

const fn fact(figure: Figure, title: &'static str, unit: Unit, budget: Option<f64>) -> Facts {
    Facts { figure, title, unit, budget }
}

impl Figure {
    pub(crate) fn facts(self) -> &'static Facts {
        &FIGURES[self as usize]
    }
}

/// What the samples of one figure say.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Spread {
    pub(crate) median: u64,
    pub(crate) min: u64,
    pub(crate) max: u64,
}

impl Spread {
    /// None of no samples. Of an even number, the median is the lower of the two in the middle: a
    /// value that was seen.
    pub(super) fn of(mut samples: Vec<u64>) -> Option<Self> {
        samples.sort_unstable();
        let (min, max) = (*samples.first()?, *samples.last()?);
        Some(Spread { median: samples[(samples.len() - 1) / 2], min, max })
    }

    /// From the least to the greatest, in percent of the median.
    pub(crate) fn percent(&self) -> f64 {
        percent(self.max - self.min, self.median)
    }
}

/// No figure needs more than the 52 bits that fit.
pub(super) fn percent(part: u64, whole: u64) -> f64 {
    if whole == 0 { 0.0 } else { part as f64 / whole as f64 * 100.0 }
}

/// The spread of each figure that some sample has.
pub(super) fn spreads(samples: &[BTreeMap<Figure, u64>]) -> BTreeMap<Figure, Spread> {
    let of = |figure: Figure| samples.iter().filter_map(move |one| one.get(&figure).copied());
    FIGURES
        .iter()
        .filter_map(|facts| Some((facts.figure, Spread::of(of(facts.figure).collect())?)))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_figure_finds_its_facts() {
        for facts in &FIGURES {
            assert_eq!(facts.figure.facts().title, facts.title);
        }
    }

    #[test]
    fn a_median_is_a_value_that_was_seen() {
        assert_eq!(Spread::of(vec![]), None);
        assert_eq!(Spread::of(vec![7]), Some(Spread { median: 7, min: 7, max: 7 }));
        let spread = Spread::of(vec![40, 10, 30, 20]).unwrap();
        assert_eq!(spread, Spread { median: 20, min: 10, max: 40 });
        assert!((spread.percent() - 150.0).abs() < 1e-9);
    }
}
