//! Where the start went: the initcalls, as `initcall_debug` has them, and what brought each in.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, Result};
use camino::{Utf8Path, Utf8PathBuf};
use object::{Object, ObjectSymbol, SymbolKind};
use serde::{Deserialize, Serialize};
use walkdir::WalkDir;

use super::Made;
use super::console::Record;
use super::makefile::{Makefiles, Needs};
use crate::fragment::Place;
use crate::resolve::values;

/// All initcalls of one start.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Initcalls {
    pub(crate) count: usize,
    /// All of them together, in µs.
    pub(crate) total_us: u64,
    /// The slowest first.
    pub(crate) slowest: Vec<Initcall>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Initcall {
    /// As the kernel's log has it; an address, if no symbol is known for it.
    pub(crate) function: String,
    pub(crate) us: u64,
    /// Relative to the object tree.
    pub(crate) object: Option<Utf8PathBuf>,
    /// What brought the object in.
    pub(crate) needs: Needs,
    /// How each of these symbols came to be asked for, as far as that is known.
    pub(crate) asked: BTreeMap<String, Asked>,
}

/// The line of a fragment that a symbol is in the kernel for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Asked {
    pub(crate) place: Place,
    /// The symbol of that line, and those on the way from it, each selected by the one before it;
    /// empty where the line asks for the symbol itself.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) through: Vec<String>,
}

/// "initcall NAME+0x0/0x2d0 returned 0 after 880 usecs" (init/main.c, `trace_initcall_finish_cb`): the
/// address in place of the name where the kernel has no names.
fn parse(text: &str) -> Option<(&str, u64)> {
    let (name, rest) = text.strip_prefix("initcall ")?.split_once(" returned ")?;
    let us = rest.split_once(" after ")?.1.strip_suffix(" usecs")?.parse().ok()?;
    Some((name.split('+').next().unwrap_or(name), us))
}

/// The slowest calls in the log, before anything is known of where they come from.
pub(super) fn slowest(log: &[Record], count: usize) -> Initcalls {
    let mut calls: Vec<(&str, u64)> = log.iter().filter_map(|one| parse(&one.text)).collect();
    let (all, total_us) = (calls.len(), calls.iter().map(|(_, us)| us).sum());
    // Equal ones stay in the order of their calls.
    calls.sort_by_key(|(_, us)| std::cmp::Reverse(*us));
    calls.truncate(count);
    let call = |(function, us): (&str, u64)| Initcall {
        function: function.to_owned(),
        us,
        object: None,
        needs: Needs::Unknown,
        asked: BTreeMap::new(),
    };
    Initcalls { count: all, total_us, slowest: calls.into_iter().map(call).collect() }
}

impl Initcalls {
    /// Finds out what brought each of them in. What cannot be known stays unknown.
    ///
    /// # Errors
    /// If the object tree cannot be read.
    pub(super) fn trace(&mut self, made: &Made) -> Result<()> {
        let names = if self.slowest.iter().any(|call| call.function.starts_with("0x")) {
            functions(&made.obj.join("vmlinux"))?
        } else {
            BTreeMap::new()
        };
        for call in &mut self.slowest {
            let address = call.function.strip_prefix("0x");
            let address = address.and_then(|hex| u64::from_str_radix(hex, 16).ok());
            if let Some(name) = address.and_then(|address| names.get(&address)) {
                call.function.clone_from(name);
            }
        }
        let wanted = self.slowest.iter().map(|call| call.function.as_str()).collect();
        let objects = objects(&made.obj, &wanted)?;
        let on = values(&made.dot_config);
        let is_on = |symbol: &str| on.contains_key(symbol);
        let mut makefiles = Makefiles::new(&made.tree, made.arch);
        for call in &mut self.slowest {
            // One function of that name, or nobody can say which.
            let Some([object]) = objects.get(&call.function).map(Vec::as_slice) else { continue };
            call.needs = makefiles.needs(object, &is_on);
            call.object = Some(object.clone());
            for symbol in call.needs.symbols() {
                let asked = asked(made, symbol);
                call.asked.extend(asked.map(|asked| (symbol.clone(), asked)));
            }
        }
        Ok(())
    }
}

/// The way back from the symbol to a line of a fragment.
fn asked(made: &Made, symbol: &str) -> Option<Asked> {
    let mut through: Vec<String> = vec![];
    loop {
        let at = through.first().map_or(symbol, String::as_str);
        if let Some(place) = made.asked.get(at) {
            return Some(Asked { place: place.clone(), through });
        }
        let by = made.brought.get(at)?.clone();
        through.insert(0, by);
    }
}

