//! `edit` on a terminal, which `script` of util-linux makes. The menus of a real
//! tree are opened where one is named.

use std::fs::Permissions;
use std::io::{Read as _, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use super::fixture::{Fixture, cannot_test, run};

/// A person before a terminal of 120 columns.
struct Person {
    child: Child,
    seen: Arc<Mutex<String>>,
}

impl Person {
    /// Types a command line; what its exit code was and how the terminal is left is shown at the end.
    #[expect(clippy::disallowed_methods, reason = "a test types commands")]
    fn types(command: &Command) -> Option<Self> {
        let words = std::iter::once(command.get_program()).chain(command.get_args());
        let words = words.map(|word| format!("'{}'", word.to_str().unwrap()));
        let line = words.collect::<Vec<_>>().join(" ");
        let line = format!("stty rows 40 cols 120; {line}; echo \"code $?\"; stty -a");
        let mut script = Command::new("script");
        script.args(["-q", "-c", &line, "/dev/null"]).current_dir(command.get_current_dir()?);
        script.env("TERM", "xterm").stdin(Stdio::piped()).stdout(Stdio::piped());
        for (name, value) in command.get_envs() {
            match value {
                Some(value) => script.env(name, value),
                None => script.env_remove(name),
            };
        }
        let Ok(mut child) = script.spawn() else {
            cannot_test("what is asked on a terminal", "`script`, which makes one");
            return None;
        };
        let seen: Arc<Mutex<String>> = Arc::default();
        let (mut stdout, shown) = (child.stdout.take()?, Arc::clone(&seen));
        std::thread::spawn(move || {
            let mut piece = [0; 4096];
            while let Ok(length @ 1..) = stdout.read(&mut piece) {
                shown.lock().unwrap().push_str(&String::from_utf8_lossy(&piece[..length]));
            }
        });
        Some(Person { child, seen })
    }

    fn seen(&self) -> String {
        self.seen.lock().unwrap().clone()
    }

    fn sees(&mut self, text: &str) {
        self.sees_one(&[text]);
    }

    /// Waits until the terminal shows one of them, beginning with what was not looked for yet, and says
    /// which.
    fn sees_one(&mut self, texts: &[&str]) -> usize {
        let start = Instant::now();
        loop {
            let seen = self.seen();
            let found =
                |(which, text): (usize, &&str)| Some((which, seen.find(text)? + text.len()));
            if let Some((which, end)) = texts.iter().enumerate().find_map(found) {
                self.seen.lock().unwrap().drain(..end);
                return which;
            }
            let end = seen.char_indices().rev().nth(1500).map_or(0, |(at, _)| at);
            let in_time = start.elapsed() < Duration::from_secs(300);
            assert!(in_time, "none of {texts:?} at the end: {:?}", &seen[end..]);
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    fn presses(&mut self, keys: &str) {
        self.child.stdin.as_mut().unwrap().write_all(keys.as_bytes()).unwrap();
    }

    /// Waits for the end of the command line, and demands that the terminal is as it was.
    fn ends_with(mut self, code: i32) {
        self.sees(&format!("code {code}\r\n"));
        self.sees("-parenb");
        self.child.wait().unwrap();
        let mode = self.seen();
        assert!(mode.contains(" icanon ") && mode.contains(" echo "), "{mode}");
    }
}

/// A test that fails leaves nobody before a terminal.
impl Drop for Person {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Menus of one key, on a terminal that is no more as it was: `s` saves a change, `q` does not, `f`
/// fails. Something else runs beside them.
const MENUS: &str = "stty -echo -icanon
sleep 300 & echo $! > $(dirname $0)/beside
printf 'menus: '
case $(dd bs=1 count=1 2>/dev/null) in
s) sed -i 's/# CONFIG_INET is not set/CONFIG_INET=y/' $1;;
f) echo 'a display that is too small' >&2; exit 3;;
esac
";

/// `edit` of the tiny tree, on a host that has the menus' library or lacks it.
fn edit(fixture: &Fixture, has_ncurses: bool) -> Command {
    let code = i32::from(!has_ncurses);
    let gcc =
        format!("case $* in *ncurses*) exit {code};; esac\nPATH=${{PATH#*:}} exec gcc \"$@\"\n");
    fixture.write("first/gcc", &format!("#!/bin/sh\n{gcc}"));
    std::fs::set_permissions(fixture.path("first/gcc"), Permissions::from_mode(0o755)).unwrap();
    let target = ["--type", "micro", "--arch", "x86_64", "--hypervisor", "stratovirt"];
    let mut command = fixture.xtask(&[&["edit", "--kernel-dir", "tree"], &target[..]].concat());
    let path = std::env::var("PATH").unwrap();
    let (first, tools) = (fixture.path("first"), fixture.path("foreign-tools"));
    command.env("PATH", format!("{}:{path}:{}", first.display(), tools.display()));
    command
}

fn person_at_menus(fixture: &Fixture) -> Option<Person> {
    fixture.write("menus", MENUS);
    let mut person = Person::types(&edit(fixture, true))?;
    person.sees("menus: ");
    Some(person)
}

/// No process of the menus, and no folder of theirs.
fn nothing_is_left_of_menus(fixture: &Fixture) {
    let beside = fixture.read("beside");
    let is_alive = || {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", beside.trim()));
        stat.is_ok_and(|stat| !stat.contains(") Z "))
    };
    // Whoever was killed is gone once it gets a CPU.
    let end = Instant::now() + Duration::from_secs(20);
    while is_alive() {
        assert!(Instant::now() < end, "{beside} is alive");
        std::thread::sleep(Duration::from_millis(20));
    }
    let left = fixture.path("target/guest-kernel").read_dir().unwrap();
    let left: Vec<_> = left.map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left, ["kconfig"]);
}

const ASKED: &str = "CONFIG_NET=y\n";

#[test]
fn what_was_saved_in_the_menus_is_asked_about_and_written() {
    for (answer, code, after) in [("y", 0, "CONFIG_NET=y\nCONFIG_INET=y\n"), ("n", 1, ASKED)] {
        let fixture = Fixture::new();
        let Some(mut person) = person_at_menus(&fixture) else { return };
        person.presses("s");
        person.sees("+CONFIG_INET=y");
        person.sees("change the fragments so? [y/N]");
        assert_eq!(fixture.read("fragments/base.conf"), ASKED);
        person.presses(&format!("{answer}\n"));
        person.ends_with(code);
        assert_eq!(fixture.read("fragments/base.conf"), after);
        nothing_is_left_of_menus(&fixture);
    }
}

#[test]
fn what_was_not_saved_changes_nothing() {
    const FAILED: (&str, i32) = ("make menuconfig in ", 2);
    const INTERRUPTED: (&str, i32) = ("interrupted; nothing half-written is left", 130);
    for (key, ends) in [
        ("q", &[("nothing was changed", 0)][..]),
        ("f", &[FAILED]),
        // make may lose count of its children then, and says "wait: No child processes" (4.3).
        ("\u{3}", &[INTERRUPTED, FAILED]),
    ] {
        let fixture = Fixture::new();
        let Some(mut person) = person_at_menus(&fixture) else { return };
        person.presses(key);
        let said: Vec<&str> = ends.iter().map(|(said, _)| *said).collect();
        let which = person.sees_one(&said);
        person.ends_with(ends[which].1);
        assert_eq!(fixture.read("fragments/base.conf"), ASKED);
        nothing_is_left_of_menus(&fixture);
    }
}

#[test]
fn a_host_without_the_library_is_told_how_to_get_it() {
    let fixture = Fixture::new();
    let Some(mut person) = Person::types(&edit(&fixture, false)) else { return };
    person.sees("menuconfig is compiled with <ncurses.h>, which is not here");
    person.sees("cargo xtask setup --edit installs it");
    person.ends_with(2);
}

#[expect(clippy::disallowed_methods, reason = "a test looks at its host")]
fn has_ncurses() -> bool {
    let mut compiler = Command::new("gcc");
    compiler.args(["-E", "-x", "c", "-include", "ncurses.h", "/dev/null"]);
    run(compiler).status.success()
}

/// The menus of the tree that GUEST_KERNEL_TREE names, on this repository's fragments.
#[test]
#[ignore = "takes the kernel tree that GUEST_KERNEL_TREE names"]
fn real_tree_menus() {
    let tree = std::env::var("GUEST_KERNEL_TREE").expect("GUEST_KERNEL_TREE names a kernel tree");
    let fixture = Fixture::new();
    fixture.own_fragments(&[]);
    if !has_ncurses() {
        cannot_test("menuconfig", "ncurses.h");
        return;
    }
    let of_kernel = ["--type", "micro", "--arch", "x86_64", "--hypervisor", "stratovirt"];
    let of_kernel = [&["edit", "--kernel-dir", &tree], &of_kernel[..]].concat();
    for (last_key, code) in [("\n", 0), ("n", 0)] {
        let Some(mut person) = Person::types(&fixture.xtask(&of_kernel)) else { return };
        person.sees("Arrow keys navigate");
        person.presses("/");
        person.sees("Enter (sub)string");
        person.presses("IKCONFIG\n");
        person.sees("Search Results");
        person.presses("1");
        person.sees("Kernel .config support");
        person.presses("y");
        person.sees("through /proc/config.gz");
        // Save on leaving, or not: the button beside.
        while !person.seen().contains("Do you wish to save") {
            person.presses("\u{1b}\u{1b}");
            std::thread::sleep(Duration::from_millis(1500));
        }
        person.presses(last_key);
        if last_key == "\n" {
            person.sees("+CONFIG_IKCONFIG=y");
            person.sees("change the fragments so? [y/N]");
            person.presses("y\n");
            person.sees("the fragments give this configuration, to the byte");
            person.ends_with(code);
            assert!(fixture.read("fragments/log-16k.conf").contains("CONFIG_IKCONFIG=y\n"));
            fixture.own_fragments(&[]);
        } else {
            person.sees("nothing was changed");
            person.ends_with(code);
            assert!(!fixture.read("fragments/log-16k.conf").contains("CONFIG_IKCONFIG"));
        }
    }
}
