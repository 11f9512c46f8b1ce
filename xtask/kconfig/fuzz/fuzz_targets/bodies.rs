//! What is tried on each input. The tests of the engine try it on the cases that are kept.

use std::borrow::Cow;

use kconfig::{Config, Demand, Dialect, Host, Lines, Mode, Model, mend};

/// A tree of one file.
struct One<'a>(&'a [u8]);

impl Host for One<'_> {
    fn read(&self, path: &str) -> Option<Vec<u8>> {
        (path == "Kconfig").then(|| self.0.to_vec())
    }

    /// What it is asked, which is as good as anything.
    fn shell(&self, command: &str) -> Result<String, String> {
        Ok(command.to_owned())
    }

    fn env(&self, name: &str) -> Option<Cow<'_, str>> {
        (name == "ENV").then_some(Cow::Borrowed("value"))
    }
}

fn dialects() -> [Dialect; 4] {
    [Dialect::of(5, 10), Dialect::of(6, 1), Dialect::of(6, 12), Dialect::of(7, 3)]
}

fn model(text: &[u8], dialect: Dialect) -> Model {
    kconfig::parse(&One(text), "Kconfig", dialect).0
}

/// Any bytes as a Kconfig file: parsed, resolved in every mode, explained and mended.
pub(crate) fn parse(bytes: &[u8]) {
    for dialect in dialects() {
        let model = model(bytes, dialect);
        for (_, mode) in Mode::NAMES {
            let (mut config, _) = Config::resolve(&model, mode, Some("CONFIG_A=y\nCONFIG_B=m\n"));
            config.dot_config();
            config.defconfig();
            for (symbol, _) in model.defined_symbols().take(10) {
                config.why_not(symbol, "y");
                config.origin(symbol);
            }
        }
        if let Some((symbol, _)) = model.defined_symbols().next() {
            let wanted = Lines::from([(symbol, "y".to_owned())]);
            let _ = mend(&model, "", Demand { wanted: &wanted, kept: &Lines::new() });
        }
    }
}

/// Any text where a macro can stand.
pub(crate) fn macros(text: &str) {
    let whole = format!(
        "a = {text}\nb := {text}\na += $(b)\nconfig C\n\tdef_bool $(a)\n\tdefault \"{text}\"\n"
    );
    model(whole.as_bytes(), Dialect::of(6, 12));
}

const TREE: &str = "config MODULES\n\tbool \"m\"\n\tmodules\nconfig A\n\ttristate \"a\"\n\
    config B\n\tint \"b\"\n\tdefault 2\n\trange 1 10 if A\nconfig C\n\thex \"c\"\n\tdefault 0x1\n\
    config D\n\tstring \"d\"\n\tdefault \"x\"\nchoice\n\tprompt \"e\"\nconfig E1\n\tbool \"1\"\n\
    config E2\n\tbool \"2\"\n\tdepends on A\nendchoice\n";

/// Any text as a `.config`: what is made of it comes back as it was written.
pub(crate) fn dotconfig(text: &str) {
    for dialect in dialects() {
        let model = model(TREE.as_bytes(), dialect);
        for (_, mode) in Mode::NAMES {
            let (mut config, _) = Config::resolve(&model, mode, Some(text));
            let written = config.dot_config();
            let (mut again, problems) = Config::resolve(&model, Mode::OldDefault, Some(&written));
            assert!(problems.is_empty(), "{written}");
            assert_eq!(again.dot_config(), written);
        }
    }
}
