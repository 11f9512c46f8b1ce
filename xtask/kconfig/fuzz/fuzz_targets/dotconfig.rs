//! Any text as a `.config`.
#![no_main]

use kconfig::{Config, Dialect, Mode};
use libfuzzer_sys::fuzz_target;

#[path = "host.rs"]
mod host;

const TREE: &str = "config MODULES\n\tbool \"m\"\n\tmodules\nconfig A\n\ttristate \"a\"\nconfig B\n\tint \"b\"\n\
    \tdefault 2\n\trange 1 10 if A\nconfig C\n\thex \"c\"\n\tdefault 0x1\nconfig D\n\tstring \"d\"\n\tdefault \"x\"\nchoice\n\tprompt \"e\"\n\
    config E1\n\tbool \"1\"\nconfig E2\n\tbool \"2\"\n\tdepends on A\nendchoice\n";

fuzz_target!(|text: &str| {
    for version in [(6, 1), (6, 12)] {
        let dialect = Dialect::of(version.0, version.1);
        let (model, _) = kconfig::parse(&host::One(TREE.as_bytes()), "Kconfig", dialect);
        for (_, mode) in Mode::NAMES {
            let (mut config, _) = Config::resolve(&model, mode, Some(text));
            // What was written is read back as it is.
            let written = config.dot_config();
            let (mut again, problems) = Config::resolve(&model, Mode::OldDefault, Some(&written));
            assert!(problems.is_empty(), "{written}");
            assert_eq!(again.dot_config(), written);
        }
    }
});
