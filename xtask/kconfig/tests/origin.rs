//! What values come from, and which symbol leads another one to differ.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::borrow::Cow;

use kconfig::{Config, Dialect, EntryId, Host, Mode, Model, Origin};

/// A tree of one file.
struct Text(&'static str);

impl Host for Text {
    fn read(&self, path: &str) -> Option<Vec<u8>> {
        (path == "Kconfig").then(|| self.0.as_bytes().to_vec())
    }

    fn shell(&self, command: &str) -> Result<String, String> {
        Err(format!("no shell runs `{command}`"))
    }

    fn env(&self, _name: &str) -> Option<Cow<'_, str>> {
        None
    }
}

const TREE: &str = r#"
config BUS
	bool "bus"
	select CORE if !SMALL
	imply EXTRA

config SMALL
	bool "small"

config CORE
	bool

config EXTRA
	bool "extra" if SMALL

config TABLE
	def_bool BUS || SMALL

config DRIVER
	bool "driver"
	depends on BUS && CORE

config SIZE
	int "size"
	depends on BUS
	default 3 if SMALL
	default 9

config LARGE
	def_bool SIZE > 5
	depends on BUS

choice
	prompt "flavor"

config PLAIN
	bool "plain"

config SALTED
	bool "salted"

endchoice
"#;

const DIALECTS: [(u32, u32); 2] = [(6, 1), (6, 12)];

fn model((major, minor): (u32, u32)) -> Model {
    let (model, problems) = kconfig::parse(&Text(TREE), "Kconfig", Dialect::of(major, minor));
    assert!(problems.is_empty(), "{problems:?}");
    model
}

fn config<'m>(model: &'m Model, asked: &str) -> Config<'m> {
    let lines: String = asked.split_whitespace().map(|line| format!("CONFIG_{line}\n")).collect();
    Config::resolve(model, Mode::AllNo, Some(&lines)).0
}

/// The origin in a few words.
fn origin(model: &Model, asked: &str, name: &str) -> String {
    let symbol = model.defined(name).unwrap();
    let names = |by: &[kconfig::Selector]| {
        let names: Vec<&str> = by.iter().map(|by| &*model[by.symbol].name).collect();
        names.join(" ")
    };
    match config(model, asked).origin(symbol) {
        Origin::Given => "given".to_owned(),
        Origin::Selected { by } => format!("selected by {}", names(&by)),
        Origin::Implied { by } => format!("implied by {}", names(&by)),
        Origin::Default { location, .. } => format!("default in line {}", location.line),
        Origin::Member { choice } => format!("of the choice in line {}", choice.line),
        Origin::OtherMember { set, .. } => format!("not {}", &model[set.unwrap()].name),
        Origin::Open => "open".to_owned(),
        Origin::Off => "off".to_owned(),
    }
}

#[test]
fn every_origin_is_told() {
    let cases = [
        ("BUS=y", "BUS", "given"),
        ("", "BUS", "given"),
        ("BUS=y", "CORE", "selected by BUS"),
        ("BUS=y SMALL=y", "CORE", "off"),
        ("BUS=y", "EXTRA", "implied by BUS"),
        ("BUS=y", "TABLE", "default in line 17"),
        ("DRIVER=y", "DRIVER", "off"),
        ("DRIVER=y BUS=y", "DRIVER", "given"),
        ("BUS=y", "SIZE", "default in line 27"),
        ("BUS=y SIZE=4", "SIZE", "given"),
        ("SIZE=4", "SIZE", "off"),
        ("", "PLAIN", "of the choice in line 33"),
        ("SALTED=y", "PLAIN", "not SALTED"),
    ];
    for dialect in DIALECTS {
        let model = model(dialect);
        for (asked, name, expected) in cases {
            assert_eq!(origin(&model, asked, name), expected, "{name} of `{asked}`, {dialect:?}");
        }
    }
}

#[test]
fn what_follows_names_what_it_follows() {
    let cases = [
        ("BUS=y", "", "CORE", "BUS"),
        ("BUS=y", "BUS=y SMALL=y", "CORE", "SMALL"),
        ("BUS=y", "", "EXTRA", "BUS"),
        // Where it can be seen, the answer is no.
        ("BUS=y", "BUS=y SMALL=y", "EXTRA", "SMALL"),
        ("BUS=y", "", "TABLE", "BUS"),
        ("BUS=y", "SMALL=y", "TABLE", "nothing"),
        // The last of those that are enough.
        ("BUS=y DRIVER=y", "DRIVER=y", "DRIVER", "CORE"),
        ("BUS=y DRIVER=y", "BUS=y SMALL=y DRIVER=y", "DRIVER", "CORE"),
        ("DRIVER=y", "BUS=y DRIVER=y", "DRIVER", "CORE"),
        ("BUS=y", "BUS=y SMALL=y", "SIZE", "SMALL"),
        ("BUS=y", "BUS=y SMALL=y", "LARGE", "SIZE"),
        ("BUS=y", "BUS=y SIZE=4", "LARGE", "SIZE"),
        ("SALTED=y", "", "PLAIN", "SALTED"),
    ];
    for (here_dialect, there_dialect) in [(0, 0), (1, 1), (0, 1), (1, 0)] {
        let (here, there) = (model(DIALECTS[here_dialect]), model(DIALECTS[there_dialect]));
        for (a, b, name, expected) in cases {
            let other = if here_dialect == there_dialect { &here } else { &there };
            let (mut a_config, mut b_config) = (config(&here, a), config(other, b));
            let leader = a_config.leader(&mut b_config, here.defined(name).unwrap());
            let leader = leader.map_or("nothing", |leader| &here[leader].name);
            assert_eq!(leader, expected, "{name} of `{a}` beside `{b}`");
        }
    }
}

#[test]
fn menus_are_named_from_the_outermost() {
    let tree = "menu \"Drivers\"\nconfig PCI\n\tbool \"PCI support\"\nif PCI\nmenu \"Hotplug\"\n\
                config ACPIPHP\n\tbool \"acpi\"\nendmenu\nendif\nendmenu\n";
    let (model, _) = kconfig::parse(&Text(tree), "Kconfig", Dialect::of(6, 12));
    let menus = |name: &str| {
        let entry: EntryId = model[model.defined(name).unwrap()].entries[0];
        model.menus_of(entry).join(" > ")
    };
    assert_eq!(menus("PCI"), "Drivers");
    assert_eq!(menus("ACPIPHP"), "Drivers > PCI support > Hotplug");
}
