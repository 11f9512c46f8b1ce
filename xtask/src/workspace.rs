//! What the workspace says: where it is, which hypervisors its sandboxer has, and what their config
//! files ask for. Read with `cargo metadata --no-deps` from any folder of the workspace.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context, Result};
use camino::{Utf8Path, Utf8PathBuf};
use cargo_metadata::{Metadata, MetadataCommand, Package};
use serde::Deserialize;
use toml::Spanned;
use vmm_kernel::{Arch, GuestKernel, Hypervisor};

use crate::diag::{BadInput, Hint};
use crate::shell::Shell;

/// The package that has one `[[bin]]` for each hypervisor, and its config files.
const SANDBOXER: &str = "vmm-sandboxer";

/// What cargo says where no folder above has a Cargo.toml.
const NO_MANIFEST: &str = "could not find `Cargo.toml`";

/// Where a workspace says which toolchain it wants, in the order in which rustup looks.
const TOOLCHAIN_FILES: [&str; 2] = ["rust-toolchain", "rust-toolchain.toml"];

#[derive(Debug, Clone)]
pub(crate) struct Workspace {
    pub root: Utf8PathBuf,
    /// `target/guest-kernel`: sources, object trees, records.
    pub work: Utf8PathBuf,
    pub facts: GuestKernel,
    /// The sandboxer's `[[bin]]` targets; empty in a workspace without one.
    pub sandboxers: Vec<String>,
    /// Folder of the sandboxer's config files.
    sandboxer_dir: Option<Utf8PathBuf>,
}

/// A value with the line it stands on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct At<T> {
    pub value: T,
    pub line: usize,
}

/// The keys of a sandboxer's config file that decide which kernel it boots.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SandboxerConfig {
    pub path: Utf8PathBuf,
    pub text: String,
    pub machine_type: Option<At<String>>,
    pub kernel_path: Option<Utf8PathBuf>,
}

impl SandboxerConfig {
    /// The machine without the options after its comma.
    pub(crate) fn machine(&self) -> Option<&str> {
        self.machine_type.as_ref().map(|at| at.value.split(',').next().unwrap_or_default())
    }
}

impl Workspace {
    /// Reads the workspace around the working folder.
    ///
    /// # Errors
    /// If there is no Cargo workspace here, or its guest-kernel metadata does not parse.
    pub(crate) fn read(shell: &Shell) -> Result<Self> {
        let metadata = match metadata(shell, Utf8Path::new(".")) {
            Err(error) if format!("{error:#}").contains(NO_MANIFEST) => {
                Err(error).hint(|| "run this inside a Kuasar workspace")?
            }
            other => other?,
        };
        Self::from_metadata(&metadata)
    }

    /// Reads the workspace around a folder.
    ///
    /// # Errors
    /// If there is no Cargo workspace, or its guest-kernel metadata does not parse.
    pub(crate) fn around(shell: &Shell, folder: &Utf8Path) -> Result<Self> {
        Self::from_metadata(&metadata(shell, folder)?)
    }

    fn from_metadata(metadata: &Metadata) -> Result<Self> {
        let sandboxer = metadata.packages.iter().find(|package| package.name.as_str() == SANDBOXER);
        let sandboxers = sandboxer.map(bin_names).unwrap_or_default();
        Ok(Workspace {
            root: metadata.workspace_root.clone(),
            work: metadata.target_directory.join("guest-kernel"),
            facts: facts(&metadata.packages)?,
            sandboxers,
            sandboxer_dir: sandboxer
                .and_then(|package| package.manifest_path.parent().map(Utf8Path::to_owned)),
        })
    }

    /// A path as people are shown it and as a manifest keeps it: relative to the workspace where it
    /// is inside, as cargo has it.
    pub(crate) fn shown<'a>(&self, path: &'a Utf8Path) -> &'a Utf8Path {
        path.strip_prefix(&self.root).unwrap_or(path)
    }

    /// Every hypervisor there are facts for: the sandboxer's first, then those without one.
    pub(crate) fn hypervisors(&self) -> Vec<&str> {
        let known = |name: &&String| self.facts.hypervisor.contains_key(*name);
        let others = self.facts.hypervisor.keys().filter(|name| !self.sandboxers.contains(name));
        self.sandboxers.iter().filter(known).chain(others).map(String::as_str).collect()
    }

    /// The config file of a hypervisor's sandboxer for one arch, where the workspace has one.
    pub(crate) fn config(&self, facts: &Hypervisor, arch: Arch) -> Result<Option<SandboxerConfig>> {
        let (Some(dir), Some(name)) = (&self.sandboxer_dir, facts.configs.get(&arch)) else {
            return Ok(None);
        };
        let path = dir.join(name);
        match std::fs::read_to_string(&path) {
            Ok(text) => parse_config(&path, text).map(Some),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error).with_context(|| format!("failed to read config file {path}")),
        }
    }

    /// The folder with the lists: the first of the metadata's that exists.
    pub(crate) fn conf_dir(&self) -> Utf8PathBuf {
        let dirs = || self.facts.conf_dirs.iter().map(|dir| self.root.join(dir));
        dirs()
            .find(|dir| dir.is_dir())
            .or_else(|| dirs().next())
            .unwrap_or_else(|| self.root.clone())
    }
}

