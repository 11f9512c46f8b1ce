//! Where two images of one kernel differ: in which part of the file, and of the kernels in them in
//! which section, at which symbol.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use anyhow::{Context, Result};
use camino::Utf8Path;
use serde::Serialize;
use vmm_kernel::ImageFormat;

use super::kernel::{Content, Kernel};
use super::memory::Memory;
use crate::image::payload_of_bzimage;
use crate::shell::Shell;

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Differences {
    /// Parts of the file that differ, in its order.
    pub(crate) parts: Vec<Part>,
    /// Sections of the kernel that differ; nothing where only what is around it does.
    pub(crate) sections: Vec<Section>,
    /// Why nobody could look into the kernels.
    pub(crate) unread: Option<String>,
}

/// Sizes and offsets in bytes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Part {
    pub(crate) name: &'static str,
    pub(crate) given: usize,
    pub(crate) rebuilt: usize,
    #[serde(flatten)]
    pub(crate) bytes: Bytes,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Section {
    pub(crate) name: String,
    /// Size in bytes; none where the image that was given has no such section.
    pub(crate) given: Option<usize>,
    pub(crate) rebuilt: Option<usize>,
    /// First those that only one has or that changed their size: the others follow from them.
    pub(crate) symbols: Vec<Symbol>,
}

/// What lies from one symbol to the next.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Symbol {
    pub(crate) name: String,
    pub(crate) given: Option<usize>,
    pub(crate) rebuilt: Option<usize>,
    #[serde(flatten)]
    pub(crate) bytes: Bytes,
}

/// Which bytes differ, of those that both have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub(crate) struct Bytes {
    pub(crate) differing: usize,
    /// Offset of the first; where all are the same, of the end of the shorter.
    pub(crate) first: usize,
}

impl Bytes {
    /// None where both are the same.
    fn of(given: &[u8], rebuilt: &[u8]) -> Option<Self> {
        let differ = || (0..).zip(given.iter().zip(rebuilt)).filter(|(_, (a, b))| a != b);
        let shorter = given.len().min(rebuilt.len());
        let first = differ().next().map_or(shorter, |(at, _)| at);
        (given != rebuilt).then(|| Bytes { differing: differ().count(), first })
    }
}

/// The image that is looked at, the one that was built again, and the vmlinux of each: where the first
/// one's is gone, what is unpacked of its image is laid out as the second one's is.
///
/// # Errors
/// If one cannot be read, or the user interrupts.
pub(crate) fn differences(
    shell: &Shell,
    format: ImageFormat,
    (given, its_vmlinux): (&Utf8Path, Option<&Utf8Path>),
    (rebuilt, vmlinux): (&Utf8Path, &Utf8Path),
    scratch: &Utf8Path,
) -> Result<Differences> {
    let read = |path: &Utf8Path| {
        std::fs::read(path).with_context(|| format!("failed to read image {path}"))
    };
    let (first, second) = (read(given)?, read(rebuilt)?);
    let layout = Kernel::read(vmlinux)?;
    let unpacked = |path: &Utf8Path, data: &[u8]| -> Result<Kernel> {
        let memory = Memory::of_image(shell, (data, format), layout.start(), scratch)
            .with_context(|| format!("failed to look into image {path}"))?;
        Ok(layout.with_content(&memory))
    };
    let compared = match its_vmlinux {
        Some(its) => Kernel::read(its).map(|its| sections(&its, &layout)),
        None => unpacked(given, &first)
            .and_then(|first| Ok(sections(&first, &unpacked(rebuilt, &second)?))),
    };
    shell.check_interrupt()?;
    let parts = parts(format, &first, &second)?;
    // What is told of the file is true all the same.
    Ok(match compared {
        Ok(sections) => Differences { parts, sections, unread: None },
        Err(error) => Differences { parts, sections: vec![], unread: Some(format!("{error:#}")) },
    })
}

fn parts(format: ImageFormat, given: &[u8], rebuilt: &[u8]) -> Result<Vec<Part>> {
    let (first, second) = (ranges(format, given)?, ranges(format, rebuilt)?);
    let part = |((name, first), (_, second)): ((&'static str, Range<usize>), (_, Range<usize>))| {
        let (first, second) = (given.get(first)?, rebuilt.get(second)?);
        let bytes = Bytes::of(first, second)?;
        Some(Part { name, given: first.len(), rebuilt: second.len(), bytes })
    };
    Ok(first.into_iter().zip(second).filter_map(part).collect())
}

fn ranges(format: ImageFormat, image: &[u8]) -> Result<Vec<(&'static str, Range<usize>)>> {
    if format != ImageFormat::BzImage {
        return Ok(vec![("image", 0..image.len())]);
    }
    let (setup, payload) = payload_of_bzimage(image)?;
    let end = image.len();
    let offset = |at: u64| usize::try_from(at).unwrap_or(end).min(end);
    let (setup, start, stop) = (offset(setup), offset(payload.start), offset(payload.end));
    Ok(vec![
        ("setup header", 0..setup),
        ("unpacking code", setup..start),
        ("packed kernel", start..stop),
        ("unpacking data", stop..end),
    ])
}

pub(super) fn sections(given: &Kernel, rebuilt: &Kernel) -> Vec<Section> {
    let mut names: Vec<&str> =
        given.sections.iter().chain(&rebuilt.sections).map(|one| one.name.as_str()).collect();
    let mut seen = BTreeSet::new();
    names.retain(|name| seen.insert(*name));
    let section = |name: &str| {
        let (first, second) = (given.section(name), rebuilt.section(name));
        (first.map(|one| &one.data) != second.map(|one| &one.data)).then(|| Section {
            name: name.to_owned(),
            given: first.map(|one| one.data.len()),
            rebuilt: second.map(|one| one.data.len()),
            symbols: symbols(first, second),
        })
    };
    names.into_iter().filter_map(section).collect()
}

fn symbols(given: Option<&Content>, rebuilt: Option<&Content>) -> Vec<Symbol> {
    let first = given.map(Content::pieces).unwrap_or_default();
    let second = rebuilt.map(Content::pieces).unwrap_or_default();
    let by_name: BTreeMap<&str, &[u8]> =
        first.iter().map(|(name, data)| (name.as_str(), *data)).collect();
    let mut all = vec![];
    let mut both = BTreeSet::new();
    for (name, data) in &second {
        let before = by_name.get(name.as_str()).copied();
        both.extend(before.map(|_| name.as_str()));
        all.extend(symbol(name, before, Some(data)));
    }
    let gone = first.iter().filter(|(name, _)| !both.contains(name.as_str()));
    all.extend(gone.filter_map(|(name, data)| symbol(name, Some(data), None)));
    all.sort_by_key(|one| one.given == one.rebuilt);
    all
}

fn symbol(name: &str, given: Option<&[u8]>, rebuilt: Option<&[u8]>) -> Option<Symbol> {
    let both = (given.unwrap_or_default(), rebuilt.unwrap_or_default());
    let only_one =
        || (given.is_some() != rebuilt.is_some()).then_some(Bytes { differing: 0, first: 0 });
    let bytes = Bytes::of(both.0, both.1).or_else(only_one)?;
    let size = |one: Option<&[u8]>| one.map(<[u8]>::len);
    Some(Symbol { name: name.to_owned(), given: size(given), rebuilt: size(rebuilt), bytes })
}
