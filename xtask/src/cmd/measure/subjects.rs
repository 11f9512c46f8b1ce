//! What is measured: staged images, a file, a `.config`, others' fragments. The last two are built
//! here first.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result, anyhow, ensure};
use camino::Utf8Path;
use kconfig::Mode;
use vmm_kernel::{Arch, Bus, ImageFormat, KernelType};

use super::{MeasureArgs, refuse_many};
use crate::boot::Machine;
use crate::cmd::{Context, boot};
use crate::diag::{self, Hint};
use crate::dot_config;
use crate::fragment::{self, Assignment, Place};
use crate::history::{History, Past};
use crate::image::{self, Wanted};
use crate::kbuild::{Build, packer};
use crate::measure::{Lines, Made, MadeOf, Peer, Subject, find_peers};
use crate::plan::{Plan, Target, plan};
use crate::resolve::{Kconfigs, Layer, Note, values};
use crate::source::Tree;
use crate::stage;
use crate::toolchain::Toolchain;
use crate::variant::Folder;
use crate::workspace::Workspace;

impl MeasureArgs {
    /// In the order in which they are reported: the project's own first.
    pub(super) fn subjects(&self, ctx: &Context, workspace: &Workspace) -> Result<Vec<Subject>> {
        if !self.config.is_empty() {
            return self.configs(ctx, workspace);
        }
        let request = self.target.request_for(self.image.as_deref())?;
        let plan = plan(workspace, &request)?;
        diag::tell_plan(ctx.progress, &plan);
        if let Some(image) = &self.image {
            if plan.targets.len() > 1 {
                refuse_many(image.as_str(), plan.targets.len())?;
            }
            return Ok(vec![of_file(image, &plan.targets[0])?]);
        }
        let mut subjects = vec![];
        for target in &plan.targets {
            subjects.push(staged(workspace, &plan.conf_dir, target)?);
        }
        if !self.peers.is_empty() {
            self.peers(ctx, workspace, &plan, &mut subjects)?;
        }
        Ok(subjects)
    }

    fn configs(&self, ctx: &Context, workspace: &Workspace) -> Result<Vec<Subject>> {
        let mut files = vec![];
        for file in &self.config {
            files.push((camino::absolute_utf8(file)?, dot_config::read(file)?));
        }
        let request = self.target.request(false)?;
        let conf_dir = request.conf_dir.clone().unwrap_or_else(|| workspace.conf_dir());
        let yard = Yard::new(self, ctx, workspace, &conf_dir)?;
        let mut subjects = vec![];
        for (file, text) in &files {
            let said = dot_config::arch_of(text).or(request.arches.first().copied());
            let arch = match said {
                Some(arch) => arch,
                None => Arch::host().hint(|| "name the guest's with --arch")?,
            };
            let bus = match request.types.first() {
                Some(KernelType::Micro) => Bus::Mmio,
                Some(KernelType::Mini) => Bus::Pci,
                None if values(text).contains_key("VIRTIO_PCI") => Bus::Pci,
                None => Bus::Mmio,
            };
            let hypervisor = request.hypervisors.first().map_or(by_default(bus), String::as_str);
            let machine = Machine::find(arch, bus, hypervisor)?;
            let order = Order {
                name: shown(file),
                peer: false,
                path: file,
                machine,
                hypervisor,
                asks: Asks::DotConfig(text),
            };
            subjects.push(yard.build(&order)?);
        }
        Ok(subjects)
    }

