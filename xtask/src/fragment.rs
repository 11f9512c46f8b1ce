//! Lists and fragments to assignments. The parsers are pure; `read` is the one that opens files.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use anyhow::{Context, Result};
use camino::{Utf8Path, Utf8PathBuf};
use serde::{Deserialize, Serialize};
use vmm_kernel::{Arch, FileRecord};

use crate::diag::{BadInput, BadInputs, Hint};
use crate::hash;
use crate::plan::{Goes, OVERLAYS, Request, Target, overlay_names, plan};
use crate::workspace::Workspace;

/// What of the conf dir translates fragments for older trees.
pub(crate) const HISTORY: &str = "history.toml";

/// What `kernel --debug` adds on top.
pub(crate) const DEBUG: &str = "debug.conf";

/// A line of a fragment, as `path:line`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) struct Place {
    pub path: Utf8PathBuf,
    pub line: usize,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.path, self.line)
    }
}

/// One requested symbol. `value` is as in a `.config`: `y`, `m`, a number, a quoted string; `n`
/// stands for `# CONFIG_X is not set`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Assignment {
    pub symbol: String,
    pub value: String,
    pub place: Place,
    /// The line as it is written.
    pub text: String,
}

impl Assignment {
    /// The line for a `.config` file.
    pub(crate) fn line(&self) -> String {
        config_line(&self.symbol, &self.value)
    }
}

/// A symbol's line in a `.config` file.
pub(crate) fn config_line(symbol: &str, value: &str) -> String {
    match value {
        "n" => format!("# CONFIG_{symbol} is not set"),
        value => format!("CONFIG_{symbol}={value}"),
    }
}

/// What a target's list and overlay ask for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Requested {
    /// Each symbol once, in the order of the files.
    pub assignments: Vec<Assignment>,
    pub repeated: Vec<Repeated>,
    /// The files read, relative to the conf dir.
    pub fragments: Vec<Utf8PathBuf>,
    /// The target wants an overlay, and the conf dir has none by that name.
    pub overlay_missing: Option<Utf8PathBuf>,
}

impl Requested {
    /// What is asked for without the lines at these places. Where one goes that kept another one from
    /// counting, that one counts.
    pub(crate) fn without(&self, out: &BTreeSet<Place>) -> Vec<Assignment> {
        self.assignments.iter().filter_map(|one| self.counting(one, out)).cloned().collect()
    }

    fn counting<'a>(
        &'a self,
        one: &'a Assignment,
        out: &BTreeSet<Place>,
    ) -> Option<&'a Assignment> {
        if !out.contains(&one.place) {
            return Some(one);
        }
        let mut below = self.repeated.iter().filter(|other| other.counts == one.place);
        below.find_map(|other| self.counting(&other.assignment, out))
    }

    /// All lines, those that do not count too.
    pub(crate) fn lines(&self) -> impl Iterator<Item = &Assignment> {
        self.assignments.iter().chain(self.repeated.iter().map(|one| &one.assignment))
    }
}

/// A line that does not count, because another one about its symbol does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Repeated {
    pub assignment: Assignment,
    /// The line that counts.
    pub counts: Place,
    /// They ask for the same.
    pub same: bool,
}

impl Repeated {
    fn new(assignment: Assignment, counts: &Assignment) -> Self {
        let same = assignment.value == counts.value;
        Repeated { assignment, counts: counts.place.clone(), same }
    }
}

/// Reads a target's list, its fragments and its overlay. The places of the assignments are as the
/// workspace shows them.
///
/// # Errors
/// If a file is missing, a line is malformed, or one layer sets a symbol to two values.
pub(crate) fn read(
    workspace: &Workspace,
    conf_dir: &Utf8Path,
    target: &Target,
) -> Result<Requested> {
    read_below(workspace, conf_dir, target, &[])
}

