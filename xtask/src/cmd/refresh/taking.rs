//! The end of a refresh: what it came to, and the new default and baselines if they are wanted.

use anyhow::{Context as _, Result};
use camino::Utf8Path;

use super::RefreshArgs;
use crate::cmd::Context;
use crate::diag;
use crate::edit::Edited;
use crate::files::{self, Content, Files};
use crate::measure::Baseline;
use crate::refresh::{Proven, Refreshed};
use crate::source::Sources;
use crate::workspace::Workspace;

/// Says what came of it, and what to do about it.
pub(super) fn tell(ctx: &Context, refreshed: &Refreshed) {
    diag::tell_ahead(ctx.progress, &refreshed.ahead);
    let Some(proven) = &refreshed.proven else { return };
    diag::tell_proven(ctx.progress, proven);
}

/// Makes the new source the default one, and its figures the baseline: all of it, or nothing.
pub(super) fn take(
    ctx: &Context,
    workspace: &Workspace,
    sources: &Sources,
    args: &RefreshArgs,
    (proven, mut baseline, baseline_path): (&Proven, Baseline, &Utf8Path),
) -> Result<()> {
    let mut files = Files::new();
    if !sources.are_built_in() && sources.default_name() != args.to {
        let path = sources.path();
        let before =
            std::fs::read_to_string(&path).with_context(|| format!("failed to read {path}"))?;
        let after = Sources::with_default(&before, &args.to)?;
        files.insert(path.clone(), Content::text(after.clone()));
        let path = workspace.shown(&path).to_owned();
        diag::tell_edited(ctx.progress, &[Edited { path, before, after }]);
    }
    let before = baseline.clone();
    baseline.update(&proven.now);
    if baseline != before {
        let json = serde_json::to_string_pretty(&baseline).context("failed to write JSON")?;
        files.insert(camino::absolute_utf8(baseline_path)?, Content::text(json + "\n"));
        let (count, path) = (proven.now.len(), workspace.shown(baseline_path));
        ctx.progress.say(format_args!("{path} would have the figures of {count} kernels"));
    }
    if files.is_empty() {
        ctx.progress.say("the default and the baseline are as they should be");
        return Ok(());
    }
    if args.agreed(ctx, "make this the default and its figures the baseline?")? {
        files::write(&workspace.root, &files)?;
        ctx.progress.say("written");
    }
    Ok(())
}
