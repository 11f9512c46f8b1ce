//! `cargo xtask setup`: what this host lacks for a build and a boot, and how to get it.

use std::io::IsTerminal;
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow};
use clap::Args;
use comfy_table::{ContentArrangement, Table, presets};
use vmm_kernel::Arch;

use crate::cmd::args::parse;
use crate::cmd::{Answer, Context};
use crate::diag::Hint;
use crate::setup::{self, Installation, Manager, Missing, Surveyed};

#[derive(Debug, Args)]
pub(crate) struct SetupArgs {
    /// Only look; exit code 1 if something is missing
    #[arg(long, conflicts_with = "yes")]
    check: bool,
    /// Install without asking
    #[arg(long, short)]
    yes: bool,
    /// Guests of these architectures: x86_64, aarch64 [default: the host's]
    #[arg(long, value_delimiter = ',', value_parser = parse::<Arch>)]
    arch: Vec<Arch>,
    /// Leave out what only a boot needs
    #[arg(long)]
    no_boot: bool,
}

impl SetupArgs {
    pub(crate) fn run(self, ctx: &Context) -> Result<Answer> {
        let arches = match self.arch {
            named if !named.is_empty() => named,
            _ => vec![Arch::host().hint(|| "name the guests' with --arch")?],
        };
        let surveyed = setup::survey(&ctx.shell, &arches, !self.no_boot)?;
        let manager = Manager::detect(&ctx.shell);
        ctx.print(&surveyed, |surveyed| table(surveyed, manager))?;
        let missing: Vec<Missing> =
            surveyed.into_iter().filter(|one| !one.found).map(|one| one.need).collect();
        match (missing.is_empty(), self.check) {
            (true, _) => Ok(Answer::Yes),
            (false, true) => Ok(Answer::No),
            (false, false) => {
                let ask = if self.yes { Ask::Never } else { Ask::OrRefuse };
                install(ctx, manager, &missing, &arches, !self.no_boot, ask)
            }
        }
    }
}

/// Installs what a build and a boot of guests of `arches` lack. Without a terminal there is nobody to ask.
pub(crate) fn install_for_kernel(ctx: &Context, arches: &[Arch], yes: bool) -> Result<()> {
    let missing = setup::missing(&ctx.shell, arches, true)?;
    if missing.is_empty() {
        return Ok(());
    }
    let ask = if yes { Ask::Never } else { Ask::OnTerminal };
    match install(ctx, Manager::detect(&ctx.shell), &missing, arches, true, ask)? {
        Answer::Yes => Ok(()),
        Answer::No => Err(anyhow!("the build and the boot lack {}", names(&missing)))
            .hint(|| "cargo xtask setup --check says what each is for"),
    }
}

/// Whether a person is asked before anything is installed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ask {
    Never,
    /// Goes on where there is none.
    OnTerminal,
    /// Installs nothing where there is none.
    OrRefuse,
}

fn install(
    ctx: &Context,
    manager: Option<Manager>,
    missing: &[Missing],
    arches: &[Arch],
    boot: bool,
    ask: Ask,
) -> Result<Answer> {
    let Some(manager) = manager else {
        return Err(anyhow!("no package manager that is known here is on PATH"))
            .hint(|| format!("install by hand: {}", names(missing)));
    };
    let installation = Installation::plan(&ctx.shell, manager, missing)?;
    if installation.commands.is_empty() {
        return Err(anyhow!("no package is known for {}", installation.unknown.join(", ")))
            .hint(|| "install by hand; --cross-compile names cross tools with another prefix");
    }
    // Whoever has asked for quiet is still asked with the commands in view.
    anstream::eprintln!("{installation}");
    if !agreed(ctx, ask)? {
        return Ok(Answer::No);
    }
    setup::install(&ctx.shell, ctx.progress, &installation)?;
    let still = setup::missing(&ctx.shell, arches, boot)?;
    if still.is_empty() {
        ctx.progress.say(format!("installed {}", names(missing)));
        return Ok(Answer::Yes);
    }
    Err(anyhow!("still missing after the installation: {}", names(&still)))
        .hint(|| "cargo xtask setup --check says what each is for")
}

fn agreed(ctx: &Context, ask: Ask) -> Result<bool> {
    let terminal = std::io::stdin().is_terminal() && std::io::stderr().is_terminal();
    match (ask, terminal) {
        (Ask::Never, _) | (Ask::OnTerminal, false) => Ok(true),
        (Ask::OrRefuse, false) => {
            anstream::eprintln!("nothing was installed: there is no terminal to ask on, use --yes");
            Ok(false)
        }
        (_, true) => {
            anstream::eprint!("run this now? [y/N] ");
            Ok(matches!(read_answer(ctx)?.trim(), "y" | "Y" | "yes"))
        }
    }
}

/// A line from the terminal, read aside so that Ctrl-C counts as an answer too.
fn read_answer(ctx: &Context) -> Result<String> {
    let (sender, receiver) = channel();
    std::thread::spawn(move || {
        let mut answer = String::new();
        let read = std::io::stdin().read_line(&mut answer);
        // Nobody listens any more after a Ctrl-C.
        let _ = sender.send(read.map(|_| answer));
    });
    loop {
        match receiver.recv_timeout(Duration::from_millis(50)) {
            Ok(answer) => return answer.context("failed to read the answer"),
            Err(RecvTimeoutError::Timeout) => ctx.shell.check_interrupt()?,
            Err(RecvTimeoutError::Disconnected) => return Ok(String::new()),
        }
    }
}

fn names(missing: &[Missing]) -> String {
    missing.iter().map(|need| need.probe.to_string()).collect::<Vec<_>>().join(", ")
}

fn table(surveyed: &[Surveyed], manager: Option<Manager>) -> String {
    let mut table = Table::new();
    table.load_preset(presets::NOTHING);
    table.set_content_arrangement(ContentArrangement::Disabled);
    table.set_header(["NEED", "STATE", "PACKAGE", "WHY"]);
    for Surveyed { need, found } in surveyed {
        let state = if *found { "found" } else { "missing" };
        let package = manager.and_then(|manager| need.package(manager)).map(str::to_owned);
        let krate = || need.krate().map(|krate| format!("cargo: {krate}"));
        let package = package.or_else(krate).unwrap_or_else(|| "-".to_owned());
        table.add_row([&need.probe.to_string(), state, &package, &need.why]);
    }
    table.trim_fmt()
}
