//! `sources.toml`: which kernel sources there are by name, and where each comes from.

mod written;

use anyhow::{Context, Result, anyhow};
use camino::{Utf8Path, Utf8PathBuf};
use toml_edit::{DocumentMut, Item};

use self::written::parse;
use super::debian::Package;
use super::git::Revision;
use super::kernel_org::{Mirror, Release};
use super::patches::Patches;
use super::tarball;
use crate::diag::{Hint, did_you_mean};

/// Name of the file with the pins, in the conf dir.
const FILE: &str = "sources.toml";

/// What the name of kernel.org's release ends in that is taken in the place of a package.
const SUBSTITUTE: &str = "+kernel.org";

/// The pins for a conf dir that brings none of its own.
const BUILT_IN: &str = include_str!("../../../fragments/sources.toml");

/// The pins of one conf dir.
#[derive(Debug, Clone)]
pub(crate) struct Sources {
    /// Folder that paths in the file are relative to.
    pub(super) dir: Utf8PathBuf,
    pub(super) origin: Origin,
    default: String,
    pins: Vec<Pin>,
    /// What is taken in the place of pins where a host has no such package.
    substitutes: Vec<Pin>,
    /// URL of the archive of all that Debian ever had, without a slash at its end.
    pub(super) snapshot: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Origin {
    ConfDir,
    /// The conf dir has no `sources.toml`, and is left as it is.
    BuiltIn,
}

/// One named kernel source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Pin {
    pub(crate) name: String,
    pub(super) provider: Provider,
    /// Folder with `*.patch`.
    pub(super) patches: Option<Utf8PathBuf>,
    /// Names of patches that are not to be applied.
    pub(super) left_out: Vec<String>,
}

/// Where a source comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Provider {
    Debian(Package),
    KernelOrg { mirror: Mirror, release: Release },
    Tarball { from: Location, sha256: String },
    Git(Revision),
}

impl Provider {
    /// The one version that it can come to; `None` where others decide.
    pub(super) fn version(&self) -> Option<String> {
        match self {
            Provider::Debian(_) | Provider::KernelOrg { release: Release::NewestOf(_), .. } => None,
            Provider::KernelOrg { release: Release::Version(version), .. } => Some(version.clone()),
            Provider::Tarball { from, sha256 } => Some(tarball::version(from, sha256)),
            Provider::Git(revision) => Some(revision.version().to_owned()),
        }
    }

