//! A tree is read once, and again when something of it has changed.

use super::fixture::{Fixture, expect};

const RESOLVE: [&str; 7] =
    ["resolve", "--arch", "x86_64", "--kernel-dir", "tree", "--mode", "allyesconfig"];

#[test]
fn what_was_read_before_gives_the_same() {
    let fixture = Fixture::new();
    let (first, _) = expect(0, fixture.xtask(&RESOLVE));
    let (again, _) = expect(0, fixture.xtask(&RESOLVE));
    assert!(first.contains("CONFIG_NET=y"), "{first}");
    assert_eq!(first, again);
}

#[test]
fn a_changed_file_is_read_again() {
    let fixture = Fixture::new();
    expect(0, fixture.xtask(&RESOLVE));
    let text = fixture.read("tree/arch/x86/Kconfig").replace("X86_PART", "X86_PIECE");
    fixture.write("tree/arch/x86/Kconfig", &text);
    let (out, _) = expect(0, fixture.xtask(&RESOLVE));
    assert!(out.contains("CONFIG_X86_PIECE=y") && !out.contains("X86_PART"), "{out}");
}

#[test]
fn a_variable_that_comes_later_counts() {
    let fixture = Fixture::new();
    let text = fixture.read("tree/Kconfig");
    let more = "\nconfig LATER\n\tstring \"later\"\n\tdefault \"$(LATER)\"\n";
    fixture.write("tree/Kconfig", &(text + more));
    let (out, _) = expect(0, fixture.xtask(&RESOLVE));
    assert!(out.contains("CONFIG_LATER=\"\""), "{out}");
    let mut command = fixture.xtask(&RESOLVE);
    command.env("LATER", "now");
    let (out, _) = expect(0, command);
    assert!(out.contains("CONFIG_LATER=\"now\""), "{out}");
}

#[test]
fn a_torn_file_is_made_anew() {
    let fixture = Fixture::new();
    let (first, _) = expect(0, fixture.xtask(&RESOLVE));
    let kept = fixture.path("target/guest-kernel/kconfig").read_dir().unwrap();
    let kept = kept.map(|entry| entry.unwrap().path());
    let kept: Vec<_> = kept.filter(|path| path.extension().is_some_and(|e| e == "model")).collect();
    assert_eq!(kept.len(), 1, "{kept:?}");
    let bytes = std::fs::read(&kept[0]).unwrap();
    for damaged in [&bytes[..bytes.len() / 2], &bytes[1..], b""] {
        std::fs::write(&kept[0], damaged).unwrap();
        let (again, _) = expect(0, fixture.xtask(&RESOLVE));
        assert_eq!(first, again);
    }
}
