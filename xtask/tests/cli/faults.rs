//! What goes wrong around a run: its cause is named, nothing is lost, and the next run goes on.

use std::fs::{File, FileTimes, Permissions};
use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant, SystemTime};

use super::fixture::{Fixture, bzimage, cannot_test, copy, expect, run, stdout};

/// How long a test waits for something that takes milliseconds on an idle machine.
const PATIENCE: Duration = Duration::from_secs(60);

pub(super) fn wait_for(what: &str, mut there: impl FnMut() -> bool) {
    let start = Instant::now();
    while !there() {
        assert!(start.elapsed() < PATIENCE, "waited in vain for {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

pub(super) fn is_alive(pid: &str) -> bool {
    std::fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|stat| !stat.contains(") Z "))
}

#[expect(clippy::disallowed_methods, reason = "a test types commands")]
pub(super) fn spawn(command: &mut Command) -> std::process::Child {
    command.stderr(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap()
}

/// A file that is on its way to be an image or a manifest.
fn is_publishing(fixture: &Fixture) -> bool {
    let names = std::fs::read_dir(fixture.path("bin")).unwrap();
    names.flatten().any(|entry| entry.file_name().to_string_lossy().starts_with(".guest-kernel-"))
}

#[test]
fn a_kill_at_any_moment_leaves_a_whole_image() {
    let fixture = Fixture::new();
    expect(0, fixture.kernel(&[]));
    let images = [bzimage(2048), bzimage(1 << 24)];
    let mut while_publishing = 0;
    for round in 1..=50 {
        std::fs::write(fixture.path("tree/image"), &images[round % 2]).unwrap();
        fixture.write("tree/init/main.c", &format!("int main(void) {{ return {round}; }}\n"));
        let mut child = spawn(&mut fixture.kernel(&[]));
        let until = Instant::now() + Duration::from_millis(round as u64 * 7919 % 600);
        while child.try_wait().unwrap().is_none() {
            let now =
                if round % 2 == 0 { Instant::now() >= until } else { is_publishing(&fixture) };
            if now {
                break;
            }
            let staged = std::fs::read(fixture.path("bin/vmlinux.bin")).unwrap();
            assert!(images.contains(&staged), "round {round} showed {} bytes", staged.len());
        }
        child.kill().unwrap();
        child.wait().unwrap();
        while_publishing += usize::from(is_publishing(&fixture));
        let staged = std::fs::read(fixture.path("bin/vmlinux.bin")).unwrap();
        assert!(images.contains(&staged), "round {round} left {} bytes", staged.len());
    }
    assert!(while_publishing > 0, "no kill came while an image was being published");
    std::fs::write(fixture.path("tree/image"), &images[0]).unwrap();
    fixture.write("tree/init/main.c", "int main(void) { return 99; }\n");
    expect(0, fixture.kernel(&[]));
    assert_eq!(std::fs::read(fixture.path("bin/vmlinux.bin")).unwrap(), images[0]);
    let left = std::fs::read_dir(fixture.path("bin")).unwrap().count();
    assert_eq!(left, 2, "only the image and its manifest are there");
}

#[test]
fn what_a_killed_run_left_running_is_waited_for() {
    let fixture = Fixture::new();
    fixture.write("slow", "cd $(dirname $0); touch started; sleep 2; touch ended");
    let mut child = spawn(&mut fixture.kernel(&[]));
    wait_for("the build", || fixture.path("started").exists());
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(!fixture.path("ended").exists());
    std::fs::remove_file(fixture.path("slow")).unwrap();
    let (_, err) = expect(0, fixture.kernel(&[]));
    assert!(err.contains("waiting for another run"), "{err}");
    assert!(fixture.path("ended").exists());
}

/// The folder of the only kernel that was built.
fn variant(fixture: &Fixture) -> std::path::PathBuf {
    let build = walkdir::WalkDir::new(fixture.path("target/guest-kernel/build"));
    let folders: Vec<_> = build.min_depth(2).max_depth(2).into_iter().flatten().collect();
    assert_eq!(folders.len(), 1, "{folders:?}");
    folders[0].path().to_owned()
}

#[test]
fn only_what_writes_to_the_same_object_tree_waits_for_a_build() {
    let fixture = Fixture::new();
    let sha256 = fixture.pack("tree");
    let pin = "default = \"here\"\n[source.here]\nprovider = \"tarball\"\nurl = \"tree.tar.gz\"\n";
    fixture.write("fragments/sources.toml", &format!("{pin}sha256 = \"{sha256}\"\n"));
    fixture.write(
        "slow",
        "cd $(dirname $0); [ ! -e started ] || exit 0; touch started; while [ ! -e go ]; do sleep 0.1; done",
    );
    let mut kernel = spawn(&mut fixture.kernel(&[]));
    wait_for("the build", || fixture.path("started").exists());
    let which = ["--type", "micro", "--arch", "x86_64", "--hypervisor", "stratovirt"];
    copy(&fixture.path("fragments"), &fixture.path("other"));
    let of_tree: [&[&str]; 3] = [
        &["check", "--kernel-dir", "tree"],
        &["kernel", "--kernel-dir", "tree", "--kernel-conf-dir", "other"],
        &["plan", "--keys"],
    ];
    for command in of_tree {
        let mut child = spawn(&mut fixture.xtask(&[command, &which].concat()));
        wait_for(command[0], || child.try_wait().unwrap().is_some());
        let mut said = String::new();
        child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
        assert!(child.wait().unwrap().success() && !said.contains("waiting for"), "{said}");
    }
    assert!(kernel.try_wait().unwrap().is_none());
    fixture.write("go", "");
    assert!(kernel.wait().unwrap().success());
}

#[test]
fn a_second_run_at_once_waits_and_says_so() {
    let fixture = Fixture::new();
    expect(0, fixture.kernel(&[]));
    std::fs::remove_dir_all(fixture.path("bin")).unwrap();
    let held = std::fs::File::open(variant(&fixture)).unwrap();
    rustix::fs::flock(&held, rustix::fs::FlockOperation::LockExclusive).unwrap();
    let mut child = spawn(&mut fixture.kernel(&[]));
    let mut err = child.stderr.take().unwrap();
    let mut said = String::new();
    let mut buffer = [0; 256];
    while !said.contains("waiting for another run") {
        let read = err.read(&mut buffer).unwrap();
        assert!(read > 0, "it did not wait: {said}");
        said.push_str(&String::from_utf8_lossy(&buffer[..read]));
    }
    assert!(!fixture.path("bin/vmlinux.bin").exists());
    drop(held);
    err.read_to_string(&mut said).unwrap();
    assert!(child.wait().unwrap().success(), "{said}");
    assert!(fixture.path("bin/vmlinux.bin").exists());
}

#[test]
fn a_full_disk_leaves_the_old_image() {
    let fixture = Fixture::new();
    let script = "set -e\nmount -t tmpfs -o size=64k tmpfs root\n\"$@\"\n\
                  head -c 200000 /dev/zero >> tree/image\necho '/* changed */' >> tree/init/main.c\n\
                  code=0; \"$@\" || code=$?\ncp -r root/var kept; exit $code\n";
    let kernel = fixture.kernel(&["--install", "--dest-dir", "root"]);
    let Some(command) = in_namespace(&fixture, script, &kernel) else { return };
    let (_, err) = expect(2, command);
    assert!(err.contains("No space left on device"), "{err}");
    assert!(err.contains("what was there is untouched"), "{err}");
    assert_eq!(std::fs::read(fixture.path("kept/lib/kuasar/vmlinux.bin")).unwrap(), bzimage(2048));
    let left = std::fs::read_dir(fixture.path("kept/lib/kuasar")).unwrap().count();
    assert_eq!(left, 2, "only the image and its manifest are there");
}

/// The disk that holds the work folder and the image is filled up to ever less; then there is room again.
#[test]
fn a_disk_that_is_full_at_any_stage_is_named_and_the_next_run_goes_on() {
    let fixture = Fixture::new();
    let script = "mkdir -p target bin disk; mount -t tmpfs -o size=4m tmpfs disk || exit 99\n\
                  mkdir disk/target disk/bin; mount --bind disk/target target; mount --bind disk/bin bin\n\
                  kib=0; while [ $kib -lt 2000 ]; do\n\
                  rm -rf target/* bin/*; head -c $((4096 - kib))k /dev/zero > disk/filler 2>/dev/null\n\
                  if \"$@\" > out 2> err; then echo whole at $kib; exit 0; fi\n\
                  [ $? = 0 ] || true; grep -q -e 'No space left on device' -e 'make room' err || { cat err; exit 98; }\n\
                  [ ! -e bin/vmlinux.bin ] || cmp -s bin/vmlinux.bin tree/image || { echo torn at $kib; exit 97; }\n\
                  rm disk/filler; \"$@\" > out 2> err || { echo after $kib; cat err; exit 96; }\n\
                  cmp bin/vmlinux.bin tree/image || exit 95\n\
                  echo full at $kib; kib=$((kib + 8)); done; exit 94\n";
    let kernel = fixture.kernel(&[]);
    let Some(command) = in_namespace(&fixture, script, &kernel) else { return };
    let (out, _) = expect(0, command);
    assert!(out.matches("full at").count() > 3, "{out}");
}

#[test]
fn a_tree_that_cannot_be_written_to_is_built() {
    let fixture = Fixture::new();
    let script = "mount --bind tree tree && mount -o remount,bind,ro tree || exit 99\n\
                  touch tree/x 2>/dev/null && exit 98; \"$@\"\n";
    let Some(command) = in_namespace(&fixture, script, &fixture.kernel(&[])) else { return };
    let (out, _) = expect(0, command);
    assert!(out.contains("built"), "{out}");
}

#[test]
fn of_ten_runs_at_once_one_builds() {
    let fixture = Fixture::new();
    let runs: Vec<_> = std::iter::repeat_with(|| {
        let mut command = fixture.kernel(&[]);
        command.stdout(Stdio::piped());
        #[expect(clippy::disallowed_methods, reason = "a test types commands")]
        command.stderr(Stdio::null()).spawn().unwrap()
    })
    .take(10)
    .collect();
    let outputs: Vec<_> = runs.into_iter().map(|child| child.wait_with_output().unwrap()).collect();
    assert!(outputs.iter().all(|output| output.status.success()));
    let said = |word: &str| outputs.iter().filter(|output| stdout(output).contains(word)).count();
    assert_eq!((said(": built,"), said(": unchanged,")), (1, 9));
}

fn set_time(path: &Path, time: SystemTime) {
    File::options()
        .append(true)
        .open(path)
        .unwrap()
        .set_times(FileTimes::new().set_modified(time))
        .unwrap();
}

/// What the object of `init/main.c` returns.
fn object(fixture: &Fixture) -> Vec<u8> {
    let only = |folder: &Path| std::fs::read_dir(folder).unwrap().next().unwrap().unwrap().path();
    let variant = only(&only(&fixture.path("target/guest-kernel/build")));
    std::fs::read(variant.join("obj/init/main.o")).unwrap()
}

#[test]
fn a_source_that_comes_back_with_its_old_time_is_compiled() {
    let fixture = Fixture::new();
    let long_ago = SystemTime::now() - Duration::from_secs(86400);
    set_time(&fixture.path("tree/init/main.c"), long_ago);
    expect(0, fixture.kernel(&[]));
    let before = object(&fixture);
    for (text, told) in [("return nothing;", 2), ("return 7;", 0)] {
        fixture.write("tree/init/main.c", &format!("int main(void) {{ {text} }}\n"));
        set_time(&fixture.path("tree/init/main.c"), long_ago);
        expect(told, fixture.kernel(&[]));
    }
    assert_ne!(object(&fixture), before);
}

#[test]
fn a_clock_that_was_set_back_hides_no_edit() {
    let fixture = Fixture::new();
    expect(0, fixture.kernel(&[]));
    let before = object(&fixture);
    let tomorrow = SystemTime::now() + Duration::from_secs(86400);
    let mut folders = vec![fixture.path("target/guest-kernel/build")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
            match (entry.is_symlink(), entry.is_dir()) {
                (true, _) => {}
                (_, true) => folders.push(entry),
                _ => set_time(&entry, tomorrow),
            }
        }
    }
    fixture.write("tree/init/main.c", "int main(void) { return 7; }\n");
    let (_, err) = expect(0, fixture.kernel(&[]));
    assert!(err.contains("is from the future, as if the clock had been set back"), "{err}");
    assert_ne!(object(&fixture), before);
}

#[test]
fn a_compiler_that_crashes_is_told_with_its_command() {
    let fixture = Fixture::new();
    let gcc = "case \"$*\" in *main.c*) kill -SEGV $$;; esac\nPATH=${PATH#*:} exec gcc \"$@\"\n";
    program(&fixture, "crashing/gcc", &format!("#!/bin/sh\n{gcc}"));
    let crashing = |arguments: &[&str]| {
        let mut command = fixture.kernel(arguments);
        let path = std::env::var("PATH").unwrap();
        command.env("PATH", format!("{}:{path}", fixture.path("crashing").display()));
        command
    };
    let (_, err) = expect(2, crashing(&[]));
    assert!(err.contains("with gcc -c -o init/main.o"), "{err}");
    assert!(err.contains("Segmentation fault"), "{err}");
    expect(0, fixture.kernel(&[]));
}

/// Whatever a run keeps for the next one: torn, it is made anew.
#[test]
fn what_is_kept_may_be_torn() {
    let fixture = Fixture::new();
    expect(0, fixture.kernel(&[]));
    let mut folders = vec![fixture.path("target/guest-kernel"), fixture.path("bin")];
    let mut kept = vec![];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
            match (entry.is_symlink(), entry.is_dir()) {
                (true, _) => {}
                (_, true) => folders.push(entry),
                _ => kept.push(entry),
            }
        }
    }
    let names: Vec<_> =
        kept.iter().map(|path| path.file_name().unwrap().to_str().unwrap()).collect();
    for name in [".config", "main.o", "record.json", "bzImage", "vmlinux.bin", "vmlinux.bin.json"] {
        assert!(names.contains(&name), "{names:?}");
    }
    for path in kept.iter().filter(|path| path.exists()) {
        let whole = std::fs::read(path).unwrap();
        std::fs::write(path, &whole[..whole.len() / 2]).unwrap();
        let (out, err) = expect(0, fixture.kernel(&[]));
        assert_eq!(
            std::fs::read(fixture.path("bin/vmlinux.bin")).unwrap(),
            bzimage(2048),
            "{path:?}\n{out}{err}"
        );
    }
}

