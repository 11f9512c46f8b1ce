use std::os::unix::fs::symlink;

use vmm_kernel::Arch;

use super::install::{bringers, release_of};
use super::packages::needs;
use super::*;
use crate::progress::Progress;

const MANAGERS: [Manager; 4] = [Manager::Apt, Manager::Dnf, Manager::Zypper, Manager::Pacman];

fn wanted(host: Arch, guest: Arch, boot: bool) -> Vec<String> {
    let all = needs().unwrap().into_iter();
    all.filter(|need| need.applies(Some(host), &[guest], &Uses { boot, ..Uses::default() }))
        .map(|need| need.probe.to_string())
        .collect()
}

#[test]
fn the_data_is_sound() {
    for need in needs().unwrap() {
        assert!(need.why.ends_with('.') && !need.why.contains('\n'), "{need:?}");
        let brought = |manager| need.package(manager, "").or(need.krate()).is_some();
        assert!(brought(Manager::Apt), "{need:?}");
        let cross = need.foreign == Some(true) || need.launcher.is_some();
        for manager in MANAGERS {
            assert!(cross || brought(manager), "{manager:?} lacks {}", need.probe);
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
    // Tools of file systems are found where PATH does not lead.
    let all_of_it = survey(&shell, &[Arch::X86_64], &Uses::default()).unwrap();
    assert!(all_of_it.iter().all(|one| !one.found), "{all_of_it:?}");

    symlink("/bin/sh", temp.path().join("flex")).unwrap();
    std::fs::write(temp.path().join("bison"), "not executable").unwrap();
    std::fs::create_dir(temp.path().join("bc")).unwrap();
    let missing = missing(&shell, &[Arch::X86_64], &Uses::default()).unwrap();
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
    let missing = missing(&shell, &[Arch::X86_64], &Uses::default()).unwrap();
    assert!(missing.iter().any(|need| need.probe.to_string() == "<gelf.h>"));
    assert!(!missing.iter().any(|need| need.probe.to_string() == "gcc"));
}

fn some(names: &[&str]) -> Vec<Need> {
    let all = needs().unwrap().into_iter();
    all.filter(|need| names.contains(&need.probe.to_string().as_str())).collect()
}

#[test]
fn what_brings_what_is_missing() {
    let brings = |manager, release| {
        let names = ["flex", "<gelf.h>", "x86_64-linux-gnu-gcc", "virtiofsd", "vhost-device-vsock"];
        let (packages, crates, unknown) = bringers(manager, release, &some(&names));
        assert_eq!(crates, ["vhost-device-vsock@0.3.0"]);
        (packages.join(" "), unknown.join(" "))
    };
    let packages = "flex libelf-dev gcc-x86-64-linux-gnu";
    assert_eq!(
        brings(Manager::Apt, "debian 12").0,
        format!("{packages} qemu-system-common"),
        "QEMU 7.2 had one of its own"
    );
    assert_eq!(brings(Manager::Apt, "debian 13").0, format!("{packages} virtiofsd"));
    let (packages, unknown) = brings(Manager::Pacman, "arch ");
    assert_eq!(packages, "flex libelf virtiofsd");
    assert_eq!(unknown, "x86_64-linux-gnu-gcc");
    assert_eq!(bringers(Manager::Dnf, "", &[]), (vec![], vec![], vec![]));
}

#[test]
fn a_release_is_named_as_os_release_has_it() {
    let debian = "PRETTY_NAME=\"Debian\"\nVERSION_ID=\"12\"\nID=debian\nID_LIKE=x\n";
    assert_eq!(release_of(debian), "debian 12");
    assert_eq!(release_of("ID=arch\n"), "arch ");
}

#[test]
fn a_program_is_found_beside_path_too() {
    let temp = tempfile::tempdir().unwrap();
    let bin = temp.path().join("cargo/bin");
    std::fs::create_dir_all(&bin).unwrap();
    let shell = Shell::for_tests();
    shell.sh.set_var("PATH", temp.path());
    shell.sh.set_var("CARGO_INSTALL_ROOT", temp.path().join("cargo"));
    assert_eq!(find(&shell, "vhost-device-vsock").unwrap(), None);
    std::fs::write(bin.join("vhost-device-vsock"), "").unwrap();
    std::fs::write(bin.join("flex"), "").unwrap();
    assert!(find(&shell, "vhost-device-vsock").unwrap().is_some());
    assert_eq!(find(&shell, "flex").unwrap(), None, "cargo brings no flex");
}

#[test]
fn stale_lists_do_not_keep_a_package_away() {
    let temp = tempfile::tempdir().unwrap();
    let made = temp.path().join("made").to_str().unwrap().to_owned();
    let refresh = vec!["false".to_owned()];
    let install = vec!["touch".to_owned(), made.clone()];
    let run = |refresh, commands| {
        let what = Installation { refresh, commands, unknown: vec![] };
        super::install(&Shell::for_tests(), Progress::Silent, &what)
    };
    run(Some(refresh.clone()), vec![install.clone()]).unwrap();
    assert!(std::fs::exists(&made).unwrap());
    let error = run(None, vec![refresh, install]).unwrap_err();
    assert_eq!(error.to_string(), "failed to run `false`: exit status 1");
}

#[test]
fn a_package_is_named_once() {
    let mut twice = needs().unwrap();
    twice.extend(needs().unwrap());
    let (packages, ..) = bringers(Manager::Apt, "", &twice);
    assert_eq!(packages.iter().filter(|package| *package == "make").count(), 1);
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
