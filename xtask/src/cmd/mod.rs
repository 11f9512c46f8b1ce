//! One file a subcommand: its arguments and `run`, which composes stages and decides nothing.

mod adopt;
mod args;
mod boot;
mod check;
mod ci;
mod completions;
mod confirm;
mod diff;
mod edit;
mod explain;
mod kernel;
mod man;
mod measure;
mod minimize;
mod plan;
mod refresh;
mod resolve;
mod setup;
mod size;
mod source;
mod verify;

use std::io::IsTerminal;

use anyhow::{Context as _, Result};
use clap::{Args, ColorChoice, Parser, Subcommand, ValueEnum};
use serde::Serialize;

use crate::progress::Progress;
use crate::shell::Shell;

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    Human,
    Json,
}

/// Flags that every subcommand takes.
#[derive(Debug, Args)]
#[command(next_help_heading = "Output")]
pub(crate) struct OutputArgs {
    /// How results are printed on stdout
    #[arg(long, global = true, value_enum, default_value_t = Format::Human)]
    pub(crate) format: Format,
    /// Show every command before it runs
    #[arg(short, long, global = true)]
    pub verbose: bool,
    /// Say only what went wrong
    #[arg(short, long, global = true, conflicts_with = "verbose")]
    pub(crate) quiet: bool,
    /// When to use colours
    #[arg(long, global = true, value_enum, default_value_t = ColorChoice::Auto)]
    pub(crate) color: ColorChoice,
}

/// The answer of a subcommand: exit code 0, 1 or 2.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Answer {
    Yes,
    No,
    /// The tool or its environment failed, which is told already.
    Failed,
}

/// What every subcommand needs; built once, then constant.
pub(crate) struct Context {
    pub(crate) shell: Shell,
    pub(crate) progress: Progress,
    pub(crate) format: Format,
}

impl Context {
    /// `end` ends the program at once, when the user asks for that.
    pub(crate) fn new(output: &OutputArgs, end: fn()) -> Result<Self> {
        let progress = match (output.quiet, std::io::stderr().is_terminal()) {
            (true, _) => Progress::Silent,
            (false, true) => Progress::Bars,
            (false, false) => Progress::Lines,
        };
        Ok(Context {
            shell: Shell::new(output.verbose.then_some(progress), end)?,
            progress,
            format: output.format,
        })
    }

    /// The same for another thread.
    ///
    /// # Errors
    /// If the working folder is gone.
    pub(crate) fn for_thread(&self) -> Result<Self> {
        Ok(Context { shell: self.shell.for_thread()?, ..*self })
    }

    /// Prints a result on stdout: as JSON, or in the words that `human` gives.
    pub(crate) fn print<T: Serialize>(
        &self,
        result: &T,
        human: impl FnOnce(&T) -> String,
    ) -> Result<()> {
        let text = match self.format {
            Format::Human => human(result),
            Format::Json => serde_json::to_string_pretty(result).context("failed to write JSON")?,
        };
        if text.is_empty() { Ok(()) } else { crate::diag::print_result(&text) }
    }
}

/// Makes anstream and clap follow `--color` for the rest of the program.
pub(crate) fn set_color(choice: ColorChoice) {
    match choice {
        ColorChoice::Auto => anstream::ColorChoice::Auto,
        ColorChoice::Always => anstream::ColorChoice::Always,
        ColorChoice::Never => anstream::ColorChoice::Never,
    }
    .write_global();
}

/// Tailors, builds, checks, stages and boots Kuasar's guest kernels
#[derive(Debug, Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask", version)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) output: OutputArgs,
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Make a guest kernel: plan, resolve, build, check the image, stage it
    Kernel(kernel::KernelArgs),
    /// Boot an image in QEMU and let the guest tell what it can do
    Boot(boot::BootArgs),
    /// Bring this project into a checkout of Kuasar: its files, and what the workspace and Makefile need
    Adopt(adopt::AdoptArgs),
    /// Resolve lists on kernel sources and show what does not come out as asked; builds nothing
    Check(check::CheckArgs),
    /// Take every step of the test: format, lint, tests, real builds, real boots
    Ci(ci::CiArgs),
    /// Print what makes a shell complete `xtask` and `cargo xtask`
    Completions(completions::CompletionsArgs),
    /// Show which symbols differ between two kernels, lists, trees or .config files, and why
    Diff(diff::DiffArgs),
    /// Open a kernel's configuration in the tree's menus, and take what was changed into the fragments
    Edit(edit::EditArgs),
    /// Say why a symbol has its value, and what would turn it on
    Explain(explain::ExplainArgs),
    /// Write manual pages, one for each subcommand
    Man(man::ManArgs),
    /// Say how big a kernel is, how long it takes to its init, what memory it costs, and what grew
    Measure(measure::MeasureArgs),
    /// Show which lines of the fragments kernels can do without, and what that would save
    Minimize(minimize::MinimizeArgs),
    /// Print the targets that `kernel` would make for the same flags
    Plan(plan::PlanArgs),
    /// Tell what another kernel source means, build, boot and measure its kernels, and make it the default
    Refresh(refresh::RefreshArgs),
    /// Write the .config that the kernel's own conf would write
    Resolve(resolve::ResolveArgs),
    /// Show and install what this host lacks for a build and a boot
    Setup(setup::SetupArgs),
    /// Say what each folder, fragment, symbol and object adds to a kernel, and what leaving one out saves
    Size(size::SizeArgs),
    /// Fetch, list and verify the pinned kernel sources
    Source(source::SourceArgs),
    /// Build a staged image again from its manifest, and compare bit for bit
    Verify(verify::VerifyArgs),
}

impl Command {
    pub(crate) fn run(self, ctx: &Context) -> Result<Answer> {
        match self {
            Command::Kernel(args) => args.run(ctx),
            Command::Boot(args) => args.run(ctx),
            Command::Adopt(args) => args.run(ctx),
            Command::Check(args) => args.run(ctx),
            Command::Ci(args) => args.run(ctx),
            Command::Completions(args) => args.run(ctx),
            Command::Diff(args) => args.run(ctx),
            Command::Edit(args) => args.run(ctx),
            Command::Explain(args) => args.run(ctx),
            Command::Man(args) => args.run(ctx),
            Command::Measure(args) => args.run(ctx),
            Command::Minimize(args) => args.run(ctx),
            Command::Plan(args) => args.run(ctx),
            Command::Refresh(args) => args.run(ctx),
            Command::Resolve(args) => args.run(ctx),
            Command::Setup(args) => args.run(ctx),
            Command::Size(args) => args.run(ctx),
            Command::Source(args) => args.run(ctx),
            Command::Verify(args) => args.run(ctx),
        }
    }
}
