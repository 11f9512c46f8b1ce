//! What can only be tried on a real kernel tree: the folder that GUEST_KERNEL_TREE names. `cargo xtask ci`
//! names one, and takes these tests, which others leave out.

use std::path::Path;

use super::fixture::{Fixture, cannot_test, copy, expect, run, stdout};

/// A workspace of its own, and the real tree's path.
fn real() -> (Fixture, String) {
    let tree = std::env::var("GUEST_KERNEL_TREE").expect("GUEST_KERNEL_TREE names a kernel tree");
    (Fixture::new(), tree)
}

/// Whether one of the tree's Kconfig files defines a symbol.
fn defines(tree: &str, kconfig: &str, symbol: &str) -> bool {
    let text = std::fs::read_to_string(Path::new(tree).join(kconfig)).unwrap();
    text.lines().any(|line| line == format!("config {symbol}"))
}

#[test]
#[ignore = "takes the kernel tree that GUEST_KERNEL_TREE names"]
fn every_symbol_that_does_not_come_out_is_told_with_its_dependencies() {
    let (fixture, tree) = real();
    fixture.conf(
        "base.conf\n",
        "CONFIG_NET=y\nCONFIG_VIRTIO_FS=y\nCONFIG_NO_SUCH=y\nCONFIG_VIRTIO_VSOCKETS_COMMON=y\n",
    );
    let arguments = [
        "kernel",
        "--type",
        "micro",
        "--arch",
        "x86_64",
        "--hypervisor",
        "stratovirt",
        "--kernel-dir",
        &tree,
    ];
    let (out, err) = expect(1, fixture.xtask(&arguments));
    assert!(out.is_empty(), "{out}");
    let said = [
        "CONFIG_VIRTIO_FS=y resolves to n",
        "--> fragments/base.conf:2:1",
        "fs/fuse/Kconfig:",
        "depends on FUSE_FS",
        "FUSE_FS [=n]: this is n",
        "CONFIG_NO_SUCH=y resolves to n",
        "this tree has no such symbol",
        "CONFIG_VIRTIO_VSOCKETS_COMMON=y resolves to n",
        "only a select or a default sets it",
        "VSOCKETS_LOOPBACK selects it, and is n",
        "3 of 4 symbols of micro-x86_64 are not as asked",
        "nothing was compiled",
    ];
    for text in said {
        assert!(err.contains(text), "no `{text}` in {err}");
    }
    assert!(!fixture.path("bin").exists());
    let (_, quiet) = expect(1, fixture.xtask(&[&arguments[..], &["-q"]].concat()));
    let told = &err[err.find("error: ").unwrap_or_default()..];
    assert!(quiet.ends_with(told) && !quiet.contains("resolving"), "{quiet}");
}

#[test]
#[ignore = "takes the kernel tree that GUEST_KERNEL_TREE names"]
fn the_findings_are_json_too() {
    let (fixture, tree) = real();
    fixture.conf("base.conf\n", "CONFIG_VIRTIO_FS=y\n");
    let mut arguments =
        vec!["kernel", "--type", "micro", "--arch", "x86_64", "--hypervisor", "stratovirt"];
    arguments.extend(["--kernel-dir", &tree, "--format", "json"]);
    let output = run(fixture.xtask(&arguments));
    let findings: serde_json::Value = serde_json::from_str(&stdout(&output)).unwrap();
    assert_eq!(findings[0]["symbol"], "VIRTIO_FS");
    assert_eq!(findings[0]["cause"], "hidden");
    let blocker = &findings[0]["blockers"][0];
    assert_eq!(blocker["expression"], "FUSE_FS [=n]");
    assert_eq!(blocker["line"]["path"], "fs/fuse/Kconfig");
}

#[test]
#[ignore = "takes the kernel tree that GUEST_KERNEL_TREE names"]
fn an_older_name_is_taken_where_the_tree_knows_only_that() {
    let (fixture, tree) = real();
    fixture.conf("base.conf\n", "CONFIG_NETWORKING=y\nCONFIG_TIME_TRAVEL=y\n");
    fixture.write(
        "fragments/history.toml",
        "[[symbol]]\nname = \"NETWORKING\"\nwas = [\"NET\"]\nsince = \"99.0\"\nevidence = \"made up\"\n\
         [[symbol]]\nname = \"TIME_TRAVEL\"\nsince = \"99.0\"\nevidence = \"made up\"\n",
    );
    let (out, err) = expect(
        0,
        fixture.xtask(&["check", "--type", "micro", "--arch", "x86_64", "--kernel-dir", &tree]),
    );
    assert!(err.contains("base.conf:1: NETWORKING is called NET in this tree"), "{err}");
    assert!(err.contains("base.conf:2: TIME_TRAVEL is left out, it came with 99.0"), "{err}");
    assert!(out.contains("micro-x86_64"), "{out}");
}

