//! `boot --vmm real`, with a VMM that plays its guest: what is refused, told, remembered and recorded.

use std::fs::{File, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::process::Command;

use serde_json::Value;

use super::fixture::{Fixture, expect, pvh_vmlinux};

const CONTRACT: &str = r#"
[[capability]]
id = "all"
reason = "a guest shows it"
source = "made up"
needs = "NET"
probe = ["mount-proc", "hvc0", "nvdimm", "reboot", "poweroff"]
"#;

/// How a VMM begins that knows its guest's nonce.
const VMM: &str = "#!/bin/sh
[ $1 = --version ] && { echo cloud-hypervisor v51.0; exit; }
for o; do case $o in *probe_nonce=*) n=${o##*probe_nonce=}; n=${n%% *};; esac; done
say() { echo \"@probe $n $*\"; }
";

/// It hears on a terminal, and starts its guest again when that resets.
const GOOD: &str = "say start 6.12.1 81.250
say ask echo
[ -t 0 ] && read answer
[ \"$answer\" = \"@host $n ok\" ] && hvc0=pass || hvc0=fail
say check mount-proc pass 0.1 mounted
say check hvc0 $hvc0 0.1 heard \"$answer\"
say verdict $hvc0 2 checks
case $* in *probe_end=restart*) echo 'Linux version 6.12.1'; exec sleep 100;; esac
";

fn fixture() -> Fixture {
    let fixture = Fixture::new();
    fixture.write("fragments/contract.toml", CONTRACT);
    std::fs::write(fixture.path("tree/vmlinux"), pvh_vmlinux()).unwrap();
    // An empty init; whatever else is compiled is real.
    let gcc = "case \"$*\" in *-nostdlib*) ;; *) PATH=${PATH#*:} exec gcc \"$@\";; esac\n\
               while [ $1 != -o ]; do shift; done; : > \"$2\"\n";
    program(&fixture, "gcc", &format!("#!/bin/sh\n{gcc}"));
    fixture
}

fn program(fixture: &Fixture, name: &str, script: &str) {
    let name = format!("first/{name}");
    fixture.write(&name, script);
    std::fs::set_permissions(fixture.path(&name), Permissions::from_mode(0o755)).unwrap();
}

fn boot(fixture: &Fixture, hypervisor: &str, more: &[&str]) -> Command {
    let target = ["--type", "micro", "--arch", "x86_64", "--hypervisor", hypervisor];
    let image = ["boot", "tree/vmlinux", "--vmm", "real"];
    let mut command = fixture.xtask(&[&image[..], &target[..], more].concat());
    let path = std::env::var("PATH").unwrap();
    let (first, tools) = (fixture.path("first"), fixture.path("foreign-tools"));
    command.env("PATH", format!("{}:{path}:{}", first.display(), tools.display()));
    command
}

/// Boots under a VMM that does this, where the host would let a real one.
fn under(fixture: &Fixture, guest: &str, code: i32, more: &[&str]) -> Option<(String, String)> {
    program(fixture, "cloud-hypervisor", &format!("{VMM}{guest}"));
    let command = boot(fixture, "cloud_hypervisor", more);
    let why = if cfg!(not(target_arch = "x86_64")) {
        "this host is no x86_64 machine"
    } else if File::options().read(true).write(true).open("/dev/kvm").is_err() {
        "/dev/kvm cannot be opened"
    } else {
        return Some(expect(code, command));
    };
    let (_, err) = expect(2, command);
    assert!(err.contains(why) && err.contains("QEMU stands in"), "{err}");
    eprintln!("only that it is refused was tested: {why}");
    None
}

#[test]
fn what_cannot_be_is_refused_and_told() {
    let fixture = fixture();
    let (_, err) = expect(2, boot(&fixture, "cloud_hypervisor", &["--accel", "tcg"]));
    assert!(err.contains("--vmm real is cloud-hypervisor under KVM"), "{err}");
    assert!(err.contains("leave out --accel tcg"), "{err}");
    let path = std::env::var_os("PATH").unwrap();
    if std::env::split_paths(&path).any(|dir| dir.join("firecracker").exists()) {
        eprintln!("a missing firecracker was not tested: this host has one");
        return;
    }
    let (_, err) = expect(2, boot(&fixture, "firecracker", &[]));
    assert!(err.contains("failed to start `firecracker`"), "{err}");
    assert!(err.contains("put `firecracker` on the PATH, or leave out --vmm"), "{err}");
}

#[test]
fn a_guest_under_its_own_vmm_passes_and_nothing_stands_in() {
    let fixture = fixture();
    let Some((out, _)) = under(&fixture, GOOD, 0, &["--format", "json"]) else { return };
    let record = &serde_json::from_str::<Value>(&out).unwrap()[0];
    assert_eq!(record["stands_in"], false);
    assert_eq!(record["vmm"], "cloud-hypervisor v51.0");
    assert_eq!(record["accelerator"]["name"], "kvm");
    let told = |check: &Value| {
        ["name", "outcome", "reason"].map(|key| check[key].as_str().unwrap().to_owned()).join(" ")
    };
    let checks: Vec<String> = record["checks"].as_array().unwrap().iter().map(told).collect();
    assert_eq!(checks[0], "mount-proc pass mounted");
    assert!(checks[1].starts_with("hvc0 pass heard @host "), "{checks:?}");
    let rest = [
        "nvdimm skip the VMM has no such device",
        "reboot pass how the machine ended: guest-reset",
        "poweroff pass how the machine ended: guest-shutdown",
    ];
    assert_eq!(checks[2..], rest);
    let (out, _) = under(&fixture, GOOD, 0, &[]).unwrap();
    assert!(out.contains("nothing stands in for it"), "{out}");
    assert!(out.contains("cloud-hypervisor v51.0, kvm: "), "{out}");
}

#[test]
fn a_kvm_that_hangs_is_told_and_remembered() {
    let fixture = fixture();
    let hangs = "exec sleep 100";
    let Some((_, err)) = under(&fixture, hangs, 2, &["--deadline", "1"]) else { return };
    assert!(err.contains("a guest did not come to its init within 1 s"), "{err}");
    assert!(err.contains("without --vmm, QEMU stands in"), "{err}");
    let (_, err) = under(&fixture, GOOD, 2, &[]).unwrap();
    assert!(err.contains("seen since this host booted: under KVM, a guest did not"), "{err}");
    assert!(err.contains("--accel kvm tries it again"), "{err}");
    under(&fixture, GOOD, 0, &["--accel", "kvm"]);
    under(&fixture, GOOD, 0, &[]);
}

#[test]
fn a_vmm_or_a_kernel_that_fails_is_no_kvm_that_hangs() {
    let fixture = fixture();
    let refuses = "echo no such option >&2; exit 1";
    let Some((out, _)) = under(&fixture, refuses, 1, &[]) else { return };
    assert!(out.contains("the VMM failed: exit status 1: no such option"), "{out}");
    assert!(out.contains("hint: if KVM is at fault: without --vmm, QEMU stands in"), "{out}");
    let panics = "echo 'Kernel panic - not syncing: VFS'; echo 'Linux version 6.12.1'; sleep 100";
    let (out, _) = under(&fixture, panics, 1, &[]).unwrap();
    assert!(out.contains("kernel panic before the kernel started its init: VFS"), "{out}");
    under(&fixture, GOOD, 0, &[]);
}
