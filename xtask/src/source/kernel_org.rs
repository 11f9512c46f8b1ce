//! A release of kernel.org's: a tarball, and what a key of kernel.org's has signed that its sha256 is.

use anyhow::{Context, Result, anyhow};
use camino::{Utf8Path, Utf8PathBuf};

use super::download::download;
use super::pins::Location;
use super::{Archive, KernelVersion, openpgp, tarball};
use crate::diag::Hint;
use crate::progress::Progress;
use crate::shell::Shell;

/// Where the folders `v5.x`, `v6.x` and so on are.
pub(super) const MIRROR: &str = "https://cdn.kernel.org/pub/linux/kernel";

/// A release, and who is trusted to say what is in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Release {
    /// `6.12` or `6.12.8`.
    pub(super) version: String,
    /// URL, without a slash at its end.
    pub(super) mirror: String,
    pub(super) key: Utf8PathBuf,
    /// 40 digits, in upper case.
    pub(super) fingerprint: String,
}

impl Release {
    fn file(&self) -> String {
        format!("linux-{}.tar.xz", self.version)
    }

    pub(super) fn tarball(&self) -> String {
        self.url(&self.file())
    }

    /// Of a file beside the tarball.
    fn url(&self, file: &str) -> String {
        let major = self.version.split('.').next().unwrap_or_default();
        format!("{}/v{major}.x/{file}", self.mirror)
    }
}

/// Whether kernel.org may have a release of that name: the third number is left out where it is 0,
/// and candidates (`-rc3`) are only in git.
pub(super) fn is_release(version: &str) -> bool {
    let number = |part: &str| {
        !part.is_empty()
            && part.bytes().all(|byte| byte.is_ascii_digit())
            && (part == "0" || !part.starts_with('0'))
    };
    let parts: Vec<&str> = version.split('.').collect();
    matches!(parts.len(), 2 | 3)
        && parts.iter().all(|part| number(part))
        && parts.get(2) != Some(&"0")
}

/// Gets the tarball and checks it: against `known`, a sha256 and the lock that has it, or else against
/// the signed list on the mirror.
pub(super) fn obtain(
    shell: &Shell,
    progress: Progress,
    release: &Release,
    known: Option<(&str, &Utf8Path)>,
    cache: &Utf8Path,
    scratch: &Utf8Path,
) -> Result<Archive> {
    let (sha256, said_by) = match known {
        Some((sha256, lock)) => (sha256.to_owned(), lock.to_string()),
        None => {
            let list = release.url("sha256sums.asc");
            let sha256 = signed_sha256(shell, progress, release, &list, scratch)?;
            progress.say(format!("{list} is signed by {}", release.fingerprint));
            (sha256, list)
        }
    };
    let from = Location::Url(release.url(&release.file()));
    tarball::obtain(shell, progress, &from, (&sha256, &said_by), cache)
}

fn signed_sha256(
    shell: &Shell,
    progress: Progress,
    release: &Release,
    list: &str,
    scratch: &Utf8Path,
) -> Result<String> {
    let signed = scratch.join("sha256sums.asc");
    download(shell, progress, list, &signed)?;
    let text = openpgp::signed_text(shell, &signed, &release.key, &release.fingerprint, scratch)
        .with_context(|| format!("failed to trust {list}"))?;
    let file = release.file();
    listed(&text, &file).ok_or_else(|| anyhow!("{list} does not list {file}")).hint(|| {
        match newest_beside(&text, &release.version) {
            Some(newest) => format!("the newest of its kind there is {newest}"),
            None => "look at https://www.kernel.org for the releases that there are".to_owned(),
        }
    })
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
