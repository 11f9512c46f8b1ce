//! What stays in a kernel though no capability of the contract names it: `keep.toml`, and what of the
//! recommendations of `hardening.toml` a kernel follows.

use anyhow::{Context, Result};
use camino::Utf8Path;
use serde::{Deserialize, Serialize};
use toml::Spanned;

use super::judge::Changed;
use crate::contract::{Broken, Capability, Hardening, Values};
use crate::diag::{BadInput, BadInputs};
use crate::history::History;
use crate::plan::Target;
use crate::source::KernelVersion;
use crate::workspace::Workspace;

/// Why something stays that no capability needs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct KeptFor {
    /// A symbol, or a recommendation by its name.
    pub what: String,
    pub reason: String,
    pub source: String,
}

#[derive(Debug, Default)]
pub(crate) struct Keep {
    entries: Vec<Entry>,
    hardening: Option<Hardening>,
}

const FILE: &str = "keep.toml";

/// The file as it is written.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    keep: Vec<Entry>,
}

/// Symbols that stay, and why.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    /// In the newest kernel's words. A `*` at the end stands for any rest.
    symbols: Vec<Spanned<String>>,
    reason: String,
    /// Where the reason is from.
    source: String,
}

/// What a kernel loses.
pub(super) struct Loss<'a> {
    /// Symbols that go.
    pub goes: &'a [String],
    pub changes: &'a [Changed],
    pub before: Values<'a>,
    pub after: Values<'a>,
}

impl Keep {
    /// Reads both files of a conf dir. What it has none of, it borrows from the workspace, which may
    /// have none.
    ///
    /// # Errors
    /// All that is wrong with them, with file and line.
    pub(crate) fn read(workspace: &Workspace, conf_dir: &Utf8Path) -> Result<Self> {
        let mut keep = Keep { entries: vec![], hardening: Hardening::find(workspace, conf_dir)? };
        for dir in [conf_dir, &workspace.conf_dir()] {
            let path = dir.join(FILE);
            match std::fs::read_to_string(&path) {
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
                text => {
                    let text = text.with_context(|| format!("failed to read {path}"))?;
                    keep.entries = entries(workspace.shown(&path), &text)?;
                    break;
                }
            }
        }
        Ok(keep)
    }

    /// What of it is against a loss: symbols that are to stay go or get another value, or a
    /// recommendation is no longer followed.
    pub(super) fn against(
        &self,
        loss: &Loss<'_>,
        targets: &[&Target],
        version: &KernelVersion,
        history: &History,
    ) -> Vec<KeptFor> {
        let changes = loss.changes.iter().map(|change| &change.symbol);
        let symbols = || loss.goes.iter().chain(changes.clone());
        let named = |entry: &Entry| {
            let what = symbols().find(|name| entry.names(history.newest_name(name)))?.clone();
            Some(KeptFor { what, reason: entry.reason.clone(), source: entry.source.clone() })
        };
        let mut kept_for: Vec<KeptFor> = self.entries.iter().filter_map(named).collect();
        for (hardening, target) in
            self.hardening.iter().flat_map(|one| targets.iter().map(move |t| (one, t)))
        {
            let not_followed = |values| hardening.not_followed(target, version, values);
            let before = not_followed(loss.before);
            let is_new =
                |one: &Broken<'_>| before.iter().all(|old| old.capability.id != one.capability.id);
            for one in not_followed(loss.after).into_iter().filter(is_new) {
                let Capability { id, reason, source, .. } = one.capability;
                if kept_for.iter().all(|known| known.what != *id) {
                    let (what, reason, source) = (id.clone(), reason.clone(), source.clone());
                    kept_for.push(KeptFor { what, reason, source });
                }
            }
        }
        kept_for
    }
}

#[cfg(test)]
impl Keep {
    pub(super) fn of_text(text: &str) -> Self {
        Keep { entries: entries("keep.toml".into(), text).unwrap(), hardening: None }
    }
}

