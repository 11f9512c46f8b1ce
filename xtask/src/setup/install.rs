//! Installs packages with the distribution's own package manager.

use std::fmt;
use std::time::Duration;

use anyhow::{Result, anyhow};

use super::{Missing, on_path};
use crate::diag::Hint;
use crate::os_release;
use crate::progress::Progress;
use crate::shell::{Next, Shell};

const DEADLINE: Duration = Duration::from_secs(3600);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Manager {
    Apt,
    Dnf,
    Zypper,
    Pacman,
}

impl Manager {
    const ALL: [Manager; 4] = [Manager::Apt, Manager::Dnf, Manager::Zypper, Manager::Pacman];

    fn program(self) -> &'static str {
        match self {
            Manager::Apt => "apt-get",
            Manager::Dnf => "dnf",
            Manager::Zypper => "zypper",
            Manager::Pacman => "pacman",
        }
    }

    /// `ID` and `ID_LIKE` of os-release(5) that stand for it.
    fn families(self) -> &'static [&'static str] {
        match self {
            Manager::Apt => &["debian", "ubuntu"],
            Manager::Dnf => &["fedora", "rhel", "centos", "openEuler"],
            Manager::Zypper => &["suse", "opensuse"],
            Manager::Pacman => &["arch"],
        }
    }

    /// The package manager of this host; `None` if it is one that nothing is known of.
    pub(crate) fn detect(shell: &Shell) -> Option<Self> {
        Self::of(&os_release::read(), |program| on_path(shell, program))
    }

    /// A distribution may carry another's package manager: its own counts.
    pub(super) fn of(os_release: &str, has: impl Fn(&str) -> bool) -> Option<Self> {
        let value = |line: &str| {
            let (key, value) = line.split_once('=')?;
            matches!(key, "ID" | "ID_LIKE").then(|| value.trim_matches(['"', '\'']).to_owned())
        };
        let words: Vec<String> = os_release.lines().filter_map(value).collect();
        let is_of = |manager: &Manager| {
            let mut words = words.iter().flat_map(|words| words.split_whitespace());
            words.any(|word| manager.families().contains(&word))
        };
        let here: Vec<Manager> =
            Self::ALL.into_iter().filter(|manager| has(manager.program())).collect();
        here.iter().copied().find(is_of).or(here.first().copied())
    }

    /// What the others do themselves: the lists of a machine that is not fresh name versions that
    /// the mirrors no longer have.
    fn refresh(self) -> Option<&'static [&'static str]> {
        match self {
            Manager::Apt => Some(&["apt-get", "update"]),
            Manager::Pacman => Some(&["pacman", "-Sy"]),
            Manager::Dnf | Manager::Zypper => None,
        }
    }

    fn install(self) -> &'static [&'static str] {
        match self {
            Manager::Apt => &[
                "env",
                "DEBIAN_FRONTEND=noninteractive",
                "apt-get",
                "install",
                "-y",
                "--no-install-recommends",
            ],
            Manager::Dnf => &["dnf", "install", "-y", "--setopt=install_weak_deps=False"],
            Manager::Zypper => &["zypper", "--non-interactive", "install", "--no-recommends"],
            Manager::Pacman => &["pacman", "-S", "--needed", "--noconfirm"],
        }
    }
}

/// The release of a distribution: `ID` and `VERSION_ID` of os-release(5), such as `debian 12`.
pub(crate) fn release() -> String {
    release_of(&os_release::read())
}

pub(super) fn release_of(os_release: &str) -> String {
    let value = |key| os_release::value(os_release, key).unwrap_or_default();
    format!("{} {}", value("ID"), value("VERSION_ID"))
}

/// What is going to be run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Installation {
    /// Brings fresh package lists; the rest is tried without them, too.
    pub(crate) refresh: Option<Vec<String>>,
    /// Commands in order, by their words.
    pub(crate) commands: Vec<Vec<String>>,
    /// What no package is known for: by name.
    pub(crate) unknown: Vec<String>,
}

