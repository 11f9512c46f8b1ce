//! A refresh for a pull request: what the new source means, and what its kernels showed.

use std::fmt::Write as _;

use super::changes::notes;
use super::grid::{self, Grid};
use super::grown;
use super::markdown::piped;
use super::picture::picture;
use crate::boot::{BootRecord, Outcome};
use crate::diag::{because, cause_text};
use crate::fragment::config_line;
use crate::measure::{Change as Figured, Clock, FIGURES, Figure, Measurement};
use crate::refresh::{Ahead, Change, Kind, NewOption, Outlook, Proposal, Proven, Refreshed};
use crate::resolve::{About, At, Breach, On};
use crate::source::{Fit, Tried};

/// The whole report. `picture` is the file beside it.
pub(crate) fn refreshed(refreshed: &Refreshed, picture: Option<&str>) -> String {
    let Refreshed { from, to, ahead, proven } = refreshed;
    let mut text = format!(
        "# Guest kernels: from {} to {}\n\nWritten by `cargo xtask refresh --from {} --to {}`. {}\n",
        linux(ahead.from.on.as_ref()),
        linux(ahead.to.on.as_ref()),
        from.name,
        to.name,
        verdict(refreshed),
    );
    let _ = write!(text, "\n{}", piped(&sources(refreshed)));
    let _ = write!(text, "\n## The lists\n\n{}", piped(&lists(ahead)));
    missing(&mut text, ahead);
    proposals(&mut text, ahead);
    symbols(&mut text, ahead);
    patches(&mut text, ahead);
    if let Some(proven) = proven {
        boots(&mut text, proven);
        figures(&mut text, refreshed, proven, picture);
    }
    text
}

/// Bars of both sources' kernels, side by side.
pub(crate) fn refreshed_picture(refreshed: &Refreshed) -> Option<String> {
    let Proven { before, now, .. } = refreshed.proven.as_ref()?;
    let of = |one: &Measurement, source: &str, old: bool| Measurement {
        name: format!("{}, {source}", one.name),
        peer: old,
        ..one.clone()
    };
    let mut bars = vec![];
    for now in now {
        let old = before.iter().filter(|old| old.name == now.name);
        bars.extend(old.map(|old| of(old, &refreshed.from.name, true)));
        bars.push(of(now, &refreshed.to.name, false));
    }
    (!bars.is_empty()).then(|| picture(&bars))
}

fn linux(on: Option<&On>) -> String {
    on.map(|on| format!("Linux {}", on.linux)).unwrap_or_default()
}

fn verdict(refreshed: &Refreshed) -> String {
    let ahead = match refreshed.ahead.is_fine() {
        true => "Every requested value is set, and the contract is kept",
        false => "Not all is as it has to be",
    };
    match &refreshed.proven {
        None => format!("{ahead}; no kernel was built."),
        Some(proven) => {
            let (boots, passed) = (&proven.boots, proven.boots.iter().filter(|boot| boot.passed));
            let grown = match (proven.grown(), proven.growth_allowed) {
                (0, _) => "no figure is past its budget".to_owned(),
                (1, true) => "1 figure is past its budget, and accepted".to_owned(),
                (many, true) => format!("{many} figures are past their budgets, and accepted"),
                (many, false) => format!("{many} figures are past their budgets"),
            };
            let boots = format!("{} of {} boots passed", passed.count(), boots.len());
            format!("{ahead}; {boots}; {grown}.")
        }
    }
}

fn sources(refreshed: &Refreshed) -> Grid {
    let row = |what: &str, of: &vmm_kernel::SourceRecord| {
        let patches: Vec<&str> = of.patches.iter().map(|one| patch_name(one)).collect();
        vec![what.to_owned(), of.name.clone(), of.version.clone(), patches.join(", ")]
    };
    let rows = vec![row("from", &refreshed.from), row("to", &refreshed.to)];
    Grid { header: ["", "SOURCE", "VERSION", "PATCHES"].map(str::to_owned).into(), rows }
}

/// "vsock-reuseport" of "0001-vsock-reuseport.patch@<sha256>"
fn patch_name(record: &str) -> &str {
    let name = record.split(".patch@").next().unwrap_or(record);
    name.trim_start_matches(|c: char| c.is_ascii_digit()).trim_start_matches('-')
}

