//! What mends a list: which lines are taken, what stays as it is, and what is told.

use super::fixture::{Fixture, copy, expect};

const ON_TREE: [&str; 6] = ["--type", "micro", "--arch", "x86_64", "--kernel-dir", "tree"];

/// The tiny tree, with more of its own.
fn with(kconfig: &str) -> Fixture {
    let fixture = Fixture::new();
    let text = fixture.read("tree/Kconfig") + "\n" + kconfig;
    fixture.write("tree/Kconfig", &text);
    fixture
}

fn check(fixture: &Fixture, code: i32, more: &[&str]) -> (String, String) {
    expect(code, fixture.xtask(&[&["check"], &ON_TREE[..], more].concat()))
}

fn capability(id: &str, needs: &str) -> String {
    format!("[[capability]]\nid = \"{id}\"\nreason = \"r\"\nsource = \"s\"\nneeds = \"{needs}\"\n")
}

/// Two that select a line's driver and a group, of which one drags a hypervisor in, and more that no x86
/// has.
const STRANGERS: &str = "\
    config HYPER\n\tbool \"hypervisor\"\n\tselect HYPER_PARTS\n\n\
    config HYPER_PARTS\n\tbool\n\n\
    config HYPER_LINE\n\tbool \"its line\"\n\tdepends on HYPER\n\tdefault y\n\tselect DRIVER\n\n\
    config DRIVER\n\tbool\n\n\
    config RISC_LINE\n\tbool \"of another arch\"\n\tdepends on RISC\n\tselect DRIVER\n\n\
    config CONSOLE\n\tbool \"console\"\n\tselect DRIVER\n\n\
    config AUTO_GROUP\n\tbool \"by itself\"\n\tselect GROUPS\n\n\
    menuconfig GROUPS\n\tbool \"groups\"\n\n\
    config SHARES\n\tbool \"shares\"\n\tdepends on GROUPS\n";

#[test]
fn a_symbols_own_prompt_comes_before_a_stranger_that_selects_it() {
    let fixture = with(STRANGERS);
    fixture.conf("base.conf\n", "CONFIG_NET=y\nCONFIG_SHARES=y\n");
    let contract = capability("console", "CONSOLE && DRIVER") + &capability("groups", "GROUPS");
    fixture.write("fragments/contract.toml", &contract);
    let (_, err) = check(&fixture, 1, &[]);
    let by = |line: &str| format!("mended by\n    {line} (fragments/base.conf)\n");
    let (console, groups) = (by("CONFIG_CONSOLE=y"), by("CONFIG_GROUPS=y"));
    assert!(err.contains(&console) && err.contains(&groups), "{err}");
    let names = "has no prompt (Kconfig:74); CONSOLE selects it, and is n (Kconfig:84); HYPER_LINE selects it";
    assert!(err.contains(names) && !err.contains("RISC_LINE"), "{err}");
    check(&fixture, 0, &["--fix", "--yes"]);
    let lines = fixture.read("fragments/base.conf");
    assert!(!lines.contains("HYPER") && !lines.contains("AUTO_GROUP"), "{lines}");
    // Nothing but a stranger is left, and of two the one that brings in less.
    let (out, _) = check(&with(STRANGERS), 0, &["--want", "DRIVER", "-q"]);
    assert!(out.starts_with("CONFIG_DRIVER=y comes out with\n  CONFIG_CONSOLE=y (fr"), "{out}");
}

const QUIET: &str = "\
    config QUIET\n\tbool \"quiet\"\n\n\
    config RANDOM\n\tbool \"random\"\n\n\
    config MODULES\n\tbool \"modules\"\n\tmodules\n\n\
    config SIGNED\n\tbool \"signed\"\n\tdepends on MODULES\n\n\
    config DUMMY\n\ttristate \"dummy\"\n\n\
    config FIPS\n\tbool \"fips\"\n\tdepends on RANDOM && !QUIET && (SIGNED || !MODULES)\n";