/// The same below fragments of the conf dir that have the last word.
///
/// # Errors
/// As [`read`].
pub(crate) fn read_below(
    workspace: &Workspace,
    conf_dir: &Utf8Path,
    target: &Target,
    top: &[Utf8PathBuf],
) -> Result<Requested> {
    let base = list_files(conf_dir, &target.list)?;
    let overlay = overlay_files(conf_dir, target);
    let overlay_missing = target.overlay.clone().filter(|_| overlay.is_empty());
    let (mut assignments, mut repeated) = read_layer(workspace, conf_dir, &base)?;
    for layer in [&overlay[..], top] {
        let (on_top, again) = read_layer(workspace, conf_dir, layer)?;
        repeated.extend(again);
        for below in std::mem::take(&mut assignments) {
            match on_top.iter().find(|above| above.symbol == below.symbol) {
                Some(above) => repeated.push(Repeated::new(below, above)),
                None => assignments.push(below),
            }
        }
        assignments.extend(on_top);
    }
    let fragments = [&base[..], &overlay, top].concat();
    Ok(Requested { assignments, repeated, fragments, overlay_missing })
}

/// What decides a target's `.config` beside the tree, as it is now: its list, its fragments, and the
/// history where the conf dir has one.
///
/// # Errors
/// If a file cannot be read.
pub(crate) fn inputs(
    conf_dir: &Utf8Path,
    target: &Target,
    fragments: &[Utf8PathBuf],
) -> Result<Vec<FileRecord>> {
    let history = Some(Utf8PathBuf::from(HISTORY)).filter(|name| conf_dir.join(name).is_file());
    let names = [&target.list].into_iter().chain(fragments).chain(&history);
    let record = |path: &Utf8PathBuf| {
        Ok(FileRecord { path: path.clone(), sha256: hash::of_file(&conf_dir.join(path))? })
    };
    names.map(record).collect()
}

/// Reads a list alone, wherever it is, and its fragments. Each symbol comes once.
///
/// # Errors
/// As [`read`].
pub(crate) fn read_list(workspace: &Workspace, path: &Utf8Path) -> Result<Vec<Assignment>> {
    let (conf_dir, name) = (path.parent().unwrap_or(path), path.file_name().unwrap_or_default());
    let files = list_files(conf_dir, Utf8Path::new(name))?;
    Ok(read_layer(workspace, conf_dir, &files)?.0)
}

/// Reads one fragment alone. Each symbol comes once.
///
/// # Errors
/// As [`read`].
pub(crate) fn read_alone(workspace: &Workspace, path: &Utf8Path) -> Result<Vec<Assignment>> {
    let (folder, name) = (path.parent().unwrap_or(path), path.file_name().unwrap_or_default());
    Ok(read_layer(workspace, folder, &[Utf8PathBuf::from(name)])?.0)
}

/// The kernels of a conf dir that a fragment, as people are shown it, is of; without those named.
///
/// # Errors
/// If the conf dir's kernels cannot be planned.
pub(crate) fn kernels_with(
    workspace: &Workspace,
    conf_dir: &Utf8Path,
    path: &Utf8Path,
    without: &[String],
) -> Result<Vec<String>> {
    let all = Request {
        all: true,
        conf_dir: Some(conf_dir.to_owned()),
        goes: Goes::Nowhere,
        ..Request::default()
    };
    let all = plan(workspace, &all)?;
    let others = all.variants().into_iter().map(|targets| targets[0]);
    let mut found = vec![];
    for other in others.filter(|other| !without.contains(&other.variant())) {
        // A list that is not there, or not to be read, is for `check` to tell of.
        let Ok(requested) = read(workspace, conf_dir, other) else { continue };
        let shown = |name: &Utf8PathBuf| workspace.shown(&conf_dir.join(name)) == path;
        if requested.fragments.iter().any(shown) {
            found.push(other.variant());
        }
    }
    Ok(found)
}