/// Functions of a vmlinux by address.
fn functions(vmlinux: &Utf8Path) -> Result<BTreeMap<u64, String>> {
    let data = std::fs::read(vmlinux).with_context(|| format!("failed to read {vmlinux}"))?;
    let file = object::File::parse(data.as_slice())
        .with_context(|| format!("failed to read the symbols of {vmlinux}"))?;
    let functions = file.symbols().filter(|symbol| symbol.kind() == SymbolKind::Text);
    let named = functions.filter_map(|symbol| Some((symbol.address(), symbol.name().ok()?)));
    Ok(named.map(|(address, name)| (address, name.to_owned())).collect())
}

/// The compiled files that have an initcall of each of these names.
fn objects(obj: &Utf8Path, wanted: &BTreeSet<&str>) -> Result<BTreeMap<String, Vec<Utf8PathBuf>>> {
    let mut found: BTreeMap<String, Vec<Utf8PathBuf>> = BTreeMap::new();
    for entry in WalkDir::new(obj).sort_by_file_name() {
        let entry = entry.with_context(|| format!("failed to walk {obj}"))?;
        let Some(path) = Utf8Path::from_path(entry.path()) else { continue };
        if path.extension() != Some("o") {
            continue;
        }
        let data = std::fs::read(path).with_context(|| format!("failed to read {path}"))?;
        // What is no ELF file holds no initcall: a bitcode file, an empty one.
        let Ok(file) = object::File::parse(data.as_slice()) else { continue };
        let mut names = initcalls(&file);
        names.retain(|name| wanted.contains(name.as_str()));
        if names.is_empty() || !is_compiled(path) {
            continue;
        }
        let path = path.strip_prefix(obj).unwrap_or(path);
        for name in names {
            found.entry(name).or_default().push(path.to_owned());
        }
    }
    Ok(found)
}

/// kbuild links compiled files into others of the same ending; only for a compiled one does its
/// command name a source.
pub(crate) fn is_compiled(path: &Utf8Path) -> bool {
    let (Some(folder), Some(name)) = (path.parent(), path.file_name()) else { return false };
    std::fs::read(folder.join(format!(".{name}.cmd")))
        .is_ok_and(|text| String::from_utf8_lossy(&text).contains("\nsource_"))
}

/// The functions of a file that are initcalls. Each has a symbol that ends in its name and its level
/// (include/linux/init.h, `__initcall_name`): `__initcall__kmod_af_inet__1028_2041_inet_init5`,
/// `__initcall_inet_init5` before 5.11.
fn initcalls(file: &object::File<'_>) -> Vec<String> {
    const LEVELS: [&str; 3] = ["early", "rootfs", "con"];
    let names = || file.symbols().filter_map(|symbol| symbol.name().ok());
    let marks: Vec<&str> = names().filter_map(|name| name.strip_prefix("__initcall_")).collect();
    if marks.is_empty() {
        return vec![];
    }
    let is_level = |level: &str| {
        LEVELS.contains(&level)
            || matches!(level.strip_suffix('s').unwrap_or(level).as_bytes(), [b'0'..=b'9'])
    };
    let is_marked = |name: &str| {
        marks.iter().any(|mark| {
            mark.match_indices(name).any(|(at, _)| {
                let (before, level) = (&mark[..at], &mark[at + name.len()..]);
                (before.is_empty() || before.ends_with('_')) && is_level(level)
            })
        })
    };
    let functions = file.symbols().filter(|symbol| symbol.kind() == SymbolKind::Text);
    let named = functions.filter_map(|symbol| symbol.name().ok().map(str::to_owned));
    named.filter(|name| is_marked(name)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn log(console: &str) -> Vec<Record> {
        let text = |line: &str| line.split_once(';').map(|(_, text)| text.to_owned());
        console.lines().filter_map(text).map(|text| Record { at: 0, text }).collect()
    }

    #[test]
    fn the_slowest_come_first_with_or_without_names() {
        let console = include_str!("../../tests/data/measure/initcalls-mini-x86_64.console");
        let calls = slowest(&log(console), 3);
        let told: Vec<_> = calls.slowest.iter().map(|c| (c.function.as_str(), c.us)).collect();
        insta::assert_debug_snapshot!((calls.count, calls.total_us, told));
        let console = include_str!("../../tests/data/measure/initcalls-micro-x86_64.console");
        let calls = slowest(&log(console), 2);
        let told: Vec<_> = calls.slowest.iter().map(|c| (c.function.as_str(), c.us)).collect();
        insta::assert_debug_snapshot!((calls.count, calls.total_us, told));
    }

    #[test]
    fn other_lines_of_the_log_are_none() {
        for text in [
            "calling  inet_init+0x0/0x2d0 @ 1",
            "initcall inet_init+0x0/0x2d0 returned 0 after x usecs",
            "probe of rtc0 returned 0 after 12 usecs",
        ] {
            assert_eq!(parse(text), None, "{text}");
        }
        assert_eq!(parse("initcall a+0x0/0x9 [m] returned -19 after 7 usecs"), Some(("a", 7)));
    }
}
