//! What `-h` says of each command.

use std::fmt::Write as _;

use super::fixture::{Fixture, expect};

/// The commands that a help text lists.
fn commands(help: &str) -> Vec<String> {
    let list = help.split("Commands:\n").nth(1).unwrap_or_default();
    let lines = list.lines().take_while(|line| line.starts_with("  "));
    let names = lines.filter_map(|line| line.strip_prefix("  ")?.split_once(' '));
    names
        .map(|(name, _)| name)
        .filter(|name| !["", "help"].contains(name))
        .map(str::to_owned)
        .collect()
}

#[test]
fn each_command_says_what_it_takes() {
    let fixture = Fixture::new();
    let (mut todo, mut all) = (vec![vec![]], String::new());
    while let Some(words) = todo.pop() {
        let typed: Vec<&str> = words.iter().map(String::as_str).chain(["-h"]).collect();
        let mut command = fixture.xtask(&typed);
        command.env_remove("COLUMNS");
        let (help, _) = expect(0, command);
        let _ = writeln!(all, "$ xtask {}\n{help}", typed.join(" "));
        let below = |name: String| words.iter().cloned().chain([name]).collect();
        todo.extend(commands(&help).into_iter().rev().map(below));
    }
    assert!(all.matches("$ xtask ").count() > 20, "{all}");
    insta::assert_snapshot!(all);
}
