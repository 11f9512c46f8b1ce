//! `cargo xtask source`: the pinned kernel sources.

use std::time::Instant;

use anyhow::{Result, anyhow};
use camino::{Utf8Path, Utf8PathBuf};
use clap::{Args, Subcommand};
use comfy_table::{ContentArrangement, Table, presets};
use serde::Serialize;

use crate::cmd::{Answer, Context};
use crate::diag::Hint;
use crate::source::{self, Difference, Pin, Sources, Wanted};
use crate::workspace::Workspace;

#[derive(Debug, Args)]
pub(crate) struct SourceArgs {
    #[command(subcommand)]
    action: Action,
    /// Folder with sources.toml [default: the workspace's conf dir]
    #[arg(long, global = true, value_name = "DIR")]
    kernel_conf_dir: Option<Utf8PathBuf>,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Fetch, check and unpack
    Fetch {
        /// Pins of sources.toml [default: the one that file names]
        names: Vec<String>,
        /// Demand exactly the version and hash of sources.lock
        #[arg(long)]
        locked: bool,
        /// Take the newest version, though an older one is recorded and still to be had
        #[arg(long, conflicts_with = "locked")]
        update: bool,
        /// Leave out a patch of theirs, such as vsock-reuseport
        #[arg(long, value_name = "NAME", value_delimiter = ',')]
        no_patch: Vec<String>,
    },
    /// List the pins, what each came to, and whether it is unpacked
    List,
    /// Print the folder of an unpacked source
    Path {
        /// Pin of sources.toml [default: the one that file names]
        name: Option<String>,
        /// Of the one without a patch of it
        #[arg(long, value_name = "NAME", value_delimiter = ',')]
        no_patch: Vec<String>,
    },
    /// Compare unpacked sources with what came out of their archives
    Verify {
        /// Pins of sources.toml [default: all that are unpacked]
        names: Vec<String>,
        /// Those without a patch of theirs
        #[arg(long, value_name = "NAME", value_delimiter = ',', requires = "names")]
        no_patch: Vec<String>,
    },
}

impl SourceArgs {
    pub(crate) fn run(self, ctx: &Context) -> Result<Answer> {
        let workspace = Workspace::read(&ctx.shell)?;
        let conf_dir = self.kernel_conf_dir.unwrap_or_else(|| workspace.conf_dir());
        let cache = &workspace.work.join("source");
        let sources = Sources::read(&conf_dir)?;
        if sources.are_built_in() && matches!(self.action, Action::Fetch { .. } | Action::List) {
            ctx.progress.say(format!("{conf_dir} has no sources.toml: these are built-in pins"));
        }
        match self.action {
            Action::Fetch { names, locked, update, no_patch } => {
                source::check_work(&workspace.work)?;
                let wanted = if update { Wanted::Newest } else { Wanted::locked_if(locked) };
                let pins = match &names[..] {
                    [] => vec![sources.pin(None)?.without(&no_patch)?],
                    names => named(&sources, names, &no_patch)?,
                };
                fetch(ctx, &sources, &pins, cache, wanted)
            }
            Action::List => list(ctx, &sources, cache),
            Action::Path { name, no_patch } => {
                path(ctx, &sources, &sources.pin(name.as_deref())?.without(&no_patch)?, cache)
            }
            Action::Verify { names, no_patch } => {
                let pins = match &names[..] {
                    [] => unpacked(&sources, cache)?,
                    names => named(&sources, names, &no_patch)?,
                };
                verify(ctx, &sources, &pins, cache)
            }
        }
    }
}

fn named(sources: &Sources, names: &[String], no_patch: &[String]) -> Result<Vec<Pin>> {
    names.iter().map(|name| sources.pin(Some(name))?.without(no_patch)).collect()
}

/// A source that is unpacked.
#[derive(Debug, Serialize)]
struct Fetched {
    name: String,
    version: String,
    kernel_version: String,
    sha256: String,
    patches: Vec<String>,
    dir: Utf8PathBuf,
}

impl From<source::Tree> for Fetched {
    fn from(tree: source::Tree) -> Self {
        Fetched {
            name: tree.record.name,
            version: tree.record.version,
            kernel_version: tree.version.to_string(),
            sha256: tree.record.sha256,
            patches: tree.record.patches,
            dir: tree.dir,
        }
    }
}

fn fetch(
    ctx: &Context,
    sources: &Sources,
    pins: &[Pin],
    cache: &Utf8Path,
    wanted: Wanted,
) -> Result<Answer> {
    let mut fetched = Vec::new();
    for pin in pins {
        let start = Instant::now();
        let tree = source::fetch(&ctx.shell, ctx.progress, sources, pin, cache, wanted)?;
        ctx.progress.say(format!(
            "{}: Linux {} in {:.1} s",
            pin.name,
            tree.version,
            start.elapsed().as_secs_f64()
        ));
        fetched.push(Fetched::from(tree));
    }
    ctx.print(&fetched, |fetched| {
        fetched.iter().map(|one| one.dir.as_str()).collect::<Vec<_>>().join("\n")
    })?;
    Ok(Answer::Yes)
}

