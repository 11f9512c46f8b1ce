//! A resolved configuration to an object tree, by the kernel's own make. The tree is never written
//! to: every build is out of tree.

mod copied;
mod jobs;
mod payload;

use std::os::unix::process::ExitStatusExt as _;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, anyhow};
use camino::{Utf8Path, Utf8PathBuf};
use vmm_kernel::ImageFormat;
use xshell::cmd;

use crate::diag::Hint;
use crate::progress::Progress;
use crate::resolve::{differences, values};
use crate::shell::{Interrupted, Next, Shell, Stream};
use crate::source::Tree;
use crate::toolchain::{Toolchain, on_path};

pub(crate) use copied::copy as copy_object_tree;
pub(crate) use jobs::{Jobs, Turn};

/// One build; its object tree is kept, so that kbuild redoes only what a change asks for.
pub(crate) struct Build<'a> {
    pub shell: &'a Shell,
    pub progress: Progress,
    pub tree: &'a Tree,
    pub toolchain: &'a Toolchain,
    /// The object tree.
    pub obj: Utf8PathBuf,
    pub log: Utf8PathBuf,
    pub jobs: &'a Jobs,
    pub name: String,
    /// Whether what a bzImage unpacks is closed up: it then takes megabytes less of guest RAM. Make alone
    /// leaves it as the linker does.
    pub close_up: bool,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Built {
    /// `uname -r` of the kernel.
    pub release: String,
    /// Objects compiled in this run.
    pub compiled: u64,
    pub elapsed: Duration,
}

/// Lets a person change a `.config` on the terminal, in the tree's own `menus` (a target of kbuild's);
/// gives it as it was saved last. Nothing is written but below `scratch`.
///
/// # Errors
/// If the menus do not come up, or the user interrupts.
pub(crate) fn edit(
    shell: &Shell,
    (tree, toolchain): (&Tree, &Toolchain),
    menus: &str,
    scratch: &Utf8Path,
    dot_config: &str,
) -> Result<String> {
    let path = scratch.join(".config");
    std::fs::write(&path, dot_config).with_context(|| format!("failed to write {path}"))?;
    let make = toolchain.make(shell, &tree.dir, scratch);
    let status = shell.foreground(make.args(["-s", "--no-print-directory", menus]))?;
    let left = std::fs::read_to_string(&path).with_context(|| format!("failed to read {path}"))?;
    // The menus ask on Ctrl-C, too, whether to save what was changed.
    match (status.success() || left != dot_config, status.signal()) {
        (true, _) => Ok(left),
        (false, Some(_)) => Err(Interrupted.into()),
        (false, None) => Err(anyhow!("make {menus} in {} failed: {status}", tree.dir))
            .hint(|| "what it said is above; --config takes a .config that was changed elsewhere"),
    }
}

const DEADLINE: Duration = Duration::from_secs(6 * 3600);

/// The target that is packed by a program of the host's.
const PACKED: &str = "bzImage";

/// What all of a kernel's own objects are linked to first (the tree's scripts/Makefile.vmlinux_o).
const LINKED: &str = "vmlinux.o";