fn metadata(shell: &Shell, folder: &Utf8Path) -> Result<Metadata> {
    // rustup, through which cargo is called, prints its backtrace where it is asked for one of ours.
    let command = MetadataCommand::new()
        .no_deps()
        .current_dir(folder)
        .env("RUST_BACKTRACE", "0")
        .env("RUST_LIB_BACKTRACE", "0")
        .cargo_command();
    let output = shell.run(command, Duration::from_secs(60))?;
    if !output.success() {
        let said = output.stderr.trim();
        let failed = Err(anyhow::anyhow!("{}", said.strip_prefix("error: ").unwrap_or(said)))
            .context("failed to read the workspace with `cargo metadata`");
        return match missing_toolchain(said) {
            Some(name) => failed.hint(|| how_to_get(name, folder)),
            None => failed,
        };
    }
    MetadataCommand::parse(&output.stdout).context("failed to read `cargo metadata`")
}

/// The toolchain that rustup does not have (`override toolchain '…'` before its 1.28).
fn missing_toolchain(said: &str) -> Option<&str> {
    let (_, rest) = said.split_once("toolchain '")?;
    let (name, rest) = rest.split_once('\'')?;
    rest.trim_start().starts_with("is not installed").then_some(name)
}

/// What installs it, and who asks for it.
fn how_to_get(toolchain: &str, folder: &Utf8Path) -> String {
    let by = match std::env::var("RUSTUP_TOOLCHAIN") {
        Ok(_) => Some("the environment variable RUSTUP_TOOLCHAIN".to_owned()),
        Err(_) => {
            let here = camino::absolute_utf8(folder).unwrap_or_else(|_| folder.to_owned());
            let files = here.ancestors().flat_map(|dir| TOOLCHAIN_FILES.map(|name| dir.join(name)));
            files.filter(|file| file.is_file()).map(|file| file.to_string()).next()
        }
    };
    let by = by.map(|by| format!(", which {by} names")).unwrap_or_default();
    format!("`rustup toolchain install {toolchain}` installs it{by}")
}

fn bin_names(package: &Package) -> Vec<String> {
    package.targets.iter().filter(|target| target.is_bin()).map(|bin| bin.name.clone()).collect()
}

/// The first package's `[package.metadata.guest-kernel]`, else the facts this tool was built with.
fn facts(packages: &[Package]) -> Result<GuestKernel> {
    let found =
        packages.iter().find_map(|package| Some((package, package.metadata.get("guest-kernel")?)));
    match found {
        Some((package, value)) => GuestKernel::deserialize(value).with_context(|| {
            format!("failed to read [package.metadata.guest-kernel] of {}", package.manifest_path)
        }),
        None => built_in_facts(),
    }
}

/// The facts of the `vmm-kernel` crate that this tool was built with.
pub(crate) fn built_in_facts() -> Result<GuestKernel> {
    #[derive(Deserialize)]
    struct Manifest {
        package: PackageTable,
    }
    #[derive(Deserialize)]
    struct PackageTable {
        metadata: BTreeMap<String, GuestKernel>,
    }
    let mut manifest: Manifest =
        toml::from_str(vmm_kernel::MANIFEST).context("failed to read the built-in facts")?;
    manifest.package.metadata.remove("guest-kernel").context("the built-in facts are missing")
}

fn parse_config(path: &Utf8Path, text: String) -> Result<SandboxerConfig> {
    #[derive(Deserialize)]
    struct File {
        hypervisor: Table,
    }
    #[derive(Deserialize)]
    struct Table {
        machine_type: Option<Spanned<String>>,
        kernel_path: Option<Utf8PathBuf>,
    }
    let file: File = toml::from_str(&text).map_err(|error| BadInput::toml(path, &text, &error))?;
    let machine_type = file.hypervisor.machine_type.map(|spanned| At {
        line: text[..spanned.span().start].matches('\n').count() + 1,
        value: spanned.into_inner(),
    });
    let kernel_path = file.hypervisor.kernel_path;
    Ok(SandboxerConfig { path: path.to_owned(), text, machine_type, kernel_path })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn built_in_facts_are_consistent() {
        let facts = built_in_facts().unwrap();
        let known = |name: &String| facts.hypervisor.contains_key(name);
        assert!(known(&facts.default_hypervisor));
        assert!(facts.default_hypervisor_for.values().all(known));
        for (name, hypervisor) in &facts.hypervisor {
            for &arch in Arch::ALL {
                assert!(hypervisor.format.contains_key(&arch), "{name} has no format for {arch}");
                assert!(hypervisor.machines(arch).next().is_some(), "{name}: no machine on {arch}");
            }
        }
    }

    #[test]
    fn paths_inside_are_shown_relative_to_the_workspace() {
        let workspace = Workspace {
            root: "/w/kuasar".into(),
            work: "/w/kuasar/target".into(),
            facts: built_in_facts().unwrap(),
            sandboxers: vec![],
            sandboxer_dir: None,
        };
        assert_eq!(workspace.shown("/w/kuasar/fragments/net.conf".into()), "fragments/net.conf");
        assert_eq!(workspace.shown("/w/other/net.conf".into()), "/w/other/net.conf");
    }

    #[test]
    fn config_keeps_the_line_of_its_machine() {
        let text = "[sandbox]\n\n[hypervisor]\npath = \"x\"\nmachine_type = \"q35,mem-share=on\"\n";
        let config = parse_config(Utf8Path::new("c.toml"), text.to_owned()).unwrap();
        assert_eq!(config.machine(), Some("q35"));
        assert_eq!(config.machine_type.unwrap().line, 5);
    }

    #[test]
    fn broken_config_names_its_line() {
        let error = parse_config(Utf8Path::new("c.toml"), "[hypervisor]\nkernel_path = 3\n".into());
        assert_eq!(
            error.unwrap_err().to_string(),
            "c.toml:2: invalid type: integer `3`, expected a UTF-8 path string"
        );
    }
}