    /// What the pin itself says of the content; else the lock alone does.
    pub(super) fn sha256(&self) -> Option<&str> {
        match self {
            Provider::Tarball { sha256, .. } => Some(sha256),
            _ => None,
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Location {
    Url(String),
    File(Utf8PathBuf),
}

impl Pin {
    /// The same source without these patches.
    ///
    /// # Errors
    /// If it has no patch of such a name.
    pub(crate) fn without(&self, left_out: &[String]) -> Result<Self> {
        let patches = self.all_patches()?;
        let known = patches.names();
        for name in left_out {
            if !known.contains(&name.as_str()) {
                return Err(anyhow!("kernel source `{}` has no patch `{name}`", self.name)).hint(
                    || match known.is_empty() {
                        true => "it has none at all: leave out --no-patch".to_owned(),
                        false => did_you_mean(name, &known),
                    },
                );
            }
        }
        Ok(Pin { left_out: left_out.to_vec(), ..self.clone() })
    }

    pub(crate) fn left_out(&self) -> &[String] {
        &self.left_out
    }

    /// Names of the patches that are applied to a kernel of one version or another, in order.
    pub(crate) fn patch_names(&self) -> Result<Vec<String>> {
        let patches = self.all_patches()?.without(&self.left_out);
        Ok(patches.names().into_iter().map(str::to_owned).collect())
    }

    /// Also those that are left out.
    pub(super) fn all_patches(&self) -> Result<Patches> {
        Patches::read(self.patches.as_deref())
            .with_context(|| format!("failed to read the patches of kernel source `{}`", self.name))
    }

    /// Where a package is looked for, if that is not this host's own lists.
    pub(crate) fn suite(&self) -> Option<&str> {
        match &self.provider {
            Provider::Debian(package) => package.suite.as_deref(),
            _ => None,
        }
    }

    /// kernel.org's newest release of the same series, under a name of its own, where this is a
    /// package whose name has a series.
    fn substitute(&self, mirror: &Mirror) -> Option<Self> {
        let Provider::Debian(package) = &self.provider else { return None };
        let release = Release::NewestOf(package.series()?.to_owned());
        let provider = Provider::KernelOrg { mirror: mirror.clone(), release };
        Some(Pin { name: format!("{}{SUBSTITUTE}", self.name), provider, ..self.clone() })
    }

    /// The provider and what it is asked for, in one word; part of the lock.
    pub(crate) fn from(&self) -> String {
        match &self.provider {
            // Wherever it comes from, it is the same.
            Provider::Debian(package) => format!("debian:{}", package.name),
            Provider::KernelOrg { release, .. } => format!("kernel.org:{release}"),
            Provider::Git(revision) => revision.from(),
            Provider::Tarball { from: Location::Url(url), .. } => url.clone(),
            // Only the name: a lock is the same on every machine.
            Provider::Tarball { from: Location::File(path), .. } => {
                format!("file:{}", path.file_name().unwrap_or(path.as_str()))
            }
        }
    }
}

impl Sources {
    /// Reads the pins of `conf_dir`; the built-in ones, without patches, if it has no `sources.toml`.
    ///
    /// # Errors
    /// If there is no such folder; with file and line, if the file does not say what it must.
    pub(crate) fn read(conf_dir: &Utf8Path) -> Result<Self> {
        let conf_dir = &camino::absolute_utf8(conf_dir)
            .with_context(|| format!("failed to make the path of conf dir {conf_dir} absolute"))?;
        if !conf_dir.is_dir() {
            return Err(anyhow!("failed to open conf dir {conf_dir}: no such folder"))
                .hint(|| "name one that exists with --kernel-conf-dir");
        }
        let path = conf_dir.join(FILE);
        match std::fs::read_to_string(&path) {
            Ok(text) => parse(&text, &path, conf_dir),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                let mut sources = parse(BUILT_IN, Utf8Path::new(FILE), conf_dir)?;
                sources.origin = Origin::BuiltIn;
                let pins = sources.pins.iter_mut().chain(&mut sources.substitutes);
                pins.for_each(|pin| pin.patches = None);
                Ok(sources)
            }
            Err(error) => Err(error).with_context(|| format!("failed to read {path}")),
        }
    }

    /// The pin of that name, or the default one. `NAME+kernel.org` is what is taken in the place of a
    /// package where there is none.
    pub(crate) fn pin(&self, name: Option<&str>) -> Result<&Pin> {
        let name = name.unwrap_or(&self.default);
        match self.with_substitutes().find(|pin| pin.name == name) {
            Some(pin) => Ok(pin),
            None => Err(anyhow!("unknown kernel source `{name}`"))
                .hint(|| did_you_mean(name, &self.names().collect::<Vec<_>>())),
        }
    }

    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.pins.iter().map(|pin| pin.name.as_str())
    }

    pub(crate) fn pins(&self) -> &[Pin] {
        &self.pins
    }

    /// The pins, and what may be taken in their places.
    pub(crate) fn with_substitutes(&self) -> impl Iterator<Item = &Pin> {
        self.pins.iter().chain(&self.substitutes)
    }

    /// What is taken in the place of a pin where this host cannot have its package.
    pub(crate) fn substitute(&self, pin: &Pin) -> Option<Pin> {
        let name = format!("{}{SUBSTITUTE}", pin.name);
        // The file may pin one of that name itself: it counts, as in `pin`.
        let found = self.with_substitutes().find(|other| other.name == name)?;
        Some(Pin { left_out: pin.left_out.clone(), ..found.clone() })
    }

    /// Name of the pin that is taken when none is asked for.
    pub(crate) fn default_name(&self) -> &str {
        &self.default
    }

    /// The file that has them.
    pub(crate) fn path(&self) -> Utf8PathBuf {
        self.dir.join(FILE)
    }

    /// The file with another default; all else in it stays.
    ///
    /// # Errors
    /// If it is no TOML.
    pub(crate) fn with_default(text: &str, name: &str) -> Result<String> {
        let mut document: DocumentMut =
            text.parse().with_context(|| format!("failed to read {FILE}"))?;
        let default = document.get_mut("default").and_then(Item::as_value_mut);
        let default = default.with_context(|| format!("{FILE} names no default"))?;
        let decor = default.decor().clone();
        *default = name.into();
        *default.decor_mut() = decor;
        Ok(document.to_string())
    }

    /// The conf dir has no `sources.toml`, and the pins are this tool's own.
    pub(crate) fn are_built_in(&self) -> bool {
        self.origin == Origin::BuiltIn
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Sources> {
        parse(text, Utf8Path::new("conf/sources.toml"), Utf8Path::new("/conf"))
    }

    const GOOD: &str = r#"
default = "a"
[source.a]
provider = "debian"
package = "linux-source-6.12"
[source.b]
provider = "tarball"
url = "https://example.org/linux-6.12.8.tar.xz"
sha256 = "0123456789ABCDEF0123456789abcdef0123456789abcdef0123456789abcdef"
patches = "patches/b"
[source.c]
provider = "tarball"
url = "../linux.tar.gz"
sha256 = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
[source.d]
provider = "kernel.org"
version = "6.12.8"
key = "keys/kernel.org.asc"
fingerprint = "ad58 32C5 57B6 02C9 C40D  092E 6E87 0AFD BC61 04BC"
mirror = "https://example.org/kernel/"
[source.e]
provider = "git"
url = "https://example.org/linux.git"
commit = "0123456789ABCDEF0123456789abcdef01234567"
[source.f]
provider = "git"
url = "file:///srv/linux/"
commit = "0123456789abcdef0123456789abcdef01234567"
[source.g]
provider = "debian"
package = "linux-source-7.3"
suite = "trixie-backports"
patches = "patches/g"
[source.h]
provider = "kernel.org"
series = "6.6"
"#;

    #[test]
    fn reads_each_provider() {
        let sources = read(GOOD).unwrap();
        assert_eq!(sources.names().collect::<Vec<_>>(), ["a", "b", "c", "d", "e", "f", "g", "h"]);
        assert_eq!(sources.pin(None).unwrap().name, "a");
        let b = sources.pin(Some("b")).unwrap();
        assert_eq!(b.patches.as_deref(), Some(Utf8Path::new("/conf/patches/b")));
        assert_eq!(b.from(), "https://example.org/linux-6.12.8.tar.xz");
        let c = sources.pin(Some("c")).unwrap();
        assert_eq!(c.from(), "file:linux.tar.gz");
        let d = sources.pin(Some("d")).unwrap();
        assert_eq!(d.from(), "kernel.org:6.12.8");
        let Provider::KernelOrg { mirror, .. } = &d.provider else { panic!("{d:?}") };
        assert_eq!(mirror.key.as_deref(), Some(Utf8Path::new("/conf/keys/kernel.org.asc")));
        assert_eq!(mirror.fingerprint, "AD5832C557B602C9C40D092E6E870AFDBC6104BC");
        assert_eq!(mirror.url, "https://example.org/kernel");
        let from = |name| sources.pin(Some(name)).unwrap().from();
        let commit = "0123456789abcdef0123456789abcdef01234567";
        assert_eq!(from("e"), format!("git+https://example.org/linux.git#{commit}"));
        assert_eq!(from("f"), format!("git+file:linux#{commit}"));
        assert_eq!(from("g"), "debian:linux-source-7.3");
        assert_eq!(sources.pin(Some("g")).unwrap().suite(), Some("trixie-backports"));
        assert_eq!(from("h"), "kernel.org:6.6.x");
        assert_eq!(sources.snapshot, crate::source::snapshot::ARCHIVE);
    }

    #[test]
    fn a_package_has_a_substitute_of_its_series() {
        let text = format!(
            "snapshot = \"http://s/\"\n{GOOD}[kernel-org]\nmirror = \"http://m/\"\nkey = \"k\"\n\
             fingerprint = \"{}\"\n",
            "0".repeat(40)
        );
        let sources = read(&text).unwrap();
        assert_eq!(sources.snapshot, "http://s");
        let g = sources.pin(Some("g")).unwrap();
        let substitute = sources.substitute(g).unwrap();
        assert_eq!(&substitute, sources.pin(Some("g+kernel.org")).unwrap());
        assert_eq!(substitute.from(), "kernel.org:7.3.x");
        assert_eq!(substitute.patches, g.patches);
        let Provider::KernelOrg { mirror, .. } = &substitute.provider else { panic!() };
        let (key, fingerprint) = (Some("/conf/k".into()), "0".repeat(40));
        assert_eq!(mirror, &Mirror { url: "http://m".to_owned(), key, fingerprint });
        assert_eq!(sources.substitute(sources.pin(Some("b")).unwrap()), None);
        let names: Vec<_> = sources.with_substitutes().map(|pin| pin.name.as_str()).collect();
        assert_eq!(names[names.len() - 2..], ["a+kernel.org", "g+kernel.org"]);
        let own = "[source.\"g+kernel.org\"]\nprovider = \"kernel.org\"\nversion = \"7.3.1\"\n";
        let sources = read(&format!("{text}{own}")).unwrap();
        let substitute = sources.substitute(sources.pin(Some("g")).unwrap()).unwrap();
        assert_eq!(substitute.from(), "kernel.org:7.3.1");
        assert_eq!(&substitute, sources.pin(Some("g+kernel.org")).unwrap());
    }

    #[test]
    fn the_built_in_pins_are_sound() {
        let (_keep, dir) = super::super::tests::temp();
        let sources = Sources::read(&dir).unwrap();
        assert!(sources.are_built_in());
        assert_eq!(sources.default_name(), "6.12");
    }

    #[test]
    fn another_default_changes_one_word() {
        let text = BUILT_IN.replace("default = \"6.12\"", "default = \"6.12\" # the newest");
        let other = Sources::with_default(&text, "6.18").unwrap();
        assert_eq!(other, text.replace("\"6.12\" #", "\"6.18\" #"));
        assert!(Sources::with_default("[source]", "6.18").is_err());
    }

    #[test]
    fn suggests_a_name() {
        let text = GOOD.replace("source.b", "source.\"6.12-lts\"");
        let error = read(&text).unwrap().pin(Some("6.12-lst")).unwrap_err();
        let failure = crate::diag::Failure::new(&error);
        assert_eq!(failure.error, "unknown kernel source `6.12-lst`");
        assert_eq!(failure.hints, ["did you mean `6.12-lts`?"]);
    }
}
