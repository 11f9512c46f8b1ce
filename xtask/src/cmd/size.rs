//! `cargo xtask size [A] [B]`: what each folder, fragment, symbol and object adds to a kernel.

mod subject;
mod without;

use anyhow::Result;
use camino::Utf8PathBuf;
use clap::{Args, ValueEnum};
use serde::Serialize;
use vmm_kernel::{Arch, KernelType};

use crate::cmd::args::{JobsArgs, SourceArgs, ToolchainArgs, parse};
use crate::cmd::measure::write;
use crate::cmd::{Answer, Context};
use crate::diag;
use crate::report;
use crate::resolve::Compared;
use crate::size::{Change, Grown, Row, Sized, View, compare, growth, rows};
use crate::workspace::Workspace;

const OPERANDS: &str = "\
A and B are, in the order in which they are looked for:
  micro, mini/aarch64, qemu     a target: words of type, arch and hypervisor, with / between them;
                                what is left out, the flags name or the tool chooses
  6.1                           a pinned source: the target that the flags name, on that tree
  DIR                           an object tree: what `make` left in a folder where it built a kernel
./NAME is always a path. A target has to have been built: `cargo xtask kernel`.";

#[derive(Debug, Args)]
#[command(after_help = OPERANDS)]
pub(crate) struct SizeArgs {
    /// A target, a pinned source or an object tree [default: the target that the flags name]
    a: Option<String>,
    /// What it is compared with
    b: Option<String>,
    /// Guest architecture: x86_64, aarch64 [default: the host's]
    #[arg(long, value_parser = parse::<Arch>, help_heading = "Target")]
    arch: Option<Arch>,
    /// Kernel type: micro, mini [default: what the hypervisor's machine boots]
    #[arg(long = "type", alias = "kernel-type", value_name = "TYPE", value_parser = parse::<KernelType>, help_heading = "Target")]
    kernel_type: Option<KernelType>,
    /// Hypervisor [default: the workspace's, or by type]
    #[arg(long, help_heading = "Target")]
    hypervisor: Option<String>,
    /// Folder with the lists and fragments [default: the workspace's]
    #[arg(long, value_name = "DIR", help_heading = "Target")]
    kernel_conf_dir: Option<Utf8PathBuf>,
    /// Where the target was built [default: where `cargo xtask kernel` builds it]
    #[arg(long, value_name = "DIR", conflicts_with = "b", help_heading = "Target")]
    obj: Option<Utf8PathBuf>,
    #[command(flatten)]
    source: SourceArgs,
    /// Build the target without the lines of this symbol or fragment, and compare with that
    #[arg(long, value_name = "NAME", value_delimiter = ',', conflicts_with = "b")]
    without: Vec<String>,
    /// What is put together in a row
    #[arg(long, value_enum, default_value_t = By::Folder, help_heading = "Report")]
    by: By,
    /// How many folders of a path make a row
    #[arg(long, value_name = "N", default_value_t = 2, help_heading = "Report")]
    depth: usize,
    /// Rows of the table; 0 for all
    #[arg(long, value_name = "N", default_value_t = 30, help_heading = "Report")]
    most: usize,
    /// Draw what A is made of, folders in folders
    #[arg(long, value_name = "FILE", help_heading = "Report")]
    svg: Option<Utf8PathBuf>,
    /// The same as a page that shows each part, and goes into folders
    #[arg(long, value_name = "FILE", help_heading = "Report")]
    html: Option<Utf8PathBuf>,
    #[command(flatten)]
    jobs: JobsArgs,
    #[command(flatten)]
    toolchain: ToolchainArgs,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum By {
    Folder,
    Fragment,
    Symbol,
    Object,
}

/// What was asked for, of one kernel or two.
#[expect(clippy::large_enum_variant, reason = "a run has one of it")]
#[derive(Debug, Serialize)]
#[serde(untagged)]
enum Report {
    One { kernel: Sized, rows: Vec<Row> },
    Two { a: Sized, b: Sized, changes: Vec<Change>, symbols: Option<Compared> },
}

impl SizeArgs {
    pub(crate) fn run(self, ctx: &Context) -> Result<Answer> {
        let workspace = Workspace::read(&ctx.shell)?;
        let report = self.report(ctx, &workspace)?;
        let of_a = match &report {
            Report::One { kernel, .. } => kernel,
            Report::Two { a, .. } => a,
        };
        if let Some(path) = &self.svg {
            write(path, &report::treemap(of_a))?;
        }
        if let Some(path) = &self.html {
            write(path, &report::page(of_a))?;
        }
        ctx.print(&report, |report| match report {
            Report::One { kernel, rows } => report::sizes(kernel, rows, self.most),
            Report::Two { a, b, changes, symbols } => {
                let symbols = symbols.as_ref().map(diag::compared_text).unwrap_or_default();
                format!("{}{symbols}", report::growth(a, b, changes, self.most))
            }
        })?;
        Ok(Answer::Yes)
    }

    fn report(&self, ctx: &Context, workspace: &Workspace) -> Result<Report> {
        let subject = self.subject(ctx, workspace, self.a.as_deref())?;
        let a = subject.sized()?;
        let (b, symbols) = if let Some(other) = &self.b {
            let other = self.subject(ctx, workspace, Some(other))?;
            (other.sized()?, None)
        } else if self.without.is_empty() {
            let rows = rows(&a.parts, self.view());
            return Ok(Report::One { kernel: a, rows });
        } else {
            let (b, symbols) = self.without(ctx, workspace, &subject, &a)?;
            (b, Some(symbols))
        };
        let changes = compare(&a.parts, &b.parts, self.view());
        Ok(Report::Two { a, b, changes, symbols })
    }

    /// What grew from A to B, both of which were built.
    pub(super) fn growth(&self, ctx: &Context, workspace: &Workspace) -> Result<Vec<Grown>> {
        let sized = |word: &Option<String>| {
            self.subject(ctx, workspace, word.as_deref()).and_then(|subject| subject.sized())
        };
        Ok(growth(&sized(&self.a)?, &sized(&self.b)?))
    }

    fn view(&self) -> View {
        match self.by {
            By::Folder => View::Folder(self.depth),
            By::Fragment => View::Fragment,
            By::Symbol => View::Symbol,
            By::Object => View::Object,
        }
    }
}
