//! Figures of before: what grew since, and whether it is more than its budget. Pure.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::figure::percent;
use super::{Figure, Measurement, Run};

/// A file of `ci/baselines`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Baseline {
    /// By how many percent a figure may grow, where that is not the default.
    #[serde(default)]
    pub(crate) budget: BTreeMap<Figure, f64>,
    pub(crate) kernels: Vec<Measurement>,
}

/// What became of the figures.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Comparison {
    pub(crate) changes: Vec<Change>,
    /// Kernels whose figures were taken under other conditions, and which.
    pub(crate) unlike: Vec<Unlike>,
    /// Kernels that are now made of something else, or run by a VMM with later fixes: no reason to
    /// refuse, but to know.
    pub(crate) made_of_other: Vec<Unlike>,
    /// In the baseline, and not measured.
    pub(crate) not_measured: Vec<String>,
    /// Measured, and not in the baseline.
    pub(crate) not_in_baseline: Vec<String>,
    pub(crate) passed: bool,
}

/// One figure, before and now.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Change {
    pub(crate) kernel: String,
    pub(crate) figure: Figure,
    pub(crate) before: u64,
    pub(crate) now: u64,
    /// Above zero where it grew.
    pub(crate) percent: f64,
    /// In percent; none where nothing is asked of the figure.
    pub(crate) budget: Option<f64>,
    pub(crate) over: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Unlike {
    pub(crate) kernel: String,
    pub(crate) differences: Vec<String>,
}

impl Baseline {
    /// Takes the measured kernels in place of those of the same names; the budget and the other
    /// kernels stay.
    pub(crate) fn update(&mut self, measured: &[Measurement]) {
        for kernel in measured {
            // Where the time went is for people, and long.
            let kernel = Measurement { initcalls: None, ..kernel.clone() };
            match self.kernels.iter_mut().find(|old| old.name == kernel.name) {
                Some(old) => *old = kernel,
                None => self.kernels.push(kernel),
            }
        }
        self.kernels.sort_by(|a, b| a.name.cmp(&b.name));
    }

    /// `all`: a kernel of the baseline that was not measured is a failure.
    pub(crate) fn compare(&self, measured: &[Measurement], all: bool) -> Comparison {
        let mut comparison = Comparison {
            changes: vec![],
            unlike: vec![],
            made_of_other: vec![],
            not_measured: vec![],
            not_in_baseline: vec![],
            passed: true,
        };
        let names = |list: &[Measurement], without: &[Measurement]| -> Vec<String> {
            let known = |one: &&Measurement| !without.iter().any(|other| other.name == one.name);
            list.iter().filter(known).map(|one| one.name.clone()).collect()
        };
        comparison.not_measured = names(&self.kernels, measured);
        comparison.not_in_baseline = names(measured, &self.kernels);
        for now in measured {
            if let Some(before) = self.kernels.iter().find(|before| before.name == now.name) {
                self.kernel(before, now, &mut comparison);
            }
        }
        comparison.passed = comparison.unlike.is_empty()
            && comparison.not_in_baseline.is_empty()
            && (!all || comparison.not_measured.is_empty())
            && !comparison.changes.iter().any(|change| change.over);
        comparison
    }

    fn kernel(&self, before: &Measurement, now: &Measurement, into: &mut Comparison) {
        let mut changes = vec![];
        let kernel = &now.name;
        let mut others = made_of_other(before, now);
        if before.format == now.format {
            let sizes = now.sizes.iter().filter_map(|(figure, now)| {
                let before = before.sizes.get(figure)?;
                Some(self.change(kernel, *figure, *before, *now))
            });
            changes.extend(sizes);
        } else {
            let differences = vec![format!("image `{}`, not `{}`", now.format, before.format)];
            into.unlike.push(Unlike { kernel: kernel.clone(), differences });
        }
        for run in &now.runs {
            match like(before, run) {
                Ok(before) => {
                    let (then, now) = (&before.conditions.vmm, &run.conditions.vmm);
                    others.extend((then != now).then(|| format!("`{now}`, not `{then}`")));
                    changes.extend(run.figures.iter().filter_map(|(figure, now)| {
                        let before = before.figures.get(figure)?;
                        Some(self.change(kernel, *figure, before.median, now.median))
                    }));
                }
                Err(differences) => {
                    into.unlike.push(Unlike { kernel: kernel.clone(), differences });
                }
            }
        }
        into.changes.extend(changes);
        if !others.is_empty() {
            into.made_of_other.push(Unlike { kernel: kernel.clone(), differences: others });
        }
    }

