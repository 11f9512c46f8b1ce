//! `sources.toml`: which kernel sources there are by name, and where each comes from.

use std::collections::BTreeMap;
use std::ops::Range;

use anyhow::{Context, Result, anyhow};
use camino::{Utf8Path, Utf8PathBuf};
use serde::Deserialize;
use toml::Spanned;

use super::patches::Patches;
use crate::diag::{BadInput, Hint, did_you_mean};

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
    Tarball {
        from: Location,
        sha256: String,
    },
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

    /// The conf dir has no `sources.toml`, and the pins are this tool's own.
    pub(crate) fn are_built_in(&self) -> bool {
        self.origin == Origin::BuiltIn
    }
}

/// The file as it is written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawSources {
    default: Spanned<String>,
    source: BTreeMap<Spanned<String>, Spanned<RawPin>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawPin {
    provider: Spanned<String>,
    package: Option<Spanned<String>>,
    url: Option<Spanned<String>>,
    sha256: Option<Spanned<String>>,
    patches: Option<Spanned<Utf8PathBuf>>,
}

/// A fault in the text, by its place.
struct Fault {
    at: Range<usize>,
    what: String,
}

impl Fault {
    fn new(at: Range<usize>, what: impl Into<String>) -> Self {
        Fault { at, what: what.into() }
    }
}

fn parse(text: &str, path: &Utf8Path, dir: &Utf8Path) -> Result<Sources> {
    let raw: Result<RawSources, Fault> = toml::from_str(text).map_err(|error| {
        Fault::new(error.span().unwrap_or(0..0), error.message().replace('\n', ", "))
    });
    raw.and_then(|raw| validate(raw, dir)).map_err(|fault| {
        let before = text.get(..fault.at.start).unwrap_or(text);
        let line = before.matches('\n').count() + 1;
        BadInput::at(path, text, line, fault.what).into()
    })
}

fn validate(raw: RawSources, dir: &Utf8Path) -> Result<Sources, Fault> {
    let mut pins = Vec::new();
    for (name, pin) in raw.source {
        check_name(&name)?;
        pins.push(pin_of(name.into_inner(), pin, dir)?);
    }
    if !pins.iter().any(|pin| pin.name == *raw.default.get_ref()) {
        let what = format!("default `{}` is not among the sources", raw.default.get_ref());
        return Err(Fault::new(raw.default.span(), what));
    }
    Ok(Sources {
        dir: dir.to_owned(),
        origin: Origin::ConfDir,
        default: raw.default.into_inner(),
        pins,
    })
}

/// A name becomes part of a path that kbuild has to be able to use.
fn check_name(name: &Spanned<String>) -> Result<(), Fault> {
    let text = name.get_ref();
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '+' | '-');
    if text.starts_with(|c: char| c.is_ascii_alphanumeric()) && text.chars().all(plain) {
        return Ok(());
    }
    let what =
        format!("source name `{text}` is not made of letters, digits and `.`, `_`, `+`, `-`");
    Err(Fault::new(name.span(), what))
}

fn pin_of(name: String, raw: Spanned<RawPin>, dir: &Utf8Path) -> Result<Pin, Fault> {
    let place = raw.span();
    let raw = raw.into_inner();
    let need = |value: Option<Spanned<String>>, key: &str| {
        let what = format!("source `{name}` lacks `{key}`");
        value.filter(|value| !value.get_ref().is_empty()).ok_or(Fault::new(place.clone(), what))
    };
    let refuse = |value: &Option<Spanned<String>>, key: &str| match value {
        Some(value) => {
            Err(Fault::new(value.span(), format!("`{key}` means nothing to this provider")))
        }
        None => Ok(()),
    };
    let provider = match raw.provider.get_ref().as_str() {
        "debian" => {
            refuse(&raw.url, "url")?;
            refuse(&raw.sha256, "sha256")?;
            Provider::Debian { package: package_name(need(raw.package, "package")?)? }
        }
        "tarball" => {
            refuse(&raw.package, "package")?;
            let from = location(need(raw.url, "url")?, dir)?;
            Provider::Tarball { from, sha256: sha256_hex(need(raw.sha256, "sha256")?)? }
        }
        other => {
            let what = format!("unknown provider `{other}` (known: debian, tarball)");
            return Err(Fault::new(raw.provider.span(), what));
        }
    };
    let patches = raw.patches.map(|folder| dir.join(folder.into_inner()));
    Ok(Pin { name, provider, patches, left_out: vec![] })
}

