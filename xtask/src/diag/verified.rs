//! What became of an image that was to be built again, in words.

use std::fmt::Write as _;

use camino::Utf8Path;
use comfy_table::Table;
use comfy_table::presets::NOTHING;

use super::style;
use crate::progress::Progress;
use crate::rebuild::{Change, Differences, Obstacle, Part, Section, Symbol};

/// Says what keeps an image from being built again, each with what to do.
pub(crate) fn tell_obstacles(progress: Progress, image: &Utf8Path, obstacles: &[Obstacle]) {
    if obstacles.is_empty() {
        return;
    }
    let (red, cyan) = (style(anstyle::AnsiColor::Red), style(anstyle::AnsiColor::Cyan));
    progress.complain(format!("{red}error{red:#}: {image} cannot be built again here"));
    for obstacle in obstacles {
        let (text, hint) = words(obstacle);
        progress.complain(format!("  {text}\n  {cyan}hint{cyan:#}: {hint}"));
    }
}

/// What is not as it was, and what to do about it.
fn words(obstacle: &Obstacle) -> (String, String) {
    const COMMIT: &str = "check out the commit of this workspace that the image was made of";
    match obstacle {
        Obstacle::Tool { recorded, here } => {
            (format!("version {recorded} of this tool made it, this is {here}"), COMMIT.to_owned())
        }
        Obstacle::Format { recorded, here } => (
            format!("it is a {recorded}, and its hypervisor would get a {here}"),
            COMMIT.to_owned(),
        ),
        Obstacle::Input { path, change } => {
            (format!("{path} of the conf dir {}", became(*change)), COMMIT.to_owned())
        }
        Obstacle::Toolchain { recorded, here } => {
            let differ = recorded.iter().zip(here).filter(|(a, b)| a != b);
            let lines = differ.map(|(a, b)| format!("built with {a}, here is {b}"));
            let lines: Vec<String> = lines.collect();
            (lines.join("\n  "), "install those, or name them with --cross-compile".to_owned())
        }
        Obstacle::Packer { recorded, here } => {
            let here = here.as_deref().unwrap_or("none");
            (format!("packed with {recorded}, here is {here}"), "install that one".to_owned())
        }
        Obstacle::Source { recorded, here } => {
            let describe = |of: &vmm_kernel::SourceRecord| {
                format!("{} {} (sha256 {})", of.name, of.version, of.sha256)
            };
            let text = format!("made of source {}, here is {}", describe(recorded), describe(here));
            let hint = match recorded.name.as_str() {
                "dir" => "name the tree that it was made of with --kernel-dir".to_owned(),
                _ => format!("{COMMIT}: its sources.lock has that version"),
            };
            (text, hint)
        }
        Obstacle::Patch { name, change } => {
            (format!("patch {name} {}", became(*change)), COMMIT.to_owned())
        }
        Obstacle::Tree { name, difference } => {
            let of = [&difference.changed, &difference.missing, &difference.added];
            let paths: Vec<_> = of.into_iter().flatten().collect();
            let first = paths.first().map(|path| path.as_str()).unwrap_or_default();
            (
                format!("{} files of source {name} are not as unpacked: {first}", paths.len()),
                format!("remove its folder, which `cargo xtask source path {name}` names"),
            )
        }
        Obstacle::Config { recorded, here } => (
            format!("its .config had sha256 {recorded}, here it comes to {here}"),
            format!("{COMMIT}; `cargo xtask resolve` writes the .config"),
        ),
    }
}

fn became(change: Change) -> &'static str {
    match change {
        Change::Changed => "was changed",
        Change::Missing => "is gone",
        Change::New => "was not there",
    }
}

/// How many symbols of a section a person is shown; JSON has them all.
const SHOWN: usize = 12;

/// Where two images differ, for a terminal.
pub(crate) fn differences_text(differences: &Differences) -> String {
    let mut table = Table::new();
    table.load_preset(NOTHING);
    table.set_header(["WHERE", "IS", "REBUILT", "DIFFERING", "FIRST AT"]);
    for Part { name, given, rebuilt, bytes } in &differences.parts {
        table.add_row([
            *name,
            &size(*given),
            &size(*rebuilt),
            &size(bytes.differing),
            &at(bytes.first),
        ]);
    }
    let mut more = String::new();
    for section in &differences.sections {
        let Section { name, given, rebuilt, symbols } = section;
        table.add_row([name, &known(*given), &known(*rebuilt), "", ""]);
        for Symbol { name, given, rebuilt, bytes } in symbols.iter().take(SHOWN) {
            let name = format!("  {name}");
            let (count, first) = (size(bytes.differing), at(bytes.first));
            table.add_row([&name, &known(*given), &known(*rebuilt), &count, &first]);
        }
        if symbols.len() > SHOWN {
            let _ = writeln!(more, "{name}: {} more symbols differ", symbols.len() - SHOWN);
        }
    }
    match &differences.unread {
        Some(why) => {
            let _ = writeln!(more, "the kernels in them were not compared: {why}");
        }
        None if differences.sections.is_empty() => more += "the kernels in them are the same\n",
        None => {}
    }
    format!("{}\n{more}", table.trim_fmt())
}

fn known(size: Option<usize>) -> String {
    size.map_or_else(|| "-".to_owned(), |size| size.to_string())
}

fn size(bytes: usize) -> String {
    bytes.to_string()
}

fn at(offset: usize) -> String {
    format!("+{offset:#x}")
}
