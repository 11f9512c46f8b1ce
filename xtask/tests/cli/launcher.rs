//! What stands before the compiler, and changes nothing of what is made.

use std::io::Read as _;

use super::faults::{spawn, wait_for};
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

/// Begins a server with the first compilation, as sccache does: it leaves its session and lives on.
const WITH_SERVER: &str = "d=$(dirname $0)
    mkdir $d/begun 2>/dev/null && setsid sh -c 'echo $$ > $0.new; mv $0.new $0; exec sleep 600' \
    $d/server </dev/null >/dev/null 2>&1 &
    while [ ! -e $d/server ]; do sleep 0.01; done; exec \"$@\"";

/// Ends the server with the test.
struct Server(String);

impl Drop for Server {
    fn drop(&mut self) {
        let pid = self.0.trim().parse().ok().and_then(rustix::process::Pid::from_raw).unwrap();
        rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
    }
}

#[test]
fn a_server_that_it_leaves_running_holds_up_no_other_run() {
    for killed in [false, true] {
        let fixture = Fixture::new();
        let path = fixture.program("sccache", WITH_SERVER);
        let mut kernel = fixture.kernel(&["--launcher", "sccache"]);
        kernel.env("PATH", path);
        if killed {
            fixture.write("slow", "cd $(dirname $0); touch started; sleep 1; touch ended");
            let mut child = spawn(&mut kernel);
            wait_for("the build", || fixture.path("started").exists());
            child.kill().unwrap();
            child.wait().unwrap();
        } else {
            expect(0, kernel);
        }
        let server = Server(fixture.read("first/server"));
        let _ = std::fs::remove_file(fixture.path("slow"));
        let mut next = spawn(&mut fixture.kernel(&[]));
        wait_for("the next run", || next.try_wait().unwrap().is_some());
        let mut said = String::new();
        next.stderr.take().unwrap().read_to_string(&mut said).unwrap();
        assert!(next.wait().unwrap().success(), "{said}");
        // What the killed run left of its build, it does wait for.
        assert_eq!(
            (said.contains("waiting for"), fixture.path("ended").exists()),
            (killed, killed)
        );
        drop(server);
    }
}
