use super::*;

/// A manifest with something of everything.
fn manifest() -> Manifest {
    let json = serde_json::json!({
        "key": "11".repeat(32),
        "sha256": "22".repeat(32),
        "size": 2048,
        "arch": "x86_64",
        "type": "micro",
        "hypervisor": "stratovirt",
        "machine": "microvm",
        "bus": "mmio",
        "format": "bzImage",
        "kernel_release": "6.12.8-kuasar",
        "source": {
            "name": "6.12",
            "version": "6.12.8-1~deb12u1",
            "sha256": "33".repeat(32),
            "patches": [format!("0001-radio.patch@{}", "44".repeat(32))],
        },
        "toolchain": {
            "name": "gcc",
            "versions": [
                "gcc (Debian 12.2.0-14+deb12u1) 12.2.0",
                "LLD 14.0.6 (compatible with GNU linkers)",
                "GNU assembler (GNU Binutils for Debian) 2.40",
            ],
        },
        "tool_version": "0.1.0",
        "config_sha256": "55".repeat(32),
        "fragments": ["base.conf"],
        "inputs": [{ "path": "base.conf", "sha256": "66".repeat(32) }],
        "packer": "*** LZ4 command line interface 64-bits v1.9.4, by Yann Collet ***",
        "missing": ["CONFIG_WIFI=y (fragments/base.conf:3)"],
        "choices": [],
    });
    serde_json::from_value(json).unwrap()
}

fn written(origin: &Origin) -> Vec<Document> {
    let manifest = manifest();
    documents(Materials { image: "vmlinux.bin", manifest: &manifest, origin }).unwrap()
}

#[test]
fn each_says_what_an_image_was_made_of() {
    let origin = Origin {
        location: Some("https://example.org/linux-6.12.8.tar.xz".to_owned()),
        purl: Some("pkg:generic/linux@6.12.8".to_owned()),
        commit: None,
        is_archive: true,
    };
    for Document { ending, json } in written(&origin) {
        insta::assert_snapshot!(ending, json);
    }
    assert_eq!(written(&origin), written(&origin));
}

#[test]
fn a_commit_and_a_folder_are_named_by_what_is_known_of_them() {
    let commit = Origin {
        location: Some("git+https://example.org/linux.git@0123".to_owned()),
        commit: Some("0123".to_owned()),
        ..Origin::default()
    };
    let source = |origin: &Origin| {
        let [spdx, in_toto] = written(origin).try_into().unwrap();
        let value = |document: Document| -> serde_json::Value {
            serde_json::from_str(&document.json).unwrap()
        };
        let (spdx, in_toto) = (value(spdx), value(in_toto));
        let definition = &in_toto["predicate"]["buildDefinition"];
        (spdx["packages"][1].clone(), definition["resolvedDependencies"][0].clone())
    };
    let (package, resource) = source(&commit);
    assert_eq!(package["downloadLocation"], "git+https://example.org/linux.git@0123");
    assert!(package["checksums"].is_null(), "the hash is that of no file: {package}");
    assert_eq!(resource["digest"], serde_json::json!({ "gitCommit": "0123" }));
    let (package, resource) = source(&Origin::default());
    assert_eq!(package["downloadLocation"], "NOASSERTION");
    assert_eq!(resource["digest"]["sha256"], "33".repeat(32));
    assert!(resource["uri"].is_null());
}

#[test]
fn a_tool_is_known_by_what_it_says_of_its_version() {
    let parsed = |line| {
        let Tool { name, version, .. } = Tool::parse(line);
        format!("{name} {version}")
    };
    assert_eq!(parsed("gcc (Debian 12.2.0-14+deb12u1) 12.2.0"), "gcc 12.2.0");
    assert_eq!(parsed("GNU ld (GNU Binutils for Debian) 2.40"), "gnu-ld 2.40");
    assert_eq!(parsed("Debian LLD 14.0.6 (compatible with GNU linkers)"), "debian-lld 14.0.6");
    assert_eq!(parsed("gzip 1.12"), "gzip 1.12");
    let lz4 = "*** LZ4 command line interface 64-bits v1.9.4, by Yann Collet ***";
    assert_eq!(parsed(lz4), "lz4-command-line-interface 1.9.4");
}
