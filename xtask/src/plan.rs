//! Workspace and request to targets. Pure but for reading the sandboxer's config files, which the
//! workspace hands out, and for seeing which overlays there are.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Result, anyhow, bail};
use camino::{Utf8Path, Utf8PathBuf};
use serde::Serialize;
use vmm_kernel::{Arch, Bus, Choice, Hypervisor, ImageFormat, KernelType, Machine, Manifest};

use crate::diag::{BadInput, Hint, did_you_mean};
use crate::workspace::{SandboxerConfig, Workspace};

/// Where in a conf dir a hypervisor's overlay is, by its name.
pub(crate) const OVERLAYS: &str = "hypervisor";

/// What was asked for on the command line; empty means left out.
#[derive(Debug, Clone, Default)]
pub(crate) struct Request {
    pub arches: Vec<Arch>,
    pub types: Vec<KernelType>,
    pub hypervisors: Vec<String>,
    /// Every hypervisor on every arch.
    pub all: bool,
    pub conf_dir: Option<Utf8PathBuf>,
    pub goes: Goes,
}

impl Request {
    /// Whether nothing but an image's own target is asked for.
    pub(crate) fn is_met_by(&self, of: &Manifest) -> bool {
        !self.all
            && self.arches.iter().all(|arch| *arch == of.arch)
            && self.types.iter().all(|kernel_type| *kernel_type == of.kernel_type)
            && self.hypervisors.iter().all(|hypervisor| *hypervisor == of.hypervisor)
    }
}

/// Where the images go; no two may go to one place.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Goes {
    /// None is made.
    Nowhere,
    #[default]
    Staged,
    /// Also to the sandboxers' `kernel_path`.
    Installed,
}

/// One kernel to be produced.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Target {
    pub arch: Arch,
    #[serde(rename = "type")]
    pub kernel_type: KernelType,
    pub hypervisor: String,
    /// The workspace has a sandboxer for it.
    pub sandboxer: bool,
    pub machine: Option<String>,
    pub bus: Bus,
    pub format: ImageFormat,
    /// Relative to the conf dir.
    pub list: Utf8PathBuf,
    /// Relative to the conf dir, without `.conf` or `-ARCH.conf`.
    pub overlay: Option<Utf8PathBuf>,
    /// Where the image goes in the workspace.
    pub stage: Utf8PathBuf,
    /// Where the sandboxer looks for it.
    pub install: Utf8PathBuf,
    /// The sandboxer's config file that this was read from.
    pub config: Option<Utf8PathBuf>,
    /// What was chosen for it; the plan has all of them.
    #[serde(skip)]
    pub choices: Vec<Choice>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Plan {
    pub conf_dir: Utf8PathBuf,
    pub targets: Vec<Target>,
    pub choices: Vec<Choice>,
    pub warnings: Vec<Warning>,
}

/// A line of a sandboxer's config file that wants another machine than the one planned for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Warning {
    pub path: Utf8PathBuf,
    pub line: usize,
    pub message: String,
    /// The line to put there.
    pub replacement: String,
}

impl Target {
    /// Targets with the same variant share one `.config` and one object tree.
    pub(crate) fn variant(&self) -> String {
        let overlay = self.overlay.as_ref().and_then(|overlay| overlay.file_name());
        let suffix = overlay.map(|name| format!("-{name}")).unwrap_or_default();
        format!("{}-{}{suffix}", self.kernel_type, self.arch)
    }
}

impl Plan {
    /// The targets, those with one variant together, in the order of their first.
    pub(crate) fn variants(&self) -> Vec<Vec<&Target>> {
        let mut variants: Vec<Vec<&Target>> = vec![];
        for target in &self.targets {
            match variants.iter_mut().find(|group| group[0].variant() == target.variant()) {
                Some(group) => group.push(target),
                None => variants.push(vec![target]),
            }
        }
        variants
    }

    pub(crate) fn arches(&self) -> Vec<Arch> {
        let arches: BTreeSet<Arch> = self.targets.iter().map(|target| target.arch).collect();
        arches.into_iter().collect()
    }
}

