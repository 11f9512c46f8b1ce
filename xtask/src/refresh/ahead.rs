//! What a new tree means for the kernels: which symbols come out otherwise, and why.

use serde::Serialize;

use crate::fragment::Assignment;
use crate::resolve::{
    About, Breach, Cause, Difference, Finding, Ground, Mended, Note, Side, Subject, Why, diff,
};
use crate::source::{Fit, Tried};

use super::{NewOption, Proposal};

/// What is known before anything is built.
#[derive(Debug, Serialize)]
pub(crate) struct Ahead {
    pub from: Subject,
    pub to: Subject,
    pub lists: Vec<Outlook>,
    /// Nothing where a tree's own conf resolved: see `compared`.
    pub changes: Vec<Change>,
    /// Options that only the new tree has and turns on by default, and that are off.
    pub new_options: Vec<NewOption>,
    /// Whether this tool understood both trees for every list; else it cannot say what follows what.
    pub compared: bool,
    /// What the history does not say.
    pub proposals: Vec<Proposal>,
    /// Symbols whose entries in the history no pinned tree needs.
    pub needless_history: Vec<String>,
    pub patches: Vec<Tried>,
}

/// What a list, with its overlay, comes to on the new tree.
#[derive(Debug, Serialize)]
pub(crate) struct Outlook {
    pub kernel: String,
    pub requested: usize,
    pub findings: Vec<Finding>,
    pub notes: Vec<Note>,
    pub breaches: Vec<Breach>,
    /// What would mend the findings.
    pub mended: Vec<Mended>,
}

/// A symbol that comes out otherwise on the new tree, in these kernels and for one reason.
#[derive(Debug, Serialize)]
pub(crate) struct Change {
    pub kind: Kind,
    pub kernels: Vec<String>,
    #[serde(flatten)]
    pub difference: Difference,
    /// As the new tree introduces it, or the old one where that alone has it.
    pub about: Option<About>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Kind {
    /// The history knows it by both names.
    Renamed,
    /// A line asks for it.
    Asked,
    /// It is on, though no line asks for it.
    Comes,
    /// It was on, though no line asked for it.
    Goes,
    /// It has another value, and no line asks for one.
    Value,
}

/// A kernel on both trees.
pub(crate) struct Kernel<'a> {
    pub name: &'a str,
    pub asked: &'a [Assignment],
    pub old: Ground<'a>,
    pub new: Ground<'a>,
}

impl Ahead {
    /// All comes out as asked, the contract is kept, and the new source's own patches apply.
    pub(crate) fn is_fine(&self) -> bool {
        let is_fine = |list: &Outlook| {
            list.findings.is_empty() && !list.breaches.iter().any(Breach::is_refused)
        };
        self.lists.iter().all(is_fine) && self.unfit().next().is_none()
    }

    /// Patches of the new source that do not apply to it.
    pub(crate) fn unfit(&self) -> impl Iterator<Item = &Tried> {
        let own = self.patches.iter().filter(|one| one.of == self.to.name);
        own.filter(|one| matches!(one.fit, Fit::Unfit(_)))
    }

    pub(crate) fn of_kind(&self, kind: Kind) -> impl Iterator<Item = &Change> {
        self.changes.iter().filter(move |change| change.kind == kind)
    }
}

impl Change {
    /// The new tree has no such symbol.
    pub(crate) fn is_gone(&self) -> bool {
        matches!(self.difference.b.why, Why::Undefined { .. })
    }
}

impl Kind {
    fn of(difference: &Difference) -> Self {
        let Difference { a, b, .. } = difference;
        let other_name = |why: &Why| match why {
            Why::Undefined { cause } => {
                matches!(cause, Some(Cause::Called { .. } | Cause::Renamed { .. }))
            }
            _ => false,
        };
        if other_name(&a.why) || other_name(&b.why) {
            return Kind::Renamed;
        }
        match (&a.value, &b.value) {
            _ if a.asked.is_some() || b.asked.is_some() => Kind::Asked,
            (None, _) => Kind::Comes,
            (_, None) => Kind::Goes,
            _ => Kind::Value,
        }
    }
}

/// Every symbol that differs between the trees, those of several kernels once, in the order of the
/// menus.
pub(crate) fn changes(kernels: &[Kernel<'_>]) -> Vec<Change> {
    let mut all: Vec<Change> = vec![];
    for Kernel { name, asked, old, new } in kernels {
        let (mut a, mut b) = (Side::of_list(*old, asked), Side::of_list(*new, asked));
        for difference in diff(&mut a, &mut b) {
            match all.iter_mut().find(|known| known.difference == difference) {
                Some(known) => known.kernels.push((*name).to_owned()),
                None => {
                    let symbol = &difference.symbol;
                    let about = new.kconfig.about(symbol).or_else(|| old.kconfig.about(symbol));
                    let (kind, kernels) = (Kind::of(&difference), vec![(*name).to_owned()]);
                    all.push(Change { kind, kernels, difference, about });
                }
            }
        }
    }
    all
}
