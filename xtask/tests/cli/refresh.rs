//! `refresh`, from one tiny tree to another: what is told, and what a run does that was stopped.

use std::fmt::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

use super::consoles::transcript;
use super::fixture::{Fixture, bzimage, copy, expect, run};

/// What is new in the new tree: a name, two symbols that come in by themselves, one that another one
/// now depends on; and a symbol is gone.
const NEWS: [(&str, &str); 5] = [
    ("config NET\n", "config NET_CORE\n\tdef_bool NET\n\nconfig NET\n"),
    ("config INET\n", "config TCPIP\n"),
    ("&& !INET", "&& !TCPIP"),
    (
        "config SPEED\n\tint \"speed\"\n",
        "config CLOCK\n\tbool \"clock\"\n\nconfig CHECKS\n\tbool \"checks\"\n\tdefault NET\n\nconfig LINES\n\tint \"lines\"\n\tdefault 3\n\thelp\n\t  How many \
         there are.\n\nconfig SPEED\n\tint \"speed\"\n\tdepends on CLOCK\n",
    ),
    ("config PLAIN\n\tbool \"plain\"\n", "config SIMPLE\n\tbool \"simple\"\n"),
];

const HISTORY: &str = "\
# What symbols were called.

[[symbol]]
name = \"SERIAL\"
was = [\"TTY\"]
evidence = \"made up, and no tree needs it\"

[[symbol]]
name = \"WIFI\"
until = \"5.10\"
evidence = \"made up\"
";

const PATCH: &str = "--- a/Kconfig\n+++ b/Kconfig\n@@ -1,3 +1,5 @@\n mainmenu \"a tree for tests\"\n \n+config NEW_RADIO\n+\tbool \"new radio\"\n config NET\n";

/// Pins of the tiny tree, and of one in which time has passed; fragments in the old one's words.
fn fixture(fragment: &str) -> Fixture {
    let fixture = Fixture::new();
    copy(&fixture.path("tree"), &fixture.path("later"));
    let kconfig = fixture.read("later/Kconfig");
    let later = NEWS.iter().fold(kconfig, |text, (from, to)| {
        assert!(text.contains(from), "{from}");
        text.replace(from, to)
    });
    fixture.write("later/Kconfig", &later);
    let makefile = fixture.read("later/Makefile").replace("PATCHLEVEL = 12", "PATCHLEVEL = 18");
    fixture.write("later/Makefile", &makefile);
    fixture.conf("base.conf\n", fragment);
    fixture.write("fragments/history.toml", HISTORY);
    fixture.write("fragments/patches/0001-radio.patch", PATCH);
    pin(&fixture);
    fixture
}

fn pin(fixture: &Fixture) {
    let mut pins = "# What is pinned.\ndefault = \"old\" # for now\n".to_owned();
    for (name, tree, more) in
        [("old", "tree", ""), ("new", "later", ""), ("patched", "later", "patches = \"patches\"\n")]
    {
        let sha256 = fixture.pack(tree);
        let _ = write!(
            pins,
            "\n[source.{name}]\nprovider = \"tarball\"\nurl = \"{tree}.tar.gz\"\nsha256 = \"{sha256}\"\n{more}"
        );
    }
    fixture.write("fragments/sources.toml", &pins);
}

#[test]
fn consoles() {
    insta::glob!("../cmd/refresh", "*.console", |path| {
        let fixture = fixture(
            "# the network\nCONFIG_NET=y\nCONFIG_INET=y\n\n# the line\nCONFIG_SERIAL=y\nCONFIG_SPEED=3\n",
        );
        // What changes with the compressor's version.
        let hashes = ["tree", "later"].map(|tree| fixture.pack(tree));
        let mut transcript = transcript(&fixture, path);
        for (hash, name) in hashes.iter().zip(["[of old]", "[of new]"]) {
            transcript = transcript.replace(&hash[..12], name);
        }
        insta::assert_snapshot!(transcript);
    });
}

#[test]
fn a_symbol_that_is_gone_is_told_and_its_line_stays() {
    let fixture = fixture("CONFIG_NET=y\nCONFIG_SERIAL=y\nCONFIG_PLAIN=y\n");
    let refresh = ["refresh", "--to", "new", "--no-build", "--fix", "--yes", "--format", "json"];
    let (out, err) = expect(1, fixture.xtask(&refresh));
    assert!(err.contains("fragments/base.conf:3: PLAIN is gone"), "{err}");
    let told: serde_json::Value = serde_json::from_str(&out).unwrap();
    let proposal = &told["ahead"]["proposals"][0];
    assert_eq!((&proposal["symbol"], &proposal["renamed_to"]), (&"PLAIN".into(), &().into()));
    assert!(fixture.read("fragments/base.conf").contains("CONFIG_PLAIN=y"));
    assert_eq!(fixture.read("fragments/history.toml"), HISTORY);
}

/// A refresh with the stand-in for QEMU in front of all other programs.
fn refresh(fixture: &Fixture, machine: &str, more: &[&str]) -> Command {
    let qemu = fixture.path("first/qemu-system-x86_64");
    if !qemu.exists() {
        std::fs::create_dir_all(qemu.parent().unwrap()).unwrap();
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/refresh/machine.c");
        #[expect(clippy::disallowed_methods, reason = "a test types commands")]
        let mut gcc = Command::new("gcc");
        gcc.arg("-o").arg(&qemu).arg(source);
        assert!(run(gcc).status.success());
    }
    let common = ["refresh", "--accel", "tcg"];
    let to: &[&str] = if more.contains(&"--to") { &[] } else { &["--to", "new"] };
    // What was done before by another program is done again.
    let mut command = fixture.own_xtask(&[&common[..], to, more].concat());
    let path = std::env::var("PATH").unwrap();
    let tools = fixture.path("foreign-tools");
    command.env("PATH", format!("{}:{path}:{}", fixture.path("first").display(), tools.display()));
    command.env("STARTS", fixture.path("starts")).env("MACHINE", machine);
    command
}

/// What was started since this was asked last.
fn starts(fixture: &Fixture) -> Vec<String> {
    let starts = std::fs::read_to_string(fixture.path("starts")).unwrap_or_default();
    let _ = std::fs::remove_file(fixture.path("starts"));
    starts.lines().map(str::to_owned).collect()
}

const FITS_BOTH: &str = "CONFIG_NET=y\nCONFIG_SERIAL=y\n";

#[test]
fn a_run_that_was_stopped_goes_on_where_it_was() {
    // Whom a kill leaves without a parent holds the lock until it ends.
    for (signal, machine) in [(Signal::INT, "hang"), (Signal::TERM, "hang"), (Signal::KILL, "slow")]
    {
        let fixture = fixture(FITS_BOTH);
        let mut command = refresh(&fixture, machine, &[]);
        command.stdout(Stdio::null()).stderr(Stdio::null());
        #[expect(clippy::disallowed_methods, reason = "a test types commands")]
        let mut child = command.spawn().unwrap();
        let said = || std::fs::read_to_string(fixture.path("starts")).unwrap_or_default();
        while !said().contains("measurement") {
            assert!(child.try_wait().unwrap().is_none(), "it ended: {}", said());
            std::thread::sleep(Duration::from_millis(20));
        }
        kill_process(Pid::from_raw(child.id().try_into().unwrap()).unwrap(), signal).unwrap();
        let code = (signal != Signal::KILL).then_some(130);
        assert_eq!(child.wait().unwrap().code(), code);
        assert_eq!(starts(&fixture), ["boot", "measurement"]);
        assert!(!fixture.path("docs").exists());
        let (out, err) = expect(0, refresh(&fixture, "", &[]));
        let done = "boot of micro-x86_64-stratovirt on Linux 6.12.0: done before";
        assert!(err.contains(done), "{err}");
        assert_eq!(starts(&fixture), ["measurement", "measurement"], "of the new one, and the old");
        assert!(out.contains("1 of 1 boots passed; no figure is past its budget."), "{out}");
        expect(0, refresh(&fixture, "", &[]));
        assert!(starts(&fixture).is_empty(), "all was done");
        fixture.conf("base.conf\n", "CONFIG_NET=y\n");
        expect(0, refresh(&fixture, "", &[]));
        assert_eq!(starts(&fixture).len(), 3, "another kernel is booted and measured");
    }
}

#[test]
fn what_passed_is_taken_whole_and_only_with_a_yes() {
    let fixture = fixture(FITS_BOTH);
    let before = fixture.read("fragments/sources.toml");
    let (_, err) = expect(0, refresh(&fixture, "", &["--format", "json"]));
    assert!(err.contains("nothing was written: there is no terminal to ask on"), "{err}");
    assert_eq!(fixture.read("fragments/sources.toml"), before);
    assert!(!fixture.path("ci").exists());
    let (_, err) = expect(0, refresh(&fixture, "", &["--yes"]));
    assert!(err.contains("-default = \"old\" # for now\n+default = \"new\" # for now"), "{err}");
    let after = before.replace("default = \"old\"", "default = \"new\"");
    assert_eq!(fixture.read("fragments/sources.toml"), after);
    let baseline = fixture.read("ci/baselines/tcg.json");
    assert!(baseline.contains("\"name\": \"micro-x86_64-stratovirt\""), "{baseline}");
    let report = fixture.read("docs/refresh-old-new.md");
    assert!(report.contains("![Bars of the same figures](refresh-old-new.svg)"), "{report}");
    assert!(report.contains("| START | 5.0 M → 5.0 M (1.000) |"), "{report}");
    let picture = fixture.read("docs/refresh-old-new.svg");
    assert!(picture.contains("micro-x86_64-stratovirt, old"), "{picture}");
    let (_, err) = expect(2, refresh(&fixture, "", &["--yes"]));
    assert!(err.contains("failed to refresh from new to itself"), "{err}");
    // The figures of before are those of the baseline.
    starts(&fixture);
    expect(0, refresh(&fixture, "", &["--from", "new", "--to", "old"]));
    assert_eq!(starts(&fixture), ["boot"]);
}

#[test]
fn growth_is_taken_only_where_that_is_said() {
    let fixture = fixture(FITS_BOTH);
    std::fs::write(fixture.path("later/image"), bzimage(4096)).unwrap();
    let socket = fixture.read("later/net/socket.c");
    fixture.write("later/net/socket.c", &format!("{socket}\nconst char table[5000] = {{1}};\n"));
    pin(&fixture);
    let (out, err) = expect(1, refresh(&fixture, "", &["--yes"]));
    assert!(out.contains("| IMAGE | **2,048 → 4,096 (2.000)** |"), "{out}");
    let grew = out.split("## What grew").nth(1).unwrap_or_default();
    assert!(grew.contains("| NET | +5,"), "{out}");
    assert!(grew.contains("| asked by fragments/base.conf:1 |"), "{out}");
    assert!(err.contains("1 figure is past its budget\nhint: --allow-growth takes it"), "{err}");
    assert!(!fixture.path("ci").exists(), "nothing is taken");
    starts(&fixture);
    let report = fixture.read("docs/refresh-old-new.md");
    fixture.write("docs/refresh-old-new.md", &(report + "\n## Why\n\nA table.\n"));
    expect(0, refresh(&fixture, "", &["--yes", "--allow-growth"]));
    assert!(starts(&fixture).is_empty());
    assert!(fixture.read("docs/refresh-old-new.md").ends_with("\n## Why\n\nA table.\n"));
    assert!(
        fixture
            .read("docs/refresh-old-new.md")
            .contains("1 figure is past its budget, and accepted")
    );
    assert!(fixture.read("fragments/sources.toml").contains("default = \"new\""));
}

#[test]
fn a_boot_that_failed_is_told_and_tried_again() {
    let fixture = fixture(FITS_BOTH);
    let (out, _) = expect(1, refresh(&fixture, "panic", &["--yes"]));
    assert!(out.contains("0 of 1 boots passed") && out.contains("**failed**: "), "{out}");
    assert!(fixture.read("docs/refresh-old-new.md").contains("**failed**"));
    assert!(!fixture.path("ci").exists(), "nothing is taken");
    starts(&fixture);
    expect(0, refresh(&fixture, "", &["--yes"]));
    assert_eq!(starts(&fixture), ["boot"]);
}

#[test]
fn a_kernel_that_cannot_be_built_is_told_in_the_report() {
    let fixture = fixture(FITS_BOTH);
    fixture.write("later/net/socket.c", "int net(void) { return nothing; }\n");
    pin(&fixture);
    let (out, _) = expect(1, refresh(&fixture, "", &["--yes"]));
    assert!(out.contains("failed to build micro-x86_64"), "{out}");
    assert!(fixture.read("docs/refresh-old-new.md").contains("failed to build micro-x86_64"));
    assert!(!fixture.path("ci").exists(), "nothing is taken");
}
