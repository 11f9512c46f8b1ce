//! The file, and what is wrong with it.

use std::collections::BTreeSet;
use std::ops::Range;

use anyhow::{Context, Result};
use camino::Utf8Path;
use kconfig::Expression;
use serde::Deserialize;
use toml::Spanned;
use vmm_kernel::Arch;

use super::{Capability, Contract, Level, Needs, When};
use crate::diag::{BadInput, BadInputs, did_you_mean, expression_fault};
use crate::history::History;
use crate::source::KernelVersion;
use crate::workspace::Workspace;

const FILE: &str = "contract.toml";

/// Where the guest's checks have their names.
const INIT: &str = include_str!("../../probe/init.c");

/// What a boot shows by itself.
const OF_BOOTS: [&str; 3] = ["initrd-gzip", "poweroff", "reboot"];

/// The checks that a boot can make.
pub(super) fn probes() -> Vec<&'static str> {
    let name =
        |line: &'static str| Some(line.trim().strip_prefix("{ \"")?.split_once("\", check_")?.0);
    INIT.lines().filter_map(name).chain(OF_BOOTS).collect()
}

/// The file as it is written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Raw {
    #[serde(default)]
    capability: Vec<RawCapability>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawCapability {
    id: Spanned<String>,
    reason: Spanned<String>,
    source: Spanned<String>,
    #[serde(default)]
    level: Level,
    #[serde(default)]
    when: When,
    needs: Option<Spanned<String>>,
    #[serde(default)]
    also: Vec<RawNeeds>,
    #[serde(default)]
    probe: Vec<Spanned<String>>,
}

/// Needs of some kernels only.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawNeeds {
    pub since: Option<Spanned<String>>,
    pub before: Option<Spanned<String>>,
    pub arch: Option<Arch>,
    pub needs: Spanned<String>,
}

impl Contract {
    /// Reads that of a conf dir. One without borrows that of the workspace, which may have none.
    ///
    /// # Errors
    /// All that is wrong with it, with file and line.
    pub(crate) fn read(workspace: &Workspace, conf_dir: &Utf8Path) -> Result<Self> {
        let known = workspace.hypervisors();
        for dir in [conf_dir, &workspace.conf_dir()] {
            let path = dir.join(FILE);
            let text = match std::fs::read_to_string(&path) {
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => continue,
                text => text.with_context(|| format!("failed to read {path}"))?,
            };
            let capabilities = parse(workspace.shown(&path), &text, &known)?;
            return Ok(Contract { capabilities, history: History::read(workspace, dir)? });
        }
        Ok(Contract::default())
    }
}

pub(super) fn parse(path: &Utf8Path, text: &str, hypervisors: &[&str]) -> Result<Vec<Capability>> {
    let raw: Raw = toml::from_str(text).map_err(|error| BadInput::toml(path, text, &error))?;
    let (mut faults, mut ids) = (vec![], BTreeSet::new());
    let mut capabilities = vec![];
    for raw in raw.capability {
        if !ids.insert(raw.id.get_ref().clone()) {
            faults
                .push((raw.id.span(), format!("capability `{}` is here twice", raw.id.get_ref())));
        }
        capabilities.push(validated(raw, hypervisors, &mut faults));
    }
    refuse(path, text, faults)?;
    Ok(capabilities)
}

/// What is wrong, and where.
pub(super) type Faults = Vec<(Range<usize>, String)>;

pub(super) fn refuse(path: &Utf8Path, text: &str, faults: Faults) -> Result<()> {
    let bad = |(at, what)| BadInput::at(path, text, line_of(text, at), what);
    Ok(BadInputs::none(faults.into_iter().map(bad).collect())?)
}

/// From 1.
pub(super) fn line_of(text: &str, at: Range<usize>) -> usize {
    text.get(..at.start).unwrap_or(text).matches('\n').count() + 1
}

fn validated(raw: RawCapability, hypervisors: &[&str], faults: &mut Faults) -> Capability {
    let RawCapability { id, reason, source, level, when, needs, also, probe } = raw;
    check_id(&id, faults);
    check_known("hypervisor", &when.hypervisor, hypervisors, faults);
    check_known("probe", &probe, &probes(), faults);
    let mut fault = |at: &Spanned<String>, what: String| faults.push((at.span(), what));
    if needs.is_none() && also.is_empty() && probe.is_empty() {
        fault(&id, format!("capability `{}` has neither `needs` nor `probe`", id.get_ref()));
    }
    for (text, name) in [(&reason, "reason"), (&source, "source")] {
        if text.get_ref().trim().is_empty() {
            fault(text, format!("capability `{}` has an empty {name}", id.get_ref()));
        }
    }
    let always = needs.map(|needs| RawNeeds { since: None, before: None, arch: None, needs });
    let needs = always.into_iter().chain(also).filter_map(|raw| needs_of(raw, faults)).collect();
    Capability {
        id: id.into_inner(),
        reason: reason.into_inner(),
        source: source.into_inner(),
        level,
        when,
        needs,
        probe: probe.into_iter().map(Spanned::into_inner).collect(),
    }
}

pub(super) fn check_id(id: &Spanned<String>, faults: &mut Faults) {
    let text = id.get_ref();
    if !is_kebab_case(text) {
        let what = format!("id `{text}` is not made of lower-case words with - between");
        faults.push((id.span(), what));
    }
}

pub(super) fn check_known(
    what: &str,
    names: &[Spanned<String>],
    known: &[&str],
    faults: &mut Faults,
) {
    for name in names.iter().filter(|name| !known.contains(&name.get_ref().as_str())) {
        let (word, near) = (name.get_ref(), did_you_mean(name.get_ref(), known));
        faults.push((name.span(), format!("unknown {what} `{word}`; {near}")));
    }
}

pub(super) fn needs_of(raw: RawNeeds, faults: &mut Faults) -> Option<Needs> {
    let since = version(raw.since, faults);
    let before = version(raw.before, faults);
    let (at, text) = (raw.needs.span(), raw.needs.into_inner());
    match Expression::parse(&text) {
        Err(problems) => {
            faults
                .push((at, format!("`{text}` is no expression: {}", expression_fault(&problems))));
            None
        }
        Ok(expression) => {
            for name in expression.symbols().iter().filter_map(|name| name.strip_prefix("CONFIG_"))
            {
                faults.push((at.clone(), format!("symbols stand without CONFIG_ here: {name}")));
            }
            Some(Needs { since, before, arch: raw.arch, text, expression })
        }
    }
}

pub(super) fn version(text: Option<Spanned<String>>, faults: &mut Faults) -> Option<KernelVersion> {
    let text = text?;
    match text.get_ref().parse() {
        Ok(version) => Some(version),
        Err(error) => {
            faults.push((text.span(), format!("{error:#}")));
            None
        }
    }
}

fn is_kebab_case(id: &str) -> bool {
    let word = |word: &str| {
        !word.is_empty() && word.bytes().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit())
    };
    id.split('-').all(word)
}
