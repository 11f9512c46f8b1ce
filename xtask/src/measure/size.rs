//! Sizes of an image and of the vmlinux that it was made from.

use std::collections::BTreeMap;
use std::fs::File;

use anyhow::{Context, Result};
use camino::Utf8Path;
use object::LittleEndian as LE;
use object::elf::{FileHeader64, SHF_ALLOC, SHF_EXECINSTR, SHF_WRITE, SHT_NOBITS};
use object::read::ReadCache;
use object::read::elf::{FileHeader as _, SectionHeader as _};

use super::Figure;

/// # Errors
/// If the image cannot be looked at, or there is a vmlinux that cannot be read.
pub(crate) fn of(image: &Utf8Path, vmlinux: Option<&Utf8Path>) -> Result<BTreeMap<Figure, u64>> {
    let size = std::fs::metadata(image).with_context(|| format!("failed to look at {image}"))?;
    let mut sizes = BTreeMap::from([(Figure::Image, size.len())]);
    if let Some(vmlinux) = vmlinux {
        let Sections { text, data, bss } = Sections::read(vmlinux)?;
        sizes.extend([(Figure::Text, text), (Figure::Data, data), (Figure::Bss, bss)]);
    }
    Ok(sizes)
}

/// Bytes of an ELF file that are loaded, as `size` of the binutils counts them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Sections {
    /// What cannot be written to, constants included.
    pub(crate) text: u64,
    pub(crate) data: u64,
    pub(crate) bss: u64,
}

impl Sections {
    /// # Errors
    /// If it is no ELF file of a 64-bit machine.
    pub(crate) fn read(path: &Utf8Path) -> Result<Self> {
        Self::of(path).with_context(|| format!("failed to read sections of {path}"))
    }

    fn of(path: &Utf8Path) -> Result<Self> {
        let data = ReadCache::new(File::open(path)?);
        let header = FileHeader64::<LE>::parse(&data)?;
        let mut sizes = Sections::default();
        for section in header.sections(LE, &data)?.iter() {
            let has = |flag: u32| section.sh_flags(LE) & u64::from(flag) != 0;
            let kind = match () {
                () if !has(SHF_ALLOC) => continue,
                () if has(SHF_EXECINSTR) || !has(SHF_WRITE) => &mut sizes.text,
                () if section.sh_type(LE) != SHT_NOBITS => &mut sizes.data,
                () => &mut sizes.bss,
            };
            *kind += section.sh_size(LE);
        }
        Ok(sizes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_elf_file_is_told() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("vmlinux");
        std::fs::write(&path, "no ELF").unwrap();
        let path = Utf8Path::from_path(&path).unwrap();
        assert_eq!(of(path, None).unwrap(), BTreeMap::from([(Figure::Image, 6)]));
        assert!(of(path, Some(path)).unwrap_err().to_string().contains("failed to read sections"));
    }

    #[test]
    fn a_program_is_counted() {
        let own = std::env::current_exe().unwrap();
        let sizes = of(Utf8Path::from_path(&own).unwrap(), Utf8Path::from_path(&own)).unwrap();
        assert!(sizes[&Figure::Text] > 1000 && sizes[&Figure::Text] < sizes[&Figure::Image]);
        assert!(sizes[&Figure::Data] > 0 && sizes[&Figure::Bss] > 0, "{sizes:?}");
    }
}
