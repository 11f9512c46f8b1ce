//! Which image a boot takes, and what it refuses; what a guest does needs a real kernel.

use std::io::Read;
use std::process::Stdio;

use super::fixture::{Fixture, expect, pvh_vmlinux};

fn mini(
    fixture: &Fixture,
    command: &str,
    hypervisors: &str,
    more: &[&str],
) -> std::process::Command {
    let target = ["--type", "mini", "--arch", "x86_64", "--hypervisor", hypervisors];
    fixture.xtask(&[&[command][..], &target[..], more].concat())
}

/// Two kernels side by side, and none in the place of one that is made alone.
fn two_kernels() -> Fixture {
    let fixture = Fixture::new();
    fixture.write("fragments/mini-kernel-x86_64.list", "base.conf\n");
    expect(0, mini(&fixture, "kernel", "qemu,stratovirt", &["--kernel-dir", "tree"]));
    fixture
}

fn damage(fixture: &Fixture, image: &str) {
    let mut bytes = std::fs::read(fixture.path(image)).unwrap();
    bytes[2047] ^= 1;
    std::fs::write(fixture.path(image), bytes).unwrap();
}

#[test]
fn an_image_that_was_made_with_others_is_found_and_held_against_its_manifest() {
    let fixture = two_kernels();
    damage(&fixture, "bin/qemu-x86_64/vmlinux.bin");
    let (_, err) = expect(2, mini(&fixture, "boot", "qemu", &[]));
    assert!(err.contains("bin/qemu-x86_64/vmlinux.bin: it is not the image its"), "{err}");
}

#[test]
fn an_image_that_was_made_alone_does_not_hide_those_of_others() {
    let fixture = two_kernels();
    expect(0, mini(&fixture, "kernel", "qemu", &["--kernel-dir", "tree"]));
    damage(&fixture, "bin/stratovirt-x86_64/vmlinux.bin");
    let (_, err) = expect(2, mini(&fixture, "boot", "stratovirt", &[]));
    assert!(err.contains("bin/stratovirt-x86_64/vmlinux.bin: it is not the image its"), "{err}");
    std::fs::remove_dir_all(fixture.path("bin/stratovirt-x86_64")).unwrap();
    let (_, err) = expect(2, mini(&fixture, "boot", "stratovirt", &[]));
    assert!(err.contains("its manifest says x86_64 mini for qemu"), "{err}");
}

#[test]
fn a_given_image_is_of_the_target_that_its_manifest_names() {
    let fixture = two_kernels();
    let check = ["kernel", "--check-image", "bin/qemu-x86_64/vmlinux.bin"];
    let (out, _) = expect(0, fixture.xtask(&check));
    assert!(out.contains("qemu on x86_64 boots it"), "{out}");
    let asked = ["--type", "mini", "--hypervisor", "stratovirt"];
    let (out, _) = expect(0, fixture.xtask(&[&check[..], &asked].concat()));
    assert!(out.contains("stratovirt on x86_64 boots it"), "{out}");
}

#[test]
fn two_boots_of_one_target_go_one_after_another() {
    let fixture = Fixture::new();
    let work = fixture.path("target/guest-kernel/boot/mini-x86_64-qemu");
    std::fs::create_dir_all(&work).unwrap();
    let held = std::fs::File::open(&work).unwrap();
    rustix::fs::flock(&held, rustix::fs::FlockOperation::LockExclusive).unwrap();
    let mut command = mini(&fixture, "boot", "qemu", &["tree/image"]);
    command.stderr(Stdio::piped()).stdout(Stdio::null());
    #[expect(clippy::disallowed_methods, reason = "a test types commands")]
    let mut child = command.spawn().unwrap();
    let (mut err, mut said, mut buffer) = (child.stderr.take().unwrap(), String::new(), [0; 256]);
    while !said.contains("waiting for another run") {
        let read = err.read(&mut buffer).unwrap();
        assert!(read > 0, "it did not wait: {said}");
        said.push_str(&String::from_utf8_lossy(&buffer[..read]));
    }
    child.kill().unwrap();
    child.wait().unwrap();
}

