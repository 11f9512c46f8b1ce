//! Verdicts on a small tree.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use camino::Utf8Path;
use vmm_kernel::{Arch, Bus, ImageFormat, KernelType};

use super::judge::{Judged, Kernel, Verdict};
use super::{Gain, InKernel, Keep, together};
use crate::contract::Contract;
use crate::fragment::{Assignment, Place, Repeated, Requested, parse_fragment};
use crate::history::History;
use crate::plan::Target;
use crate::resolve::{Ground, Kconfig};
use crate::source::KernelVersion;

const TREE: &str = "\
    config NET\n\tbool \"net\"\n\n\
    config INET\n\tbool \"inet\"\n\tdepends on NET\n\tselect CRC\n\n\
    config COOKIES\n\tbool \"cookies\"\n\tdepends on INET\n\n\
    config CRC\n\tbool \"crc\"\n\n\
    config DISK\n\tbool \"disk\"\n\n\
    config DISK_ACL\n\tbool \"acl\"\n\tdepends on DISK\n\tselect ACL\n\n\
    config ACL\n\tbool\n\n\
    config EXPERT\n\tbool \"expert\"\n\n\
    config KEYBOARD\n\tbool \"keyboard\" if EXPERT\n\tdefault y\n\n\
    config SHIFT\n\tint \"shift\"\n\tdefault 17\n\n\
    config SPEED\n\tint \"speed\"\n\tdefault 5\n\n\
    config GUARDS\n\tbool \"guards\"\n\n\
    config GUARD_STACK\n\tbool \"guard of the stack\"\n\tdepends on GUARDS\n\n\
    config TICK\n\tdef_bool !TICKLESS\n\n\
    config TICKLESS\n\tbool \"tickless\"\n\n\
    config HIDDEN\n\tbool \"hidden\"\n\tdepends on NOWHERE\n\n\
    config NOWHERE\n\tbool\n\n\
    choice\n\tprompt \"unwinder\"\n\n\
    config ORC\n\tbool \"orc\"\n\n\
    config GUESS\n\tbool \"guess\"\n\n\
    endchoice\n";

const LINES: &str = "\
CONFIG_NET=y
CONFIG_INET=y
CONFIG_COOKIES=y
CONFIG_CRC=y
CONFIG_DISK=y
CONFIG_DISK_ACL=y
CONFIG_EXPERT=y
# CONFIG_KEYBOARD is not set
CONFIG_SHIFT=16
CONFIG_SPEED=5
CONFIG_GUARDS=y
CONFIG_GUARD_STACK=y
CONFIG_TICKLESS=y
CONFIG_HIDDEN=y
CONFIG_GUESS=y
CONFIG_OLD=y
";

const CONTRACT: &str = "\
    [[capability]]\nid = \"network\"\nreason = \"r\"\nsource = \"s\"\nneeds = \"INET && CRC\"\n\
    [[capability]]\nid = \"disks\"\nreason = \"r\"\nsource = \"s\"\nlevel = \"wanted\"\nneeds = \"DISK\"\n\
    [[capability]]\nid = \"broken\"\nreason = \"r\"\nsource = \"s\"\nneeds = \"NOWHERE\"\n\
    [[capability]]\nid = \"others\"\nreason = \"r\"\nsource = \"s\"\nneeds = \"TICKLESS\"\n\
    when = { type = [\"mini\"] }\n";

const KEEP: &str = "[[keep]]\nsymbols = [\"GUARD_*\"]\nreason = \"it guards\"\nsource = \"s\"\n";

const HISTORY: &str = "[[symbol]]\nname = \"OLD\"\nuntil = \"5.0\"\nevidence = \"made up\"\n";

/// All that a verdict needs.
struct Ward {
    kconfig: Kconfig,
    version: KernelVersion,
    history: History,
    contract: Contract,
    keep: Keep,
    target: Target,
}

pub(super) fn target() -> Target {
    Target {
        arch: Arch::X86_64,
        kernel_type: KernelType::Micro,
        hypervisor: "qemu".to_owned(),
        sandboxer: true,
        machine: None,
        bus: Bus::Mmio,
        format: ImageFormat::BzImage,
        list: "micro.list".into(),
        overlay: None,
        stage: "bin".into(),
        install: "bin".into(),
        config: None,
        choices: vec![],
    }
}

impl Ward {
    fn new() -> Self {
        Ward {
            kconfig: Kconfig::of_text(TREE),
            version: "6.12.0".parse().unwrap(),
            history: toml::from_str(HISTORY).unwrap(),
            contract: Contract::of_text(CONTRACT),
            keep: Keep::of_text(KEEP),
            target: target(),
        }
    }

