//! What a run makes, what the next one leaves alone, and what survives.

use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use super::consoles::sources;
use super::fixture::{Fixture, bzimage, expect};

fn manifest(fixture: &Fixture) -> serde_json::Value {
    serde_json::from_str(&fixture.read("bin/vmlinux.bin.json")).unwrap()
}

/// Where the one variant that was built keeps its things.
fn variant(fixture: &Fixture) -> PathBuf {
    let only = |folder: PathBuf| std::fs::read_dir(folder).unwrap().next().unwrap().unwrap().path();
    only(only(fixture.path("target/guest-kernel/build")))
}

#[test]
fn makes_an_image_and_says_what_it_is() {
    let fixture = Fixture::new();
    let (out, err) = expect(0, fixture.kernel(&[]));
    assert!(
        out.contains(
            "x86_64 micro mmio for stratovirt: built, Linux 6.12.0, bzImage of 2048 bytes"
        ),
        "{out}"
    );
    assert!(err.contains("put there: machine_type = \"microvm,mem-share=on\""), "{err}");
    assert_eq!(std::fs::read(fixture.path("bin/vmlinux.bin")).unwrap(), bzimage(2048));
    let manifest = manifest(&fixture);
    assert_eq!(manifest["type"], "micro");
    assert_eq!(manifest["fragments"], serde_json::json!(["base.conf"]));
    assert_eq!(manifest["size"], 2048);
}

#[test]
fn a_plan_names_the_key_that_the_manifest_will() {
    let fixture = Fixture::new();
    sources(&fixture);
    let target =
        ["--type", "micro", "--arch", "x86_64", "--hypervisor", "stratovirt", "--source", "whole"];
    let planned = || {
        let mut plan = fixture.xtask(&["plan", "--keys", "--format", "json"]);
        plan.args(target);
        let planned: serde_json::Value = serde_json::from_str(&expect(0, plan).0).unwrap();
        planned["keys"][0].clone()
    };
    let before = planned();
    assert_eq!(before["hypervisor"], "stratovirt");
    let mut kernel = fixture.xtask(&["kernel"]);
    kernel.args(target);
    expect(0, kernel);
    assert_eq!(manifest(&fixture)["key"], before["key"]);
    fixture.conf("base.conf\n", "CONFIG_NET=y\nCONFIG_INET=y\n");
    assert_ne!(planned()["key"], before["key"]);
}

#[test]
fn the_compiler_is_spared_work_unless_its_warnings_are_errors() {
    let fixture = Fixture::new();
    let kconfig = fixture.read("tree/Kconfig") + "\nconfig WERROR\n\tbool \"no warnings\"\n";
    fixture.write("tree/Kconfig", &kconfig);
    let spared = |fragment: &str| {
        fixture.conf("base.conf\n", fragment);
        expect(0, fixture.kernel(&[]));
        let log = std::fs::read_to_string(variant(&fixture).join("build.log")).unwrap();
        assert!(log.contains("gcc "), "{log}");
        log.contains(".c -ftrack-macro-expansion=0 ")
    };
    assert!(spared("CONFIG_NET=y\n"));
    assert!(!spared("CONFIG_NET=y\nCONFIG_WERROR=y\n"));
}

#[test]
fn a_second_run_has_nothing_to_do() {
    let fixture = Fixture::new();
    expect(0, fixture.kernel(&[]));
    let before = manifest(&fixture);
    std::fs::write(fixture.path("slow"), "touch $(dirname $0)/woken").unwrap();
    let (out, _) = expect(0, fixture.kernel(&[]));
    assert!(out.contains("unchanged"), "{out}");
    assert!(!fixture.path("woken").exists(), "it called make");
    assert_eq!(manifest(&fixture), before);
}

