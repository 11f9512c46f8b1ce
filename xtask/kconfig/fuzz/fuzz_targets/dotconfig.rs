#![no_main]

#[allow(dead_code, reason = "each target tries one of them")]
mod bodies;

libfuzzer_sys::fuzz_target!(|text: &str| bodies::dotconfig(text));
