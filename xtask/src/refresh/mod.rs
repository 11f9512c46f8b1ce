//! From one kernel source to another: what the other one means for the fragments, and whether kernels
//! of it do. What was found out is kept, so that a run that was stopped goes on where it was.

mod ahead;
mod finished;
mod newcomer;
mod proposal;

use serde::Serialize;
use vmm_kernel::SourceRecord;

use crate::boot::BootRecord;
use crate::measure::{Comparison, Measurement};
use crate::size::Grown;

pub(crate) use ahead::{Ahead, Change, Kernel, Kind, Outlook, changes};
pub(crate) use finished::{Finished, Seen};
pub(crate) use newcomer::{NewOption, new_options};
pub(crate) use proposal::{Proposal, entries, newcomers, proposals};

/// All that came of a refresh.
#[derive(Debug, Serialize)]
pub(crate) struct Refreshed {
    pub from: SourceRecord,
    pub to: SourceRecord,
    pub ahead: Ahead,
    /// Nothing where no kernel was built.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub proven: Option<Proven>,
}

/// What kernels of the new source showed.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Proven {
    pub boots: Vec<BootRecord>,
    /// The figures that the new ones are held against.
    pub before: Vec<Measurement>,
    pub now: Vec<Measurement>,
    pub comparison: Option<Comparison>,
    /// Where a figure is past its budget, what grew in each kernel.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub growth: Vec<Growth>,
    /// What kept kernels from being made, booted or measured.
    pub failures: Vec<String>,
    /// Figures past their budgets are accepted.
    pub growth_allowed: bool,
}

/// What grew in one kernel.
#[derive(Debug, Serialize)]
pub(crate) struct Growth {
    /// As measurements are named.
    pub kernel: String,
    pub grown: Vec<Grown>,
}

impl Refreshed {
    /// All is as asked, every boot passed, and no figure is past its budget.
    pub(crate) fn passed(&self) -> bool {
        self.ahead.is_fine() && self.proven.as_ref().is_none_or(Proven::passed)
    }
}

impl Proven {
    /// All was done, and all is well.
    fn passed(&self) -> bool {
        let compared = self.comparison.as_ref().is_some_and(|comparison| {
            let grew_only = comparison.unlike.is_empty() && comparison.not_in_baseline.is_empty();
            comparison.passed || (self.growth_allowed && grew_only)
        });
        self.failures.is_empty() && self.boots.iter().all(|boot| boot.passed) && compared
    }

    /// Figures that are past their budgets.
    pub(crate) fn grown(&self) -> usize {
        let changes = self.comparison.iter().flat_map(|comparison| &comparison.changes);
        changes.filter(|change| change.over).count()
    }
}
