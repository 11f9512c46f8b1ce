//! The distribution's kernel source: a package with one tarball in it. apt's signatures are the
//! trust, and apt and dpkg do the work.

use anyhow::{Context, Result, anyhow};
use camino::{Utf8Path, Utf8PathBuf};
use xshell::cmd;

use super::apt::{self, DOWNLOAD, Lists, Offer, c_locale, succeeded};
use super::{Archive, kernel_org};
use crate::diag::Hint;
use crate::hash;
use crate::os_release;
use crate::progress::Progress;
use crate::shell::Shell;

/// A package, and where it is looked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Package {
    pub(super) name: String,
    /// Of Debian's; `None`: whatever the host's own lists name.
    pub(super) suite: Option<String>,
}

impl Package {
    /// The series of Linux that it is of by its name: `linux-source-6.12` is of 6.12.
    pub(super) fn series(&self) -> Option<&str> {
        self.name.strip_prefix("linux-source-").filter(|series| kernel_org::is_series(series))
    }

    /// Where it has its tarball, from the root.
    pub(super) fn tarball(&self) -> String {
        format!("usr/src/{}.tar.xz", self.name)
    }

    /// Why this host cannot have it, as far as that is known without a network.
    ///
    /// # Errors
    /// If apt fails.
    pub(super) fn lacking(&self, shell: &Shell) -> Result<Option<String>> {
        if !apt::is_here(shell) {
            return Ok(Some("this host has no apt".to_owned()));
        }
        let id = os_release::value(&os_release::read(), "ID").unwrap_or_default();
        if id == "debian" {
            return Ok(None);
        }
        if let Some(suite) = &self.suite {
            return Ok(Some(format!("{suite} is Debian's, and this host is {id}'s")));
        }
        let offer = self.offered(shell, Lists::default())?;
        Ok(offer.candidate.is_none().then(|| format!("apt knows no package {} here", self.name)))
    }

    /// What apt has of it by these lists, or what is installed.
    ///
    /// # Errors
    /// If there is no apt here, or it fails.
    pub(super) fn offered(&self, shell: &Shell, lists: Lists) -> Result<Offer> {
        let mut offer = apt::offer(shell, lists, &self.name)?;
        if offer.candidate.is_none() && self.installed_tarball(&offer).is_some() {
            offer.candidate.clone_from(&offer.installed);
        }
        Ok(offer)
    }

    /// The tarball of the installed package.
    fn installed_tarball(&self, offer: &Offer) -> Option<Utf8PathBuf> {
        offer.installed.as_ref()?;
        Some(Utf8Path::new("/").join(self.tarball())).filter(|path| path.is_file())
    }
}

/// Gets the tarball of one version: the installed one, or that of the package, which is downloaded
/// into `scratch`.
pub(super) fn obtain(
    shell: &Shell,
    progress: Progress,
    package: &Package,
    version: &str,
    offer: &Offer,
    scratch: &Utf8Path,
) -> Result<Archive> {
    let name = &package.name;
    if offer.installed.as_deref() == Some(version) {
        if let Some(path) = package.installed_tarball(offer) {
            progress.say(format!("taking {path} of the installed package {name} {version}"));
            return archive(path, version, false);
        }
    }
    let spinner = progress.spinner(format!("downloading {name} {version}"));
    let path = download(shell, &offer.lists, package, version, scratch);
    spinner.finish_and_clear();
    archive(path?, version, true)
}

/// apt has checked the file; its hash is recorded.
fn archive(path: Utf8PathBuf, version: &str, downloaded: bool) -> Result<Archive> {
    let sha256 = Some(hash::of_file(&path)?);
    Ok(Archive { path, version: version.to_owned(), sha256, downloaded })
}

fn download(
    shell: &Shell,
    lists: &Lists,
    package: &Package,
    version: &str,
    scratch: &Utf8Path,
) -> Result<Utf8PathBuf> {
    let wanted = format!("{}={version}", package.name);
    let done = {
        // apt-get download writes into the working folder.
        let _there = shell.sh.push_dir(scratch);
        let quiet = ["-q", "-o", "Acquire::Retries=3"];
        let options = &lists.options;
        let get = c_locale(cmd!(shell.sh, "apt-get {quiet...} {options...} download {wanted}"));
        shell.run(get, DOWNLOAD)?
    };
    succeeded(done, || format!("failed to download package {wanted}"))?;
    let deb = the_one(scratch, "deb")?;
    let content = scratch.join("package");
    let done = shell.run(cmd!(shell.sh, "dpkg-deb --extract {deb} {content}"), DOWNLOAD)?;
    succeeded(done, || format!("failed to unpack package {deb}"))?;
    std::fs::remove_file(&deb).with_context(|| format!("failed to remove {deb}"))?;
    let tarball = content.join(package.tarball());
    if tarball.is_file() {
        return Ok(tarball);
    }
    Err(anyhow!("package {wanted} has no /{}", package.tarball()))
        .hint(|| "name a package with a kernel tarball, such as linux-source-6.12")
}

/// The only file in `folder` with that ending.
fn the_one(folder: &Utf8Path, ending: &str) -> Result<Utf8PathBuf> {
    let read = || format!("failed to read folder {folder}");
    let mut found = Vec::new();
    for entry in folder.read_dir_utf8().with_context(read)? {
        let path = entry.with_context(read)?.into_path();
        if path.extension() == Some(ending) {
            found.push(path);
        }
    }
    match <[Utf8PathBuf; 1]>::try_from(found) {
        Ok([path]) => Ok(path),
        Err(found) => Err(anyhow!("expected one .{ending} file in {folder}, got {found:?}")),
    }
}
