//! What a kernel may not go without, and what of it the manifest says.

use super::fixture::{Fixture, expect};

const CONTRACT: &str = "[[capability]]\nid = \"network\"\nreason = \"r\"\nsource = \"s\"\n\
    needs = \"INET\"\n[[capability]]\nid = \"usb\"\nreason = \"r\"\nsource = \"s\"\n\
    level = \"wanted\"\nneeds = \"USB\"\n[[capability]]\nid = \"modem\"\nreason = \"r\"\n\
    source = \"s\"\nwhen = { hypervisor = [\"firecracker\"] }\nneeds = \"MODEM\"\n";

fn breaches(fixture: &Fixture) -> serde_json::Value {
    let manifest = fixture.read("bin/vmlinux.bin.json");
    serde_json::from_str::<serde_json::Value>(&manifest).unwrap()["breaches"].clone()
}

#[test]
fn the_manifest_names_what_was_allowed_and_only_that() {
    let fixture = Fixture::new();
    fixture.write("fragments/contract.toml", CONTRACT);
    let (_, err) = expect(1, fixture.kernel(&[]));
    assert!(err.contains("go on without them: --allow-breach network"), "{err}");
    assert!(!fixture.path("bin").exists());
    expect(0, fixture.kernel(&["--allow-breach", "network", "--allow-breach", "modem"]));
    assert_eq!(breaches(&fixture), serde_json::json!(["network"]));
    fixture.conf("base.conf\n", "CONFIG_NET=y\nCONFIG_INET=y\n");
    expect(0, fixture.kernel(&["--allow-breach", "network"]));
    assert_eq!(breaches(&fixture), serde_json::json!([]));
}

/// The image of the last build is as good as it was; the contract is not.
#[test]
fn a_kernel_that_is_there_already_is_held_against_the_contract_too() {
    let fixture = Fixture::new();
    expect(0, fixture.kernel(&[]));
    fixture.write("fragments/contract.toml", CONTRACT);
    let (_, err) = expect(1, fixture.kernel(&[]));
    assert!(err.contains("the contract is broken: network"), "{err}");
    assert!(err.contains("CONFIG_INET=y (fragments/base.conf)"), "{err}");
    let (out, _) = expect(0, fixture.kernel(&["--allow-breach", "network"]));
    assert!(!out.contains("built"), "{out}");
    assert_eq!(breaches(&fixture), serde_json::json!(["network"]));
}

#[test]
fn lists_from_elsewhere_are_held_against_the_workspaces_contract() {
    let fixture = Fixture::new();
    fixture.write("fragments/contract.toml", CONTRACT);
    fixture.write("elsewhere/micro-kernel-x86_64.list", "all.conf\n");
    fixture.write("elsewhere/all.conf", "CONFIG_NET=y\n");
    let check = ["check", "--type", "micro", "--arch", "x86_64", "--kernel-dir", "tree"];
    let elsewhere = [&check[..], &["--kernel-conf-dir", "elsewhere", "--format", "json"]].concat();
    let (out, _) = expect(1, fixture.xtask(&elsewhere));
    let rows: serde_json::Value = serde_json::from_str(&out).unwrap();
    let ids = |row: &serde_json::Value| -> Vec<String> {
        let all = row["breaches"].as_array().unwrap().iter();
        all.map(|one| format!("{} {}", one["capability"], one["hypervisors"])).collect()
    };
    assert_eq!(rows[1]["kernel"], "micro-x86_64");
    let both = "[\"stratovirt\",\"firecracker\"]";
    assert_eq!(
        ids(&rows[1]),
        [
            format!("\"network\" {both}"),
            format!("\"usb\" {both}"),
            "\"modem\" [\"firecracker\"]".to_owned()
        ]
    );
}

#[test]
fn only_a_capability_of_the_hypervisor_is_refused() {
    let fixture = Fixture::new();
    fixture.conf("base.conf\n", "CONFIG_NET=y\nCONFIG_INET=y\n");
    fixture.write("fragments/contract.toml", CONTRACT);
    // Beside StratoVirt.
    let (_, err) = expect(1, fixture.kernel(&["--hypervisor", "firecracker"]));
    assert!(
        err.contains("the contract is broken: modem\n  micro-x86_64 for firecracker "),
        "{err}"
    );
    expect(0, fixture.kernel(&[]));
}
