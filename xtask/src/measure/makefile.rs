//! Which Kconfig symbol brings an object into a kernel, as the tree's makefiles have it: a small part
//! of their language (Documentation/kbuild/makefiles.rst). What it cannot read is unknown.

use std::collections::{BTreeMap, BTreeSet};

use camino::{Utf8Path, Utf8PathBuf};
use serde::{Deserialize, Serialize};
use vmm_kernel::Arch;

use crate::toolchain::KbuildArch;

/// What an object needs to be built in.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Needs {
    /// In every kernel.
    Nothing,
    /// One of these; all of them are on.
    Symbols(Vec<String>),
    Unknown,
}

impl Needs {
    pub(crate) fn symbols(&self) -> &[String] {
        match self {
            Needs::Symbols(symbols) => symbols,
            _ => &[],
        }
    }
}

/// What one line of a makefile depends on.
#[derive(Debug, Clone, PartialEq, Eq)]
enum When {
    Always,
    Symbol(String),
    Unreadable,
}

/// `obj-$(CONFIG_X) += a.o b/`: what it adds to, when, and what.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Rule {
    adds_to: String,
    when: When,
    items: Vec<String>,
}

/// The makefiles of a tree, read as they are needed.
pub(crate) struct Makefiles {
    tree: Utf8PathBuf,
    /// The folder of the arch: `x86`.
    arch: String,
    folders: BTreeMap<Utf8PathBuf, Vec<Rule>>,
}

/// What kbuild links into the kernel or a library of it; `core-y` and its like stand in the makefiles
/// at the top and of the arch.
const LINKED: [&str; 8] = ["obj", "lib", "core", "drivers", "net", "libs", "virt", "head"];

impl Makefiles {
    pub(crate) fn new(tree: &Utf8Path, arch: Arch) -> Self {
        let kbuild = KbuildArch::new(arch.kbuild(), "");
        let arch = kbuild.source().to_owned();
        Makefiles { tree: tree.to_owned(), arch, folders: BTreeMap::new() }
    }

    /// What the object, a path in the object tree, needs in a kernel that has these symbols on.
    pub(crate) fn needs(&mut self, object: &Utf8Path, is_on: &dyn Fn(&str) -> bool) -> Needs {
        let mut search = Search { makefiles: self, is_on, seen: BTreeSet::new() };
        search.of(object.as_str())
    }

    fn rules(&mut self, folder: &Utf8Path) -> Vec<Rule> {
        if let Some(rules) = self.folders.get(folder) {
            return rules.clone();
        }
        let mut rules = vec![];
        for name in ["Kbuild", "Makefile"] {
            let text = std::fs::read(self.tree.join(folder).join(name)).unwrap_or_default();
            rules.extend(parse(&String::from_utf8_lossy(&text), &self.arch));
        }
        self.folders.insert(folder.to_owned(), rules.clone());
        rules
    }
}

struct Search<'a> {
    makefiles: &'a mut Makefiles,
    is_on: &'a dyn Fn(&str) -> bool,
    /// What is being looked for: makefiles can go in circles.
    seen: BTreeSet<(Utf8PathBuf, String)>,
}

