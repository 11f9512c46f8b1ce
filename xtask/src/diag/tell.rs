//! What a run says on the way: what it chose, what came of the requested symbols, what it made.

use std::time::Duration;

use anstyle::AnsiColor;
use anyhow::Result;
use camino::Utf8Path;
use comfy_table::Table;
use comfy_table::presets::NOTHING;
use kconfig::Problem;
use similar::TextDiff;
use vmm_kernel::Choice;

use super::finding::{cause_text, finding_text, needless_text};
use super::kconfig::problem_text;
use super::{BadInput, style};
use crate::edit::Edited;
use crate::fragment::{self, Place, config_line};
use crate::history::Past;
use crate::plan::{OVERLAYS, Plan, Target};
use crate::progress::Progress;
use crate::resolve::{Finding, Kconfig, Lost, Merged, Needless, Note, Resolved};
use crate::source::KernelVersion;
use crate::toolchain::Toolchain;
use crate::workspace::Workspace;

/// Prints a result on stdout. A reader that has gone away is no error.
pub(crate) fn print_result(text: &str) -> Result<()> {
    use std::io::Write;
    match writeln!(anstream::stdout(), "{}", text.trim_end()) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => Err(error.into()),
        _ => Ok(()),
    }
}

pub(super) fn warn(progress: Progress, text: impl std::fmt::Display) {
    let yellow = style(AnsiColor::Yellow);
    progress.complain(format!("{yellow}warning{yellow:#}: {text}"));
}

/// Says what was chosen and why, and which config file wants something else.
pub(crate) fn tell_plan(progress: Progress, plan: &Plan) {
    tell_choices(progress, &plan.choices);
    for warning in &plan.warnings {
        let place = format!("{}:{}", warning.path, warning.line);
        warn(progress, format!("{place}: {}; put there: {}", warning.message, warning.replacement));
    }
}

pub(crate) fn tell_choices(progress: Progress, choices: &[Choice]) {
    for choice in choices {
        progress.say(format!("{} {}: {}", choice.what, choice.value, choice.reason));
    }
}

pub(crate) fn plan_table(plan: &Plan) -> String {
    let mut table = Table::new();
    table.load_preset(NOTHING);
    table.set_header(["ARCH", "TYPE", "HYPERVISOR", "MACHINE", "BUS", "FORMAT", "LIST", "IMAGE"]);
    for target in &plan.targets {
        table.add_row([
            target.arch.to_string(),
            target.kernel_type.to_string(),
            target.hypervisor.clone(),
            target.machine.clone().unwrap_or_else(|| "-".to_owned()),
            target.bus.to_string(),
            target.format.to_string(),
            list_and_overlay(target),
            target.stage.to_string(),
        ]);
    }
    table.trim_fmt()
}

fn list_and_overlay(target: &Target) -> String {
    let overlay = target.overlay.as_ref().map(|overlay| format!(" + {overlay}"));
    format!("{}{}", target.list, overlay.unwrap_or_default())
}

pub(crate) fn tell_no_overlay(
    progress: Progress,
    dir: &Utf8Path,
    overlay: &Utf8Path,
    target: &Target,
) {
    let text =
        format!("{dir} has no {overlay}.conf, so nothing is added for {}", target.hypervisor);
    warn(progress, text);
}

/// Names the fragments that no kernel has.
pub(crate) fn tell_unread(progress: Progress, workspace: &Workspace, conf_dir: &Utf8Path) {
    let dir = workspace.shown(conf_dir);
    let (overlays, others): (Vec<_>, Vec<_>) = fragment::unread(workspace, conf_dir)
        .into_iter()
        .partition(|path| path.starts_with(OVERLAYS));
    for overlay in overlays {
        let known = workspace.hypervisors().join(", ");
        let text = format!(
            "{} is no hypervisor's overlay, so nothing reads it: it has to be called by a hypervisor's name ({known}), \
             or that with -ARCH behind it",
            dir.join(overlay)
        );
        warn(progress, text);
    }
    if !others.is_empty() {
        let others: Vec<String> = others.iter().map(|path| dir.join(path).to_string()).collect();
        progress.say(format!("note: no list names {}, so no kernel has it", others.join(", ")));
    }
}

/// Says once which linker is taken for an arch and why, where another one would make smaller kernels.
pub(crate) fn tell_compromise(progress: Progress, toolchain: &Toolchain) {
    if let Some(why) = &toolchain.compromise {
        let (arch, linker) = (toolchain.arch, toolchain.gnu("ld"));
        let setup = format!("cargo xtask setup --arch {arch} --source NAME");
        progress.say_once(format!(
            "kernels for {arch} are linked by {linker}: {why}; `{setup}` installs a newer LLD if the \
             distribution has one"
        ));
    }
}

/// Says what became of the requests: translations, then all that did not come out.
pub(crate) fn tell_resolved(
    progress: Progress,
    name: &str,
    version: &KernelVersion,
    requested: usize,
    resolved: &Resolved,
) {
    for note in &resolved.notes {
        match &note.past {
            Past::Undefended { .. } => warn(progress, note_text(note, version)),
            _ => progress.say(format!("note: {}", note_text(note, version))),
        }
    }
    if resolved.findings.is_empty() {
        progress.say(format!("resolved {name}: {requested} symbols as asked on Linux {version}"));
        return;
    }
    tell_findings(progress, name, version, requested, &resolved.findings);
}

fn tell_findings(
    progress: Progress,
    name: &str,
    version: &KernelVersion,
    requested: usize,
    findings: &[Finding],
) {
    for finding in findings {
        progress.complain(finding_text(finding));
        if std::env::var_os("GITHUB_ACTIONS").is_some() {
            progress.complain(annotation(finding));
        }
    }
    let missing = findings.len();
    progress.complain(format!(
        "{missing} of {requested} symbols of {name} are not as asked on Linux {version}"
    ));
}

