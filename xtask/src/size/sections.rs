//! The sections of a vmlinux, and how many bytes of each come from which object.

use std::collections::{BTreeMap, HashSet};

use anyhow::{Context, Result};
use camino::{Utf8Path, Utf8PathBuf};
use object::elf::{SHF_ALLOC, SHF_EXECINSTR, SHF_MERGE, SHF_STRINGS, SHF_WRITE, SHT_NOBITS};
use object::read::elf::{ElfFile64, ElfSection64, SectionHeader as _};
use object::{LittleEndian as LE, Object, ObjectSection, ObjectSymbol};

use super::linked::Linked;
use super::script::Script;
use super::{Bytes, Kind};

type Elf<'data> = ElfFile64<'data, LE>;

/// A loaded section of the kernel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Output {
    pub(super) name: String,
    pub(super) kind: Kind,
    pub(super) size: u64,
}

/// The linked kernel.
#[derive(Debug, Default)]
pub(super) struct Vmlinux {
    pub(super) outputs: Vec<Output>,
    defined: HashSet<String>,
}

impl Vmlinux {
    /// # Errors
    /// If it is no ELF file that can be read.
    pub(super) fn read(path: &Utf8Path) -> Result<Self> {
        let data = std::fs::read(path).with_context(|| format!("failed to read {path}"))?;
        Self::parse(&data).with_context(|| format!("failed to read sections of {path}"))
    }

    fn parse(data: &[u8]) -> Result<Self> {
        let file = Elf::parse(data)?;
        let named = file.symbols().filter(|symbol| !symbol.is_undefined());
        let named = named.filter_map(|symbol| Some((symbol.name().ok()?, symbol.address())));
        let addresses: BTreeMap<&str, u64> = named.collect();
        // Both arches mark them (include/asm-generic/sections.h).
        let between = |from: &str, to: &str| {
            let ends = addresses.get(from).zip(addresses.get(to));
            ends.map_or(0..0, |(from, to)| *from..*to)
        };
        let freed = between("__init_begin", "__init_end");
        let constant = between("__start_rodata", "__end_rodata");
        let mut outputs = vec![];
        for section in file.sections().filter(|section| has(section, SHF_ALLOC)) {
            let name = section.name()?.to_owned();
            let kind = match () {
                () if is_empty_in_file(&section) => Kind::Bss,
                // Its copies, one for each CPU, stay.
                () if name.starts_with(".data..percpu") => Kind::Data,
                () if freed.contains(&section.address()) => Kind::Init,
                () if constant.contains(&section.address()) => Kind::Rodata,
                () if has(&section, SHF_EXECINSTR) => Kind::Text,
                () if has(&section, SHF_WRITE) => Kind::Data,
                () => Kind::Rodata,
            };
            outputs.push(Output { name, kind, size: section.size() });
        }
        let defined = addresses.into_keys().map(str::to_owned).collect();
        Ok(Vmlinux { outputs, defined })
    }
}

fn has(section: &ElfSection64<'_, '_, LE>, flag: u32) -> bool {
    section.elf_section_header().sh_flags(LE) & u64::from(flag) != 0
}

fn is_empty_in_file(section: &ElfSection64<'_, '_, LE>) -> bool {
    section.elf_section_header().sh_type(LE) == SHT_NOBITS
}

/// Counts objects, in the order of the link.
pub(super) struct Count<'a> {
    obj: &'a Utf8Path,
    script: &'a Script,
    vmlinux: &'a Vmlinux,
    /// For each output section, what objects brought.
    brought: Vec<u64>,
    shared: HashSet<Constant>,
}

/// A constant that the linker keeps once, for all objects that have it: the output section, size and
/// alignment of an entry, its content.
type Constant = (usize, u64, u64, Vec<u8>);

impl<'a> Count<'a> {
    pub(super) fn new(obj: &'a Utf8Path, script: &'a Script, vmlinux: &'a Vmlinux) -> Self {
        let brought = vec![0; vmlinux.outputs.len()];
        Count { obj, script, vmlinux, brought, shared: HashSet::new() }
    }

    /// What an object brings; nothing if the linker left it in its library.
    ///
    /// # Errors
    /// If it cannot be read: one of link-time optimisation is no ELF file.
    pub(super) fn object(&mut self, linked: &Linked) -> Result<Option<Bytes>> {
        let path = self.obj.join(&linked.path);
        let data = std::fs::read(&path).with_context(|| format!("failed to read {path}"))?;
        let failed = || format!("failed to read sections of {path}");
        let file = Elf::parse(data.as_slice()).with_context(failed)?;
        if linked.if_needed && !self.was_taken(&file) {
            return Ok(None);
        }
        let mut bytes = Bytes::default();
        for section in file.sections().filter(|section| has(section, SHF_ALLOC)) {
            let Some(output) = self.script.output(section.name().with_context(failed)?) else {
                continue;
            };
            let outputs = &self.vmlinux.outputs;
            let Some(at) = outputs.iter().position(|one| one.name == output) else { continue };
            let size = match has(&section, SHF_MERGE) && !is_empty_in_file(&section) {
                true => self.merged(at, &section, section.data().with_context(failed)?),
                false => section.size(),
            };
            self.brought[at] += size;
            *bytes.of(outputs[at].kind) += signed(size);
        }
        Ok(Some(bytes))
    }

    /// The linker takes an object of a library for a symbol that is missing; all others then come
    /// along.
    fn was_taken(&self, file: &Elf<'_>) -> bool {
        let defines = file.symbols().filter(|one| one.is_global() && !one.is_undefined());
        let mut names = defines.filter(|one| !one.is_weak()).filter_map(|one| one.name().ok());
        let Some(first) = names.next() else { return false };
        self.vmlinux.defined.contains(first) && names.all(|n| self.vmlinux.defined.contains(n))
    }

    /// How many bytes of a section of constants no earlier object had.
    fn merged(&mut self, at: usize, section: &ElfSection64<'_, '_, LE>, mut rest: &[u8]) -> u64 {
        let entry = section.elf_section_header().sh_entsize(LE).max(1);
        let (align, strings) = (section.align().max(1), has(section, SHF_STRINGS));
        let bytes = |count: u64| usize::try_from(count).unwrap_or(1);
        let mut new = 0;
        while !rest.is_empty() {
            let length =
                if strings { string(rest, bytes(entry), bytes(align)) } else { bytes(entry) };
            let (one, after) = rest.split_at(length.min(rest.len()));
            if self.shared.insert((at, entry, align, one.to_owned())) {
                new += one.len() as u64;
            }
            rest = after;
        }
        new
    }

    /// What no object accounts for: the linker's own tables, what aligns one thing behind another,
    /// what the kernel's tools added to all objects together; negative where the linker found more to
    /// share than was counted.
    pub(super) fn rest(&self) -> Vec<(Utf8PathBuf, Bytes)> {
        let rest = |(output, brought): (&Output, &u64)| {
            let difference = signed(output.size) - signed(*brought);
            let mut bytes = Bytes::default();
            *bytes.of(output.kind) = difference;
            (difference != 0).then(|| (output.name.clone().into(), bytes))
        };
        self.vmlinux.outputs.iter().zip(&self.brought).filter_map(rest).collect()
    }
}

/// The length of a string with its end and what aligns the next one.
fn string(text: &[u8], character: usize, align: usize) -> usize {
    let end = text.chunks(character).position(|one| one.iter().all(|byte| *byte == 0));
    end.map_or(text.len(), |end| ((end + 1) * character).next_multiple_of(align))
}

fn signed(bytes: u64) -> i64 {
    i64::try_from(bytes).unwrap_or(i64::MAX)
}
