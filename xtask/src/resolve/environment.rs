//! What kbuild tells Kconfig: the variables that the top Makefile of the tree exports to it.

use std::collections::BTreeMap;

use anyhow::Result;
use camino::{Utf8Path, Utf8PathBuf};

use crate::hash;
use crate::source::Tree;
use crate::toolchain::{FOREIGN_VARIABLES, KbuildArch};

/// Variables that name tools with the cross prefix before them.
const CROSS_TOOLS: [(&str, &str); 7] = [
    ("CC", "gcc"),
    ("AR", "ar"),
    ("NM", "nm"),
    ("OBJCOPY", "objcopy"),
    ("OBJDUMP", "objdump"),
    ("READELF", "readelf"),
    ("STRIP", "strip"),
];

/// Tools of the host, and what else is the same for every arch.
const FIXED: [(&str, &str); 14] = [
    ("HOSTCC", "gcc"),
    ("HOSTCXX", "g++"),
    ("RUSTC", "rustc"),
    ("RUSTC_BOOTSTRAP", "1"),
    ("BINDGEN", "bindgen"),
    ("PAHOLE", "pahole"),
    ("AWK", "awk"),
    ("PERL", "perl"),
    ("PYTHON3", "python3"),
    ("CONFIG_SHELL", "sh"),
    ("objtree", "."),
    ("CLANG_FLAGS", ""),
    ("LC_COLLATE", "C"),
    ("LC_NUMERIC", "C"),
];

/// The variables, and what they stand for beyond their text.
#[derive(Debug)]
pub(crate) struct Environment {
    pub variables: BTreeMap<String, String>,
    /// Hash of all that the answer of a command depends on, but for the tree's own files: the
    /// variables, and the tools that they name.
    pub identity: String,
}

impl Environment {
    pub(crate) fn new(tree: &Tree, arch: &KbuildArch) -> Result<Self> {
        let mut variables: BTreeMap<String, String> =
            FIXED.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        for (name, tool) in CROSS_TOOLS {
            variables.insert(name.to_owned(), format!("{}{tool}", arch.prefix));
        }
        let of_tree = [
            ("srctree", tree.dir.to_string()),
            ("ARCH", arch.name.clone()),
            ("SRCARCH", arch.source().to_owned()),
            ("CROSS_COMPILE", arch.prefix.clone()),
            ("LD", arch.linker.clone()),
            ("KERNELVERSION", tree.version.to_string()),
            ("VERSION", tree.version.major.to_string()),
            ("PATCHLEVEL", tree.version.minor.to_string()),
        ];
        variables.extend(of_tree.map(|(name, value)| (name.to_owned(), value)));
        let tools: Vec<_> =
            variables.values().filter_map(|value| Some((value, program(value)?))).collect();
        let stamps: Vec<_> = tools.iter().map(|(name, path)| (name, Stamp::of(path))).collect();
        let path = std::env::var("PATH").unwrap_or_default();
        let identity = hash::of_bytes(serde_json::to_vec(&(&variables, stamps, path))?);
        Ok(Environment { variables, identity })
    }

    /// Commands whose first line kbuild puts in a variable, for the tree to know its tools by.
    pub(crate) fn version_texts(&self) -> [(&'static str, String); 2] {
        let tool = |name: &str| self.variables.get(name).cloned().unwrap_or_default();
        [
            ("CC_VERSION_TEXT", format!("LC_ALL=C {} --version | head -n 1", tool("CC"))),
            ("RUSTC_VERSION_TEXT", format!("{} --version", tool("RUSTC"))),
        ]
    }

    /// What a user's shell holds and kbuild does not hand on.
    pub(crate) fn foreign() -> impl Iterator<Item = &'static str> {
        FOREIGN_VARIABLES.iter().copied().chain(["LC_ALL"])
    }
}

fn program(name: &str) -> Option<Utf8PathBuf> {
    if name.is_empty() || name.contains(['/', ' ']) {
        return None;
    }
    which::which(name).ok().and_then(|path| Utf8PathBuf::from_path_buf(path).ok())
}

/// Tells whether a file was changed: its length and time.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub(crate) struct Stamp(u64, i64, i64);

impl Stamp {
    /// All 0 where there is no such file.
    pub(crate) fn of(path: &Utf8Path) -> Self {
        use std::os::unix::fs::MetadataExt;
        let of = |meta: std::fs::Metadata| Stamp(meta.len(), meta.ctime(), meta.ctime_nsec());
        path.metadata().map(of).unwrap_or(Stamp(0, 0, 0))
    }
}
