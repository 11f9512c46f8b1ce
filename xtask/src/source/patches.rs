//! Patches of a pin: part of what its tree is.

use std::fmt;
use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use camino::{Utf8Path, Utf8PathBuf};

use super::{KernelVersion, Releases, git, symlinks};
use crate::diag::{BadInput, Hint};
use crate::hash;
use crate::progress::Progress;
use crate::shell::{Finished, Shell};

/// What begins the line of a patch's head that names the releases it is for: that of Linux and those
/// of stable series, as in `Since: 6.13, 6.12.9, 6.1.124`. It is for all where there is no such line.
const SINCE: &str = "Since:";

/// The `*.patch` files of a folder in the order of their names. One is named as its file is, but for
/// the number and the ending: `0001-vsock-reuseport.patch` is `vsock-reuseport`. Another form of it
/// for newer kernels has an `@` and any word behind the name: `0001-vsock-reuseport@7.1.patch`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Patches {
    files: Vec<Patch>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Patch {
    pub(super) path: Utf8PathBuf,
    sha256: String,
    since: Option<Releases>,
}

/// What `git apply` says of a patch that does not apply.
#[derive(Debug)]
pub(crate) struct Unfit(String);

impl fmt::Display for Unfit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Unfit {}

impl Patch {
    fn read(path: Utf8PathBuf) -> Result<Self> {
        let bytes = std::fs::read(&path).with_context(|| format!("failed to read {path}"))?;
        let text = String::from_utf8_lossy(&bytes);
        let mut head = (1..).zip(text.lines()).take_while(|(_, line)| !line.starts_with("--- "));
        let since = head.find_map(|(number, line)| Some((number, line.strip_prefix(SINCE)?)));
        let parse = |(number, since): (usize, &str)| {
            let bad = |error| BadInput::at(&path, &text, number, format!("{error:#}"));
            since.parse().map_err(bad)
        };
        let since = since.map(parse).transpose()?;
        Ok(Patch { sha256: hash::of_bytes(&bytes), path, since })
    }

    /// `NAME@<sha256>`
    pub(super) fn record(&self) -> String {
        let name = self.path.file_name().unwrap_or(self.path.as_str());
        format!("{name}@{}", self.sha256)
    }

    pub(super) fn name(&self) -> &str {
        name_of(self.path.file_name().unwrap_or(self.path.as_str()))
    }
}

/// File name and sha256 of a patch's record.
pub(crate) fn parts(record: &str) -> (&str, &str) {
    record.rsplit_once('@').unwrap_or((record, ""))
}

/// The name of a patch, by that of its file.
pub(crate) fn name_of(file: &str) -> &str {
    let stem = file.strip_suffix(".patch").unwrap_or(file);
    let stem = stem.split_once('@').map_or(stem, |(name, _)| name);
    let name = stem.trim_start_matches(|c: char| c.is_ascii_digit()).trim_start_matches('-');
    if name.is_empty() { stem } else { name }
}

impl Patches {
    /// # Errors
    /// If the folder cannot be read or has no patch: a pin that names it means to have some.
    pub(super) fn read(folder: Option<&Utf8Path>) -> Result<Self> {
        let Some(folder) = folder else { return Ok(Patches::default()) };
        let read = || format!("failed to read patch folder {folder}");
        let mut files = Vec::new();
        for entry in folder.read_dir_utf8().with_context(read)? {
            let path = entry.with_context(read)?.into_path();
            if path.extension() == Some("patch") {
                files.push(Patch::read(path)?);
            }
        }
        if files.is_empty() {
            bail!("patch folder {folder} has no *.patch file");
        }
        files.sort_by(|a, b| a.path.cmp(&b.path));
        Ok(Patches { files })
    }

    pub(super) fn is_empty(&self) -> bool {
        self.files.is_empty()
    }

    /// Each once.
    pub(super) fn names(&self) -> Vec<&str> {
        let mut names: Vec<&str> = vec![];
        for name in self.files.iter().map(Patch::name) {
            if !names.contains(&name) {
                names.push(name);
            }
        }
        names
    }

    /// Those for a tree of `version`, each in its newest form for that.
    pub(super) fn of(&self, version: &KernelVersion) -> Self {
        let first = |patch: &Patch| patch.since.as_ref().map(Releases::first).cloned();
        let fits = |patch: &&Patch| patch.since.as_ref().is_none_or(|one| one.reached_by(version));
        let is_newest = |patch: &&Patch| {
            let others = self.files.iter().filter(|one| one.name() == patch.name()).filter(fits);
            others.map(first).max() == Some(first(patch))
        };
        Patches { files: self.files.iter().filter(fits).filter(is_newest).cloned().collect() }
    }

