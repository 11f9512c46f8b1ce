//! `sources.toml` as it is written, and what makes sense of it.

use std::collections::BTreeMap;
use std::ops::Range;

use anyhow::Result;
use camino::{Utf8Path, Utf8PathBuf};
use serde::Deserialize;
use toml::Spanned;

use super::{Location, Origin, Pin, Provider, Sources};
use crate::diag::BadInput;
use crate::source::debian::Package;
use crate::source::git::Revision;
use crate::source::kernel_org::{self, Mirror, Release};
use crate::source::snapshot;

type MakeProvider = fn(&Asked<'_>) -> Result<Provider, Fault>;

/// What each provider is asked with.
const PROVIDERS: [(&str, &[&str], MakeProvider); 4] = [
    ("debian", &["package", "suite"], debian),
    ("kernel.org", &["version", "series", "key", "fingerprint", "mirror"], kernel_org),
    ("tarball", &["url", "sha256"], tarball),
    ("git", &["url", "commit"], git),
];

fn debian(asked: &Asked<'_>) -> Result<Provider, Fault> {
    let suite = asked.get("suite").map(suite_name).transpose()?;
    Ok(Provider::Debian(Package { name: package_name(asked.need("package")?)?, suite }))
}

fn kernel_org(asked: &Asked<'_>) -> Result<Provider, Fault> {
    let [url, key, fingerprint] = ["mirror", "key", "fingerprint"].map(|key| asked.get(key));
    let mirror = mirror(asked.releases, asked.dir, (url, key, fingerprint))?;
    let release = match (asked.get("version"), asked.get("series")) {
        (Some(version), None) => Release::Version(release(version)?),
        (None, Some(of)) => Release::NewestOf(series(of)?),
        (Some(_), Some(series)) => {
            return Err(Fault::new(series.span(), "a version is of one series: name either"));
        }
        (None, None) => return Err(asked.lacks("version` or `series")),
    };
    Ok(Provider::KernelOrg { mirror, release })
}

fn tarball(asked: &Asked<'_>) -> Result<Provider, Fault> {
    Ok(Provider::Tarball {
        from: location(asked.need("url")?, asked.dir)?,
        sha256: hexadecimal(asked.need("sha256")?, 64, "a sha256")?,
    })
}

fn git(asked: &Asked<'_>) -> Result<Provider, Fault> {
    Ok(Provider::Git(Revision {
        url: repository(asked.need("url")?)?,
        commit: hexadecimal(asked.need("commit")?, 40, "a commit")?,
    }))
}

/// The file as it is written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawSources {
    default: Spanned<String>,
    snapshot: Option<Spanned<String>>,
    #[serde(rename = "kernel-org")]
    kernel_org: Option<RawMirror>,
    source: BTreeMap<Spanned<String>, Spanned<RawPin>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawMirror {
    mirror: Option<Spanned<String>>,
    key: Option<Spanned<String>>,
    fingerprint: Option<Spanned<String>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawPin {
    provider: Spanned<String>,
    package: Option<Spanned<String>>,
    suite: Option<Spanned<String>>,
    version: Option<Spanned<String>>,
    series: Option<Spanned<String>>,
    key: Option<Spanned<String>>,
    fingerprint: Option<Spanned<String>>,
    mirror: Option<Spanned<String>>,
    url: Option<Spanned<String>>,
    sha256: Option<Spanned<String>>,
    commit: Option<Spanned<String>>,
    patches: Option<Utf8PathBuf>,
}

/// All that a pin says for its provider.
struct Asked<'a> {
    name: &'a str,
    place: Range<usize>,
    /// What paths are relative to.
    dir: &'a Utf8Path,
    /// Where kernel.org's releases are, unless it says so itself.
    releases: &'a Mirror,
    values: Vec<(&'static str, &'a Spanned<String>)>,
}

impl<'a> Asked<'a> {
    fn new(
        name: &'a str,
        raw: &'a Spanned<RawPin>,
        dir: &'a Utf8Path,
        releases: &'a Mirror,
    ) -> Self {
        let RawPin {
            provider: _,
            package,
            suite,
            version,
            series,
            key,
            fingerprint,
            mirror,
            url,
            sha256,
            commit,
            patches: _,
        } = raw.get_ref();
        let values = [
            ("package", package),
            ("suite", suite),
            ("version", version),
            ("series", series),
            ("key", key),
            ("fingerprint", fingerprint),
            ("mirror", mirror),
            ("url", url),
            ("sha256", sha256),
            ("commit", commit),
        ];
        let values = values.into_iter().filter_map(|(key, value)| Some((key, value.as_ref()?)));
        Asked { name, place: raw.span(), dir, releases, values: values.collect() }
    }

    fn get(&self, key: &str) -> Option<&'a Spanned<String>> {
        self.values.iter().find(|(known, _)| *known == key).map(|(_, value)| *value)
    }

    fn need(&self, key: &str) -> Result<&'a Spanned<String>, Fault> {
        self.get(key).filter(|value| !value.get_ref().is_empty()).ok_or_else(|| self.lacks(key))
    }

    fn lacks(&self, key: &str) -> Fault {
        Fault::new(self.place.clone(), format!("source `{}` lacks `{key}`", self.name))
    }
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

