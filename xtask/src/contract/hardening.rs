//! `hardening.toml`: what the Kernel Self Protection Project recommends, as capabilities that are
//! wanted, and why kernels do without some of them.

use std::collections::BTreeSet;

use anyhow::{Context, Result, anyhow};
use camino::Utf8Path;
use serde::Deserialize;
use toml::Spanned;

use super::read::{Faults, RawNeeds, check_id, check_known, line_of, needs_of, refuse, version};
use super::{Broken, Capability, Contract, Level, Values, When};
use crate::diag::{BadInput, Hint};
use crate::fragment::Place;
use crate::history::History;
use crate::plan::Target;
use crate::source::KernelVersion;
use crate::workspace::Workspace;

const FILE: &str = "hardening.toml";

/// What is recommended, and the deviations that have a reason.
#[derive(Debug)]
pub(crate) struct Hardening {
    /// A capability for each recommendation.
    recommended: Contract,
    pub reasons: Vec<Reason>,
}

/// Why some kernels do not follow a recommendation.
#[derive(Debug)]
pub(crate) struct Reason {
    pub recommendation: String,
    pub text: String,
    pub place: Place,
    when: When,
    since: Option<KernelVersion>,
    before: Option<KernelVersion>,
}

impl Reason {
    pub(crate) fn holds(&self, target: &Target, version: &KernelVersion) -> bool {
        self.when.holds(target)
            && self.since.as_ref().is_none_or(|since| version >= since)
            && self.before.as_ref().is_none_or(|before| version < before)
    }
}

/// The file as it is written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Raw {
    /// Where the recommendations are from.
    source: String,
    #[serde(default)]
    recommendation: Vec<RawRecommendation>,
    #[serde(default)]
    deviation: Vec<RawDeviation>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawRecommendation {
    id: Spanned<String>,
    /// What a kernel that follows it has.
    gives: String,
    #[serde(default)]
    when: When,
    since: Option<Spanned<String>>,
    before: Option<Spanned<String>>,
    needs: Spanned<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawDeviation {
    from: Vec<Spanned<String>>,
    #[serde(default)]
    when: When,
    since: Option<Spanned<String>>,
    before: Option<Spanned<String>>,
    reason: Spanned<String>,
}

impl Hardening {
    /// Reads that of a conf dir, as [`find`](Self::find) does, and demands one.
    ///
    /// # Errors
    /// If there is none; all that is wrong with it, with file and line.
    pub(crate) fn read(workspace: &Workspace, conf_dir: &Utf8Path) -> Result<Self> {
        let none = || anyhow!("there is no {FILE} in {conf_dir}, nor in the workspace's conf dir");
        let found = Self::find(workspace, conf_dir)?;
        found.ok_or_else(none).hint(|| "docs/fragments.md says what stands in one")
    }

    /// That of a conf dir. One without is held against the workspace's recommendations, and the reasons
    /// there are none of its own.
    ///
    /// # Errors
    /// All that is wrong with it, with file and line.
    pub(crate) fn find(workspace: &Workspace, conf_dir: &Utf8Path) -> Result<Option<Self>> {
        for dir in [conf_dir, &workspace.conf_dir()] {
            let path = dir.join(FILE);
            let text = match std::fs::read_to_string(&path) {
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => continue,
                text => text.with_context(|| format!("failed to read {path}"))?,
            };
            let history = History::read(workspace, dir)?;
            let mut hardening =
                Self::parse(workspace.shown(&path), &text, &workspace.hypervisors(), history)?;
            if dir != conf_dir {
                hardening.reasons.clear();
            }
            return Ok(Some(hardening));
        }
        Ok(None)
    }

    /// # Errors
    /// All that is wrong with the text, with file and line.
    pub(crate) fn parse(
        path: &Utf8Path,
        text: &str,
        hypervisors: &[&str],
        history: History,
    ) -> Result<Self> {
        let raw: Raw = toml::from_str(text).map_err(|error| BadInput::toml(path, text, &error))?;
        let (mut faults, mut ids) = (vec![], BTreeSet::new());
        let mut capabilities = vec![];
        for recommendation in raw.recommendation {
            let id = &recommendation.id;
            check_id(id, &mut faults);
            if !ids.insert(id.get_ref().clone()) {
                faults
                    .push((id.span(), format!("recommendation `{}` is here twice", id.get_ref())));
            }
            check_known("hypervisor", &recommendation.when.hypervisor, hypervisors, &mut faults);
            capabilities.push(recommendation.validated(&raw.source, &mut faults));
        }
        let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
        let mut reasons = vec![];
        for deviation in raw.deviation {
            check_known("hypervisor", &deviation.when.hypervisor, hypervisors, &mut faults);
            check_known("recommendation", &deviation.from, &ids, &mut faults);
            if deviation.reason.get_ref().trim().is_empty() {
                faults
                    .push((deviation.reason.span(), "a deviation has an empty reason".to_owned()));
            }
            reasons.extend(deviation.validated(path, text, &mut faults));
        }
        refuse(path, text, faults)?;
        Ok(Hardening { recommended: Contract { capabilities, history }, reasons })
    }

    /// The recommendations that a `.config` on a tree of `version` does not follow.
    pub(crate) fn not_followed<'a>(
        &'a self,
        target: &Target,
        version: &KernelVersion,
        values: Values<'_>,
    ) -> Vec<Broken<'a>> {
        self.recommended.broken(target, version, values)
    }

    /// The symbols that keep a recommendation from being followed, as the `.config` has them.
    pub(crate) fn at_fault<'a>(
        &'a self,
        broken: &Broken<'a>,
        values: Values<'_>,
    ) -> Vec<(&'a str, String)> {
        let value = |name: &str| self.recommended.value(name, values);
        let mut found: Vec<(&str, String)> = vec![];
        for name in broken.needs.iter().flat_map(|needs| needs.expression.faults(&value)) {
            if found.iter().all(|(known, _)| *known != name) {
                found.push((name, value(name).unwrap_or("n").to_owned()));
            }
        }
        found
    }

    /// Whether a kernel of that version is asked to follow the recommendation.
    pub(crate) fn asks(&self, id: &str, target: &Target, version: &KernelVersion) -> bool {
        let asks = |capability: &Capability| {
            capability.id == id
                && capability.needs.iter().any(|needs| needs.holds_for(target.arch, version))
        };
        self.recommended.of(target).any(asks)
    }
}

impl RawRecommendation {
    fn validated(self, source: &str, faults: &mut Faults) -> Capability {
        let RawRecommendation { id, gives, when, since, before, needs } = self;
        let needs = RawNeeds { since, before, arch: None, needs };
        Capability {
            id: id.into_inner(),
            reason: gives,
            source: source.to_owned(),
            level: Level::Wanted,
            when,
            needs: needs_of(needs, faults).into_iter().collect(),
            probe: vec![],
        }
    }
}

impl RawDeviation {
    /// One reason for each recommendation that it is from.
    fn validated(self, path: &Utf8Path, text: &str, faults: &mut Faults) -> Vec<Reason> {
        let RawDeviation { from, when, since, before, reason } = self;
        let (since, before) = (version(since, faults), version(before, faults));
        let reason = |from: Spanned<String>| Reason {
            place: Place { path: path.to_owned(), line: line_of(text, from.span()) },
            recommendation: from.into_inner(),
            text: reason.get_ref().clone(),
            when: when.clone(),
            since: since.clone(),
            before: before.clone(),
        };
        from.into_iter().map(reason).collect()
    }
}