    fn peers(
        &self,
        ctx: &Context,
        workspace: &Workspace,
        plan: &Plan,
        subjects: &mut Vec<Subject>,
    ) -> Result<()> {
        let request = self.target.request(false)?;
        let wanted = |peer: &Peer| {
            plan.arches().contains(&peer.arch)
                && (request.types.is_empty() || request.types.contains(&peer.kernel_type))
        };
        let mut peers = vec![];
        for dir in &self.peers {
            let before = peers.len();
            peers.extend(find_peers(&camino::absolute_utf8(dir)?)?.into_iter().filter(wanted));
            ensure!(peers.len() > before, "failed to find a peer in {dir} for what is measured");
        }
        let mut asked = vec![];
        for peer in &peers {
            asked.push(match &peer.lines {
                Lines::List(path) => fragment::read_list(workspace, path)?,
                Lines::Fragment(path) => fragment::read_alone(workspace, path)?,
                Lines::OfTree(_) => vec![],
            });
        }
        let yard = Yard::new(self, ctx, workspace, &plan.conf_dir)?;
        refuse_other_sources(subjects, &yard, self)?;
        for (peer, asked) in peers.iter().zip(&asked) {
            let (bus, beside) = beside(plan, peer);
            let defaults;
            let order = Order {
                name: peer.name.clone(),
                peer: true,
                path: peer.lines.path(),
                machine: Machine::find(peer.arch, bus, beside)?,
                hypervisor: beside,
                asks: match &peer.lines {
                    Lines::OfTree(path) => {
                        defaults = of_tree(&yard.tree, path)?;
                        Asks::DotConfig(&defaults)
                    }
                    _ => Asks::Fragments(asked),
                },
            };
            subjects.push(yard.build(&order)?);
        }
        Ok(())
    }
}

/// The machine of a target of the peer's type, so that both are measured on the same one.
fn beside<'a>(plan: &'a Plan, peer: &Peer) -> (Bus, &'a str) {
    let bus = if peer.kernel_type == KernelType::Micro { Bus::Mmio } else { Bus::Pci };
    let alike = |target: &&Target| {
        target.arch == peer.arch && target.kernel_type == peer.kernel_type && target.bus == bus
    };
    let beside = plan.targets.iter().find(alike).map(|target| target.hypervisor.as_str());
    (bus, beside.unwrap_or(by_default(bus)))
}

/// Whose machine stands for a bus, where nobody names a hypervisor.
const fn by_default(bus: Bus) -> &'static str {
    match bus {
        Bus::Mmio => "stratovirt",
        Bus::Pci => "qemu",
    }
}

/// Side by side stands only what was made of one source with one toolchain.
fn refuse_other_sources(subjects: &[Subject], yard: &Yard<'_>, args: &MeasureArgs) -> Result<()> {
    for subject in subjects {
        let arch = subject.machine.arch;
        let theirs = yard.made_of(&args.toolchain(yard.ctx, arch, &yard.tree)?);
        let ours = subject.made.as_ref().map(|made| &made.of);
        let same = |of: &MadeOf| {
            // A folder's hash is known only once something was built from it.
            let pinned = yard.tree.pinned;
            of.toolchain == theirs.toolchain
                && of.source.name == theirs.source.name
                && of.source.version == theirs.source.version
                && of.source.patches == theirs.source.patches
                && (!pinned || of.source.sha256 == theirs.source.sha256)
        };
        if ours.is_some_and(same) {
            continue;
        }
        let made = |of: &MadeOf| format!("Linux {} ({})", of.source.version, of.source.name);
        let was = ours.map_or_else(|| "nobody knows what".to_owned(), made);
        let error = anyhow!(
            "failed to compare {} with peers: it was made of {was}, they would be of {}, or with \
             other tools",
            subject.name,
            made(&theirs)
        );
        return Err(error).hint(|| {
            "make it on the same source first: `cargo xtask kernel` takes the same --source or \
             --kernel-dir"
        });
    }
    Ok(())
}

impl MeasureArgs {
    fn toolchain(&self, ctx: &Context, arch: Arch, tree: &Tree) -> Result<Toolchain> {
        self.toolchain.for_tree(ctx, arch, tree)
    }
}

/// What the tree's files say that `path` names, one after the other.
fn of_tree(tree: &Tree, path: &Utf8Path) -> Result<String> {
    let read = |file: &Utf8Path| {
        std::fs::read_to_string(file).with_context(|| format!("failed to read {file}"))
    };
    let names = read(path)?;
    let names =
        names.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
    names
        .map(|name| read(&tree.dir.join(name)).with_context(|| format!("{path} names it")))
        .collect()
}

