//! Ctrl-C: the first ends in order and soon, the second at once.

use std::fs::File;
use std::os::unix::fs::OpenOptionsExt as _;
use std::process::{Child, Command};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

use super::faults::{is_alive, spawn, wait_for};
use super::fixture::{Fixture, expect, run};

fn interrupt(child: &Child) {
    let pid = Pid::from_raw(child.id().try_into().unwrap()).unwrap();
    kill_process(pid, Signal::INT).unwrap();
}

fn end(mut child: Child) -> Option<i32> {
    wait_for("the end", || child.try_wait().unwrap().is_some());
    child.wait().unwrap().code()
}

#[test]
fn an_interrupt_ends_every_process_and_leaves_nothing_half_written() {
    let fixture = Fixture::new();
    fixture.write("slow", "cd $(dirname $0); echo $$ > pid.new; mv pid.new pid; sleep 600 & wait");
    let child = spawn(&mut fixture.kernel(&[]));
    wait_for("the build", || fixture.path("pid").exists());
    let pid = fixture.read("pid").trim().to_owned();
    interrupt(&child);
    assert_eq!(end(child), Some(130));
    wait_for("the end of the build's processes", || !is_alive(&pid));
    assert!(!fixture.path("bin").exists());
    std::fs::remove_file(fixture.path("slow")).unwrap();
    let (out, _) = expect(0, fixture.kernel(&[]));
    assert!(out.contains("built"), "{out}");
}

/// What reads a pipe that nobody writes to waits in the system, and asks for nothing meanwhile.
#[test]
fn what_does_not_look_up_is_ended() {
    let fixture = Fixture::new();
    let pipe = fixture.path("pipe");
    #[expect(clippy::disallowed_methods, reason = "a test types commands")]
    let mut mkfifo = Command::new("mkfifo");
    mkfifo.arg(&pipe);
    assert!(run(mkfifo).status.success());
    let child = spawn(&mut fixture.xtask(&["measure", "--from", "pipe"]));
    // Opens once there is a reader (fifo(7)).
    let mut writer = None;
    let flags = rustix::fs::OFlags::NONBLOCK.bits() as i32;
    wait_for("the pipe to be read", || {
        writer = File::options().write(true).custom_flags(flags).open(&pipe).ok();
        writer.is_some()
    });
    interrupt(&child);
    assert_eq!(end(child), Some(130));
    drop(writer);
}

/// In order, a process is asked to end, and has two seconds for that.
#[test]
fn the_second_waits_for_nobody() {
    for second in [false, true] {
        let fixture = Fixture::new();
        let script = "cd $(dirname $0)/..; trap 'touch asked; sleep 1.5; touch ended; exit' TERM\n\
                      echo $$ > pid.new; mv pid.new pid; while :; do sleep 0.1; done";
        let mut kernel = fixture.kernel(&[]);
        kernel.env("PATH", fixture.program("gcc", script));
        let child = spawn(&mut kernel);
        wait_for("the compiler", || fixture.path("pid").exists());
        let pid = fixture.read("pid").trim().to_owned();
        interrupt(&child);
        wait_for("the first to be seen", || fixture.path("asked").exists());
        if second {
            std::thread::sleep(Duration::from_millis(150));
            interrupt(&child);
        }
        assert_eq!(end(child), Some(130));
        wait_for("the end of the compiler", || !is_alive(&pid));
        assert_eq!(fixture.path("ended").exists(), !second);
    }
}
