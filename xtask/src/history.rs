//! `history.toml`: what a symbol was called before, when it came and when it went.

use anyhow::{Context, Result};
use camino::Utf8Path;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use vmm_kernel::Arch;

use crate::diag::BadInput;
use crate::source::KernelVersion;

/// One entry; at least one of `was`, `since` and `until` is there.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Entry {
    /// The name that fragments use: the newest kernel's.
    pub name: String,
    /// Older names, the newest of them first.
    #[serde(default)]
    pub was: Vec<String>,
    /// First version that knows `name`.
    #[serde(default, deserialize_with = "version", serialize_with = "words")]
    pub since: Option<KernelVersion>,
    /// First version that no longer knows it.
    #[serde(default, deserialize_with = "version", serialize_with = "words")]
    pub until: Option<KernelVersion>,
    /// The arch it holds for; every arch where left out.
    pub arch: Option<Arch>,
    /// Where this was seen: a Kconfig file of a version, an upstream commit.
    #[expect(dead_code, reason = "read by people; demanding it keeps guesses out")]
    #[serde(skip_serializing)]
    evidence: String,
}

/// `6.9`, as people and history files say it, not `6.9.0`.
fn short(version: &KernelVersion) -> String {
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
}

impl History {
    /// Reads `history.toml` of a conf dir; one without has no history.
    pub(crate) fn read(conf_dir: &Utf8Path) -> Result<Self> {
        let path = conf_dir.join("history.toml");
        let text = match std::fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                return Ok(Self::default());
            }
            Err(error) => return Err(error).with_context(|| format!("failed to read {path}")),
        };
        let history: Self =
            toml::from_str(&text).map_err(|error| BadInput::toml(&path, &text, &error))?;
        let empty = |e: &&Entry| e.was.is_empty() && e.since.is_none() && e.until.is_none();
        if let Some(entry) = history.entries.iter().find(empty) {
            let needle = format!("\"{}\"", entry.name);
            let line = text.lines().position(|line| line.contains(&needle)).unwrap_or(0) + 1;
            let message = format!("{} needs one of `was`, `since`, `until`", entry.name);
            return Err(BadInput::at(&path, &text, line, message).into());
        }
        Ok(history)
    }

    fn of<'a>(&'a self, symbol: &'a str, arch: Arch) -> impl Iterator<Item = &'a Entry> {
        let applies = move |entry: &&Entry| entry.arch.is_none_or(|scope| scope == arch);
        self.entries.iter().filter(move |entry| entry.name == symbol).filter(applies)
    }

    /// Older names of a symbol, for asking a tree which of them it knows.
    pub(crate) fn older_names<'a>(
        &'a self,
        symbol: &'a str,
        arch: Arch,
    ) -> impl Iterator<Item = &'a str> {
        self.of(symbol, arch).flat_map(|entry| &entry.was).map(String::as_str)
    }

    /// The name that fragments use for what a tree calls `name`.
    pub(crate) fn newest_name<'a>(&'a self, name: &'a str) -> &'a str {
        let renamed = self.entries.iter().find(|entry| entry.was.iter().any(|older| older == name));
        renamed.map_or(name, |entry| &entry.name)
    }

    /// Explains a symbol that a tree of `version` does not know; `knows` answers for older names.
    pub(crate) fn explain(
        &self,
        symbol: &str,
        arch: Arch,
        version: &KernelVersion,
        knows: impl Fn(&str) -> bool,
    ) -> Option<Past> {
        if let Some(older) = self.older_names(symbol, arch).find(|name| knows(name)) {
            return Some(Past::Called(older.to_owned()));
        }
        self.of(symbol, arch).find_map(|entry| match (&entry.since, &entry.until) {
            (Some(since), _) if version < since => Some(Past::CameWith(short(since))),
            (_, Some(until)) if version >= until => Some(Past::WentWith(short(until))),
            _ => None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn explain(entry: &str, version: &str, known: &[&str]) -> Option<Past> {
        let text = format!("[[symbol]]\nname = \"NEW\"\nevidence = \"init/Kconfig\"\n{entry}\n");
        let history: History = toml::from_str(&text).unwrap();
        history
            .explain("NEW", Arch::X86_64, &version.parse().unwrap(), |name| known.contains(&name))
    }

    #[test]
    fn the_first_older_name_that_the_tree_knows_wins() {
        let entry = "was = [\"OLD\", \"OLDER\"]\nsince = \"6.9\"";
        assert_eq!(explain(entry, "6.1", &["OLDER", "OLD"]), Some(Past::Called("OLD".into())));
        assert_eq!(explain(entry, "6.1", &["OLDER"]), Some(Past::Called("OLDER".into())));
        assert_eq!(explain(entry, "6.1", &[]), Some(Past::CameWith("6.9".into())));
        assert_eq!(explain(entry, "6.9", &[]), None);
    }

    #[test]
    fn gone_and_out_of_scope() {
        assert_eq!(explain("until = \"6.10\"", "6.12", &[]), Some(Past::WentWith("6.10".into())));
        assert_eq!(explain("until = \"6.10\"", "6.9", &[]), None);
        assert_eq!(explain("since = \"6.10\"\narch = \"aarch64\"", "6.1", &[]), None);
    }
}
