//! Transitional names, which a tree keeps for old `.config` files only, and the symbols that inherit their values.

use super::fixture::{Fixture, expect};

const OLD: &str = "\nconfig OLD_NAME\n\tbool\n\ttransitional\n\nconfig NEW_NAME\n\tbool \"renamed\"\n\
                   \tdefault OLD_NAME\n";

/// The tree of a kernel that has such names.
fn renaming() -> Fixture {
    let fixture = Fixture::new();
    let makefile = fixture.read("tree/Makefile").replace("VERSION = 6", "VERSION = 7");
    fixture.write("tree/Makefile", &makefile);
    fixture.write("tree/Kconfig", &(fixture.read("tree/Kconfig") + OLD));
    fixture
}

const ON_TREE: [&str; 6] = ["--type", "micro", "--arch", "x86_64", "--kernel-dir", "tree"];

#[test]
fn a_line_means_the_heir_and_fix_names_it() {
    let fixture = renaming();
    fixture.conf("base.conf\n", "CONFIG_NET=y\n# why\nCONFIG_OLD_NAME=y\n");
    let (out, err) = expect(0, fixture.xtask(&[&["resolve"][..], &ON_TREE].concat()));
    assert!(out.contains("CONFIG_NEW_NAME=y") && !out.contains("OLD_NAME"), "{out}");
    let note = "base.conf:3: OLD_NAME is transitional in this tree, kept for old .config files only: NEW_NAME inherits";
    assert!(err.contains(note), "{err}");
    let fix = [&["check"][..], &ON_TREE, &["--fix", "--yes"]].concat();
    expect(0, fixture.xtask(&fix));
    assert_eq!(fixture.read("fragments/base.conf"), "CONFIG_NET=y\n# why\nCONFIG_NEW_NAME=y\n");
    let (_, err) = expect(0, fixture.xtask(&[&["check"][..], &ON_TREE].concat()));
    assert!(!err.contains("OLD_NAME"), "{err}");
}

#[test]
fn each_of_several_heirs_inherits() {
    let fixture = renaming();
    let other = "\nconfig OTHER_NAME\n\tbool \"other\"\n\tdefault OLD_NAME\n";
    fixture.write("tree/Kconfig", &(fixture.read("tree/Kconfig") + other));
    fixture.write("old", "CONFIG_OLD_NAME=y\n");
    let raw = ["resolve", "--arch", "x86_64", "--kernel-dir", "tree", "--config", "old"];
    let (_, err) = expect(1, fixture.xtask(&raw));
    for heir in ["NEW_NAME", "OTHER_NAME"] {
        assert!(err.contains(&format!("ask for CONFIG_{heir}=y")), "{err}");
    }
    fixture.conf("base.conf\n", "CONFIG_NET=y\nCONFIG_OLD_NAME=y\n");
    let (out, _) = expect(0, fixture.xtask(&[&["resolve"][..], &ON_TREE].concat()));
    assert!(out.contains("CONFIG_NEW_NAME=y") && out.contains("CONFIG_OTHER_NAME=y"), "{out}");
}

#[test]
fn a_line_of_the_heirs_own_counts() {
    let fixture = renaming();
    fixture.conf("base.conf\n", "CONFIG_NEW_NAME=n\nCONFIG_OLD_NAME=y\n");
    let (out, _) = expect(0, fixture.xtask(&[&["resolve"][..], &ON_TREE].concat()));
    assert!(out.contains("# CONFIG_NEW_NAME is not set"), "{out}");
}

/// As conf does, which says nothing of it.
#[test]
fn what_a_config_loses_is_told() {
    let fixture = renaming();
    fixture.write("old", "CONFIG_NET=y\nCONFIG_OLD_NAME=y\n");
    fixture.write("both", "CONFIG_OLD_NAME=y\nCONFIG_NEW_NAME=n\n");
    let resolve = |code, more: &[&str]| {
        let raw = ["resolve", "--arch", "x86_64", "--kernel-dir", "tree", "--config"];
        expect(code, fixture.xtask(&[&raw[..], more].concat()))
    };
    let lost = "warning: CONFIG_OLD_NAME=y is lost";
    for more in [&["old"][..], &["old", "--savedefconfig"]] {
        let (out, err) = resolve(1, more);
        assert!(!out.contains("CONFIG_NEW_NAME=y") && err.contains(lost), "{out}{err}");
        assert!(err.contains("ask for CONFIG_NEW_NAME=y"), "{err}");
    }
    let (out, err) = resolve(0, &["old", "--mode", "olddefconfig", "--savedefconfig"]);
    assert!(out.contains("CONFIG_NEW_NAME=y") && !err.contains("lost"), "{out}{err}");
    assert!(!resolve(0, &["both"]).1.contains("lost"));
}
