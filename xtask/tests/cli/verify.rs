//! What `verify` says of an image, and what beside it can be read by others.

use std::process::Command;

use super::consoles::sources;
use super::faults::{spawn, wait_for};
use super::fixture::{Fixture, bzimage, expect};

fn verify(fixture: &Fixture, more: &[&str]) -> Command {
    let mut command = fixture.xtask(&["verify", "bin/vmlinux.bin", "--kernel-dir", "tree"]);
    command.args(more);
    command
}

/// What a run built in, in the folder of `verify`.
fn left(fixture: &Fixture) -> Vec<String> {
    let entries = std::fs::read_dir(fixture.path("target/guest-kernel/verify")).unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    names.filter(|name| name.contains("verify-")).collect()
}

#[test]
fn an_image_is_built_again_bit_for_bit() {
    let fixture = Fixture::new();
    expect(0, fixture.kernel(&[]));
    let (out, _) = expect(0, verify(&fixture, &[]));
    assert!(out.starts_with("bin/vmlinux.bin: built again bit for bit, sha256 "), "{out}");
    assert_eq!(left(&fixture), [""; 0]);
    expect(0, verify(&fixture, &["--keep", "kept"]));
    assert_eq!(std::fs::read(fixture.path("kept/image")).unwrap(), bzimage(2048));
    let (_, err) = expect(2, verify(&fixture, &["--keep", "kept"]));
    assert!(err.contains("--keep names a folder that is not there yet"), "{err}");
}

#[test]
fn an_interrupt_leaves_nothing() {
    let fixture = Fixture::new();
    expect(0, fixture.kernel(&[]));
    fixture.write("slow", "touch $(dirname $0)/started; sleep 600");
    let mut child = spawn(&mut verify(&fixture, &[]));
    wait_for("the build", || fixture.path("started").exists());
    assert_eq!(left(&fixture).len(), 1);
    let id = rustix::process::Pid::from_raw(child.id().try_into().unwrap()).unwrap();
    rustix::process::kill_process(id, rustix::process::Signal::INT).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(130));
    assert_eq!(left(&fixture), [""; 0]);
}

#[test]
fn a_pinned_source_without_one_of_its_patches_is_found_again() {
    let fixture = Fixture::new();
    sources(&fixture);
    let target = [
        "--type",
        "micro",
        "--arch",
        "x86_64",
        "--hypervisor",
        "stratovirt",
        "--source",
        "patched",
    ];
    let mut kernel = fixture.xtask(&["kernel", "--no-patch", "radio"]);
    kernel.args(target);
    expect(0, kernel);
    let verify = || fixture.xtask(&["verify", "bin/vmlinux.bin"]);
    expect(0, verify());
    let (_, err) = expect(2, self::verify(&fixture, &[]));
    assert!(err.contains("was made of the pinned source `patched`"), "{err}");
    let source = std::fs::read_dir(fixture.path("target/guest-kernel/source")).unwrap();
    let tree = source.map(|entry| entry.unwrap().path()).find(|path| path.is_dir()).unwrap();
    std::fs::remove_file(tree.join("net/socket.c")).unwrap();
    let (_, err) = expect(2, verify());
    assert!(err.contains("1 files of source patched are not as unpacked: net/socket.c"), "{err}");
    let mut manifest: serde_json::Value =
        serde_json::from_str(&fixture.read("bin/vmlinux.bin.json")).unwrap();
    manifest["source"]["version"] = "6.11".into();
    fixture.write("bin/vmlinux.bin.json", &manifest.to_string());
    let (_, err) = expect(2, verify());
    assert!(err.contains("made of source patched 6.11 "), "{err}");
}

#[test]
fn where_two_builds_differ_is_told_by_section_and_symbol() {
    let fixture = Fixture::new();
    expect(0, fixture.kernel(&[]));
    // Neither is an input that the build names.
    std::fs::write(fixture.path("image"), bzimage(4096)).unwrap();
    let other = "echo 'int main(void) { return 77; }' | gcc -c -x c -o init/main.o -";
    fixture.write("slow", other);
    let (out, _) = expect(1, verify(&fixture, &["--format", "json"]));
    let verified: serde_json::Value = serde_json::from_str(&out).unwrap();
    assert_eq!(verified["verdict"], "differs");
    assert_eq!(verified["given"], verified["recorded"]);
    assert_ne!(verified["given"], verified["rebuilt"]);
    let sections = verified["differences"]["sections"].as_array().unwrap();
    let text = sections.iter().find(|section| section["name"] == ".text").unwrap();
    assert_eq!(text["symbols"][0]["name"], "main");
    let (out, _) = expect(1, verify(&fixture, &[]));
    assert!(out.contains(".text") && out.contains("  main"), "{out}");
    // Without its object tree, what is in the file has to tell.
    std::fs::remove_dir_all(fixture.path("target/guest-kernel/build")).unwrap();
    let (out, _) = expect(1, verify(&fixture, &[]));
    assert!(out.contains("the kernels in them were not compared: failed to look into"), "{out}");
    assert_eq!(left(&fixture), [""; 0]);
}

