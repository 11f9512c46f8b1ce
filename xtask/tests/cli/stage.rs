//! What keeps a kernel from being made is told before anything is compiled.

use super::fixture::{Fixture, expect};

#[test]
fn a_place_that_cannot_be_written_to_is_told_first() {
    let told = [
        ("bin", "cannot write in", "bin: it is no folder"),
        ("bin/vmlinux.bin/x", "bin/vmlinux.bin: it is a folder", ""),
    ];
    for (file, what, why) in told {
        for more in [&[][..], &["--dry-run"]] {
            let fixture = Fixture::new();
            fixture.write("slow", "touch $(dirname $0)/woken");
            fixture.write(file, "");
            let (out, err) = expect(2, fixture.kernel(more));
            assert!(out.is_empty() && err.contains(what) && err.contains(why), "{err}");
            assert!(!fixture.path("woken").exists());
        }
    }
}

#[test]
fn so_is_the_place_of_what_was_measured() {
    let fixture = Fixture::new();
    for flag in ["--markdown", "--svg"] {
        let place = ["measure", "tree/image", flag, "tree/image/x"];
        let (_, err) = expect(2, fixture.xtask(&place));
        assert!(err.contains("tree/image/x: cannot write in tree/image: it is no folder"), "{err}");
    }
}

#[test]
fn a_dry_run_finds_what_a_run_would_lack() {
    let fixture = Fixture::new();
    fixture.write("fragments/micro-kernel-aarch64.list", "base.conf\n");
    let foreign = ["kernel", "--type", "micro", "--arch", "aarch64", "--dry-run"];
    let (out, _) = expect(0, fixture.xtask(&foreign));
    assert!(out.contains("aarch64"), "{out}");
    let programs = fixture.programs_without(&["aarch64-linux-gnu-gcc"]);
    let mut lacking = fixture.xtask(&foreign);
    lacking.env("PATH", &programs);
    let (_, err) = expect(2, lacking);
    assert!(err.contains("no `aarch64-linux-gnu-gcc` on PATH"), "{err}");
    assert!(!fixture.path("target").exists());
}
