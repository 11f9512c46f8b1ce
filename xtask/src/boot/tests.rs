//! Consoles as they were seen or could be, each with the verdict it must give.

use std::fs;

use camino::Utf8Path;
use vmm_kernel::Bus;

use super::console::Console;
use super::root::Given;
use super::verdict::{End, Verdict};

/// The nonce of every console in `tests/data/boot`.
const NONCE: &str = "0123456789abcdef";

const ENDED: End = End { timed_out: None, flooded: false, failed: None, errors: vec![] };

fn read(text: &str) -> Console {
    let mut console = Console::new(NONCE);
    text.lines().for_each(|line| drop(console.line(line)));
    console
}

/// A console that begins with `# OPTIONS` is of a boot from a disk, with these options for the kernel.
fn root(text: &str) -> Option<Given> {
    Given::parse(text.lines().next()?.strip_prefix("# "), Bus::Mmio)
}

/// Every `NAME.console` gives the verdict and the checks of `NAME.json`.
#[test]
fn consoles() {
    let dir = Utf8Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/boot"));
    let mut seen = 0;
    for entry in dir.read_dir_utf8().unwrap() {
        let path = entry.unwrap().into_path();
        if path.extension() != Some("console") {
            continue;
        }
        let text = fs::read_to_string(&path).unwrap();
        let console = read(&text);
        let got = serde_json::json!({
            "verdict": Verdict::judge(&console, &ENDED),
            "reason": Verdict::judge(&console, &ENDED).to_string(),
            "hint": Verdict::judge(&console, &ENDED).hint(&console, &ENDED, root(&text).as_ref()),
            "kernel_release": console.start.as_ref().map(|start| &start.kernel_release),
            "checks": console.checks,
        });
        let expected = path.with_extension("json");
        if std::env::var_os("UPDATE_EXPECT").is_some() {
            fs::write(&expected, format!("{got:#}\n")).unwrap();
        }
        let expected: serde_json::Value =
            serde_json::from_str(&fs::read_to_string(&expected).unwrap()).unwrap();
        assert_eq!(got, expected, "{path}: got {got:#}");
        seen += 1;
    }
    assert!(seen > 5, "{dir} holds {seen} consoles");
}

const PASSED: &str = "@probe 0123456789abcdef start 6.12.1 81.250\n\
    @probe 0123456789abcdef check mount-proc pass 0.1 proc on /proc\n\
    @probe 0123456789abcdef verdict pass 1 checks\n";

/// How the VMM ended weighs more than what the guest said.
#[test]
fn ends() {
    let judge = |text: &str, end: End| Verdict::judge(&read(text), &end).to_string();
    let late = || End { timed_out: Some(120), ..ENDED };
    assert_eq!(judge(PASSED, ENDED), "no check failed");
    assert_eq!(judge(PASSED, late()), "the deadline of 120 s passed after init gave its verdict");
    assert_eq!(judge("", late()), "the deadline of 120 s passed before the guest printed anything");
    assert_eq!(
        judge("[    0.000000] Linux version 6.12.1\n", late()),
        "the deadline of 120 s passed before the kernel started its init"
    );
    let broken = End {
        failed: Some("exit status 1".to_owned()),
        errors: vec!["Error loading uncompressed kernel without PVH ELF Note".to_owned()],
        ..ENDED
    };
    let silence = read("");
    let verdict = Verdict::judge(&silence, &broken);
    assert_eq!(
        verdict.to_string(),
        "the VMM failed: exit status 1: Error loading uncompressed kernel without PVH ELF Note"
    );
    assert!(verdict.hint(&silence, &broken, None).is_some_and(|hint| hint.contains("PVH")));
    let killed = End { failed: Some("killed by signal 9".to_owned()), ..ENDED };
    assert_eq!(judge(PASSED, killed), "the VMM failed: killed by signal 9");
    let flooded = End { flooded: true, ..ENDED };
    assert!(judge(PASSED, flooded).starts_with("the guest flooded its console: "));
}

/// No line, cut anywhere, makes the reader panic or believe in a pass.
#[test]
fn cut_short() {
    for length in 0..PASSED.len() - 1 {
        let verdict = Verdict::judge(&read(&PASSED[..length]), &ENDED);
        assert_ne!(verdict, Verdict::Passed, "{}", &PASSED[..length]);
    }
}

/// Every console of a kernel prints its first line; after init began, only another kernel does.
#[test]
fn a_second_kernel_is_another_start() {
    let banner = "[    0.000000] Linux version 6.12.1\n";
    let restarted = |text: &str| read(text).restarted;
    assert!(!restarted(&format!("{banner}{banner}{PASSED}")));
    assert!(restarted(&format!("{banner}{PASSED}{banner}")));
    assert!(restarted(&format!("{banner}Kernel panic - not syncing: VFS\n{banner}")));
}