impl Build<'_> {
    /// Makes kbuild's targets (`bzImage`, `vmlinux`, `Image`), in a turn where other kernels are made, too.
    ///
    /// # Errors
    /// If make fails, or the configuration that it built is not the one that was resolved; before a
    /// bzImage is begun, if the program that packs it is missing.
    pub(crate) fn run(
        &self,
        dot_config: &str,
        make_targets: &[&str],
        turn: Option<Turn>,
    ) -> Result<Built> {
        if make_targets.contains(&PACKED) {
            self.require_packer(dot_config)?;
        }
        self.write_config(dot_config)?;
        let (compiled, elapsed) = self.compile(dot_config, make_targets, turn)?;
        self.verify_config(dot_config)?;
        let release = self.obj.join("include/config/kernel.release");
        let release = std::fs::read_to_string(&release)
            .with_context(|| format!("failed to read {release}"))?;
        Ok(Built { release: release.trim().to_owned(), compiled, elapsed })
    }

    /// Says how many objects were compiled. The turn ends where they are linked: that takes one job, and other
    /// kernels' objects the rest.
    fn compile(
        &self,
        dot_config: &str,
        make_targets: &[&str],
        mut turn: Option<Turn>,
    ) -> Result<(u64, Duration)> {
        let _own = self.jobs.take(self.shell)?;
        let first = !self.obj.join("vmlinux").exists();
        let expected = if first { estimate(dot_config) } else { 0 };
        let label = format!("building {}", self.name);
        let bar = match first {
            true => self.progress.steps(label, expected),
            false => self.progress.spinner(label),
        };
        let mut compiled = 0;
        let made = self.make(make_targets, &self.log, |object| {
            if object == LINKED {
                turn = None;
            }
            compiled += 1;
            bar.set_length(expected.max(compiled));
            bar.set_position(compiled);
            bar.set_prefix(object.to_owned());
        });
        let packed = made.and_then(|elapsed| {
            let packs = make_targets.contains(&PACKED);
            if !self.close_up || !packs || !payload::close_up(&self.obj)? {
                return Ok(elapsed);
            }
            let log = self.log.with_extension("pack.log");
            Ok(elapsed + self.make(make_targets, &log, |_| {})?)
        });
        bar.finish_and_clear();
        Ok((compiled, packed?))
    }

    /// Installs the modules that were made below `root`, with what `depmod` writes for modprobe.
    ///
    /// # Errors
    /// If make fails.
    pub(crate) fn install_modules(&self, root: &Utf8Path, depmod: &Utf8Path) -> Result<()> {
        let (root, depmod) = (format!("INSTALL_MOD_PATH={root}"), format!("DEPMOD={depmod}"));
        let _own = self.jobs.take(self.shell)?;
        let log = self.log.with_extension("modules.log");
        self.make(&[&root, &depmod, "modules_install"], &log, |_| {}).map(drop)
    }

    /// Hands over each object that is made. Its caller holds the job that make takes for its own.
    fn make(
        &self,
        targets: &[&str],
        log: &Utf8Path,
        mut on_object: impl FnMut(&str),
    ) -> Result<Duration> {
        let make = self.toolchain.make(self.shell, &self.tree.dir, &self.obj);
        let mut make = Command::from(make.arg("V=1").args(targets));
        self.jobs.share_with(self.shell, self.toolchain, &mut make)?;
        let mut errors = vec![];
        let finished = self.shell.stream(make, DEADLINE, Some(log), |stream, line| {
            if stream == Stream::Stderr {
                errors.push(line.to_owned());
            } else if let Some(object) = object_made(line) {
                on_object(object);
            }
            Next::Continue
        });
        let finished = finished.inspect_err(|_| self.jobs.wake())?;
        if !finished.success() {
            let failure = Failure::read(log, &errors);
            let error = anyhow!("failed to build {}: {}\n{failure}", self.name, finished.how());
            return Err(error).hint(|| failure.hint(log));
        }
        Ok(finished.elapsed)
    }

    /// Told now, not by the last command of a build.
    fn require_packer(&self, dot_config: &str) -> Result<()> {
        match packer(dot_config) {
            Some((name, program)) if !on_path(self.shell, program) => {
                let missing =
                    anyhow!("no `{program}` on PATH, which packs what KERNEL_{name} asks for");
                Err(missing.context(format!("failed to build {}", self.name))).hint(
                    || "`cargo xtask setup` installs what this workspace's kernels are packed with",
                )
            }
            _ => Ok(()),
        }
    }

    /// Leaves an equal `.config` alone: its time is what makes kbuild look at everything again.
    fn write_config(&self, dot_config: &str) -> Result<()> {
        std::fs::create_dir_all(&self.obj)
            .with_context(|| format!("failed to create object tree {}", self.obj))?;
        let path = self.obj.join(".config");
        if std::fs::read_to_string(&path).is_ok_and(|before| before == dot_config) {
            return Ok(());
        }
        std::fs::write(&path, dot_config).with_context(|| format!("failed to write {path}"))
    }

    /// The kernel's own `conf` has the last word: what its syncconfig left is what was built.
    fn verify_config(&self, dot_config: &str) -> Result<()> {
        let path = self.obj.join(".config");
        let left =
            std::fs::read_to_string(&path).with_context(|| format!("failed to read {path}"))?;
        let differing = differences(dot_config, &left);
        if differing.is_empty() {
            return Ok(());
        }
        let lines: Vec<_> = differing
            .iter()
            .map(|(before, after)| format!("  resolved {before}, built {after}"))
            .collect();
        Err(anyhow!(
            "the kernel was built with another configuration than resolved\n{}",
            lines.join("\n")
        ))
        .hint(|| format!("compare with {path}; was the toolchain changed during the build?"))
    }
}

/// What a bzImage can be packed with: the ends of the symbols in the choice "Kernel compression mode" of
/// the tree's init/Kconfig, and the programs that its Makefile runs for them.
const PACKERS: [(&str, &str); 7] = [
    ("GZIP", "gzip"),
    ("BZIP2", "bzip2"),
    ("LZMA", "lzma"),
    ("XZ", "xz"),
    ("LZO", "lzop"),
    ("LZ4", "lz4"),
    ("ZSTD", "zstd"),
];

/// What a bzImage of this configuration is packed with, and by which program.
pub(crate) fn packer(dot_config: &str) -> Option<(&'static str, &'static str)> {
    let chosen = dot_config
        .lines()
        .filter_map(|line| line.strip_prefix("CONFIG_KERNEL_")?.strip_suffix("=y"));
    chosen.filter_map(|name| PACKERS.iter().find(|packer| packer.0 == name)).next().copied()
}