/// A finding as GitHub's runners take it, to be shown beside the line of the fragment.
fn annotation(finding: &Finding) -> String {
    let Place { path, line } = &finding.place;
    let asked = config_line(&finding.symbol, &finding.asked);
    let text = format!("{asked} resolves to {}: {}", finding.got, cause_text(&finding.cause));
    // A line is all that a command has; a % begins an escape.
    let text = text.replace('%', "%25").replace('\n', "%0A");
    format!("::error file={path},line={line}::{text}")
}

/// Needless lines that are drawn; lists that were made from a whole `.config` have hundreds.
const MOST_NEEDLESS: usize = 10;

/// Says which lines change nothing, with how many kernels ask for them.
pub(crate) fn tell_needless(progress: Progress, all: &[(&Needless, usize)]) {
    for (needless, kernels) in all.iter().take(MOST_NEEDLESS) {
        progress.say(needless_text(needless, *kernels));
        if std::env::var_os("GITHUB_ACTIONS").is_some() {
            let Place { path, line } = &needless.place;
            progress.say(format!("::notice file={path},line={line}::this changes nothing"));
        }
    }
    if all.len() > MOST_NEEDLESS {
        let more = all.len() - MOST_NEEDLESS;
        progress.say(format!("{more} more lines change nothing; --format json has them all"));
    }
}

fn note_text(note: &Note, version: &KernelVersion) -> String {
    let Note { symbol, place, past } = note;
    match past {
        Past::Called(older) => format!("{place}: {symbol} is called {older} in this tree"),
        Past::Opposite(older) => {
            format!("{place}: {symbol} is asked for as its opposite, {older}, in this tree")
        }
        Past::Undefended { release, against } => format!(
            "{place}: Linux {version} has no {symbol}, a defence against {against}: {release} has it"
        ),
        Past::Inherited(heir) => format!(
            "{place}: {symbol} is transitional in this tree, kept for old .config files only: {heir} inherits its value"
        ),
        Past::CameWith(version) => format!("{place}: {symbol} is left out, it came with {version}"),
        Past::WentWith(version) => format!("{place}: {symbol} is left out, it went with {version}"),
        Past::LeftByTools { needs, cost } => {
            format!("{place}: {symbol} is not set, since these tools lack {needs}: {cost}")
        }
    }
}

/// Shows what changes in fragments.
pub(crate) fn tell_edited(progress: Progress, edited: &[Edited]) {
    for edited in edited {
        progress.say(diff(edited).trim_end());
    }
}

/// A file's edits as a unified diff.
pub(crate) fn diff(Edited { path, before, after }: &Edited) -> String {
    let name = path.as_str().trim_start_matches('/');
    let (old, new) = (format!("a/{name}"), format!("b/{name}"));
    let diff = TextDiff::from_lines(before, after);
    diff.unified_diff().context_radius(2).header(&old, &new).to_string()
}

/// Says what became of the lines of `name`, which are the files that a `.config` was made of; a `.config`
/// that has them all needs no word.
pub(crate) fn tell_merged(
    progress: Progress,
    name: &str,
    linux: &KernelVersion,
    kconfig: &Kconfig,
    merged: &Merged,
) {
    tell_bad_lines(progress, kconfig, &merged.bad);
    tell_lost(progress, &merged.lost);
    if !merged.findings.is_empty() {
        tell_findings(progress, name, linux, merged.requested, &merged.findings);
    }
}

/// Says which lines of a `.config` conf does not understand.
pub(crate) fn tell_bad_lines(progress: Progress, kconfig: &Kconfig, bad: &[(Place, Problem)]) {
    for (place, problem) in bad {
        warn(progress, format!("{place}: {}", problem_text(kconfig, problem)));
    }
}

/// Says which values of a `.config` went nowhere.
fn tell_lost(progress: Progress, lost: &[Lost]) {
    for Lost { symbol, value, heir } in lost {
        let (line, new) = (config_line(symbol, value), config_line(heir, value));
        warn(
            progress,
            format!(
                "{line} is lost: {symbol} is transitional, kept for old .config files only, and {heir} inherits its \
                 value in olddefconfig, not in this mode; ask for {new}"
            ),
        );
    }
}

/// Says who resolves in this tool's place, and for what statement.
pub(crate) fn tell_own_conf(progress: Progress, version: &KernelVersion, unknown: &BadInput) {
    warn(
        progress,
        format!(
            "{unknown} ({}) is not known to this tool: the own conf of Linux {version} resolves, and findings come \
             without their causes",
            unknown.source.trim()
        ),
    );
}

/// Says that no kernel is made, and which flags would make one all the same.
pub(crate) fn tell_refused(progress: Progress, flags: &[String]) {
    let (cyan, flags) = (style(AnsiColor::Cyan), flags.join(" "));
    progress.complain("nothing was compiled");
    progress.complain(format!(
        "{cyan}hint{cyan:#}: mend the lines above, or go on without them: {flags}"
    ));
}

pub(crate) fn tell_clock_set_back(progress: Progress, name: &str, obj: &Utf8Path) {
    let cause = format!("{obj} is from the future, as if the clock had been set back");
    warn(
        progress,
        format!("{cause}: make would take what is old for new, so {name} is built anew"),
    );
}

pub(crate) fn tell_built(progress: Progress, name: &str, objects: u64, elapsed: Duration) {
    progress.say(format!("built {name}: {objects} objects in {} s", elapsed.as_secs()));
}
