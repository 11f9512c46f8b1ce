//! A refresh in a few lines: what the report has in full.

use anstyle::AnsiColor;

use super::style;
use super::tell::warn;
use crate::progress::Progress;
use crate::refresh::{Ahead, Kind, Proven};
use crate::resolve::Breach;
use crate::source::{Fit, Tried};

/// Says what the new tree means, and what keeps kernels from being made of it.
pub(crate) fn tell_ahead(progress: Progress, ahead: &Ahead) {
    let count = |kind: Kind| ahead.of_kind(kind).count();
    let asked = ahead.of_kind(Kind::Comes);
    let can_be_set = asked.filter(|one| one.about.as_ref().is_some_and(|it| it.prompt.is_some()));
    progress.say(format!(
        "from {} to {}: {} symbols renamed, {} asked for come out otherwise, {} come in and {} go \
         unasked ({} that come in could be turned off)",
        ahead.from.name,
        ahead.to.name,
        count(Kind::Renamed),
        count(Kind::Asked),
        count(Kind::Comes),
        count(Kind::Goes),
        can_be_set.count(),
    ));
    for new in &ahead.new_options {
        progress.say(format!(
            "{} is new, {} by default and off here: {}",
            new.symbol,
            new.default,
            new.about.prompt.as_deref().unwrap_or_default()
        ));
    }
    for proposal in &ahead.proposals {
        let what = match &proposal.renamed_to {
            Some(to) => format!("seems to be {} now", to.name),
            None => "is gone".to_owned(),
        };
        warn(
            progress,
            format!(
                "{}: {} {what}, and history.toml does not say so",
                proposal.asked.first().map(ToString::to_string).unwrap_or_default(),
                proposal.symbol
            ),
        );
    }
    for Tried { patch, of, fit } in &ahead.patches {
        if let Fit::Unfit(said) = fit {
            warn(progress, format!("patch {patch} of {of} does not apply: {said}"));
        }
    }
    if !ahead.is_fine() {
        let findings: usize = ahead.lists.iter().map(|list| list.findings.len()).sum();
        let breaches = ahead.lists.iter().flat_map(|list| &list.breaches);
        let breaches = breaches.filter(|one| Breach::is_refused(one)).count();
        let unfit = ahead.unfit().count();
        complain(
            progress,
            &format!(
                "nothing was built: {findings} symbols are not as asked, {breaches} capabilities \
                 break, {unfit} patches do not apply"
            ),
        );
    }
}

/// Says whether the kernels do.
pub(crate) fn tell_proven(progress: Progress, proven: &Proven) {
    let passed = proven.boots.iter().filter(|boot| boot.passed).count();
    progress.say(format!(
        "{passed} of {} boots passed, {} kernels measured",
        proven.boots.len(),
        proven.now.len()
    ));
    if !proven.failures.is_empty() {
        complain(progress, "not all was done: the next run goes on with what is left");
    }
    let grown = proven.grown();
    if grown > 0 && !proven.growth_allowed {
        let cyan = style(AnsiColor::Cyan);
        let (figures, them) = match grown {
            1 => ("1 figure is past its budget".to_owned(), "it"),
            more => (format!("{more} figures are past their budgets"), "them"),
        };
        complain(progress, &figures);
        progress.complain(format!(
            "{cyan}hint{cyan:#}: --allow-growth takes {them}; nothing is built or measured again for that"
        ));
    }
}

fn complain(progress: Progress, text: &str) {
    let red = style(AnsiColor::Red);
    progress.complain(format!("{red}error{red:#}: {text}"));
}
