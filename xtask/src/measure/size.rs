//! Sizes of an image and of the vmlinux that it was made from.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Write as _;

use anyhow::{Context, Result, anyhow};
use camino::Utf8Path;
use flate2::Compression;
use flate2::write::GzEncoder;
use object::LittleEndian as LE;
use object::elf::{FileHeader64, PT_LOAD, SHF_ALLOC, SHF_EXECINSTR, SHF_WRITE, SHT_NOBITS};
use object::read::ReadCache;
use object::read::elf::{FileHeader as _, ProgramHeader as _, SectionHeader as _};

use super::Figure;

/// # Errors
/// If the image cannot be looked at, or there is a vmlinux that cannot be read.
pub(crate) fn of(image: &Utf8Path, vmlinux: Option<&Utf8Path>) -> Result<BTreeMap<Figure, u64>> {
    let size = std::fs::metadata(image).with_context(|| format!("failed to look at {image}"))?;
    let mut sizes = BTreeMap::from([(Figure::Image, size.len())]);
    if let Some(vmlinux) = vmlinux {
        sizes.extend(of_vmlinux(vmlinux)?);
        let packed = packed(vmlinux).with_context(|| format!("failed to pack {vmlinux}"))?;
        sizes.insert(Figure::Packed, packed);
    }
    Ok(sizes)
}

/// As `size` of the binutils counts: text is what cannot be written to, constants included.
///
/// # Errors
/// If it cannot be read.
pub(crate) fn of_vmlinux(vmlinux: &Utf8Path) -> Result<BTreeMap<Figure, u64>> {
    let sizes =
        sections(vmlinux).with_context(|| format!("failed to read sections of {vmlinux}"))?;
    Ok(sizes.into())
}

fn sections(vmlinux: &Utf8Path) -> Result<[(Figure, u64); 3]> {
    let data = ReadCache::new(File::open(vmlinux)?);
    let header = FileHeader64::<LE>::parse(&data)?;
    let (mut text, mut initialised, mut bss) = (0, 0, 0);
    for section in header.sections(LE, &data)?.iter() {
        let has = |flag: u32| section.sh_flags(LE) & u64::from(flag) != 0;
        let kind = match () {
            () if !has(SHF_ALLOC) => continue,
            () if has(SHF_EXECINSTR) || !has(SHF_WRITE) => &mut text,
            () if section.sh_type(LE) != SHT_NOBITS => &mut initialised,
            () => &mut bss,
        };
        *kind += section.sh_size(LE);
    }
    Ok([(Figure::Text, text), (Figure::Data, initialised), (Figure::Bss, bss)])
}

/// How long what is loaded of a vmlinux gets by `gzip -9`, whatever its own image is packed with.
fn packed(vmlinux: &Utf8Path) -> Result<u64> {
    let data = ReadCache::new(File::open(vmlinux)?);
    let header = FileHeader64::<LE>::parse(&data)?;
    let mut gzip = GzEncoder::new(vec![], Compression::best());
    for segment in header.program_headers(LE, &data)? {
        if segment.p_type(LE) == PT_LOAD {
            let content = segment.data(LE, &data);
            gzip.write_all(content.map_err(|()| anyhow!("a segment is cut off"))?)?;
        }
    }
    Ok(gzip.finish()?.len() as u64)
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
        assert!(sizes[&Figure::Packed] > 1000 && sizes[&Figure::Packed] < sizes[&Figure::Text]);
    }
}
