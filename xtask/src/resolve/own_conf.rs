//! The conf of a tree that is newer than this tool: it resolves where the tree's Kconfig files say what
//! this tool does not understand. It gives values, and no reasons for them.

use std::cell::RefCell;
use std::collections::BTreeMap;

use anyhow::{Context, Result, anyhow, bail, ensure};
use camino::{Utf8Path, Utf8PathBuf};
use kconfig::Mode;
use serde::{Deserialize, Serialize};
use vmm_kernel::{Arch, ResolvedBy};
use xshell::cmd;

use super::cause::Cause;
use super::environment::{Environment, PATIENCE, Stamp, ask_kbuild};
use super::kept::Basis;
use super::tree::Kconfig;
use super::{Finding, Note, Resolved, compare, past_of, translate};
use crate::diag::{BadInput, Hint};
use crate::fragment::Assignment;
use crate::history::History;
use crate::shell::Shell;
use crate::source::{KernelVersion, Tree};
use crate::toolchain::{KbuildArch, on_path};
use crate::{files, hash};

pub(crate) struct OwnConf<'a> {
    shell: &'a Shell,
    /// What was understood of the tree: the names of its symbols.
    pub kconfig: Kconfig,
    /// The first statement that was not.
    pub unknown: BadInput,
    environment: Environment,
    program: Utf8PathBuf,
    path: Utf8PathBuf,
    kept: RefCell<Kept>,
}

/// What conf wrote, for as long as all is as it was.
#[derive(Default, Serialize, Deserialize)]
struct Kept {
    /// Hash of what conf depends on beside the files.
    inputs: String,
    /// Those that it says it read.
    files: Vec<(Utf8PathBuf, Stamp)>,
    /// By how it was called, and with what.
    written: BTreeMap<String, String>,
}

/// How many of them, each of some 100 kB.
const MOST_KEPT: usize = 100;

/// How conf is called: its option, the file that it reads, and the one that it writes.
struct Call {
    option: String,
    reads: &'static str,
    writes: &'static str,
}

/// What conf takes for a `.config`, and for fragments (KCONFIG_ALLCONFIG).
const DOT_CONFIG: &str = ".config";
const FRAGMENTS: &str = "fragments";

impl Call {
    fn mode(mode: Mode) -> Self {
        let named = Mode::NAMES.iter().find(|(_, known)| *known == mode);
        let option = format!("--{}", named.map_or("allnoconfig", |(name, _)| *name));
        let (option, reads) = match mode {
            Mode::OldDefault => (option, DOT_CONFIG),
            Mode::Default => (format!("{option}={FRAGMENTS}"), FRAGMENTS),
            Mode::AllNo | Mode::AllYes | Mode::AllMod | Mode::AllDefault => (option, FRAGMENTS),
        };
        Call { option, reads, writes: DOT_CONFIG }
    }

    fn defconfig() -> Self {
        let writes = "defconfig";
        Call { option: format!("--savedefconfig={writes}"), reads: DOT_CONFIG, writes }
    }
}

impl<'a> OwnConf<'a> {
    /// Makes the tree's conf, and sees that it accepts the tree, unless all that is kept. `read` is what this
    /// tool made of the tree.
    ///
    /// # Errors
    /// If conf cannot be made, or refuses the tree.
    pub(super) fn of(
        shell: &'a Shell,
        (tree, arch): (&Tree, &KbuildArch),
        environment: Environment,
        (kconfig, unknown, basis): (Kconfig, BadInput, Basis),
        program: &Utf8Path,
    ) -> Result<Self> {
        let sources = sources(&tree.dir.join("scripts/kconfig"));
        let inputs = serde_json::to_vec(&(basis, environment.identity()?, sources))?;
        let inputs = hash::of_bytes(inputs);
        let path = Utf8PathBuf::from(format!("{program}.json"));
        let kept = std::fs::read(&path).ok();
        let kept = kept.and_then(|text| serde_json::from_slice::<Kept>(&text).ok());
        let kept = kept.filter(|kept| {
            kept.inputs == inputs
                && program.exists()
                && kept.files.iter().all(|(path, stamp)| Stamp::of(path) == *stamp)
        });
        let (program, kept, known) = (program.to_owned(), RefCell::default(), kept);
        let conf = OwnConf { shell, kconfig, unknown, environment, program, path, kept };
        if let Some(known) = known {
            conf.kept.replace(known);
            return Ok(conf);
        }
        conf.make(&tree.dir, arch)?;
        let files = conf.files(&tree.dir)?;
        // One that does not say what it read is asked anew by each run.
        let inputs = if files.is_empty() { String::new() } else { inputs };
        conf.kept.replace(Kept { inputs, files, ..Kept::default() });
        conf.write_kept()?;
        Ok(conf)
    }

    fn make(&self, dir: &Utf8Path, arch: &KbuildArch) -> Result<()> {
        let (_keep, folder) = temporary()?;
        let made = ask_kbuild(self.shell, dir, arch, &folder, "own-conf-config")?;
        let conf = folder.join("scripts/kconfig/conf");
        if made.success() && conf.is_file() {
            // A run beside this one may be calling it.
            let new = Utf8PathBuf::from(format!("{}.{}", self.program, std::process::id()));
            return std::fs::copy(&conf, &new)
                .and_then(|_| std::fs::rename(&new, &self.program))
                .with_context(|| format!("failed to write {}", self.program));
        }
        let host_compiler = self.environment.get("HOSTCC");
        let needs = [Some("flex"), Some("bison"), host_compiler.as_deref()].into_iter().flatten();
        let missing: Vec<_> = needs.filter(|tool| !on_path(self.shell, tool)).collect();
        let error = anyhow!("failed to make it: {}: {}", made.how(), made.last_lines(8));
        match missing.as_slice() {
            [] => Err(error),
            missing => Err(error).hint(|| {
                format!("it takes {}: `cargo xtask setup` installs that", missing.join(" and "))
            }),
        }
    }

