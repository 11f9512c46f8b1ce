//! `cargo xtask ci`: the whole test, as the README and `.ci/run` call it.

mod documents;
mod reproduce;

use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, anyhow, bail, ensure};
use camino::{Utf8Path, Utf8PathBuf};
use clap::Args;
use comfy_table::Table;
use comfy_table::presets::NOTHING;
use serde::Serialize;
use vmm_kernel::Arch;
use xshell::cmd;

use crate::cmd::{Answer, Context};
use crate::diag::{self, Hint, did_you_mean};
use crate::setup::{self, Uses};
use crate::shell::{Finished, Next, Stream};
use crate::source::{self, NotCarried, Sources, Wanted};
use crate::workspace::Workspace;

#[derive(Debug, Args)]
pub(crate) struct CiArgs {
    /// Steps to take, by name [default: all of them]
    steps: Vec<String>,
    /// Say which steps there are, and take none
    #[arg(long)]
    list: bool,
    /// In the step setup, install what is missing; asks on a terminal
    #[arg(long, conflicts_with = "list")]
    setup: bool,
}

enum Verdict {
    Passed,
    Skipped(String),
}

struct Step {
    name: &'static str,
    what: &'static str,
    run: fn(&Ci) -> Result<Verdict>,
}

/// In the order of what they cost: a slip is told in seconds, not after a kernel was built.
const STEPS: [Step; 19] = [
    Step { name: "setup", what: "the host has what builds and boots need", run: |ci| ci.set_up() },
    Step {
        name: "format",
        what: "rustfmt has nothing to change",
        run: |ci| ci.cargo("fmt --all --check"),
    },
    Step {
        name: "lint",
        what: "clippy has nothing to say",
        run: |ci| ci.cargo("clippy --profile xtask --workspace --all-targets -- --deny warnings"),
    },
    Step {
        name: "test",
        what: "unit and command-line tests",
        run: |ci| ci.cargo("test --profile xtask --workspace"),
    },
    Step { name: "oldest-rust", what: "compiles with Rust 1.85", run: |ci| ci.oldest_rust() },
    Step {
        name: "sources",
        what: "the pinned kernel sources are here and whole",
        run: |ci| ci.sources(),
    },
    Step { name: "resolve", what: "every list comes out as asked on each", run: |ci| ci.resolve() },
    Step { name: "real-tree", what: "tests on real trees", run: |ci| ci.real_trees() },
    Step {
        name: "agree",
        what: "resolve writes what the trees' own conf writes",
        run: |ci| ci.agree(),
    },
    Step {
        name: "mend",
        what: "what check --fix writes turns symbols on, as conf sees it",
        run: |ci| ci.script("ci/kconfig/mend.sh", &["10"]),
    },
    Step {
        name: "build",
        what: "micro kernels for x86_64 and aarch64",
        run: |ci| ci.xtask(MICRO_KERNELS),
    },
    Step {
        name: "build-again",
        what: "a second run has nothing to do",
        run: |ci| ci.build_again(),
    },
    Step {
        name: "documents",
        what: "what is written of an image is SPDX and in-toto, as their own validators see it",
        run: |ci| ci.documents(),
    },
    Step {
        name: "boot",
        what: "both boot, and no check fails in the guest",
        run: |ci| ci.xtask("boot --type micro --arch x86_64,aarch64 --hypervisor stratovirt"),
    },
    Step {
        name: "boot-failures",
        what: "checks fail where what they look for is taken away",
        run: |ci| ci.boot_failures("micro"),
    },
    Step {
        name: "measure",
        what: "no figure of theirs is past its budget",
        run: |ci| ci.measure("--type micro --arch x86_64,aarch64 --hypervisor stratovirt"),
    },
    Step { name: "mini", what: "the same for mini on x86_64", run: |ci| ci.mini() },
    Step {
        name: "lacking",
        what: "kernels built without what checks look for fail them; when named",
        run: |ci| ci.lacking(),
    },
    Step {
        name: "reproduce",
        what: "another user elsewhere builds the same bits; when named",
        run: |ci| ci.reproduce(),
    },
];

