//! Any bytes as a Kconfig file: parsed, resolved in every mode, explained and mended.
#![no_main]

use kconfig::{Config, Dialect, Lines, Mode, mend};
use libfuzzer_sys::fuzz_target;

#[path = "host.rs"]
mod host;

fuzz_target!(|bytes: &[u8]| {
    for version in [(6, 1), (6, 12)] {
        let dialect = Dialect::of(version.0, version.1);
        let (model, _) = kconfig::parse(&host::One(bytes), "Kconfig", dialect);
        for (_, mode) in Mode::NAMES {
            let (mut config, _) = Config::resolve(&model, mode, Some("CONFIG_A=y\nCONFIG_B=m\n"));
            config.dot_config();
            config.defconfig();
            for (symbol, _) in model.defined_symbols().take(10) {
                config.why_not(symbol, "y");
            }
        }
        if let Some((symbol, _)) = model.defined_symbols().next() {
            let _ = mend(&model, "", &Lines::from([(symbol, "y".to_owned())]));
        }
    }
});
