use std::collections::BTreeMap;

use camino::Utf8Path;
use vmm_kernel::{Arch, Bus, ImageFormat, KernelType};

use super::read::{parse, probes};
use super::{Contract, Values};
use crate::history::History;
use crate::plan::Target;

const HYPERVISORS: [&str; 2] = ["qemu", "stratovirt"];

impl Contract {
    /// One that calls symbols as every tree does.
    pub(crate) fn of_text(text: &str) -> Self {
        let capabilities = parse(Utf8Path::new("contract.toml"), text, &HYPERVISORS).unwrap();
        Contract { capabilities, history: History::default() }
    }
}

fn contract(text: &str) -> Contract {
    let history = "[[symbol]]\nname = \"NEW\"\nwas = [\"OLD\", \"OLDER\"]\narch = \"x86_64\"\n\
                   evidence = \"made up\"\n";
    let history: History = toml::from_str(history).unwrap();
    let capabilities = parse(Utf8Path::new("contract.toml"), text, &HYPERVISORS).unwrap();
    Contract { capabilities, history }
}

fn capability(id: &str, more: &str) -> String {
    format!("[[capability]]\nid = \"{id}\"\nreason = \"r\"\nsource = \"s\"\n{more}\n")
}

fn target(kernel_type: KernelType, hypervisor: &str, arch: Arch, bus: Bus) -> Target {
    Target {
        arch,
        kernel_type,
        hypervisor: hypervisor.to_owned(),
        sandboxer: true,
        machine: None,
        bus,
        format: ImageFormat::Image,
        list: "micro.list".into(),
        overlay: None,
        stage: "bin".into(),
        install: "bin".into(),
        config: None,
        choices: vec![],
    }
}

fn micro() -> Target {
    target(KernelType::Micro, "stratovirt", Arch::X86_64, Bus::Mmio)
}

fn broken(contract: &Contract, target: &Target, version: &str, config: &[(&str, &str)]) -> String {
    let set: BTreeMap<&str, &str> = config.iter().copied().collect();
    let values = Values { arch: target.arch, set: &set };
    let broken = contract.broken(target, &version.parse().unwrap(), values);
    let text = |one: &super::Broken<'_>| {
        let needs: Vec<_> = one.needs.iter().map(|needs| needs.text.as_str()).collect();
        format!("{}: {}", one.capability.id, needs.join(", "))
    };
    broken.iter().map(text).collect::<Vec<_>>().join("; ")
}

#[test]
fn a_condition_that_is_left_out_means_all() {
    let all = [
        target(KernelType::Micro, "stratovirt", Arch::X86_64, Bus::Mmio),
        target(KernelType::Mini, "qemu", Arch::X86_64, Bus::Pci),
        target(KernelType::Mini, "qemu", Arch::Aarch64, Bus::Pci),
    ];
    for (when, applies) in [
        ("", [true, true, true]),
        ("when = {}", [true, true, true]),
        ("when = { type = [\"mini\"] }", [false, true, true]),
        ("when = { hypervisor = [\"stratovirt\"] }", [true, false, false]),
        ("when = { hypervisor = [\"stratovirt\", \"qemu\"] }", [true, true, true]),
        ("when = { bus = [\"pci\"], arch = [\"aarch64\"] }", [false, false, true]),
        ("when = { bus = [\"mmio\"], arch = [\"aarch64\"] }", [false, false, false]),
    ] {
        let contract = contract(&capability("a", &format!("needs = \"A\"\n{when}")));
        let found = all.each_ref().map(|target| contract.of(target).count() == 1);
        assert_eq!(found, applies, "{when}");
    }
}

#[test]
fn all_that_is_needed_for_the_version_and_arch_has_to_be_there() {
    let more = "needs = \"A && (B || C)\"\nalso = [{ since = \"6.11\", needs = \"V1\" }, \
                { before = \"6.2\", arch = \"x86_64\", needs = \"HZ>=100\" }]";
    let contract = contract(&capability("a", more));
    let all = [("A", "y"), ("C", "y"), ("V1", "y"), ("HZ", "250")];
    assert_eq!(broken(&contract, &micro(), "6.12", &all), "");
    assert_eq!(broken(&contract, &micro(), "6.1", &all[..2]), "a: HZ>=100");
    assert_eq!(broken(&contract, &micro(), "6.11", &all[..2]), "a: V1");
    assert_eq!(broken(&contract, &micro(), "6.2", &all[..1]), "a: A && (B || C)");
    let arm = target(KernelType::Micro, "stratovirt", Arch::Aarch64, Bus::Mmio);
    assert_eq!(broken(&contract, &arm, "6.1", &all[..2]), "");
    assert_eq!(broken(&contract, &arm, "6.1", &[]), "a: A && (B || C)");
}

