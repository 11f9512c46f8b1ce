//! The loaded sections of a vmlinux, cut at its symbols.

use std::collections::BTreeMap;

use anyhow::{Context, Result};
use camino::Utf8Path;
use object::elf::{SHF_ALLOC, SHT_NOBITS};
use object::read::elf::{ElfFile64, SectionHeader as _};
use object::{LittleEndian as LE, Object, ObjectSection, ObjectSymbol, SymbolKind};

use super::memory::Memory;

#[derive(Debug, Clone)]
pub(super) struct Kernel {
    pub(super) sections: Vec<Content>,
}

/// One section.
#[derive(Debug, Clone)]
pub(super) struct Content {
    pub(super) name: String,
    pub(super) address: u64,
    pub(super) data: Vec<u8>,
    /// By offset, one for each.
    pub(super) symbols: BTreeMap<usize, String>,
}

/// What lies in front of a section's first symbol.
const START: &str = "(start)";

impl Kernel {
    /// # Errors
    /// If it is no ELF file that can be read.
    pub(super) fn read(vmlinux: &Utf8Path) -> Result<Self> {
        let data = std::fs::read(vmlinux).with_context(|| format!("failed to read {vmlinux}"))?;
        Self::parse(&data).with_context(|| format!("failed to read sections of {vmlinux}"))
    }

    fn parse(data: &[u8]) -> Result<Self> {
        let file = ElfFile64::<LE>::parse(data)?;
        let mut sections = vec![];
        for section in file.sections() {
            let header = section.elf_section_header();
            let loaded = header.sh_flags(LE) & u64::from(SHF_ALLOC) != 0;
            if !loaded || header.sh_type(LE) == SHT_NOBITS {
                continue;
            }
            let mut symbols: BTreeMap<usize, String> = BTreeMap::new();
            let within = file.symbols().filter(|one| one.section_index() == Some(section.index()));
            for symbol in within.filter(|one| is_cut(one.kind())) {
                let (name, at) = (symbol.name()?, symbol.address().wrapping_sub(section.address()));
                let at = usize::try_from(at)?;
                // arm64 marks code and data within functions with $x and $d.
                if name.is_empty() || name.starts_with('$') || at as u64 >= section.size() {
                    continue;
                }
                let known = symbols.entry(at).or_insert_with(|| name.to_owned());
                if name < known.as_str() {
                    name.clone_into(known);
                }
            }
            let (name, data) = (section.name()?.to_owned(), section.data()?.to_owned());
            sections.push(Content { name, address: section.address(), data, symbols });
        }
        Ok(Kernel { sections })
    }

    /// The same sections and symbols with what lies there in a guest's memory.
    pub(super) fn with_content(&self, memory: &Memory) -> Self {
        let filled = |section: &Content| {
            let data = memory.at(section.address, section.data.len()).unwrap_or_default();
            Content { data: data.to_owned(), ..section.clone() }
        };
        Kernel { sections: self.sections.iter().map(filled).collect() }
    }

    /// The lowest address of a section.
    pub(super) fn start(&self) -> u64 {
        self.sections.iter().map(|section| section.address).min().unwrap_or_default()
    }

    pub(super) fn section(&self, name: &str) -> Option<&Content> {
        self.sections.iter().find(|section| section.name == name)
    }
}

fn is_cut(kind: SymbolKind) -> bool {
    !matches!(kind, SymbolKind::File | SymbolKind::Section)
}

impl Content {
    /// From each symbol to the next, with its name; one that comes again has its number behind it.
    pub(super) fn pieces(&self) -> Vec<(String, &[u8])> {
        let mut starts: Vec<(usize, &str)> =
            self.symbols.iter().map(|(at, name)| (*at, name.as_str())).collect();
        if starts.first().is_none_or(|(at, _)| *at > 0) {
            starts.insert(0, (0, START));
        }
        let ends = starts.iter().skip(1).map(|(at, _)| *at).chain([self.data.len()]);
        let mut seen: BTreeMap<&str, usize> = BTreeMap::new();
        let mut pieces = vec![];
        for ((start, name), end) in starts.iter().zip(ends) {
            let count = seen.entry(name).or_default();
            *count += 1;
            let name = match count {
                1 => (*name).to_owned(),
                count => format!("{name} ({count})"),
            };
            pieces.push((name, self.data.get(*start..end).unwrap_or_default()));
        }
        pieces
    }
}
