//! Each file in `tests/cmd` holds command lines, typed one after another in a fresh copy of
//! `tests/data/workspace`; what they print is the snapshot of that name.

use std::fmt::Write as _;
use std::path::Path;

use super::fixture::{Fixture, run, stderr, stdout};

#[test]
fn consoles() {
    insta::glob!("../cmd", "*.console", |path| {
        let fixture = Fixture::new();
        more_files(&fixture);
        let mut transcript = String::new();
        for line in std::fs::read_to_string(path).unwrap().lines() {
            let Some(arguments) = line.strip_prefix("$ xtask ") else {
                let _ = writeln!(transcript, "{line}");
                continue;
            };
            let arguments: Vec<&str> = arguments.split(' ').collect();
            let output = run(fixture.xtask(&arguments));
            let code = output.status.code().unwrap_or(-1);
            let _ = writeln!(transcript, "{line}\n{}{}? {code}", stderr(&output), stdout(&output));
        }
        let root = fixture.path("").canonicalize().unwrap();
        insta::assert_snapshot!(without_path(&transcript, &root));
    });
}

fn without_path(text: &str, root: &Path) -> String {
    text.replace(root.to_str().unwrap().trim_end_matches('/'), "[ROOT]")
}

/// Folders with one thing wrong in each.
fn more_files(fixture: &Fixture) {
    fixture.write("empty/README", "no kernel here");
    fixture.write("dirty/.config", "CONFIG_NET=y");
    for tree in ["dirty", "old"] {
        for file in ["Makefile", "Kconfig", "scripts/kconfig/Makefile", "arch/x86/Makefile"] {
            fixture.write(&format!("{tree}/{file}"), &fixture.read(&format!("tree/{file}")));
        }
    }
    let old = fixture.read("tree/Makefile").replace("VERSION = 6", "VERSION = 5");
    fixture.write("old/Makefile", &old.replace("PATCHLEVEL = 12", "PATCHLEVEL = 4"));
    let list = "micro-kernel-x86_64.list";
    fixture.write(&format!("conf-missing/{list}"), "base.conf\n# virtio\nvirtoi.conf\n");
    fixture.write("conf-missing/base.conf", "CONFIG_NET=y\n");
    fixture.write(&format!("conf-malformed/{list}"), "base.conf\n");
    fixture.write("conf-malformed/base.conf", "# network\nCONFIG_NET = y\nCONFIG_INET=yes\n");
    fixture.write(&format!("conf-twice/{list}"), "base.conf\nnet.conf\n");
    fixture.write("conf-twice/base.conf", "CONFIG_HZ=100\n");
    fixture.write("conf-twice/net.conf", "CONFIG_NET=y\nCONFIG_HZ=250\n");
}
