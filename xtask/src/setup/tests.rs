use std::os::unix::fs::symlink;

use vmm_kernel::Arch;

use super::install::{Command, cargo_command, install_command};
use super::packages::needs;
use super::*;
use crate::progress::Progress;

const MANAGERS: [Manager; 4] = [Manager::Apt, Manager::Dnf, Manager::Zypper, Manager::Pacman];

fn wanted(host: Arch, guest: Arch, boot: bool) -> Vec<String> {
    let all = needs().unwrap().into_iter();
    all.filter(|need| need.applies(Some(host), &[guest], boot))
        .map(|need| need.probe.to_string())
        .collect()
}

#[test]
fn the_data_is_sound() {
    for need in needs().unwrap() {
        assert!(need.why.ends_with('.') && !need.why.contains('\n'), "{need:?}");
        assert!(need.package(Manager::Apt).or(need.krate()).is_some(), "{need:?}");
        let cross = need.foreign == Some(true);
        for manager in MANAGERS {
            let brought = need.package(manager).or(need.krate()).is_some();
            assert!(cross || brought, "{manager:?} lacks {}", need.probe);
        }
    }
}

#[test]
fn cross_tools_are_for_other_arches_only() {
    let (x86, arm) = (Arch::X86_64, Arch::Aarch64);
    let has = |host, guest, what: &str| wanted(host, guest, true).iter().any(|one| one == what);
    assert!(has(x86, arm, "aarch64-linux-gnu-gcc") && !has(arm, arm, "aarch64-linux-gnu-gcc"));
    assert!(has(arm, x86, "x86_64-linux-gnu-gcc") && !has(x86, x86, "x86_64-linux-gnu-gcc"));
    assert!(has(x86, x86, "<gelf.h>") && has(arm, x86, "<gelf.h>") && !has(x86, arm, "<gelf.h>"));
    assert!(has(x86, x86, "<linux/time_types.h>") && !has(x86, arm, "<linux/time_types.h>"));
    assert!(has(x86, arm, "<linux/time_types.h> for aarch64-linux-gnu-gcc"));
}

/// A host whose headers are older than the probe must be told to install newer ones.
#[test]
fn the_header_that_is_looked_for_is_one_that_the_probe_includes() {
    let headers = needs().unwrap().into_iter().filter(|need| need.boot);
    let headers: Vec<String> = headers.map(|need| need.probe.to_string()).collect();
    let headers: Vec<&String> = headers.iter().filter(|what| what.starts_with('<')).collect();
    assert!(!headers.is_empty());
    for what in headers {
        let header = what.split(' ').next().unwrap();
        let include = format!("#include {header}\n");
        assert!(include_str!("../../probe/sys.h").contains(&include), "{include}");
    }
}

#[test]
fn a_build_alone_needs_no_vmm() {
    let build = wanted(Arch::X86_64, Arch::X86_64, false);
    assert!(!build.iter().any(|one| one.contains("qemu") || one.contains("time_types")));
    let boot = wanted(Arch::X86_64, Arch::X86_64, true);
    assert!(boot.iter().any(|one| one == "qemu-system-x86_64"));
}

#[test]
fn a_bare_host_lacks_what_is_not_on_its_path() {
    let temp = tempfile::tempdir().unwrap();
    let shell = Shell::for_tests();
    shell.sh.set_var("PATH", temp.path());
    shell.sh.set_var("CARGO_HOME", temp.path());
    // What also lies elsewhere is there or not, as this host has it.
    let elsewhere =
        |need: &Need| matches!(&need.probe, Probe::Program { paths, .. } if !paths.is_empty());
    let mut all_of_it = survey(&shell, &[Arch::X86_64], true).unwrap();
    all_of_it.retain(|one| !elsewhere(&one.need));
    assert!(all_of_it.iter().all(|one| !one.found), "{all_of_it:?}");

    symlink("/bin/sh", temp.path().join("flex")).unwrap();
    std::fs::write(temp.path().join("bison"), "not executable").unwrap();
    std::fs::create_dir(temp.path().join("bc")).unwrap();
    let mut missing = missing(&shell, &[Arch::X86_64], true).unwrap();
    missing.retain(|need| !elsewhere(need));
    let lacks = |what: &str| missing.iter().any(|need| need.probe.to_string() == what);
    assert!(!lacks("flex") && lacks("bison") && lacks("bc") && lacks("<stdio.h>"));
    assert_eq!(missing.len() + 1, all_of_it.len());
}

#[test]
fn a_compiler_without_the_header_is_not_enough() {
    let temp = tempfile::tempdir().unwrap();
    symlink("/bin/false", temp.path().join("gcc")).unwrap();
    let shell = Shell::for_tests();
    shell.sh.set_var("PATH", temp.path());
    let missing = missing(&shell, &[Arch::X86_64], false).unwrap();
    assert!(missing.iter().any(|need| need.probe.to_string() == "<gelf.h>"));
    assert!(!missing.iter().any(|need| need.probe.to_string() == "gcc"));
}

#[test]
fn composes_one_command() {
    let two: Vec<Need> = needs()
        .unwrap()
        .into_iter()
        .filter(|need| {
            ["flex", "<gelf.h>", "x86_64-linux-gnu-gcc"].contains(&need.probe.to_string().as_str())
        })
        .collect();
    let line = |manager| {
        let (command, unknown) = install_command(manager, &two, |_| false);
        (command.unwrap().words.join(" "), unknown)
    };
    assert_eq!(
        line(Manager::Apt),
        (
            "env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends flex \
             libelf-dev gcc-x86-64-linux-gnu"
                .to_owned(),
            vec![]
        )
    );
    assert_eq!(
        line(Manager::Pacman),
        (
            "pacman -S --needed --noconfirm flex libelf".to_owned(),
            vec!["x86_64-linux-gnu-gcc".to_owned()]
        )
    );
    assert_eq!(install_command(Manager::Dnf, &[], |_| false), (None, vec![]));
}

