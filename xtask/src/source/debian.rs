//! The distribution's kernel source: a package with one tarball in it. apt's signatures are the
//! trust, and apt and dpkg do the work; none of it needs root, not even fresh package lists.

use std::time::Duration;

use anyhow::{Context, Result, anyhow};
use camino::{Utf8Path, Utf8PathBuf};
use xshell::cmd;

use super::Archive;
use crate::diag::Hint;
use crate::hash;
use crate::progress::Progress;
use crate::shell::{Finished, Shell};

const QUICK: Duration = Duration::from_secs(60);
/// A package has about 150 MiB.
const DOWNLOAD: Duration = Duration::from_secs(3600);

/// What apt knows of a package.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Offer {
    /// Every version that can be had, newest first.
    pub(super) versions: Vec<String>,
    /// The version that apt would install, or the installed one where no other can be had.
    pub(super) candidate: Option<String>,
    pub(super) installed: Option<String>,
    lists: Lists,
}

impl Offer {
    pub(super) fn has(&self, version: &str) -> bool {
        self.versions.iter().any(|offered| offered == version) || self.is_here(version)
    }

    pub(super) fn is_newer(&self, version: &str, other: &str) -> bool {
        let place = |version: &str| self.versions.iter().position(|offered| offered == version);
        place(version).zip(place(other)).is_some_and(|(version, other)| version < other)
    }

    /// Whether that version can be had without a network.
    pub(super) fn is_here(&self, version: &str) -> bool {
        self.installed.as_deref() == Some(version)
    }
}

/// Where apt looks up what can be had.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Lists {
    /// Options of apt's commands; none for the host's own lists, which are as old as root's last
    /// `apt-get update`.
    options: Vec<String>,
}

impl Lists {
    /// Lists of this very moment, in a folder of their own.
    ///
    /// # Errors
    /// If a mirror cannot be reached, or vouched for.
    pub(super) fn fresh(shell: &Shell, progress: Progress, dir: &Utf8Path) -> Result<Self> {
        let partial = dir.join("lists/partial");
        std::fs::create_dir_all(&partial)
            .with_context(|| format!("failed to create folder {partial}"))?;
        let set = |setting: String| ["-o".to_owned(), setting];
        let mut options = Vec::new();
        options.extend(set(format!("Dir::State::Lists={dir}/lists")));
        options.extend(set(format!("Dir::Cache={dir}/cache")));
        // Its own user, which root's apt changes to, could not write here.
        options.extend(set("APT::Sandbox::User=root".to_owned()));
        let spinner = progress.spinner("reading fresh package lists".to_owned());
        let with = &options;
        let update = c_locale(cmd!(shell.sh, "apt-get -q {with...} update"));
        let done = shell.run(update, DOWNLOAD);
        spinner.finish_and_clear();
        succeeded(done?, || "failed to read fresh package lists".to_owned())?;
        Ok(Lists { options })
    }
}

/// Asks apt, without a network.
///
/// # Errors
/// If there is no apt here, or it knows no version of the package.
pub(super) fn offer(shell: &Shell, lists: Lists, package: &str) -> Result<Offer> {
    let options = &lists.options;
    let policy = cmd!(shell.sh, "apt-cache {options...} policy {package}");
    let policy = shell.run(c_locale(policy), QUICK);
    let policy = policy.hint(|| {
        "only Debian and its kin have such a package: give a tree with --kernel-dir, or pin another \
         provider's in sources.toml"
    })?;
    let policy = succeeded(policy, || format!("failed to ask apt for package {package}"))?.stdout;
    let madison = cmd!(shell.sh, "apt-cache {options...} madison {package}");
    let madison = shell.run(c_locale(madison), QUICK)?;
    let mut offer = Offer { lists, ..parse(&policy, &madison.stdout, package) };
    if offer.candidate.is_none() && installed_tarball(package, &offer).is_some() {
        offer.candidate.clone_from(&offer.installed);
    }
    if offer.candidate.is_none() {
        return Err(anyhow!("apt knows no version of package {package}")).hint(|| {
            "this release of the distribution may lack it: pin another one in sources.toml, or \
             give a tree with --kernel-dir"
        });
    }
    Ok(offer)
}

