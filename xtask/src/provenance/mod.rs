//! What an image was made of, in the words of others: an SPDX document, and an in-toto statement with
//! the provenance that SLSA defines. Pure: both follow from the manifest and from where its source is
//! had, and nothing in them tells when or by whom they were written.

mod in_toto;
mod spdx;
#[cfg(test)]
mod tests;

use anyhow::{Context, Result};
use serde::Serialize;
use vmm_kernel::{Manifest, ToolchainRecord};

use crate::source::Origin;

/// What an image was made of.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Materials<'a> {
    /// The image's file name.
    pub(crate) image: &'a str,
    pub(crate) manifest: &'a Manifest,
    pub(crate) origin: &'a Origin,
}

/// A file beside an image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Document {
    /// What comes behind the image's name.
    pub(crate) ending: &'static str,
    pub(crate) json: String,
}

/// The endings of all that can be written.
pub(crate) const ENDINGS: [&str; 2] = [".spdx.json", ".intoto.json"];

pub(crate) fn documents(materials: Materials<'_>) -> Result<Vec<Document>> {
    let [spdx, in_toto] = ENDINGS;
    Ok(vec![
        Document { ending: spdx, json: json(&spdx::document(materials)?)? },
        Document { ending: in_toto, json: json(&in_toto::statement(materials))? },
    ])
}

fn json(document: &impl Serialize) -> Result<String> {
    Ok(serde_json::to_string_pretty(document).context("failed to write a document")? + "\n")
}

/// A tool, by the first line of its `--version`.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Tool<'a> {
    line: &'a str,
    name: String,
    version: String,
}

impl<'a> Tool<'a> {
    /// `GNU ld (GNU Binutils for Debian) 2.40` is `gnu-ld` and `2.40`.
    fn parse(line: &'a str) -> Self {
        let plain = |word: &'a str| word.trim_matches(|c: char| !c.is_ascii_alphanumeric());
        let is_version =
            |word: &&str| word.trim_start_matches('v').starts_with(|c: char| c.is_ascii_digit());
        let words = || line.split_ascii_whitespace().map(plain).filter(|word| !word.is_empty());
        let end = line.find('(').unwrap_or(line.len());
        let named = line[..end].split_ascii_whitespace().map(plain);
        let named = named.filter(|word| !word.is_empty()).take_while(|word| !is_version(word));
        let version = words().rfind(is_version).unwrap_or_default();
        Tool {
            line,
            name: named.collect::<Vec<_>>().join("-").to_lowercase(),
            version: version.trim_start_matches('v').to_owned(),
        }
    }

    /// Compiler, linker, assembler, and what packed the kernel.
    fn all(toolchain: &'a ToolchainRecord, packer: Option<&'a str>) -> Vec<Self> {
        toolchain.versions.iter().map(String::as_str).chain(packer).map(Tool::parse).collect()
    }
}