    fn change(&self, kernel: &str, figure: Figure, before: u64, now: u64) -> Change {
        let budget = self.budget.get(&figure).copied().or(figure.facts().budget);
        let percent = match now >= before {
            true => percent(now - before, before),
            false => -percent(before - now, before),
        };
        let over = budget.is_some_and(|budget| percent > budget || (before == 0 && now > 0));
        Change { kernel: kernel.to_owned(), figure, before, now, percent, budget, over }
    }
}

/// The run of before that has this one's conditions, or in what the nearest is unlike.
fn like<'a>(before: &'a Measurement, now: &Run) -> Result<&'a Run, Vec<String>> {
    let differences = |run: &&Run| now.conditions.differences(&run.conditions);
    let nearest = before.runs.iter().min_by_key(|run| differences(run).len());
    match nearest.map(|run| (run, differences(&run))) {
        Some((run, differences)) if differences.is_empty() => Ok(run),
        Some((_, differences)) => Err(differences),
        None => Err(vec![format!("nothing was run under {}", now.conditions.accelerator.name())]),
    }
}

fn made_of_other(before: &Measurement, now: &Measurement) -> Vec<String> {
    let (Some(before), Some(now)) = (&before.made_of, &now.made_of) else { return vec![] };
    let mut differences = vec![];
    if before.source != now.source {
        let name = |of: &super::MadeOf| format!("{} {}", of.source.name, of.source.version);
        differences.push(format!("source {}, not {}", name(now), name(before)));
    }
    let tools = now.toolchain.versions.iter().zip(&before.toolchain.versions);
    differences.extend(
        tools.filter(|(a, b)| a != b).map(|(now, before)| format!("`{now}`, not `{before}`")),
    );
    differences
}

impl Comparison {
    /// The figures that grew or shrank, the ones past their budget first.
    pub(crate) fn moved(&self) -> Vec<&Change> {
        let mut moved: Vec<_> =
            self.changes.iter().filter(|change| change.now != change.before).collect();
        moved.sort_by_key(|change| !change.over);
        moved
    }

