//! A kernel that is newer than this tool, whose Kconfig files say what only its own conf understands.

use serde_json::Value;

use super::fixture::{Fixture, expect};

const ON_TREE: [&str; 8] =
    ["--type", "micro", "--arch", "x86_64", "--hypervisor", "stratovirt", "--kernel-dir", "tree"];

/// What conf says to a statement that no reader here knows.
const NEWER: &str = "config LATER\n\tbool \"later\"\n\tsince \"99.4\"\n\n";

/// A tree that says so, and notes each call of its conf.
fn newer() -> Fixture {
    let fixture = Fixture::new();
    let kconfig = fixture.read("tree/Kconfig");
    fixture
        .write("tree/Kconfig", &kconfig.replace("config NET\n", &format!("{NEWER}config NET\n")));
    let conf = fixture.read("tree/scripts/kconfig/conf.sh");
    let calls = fixture.path("calls");
    let noted = format!("option=$2\necho \"$option\" >>{}\n", calls.display());
    fixture.write("tree/scripts/kconfig/conf.sh", &conf.replace("option=$2\n", &noted));
    fixture.write("calls", "");
    fixture
}

fn on_tree<'a>(command: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    [&[command][..], &ON_TREE, more].concat()
}

#[test]
fn its_own_conf_resolves_what_is_built_of_it() {
    let fixture = newer();
    fixture.conf("base.conf\n", "CONFIG_LATER=y\nCONFIG_NET=y\n");
    let (_, err) = expect(0, fixture.xtask(&on_tree("kernel", &[])));
    let named = "warning: Kconfig:5: unknown statement `since` (since \"99.4\") is not known to this tool: the \
                 own conf of Linux 6.12.0 resolves";
    assert_eq!(err.matches(named).count(), 1, "{err}");
    let manifest = || serde_json::from_str::<Value>(&fixture.read("bin/vmlinux.bin.json")).unwrap();
    let built = manifest();
    assert_eq!(built["resolved_by"], "conf");
    fixture.write("calls", "");
    let (out, err) = expect(0, fixture.xtask(&on_tree("kernel", &[])));
    assert!(out.contains("unchanged") && !err.contains("since"), "{out}{err}");
    assert_eq!((manifest(), fixture.read("calls").as_str()), (built, ""));
}

#[test]
fn the_same_is_not_asked_of_it_twice() {
    let fixture = newer();
    let resolve = || {
        fixture.xtask(&["resolve", "--arch", "x86_64", "--kernel-dir", "tree", "--config", "asked"])
    };
    fixture.write("asked", "CONFIG_LATER=y\nCONFIG_NO_SUCH=y\n");
    let (out, err) = expect(1, resolve());
    assert_eq!(out, "CONFIG_LATER=y\n");
    assert!(err.contains("CONFIG_NO_SUCH=y resolves to n\n --> asked:2"), "{err}");
    assert_eq!(fixture.read("calls"), "--allnoconfig\n--syncconfig\n--allnoconfig\n");
    fixture.write("calls", "");
    assert_eq!(expect(1, resolve()).0, "CONFIG_LATER=y\n");
    assert_eq!(fixture.read("calls"), "");
    // A file that only conf knows how to come to, it says it read.
    let part = fixture.read("tree/arch/x86/Kconfig");
    fixture.write("tree/arch/x86/Kconfig", &format!("{part}\n# changed\n"));
    expect(1, resolve());
    assert_eq!(fixture.read("calls"), "--allnoconfig\n--syncconfig\n--allnoconfig\n");
}

#[test]
fn every_mode_is_its_own() {
    let fixture = newer();
    fixture.write("asked", "CONFIG_LATER=y\n");
    for mode in ["allyesconfig", "alldefconfig", "olddefconfig", "defconfig"] {
        let resolve = ["resolve", "--arch", "x86_64", "--kernel-dir", "tree", "--config", "asked"];
        let more = ["--mode", mode, "--savedefconfig"];
        let (out, _) = expect(0, fixture.xtask(&[&resolve[..], &more].concat()));
        assert_eq!(out, "CONFIG_LATER=y\n", "{mode}");
        let calls = fixture.read("calls");
        assert!(
            calls.contains(&format!("--{mode}")) && calls.contains("--savedefconfig"),
            "{calls}"
        );
    }
}

#[test]
fn what_does_not_come_out_is_found_without_a_cause() {
    let fixture = newer();
    fixture.conf("base.conf\n", "CONFIG_NET=y\nCONFIG_NO_SUCH=y\n");
    let (out, err) = expect(1, fixture.xtask(&on_tree("check", &["--format", "json"])));
    let rows: Value = serde_json::from_str(&out).unwrap();
    assert_eq!(rows[0]["resolved_by"], "conf");
    assert_eq!(rows[0]["findings"][0]["symbol"], "NO_SUCH");
    assert_eq!(rows[0]["findings"][0]["cause"], "untold");
    assert!(err.contains("the tree's own conf does not say why"), "{err}");
}

#[test]
fn what_takes_an_understanding_of_it_says_so() {
    let fixture = newer();
    for command in [
        on_tree("explain", &["NET"]),
        on_tree("check", &["--fix"]),
        on_tree("check", &["--want", "INET"]),
        vec![
            "diff",
            "tree",
            "tree",
            "--type",
            "micro",
            "--arch",
            "x86_64",
            "--hypervisor",
            "stratovirt",
        ],
    ] {
        let (_, err) = expect(2, fixture.xtask(&command));
        assert!(err.contains("unknown statement `since`") && err.contains("Kconfig:5"), "{err}");
        assert!(err.contains("failed to read the Kconfig files of Linux 6.12.0"), "{err}");
        assert!(err.contains("hint: `kernel`, `check`, `refresh` and `resolve` have it"), "{err}");
    }
}

#[test]
fn what_it_refuses_too_is_told_in_its_words() {
    let fixture = newer();
    fixture.write("tree/Kconfig", &(fixture.read("tree/Kconfig") + "\nblah\n"));
    let (_, err) = expect(2, fixture.xtask(&on_tree("check", &[])));
    let last = fixture.read("tree/Kconfig").lines().count();
    for text in ["unknown statement `blah`", &format!("Kconfig:{last}: syntax error")] {
        assert!(err.contains(text), "no `{text}` in {err}");
    }
    assert!(!err.contains("warning: Kconfig"), "{err}");
}

#[test]
fn a_conf_that_cannot_be_made_is_told() {
    let fixture = newer();
    std::fs::remove_file(fixture.path("tree/scripts/kconfig/conf.sh")).unwrap();
    let programs = fixture.programs_without(&["flex", "bison"]);
    let mut check = fixture.xtask(&on_tree("check", &[]));
    check.env("PATH", programs);
    let (_, err) = expect(2, check);
    assert!(err.contains("unknown statement `since`"), "{err}");
    assert!(err.contains("it takes flex and bison: `cargo xtask setup` installs that"), "{err}");
}
