//! What `check --want` and `--fix` answer, in words.

use std::fmt::Write as _;

use anstyle::AnsiColor;

use super::{cause_text, hint_for_unknown, style};
use crate::edit::Edit;
use crate::fragment::config_line;
use crate::progress::Progress;
use crate::resolve::{Cause, Excluded, Mended};
use crate::source::KernelVersion;

/// What was found for one kernel.
pub(crate) struct Answered<'a> {
    pub kernel: &'a str,
    pub version: &'a KernelVersion,
    pub mended: &'a [Mended],
}

/// The answers of all kernels; those that are the same once. The lines themselves are not in it where
/// a diff of the fragments follows.
pub(crate) fn mended_text(all: &[Answered<'_>], diff_follows: bool) -> String {
    let mut texts: Vec<(String, Vec<String>)> = vec![];
    for one in all {
        let kernel = format!("{} on Linux {}", one.kernel, one.version);
        let text = answer(one, diff_follows);
        match texts.iter_mut().find(|(known, _)| *known == text) {
            Some((_, kernels)) => kernels.push(kernel),
            None => texts.push((text, vec![kernel])),
        }
    }
    let is_one = texts.len() == 1;
    texts.retain(|(text, _)| !text.is_empty());
    let told = |(text, kernels): (String, Vec<String>)| match is_one {
        true => text,
        false => format!("{}:\n{text}", kernels.join(", ")),
    };
    texts.into_iter().map(told).collect()
}

fn answer(one: &Answered<'_>, diff_follows: bool) -> String {
    let mut text = String::new();
    let (found, others): (Vec<&Mended>, Vec<&Mended>) =
        one.mended.iter().partition(|one| one.edits.is_some());
    let found = found.into_iter().filter(|_| !diff_follows);
    let (there, found): (Vec<&Mended>, Vec<&Mended>) =
        found.partition(|one| one.edits.as_ref().is_some_and(Vec::is_empty));
    // What needs no lines of its own may need those of another.
    let (there, found) =
        if found.is_empty() { (there, found) } else { (vec![], [found, there].concat()) };
    for one in there {
        let _ = writeln!(text, "{} comes out already", line(one));
    }
    if let Some((last, before)) = found.split_last() {
        let names: Vec<String> = before.iter().map(|one| line(one)).collect();
        let _ = match names.is_empty() {
            true => writeln!(text, "{} comes out with", line(last)),
            false => writeln!(text, "{} and {} come out with", names.join(", "), line(last)),
        };
        for edit in found.iter().filter_map(|one| one.edits.as_ref()).flatten() {
            let _ = writeln!(text, "  {}", edit_text(edit));
        }
    }
    let lost: Vec<&Excluded> = found.iter().flat_map(|one| &one.excludes).collect();
    if !lost.is_empty() {
        text.push_str("and these lines no longer do\n");
        for one in lost {
            let _ = writeln!(text, "  {}", excluded_text(one));
        }
    }
    for one in others {
        text += &not_found(one);
    }
    text
}

/// A wanted symbol for which there is no way.
fn not_found(mended: &Mended) -> String {
    let line = line(mended);
    if !mended.excludes.is_empty() {
        let mut text = String::new();
        for one in &mended.excludes {
            let _ = writeln!(text, "{line} and {} exclude each other", excluded_text(one));
        }
        return text;
    }
    match &mended.cause {
        Some(cause @ Cause::Unknown { .. }) => {
            let hint = hint_for_unknown(&mended.symbol, cause);
            format!("{line}: there is no such symbol; {hint}\n")
        }
        Some(cause) => {
            format!("{line}: nothing was found that makes it come out: {}\n", cause_text(cause))
        }
        None => format!("{line}: no lines were found that make it come out\n"),
    }
}

fn line(mended: &Mended) -> String {
    config_line(&mended.symbol, &mended.wanted)
}

/// A line, and where it goes.
pub(crate) fn edit_text(edit: &Edit) -> String {
    let Edit { at, replaces, text, .. } = edit;
    match (replaces, text.is_empty()) {
        (true, true) => format!("without {at}"),
        (true, false) => format!("{text} (in place of {at})"),
        (false, _) => format!("{text} ({})", at.path),
    }
}

/// A request that excludes another one, and whose it is.
pub(crate) fn excluded_text(excluded: &Excluded) -> String {
    let Excluded { line, place, capability } = excluded;
    match (place, capability) {
        (Some(place), _) => format!("{line} ({place})"),
        (None, Some(capability)) => format!("{line} (for {capability} of the contract)"),
        (None, None) => line.clone(),
    }
}

/// Lines that keep their names, since a kernel knows no other.
pub(crate) fn stays_text(stays: &[(Edit, String)]) -> String {
    let mut text = String::new();
    for (edit, linux) in stays {
        let name = match edit.text.is_empty() {
            true => "another line asks for the same by its new name".to_owned(),
            false => format!("{} is the new name", edit.text),
        };
        let _ = writeln!(
            text,
            "{} stays as it is: {name}, but Linux {linux} has only the old one, and no history.toml of the \
             conf dir translates",
            edit.at
        );
    }
    text
}

/// Says which kernels were worse with the changed fragments, and by what.
pub(crate) fn tell_taken_back(progress: Progress, worse: &[(String, Vec<String>)]) {
    let red = style(AnsiColor::Red);
    for (kernel, lost) in worse {
        let lost = lost.join(", ");
        progress.complain(format!("{red}error{red:#}: {kernel} loses {lost} by that"));
    }
    progress.complain("the fragments are as they were");
}