    /// All Kconfig files, from what conf writes down for make.
    fn files(&self, dir: &Utf8Path) -> Result<Vec<(Utf8PathBuf, Stamp)>> {
        let (_keep, folder) = temporary()?;
        self.call(&folder, "--allnoconfig", &[])?;
        self.call(&folder, "--syncconfig", &[])?;
        let path = folder.join("include/config/auto.conf.cmd");
        let text =
            std::fs::read_to_string(&path).with_context(|| format!("failed to read {path}"))?;
        let list = text.split("deps_config :=").nth(1).unwrap_or_default();
        let list = list.split("\n\n").next().unwrap_or_default();
        let words = list.split_ascii_whitespace().filter(|word| *word != "\\");
        let path = |word: &str| dir.join(word.strip_prefix("$(srctree)/").unwrap_or(word));
        Ok(words.map(path).map(|path| (path.clone(), Stamp::of(&path))).collect())
    }

    fn call(&self, folder: &Utf8Path, option: &str, own: &[(&str, &str)]) -> Result<()> {
        let program = &self.program;
        let conf = cmd!(self.shell.sh, "{program} -s {option} Kconfig");
        let mut conf: std::process::Command = conf.into();
        for name in Environment::foreign() {
            conf.env_remove(name);
        }
        conf.current_dir(folder).envs(self.environment.variables()).envs(own.iter().copied());
        let called = self.shell.run(conf, PATIENCE)?;
        ensure!(called.success(), "conf {option}: {}: {}", called.how(), called.last_lines(8));
        Ok(())
    }

    fn written(&self, call: &Call, given: Option<&str>) -> Result<String> {
        let Call { option, reads, writes } = call;
        let name = hash::of_bytes(serde_json::to_vec(&(option, given))?);
        if let Some(known) = self.kept.borrow().written.get(&name) {
            return Ok(known.clone());
        }
        let (_keep, folder) = temporary()?;
        let mut own = vec![];
        if let Some(given) = given {
            let path = folder.join(reads);
            std::fs::write(&path, given).with_context(|| format!("failed to write {path}"))?;
            own.extend((*reads == FRAGMENTS).then_some(("KCONFIG_ALLCONFIG", FRAGMENTS)));
        }
        self.call(&folder, option, &own)?;
        let path = folder.join(writes);
        let text =
            std::fs::read_to_string(&path).with_context(|| format!("failed to read {path}"))?;
        self.keep(name, text.clone())?;
        Ok(text)
    }

    /// Each edit of a list asks for something else: what grows too long begins anew.
    fn keep(&self, name: String, text: String) -> Result<()> {
        let mut kept = self.kept.borrow_mut();
        if kept.written.len() >= MOST_KEPT {
            kept.written.clear();
        }
        kept.written.insert(name, text);
        drop(kept);
        self.write_kept()
    }

    fn write_kept(&self) -> Result<()> {
        files::replace(&self.path, &serde_json::to_vec(&*self.kept.borrow())?)
    }

    /// # Errors
    /// If conf fails.
    pub(super) fn dot_config(&self, mode: Mode, asked: Option<&str>) -> Result<String> {
        self.written(&Call::mode(mode), asked)
    }

    /// # Errors
    /// If conf fails.
    pub(super) fn defconfig(&self, dot_config: &str) -> Result<String> {
        self.written(&Call::defconfig(), Some(dot_config))
    }

    /// # Errors
    /// If conf fails.
    pub(super) fn resolve(
        &self,
        version: &KernelVersion,
        arch: Arch,
        history: &History,
        assignments: &[Assignment],
    ) -> Result<Resolved> {
        let (asked, mut notes) = translate(&self.kconfig, version, arch, history, assignments);
        let lines: String = asked.iter().map(|assignment| assignment.line() + "\n").collect();
        let dot_config = self.dot_config(Mode::AllNo, Some(&lines))?;
        let mut findings = vec![];
        for (asked, got) in compare(&dot_config, &asked) {
            let Assignment { symbol, value, place, text } = asked.clone();
            match past_of(history, version, arch, &symbol, &dot_config) {
                Some(past) => notes.push(Note { symbol, place, past }),
                None => findings.push(Finding {
                    symbol,
                    asked: value,
                    got,
                    place,
                    line: text,
                    cause: Cause::Untold,
                }),
            }
        }
        let (brought, resolved_by) = (BTreeMap::new(), ResolvedBy::Conf);
        Ok(Resolved { dot_config, findings, notes, brought, resolved_by })
    }
}

fn temporary() -> Result<(tempfile::TempDir, Utf8PathBuf)> {
    let keep = tempfile::tempdir().context("failed to create a temporary folder")?;
    match Utf8PathBuf::from_path_buf(keep.path().to_owned()) {
        Ok(path) => Ok((keep, path)),
        Err(path) => bail!("the temporary folder {} has a name that is not UTF-8", path.display()),
    }
}

/// What conf is made of.
fn sources(folder: &Utf8Path) -> Vec<(String, Stamp)> {
    let files = folder.read_dir_utf8().into_iter().flatten().flatten();
    let mut found: Vec<_> =
        files.map(|file| (file.file_name().to_owned(), Stamp::of(file.path()))).collect();
    found.sort_by(|one, other| one.0.cmp(&other.0));
    found
}