#[test]
fn a_removed_image_is_staged_without_compiling() {
    let fixture = Fixture::new();
    expect(0, fixture.kernel(&[]));
    std::fs::remove_file(fixture.path("bin/vmlinux.bin")).unwrap();
    std::fs::write(fixture.path("slow"), "touch $(dirname $0)/woken").unwrap();
    let (out, _) = expect(0, fixture.kernel(&[]));
    assert!(out.contains("staged again"), "{out}");
    assert!(fixture.path("bin/vmlinux.bin").exists());
    assert!(!fixture.path("woken").exists(), "it called make");
}

#[test]
fn a_damaged_image_is_staged_again() {
    let fixture = Fixture::new();
    expect(0, fixture.kernel(&[]));
    std::fs::write(fixture.path("bin/vmlinux.bin"), vec![0; 2048]).unwrap();
    expect(0, fixture.kernel(&[]));
    assert_eq!(std::fs::read(fixture.path("bin/vmlinux.bin")).unwrap(), bzimage(2048));
}

#[test]
fn another_hypervisor_of_the_same_build_gets_its_own_manifest() {
    let fixture = Fixture::new();
    fixture.write("fragments/mini-kernel-x86_64.list", "base.conf\n");
    let mini = |hypervisor: &str| {
        let target = ["--type", "mini", "--arch", "x86_64", "--hypervisor", hypervisor];
        fixture.xtask(&[&["kernel", "--kernel-dir", "tree"][..], &target[..]].concat())
    };
    expect(0, mini("stratovirt"));
    let before = manifest(&fixture);
    let (out, _) = expect(0, mini("qemu"));
    assert!(out.contains("staged again"), "{out}");
    assert_eq!(manifest(&fixture)["key"], before["key"]);
    assert_eq!(manifest(&fixture)["hypervisor"], "qemu");
}

#[test]
fn other_bytes_under_the_same_key_are_staged() {
    let fixture = Fixture::new();
    expect(0, fixture.kernel(&[]));
    let before = manifest(&fixture);
    std::fs::write(fixture.path("image"), bzimage(4096)).unwrap();
    std::fs::remove_dir_all(fixture.path("target/guest-kernel/build")).unwrap();
    let (out, _) = expect(0, fixture.kernel(&[]));
    assert!(out.contains("built"), "{out}");
    assert_eq!(std::fs::read(fixture.path("bin/vmlinux.bin")).unwrap(), bzimage(4096));
    assert_eq!(manifest(&fixture)["key"], before["key"]);
    assert_eq!(manifest(&fixture)["size"], 4096);
    assert_ne!(manifest(&fixture)["sha256"], before["sha256"]);
}

#[test]
fn a_damaged_image_of_the_last_build_is_made_again() {
    let fixture = Fixture::new();
    expect(0, fixture.kernel(&[]));
    let kept = variant(&fixture).join("image/bzImage");
    let mut image = std::fs::read(&kept).unwrap();
    image[2047] ^= 1;
    std::fs::write(&kept, image).unwrap();
    std::fs::remove_file(fixture.path("bin/vmlinux.bin")).unwrap();
    expect(0, fixture.kernel(&[]));
    assert_eq!(std::fs::read(fixture.path("bin/vmlinux.bin")).unwrap(), bzimage(2048));
}

#[test]
fn a_source_that_is_saved_while_make_runs_is_built_by_the_next_run() {
    let fixture = Fixture::new();
    let edit = "echo 'int main(void) { return 7; }' > $(dirname $0)/tree/init/main.c";
    fixture.write("slow", edit);
    expect(0, fixture.kernel(&[]));
    std::fs::remove_file(fixture.path("slow")).unwrap();
    let (out, _) = expect(0, fixture.kernel(&[]));
    assert!(out.contains("built"), "{out}");
    let (out, _) = expect(0, fixture.kernel(&[]));
    assert!(out.contains("unchanged"), "{out}");
}