fn list_files(conf_dir: &Utf8Path, name: &Utf8Path) -> Result<Vec<Utf8PathBuf>> {
    let list = conf_dir.join(name);
    let text = read_file(&list)
        .hint(|| format!("a conf dir holds {name}; name another one with --kernel-conf-dir"))?;
    parse_list(&list, &text, |path| conf_dir.join(path).is_file())
}

/// `NAME.conf` and `NAME-ARCH.conf`, as far as they exist.
fn overlay_files(conf_dir: &Utf8Path, target: &Target) -> Vec<Utf8PathBuf> {
    let Some(overlay) = &target.overlay else { return vec![] };
    let names = overlay_names(overlay, target.arch).into_iter();
    names.filter(|name| conf_dir.join(name).is_file()).collect()
}

/// Fragments of a conf dir that no list of it names and that are no hypervisor's overlay, relative to it.
pub(crate) fn unread(workspace: &Workspace, conf_dir: &Utf8Path) -> Vec<Utf8PathBuf> {
    let files = walkdir::WalkDir::new(conf_dir).max_depth(2).sort_by_file_name();
    let files = files.into_iter().flatten().filter(|file| file.path().is_file());
    let path = |file: walkdir::DirEntry| {
        let path = Utf8PathBuf::from_path_buf(file.into_path()).ok()?;
        path.strip_prefix(conf_dir).ok().map(Utf8Path::to_owned)
    };
    let (lists, others): (Vec<_>, Vec<_>) =
        files.filter_map(path).partition(|path| path.extension() == Some("list"));
    let mut read = BTreeSet::from([Utf8PathBuf::from(DEBUG)]);
    for list in lists.iter().filter(|list| list.components().count() == 1) {
        let text = std::fs::read_to_string(conf_dir.join(list)).unwrap_or_default();
        read.extend(parse_list(list, &text, |_| true).unwrap_or_default());
    }
    for (name, facts) in &workspace.facts.hypervisor {
        for &arch in Arch::ALL {
            let own = Utf8Path::new(OVERLAYS).join(name);
            read.extend(overlay_names(facts.overlay.get(&arch).unwrap_or(&own), arch));
        }
    }
    let is_fragment = |path: &Utf8PathBuf| path.extension() == Some("conf");
    others.into_iter().filter(|path| is_fragment(path) && !read.contains(path)).collect()
}

fn read_layer(
    workspace: &Workspace,
    conf_dir: &Utf8Path,
    files: &[Utf8PathBuf],
) -> Result<(Vec<Assignment>, Vec<Repeated>)> {
    let mut layer = vec![];
    for file in files {
        let path = conf_dir.join(file);
        layer.extend(parse_fragment(workspace.shown(&path), &read_file(&path)?)?);
    }
    merge(layer)
}

fn read_file(path: &Utf8Path) -> Result<String> {
    let bytes = std::fs::read(path).with_context(|| format!("failed to read {path}"))?;
    String::from_utf8(bytes).map_err(|error| {
        let valid = error.utf8_error().valid_up_to();
        let text = String::from_utf8_lossy(error.as_bytes()).into_owned();
        let line = error.as_bytes()[..valid].iter().filter(|byte| **byte == b'\n').count() + 1;
        BadInput::at(path, &text, line, "this line is not UTF-8").into()
    })
}

/// The fragments that a list names, in order.
fn parse_list(
    path: &Utf8Path,
    text: &str,
    exists: impl Fn(&Utf8Path) -> bool,
) -> Result<Vec<Utf8PathBuf>> {
    let entry = |(index, line): (usize, &str)| {
        let name = line.split('#').next().unwrap_or_default().trim();
        (!name.is_empty()).then(|| (index + 1, Utf8PathBuf::from(name)))
    };
    let entries: Vec<_> = text.lines().enumerate().filter_map(entry).collect();
    let missing = entries.iter().filter(|(_, name)| !exists(name));
    let missing: Vec<_> = missing
        .map(|(line, name)| {
            BadInput::at(path, text, *line, format!("no fragment {name} beside this list"))
        })
        .collect();
    BadInputs::none(missing)?;
    Ok(entries.into_iter().map(|(_, name)| name).collect())
}