/// Lists of other projects lie beside some checkouts of this one; it does not need them.
#[test]
#[ignore = "takes the kernel tree that GUEST_KERNEL_TREE names"]
fn whatever_a_tree_lacks_of_what_others_ask_for_is_explained() {
    let (fixture, tree) = real();
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let peers = root.join("../shared/peers");
    if !peers.is_dir() {
        println!("there are no lists of other projects in {}", peers.display());
        return;
    }
    let history = std::fs::read_to_string(root.join("fragments/history.toml")).unwrap();
    fixture.write("fragments/history.toml", &history);
    let mut arches = vec!["x86_64"];
    let path = std::env::var_os("PATH").unwrap_or_default();
    match std::env::split_paths(&path).any(|dir| dir.join("aarch64-linux-gnu-gcc").is_file()) {
        true => arches.push("aarch64"),
        false => cannot_test("kernels for aarch64", "aarch64-linux-gnu-gcc"),
    }
    for arch in &arches {
        let fragment = format!("kata-{arch}.conf");
        let text = std::fs::read_to_string(peers.join("kata").join(&fragment)).unwrap();
        fixture.write(&format!("kata/{fragment}"), &text);
        fixture.write(&format!("kata/mini-kernel-{arch}.list"), &fragment);
    }
    let kuasar = peers.join("kuasar");
    for (conf_dir, types) in [("kata", "mini"), (kuasar.to_str().unwrap(), "micro,mini")] {
        let mut arguments = vec!["check", "--type", types, "--kernel-dir", &tree];
        let arches = arches.join(",");
        arguments.extend(["--arch", &arches, "--kernel-conf-dir", conf_dir, "--format", "json"]);
        let output = run(fixture.xtask(&arguments));
        let rows: serde_json::Value = serde_json::from_str(&stdout(&output)).unwrap();
        let rows = rows.as_array().unwrap().iter();
        for finding in rows.flat_map(|row| row["findings"].as_array().unwrap()) {
            let nowhere = finding["only_in"].as_array().is_some_and(Vec::is_empty);
            assert!(finding["cause"] != "unknown" || !nowhere, "{conf_dir}: {finding}");
        }
    }
}

#[test]
#[ignore = "takes the kernel tree that GUEST_KERNEL_TREE names"]
fn the_tree_is_never_written_to() {
    let (fixture, tree) = real();
    let before = std::fs::metadata(&tree).unwrap().modified().unwrap();
    fixture.conf("base.conf\n", "CONFIG_NET=y\n");
    expect(
        0,
        fixture.xtask(&["check", "--type", "micro", "--arch", "x86_64", "--kernel-dir", &tree]),
    );
    assert_eq!(std::fs::metadata(&tree).unwrap().modified().unwrap(), before);
    assert!(!Path::new(&tree).join(".config").exists());
}

/// The fragments of this repository.
fn own_fragments() -> String {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    root.join("fragments").to_str().unwrap().to_owned()
}

#[test]
#[ignore = "takes the kernel tree that GUEST_KERNEL_TREE names"]
fn every_difference_leads_to_what_is_asked_for() {
    let (fixture, tree) = real();
    let conf_dir = own_fragments();
    let mut arguments =
        vec!["diff", "micro/stratovirt", "mini", "--arch", "x86_64", "--kernel-dir", &tree];
    arguments.extend(["--kernel-conf-dir", &conf_dir, "--format", "json"]);
    let (out, err) = expect(1, fixture.xtask(&arguments));
    assert!(err.contains("symbols differ: ") && err.contains("follow others"), "{err}");
    let compared: serde_json::Value = serde_json::from_str(&out).unwrap();
    let all = compared["differences"].as_array().unwrap();
    let find = |name: &str| all.iter().find(|one| one["symbol"] == name).unwrap();
    for one in all {
        let mut leader = one;
        for _ in 0..20 {
            match leader["follows"].as_str() {
                Some(next) => leader = find(next),
                None => break,
            }
        }
        assert_eq!(leader["reason"], "asked", "{} leads to {leader}", one["symbol"]);
    }
    let pci = find("PCI");
    assert_eq!((&pci["a"]["value"], &pci["b"]["value"]), (&serde_json::Value::Null, &"y".into()));
    assert_eq!(pci["b"]["asked"]["value"], "y");
    let dma = find("SCSI_DMA");
    assert_eq!((&dma["b"]["why"], &dma["follows"]), (&"selected".into(), &"SCSI".into()));
    assert_eq!(dma["b"]["by"][0]["place"]["path"], "drivers/scsi/Kconfig");
    assert_eq!(dma["menu"], serde_json::json!(["Device Drivers", "SCSI device support"]));
}