fn lists(ahead: &Ahead) -> Grid {
    let header =
        ["KERNEL", "REQUESTED", "TRANSLATED", "NOT AS ASKED", "BROKEN", "COMES IN", "GOES"];
    let row = |list: &Outlook| {
        let of_kind = |kind| {
            let with_it = |change: &&Change| change.kernels.contains(&list.kernel);
            ahead.of_kind(kind).filter(with_it).count()
        };
        let broken = list.breaches.iter().filter(|one| one.is_refused()).count();
        let counts = [
            list.requested,
            list.notes.len(),
            list.findings.len(),
            broken,
            of_kind(Kind::Comes),
            of_kind(Kind::Goes),
        ];
        let counts = counts.map(|count| count.to_string());
        std::iter::once(list.kernel.clone()).chain(counts).collect()
    };
    Grid { header: header.map(str::to_owned).into(), rows: ahead.lists.iter().map(row).collect() }
}

/// What keeps kernels from being made.
fn missing(text: &mut String, ahead: &Ahead) {
    let mut rows: Vec<Vec<String>> = vec![];
    for list in &ahead.lists {
        for finding in &list.findings {
            let mended = list.mended.iter().find(|one| one.symbol == finding.symbol);
            let edits = mended.and_then(|one| one.edits.as_ref()).into_iter().flatten();
            let mended: Vec<String> =
                edits.map(|edit| format!("{} ({})", edit.text, edit.at.path)).collect();
            push(
                &mut rows,
                [
                    config_line(&finding.symbol, &finding.asked),
                    finding.place.to_string(),
                    finding.got.clone(),
                    cause_text(&finding.cause),
                    mended.join("; "),
                ],
            );
        }
    }
    section(
        text,
        "Lines that do not come out",
        &["LINE", "AT", "COMES OUT AS", "BECAUSE", "MENDED BY"],
        rows,
    );
    let mut rows = vec![];
    for (list, breach) in
        ahead.lists.iter().flat_map(|list| list.breaches.iter().map(move |one| (list, one)))
    {
        let Breach { capability, level, reason, needs, .. } = breach;
        let level = format!("{level:?}").to_lowercase();
        push(
            &mut rows,
            [capability.clone(), level, list.kernel.clone(), needs.join("; "), reason.clone()],
        );
    }
    section(
        text,
        "Broken of the contract",
        &["CAPABILITY", "LEVEL", "KERNEL", "NEEDS", "WITHOUT IT"],
        rows,
    );
}

/// Each row once.
fn push<const N: usize>(rows: &mut Vec<Vec<String>>, row: [String; N]) {
    let row = row.to_vec();
    if !rows.contains(&row) {
        rows.push(row);
    }
}

/// Nothing where there are no rows.
fn section(text: &mut String, title: &str, header: &[&str], rows: Vec<Vec<String>>) {
    if !rows.is_empty() {
        let header = header.iter().map(|&title| title.to_owned()).collect();
        let _ = write!(text, "\n### {title}\n\n{}", piped(&Grid { header, rows }));
    }
}

fn proposals(text: &mut String, ahead: &Ahead) {
    if !ahead.proposals.is_empty() {
        text.push_str(
            "\n### What history.toml does not say\n\nThese are asked for, in the old tree and not in the \
             new one. A new name is a guess by its prompt; of what is gone, find out with which version \
             it went, and what does its work now.\n\n```toml\n",
        );
        let entries: Vec<String> = ahead.proposals.iter().map(Proposal::entry).collect();
        let _ = writeln!(text, "{}```", entries.join("\n"));
    }
    if !ahead.needless_history.is_empty() {
        let names = ahead.needless_history.join(", ");
        let _ = write!(
            text,
            "\n### What history.toml need not say any more\n\nEach pinned tree has these: {names}.\n"
        );
    }
}

