//! What apt knows of a package: by the host's own lists, by fresh ones, or by those of another suite on
//! the host's mirror. None of it needs root, or changes anything of the host's.

use std::fmt;
use std::time::Duration;

use anyhow::{Context, Result, anyhow};
use camino::Utf8Path;
use xshell::cmd;

use crate::diag::Hint;
use crate::os_release;
use crate::programs::on_path;
use crate::progress::Progress;
use crate::shell::{Finished, Shell};

const QUICK: Duration = Duration::from_secs(60);
/// For whatever brings something over the network. A package has about 150 MiB.
pub(super) const DOWNLOAD: Duration = Duration::from_secs(3600);

/// What Debian signs all its suites with (the package debian-archive-keyring).
const KEYRING: &str = "/usr/share/keyrings/debian-archive-keyring.gpg";

/// What is pinned is on no mirror that this host is configured with; the text says what is not where.
#[derive(Debug)]
pub(crate) struct NotCarried(String);

impl fmt::Display for NotCarried {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for NotCarried {}

impl NotCarried {
    /// Whether an error comes of that.
    pub(crate) fn is_cause_of(error: &anyhow::Error) -> bool {
        error.chain().any(|cause| cause.is::<NotCarried>())
    }
}

/// Whether this host has apt.
pub(super) fn is_here(shell: &Shell) -> bool {
    ["apt-get", "apt-cache", "dpkg-deb"].iter().all(|program| on_path(shell, program))
}

/// What apt knows of a package.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Offer {
    /// Every version that can be had, newest first.
    pub(super) versions: Vec<String>,
    /// The version that apt would install, or the installed one where no other can be had.
    pub(super) candidate: Option<String>,
    pub(super) installed: Option<String>,
    pub(super) lists: Lists,
}

impl Offer {
    pub(super) fn has(&self, version: &str) -> bool {
        self.versions.iter().any(|offered| offered == version) || self.is_here(version)
    }

    /// The error that there is no version at all.
    pub(super) fn nothing(&self, package: &str) -> NotCarried {
        NotCarried(match &self.lists.of {
            None => format!("apt knows no version of package {package}"),
            Some((suite, mirror)) => {
                format!("suite {suite} at {mirror} carries no package {package}")
            }
        })
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
    pub(super) options: Vec<String>,
    /// What they are of, beside what the host is configured with: a suite, and the mirror that has it.
    of: Option<(String, String)>,
}

impl Lists {
    /// Lists of this very moment, in a folder of their own; and what is missing in them where a mirror
    /// cannot be reached, or vouched for.
    ///
    /// # Errors
    /// If apt cannot be run, or the user interrupts.
    pub(super) fn fresh(
        shell: &Shell,
        progress: Progress,
        dir: &Utf8Path,
    ) -> Result<(Self, Result<()>)> {
        let lists = Lists { options: own_folders(dir)?, of: None };
        let updated = lists.update(shell, progress, "reading fresh package lists".to_owned())?;
        let all = succeeded(updated, || "failed to read fresh package lists".to_owned());
        Ok((lists, all.map(drop)))
    }

    /// Lists of this very moment of one suite on the mirror that this host is configured with.
    ///
    /// # Errors
    /// If the host has no such mirror, or that cannot be reached, vouched for, or has no such suite.
    pub(super) fn of_suite(
        shell: &Shell,
        progress: Progress,
        suite: &str,
        dir: &Utf8Path,
    ) -> Result<Self> {
        let mirror = mirror(shell, suite)?;
        let mut options = own_folders(dir)?;
        let (list, parts) = (dir.join("sources.list"), dir.join("parts"));
        std::fs::create_dir(&parts).with_context(|| format!("failed to create folder {parts}"))?;
        let keyring = match Utf8Path::new(KEYRING).is_file() {
            true => format!("[signed-by={KEYRING}] "),
            false => String::new(),
        };
        let line = format!("deb {keyring}{mirror} {suite} main\n");
        std::fs::write(&list, line).with_context(|| format!("failed to write {list}"))?;
        options.extend(set(format!("Dir::Etc::SourceList={list}")));
        options.extend(set(format!("Dir::Etc::SourceParts={parts}")));
        let lists = Lists { options, of: Some((suite.to_owned(), mirror.clone())) };
        let what = format!("reading the package list of {suite}");
        let updated = lists.update(shell, progress, what)?;
        let failed = || format!("failed to read the package list of suite {suite} at {mirror}");
        if updated.stderr.contains("does not have a Release file") {
            let lacks = NotCarried(format!("{mirror} has no suite {suite}"));
            return Err(anyhow!(lacks).context(failed())).hint(|| {
                "suites are called as trixie-backports is, and move to Debian's archive some time after \
                 their support has ended"
            });
        }
        succeeded(updated, failed)?;
        Ok(lists)
    }