/// A path as the working folder sees it.
fn shown(path: &Utf8Path) -> String {
    let here = camino::absolute_utf8(".").ok();
    let inside = here.as_ref().and_then(|here| path.strip_prefix(here).ok());
    inside.unwrap_or(path).to_string()
}

fn of_file(image: &Utf8Path, target: &Target) -> Result<Subject> {
    Ok(Subject {
        name: image.to_string(),
        peer: false,
        machine: Machine::find(target.arch, target.bus, &target.hypervisor)?,
        image: boot::given(image, target)?,
        format: target.format.name().to_owned(),
        made: None,
    })
}

/// A target's staged image, with the object tree that it came from where that is still there.
pub(super) fn staged(
    workspace: &Workspace,
    conf_dir: &Utf8Path,
    target: &Target,
) -> Result<Subject> {
    let image = boot::staged(workspace, target)?;
    let manifest = stage::read_manifest(&image);
    let mut format = target.format.name().to_owned();
    let mut made = None;
    if let Some(manifest) = manifest {
        let found = Folder::that_made(&workspace.work, &manifest.sha256);
        if let Some((folder, record)) = found {
            let requested = fragment::read(workspace, conf_dir, target)?;
            format = packed(target.format, &record.resolved.dot_config);
            made = Some(Made {
                arch: target.arch,
                of: MadeOf { source: manifest.source, toolchain: manifest.toolchain },
                obj: folder.obj(),
                tree: folder.tree().unwrap_or_default(),
                asked: asked(&requested.assignments, &record.resolved.notes),
                missing: record.resolved.findings.len(),
                brought: record.resolved.brought,
                dot_config: record.resolved.dot_config,
            });
        }
    }
    Ok(Subject {
        name: format!("{}-{}-{}", target.kernel_type, target.arch, target.hypervisor),
        peer: false,
        machine: Machine::find(target.arch, target.bus, &target.hypervisor)?,
        image,
        format,
        made,
    })
}

/// The line that asks for each symbol, by the name that the tree has for it.
fn asked(assignments: &[Assignment], notes: &[Note]) -> BTreeMap<String, Place> {
    let past =
        |one: &Assignment| notes.iter().find(|note| note.place == one.place).map(|note| &note.past);
    let is_opposite = |one: &Assignment| matches!(past(one), Some(Past::Opposite(_)));
    let name = |one: &Assignment| match past(one) {
        Some(Past::Called(name) | Past::Inherited(name) | Past::Opposite(name)) => name.clone(),
        _ => one.symbol.clone(),
    };
    // What is off is not in the kernel, unless it is there by a name of the opposite sense.
    let on = |one: &&Assignment| (one.value != "n") != is_opposite(one);
    assignments.iter().filter(on).map(|one| (name(one), one.place.clone())).collect()
}

/// The format, and what the kernel in it is packed with: a smaller file may take longer to start.
fn packed(format: ImageFormat, dot_config: &str) -> String {
    match (format, packer(dot_config)) {
        (ImageFormat::BzImage, Some((with, _))) => format!("{format}, {}", with.to_lowercase()),
        _ => format.name().to_owned(),
    }
}

/// Where kernels are built that only a measurement wants: one tree, any number of configurations.
struct Yard<'a> {
    args: &'a MeasureArgs,
    ctx: &'a Context,
    workspace: &'a Workspace,
    tree: Tree,
}

/// What is to be built.
struct Order<'a> {
    name: String,
    /// Somebody else's: built as make alone builds it.
    peer: bool,
    /// Tells its folder from others' of the same name.
    path: &'a Utf8Path,
    machine: &'static Machine,
    hypervisor: &'a str,
    asks: Asks<'a>,
}

/// What an order comes to on the tree.
struct Wish {
    dot_config: String,
    /// The line that asks for each symbol.
    asked: BTreeMap<String, Place>,
    /// Who brought in the symbols that no line asks for.
    brought: BTreeMap<String, String>,
    /// How many do not come out as asked.
    missing: usize,
}

