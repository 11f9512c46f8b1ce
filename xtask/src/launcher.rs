//! A program that stands before the compiler: one that keeps what was compiled, or has others compile.

use std::fmt;
use std::fs;

use anyhow::{Context, Result, anyhow};
use camino::{Utf8Path, Utf8PathBuf};
use clap::ValueEnum;
use serde::{Deserialize, Serialize};

use crate::diag::Hint;
use crate::files::{self, Content, Files};
use crate::shell::Shell;
use crate::toolchain::on_path;

/// By the name of its program.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Launcher {
    /// Keeps objects on this machine
    Ccache,
    /// Keeps objects, also in a storage that machines share
    Sccache,
    /// Has the machines of DISTCC_HOSTS compile
    Distcc,
    /// Has the machines of its scheduler compile
    Icecc,
}

impl fmt::Display for Launcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Launcher::Ccache => "ccache",
            Launcher::Sccache => "sccache",
            Launcher::Distcc => "distcc",
            Launcher::Icecc => "icecc",
        })
    }
}

/// A folder with a program of each compiler's name that hands the compiler to the launcher. First on
/// PATH it launches every compiler, and no command is written otherwise: kbuild makes again whatever is
/// made by another command.
#[derive(Debug, Clone)]
pub(crate) struct Masquerade {
    launcher: Launcher,
    folder: Utf8PathBuf,
}

impl Masquerade {
    /// In a folder below `work`.
    ///
    /// # Errors
    /// If the launcher is not there.
    pub(crate) fn new(shell: &Shell, launcher: Launcher, work: &Utf8Path) -> Result<Self> {
        if !on_path(shell, &launcher.to_string()) {
            let missing = anyhow!("no `{launcher}` on PATH, which is to launch the compiler");
            return Err(missing)
                .hint(|| format!("`cargo xtask setup --launcher {launcher}` installs it"));
        }
        let folder = work.join("launcher").join(launcher.to_string());
        Ok(Masquerade { launcher, folder })
    }

    /// PATH with the folder before it, in which these compilers are.
    ///
    /// # Errors
    /// If the folder cannot be written.
    pub(crate) fn path(&self, shell: &Shell, compilers: &[String]) -> Result<String> {
        let folder = &self.folder;
        fs::create_dir_all(folder).with_context(|| format!("failed to create folder {folder}"))?;
        for compiler in compilers {
            let file = folder.join(compiler);
            let text = self.script(compiler);
            if fs::read_to_string(&file).is_ok_and(|before| before == text) {
                continue;
            }
            // A run beside this one may be calling it.
            let content = Content { bytes: text.into_bytes(), executable: true };
            files::write(folder, &Files::from([(compiler.as_str().into(), content)]))?;
        }
        Ok(format!("{folder}:{}", shell.sh.var("PATH").unwrap_or_default()))
    }

    /// What it launches has to find the compiler, not this again. It gets what compiles, and no question:
    /// distcc has another name of the compiler answer `--version`, and kbuild would take that for another one.
    fn script(&self, compiler: &str) -> String {
        let launcher = self.launcher;
        format!(
            "#!/bin/sh\nPATH=${{PATH#\"${{0%/*}}:\"}}\ncase \" $* \" in\n*\" -c \"*) exec {launcher} {compiler} \
             \"$@\" ;;\n*) exec {compiler} \"$@\" ;;\nesac\n"
        )
    }
}