    /// Those for a release or package of this version; all, where it is named by something else, such
    /// as a commit: only the tree's Makefile says then which are for it.
    pub(super) fn of_release(&self, version: &str) -> Self {
        version.parse().map_or_else(|_| self.clone(), |version| self.of(&version))
    }

    /// Those that are not named in `left_out`.
    pub(super) fn without(&self, left_out: &[String]) -> Self {
        let stays = |patch: &&Patch| !left_out.iter().any(|name| name == patch.name());
        Patches { files: self.files.iter().filter(stays).cloned().collect() }
    }

    /// One hash for all patches, their names and their order; `None` if there are none.
    pub(super) fn sha256(&self) -> Option<String> {
        (!self.is_empty()).then(|| hash::of_bytes(self.records().join("\n").as_bytes()))
    }

    /// `NAME@<sha256>` of each, in order.
    pub(super) fn records(&self) -> Vec<String> {
        self.files.iter().map(Patch::record).collect()
    }

    pub(super) fn files(&self) -> &[Patch] {
        &self.files
    }

    /// Applies all of them to `tree` by the rules of `git apply`: lines may have moved, but nothing is
    /// guessed, no path leaves the tree, and nothing is written through a symlink.
    ///
    /// # Errors
    /// Naming the first patch that does not apply; `tree` is then of no use any more.
    pub(super) fn apply(&self, shell: &Shell, progress: Progress, tree: &Utf8Path) -> Result<()> {
        for Patch { path, .. } in &self.files {
            progress.say(format!("applying {}", path.file_name().unwrap_or(path.as_str())));
            let done = git_apply(shell, tree, &[], path)?;
            if !done.success() {
                return Err(anyhow::Error::new(Unfit(done.stderr.trim().to_owned()))
                    .context(format!("failed to apply patch {path}: {}", done.how())))
                .hint(|| "bring the patch up to this version of the source, or remove it");
            }
        }
        seal(tree).hint(|| "a patch made it so: mend or remove that patch")
    }

    /// Those for a tree, by the version in its Makefile.
    ///
    /// # Errors
    /// If that cannot be read.
    pub(super) fn for_tree(&self, tree: &Utf8Path) -> Result<Self> {
        let path = tree.join("Makefile");
        let text =
            std::fs::read_to_string(&path).with_context(|| format!("failed to read {path}"))?;
        let version = KernelVersion::from_makefile(&text);
        Ok(version.map_or_else(|| self.clone(), |version| self.of(&version)))
    }
}

/// Has git apply a patch to the files in a folder.
pub(super) fn git_apply(
    shell: &Shell,
    folder: &Utf8Path,
    flags: &[&str],
    patch: &Utf8Path,
) -> Result<Finished> {
    // It may lie in somebody's repository, which is none of git's business here.
    let apply = git::plain_git(shell, &folder.join("no-repository"));
    let apply = apply.args(["-C", folder.as_str(), "apply", "--whitespace=nowarn"]);
    shell
        .run(apply.args(flags).arg(patch), Duration::from_secs(120))
        .hint(|| "cargo xtask setup installs what is missing")
}

/// Makes what patches have left as what comes out of an archive: nobody writes to it, and no symlink
/// leads out of it.
fn seal(tree: &Utf8Path) -> Result<()> {
    let mut links = Vec::new();
    for entry in walkdir::WalkDir::new(tree) {
        let entry = entry.with_context(|| format!("failed to look through folder {tree}"))?;
        let Some(path) = Utf8Path::from_path(entry.path()) else {
            bail!("file name {} is not UTF-8", entry.path().display());
        };
        let read = || format!("failed to read {path}");
        if entry.path_is_symlink() {
            let relative = path.strip_prefix(tree).unwrap_or(path);
            links.push((relative.to_owned(), path.read_link_utf8().with_context(read)?));
        } else if entry.file_type().is_file() {
            let mode = entry.metadata().with_context(read)?.permissions().mode();
            let sealed = if mode & 0o100 == 0 { 0o444 } else { 0o555 };
            if mode & 0o777 != sealed {
                std::fs::set_permissions(path, Permissions::from_mode(sealed))
                    .with_context(|| format!("failed to change the mode of {path}"))?;
            }
        }
    }
    symlinks::check(&links)
}
