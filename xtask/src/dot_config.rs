//! A file that is taken for a `.config`, or for a fragment of one: what it is, before anybody acts on it.

use anyhow::{Context as _, Result, anyhow};
use camino::Utf8Path;
use vmm_kernel::{Arch, Sniffed, sniff};

use crate::diag::Hint;

/// The text of a `.config`, a defconfig or a fragment.
///
/// # Errors
/// If the file cannot be read, is something else, or sets no symbol.
pub(crate) fn read(path: &Utf8Path) -> Result<String> {
    let bytes = std::fs::read(path).with_context(|| format!("failed to read {path}"))?;
    let is = match sniff(&bytes) {
        Some(Sniffed::Text | Sniffed::Empty) => None,
        Some(Sniffed::Compressed(tool)) => {
            return Err(anyhow!("{path} is no .config: it is a file compressed with {tool}"))
                .hint(|| format!("unpack it: `{tool} -dc {path}`"));
        }
        Some(other) => Some(other.to_string()),
        None if bytes.contains(&0) => Some("a file that is no text".to_owned()),
        None => None,
    };
    if let Some(is) = is {
        return Err(anyhow!("{path} is no .config: it is {is}"));
    }
    let text = String::from_utf8_lossy(&bytes).into_owned();
    if lines(&text).next().is_some() {
        return Ok(text);
    }
    Err(anyhow!("{path} is no .config: none of its lines sets a symbol"))
        .hint(|| "a list has a name that ends in .list, a tree is a folder")
}

/// The lines that set something: number, symbol and value.
pub(crate) fn lines(text: &str) -> impl Iterator<Item = (usize, &str, &str)> {
    (1..).zip(text.lines()).filter_map(|(number, line)| {
        let unset = line.strip_prefix("# CONFIG_").and_then(|l| l.strip_suffix(" is not set"));
        let set = || line.strip_prefix("CONFIG_")?.split_once('=');
        let (symbol, value) = unset.map(|symbol| (symbol, "n")).or_else(set)?;
        Some((number, symbol, value))
    })
}

/// Whether it has every symbol of a kernel: what `savedefconfig` writes, and what people write, leaves
/// those with their defaults out. conf puts its heading over whole files alone
/// (scripts/kconfig/confdata.c, `conf_write`), and CC_VERSION_TEXT, which no line can set, is in each
/// (init/Kconfig, since Linux 4.18).
pub(crate) fn is_whole(text: &str) -> bool {
    let is_heading = |line: &str| line == "# Automatically generated file; DO NOT EDIT.";
    text.lines().any(|line| is_heading(line) || line.starts_with("CONFIG_CC_VERSION_TEXT="))
}

/// The architecture that a `.config` is for, if it says so.
pub(crate) fn arch_of(text: &str) -> Option<Arch> {
    const SAID_BY: [(&str, Arch); 2] =
        [("CONFIG_X86_64=y", Arch::X86_64), ("CONFIG_ARM64=y", Arch::Aarch64)];
    let said = |line: &str| SAID_BY.iter().find(|(said, _)| *said == line);
    text.lines().find_map(said).map(|(_, arch)| *arch)
}