const MICRO_KERNELS: &str = "kernel --type micro --arch x86_64,aarch64 --hypervisor stratovirt";

const MINI: &str = "--type mini --arch x86_64";

/// Pins that the steps are taken on that take minutes for each: the default and the oldest that Debian 12
/// itself has. On the others lists are resolved.
const THOROUGH: [&str; 2] = ["6.1", "6.12"];

/// Figures of before, of the default source's kernels.
const BASELINE: &str = "ci/baselines/tcg.json";

/// What became of a step.
#[derive(Debug, Serialize)]
struct Outcome {
    step: &'static str,
    verdict: String,
    seconds: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    why: Option<String>,
}

impl CiArgs {
    pub(crate) fn run(self, ctx: &Context) -> Result<Answer> {
        if self.list {
            let steps: Vec<_> = STEPS.iter().map(|step| (step.name, step.what)).collect();
            ctx.print(&steps, |steps| {
                steps.iter().map(|(name, what)| format!("{name:12} {what}\n")).collect()
            })?;
            return Ok(Answer::Yes);
        }
        let names = STEPS.map(|step| step.name);
        if let Some(unknown) = self.steps.iter().find(|name| !names.contains(&name.as_str())) {
            return Err(anyhow!("unknown step `{unknown}`")).hint(|| did_you_mean(unknown, &names));
        }
        let wanted =
            |step: &&Step| self.steps.is_empty() || self.steps.iter().any(|n| n == step.name);
        let workspace = Workspace::read(&ctx.shell)?;
        let ci = Ci { ctx, workspace, named: self.steps.clone(), setup: self.setup };
        let mut outcomes = vec![];
        for step in STEPS.iter().filter(wanted) {
            outcomes.push(ci.take(step)?);
        }
        ctx.print(&outcomes, |outcomes| summary(outcomes))?;
        let failed = outcomes.iter().any(|outcome| outcome.verdict == "failed");
        Ok(if failed { Answer::No } else { Answer::Yes })
    }
}

struct Ci<'a> {
    ctx: &'a Context,
    workspace: Workspace,
    /// The steps that were asked for; all of them, if empty.
    named: Vec<String>,
    /// Whether to install what is missing.
    setup: bool,
}

/// For any one step; the slowest one builds two kernels.
const DEADLINE: Duration = Duration::from_secs(3600);

