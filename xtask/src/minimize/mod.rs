//! What a kernel's fragments can do without: each line is judged by itself on each tree, what could
//! go is weighed, and builds and boots find the least that passes.

mod bench;
mod bisect;
mod gain;
mod judge;
mod keep;
mod smallest;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use crate::fragment::Place;
use crate::measure::Figure;

pub(crate) use bench::{Bench, Try};
pub(crate) use bisect::{Bisect, Boots, Guest, Least};
pub(crate) use gain::{Gain, Objects};
pub(crate) use judge::{Effect, Judged, Kernel, Verdict};
pub(crate) use keep::Keep;

/// A line in one of the kernels that ask for it.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct InKernel {
    pub kernel: String,
    pub linux: String,
    #[serde(flatten)]
    pub judged: Judged,
    /// What its absence would save, where an object tree tells.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gain: Option<Gain>,
}

/// A line of a fragment, in all kernels that ask for it.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Line {
    pub symbol: String,
    pub place: Place,
    pub line: String,
    /// What speaks most for it, of all kernels.
    pub verdict: Verdict,
    /// Lists that ask for it, too, and were not judged.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub unjudged: Vec<String>,
    pub kernels: Vec<InKernel>,
}

impl Line {
    /// The kernels whose verdict is the line's.
    pub(crate) fn deciding(&self) -> impl Iterator<Item = &InKernel> {
        self.kernels.iter().filter(|one| one.judged.verdict == self.verdict)
    }

    /// Its symbol, or another that goes with it, is worth the line's absence.
    pub(crate) fn is_unneeded(&self) -> bool {
        self.verdict == Verdict::Unneeded
    }

    /// The `.config` of each kernel that asks for it is the same without, and it is known why.
    pub(crate) fn is_needless(&self) -> bool {
        let explained =
            |one: &InKernel| one.judged.verdict == Verdict::Absent || one.judged.because.is_some();
        self.verdict == Verdict::ChangesNothing && self.kernels.iter().all(explained)
    }

    /// The kernel with the most to gain.
    pub(crate) fn gain(&self) -> Option<&Gain> {
        let gains = self.kernels.iter().filter_map(|one| one.gain.as_ref());
        gains.max_by_key(|gain| gain.bytes())
    }

    /// The names, each once, of what `of` gives for the deciding kernels.
    pub(crate) fn all_of<'a>(&'a self, of: impl Fn(&'a Judged) -> &'a [String]) -> Vec<&'a str> {
        let mut all: Vec<&str> = vec![];
        for name in self.deciding().flat_map(|one| of(&one.judged)) {
            if !all.contains(&name.as_str()) {
                all.push(name);
            }
        }
        all
    }
}

/// Puts the verdicts of all kernels together, in the order of files and lines. `others` are lists
/// that were not judged, with their lines.
pub(crate) fn together(all: Vec<InKernel>, others: &[(String, BTreeSet<Place>)]) -> Vec<Line> {
    let mut lines: Vec<Line> = vec![];
    for one in all {
        let Judged { symbol, place, line, verdict, .. } = one.judged.clone();
        match lines.iter_mut().find(|line| line.place == place) {
            Some(known) => {
                known.verdict = known.verdict.max(verdict);
                known.kernels.push(one);
            }
            None => {
                let asks = |(_, places): &&(String, BTreeSet<Place>)| places.contains(&place);
                let unjudged = others.iter().filter(asks).map(|(name, _)| name.clone()).collect();
                lines.push(Line { symbol, place, line, verdict, unjudged, kernels: vec![one] });
            }
        }
    }
    lines.sort_by(|a, b| a.place.cmp(&b.place));
    lines
}

/// What a kernel saves that was built without one line.
#[derive(Debug, Serialize)]
pub(crate) struct LeftOut {
    pub symbol: String,
    pub place: Place,
    pub line: String,
    /// In the figures' units; less than nothing where the kernel grows.
    pub saves: BTreeMap<Figure, i64>,
}

impl LeftOut {
    pub(crate) fn new(
        line: &Line,
        before: &BTreeMap<Figure, u64>,
        after: &BTreeMap<Figure, u64>,
    ) -> Self {
        let saved = |(figure, before): (&Figure, &u64)| {
            Some((*figure, i64::try_from(*before).ok()? - i64::try_from(*after.get(figure)?).ok()?))
        };
        let Line { symbol, place, line, .. } = line;
        LeftOut {
            symbol: symbol.clone(),
            place: place.clone(),
            line: line.clone(),
            saves: before.iter().filter_map(saved).collect(),
        }
    }
}
