//! What git says: which files it tracks at home, and what somebody has changed in a checkout.

use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use camino::{Utf8Path, Utf8PathBuf};
use xshell::cmd;

use crate::files::{Files, read};
use crate::shell::Shell;

const DEADLINE: Duration = Duration::from_secs(60);

/// The files below these paths that git tracks, as they are now.
///
/// # Errors
/// If `root` is no git checkout, or a file cannot be read.
pub(crate) fn tracked(
    shell: &Shell,
    root: &Utf8Path,
    paths: impl Iterator<Item = &'static str>,
) -> Result<Files> {
    let sh = &shell.sh;
    let wanted: Vec<&str> = paths.collect();
    let asked = &wanted;
    let listed = git(shell, root, cmd!(sh, "git ls-files -z -- {asked...}"))
        .with_context(|| format!("failed to list what git tracks in {root}"))?;
    let paths = listed.split_terminator('\0').map(Utf8PathBuf::from);
    let files = read(root, paths.clone())?;
    let gone = paths.into_iter().find(|path| !files.contains_key(path));
    ensure!(gone.is_none(), "git tracks {}, which is gone from {root}", gone.unwrap_or_default());
    let untracked = wanted.iter().find(|path| !files.keys().any(|file| file.starts_with(path)));
    ensure!(untracked.is_none(), "git tracks no {} in {root}", untracked.unwrap_or(&""));
    Ok(files)
}

/// Those of these files that are not as the checkout's last commit has them.
///
/// # Errors
/// If `root` is no git checkout.
pub(crate) fn local_changes<'p>(
    shell: &Shell,
    root: &Utf8Path,
    paths: impl Iterator<Item = &'p Utf8PathBuf>,
) -> Result<Vec<String>> {
    let sh = &shell.sh;
    let status = "status --porcelain -z --no-renames --untracked-files=all --ignored";
    let status = cmd!(sh, "git --literal-pathspecs --no-optional-locks").args(status.split(' '));
    let listed = git(shell, root, status.arg("--").args(paths))
        .with_context(|| format!("failed to ask git what was changed in {root}"))?;
    // Two letters say what was done to a file, a space follows.
    let names = listed.split_terminator('\0').filter_map(|line| line.get(3..));
    Ok(names.map(str::to_owned).collect())
}

fn git(shell: &Shell, root: &Utf8Path, command: impl Into<Command>) -> Result<String> {
    let mut command: Command = command.into();
    let done = shell.run(
        {
            command.current_dir(root);
            command
        },
        DEADLINE,
    )?;
    ensure!(done.success(), "{}: {}", done.how(), done.last_lines(3));
    Ok(done.stdout)
}