impl Ci<'_> {
    /// A step that fails does not keep the others from being taken; an interrupt does.
    fn take(&self, step: &Step) -> Result<Outcome> {
        self.ctx.progress.say(format!("== {}: {}", step.name, step.what));
        let start = Instant::now();
        let result = (step.run)(self);
        self.ctx.shell.check_interrupt()?;
        let (verdict, why) = match result {
            Ok(Verdict::Passed) => ("passed", None),
            Ok(Verdict::Skipped(why)) => ("skipped", Some(why)),
            Err(error) => {
                let failure = diag::Failure::new(&error);
                anstream::eprint!("{failure}");
                ("failed", Some(failure.error))
            }
        };
        let seconds = start.elapsed().as_secs();
        Ok(Outcome { step: step.name, verdict: verdict.to_owned(), seconds, why })
    }

    /// Runs in the workspace's root, and shows all that is said.
    fn show(&self, command: impl Into<Command>) -> Result<Verdict> {
        self.show_in(&self.workspace.root, command)
    }

    fn show_in(&self, folder: &Utf8Path, command: impl Into<Command>) -> Result<Verdict> {
        let mut command: Command = command.into();
        command.current_dir(folder);
        let shown = format!("{command:?}");
        let finished = self.ctx.shell.stream(command, DEADLINE, None, |stream, line| {
            match stream {
                Stream::Stdout => anstream::println!("{line}"),
                Stream::Stderr => anstream::eprintln!("{line}"),
            }
            Next::Continue
        })?;
        ensure!(finished.success(), "{}: {shown}", finished.how());
        Ok(Verdict::Passed)
    }

    fn cargo(&self, arguments: &str) -> Result<Verdict> {
        let arguments = arguments.split(' ');
        self.show(cmd!(self.ctx.shell.sh, "cargo {arguments...}"))
    }

    /// As a person types it. Not this very program: a step before may have compiled another one.
    fn xtask(&self, arguments: &str) -> Result<Verdict> {
        let arguments = arguments.split(' ');
        self.show(cmd!(self.ctx.shell.sh, "cargo xtask {arguments...}"))
    }

    /// The same, with what it prints on stdout as the answer.
    fn ask_xtask(&self, arguments: &str) -> Result<Finished> {
        let arguments = arguments.split(' ');
        let mut command: Command = cmd!(self.ctx.shell.sh, "cargo xtask {arguments...}").into();
        command.current_dir(&self.workspace.root);
        let finished = self.ctx.shell.run(command, DEADLINE)?;
        ensure!(finished.success(), "{}: {}", finished.how(), finished.stderr.trim());
        Ok(finished)
    }

    fn set_up(&self) -> Result<Verdict> {
        let (arches, uses) =
            (Arch::ALL, Uses { boot: true, edit: true, tests: true, ..Uses::default() });
        if self.setup {
            super::setup::install_for_kernel(self.ctx, arches, &uses, false)?;
            return Ok(Verdict::Passed);
        }
        let missing = setup::missing(&self.ctx.shell, arches, &uses)?;
        if missing.is_empty() {
            return Ok(Verdict::Passed);
        }
        Err(anyhow!("this host lacks {}", super::setup::names(&missing)))
            .hint(|| "`cargo xtask ci --setup` installs what is missing")
    }

    /// A part of what a script of this workspace does; Kuasar's has none.
    fn script(&self, path: &str, arguments: &[&str]) -> Result<Verdict> {
        let script = self.workspace.root.join(path);
        if !script.exists() {
            return Ok(Verdict::Skipped(format!("there is no {script}")));
        }
        self.show(cmd!(self.ctx.shell.sh, "{script} {arguments...}"))
    }

    fn agree(&self) -> Result<Verdict> {
        let names: Vec<String> = self.thorough()?.into_iter().map(|(name, _)| name).collect();
        let pins = format!("PINS={}", names.join(" "));
        let script = self.workspace.root.join("ci/kconfig/agree.sh");
        if !script.exists() {
            return Ok(Verdict::Skipped(format!("there is no {script}")));
        }
        self.show(cmd!(self.ctx.shell.sh, "env {pins} {script} 1 x86_64 arm64"))
    }

    fn build_again(&self) -> Result<Verdict> {
        let finished = self.ask_xtask(&format!("{MICRO_KERNELS} --format json"))?;
        let kernels: Vec<serde_json::Value> = serde_json::from_str(&finished.stdout)
            .context("failed to read what `kernel` printed")?;
        for kernel in &kernels {
            let (action, stage) = (&kernel["action"], &kernel["stage"]);
            ensure!(action == "unchanged", "the second run has {action} for {stage}");
        }
        let milliseconds = finished.elapsed.as_millis();
        self.ctx.progress.say(format!("{} kernels unchanged in {milliseconds} ms", kernels.len()));
        Ok(Verdict::Passed)
    }

    /// A pin whose package the mirror does not carry any more fails nothing else.
    fn sources(&self) -> Result<Verdict> {
        let (sources, cache) = self.pins()?;
        let (mut here, mut lacking) = (vec![], vec![]);
        for pin in sources.pins() {
            let (shell, progress) = (&self.ctx.shell, self.ctx.progress);
            match source::fetch(shell, progress, &sources, pin, &cache, Wanted::Recorded) {
                Ok(_) => here.push(pin.name.as_str()),
                Err(error) if NotCarried::is_cause_of(&error) => {
                    lacking.push(format!("{error:#}"));
                }
                Err(error) => return Err(error),
            }
        }
        ensure!(!here.is_empty(), "no kernel source could be had: {}", lacking.join("; "));
        self.xtask(&format!("source verify {}", here.join(" ")))?;
        match lacking.is_empty() {
            true => Ok(Verdict::Passed),
            false => Ok(Verdict::Skipped(lacking.join("; "))),
        }
    }

    fn pins(&self) -> Result<(Sources, Utf8PathBuf)> {
        let sources = Sources::read(&self.workspace.conf_dir())?;
        Ok((sources, self.workspace.work.join("source")))
    }

    /// The pins that are here, by name and folder.
    fn trees(&self) -> Result<Vec<(String, Utf8PathBuf)>> {
        let (sources, cache) = self.pins()?;
        let mut trees = vec![];
        for pin in sources.pins() {
            let settled =
                source::settle(&self.ctx.shell, &sources, pin, &cache, Wanted::Recorded)?.pin;
            if let Some(tree) = source::state(&sources, &settled, &cache)?.tree {
                trees.push((pin.name.clone(), tree.dir));
            }
        }
        Ok(trees)
    }

    /// Each list on each tree that is here.
    fn resolve(&self) -> Result<Verdict> {
        let names: Vec<String> = self.trees()?.into_iter().map(|(name, _)| name).collect();
        ensure!(
            !names.is_empty(),
            "no kernel source is here: `cargo xtask ci sources` fetches them"
        );
        self.xtask(&format!("check --source {}", names.join(",")))
    }

    /// The trees that what takes minutes on each is taken on: those of [`THOROUGH`], else the first.
    fn thorough(&self) -> Result<Vec<(String, Utf8PathBuf)>> {
        let mut trees = self.trees()?;
        match trees.iter().any(|(name, _)| THOROUGH.contains(&name.as_str())) {
            true => trees.retain(|(name, _)| THOROUGH.contains(&name.as_str())),
            false => trees.truncate(1),
        }
        Ok(trees)
    }

    /// The tests that need a real tree are ignored elsewhere; here they have each.
    fn real_trees(&self) -> Result<Verdict> {
        for (_, tree) in self.thorough()? {
            let test = "test --profile xtask --package xtask --test cli real_tree -- --ignored";
            let test = cmd!(self.ctx.shell.sh, "cargo").args(test.split(' '));
            self.show(test.env("GUEST_KERNEL_TREE", tree))?;
        }
        Ok(Verdict::Passed)
    }

    /// The tests of that name, which boot kernels of a type.
    fn boot_test(&self, name: &str, kernels: &str) -> Result<Verdict> {
        let test = "test --profile xtask --package xtask --test cli";
        let test = cmd!(self.ctx.shell.sh, "cargo").args(test.split(' '));
        let test = test.args([&format!("real_boot::{name}"), "--", "--ignored"]);
        self.show(test.env("GUEST_KERNEL_BOOTS", kernels))
    }

    fn boot_failures(&self, kernels: &str) -> Result<Verdict> {
        self.boot_test("what_is_taken_away", kernels)
    }

    /// Counts instructions, which a busy machine does not blur. The table is on stdout, and in a file
    /// that a release note can take in.
    fn measure(&self, targets: &str) -> Result<Verdict> {
        if !self.workspace.root.join(BASELINE).exists() {
            return Ok(Verdict::Skipped(format!("there is no {BASELINE}")));
        }
        let name = targets.split(' ').nth(1).unwrap_or_default();
        let figures = self.workspace.work.join(format!("ci/{name}.md"));
        self.xtask(&format!(
            "measure {targets} --accel tcg --baseline {BASELINE} --markdown {figures}"
        ))
    }

    fn mini(&self) -> Result<Verdict> {
        self.xtask(&format!("kernel {MINI} --headers"))?;
        self.xtask(&format!("boot {MINI} --deadline 300"))?;
        self.boot_failures("mini")?;
        self.boot_test("a_driver_built_against", "mini")?;
        self.measure(MINI)
    }

    /// Builds kernels that are of no other use, so only when asked for.
    fn lacking(&self) -> Result<Verdict> {
        if self.named.is_empty() {
            let long =
                "it builds kernels for half an hour; `cargo xtask ci lacking` takes it alone";
            return Ok(Verdict::Skipped(long.to_owned()));
        }
        let tree = self.ask_xtask("source path")?;
        let test = "test --profile xtask --package xtask --test cli lacking -- --ignored";
        let test = cmd!(self.ctx.shell.sh, "cargo").args(test.split(' '));
        self.show(test.env("GUEST_KERNEL_LACKING", tree.stdout.trim()))
    }

    /// Debian's `rustc-web` package under the host's cargo, unpacked below `target`: nothing is
    /// installed.
    fn oldest_rust(&self) -> Result<Verdict> {
        let (sh, shell) = (&self.ctx.shell.sh, &self.ctx.shell);
        if !crate::toolchain::on_path(&self.ctx.shell, "apt-get") {
            return Ok(Verdict::Skipped("no apt-get to get Rust 1.85 with".to_owned()));
        }
        let known = shell.run(cmd!(sh, "apt-cache madison rustc-web"), DEADLINE)?;
        let fields = known.stdout.lines().filter_map(|line| line.split('|').nth(1));
        let Some(version) = fields.map(str::trim).find(|version| version.starts_with("1.85."))
        else {
            return Ok(Verdict::Skipped("the package mirror has no rustc-web 1.85".to_owned()));
        };
        let root = self.workspace.work.join("rust-1.85");
        if !root.join("usr/bin/rustc").exists() {
            self.unpack_rust(version, &root)?;
        }
        let libraries = format!("{root}/usr/lib/{}-linux-gnu", std::env::consts::ARCH);
        let target = self.workspace.work.join("rust-1.85-target");
        let check = cmd!(sh, "cargo check --workspace --locked --target-dir {target}")
            .env("RUSTC", root.join("usr/bin/rustc"))
            .env("LD_LIBRARY_PATH", libraries);
        self.show(check)
    }

    fn unpack_rust(&self, version: &str, root: &Utf8Path) -> Result<()> {
        let (sh, shell) = (&self.ctx.shell.sh, &self.ctx.shell);
        let folder = tempfile::tempdir_in(make_folder(&self.workspace.work)?)?;
        let folder = Utf8Path::from_path(folder.path()).context("a path is not UTF-8")?;
        let same = ["rustc-web", "libstd-rust-web-dev", "libstd-rust-web-1.85"];
        let packages = same.map(|name| format!("{name}={version}"));
        let mut download: Command = cmd!(sh, "apt-get download {packages...} libllvm19").into();
        download.current_dir(folder);
        let downloaded = shell.run(download, DEADLINE)?;
        if !downloaded.success() {
            bail!("failed to download Rust {version}: {}", downloaded.last_lines(5));
        }
        let unpacked = folder.join("root");
        for entry in folder.read_dir_utf8()? {
            let package = entry?.into_path();
            if package.extension() == Some("deb") {
                let done = shell.run(cmd!(sh, "dpkg-deb -x {package} {unpacked}"), DEADLINE)?;
                ensure!(done.success(), "failed to unpack {package}: {}", done.last_lines(5));
            }
        }
        std::fs::rename(&unpacked, root).with_context(|| format!("failed to move Rust to {root}"))
    }
}

fn make_folder(path: &Utf8Path) -> Result<&Utf8Path> {
    std::fs::create_dir_all(path).with_context(|| format!("failed to create folder {path}"))?;
    Ok(path)
}

fn summary(outcomes: &[Outcome]) -> String {
    let mut table = Table::new();
    table.load_preset(NOTHING);
    table.set_header(["STEP", "VERDICT", "SECONDS", ""]);
    for Outcome { step, verdict, seconds, why } in outcomes {
        let seconds = seconds.to_string();
        table.add_row([step, verdict.as_str(), &seconds, why.as_deref().unwrap_or_default()]);
    }
    let count = |word: &str| outcomes.iter().filter(|outcome| outcome.verdict == word).count();
    let (passed, failed, skipped) = (count("passed"), count("failed"), count("skipped"));
    format!("{}\nsteps: {passed} passed, {failed} failed, {skipped} skipped", table.trim_fmt())
}
