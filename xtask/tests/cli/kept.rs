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

/// Whatever it is called, and whatever the user's own shell says of it.
#[test]
fn a_variable_is_what_the_trees_makefiles_make_it() {
    let fixture = Fixture::new();
    let (kconfig, makefile) = (fixture.read("tree/Kconfig"), fixture.read("tree/Makefile"));
    let more = "\nconfig TOLD\n\tstring \"told\"\n\tdefault \"$(TOLD)\"\n";
    fixture.write("tree/Kconfig", &(kconfig + more));
    let tell = |value: &str| {
        fixture.write("tree/Makefile", &format!("{makefile}\nexport TOLD := {value}\n"));
    };
    let resolve = |own: &[(&str, &str)]| {
        let mut command = fixture.xtask(&RESOLVE);
        command.envs(own.iter().copied());
        expect(0, command).0
    };
    tell("once");
    for own in [&[("TOLD", "once")][..], &[], &[("TOLD", "never")]] {
        assert!(resolve(own).contains("CONFIG_TOLD=\"once\""), "{own:?}");
    }
    tell("twice");
    assert!(resolve(&[]).contains("CONFIG_TOLD=\"twice\""));
}

#[test]
fn makefiles_that_make_refuses_are_told() {
    let fixture = Fixture::new();
    let makefile = fixture.read("tree/Makefile");
    fixture.write("tree/Makefile", &format!("{makefile}\n$(error no such arch)\n"));
    let (_, err) = expect(2, fixture.xtask(&RESOLVE));
    let folder = fixture.path("tree");
    let told =
        format!("failed to ask the makefiles of {} what they tell Kconfig", folder.display());
    assert!(err.contains(&told) && err.contains("no such arch"), "{err}");
}

/// cargo changes it for what it runs: to type the program's own name is no reason to read all again.
#[test]
fn each_path_has_its_own() {
    let fixture = Fixture::new();
    let path = fixture.program("unused", "exit 0");
    let models = || {
        let kept = fixture.path("target/guest-kernel/kconfig").read_dir().unwrap();
        kept.filter(|one| one.as_ref().unwrap().path().extension().is_some_and(|e| e == "model"))
            .count()
    };
    let mut other = fixture.xtask(&RESOLVE);
    other.env("PATH", path);
    expect(0, fixture.xtask(&RESOLVE));
    expect(0, other);
    assert_eq!(models(), 2);
    expect(0, fixture.xtask(&RESOLVE));
    assert_eq!(models(), 2);
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
