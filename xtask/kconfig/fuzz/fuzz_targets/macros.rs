//! Any text where a macro can stand.
#![no_main]

use kconfig::Dialect;
use libfuzzer_sys::fuzz_target;

#[path = "host.rs"]
mod host;

fuzz_target!(|text: &str| {
    let whole = format!("a = {text}\nb := {text}\na += $(b)\nconfig C\n\tdef_bool $(a)\n\tdefault \"{text}\"\n");
    kconfig::parse(&host::One(whole.as_bytes()), "Kconfig", Dialect::of(6, 12));
});
