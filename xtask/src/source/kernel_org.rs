//! A release of kernel.org's: a tarball, and what a key of kernel.org's has signed that its sha256 is.

use std::fmt;

use anyhow::{Context, Result, anyhow};
use camino::{Utf8Path, Utf8PathBuf};

use super::download::download;
use super::openpgp::{self, Key};
use super::pins::Location;
use super::{Archive, KernelVersion, tarball};
use crate::diag::Hint;
use crate::progress::Progress;
use crate::shell::Shell;

/// Where the folders `v5.x`, `v6.x` and so on are.
const MIRROR: &str = "https://cdn.kernel.org/pub/linux/kernel";

/// The public key of kernel.org's checksum autosigner, with its own signature and nobody else's: the
/// file keys/632D3A06589DA6B1.asc of kernel.org's pgpkeys repository.
const AUTOSIGNER: &str = include_str!("autosigner.asc");

/// Of that key.
const FINGERPRINT: &str = "B8868C80BA62A1FFFAF5FDA9632D3A06589DA6B1";

/// Where releases are, and who is trusted to say what is in them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Mirror {
    /// Without a slash at its end.
    pub(super) url: String,
    /// `None`: the key that this tool brings.
    pub(super) key: Option<Utf8PathBuf>,
    /// 40 digits, in upper case.
    pub(super) fingerprint: String,
}

impl Default for Mirror {
    fn default() -> Self {
        Mirror { url: MIRROR.to_owned(), key: None, fingerprint: FINGERPRINT.to_owned() }
    }
}

impl Mirror {
    /// Of a file beside the tarball of that version.
    fn file(&self, version: &str, name: &str) -> String {
        let major = version.split('.').next().unwrap_or_default();
        format!("{}/v{major}.x/{name}", self.url)
    }

    pub(super) fn tarball(&self, version: &str) -> String {
        self.file(version, &tarball_name(version))
    }

    fn list(&self, version: &str) -> String {
        self.file(version, "sha256sums.asc")
    }
}

/// Which release is meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Release {
    /// `6.12` or `6.12.8`.
    Version(String),
    /// The newest whose version begins with these two numbers, such as `6.12`.
    NewestOf(String),
}

impl fmt::Display for Release {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Release::Version(version) => f.write_str(version),
            Release::NewestOf(series) => write!(f, "{series}.x"),
        }
    }
}

fn tarball_name(version: &str) -> String {
    format!("linux-{version}.tar.xz")
}

/// Whether kernel.org may have a release of that name: the third number is left out where it is 0,
/// and candidates (`-rc3`) are only in git.
pub(super) fn is_release(version: &str) -> bool {
    numbers(version).is_some_and(|count| count == 2 || (count == 3 && !version.ends_with(".0")))
}

/// Whether that is what releases of one series have in common.
pub(super) fn is_series(series: &str) -> bool {
    numbers(series) == Some(2)
}

/// How many numbers there are between the dots, if there is nothing else.
fn numbers(version: &str) -> Option<usize> {
    let is_number = |part: &str| {
        !part.is_empty()
            && part.bytes().all(|byte| byte.is_ascii_digit())
            && (part == "0" || !part.starts_with('0'))
    };
    version.split('.').all(is_number).then(|| version.split('.').count())
}

/// A release, and what its tarball is by whom.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Listed {
    pub(super) version: String,
    pub(super) sha256: String,
    pub(super) by: String,
}

/// Asks the mirror's signed list for the release.
///
/// # Errors
/// If the list cannot be had, the trusted key did not sign it, or it has no such release.
pub(super) fn look_up(
    shell: &Shell,
    progress: Progress,
    mirror: &Mirror,
    release: &Release,
    scratch: &Utf8Path,
) -> Result<Listed> {
    let (Release::Version(asked) | Release::NewestOf(asked)) = release;
    let list = mirror.list(asked);
    let text = signed_list(shell, progress, mirror, &list, scratch)?;
    progress.say(format!("{list} is signed by {}", mirror.fingerprint));
    let newest = newest_beside(&text, asked);
    let version = match (release, &newest) {
        (Release::NewestOf(series), None) => {
            return Err(anyhow!("{list} lists no release of {series}")).hint(|| NO_SUCH);
        }
        (Release::NewestOf(_), Some(newest)) => newest.clone(),
        (Release::Version(version), _) => version.clone(),
    };
    let file = tarball_name(&version);
    match listed(&text, &file) {
        Some(sha256) => Ok(Listed { version, sha256, by: list }),
        None => Err(anyhow!("{list} does not list {file}")).hint(|| match newest {
            Some(newest) => format!("the newest of its kind there is {newest}"),
            None => NO_SUCH.to_owned(),
        }),
    }
}

