//! What kernels save that are built without single lines.

use super::fixture::{Fixture, bzimage, expect};

const MINIMIZE: [&str; 9] = [
    "minimize",
    "--type",
    "micro",
    "--arch",
    "x86_64",
    "--hypervisor",
    "stratovirt",
    "--kernel-dir",
    "tree",
];

/// A tree whose image is smaller without a modem, and which fails without a serial line.
fn fixture() -> Fixture {
    let fixture = Fixture::new();
    fixture.conf("base.conf\n", "CONFIG_NET=y\nCONFIG_SERIAL=y\nCONFIG_USB=y\nCONFIG_MODEM=y\n");
    std::fs::write(fixture.path("big"), bzimage(4096)).unwrap();
    std::fs::write(fixture.path("small"), bzimage(3072)).unwrap();
    let build = "here=$(dirname $0)\necho built >> $here/builds\n\
        grep -q CONFIG_SERIAL=y .config || exit 1\n\
        if grep -q CONFIG_MODEM=y .config; then cp $here/big $here/image; else cp $here/small $here/image; fi\n";
    fixture.write("slow", build);
    fixture
}

#[test]
fn each_line_in_question_is_left_out_of_a_build_of_its_own() {
    let fixture = fixture();
    let build = [&MINIMIZE[..], &["--build", "--drop", "MODEM,USB,SERIAL", "--format", "json"]];
    let (out, err) = expect(0, fixture.xtask(&build.concat()));
    let found: serde_json::Value = serde_json::from_str(&out).unwrap();
    let saves: Vec<_> = found["built"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| (one["symbol"].as_str().unwrap(), one["saves"]["image"].as_i64().unwrap()))
        .collect();
    assert_eq!(saves, [("MODEM", 1024), ("USB", 0)]);
    assert!(err.contains("CONFIG_SERIAL=y: failed to build micro-x86_64"), "{err}");
    assert_eq!(fixture.read("builds").lines().count(), 4, "with all lines, and without each");
    let (out, _) = expect(0, fixture.xtask(&[&build.concat()[..11], &["USB"]].concat()));
    assert!(out.contains("CONFIG_USB=y  fragments/base.conf:3"), "{out}");
}

/// The variant's own object tree is not touched.
#[test]
fn builds_are_made_in_a_copy() {
    let fixture = fixture();
    expect(0, fixture.kernel(&[]));
    let tree = std::fs::read_dir(fixture.path("target/guest-kernel/build")).unwrap();
    let tree = tree.map(|entry| entry.unwrap().path()).next().unwrap();
    let variant = std::fs::read_dir(&tree).unwrap().next().unwrap().unwrap().path();
    let config = || std::fs::read_to_string(variant.join("obj/.config")).unwrap();
    let (before, own) = (config(), variant.join("obj/own"));
    std::fs::write(&own, "").unwrap();
    let build = [&MINIMIZE[..], &["--build", "--tries", "1"]].concat();
    let (out, err) = expect(0, fixture.xtask(&build));
    assert!(err.contains("copying the object tree of micro-x86_64"), "{err}");
    assert!(out.contains("saved by builds without single lines"), "{out}");
    assert_eq!(config(), before);
    let name = variant.strip_prefix(fixture.path("target/guest-kernel/build")).unwrap();
    let copy = fixture.path("target/guest-kernel/minimize").join(name).join("obj");
    assert!(copy.join("own").exists(), "it was not copied");
    assert_ne!(std::fs::read_to_string(copy.join(".config")).unwrap(), before);
}