enum Asks<'a> {
    DotConfig(&'a str),
    /// As they are: nobody translates what others ask for.
    Fragments(&'a [Assignment]),
}

impl<'a> Yard<'a> {
    fn new(
        args: &'a MeasureArgs,
        ctx: &'a Context,
        workspace: &'a Workspace,
        conf_dir: &Utf8Path,
    ) -> Result<Self> {
        let tree = args.source.tree(ctx, workspace, conf_dir)?;
        Ok(Yard { args, ctx, workspace, tree })
    }

    fn made_of(&self, toolchain: &Toolchain) -> MadeOf {
        MadeOf { source: self.tree.record.clone(), toolchain: toolchain.record.clone() }
    }

    fn build(&self, order: &Order<'_>) -> Result<Subject> {
        let Yard { args, ctx, workspace, tree } = self;
        let arch = order.machine.arch;
        let toolchain = args.toolchain(ctx, arch, tree)?;
        let Wish { dot_config, asked, brought, missing } = self.resolve(order, &toolchain)?;
        if missing > 0 {
            let what = &order.name;
            ctx.progress.say(format_args!("{what}: {missing} symbols do not come out as asked"));
        }
        let slug = format!("measured-{}", order.name.replace(['/', '.'], "_"));
        let slug = toolchain.family.variant(&slug);
        let folder = Folder::new(&workspace.work, tree, order.path, &slug);
        let _lock = folder.lock(&ctx.shell, ctx.progress)?;
        let format = match arch {
            Arch::X86_64 => ImageFormat::BzImage,
            Arch::Aarch64 => ImageFormat::Image,
        };
        let build = Build {
            shell: &ctx.shell,
            progress: ctx.progress,
            tree,
            toolchain: &toolchain,
            obj: folder.obj(),
            log: folder.log(),
            jobs: &args.jobs.budget(&ctx.shell, workspace)?,
            name: order.name.clone(),
            close_up: !order.peer,
        };
        build.run(&dot_config, &[image::kbuild_target(format)], None)?;
        let file = folder.image(format);
        image::make(&folder.obj(), format, &file)?;
        image::check(&file, Wanted { hypervisor: order.hypervisor, arch, format })?;
        Ok(Subject {
            name: order.name.clone(),
            peer: order.peer,
            machine: order.machine,
            image: file,
            format: packed(format, &dot_config),
            made: Some(Made {
                arch,
                of: self.made_of(&toolchain),
                obj: folder.obj(),
                tree: tree.dir.clone(),
                dot_config,
                asked,
                brought,
                missing,
            }),
        })
    }

    fn resolve(&self, order: &Order<'_>, toolchain: &Toolchain) -> Result<Wish> {
        let Yard { ctx, workspace, tree, .. } = self;
        let bar = ctx.progress.spinner(format!("resolving {}", order.name));
        let kconfigs = Kconfigs::new(&ctx.shell, tree, &workspace.work);
        let resolver = kconfigs.resolver(ctx.progress, &toolchain.kbuild_arch())?;
        let resolved = match &order.asks {
            Asks::DotConfig(text) => {
                let layer = Layer { path: order.name.as_str().into(), text: (*text).to_owned() };
                let merged = resolver.merge(Mode::OldDefault, &[layer], None)?;
                diag::tell_bad_lines(ctx.progress, resolver.kconfig(), &merged.bad);
                let lines = fragment::parse_fragment(Utf8Path::new(&order.name), text)
                    .with_context(|| format!("failed to read {}", order.path))?;
                Wish {
                    dot_config: merged.dot_config,
                    asked: asked(&lines, &[]),
                    brought: BTreeMap::new(),
                    missing: 0,
                }
            }
            Asks::Fragments(lines) => {
                let history = History::default();
                let resolved = resolver.resolve(&tree.version, toolchain.arch, &history, lines)?;
                Wish {
                    asked: asked(lines, &resolved.notes),
                    brought: resolved.brought,
                    missing: resolved.findings.len(),
                    dot_config: resolved.dot_config,
                }
            }
        };
        bar.finish_and_clear();
        Ok(resolved)
    }
}
