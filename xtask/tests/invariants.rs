//! The invariants of docs/architecture.md that a reader of the source can check.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::{Path, PathBuf};

/// The stages, in the order in which data flows; each file belongs to the first name it begins with.
const STAGES: [&str; 11] = [
    "workspace",
    "plan",
    "source",
    "fragment",
    "history",
    "toolchain",
    "resolve",
    "kbuild",
    "image",
    "variant",
    "stage",
];

fn source() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src")
}

/// Every Rust file below the source folder: its path there, and its text up to its unit tests.
fn files() -> Vec<(String, String)> {
    let mut folders = vec![source()];
    let mut files = vec![];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = std::fs::read_to_string(&path).unwrap();
                let name = path.strip_prefix(source()).unwrap().to_str().unwrap().to_owned();
                files.push((
                    name,
                    text.split("#[cfg(test)]\nmod tests {").next().unwrap().to_owned(),
                ));
            }
        }
    }
    assert!(files.len() > 30, "the walk found {} files", files.len());
    files
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
        let later = STAGES[stage + 1..].iter().chain([&"cmd", &"boot"]);
        let imports = |later: &str| {
            let grouped = text.split("crate::{").skip(1).filter_map(|rest| rest.split('}').next());
            text.contains(&format!("crate::{later}::"))
                || grouped.flat_map(|names| names.split(',')).any(|name| name.trim() == later)
        };
        wrong.extend(later.filter(|l| imports(l)).map(|l| format!("{file} imports {l}")));
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
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
fn no_path_of_anybodys_machine() {
    let words = ["home", "root", "Users"].map(|folder| format!("/{folder}/"));
    let wrong =
        files().into_iter().filter(|(_, text)| words.iter().any(|word| text.contains(word)));
    let wrong: Vec<_> = wrong.map(|(file, _)| file).collect();
    assert!(wrong.is_empty(), "{wrong:?}");
}
