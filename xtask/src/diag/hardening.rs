//! What kernels do without of what is recommended for hardening, in words.

use std::fmt::Write as _;

use anstyle::AnsiColor;
use comfy_table::presets::NOTHING;
use comfy_table::{ContentArrangement, Table};

use super::style;
use super::tell::warn;
use crate::progress::Progress;
use crate::resolve::{Deviation, Is, Stale};

/// Deviations that differ in their kernel only.
struct Alike<'a>(Vec<&'a Deviation>);

/// In the order in which the first of them was found.
fn alike(all: &[Deviation]) -> Vec<Alike<'_>> {
    let mut groups: Vec<Alike<'_>> = vec![];
    for one in all {
        let same = |group: &&mut Alike<'_>| {
            let known = group.0[0];
            (&known.recommendation, &known.at_fault, &known.place)
                == (&one.recommendation, &one.at_fault, &one.place)
        };
        match groups.iter_mut().find(same) {
            Some(group) => group.0.push(one),
            None => groups.push(Alike(vec![one])),
        }
    }
    groups
}

impl Alike<'_> {
    /// `all`, `all on` the trees where it is so, or a line for each kernel.
    fn kernels(&self, looked_at: &[(String, String)]) -> String {
        let here = |linux: &str| self.0.iter().filter(|one| one.linux == linux).count();
        let there = |linux: &str| looked_at.iter().filter(|(_, known)| known == linux).count();
        let trees = distinct(self.0.iter().map(|one| one.linux.as_str()));
        if self.0.len() == looked_at.len() {
            return "all".to_owned();
        }
        if trees.iter().all(|linux| here(linux) == there(linux)) {
            return format!("all on {}", trees.join(", "));
        }
        let line = |one: &&Deviation| {
            let same = looked_at.iter().filter(|(known, _)| *known == one.kernel).count();
            let here = self.0.iter().filter(|other| other.kernel == one.kernel).count();
            let tree = if here == same { String::new() } else { format!(" on {}", one.linux) };
            format!("{}{tree}", one.kernel)
        };
        let lines: Vec<String> = self.0.iter().map(line).collect();
        distinct(lines.iter().map(String::as_str)).join("\n")
    }

    fn is(&self) -> Vec<String> {
        let is = |Is { symbol, value }: &Is| format!("{symbol} is {value}");
        self.0[0].at_fault.iter().map(is).collect()
    }
}

/// Each once, in their order.
fn distinct<'a>(all: impl Iterator<Item = &'a str>) -> Vec<&'a str> {
    let mut found = vec![];
    for one in all {
        if !found.contains(&one) {
            found.push(one);
        }
    }
    found
}

/// Columns that a terminal and a log have.
const WIDTH: u16 = 120;

/// `kernels` are those that were looked at, with the versions of their trees.
pub(crate) fn hardening_table(all: &[Deviation], kernels: &[(String, String)]) -> String {
    let mut table = Table::new();
    table.load_preset(NOTHING).set_content_arrangement(ContentArrangement::Dynamic);
    table.set_width(WIDTH).set_header(["KERNEL", "RECOMMENDATION", "REASON"]);
    for group in alike(all) {
        let Deviation { recommendation, reason, .. } = group.0[0];
        let reason = reason.as_deref().unwrap_or("none is given");
        let name = std::iter::once(recommendation.clone()).chain(group.is());
        let name = name.collect::<Vec<_>>().join("\n  ");
        table.add_row([&group.kernels(kernels), &name, reason]);
    }
    table.trim_fmt()
}

/// Says which deviations have no reason, and which reasons no deviation.
pub(crate) fn tell_hardening(
    progress: Progress,
    all: &[Deviation],
    stale: &[Stale],
    kernels: &[(String, String)],
) {
    let unexplained = alike(all).into_iter().filter(|group| group.0[0].reason.is_none());
    for group in unexplained {
        progress.complain(unexplained_text(&group, kernels).trim_end());
    }
    for Stale { recommendation, place, linux } in stale {
        let linux = linux.join(" and ");
        let text = format!(
            "{place}: the reason is stale: each kernel it is for follows {recommendation} on Linux {linux}"
        );
        warn(progress, text);
    }
    let names = distinct(all.iter().map(|one| one.recommendation.as_str()));
    let count = |name: &str| all.iter().filter(|one| one.recommendation == name).count();
    let everywhere = names.iter().filter(|name| count(name) == kernels.len()).count();
    let some = names.len();
    progress
        .say(format!("not followed: {some} recommendations, {everywhere} of them by no kernel"));
}

fn unexplained_text(group: &Alike<'_>, kernels: &[(String, String)]) -> String {
    let Deviation { recommendation, gives, source, needs, .. } = group.0[0];
    let (red, cyan) = (style(AnsiColor::Red), style(AnsiColor::Cyan));
    let bold = anstyle::Style::new().bold();
    let mut text = format!(
        "{red}error{red:#}{bold}: no reason is given to do without {recommendation}{bold:#}\n"
    );
    let _ = writeln!(text, "  {}", group.kernels(kernels).replace('\n', ", "));
    let _ = writeln!(text, "  {gives} ({source})");
    let _ = writeln!(text, "  needs {needs}");
    for is in group.is() {
        let _ = writeln!(text, "    {is}");
    }
    let _ = writeln!(
        text,
        "{cyan}hint{cyan:#}: follow it, or say in hardening.toml what it would cost and why a guest can do without"
    );
    text
}