const NO_SUCH: &str = "look at https://www.kernel.org for the releases that there are";

/// Gets the tarball and checks it.
pub(super) fn obtain(
    shell: &Shell,
    progress: Progress,
    mirror: &Mirror,
    listed: &Listed,
    cache: &Utf8Path,
) -> Result<Archive> {
    let from = Location::Url(mirror.tarball(&listed.version));
    tarball::obtain(shell, progress, &from, (&listed.sha256, &listed.by), cache)
}

fn signed_list(
    shell: &Shell,
    progress: Progress,
    mirror: &Mirror,
    list: &str,
    scratch: &Utf8Path,
) -> Result<String> {
    let Mirror { key, fingerprint, .. } = mirror;
    let signed = scratch.join("sha256sums.asc");
    download(shell, progress, list, &signed)?;
    let key = match key {
        Some(path) => Key::read(path, fingerprint),
        None => Key::parse(AUTOSIGNER.into(), "of kernel.org's checksum autosigner"),
    };
    key.and_then(|key| openpgp::signed_text(shell, &signed, &key, fingerprint, scratch))
        .with_context(|| format!("failed to trust {list}"))
}

/// What the lines of `sha256sum` say of `file`.
fn listed(text: &str, file: &str) -> Option<String> {
    let entry = |line: &str| {
        let (sha256, name) = line.split_once(char::is_whitespace)?;
        let is_hash = sha256.len() == 64 && sha256.bytes().all(|byte| byte.is_ascii_hexdigit());
        // An asterisk is there for a file that was read as binary.
        let name = name.trim().trim_start_matches('*');
        (name == file && is_hash).then(|| sha256.to_ascii_lowercase())
    };
    text.lines().find_map(entry)
}

/// The newest release with the same first two numbers.
fn newest_beside(text: &str, version: &str) -> Option<String> {
    let wanted: KernelVersion = version.parse().ok()?;
    let release = |line: &str| {
        let name = line.split_whitespace().nth(1)?;
        let version = name.strip_prefix("linux-")?.strip_suffix(".tar.xz")?;
        let parsed: KernelVersion = version.parse().ok()?;
        (parsed.numbers() == wanted.numbers()).then(|| (parsed, version.to_owned()))
    };
    text.lines().filter_map(release).max().map(|(_, version)| version)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn knows_how_releases_are_named() {
        for version in ["6.12", "6.12.8", "5.10.209", "7.0"] {
            assert!(is_release(version), "{version}");
        }
        for version in ["6", "6.12.0", "6.12-rc3", "6.12.8.1", "6..1", "06.1", "6.1/..", "", "next"]
        {
            assert!(!is_release(version), "{version}");
        }
        for (series, expected) in [("6.12", true), ("6.12.8", false), ("6", false), ("6.x", false)]
        {
            assert_eq!(is_series(series), expected, "{series}");
        }
    }

    #[test]
    fn the_key_that_comes_with_this_is_one() {
        assert!(Key::parse(AUTOSIGNER.into(), "").is_ok());
        assert!(FINGERPRINT.len() == 40 && AUTOSIGNER.starts_with("-----BEGIN PGP PUBLIC KEY"));
    }

    #[test]
    fn reads_a_list() {
        let (a, b) = ("a".repeat(64), "b".repeat(64));
        let text = format!(
            "{a}  linux-6.12.8.tar.gz\n{b}  linux-6.12.8.tar.xz\n{a} *linux-6.12.10.tar.xz\n\
             {a}  linux-6.6.99.tar.xz\nab  linux-6.12.11.tar.xz\nlinux-6.12.12.tar.xz\n"
        );
        assert_eq!(listed(&text, "linux-6.12.8.tar.xz"), Some(b));
        assert_eq!(listed(&text, "linux-6.12.10.tar.xz"), Some(a));
        for file in ["linux-6.12.tar.xz", "linux-6.12.11.tar.xz", "linux-6.12.12.tar.xz"] {
            assert_eq!(listed(&text, file), None);
        }
        assert_eq!(newest_beside(&text, "6.6.100").as_deref(), Some("6.6.99"));
        assert_eq!(newest_beside(&text, "6.1.1"), None);
    }
}
