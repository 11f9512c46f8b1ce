//! Installs packages with the distribution's own package manager.

use std::fmt;
use std::time::Duration;

use anyhow::{Result, anyhow};

use super::{Missing, on_path};
use crate::diag::Hint;
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
        let release = std::fs::read_to_string("/etc/os-release").unwrap_or_default();
        Self::of(&release, |program| on_path(shell, program))
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

/// What is going to be run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Installation {
    /// Commands in order, by their words.
    pub(crate) commands: Vec<Vec<String>>,
    /// What no package is known for: by name.
    pub(crate) unknown: Vec<String>,
}

/// The command that installs what is missing, and what it leaves out because no package is known.
pub(super) fn install_command(manager: Manager, missing: &[Missing]) -> (Vec<String>, Vec<String>) {
    let mut packages = Vec::new();
    let mut unknown = Vec::new();
    for need in missing {
        match need.package(manager) {
            Some(package) if packages.contains(&package) => {}
            Some(package) => packages.push(package),
            None => unknown.push(need.probe.to_string()),
        }
    }
    if packages.is_empty() {
        return (Vec::new(), unknown);
    }
    let words = manager.install().iter().chain(&packages);
    (words.map(|word| (*word).to_owned()).collect(), unknown)
}

impl Installation {
    /// Plans what installs `missing` here.
    ///
    /// # Errors
    /// If this user may not install anything.
    pub(crate) fn plan(shell: &Shell, manager: Manager, missing: &[Missing]) -> Result<Self> {
        let (install, unknown) = install_command(manager, missing);
        let mut commands = Vec::new();
        if !install.is_empty() {
            let refresh = manager.refresh();
            commands.extend(refresh.map(|words| words.iter().map(|w| (*w).to_owned()).collect()));
            commands.push(install);
        }
        let mut installation = Installation { commands, unknown };
        if !rustix::process::geteuid().is_root() && !installation.commands.is_empty() {
            if !on_path(shell, "sudo") {
                return Err(anyhow!("installing packages needs root, and there is no sudo here"))
                    .hint(|| format!("as root, run:\n{installation}"));
            }
            for command in &mut installation.commands {
                // Without -n, sudo would ask on a terminal that a process in the background may
                // not read from.
                command.splice(0..0, ["sudo", "-n"].map(str::to_owned));
            }
        }
        Ok(installation)
    }
}

/// The commands as they can be typed, one a line.
impl fmt::Display for Installation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lines: Vec<String> = self.commands.iter().map(|words| words.join(" ")).collect();
        f.write_str(&lines.join("\n"))
    }
}

/// Runs the commands. The last one installs; those before it only bring fresh package lists, and one
/// mirror of many that is away must not keep it from being tried.
///
/// # Errors
/// If the last one fails, with the last lines that it said.
pub(crate) fn install(shell: &Shell, progress: Progress, what: &Installation) -> Result<()> {
    for (index, words) in what.commands.iter().enumerate() {
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
            if index + 1 < what.commands.len() {
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
