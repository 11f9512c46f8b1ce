//! A commit of a git repository: its files as they are in it, without their history.

use std::time::Duration;

use anyhow::{Context, Result, anyhow};
use camino::Utf8Path;
use xshell::{Cmd, cmd};

use super::Archive;
use crate::diag::Hint;
use crate::progress::Progress;
use crate::shell::{Finished, Shell};

/// Linux without its history is about 250 MB, with it more than ten times as much.
const DOWNLOAD: Duration = Duration::from_secs(4 * 3600);
const EXPORT: Duration = Duration::from_secs(1200);

/// What git says of a server that gives a commit only with the branch or tag it belongs to.
const NOT_ALONE: [&str; 3] = ["unadvertised object", "not our ref", "does not support shallow"];

/// `.gitattributes` that would make other files of those in the commit.
const AS_THEY_ARE: &str =
    "* -export-ignore -export-subst -text -ident -filter -working-tree-encoding\n";

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Revision {
    pub(super) url: String,
    /// 40 digits, in lower case.
    pub(super) commit: String,
}

impl Revision {
    /// The head of the commit's name.
    pub(super) fn version(&self) -> &str {
        self.commit.get(..12).unwrap_or(&self.commit)
    }

    /// As cargo's locks have it. Of a path only its end: a lock is the same on every machine.
    pub(super) fn from(&self) -> String {
        let url = match self.url.strip_prefix("file://") {
            Some(path) => {
                format!("file:{}", path.trim_end_matches('/').rsplit('/').next().unwrap_or(path))
            }
            None => self.url.clone(),
        };
        format!("git+{url}#{}", self.commit)
    }
}

/// git at work in `repository`, whatever hook this runs in.
fn git<'a>(shell: &'a Shell, repository: &Utf8Path) -> Cmd<'a> {
    let git = cmd!(shell.sh, "git --git-dir={repository}");
    ["GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_OBJECT_DIRECTORY", "GIT_ALTERNATE_OBJECT_DIRECTORIES"]
        .into_iter()
        .fold(git.env("LC_ALL", "C"), Cmd::env_remove)
}

/// The same, deaf to what the user has configured: what comes out has to be the same for everyone.
pub(super) fn plain_git<'a>(shell: &'a Shell, repository: &Utf8Path) -> Cmd<'a> {
    git(shell, repository)
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .env("GIT_ATTR_NOSYSTEM", "1")
        .env_remove("GIT_CONFIG_PARAMETERS")
        .env_remove("GIT_CONFIG_COUNT")
}

/// Fetches the commit into `scratch`, alone where the server lets it go alone, and packs its files.
///
/// # Errors
/// If the server or the repository does not have it, or it is something else than a commit.
pub(super) fn obtain(
    shell: &Shell,
    progress: Progress,
    revision: &Revision,
    scratch: &Utf8Path,
) -> Result<Archive> {
    let repository = scratch.join("repository");
    let init = plain_git(shell, &repository).args(["init", "--quiet", "--bare", "--template="]);
    let what = || format!("failed to make repository {repository}");
    succeeded(
        shell.run(init, EXPORT).hint(|| "cargo xtask setup installs what is missing")?,
        what,
    )?;
    let spinner = progress.spinner(format!("fetching {}", revision.from()));
    let archive = fetch(shell, progress, revision, &repository)
        .and_then(|()| export(shell, revision, &repository, scratch));
    spinner.finish_and_clear();
    archive
}

fn fetch(
    shell: &Shell,
    progress: Progress,
    revision: &Revision,
    repository: &Utf8Path,
) -> Result<()> {
    let Revision { url, commit } = revision;
    let fetch = |what: &[&str]| {
        // Nobody is there to be asked for a password, and nobody needs what is fetched to be tidy.
        let fetch = git(shell, repository)
            .env("GIT_TERMINAL_PROMPT", "0")
            .env("SSH_ASKPASS", "false")
            .env("SSH_ASKPASS_REQUIRE", "force")
            .args([
                "-c",
                "gc.auto=0",
                "-c",
                "maintenance.auto=false",
                "-c",
                "core.hooksPath=/dev/null",
            ])
            .args(["fetch", "--quiet", "--no-tags", "--no-recurse-submodules"]);
        shell.run(fetch.args(what), DOWNLOAD)
    };
    let failed = || format!("failed to fetch commit {commit} of {url}");
    let alone = fetch(&["--depth=1", url, commit])?;
    if !NOT_ALONE.iter().any(|said| alone.stderr.contains(said)) {
        succeeded(alone, failed).hint(
            || "see whether `git ls-remote` with that URL works: what helps git helps here",
        )?;
    } else {
        progress.say(format!("{url} does not give that commit alone: fetching all that it has"));
        let all = fetch(&[url, "+refs/heads/*:refs/heads/*", "+refs/tags/*:refs/tags/*"])?;
        succeeded(all, failed)?;
    }
    let kind = shell.run(git(shell, repository).args(["cat-file", "-t", commit]), EXPORT)?;
    match kind.stdout.trim() {
        "commit" => Ok(()),
        "" => Err(anyhow!("no branch or tag of {url} has commit {commit}"))
            .hint(|| "look the commit up, or name a repository that has it, in sources.toml"),
        other => Err(anyhow!("{commit} of {url} is a {other}, not a commit"))
            .hint(|| format!("`git rev-parse {commit}^{{commit}}` says which commit a tag is of")),
    }
}

/// As a tarball, so that it is unpacked as every other: git itself would write whatever a commit says.
fn export(
    shell: &Shell,
    revision: &Revision,
    repository: &Utf8Path,
    scratch: &Utf8Path,
) -> Result<Archive> {
    let attributes = repository.join("info/attributes");
    std::fs::create_dir_all(repository.join("info"))
        .and_then(|()| std::fs::write(&attributes, AS_THEY_ARE))
        .with_context(|| format!("failed to write {attributes}"))?;
    let path = scratch.join("commit.tar");
    let archive = plain_git(shell, repository).args(["archive", "--format=tar", "--prefix=linux/"]);
    let archive = archive.arg(format!("--output={path}")).arg(&revision.commit);
    let what = || format!("failed to export commit {}", revision.commit);
    succeeded(shell.run(archive, EXPORT)?, what)?;
    let version = revision.version().to_owned();
    Ok(Archive { path, version, sha256: None, downloaded: true })
}

fn succeeded(done: Finished, what: impl Fn() -> String) -> Result<()> {
    if done.success() {
        return Ok(());
    }
    let said = done.last_lines(3);
    Err(anyhow!("{said}").context(format!("{}: {}", what(), done.how())))
}