#[test]
#[ignore = "takes the kernel tree that GUEST_KERNEL_TREE names"]
fn a_dot_config_says_what_its_target_says() {
    let (fixture, tree) = real();
    let conf_dir = own_fragments();
    let of_target = ["--arch", "x86_64", "--kernel-conf-dir", &conf_dir, "--kernel-dir", &tree];
    let write = ["resolve", "--type", "micro", "-o", "micro.config"];
    expect(0, fixture.xtask(&[&write[..], &of_target].concat()));
    let compare = ["diff", "micro.config", "micro"];
    let (out, err) = expect(0, fixture.xtask(&[&compare[..], &of_target].concat()));
    assert!(out.is_empty() && err.contains("no symbol differs"), "{out}{err}");
}

/// A copy of this repository's fragments without one symbol's lines.
fn fragments_without(fixture: &Fixture, symbol: &str) -> String {
    let (from, to) = (own_fragments(), format!("without-{symbol}"));
    for folder in ["", "hypervisor"] {
        for entry in Path::new(&from).join(folder).read_dir().unwrap() {
            let path = entry.unwrap().path();
            if path.is_file() {
                let text = std::fs::read_to_string(&path).unwrap();
                let line = format!("CONFIG_{symbol}=");
                let kept = text.lines().filter(|text| !text.starts_with(&line));
                let text: String = kept.map(|line| format!("{line}\n")).collect();
                let name = path.strip_prefix(&from).unwrap().to_str().unwrap();
                fixture.write(&format!("{to}/{name}"), &text);
            }
        }
    }
    to
}

/// What a row breaks: capability, and the lines that mend it with their fragments.
fn breaches(row: &serde_json::Value) -> Vec<(String, Vec<String>)> {
    let none = vec![];
    let all = row["breaches"].as_array().unwrap_or(&none).iter();
    let line = |edit: &serde_json::Value| {
        let path = Path::new(edit["at"]["path"].as_str().unwrap());
        let file = path.file_name().unwrap().to_str().unwrap();
        format!("{} ({file})", edit["text"].as_str().unwrap())
    };
    let lines = |one: &serde_json::Value| {
        one["mended_by"].as_array().map(|edits| edits.iter().map(line).collect())
    };
    let name = |one: &serde_json::Value| one["capability"].as_str().unwrap().to_owned();
    all.map(|one| (name(one), lines(one).unwrap_or_default())).collect()
}

fn checked(fixture: &Fixture, tree: &str, conf_dir: &str, code: i32) -> Vec<serde_json::Value> {
    let mut arguments = vec!["check", "--kernel-dir", tree, "--kernel-conf-dir", conf_dir];
    arguments.extend(["--format", "json"]);
    let (out, _) = expect(code, fixture.xtask(&arguments));
    serde_json::from_str(&out).unwrap()
}

/// XFS alone is only wanted, and no list of ours has it: docs/fragments.md says what it would take.
#[test]
#[ignore = "takes the kernel tree that GUEST_KERNEL_TREE names"]
fn every_list_of_ours_keeps_the_contract() {
    let (fixture, tree) = real();
    let rows = checked(&fixture, &tree, &own_fragments(), 0);
    assert!(rows.len() >= 6, "{} kernels", rows.len());
    for row in rows {
        let kernel = row["kernel"].as_str().unwrap();
        let left_out: &[&str] = if kernel.starts_with("mini") { &["xfs-volumes"] } else { &[] };
        let broken = breaches(&row);
        let broken: Vec<&str> = broken.iter().map(|(capability, _)| capability.as_str()).collect();
        assert_eq!(broken, left_out, "{kernel}");
    }
}

