//! The entries of `Cargo.toml` and `.cargo/config.toml`. What is there stays as it is, and where it is.

use anyhow::{Context, Result};
use toml_edit::{Array, DocumentMut, Item, RawString, Table, Value};

use super::{CONFIG, COPIED, MANIFEST};

/// The tables that the crates inherit from, or are built by.
const INHERITED: [(&str, &[&str]); 2] =
    [("workspace", &["package", "dependencies", "lints"]), ("profile", &["xtask"])];

/// `theirs` with what the crates need of `ours`. Entries of one name and another value stay, and are
/// named in `kept`.
///
/// # Errors
/// If one of them is no TOML, or no workspace.
pub(super) fn manifest(ours: &str, theirs: &str, kept: &mut Vec<String>) -> Result<String> {
    let (mut ours, mut theirs) = (parse(MANIFEST, ours)?, parse(MANIFEST, theirs)?);
    for list in ["members", "exclude"] {
        let from = ours.get("workspace").and_then(|table| table.get(list)).and_then(Item::as_array);
        let Some(from) = from else { continue };
        let to = theirs.get_mut("workspace").and_then(Item::as_table_mut);
        let to = to.with_context(|| format!("{MANIFEST} has no [workspace]"))?;
        let to = to.entry(list).or_insert_with(|| Array::new().into()).as_array_mut();
        add_paths(to.with_context(|| format!("`{list}` in {MANIFEST} is no list"))?, from);
    }
    ours.retain(|key, item| {
        let tables = INHERITED.iter().find(|(name, _)| *name == key).map(|(_, tables)| tables);
        if let (Some(tables), Some(table)) = (tables, item.as_table_mut()) {
            table.retain(|key, _| tables.contains(&key));
        }
        tables.is_some()
    });
    add(&mut theirs, &ours, "", kept);
    Ok(theirs.to_string())
}

/// `theirs` with all of `ours`.
///
/// # Errors
/// If one of them is no TOML.
pub(super) fn config(ours: &str, theirs: &str, kept: &mut Vec<String>) -> Result<String> {
    let (ours, mut theirs) = (parse(CONFIG, ours)?, parse(CONFIG, theirs)?);
    add(&mut theirs, &ours, "", kept);
    Ok(theirs.to_string().trim_start().to_owned())
}

fn parse(path: &str, text: &str) -> Result<DocumentMut> {
    text.parse().with_context(|| format!("failed to read {path}"))
}

/// Adds those that lie in what is copied, written as the last one is.
fn add_paths(theirs: &mut Array, ours: &Array) {
    let has = |array: &Array, path: &str| array.iter().any(|one| one.as_str() == Some(path));
    let copied = |path: &&str| {
        let below = |there: &str| camino::Utf8Path::new(path).starts_with(there);
        COPIED.iter().any(|(_, there)| below(there))
    };
    for path in ours.iter().filter_map(Value::as_str).filter(copied) {
        if has(theirs, path) {
            continue;
        }
        let mut value = Value::from(path);
        follow_last(theirs, &mut value);
        theirs.push_formatted(value);
    }
}

/// Has a value stand behind the last one as that one does behind the one before it. A comment on the last
/// one's line stays there; the list's end is whatever begins with the last newline.
fn follow_last(list: &mut Array, value: &mut Value) {
    let comma = list.trailing_comma();
    let trailing = list.trailing().as_str().unwrap_or_default().to_owned();
    let Some(last) = list.len().checked_sub(1).and_then(|last| list.get_mut(last)) else { return };
    let decor = last.decor_mut();
    let prefix = space(decor.prefix());
    let prefix = match prefix.rfind('\n') {
        Some(line) => &prefix[line..],
        None => " ",
    };
    let rest = if comma { &trailing } else { space(decor.suffix()) };
    let (comment, end) = rest.split_at(rest.rfind('\n').unwrap_or(0));
    let end = end.to_owned();
    value.decor_mut().set_prefix(format!("{comment}{prefix}"));
    decor.set_suffix("");
    if comma {
        list.set_trailing(end);
    } else {
        value.decor_mut().set_suffix(end);
    }
}

fn space(around: Option<&RawString>) -> &str {
    around.and_then(RawString::as_str).unwrap_or_default()
}

/// Adds what is missing, table by table.
fn add(theirs: &mut Table, ours: &Table, name: &str, kept: &mut Vec<String>) {
    for (key, item) in ours {
        let name = if name.is_empty() { key.to_owned() } else { format!("{name}.{key}") };
        match (theirs.get_mut(key), item) {
            (None, _) => {
                if let Some(key) = ours.key(key) {
                    theirs.insert_formatted(key, unplaced(item));
                }
            }
            (Some(Item::Table(theirs)), Item::Table(ours)) => add(theirs, ours, &name, kept),
            (Some(theirs), ours) if said(theirs) == said(ours) => {}
            (Some(_), _) => kept.push(name),
        }
    }
}

/// A value without what stands around it.
fn said(item: &Item) -> String {
    match item {
        Item::Value(value) => value.clone().decorated("", "").to_string(),
        other => other.to_string(),
    }
}

/// The same without its place in the document that it is from, so that it follows its parent.
fn unplaced(item: &Item) -> Item {
    let Item::Table(table) = item else { return item.clone() };
    let mut copy = Table::new();
    copy.set_implicit(table.is_implicit());
    copy.decor_mut().clone_from(table.decor());
    let before = space(table.decor().prefix());
    if !before.starts_with('\n') {
        copy.decor_mut().set_prefix(format!("\n{before}"));
    }
    for (key, item) in table {
        if let Some(key) = table.key(key) {
            copy.insert_formatted(key, unplaced(item));
        }
    }
    Item::Table(copy)
}
