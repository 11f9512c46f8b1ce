//! The releases that a change came with: Linus', and those of stable series that took it over.

use serde::{Deserialize, Serialize};

use crate::source::KernelVersion;

/// `"6.15"`, or `["6.15", "6.14.7", "6.12.29"]`: the first release of Linux itself, then the first of
/// each stable series that took it over.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(try_from = "Words", into = "Vec<String>")]
pub(super) struct Releases {
    first: KernelVersion,
    stable: Vec<KernelVersion>,
}

impl Releases {
    /// The release that a tree of `version` goes by: that of its own series, or else the first.
    pub(super) fn for_series_of(&self, version: &KernelVersion) -> &KernelVersion {
        let own = |release: &&KernelVersion| release.numbers() == version.numbers();
        self.stable.iter().find(own).unwrap_or(&self.first)
    }

    pub(super) fn reached_by(&self, version: &KernelVersion) -> bool {
        version >= self.for_series_of(version)
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
        let words = match words {
            Words::One(word) => vec![word],
            Words::More(words) => words,
        };
        let parse = |word: &String| word.parse().map_err(|error| format!("{error:#}"));
        let mut all = words.iter().map(parse).collect::<Result<Vec<KernelVersion>, _>>()?;
        if all.is_empty() {
            return Err("expected a release, or a list of them".to_owned());
        }
        let stable = all.split_off(1);
        let first = all.remove(0);
        let not_stable = |release: &&KernelVersion| release.patch == 0 || **release >= first;
        match stable.iter().find(not_stable) {
            Some(release) => {
                Err(format!("{release} is not of a stable series before that of {first}"))
            }
            None => Ok(Releases { first, stable }),
        }
    }
}

impl From<Releases> for Vec<String> {
    fn from(releases: Releases) -> Self {
        let Releases { first, stable } = releases;
        std::iter::once(&first).chain(&stable).map(KernelVersion::to_string).collect()
    }
}
