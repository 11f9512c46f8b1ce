//! Patches of a pin: part of what its tree is.

use std::fmt;
use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use camino::{Utf8Path, Utf8PathBuf};

use super::{git, symlinks};
use crate::diag::Hint;
use crate::hash;
use crate::progress::Progress;
use crate::shell::{Finished, Shell};

/// The `*.patch` files of a folder in the order of their names. One is named as its file is, but for
/// the number and the ending: `0001-vsock-reuseport.patch` is `vsock-reuseport`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Patches {
    files: Vec<Patch>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Patch {
    pub(super) path: Utf8PathBuf,
    sha256: String,
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
    /// `NAME@<sha256>`
    pub(super) fn record(&self) -> String {
        let name = self.path.file_name().unwrap_or(self.path.as_str());
        format!("{name}@{}", self.sha256)
    }

    pub(super) fn name(&self) -> &str {
        let stem = self.path.file_stem().unwrap_or(self.path.as_str());
        let name = stem.trim_start_matches(|c: char| c.is_ascii_digit()).trim_start_matches('-');
        if name.is_empty() { stem } else { name }
    }
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
                let bytes =
                    std::fs::read(&path).with_context(|| format!("failed to read {path}"))?;
                files.push(Patch { path, sha256: hash::of_bytes(&bytes) });
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

    pub(super) fn names(&self) -> Vec<&str> {
        self.files.iter().map(Patch::name).collect()
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

    /// Applies them to `tree` by the rules of `git apply`: lines may have moved, but nothing is guessed,
    /// no path leaves the tree, and nothing is written through a symlink.
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