#[test]
fn a_changed_history_is_resolved_again() {
    let fixture = Fixture::new();
    expect(0, fixture.kernel(&[]));
    let history = "[[symbol]]\nname = \"NETWORK\"\nwas = [\"NET\"]\nevidence = \"net/Kconfig\"\n";
    fixture.write("fragments/history.toml", history);
    let (out, _) = expect(0, fixture.kernel(&[]));
    assert!(out.contains("built"), "{out}");
    fixture.write("fragments/history.toml", &history.replace("net/Kconfig", "another place"));
    let (out, _) = expect(0, fixture.kernel(&[]));
    // The manifest names the file by its content.
    assert!(out.contains("staged again"), "{out}");
}

#[test]
fn going_on_without_a_symbol_is_not_built_twice_and_is_told_twice() {
    let fixture = Fixture::new();
    fixture.conf("base.conf\n", "CONFIG_NETWORKING=y\nCONFIG_WIRELESS=y\n");
    fixture.write(
        "fragments/history.toml",
        "[[symbol]]\nname = \"NETWORKING\"\nwas = [\"NET\"]\nevidence = \"made up\"\n",
    );
    let (_, err) = expect(1, fixture.kernel(&[]));
    assert!(err.contains("nothing was compiled"), "{err}");
    let (out, _) = expect(0, fixture.kernel(&["--allow-missing"]));
    assert!(out.contains("built"), "{out}");
    std::fs::write(fixture.path("slow"), "touch $(dirname $0)/woken").unwrap();
    let (out, err) = expect(0, fixture.kernel(&["--allow-missing"]));
    assert!(out.contains("unchanged"), "{out}");
    assert!(err.contains("base.conf:1: NETWORKING is called NET in this tree"), "{err}");
    assert!(err.contains("CONFIG_WIRELESS=y resolves to n"), "{err}");
    let (_, err) = expect(1, fixture.kernel(&[]));
    assert!(err.contains("CONFIG_WIRELESS=y resolves to n"), "{err}");
    assert!(!fixture.path("woken").exists(), "it called make");
    assert_eq!(
        manifest(&fixture)["missing"],
        serde_json::json!(["CONFIG_WIRELESS=y (fragments/base.conf:2)"])
    );
}

#[test]
fn a_finding_is_an_annotation_where_github_runs_it() {
    let fixture = Fixture::new();
    fixture.conf("base.conf\n", "CONFIG_NET=y\nCONFIG_WIRELESS=y\n");
    let mut command = fixture.kernel(&[]);
    command.env("GITHUB_ACTIONS", "true");
    let (_, err) = expect(1, command);
    let annotation = "::error file=fragments/base.conf,line=2::CONFIG_WIRELESS=y resolves to n: \
                      hidden: not all that it depends on is there: RADIO [=n]: this is n (Kconfig:12)\n";
    assert!(err.contains(annotation), "{err}");
}

#[test]
fn an_edited_source_is_built_again_under_another_key() {
    let fixture = Fixture::new();
    expect(0, fixture.kernel(&[]));
    let before = manifest(&fixture);
    fixture.write("tree/init/main.c", "int main(void) { return 1; }\n");
    let (out, _) = expect(0, fixture.kernel(&[]));
    assert!(out.contains("built"), "{out}");
    assert_ne!(manifest(&fixture)["key"], before["key"]);
}

#[test]
fn a_changed_fragment_is_built_again_and_moving_its_lines_is_not() {
    let fixture = Fixture::new();
    expect(0, fixture.kernel(&[]));
    fixture.conf("base.conf\n", "# moved down\n\nCONFIG_NET=y\n");
    let (out, _) = expect(0, fixture.kernel(&[]));
    assert!(out.contains("staged again"), "{out}");
    fixture.conf("base.conf\n", "CONFIG_NET=y\nCONFIG_INET=y\n");
    let (out, _) = expect(0, fixture.kernel(&[]));
    assert!(out.contains("built"), "{out}");
}

