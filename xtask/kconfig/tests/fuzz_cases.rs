//! The inputs that fuzzing found worth keeping: nothing panics, and nothing takes for ever.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::Path;

#[path = "../fuzz/fuzz_targets/bodies.rs"]
mod bodies;

fn each_case(target: &str, body: impl Fn(&[u8])) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/cases").join(target);
    let cases: Vec<_> = folder.read_dir().unwrap().map(|case| case.unwrap().path()).collect();
    assert!(!cases.is_empty(), "{} is empty", folder.display());
    for case in cases {
        // A failure names the case.
        eprintln!("{}", case.display());
        body(&std::fs::read(&case).unwrap());
    }
}

fn of_text(body: impl Fn(&str)) -> impl Fn(&[u8]) {
    move |bytes| std::str::from_utf8(bytes).map_or((), &body)
}

#[test]
fn kconfig_files() {
    each_case("parse", bodies::parse);
}

#[test]
fn macros() {
    each_case("macros", of_text(bodies::macros));
}

#[test]
fn dot_configs() {
    each_case("dotconfig", of_text(bodies::dotconfig));
}
