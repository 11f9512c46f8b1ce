//! The invariants of docs/architecture.md that a reader of the source can check.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::HashSet;
use std::path::{Path, PathBuf};

/// The stages, in the order in which data flows; each file belongs to the first name it begins with.
const STAGES: [&str; 27] = [
    "workspace",
    "plan",
    "operand",
    "source",
    "dot_config",
    "fragment",
    "edit",
    "history",
    "contract",
    "toolchain",
    "setup",
    "resolve",
    "kbuild",
    "image",
    "package",
    "inputs",
    "variant",
    "provenance",
    "stage",
    "rebuild",
    "boot",
    "measure",
    "size",
    "minimize",
    "adopt",
    "refresh",
    "report",
];

fn source() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src")
}

/// Every file at `path` and below, where there is one.
fn walk(path: &Path) -> Vec<PathBuf> {
    if !path.is_dir() {
        return if path.is_file() { vec![path.to_owned()] } else { vec![] };
    }
    let entries = std::fs::read_dir(path).unwrap();
    entries.flat_map(|entry| walk(&entry.unwrap().path())).collect()
}

/// Every Rust file below the source folder: its path there, and its text up to its unit tests.
fn files() -> Vec<(String, String)> {
    let is_rust = |path: &PathBuf| path.extension().is_some_and(|extension| extension == "rs");
    let files: Vec<_> = walk(&source()).into_iter().filter(is_rust).collect();
    assert!(files.len() > 30, "the walk found {} files", files.len());
    let read = |path: PathBuf| {
        let text = std::fs::read_to_string(&path).unwrap();
        let name = path.strip_prefix(source()).unwrap().to_str().unwrap().to_owned();
        (name, text.split("#[cfg(test)]\nmod tests {").next().unwrap().to_owned())
    };
    files.into_iter().map(read).collect()
}

fn stage_of(file: &str) -> Option<usize> {
    let first = file.split(['/', '.']).next().unwrap();
    STAGES.iter().position(|stage| *stage == first)
}

#[test]
fn a_stage_imports_no_later_stage_and_no_command() {
    let mut wrong = vec![];
    for (file, text) in files() {
        let Some(stage) = stage_of(&file) else { continue };
        let named = named_modules(&text);
        let later = STAGES[stage + 1..].iter().chain([&"cmd"]);
        wrong.extend(later.filter(|l| named.contains(*l)).map(|l| format!("{file} imports {l}")));
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// What a text names right below the crate or a parent module: `a` of `crate::a::b`, and `a` and `c`
/// of `use super::{a, c::d};`.
fn named_modules(text: &str) -> HashSet<&str> {
    let mut named = HashSet::new();
    for rest in ["crate::", "super::"].iter().flat_map(|root| text.split(root).skip(1)) {
        let group = rest.strip_prefix('{').map(|group| group.split(';').next().unwrap_or(group));
        let names = group.map_or(vec![rest], |group| group.split([',', '{', '}']).collect());
        let word = |name: &str| name.find(|c: char| !c.is_alphanumeric() && c != '_');
        named.extend(names.into_iter().map(str::trim).map(|n| &n[..word(n).unwrap_or(n.len())]));
    }
    named
}

#[test]
fn every_spelling_of_an_import_is_seen() {
    let text = "use crate::a::B;\nuse crate::{\n    c::{D, E},\n    f,\n};\nuse super::g;\n\
                fn h() { super::i::j() }\nuse other::k;\n";
    let named = named_modules(text);
    assert!(["a", "c", "f", "g", "i"].iter().all(|name| named.contains(name)), "{named:?}");
    assert!(!named.contains("k") && !named.contains("j"), "{named:?}");
}

#[test]
fn only_diag_cmd_and_progress_print() {
    let prints = ["println!(", "eprintln!(", "print!(", "stdout()"];
    let may = |file: &str| {
        ["diag/", "cmd/", "progress.rs", "main.rs"].iter().any(|m| file.starts_with(m))
    };
    let wrong = files().into_iter().filter(|(file, text)| {
        !may(file) && !file.contains("tests") && prints.iter().any(|print| text.contains(print))
    });
    let wrong: Vec<_> = wrong.map(|(file, _)| file).collect();
    assert!(wrong.is_empty(), "{wrong:?}");
}

#[test]
fn files_hold_one_thought() {
    let long: Vec<_> =
        files().into_iter().map(|(f, t)| (f, t.lines().count())).filter(|f| f.1 > 500).collect();
    assert!(long.is_empty(), "{long:?}");
}

#[test]
fn the_kconfig_engine_does_no_io() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("kconfig");
    let files = walk(&folder.join("src"));
    assert!(files.len() > 20, "the walk found {} files", files.len());
    let words =
        ["std::fs", "std::process", "std::env", "std::io", "std::net", "println!(", "panic!("];
    for file in files {
        let text = std::fs::read_to_string(&file).unwrap();
        let found: Vec<_> = words.iter().filter(|word| text.contains(**word)).collect();
        assert!(found.is_empty(), "{} has {found:?}", file.display());
        assert!(text.lines().count() <= 500, "{} holds too much", file.display());
    }
    let manifest = std::fs::read_to_string(folder.join("Cargo.toml")).unwrap();
    let manifest: toml::Table = manifest.parse().unwrap();
    let needs = manifest["dependencies"].as_table().unwrap();
    let is_ours = |(name, how): (&String, &toml::Value)| {
        ["vmm-kernel", "xtask"].contains(&name.as_str()) || how.get("path").is_some()
    };
    assert!(!needs.iter().any(is_ours), "{needs}");
}

/// What belongs to this project. In a workspace that has taken it in, the rest is not its own.
const OWN: [&str; 3] = ["xtask", "vmm/kernel", "fragments"];
const OWN_AT_HOME: [&str; 6] = ["docs", "ci", ".ci", ".cargo", "Cargo.toml", "README.md"];

#[test]
fn no_path_of_anybodys_machine() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let at_home = root.join("docs/architecture.md").exists();
    let own = OWN.iter().chain(OWN_AT_HOME.iter().filter(|_| at_home));
    let files: Vec<_> = own.flat_map(|path| walk(&root.join(path))).collect();
    assert!(files.len() > 150, "the walk found {} files", files.len());
    let words = ["home", "root", "Users"].map(|folder| format!("/{folder}/"));
    let has_one = |path: &&PathBuf| {
        let text = std::fs::read(path).unwrap();
        let text = String::from_utf8_lossy(&text);
        words.iter().any(|word| text.contains(word))
    };
    let wrong: Vec<_> = files.iter().filter(has_one).collect();
    assert!(wrong.is_empty(), "{wrong:?}");
}
