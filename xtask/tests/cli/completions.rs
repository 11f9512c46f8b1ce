//! Completions, asked for as shells ask; and manual pages, as groff reads them.

use std::process::Command;

use super::fixture::{Fixture, cannot_test, expect, run, stderr, stdout};

/// What bash would offer for the last of these words.
const BASH: &str = r#"
. "$1"
ask() {
    COMP_WORDS=("$@") COMP_CWORD=$(($# - 1)) COMPREPLY=()
    [[ $(complete -p "$1") =~ -F\ ([^ ]+) ]]
    "${BASH_REMATCH[1]}" "$1" "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD - 1]}"
    echo "$*: ${COMPREPLY[*]}"
}
ask xtask ker
ask cargo xta
ask cargo xtask mea
ask cargo xtask completions z
ask cargo xtask kernel --dest
_cargo() { COMPREPLY=(build); }
complete -F _cargo cargo
. "$1"
. "$1"
ask cargo b
ask cargo xtask ker
"#;

#[test]
fn bash_completes_with_and_without_cargo() {
    let fixture = script("bash");
    let output = run(shell(&fixture, "bash", &["--norc", "-c", BASH, "bash", "./script"]));
    let expected = "xtask ker: kernel\n\
                    cargo xta: xtask\n\
                    cargo xtask mea: measure\n\
                    cargo xtask completions z: zsh\n\
                    cargo xtask kernel --dest: --dest-dir\n\
                    cargo b: build\n\
                    cargo xtask ker: kernel\n";
    assert_eq!(stdout(&output), expected, "{}", stderr(&output));
}

#[test]
fn fish_completes_with_and_without_cargo() {
    if !has("fish") {
        return;
    }
    let fixture = script("fish");
    for typed in ["xtask ker", "cargo xtask ker"] {
        let ask = format!("source script; complete -C '{typed}'");
        let answers = stdout(&run(shell(&fixture, "fish", &["--no-config", "-c", &ask])));
        assert!(answers.starts_with("kernel\tMake a guest kernel"), "{answers}");
        assert_eq!(answers.lines().count(), 1, "{answers}");
    }
}

#[test]
fn every_page_is_one_that_groff_reads_without_a_word() {
    let fixture = Fixture::new();
    let (first, _) = expect(0, fixture.xtask(&["man"]));
    expect(0, fixture.xtask(&["man", "pages"]));
    let pages = std::fs::read_dir(fixture.path("pages")).unwrap();
    let pages: Vec<_> = pages.map(|page| page.unwrap().path()).collect();
    let (help, _) = expect(0, fixture.xtask(&["--help"]));
    let commands = help.split("Commands:\n").nth(1).unwrap().split("\n\n").next().unwrap();
    let commands = commands.lines().filter_map(|line| line.strip_prefix("  "));
    for command in
        commands.filter_map(|line| line.split(' ').next()).filter(|word| !word.is_empty())
    {
        let page = fixture.path(&format!("pages/cargo-xtask-{command}.1"));
        assert!(command == "help" || pages.contains(&page), "{command}: {pages:?}");
    }
    assert!(first.contains("\ncargo\\-xtask\\-kernel(1)\n"), "{first}");
    assert_eq!(first, fixture.read("pages/cargo-xtask.1"));
    if !has("groff") {
        return;
    }
    for page in pages {
        let output =
            run(shell(&fixture, "groff", &["-man", "-ww", "-Tutf8", page.to_str().unwrap()]));
        assert_eq!(stderr(&output), "");
        assert!(stdout(&output).contains("General Commands Manual"), "{page:?}");
    }
}

fn script(of: &str) -> Fixture {
    let fixture = Fixture::new();
    let (script, _) = expect(0, fixture.xtask(&["completions", of]));
    fixture.write("script", &script);
    fixture
}

fn has(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let has = std::env::split_paths(&path).any(|dir| dir.join(program).is_file());
    if !has {
        cannot_test("what shells and groff make of it", program);
    }
    has
}

fn shell(fixture: &Fixture, program: &str, arguments: &[&str]) -> Command {
    #[expect(clippy::disallowed_methods, reason = "a test types commands")]
    let mut command = Command::new(program);
    command.args(arguments).current_dir(fixture.path(""));
    command
}