#[test]
fn what_came_out_stays_and_what_excludes_it_is_named() {
    let fixture = with(QUIET);
    let lines = "CONFIG_NET=y\nCONFIG_QUIET=y\nCONFIG_FIPS=y\n";
    fixture.conf("base.conf\n", lines);
    for more in [&["--fix"][..], &["--fix", "--yes"]] {
        let (out, _) = check(&fixture, 1, more);
        let named = "CONFIG_FIPS=y and CONFIG_QUIET=y (fragments/base.conf:2) exclude each other";
        assert!(out.contains(named), "{out}");
        assert_eq!(fixture.read("fragments/base.conf"), lines);
    }
    // The contract takes nothing that was asked for either.
    fixture.conf("base.conf\n", "CONFIG_NET=y\nCONFIG_SPEED=3\n# CONFIG_RANDOM is not set\n");
    fixture.write("fragments/contract.toml", &capability("fast", "SPEED>=7 && RANDOM"));
    let (_, err) = check(&fixture, 1, &["--fix", "--yes"]);
    for named in [
        "CONFIG_SPEED=3 (fragments/base.conf:2)",
        "CONFIG_RANDOM is not set (fragments/base.conf:3)",
    ] {
        assert!(err.contains(&format!("{named} exclude each other")), "{err}");
    }
    assert!(fixture.read("fragments/base.conf").contains("SPEED=3"));
}

#[test]
fn one_mend_does_not_undo_another() {
    let fixture = with(QUIET);
    fixture.conf("base.conf\n", "CONFIG_NET=y\nCONFIG_FIPS=y\n");
    fixture.write("fragments/contract.toml", &capability("modules", "MODULES"));
    let (out, _) = check(&fixture, 0, &["--fix", "--yes"]);
    assert!(out.contains("+CONFIG_MODULES=y"), "{out}");
    let lines = fixture.read("fragments/base.conf");
    for symbol in ["FIPS", "RANDOM", "MODULES", "SIGNED"] {
        assert!(lines.contains(&format!("CONFIG_{symbol}=y\n")), "{lines}");
    }
}

#[test]
fn a_want_is_answered_on_stdout_with_what_it_takes_and_what_it_breaks() {
    let fixture = with(QUIET);
    fixture.conf("base.conf\n", "CONFIG_NET=y\nCONFIG_QUIET=y\n");
    let want = |code, want: &str| check(&fixture, code, &["-q", "--want", want]).0;
    let out = want(0, "DUMMY=m");
    assert!(out.starts_with("CONFIG_DUMMY=m comes out with\n"), "{out}");
    assert!(out.contains("CONFIG_MODULES=y (") && out.contains("CONFIG_DUMMY=m ("), "{out}");
    let out = want(0, "FIPS,SIGNED");
    assert!(out.starts_with("CONFIG_FIPS=y and CONFIG_SIGNED=y come out with\n"), "{out}");
    assert!(out.contains("no longer do\n  CONFIG_QUIET=y (fragments/base.conf:2)\n"), "{out}");
    let out = want(1, "QUITE,INET,NO_SUCH_THING");
    assert!(out.contains("CONFIG_QUITE=y: there is no such symbol; did you mean QUIET?"), "{out}");
    assert!(out.contains("NO_SUCH_THING=y: there is no such symbol; search"), "{out}");
    assert!(out.contains("CONFIG_INET=y comes out with\n"), "{out}");
    let out = want(1, "INET,MODEM");
    assert!(out.contains("CONFIG_MODEM=y and CONFIG_INET=y exclude each other"), "{out}");
    let out = want(1, "QUIET=m");
    assert!(
        out.contains("CONFIG_QUIET=m: nothing was found") && out.contains("type is bool"),
        "{out}"
    );
    let (_, err) = check(&fixture, 2, &["--want", "NET=yes"]);
    assert!(err.contains("`yes` is no value"), "{err}");
}

#[test]
fn a_tool_that_is_not_here_is_named_and_a_number_is_no_symbol() {
    let fixture = with(
        "config WEAVER_VERSION\n\tint\n\tdefault $(shell,echo 0)\n\n\
         config WOVEN\n\tbool \"woven\"\n\tdepends on WEAVER_VERSION >= 116\n",
    );
    let (out, _) = check(&fixture, 1, &["-q", "--want", "WOVEN"]);
    assert!(out.contains("WEAVER_VERSION [=0]>=116: this is n"), "{out}");
    assert!(out.contains("WEAVER_VERSION is 0 since the tools here have no weaver"), "{out}");
}

