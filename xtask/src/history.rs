//! `history.toml`: what a symbol was called before, when it came and when it went.

use anyhow::{Context, Result};
use camino::Utf8Path;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use toml::Spanned;
use vmm_kernel::Arch;

use crate::diag::BadInput;
use crate::fragment::HISTORY as FILE;
use crate::source::KernelVersion;
use crate::workspace::Workspace;

/// One entry; at least one of `was`, `since`, `until` and `vendor` is there.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Entry {
    /// The name that fragments use: the newest kernel's.
    name: Spanned<String>,
    /// Older names, the newest of them first.
    #[serde(default)]
    pub was: Vec<String>,
    /// First version that knows `name`.
    #[serde(default, deserialize_with = "version", serialize_with = "words")]
    pub since: Option<KernelVersion>,
    /// First version that no longer knows it.
    #[serde(default, deserialize_with = "version", serialize_with = "words")]
    pub until: Option<KernelVersion>,
    /// What does its work since it went, for people: `always in with MEMCG`.
    pub instead: Option<String>,
    /// Whose kernels have it; Linux itself never did.
    pub vendor: Option<String>,
    /// The arch it holds for; every arch where left out.
    pub arch: Option<Arch>,
    /// Where this was seen: a Kconfig file of a version, an upstream commit.
    #[expect(dead_code, reason = "read by people; demanding it keeps guesses out")]
    #[serde(skip_serializing)]
    evidence: String,
}

impl Entry {
    /// What is wrong with it.
    fn fault(&self) -> Option<&'static str> {
        let came_or_went = self.since.is_some() || self.until.is_some();
        let in_linux = came_or_went || !self.was.is_empty();
        if !in_linux && self.vendor.is_none() {
            return Some("needs one of `was`, `since`, `until`, `vendor`");
        }
        if in_linux && self.vendor.is_some() {
            return Some("is a vendor's or of Linux itself, not both");
        }
        let nothing_went = self.instead.is_some() && self.until.is_none();
        nothing_went.then_some("has `instead` without `until`")
    }

    /// All names it has had, the newest of them first.
    fn names(&self) -> impl Iterator<Item = &str> {
        std::iter::once(self.name.get_ref()).chain(&self.was).map(String::as_str)
    }

    /// Why a tree of `version` has it under no name.
    fn tells(&self, version: &KernelVersion) -> Option<Known<'_>> {
        match (&self.since, &self.until) {
            (Some(since), _) if version < since => Some(Known::CameWith(since)),
            (_, Some(until)) if version >= until => {
                Some(Known::WentWith(until, self.instead.as_deref()))
            }
            _ => self.vendor.as_deref().map(Known::OnlyOf),
        }
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

fn version<'de, D: Deserializer<'de>>(text: D) -> Result<Option<KernelVersion>, D::Error> {
    let text = String::deserialize(text)?;
    text.parse().map(Some).map_err(serde::de::Error::custom)
}