fn need(program: &str) -> Vec<Need> {
    let mut all = needs().unwrap();
    all.retain(|need| need.probe.to_string() == program);
    all
}

#[test]
fn a_package_has_other_names_elsewhere() {
    let package = |manager, known: &str| {
        let (command, _) = install_command(manager, &need("virtiofsd"), |name| name == known);
        command.unwrap().words.pop().unwrap()
    };
    assert_eq!(package(Manager::Apt, "virtiofsd"), "virtiofsd");
    assert_eq!(package(Manager::Apt, "nothing"), "qemu-system-common");
    assert_eq!(package(Manager::Dnf, "nothing"), "virtiofsd");
}

#[test]
fn cargo_brings_what_nobody_packages() {
    let daemon = need("vhost-device-vsock");
    assert_eq!(install_command(Manager::Apt, &daemon, |_| true), (None, vec![]));
    let words = cargo_command(Manager::Apt, &daemon).unwrap().words.join(" ");
    assert!(words.starts_with("cargo install --locked vhost-device-vsock@"), "{words}");
    assert_eq!(cargo_command(Manager::Apt, &need("make")), None);
}

#[test]
fn finds_a_program_that_is_not_on_the_path() {
    let temp = tempfile::tempdir().unwrap();
    let dir = Utf8PathBuf::from_path_buf(temp.path().to_owned()).unwrap();
    let shell = Shell::for_tests();
    shell.sh.set_var("PATH", "/nowhere");
    shell.sh.set_var("CARGO_HOME", &dir);
    let error = find(&shell, "vhost-device-vsock").unwrap_err();
    assert_eq!(error.to_string(), "no `vhost-device-vsock` on this host");
    assert_eq!(crate::diag::Failure::new(&error).hints, ["cargo xtask setup installs it"]);
    std::fs::create_dir(dir.join("bin")).unwrap();
    symlink("/bin/sh", dir.join("bin/vhost-device-vsock")).unwrap();
    let found = find(&shell, "vhost-device-vsock").unwrap();
    assert_eq!(found, dir.join("bin/vhost-device-vsock"));
    // Only what cargo installs is looked for there.
    symlink("/bin/sh", dir.join("bin/flex")).unwrap();
    assert!(find(&shell, "flex").is_err());

    let mut daemon = need("virtiofsd").remove(0);
    if let Probe::Program { paths, .. } = &mut daemon.probe {
        *paths = vec![dir.join("none"), dir.join("bin/flex")];
    }
    assert_eq!(located(&shell, &daemon), Some(dir.join("bin/flex")));
    symlink("/bin/sh", dir.join("virtiofsd")).unwrap();
    shell.sh.set_var("PATH", &dir);
    assert_eq!(located(&shell, &daemon), Some(dir.join("virtiofsd")));
}

#[test]
fn stale_lists_do_not_keep_a_package_away() {
    let temp = tempfile::tempdir().unwrap();
    let made = temp.path().join("made").to_str().unwrap().to_owned();
    let refresh = Command { words: vec!["false".to_owned()], may_fail: true };
    let install = Command { words: vec!["touch".to_owned(), made.clone()], may_fail: false };
    let run = |commands| {
        let what = Installation { commands, unknown: vec![] };
        super::install(&Shell::for_tests(), Progress::Silent, &what)
    };
    run(vec![refresh.clone(), install.clone()]).unwrap();
    assert!(std::fs::exists(&made).unwrap());
    let error = run(vec![Command { may_fail: false, ..refresh }, install]).unwrap_err();
    assert_eq!(error.to_string(), "failed to run `false`: exit status 1");
}

#[test]
fn a_package_is_named_once() {
    let mut twice = needs().unwrap();
    twice.extend(needs().unwrap());
    let (command, _) = install_command(Manager::Apt, &twice, |_| false);
    assert_eq!(command.unwrap().words.iter().filter(|word| *word == "make").count(), 1);
}

#[test]
fn finds_the_package_manager() {
    let all = |_: &str| true;
    assert_eq!(Manager::of("ID=debian\n", all), Some(Manager::Apt));
    assert_eq!(Manager::of("ID=linuxmint\nID_LIKE=\"ubuntu debian\"\n", all), Some(Manager::Apt));
    assert_eq!(
        Manager::of("ID=\"rocky\"\nID_LIKE=\"rhel centos fedora\"", all),
        Some(Manager::Dnf)
    );
    assert_eq!(Manager::of("ID=\"opensuse-leap\"\nID_LIKE=\"suse\"", all), Some(Manager::Zypper));
    assert_eq!(Manager::of("ID=arch", all), Some(Manager::Pacman));
    assert_eq!(Manager::of("ID='arch'\nID_LIKE=''\n", all), Some(Manager::Pacman));
    assert_eq!(Manager::of("ID=void", |program| program == "dnf"), Some(Manager::Dnf));
    assert_eq!(Manager::of("ID=arch", |program| program == "apt-get"), Some(Manager::Apt));
    assert_eq!(Manager::of("ID=nixos", |_| false), None);
}
