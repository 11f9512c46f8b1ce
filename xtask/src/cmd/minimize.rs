//! `cargo xtask minimize`: which lines of the fragments kernels can do without.

mod judged;
mod tried;

use anyhow::{Context as _, Result, anyhow};
use camino::Utf8PathBuf;
use clap::Args;
use serde::Serialize;

use crate::boot::AccelChoice;
use crate::cmd::args::{JobsArgs, SourcesArgs, TargetArgs, ToolchainArgs};
use crate::cmd::{Answer, Context};
use crate::diag::{self, Hint, did_you_mean};
use crate::edit;
use crate::fragment::Place;
use crate::lock::Lock;
use crate::minimize::{Least, LeftOut, Line, Verdict};
use crate::plan::plan;
use crate::workspace::Workspace;

use judged::{Field, Yard};

#[derive(Debug, Args)]
pub(crate) struct MinimizeArgs {
    #[command(flatten)]
    target: TargetArgs,
    #[command(flatten)]
    sources: SourcesArgs,
    #[command(flatten)]
    toolchain: ToolchainArgs,
    /// Show all lines, those that are needed too
    #[arg(long)]
    every_line: bool,
    /// The lines in question, by their symbols [default: --fix: those that change nothing; --build and
    /// --bisect: those that no capability needs]
    #[arg(long, value_name = "SYMBOL", value_delimiter = ',')]
    drop: Vec<String>,
    /// Show the fragments without the lines in question
    #[arg(long, help_heading = "Mending")]
    fix: bool,
    /// Take them out
    #[arg(long, requires = "fix", help_heading = "Mending")]
    yes: bool,
    /// Build one kernel without each of the lines in question, and say what it saves
    #[arg(long, conflicts_with = "fix", help_heading = "Building")]
    build: bool,
    /// Start each of them, too, and say what it saves of the start and of memory
    #[arg(long, requires = "build", help_heading = "Building")]
    measure: bool,
    /// Build and boot one kernel without ever more of the lines in question, for the least that passes
    #[arg(long, conflicts_with_all = ["fix", "build"], help_heading = "Building")]
    bisect: bool,
    /// Build no more than this many kernels [default: as many as it takes]
    #[arg(long, value_name = "N", help_heading = "Building")]
    tries: Option<usize>,
    /// How the instructions of --bisect's guests are run
    #[arg(long, value_enum, default_value_t = AccelChoice::Auto, help_heading = "Building")]
    accel: AccelChoice,
    /// Memory of a guest in MiB
    #[arg(long, value_name = "MIB", default_value_t = 256, value_parser = clap::value_parser!(u32).range(16..), help_heading = "Building")]
    memory: u32,
    /// How long a boot may take
    #[arg(long, value_name = "SECONDS", default_value_t = 120, value_parser = clap::value_parser!(u64).range(1..), help_heading = "Building")]
    deadline: u64,
    #[command(flatten)]
    jobs: JobsArgs,
}

/// What a run found.
#[derive(Debug, Serialize)]
struct Minimized {
    lines: Vec<Line>,
    /// Lines that were taken out, or with `--yes` would be.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    dropped: Vec<Place>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    built: Vec<LeftOut>,
    #[serde(skip_serializing_if = "Option::is_none")]
    least: Option<Least>,
}

impl MinimizeArgs {
    pub(crate) fn run(self, ctx: &Context) -> Result<Answer> {
        let workspace = Workspace::read(&ctx.shell)?;
        let plan = plan(&workspace, &self.target.request_all_by_default()?)?;
        let lock = || Lock::take_for_files(&ctx.shell, ctx.progress, &plan.conf_dir);
        let _lock = self.yes.then(lock).transpose()?;
        let yard = Yard::read(ctx, &workspace, &plan, &self.toolchain)?;
        let builds = self.build || self.bisect;
        let sources = match builds {
            true => vec![self.sources.one()?],
            false => self.sources.all(&plan.conf_dir)?,
        };
        if builds {
            yard.demand_one()?;
        }
        let mut trees = vec![];
        for source in &sources {
            trees.push(source.tree(ctx, &workspace, &plan.conf_dir)?);
        }
        let fields = yard.fields(ctx, &trees)?;
        let lines = yard.judge(ctx, &fields)?;
        diag::tell_counts(ctx.progress, &lines, fields.len());
        let mut found = Minimized { lines, dropped: vec![], built: vec![], least: None };
        let question = self.question(&found.lines)?;
        let mut answer = Answer::Yes;
        if self.fix {
            match self.fix(ctx, &yard, &fields, &question)? {
                Some(dropped) => found.dropped = dropped,
                None => answer = Answer::No,
            }
        } else if self.build {
            found.built = self.build(ctx, &yard, &fields[0], &question)?;
        } else if self.bisect {
            found.least = Some(self.bisect(ctx, &yard, &fields[0], &question)?);
        }
        ctx.print(&found, |found| self.text(found))?;
        Ok(answer)
    }