#[test]
fn a_file_that_is_not_what_its_manifest_says_is_told() {
    let fixture = Fixture::new();
    expect(0, fixture.kernel(&[]));
    let mut image = bzimage(2048);
    image[2000] ^= 1;
    std::fs::write(fixture.path("bin/vmlinux.bin"), image).unwrap();
    let (out, _) = expect(1, verify(&fixture, &[]));
    assert!(out.contains("not what its manifest comes to") && out.contains("  manifest "), "{out}");
}

#[test]
fn what_keeps_it_from_being_built_again_is_named() {
    let fixture = Fixture::new();
    expect(0, fixture.kernel(&[]));
    let refused = |said: &str| {
        let (out, err) = expect(2, verify(&fixture, &[]));
        assert!(err.contains(said) && err.contains("hint: "), "{err}");
        assert_eq!(out, "");
    };
    let manifest = fixture.read("bin/vmlinux.bin.json");
    let version = serde_json::from_str::<serde_json::Value>(&manifest).unwrap();
    let compiler = version["toolchain"]["versions"][0].as_str().unwrap().to_owned();
    fixture.write("bin/vmlinux.bin.json", &manifest.replace(&compiler, "gcc 4.2"));
    refused("built with gcc 4.2, here is ");
    // As an older version of this tool wrote it: only the .config can tell.
    let mut older = version.clone();
    older.as_object_mut().unwrap().remove("inputs");
    fixture.write("bin/vmlinux.bin.json", &older.to_string());
    expect(0, verify(&fixture, &[]));
    fixture.write("fragments/base.conf", "CONFIG_NET=y\nCONFIG_INET=y\n");
    refused("its .config had sha256 ");
    fixture.write("bin/vmlinux.bin.json", &manifest);
    refused("base.conf of the conf dir was changed");
    fixture.write("fragments/base.conf", "CONFIG_NET=y\n");
    fixture.write("tree/init/main.c", "int main(void) { return 3; }\n");
    refused("made of source dir 6.12.0");
    fixture.write("bin/vmlinux.bin.json", "{}");
    refused("failed to read manifest bin/vmlinux.bin.json");
    std::fs::remove_file(fixture.path("bin/vmlinux.bin.json")).unwrap();
    refused("it says what the image was made of");
}

#[test]
fn documents_are_written_on_request_and_go_with_their_image() {
    let fixture = Fixture::new();
    sources(&fixture);
    let kernel = |more: &[&str]| {
        let mut kernel = fixture.xtask(&[
            "kernel",
            "--type",
            "micro",
            "--arch",
            "x86_64",
            "--hypervisor",
            "stratovirt",
        ]);
        kernel.args(["--source", "patched"]).args(more);
        expect(0, kernel).0
    };
    let there = |ending: &str| fixture.path(&format!("bin/vmlinux.bin{ending}")).exists();
    kernel(&[]);
    assert!(!there(".spdx.json") && !there(".intoto.json"));
    assert!(kernel(&["--sbom"]).contains("staged again"));
    let documents =
        || [fixture.read("bin/vmlinux.bin.spdx.json"), fixture.read("bin/vmlinux.bin.intoto.json")];
    let before = documents();
    assert!(kernel(&["--sbom"]).contains("unchanged"));
    let [spdx, statement] =
        documents().map(|text| serde_json::from_str::<serde_json::Value>(&text).unwrap());
    let manifest: serde_json::Value =
        serde_json::from_str(&fixture.read("bin/vmlinux.bin.json")).unwrap();
    assert_eq!(statement["subject"][0]["digest"]["sha256"], manifest["sha256"]);
    let names: Vec<_> =
        spdx["packages"].as_array().unwrap().iter().map(|one| one["name"].clone()).collect();
    assert_eq!(
        names[..4],
        ["vmlinux.bin", "linux", "0001-radio.patch", "micro-kernel-x86_64.list"]
    );
    // Beside the tree, which makes it none of its inputs.
    std::fs::write(fixture.path("target/guest-kernel/source/image"), bzimage(4096)).unwrap();
    std::fs::remove_dir_all(fixture.path("target/guest-kernel/build")).unwrap();
    kernel(&[]);
    assert!(!there(".spdx.json") && !there(".intoto.json"), "they are about another image");
    kernel(&["--sbom"]);
    assert_ne!(documents(), before);
}