    fn with<T>(&self, requested: &Requested, run: impl FnOnce(Kernel<'_>) -> T) -> T {
        let Ward { kconfig, version, history, contract, keep, target } = self;
        let ground = Ground { kconfig, version, arch: target.arch, history };
        run(Kernel { ground, contract, keep, targets: &[target], requested })
    }

    fn judge(&self, requested: &Requested) -> Vec<Judged> {
        let mut judged = self.with(requested, |kernel| kernel.judge());
        judged.sort_by(|a, b| a.place.cmp(&b.place));
        judged
    }
}

fn lines(path: &str, text: &str) -> Vec<Assignment> {
    parse_fragment(Utf8Path::new(path), text).unwrap()
}

fn requested(assignments: Vec<Assignment>, repeated: Vec<Repeated>) -> Requested {
    Requested { assignments, repeated, fragments: vec![], overlay_missing: None }
}

fn place(path: &str, line: usize) -> Place {
    Place { path: path.into(), line }
}

fn text(judged: &[Judged]) -> String {
    let mut text = String::new();
    for one in judged {
        let Judged { line, verdict, effect, .. } = one;
        let _ = write!(text, "{line}: {verdict:?}");
        let changes = effect.changes.iter();
        let changes = changes.map(|one| format!("{} {} {}", one.symbol, one.before, one.after));
        for (what, names) in [
            ("needed by", effect.needed_by.clone()),
            ("kept for", effect.kept_for.iter().map(|one| one.what.clone()).collect()),
            ("goes", effect.goes.clone()),
            ("comes", effect.comes.clone()),
            ("changes", changes.collect()),
        ] {
            if !names.is_empty() {
                let _ = write!(text, "; {what} {}", names.join(", "));
            }
        }
        let _ = writeln!(text);
    }
    text
}

#[test]
fn each_kind_of_line_gets_its_verdict() {
    let judged = Ward::new().judge(&requested(lines("f.conf", LINES), vec![]));
    insta::assert_snapshot!(text(&judged));
}

#[test]
fn an_overlays_line_is_judged_by_the_one_below_it() {
    let below = lines("base.conf", "CONFIG_SHIFT=9\nCONFIG_DISK=y\nCONFIG_DISK=y\n");
    let top = lines("top.conf", "CONFIG_SHIFT=16\n");
    let repeated = |one: &Assignment, counts: &Assignment, same| Repeated {
        assignment: one.clone(),
        counts: counts.place.clone(),
        same,
    };
    let twice = vec![repeated(&below[0], &top[0], false), repeated(&below[2], &below[1], true)];
    let judged = Ward::new().judge(&requested(vec![below[1].clone(), top[0].clone()], twice));
    insta::assert_snapshot!(text(&judged));
}

/// Each of two lines can go, and not both.
#[test]
fn what_each_can_go_without_need_not_go_together() {
    let either = CONTRACT.replace("INET && CRC", "TICKLESS || NET");
    let ward = Ward { contract: Contract::of_text(&either), ..Ward::new() };
    let all = requested(lines("f.conf", "CONFIG_TICKLESS=y\nCONFIG_NET=y\n"), vec![]);
    let refusal = |numbers: &[usize]| {
        let out: BTreeSet<Place> = numbers.iter().map(|line| place("f.conf", *line)).collect();
        ward.with(&all, |kernel| kernel.without(&out).refusal())
    };
    assert_eq!((refusal(&[1]), refusal(&[2])), (None, None));
    assert_eq!(refusal(&[1, 2]).as_deref(), Some("it breaks network"));
    let guarded = requested(lines("f.conf", LINES), vec![]);
    let out = [place("f.conf", 11)].into();
    let refusal = ward.with(&guarded, |kernel| kernel.without(&out).refusal());
    assert_eq!(refusal.as_deref(), Some("GUARD_STACK is to stay"));
}

#[test]
fn the_kernel_that_needs_a_line_most_decides() {
    let one = |kernel: &str, line: usize, verdict: Verdict, bytes: u64| {
        let mut judged = Ward::new().judge(&requested(lines("f.conf", "CONFIG_NET=y\n"), vec![]));
        let judged = Judged { verdict, place: place("f.conf", line), ..judged.remove(0) };
        let gain = Some(Gain { objects: 1, text: bytes, ..Gain::default() });
        InKernel { kernel: kernel.to_owned(), linux: "6.12".to_owned(), judged, gain }
    };
    let all = vec![
        one("a", 2, Verdict::Unneeded, 5),
        one("a", 1, Verdict::Needed, 1),
        one("b", 2, Verdict::Absent, 9),
        one("b", 1, Verdict::Unneeded, 1),
    ];
    let others = [("c".to_owned(), BTreeSet::from([place("f.conf", 2)]))];
    let lines = together(all, &others);
    let told: Vec<_> = lines
        .iter()
        .map(|line| {
            let deciding: Vec<_> = line.deciding().map(|one| one.kernel.as_str()).collect();
            let gain = line.gain().map(Gain::bytes);
            (line.place.line, line.verdict, deciding, line.unjudged.join(","), gain)
        })
        .collect();
    let expected = [
        (1, Verdict::Needed, vec!["a"], String::new(), Some(1)),
        (2, Verdict::Unneeded, vec!["a"], "c".to_owned(), Some(9)),
    ];
    assert_eq!(told, expected);
}
