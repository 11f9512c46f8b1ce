//! What kbuild tells Kconfig: the variables that a tree's makefiles export, as they themselves say.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use anyhow::{Context, Result, anyhow};
use camino::{Utf8Path, Utf8PathBuf};
use serde::{Deserialize, Serialize};
use xshell::cmd;

use crate::diag::Hint;
use crate::shell::{Finished, Shell};
use crate::source::Tree;
use crate::toolchain::{FOREIGN_VARIABLES, Family, KbuildArch, on_path};
use crate::{files, hash};

/// The variables, and all that their values depend on.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Environment {
    variables: BTreeMap<String, String>,
    /// The makefiles, and the scripts that they may run.
    files: Vec<(Utf8PathBuf, Stamp)>,
    /// Programs that variables name, where PATH leads to them.
    tools: BTreeMap<String, (Utf8PathBuf, Stamp)>,
    path: String,
}

/// For a make that asks or builds conf, and for a run of conf, which starts hundreds of compilers: each
/// takes seconds, on a busy host a minute.
pub(super) const PATIENCE: Duration = Duration::from_secs(600);

/// What asks the makefiles.
const MAKEFILE: &str = include_str!("kbuild.mk");

/// Makes a target of `kbuild.mk`, with `folder` for all that is written.
///
/// # Errors
/// If make is missing, or the user interrupts; not if make fails.
pub(super) fn ask_kbuild(
    shell: &Shell,
    dir: &Utf8Path,
    arch: &KbuildArch,
    folder: &Utf8Path,
    target: &str,
) -> Result<Finished> {
    if !on_path(shell, "make") {
        return Err(anyhow!("no `make` on PATH")).hint(|| "`cargo xtask setup` installs it");
    }
    let makefile = folder.join("kbuild.mk");
    std::fs::write(&makefile, MAKEFILE).with_context(|| format!("failed to write {makefile}"))?;
    let arguments = arch.arguments();
    let make = cmd!(shell.sh, "make -s --no-print-directory -C {dir} O={folder} {arguments...}");
    let make = FOREIGN_VARIABLES.iter().fold(make, |make, name| make.env_remove(name));
    let make = make.env("MAKEFILES", &makefile).env("LC_ALL", "C").env("LC_MESSAGES", "C");
    shell.run(make.arg(target), PATIENCE)
}

impl Environment {
    /// Asks the tree's makefiles, unless `kept` has what they said and would say again.
    ///
    /// # Errors
    /// If make fails or is missing, or the tree cannot be built with these tools.
    pub(crate) fn of(
        shell: &Shell,
        tree: &Tree,
        arch: &KbuildArch,
        kept: &Utf8Path,
    ) -> Result<Self> {
        let known = std::fs::read(kept).ok();
        let known = known.and_then(|text| serde_json::from_slice::<Environment>(&text).ok());
        if let Some(known) = known.filter(Environment::holds) {
            return Ok(known);
        }
        let asked = Self::ask(shell, tree, arch).with_context(|| {
            format!("failed to ask the makefiles of {} what they tell Kconfig", tree.dir)
        })?;
        files::replace(kept, &serde_json::to_vec(&asked)?)?;
        Ok(asked)
    }

    fn ask(shell: &Shell, tree: &Tree, arch: &KbuildArch) -> Result<Self> {
        let (version, family) = (&tree.version, &arch.family);
        // Before, kbuild knew no versions of LLVM, and less of what it takes.
        if *family != Family::Gnu && version.numbers() < (5, 18) {
            return Err(anyhow!("Linux {version} is not built with {family}: 5.18 is the first"))
                .hint(|| "take GNU's tools: leave out --toolchain");
        }
        let folder = tempfile::tempdir().context("failed to create a temporary folder")?;
        let folder = Utf8Path::from_path(folder.path()).context("its name is not UTF-8")?;
        let dir = &tree.dir;
        let made = ask_kbuild(shell, dir, arch, folder, "environment-config")?;
        let note = |name: &str| std::fs::read_to_string(folder.join(name)).ok();
        match (note("environment"), note("names"), note("makefiles")) {
            (Some(variables), Some(names), Some(makefiles)) if made.success() => {
                let environment = Environment {
                    variables: exported(&variables, &names, folder),
                    files: files(dir, &makefiles, folder),
                    path: path(),
                    ..Environment::default()
                };
                let tools = environment.find_tools();
                Ok(Environment { tools, ..environment })
            }
            _ => Err(anyhow!("make: {}: {}", made.how(), made.stderr.trim())),
        }
    }

