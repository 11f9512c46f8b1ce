//! Reports of two kernels that were really measured, and of one that was made up.

use std::collections::BTreeMap;

use vmm_kernel::Arch;

use super::*;
use crate::boot::Accel;
use crate::fragment::Place;
use crate::measure::{
    Asked, Baseline, Clock, Conditions, Figure, Initcall, Initcalls, Measurement, Needs, Run,
    Spread,
};

fn conditions(machine: &str, samples: usize) -> Conditions {
    Conditions {
        accelerator: Accel::Tcg,
        clock: Clock::Instructions,
        vmm: "QEMU emulator version 7.2.22".to_owned(),
        machine: machine.to_owned(),
        cpu: "max".to_owned(),
        cpus: 1,
        memory_mib: 256,
        command_line: "console=hvc0 quiet".to_owned(),
        huge_pages: false,
        samples,
    }
}

fn kernel(name: &str, machine: &str, image: u64, start: [u64; 3]) -> Measurement {
    let [min, median, max] = start;
    let same = |median| Spread { median, min: median, max: median };
    let figures = BTreeMap::from([
        (Figure::Start, Spread { median, min, max }),
        (Figure::RunInit, same(285_331)),
        (Figure::Resident, same(43_253_760)),
    ]);
    let call = |function: &str, us, symbol: Option<&str>, through: &[&str]| Initcall {
        function: function.to_owned(),
        us,
        object: Some("net/ipv4/af_inet.o".into()),
        needs: symbol.map_or(Needs::Unknown, |symbol| Needs::Symbols(vec![symbol.to_owned()])),
        asked: symbol
            .map(|symbol| {
                let place = Place { path: "net.conf".into(), line: 4 };
                let through = through.iter().map(|&symbol| symbol.to_owned()).collect();
                (symbol.to_owned(), Asked { place, through })
            })
            .into_iter()
            .collect(),
    };
    let initcalls = Initcalls {
        count: 241,
        total_us: 12_345,
        slowest: vec![
            call("inet_init", 880, Some("INET"), &[]),
            call("init_p9", 12, Some("NET_9P"), &["9P_FS", "NETFS"]),
            call("a<b>_init", 9, None, &[]),
        ],
    };
    Measurement {
        name: name.to_owned(),
        peer: name.contains('/'),
        arch: Arch::X86_64,
        release: Some("6.12.117".to_owned()),
        format: "bzImage, xz".to_owned(),
        made_of: None,
        missing: 3,
        sizes: BTreeMap::from([(Figure::Image, image)]),
        runs: vec![Run { conditions: conditions(machine, 3), figures }],
        not_timed: None,
        initcalls: Some(initcalls),
    }
}

fn kernels() -> [Measurement; 2] {
    [
        kernel(
            "micro-x86_64-stratovirt",
            "microvm",
            3_228_672,
            [438_419_486, 438_420_000, 438_425_340],
        ),
        kernel("kuasar/mini-x86_64", "q35", 6_071_296, [9_000, 9_000, 9_000]),
    ]
}

#[test]
fn for_a_terminal() {
    insta::assert_snapshot!(table(&kernels()));
}

#[test]
fn for_a_release_note() {
    let mut baseline = Baseline::default();
    let before = kernel("micro-x86_64-stratovirt", "microvm", 3_000_000, [438_000_000; 3]);
    baseline.update(&[before, kernel("gone", "microvm", 1, [1; 3])]);
    let kernels = kernels();
    insta::assert_snapshot!(markdown(&kernels, Some(&baseline.compare(&kernels, true))));
}

#[test]
fn what_changed_for_a_terminal() {
    let mut baseline = Baseline::default();
    let mut other = kernel("kuasar/mini-x86_64", "q35", 6_071_296, [9_000; 3]);
    other.runs[0].conditions.memory_mib = 512;
    baseline.update(&[
        kernel("micro-x86_64-stratovirt", "microvm", 3_228_672, [438_420_000; 3]),
        other,
    ]);
    insta::assert_snapshot!(changes(&baseline.compare(&kernels(), false)));
}

#[test]
fn as_a_picture() {
    insta::assert_snapshot!(picture(&kernels()));
    let calls = initcalls_picture(&kernels());
    assert!(calls.contains("a&lt;b&gt;_init"), "{calls}");
    insta::assert_snapshot!(calls);
}