fn symbols(text: &mut String, ahead: &Ahead) {
    text.push_str("\n## The symbols\n");
    if !ahead.compared {
        text.push_str(
            "\nNot all could be compared: Kconfig files say what this tool does not know, and the tree's own conf \
             resolved them.\n",
        );
    }
    let can_be_set = |one: &&Change| one.about.as_ref().is_some_and(|it| it.prompt.is_some());
    let (comes, brought): (Vec<_>, Vec<_>) = ahead.of_kind(Kind::Comes).partition(can_be_set);
    let stays = |one: &&Change| can_be_set(one) && !one.is_gone();
    let (goes, gone): (Vec<_>, Vec<_>) = ahead.of_kind(Kind::Goes).partition(stays);
    let introduced = |one: &&Change| {
        let About { prompt, place, help } = one.about.clone()?;
        let about = [prompt.unwrap_or_default(), help.unwrap_or_default(), place.to_string()];
        let [symbol, _, now, why, kernels] = cells(ahead, one);
        Some([&[symbol, now], &about[..], &[why, kernels]].concat())
    };
    section(
        text,
        "On though no line asks, and a line could turn them off",
        &["SYMBOL", "VALUE", "PROMPT", "HELP", "AT", "BECAUSE", "KERNELS"],
        comes.iter().filter_map(introduced).collect(),
    );
    section(
        text,
        "New, on by default, and off here: a line could turn them on",
        &["SYMBOL", "DEFAULT", "PROMPT", "HELP", "AT", "KERNELS"],
        ahead.new_options.iter().map(|one| new_option(ahead, one)).collect(),
    );
    let asked = ahead.of_kind(Kind::Asked).collect();
    let values = ahead.of_kind(Kind::Value).collect();
    for (title, changes) in [
        ("Asked for, and otherwise than before", asked),
        ("Off now, though on before without a line: a line could bring them back", goes),
        ("Other values that nobody asks for", values),
    ] {
        let changes: Vec<&Change> = changes;
        let rows = changes.iter().map(|one| cells(ahead, one).to_vec()).collect();
        section(text, title, &["SYMBOL", "BEFORE", "NOW", "BECAUSE", "KERNELS"], rows);
    }
    let line = |one: &&Change| {
        let [symbol, before, now, why, kernels] = cells(ahead, one);
        format!("{symbol}: {before} → {now} in {kernels}: {why}")
    };
    let renamed = ahead.of_kind(Kind::Renamed).filter(|one| one.difference.b.value.is_some());
    let renamed: Vec<&Change> = renamed.collect();
    for (title, changes) in [
        ("Called otherwise, as history.toml has it", renamed),
        ("Come in with what is on: no line can set them", brought),
        ("Go with what is off, or are not in the new tree", gone),
    ] {
        folded(text, title, &changes.iter().map(line).collect::<Vec<_>>());
    }
}

fn new_option(ahead: &Ahead, one: &NewOption) -> Vec<String> {
    let NewOption { symbol, default, about, kernels } = one;
    let About { prompt, place, help } = about.clone();
    let (prompt, help) = (prompt.unwrap_or_default(), help.unwrap_or_default());
    [symbol.clone(), default.clone(), prompt, help, place.to_string(), in_short(kernels, ahead)]
        .into()
}

/// Symbol, value before and now, reason, kernels.
fn cells(ahead: &Ahead, change: &Change) -> [String; 5] {
    let Change { difference, kernels, .. } = change;
    let value = |at: &At| at.value.clone().unwrap_or_else(|| "n".to_owned());
    [
        difference.symbol.clone(),
        value(&difference.a),
        value(&difference.b),
        because((&ahead.from, &ahead.to), difference),
        in_short(kernels, ahead),
    ]
}

/// What few want to read.
fn folded(text: &mut String, title: &str, lines: &[String]) {
    if !lines.is_empty() {
        let _ = write!(
            text,
            "\n<details><summary>{title} ({})</summary>\n\n- {}\n\n</details>\n",
            lines.len(),
            lines.join("\n- ")
        );
    }
}

/// "all", or those of an arch or a type in one word.
fn in_short(names: &[String], ahead: &Ahead) -> String {
    let all: Vec<&String> = ahead.lists.iter().map(|list| &list.kernel).collect();
    let is_all_of = |word: &str| {
        let of: Vec<_> =
            all.iter().filter(|name| name.split('-').any(|part| part == word)).collect();
        of.len() == names.len() && of.iter().all(|name| names.contains(name))
    };
    if names.len() == all.len() {
        return "all".to_owned();
    }
    let words = ["x86_64", "aarch64", "micro", "mini"];
    let word = words.into_iter().find(|word| is_all_of(word));
    word.map_or_else(|| names.join(", "), |word| format!("all of {word}"))
}

