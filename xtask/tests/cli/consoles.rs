//! Each file in `tests/cmd` holds command lines, typed one after another in a fresh copy of
//! `tests/data/workspace`; what they print is the snapshot of that name.

use std::fmt::Write as _;
use std::path::Path;

use sha2::Digest as _;

use super::fixture::{Fixture, run, stderr, stdout};

#[test]
fn consoles() {
    insta::glob!("../cmd", "*.console", |path| {
        let fixture = Fixture::new();
        more_files(&fixture);
        let hashes = sources(&fixture);
        let unhashed = |text: String, (hash, name): &(String, &str)| {
            text.replace(hash, name).replace(&hash[..12], name)
        };
        let transcript = transcript(&fixture, path);
        insta::assert_snapshot!(hashes.iter().fold(transcript, unhashed));
    });
}

/// What a console's command lines print, with their exit codes.
pub(super) fn transcript(fixture: &Fixture, console: &Path) -> String {
    let mut transcript = String::new();
    for line in std::fs::read_to_string(console).unwrap().lines() {
        let Some(arguments) = line.strip_prefix("$ xtask ") else {
            let _ = writeln!(transcript, "{line}");
            continue;
        };
        let arguments: Vec<&str> = arguments.split(' ').collect();
        let output = run(fixture.xtask(&arguments));
        let code = output.status.code().unwrap_or(-1);
        let _ = writeln!(transcript, "{line}\n{}{}? {code}", stderr(&output), stdout(&output));
    }
    without_path(&transcript, &fixture.path("").canonicalize().unwrap())
}

/// One of each that an entry can say; the tiny tree refutes the last.
const HISTORY: &str = r#"
[[symbol]]
name = "SERIAL"
was = ["WIFI"]
evidence = "made up"

[[symbol]]
name = "NETWORKING"
was = ["NET"]
evidence = "made up"

[[symbol]]
name = "SUBNET"
since = "7.0"
evidence = "made up"

[[symbol]]
name = "TOKENRING"
until = "3.5"
instead = "NET does its work"
evidence = "made up"

[[symbol]]
name = "ACME"
vendor = "ACME"
evidence = "made up"

[[symbol]]
name = "ARM_PART"
until = "3.5"
evidence = "made up"
"#;

fn without_path(text: &str, root: &Path) -> String {
    text.replace(root.to_str().unwrap().trim_end_matches('/'), "[ROOT]")
}

