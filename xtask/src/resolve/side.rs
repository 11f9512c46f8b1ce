//! One of two configurations that are compared: its values, and what each of them comes from.

use std::collections::{BTreeMap, BTreeSet};

use camino::Utf8Path;
use kconfig::{Config, Mode, Origin, SymbolId};
use serde::Serialize;
use vmm_kernel::Arch;

use super::cause::{self, Cause};
use super::tree::Kconfig;
use super::{same, translate};
use crate::dot_config::lines;
use crate::fragment::{Assignment, Place};
use crate::history::History;
use crate::source::KernelVersion;

/// What a symbol's value comes from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "why", rename_all = "kebab-case")]
pub(crate) enum Why {
    /// It is asked for, and that is what came out.
    Asked,
    /// It can be set, and is not asked for.
    NotAsked,
    Selected {
        by: Vec<By>,
    },
    Implied {
        by: Vec<By>,
    },
    Default {
        place: Place,
    },
    /// The member of its choice that is set though none was asked for.
    Member {
        choice: Place,
    },
    OtherMember {
        choice: Place,
        set: Option<String>,
    },
    /// Nothing gives it a value, and it cannot be set.
    Off,
    /// The tree has no such symbol.
    Undefined {
        cause: Option<Cause>,
    },
    /// A `.config` says so, whatever the tree would make of it.
    Stated {
        place: Option<Place>,
    },
}

/// What selects or implies a symbol, and where.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct By {
    pub symbol: String,
    pub place: Place,
}

/// What a list, or a `.config`, asks for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Asked {
    pub value: String,
    pub place: Place,
}

/// What a configuration is resolved on.
#[derive(Clone, Copy)]
pub(crate) struct Ground<'a> {
    pub kconfig: &'a Kconfig,
    pub version: &'a KernelVersion,
    pub arch: Arch,
    pub history: &'a History,
}

pub(crate) struct Side<'a> {
    pub(super) ground: Ground<'a>,
    pub(super) config: Config<'a>,
    /// By the names that the tree knows.
    asked: BTreeMap<String, Asked>,
    values: BTreeMap<String, String>,
    /// What a `.config` says, or does not say, and the tree would not make so.
    stated: BTreeMap<String, Option<Place>>,
}

impl<'a> Side<'a> {
    /// What the tree makes of a list.
    pub(crate) fn of_list(ground: Ground<'a>, assignments: &[Assignment]) -> Self {
        let Ground { kconfig, version, arch, history } = ground;
        let (asked, _) = translate(kconfig, version, arch, history, assignments);
        let lines: String = asked.iter().map(|one| one.line() + "\n").collect();
        let (mut config, _) = Config::resolve(&kconfig.model, Mode::AllNo, Some(&lines));
        let values = set_by(&config.dot_config());
        let asked = asked.into_iter().map(|Assignment { symbol, value, place, .. }| {
            let asked = Asked { value, place };
            (symbol, asked)
        });
        Side { ground, config, asked: asked.collect(), values, stated: BTreeMap::new() }
    }

    /// A `.config`. It asks for what the tree would not make so by itself: what `savedefconfig`
    /// keeps of it.
    pub(crate) fn of_dot_config(ground: Ground<'a>, path: &Utf8Path, text: &str) -> Self {
        let model = &ground.kconfig.model;
        let places = places(path, text);
        let place = |symbol: &str| places.get(symbol).cloned();
        let minimal = Config::resolve(model, Mode::OldDefault, Some(text)).0.defconfig();
        let asked = lines(&minimal).filter_map(|(_, symbol, value)| {
            Some((symbol.to_owned(), Asked { value: value.to_owned(), place: place(symbol)? }))
        });
        let asked = asked.collect();
        let (mut config, _) = Config::resolve(model, Mode::Default, Some(&minimal));
        let (values, came_out) = (set_by(text), set_by(&config.dot_config()));
        let all: BTreeSet<&String> = values.keys().chain(came_out.keys()).collect();
        let stated = all.into_iter().filter(|symbol| values.get(*symbol) != came_out.get(*symbol));
        let stated = stated.map(|symbol| (symbol.clone(), place(symbol))).collect();
        Side { ground, config, asked, values, stated }
    }

