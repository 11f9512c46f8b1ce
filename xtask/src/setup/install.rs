//! Installs packages with the distribution's own package manager, and programs that it has none of
//! with cargo.

use std::fmt;
use std::time::Duration;

use anyhow::{Result, anyhow};
use xshell::cmd;

use super::{Missing, on_path};
use crate::diag::Hint;
use crate::progress::Progress;
use crate::shell::{Next, Shell};

const DEADLINE: Duration = Duration::from_secs(3600);

/// To ask whether there is a package.
const LOOK: Duration = Duration::from_secs(30);

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

/// One command, by its words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Command {
    pub(super) words: Vec<String>,
    /// It only brings fresh package lists: one mirror of many that is away must not keep the
    /// installation from being tried.
    pub(super) may_fail: bool,
}

impl Command {
    fn new<'a>(words: impl IntoIterator<Item = &'a str>) -> Self {
        let words = words.into_iter().map(str::to_owned).collect();
        Command { words, may_fail: false }
    }
}

/// What is going to be run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Installation {
    /// In order.
    pub(crate) commands: Vec<Command>,
    /// What no package is known for: by name.
    pub(crate) unknown: Vec<String>,
}

/// The command of the package manager's that installs what is missing, and what it leaves out because
/// no package is known. `knows` tells whether the package manager knows a package.
pub(super) fn install_command(
    manager: Manager,
    missing: &[Missing],
    knows: impl Fn(&str) -> bool,
) -> (Option<Command>, Vec<String>) {
    let mut packages = Vec::new();
    let mut unknown = Vec::new();
    for need in missing {
        match need.package(manager).map(|names| one_of(names, &knows)) {
            Some(package) if packages.contains(&package) => {}
            Some(package) => packages.push(package),
            None if need.krate().is_some() => {}
            None => unknown.push(need.probe.to_string()),
        }
    }
    let command = Command::new(manager.install().iter().chain(&packages).copied());
    ((!packages.is_empty()).then_some(command), unknown)
}

/// Of "a | b" the first that is known, else the last.
fn one_of(names: &str, knows: impl Fn(&str) -> bool) -> &str {
    let mut each = names.split('|').map(str::trim);
    let last = each.next_back().unwrap_or(names);
    each.find(|name| knows(name)).unwrap_or(last)
}

/// The command of cargo's, for what no package brings.
pub(super) fn cargo_command(manager: Manager, missing: &[Missing]) -> Option<Command> {
    let unpackaged = missing.iter().filter(|need| need.package(manager).is_none());
    let crates: Vec<&str> = unpackaged.filter_map(Missing::krate).collect();
    let words = ["cargo", "install", "--locked"].into_iter().chain(crates.iter().copied());
    (!crates.is_empty()).then(|| Command::new(words))
}

impl Installation {
    /// Plans what installs `missing` here.
    ///
    /// # Errors
    /// If this user may not install anything.
    pub(crate) fn plan(shell: &Shell, manager: Manager, missing: &[Missing]) -> Result<Self> {
        let knows = |package: &str| {
            let ask = || shell.run(cmd!(shell.sh, "apt-cache show {package}"), LOOK);
            manager == Manager::Apt && ask().is_ok_and(|asked| asked.success())
        };
        let (install, unknown) = install_command(manager, missing, knows);
        let refresh = manager.refresh().filter(|_| install.is_some());
        let refresh =
            refresh.map(|words| Command { may_fail: true, ..Command::new(words.iter().copied()) });
        let commands = refresh.into_iter().chain(install).collect();
        let mut installation = Installation { commands, unknown };
        if !rustix::process::geteuid().is_root() && !installation.commands.is_empty() {
            if !on_path(shell, "sudo") {
                return Err(anyhow!("installing packages needs root, and there is no sudo here"))
                    .hint(|| format!("as root, run:\n{installation}"));
            }
            for command in &mut installation.commands {
                // Without -n, sudo would ask on a terminal that a process in the background may
                // not read from.
                command.words.splice(0..0, ["sudo", "-n"].map(str::to_owned));
            }
        }
        // As this user: what cargo installs is this user's own.
        installation.commands.extend(cargo_command(manager, missing));
        Ok(installation)
    }
}

/// The commands as they can be typed, one a line.
impl fmt::Display for Installation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lines: Vec<String> = self.commands.iter().map(|one| one.words.join(" ")).collect();
        f.write_str(&lines.join("\n"))
    }
}

/// Runs the commands.
///
/// # Errors
/// If one fails that must not, with the last lines that it said.
pub(crate) fn install(shell: &Shell, progress: Progress, what: &Installation) -> Result<()> {
    for Command { words, may_fail } in &what.commands {
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
            if *may_fail {
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