impl Entry {
    fn names(&self, symbol: &str) -> bool {
        let is = |name: &Spanned<String>| match name.get_ref().strip_suffix('*') {
            Some(start) => symbol.starts_with(start),
            None => symbol == name.get_ref(),
        };
        self.symbols.iter().any(is)
    }
}

fn line<T>(text: &str, at: &Spanned<T>) -> usize {
    text[..at.span().start].matches('\n').count() + 1
}

fn entries(path: &Utf8Path, text: &str) -> Result<Vec<Entry>> {
    let file: File = toml::from_str(text).map_err(|error| BadInput::toml(path, text, &error))?;
    let entries = file.keep;
    let mut bad = vec![];
    for name in entries.iter().flat_map(|entry| &entry.symbols) {
        let stem = name.get_ref().strip_suffix('*').unwrap_or(name.get_ref());
        let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
        if stem.is_empty() || stem.starts_with("CONFIG_") || !stem.chars().all(is_name) {
            let message = format!("`{}` is no symbol's name", name.get_ref());
            bad.push(BadInput::at(path, text, line(text, name), message));
        }
    }
    BadInputs::none(bad)?;
    Ok(entries)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::super::tests::target;
    use super::*;

    const PATH: &str = "keep.toml";

    #[test]
    fn a_star_stands_for_any_rest() {
        let text = "[[keep]]\nsymbols = [\"MITIGATION_*\", \"VMAP_STACK\"]\nreason = \"r\"\nsource = \"s\"\n";
        let entries = entries(PATH.into(), text).unwrap();
        let names = |symbol: &str| entries[0].names(symbol);
        assert!(names("MITIGATION_ITS") && names("VMAP_STACK"));
        assert!(!names("CPU_MITIGATIONS") && !names("VMAP_STACKS") && !names("VMAP"));
    }

    #[test]
    fn what_can_be_no_name_is_told_with_its_line() {
        let text = "[[keep]]\nsymbols = [\"A\",\n\"CONFIG_B\", \"*\",\n\"C D\"]\nreason = \"\"\nsource = \"\"\n";
        let error = entries(PATH.into(), text).unwrap_err();
        let lines: Vec<_> =
            error.downcast_ref::<BadInputs>().unwrap().0.iter().map(|bad| bad.line).collect();
        assert_eq!(lines, [3, 3, 4]);
    }

    #[test]
    fn a_recommendation_that_was_followed_is_followed_on() {
        let text = "source = \"s\"\n[[recommendation]]\nid = \"stack\"\ngives = \"g\"\nsince = \"6.1\"\n\
                    needs = \"STACK && !LEAK\"\n";
        let hardening = Hardening::parse(PATH.into(), text, &["qemu"], History::default());
        let keep = Keep { entries: vec![], hardening: Some(hardening.unwrap()) };
        let against = |version: &str, before: &[(&'static str, &'static str)], after| {
            let [before, after] =
                [before, after].map(|set| BTreeMap::from_iter(set.iter().copied()));
            let target = target();
            let [before, after] = [&before, &after].map(|set| Values { arch: target.arch, set });
            let loss = Loss { goes: &[], changes: &[], before, after };
            let version = version.parse().unwrap();
            keep.against(&loss, &[&target], &version, &History::default()).len()
        };
        assert_eq!(against("6.12", &[("STACK", "y")], &[]), 1);
        assert_eq!(against("5.10", &[("STACK", "y")], &[]), 0);
        assert_eq!(against("6.12", &[("STACK", "y")], &[("STACK", "y"), ("LEAK", "y")]), 1);
        assert_eq!(against("6.12", &[("STACK", "y")], &[("STACK", "y")]), 0);
        assert_eq!(
            against("6.12", &[("LEAK", "y"), ("STACK", "y")], &[]),
            0,
            "it was not followed"
        );
    }
}