    pub(super) fn values(&self) -> &BTreeMap<String, String> {
        &self.values
    }

    pub(super) fn symbol(&self, name: &str) -> Option<SymbolId> {
        self.ground.kconfig.model.defined(name)
    }

    pub(super) fn at(&mut self, name: &str) -> At {
        let value = self.values.get(name).cloned();
        At { value, asked: self.asked.get(name).cloned(), why: self.why(name) }
    }

    fn why(&mut self, name: &str) -> Why {
        if let Some(place) = self.stated.get(name) {
            return Why::Stated { place: place.clone() };
        }
        let Some(symbol) = self.symbol(name) else {
            let Ground { kconfig, version, arch, history } = self.ground;
            return Why::Undefined { cause: cause::told(kconfig, version, arch, history, name) };
        };
        let place = |location| self.ground.kconfig.place(location);
        let model = &self.ground.kconfig.model;
        let all = |by: Vec<kconfig::Selector>| -> Vec<By> {
            let by = by.into_iter();
            let name = |one: SymbolId| model[one].name.to_string();
            by.map(|one| By { symbol: name(one.symbol), place: place(one.location) }).collect()
        };
        match self.config.origin(symbol) {
            Origin::Given | Origin::Member { .. } if self.came_out(name) => Why::Asked,
            Origin::Given | Origin::Open => Why::NotAsked,
            Origin::Selected { by } => Why::Selected { by: all(by) },
            Origin::Implied { by } => Why::Implied { by: all(by) },
            Origin::Default { location } => Why::Default { place: place(location) },
            Origin::Member { choice } => Why::Member { choice: place(choice) },
            Origin::OtherMember { choice, set } => Why::OtherMember {
                choice: place(choice),
                set: set.map(|set| model[set].name.to_string()),
            },
            Origin::Off => Why::Off,
        }
    }

    /// What is asked for is what came out.
    fn came_out(&self, name: &str) -> bool {
        let value = self.values.get(name).map_or("n", String::as_str);
        self.asked.get(name).is_some_and(|asked| same(value, &asked.value))
    }

    /// Options of these names that are off because `allnoconfig` answers n to every prompt, and the value
    /// that each would have by default.
    pub(crate) fn off_unasked(&mut self, is_meant: impl Fn(&str) -> bool) -> Vec<(String, String)> {
        let Ground { kconfig, .. } = self.ground;
        let text = self.config.dot_config();
        let is_open = |symbol: &str| is_meant(symbol) && !self.asked.contains_key(symbol);
        let given = lines(&text).filter(|(_, symbol, value)| *value != "n" || !is_open(symbol));
        let given: String =
            given.map(|(_, symbol, value)| format!("CONFIG_{symbol}={value}\n")).collect();
        let (mut config, _) = Config::resolve(&kconfig.model, Mode::OldDefault, Some(&given));
        let mut by_default = set_by(&config.dot_config());
        by_default.retain(|symbol, _| {
            is_open(symbol) && kconfig.asks(symbol) && !self.values.contains_key(symbol)
        });
        by_default.into_iter().collect()
    }

    /// What keeps the symbol from having that value.
    pub(super) fn why_not(&mut self, symbol: SymbolId, value: &str) -> Cause {
        cause::of_symbol(self.ground.kconfig, &mut self.config, symbol, value)
    }
}

/// A symbol on one side.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct At {
    /// Nothing where it has no line, or one that says that it is not set.
    pub value: Option<String>,
    pub asked: Option<Asked>,
    #[serde(flatten)]
    pub why: Why,
}

/// What a `.config` sets, by symbol.
pub(super) fn set_by(dot_config: &str) -> BTreeMap<String, String> {
    let set = lines(dot_config).filter(|(_, _, value)| *value != "n");
    set.map(|(_, symbol, value)| (symbol.to_owned(), value.to_owned())).collect()
}

/// Where each symbol has its line.
pub(super) fn places(path: &Utf8Path, text: &str) -> BTreeMap<String, Place> {
    let place = |line| Place { path: path.to_owned(), line };
    lines(text).map(|(line, symbol, _)| (symbol.to_owned(), place(line))).collect()
}