    /// How many figures have a budget.
    pub(crate) fn gated(&self) -> usize {
        self.changes.iter().filter(|change| change.budget.is_some()).count()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::boot::Accel;
    use crate::measure::{Clock, Conditions, Spread};
    use vmm_kernel::Arch;

    fn kernel(name: &str, image: u64, start: u64) -> Measurement {
        let spread = |median| Spread { median, min: median, max: median };
        let conditions = Conditions {
            accelerator: Accel::Tcg,
            clock: Clock::Instructions,
            vmm: "QEMU emulator version 7.2".to_owned(),
            machine: "microvm".to_owned(),
            cpu: "max".to_owned(),
            cpus: 1,
            memory_mib: 256,
            command_line: "quiet".to_owned(),
            huge_pages: false,
            samples: 1,
        };
        let figures = [(Figure::Start, spread(start)), (Figure::RunInit, spread(start / 1000))];
        Measurement {
            name: name.to_owned(),
            peer: false,
            arch: Arch::X86_64,
            release: None,
            format: "bzImage, gzip".to_owned(),
            made_of: None,
            missing: 0,
            sizes: BTreeMap::from([(Figure::Image, image)]),
            runs: vec![Run { conditions, figures: figures.into() }],
            not_timed: None,
            initcalls: None,
        }
    }

    fn baseline(kernels: &[Measurement]) -> Baseline {
        let mut baseline = Baseline::default();
        baseline.update(kernels);
        baseline
    }

    fn over(comparison: &Comparison) -> Vec<Figure> {
        comparison.changes.iter().filter(|c| c.over).map(|c| c.figure).collect()
    }

    #[test]
    fn the_same_again_passes_and_moves_nothing() {
        let kernels = [kernel("a", 1000, 5000), kernel("b", 7, 7)];
        let comparison = baseline(&kernels).compare(&kernels, true);
        assert!(comparison.passed && comparison.moved().is_empty(), "{comparison:?}");
        assert_eq!(comparison.gated(), 4);
    }

    #[test]
    fn what_grows_past_its_budget_fails() {
        let before = baseline(&[kernel("a", 1000, 5_000_000)]);
        let at = |image, start| before.compare(&[kernel("a", image, start)], true);
        assert!(at(1010, 5_050_000).passed, "1 % is within the budget");
        assert_eq!(over(&at(1011, 5_050_000)), [Figure::Image]);
        assert_eq!(over(&at(500, 5_050_001)), [Figure::Start]);
        // The kernel's own time is shown, and has no budget.
        let mut wide = before.clone();
        wide.budget.insert(Figure::Image, 50.0);
        assert!(wide.compare(&[kernel("a", 1500, 5_000_000)], true).passed);
    }

    #[test]
    fn other_conditions_are_refused_and_named() {
        let before = baseline(&[kernel("a", 1000, 5000)]);
        let mut now = kernel("a", 1000, 9000);
        now.runs[0].conditions.memory_mib = 512;
        let comparison = before.compare(&[now], true);
        assert!(!comparison.passed);
        assert_eq!(comparison.unlike[0].differences, ["memory `512 MiB`, not `256 MiB`"]);
        assert!(comparison.changes.iter().all(|change| change.figure == Figure::Image));
        let mut fixed = kernel("a", 1000, 5000);
        fixed.runs[0].conditions.vmm.push_str(".23 (Debian 1:7.2+dfsg-7+deb12u19)");
        let comparison = before.compare(&[fixed.clone()], true);
        assert!(comparison.passed && comparison.made_of_other[0].differences.len() == 1);
        fixed.runs[0].conditions.vmm = "QEMU emulator version 8.0.1".to_owned();
        assert!(!before.compare(&[fixed], true).passed);
        let mut more = kernel("a", 1000, 5000);
        more.runs[0].conditions.samples = 5;
        assert!(before.compare(&[more], true).passed, "more samples are no other conditions");
        let mut packed = kernel("a", 900, 5000);
        packed.format = "bzImage, xz".to_owned();
        assert!(!before.compare(&[packed], true).passed);
    }

    #[test]
    fn kernels_that_only_one_side_has_are_named() {
        let before = baseline(&[kernel("a", 1, 1), kernel("b", 1, 1)]);
        let some = before.compare(&[kernel("a", 1, 1)], false);
        assert!(some.passed);
        assert_eq!(some.not_measured, ["b"]);
        assert!(!before.compare(&[kernel("a", 1, 1)], true).passed);
        let unknown = before.compare(&[kernel("c", 1, 1)], false);
        assert!(!unknown.passed);
        assert_eq!(unknown.not_in_baseline, ["c"]);
    }

    #[test]
    fn a_file_reads_back_as_it_was_written() {
        let mut baseline = baseline(&[kernel("a", 1, 1)]);
        baseline.budget.insert(Figure::RunInit, 0.5);
        let json = serde_json::to_string(&baseline).unwrap();
        assert_eq!(serde_json::from_str::<Baseline>(&json).unwrap(), baseline);
        assert!(json.contains("\"run-init\":0.5"), "{json}");
    }
}