#[test]
fn a_work_folder_may_have_letters_of_any_language_and_no_newline() {
    let fixture = Fixture::new();
    let within = |folder: &str| {
        let mut command = fixture.kernel(&[]);
        command.env("CARGO_TARGET_DIR", fixture.path(folder));
        command
    };
    let (out, _) = expect(0, within("größer-内核"));
    assert!(out.contains("built"), "{out}");
    let (_, err) = expect(2, within("two\nlines"));
    assert!(err.contains("in its path"), "{err}");
}

/// Runs a script of the fixture's as root of a namespace where it can mount; none where this host forbids that.
fn in_namespace(fixture: &Fixture, script: &str, kernel: &Command) -> Option<Command> {
    let unshare = |arguments: &[&str]| {
        #[expect(clippy::disallowed_methods, reason = "a test types commands")]
        let mut command = Command::new("unshare");
        command.args(["--map-root-user", "--mount", "sh"]).args(arguments);
        command.current_dir(fixture.path("")).env("NO_COLOR", "1").env_remove("CARGO_TARGET_DIR");
        command
    };
    std::fs::create_dir_all(fixture.path("root")).unwrap();
    if !run(unshare(&["-c", "mount -t tmpfs tmpfs root"])).status.success() {
        cannot_test("file systems that are full or read-only", "the right to mount in a namespace");
        return None;
    }
    fixture.write("run.sh", script);
    let mut command = unshare(&["run.sh"]);
    command.arg(kernel.get_program()).args(kernel.get_args());
    command.envs(kernel.get_envs().filter_map(|(name, value)| Some((name, value?))));
    Some(command)
}

