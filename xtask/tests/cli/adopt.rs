//! `adopt`, on small checkouts beside a small home. git has to be there; it makes them.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;

use super::consoles::transcript;
use super::fixture::{Fixture, cannot_test, copy, expect, run, stdout};

#[test]
fn consoles() {
    let Some(fixture) = checkouts() else { return };
    insta::glob!("../cmd/adopt", "*.console", |path| {
        insta::assert_snapshot!(transcript(&fixture, path));
    });
}

#[test]
fn what_git_tracks_comes_and_nothing_else() {
    let Some(fixture) = checkouts() else { return };
    fixture.write("home/xtask/notes", "mine");
    expect(0, fixture.xtask(&["adopt", "kuasar", "--from", "home", "--yes"]));
    for gone in ["xtask/notes", "README.md", "ci"] {
        assert!(!fixture.path("kuasar").join(gone).exists(), "{gone}");
    }
    let mode = |file: &str| fixture.path(file).metadata().unwrap().permissions().mode() & 0o111;
    assert_eq!((mode("kuasar/xtask/run.sh"), mode("kuasar/Makefile")), (0o111, 0));
    let unknown = git(&fixture, "kuasar", "status --porcelain -uall");
    assert!(!unknown.contains(".xtask-") && unknown.contains("?? xtask/src/main.rs"), "{unknown}");
}

#[test]
fn what_was_adopted_is_kept_up_to_date() {
    let Some(fixture) = checkouts() else { return };
    let adopt = || fixture.xtask(&["adopt", "kuasar", "--from", "home", "--yes"]);
    expect(0, adopt());
    fixture.write("home/fragments/net.conf", "CONFIG_NET=y\nCONFIG_INET=y\n");
    let (_, refused) = expect(2, adopt());
    assert!(refused.contains("a file to be written: fragments/net.conf"), "{refused}");
    commit(&fixture, "kuasar");
    let (_, told) = expect(0, adopt());
    assert!(told.starts_with("replaced: fragments/net.conf\nwritten"), "{told}");
    assert_eq!(fixture.read("kuasar/fragments/net.conf"), "CONFIG_NET=y\nCONFIG_INET=y\n");
}

#[test]
fn a_failure_leaves_all_as_it_was() {
    let Some(fixture) = checkouts() else { return };
    let checkout = "kuasar-with-a-file-in-the-way";
    expect(2, fixture.xtask(&["adopt", checkout, "--from", "home", "--yes"]));
    assert_eq!(git(&fixture, checkout, "status --porcelain --untracked-files=all"), "");
}

#[test]
fn without_git_there_is_nothing_to_go_by() {
    let Some(fixture) = checkouts() else { return };
    std::fs::remove_dir_all(fixture.path("kuasar/.git")).unwrap();
    let (_, told) = expect(2, fixture.xtask(&["adopt", "kuasar", "--from", "home", "--yes"]));
    assert!(told.contains("failed to ask git what was changed in"), "{told}");
    assert!(!fixture.path("kuasar/xtask").exists());
    let (_, told) = expect(2, fixture.xtask(&["adopt", "kuasar-at-work", "--from", "kuasar"]));
    assert!(told.contains("hint: name the checkout to copy from with --from"), "{told}");
}

/// make runs what the recipe says, with what make was told.
#[test]
fn make_calls_it_for_each_hypervisor() {
    let Some(fixture) = checkouts() else { return };
    expect(0, fixture.xtask(&["adopt", "kuasar", "--from", "home", "--yes"]));
    for hypervisor in ["stratovirt", "cloud_hypervisor", "qemu"] {
        let mut make = command("make", &fixture, "kuasar");
        make.env_remove("ARCH")
            .env_remove("MAKEFLAGS")
            .args(["-n", "bin/vmlinux.bin"])
            .arg(format!("HYPERVISOR={hypervisor}"));
        let called = stdout(&run(make));
        assert!(
            called.ends_with(&format!(
                "cargo xtask kernel --hypervisor {hypervisor} --arch x86_64\n"
            )),
            "{called}"
        );
    }
}

/// A home and some checkouts of Kuasar's, all committed but for what somebody is at work on.
fn checkouts() -> Option<Fixture> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    if !std::env::split_paths(&path).any(|dir| dir.join("git").is_file()) {
        cannot_test("adopt", "git");
        return None;
    }
    let fixture = Fixture::new();
    let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/adopt");
    copy(&data.join("home"), &fixture.path("home"));
    fixture.write("home/xtask/run.sh", "#!/bin/sh\n");
    let executable = std::fs::Permissions::from_mode(0o755);
    std::fs::set_permissions(fixture.path("home/xtask/run.sh"), executable).unwrap();
    commit(&fixture, "home");
    let with = |name: &str, changes: &[(&str, &str, &str)]| {
        copy(&data.join("checkout"), &fixture.path(name));
        for (file, from, to) in changes {
            let file = format!("{name}/{file}");
            let before =
                if fixture.path(&file).exists() { fixture.read(&file) } else { String::new() };
            fixture.write(&file, &before.replacen(from, to, 1));
        }
        commit(&fixture, name);
    };
    with("kuasar", &[]);
    with(
        "kuasar-with-more",
        &[
            (
                "Cargo.toml",
                "[profile.release]",
                "[workspace.package]\nedition = \"2021\"\n\n[workspace.dependencies]\nhammer = \"1\"\n\
             nail = \"1\"\n\n[profile.release]",
            ),
            (".cargo/config.toml", "", "[alias]\nb = \"build\"\n\n[net]\nretry = 3\n"),
        ],
    );
    with("kuasar-at-work", &[]);
    fixture.write("kuasar-at-work/Makefile", &(fixture.read("kuasar/Makefile") + "# to do\n"));
    fixture.write("kuasar-at-work/fragments/net.conf", "CONFIG_NET=m\n");
    with("kuasar-with-a-recipe", &[("Makefile", "\t@mv", "\t@sign bin/key\n\t@mv")]);
    with("kuasar-without-a-rule", &[("Makefile", "\nbin/vmlinux.bin:", "\nkernel:")]);
    with("kuasar-with-a-file-in-the-way", &[("xtask", "", "a note\n")]);
    Some(fixture)
}

fn commit(fixture: &Fixture, folder: &str) {
    for command in ["init --quiet", "add --all", "commit --quiet --message all"] {
        git(fixture, folder, command);
    }
}

fn git(fixture: &Fixture, folder: &str, arguments: &str) -> String {
    let mut git = command("git", fixture, folder);
    git.args(["-c", "user.name=test", "-c", "user.email=test@localhost"]);
    let done = run({
        git.args(arguments.split(' '));
        git
    });
    assert!(done.status.success(), "{arguments}: {done:?}");
    stdout(&done)
}

fn command(program: &str, fixture: &Fixture, folder: &str) -> Command {
    #[expect(clippy::disallowed_methods, reason = "a test types commands")]
    let mut command = Command::new(program);
    command.current_dir(fixture.path(folder));
    command
}
