//! `sources.lock`: what each pin of `sources.toml` came to.

use std::collections::BTreeMap;

use anyhow::{Context, Result};
use camino::{Utf8Path, Utf8PathBuf};
use serde::{Deserialize, Serialize};

use super::pins::{Origin, Sources};
use super::store::replace_file;
use crate::diag::{BadInput, Hint};

const HEAD: &str = "\
# What each pin of sources.toml came to, by version and sha256. Written by `cargo xtask source
# fetch`; belongs under version control. `--locked` takes nothing else.
";

/// What a pin came to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Locked {
    /// The provider and what it was asked for; an entry for another origin is out of date.
    pub(crate) from: String,
    /// Of the package or the tarball, or the head of the commit's name.
    pub(crate) version: String,
    /// Hash of the tarball; of a commit, that of the listing of its files.
    pub(crate) sha256: String,
    /// Hash of all patches.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) patches: Option<String>,
}

#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Text {
    #[serde(default)]
    source: BTreeMap<String, Locked>,
}

/// The file and what it says.
pub(super) struct Lock {
    path: Utf8PathBuf,
    text: Text,
}

impl Lock {
    /// Beside `sources.toml`; in the cache if the pins are the tool's own, to leave a conf dir alone
    /// that has no part in this.
    pub(super) fn read(sources: &Sources, cache: &Utf8Path) -> Result<Self> {
        let folder = match sources.origin {
            Origin::ConfDir => sources.dir.as_path(),
            Origin::BuiltIn => cache,
        };
        let path = folder.join("sources.lock");
        let text = match std::fs::read_to_string(&path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => String::new(),
            text => text.with_context(|| format!("failed to read {path}"))?,
        };
        let text = toml::from_str(&text)
            .map_err(|error| BadInput::toml(&path, &text, &error))
            .hint(|| "remove the file to have it written anew")?;
        Ok(Lock { path, text })
    }

    pub(super) fn path(&self) -> &Utf8Path {
        &self.path
    }

    pub(super) fn get(&self, pin: &str) -> Option<&Locked> {
        self.text.source.get(pin)
    }

    /// Writes the file if this is news.
    pub(super) fn set(&mut self, pin: &str, locked: Locked) -> Result<()> {
        if self.get(pin) == Some(&locked) {
            return Ok(());
        }
        self.text.source.insert(pin.to_owned(), locked);
        let text = toml::to_string(&self.text).context("failed to write TOML")?;
        replace_file(&self.path, &format!("{HEAD}\n{text}"))
            .hint(|| "the conf dir has to be writable, unless --locked")
    }
}
