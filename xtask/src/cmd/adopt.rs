//! `cargo xtask adopt`: brings this project into a checkout of Kuasar's.

use anyhow::{Result, anyhow};
use camino::{Utf8Path, Utf8PathBuf};
use clap::Args;
use serde::Serialize;

use crate::adopt::{self, Adoption, Copied};
use crate::cmd::{Answer, Context, confirm};
use crate::diag::{self, Hint};
use crate::files;
use crate::workspace::Workspace;

#[derive(Debug, Args)]
pub(crate) struct AdoptArgs {
    /// A git checkout of Kuasar
    #[arg(value_name = "DIR")]
    checkout: Utf8PathBuf,
    /// Take the files that git tracks in this workspace [default: the one this tool was built in]
    #[arg(long, value_name = "DIR")]
    from: Option<Utf8PathBuf>,
    /// Show what would change, and change nothing
    #[arg(long, conflicts_with = "yes")]
    dry_run: bool,
    /// Write without asking
    #[arg(long, short)]
    yes: bool,
}

/// What became of a checkout.
#[derive(Debug, Serialize)]
struct Outcome {
    checkout: Utf8PathBuf,
    /// Each with its unified diff.
    edited: Vec<(Utf8PathBuf, String)>,
    copied: Vec<Copied>,
    kept: Vec<String>,
    written: bool,
}

impl AdoptArgs {
    pub(crate) fn run(self, ctx: &Context) -> Result<Answer> {
        let home = self.home()?;
        let root = checkout(ctx, &self.checkout)?;
        let home = adopt::tracked(&ctx.shell, &home, adopt::wanted())
            .hint(|| "name the checkout to copy from with --from")?;
        let there = files::read(&root, adopt::touched(&home))?;
        let adoption = adopt::plan(&home, &there)?;
        diag::tell_adoption(ctx.progress, &adoption);
        if adoption.is_nothing() {
            ctx.progress.say(format!("nothing to do: {root} has all of it"));
        } else {
            refuse_local_changes(ctx, &root, &adoption)?;
        }
        let written = !adoption.is_nothing() && !self.dry_run && self.agreed(ctx, &root)?;
        if written {
            files::write(&root, &adoption.files)?;
            ctx.progress.say(
                "written; `cargo xtask plan` there takes the new dependencies down in Cargo.lock",
            );
        }
        let answer = match written || self.dry_run || adoption.is_nothing() {
            true => Answer::Yes,
            false => Answer::No,
        };
        let edited = adoption.edited.iter().map(|one| (one.path.clone(), diag::diff(one)));
        let outcome = Outcome {
            checkout: root,
            edited: edited.collect(),
            copied: adoption.copied,
            kept: adoption.kept,
            written,
        };
        ctx.print(&outcome, |_| String::new())?;
        Ok(answer)
    }

    /// The folder above this crate's, unless another one is named.
    fn home(&self) -> Result<Utf8PathBuf> {
        let built_in =
            || Utf8Path::new(env!("CARGO_MANIFEST_DIR")).parent().map(Utf8Path::to_owned);
        let home = self.from.clone().or_else(built_in).unwrap_or_default();
        match home.is_dir() {
            true => Ok(home),
            false => Err(anyhow!("failed to find {home}, which the files are taken from"))
                .hint(|| "name a checkout of this project with --from"),
        }
    }

    fn agreed(&self, ctx: &Context, root: &Utf8Path) -> Result<bool> {
        if self.yes {
            return Ok(true);
        }
        if confirm::on_terminal() {
            return confirm::confirm(ctx, &format!("write this to {root}?"));
        }
        ctx.progress.say("nothing was written: there is no terminal to ask on, use --yes");
        Ok(false)
    }
}

/// The root of the checkout around a folder.
fn checkout(ctx: &Context, folder: &Utf8Path) -> Result<Utf8PathBuf> {
    let none = |why: &str| anyhow!("{folder} is no checkout of Kuasar: {why}");
    let hint = || "name the folder that Kuasar was cloned to";
    if !folder.join("Cargo.toml").is_file() {
        return Err(none("it has no Cargo.toml")).hint(hint);
    }
    let workspace = Workspace::around(&ctx.shell, folder)?;
    if workspace.sandboxers.is_empty() {
        return Err(none("its workspace has no vmm-sandboxer")).hint(hint);
    }
    Ok(workspace.root)
}

/// What somebody has changed is not overwritten, and what is written can be told from it.
fn refuse_local_changes(ctx: &Context, root: &Utf8Path, adoption: &Adoption) -> Result<()> {
    let changed = adopt::local_changes(&ctx.shell, root, adoption.files.keys())?;
    if changed.is_empty() {
        return Ok(());
    }
    let files = if changed.len() == 1 { "a file" } else { "files" };
    Err(anyhow!("{root} has local changes in {files} to be written: {}", changed.join(", ")))
        .hint(|| "commit them or `git stash` them first")
}
