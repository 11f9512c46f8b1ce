//! What a list came to on a tree, and what of the fragments that changes.

use std::collections::BTreeSet;

use comfy_table::Table;
use comfy_table::presets::NOTHING;
use serde::Serialize;

use crate::cmd::Context;
use crate::contract::Contract;
use crate::diag;
use crate::edit::Edit;
use crate::fragment::{Place, config_line};
use crate::plan::Target;
use crate::resolve::{Breach, Hardened, Mended, Needless, Resolved, values};
use crate::source::KernelVersion;

/// What one list came to on one tree.
#[derive(Debug, Serialize)]
pub(in crate::cmd) struct Row<'a> {
    pub(in crate::cmd) kernel: String,
    pub(super) linux: String,
    pub(in crate::cmd) requested: usize,
    #[serde(flatten)]
    pub(in crate::cmd) resolved: Resolved,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(in crate::cmd) mended: Vec<Mended>,
    /// Requests that change nothing here.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) needless: Vec<Needless>,
    /// What it breaks of the contract.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(in crate::cmd) breaches: Vec<Breach>,
    /// Where its requests stand, those that do not count too.
    #[serde(skip)]
    pub(super) places: Vec<Place>,
    #[serde(skip)]
    pub(super) version: KernelVersion,
    /// Those whose kernel it is.
    #[serde(skip)]
    pub(super) targets: Vec<&'a Target>,
    /// What was asked for and came out, in the tree's own names, but for what `--want` names.
    #[serde(skip)]
    pub(super) came_out: Vec<(String, String)>,
    /// Lines by the only name that the tree has for their symbol, as far as the history tells.
    #[serde(skip)]
    pub(super) names: BTreeSet<Place>,
}

impl Row<'_> {
    pub(super) fn tell(&self, ctx: &Context) {
        let Row { kernel, version, requested, resolved, breaches, .. } = self;
        ctx.progress.step(format_args!("resolving {kernel} on Linux {version}"));
        diag::tell_resolved(ctx.progress, kernel, version, *requested, resolved);
        diag::tell_breaches(ctx.progress, kernel, version, breaches);
    }

    /// All is as asked, the contract is kept, and there is a way to what is wanted.
    pub(in crate::cmd) fn is_fine(&self) -> bool {
        self.resolved.findings.is_empty()
            && self.refused().next().is_none()
            && self.mended.iter().all(|one| one.edits.is_some())
    }

    pub(super) fn hardened(&self) -> Hardened<'_> {
        let Row { kernel, version, targets, resolved, .. } = self;
        Hardened { kernel, version, targets, dot_config: &resolved.dot_config }
    }

    pub(super) fn answered(&self) -> diag::Answered<'_> {
        let Row { kernel, version, mended, .. } = self;
        diag::Answered { kernel, version, mended }
    }

    /// What was as it should be before, and is not any more.
    pub(super) fn worse_than(&self, before: &Row<'_>) -> Vec<String> {
        let set = values(&self.resolved.dot_config);
        let value = |symbol: &str| set.get(symbol).copied().unwrap_or("n");
        let lost = before.came_out.iter().filter(|(symbol, was)| value(symbol) != was);
        let lost = lost.map(|(symbol, was)| config_line(symbol, was));
        let known = |symbol: &str| before.resolved.findings.iter().any(|one| one.symbol == symbol);
        let missed = self.resolved.findings.iter().filter(|one| !known(&one.symbol));
        let missed = missed.map(|one| config_line(&one.symbol, &one.asked));
        let had = |id: &str| before.refused().any(|one| one.capability == id);
        let broken = self.refused().filter(|one| !had(&one.capability));
        let broken = broken.map(|one| one.capability.clone());
        let all: BTreeSet<String> = lost.chain(missed).chain(broken).collect();
        all.into_iter().collect()
    }

    fn refused(&self) -> impl Iterator<Item = &Breach> {
        self.breaches.iter().filter(|breach| breach.is_refused())
    }
}

/// What changes in the fragments.
#[derive(Debug, Default)]
pub(in crate::cmd) struct Edits {
    pub(in crate::cmd) apply: Vec<Edit>,
    /// Lines that would have another name, and that a kernel needs by the one that they have.
    pub(super) stays: Vec<(Edit, String)>,
}

/// Those of all rows, and with `fix` what mends the contract. One line is enough for a symbol,
/// however many want it.
pub(in crate::cmd) fn edits(rows: &[Row<'_>], fix: bool) -> Edits {
    let mended = rows.iter().flat_map(|row| &row.mended).filter_map(|one| one.edits.as_ref());
    let kept = rows.iter().filter(|_| fix).flat_map(Row::refused);
    let kept = kept.filter_map(|breach| breach.mended_by.as_ref());
    let mut edits = Edits::default();
    for edit in mended.chain(kept).flatten() {
        let same = |known: &Edit| known.text == edit.text && known.at.path == edit.at.path;
        let gone = |known: &Edit| edit.text.is_empty() && known.at == edit.at;
        if edits
            .apply
            .iter()
            .any(|known| if edit.text.is_empty() { gone(known) } else { same(known) })
        {
            continue;
        }
        let needs = |row: &&Row<'_>| edit.renames && row.names.contains(&edit.at);
        match rows.iter().find(needs) {
            None => edits.apply.push(edit.clone()),
            Some(row) if edits.stays.iter().all(|(known, _)| known != edit) => {
                edits.stays.push((edit.clone(), row.linux.clone()));
            }
            Some(_) => {}
        }
    }
    edits
}

/// Lines that change nothing in any kernel that asks for them, with how many those are.
pub(super) fn needless_everywhere<'r>(rows: &'r [Row<'_>]) -> Vec<(&'r Needless, usize)> {
    let mut found: Vec<(&'r Needless, usize)> = vec![];
    for one in rows.iter().flat_map(|row| &row.needless) {
        let asking = rows.iter().filter(|row| row.places.contains(&one.place)).count();
        let all = rows.iter().flat_map(|row| &row.needless);
        let needless = all.filter(|other| other.place == one.place).count();
        if needless == asking && found.iter().all(|(known, _)| known.place != one.place) {
            found.push((one, asking));
        }
    }
    found
}

/// The rows as people are shown them.
pub(super) fn table(rows: &[Row<'_>], contract: &Contract) -> String {
    let columns = if contract.is_empty() { 5 } else { 6 };
    let header = ["KERNEL", "LINUX", "REQUESTED", "TRANSLATED", "MISSING", "BROKEN"];
    let mut table = Table::new();
    table.load_preset(NOTHING);
    table.set_header(&header[..columns]);
    for row in rows {
        let Resolved { notes, findings, .. } = &row.resolved;
        let counts = [row.requested, notes.len(), findings.len(), row.refused().count()];
        let names = [row.kernel.clone(), row.linux.clone()].into_iter();
        let counts = counts.into_iter().map(|count| count.to_string());
        table.add_row(names.chain(counts).take(columns));
    }
    table.trim_fmt()
}
