//! A tree's Kconfig, as the engine reads it.

use std::cell::OnceCell;
use std::collections::{BTreeMap, BTreeSet};

use camino::{Utf8Path, Utf8PathBuf};
use kconfig::{Location, Model, Possible, SymbolId};

use crate::diag::Quote;
use crate::fragment::Place;
use crate::source::Tree;

/// What a tree's Kconfig says to one arch and toolchain.
#[derive(Debug)]
pub(crate) struct Kconfig {
    pub model: Model,
    dir: Utf8PathBuf,
    /// Read when somebody asks where else a symbol is.
    by_arch: OnceCell<BTreeMap<String, BTreeSet<String>>>,
    /// Computed when somebody asks.
    possible: OnceCell<Possible>,
}

impl Kconfig {
    pub(super) fn new(model: Model, tree: &Tree) -> Self {
        Kconfig {
            model,
            dir: tree.dir.clone(),
            by_arch: OnceCell::new(),
            possible: OnceCell::new(),
        }
    }

    /// Where a line of the tree is.
    pub(crate) fn place(&self, location: Location) -> Place {
        let path = Utf8PathBuf::from(self.model.path(location.file));
        Place { path, line: usize::try_from(location.line).unwrap_or_default() }
    }

    /// A line of the tree, as it stands there.
    pub(crate) fn quote(&self, location: Location) -> Quote {
        let Place { path, line } = self.place(location);
        let text = std::fs::read(self.dir.join(&path)).unwrap_or_default();
        let text = String::from_utf8_lossy(&text);
        let text = text.lines().nth(line.saturating_sub(1)).unwrap_or_default().to_owned();
        Quote { path, line, text }
    }
}

impl Kconfig {
    /// The first line of the help text of the entry at a line of the tree.
    pub(crate) fn help(&self, location: Location) -> Option<String> {
        let Place { path, line } = self.place(location);
        let text = std::fs::read(self.dir.join(path)).ok()?;
        help(String::from_utf8_lossy(&text).lines().skip(line))
    }

    /// The symbol can be on in some configuration of this tree for this arch.
    pub(super) fn is_possible(&self, symbol: SymbolId) -> bool {
        self.possible.get_or_init(|| self.model.possible()).has(symbol)
    }

    /// The folders below `arch` whose Kconfig files define a symbol of that name.
    pub(crate) fn other_arches_with(&self, name: &str) -> Vec<String> {
        let by_name = self.by_arch.get_or_init(|| names_by_arch(&self.dir.join("arch")));
        by_name.get(name).map(|arches| arches.iter().cloned().collect()).unwrap_or_default()
    }
}

#[cfg(test)]
impl Kconfig {
    /// That of a tree of one file, in which nothing is wrong.
    pub(crate) fn of_text(text: &'static str) -> Self {
        let (model, diagnostics) =
            kconfig::parse(&Text(text), "Kconfig", kconfig::Dialect::of(6, 12));
        assert!(diagnostics.is_empty(), "{diagnostics:?}");
        Kconfig {
            model,
            dir: Utf8PathBuf::new(),
            by_arch: OnceCell::new(),
            possible: OnceCell::new(),
        }
    }
}

#[cfg(test)]
struct Text(&'static str);

#[cfg(test)]
impl kconfig::Host for Text {
    fn read(&self, path: &str) -> Option<Vec<u8>> {
        (path == "Kconfig").then(|| self.0.as_bytes().to_owned())
    }

    fn shell(&self, command: &str) -> Result<String, String> {
        Err(format!("nothing runs `{command}` here"))
    }

    fn env(&self, _name: &str) -> Option<std::borrow::Cow<'_, str>> {
        None
    }
}

/// Of the lines behind the one that begins an entry. All that an entry says is indented.
fn help<'a>(lines: impl Iterator<Item = &'a str>) -> Option<String> {
    let own = lines.take_while(|line| line.is_empty() || line.starts_with([' ', '\t', '#']));
    let text = own.map(str::trim).skip_while(|line| !matches!(*line, "help" | "---help---"));
    text.skip(1).find(|line| !line.is_empty()).map(str::to_owned)
}

/// The names that the Kconfig files of each architecture's folder define.
fn names_by_arch(arch: &Utf8Path) -> BTreeMap<String, BTreeSet<String>> {
    let mut found: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for folder in arch.read_dir_utf8().into_iter().flatten().flatten() {
        let files = walkdir::WalkDir::new(folder.path()).into_iter().flatten();
        let is_kconfig = |file: &walkdir::DirEntry| {
            file.file_type().is_file() && file.file_name().to_string_lossy().starts_with("Kconfig")
        };
        for file in files.filter(is_kconfig) {
            let text = std::fs::read(file.path()).unwrap_or_default();
            for line in String::from_utf8_lossy(&text).lines() {
                let mut words = line.split_ascii_whitespace();
                let defines = matches!(words.next(), Some("config" | "menuconfig"));
                if let (true, Some(name)) = (defines, words.next()) {
                    let arches = found.entry(name.to_owned()).or_default();
                    arches.insert(folder.file_name().to_owned());
                }
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_help_text_is_the_entrys_own() {
        let first = |text: &str| help(text.lines());
        let entry = "\tbool \"a\"\n\n# help\n\thelp\n\n\t  Lets it be.\n\t  And more.\nconfig B\n";
        assert_eq!(first(entry).unwrap(), "Lets it be.");
        assert_eq!(first("\tbool\nconfig B\n\thelp\n\t  Of another.\n"), None);
    }
}
