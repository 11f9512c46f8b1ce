//! Brings this project into a checkout of Kuasar: from what both have to the files that are edited
//! there and those that are copied. What git has to say is in `git`; the rest is pure.

mod git;
mod makefile;
mod manifest;
#[cfg(test)]
mod tests;

use anyhow::{Context, Result};
use camino::{Utf8Path, Utf8PathBuf};
use serde::Serialize;

use crate::edit::Edited;
use crate::files::{Content, Files};

pub(crate) use git::{local_changes, tracked};

/// What the project is made of: where it lies here, and where in a checkout. rustfmt and clippy look
/// for their settings beside a crate first, so Kuasar's own crates keep theirs.
const COPIED: [(&str, &str); 8] = [
    ("xtask", "xtask"),
    ("vmm/kernel", "vmm/kernel"),
    ("fragments", "fragments"),
    ("ci/kernel.yml", ".github/workflows/kernel.yml"),
    ("rustfmt.toml", "xtask/rustfmt.toml"),
    ("rustfmt.toml", "vmm/kernel/rustfmt.toml"),
    ("clippy.toml", "xtask/clippy.toml"),
    ("clippy.toml", "vmm/kernel/clippy.toml"),
];

const MANIFEST: &str = "Cargo.toml";
const CONFIG: &str = ".cargo/config.toml";
const MAKEFILE: &str = "Makefile";

/// Files of the project's home that a checkout gets, or gets something of.
pub(crate) fn wanted() -> impl Iterator<Item = &'static str> {
    COPIED.iter().map(|(here, _)| *here).chain([MANIFEST, CONFIG])
}

/// Where a file of the home goes in a checkout.
fn places(path: &Utf8Path) -> impl Iterator<Item = Utf8PathBuf> {
    COPIED.iter().filter_map(move |(here, there)| {
        let below = path.strip_prefix(here).ok()?;
        Some(if below.as_str().is_empty() {
            there.into()
        } else {
            Utf8Path::new(there).join(below)
        })
    })
}

/// Every file of a checkout that these files of the home have to do with.
pub(crate) fn touched(home: &Files) -> impl Iterator<Item = Utf8PathBuf> {
    let own = [MANIFEST, CONFIG, MAKEFILE].map(Utf8PathBuf::from);
    home.keys().flat_map(|path| places(path)).chain(own)
}

/// What a checkout lacks of the project.
#[derive(Debug)]
pub(crate) struct Adoption {
    /// Files of Kuasar's own, with what they get.
    pub edited: Vec<Edited>,
    pub copied: Vec<Copied>,
    /// Entries that the checkout has with another value, as dotted keys. They stay.
    pub kept: Vec<String>,
    /// All of these files, as they will be.
    pub files: Files,
}

/// A file that a checkout gets, as it is at home.
#[derive(Debug, Serialize)]
pub(crate) struct Copied {
    pub path: Utf8PathBuf,
    /// There is one that says something else.
    pub replaces: bool,
}

impl Adoption {
    /// The checkout has it all.
    pub(crate) fn is_nothing(&self) -> bool {
        self.files.is_empty()
    }
}

/// # Errors
/// If a file that is edited is not of its format, or the Makefile makes its kernel in a way that is not
/// known here.
pub(crate) fn plan(home: &Files, checkout: &Files) -> Result<Adoption> {
    let mut kept = vec![];
    let manifest = manifest::manifest(text(home, MANIFEST)?, text(checkout, MANIFEST)?, &mut kept)?;
    let config = manifest::config(text(home, CONFIG)?, text(checkout, CONFIG)?, &mut kept)?;
    let makefile = makefile::makefile(text(checkout, MAKEFILE)?)?;
    let (mut edited, mut files) = (vec![], Files::new());
    for (path, after) in [(MANIFEST, manifest), (CONFIG, config), (MAKEFILE, makefile)] {
        let before = text(checkout, path)?.to_owned();
        if before != after {
            let executable = checkout.get(Utf8Path::new(path)).is_some_and(|one| one.executable);
            files.insert(path.into(), Content { bytes: after.clone().into(), executable });
            edited.push(Edited { path: path.into(), before, after });
        }
    }
    let all = home.iter().flat_map(|(path, content)| places(path).map(move |to| (to, content)));
    let lacking = all.filter(|(to, content)| checkout.get(to) != Some(content));
    let mut copied = vec![];
    for (path, content) in lacking {
        files.insert(path.clone(), content.clone());
        copied.push(Copied { replaces: checkout.contains_key(&path), path });
    }
    Ok(Adoption { edited, copied, kept, files })
}

/// Nothing where there is no such file.
fn text<'f>(files: &'f Files, path: &str) -> Result<&'f str> {
    let bytes = files.get(Utf8Path::new(path)).map_or(&[][..], |content| &content.bytes);
    std::str::from_utf8(bytes).with_context(|| format!("failed to read {path}: it is not UTF-8"))
}