impl Search<'_> {
    /// What the nearest folder above says that names the object or folder (`net/ipv4/`).
    fn of(&mut self, path: &str) -> Needs {
        let without_end = path.strip_suffix('/').unwrap_or(path);
        let mut folder = Utf8Path::new(without_end).parent();
        while let Some(above) = folder {
            let below = path.strip_prefix(above.as_str()).unwrap_or(path).trim_start_matches('/');
            let needs = self.in_folder(above, &[below, path]);
            if needs != Needs::Unknown {
                return needs;
            }
            folder = above.parent();
        }
        Needs::Unknown
    }

    /// What this folder's makefiles say of an item by any of these names.
    fn in_folder(&mut self, folder: &Utf8Path, names: &[&str]) -> Needs {
        if !self.seen.insert((folder.to_owned(), names[0].to_owned())) {
            return Needs::Unknown;
        }
        let rules = self.makefiles.rules(folder);
        let has = |rule: &&Rule| rule.items.iter().any(|item| names.contains(&item.as_str()));
        let all: Vec<Needs> =
            rules.iter().filter(has).map(|rule| self.of_rule(folder, rule)).collect();
        combine(all)
    }

    fn of_rule(&mut self, folder: &Utf8Path, rule: &Rule) -> Needs {
        match &rule.when {
            When::Symbol(symbol) if (self.is_on)(symbol) => Needs::Symbols(vec![symbol.clone()]),
            // It is off, so it is another line that brought the object in.
            When::Symbol(_) | When::Unreadable => Needs::Unknown,
            When::Always if LINKED.contains(&rule.adds_to.as_str()) => {
                if folder.as_str().is_empty() {
                    return Needs::Nothing;
                }
                self.of(&format!("{folder}/"))
            }
            // Part of a bigger object, or of a list that another line takes up.
            When::Always => {
                let name = &rule.adds_to;
                let names =
                    [format!("{name}.o"), format!("$({name}-y)"), format!("$({name}-objs)")];
                self.in_folder(folder, &names.each_ref().map(String::as_str))
            }
        }
    }
}

/// Several lines name an object: each that is known counts.
fn combine(all: Vec<Needs>) -> Needs {
    if all.contains(&Needs::Nothing) {
        return Needs::Nothing;
    }
    let symbols: BTreeSet<&String> = all.iter().flat_map(Needs::symbols).collect();
    match symbols.is_empty() {
        true => Needs::Unknown,
        false => Needs::Symbols(symbols.into_iter().cloned().collect()),
    }
}

/// The lines that add to a list, with the symbol that each depends on.
fn parse(text: &str, arch: &str) -> Vec<Rule> {
    // Guests have 64 bits.
    let known = [("\\\n", " "), ("$(SRCARCH)", arch), ("$(BITS)", "64")];
    let text = known.iter().fold(text.to_owned(), |text, (name, is)| text.replace(name, is));
    let (mut rules, mut inside) = (vec![], Vec::<When>::new());
    for line in text.lines() {
        let line = line.split('#').next().unwrap_or_default();
        let words: Vec<&str> = line.split_ascii_whitespace().collect();
        match words.first().copied().unwrap_or_default() {
            "ifdef" | "ifeq" | "ifneq" => inside.push(condition(line)),
            "ifndef" => inside.push(When::Unreadable),
            // The other branch holds where the symbol is off.
            "else" => {
                if let Some(last) = inside.last_mut().filter(|last| **last != When::Always) {
                    *last = When::Unreadable;
                }
            }
            "endif" => drop(inside.pop()),
            _ => {
                let around = inside.iter().rev().find(|when| **when != When::Always);
                rules.extend(rule(line).map(|rule| rule.inside(around)));
            }
        }
    }
    rules
}

impl Rule {
    /// In a block that depends on something, a line depends on it as well.
    fn inside(self, around: Option<&When>) -> Self {
        match (around, &self.when) {
            (Some(around), When::Always) => Rule { when: around.clone(), ..self },
            _ => self,
        }
    }
}

/// `ifeq ($(CONFIG_X),y)` and `ifdef CONFIG_X`; what asks for no symbol is taken as given.
fn condition(line: &str) -> When {
    let symbols = symbols(line);
    let off =
        line.contains(",n)") || line.trim().ends_with(",)") && line.trim().starts_with("ifeq");
    let on = line.contains("CONFIG_") && !off && !(line.contains("ifneq") && line.contains(",y)"));
    match symbols.as_slice() {
        [] => When::Always,
        [one] if on => When::Symbol((*one).to_owned()),
        _ => When::Unreadable,
    }
}

fn rule(line: &str) -> Option<Rule> {
    let at = line.find('=')?;
    let variable = line[..at].trim_end_matches(['+', ':', '?']).trim();
    let (adds_to, when) = match variable.find("-$(") {
        Some(at) => {
            let when = match symbols(&variable[at..]).as_slice() {
                [one] => When::Symbol((*one).to_owned()),
                _ => When::Unreadable,
            };
            (&variable[..at], when)
        }
        None => {
            let (adds_to, kind) = variable.rsplit_once('-')?;
            matches!(kind, "y" | "objs").then_some((adds_to, When::Always))?
        }
    };
    let items = line[at + 1..].split_ascii_whitespace().map(str::to_owned).collect();
    Some(Rule { adds_to: adds_to.to_owned(), when, items })
}