    fn text(&self, found: &Minimized) -> String {
        let shown = |line: &&Line| {
            (self.every_line || line.is_unneeded() || line.is_needless())
                && !found.dropped.contains(&line.place)
        };
        let lines: Vec<&Line> = found.lines.iter().filter(shown).collect();
        let built = diag::built_table(&found.built);
        let least = found.least.as_ref().map(|least| diag::least_text(least, &found.lines));
        let least = least.unwrap_or_default();
        [diag::lines_table(&lines), built, least]
            .into_iter()
            .filter(|t| !t.is_empty())
            .collect::<Vec<_>>()
            .join("\n\n")
    }

    /// The lines in question.
    fn question<'l>(&self, lines: &'l [Line]) -> Result<Vec<&'l Line>> {
        if self.drop.is_empty() {
            let asked = |line: &&Line| match self.fix {
                true => line.is_needless() && line.unjudged.is_empty(),
                false => line.is_unneeded(),
            };
            return Ok(lines.iter().filter(asked).collect());
        }
        let mut asked = vec![];
        for symbol in &self.drop {
            let symbol = symbol.strip_prefix("CONFIG_").unwrap_or(symbol);
            let before = asked.len();
            asked.extend(lines.iter().filter(|line| line.symbol == symbol));
            if asked.len() == before {
                let known: Vec<&str> = lines.iter().map(|line| line.symbol.as_str()).collect();
                return Err(anyhow!("no line of these kernels is about `{symbol}`"))
                    .hint(|| did_you_mean(symbol, &known));
            }
        }
        Ok(asked)
    }

    /// Takes the lines out of their fragments, if all kernels keep what they have to; gives their
    /// places.
    fn fix(
        &self,
        ctx: &Context,
        yard: &Yard<'_>,
        fields: &[Field<'_>],
        question: &[&Line],
    ) -> Result<Option<Vec<Place>>> {
        let stays = |line: &&&Line| {
            matches!(line.verdict, Verdict::Needed | Verdict::Kept) || !line.unjudged.is_empty()
        };
        let staying: Vec<&Line> = question.iter().filter(stays).copied().collect();
        if !staying.is_empty() {
            diag::tell_staying(ctx.progress, &staying);
            ctx.progress.complain("nothing was changed");
            return Ok(None);
        }
        if question.is_empty() {
            ctx.progress.say("no line changes nothing in all kernels: there is none to take out");
        }
        let places = question.iter().map(|line| line.place.clone()).collect();
        let foretold = yard.without(fields, &places);
        let refused =
            foretold.iter().filter_map(|(name, effect, _)| Some((name, effect.refusal()?)));
        let refused: Vec<String> = refused.map(|(name, why)| format!("{name}: {why}")).collect();
        if !refused.is_empty() {
            ctx.progress
                .complain(format_args!("without all of them together, {}", refused.join("; ")));
            ctx.progress.complain("nothing was changed");
            return Ok(None);
        }
        let root = &yard.workspace.root;
        let edited = edit::without(root, &places)?;
        diag::tell_edited(ctx.progress, &edited);
        if self.yes && !edited.is_empty() {
            edit::write(root, &edited)?;
            ctx.progress.say("changed; resolving again");
            if let Err(error) = yard.prove(fields, &foretold) {
                edit::take_back(root, &edited)?;
                return Err(error).context("the changed fragments do not do, and are as they were");
            }
        }
        Ok(Some(places.into_iter().collect()))
    }
}

/// Where a kernel's tries are made.
fn folder(yard: &Yard<'_>, field: &Field<'_>) -> Utf8PathBuf {
    let built = yard.folder(field).obj();
    let variant = built.parent().unwrap_or(&built);
    let below = variant.strip_prefix(yard.workspace.work.join("build")).unwrap_or(variant);
    yard.workspace.work.join("minimize").join(below)
}