#[test]
#[ignore = "takes the kernel tree that GUEST_KERNEL_TREE names"]
fn every_deviation_of_ours_has_a_reason_and_every_reason_a_deviation() {
    let (fixture, tree) = real();
    let conf_dir = own_fragments();
    let mut arguments = vec!["check", "--hardening", "--kernel-dir", &tree, "--format", "json"];
    arguments.extend(["--kernel-conf-dir", &conf_dir]);
    let (out, _) = expect(0, fixture.xtask(&arguments));
    let result: serde_json::Value = serde_json::from_str(&out).unwrap();
    assert_eq!(result["stale"], serde_json::json!([]));
    let all = result["deviations"].as_array().unwrap();
    let of = |name: &str| all.iter().filter(|one| one["recommendation"] == name).count();
    assert!(all.iter().all(|one| one["reason"].is_string()), "{out}");
    // Trees before 6.1 are not asked for it: none of them has what checks calls today.
    let asked_for_cfi =
        ["CFI", "CFI_CLANG"].iter().any(|name| defines(&tree, "arch/Kconfig", name));
    let cfi = if asked_for_cfi { 6 } else { 0 };
    assert_eq!((of("stack-protector"), of("cfi"), of("signed-modules")), (0, cfi, 2));

    // Without a symbol that is asked for, and without the reasons, it is another matter.
    let conf_dir = fragments_without(&fixture, "STACKPROTECTOR_STRONG");
    arguments.truncate(6);
    arguments.extend(["--kernel-conf-dir", &conf_dir]);
    let (out, err) = expect(1, fixture.xtask(&arguments));
    assert!(err.contains("no reason is given to do without stack-protector"), "{err}");
    let result: serde_json::Value = serde_json::from_str(&out).unwrap();
    let all = result["deviations"].as_array().unwrap();
    let unexplained: Vec<_> = all.iter().filter(|one| one["reason"].is_null()).collect();
    assert!(unexplained.iter().all(|one| one["recommendation"] == "stack-protector"));
    assert_eq!(unexplained.len(), 6);
}

/// In a pinned tree; where symbols are younger than it, nothing is missed.
#[test]
#[ignore = "takes the kernel tree that GUEST_KERNEL_TREE names"]
fn a_line_that_is_taken_out_of_a_fragment_is_asked_for_again() {
    let (fixture, tree) = real();
    let modern = defines(&tree, "init/Kconfig", "CPUSETS_V1");
    for (symbol, capability, kernel, file) in [
        ("MEMCG_V1", "cgroup-v1", "micro-x86_64", "cgroup.conf"),
        ("CPUSETS_V1", "cgroup-v1", "mini-x86_64", "cgroup.conf"),
        ("CGROUP_DEVICE", "cgroup-v1", "micro-x86_64", "cgroup.conf"),
        ("VIRTIO_VSOCKETS", "vsock", "micro-x86_64", "net.conf"),
        ("CPU_MITIGATIONS", "mitigations", "micro-x86_64", "x86_64.conf"),
        ("POSIX_MQUEUE", "message-queues", "micro-x86_64", "base.conf"),
        ("UNIX98_PTYS", "root-mounts", "micro-x86_64", "character.conf"),
        ("PVH", "pvh-entry", "micro-x86_64-cloud_hypervisor", "x86_64.conf"),
        ("MODULES", "modules", "mini-x86_64", "module.conf"),
        ("HOTPLUG_PCI_SHPC", "hotplug-bridge", "mini-x86_64", "hotplug.conf"),
        ("SECCOMP", "seccomp", "micro-x86_64", "security.conf"),
        ("VIRTIO_CONSOLE", "console", "micro-x86_64-cloud_hypervisor", "character.conf"),
        ("CGROUP_SCHED", "cpu-limits", "micro-x86_64", "cgroup.conf"),
    ] {
        let young = symbol.ends_with("_V1");
        let expected = !young || modern;
        let conf_dir = fragments_without(&fixture, symbol);
        let rows = checked(&fixture, &tree, &conf_dir, i32::from(expected));
        let row = rows.iter().find(|row| row["kernel"] == kernel).unwrap();
        let found = breaches(row).into_iter().find(|(found, _)| found == capability);
        let wanted = (capability.to_owned(), vec![format!("CONFIG_{symbol}=y ({file})")]);
        assert_eq!(found, expected.then_some(wanted), "without {symbol}");
    }
}