/// The packages that bring what is missing, the crates that bring what has no package, and what has
/// neither.
pub(super) fn bringers(
    manager: Manager,
    release: &str,
    missing: &[Missing],
) -> (Vec<String>, Vec<String>, Vec<String>) {
    let (mut packages, mut crates, mut unknown) = (vec![], vec![], vec![]);
    for need in missing {
        let (list, one) = match (need.package(manager, release), need.krate()) {
            (Some(package), _) => (&mut packages, package.to_owned()),
            (None, Some(krate)) => (&mut crates, krate.to_owned()),
            (None, None) => (&mut unknown, need.probe.to_string()),
        };
        if !list.contains(&one) {
            list.push(one);
        }
    }
    (packages, crates, unknown)
}

impl Installation {
    /// Plans what installs `missing` here.
    ///
    /// # Errors
    /// If this user may not install anything.
    pub(crate) fn plan(shell: &Shell, manager: Manager, missing: &[Missing]) -> Result<Self> {
        let (packages, crates, unknown) = bringers(manager, &release(), missing);
        let words = |words: &[&str]| words.iter().map(|&word| word.to_owned()).collect::<Vec<_>>();
        let mut by_root = vec![];
        let mut refresh = None;
        if !packages.is_empty() {
            refresh = manager.refresh().map(words);
            by_root.push([words(manager.install()), packages].concat());
        }
        let cargo =
            |krate: String| [words(&["cargo", "install", "--locked"]), vec![krate]].concat();
        let by_user: Vec<_> = crates.into_iter().map(cargo).collect();
        if !rustix::process::geteuid().is_root() && !by_root.is_empty() {
            if !on_path(shell, "sudo") {
                let commands = refresh.into_iter().chain(by_root).chain(by_user).collect();
                let plan = Installation { refresh: None, commands, unknown };
                return Err(anyhow!("installing packages needs root, and there is no sudo here"))
                    .hint(|| format!("as root, run:\n{plan}"));
            }
            for command in refresh.iter_mut().chain(&mut by_root) {
                // Without -n, sudo would ask on a terminal that a process in the background may
                // not read from.
                command.splice(0..0, ["sudo", "-n"].map(str::to_owned));
            }
        }
        by_root.extend(by_user);
        Ok(Installation { refresh, commands: by_root, unknown })
    }
}

/// The commands as they can be typed, one a line.
impl fmt::Display for Installation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let all = self.refresh.iter().chain(&self.commands);
        let lines: Vec<String> = all.map(|words| words.join(" ")).collect();
        f.write_str(&lines.join("\n"))
    }
}

/// Runs the commands. One mirror of many that is away while package lists are refreshed must not
/// keep the rest from being tried.
///
/// # Errors
/// If a command that installs fails, with the last lines that it said.
pub(crate) fn install(shell: &Shell, progress: Progress, what: &Installation) -> Result<()> {
    for words in what.refresh.iter().chain(&what.commands) {
        let line = words.join(" ");
        let Some((program, arguments)) = words.split_first() else { continue };
        let spinner = progress.spinner(line.clone());
        let mut said: Vec<String> = Vec::new();
        let cmd = shell.sh.cmd(program).args(arguments);
        let done = shell.stream(cmd, DEADLINE, None, |_, text| {
            said.push(text.to_owned());
            Next::Continue
        });
        spinner.finish_and_clear();
        let done = done?;
        if !done.success() {
            let last = said.len().saturating_sub(5);
            let error = anyhow!(said[last..].join("\n"));
            let error = error.context(format!("failed to run `{line}`: {}", done.how()));
            if Some(words) == what.refresh.as_ref() {
                progress.complain(format!("{error:#}; going on with older package lists"));
                continue;
            }
            return Err(error).hint(|| match program.as_str() {
                "sudo" => format!("run `sudo -v` first, or yourself:\n{what}"),
                _ => format!("to see all of it, run:\n{what}"),
            });
        }
    }
    Ok(())
}