    /// Whether all is as it was.
    fn holds(&self) -> bool {
        self.path == path()
            && self.files.iter().all(|(path, stamp)| Stamp::of(path) == *stamp)
            && self.find_tools() == self.tools
    }

    fn find_tools(&self) -> BTreeMap<String, (Utf8PathBuf, Stamp)> {
        let words: BTreeSet<&String> = self.variables.values().collect();
        let found = words.into_iter().filter_map(|word| {
            let path = program(word)?;
            let stamp = Stamp::of(&path);
            Some((word.clone(), (path, stamp)))
        });
        found.collect()
    }

    /// Hash of all that the answer of a command depends on, but for the tree's own files: the
    /// variables, and the tools that they name.
    pub(crate) fn identity(&self) -> Result<String> {
        Ok(hash::of_bytes(serde_json::to_vec(&(&self.variables, &self.tools, &self.path))?))
    }

    pub(crate) fn variables(&self) -> impl Iterator<Item = (&String, &String)> {
        self.variables.iter()
    }

    /// A variable as Kconfig sees it: of the makefiles, else of the user's own where kbuild hands it on.
    pub(crate) fn get(&self, name: &str) -> Option<Cow<'_, str>> {
        if let Some(own) = self.variables.get(name) {
            return Some(Cow::Borrowed(own));
        }
        let hidden = Self::foreign().any(|foreign| foreign == name);
        std::env::var(name).ok().filter(|_| !hidden).map(Cow::Owned)
    }

    /// What a user's shell holds and kbuild does not hand on.
    pub(crate) fn foreign() -> impl Iterator<Item = &'static str> {
        FOREIGN_VARIABLES.iter().copied().chain(["LC_ALL"])
    }
}

/// What makefiles set, of what `env -0` printed; the rest is the user's own. What names the folder that
/// the answer came by is of this one asking.
fn exported(variables: &str, names: &str, folder: &Utf8Path) -> BTreeMap<String, String> {
    let names: BTreeSet<&str> = names.lines().collect();
    let pairs = variables.split('\0').filter_map(|pair| pair.split_once('='));
    let own = pairs
        .filter(|(name, value)| names.contains(name) && !value.contains(folder.as_str()))
        .map(|(name, value)| (name.to_owned(), value.to_owned()));
    own.collect()
}

/// The makefiles, and every file of `scripts/`: which of those they run, make does not say.
fn files(tree: &Utf8Path, makefiles: &str, folder: &Utf8Path) -> Vec<(Utf8PathBuf, Stamp)> {
    let scripts = tree.join("scripts").read_dir_utf8().into_iter().flatten().flatten();
    let scripts = scripts.map(|entry| entry.into_path()).filter(|path| path.is_file());
    let makefiles = makefiles.lines().map(|path| tree.join(path));
    let files: BTreeSet<_> =
        makefiles.chain(scripts).filter(|path| !path.starts_with(folder)).collect();
    files.into_iter().map(|path| (path.clone(), Stamp::of(&path))).collect()
}

pub(super) fn path() -> String {
    std::env::var("PATH").unwrap_or_default()
}

fn program(name: &str) -> Option<Utf8PathBuf> {
    if !name.starts_with(|first: char| first.is_ascii_alphabetic()) || name.contains(['/', ' ']) {
        return None;
    }
    which::which(name).ok().and_then(|path| Utf8PathBuf::from_path_buf(path).ok())
}

/// Tells whether a file was changed: its length and time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Stamp(u64, i64, i64);

impl Stamp {
    /// All 0 where there is no such file.
    pub(crate) fn of(path: &Utf8Path) -> Self {
        use std::os::unix::fs::MetadataExt;
        let of = |meta: std::fs::Metadata| Stamp(meta.len(), meta.ctime(), meta.ctime_nsec());
        path.metadata().map(of).unwrap_or(Stamp(0, 0, 0))
    }
}
