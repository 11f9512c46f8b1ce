//! What this project's own `history.toml` says of symbols that real configurations still set.

use super::fixture::{Fixture, expect};

const ON_TREE: [&str; 6] = ["--type", "micro", "--arch", "x86_64", "--kernel-dir", "tree"];

/// A tree of 6.12 that has symbols of these names, and lines for other ones.
fn asking(names: &[&str], lines: &str) -> Fixture {
    let fixture = Fixture::new();
    fixture.write("fragments/history.toml", include_str!("../../../fragments/history.toml"));
    let symbols = names.iter().map(|name| format!("\nconfig {name}\n\tbool \"{name}\"\n"));
    let kconfig = fixture.read("tree/Kconfig") + &symbols.collect::<String>();
    fixture.write("tree/Kconfig", &kconfig);
    fixture.conf("base.conf\n", lines);
    fixture
}

#[test]
fn a_new_name_is_told() {
    for (old, new) in [
        ("AUTOFS4_FS", "AUTOFS_FS"),
        ("CALL_DEPTH_TRACKING", "MITIGATION_CALL_DEPTH_TRACKING"),
        ("X86_INTEL_UMIP", "X86_UMIP"),
        ("HUGETLB_PAGE_FREE_VMEMMAP", "HUGETLB_PAGE_OPTIMIZE_VMEMMAP"),
        ("X86_X32", "X86_X32_ABI"),
    ] {
        let fixture = asking(&[new], &format!("CONFIG_NET=y\nCONFIG_{old}=y\n"));
        let (_, err) = expect(1, fixture.xtask(&[&["check"][..], &ON_TREE].concat()));
        assert!(err.contains(&format!("renamed to CONFIG_{new}")), "{err}");
    }
}

#[test]
fn what_has_gone_is_told_with_its_release() {
    for (symbol, release, instead) in [
        ("NFT_COUNTER", "5.17", "always in with NF_TABLES"),
        ("NFT_OBJREF", "6.2", "always in with NF_TABLES"),
        ("REFCOUNT_FULL", "5.5", "always so"),
        ("RANDOM_TRUST_CPU", "6.2", "random.trust_cpu on the kernel's command line"),
        ("MICROCODE_INTEL", "6.6", "MICROCODE, with CPU_SUP_INTEL"),
        ("X86_SMAP", "5.19", "always in"),
    ] {
        let fixture = asking(&[], &format!("CONFIG_NET=y\nCONFIG_{symbol}=y\n"));
        // The conf dir of a stranger has no history of its own.
        let history = fixture.read("fragments/history.toml");
        fixture.write("theirs/micro-kernel-x86_64.list", "base.conf\n");
        fixture.write("theirs/base.conf", &fixture.read("fragments/base.conf"));
        let theirs = [&["check"][..], &ON_TREE, &["--kernel-conf-dir", "theirs"]].concat();
        let (_, err) = expect(1, fixture.xtask(&theirs));
        assert!(err.contains(&format!("it went with {release}: {instead}")), "{err}");
        assert!(history.contains(symbol));
    }
}

/// Where the history says nothing.
#[test]
fn a_guess_has_another_word_before_another_letter() {
    let symbols = ["X86_POWER", "X86_INTEL_BOWER", "OVERLAY_FS", "MITIGATION_SPILL"];
    let fixture = asking(&symbols, "CONFIG_NET=y\n");
    for (name, near) in [
        ("X86_INTEL_POWER", "X86_POWER"),
        ("X86_INTEL_COWER", "X86_INTEL_BOWER"),
        ("OVERLAYFS", "OVERLAY_FS"),
        ("CONFIG_SPILL=y", "MITIGATION_SPILL"),
    ] {
        let (_, err) = expect(2, fixture.xtask(&[&["explain", name][..], &ON_TREE].concat()));
        assert!(err.contains(&format!("did you mean {near}?")), "{name}: {err}");
    }
    let (_, err) = expect(2, fixture.xtask(&[&["explain", "SALAMANDER"][..], &ON_TREE].concat()));
    assert!(!err.contains("did you mean"), "{err}");
}

#[test]
fn a_symbol_can_be_named_as_a_line_or_as_a_module() {
    let fixture = asking(&["VIRTIO_DISK"], "CONFIG_NET=y\n");
    for name in
        ["VIRTIO_DISK", "CONFIG_VIRTIO_DISK", "CONFIG_VIRTIO_DISK=y", "virtio_disk", "virtio-disk"]
    {
        let (out, _) = expect(0, fixture.xtask(&[&["explain", name][..], &ON_TREE].concat()));
        assert!(out.contains("VIRTIO_DISK"), "{name}: {out}");
    }
}