/// What is proposed is what `check` lets go, and none of it keeps attackers out.
#[test]
#[ignore = "takes the kernel tree that GUEST_KERNEL_TREE names"]
fn what_no_capability_needs_can_go_and_guards_stay() {
    let (fixture, tree) = real();
    let own = own_fragments();
    let minimize = ["minimize", "--kernel-dir", &tree, "--kernel-conf-dir", &own];
    let (out, _) = expect(0, fixture.xtask(&[&minimize[..], &["--format", "json"]].concat()));
    let found: serde_json::Value = serde_json::from_str(&out).unwrap();
    let lines = found["lines"].as_array().unwrap();
    let verdict = |symbol: &str| {
        let line = lines.iter().find(|line| line["symbol"] == symbol).unwrap();
        (line["verdict"].as_str().unwrap(), &line["kernels"][0])
    };
    let (needed, vsock) = verdict("VIRTIO_VSOCKETS");
    assert_eq!((needed, &vsock["needed_by"]), ("needed", &serde_json::json!(["vsock"])));
    for symbol in ["MITIGATION_RETHUNK", "VMAP_STACK", "RANDOMIZE_MEMORY", "ARM64_PTR_AUTH"] {
        assert_eq!(verdict(symbol).0, "kept", "{symbol}");
    }
    assert_ne!(verdict("EXPERT").0, "unneeded", "dozens of features come in without it");
    let (unneeded, balloon) = verdict("VIRTIO_BALLOON");
    // 7.0 renamed what the driver selects.
    let names = ["MEMORY_BALLOON", "BALLOON"].into_iter();
    let mut goes: Vec<&str> = names.filter(|name| defines(&tree, "mm/Kconfig", name)).collect();
    goes.extend(["PAGE_REPORTING", "VIRTIO_BALLOON"]);
    assert_eq!((unneeded, &balloon["goes"]), ("unneeded", &serde_json::json!(goes)));
    for symbol in ["VIRTIO_BALLOON", "KVM_GUEST", "EXT4_FS_POSIX_ACL"] {
        checked(&fixture, &tree, &fragments_without(&fixture, symbol), 0);
    }
}

/// The tree with links to all but conf and one file, where the two have a statement more.
fn newer(fixture: &Fixture, tree: &str) {
    for (folder, own) in [("", &["scripts", "init"][..]), ("scripts", &["kconfig"])] {
        let there = fixture.path("newer").join(folder);
        std::fs::create_dir(&there).unwrap();
        for entry in std::fs::read_dir(Path::new(tree).join(folder)).unwrap() {
            let entry = entry.unwrap();
            if !own.iter().any(|own| entry.file_name() == *own) {
                std::os::unix::fs::symlink(entry.path(), there.join(entry.file_name())).unwrap();
            }
        }
    }
    for folder in ["scripts/kconfig", "init"] {
        copy(&Path::new(tree).join(folder), &fixture.path("newer").join(folder));
    }
    for (file, before, more) in [
        (
            "scripts/kconfig/lexer.l",
            "\"imply\"\t\t\treturn T_IMPLY;\n",
            "\"since\" return T_SINCE;\n",
        ),
        ("scripts/kconfig/parser.y", "%token T_IMPLY\n", "%token T_SINCE\n"),
        (
            "scripts/kconfig/parser.y",
            "config_option: T_RANGE",
            "config_option: T_SINCE T_WORD_QUOTE T_EOL { free($2); };\n\n",
        ),
        ("init/Kconfig", "\tbool \"POSIX Message Queues\"\n", "\tsince \"99.4\"\n"),
    ] {
        let text = fixture.read(&format!("newer/{file}"));
        assert!(text.contains(before), "{file} has no `{before}`");
        let text = text.replacen(before, &format!("{more}{before}"), 1);
        fixture.write(&format!("newer/{file}"), &text);
    }
}

#[test]
#[ignore = "takes the kernel tree that GUEST_KERNEL_TREE names"]
fn a_tree_that_says_more_than_is_known_is_resolved_by_its_own_conf() {
    let (fixture, tree) = real();
    newer(&fixture, &tree);
    fixture.conf("base.conf\n", "CONFIG_NET=y\nCONFIG_POSIX_MQUEUE=y\nCONFIG_VIRTIO_FS=y\n");
    let resolve = |tree: &str| {
        let list = ["resolve", "--type", "micro", "--arch", "x86_64", "--kernel-dir", tree];
        expect(1, fixture.xtask(&list))
    };
    let ((known, _), (out, err)) = (resolve(&tree), resolve("newer"));
    assert_eq!(out, known);
    assert_eq!(err.matches("unknown statement `since`").count(), 1, "{err}");
    assert!(err.contains("CONFIG_VIRTIO_FS=y resolves to n"), "{err}");
    assert!(err.contains("the tree's own conf does not say why"), "{err}");
}
