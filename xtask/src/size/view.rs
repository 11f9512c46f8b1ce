//! A kernel's parts by folder, fragment, symbol or object; one kernel, or two beside each other.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use camino::Utf8Path;
use serde::Serialize;

use super::{Bytes, Maker, Part, Sized};
use crate::measure::Needs;

/// What parts are put together by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum View {
    /// The first so many folders of the path.
    Folder(usize),
    Fragment,
    Symbol,
    Object,
}

/// Parts that belong together.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Row {
    pub(crate) name: String,
    #[serde(flatten)]
    pub(crate) bytes: Bytes,
    pub(crate) parts: usize,
}

/// The same parts of two kernels.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Change {
    pub(crate) name: String,
    pub(crate) before: Option<Bytes>,
    pub(crate) after: Option<Bytes>,
}

impl Change {
    pub(crate) fn by(&self) -> Bytes {
        self.after.unwrap_or_default() - self.before.unwrap_or_default()
    }
}

/// The largest first.
pub(crate) fn rows(parts: &[Part], view: View) -> Vec<Row> {
    let mut groups: BTreeMap<String, (Bytes, usize)> = BTreeMap::new();
    for part in parts {
        let (bytes, count) = groups.entry(view.name(part)).or_default();
        *bytes += part.bytes;
        *count += 1;
    }
    let row = |(name, (bytes, parts))| Row { name, bytes, parts };
    let mut rows: Vec<Row> = groups.into_iter().map(row).collect();
    rows.sort_by_key(|row| Reverse(row.bytes.all()));
    rows
}

/// What differs between two kernels; what moved most comes first.
pub(crate) fn compare(a: &[Part], b: &[Part], view: View) -> Vec<Change> {
    let mut changes: BTreeMap<String, Change> = BTreeMap::new();
    let mut add = |row: Row, is_after: bool| {
        let name = row.name.clone();
        let unknown = Change { name: row.name, before: None, after: None };
        let change = changes.entry(name).or_insert(unknown);
        let side = if is_after { &mut change.after } else { &mut change.before };
        *side = Some(row.bytes);
    };
    rows(a, view).into_iter().for_each(|row| add(row, false));
    rows(b, view).into_iter().for_each(|row| add(row, true));
    let mut changes: Vec<Change> = changes.into_values().collect();
    changes.retain(|change| change.by() != Bytes::default());
    changes.sort_by_key(|change| Reverse(change.by().all().abs()));
    changes
}

impl View {
    /// The row that a part belongs to.
    pub(super) fn name(self, part: &Part) -> String {
        match (self, part.maker) {
            (_, Maker::Linker) => format!("{LINKER} {}", part.name),
            (View::Object, _) => part.name.to_string(),
            (View::Folder(depth), _) => folder(&part.name, depth),
            (View::Symbol, _) => part.symbols(),
            (View::Fragment, _) => part.fragments(),
        }
    }
}

const LINKER: &str = "(linker)";
const EVERY: &str = "(every kernel)";

fn folder(object: &Utf8Path, depth: usize) -> String {
    let folder = object.parent().unwrap_or(Utf8Path::new(""));
    let parts: Vec<&str> = folder.iter().take(depth.max(1)).collect();
    // What the last link adds lies beside vmlinux.
    if parts.is_empty() { "(top)".to_owned() } else { parts.join("/") }
}

/// Who a part of a kernel is there for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum For {
    /// A line of a fragment asks for its symbol.
    Asked,
    /// Its symbol follows another one that a line asks for.
    Follows,
    /// Every kernel of the arch has it.
    Every,
    Unknown,
    Linker,
}

impl Part {
    pub(crate) fn is_for(&self) -> For {
        let symbols = self.needs.symbols();
        match &self.needs {
            _ if self.maker == Maker::Linker => For::Linker,
            Needs::Unknown => For::Unknown,
            _ if self.asked.len() < symbols.len() || symbols.is_empty() => For::Every,
            _ if self.asked.values().any(|asked| asked.through.is_empty()) => For::Asked,
            _ => For::Follows,
        }
    }

    /// The symbols that bring it in, any of which would do.
    pub(crate) fn symbols(&self) -> String {
        match &self.needs {
            Needs::Nothing => EVERY.to_owned(),
            Needs::Symbols(symbols) => symbols.join(" or "),
            Needs::Unknown => "(unknown)".to_owned(),
        }
    }

    fn fragments(&self) -> String {
        match self.is_for() {
            For::Asked | For::Follows => {
                let mut paths: Vec<&str> =
                    self.asked.values().map(|asked| asked.place.path.as_str()).collect();
                paths.dedup();
                paths.join(" or ")
            }
            For::Every => EVERY.to_owned(),
            For::Unknown => "(unknown)".to_owned(),
            For::Linker => LINKER.to_owned(),
        }
    }
}

/// A folder, or a part in it.
#[derive(Debug)]
pub(crate) struct Node<'a> {
    /// The last of its path; folders that hold one folder alone are one: `arch/x86`.
    pub(crate) name: String,
    /// All bytes, those of the image and those that memory is kept for; never negative.
    pub(crate) bytes: u64,
    pub(crate) part: Option<&'a Part>,
    /// The largest first.
    pub(crate) children: Vec<Node<'a>>,
}

/// The kernel as folders in folders. Where the linker took more away than it added, it is left out.
pub(crate) fn tree(sized: &Sized) -> Node<'_> {
    let mut root = Node { name: sized.name.clone(), bytes: 0, part: None, children: vec![] };
    for part in &sized.parts {
        let Ok(bytes @ 1..) = u64::try_from(part.bytes.all()) else { continue };
        let path = match part.maker {
            Maker::Linker => Utf8Path::new(LINKER).join(&part.name),
            Maker::Compiler => part.name.clone(),
        };
        root.insert(&path.iter().collect::<Vec<_>>(), bytes, part);
    }
    root.settle();
    root
}

impl<'a> Node<'a> {
    fn insert(&mut self, path: &[&str], bytes: u64, part: &'a Part) {
        self.bytes += bytes;
        let [name, below @ ..] = path else { return };
        if below.is_empty() {
            let name = (*name).to_owned();
            self.children.push(Node { name, bytes, part: Some(part), children: vec![] });
            return;
        }
        let known = self.children.iter().position(|one| one.part.is_none() && one.name == **name);
        let at = known.unwrap_or_else(|| {
            let name = (*name).to_owned();
            self.children.push(Node { name, bytes: 0, part: None, children: vec![] });
            self.children.len() - 1
        });
        self.children[at].insert(below, bytes, part);
    }

    /// Puts folders that hold one folder alone together, and all in order.
    fn settle(&mut self) {
        for child in &mut self.children {
            while let [only] = child.children.as_mut_slice() {
                if only.part.is_some() {
                    break;
                }
                child.name = format!("{}/{}", child.name, only.name);
                child.children = std::mem::take(&mut only.children);
            }
            child.settle();
        }
        self.children.sort_by(|a, b| b.bytes.cmp(&a.bytes).then_with(|| a.name.cmp(&b.name)));
    }
}
