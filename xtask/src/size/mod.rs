//! An object tree to what each compiled file adds to a kernel's image and memory, and to what brought
//! it in: the sections of the objects that were linked, held against those of the vmlinux.

mod growth;
mod linked;
mod origin;
mod script;
mod sections;
#[cfg(test)]
mod tests;
mod view;

use std::collections::BTreeMap;
use std::ops::{Add, AddAssign, Sub};

use anyhow::{Context, Result};
use camino::{Utf8Path, Utf8PathBuf};
use serde::Serialize;
use vmm_kernel::{Arch, ImageFormat};

use crate::diag::Hint;
use crate::image::kbuild_output;
use crate::measure::{Asked, Figure, Makefiles, Needs, vmlinux_sizes};
use crate::resolve::values;
use crate::toolchain::KbuildArch;

pub(crate) use growth::{Grown, growth};
pub(crate) use origin::origins;
pub(crate) use view::{Change, For, Node, Row, View, compare, rows, tree};

use linked::linked;
use script::Script;
use sections::{Count, Vmlinux};

/// What a part of the kernel's memory is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Text,
    /// What the kernel protects from being written to.
    Rodata,
    Data,
    Bss,
    /// Code and data of the start, whose memory is given back after it.
    Init,
}

/// Bytes of each kind; negative where something shrank.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Bytes {
    pub(crate) text: i64,
    pub(crate) rodata: i64,
    pub(crate) data: i64,
    pub(crate) bss: i64,
    pub(crate) init: i64,
}

impl Bytes {
    fn of(&mut self, kind: Kind) -> &mut i64 {
        match kind {
            Kind::Text => &mut self.text,
            Kind::Rodata => &mut self.rodata,
            Kind::Data => &mut self.data,
            Kind::Bss => &mut self.bss,
            Kind::Init => &mut self.init,
        }
    }

    /// What the image carries, before it is packed.
    pub(crate) fn image(&self) -> i64 {
        self.text + self.rodata + self.data + self.init
    }

    /// What stays in memory once the kernel has started.
    pub(crate) fn kept(&self) -> i64 {
        self.text + self.rodata + self.data + self.bss
    }

    pub(crate) fn all(&self) -> i64 {
        self.image() + self.bss
    }
}

impl AddAssign for Bytes {
    fn add_assign(&mut self, other: Bytes) {
        *self = *self + other;
    }
}

impl Add for Bytes {
    type Output = Bytes;

    fn add(self, other: Bytes) -> Bytes {
        Bytes {
            text: self.text + other.text,
            rodata: self.rodata + other.rodata,
            data: self.data + other.data,
            bss: self.bss + other.bss,
            init: self.init + other.init,
        }
    }
}

impl Sub for Bytes {
    type Output = Bytes;

    fn sub(self, other: Bytes) -> Bytes {
        Bytes {
            text: self.text - other.text,
            rodata: self.rodata - other.rodata,
            data: self.data - other.data,
            bss: self.bss - other.bss,
            init: self.init - other.init,
        }
    }
}

/// Who made a part of the kernel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Maker {
    Compiler,
    /// Or a tool that the kernel runs over all objects together.
    Linker,
}

/// An object of the kernel, or what no object accounts for in one section.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Part {
    /// The object, relative to the object tree; the section.
    pub(crate) name: Utf8PathBuf,
    pub(crate) maker: Maker,
    #[serde(flatten)]
    pub(crate) bytes: Bytes,
    /// What brought the object in.
    pub(crate) needs: Needs,
    /// How each of these symbols came to be asked for; none that is on in every kernel of the arch.
    pub(crate) asked: BTreeMap<String, Asked>,
}

/// A kernel in parts.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Sized {
    pub(crate) name: String,
    pub(crate) arch: Arch,
    /// The image that the object tree holds, in bytes.
    pub(crate) image: Option<(ImageFormat, u64)>,
    /// As `size` counts the vmlinux.
    pub(crate) vmlinux: BTreeMap<Figure, u64>,
    pub(crate) parts: Vec<Part>,
}

impl Sized {
    pub(crate) fn total(&self) -> Bytes {
        self.parts.iter().fold(Bytes::default(), |sum, part| sum + part.bytes)
    }
}

/// A kernel's object tree, and what it is of.
#[derive(Debug, Clone)]
pub(crate) struct Built<'a> {
    pub(crate) name: &'a str,
    pub(crate) arch: Arch,
    pub(crate) obj: &'a Utf8Path,
    /// The kernel tree.
    pub(crate) tree: &'a Utf8Path,
    /// How symbols came to be asked for, as [`origins`] has it.
    pub(crate) origins: &'a BTreeMap<String, Asked>,
}

/// Reads it.
///
/// # Errors
/// If the object tree lacks something that a finished build leaves, or holds what cannot be read.
pub(crate) fn of(built: &Built<'_>) -> Result<Sized> {
    let Built { name, arch, obj, tree, origins } = built;
    let text = |path: Utf8PathBuf| {
        std::fs::read_to_string(&path)
            .with_context(|| format!("failed to read {path}"))
            .hint(|| "an object tree is what `make` left in a folder where it built a kernel")
    };
    let dot_config = text(obj.join(".config"))?;
    let on = values(&dot_config);
    let is_on = |symbol: &str| on.contains_key(symbol);
    let kbuild = KbuildArch::new(arch.kbuild(), "");
    let folder = Utf8Path::new("arch").join(kbuild.source()).join("kernel");
    let script = Script::parse(&text(obj.join(folder).join("vmlinux.lds"))?);
    let path = obj.join("vmlinux");
    let vmlinux = Vmlinux::read(&path)?;
    let mut count = Count::new(obj, &script, &vmlinux);
    let mut makefiles = Makefiles::new(tree, *arch);
    let mut parts = vec![];
    for object in linked(obj, &is_on)? {
        let Some(bytes) = count.object(&object)? else { continue };
        let from_makefiles = || makefiles.needs(&object.path, &is_on);
        let needs = object.needs.clone().unwrap_or_else(from_makefiles);
        let asked = |symbol: &String| Some((symbol.clone(), origins.get(symbol)?.clone()));
        let asked = needs.symbols().iter().filter_map(asked).collect();
        parts.push(Part { name: object.path, maker: Maker::Compiler, bytes, needs, asked });
    }
    parts.extend(count.rest().into_iter().map(|(name, bytes)| Part {
        name,
        maker: Maker::Linker,
        bytes,
        needs: Needs::Unknown,
        asked: BTreeMap::new(),
    }));
    let vmlinux = vmlinux_sizes(&path)?;
    Ok(Sized { name: (*name).to_owned(), arch: *arch, image: image(obj), vmlinux, parts })
}

/// The image that kbuild packed.
fn image(obj: &Utf8Path) -> Option<(ImageFormat, u64)> {
    let size = |format| Some((format, obj.join(kbuild_output(format)).metadata().ok()?.len()));
    [ImageFormat::BzImage, ImageFormat::Image].into_iter().find_map(size)
}
