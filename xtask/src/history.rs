//! `history.toml`: what a symbol was called before, when it came and when it went.

#[cfg(test)]
mod tests;

use anyhow::{Context, Result};
use camino::Utf8Path;
use serde::{Deserialize, Serialize};
use toml::Spanned;
use vmm_kernel::Arch;

use crate::diag::BadInput;
use crate::fragment::{HISTORY as FILE, config_line};
use crate::source::{KernelVersion, Releases};
use crate::workspace::Workspace;

/// One entry; at least one of `was`, `was_not`, `since`, `until` and `vendor` is there.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Entry {
    /// The name that fragments use: the newest kernel's.
    name: Spanned<String>,
    /// Older names, the newest of them first.
    #[serde(default)]
    pub was: Vec<String>,
    /// Older names that asked the opposite, the newest of them first.
    #[serde(default)]
    was_not: Vec<String>,
    /// First releases that can be asked for `name`.
    since: Option<Releases>,
    /// First releases that no longer can.
    until: Option<Releases>,
    /// What does its work since it went, for people: `always in with MEMCG`.
    instead: Option<String>,
    /// What an older kernel has no defence against, for people; nothing where it defends without
    /// being asked.
    defence: Option<String>,
    /// Whose kernels have it; Linux itself never did.
    vendor: Option<String>,
    /// The arch it holds for; every arch where left out.
    pub arch: Option<Arch>,
    /// Where this was seen: a Kconfig file of a version, an upstream commit.
    #[expect(dead_code, reason = "read by people; demanding it keeps guesses out")]
    #[serde(skip_serializing)]
    evidence: String,
}

/// Another name of a symbol.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Alias<'a> {
    pub name: &'a str,
    /// It asks the opposite.
    pub opposite: bool,
}

impl Entry {
    /// What is wrong with it.
    fn fault(&self) -> Option<&'static str> {
        let came_or_went = self.since.is_some() || self.until.is_some();
        let in_linux = came_or_went || self.aliases().nth(1).is_some();
        if !in_linux && self.vendor.is_none() {
            return Some("needs one of `was`, `was_not`, `since`, `until`, `vendor`");
        }
        if in_linux && self.vendor.is_some() {
            return Some("is a vendor's or of Linux itself, not both");
        }
        if self.defence.is_some() && self.since.is_none() {
            return Some("has `defence` without `since`");
        }
        let nothing_went = self.instead.is_some() && self.until.is_none();
        nothing_went.then_some("has `instead` without `until`")
    }

    /// All names it has had, the newest of them first.
    fn aliases(&self) -> impl Iterator<Item = Alias<'_>> {
        let same = std::iter::once(self.name.get_ref()).chain(&self.was);
        let same = same.map(|name| Alias { name, opposite: false });
        same.chain(self.was_not.iter().map(|name| Alias { name, opposite: true }))
    }

    /// Its names before the one of now.
    fn older(&self) -> impl Iterator<Item = Alias<'_>> {
        self.aliases().skip(1)
    }

    /// Why a tree of `version` cannot be asked for it under any name.
    fn tells(&self, version: &KernelVersion) -> Option<Known<'_>> {
        match (&self.since, &self.until) {
            (Some(since), _) if !since.reached_by(version) => {
                let defence = self.defence.as_deref();
                Some(Known::CameWith { release: since.for_series_of(version), defence })
            }
            (_, Some(until)) if until.reached_by(version) => {
                Some(Known::WentWith(until.for_series_of(version), self.instead.as_deref()))
            }
            _ => self.vendor.as_deref().map(Known::OnlyOf),
        }
    }
}

/// What asks by a name for what `value` asks by one of the opposite sense. Nothing but y and n has
/// an opposite.
pub(crate) fn opposite(value: &str) -> Option<&'static str> {
    match value {
        "y" => Some("n"),
        "n" => Some("y"),
        _ => None,
    }
}

/// A symbol that is asked for where the tools can, and what it costs where they cannot.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ByTools {
    name: String,
    /// The symbol by which the tree says that its tools can.
    needs: String,
    /// What a kernel is without it, for people.
    cost: String,
    #[expect(dead_code, reason = "read by people; demanding it keeps guesses out")]
    #[serde(skip_serializing)]
    evidence: String,
}