#[test]
fn a_qemu_that_is_missing_or_too_old_is_told_with_what_brings_one() {
    let fixture = Fixture::new();
    let boot = |first: &str| {
        let target =
            ["--type", "micro", "--arch", "x86_64", "--hypervisor", "stratovirt", "--accel", "tcg"];
        let mut command = fixture.xtask(&[&["boot", "tree/image"][..], &target[..]].concat());
        command.env("PATH", fixture.path(first));
        command
    };
    for folder in std::env::split_paths(&std::env::var_os("PATH").unwrap()) {
        for program in std::fs::read_dir(folder).into_iter().flatten().flatten() {
            if !program.file_name().to_str().unwrap().starts_with("qemu-system") {
                std::fs::create_dir_all(fixture.path("programs")).unwrap();
                // The first on PATH stays.
                let link = fixture.path("programs").join(program.file_name());
                let _ = std::os::unix::fs::symlink(program.path(), link);
            }
        }
    }
    let (_, err) = expect(2, boot("programs"));
    assert!(
        err.contains("a boot needs QEMU; `cargo xtask setup --arch x86_64` installs it"),
        "{err}"
    );
    let old = "#!/bin/sh\n[ $1 = --version ] && { echo QEMU emulator version 2.11.1; exit; }\n\
               echo 'qemu-system-x86_64: unsupported machine type' >&2; exit 1\n";
    program(&fixture, "programs/qemu-system-x86_64", old);
    let (out, _) = expect(1, boot("programs"));
    assert!(out.contains("unsupported machine type"), "{out}");
    assert!(out.contains("QEMU 4.2 is the first with a microvm machine"), "{out}");
}

fn program(fixture: &Fixture, name: &str, script: &str) {
    fixture.write(name, script);
    std::fs::set_permissions(fixture.path(name), Permissions::from_mode(0o755)).unwrap();
}