fn patches(text: &mut String, ahead: &Ahead) {
    if ahead.patches.is_empty() {
        return;
    }
    let row = |Tried { patch, of, fit }: &Tried| {
        let how = match fit {
            Fit::Exact => "applies".to_owned(),
            Fit::Moved(hunks) => format!("applies, and has moved: {}", hunks.join("; ")),
            Fit::There => "is in the tree already".to_owned(),
            Fit::Unfit(said) => format!("**does not apply**: {said}"),
        };
        vec![patch.clone(), of.clone(), how]
    };
    let header = ["PATCH", "OF", "ON THE NEW TREE"].map(str::to_owned).into();
    let grid = Grid { header, rows: ahead.patches.iter().map(row).collect() };
    let _ = write!(text, "\n## The patches\n\n{}", piped(&grid));
}

fn boots(text: &mut String, proven: &Proven) {
    let header =
        ["KERNEL", "LINUX", "ON", "PASS", "FAIL", "SKIP", "VERDICT"].map(str::to_owned).into();
    let row = |boot: &BootRecord| {
        let count = |outcome: Outcome| {
            boot.checks.iter().filter(|one| one.result.outcome == outcome).count().to_string()
        };
        let machine = format!("{}, {}", boot.machine, boot.accelerator.name.name());
        let verdict = if boot.passed { "passed" } else { "**failed**" };
        vec![
            format!("{}-{}-{}", boot.kernel_type, boot.arch, boot.hypervisor),
            boot.kernel_release.clone().unwrap_or_default(),
            machine,
            count(Outcome::Pass),
            count(Outcome::Fail),
            count(Outcome::Skip),
            format!("{verdict}: {}", boot.reason.replace('\n', " ")),
        ]
    };
    let grid = Grid { header, rows: proven.boots.iter().map(row).collect() };
    let _ = write!(text, "\n## The boots\n\n{}", piped(&grid));
    for failure in &proven.failures {
        let _ = write!(text, "\n- {}\n", failure.replace('\n', " "));
    }
}

fn figures(text: &mut String, refreshed: &Refreshed, proven: &Proven, picture: Option<&str>) {
    let Some(comparison) = &proven.comparison else { return };
    let names: Vec<&String> = proven.now.iter().map(|one| &one.name).collect();
    let change = |figure: Figure, name: &String| {
        comparison.changes.iter().find(|one| one.figure == figure && one.kernel == *name)
    };
    let row = |figure: Figure, title: &str| {
        let cells = names.iter().map(|name| change(figure, name).map(figured).unwrap_or_default());
        std::iter::once(title.to_owned()).chain(cells).collect()
    };
    let known = |figure: Figure| comparison.changes.iter().any(|one| one.figure == figure);
    let facts = FIGURES.iter().filter(|facts| known(facts.figure));
    let rows = facts.map(|facts| row(facts.figure, facts.title)).collect();
    let header = std::iter::once(String::new()).chain(names.iter().map(|name| (*name).clone()));
    let grid = Grid { header: header.collect(), rows };
    let _ = write!(
        text,
        "\n## The figures\n\nFrom {} to {}, and by how much it is multiplied; bold is past its budget.\n\n{}\n",
        refreshed.from.name,
        refreshed.to.name,
        piped(&grid)
    );
    if let Some(picture) = picture {
        let _ = writeln!(text, "![Bars of the same figures]({picture})\n");
    }
    let notes = notes(comparison);
    let _ = writeln!(text, "- {}\n\n{}", notes.join("\n- "), grid::LEGEND);
    if !proven.growth.is_empty() {
        let _ = write!(
            text,
            "\n## What grew\n\nBytes of the image before it is packed, by the symbol that brings the objects in. \
             `cargo xtask size {} {}` has it by folder and by object.\n\n{}",
            refreshed.from.name,
            refreshed.to.name,
            piped(&grown::grid(&proven.growth))
        );
    }
}

/// "2,905,088 → 2,487,296 (0.856)"
fn figured(change: &Figured) -> String {
    let Figured { figure, before, now, over, .. } = change;
    // Only figures of one clock are compared, and each unit tells it.
    let shown = |value: u64| grid::value(*figure, value, Clock::Instructions);
    let ratio = *now as f64 / (*before).max(1) as f64;
    let text = format!("{} → {} ({ratio:.3})", shown(*before), shown(*now));
    if *over { format!("**{text}**") } else { text }
}
