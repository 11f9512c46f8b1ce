//! What kbuild tells Kconfig: the variables that the top Makefile of the tree exports to it.

use std::collections::BTreeMap;

use anyhow::{Result, ensure};
use camino::{Utf8Path, Utf8PathBuf};

use crate::hash;
use crate::source::Tree;
use crate::toolchain::{FOREIGN_VARIABLES, Family, KbuildArch};

/// What is the same for every arch.
const FIXED: [(&str, &str); 12] = [
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
#[derive(Debug, Default)]
pub(crate) struct Environment {
    pub variables: BTreeMap<String, String>,
    /// Hash of all that the answer of a command depends on, but for the tree's own files: the
    /// variables, and the tools that they name.
    pub identity: String,
    /// The command that says what kbuild adds to each call of clang.
    clang_flags: Option<String>,
}

impl Environment {
    pub(crate) fn new(tree: &Tree, arch: &KbuildArch) -> Result<Self> {
        let mut variables: BTreeMap<String, String> =
            FIXED.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        variables.extend(arch.tools().into_iter().map(|(name, tool)| (name.to_owned(), tool)));
        let of_tree = [
            ("srctree", tree.dir.to_string()),
            ("ARCH", arch.name.clone()),
            ("SRCARCH", arch.source().to_owned()),
            ("CROSS_COMPILE", arch.prefix.clone()),
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
        let clang_flags = clang_flags(tree, arch)?;
        Ok(Environment { variables, identity, clang_flags })
    }

    /// Commands whose first line kbuild puts in a variable, for the tree to know its tools by.
    pub(crate) fn version_texts(&self) -> Vec<(&'static str, String)> {
        let tool = |name: &str| self.variables.get(name).cloned().unwrap_or_default();
        let mut texts = vec![
            ("CC_VERSION_TEXT", format!("LC_ALL=C {} --version | head -n 1", tool("CC"))),
            ("RUSTC_VERSION_TEXT", format!("{} --version", tool("RUSTC"))),
        ];
        texts.extend(self.clang_flags.iter().map(|command| ("CLANG_FLAGS", command.clone())));
        texts
    }

    /// What a user's shell holds and kbuild does not hand on.
    pub(crate) fn foreign() -> impl Iterator<Item = &'static str> {
        FOREIGN_VARIABLES.iter().copied().chain(["LC_ALL"])
    }
}

/// The tree's own makefile is asked. Before 5.18 kbuild knew no versions of LLVM, and less of what it takes.
fn clang_flags(tree: &Tree, arch: &KbuildArch) -> Result<Option<String>> {
    if arch.family == Family::Gnu {
        return Ok(None);
    }
    let (version, family) = (&tree.version, &arch.family);
    ensure!(
        version.numbers() >= (5, 18),
        "Linux {version} is not built with {family}: 5.18 is the first"
    );
    let makefile = tree.dir.join("scripts/Makefile.clang");
    Ok(Some(format!(
        "printf '%s\\n' 'include {makefile}' 'flags:; @echo $(CLANG_FLAGS)' | make -s -f - flags"
    )))
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