fn words<S: Serializer>(version: &Option<KernelVersion>, to: S) -> Result<S::Ok, S::Error> {
    version.as_ref().map(KernelVersion::to_string).serialize(to)
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

/// What the history knows of a symbol that a tree does not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Known<'a> {
    /// The tree knows it by this older name.
    Called(&'a str),
    /// The tree knows it by this newer name.
    RenamedTo(&'a str),
    /// It came with this version, and the tree is older.
    CameWith(&'a KernelVersion),
    /// It went with this version, and the tree is that or newer; and what does its work now.
    WentWith(&'a KernelVersion, Option<&'a str>),
    /// Only this vendor's kernels have it.
    OnlyOf(&'a str),
}

/// What the history makes of a request for a symbol that a tree does not know.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Past {
    /// The tree knows it by this older name.
    Called(String),
    /// It came with this version, and the tree is older.
    CameWith(String),
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

    /// The name that fragments use for what a tree calls `name`.
    pub(crate) fn newest_name<'a>(&'a self, name: &'a str) -> &'a str {
        let renamed = |entry: &&Entry| !self.borrowed && entry.was.iter().any(|was| was == name);
        self.entries.iter().find(renamed).map_or(name, |entry| entry.name.get_ref())
    }

    /// What older trees call a symbol, the newest of these names first.
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

    /// Symbols whose entries speak of none that a tree lacks. `lacked`: some tree knows it for none
    /// of these arches.
    pub(crate) fn needless(&self, lacked: impl Fn(&str, &[Arch]) -> bool) -> Vec<&str> {
        let is_needless = |entry: &&Entry| match &entry.arch {
            Some(arch) => !lacked(entry.name.get_ref(), &[*arch]),
            None => !lacked(entry.name.get_ref(), Arch::ALL),
        };
        self.entries.iter().filter(is_needless).map(|entry| entry.name.get_ref().as_str()).collect()
    }

    /// What becomes of a request for a symbol that a tree of `version` does not know; `knows`
    /// answers for other names.
    pub(crate) fn translate(
        &self,
        symbol: &str,
        arch: Arch,
        version: &KernelVersion,
        knows: impl Fn(&str) -> bool,
    ) -> Option<Past> {
        if self.borrowed {
            return None;
        }
        match self.explain(symbol, arch, version, knows)?.0 {
            Known::Called(name) => Some(Past::Called(name.to_owned())),
            Known::CameWith(version) => Some(Past::CameWith(short(version))),
            Known::WentWith(version, _) => Some(Past::WentWith(short(version))),
            Known::RenamedTo(_) | Known::OnlyOf(_) => None,
        }
    }

    /// What is known of a symbol that a tree of `version` does not know, and the entry that says it;
    /// `knows` answers for other names.
    pub(crate) fn explain(
        &self,
        symbol: &str,
        arch: Arch,
        version: &KernelVersion,
        knows: impl Fn(&str) -> bool,
    ) -> Option<(Known<'_>, &Entry)> {
        let in_scope =
            || self.entries.iter().filter(|entry| entry.arch.is_none_or(|scope| scope == arch));
        let named = || in_scope().filter(|entry| entry.name.get_ref() == symbol);
        let called = named().find_map(|entry| {
            let name = entry.was.iter().find(|was| knows(was))?;
            Some((Known::Called(name), entry))
        });
        let told = || named().find_map(|entry| Some((entry.tells(version)?, entry)));
        let renamed = || {
            in_scope().filter(|entry| entry.was.iter().any(|was| was == symbol)).find_map(|entry| {
                let name = entry.names().find(|name| knows(name))?;
                Some((Known::RenamedTo(name), entry))
            })
        };
        called.or_else(told).or_else(renamed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn history(entry: &str) -> History {
        let text = format!("[[symbol]]\nname = \"NEW\"\nevidence = \"init/Kconfig\"\n{entry}\n");
        toml::from_str(&text).unwrap()
    }

    fn translate(entry: &str, version: &str, known: &[&str]) -> Option<Past> {
        let knows = |name: &str| known.contains(&name);
        history(entry).translate("NEW", Arch::X86_64, &version.parse().unwrap(), knows)
    }

    #[test]
    fn the_first_older_name_that_the_tree_knows_wins() {
        let entry = "was = [\"OLD\", \"OLDER\"]\nsince = \"6.9\"";
        assert_eq!(translate(entry, "6.1", &["OLDER", "OLD"]), Some(Past::Called("OLD".into())));
        assert_eq!(translate(entry, "6.1", &["OLDER"]), Some(Past::Called("OLDER".into())));
        assert_eq!(translate(entry, "6.1", &[]), Some(Past::CameWith("6.9".into())));
        assert_eq!(translate(entry, "6.9", &[]), None);
    }

    #[test]
    fn gone_and_out_of_scope() {
        assert_eq!(translate("until = \"6.10\"", "6.12", &[]), Some(Past::WentWith("6.10".into())));
        assert_eq!(translate("until = \"6.10\"", "6.9", &[]), None);
        assert_eq!(translate("since = \"6.10\"\narch = \"aarch64\"", "6.1", &[]), None);
    }

    #[test]
    fn what_no_request_can_be_changed_for_is_explained() {
        let version = "6.12".parse().unwrap();
        let known = |entry: &str, symbol: &str, known: &[&str]| {
            let history = history(entry);
            let knows = |name: &str| known.contains(&name);
            assert_eq!(history.translate(symbol, Arch::X86_64, &version, knows), None);
            let explained = history.explain(symbol, Arch::X86_64, &version, knows);
            explained.map(|(known, _)| format!("{known:?}"))
        };
        let was = "was = [\"OLD\", \"OLDER\"]";
        assert_eq!(known(was, "OLDER", &["NEW", "OLD"]).unwrap(), "RenamedTo(\"NEW\")");
        assert_eq!(known(was, "OLDER", &["OLD"]).unwrap(), "RenamedTo(\"OLD\")");
        assert_eq!(known(was, "OLD", &[]), None);
        assert_eq!(known("vendor = \"ACME\"", "NEW", &[]).unwrap(), "OnlyOf(\"ACME\")");
    }

    #[test]
    fn a_borrowed_history_explains_and_translates_nothing() {
        let version = "6.12".parse().unwrap();
        let entry = "was = [\"OLD\"]\nuntil = \"6.10\"\ninstead = \"always in\"";
        let borrowed = History { borrowed: true, ..history(entry) };
        for knows in [|_: &str| true, |_: &str| false] {
            assert_eq!(borrowed.translate("NEW", Arch::X86_64, &version, knows), None);
        }
        assert_eq!(borrowed.newest_name("OLD"), "OLD");
        let (known, _) = borrowed.explain("NEW", Arch::X86_64, &version, |_| false).unwrap();
        assert!(matches!(known, Known::WentWith(_, Some("always in"))), "{known:?}");
    }

    #[test]
    fn entries_of_what_all_trees_know_are_needless() {
        let entry = |name: &str, more: &str| {
            format!("[[symbol]]\nname = \"{name}\"\nuntil = \"6.1\"\nevidence = \"e\"\n{more}\n")
        };
        let more = [entry("BOTH", ""), entry("ARM", "arch = \"aarch64\"\n"), entry("GONE", "")];
        let history = History::default().with(&more.concat()).unwrap();
        let known = [("BOTH", Arch::X86_64), ("ARM", Arch::X86_64)];
        let lacked =
            |name: &str, arches: &[Arch]| !arches.iter().any(|arch| known.contains(&(name, *arch)));
        assert_eq!(history.needless(lacked), ["BOTH"]);
        assert!(History::default().with("[[symbol]]\nname = \"A\"\n").is_err());
    }

    #[test]
    fn an_entry_that_says_nothing_or_two_things_is_refused_with_its_line() {
        let folder = tempfile::tempdir().unwrap();
        let path = Utf8Path::from_path(folder.path()).unwrap().join(FILE);
        let refusal = |entry: &str| {
            let good = "[[symbol]]\nname = \"A\"\nvendor = \"ACME\"\nevidence = \"e\"\n";
            let bad = format!("{good}[[symbol]]\nname = \"A\"\nevidence = \"e\"\n{entry}");
            std::fs::write(&path, bad).unwrap();
            let error = format!("{:#}", History::read_file(&path).unwrap_err());
            error.replace(path.as_str(), FILE)
        };
        for (entry, said) in [
            ("", "6: A needs one of `was`, `since`, `until`, `vendor`"),
            (
                "vendor = \"ACME\"\nuntil = \"6.1\"",
                "6: A is a vendor's or of Linux itself, not both",
            ),
            ("since = \"6.1\"\ninstead = \"B\"", "6: A has `instead` without `until`"),
        ] {
            assert_eq!(refusal(entry), format!("history.toml:{said}"));
        }
    }
}