pub(super) fn parse(text: &str, path: &Utf8Path, dir: &Utf8Path) -> Result<Sources> {
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
    let kernel_org = match &raw.kernel_org {
        Some(RawMirror { mirror: url, key, fingerprint }) => {
            let own = (url.as_ref(), key.as_ref(), fingerprint.as_ref());
            mirror(&Mirror::default(), dir, own)?
        }
        None => Mirror::default(),
    };
    let mut pins = Vec::new();
    for (name, pin) in raw.source {
        check_name(&name)?;
        pins.push(pin_of(name.into_inner(), &pin, dir, &kernel_org)?);
    }
    let substitutes = pins.iter().filter_map(|pin| pin.substitute(&kernel_org)).collect();
    if !pins.iter().any(|pin| pin.name == *raw.default.get_ref()) {
        let what = format!("default `{}` is not among the sources", raw.default.get_ref());
        return Err(Fault::new(raw.default.span(), what));
    }
    Ok(Sources {
        dir: dir.to_owned(),
        origin: Origin::ConfDir,
        default: raw.default.into_inner(),
        pins,
        substitutes,
        snapshot: raw.snapshot.as_ref().map_or(Ok(snapshot::ARCHIVE.to_owned()), http_url)?,
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

fn pin_of(
    name: String,
    raw: &Spanned<RawPin>,
    dir: &Utf8Path,
    mirror: &Mirror,
) -> Result<Pin, Fault> {
    let asked = Asked::new(&name, raw, dir, mirror);
    let word = &raw.get_ref().provider;
    let provider = PROVIDERS.iter().find(|(known, ..)| known == word.get_ref());
    let Some((provider, keys, make)) = provider else {
        let known = PROVIDERS.map(|(name, ..)| name).join(", ");
        let what = format!("unknown provider `{}` (known: {known})", word.get_ref());
        return Err(Fault::new(word.span(), what));
    };
    if let Some((key, value)) = asked.values.iter().find(|(key, _)| !keys.contains(key)) {
        let what = format!("`{key}` means nothing to provider `{provider}`");
        return Err(Fault::new(value.span(), what));
    }
    let provider = make(&asked)?;
    let patches = raw.get_ref().patches.as_ref().map(|folder| dir.join(folder));
    Ok(Pin { name, provider, patches, left_out: vec![] })
}

/// A package name as Debian's policy has it (5.6.7 and 5.6.1): it goes on command lines.
fn package_name(name: &Spanned<String>) -> Result<String, Fault> {
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "+-.".contains(c);
    let text = name.get_ref();
    if text.starts_with(|c: char| c.is_ascii_alphanumeric()) && text.chars().all(plain) {
        return Ok(text.clone());
    }
    Err(Fault::new(name.span(), format!("`{text}` is no package name")))
}

/// A suite as Debian names it: it becomes a part of a path, and of a line for apt.
fn suite_name(name: &Spanned<String>) -> Result<String, Fault> {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_');
    let text = name.get_ref();
    if text.starts_with(|c: char| c.is_ascii_alphanumeric()) && text.chars().all(plain) {
        return Ok(text.clone());
    }
    let what = format!("`{text}` is no suite: those are called as trixie and trixie-backports are");
    Err(Fault::new(name.span(), what))
}

fn location(url: &Spanned<String>, dir: &Utf8Path) -> Result<Location, Fault> {
    let text = url.get_ref();
    if !(text.ends_with(".tar.xz") || text.ends_with(".tar.gz")) {
        let what = format!("`{text}` ends neither in .tar.xz nor in .tar.gz");
        return Err(Fault::new(url.span(), what));
    }
    match text.split_once("://") {
        Some(("http" | "https", _)) => Ok(Location::Url(text.clone())),
        Some(("file", path)) => Ok(Location::File(dir.join(path))),
        None => Ok(Location::File(dir.join(text))),
        Some((scheme, _)) => {
            let what = format!("unknown scheme `{scheme}` (known: https, http, or a file's path)");
            Err(Fault::new(url.span(), what))
        }
    }
}

/// A version as kernel.org has it in the names of its files.
fn release(version: &Spanned<String>) -> Result<String, Fault> {
    let text = version.get_ref();
    if kernel_org::is_release(text) {
        return Ok(text.clone());
    }
    let what = format!(
        "`{text}` is no release of kernel.org's: those are called as 6.12 and 6.12.8 are, and candidates \
         are only in git"
    );
    Err(Fault::new(version.span(), what))
}

/// What the versions of a series have in common.
fn series(series: &Spanned<String>) -> Result<String, Fault> {
    let text = series.get_ref();
    if kernel_org::is_series(text) {
        return Ok(text.clone());
    }
    Err(Fault::new(series.span(), format!("`{text}` is no series: those are called as 6.12 is")))
}

/// As gpg prints it, with blanks or without.
fn fingerprint(text: &Spanned<String>) -> Result<String, Fault> {
    let digits = text.get_ref().replace(' ', "");
    let digits = hexadecimal(&Spanned::new(text.span(), digits), 40, "a fingerprint")?;
    Ok(digits.to_ascii_uppercase())
}

/// The URL of a mirror, a key file and that key's fingerprint.
type OfMirror<'a> =
    (Option<&'a Spanned<String>>, Option<&'a Spanned<String>>, Option<&'a Spanned<String>>);

/// What is not said is as in `base`. A key and its fingerprint are said together.
fn mirror(
    base: &Mirror,
    dir: &Utf8Path,
    (url, key, fingerprint): OfMirror<'_>,
) -> Result<Mirror, Fault> {
    let url = url.map_or(Ok(base.url.clone()), http_url)?;
    let (key, fingerprint) = match (key, fingerprint) {
        (None, None) => (base.key.clone(), base.fingerprint.clone()),
        (Some(key), Some(digits)) => (Some(dir.join(key.get_ref())), self::fingerprint(digits)?),
        (Some(alone), None) | (None, Some(alone)) => {
            return Err(Fault::new(
                alone.span(),
                "`key` and `fingerprint` are of one another: give both",
            ));
        }
    };
    Ok(Mirror { url, key, fingerprint })
}

fn http_url(url: &Spanned<String>) -> Result<String, Fault> {
    scheme_among(&["https", "http"], url)?;
    Ok(url.get_ref().trim_end_matches('/').to_owned())
}

/// Only what git brings itself: its other transports start programs.
fn repository(url: &Spanned<String>) -> Result<String, Fault> {
    scheme_among(&["https", "http", "ssh", "git", "file"], url)?;
    Ok(url.get_ref().clone())
}

fn scheme_among(known: &[&str], url: &Spanned<String>) -> Result<(), Fault> {
    let text = url.get_ref();
    match text.split_once("://") {
        Some((scheme, _)) if known.contains(&scheme) => Ok(()),
        _ => {
            let what = format!("`{text}` is no URL that begins with {}://", known.join("://, "));
            Err(Fault::new(url.span(), what))
        }
    }
}

fn hexadecimal(text: &Spanned<String>, digits: usize, what: &str) -> Result<String, Fault> {
    let lower = text.get_ref().to_ascii_lowercase();
    if lower.len() == digits && lower.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Ok(lower);
    }
    Err(Fault::new(text.span(), format!("{what} has {digits} hexadecimal digits")))
}

#[cfg(test)]
mod tests {
    use super::*;

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
            (
                "default = \"a\"\n[source.a]\nprovider = \"debian\"\nurl = \"x\"\npackage = \"x\"\n",
                ":4: `url` means nothing to provider `debian`",
            ),
            (
                "default = \"a\"\n[source.a]\nprovider = \"kernel.org\"\nversion = \"6.12-rc3\"\n",
                ":4: `6.12-rc3` is no release",
            ),
            (
                "default = \"a\"\n[source.a]\nprovider = \"kernel.org\"\nversion = \"6.12\"\nkey = \"k\"\n",
                ":5: `key` and `fingerprint`",
            ),
            (
                "default = \"a\"\n[source.a]\nprovider = \"kernel.org\"\n",
                ":2: source `a` lacks `version` or `series`",
            ),
            (
                "default = \"a\"\n[source.a]\nprovider = \"kernel.org\"\nseries = \"6.12.8\"\n",
                ":4: `6.12.8` is no series",
            ),
            (
                "default = \"a\"\n[source.a]\nprovider = \"kernel.org\"\nversion = \"6.1\"\nseries = \"6.1\"\n",
                ":5: a version is of one series",
            ),
            (
                "default = \"a\"\n[source.a]\nprovider = \"debian\"\npackage = \"x\"\nsuite = \"a/../b\"\n",
                ":5: `a/../b` is no suite",
            ),
            (
                "default = \"a\"\nsnapshot = \"ftp://s\"\n[source.a]\nprovider = \"debian\"\npackage = \"x\"\n",
                ":2: `ftp://s` is no URL",
            ),
            (
                "default = \"a\"\n[source.a]\nprovider = \"kernel.org\"\nversion = \"6.12\"\nkey = \"k\"\n\
                 fingerprint = \"632D3A06589DA6B1\"\n",
                ":6: a fingerprint has 40",
            ),
            (
                "default = \"a\"\n[source.a]\nprovider = \"kernel.org\"\nmirror = \"file:///m\"\n",
                ":4: `file:///m` is no URL that begins with https://, http://",
            ),
            (
                "default = \"a\"\n[source.a]\nprovider = \"git\"\nurl = \"ext::sh -c evil\"\n",
                ":4: `ext::sh -c evil` is no URL",
            ),
            (
                "default = \"a\"\n[source.a]\nprovider = \"git\"\nurl = \"https://h/l\"\ncommit = \"v6.1\"\n",
                ":5: a commit has 40",
            ),
            ("default = \"a\"\n[source.a\n", ":2: "),
            ("", ":1: missing field `default`"),
        ];
        for (text, expected) in cases {
            let error = format!(
                "{:#}",
                parse(text, Utf8Path::new("conf/sources.toml"), Utf8Path::new("/conf"))
                    .unwrap_err()
            );
            assert!(error.starts_with(&format!("conf/sources.toml{expected}")), "{error}");
        }
    }
}
