//! What a kernel breaks of the contract, in words.

use std::fmt::Write as _;

use anstyle::AnsiColor;

use super::{cause_text, edit_text, excluded_text, style};
use crate::progress::Progress;
use crate::resolve::{AtFault, Breach};
use crate::source::KernelVersion;

/// Symbols at fault that are explained.
const MOST: usize = 8;

/// Says what a kernel breaks: what is required in full, what is only wanted in one line.
pub(crate) fn tell_breaches(
    progress: Progress,
    kernel: &str,
    version: &KernelVersion,
    all: &[Breach],
) {
    let (refused, wanted): (Vec<_>, Vec<_>) = all.iter().partition(|breach| breach.is_refused());
    for breach in wanted {
        let Breach { capability, .. } = breach;
        let symbols: Vec<_> = breach.at_fault.iter().take(MOST).map(value_text).collect();
        let symbols = symbols.join(", ");
        progress
            .say(format!("note: {kernel} does without {capability}, which is wanted: {symbols}"));
    }
    for breach in &refused {
        progress.complain(breach_text(kernel, version, breach).trim_end());
        if std::env::var_os("GITHUB_ACTIONS").is_some() {
            let Breach { capability, reason, .. } = breach;
            let reason = reason.replace('%', "%25").replace('\n', "%0A");
            progress.complain(format!(
                "::error::{kernel} on Linux {version} breaks {capability}: {reason}"
            ));
        }
    }
    if !refused.is_empty() {
        let count = refused.len();
        progress.complain(format!(
            "{kernel} on Linux {version} breaks {count} of the contract's capabilities"
        ));
    }
}

fn breach_text(kernel: &str, version: &KernelVersion, breach: &Breach) -> String {
    let Breach {
        capability,
        hypervisors,
        reason,
        source,
        needs,
        at_fault,
        mended_by,
        excludes,
        ..
    } = breach;
    let (red, bold) = (style(AnsiColor::Red), anstyle::Style::new().bold());
    let hypervisors = hypervisors.join(", ");
    let mut text =
        format!("{red}error{red:#}{bold}: the contract is broken: {capability}{bold:#}\n");
    let _ = writeln!(text, "  {kernel} for {hypervisors} on Linux {version}");
    let _ = writeln!(text, "  {reason} ({source})");
    for needs in needs {
        let _ = writeln!(text, "  needs {needs}");
    }
    for one in at_fault.iter().take(MOST) {
        let asked = one.asked.as_ref().map(|place| format!("asked for by {place}"));
        let why = asked.into_iter().chain(one.why.as_ref().map(cause_text)).collect::<Vec<_>>();
        let why = if why.is_empty() { String::new() } else { format!(": {}", why.join("; ")) };
        let _ = writeln!(text, "    {}{why}", value_text(one));
    }
    if at_fault.len() > MOST {
        let _ = writeln!(text, "    and {} more", at_fault.len() - MOST);
    }
    match mended_by.as_deref() {
        None if !excludes.is_empty() => {
            for one in excludes {
                let _ = writeln!(text, "  it and {} exclude each other", excluded_text(one));
            }
        }
        None => text.push_str("  no lines were found that mend it\n"),
        Some([]) => text.push_str("  mended by what mends the rest\n"),
        Some(edits) => {
            text.push_str("  mended by\n");
            for edit in edits {
                let _ = writeln!(text, "    {}", edit_text(edit));
            }
        }
    }
    text
}

fn value_text(one: &AtFault) -> String {
    format!("{} is {}", one.symbol, one.value)
}
