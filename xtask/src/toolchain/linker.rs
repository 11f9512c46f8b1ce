//! LLD beside GCC, for arches on which GNU ld packs no relocations.

use std::collections::BTreeSet;
use std::os::unix::fs::MetadataExt;
use std::time::Duration;

use anyhow::{Result, ensure};
use camino::Utf8Path;
use serde::Serialize;
use xshell::cmd;

use super::first_line;
use crate::shell::Shell;

/// Linux's names of the arches. arm64 packs the relocations of KASLR as RELR, which GNU ld knows for it
/// from binutils 2.43 on only, and LLD for years.
const ARCHES: [&str; 1] = ["arm64"];

/// Whether LLD links kernels of that arch where GCC compiles them.
pub(super) fn is_wanted(arch: &str) -> bool {
    ARCHES.contains(&arch)
}

/// A version by its numbers, such as those of 17.0.1.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub(crate) struct LldVersion(Vec<u32>);

impl LldVersion {
    /// The first word of the text that is made of numbers and dots, as in `Debian LLD 19.1.7 (…)`.
    pub(crate) fn find(text: &str) -> Option<Self> {
        let numbers = |word: &str| word.split('.').map(|part| part.parse().ok()).collect();
        text.split_whitespace().find_map(numbers).map(LldVersion)
    }

    /// The first number, which Debian names packages by.
    pub(crate) fn major(&self) -> u32 {
        self.0.first().copied().unwrap_or_default()
    }
}

impl std::fmt::Display for LldVersion {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let numbers: Vec<String> = self.0.iter().map(u32::to_string).collect();
        f.write_str(&numbers.join("."))
    }
}

/// An LLD on PATH.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Lld {
    /// `ld.lld`, or `ld.lld-19`.
    pub(crate) program: String,
    /// The first line that it says of its version.
    pub(crate) said: String,
    pub(crate) version: Option<LldVersion>,
}

/// All LLDs that PATH leads to, the newest first; one that has two names by its plain one.
///
/// # Errors
/// If one does not come to an end, or the user interrupts.
pub(crate) fn all(shell: &Shell) -> Result<Vec<Lld>> {
    let (mut found, mut seen) = (vec![], BTreeSet::new());
    for (program, file) in on_path(shell) {
        if !seen.insert(file) {
            continue;
        }
        let Ok(said) = first_line(shell, &program) else {
            shell.check_interrupt()?;
            continue;
        };
        found.push(Lld { version: LldVersion::find(&said), program, said });
    }
    // Stable, so a plain name stays before the others.
    found.sort_by(|a: &Lld, b: &Lld| b.version.cmp(&a.version));
    Ok(found)
}

/// Their names, the plain one first, and what tells one file from another.
fn on_path(shell: &Shell) -> Vec<(String, (u64, u64))> {
    let path = shell.sh.var_os("PATH").unwrap_or_default();
    let is_lld = |name: &str| match name.strip_prefix("ld.lld") {
        Some("") => true,
        Some(end) => end.strip_prefix('-').is_some_and(|end| end.parse::<u32>().is_ok()),
        None => false,
    };
    let mut names = BTreeSet::new();
    for folder in std::env::split_paths(&path) {
        let entries = folder.read_dir().into_iter().flatten().flatten();
        let named = entries.filter_map(|entry| entry.file_name().into_string().ok());
        names.extend(named.filter(|name| is_lld(name)));
    }
    let file = |name: String| {
        let meta = super::which(shell, &name)?.metadata().ok()?;
        Some((name, (meta.dev(), meta.ino())))
    };
    names.into_iter().filter_map(file).collect()
}

/// The oldest LLD that a tree accepts (`scripts/min-tool-version.sh`, since 5.13); `None` where it does
/// not say.
///
/// # Errors
/// If the tree's script fails.
pub(crate) fn oldest_for(
    shell: &Shell,
    tree: &Utf8Path,
    source_arch: &str,
) -> Result<Option<LldVersion>> {
    let script = tree.join("scripts/min-tool-version.sh");
    if !script.is_file() {
        return Ok(None);
    }
    let asked = cmd!(shell.sh, "sh {script} llvm").env("SRCARCH", source_arch);
    let asked = shell.run(asked, Duration::from_secs(20))?;
    ensure!(asked.success(), "failed to ask `{script} llvm`: {}", asked.how());
    Ok(LldVersion::find(&asked.stdout))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::toolchain::tests::program;

    #[test]
    fn a_version_is_the_first_word_of_numbers() {
        let find = |text: &str| LldVersion::find(text).map(|version| version.to_string());
        let debian = "Debian LLD 14.0.6 (compatible with GNU linkers)";
        assert_eq!(find(debian).as_deref(), Some("14.0.6"));
        assert_eq!(find("LLD 21.1.0 (https://h 12)").as_deref(), Some("21.1.0"));
        assert_eq!(find("ld.lld: no version"), None);
        assert!(LldVersion::find("9.0.1") < LldVersion::find("17.0.1"));
        assert!(LldVersion::find("17.0") < LldVersion::find("17.0.1"));
    }

    #[test]
    fn the_newest_comes_first_and_a_file_once() {
        let temp = tempfile::tempdir().unwrap();
        let bin = Utf8Path::from_path(temp.path()).unwrap();
        program(bin, "ld.lld-14", "echo LLD 14.0.6");
        std::os::unix::fs::symlink("ld.lld-14", bin.join("ld.lld")).unwrap();
        program(bin, "ld.lld-9", "echo LLD 9.0.1");
        program(bin, "ld.lld-19", "echo LLD 19.1.7");
        program(bin, "ld.lld-20", "exit 1");
        program(bin, "ld.lld-x", "echo LLD 99.0.0");
        let shell = Shell::for_tests();
        shell.sh.set_var("PATH", format!("{bin}:/bin:/usr/bin/none"));
        let own = |lld: &Lld| bin.join(&lld.program).exists();
        let found: Vec<_> = all(&shell).unwrap().into_iter().filter(own).collect();
        let names: Vec<_> = found.iter().map(|lld| lld.program.as_str()).collect();
        assert_eq!(names[0], "ld.lld-19");
        assert!(names.contains(&"ld.lld") && !names.contains(&"ld.lld-14"), "{names:?}");
        assert!(!names.contains(&"ld.lld-20") && !names.contains(&"ld.lld-x"), "{names:?}");
    }

    #[test]
    fn a_tree_says_what_it_accepts() {
        let temp = tempfile::tempdir().unwrap();
        let tree = Utf8Path::from_path(temp.path()).unwrap();
        let shell = Shell::for_tests();
        assert_eq!(oldest_for(&shell, tree, "arm64").unwrap(), None);
        let text = "[ $1-$SRCARCH = llvm-arm64 ] && echo 17.0.1";
        program(&tree.join("scripts"), "min-tool-version.sh", text);
        let oldest = oldest_for(&shell, tree, "arm64").unwrap().unwrap();
        assert_eq!((oldest.to_string().as_str(), oldest.major()), ("17.0.1", 17));
        assert!(oldest_for(&shell, tree, "x86").is_err());
    }
}