/// # Errors
/// If a name is unknown, a pair cannot work, or two targets would write to one place.
pub(crate) fn plan(workspace: &Workspace, request: &Request) -> Result<Plan> {
    let conf_dir = request.conf_dir.clone().unwrap_or_else(|| workspace.conf_dir());
    let plan = Plan { conf_dir, targets: vec![], choices: vec![], warnings: vec![] };
    let mut planner = Planner { workspace, plan };
    for (arch, choice) in arches(request)? {
        for wanted in planner.wanted(request, arch) {
            planner.add(arch, wanted, choice.clone())?;
        }
    }
    let mut plan = planner.plan;
    if plan.targets.is_empty() {
        bail!("no hypervisor that this workspace knows boots such a kernel");
    }
    for choice in plan.targets.iter().flat_map(|target| &target.choices) {
        if !plan.choices.contains(choice) {
            plan.choices.push(choice.clone());
        }
    }
    let alone = plan.targets.len() == 1;
    for target in &mut plan.targets {
        let [in_makefiles_place, beside_others] = places(workspace, target);
        target.stage = if alone { in_makefiles_place } else { beside_others };
    }
    if request.goes != Goes::Nowhere {
        refuse_shared_destination(&plan.targets, |target| &target.stage)?;
    }
    if request.goes == Goes::Installed {
        refuse_shared_destination(&plan.targets, |target| &target.install)?;
    }
    Ok(plan)
}

/// Where a target's image can be in the workspace: one that was made alone in `bin/vmlinux.bin`,
/// where Kuasar's Makefile takes it; one of several in a folder of its own.
pub(crate) fn places(workspace: &Workspace, target: &Target) -> [Utf8PathBuf; 2] {
    let staging = workspace.root.join(&workspace.facts.staging);
    let own = staging.join(format!("{}-{}", target.hypervisor, target.arch));
    [staging, own].map(|dir| dir.join(&workspace.facts.image_name))
}

fn choice(what: &str, value: impl ToString, reason: impl Into<String>) -> Choice {
    Choice { what: what.to_owned(), value: value.to_string(), reason: reason.into() }
}

/// The arches, and why where none was named.
fn arches(request: &Request) -> Result<Vec<(Arch, Option<Choice>)>> {
    if request.all && request.arches.is_empty() {
        return Ok(Arch::ALL.iter().map(|arch| (*arch, None)).collect());
    }
    if !request.arches.is_empty() {
        return Ok(request.arches.iter().map(|arch| (*arch, None)).collect());
    }
    let host = Arch::host().hint(|| "name the guest's with --arch")?;
    Ok(vec![(host, Some(choice("arch", host, "the host's")))])
}

/// A hypervisor and, where one was named, the type; with the choice where it was not named itself.
struct Wanted {
    hypervisor: String,
    kernel_type: Option<KernelType>,
    choice: Option<Choice>,
}

struct Planner<'a> {
    workspace: &'a Workspace,
    plan: Plan,
}