/// Parses a plain Kconfig fragment, the format of a `.config` (the tree's
/// `scripts/kconfig/confdata.c`, `conf_read_simple`).
///
/// # Errors
/// Every malformed line, at once.
pub(crate) fn parse_fragment(path: &Utf8Path, text: &str) -> Result<Vec<Assignment>> {
    let (mut assignments, mut bad) = (vec![], vec![]);
    for (index, line) in text.lines().enumerate() {
        match parse_line(line.trim_end()) {
            Ok(None) => {}
            Ok(Some((symbol, value))) => assignments.push(Assignment {
                symbol: symbol.to_owned(),
                value: value.to_owned(),
                place: Place { path: path.to_owned(), line: index + 1 },
                text: line.trim_end().to_owned(),
            }),
            Err(message) => bad.push(BadInput::at(path, text, index + 1, message)),
        }
    }
    BadInputs::none(bad)?;
    Ok(assignments)
}

const EXPECTED: &str = "expected `CONFIG_NAME=value`, `# CONFIG_NAME is not set` or a comment";

/// What one line asks for.
///
/// # Errors
/// What is wrong with it.
pub(crate) fn parse_line(line: &str) -> Result<Option<(&str, &str)>, String> {
    if let Some(comment) = line.strip_prefix('#') {
        let unset =
            comment.strip_prefix(" CONFIG_").and_then(|rest| rest.strip_suffix(" is not set"));
        return Ok(unset.filter(|name| is_name(name)).map(|name| (name, "n")));
    }
    if line.is_empty() {
        return Ok(None);
    }
    let (name, value) = line
        .strip_prefix("CONFIG_")
        .and_then(|rest| rest.split_once('='))
        .filter(|(name, _)| is_name(name))
        .ok_or(EXPECTED)?;
    if is_value(value) {
        return Ok(Some((name, value)));
    }
    Err(format!("`{value}` is no value: expected y, m, n, a number or a \"quoted string\""))
}

fn is_name(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

fn is_value(value: &str) -> bool {
    if let Some(inside) = value.strip_prefix('"') {
        return is_quoted_to_the_end(inside);
    }
    let digits = value.strip_prefix('-').unwrap_or(value);
    let hex = value.strip_prefix("0x").or_else(|| value.strip_prefix("0X"));
    matches!(value, "y" | "m" | "n")
        || (!digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit()))
        || hex.is_some_and(|hex| !hex.is_empty() && hex.bytes().all(|b| b.is_ascii_hexdigit()))
}

/// The closing quote is the last character, and no earlier one is left unescaped.
fn is_quoted_to_the_end(inside: &str) -> bool {
    let mut escaped = false;
    for (at, c) in inside.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => return at + 1 == inside.len(),
            _ => {}
        }
    }
    false
}

