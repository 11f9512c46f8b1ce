//! `cargo xtask setup`: what this host lacks for a build and a boot, and how to get it.

use anyhow::{Result, anyhow};
use camino::Utf8PathBuf;
use clap::Args;
use comfy_table::{ContentArrangement, Table, presets};
use vmm_kernel::Arch;

use crate::cmd::args::parse;
use crate::cmd::{Answer, Context, confirm};
use crate::diag::Hint;
use crate::launcher::Launcher;
use crate::setup::{self, Installation, Manager, Missing, Surveyed, Uses};
use crate::source::{self, Sources, Tree};
use crate::toolchain::Family;
use crate::workspace::Workspace;

#[derive(Debug, Args)]
pub(crate) struct SetupArgs {
    /// Only look; exit code 1 if something is missing
    #[arg(long, conflicts_with = "yes")]
    check: bool,
    /// Do not ask on a terminal; without one nobody is asked
    #[arg(long, short)]
    yes: bool,
    /// Guests of these architectures: x86_64, aarch64 [default: the host's]
    #[arg(long, value_delimiter = ',', value_parser = parse::<Arch>)]
    arch: Vec<Arch>,
    /// Leave out what only a boot needs
    #[arg(long)]
    no_boot: bool,
    /// Also what `edit` needs to open menuconfig
    #[arg(long)]
    edit: bool,
    /// Also this program to compile through
    #[arg(long, value_enum)]
    launcher: Option<Launcher>,
    /// Also these tools: llvm, or llvm-N for clang-N and its like
    #[arg(long, value_name = "NAME", default_value_t)]
    toolchain: Family,
    /// Also what `kernel --modules` needs
    #[arg(long)]
    modules: bool,
    /// Also what `kernel --debug` needs
    #[arg(long)]
    debug: bool,
    /// For this pinned source, which may want newer tools [default: the one that sources.toml names]
    #[arg(long, value_name = "NAME")]
    source: Option<String>,
    /// For your own Linux tree
    #[arg(long, value_name = "DIR", conflicts_with = "source")]
    kernel_dir: Option<Utf8PathBuf>,
}

impl SetupArgs {
    pub(crate) fn run(self, ctx: &Context) -> Result<Answer> {
        let tree = self.tree(ctx)?;
        let oldest_lld = tree.map(|tree| setup::oldest_lld(&ctx.shell, &tree)).transpose()?;
        let oldest_lld = oldest_lld.flatten();
        let arches = match self.arch {
            named if !named.is_empty() => named,
            _ => vec![Arch::host().hint(|| "name the guests' with --arch")?],
        };
        let uses = Uses {
            boot: !self.no_boot,
            edit: self.edit,
            tests: false,
            launcher: self.launcher,
            family: self.toolchain,
            modules: self.modules,
            debug: self.debug,
            oldest_lld,
        };
        let surveyed = setup::survey(&ctx.shell, &arches, &uses)?;
        let manager = Manager::detect(&ctx.shell);
        ctx.print(&surveyed, |surveyed| table(surveyed, manager))?;
        let missing: Vec<Missing> =
            surveyed.into_iter().filter(|one| !one.found).map(|one| one.need).collect();
        match (missing.is_empty(), self.check) {
            (true, _) => Ok(Answer::Yes),
            (false, true) => Ok(Answer::No),
            (false, false) => install(ctx, manager, &missing, &arches, &uses, self.yes),
        }
    }
}

impl SetupArgs {
    /// The tree that is meant, if it is here; one that was named has to be.
    fn tree(&self, ctx: &Context) -> Result<Option<Tree>> {
        if let Some(dir) = &self.kernel_dir {
            return source::user_tree(&camino::absolute_utf8(dir)?).map(Some);
        }
        let workspace = Workspace::read(&ctx.shell)?;
        let (sources, cache) =
            (Sources::read(&workspace.conf_dir())?, workspace.work.join("source"));
        let pin = sources.pin(self.source.as_deref())?;
        match &self.source {
            Some(_) => source::find(&sources, pin, &cache).map(Some),
            None => Ok(source::state(&sources, pin, &cache)?.tree),
        }
    }
}

/// Installs what a build and a boot of guests of `arches` lack; on a terminal it asks, unless with `yes`.
pub(crate) fn install_for_kernel(
    ctx: &Context,
    arches: &[Arch],
    uses: &Uses,
    yes: bool,
) -> Result<()> {
    let missing = setup::missing(&ctx.shell, arches, uses)?;
    if missing.is_empty() {
        return Ok(());
    }
    match install(ctx, Manager::detect(&ctx.shell), &missing, arches, uses, yes)? {
        Answer::Yes => Ok(()),
        Answer::No | Answer::Failed => {
            Err(anyhow!("the build and the boot lack {}", names(&missing)))
                .hint(|| "cargo xtask setup --check says what each is for")
        }
    }
}

fn install(
    ctx: &Context,
    manager: Option<Manager>,
    missing: &[Missing],
    arches: &[Arch],
    uses: &Uses,
    yes: bool,
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
    // To install was asked for by name: without a terminal that is enough.
    let agreed = yes || !confirm::on_terminal() || confirm::confirm(ctx, "run this now?")?;
    if !agreed {
        return Ok(Answer::No);
    }
    setup::install(&ctx.shell, ctx.progress, &installation)?;
    let still = setup::missing(&ctx.shell, arches, uses)?;
    if still.is_empty() {
        ctx.progress.say(format!("installed {}", names(missing)));
        return Ok(Answer::Yes);
    }
    Err(anyhow!("still missing after the installation: {}", names(&still)))
        .hint(|| "cargo xtask setup --check says what each is for")
}

pub(crate) fn names(missing: &[Missing]) -> String {
    missing.iter().map(|need| need.probe.to_string()).collect::<Vec<_>>().join(", ")
}

fn table(surveyed: &[Surveyed], manager: Option<Manager>) -> String {
    let mut table = Table::new();
    table.load_preset(presets::NOTHING);
    table.set_content_arrangement(ContentArrangement::Disabled);
    table.set_header(["NEED", "STATE", "PACKAGE", "WHY"]);
    let release = setup::release();
    for Surveyed { need, found } in surveyed {
        let state = if *found { "found" } else { "missing" };
        let package = manager.and_then(|manager| need.package(manager, &release));
        let package = package.or_else(|| need.krate()).unwrap_or("-");
        table.add_row([&need.probe.to_string(), state, package, &need.why]);
    }
    table.trim_fmt()
}