#[test]
fn a_manifest_names_its_own_choices_and_no_place_outside_the_workspace() {
    let fixture = Fixture::new();
    fixture.write("fragments/mini-kernel-x86_64.list", "base.conf\n");
    let target = ["--arch", "x86_64", "--hypervisor", "qemu,stratovirt"];
    let command = [&["kernel", "--kernel-dir", "tree"][..], &target[..]].concat();
    expect(0, fixture.xtask(&command));
    let manifest = fixture.read("bin/qemu-x86_64/vmlinux.bin.json");
    let manifest: serde_json::Value = serde_json::from_str(&manifest).unwrap();
    let reason = "qemu on x86_64: machine_type = \"pc\" at vmm/sandbox/config_qemu_x86_64.toml:3";
    let choice = serde_json::json!({ "what": "type", "value": "mini", "reason": reason });
    assert_eq!(manifest["choices"], serde_json::json!([choice]));
}

#[test]
fn setup_looks_for_what_a_boot_needs_too() {
    let fixture = Fixture::new();
    let mut command = fixture.kernel(&["--setup", "--yes"]);
    let hidden = ["qemu-system", "apt-get", "dnf", "zypper", "pacman"];
    command.env("PATH", fixture.programs_without(&hidden));
    let (_, err) = expect(2, command);
    assert!(err.contains("install by hand: ") && err.contains("qemu-system-x86_64"), "{err}");
}

#[test]
fn what_a_users_shell_holds_reaches_no_make() {
    let fixture = Fixture::new();
    fixture
        .write("slow", "echo \"seen: $LLVM $KCONFIG_ALLCONFIG $HOSTCFLAGS\" > $(dirname $0)/seen");
    let mut command = fixture.kernel(&[]);
    command.envs([("LLVM", "1"), ("KCONFIG_ALLCONFIG", "/dev/null"), ("HOSTCFLAGS", "-O0")]);
    expect(0, command);
    assert_eq!(fixture.read("seen").trim(), "seen:");
}

#[test]
fn installs_where_the_sandboxer_looks() {
    let fixture = Fixture::new();
    expect(0, fixture.kernel(&["--install", "--dest-dir", "root"]));
    let installed = fixture.path("root/var/lib/kuasar/vmlinux.bin");
    assert_eq!(std::fs::read(&installed).unwrap(), bzimage(2048));
    assert_eq!(installed.metadata().unwrap().permissions().mode() & 0o777, 0o640);
    assert!(fixture.path("root/var/lib/kuasar/vmlinux.bin.json").exists());
}

#[test]
fn a_work_folder_that_kbuild_cannot_use_is_refused_at_once() {
    let fixture = Fixture::new();
    let mut kernel = fixture.kernel(&[]);
    kernel.env("CARGO_TARGET_DIR", "my target");
    let (_, err) = expect(2, kernel);
    assert!(
        err.contains("my target/guest-kernel` has white space or a colon in its path"),
        "{err}"
    );
    assert!(err.contains("set CARGO_TARGET_DIR"), "{err}");
}

#[test]
fn a_failed_build_names_its_command_and_leaves_the_old_image() {
    let fixture = Fixture::new();
    expect(0, fixture.kernel(&[]));
    fixture.write("tree/init/main.c", "int main(void) { return nothing; }\n");
    let (_, err) = expect(2, fixture.kernel(&[]));
    assert!(err.contains("failed to build"), "{err}");
    assert!(err.contains("with gcc -c -o"), "{err}");
    assert!(err.contains("'nothing' undeclared"), "{err}");
    assert!(err.contains("build.log"), "{err}");
    assert_eq!(std::fs::read(fixture.path("bin/vmlinux.bin")).unwrap(), bzimage(2048));
}

#[test]
fn an_image_that_cannot_boot_is_not_staged() {
    let fixture = Fixture::new();
    expect(0, fixture.kernel(&[]));
    fixture.write("tree/image", "no kernel");
    fixture.write("tree/init/main.c", "int main(void) { return 2; }\n");
    let (_, err) = expect(2, fixture.kernel(&[]));
    assert!(err.contains("failed to check image"), "{err}");
    assert_eq!(std::fs::read(fixture.path("bin/vmlinux.bin")).unwrap(), bzimage(2048));
}