/// The same tree when it called one symbol by its older name, and could not have two others together.
fn with_older_tree() -> Fixture {
    let fixture = with(
        "config NEW_NAME\n\tbool \"renamed\"\n\nconfig PART\n\tbool \"part\"\n\n\
                        config WHOLE\n\tbool \"whole\"\n\tdepends on PART\n\nconfig OTHER\n\tbool \"other\"\n",
    );
    copy(&fixture.path("tree"), &fixture.path("old"));
    let kconfig = fixture.read("old/Kconfig").replace("NEW_NAME", "OLD_NAME");
    fixture.write("old/Kconfig", &(kconfig + "\tdepends on !PART\n"));
    let makefile = fixture.read("old/Makefile").replace("PATCHLEVEL = 12", "PATCHLEVEL = 1");
    fixture.write("old/Makefile", &makefile);
    fixture.write("lists/micro-kernel-x86_64.list", "all.conf\n");
    let history = "[[symbol]]\nname = \"NEW_NAME\"\nwas = [\"OLD_NAME\"]\nevidence = \"made up\"\n";
    fixture.write("fragments/history.toml", history);
    fixture
}

const FIX: [&str; 4] = ["--kernel-conf-dir", "lists", "--fix", "--yes"];

#[test]
fn an_old_name_goes_only_where_no_tree_needs_it() {
    let fixture = with_older_tree();
    let both = "CONFIG_OLD_NAME=y\nCONFIG_NEW_NAME=y\n";
    fixture.write("lists/all.conf", both);
    let (out, _) = check(&fixture, 1, &[&["--kernel-dir", "old"], &FIX[..]].concat());
    assert_eq!(fixture.read("lists/all.conf"), both);
    assert!(out.contains("lists/all.conf:1 stays as it is: "), "{out}");
    assert!(out.contains("Linux 6.1.0 has only the old one"), "{out}");
    check(&fixture, 0, &FIX);
    assert_eq!(fixture.read("lists/all.conf"), "CONFIG_NEW_NAME=y\n");
}

#[test]
fn fragments_are_as_they_were_where_a_kernel_is_worse_with_the_change() {
    let fixture = with_older_tree();
    let lines = "CONFIG_NET=y\nCONFIG_OTHER=y\nCONFIG_WHOLE=y\n";
    fixture.write("lists/all.conf", lines);
    let old = [&["--kernel-dir", "old"], &FIX[..]].concat();
    let (_, err) = check(&fixture, 1, &old);
    assert_eq!(fixture.read("lists/all.conf"), lines);
    assert!(err.contains("micro-x86_64 on Linux 6.1.0 loses CONFIG_OTHER=y by that"), "{err}");
    assert!(err.contains("the fragments are as they were"), "{err}");
    check(&fixture, 0, &FIX);
    assert!(fixture.read("lists/all.conf").contains("CONFIG_PART=y\n"));
}

#[test]
fn the_other_lists_of_a_changed_fragment_are_named() {
    let fixture = Fixture::new();
    fixture.conf("base.conf\n", "CONFIG_INET=y\n");
    fixture.write("fragments/mini-kernel-x86_64.list", "base.conf\n");
    let only = ["--hypervisor", "stratovirt", "--fix"];
    let (_, err) = check(&fixture, 1, &only);
    let named = "fragments/base.conf is also of micro-x86_64-cloud_hypervisor, mini-x86_64";
    assert!(err.contains(named), "{err}");
}

#[test]
fn an_edit_that_breaks_the_contract_takes_its_name() {
    let fixture = Fixture::new();
    let lines = "CONFIG_NET=y\nCONFIG_INET=y\n";
    fixture.conf("base.conf\n", lines);
    fixture.write("fragments/contract.toml", &capability("network", "INET"));
    fixture.write("less.config", "CONFIG_NET=y\n# CONFIG_INET is not set\n");
    let edit = |code, more: &[&str]| {
        let edit = ["edit", "--hypervisor", "stratovirt", "--config", "less.config", "--yes"];
        expect(code, fixture.xtask(&[&edit[..], &ON_TREE, more].concat())).1
    };
    let err = edit(1, &[]);
    assert!(err.contains("the contract is broken: network"), "{err}");
    assert!(err.contains("nothing was written: the contract would be broken"), "{err}");
    assert!(err.contains("--allow-breach network"), "{err}");
    assert_eq!(fixture.read("fragments/base.conf"), lines);
    edit(0, &["--allow-breach", "network"]);
    assert_eq!(fixture.read("fragments/base.conf"), "CONFIG_NET=y\n");
}
