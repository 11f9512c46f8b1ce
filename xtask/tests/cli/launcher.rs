//! What stands before the compiler, and changes nothing of what is made.

use super::fixture::{Fixture, expect};

/// Takes down what it launches, and whether the compiler is the real one.
const LAUNCHER: &str = "echo \"$(basename $0) $*\" >> $(dirname $0)/launched; exec \"$@\"";

fn kernel(fixture: &Fixture, launcher: &str) -> (String, String) {
    let path = fixture.program(launcher, LAUNCHER);
    let mut kernel = fixture.kernel(&["--launcher", launcher]);
    kernel.env("PATH", path);
    expect(0, kernel)
}

#[test]
fn every_object_is_compiled_through_it_by_the_same_command() {
    for launcher in ["ccache", "sccache", "distcc", "icecc"] {
        let fixture = Fixture::new();
        fixture.write("slow", "gcc --version > $(dirname $0)/asked");
        kernel(&fixture, launcher);
        assert!(!fixture.read("asked").is_empty());
        let launched = fixture.read("first/launched");
        let lines: Vec<&str> = launched.lines().collect();
        assert_eq!(lines.len(), 2, "{launched}");
        assert!(lines.iter().all(|line| line.starts_with(&format!("{launcher} gcc -c -o"))));
        let build = fixture.path("target/guest-kernel/build");
        let logs = walkdir::WalkDir::new(build).into_iter().flatten();
        let log = logs.into_iter().find(|file| file.file_name() == "build.log").unwrap();
        let log = std::fs::read_to_string(log.path()).unwrap();
        assert!(log.contains("\ngcc -c -o") && !log.contains(launcher), "{log}");
    }
}

#[test]
fn with_and_without_it_the_kernel_is_the_same() {
    let fixture = Fixture::new();
    expect(0, fixture.kernel(&[]));
    let before = fixture.read("bin/vmlinux.bin.json");
    let (out, _) = kernel(&fixture, "ccache");
    assert!(out.contains("unchanged"), "{out}");
    assert!(!fixture.path("first/launched").exists());
    fixture.write("tree/net/socket.c", "static char b[4096]; char *s(void) { return b; }\n");
    kernel(&fixture, "ccache");
    assert_eq!(fixture.read("first/launched").lines().count(), 1);
    let (out, _) = expect(0, fixture.kernel(&[]));
    assert!(out.contains("unchanged"), "{out}");
    assert_ne!(fixture.read("bin/vmlinux.bin.json"), before);
}

#[test]
fn one_that_is_not_there_is_told_before_anything_is_done() {
    let fixture = Fixture::new();
    let mut kernel = fixture.kernel(&["--launcher", "distcc"]);
    kernel.env("PATH", fixture.programs_without(&["distcc"]));
    let (out, err) = expect(2, kernel);
    assert!(out.is_empty() && !fixture.path("target").exists(), "{out}");
    assert!(err.contains("no `distcc` on PATH, which is to launch the compiler"), "{err}");
    assert!(err.contains("`cargo xtask setup --launcher distcc` installs it"), "{err}");
}

#[test]
fn setup_looks_for_the_one_that_is_named() {
    let fixture = Fixture::new();
    let setup = ["setup", "--check", "--arch", "x86_64", "--no-boot", "--launcher", "icecc"];
    let mut setup = fixture.xtask(&setup);
    setup.env("PATH", fixture.programs_without(&["icecc", "ccache", "make"]));
    let (out, _) = expect(1, setup);
    assert!(out.contains("icecc") && out.contains("missing") && !out.contains("ccache"), "{out}");
}
