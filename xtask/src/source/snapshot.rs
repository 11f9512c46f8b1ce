//! Debian's archive of all that it ever had (its machine-readable interface is told in the file API of
//! the archive's own repository). Nobody signs what it gives: the hash in `sources.lock` is the trust.

use std::collections::BTreeSet;

use anyhow::{Context, Result, anyhow, ensure};
use camino::{Utf8Path, Utf8PathBuf};
use serde::Deserialize;

use super::debian::Package;
use super::download::download;
use super::origin::encoded;
use super::{Archive, deb};
use crate::diag::Hint;
use crate::hash;
use crate::progress::Progress;
use crate::shell::Shell;

pub(super) const ARCHIVE: &str = "https://snapshot.debian.org";

/// What `/mr/binary/PACKAGE/VERSION/binfiles` answers, of that what is needed here.
#[derive(Deserialize)]
struct Binfiles {
    result: Vec<Binfile>,
}

#[derive(Deserialize)]
struct Binfile {
    architecture: String,
    /// SHA-1 of the package, and its name in `/file`.
    hash: String,
}

/// A version of a package, and the sha256 of the tarball in it, with who says so.
#[derive(Clone, Copy)]
pub(super) struct Wanted<'a> {
    pub(super) package: &'a Package,
    pub(super) version: &'a str,
    pub(super) sha256: &'a str,
    pub(super) said_by: &'a Utf8Path,
}

/// Gets the tarball of a package of `archive`. A part of a download stays in `cache`, so that the next
/// run can go on from there. Needs neither apt nor dpkg.
///
/// # Errors
/// If the archive has no such package, or another one.
pub(super) fn obtain(
    shell: &Shell,
    progress: Progress,
    archive: &str,
    wanted: Wanted<'_>,
    cache: &Utf8Path,
    scratch: &Utf8Path,
) -> Result<Archive> {
    let Wanted { package, version, sha256, said_by } = wanted;
    let part = cache.join(format!("{}.part.deb", sha256.get(..16).unwrap_or(sha256)));
    let path = scratch.join("tarball.tar.xz");
    let tarball =
        || deb::extract(&part, &package.tarball(), &path).and_then(|()| hash::of_file(&path));
    let taken = |found| Archive {
        path: path.clone(),
        version: version.to_owned(),
        sha256: Some(found),
        downloaded: true,
    };
    // One that is there as a whole is of a run that was killed while it unpacked.
    if part.exists() && tarball().is_ok_and(|found| found == sha256) {
        std::fs::remove_file(&part).with_context(|| format!("failed to remove {part}"))?;
        return Ok(taken(sha256.to_owned()));
    }
    let name = ask(shell, progress, archive, package, version, scratch)?;
    let url = format!("{archive}/file/{name}");
    download(shell, progress, &url, &part)?;
    let found = tarball();
    std::fs::remove_file(&part).with_context(|| format!("failed to remove {part}"))?;
    let found = found.with_context(|| format!("failed to unpack {url}"))?;
    if found != sha256 {
        let (name, of) = (&package.name, format!("expected {sha256} by {said_by}"));
        return Err(anyhow!("the tarball of {name} {version} has sha256 {found}, {of}")).hint(
            || format!("the download was removed: try again; if it stays so, doubt {archive}"),
        );
    }
    Ok(taken(found))
}

/// The name by which the archive has the package for all architectures.
fn ask(
    shell: &Shell,
    progress: Progress,
    archive: &str,
    package: &Package,
    version: &str,
    scratch: &Utf8Path,
) -> Result<String> {
    let url =
        format!("{archive}/mr/binary/{}/{}/binfiles?fileinfo=1", package.name, encoded(version));
    let path: Utf8PathBuf = scratch.join("binfiles.json");
    download(shell, progress, &url, &path)?;
    let text = std::fs::read_to_string(&path).with_context(|| format!("failed to read {path}"))?;
    let answer: Binfiles = serde_json::from_str(&text)
        .with_context(|| format!("failed to read what {url} answers"))?;
    let for_all = answer.result.into_iter().filter(|file| file.architecture == "all");
    let names: BTreeSet<String> = for_all.map(|file| file.hash).collect();
    let names: Vec<String> = names.into_iter().collect();
    let [name] = &names[..] else {
        return Err(anyhow!("expected one package for all architectures at {url}, got {names:?}"));
    };
    ensure!(
        name.bytes().all(|byte| byte.is_ascii_hexdigit()),
        "`{name}` is no hash, which {url} names a file by"
    );
    Ok(name.clone())
}
