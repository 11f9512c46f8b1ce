//! What is not as a manifest says it was, before anything is built. Pure.

use std::collections::BTreeSet;

use camino::Utf8PathBuf;
use serde::Serialize;
use vmm_kernel::{FileRecord, ImageFormat, Manifest, SourceRecord, ToolchainRecord};

use crate::source::{Difference, patches};

/// What this tool, workspace and host would make an image of.
#[derive(Debug, Clone)]
pub(crate) struct Here<'a> {
    pub(crate) tool_version: &'a str,
    /// What the hypervisor takes.
    pub(crate) format: ImageFormat,
    pub(crate) inputs: Vec<FileRecord>,
    pub(crate) toolchain: &'a ToolchainRecord,
    pub(crate) source: SourceRecord,
}

/// One thing that keeps an image from being made again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "obstacle", rename_all = "kebab-case")]
pub(crate) enum Obstacle {
    Tool {
        recorded: String,
        here: String,
    },
    Format {
        recorded: ImageFormat,
        here: ImageFormat,
    },
    /// A file of the conf dir.
    Input {
        path: Utf8PathBuf,
        change: Change,
    },
    Toolchain {
        recorded: Vec<String>,
        here: Vec<String>,
    },
    Packer {
        recorded: String,
        here: Option<String>,
    },
    /// Another version of the source, or another content under that version.
    Source {
        recorded: SourceRecord,
        here: SourceRecord,
    },
    /// A patch, as `NAME@<sha256>`, that is not applied here, or only here.
    Patch {
        name: String,
        change: Change,
    },
    /// The unpacked tree is not what was unpacked.
    Tree {
        name: String,
        difference: Difference,
    },
    /// All of the above is the same, and yet another `.config` comes of it.
    Config {
        recorded: String,
        here: String,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Change {
    Changed,
    Missing,
    New,
}

/// All that can be told without the tree.
pub(crate) fn obstacles(manifest: &Manifest, here: &Here<'_>) -> Vec<Obstacle> {
    let mut all = vec![];
    if manifest.tool_version != here.tool_version {
        let (recorded, here) = (manifest.tool_version.clone(), here.tool_version.to_owned());
        all.push(Obstacle::Tool { recorded, here });
    }
    if manifest.format != here.format {
        all.push(Obstacle::Format { recorded: manifest.format, here: here.format });
    }
    // Without a record, the hash of the `.config` has to tell.
    if !manifest.inputs.is_empty() {
        let named = |file: &FileRecord| (file.path.to_string(), file.sha256.clone());
        let input =
            |(path, change): (String, Change)| Obstacle::Input { path: path.into(), change };
        let (recorded, here) = (manifest.inputs.iter().map(named), here.inputs.iter().map(named));
        all.extend(changes(recorded, here).into_iter().map(input));
    }
    if manifest.toolchain.versions != here.toolchain.versions {
        let recorded = manifest.toolchain.versions.clone();
        all.push(Obstacle::Toolchain { recorded, here: here.toolchain.versions.clone() });
    }
    all.extend(source(&manifest.source, &here.source));
    all
}

fn source(recorded: &SourceRecord, here: &SourceRecord) -> Vec<Obstacle> {
    // A folder's content is known only once something was built of it.
    let unknown = recorded.name == "dir" && here.sha256.is_empty();
    let content = |of: &SourceRecord| (of.version.clone(), of.sha256.clone());
    let same = match unknown {
        true => recorded.version == here.version,
        false => content(recorded) == content(here),
    };
    if !same {
        return vec![Obstacle::Source { recorded: recorded.clone(), here: here.clone() }];
    }
    let named = |patch: &String| {
        let (name, sha256) = patches::parts(patch);
        (name.to_owned(), sha256.to_owned())
    };
    let changes = changes(recorded.patches.iter().map(named), here.patches.iter().map(named));
    changes.into_iter().map(|(name, change)| Obstacle::Patch { name, change }).collect()
}

/// Names with their contents, as they were and as they are.
fn changes(
    before: impl Iterator<Item = (String, String)>,
    now: impl Iterator<Item = (String, String)>,
) -> Vec<(String, Change)> {
    let (before, now): (Vec<_>, Vec<_>) = (before.collect(), now.collect());
    let mut all = vec![];
    for (name, content) in &before {
        match now.iter().find(|(other, _)| other == name) {
            None => all.push((name.clone(), Change::Missing)),
            Some((_, other)) if other != content => all.push((name.clone(), Change::Changed)),
            Some(_) => {}
        }
    }
    let new = now.into_iter().filter(|(name, _)| !before.iter().any(|(known, _)| known == name));
    all.extend(new.map(|(name, _)| (name, Change::New)));
    all
}

/// Names of a pin's patches that were not applied, from the records of those applied and of all. A patch
/// with several forms, one for each range of releases, counts as applied if any of them was.
pub(crate) fn left_out(recorded: &[String], all: &[String]) -> Vec<String> {
    let names = |records: &[String]| -> BTreeSet<String> {
        let name = |record: &String| patches::name_of(patches::parts(record).0).to_owned();
        records.iter().map(name).collect()
    };
    names(all).difference(&names(recorded)).cloned().collect()
}