/// One layer's assignments, each symbol once, and those that say it again.
///
/// # Errors
/// If a symbol is set to two values: which one is meant cannot be told.
fn merge(assignments: Vec<Assignment>) -> Result<(Vec<Assignment>, Vec<Repeated>)> {
    let mut first: BTreeMap<String, Assignment> = BTreeMap::new();
    let (mut merged, mut repeated, mut bad) = (vec![], vec![], vec![]);
    for assignment in assignments {
        match first.get(&assignment.symbol) {
            None => {
                first.insert(assignment.symbol.clone(), assignment.clone());
                merged.push(assignment);
            }
            Some(earlier) if earlier.value == assignment.value => {
                repeated.push(Repeated::new(assignment, earlier));
            }
            Some(earlier) => bad.push(BadInput {
                path: assignment.place.path.clone(),
                line: assignment.place.line,
                message: format!(
                    "CONFIG_{} is set to two values: `{}` at {}, `{}` here",
                    earlier.symbol, earlier.value, earlier.place, assignment.value
                ),
                source: assignment.line(),
            }),
        }
    }
    BadInputs::none(bad).hint(|| "take one of the two lines out")?;
    Ok((merged, repeated))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Vec<(String, String)>> {
        let parsed = parse_fragment(Utf8Path::new("f.conf"), text)?;
        Ok(parsed.into_iter().map(|a| (a.symbol, a.value)).collect())
    }

    #[test]
    fn every_kind_of_value() {
        let text = "# why\n\nCONFIG_A=y\nCONFIG_B=m\n# CONFIG_C is not set\nCONFIG_D=0x1f\n\
                    CONFIG_E=-12\nCONFIG_F=\"a \\\"b\\\" c\"\nCONFIG_G=\"\"  \n";
        let values: Vec<_> = parse(text).unwrap().into_iter().map(|(_, value)| value).collect();
        assert_eq!(values, ["y", "m", "n", "0x1f", "-12", "\"a \\\"b\\\" c\"", "\"\""]);
    }

    #[test]
    fn every_malformed_line_is_named() {
        let bad = [
            "CONFIG_A",
            "A=y",
            "CONFIG_=y",
            "CONFIG_A=yes",
            "CONFIG_A=\"x",
            "CONFIG_A=\"x\"y",
            "CONFIG_A=",
            "CONFIG_A=0x",
            "CONFIG_A B=y",
            "CONFIG_A=y # no",
        ];
        let error = parse(&bad.join("\n")).unwrap_err();
        let error = error.downcast_ref::<BadInputs>().unwrap();
        let lines: Vec<_> = error.0.iter().map(|bad| bad.line).collect();
        assert_eq!(lines, (1..=bad.len()).collect::<Vec<_>>());
    }

    #[test]
    fn two_values_show_both_places() {
        let parsed =
            parse_fragment(Utf8Path::new("f.conf"), "CONFIG_A=y\nCONFIG_A=y\nCONFIG_A=n\n");
        let error = merge(parsed.unwrap()).unwrap_err().to_string();
        assert_eq!(error, "f.conf:3: CONFIG_A is set to two values: `y` at f.conf:1, `n` here");
    }

    #[test]
    fn what_a_line_kept_from_counting_counts_when_it_goes() {
        let line = |path: &str, text: &str| {
            let mut lines = parse_fragment(Utf8Path::new(path), text).unwrap();
            lines.remove(0)
        };
        let (low, again) = (line("low", "CONFIG_A=1"), line("again", "CONFIG_A=1"));
        let (top, other) = (line("top", "CONFIG_A=2"), line("other", "CONFIG_B=y"));
        let repeated = vec![Repeated::new(again.clone(), &low), Repeated::new(low.clone(), &top)];
        let assignments = vec![other.clone(), top.clone()];
        let all = Requested { assignments, repeated, fragments: vec![], overlay_missing: None };
        let without = |out: &[&Assignment]| {
            let places = out.iter().map(|one| one.place.clone()).collect();
            let left = all.without(&places).into_iter();
            left.map(|one| format!("{} {}", one.place.path, one.line())).collect::<Vec<_>>()
        };
        let b = "other CONFIG_B=y";
        assert_eq!(without(&[&low]), [b, "top CONFIG_A=2"]);
        assert_eq!(without(&[&top]), [b, "low CONFIG_A=1"]);
        assert_eq!(without(&[&top, &low]), [b, "again CONFIG_A=1"]);
        assert_eq!(without(&[&top, &low, &again, &other]), Vec::<String>::new());
    }

    #[test]
    fn lists_take_comments_and_name_what_is_missing() {
        let text = "# kernel\nbase.conf\n\n net.conf # virtio\nnone.conf\n";
        let list = Utf8Path::new("micro.list");
        let all = parse_list(list, text, |_| true).unwrap();
        assert_eq!(all, ["base.conf", "net.conf", "none.conf"]);
        let error = parse_list(list, text, |path| path != "none.conf").unwrap_err();
        assert_eq!(error.to_string(), "micro.list:5: no fragment none.conf beside this list");
    }
}