/// A wrong format hangs in silence, or boots on QEMU's machine and not on the hypervisor's.
#[test]
fn an_image_that_the_hypervisor_cannot_boot_is_refused_before_it_starts() {
    let fixture = Fixture::new();
    std::fs::write(fixture.path("tree/vmlinux"), pvh_vmlinux()).unwrap();
    fixture.program("qemu-system-x86_64", "echo started >started");
    for (image, hypervisor, kernel_type, wanted) in [
        ("tree/vmlinux", "stratovirt", "micro", "and stratovirt boots a bzImage"),
        ("tree/vmlinux", "stratovirt", "mini", "and stratovirt boots a bzImage"),
        ("tree/vmlinux", "qemu", "mini", "and qemu boots a bzImage"),
        ("tree/image", "firecracker", "micro", "and firecracker boots a stripped ELF vmlinux"),
        ("tree/image", "cloud_hypervisor", "micro", "boots a stripped ELF vmlinux with a PVH note"),
    ] {
        for command in [&["boot"][..], &["boot", "--vmm", "real"], &["measure"]] {
            let target = ["--arch", "x86_64", "--type", kernel_type, "--hypervisor", hypervisor];
            let mut boot = fixture.xtask(&[command, &[image], &target].concat());
            boot.env("PATH", fixture.program("true", "exit"));
            let (out, err) = expect(2, boot);
            assert!(err.contains(wanted), "{command:?} {image} {hypervisor}: {out}{err}");
        }
    }
    assert!(!fixture.path("started").exists());
}

const FROM_DISK: &str = r#"
[[capability]]
id = "disk"
reason = "a guest starts from it"
source = "made up"
needs = "NET"
probe = ["mount-proc", "root-vda"]
"#;

/// A guest that starts from an initramfs, and finds no disk.
const NO_DISK: &str = "[ $1 = --version ] && { echo QEMU emulator version 7.2; exit; }
for o; do case $o in *probe_nonce=*) n=${o##*probe_nonce=}; n=${n%% *}; line=$o;; esac; done
case $line in *init=/init*)
    echo 'VFS: Cannot open root device \"/dev/vda\" or unknown-block(0,0): error -6'
    echo 'Please append a correct \"root=\" boot option; here are the available partitions:'
    echo 'Kernel panic - not syncing: VFS: Unable to mount root fs on unknown-block(0,0)'
    exit;;
esac
echo \"@probe $n start 6.12.1 81.250\"
echo \"@probe $n check mount-proc pass 0.1 mounted\"
echo \"@probe $n verdict pass 1 checks\"
";

#[test]
fn a_root_that_is_not_found_is_told_of_by_what_it_takes() {
    let fixture = Fixture::new();
    fixture.write("fragments/contract.toml", FROM_DISK);
    let gcc = "case \"$*\" in *-nostdlib*) ;; *) PATH=${PATH#*:} exec gcc \"$@\";; esac\n\
               while [ $1 != -o ]; do shift; done; : > \"$2\"";
    fixture.program("gcc", gcc);
    let path = fixture.program("qemu-system-x86_64", NO_DISK);
    let boot = |more: &[&str]| {
        let target = ["--type", "micro", "--arch", "x86_64", "--hypervisor", "stratovirt"];
        let image = ["boot", "tree/image", "--accel", "tcg"];
        let mut boot = fixture.xtask(&[&image[..], &target, more].concat());
        boot.env("PATH", format!("{}:{path}", fixture.path("first").display()));
        expect(1, boot).0
    };
    let out = boot(&[]);
    assert!(out.contains("the kernel has no vda (it has no disk at all): VIRTIO_BLK"), "{out}");
    assert!(out.contains("VIRTIO_MMIO_CMDLINE_DEVICES") && !out.contains("RD_GZIP"), "{out}");
    let out = boot(&["--append", "root=/dev/pmem0p1"]);
    assert!(out.contains("the kernel has no pmem0"), "{out}");
}
