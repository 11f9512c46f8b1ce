//! What a kernel would save, by its object tree: an estimate before anything is built.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, Result};
use camino::{Utf8Path, Utf8PathBuf};
use serde::Serialize;
use vmm_kernel::Arch;
use walkdir::WalkDir;

use crate::measure::{Figure, Makefiles, Needs, is_compiled, vmlinux_sizes};
use crate::resolve::values;

/// The compiled files that go with symbols, in bytes of the kernel before it is packed. What other
/// files have behind `#ifdef` for the same symbols is not in it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Gain {
    pub objects: usize,
    pub text: u64,
    pub data: u64,
    pub bss: u64,
}

impl Gain {
    pub(crate) fn bytes(&self) -> u64 {
        self.text + self.data + self.bss
    }
}

/// The compiled files of a build that some kernels do without.
#[derive(Debug)]
pub(crate) struct Objects(Vec<Object>);

#[derive(Debug)]
struct Object {
    /// It is in a kernel with any of these.
    symbols: Vec<String>,
    sizes: BTreeMap<Figure, u64>,
}

impl Objects {
    /// Reads an object tree; nothing, where there is none that was built to the end.
    ///
    /// # Errors
    /// If it cannot be read.
    pub(crate) fn read(obj: &Utf8Path, tree: &Utf8Path, arch: Arch) -> Result<Option<Self>> {
        if !obj.join("vmlinux").is_file() {
            return Ok(None);
        }
        let path = obj.join(".config");
        let dot_config =
            std::fs::read_to_string(&path).with_context(|| format!("failed to read {path}"))?;
        let on = values(&dot_config);
        let mut makefiles = Makefiles::new(tree, arch);
        let mut objects = vec![];
        for path in compiled(obj)? {
            let object = path.strip_prefix(obj).unwrap_or(&path);
            let needs = makefiles.needs(object, &|symbol| on.contains_key(symbol));
            let Needs::Symbols(symbols) = needs else { continue };
            // A file of another kind, bitcode for one, tells no sizes.
            let Ok(sizes) = vmlinux_sizes(&path) else { continue };
            objects.push(Object { symbols, sizes });
        }
        Ok(Some(Objects(objects)))
    }

    /// What goes with these symbols.
    pub(crate) fn without(&self, symbols: &[String]) -> Gain {
        let goes: BTreeSet<&String> = symbols.iter().collect();
        let gone = self.0.iter().filter(|one| one.symbols.iter().all(|name| goes.contains(name)));
        let add = |gain: Gain, Object { sizes, .. }: &Object| {
            let size = |figure| sizes.get(&figure).copied().unwrap_or_default();
            Gain {
                objects: gain.objects + 1,
                text: gain.text + size(Figure::Text),
                data: gain.data + size(Figure::Data),
                bss: gain.bss + size(Figure::Bss),
            }
        };
        gone.fold(Gain::default(), add)
    }
}

fn compiled(obj: &Utf8Path) -> Result<Vec<Utf8PathBuf>> {
    let mut paths = vec![];
    for entry in WalkDir::new(obj).sort_by_file_name() {
        let entry = entry.with_context(|| format!("failed to walk {obj}"))?;
        let path = Utf8Path::from_path(entry.path());
        let object = path.filter(|path| path.extension() == Some("o") && is_compiled(path));
        paths.extend(object.map(Utf8Path::to_owned));
    }
    Ok(paths)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_object_goes_with_the_last_symbol_that_brings_it_in() {
        let object = |symbols: &[&str], text| Object {
            symbols: symbols.iter().map(|name| (*name).to_owned()).collect(),
            sizes: [(Figure::Text, text), (Figure::Data, 10), (Figure::Bss, 1)].into(),
        };
        let objects = Objects(vec![object(&["A"], 100), object(&["A", "B"], 1000)]);
        let gain = |names: &[&str]| {
            let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
            let gain = objects.without(&names);
            (gain.objects, gain.bytes())
        };
        assert_eq!(gain(&["A"]), (1, 111));
        assert_eq!(gain(&["B"]), (0, 0));
        assert_eq!(gain(&["B", "A", "C"]), (2, 1122));
    }

    #[test]
    fn an_object_tree_that_was_not_built_to_the_end_tells_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let obj = Utf8Path::from_path(dir.path()).unwrap();
        assert!(Objects::read(obj, obj, Arch::X86_64).unwrap().is_none());
    }
}