    fn update(&self, shell: &Shell, progress: Progress, what: String) -> Result<Finished> {
        let spinner = progress.spinner(what);
        // By default apt takes a mirror that it cannot reach for a warning, and says that all is well.
        let options = [&self.options[..], &set("APT::Update::Error-Mode=any".to_owned())].concat();
        let done = shell.run(c_locale(cmd!(shell.sh, "apt-get -q {options...} update")), DOWNLOAD);
        spinner.finish_and_clear();
        done
    }
}

fn set(setting: String) -> [String; 2] {
    ["-o".to_owned(), setting]
}

/// Options for apt to keep what it fetches in `dir`.
fn own_folders(dir: &Utf8Path) -> Result<Vec<String>> {
    let partial = dir.join("lists/partial");
    std::fs::create_dir_all(&partial)
        .with_context(|| format!("failed to create folder {partial}"))?;
    let settings = [
        format!("Dir::State::Lists={dir}/lists"),
        format!("Dir::Cache={dir}/cache"),
        // Its own user, which root's apt changes to, could not write here.
        "APT::Sandbox::User=root".to_owned(),
        "Acquire::Languages=none".to_owned(),
    ];
    Ok(settings.into_iter().flat_map(set).collect())
}

/// The mirror that this host has suites of that kind from: security's are elsewhere than the rest.
fn mirror(shell: &Shell, suite: &str) -> Result<String> {
    let format = "$(REPO_URI)|$(RELEASE)|$(COMPONENT)|$(ORIGIN)";
    let packages = "Created-By: Packages";
    let asked = cmd!(shell.sh, "apt-get indextargets --format {format} {packages}");
    let asked = succeeded(shell.run(c_locale(asked), QUICK)?, || {
        "failed to ask apt which mirrors this host has".to_owned()
    })?;
    let codename = os_release::value(&os_release::read(), "VERSION_CODENAME").unwrap_or_default();
    mirror_of(&asked.stdout, suite, &codename)
        .ok_or_else(|| anyhow!("this host's apt has no mirror with suites such as {suite}"))
        .hint(|| "sources.list(5) says how to name one; or pin another source in sources.toml")
}

/// One of `targets`, which are lines of address, suite, component and origin, such as
/// `http://h/debian/|bookworm|main|Debian`; the last is not known before the first `apt-get update`.
fn mirror_of(targets: &str, suite: &str, codename: &str) -> Option<String> {
    let is_security = |suite: &str| suite.ends_with("-security");
    let known = targets.lines().filter_map(|line| {
        let [uri, of, component, origin] = line.split('|').collect::<Vec<_>>()[..] else {
            return None;
        };
        let fits = is_security(of) == is_security(suite) && !uri.starts_with("cdrom:");
        // Others than Debian have their own names for suites and components, mostly.
        let is_debians = origin == "Debian";
        let may_be = component == "main" && of.trim_end_matches("-security") == codename;
        fits.then(|| ((!is_debians, !may_be), uri.trim_end_matches('/').to_owned()))
    });
    known.min_by_key(|(rank, _)| *rank).map(|(_, uri)| uri)
}

/// Asks apt, without a network. It may have no version at all.
///
/// # Errors
/// If there is no apt here, or it fails.
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
    Ok(Offer { lists, ..parse(&policy, &madison.stdout, package) })
}

pub(super) fn c_locale(cmd: xshell::Cmd<'_>) -> xshell::Cmd<'_> {
    cmd.env("LC_ALL", "C")
}

pub(super) fn succeeded(done: Finished, what: impl Fn() -> String) -> Result<Finished> {
    if done.success() {
        return Ok(done);
    }
    // apt's last error says what was the matter.
    let mut errors = done.stderr.lines().filter(|line| line.starts_with("E:"));
    let last = errors.next_back().or_else(|| done.stderr.trim_end().lines().last());
    let said = last.unwrap_or("it said nothing").to_owned();
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

    #[test]
    fn a_suite_is_looked_for_where_the_host_has_its_like_from() {
        let targets = "\
cdrom:[Debian 12]/|bookworm|main|Debian
http://other.example.org/|bookworm|stable|Other
http://m.example.org/debian/|bookworm|main|Debian
http://m.example.org/debian/|bookworm-updates|main|Debian
http://s.example.org/security/|bookworm-security|main|Debian
";
        let of = |targets: &str, suite| mirror_of(targets, suite, "bookworm");
        // Before the first update nobody knows whose a mirror is.
        for targets in [targets.to_owned(), targets.replace("|Debian", "|")] {
            let found = of(&targets, "trixie-backports");
            assert_eq!(found.as_deref(), Some("http://m.example.org/debian"));
            let found = of(&targets, "bullseye-security");
            assert_eq!(found.as_deref(), Some("http://s.example.org/security"));
        }
        let without = targets.lines().take(4).collect::<Vec<_>>().join("\n");
        assert_eq!(of(&without, "bullseye-security"), None);
    }
}