/// `6.9`, as people and history files say it, not `6.9.0`.
pub(crate) fn short(version: &KernelVersion) -> String {
    let text = version.to_string();
    text.strip_suffix(".0").map(str::to_owned).unwrap_or(text)
}

/// Serialized without its evidence, it is all that resolving knows of it.
#[derive(Debug, Clone, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct History {
    #[serde(default, rename = "symbol")]
    entries: Vec<Entry>,
    #[serde(default)]
    tools: Vec<ByTools>,
    /// The workspace's, for requests from elsewhere: it explains them, and translates none, since
    /// nobody has said whose words they are in.
    #[serde(skip_deserializing)]
    borrowed: bool,
}

/// What the history knows of a symbol that a tree cannot be asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Known<'a> {
    /// The tree knows it by this older name.
    Called(Alias<'a>),
    /// The tree knows it by this newer name.
    RenamedTo(Alias<'a>),
    /// It came with this release, and the tree is older.
    CameWith {
        release: &'a KernelVersion,
        /// What the tree has no defence against without it.
        defence: Option<&'a str>,
    },
    /// It went with this release, and the tree is that or newer; and what does its work now.
    WentWith(&'a KernelVersion, Option<&'a str>),
    /// Only this vendor's kernels have it.
    OnlyOf(&'a str),
}

/// What the history makes of a request that a tree cannot be asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Past {
    /// The tree knows it by this older name.
    Called(String),
    /// The tree knows it by this older name, which asks the opposite.
    Opposite(String),
    /// The name is transitional in the tree, and this symbol inherits its value.
    Inherited(String),
    /// It came with this version, and the tree is older.
    CameWith(String),
    /// It came with this version as a defence that the tree, which is older, does not have.
    Undefended { release: String, against: String },
    /// It went with this version, and the tree is that or newer.
    WentWith(String),
    /// The tree has it for tools that can do what this symbol says, and these cannot.
    LeftByTools { needs: String, cost: String },
}

impl History {
    /// Reads `history.toml` of a conf dir. One without borrows that of the workspace.
    pub(crate) fn read(workspace: &Workspace, conf_dir: &Utf8Path) -> Result<Self> {
        if let Some(own) = Self::read_file(&conf_dir.join(FILE))? {
            return Ok(own);
        }
        let known = Self::read_file(&workspace.conf_dir().join(FILE))?.unwrap_or_default();
        Ok(History { borrowed: true, ..known })
    }

    fn read_file(path: &Utf8Path) -> Result<Option<Self>> {
        let text = match std::fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error).with_context(|| format!("failed to read {path}")),
        };
        let history: Self =
            toml::from_str(&text).map_err(|error| BadInput::toml(path, &text, &error))?;
        let fault = |entry: &Entry| entry.fault().map(|fault| (entry.name.clone(), fault));
        if let Some((name, fault)) = history.entries.iter().find_map(fault) {
            let line = text[..name.span().start].matches('\n').count() + 1;
            let message = format!("{} {fault}", name.get_ref());
            return Err(BadInput::at(path, &text, line, message).into());
        }
        Ok(Some(history))
    }

    /// What becomes of a request for a symbol of this name that did not come out, if that is the tools':
    /// `is_set` answers for other symbols.
    pub(crate) fn left_by_tools(
        &self,
        symbol: &str,
        is_set: impl Fn(&str) -> bool,
    ) -> Option<Past> {
        let left = |one: &&ByTools| one.name == symbol && !self.borrowed && !is_set(&one.needs);
        let ByTools { needs, cost, .. } = self.tools.iter().find(left)?;
        Some(Past::LeftByTools { needs: needs.clone(), cost: cost.clone() })
    }

    /// What fragments use for what a tree calls `name`.
    fn newest<'a>(&'a self, name: &'a str) -> Alias<'a> {
        let own = self.entries.iter().filter(|_| !self.borrowed);
        let mut renamed = own.filter_map(|entry| {
            let older = entry.older().find(|older| older.name == name)?;
            Some(Alias { name: entry.name.get_ref(), ..older })
        });
        renamed.next().unwrap_or(Alias { name, opposite: false })
    }

    /// The name that fragments use for what a tree calls `name`.
    pub(crate) fn newest_name<'a>(&'a self, name: &'a str) -> &'a str {
        self.newest(name).name
    }

    /// The line by which fragments ask for what `name` and `value` ask of a tree.
    pub(crate) fn newest_line(&self, name: &str, value: &str) -> String {
        match self.newest(name) {
            Alias { name: newest, opposite: false } => config_line(newest, value),
            Alias { name: newest, opposite: true } => match opposite(value) {
                Some(value) => config_line(newest, value),
                None => config_line(name, value),
            },
        }
    }

    /// What older trees call a symbol in the same sense, the newest of these names first.
    pub(crate) fn older_names(&self, name: &str, arch: Arch) -> impl Iterator<Item = &str> {
        let named = move |entry: &&Entry| {
            entry.name.get_ref() == name && entry.arch.is_none_or(|scope| scope == arch)
        };
        self.entries.iter().filter(named).flat_map(|entry| &entry.was).map(String::as_str)
    }

    /// The same with these entries, in the words of a history file.
    ///
    /// # Errors
    /// If that is no history.
    pub(crate) fn with(mut self, entries: &str) -> Result<Self> {
        let more: Self = toml::from_str(entries).context("failed to read entries of a history")?;
        self.entries.extend(more.entries);
        self.tools.extend(more.tools);
        Ok(self)
    }

    /// Symbols whose entries speak of none that a tree lacks. `lacked`: some tree can be asked for it
    /// for none of these arches.
    pub(crate) fn needless(&self, lacked: impl Fn(&str, &[Arch]) -> bool) -> Vec<&str> {
        let is_needless = |entry: &&Entry| match &entry.arch {
            Some(arch) => !lacked(entry.name.get_ref(), &[*arch]),
            None => !lacked(entry.name.get_ref(), Arch::ALL),
        };
        self.entries.iter().filter(is_needless).map(|entry| entry.name.get_ref().as_str()).collect()
    }

    /// What becomes of a request that a tree of `version` cannot be asked; `asks` answers for other
    /// names.
    pub(crate) fn translate(
        &self,
        symbol: &str,
        arch: Arch,
        version: &KernelVersion,
        asks: impl Fn(&str) -> bool,
    ) -> Option<Past> {
        if self.borrowed {
            return None;
        }
        match self.explain(symbol, arch, version, asks)?.0 {
            Known::Called(Alias { name, opposite: false }) => Some(Past::Called(name.to_owned())),
            Known::Called(Alias { name, opposite: true }) => Some(Past::Opposite(name.to_owned())),
            Known::CameWith { release, defence: None } => Some(Past::CameWith(short(release))),
            Known::CameWith { release, defence: Some(against) } => {
                Some(Past::Undefended { release: short(release), against: against.to_owned() })
            }
            Known::WentWith(version, _) => Some(Past::WentWith(short(version))),
            Known::RenamedTo(_) | Known::OnlyOf(_) => None,
        }
    }

    /// What is known of a symbol that a tree of `version` cannot be asked for, and the entry that
    /// says it; `asks` answers for other names.
    pub(crate) fn explain(
        &self,
        symbol: &str,
        arch: Arch,
        version: &KernelVersion,
        asks: impl Fn(&str) -> bool,
    ) -> Option<(Known<'_>, &Entry)> {
        let in_scope =
            || self.entries.iter().filter(|entry| entry.arch.is_none_or(|scope| scope == arch));
        let named = || in_scope().filter(|entry| entry.name.get_ref() == symbol);
        let called = named().find_map(|entry| {
            let older = entry.older().find(|older| asks(older.name))?;
            Some((Known::Called(older), entry))
        });
        let told = || named().find_map(|entry| Some((entry.tells(version)?, entry)));
        let renamed = || {
            in_scope().find_map(|entry| {
                let own = entry.older().find(|older| older.name == symbol)?;
                let other = entry.aliases().find(|alias| asks(alias.name))?;
                let opposite = own.opposite != other.opposite;
                Some((Known::RenamedTo(Alias { opposite, ..other }), entry))
            })
        };
        called.or_else(told).or_else(renamed)
    }
}
