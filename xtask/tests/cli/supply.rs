//! An archive from a private place.

use super::fixture::{Fixture, expect};

/// Nobody listens there.
const URL: &str = "http://127.0.0.1:1/tree.tar.gz";

#[test]
fn an_archive_that_is_there_is_not_fetched_and_its_address_is_a_comment() {
    let fixture = Fixture::new();
    let sha256 = fixture.pack("tree");
    let archive = fixture.path("fragments/tree.tar.gz");
    let cache = fixture.path("target/guest-kernel/source");
    std::fs::create_dir_all(&cache).unwrap();
    std::fs::rename(archive, cache.join(format!("{}.part.tar.gz", &sha256[..16]))).unwrap();
    let pins = format!(
        "default = \"a\"\n[source.a]\nprovider = \"tarball\"\nurl = \"{URL}\"\nsha256 = \"{sha256}\"\n"
    );
    fixture.write("fragments/sources.toml", &pins);
    let target = ["--type", "micro", "--arch", "x86_64", "--hypervisor", "stratovirt"];
    expect(0, fixture.xtask(&[&["kernel", "--sbom"][..], &target].concat()));
    let spdx: serde_json::Value =
        serde_json::from_str(&fixture.read("bin/vmlinux.bin.spdx.json")).unwrap();
    let packages = spdx["packages"].as_array().unwrap();
    let source = packages.iter().find(|one| one["SPDXID"] == "SPDXRef-Source").unwrap();
    assert_eq!(source["downloadLocation"], "NOASSERTION");
    assert_eq!(source["comment"], format!("downloaded from {URL}"));
}
