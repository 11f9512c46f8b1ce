//! A kernel tarball with a known sha256: a file, or one that is downloaded.

use anyhow::{Context, Result, anyhow};
use camino::{Utf8Path, Utf8PathBuf};

use super::Archive;
use super::download::download;
use super::pins::Location;
use crate::diag::Hint;
use crate::hash;
use crate::progress::Progress;
use crate::shell::Shell;

/// The version in the file's name, as in `linux-6.12.8.tar.xz`; else the head of its hash.
pub(super) fn version(from: &Location, sha256: &str) -> String {
    let name = match from {
        Location::Url(url) => url.rsplit('/').next().unwrap_or_default(),
        Location::File(path) => path.file_name().unwrap_or_default(),
    };
    let stem = name.trim_end_matches(".tar.xz").trim_end_matches(".tar.gz");
    let version = stem.strip_prefix("linux-").unwrap_or(stem);
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '+' | '-');
    if version.starts_with(|c: char| c.is_ascii_digit()) && version.chars().all(plain) {
        return version.to_owned();
    }
    sha256.get(..12).unwrap_or(sha256).to_owned()
}

/// Gets the file and checks it against a hash and who says so. A part of a download stays in `cache`,
/// so that the next run can go on from there; what turns out to be something else is removed.
pub(super) fn obtain(
    shell: &Shell,
    progress: Progress,
    from: &Location,
    (sha256, said_by): (&str, &str),
    cache: &Utf8Path,
) -> Result<Archive> {
    let (path, what) = match from {
        Location::File(path) => (path.clone(), path.to_string()),
        Location::Url(url) => {
            let ending = if url.ends_with(".gz") { "gz" } else { "xz" };
            let path = partial(cache, sha256, ending);
            // One that is there as a whole is of a run that was killed while it unpacked.
            if !hash::of_file(&path).is_ok_and(|found| found == sha256) {
                download(shell, progress, url, &path)?;
            }
            (path, url.clone())
        }
    };
    let found = hash::of_file(&path)?;
    if found == sha256 {
        let downloaded = matches!(from, Location::Url(_));
        let version = version(from, sha256);
        return Ok(Archive { path, version, sha256: Some(found), downloaded });
    }
    let error = anyhow!("{what} has sha256 {found}, expected {sha256} by {said_by}");
    match from {
        Location::File(_) => Err(error).hint(|| "put the right file there, or mend sources.toml"),
        Location::Url(_) => {
            std::fs::remove_file(&path).with_context(|| format!("failed to remove {path}"))?;
            Err(error).hint(|| {
                format!("the download was removed: try again; if it stays so, doubt the server or {said_by}")
            })
        }
    }
}

/// Where a download grows; its name says what it is to become.
fn partial(cache: &Utf8Path, sha256: &str, ending: &str) -> Utf8PathBuf {
    cache.join(format!("{}.part.tar.{ending}", sha256.get(..16).unwrap_or(sha256)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_version_in_a_name() {
        let sha = "0123456789abcdef";
        let url = |url: &str| version(&Location::Url(url.to_owned()), sha);
        assert_eq!(url("https://example.org/v6.x/linux-6.12.8.tar.xz"), "6.12.8");
        assert_eq!(url("https://example.org/linux-6.12-rc3.tar.gz"), "6.12-rc3");
        assert_eq!(url("https://example.org/snapshot.tar.gz"), "0123456789ab");
        assert_eq!(url("https://example.org/linux-6.1 x.tar.gz"), "0123456789ab");
    }
}