impl Planner<'_> {
    /// What was named; else with `all` each hypervisor that can do it, else the workspace's default
    /// if that can, else the default for the type.
    fn wanted(&self, request: &Request, arch: Arch) -> Vec<Wanted> {
        let facts = &self.workspace.facts;
        let types: Vec<_> = match request.types.as_slice() {
            [] => vec![None],
            types => types.iter().copied().map(Some).collect(),
        };
        let each_type = |hypervisor: &str| {
            let wanted = |kernel_type: &Option<KernelType>| Wanted {
                hypervisor: hypervisor.to_owned(),
                kernel_type: *kernel_type,
                choice: None,
            };
            types.iter().map(wanted).collect::<Vec<_>>()
        };
        if request.all && request.hypervisors.is_empty() {
            let each = self.workspace.hypervisors().into_iter().flat_map(each_type);
            let can = |wanted: &Wanted| self.can(&wanted.hypervisor, wanted.kernel_type, arch);
            return each.filter(can).collect();
        }
        if !request.hypervisors.is_empty() {
            return request.hypervisors.iter().flat_map(|name| each_type(name)).collect();
        }
        let default = |kernel_type: &Option<KernelType>| {
            let own = &facts.default_hypervisor;
            let cannot = kernel_type.filter(|_| !self.can(own, *kernel_type, arch));
            let other = cannot.and_then(|t| Some((facts.default_hypervisor_for.get(&t)?, t)));
            let (name, reason) = match other {
                Some((name, kernel_type)) => (
                    name,
                    format!("the default for a {kernel_type} kernel, which {own} cannot boot"),
                ),
                None => (own, "the workspace's default".to_owned()),
            };
            let choice = Some(choice("hypervisor", name, reason));
            Wanted { hypervisor: name.clone(), kernel_type: *kernel_type, choice }
        };
        types.iter().map(default).collect()
    }

    fn can(&self, hypervisor: &str, kernel_type: Option<KernelType>, arch: Arch) -> bool {
        let facts = self.workspace.facts.hypervisor.get(hypervisor);
        let fits = |machine: &Machine| kernel_type.is_none_or(|t| t == machine.kernel_type);
        facts.is_some_and(|facts| facts.machines(arch).any(fits))
    }

    fn add(&mut self, arch: Arch, wanted: Wanted, arch_choice: Option<Choice>) -> Result<()> {
        let workspace = self.workspace;
        let name = wanted.hypervisor.as_str();
        let mut choices: Vec<Choice> = arch_choice.into_iter().chain(wanted.choice).collect();
        let facts = workspace.facts.hypervisor.get(name).ok_or_else(|| self.unknown(name));
        let facts = facts.hint(|| did_you_mean(name, &workspace.hypervisors()))?;
        let config = workspace.config(facts, arch)?;
        let configured = configured_machine(name, facts, arch, config.as_ref())?;
        let machine = match wanted.kernel_type {
            None => {
                let reason = reason(workspace, config.as_ref(), configured);
                let reason = format!("{name} on {arch}: {reason}");
                choices.push(choice("type", configured.kernel_type, reason));
                configured
            }
            Some(wanted) if configured.kernel_type == wanted => configured,
            Some(wanted) => {
                let machine = machine_of_type(workspace, name, facts, arch, wanted)?;
                let mismatch =
                    config.as_ref().and_then(|c| mismatch(workspace, c, configured, machine));
                self.plan.warnings.extend(mismatch);
                machine
            }
        };
        let format = facts.format.get(&arch);
        let format = *format.ok_or_else(|| anyhow!("no image format for {name} on {arch}"))?;
        let kernel_path = config.as_ref().and_then(|config| config.kernel_path.clone());
        self.plan.targets.push(Target {
            arch,
            kernel_type: machine.kernel_type,
            hypervisor: name.to_owned(),
            sandboxer: workspace.sandboxers.iter().any(|sandboxer| sandboxer == name),
            machine: machine.name.clone(),
            bus: machine.bus,
            format,
            list: format!("{}-kernel-{arch}.list", machine.kernel_type).into(),
            overlay: overlay(facts, name, arch, &self.plan.conf_dir),
            stage: Utf8PathBuf::new(),
            install: kernel_path.unwrap_or_else(|| facts.kernel_path.clone()),
            config: config.map(|config| config.path),
            choices,
        });
        Ok(())
    }

    fn unknown(&self, name: &str) -> anyhow::Error {
        let known = self.workspace.hypervisors().join(", ");
        anyhow!("unknown hypervisor `{name}` (known: {known})")
    }
}

/// What the facts name; else what lies where an overlay belongs.
fn overlay(facts: &Hypervisor, name: &str, arch: Arch, conf_dir: &Utf8Path) -> Option<Utf8PathBuf> {
    let named = facts.overlay.get(&arch).cloned();
    let there = || {
        let own = Utf8Path::new(OVERLAYS).join(name);
        overlay_names(&own, arch).iter().any(|file| conf_dir.join(file).is_file()).then_some(own)
    };
    named.or_else(there)
}

/// The fragments that an overlay can have.
pub(crate) fn overlay_names(overlay: &Utf8Path, arch: Arch) -> [Utf8PathBuf; 2] {
    [format!("{overlay}.conf"), format!("{overlay}-{arch}.conf")].map(Utf8PathBuf::from)
}