/// What packs such an image says of its version; its output is part of the image. None where nothing packs.
///
/// # Errors
/// If it cannot be started.
pub(crate) fn packer_version(
    shell: &Shell,
    format: ImageFormat,
    dot_config: &str,
) -> Result<Option<String>> {
    let packer = packer(dot_config).filter(|_| format == ImageFormat::BzImage);
    let Some((_, program)) = packer.filter(|(_, program)| on_path(shell, program)) else {
        return Ok(None);
    };
    let asked = shell.run(cmd!(shell.sh, "{program} --version"), Duration::from_secs(20))?;
    // bzip2 says it on stderr.
    let said = asked.stdout + &asked.stderr;
    Ok(said.lines().find(|line| !line.trim().is_empty()).map(str::to_owned))
}

/// How many objects a first build makes, for its time left: a line through three builds that were
/// counted on 6.12, of 602, 620 and 803 symbols and 919, 1019 and 1810 objects.
fn estimate(dot_config: &str) -> u64 {
    let on =
        values(dot_config).values().filter(|value| matches!(**value, "y" | "m")).count() as u64;
    on.max((on * 43 / 10).saturating_sub(1650))
}

/// The object that a command of a `V=1` build makes.
fn object_made(line: &str) -> Option<&str> {
    let (_, after) = line.split_once(" -o ")?;
    let object = after.split_ascii_whitespace().next()?;
    object.ends_with(".o").then_some(object)
}

/// Why a build failed, from its `V=1` log.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Failure {
    /// What was being made.
    target: Option<String>,
    command: Option<String>,
    /// The end of what the tools said.
    last: Vec<String>,
}

impl Failure {
    fn read(log: &Utf8Path, errors: &[String]) -> Self {
        let text = std::fs::read(log).unwrap_or_default();
        Self::parse(&String::from_utf8_lossy(&text), errors)
    }

    /// make says `*** [FILE:LINE: TARGET] Error N` for the first failure, then again for each
    /// level above; the commands ran in parallel, so the failing one is told by its target.
    fn parse(log: &str, errors: &[String]) -> Self {
        let target = errors.iter().find_map(|line| {
            let inside = line.split_once("*** [")?.1.split_once(']')?.0;
            Some(inside.rsplit(' ').next().unwrap_or(inside).to_owned())
        });
        let makes = |line: &&str| {
            let target = target.as_deref().unwrap_or("\0");
            line.split_ascii_whitespace().any(|word| word == target) && !line.contains("***")
        };
        let command = log.lines().rev().find(makes).map(|line| line.trim().to_owned());
        let said = |line: &&String| !line.contains("***") && !line.trim().is_empty();
        let mut said: Vec<String> = errors.iter().filter(said).cloned().collect();
        // Of a program that died nobody else speaks.
        let ends = errors.iter().find_map(|line| line.split_once("*** [")?.1.split_once("] "));
        said.extend(ends.filter(|end| !end.1.starts_with("Error ")).map(|end| end.1.to_owned()));
        Failure { target, command, last: said[said.len().saturating_sub(15)..].to_vec() }
    }

    fn hint(&self, log: &Utf8Path) -> String {
        // A shell that has no room for what it prints calls that an I/O error.
        let of_disk = ["No space left on device", "I/O error"];
        match self.last.iter().any(|line| of_disk.iter().any(|told| line.contains(told))) {
            true => format!("make room on the disk that holds {log}, then run this again"),
            false => format!("the whole log is {log}"),
        }
    }
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if let Some(target) = &self.target {
            writeln!(f, "  while making {target}")?;
        }
        if let Some(command) = &self.command {
            writeln!(f, "  with {command}")?;
        }
        f.write_str(&self.last.join("\n"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_failing_command_is_told_from_the_others() {
        let log = "  gcc -c -o kernel/fork.o /t/kernel/fork.c\n  gcc -c -o kernel/exit.o /t/kernel/exit.c\n";
        let errors = [
            "/t/kernel/fork.c:3:1: error: unknown type name 'x'",
            "make[3]: *** [/t/scripts/Makefile.build:250: kernel/fork.o] Error 1",
            "make[2]: *** [/t/scripts/Makefile.build:500: kernel] Error 2",
        ];
        let failure = Failure::parse(log, &errors.map(str::to_owned));
        assert_eq!(failure.target.as_deref(), Some("kernel/fork.o"));
        assert_eq!(failure.command.as_deref(), Some("gcc -c -o kernel/fork.o /t/kernel/fork.c"));
        assert_eq!(failure.last, errors[..1]);
    }

    #[test]
    fn how_a_compiler_died_is_told() {
        let died = "make[2]: *** [/t/scripts/Makefile.build:250: kernel/fork.o] Segmentation fault";
        let failure = Failure::parse("", &[died.to_owned()]);
        assert_eq!(failure.last, ["Segmentation fault"]);
    }

    #[test]
    fn objects_are_counted_by_what_is_written() {
        assert_eq!(object_made("  gcc -Wall -c -o mm/slub.o /t/mm/slub.c"), Some("mm/slub.o"));
        assert_eq!(object_made("  ld -o vmlinux x.o"), None);
        assert_eq!(object_made("make -f Makefile.build obj=mm"), None);
    }
}