#[test]
fn a_module_is_not_enough_unless_it_is_asked_for() {
    let text = capability("in", "needs = \"A\"") + &capability("module", "needs = \"A=m || A\"");
    assert_eq!(broken(&contract(&text), &micro(), "6.12", &[("A", "m")]), "in: A");
}

#[test]
fn older_names_count_where_the_history_has_them() {
    let contract = contract(&capability("a", "needs = \"NEW\""));
    assert_eq!(broken(&contract, &micro(), "6.1", &[("OLDER", "y")]), "");
    assert_eq!(broken(&contract, &micro(), "6.1", &[("OTHER", "y")]), "a: NEW");
    let arm = target(KernelType::Micro, "stratovirt", Arch::Aarch64, Bus::Mmio);
    assert_eq!(broken(&contract, &arm, "6.1", &[("OLD", "y")]), "a: NEW");
    let naming = |symbol| contract.naming(&micro(), symbol).count();
    assert_eq!((naming("NEW"), naming("OLD"), naming("A")), (1, 1, 0));
}

#[test]
fn all_that_is_wrong_is_named_with_its_line() {
    let good = capability("good", "needs = \"A\"");
    let refusal = |text: &str| {
        let text = format!("{good}{text}");
        let error = parse(Utf8Path::new("c.toml"), &text, &HYPERVISORS).unwrap_err();
        error.to_string()
    };
    for (text, said) in [
        (capability("b", "need = \"A\""), "c.toml:10: unknown field `need`"),
        (capability("b", "level = \"nice\"\nneeds = \"A\""), "c.toml:10: unknown variant `nice`"),
        (
            capability("b", "when = { bus = [\"isa\"] }\nneeds = \"A\""),
            "c.toml:10: unknown variant",
        ),
        (capability("b", "needs = \"A &&\""), "c.toml:10: `A &&` is no expression: "),
        (
            capability("b", "needs = \"CONFIG_A\""),
            "c.toml:10: symbols stand without CONFIG_ here: A",
        ),
        (capability("b", ""), "c.toml:7: capability `b` has neither `needs` nor `probe`"),
        (capability("b_c", "needs = \"A\""), "c.toml:7: id `b_c` is not made of"),
        (capability("good", "needs = \"A\""), "c.toml:7: capability `good` is here twice"),
        (
            capability("b", "probe = [\n  \"mount-proc\",\n  \"mount-porc\",\n]"),
            "c.toml:12: unknown probe `mount-porc`; did you mean `mount-proc`?",
        ),
        (
            capability("b", "needs = \"A\"\nwhen = { hypervisor = [\"kvm\"] }"),
            "c.toml:11: unknown hypervisor `kvm`; take one of: qemu, stratovirt",
        ),
        (
            capability("b", "also = [{ since = \"six\", needs = \"A\" }]"),
            "c.toml:10: failed to read `six` as a kernel version",
        ),
    ] {
        let refusal = refusal(&text);
        assert!(refusal.starts_with(said), "{text}{refusal}");
    }
    let two = capability("B", "") + &capability("c", "needs = \")\"");
    assert_eq!(refusal(&two).lines().count(), 3);
}

#[test]
fn an_unknown_capability_is_not_demanded() {
    let text = capability("vsock", "needs = \"A\"");
    assert!(contract(&text).demand("vsock").is_ok());
    let error = contract(&text).demand("vscok").unwrap_err();
    assert_eq!(crate::diag::Failure::new(&error).hints, ["did you mean `vsock`?"]);
    assert!(Contract::default().demand("vsock").is_err());
}

/// The guest's names, which the contract may use, are read from its source.
#[test]
fn every_check_of_the_guest_is_known() {
    let probes = probes();
    assert!(["mount-proc", "hvc0", "netfilter", "reboot"].iter().all(|one| probes.contains(one)));
    let rows = include_str!("../../probe/init.c").matches(", check_").count();
    assert_eq!(probes.len(), rows + 3, "{probes:?}");
}