fn c_locale(cmd: xshell::Cmd<'_>) -> xshell::Cmd<'_> {
    cmd.env("LC_ALL", "C")
}

fn succeeded(done: Finished, what: impl Fn() -> String) -> Result<Finished> {
    if done.success() {
        return Ok(done);
    }
    // apt's last line says what was the matter.
    let said = done.stderr.trim_end().lines().last().unwrap_or("it said nothing").to_owned();
    Err(anyhow!(said).context(format!("{}: {}", what(), done.how())))
}

/// Reads what `apt-cache policy` and `apt-cache madison` print in the C locale.
fn parse(policy: &str, madison: &str, package: &str) -> Offer {
    let field = |name: &str| {
        let value = policy.lines().find_map(|line| line.trim_start().strip_prefix(name))?;
        Some(value.trim().to_owned()).filter(|value| value != "(none)")
    };
    let mut versions: Vec<String> = Vec::new();
    for line in madison.lines() {
        let mut columns = line.split('|').map(str::trim);
        let (name, version, index) = (columns.next(), columns.next(), columns.next());
        let (Some(version), Some(index)) = (version, index) else { continue };
        // A `Sources` index offers the source package of the same name.
        if name == Some(package)
            && index.ends_with("Packages")
            && !versions.iter().any(|known| known == version)
        {
            versions.push(version.to_owned());
        }
    }
    let candidate = field("Candidate:")
        .filter(|candidate| versions.contains(candidate))
        .or_else(|| versions.first().cloned());
    Offer { versions, candidate, installed: field("Installed:"), ..Offer::default() }
}

/// The tarball of the installed package.
fn installed_tarball(package: &str, offer: &Offer) -> Option<Utf8PathBuf> {
    offer.installed.as_ref()?;
    Some(Utf8PathBuf::from(format!("/usr/src/{package}.tar.xz"))).filter(|path| path.is_file())
}

/// Gets the tarball of one version: the installed one, or that of the package, which is downloaded
/// into `scratch`.
pub(super) fn obtain(
    shell: &Shell,
    progress: Progress,
    package: &str,
    version: &str,
    offer: &Offer,
    scratch: &Utf8Path,
) -> Result<Archive> {
    if offer.installed.as_deref() == Some(version) {
        if let Some(path) = installed_tarball(package, offer) {
            progress.say(format!("taking {path} of the installed package {package} {version}"));
            return archive(path, version, false);
        }
    }
    let spinner = progress.spinner(format!("downloading {package} {version}"));
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
    package: &str,
    version: &str,
    scratch: &Utf8Path,
) -> Result<Utf8PathBuf> {
    let wanted = format!("{package}={version}");
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
    let tarball = content.join(format!("usr/src/{package}.tar.xz"));
    if tarball.is_file() {
        return Ok(tarball);
    }
    Err(anyhow!("package {wanted} has no /usr/src/{package}.tar.xz"))
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

#[cfg(test)]
mod tests {
    use super::*;

    const POLICY: &str = "\
linux-source-6.12:
  Installed: 6.12.117-1~deb12u1
  Candidate: 6.12.117-1~deb12u1
  Version table:
 *** 6.12.117-1~deb12u1 500
        500 http://deb.example.org/security bookworm-security/main amd64 Packages
        100 /var/lib/dpkg/status
     6.12.115-2~deb12u1 500
        500 http://deb.example.org/security bookworm-security/main amd64 Packages
";
    const MADISON: &str = "\
linux-source-6.12 | 6.12.117-1~deb12u1 | http://deb.example.org/security bookworm-security/main amd64 Packages
linux-source-6.12 | 6.12.115-2~deb12u1 | http://deb.example.org/security bookworm-security/main amd64 Packages
linux-source-6.12 | 6.12.115-2~deb12u1 | http://deb.example.org/debian bookworm/main amd64 Packages
linux-source-6.12 | 6.12.9-9 | http://deb.example.org/debian bookworm/main Sources
";

    #[test]
    fn reads_what_apt_prints() {
        let offer = parse(POLICY, MADISON, "linux-source-6.12");
        assert_eq!(offer.versions, ["6.12.117-1~deb12u1", "6.12.115-2~deb12u1"]);
        assert_eq!(offer.candidate.as_deref(), Some("6.12.117-1~deb12u1"));
        assert_eq!(offer.installed.as_deref(), Some("6.12.117-1~deb12u1"));
        assert!(offer.has("6.12.115-2~deb12u1") && !offer.has("6.12.9-9"));
        assert!(offer.is_newer("6.12.117-1~deb12u1", "6.12.115-2~deb12u1"));
        assert!(!offer.is_newer("6.12.115-2~deb12u1", "6.12.117-1~deb12u1"));
        assert!(!offer.is_newer("6.12.117-1~deb12u1", "6.12.9-9"));
    }

    #[test]
    fn nothing_is_offered_without_lists() {
        assert_eq!(parse("", "", "linux-source-6.12"), Offer::default());
        let removed = "linux-source-6.12:\n  Installed: (none)\n  Candidate: (none)\n";
        assert_eq!(parse(removed, "N: Unable to locate package\n", "x"), Offer::default());
    }

    #[test]
    fn an_installed_version_that_is_no_longer_offered_is_no_candidate() {
        let policy = "p:\n  Installed: 2\n  Candidate: 2\n";
        let offer = parse(policy, "p | 1 | http://h/ bookworm/main amd64 Packages\n", "p");
        assert_eq!(offer.candidate.as_deref(), Some("1"));
        assert!(offer.has("2"));
    }
}