/// Each symbol that a text names, without its prefix.
fn symbols(text: &str) -> Vec<&str> {
    let end = |name: &str| name.find(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    text.split("CONFIG_").skip(1).map(|rest| &rest[..end(rest).unwrap_or(rest.len())]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const TREE: [(&str, &str); 8] = [
        (
            "Kbuild",
            "obj-y += init/\nobj-y += arch/$(SRCARCH)/\nobj-$(CONFIG_NET) += net/\nobj-y += mm/ fs/\n",
        ),
        ("init/Makefile", "obj-y := main.o \\\n  version.o\nobj-$(CONFIG_CALIB) += calibrate.o\n"),
        ("arch/x86/Kbuild", "obj-y += kernel/\n"),
        ("arch/x86/Makefile", "drivers-$(CONFIG_PCI) += arch/x86/pci/\ncore-y += arch/x86/\n"),
        ("arch/x86/pci/Makefile", "obj-y := common.o mmconfig_$(BITS).o\n"),
        ("net/Makefile", "obj-y := socket.o core/\nobj-$(CONFIG_INET) += ipv4/\n"),
        (
            "mm/Makefile",
            "mmu-y := nommu.o\nmmu-$(CONFIG_MMU) := memory.o\nobj-y := filemap.o $(mmu-y)\n",
        ),
        (
            "fs/Makefile",
            "obj-y := open.o # not all\nifeq ($(CONFIG_BLOCK),y)\nobj-y += buffer.o\nelse\n\
             obj-y += no-block.o\nendif\nobj-$(CONFIG_OFF) += both.o\nobj-$(CONFIG_ON) += both.o\n\
             obj-$(CONFIG_EXT4_FS) += ext4.o\next4-y := super.o\next4-$(CONFIG_ACL) += acl.o\n\
             obj-$(subst m,y,$(CONFIG_X)) += subst.o\nobj-$(call f,$(CONFIG_A),$(CONFIG_B)) += odd.o\n",
        ),
    ];

    #[test]
    fn each_object_has_the_symbol_of_its_line() {
        let dir = tempfile::tempdir().unwrap();
        let tree = Utf8Path::from_path(dir.path()).unwrap();
        for (path, text) in TREE {
            std::fs::create_dir_all(tree.join(path).parent().unwrap()).unwrap();
            std::fs::write(tree.join(path), text).unwrap();
        }
        let is_on = |symbol: &str| symbol != "OFF";
        let mut makefiles = Makefiles::new(tree, Arch::X86_64);
        let mut needs = |object: &str| match makefiles.needs(Utf8Path::new(object), &is_on) {
            Needs::Symbols(symbols) => symbols.join("|"),
            other => format!("{other:?}"),
        };
        let cases = [
            ("init/main.o", "Nothing"),
            ("init/version.o", "Nothing"),
            ("init/calibrate.o", "CALIB"),
            ("net/socket.o", "NET"),
            ("net/ipv4/af_inet.o", "Unknown"),
            ("mm/filemap.o", "Nothing"),
            ("mm/nommu.o", "Nothing"),
            ("mm/memory.o", "MMU"),
            ("arch/x86/pci/common.o", "PCI"),
            ("arch/x86/pci/mmconfig_64.o", "PCI"),
            ("fs/open.o", "Nothing"),
            ("fs/buffer.o", "BLOCK"),
            ("fs/no-block.o", "Unknown"),
            ("fs/both.o", "ON"),
            ("fs/super.o", "EXT4_FS"),
            ("fs/acl.o", "ACL"),
            ("fs/subst.o", "X"),
            ("fs/odd.o", "Unknown"),
            ("fs/none.o", "Unknown"),
        ];
        for (object, expected) in cases {
            assert_eq!(needs(object), expected, "{object}");
        }
    }
}
