//! The releases that a change came with: Linus', and those of stable series that took it over.

use std::str::FromStr;

use anyhow::{Context, Error, Result, bail};
use serde::{Deserialize, Serialize};

use super::KernelVersion;

/// `"6.15"`, or `["6.15", "6.14.7", "6.12.29"]`: the first release of Linux itself, then the first of
/// each stable series that took it over.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(try_from = "Words", into = "Vec<String>")]
pub(crate) struct Releases {
    first: KernelVersion,
    stable: Vec<KernelVersion>,
}

impl Releases {
    /// # Errors
    /// If there is none, one is no version, or one after the first is not of an older stable series.
    fn of<'a>(words: impl Iterator<Item = &'a str>) -> Result<Self> {
        let mut all = words.map(str::parse).collect::<Result<Vec<KernelVersion>>>()?.into_iter();
        let first = all.next().context("expected a release, or a list of them")?;
        let stable: Vec<KernelVersion> = all.collect();
        let not_stable = |release: &&KernelVersion| release.patch == 0 || **release >= first;
        if let Some(release) = stable.iter().find(not_stable) {
            bail!("{release} is not of a stable series before that of {first}");
        }
        Ok(Releases { first, stable })
    }

    /// That of Linux itself.
    pub(crate) fn first(&self) -> &KernelVersion {
        &self.first
    }

    /// The release that a tree of `version` goes by: that of its own series, or else the first.
    pub(crate) fn for_series_of(&self, version: &KernelVersion) -> &KernelVersion {
        let own = |release: &&KernelVersion| release.numbers() == version.numbers();
        self.stable.iter().find(own).unwrap_or(&self.first)
    }

    pub(crate) fn reached_by(&self, version: &KernelVersion) -> bool {
        version >= self.for_series_of(version)
    }
}

impl FromStr for Releases {
    type Err = Error;

    /// `6.13, 6.12.9, 6.1.124`
    fn from_str(text: &str) -> Result<Self> {
        Self::of(text.split(',').map(str::trim))
    }
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Words {
    One(String),
    More(Vec<String>),
}

impl TryFrom<Words> for Releases {
    type Error = String;

    fn try_from(words: Words) -> Result<Self, String> {
        let words = match &words {
            Words::One(word) => std::slice::from_ref(word),
            Words::More(words) => words,
        };
        Self::of(words.iter().map(String::as_str)).map_err(|error| format!("{error:#}"))
    }
}

impl From<Releases> for Vec<String> {
    fn from(releases: Releases) -> Self {
        let Releases { first, stable } = releases;
        std::iter::once(&first).chain(&stable).map(KernelVersion::to_string).collect()
    }
}