/// A package name as Debian's policy has it (5.6.7 and 5.6.1): it goes on command lines.
fn package_name(name: Spanned<String>) -> Result<String, Fault> {
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "+-.".contains(c);
    let text = name.get_ref();
    if text.starts_with(|c: char| c.is_ascii_alphanumeric()) && text.chars().all(plain) {
        return Ok(name.into_inner());
    }
    Err(Fault::new(name.span(), format!("`{text}` is no package name")))
}

fn location(url: Spanned<String>, dir: &Utf8Path) -> Result<Location, Fault> {
    let text = url.get_ref();
    if !(text.ends_with(".tar.xz") || text.ends_with(".tar.gz")) {
        let what = format!("`{text}` ends neither in .tar.xz nor in .tar.gz");
        return Err(Fault::new(url.span(), what));
    }
    match text.split_once("://") {
        Some(("http" | "https", _)) => Ok(Location::Url(url.into_inner())),
        Some(("file", path)) => Ok(Location::File(dir.join(path))),
        None => Ok(Location::File(dir.join(text))),
        Some((scheme, _)) => {
            let what = format!("unknown scheme `{scheme}` (known: https, http, or a file's path)");
            Err(Fault::new(url.span(), what))
        }
    }
}

fn sha256_hex(hash: Spanned<String>) -> Result<String, Fault> {
    let text = hash.get_ref().to_ascii_lowercase();
    if text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Ok(text);
    }
    Err(Fault::new(hash.span(), "a sha256 has 64 hexadecimal digits".to_owned()))
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
"#;

    #[test]
    fn reads_each_provider() {
        let sources = read(GOOD).unwrap();
        assert_eq!(sources.names().collect::<Vec<_>>(), ["a", "b", "c"]);
        assert_eq!(sources.pin(None).unwrap().name, "a");
        let b = sources.pin(Some("b")).unwrap();
        assert_eq!(b.patches.as_deref(), Some(Utf8Path::new("/conf/patches/b")));
        assert_eq!(b.from(), "https://example.org/linux-6.12.8.tar.xz");
        let c = sources.pin(Some("c")).unwrap();
        assert_eq!(c.from(), "file:linux.tar.gz");
    }

    #[test]
    fn the_built_in_pins_are_sound() {
        let (_keep, dir) = super::super::tests::temp();
        let sources = Sources::read(&dir).unwrap();
        assert!(sources.are_built_in());
        assert_eq!(sources.default_name(), "6.12");
    }

    #[test]
    fn names_the_place_of_a_fault() {
        let cases = [
            (
                "default = \"a\"\n[source.a]\nprovider = \"debian\"\npakage = \"x\"\n",
                ":4: unknown field `pakage`",
            ),
            (
                "default = \"a\"\n[source.a]\nprovider = \"debain\"\n",
                ":3: unknown provider `debain`",
            ),
            (
                "default = \"b\"\n[source.a]\nprovider = \"debian\"\npackage = \"x\"\n",
                ":1: default `b`",
            ),
            (
                "default = \"a\"\n[source.a]\nprovider = \"debian\"\n",
                ":2: source `a` lacks `package`",
            ),
            (
                "default = \"a\"\n[source.a]\nprovider = \"debian\"\npackage = \"x; y\"\n",
                ":4: `x; y` is no",
            ),
            (
                "default = \"a\"\n[source.\"../a\"]\nprovider = \"debian\"\n",
                ":2: source name `../a`",
            ),
            (
                "default = \"a\"\n[source.a]\nprovider = \"tarball\"\nurl = \"ftp://h/x.tar.gz\"\n",
                ":4: unknown scheme",
            ),
            (
                "default = \"a\"\n[source.a]\nprovider = \"tarball\"\nurl = \"x.zip\"\n",
                ":4: `x.zip` ends",
            ),
            (
                "default = \"a\"\n[source.a]\nprovider = \"tarball\"\nurl = \"x.tar.gz\"\nsha256 = \"12\"\n",
                ":5: a sha256",
            ),
            ("default = \"a\"\n[source.a\n", ":2: "),
            ("", ":1: missing field `default`"),
        ];
        for (text, expected) in cases {
            let error = format!("{:#}", read(text).unwrap_err());
            assert!(error.starts_with(&format!("conf/sources.toml{expected}")), "{error}");
        }
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
