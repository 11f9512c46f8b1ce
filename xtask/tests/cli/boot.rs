//! Which image a boot takes, and what it refuses; what a guest does needs a real kernel.

use std::io::Read;
use std::process::Stdio;

use super::fixture::{Fixture, expect};

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