/// Pins of the tiny tree's tarball, whole and not, of a commit of it, and of a release. Gives the hashes
/// in the messages, which change with the compressor's version, and what stands for them.
pub(super) fn sources(fixture: &Fixture) -> [(String, &'static str); 3] {
    let gzip = flate2::write::GzEncoder::new(vec![], flate2::Compression::fast());
    let mut archive = tar::Builder::new(gzip);
    archive.mode(tar::HeaderMode::Deterministic);
    archive.append_dir_all("linux-6.12", fixture.path("tree")).unwrap();
    let whole = archive.into_inner().unwrap().finish().unwrap();
    let cut = &whole[..whole.len() / 2];
    std::fs::write(fixture.path("fragments/whole.tar.gz"), &whole).unwrap();
    std::fs::write(fixture.path("fragments/cut.tar.gz"), cut).unwrap();
    let hash = |bytes: &[u8]| format!("{:x}", sha2::Sha256::digest(bytes));
    let (whole, cut) = (hash(&whole), hash(cut));
    let pin = |name: &str, file: &str, sha256: &str| {
        format!(
            "[source.{name}]\nprovider = \"tarball\"\nurl = \"{file}\"\nsha256 = \"{sha256}\"\n"
        )
    };
    fixture.write("fragments/patches/0001-radio.patch", PATCH);
    let patched = pin("patched", "whole.tar.gz", &whole) + "patches = \"patches\"\n";
    let commit = commit_of_tree(fixture);
    let url = format!("file://{}", fixture.path("linux.git").display());
    let pins = [
        format!("[source.commit]\nprovider = \"git\"\nurl = \"{url}\"\ncommit = \"{commit}\"\n"),
        format!(
            "[source.release]\nprovider = \"kernel.org\"\nversion = \"6.12.8\"\nkey = \"key.asc\"\n\
             fingerprint = \"{}\"\n",
            "0".repeat(40)
        ),
        patched,
        pin("whole", "whole.tar.gz", &whole),
        pin("wrong", "whole.tar.gz", &"0".repeat(64)),
        pin("cut", "cut.tar.gz", &whole),
        pin("cut-and-pinned", "cut.tar.gz", &cut),
        pin("nowhere", "nowhere.tar.gz", &whole),
    ];
    fixture.write("fragments/sources.toml", &format!("default = \"whole\"\n{}", pins.concat()));
    fixture.write("conf-bad-pin/sources.toml", "default = \"a\"\n[source.a]\nprovider = \"ftp\"\n");
    fixture.write("conf-cut-pins/sources.toml", "default = [\n");
    [(whole, "[sha256 of the whole]"), (cut, "[sha256 of the cut]"), (commit, "[commit]")]
}

/// Commits the tiny tree to a repository beside it: the tree itself stays clean.
fn commit_of_tree(fixture: &Fixture) -> String {
    let git = |arguments: &[&str]| {
        #[expect(clippy::disallowed_methods, reason = "a test types commands")]
        let mut git = std::process::Command::new("git");
        git.arg("--git-dir").arg(fixture.path("linux.git"));
        git.arg("--work-tree").arg(fixture.path("tree"));
        git.args(["-c", "user.name=Test", "-c", "user.email=test@example.org"]);
        git.args(["-c", "commit.gpgSign=false"]).args(arguments);
        git.current_dir(fixture.path("tree"));
        let output = run(git);
        assert!(output.status.success(), "{}", stderr(&output));
        stdout(&output).trim().to_owned()
    };
    git(&["init", "--quiet"]);
    git(&["add", "--all", "."]);
    git(&["commit", "--quiet", "--message=x"]);
    git(&["rev-parse", "HEAD"])
}

const PATCH: &str = "\
A symbol more.

--- a/Kconfig
+++ b/Kconfig
@@ -1,3 +1,6 @@
 mainmenu \"a tree for tests\"
+config NEW_RADIO
+\tbool \"new radio\"
+
 
 config NET
";

/// Folders with one thing wrong in each.
fn more_files(fixture: &Fixture) {
    files_to_compare(fixture);
    contracts(fixture);
    hardenings(fixture);
    edits(fixture);
    lines_to_do_without(fixture);
    fixture.write("empty/README", "no kernel here");
    fixture.write("dirty/.config", "CONFIG_NET=y");
    for tree in ["dirty", "old"] {
        for file in ["Makefile", "Kconfig", "scripts/kconfig/Makefile", "arch/x86/Makefile"] {
            fixture.write(&format!("{tree}/{file}"), &fixture.read(&format!("tree/{file}")));
        }
    }
    for file in ["Makefile", "scripts/kconfig/Makefile", "arch/x86/Makefile"] {
        fixture.write(&format!("broken/{file}"), &fixture.read(&format!("tree/{file}")));
    }
    let conf = "scripts/kconfig/conf.sh";
    fixture.write(&format!("broken/{conf}"), &fixture.read(&format!("tree/{conf}")));
    fixture.write("broken/Kconfig", "config A\n\tbool \"a\"\n\tdepends on A\n\nif B\nblah\n");
    let old = fixture.read("tree/Makefile").replace("VERSION = 6", "VERSION = 5");
    fixture.write("old/Makefile", &old.replace("PATCHLEVEL = 12", "PATCHLEVEL = 4"));
    let list = "micro-kernel-x86_64.list";
    fixture.write(&format!("conf-missing/{list}"), "base.conf\n# virtio\nvirtoi.conf\n");
    fixture.write("conf-missing/base.conf", "CONFIG_NET=y\n");
    fixture.write(&format!("conf-malformed/{list}"), "base.conf\n");
    fixture.write("conf-malformed/base.conf", "# network\nCONFIG_NET = y\nCONFIG_INET=yes\n");
    fixture.write(&format!("conf-overlay/{list}"), "base.conf\n");
    fixture.write("conf-overlay/base.conf", "CONFIG_NET=y\n");
    fixture.write("conf-overlay/hypervisor/cloud_hypervisor.conf", "CONFIG_PCI\n");
    fixture.write(&format!("conf-twice/{list}"), "base.conf\nnet.conf\n");
    fixture.write("conf-twice/base.conf", "CONFIG_HZ=100\n");
    fixture.write(&format!("conf-findings/{list}"), "base.conf\n");
    fixture.write(
        "conf-findings/base.conf",
        "# one of each\nCONFIG_WIRELESS=y\nCONFIG_MODEM=m\nCONFIG_RADIO=y\nCONFIG_NETT=y\n\
         CONFIG_ARM_PART=y\nCONFIG_SPEED=12\nCONFIG_INET=7\nCONFIG_SALTED=y\nCONFIG_NET=y\n\
         CONFIG_TONES=n\nCONFIG_SERIAL=y\nCONFIG_USB=m\nCONFIG_PLAIN=y\n",
    );
    fixture.write(&format!("conf-mend/{list}"), "base.conf\n");
    fixture.write(
        "conf-mend/base.conf",
        "# the network\nCONFIG_NET=y\n\n# devices\n# of a laptop\nCONFIG_WIRELESS=y\n\
         CONFIG_SPEED=3\n",
    );
    fixture.write(&format!("conf-needless/{list}"), "base.conf\nnet.conf\n");
    fixture.write("conf-needless/micro-kernel-aarch64.list", "base.conf\n");
    fixture.write(
        "conf-needless/base.conf",
        "CONFIG_NET=y\n# by a default\nCONFIG_SPEED=5\nCONFIG_PLAIN=y\nCONFIG_SERIAL=y\n\
         CONFIG_BOARD=y\n# by a select, in one of two kernels\nCONFIG_TONES=y\n# anyway\n\
         # CONFIG_INET is not set\n",
    );
    fixture.write("conf-needless/net.conf", "CONFIG_NET=y\nCONFIG_MODEM=y\nCONFIG_RADIO=y\n");
    fixture.write(
        "conf-needless/hypervisor/cloud_hypervisor.conf",
        "CONFIG_SPEED=7\nCONFIG_INET=y\nCONFIG_USB=y\n",
    );
    fixture.write("conf-twice/net.conf", "CONFIG_NET=y\nCONFIG_HZ=250\n");
    for conf in ["conf-old-words", "conf-own-history"] {
        fixture.write(&format!("{conf}/{list}"), "base.conf\n");
        fixture.write(
            &format!("{conf}/base.conf"),
            "CONFIG_WIFI=y\nCONFIG_NETWORKING=y\nCONFIG_SUBNET=y\nCONFIG_TOKENRING=y\n\
             CONFIG_ACME=y\nCONFIG_ARM_PART=y\n",
        );
    }
    fixture.write("fragments/history.toml", HISTORY);
    fixture.write("conf-own-history/history.toml", HISTORY);
    fixture.write(&format!("conf-new-words/{list}"), "base.conf\n");
    let new_words = "# CONFIG_WIRED is not set\nCONFIG_RADIO=y\nCONFIG_MODEM=y\nCONFIG_FENCE=y\n";
    fixture.write("conf-new-words/base.conf", new_words);
    fixture.write("conf-new-words/history.toml", NEW_WORDS);
    fixture.write(&format!("conf-bad-history/{list}"), "");
    let nothing = "[[symbol]]\nname = \"WIFI\"\nevidence = \"Kconfig\"\n";
    fixture.write("conf-bad-history/history.toml", nothing);
}

/// Of names that this tree turns round, asks nobody for, hides and does not have yet.
const NEW_WORDS: &str = r#"
[[symbol]]
name = "WIRED"
was_not = ["USB"]
evidence = "Kconfig"

[[symbol]]
name = "RADIO"
was = ["SERIAL"]
evidence = "Kconfig"

[[symbol]]
name = "MODEM"
since = "7.0"
evidence = "Kconfig"

[[symbol]]
name = "FENCE"
since = ["7.0", "6.12.9"]
defence = "climbers"
evidence = "Kconfig"
"#;

/// One that is kept in part, and one with something wrong in each entry.
const CONTRACT: &str = r#"
[[capability]]
id = "network"
reason = "the agent is called over it"
source = "agent/main.rs"
needs = "NET && TCPIP"

[[capability]]
id = "line"
reason = "a line that is too slow loses characters"
source = "agent/line.rs"
when = { hypervisor = ["stratovirt", "firecracker"] }
needs = "SERIAL && SPEED>=7"
also = [{ since = "6.12", needs = "RADIO || SALTED" }, { before = "6.12", needs = "LOST" }]

[[capability]]
id = "disks"
reason = "some people have one"
source = "docs"
level = "wanted"
needs = "USB"

[[capability]]
id = "arm"
reason = "of another arch"
source = "docs"
when = { arch = ["aarch64"] }
needs = "LOST"
"#;

const BAD_CONTRACT: &str = r#"
[[capability]]
id = "network"
reason = "the agent is called over it"
source = "agent/main.rs"
when = { hypervisor = ["stratovrt"] }
needs = "NET &&"
probe = ["sokets"]

[[capability]]
id = "network"
reason = " "
source = "agent/main.rs"
needs = "CONFIG_NET"
"#;

fn contracts(fixture: &Fixture) {
    for (conf, contract) in [("conf-contract", CONTRACT), ("conf-bad-contract", BAD_CONTRACT)] {
        fixture.write(&format!("{conf}/micro-kernel-x86_64.list"), "base.conf\n");
        fixture.write(
            &format!("{conf}/base.conf"),
            "# the network\nCONFIG_NET=y\n\n# CONFIG_X86_PART is not set\nCONFIG_SPEED=9\n",
        );
        fixture.write(&format!("{conf}/contract.toml"), contract);
    }
    let history = "[[symbol]]\nname = \"TCPIP\"\nwas = [\"INET\"]\nevidence = \"made up\"\n";
    fixture.write("conf-contract/history.toml", history);
    let unknown =
        CONTRACT.replace("\"USB\"", "\"TOKENRING && !NET\"").replace("wanted", "required");
    fixture.write("conf-unmendable/contract.toml", &unknown);
    fixture.write("conf-unmendable/micro-kernel-x86_64.list", "base.conf\n");
    fixture.write("conf-unmendable/base.conf", "CONFIG_NET=y\nCONFIG_INET=y\n");
    fixture.write("conf-unmendable/history.toml", HISTORY);
}

/// One recommendation of each outcome: followed, not with a reason, not without one, of another arch
/// or tree, by an older name; and two reasons, of which one is stale.
const HARDENING: &str = r#"
source = "some wiki at 737073a"

[[recommendation]]
id = "network"
gives = "a way to call for help"
needs = "NET && TCPIP"

[[recommendation]]
id = "no-serial"
gives = "nobody listens in"
needs = "!SERIAL && !USB"

[[recommendation]]
id = "fast"
gives = "less time to attack"
since = "6.12"
needs = "SPEED>=7"

[[recommendation]]
id = "arm-part"
gives = "what only that arch has"
when = { arch = ["aarch64"] }
needs = "ARM_PART"

[[recommendation]]
id = "young"
gives = "what this tree is too old for"
since = "6.18"
needs = "LOST"

[[deviation]]
from = ["no-serial", "network"]
when = { type = ["micro"], arch = ["x86_64"] }
reason = "the console is a serial line, and someone has to see what goes on"

[[deviation]]
from = ["fast"]
when = { hypervisor = ["qemu"] }
reason = "emulated lines are slow"
"#;

fn hardenings(fixture: &Fixture) {
    let stale = HARDENING.replace("[\"no-serial\", \"network\"]", "[\"no-serial\"]");
    let bad = HARDENING.replace("\"network\"]", "\"netwrok\"]").replace("\"6.18\"", "\"soon\"");
    for (conf, hardening) in
        [("conf-hardening", HARDENING), ("conf-hard-enough", &stale), ("conf-bad-hardening", &bad)]
    {
        fixture.write(&format!("{conf}/hardening.toml"), hardening);
        fixture.write(&format!("{conf}/micro-kernel-x86_64.list"), "base.conf\n");
        let speed = if conf == "conf-hard-enough" { 7 } else { 5 };
        let asked = format!("CONFIG_NET=y\nCONFIG_INET=y\nCONFIG_SERIAL=y\nCONFIG_SPEED={speed}\n");
        fixture.write(&format!("{conf}/base.conf"), &asked);
        let history = "[[symbol]]\nname = \"TCPIP\"\nwas = [\"INET\"]\nevidence = \"made up\"\n";
        fixture.write(&format!("{conf}/history.toml"), history);
    }
}

/// Two lists that share a fragment, an overlay, and what somebody made of the first list's `.config`.
fn edits(fixture: &Fixture) {
    for (file, text) in [
        ("micro-kernel-x86_64.list", "line.conf\nnet.conf\n"),
        ("mini-kernel-x86_64.list", "line.conf\n"),
        ("line.conf", "# the line\nCONFIG_SERIAL=y\nCONFIG_SPEED=3\n"),
        ("net.conf", "# the network\nCONFIG_NET=y\nCONFIG_TCPIP=y\n"),
        ("hypervisor/cloud_hypervisor.conf", "# emulated lines are fast\nCONFIG_SPEED=9\n"),
        (
            "history.toml",
            "[[symbol]]\nname = \"TCPIP\"\nwas = [\"INET\"]\nevidence = \"made up\"\n",
        ),
    ] {
        fixture.write(&format!("conf-edit/{file}"), text);
    }
    let common = "CONFIG_NET=y\n# CONFIG_USB is not set\n";
    for (file, text) in [
        (
            "more.config",
            "# CONFIG_INET is not set\nCONFIG_MODEM=y\nCONFIG_RADIO=y\nCONFIG_TONES=y\n\
             CONFIG_WIRELESS=y\nCONFIG_SERIAL=y\nCONFIG_BOARD=y\nCONFIG_SPEED=7\n\
             # CONFIG_PLAIN is not set\nCONFIG_SALTED=y\n",
        ),
        ("less.config", "CONFIG_INET=y\n# CONFIG_SERIAL is not set\nCONFIG_SPEED=5\n"),
        ("default.config", "CONFIG_INET=y\nCONFIG_SERIAL=y\nCONFIG_SPEED=5\n"),
        (
            "wrong.config",
            "CONFIG_INET=y\nCONFIG_SERIAL=y\nCONFIG_SPEED=12\nCONFIG_WIRELESS=y\n\
             CONFIG_RADIO=y\nCONFIG_LOST=y\n",
        ),
    ] {
        fixture.write(file, &format!("{common}{text}"));
    }
}

/// Two lists, two `.config` files, and a tree in which time has passed.
fn files_to_compare(fixture: &Fixture) {
    for (kernel_type, fragment) in [
        ("micro", "CONFIG_NET=y\nCONFIG_INET=y\nCONFIG_SPEED=3\nCONFIG_X86_PART=y\n"),
        (
            "mini",
            "CONFIG_NET=y\nCONFIG_SERIAL=y\nCONFIG_MODEM=y\n\nCONFIG_SPEED=4\nCONFIG_SALTED=y\n",
        ),
    ] {
        let list = format!("conf-diff/{kernel_type}-kernel-x86_64.list");
        fixture.write(&list, &format!("{kernel_type}.conf\n"));
        fixture.write(&format!("conf-diff/{kernel_type}.conf"), fragment);
    }
    fixture.write(
        "conf-diff/history.toml",
        "[[symbol]]\nname = \"TCPIP\"\nwas = [\"INET\"]\nevidence = \"made up\"\n",
    );
    let heading = "# Automatically generated file; DO NOT EDIT.\n";
    let old = "CONFIG_NET=y\n# CONFIG_INET is not set\nCONFIG_SPEED=5\n";
    fixture.write("old.config", &format!("{heading}{old}"));
    let new = "CONFIG_NET=y\nCONFIG_INET=y\nCONFIG_LOST=y\nCONFIG_PLAIN=y\n";
    fixture.write("new.config", &format!("{heading}{new}"));
    fixture.write("part.config", "CONFIG_NET=y\n");
    fixture.write("other-part.config", "CONFIG_NET=y\nCONFIG_INET=y\n");
    for file in ["Makefile", "scripts/kconfig/Makefile", "arch/x86/Makefile"] {
        fixture.write(&format!("newer/{file}"), &fixture.read(&format!("tree/{file}")));
    }
    let makefile = fixture.read("tree/Makefile").replace("PATCHLEVEL = 12", "PATCHLEVEL = 18");
    fixture.write("newer/Makefile", &makefile);
    let kconfig = fixture.read("tree/Kconfig");
    let changes = [
        ("bool \"networking\"", "def_bool SERIAL"),
        ("config INET", "config TCPIP"),
        ("default 5", "default 6"),
        ("source \"arch/$(SRCARCH)/Kconfig\"", ""),
    ];
    let newer = changes.iter().fold(kconfig, |text, (from, to)| text.replace(from, to));
    fixture.write("newer/Kconfig", &newer);
}

/// Lines of each kind, some of them in two lists.
fn lines_to_do_without(fixture: &Fixture) {
    fixture.write("conf-minimize/micro-kernel-x86_64.list", "base.conf\nmodem.conf\n");
    fixture.write("conf-minimize/micro-kernel-aarch64.list", "base.conf\n");
    fixture.write(
        "conf-minimize/base.conf",
        "# the network\nCONFIG_NET=y\nCONFIG_SERIAL=y\n\n# devices\nCONFIG_USB=y\n# by default\n\
         CONFIG_SPEED=5\nCONFIG_PLAIN=y\n",
    );
    fixture.write(
        "conf-minimize/modem.conf",
        "# over a telephone\nCONFIG_MODEM=y\nCONFIG_TONES=y\nCONFIG_WIRELESS=y\n",
    );
    fixture.write(
        "conf-minimize/contract.toml",
        "[[capability]]\nid = \"network\"\nreason = \"r\"\nsource = \"s\"\nneeds = \"NET\"\n\
         [[capability]]\nid = \"line\"\nreason = \"r\"\nsource = \"s\"\nneeds = \"SERIAL\"\n\
         when = { arch = [\"x86_64\"] }\n",
    );
    fixture.write(
        "conf-minimize/keep.toml",
        "[[keep]]\nsymbols = [\"WIRE*\"]\nreason = \"nobody hears it\"\nsource = \"docs\"\n",
    );
    fixture.write("conf-either/micro-kernel-x86_64.list", "base.conf\n");
    fixture.write(
        "conf-either/base.conf",
        "CONFIG_NET=y\nCONFIG_SERIAL=y\nCONFIG_MODEM=y\nCONFIG_USB=y\n",
    );
    fixture.write(
        "conf-either/contract.toml",
        "[[capability]]\nid = \"devices\"\nreason = \"r\"\nsource = \"s\"\nneeds = \"MODEM || USB\"\n",
    );
    fixture.write("conf-bad-keep/micro-kernel-x86_64.list", "");
    fixture.write(
        "conf-bad-keep/keep.toml",
        "[[keep]]\nsymbols = [\"CONFIG_NET\"]\nreason = \"r\"\nsource = \"s\"\n",
    );
}