/// One pin in a list.
#[derive(Debug, Serialize)]
struct Listed {
    name: String,
    default: bool,
    from: String,
    /// Where a package is looked for, if that is not the host's own lists.
    #[serde(skip_serializing_if = "Option::is_none")]
    suite: Option<String>,
    /// What sources.lock says.
    locked: Option<source::Locked>,
    unpacked: Option<Fetched>,
}

fn list(ctx: &Context, sources: &Sources, cache: &Utf8Path) -> Result<Answer> {
    let mut listed = Vec::new();
    for pin in sources.with_substitutes() {
        let state = source::state(sources, pin, cache)?;
        let is_pinned = sources.pins().contains(pin);
        if !is_pinned && state.locked.is_none() {
            continue;
        }
        listed.push(Listed {
            name: pin.name.clone(),
            default: pin.name == sources.default_name(),
            from: pin.from(),
            suite: pin.suite().map(str::to_owned),
            locked: state.locked,
            unpacked: state.tree.map(Fetched::from),
        });
    }
    ctx.print(&listed, |listed| table(listed))?;
    Ok(Answer::Yes)
}

fn table(listed: &[Listed]) -> String {
    let mut table = Table::new();
    table.load_preset(presets::NOTHING);
    table.set_content_arrangement(ContentArrangement::Disabled);
    table.set_header(["NAME", "FROM", "LOCKED", "UNPACKED"]);
    for one in listed {
        let name = if one.default { format!("{} (default)", one.name) } else { one.name.clone() };
        let locked = one.locked.as_ref().map_or("-", |locked| locked.version.as_str());
        let unpacked = one.unpacked.as_ref().map_or("-", |tree| tree.dir.as_str());
        let suite = one.suite.as_ref().map(|suite| format!(" of {suite}"));
        let from = format!("{}{}", one.from, suite.unwrap_or_default());
        table.add_row([name.as_str(), &from, locked, unpacked]);
    }
    table.trim_fmt()
}

fn path(ctx: &Context, sources: &Sources, pin: &Pin, cache: &Utf8Path) -> Result<Answer> {
    let pin = settled(ctx, sources, pin, cache)?;
    let fetched = Fetched::from(source::find(sources, &pin, cache)?);
    ctx.print(&fetched, |fetched| fetched.dir.to_string())?;
    Ok(Answer::Yes)
}

/// What `fetch` takes for a pin on this host.
fn settled(ctx: &Context, sources: &Sources, pin: &Pin, cache: &Utf8Path) -> Result<Pin> {
    Ok(source::settle(&ctx.shell, sources, pin, cache, Wanted::Recorded)?.pin)
}

/// What became of a tree since it was unpacked.
#[derive(Debug, Serialize)]
struct Verified {
    name: String,
    unchanged: bool,
    #[serde(flatten)]
    difference: Difference,
}

fn verify(ctx: &Context, sources: &Sources, pins: &[Pin], cache: &Utf8Path) -> Result<Answer> {
    let mut verified = Vec::new();
    for pin in pins {
        let pin = settled(ctx, sources, pin, cache)?;
        let difference = source::verify(&ctx.shell, ctx.progress, sources, &pin, cache)?;
        let unchanged = difference.is_empty();
        verified.push(Verified { name: pin.name.clone(), unchanged, difference });
    }
    ctx.print(&verified, |verified| verified.iter().map(describe).collect())?;
    Ok(if verified.iter().all(|one| one.unchanged) { Answer::Yes } else { Answer::No })
}

fn unpacked(sources: &Sources, cache: &Utf8Path) -> Result<Vec<Pin>> {
    let mut unpacked = Vec::new();
    for pin in sources.with_substitutes() {
        if source::state(sources, pin, cache)?.tree.is_some() {
            unpacked.push(pin.clone());
        }
    }
    if unpacked.is_empty() {
        return Err(anyhow!("no kernel source is unpacked in {cache}"))
            .hint(|| "cargo xtask source fetch");
    }
    Ok(unpacked)
}

/// How many paths of a kind a person is shown; JSON has them all.
const SHOWN: usize = 20;

fn describe(one: &Verified) -> String {
    if one.unchanged {
        return format!("{}: unchanged\n", one.name);
    }
    let mut text = format!("{}: not what was unpacked\n", one.name);
    let Difference { changed, missing, added } = &one.difference;
    for (what, paths) in [("changed", changed), ("missing", missing), ("added", added)] {
        text.extend(paths.iter().take(SHOWN).map(|path| format!("  {what} {path}\n")));
        if paths.len() > SHOWN {
            text += &format!("  {what} {} more\n", paths.len() - SHOWN);
        }
    }
    text
}