/// Why this machine is the one that the sandboxer has.
fn reason(workspace: &Workspace, config: Option<&SandboxerConfig>, machine: &Machine) -> String {
    let Some(config) = config else {
        return "its first machine; the workspace has no config file for it".to_owned();
    };
    let path = workspace.shown(&config.path);
    match (&config.machine_type, &machine.name) {
        (Some(at), _) => format!("machine_type = \"{}\" at {path}:{}", at.value, at.line),
        (None, Some(name)) => format!("{path} names no machine_type; {name} is the first"),
        (None, None) => format!("it has one machine, on the {} bus", machine.bus),
    }
}

/// The machine that the sandboxer's config file names, else the first one of the arch.
fn configured_machine<'a>(
    name: &str,
    facts: &'a Hypervisor,
    arch: Arch,
    config: Option<&SandboxerConfig>,
) -> Result<&'a Machine> {
    let first = facts.machines(arch).next();
    let first = first.ok_or_else(|| anyhow!("{name} has no machine for {arch}"))?;
    let Some(config) = config else { return Ok(first) };
    let (Some(wanted), Some(at)) = (config.machine(), &config.machine_type) else {
        return Ok(first);
    };
    let names: Vec<&str> = facts.machines(arch).filter_map(|m| m.name.as_deref()).collect();
    if names.is_empty() {
        return Ok(first);
    }
    let found = facts.machines(arch).find(|machine| machine.name.as_deref() == Some(wanted));
    let message =
        || format!("unknown machine `{wanted}` for {name} on {arch} (known: {})", names.join(", "));
    found
        .ok_or_else(|| BadInput::at(&config.path, &config.text, at.line, message()))
        .hint(|| did_you_mean(wanted, &names))
}

fn machine_of_type<'a>(
    workspace: &Workspace,
    name: &str,
    facts: &'a Hypervisor,
    arch: Arch,
    wanted: KernelType,
) -> Result<&'a Machine> {
    let found = facts.machines(arch).find(|machine| machine.kernel_type == wanted);
    let able = |other: &&str| {
        let other = workspace.facts.hypervisor.get(*other);
        other.is_some_and(|other| other.machines(arch).any(|m| m.kernel_type == wanted))
    };
    let machines: Vec<String> = facts.machines(arch).map(describe).collect();
    let others = || facts.machines(arch).map(|m| m.kernel_type.name()).next().unwrap_or_default();
    found
        .ok_or_else(|| {
            let machines = machines.join(", ");
            anyhow!("{name} on {arch} cannot boot a {wanted} kernel: it has {machines}")
        })
        .hint(|| {
            let able: Vec<&str> = workspace.hypervisors().into_iter().filter(able).collect();
            format!("take --type {}, or --hypervisor {}", others(), able.join(" or "))
        })
}

fn describe(machine: &Machine) -> String {
    let name = machine.name.as_deref().unwrap_or("one machine");
    format!("{name} ({} bus, {})", machine.bus, machine.kernel_type)
}

/// The warning for a config file whose machine is not the one planned for.
fn mismatch(
    workspace: &Workspace,
    config: &SandboxerConfig,
    configured: &Machine,
    planned: &Machine,
) -> Option<Warning> {
    let at = config.machine_type.as_ref()?;
    let name = planned.name.as_deref()?;
    let options = at.value.split_once(',').map(|(_, rest)| format!(",{rest}")).unwrap_or_default();
    Some(Warning {
        path: workspace.shown(&config.path).to_owned(),
        line: at.line,
        message: format!(
            "machine_type = \"{}\" boots a {} kernel, and a {} one is being made",
            at.value, configured.kernel_type, planned.kernel_type
        ),
        replacement: format!("machine_type = \"{name}{options}\""),
    })
}

fn refuse_shared_destination(
    targets: &[Target],
    path: impl Fn(&Target) -> &Utf8Path,
) -> Result<()> {
    let mut taken: BTreeMap<&Utf8Path, &Target> = BTreeMap::new();
    for target in targets {
        let path = path(target);
        if let Some(first) = taken.insert(path, target) {
            let name = |t: &Target| format!("{} {} {}", t.hypervisor, t.kernel_type, t.arch);
            return bail_shared(path, &name(first), &name(target));
        }
    }
    Ok(())
}

fn bail_shared(path: &Utf8Path, first: &str, second: &str) -> Result<()> {
    let refuse = || -> Result<()> { bail!("two kernels would go to {path}: {first} and {second}") };
    refuse().hint(|| "make them one after another, or leave one out")
}
