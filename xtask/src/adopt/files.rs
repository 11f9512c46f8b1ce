//! What is there: the files that git tracks at home, those of a checkout, and what somebody has
//! changed in it.

use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use camino::{Utf8Path, Utf8PathBuf};
use xshell::cmd;

use crate::shell::Shell;

/// Files by their paths below a folder.
pub(crate) type Files = BTreeMap<Utf8PathBuf, Content>;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Content {
    pub bytes: Vec<u8>,
    pub executable: bool,
}

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

/// Those of these files that are there.
///
/// # Errors
/// If one cannot be read.
pub(crate) fn read(root: &Utf8Path, paths: impl Iterator<Item = Utf8PathBuf>) -> Result<Files> {
    let mut files = Files::new();
    for path in paths {
        let file = root.join(&path);
        let content = || -> std::io::Result<Content> {
            let executable = std::fs::metadata(&file)?.permissions().mode() & 0o100 != 0;
            Ok(Content { bytes: std::fs::read(&file)?, executable })
        };
        match content() {
            Ok(content) => drop(files.insert(path, content)),
            Err(error)
                if [ErrorKind::NotFound, ErrorKind::NotADirectory].contains(&error.kind()) => {}
            Err(error) => return Err(error).with_context(|| format!("failed to read {file}")),
        }
    }
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
