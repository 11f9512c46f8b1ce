//! What a history file does not say of symbols that the new tree lacks.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;
use vmm_kernel::Arch;

use super::Kernel;
use crate::fragment::{Assignment, Place};
use crate::history::short;
use crate::resolve::Successor;

/// A symbol that a fragment asks for, that the old tree has and the new one has not, and that the
/// history says nothing of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Proposal {
    pub symbol: String,
    /// What seems to be its new name; none where nothing does.
    pub renamed_to: Option<Successor>,
    /// Names that older trees have for it, by the history.
    older: Vec<String>,
    /// None: it was seen for all of them.
    pub arch: Option<Arch>,
    pub asked: Vec<Place>,
    /// Where the old tree defines it.
    pub was_at: Place,
    old: String,
    new: String,
}

/// Of each symbol one, in the order of the kernels' lines.
pub(crate) fn proposals(kernels: &[Kernel<'_>]) -> Vec<Proposal> {
    let mut all: Vec<Proposal> = vec![];
    for kernel in kernels {
        for (place, one) in of(kernel) {
            match all.iter_mut().find(|known| known.symbol == one.symbol) {
                Some(known) => {
                    if known.arch != one.arch {
                        known.arch = None;
                    }
                    if !known.asked.contains(&place) {
                        known.asked.push(place);
                    }
                }
                None => all.push(one),
            }
        }
    }
    all
}

/// With the line that asks.
fn of<'a>(kernel: &'a Kernel<'_>) -> impl Iterator<Item = (Place, Proposal)> + 'a {
    let Kernel { asked, old, new, .. } = kernel;
    asked.iter().filter_map(move |line| {
        let symbol = &line.symbol;
        let knows = |name: &str| new.kconfig.model.defined(name).is_some();
        let told = || new.history.explain(symbol, new.arch, new.version, knows).is_some();
        if knows(symbol) || told() {
            return None;
        }
        let was_at = old.kconfig.about(symbol)?.place;
        let proposal = Proposal {
            symbol: symbol.clone(),
            renamed_to: old.kconfig.successor(symbol, new.kconfig),
            older: old.history.older_names(symbol, old.arch).map(str::to_owned).collect(),
            arch: Some(new.arch),
            asked: vec![line.place.clone()],
            was_at,
            old: short(old.version),
            new: short(new.version),
        };
        Some((line.place.clone(), proposal))
    })
}

impl Proposal {
    /// As `history.toml` would say it. That something went is seen between two trees only: which version
    /// it was, and what does its work now, is for a person to find out.
    pub(crate) fn entry(&self) -> String {
        let Proposal { symbol, was_at, old, new, older, .. } = self;
        let quoted = |names: &[String]| {
            let names: Vec<String> = names.iter().map(|name| format!("\"{name}\"")).collect();
            names.join(", ")
        };
        let arch = self.arch.map(|arch| format!("arch = \"{arch}\"\n")).unwrap_or_default();
        match &self.renamed_to {
            Some(Successor { name, place, same_file, .. }) => {
                let names = quoted(&[&[symbol.clone()][..], older].concat());
                let there = match same_file {
                    true => String::new(),
                    false => format!(" {} of", place.path),
                };
                format!(
                    "[[symbol]]\nname = \"{name}\"\nwas = [{names}]\n{arch}evidence = \"{}: {symbol} in \
                     {old}, {name} in{there} {new}, the same prompt\"\n",
                    was_at.path
                )
            }
            None => format!(
                "[[symbol]]\nname = \"{symbol}\"\nuntil = \"{new}\"\n{arch}evidence = \"{} has it in \
                 {old}, no file in {new}\"\n",
                was_at.path
            ),
        }
    }
}

/// The entries of the symbols in new lines that the old tree lacks, as [`entries`] has them.
pub(crate) fn newcomers(kernels: &[Kernel<'_>], lines: &[Assignment]) -> String {
    let mut all: BTreeMap<&str, (BTreeSet<Arch>, String)> = BTreeMap::new();
    for Kernel { old, new, .. } in kernels {
        for Assignment { symbol, .. } in lines {
            let knows = |name: &str| old.kconfig.model.defined(name).is_some();
            let told = || old.history.explain(symbol, old.arch, old.version, knows).is_some();
            let Some(about) = new.kconfig.about(symbol) else { continue };
            if knows(symbol) || told() {
                continue;
            }
            let (was, is) = (short(old.version), short(new.version));
            let path = about.place.path;
            let entry = format!(
                "since = \"{is}\"\nevidence = \"{path} has it in {is}, no file in {was}\"\n"
            );
            let (arches, _) = all.entry(symbol).or_insert_with(|| (BTreeSet::new(), entry));
            arches.insert(new.arch);
        }
    }
    let entry = |(symbol, (arches, rest)): (&str, (BTreeSet<Arch>, String))| {
        let arch = match arches.first().filter(|_| arches.len() == 1) {
            Some(arch) => format!("arch = \"{arch}\"\n"),
            None => String::new(),
        };
        format!("\n[[symbol]]\nname = \"{symbol}\"\n{arch}{rest}")
    };
    all.into_iter().map(entry).collect()
}

/// The entries of renamed symbols, for the end of `history.toml`; nothing where there are none.
pub(crate) fn entries(proposals: &[Proposal]) -> String {
    let renamed = proposals.iter().filter(|one| one.renamed_to.is_some());
    renamed.map(|one| format!("\n{}", one.entry())).collect()
}
