//! `sources.toml`: which kernel sources there are by name, and where each comes from.

mod written;

use anyhow::{Context, Result, anyhow};
use camino::{Utf8Path, Utf8PathBuf};
use toml_edit::{DocumentMut, Item};

use self::written::parse;
use super::git::Revision;
use super::kernel_org::Release;
use super::patches::Patches;
use super::tarball;
use crate::diag::{Hint, did_you_mean};

/// Name of the file with the pins, in the conf dir.
const FILE: &str = "sources.toml";

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
    /// The distribution's package with a kernel tarball in it, such as `linux-source-6.12`.
    Debian {
        package: String,
    },
    KernelOrg(Release),
    Tarball {
        from: Location,
        sha256: String,
    },
    Git(Revision),
}

impl Provider {
    /// The one version that it can come to; `None` where others decide.
    pub(super) fn version(&self) -> Option<String> {
        match self {
            Provider::Debian { .. } => None,
            Provider::KernelOrg(release) => Some(release.version.clone()),
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

    /// Names of the patches that are applied, in order.
    pub(crate) fn patch_names(&self) -> Result<Vec<String>> {
        let patches = self.all_patches()?.without(&self.left_out);
        Ok(patches.names().into_iter().map(str::to_owned).collect())
    }

    /// Also those that are left out.
    pub(super) fn all_patches(&self) -> Result<Patches> {
        Patches::read(self.patches.as_deref())
            .with_context(|| format!("failed to read the patches of kernel source `{}`", self.name))
    }

    /// The provider and what it is asked for, in one word; part of the lock.
    pub(crate) fn from(&self) -> String {
        match &self.provider {
            Provider::Debian { package } => format!("debian:{package}"),
            // Wherever it comes from, it is the same.
            Provider::KernelOrg(release) => format!("kernel.org:{}", release.version),
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
                sources.pins.iter_mut().for_each(|pin| pin.patches = None);
                Ok(sources)
            }
            Err(error) => Err(error).with_context(|| format!("failed to read {path}")),
        }
    }

    /// The pin of that name, or the default one.
    pub(crate) fn pin(&self, name: Option<&str>) -> Result<&Pin> {
        let name = name.unwrap_or(&self.default);
        match self.pins.iter().find(|pin| pin.name == name) {
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
"#;

    #[test]
    fn reads_each_provider() {
        let sources = read(GOOD).unwrap();
        assert_eq!(sources.names().collect::<Vec<_>>(), ["a", "b", "c", "d", "e", "f"]);
        assert_eq!(sources.pin(None).unwrap().name, "a");
        let b = sources.pin(Some("b")).unwrap();
        assert_eq!(b.patches.as_deref(), Some(Utf8Path::new("/conf/patches/b")));
        assert_eq!(b.from(), "https://example.org/linux-6.12.8.tar.xz");
        let c = sources.pin(Some("c")).unwrap();
        assert_eq!(c.from(), "file:linux.tar.gz");
        let d = sources.pin(Some("d")).unwrap();
        assert_eq!(d.from(), "kernel.org:6.12.8");
        let Provider::KernelOrg(release) = &d.provider else { panic!("{d:?}") };
        assert_eq!(release.key, "/conf/keys/kernel.org.asc");
        assert_eq!(release.fingerprint, "AD5832C557B602C9C40D092E6E870AFDBC6104BC");
        assert_eq!(release.mirror, "https://example.org/kernel");
        let from = |name| sources.pin(Some(name)).unwrap().from();
        let commit = "0123456789abcdef0123456789abcdef01234567";
        assert_eq!(from("e"), format!("git+https://example.org/linux.git#{commit}"));
        assert_eq!(from("f"), format!("git+file:linux#{commit}"));
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
