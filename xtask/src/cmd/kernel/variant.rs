//! Targets with one `.config`, on their way through the stages.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::SystemTime;

use anyhow::{Context as _, Result, anyhow, bail};
use camino::{Utf8Path, Utf8PathBuf};
use vmm_kernel::{FileRecord, ImageFormat, Manifest};

use super::{Action, KernelArgs, Outcome, wanted};
use crate::cmd::Context;
use crate::contract::Contract;
use crate::diag;
use crate::fragment::{self, Requested};
use crate::hash;
use crate::history::History;
use crate::image;
use crate::inputs;
use crate::kbuild::{Build, Jobs, Turn, copy_object_tree, packer_version};
use crate::lock::Lock;
use crate::package::Package;
use crate::plan::Target;
use crate::provenance::{self, Document, Materials};
use crate::resolve::{
    Breach, Finding, Ground, Kconfigs, Resolved, Resolver, breaches, broken, unexplained,
};
use crate::shell::Shell;
use crate::source::{Origin, Tree};
use crate::stage::{self, Identity};
use crate::toolchain::Toolchain;
use crate::variant::{Folder, Made, Record, Request, TOOL_VERSION};
use crate::workspace::Workspace;

/// Targets with one `.config`, and what their fragments ask for. Read before anything is fetched or
/// run: a slip in a fragment is told first.
pub(super) struct Order<'a> {
    pub(super) targets: Vec<&'a Target>,
    formats: Vec<ImageFormat>,
    pub(super) packages: Vec<Package>,
    requested: Requested,
    inputs: Vec<FileRecord>,
    pub(super) toolchain: Toolchain,
    /// What its name ends in, beside that of the release kernel.
    pub(super) kind: &'static str,
}

impl<'a> Order<'a> {
    pub(super) fn read(
        ctx: &Context,
        args: &KernelArgs,
        workspace: &Workspace,
        conf_dir: &Utf8Path,
        targets: Vec<&'a Target>,
        others: &[Order<'_>],
    ) -> Result<Self> {
        let first = targets[0];
        let requested = fragment::read_below(workspace, conf_dir, first, &args.top())?;
        if let Some(overlay) = &requested.overlay_missing {
            diag::tell_no_overlay(ctx.progress, conf_dir, overlay, first);
        }
        let inputs = fragment::inputs(conf_dir, first, &requested.fragments)?;
        // Asking each tool for its version takes a fifth of a run that has nothing to do.
        let known = others.iter().map(|other| &other.toolchain).find(|one| one.arch == first.arch);
        let toolchain = match known {
            Some(toolchain) => toolchain.clone(),
            None => args.toolchain.find(&ctx.shell, first.arch)?,
        };
        let mut formats: Vec<ImageFormat> = targets.iter().map(|target| target.format).collect();
        formats.sort();
        formats.dedup();
        let (packages, kind) = (args.packages(), args.kind());
        Ok(Order { targets, formats, packages, requested, inputs, toolchain, kind })
    }

    pub(super) fn name(&self) -> String {
        let name = format!("{}{}", self.targets[0].variant(), self.kind);
        self.toolchain.family.variant(&name)
    }
}

/// Takes the linker that the tree accepts, which is known only now.
pub(super) fn link_for(ctx: &Context, orders: &mut [Order<'_>], tree: &Tree) -> Result<()> {
    let mut known: Vec<Toolchain> = vec![];
    for order in orders {
        let same = known.iter().find(|one| one.arch == order.toolchain.arch);
        order.toolchain = match same {
            Some(same) => same.clone(),
            None => {
                let found = order.toolchain.for_tree(&ctx.shell, tree)?;
                diag::tell_compromise(ctx.progress, &found);
                known.push(found.clone());
                found
            }
        };
    }
    Ok(())
}

/// An order, and what the last build of it left that still stands.
pub(super) struct Looked<'a> {
    order: Order<'a>,
    folder: Folder,
    request: Request,
    started: SystemTime,
    standing: Option<Record>,
}

impl<'a> Looked<'a> {
    /// All orders are looked at at once: that is a `stat` for each of thousands of files, of each of them.
    pub(super) fn at(
        orders: Vec<(Folder, Order<'a>)>,
        history: &History,
        tree: &Tree,
    ) -> Result<Vec<Self>> {
        std::thread::scope(|scope| {
            let look =
                |(folder, order)| scope.spawn(move || Looked::new(order, folder, history, tree));
            let running: Vec<_> = orders.into_iter().map(look).collect();
            let died = |_| Err(anyhow!("failed to look at a kernel: the thread that did it died"));
            running.into_iter().map(|thread| thread.join().unwrap_or_else(died)).collect()
        })
    }

    fn new(order: Order<'a>, folder: Folder, history: &History, tree: &Tree) -> Result<Self> {
        let started = SystemTime::now();
        let asked = &order.requested.assignments;
        let request = Request::new(asked, history, &tree.record, &order.toolchain)?;
        let standing = Record::standing(&folder, &request, tree);
        Ok(Looked { order, folder, request, started, standing })
    }
}

/// An order on its way through the stages.
pub(super) struct Variant<'a> {
    pub(super) order: Order<'a>,
    pub(super) folder: Folder,
    request: Request,
    /// What changes in the tree from here on, the build may or may not have seen.
    started: SystemTime,
    state: State,
    /// What it breaks of the contract.
    pub(super) breaches: Vec<Breach>,
}

/// What all builds of a run share.
#[derive(Clone, Copy)]
pub(super) struct Site<'a> {
    pub(super) args: &'a KernelArgs,
    pub(super) tree: &'a Tree,
    pub(super) jobs: &'a Jobs,
    /// Where its tree is had.
    pub(super) origin: &'a Origin,
    /// Whether a kernel failed.
    pub(super) failed: &'a AtomicBool,
}

impl Site<'_> {
    /// Waits until another kernel may be begun.
    ///
    /// # Errors
    /// If one failed, and none is to be begun then.
    fn turn(self, shell: &Shell) -> Result<Turn> {
        let turn = self.jobs.turn(shell)?;
        if self.args.fail_fast && self.failed.load(Ordering::SeqCst) {
            bail!("not begun, since another kernel failed");
        }
        Ok(turn)
    }

    /// What is written about an image beside its manifest.
    fn documents(self, manifest: &Manifest, image: &Utf8Path) -> Result<Vec<Document>> {
        if !self.args.sbom {
            return Ok(vec![]);
        }
        let image = image.file_name().unwrap_or(image.as_str());
        provenance::documents(Materials { image, manifest, origin: self.origin })
    }
}

/// Nothing to do, or to be built.
enum State {
    Current(Box<Record>),
    /// With what the last build made that still stands.
    Resolved(Resolved, Option<Box<Record>>),
}

impl<'a> Variant<'a> {
    /// Resolves unless the last build still stands.
    pub(super) fn resolve(
        ctx: &Context,
        looked: Looked<'a>,
        history: &History,
        tree: &Tree,
        kconfigs: &Kconfigs<'_>,
    ) -> Result<Self> {
        let Looked { order, folder, request, mut started, standing } = looked;
        let Order { requested, toolchain, formats, packages, .. } = &order;
        let state = match standing {
            Some(record) if record.has(formats, packages) => State::Current(Box::new(record)),
            Some(record) => State::Resolved(record.resolved.clone(), Some(Box::new(record))),
            None => {
                let bar = ctx.progress.spinner(format!("resolving {}", order.name()));
                let resolver = kconfigs.resolver(ctx.progress, &toolchain.kbuild_arch())?;
                let (version, asked) = (&tree.version, &requested.assignments);
                let resolved = resolver.resolve(version, toolchain.arch, history, asked)?;
                bar.finish_and_clear();
                // An edit while it resolved is the build's to see: kbuild reads Kconfig again.
                started = SystemTime::now();
                State::Resolved(resolved, None)
            }
        };
        let variant = Variant { order, folder, request, started, state, breaches: vec![] };
        let count = variant.order.requested.assignments.len();
        let name = variant.order.name();
        diag::tell_resolved(ctx.progress, &name, &tree.version, count, variant.resolved());
        Ok(variant)
    }

    pub(super) fn resolved(&self) -> &Resolved {
        match &self.state {
            State::Resolved(resolved, _) => resolved,
            State::Current(record) => &record.resolved,
        }
    }

    pub(super) fn findings(&self) -> &[Finding] {
        &self.resolved().findings
    }

    /// What its `.config` breaks of the contract, told. The tree is asked only where there is something.
    pub(super) fn breaches(
        &self,
        ctx: &Context,
        contract: &Contract,
        history: &History,
        tree: &Tree,
        kconfigs: &Kconfigs<'_>,
    ) -> Result<Vec<Breach>> {
        let Order { targets, requested, toolchain, .. } = &self.order;
        let (version, dot_config) = (&tree.version, &self.resolved().dot_config);
        if targets.iter().all(|one| broken(contract, one, version, dot_config).is_empty()) {
            return Ok(vec![]);
        }
        let breaches = match kconfigs.resolver(ctx.progress, &toolchain.kbuild_arch())? {
            Resolver::Engine(kconfig) => {
                let ground = Ground { kconfig: &kconfig, version, arch: toolchain.arch, history };
                breaches(ground, contract, targets, &requested.assignments, dot_config)
            }
            Resolver::Conf(_) => unexplained(contract, targets, version, dot_config),
        };
        diag::tell_breaches(ctx.progress, &self.order.name(), version, &breaches);
        Ok(breaches)
    }

    /// Builds and stages. A first build begins with a copy of the object tree of that one of `made` that is
    /// most like it: kbuild makes again what depends on a symbol that differs.
    pub(super) fn produce(
        &self,
        ctx: &Context,
        site: Site<'_>,
        made: &[&Variant<'_>],
    ) -> Result<Vec<Outcome>> {
        let (record, built) = match &self.state {
            State::Current(record) => (record.as_ref().clone(), false),
            State::Resolved(resolved, kept) => {
                let turn = site.turn(&ctx.shell)?;
                let copied = self.begin(ctx, made)?;
                (self.build(ctx, site, resolved, kept.as_deref(), (copied, turn))?, true)
            }
        };
        let stage = |target: &&Target| self.stage(ctx, site, &record, target, built);
        self.order.targets.iter().map(stage).collect()
    }

    /// Where there is something to begin another build with.
    pub(super) fn object_tree(&self) -> Option<Utf8PathBuf> {
        let obj = self.folder.obj();
        obj.join("vmlinux").is_file().then_some(obj)
    }

    /// The record of what was copied tells what its objects were made of.
    fn begin(&self, ctx: &Context, made: &[&Variant<'_>]) -> Result<Option<Record>> {
        if self.folder.obj().exists() {
            return Ok(None);
        }
        let there = made.iter().filter(|one| one.object_tree().is_some());
        let configs = there.map(|one| (one.resolved().dot_config.as_str(), *one));
        let Some(like) = most_like(&self.resolved().dot_config, configs) else { return Ok(None) };
        let [name, other] = [self, like].map(|one| one.order.name());
        let bar = ctx.progress.spinner(format!("beginning {name} with a copy of {other}"));
        copy_object_tree(&ctx.shell, &like.folder.obj(), &self.folder.obj())?;
        bar.finish_and_clear();
        Ok(Record::read(&like.folder))
    }

    /// Leaves nothing in the object tree that make would wrongly take for new.
    fn distrust_times(&self, ctx: &Context, tree: &Tree, before: Option<&Record>) -> Result<()> {
        let obj = self.folder.obj();
        if !obj.is_dir() {
            return Ok(());
        }
        if inputs::are_from_the_future(&[obj.join("vmlinux"), self.folder.log()]) {
            diag::tell_clock_set_back(ctx.progress, &self.order.name(), &obj);
            return std::fs::remove_dir_all(&obj)
                .with_context(|| format!("failed to remove {obj}"));
        }
        let known = before.map(Record::inputs);
        inputs::remove_stale(&tree.dir, &obj, |file| {
            known.is_some_and(|known| known.knows(&tree.dir, file))
        })
    }

    fn build(
        &self,
        ctx: &Context,
        site: Site<'_>,
        resolved: &Resolved,
        kept: Option<&Record>,
        (copied, turn): (Option<Record>, Turn),
    ) -> Result<Record> {
        let before = copied.or(Record::take(&self.folder)?);
        let obj = self.folder.obj();
        self.distrust_times(ctx, site.tree, before.as_ref())?;
        let build = Build {
            shell: &ctx.shell,
            progress: ctx.progress,
            tree: site.tree,
            toolchain: &self.order.toolchain,
            obj: obj.clone(),
            log: self.folder.log(),
            jobs: site.jobs,
            name: self.order.name(),
            close_up: true,
        };
        let mut make_targets: Vec<_> =
            self.order.formats.iter().map(|f| image::kbuild_target(*f)).collect();
        make_targets
            .extend(self.order.packages.iter().any(|one| one.needs_modules()).then_some("modules"));
        let built = build.run(&resolved.dot_config, &make_targets, Some(turn))?;
        let mut record = Record::after_build(
            &self.folder,
            self.request.clone(),
            site.tree,
            self.started,
            (resolved.clone(), built.release),
            before.as_ref(),
        )?;
        if let Some(kept) = kept {
            record.images.clone_from(&kept.images);
            record.packages.clone_from(&kept.packages);
        }
        for target in &self.order.targets {
            let format = target.format;
            if record.images.contains_key(&format) {
                continue;
            }
            let file = self.folder.image(format);
            image::make(&obj, format, &file)?;
            let checked = image::check(&file, wanted(target))?;
            record.images.insert(format, Made { sha256: hash::of_file(&file)?, checked });
        }
        self.pack(ctx, &build, &mut record)?;
        record.write(&self.folder)?;
        diag::tell_built(ctx.progress, &self.order.name(), built.compiled, built.elapsed);
        Ok(record)
    }

    fn stage(
        &self,
        ctx: &Context,
        site: Site<'_>,
        record: &Record,
        target: &Target,
        built: bool,
    ) -> Result<Outcome> {
        let manifest = self.manifest(ctx, record, target)?;
        let image = self.folder.image(target.format);
        let documents = site.documents(&manifest, &target.stage)?;
        let about = (&manifest, documents.as_slice());
        let mut changed = stage_at(ctx, &image, about, &target.stage)?;
        let installed = site.args.installed(target);
        if let Some(path) = &installed {
            changed |= stage_at(ctx, &image, about, path)?;
        }
        let (beside, moved) = self.stage_beside(ctx, record, &target.stage)?;
        changed |= moved;
        let action = match (built, changed) {
            (true, _) => Action::Built,
            (false, true) => Action::Staged,
            (false, false) => Action::Unchanged,
        };
        let made = record.images.get(&target.format);
        let warnings = made.map(|made| made.checked.warnings.clone()).unwrap_or_default();
        let target = target.clone();
        Ok(Outcome { target, action, installed, beside, manifest, warnings })
    }

    /// Those that a target's hypervisor is made to bear.
    fn breaches_of(&self, target: &Target) -> Vec<String> {
        let of = |one: &&Breach| one.is_refused() && one.hypervisors.contains(&target.hypervisor);
        self.breaches.iter().filter(of).map(|one| one.capability.clone()).collect()
    }

    fn manifest(&self, ctx: &Context, record: &Record, target: &Target) -> Result<Manifest> {
        let made = record.images.get(&target.format);
        let made = made.with_context(|| format!("no {} image was made", target.format))?;
        let config_sha256 = hash::of_bytes(&record.resolved.dot_config);
        let identity = Identity {
            source: &record.source,
            config_sha256: &config_sha256,
            toolchain: &self.order.toolchain.record,
            format: target.format,
            tool_version: TOOL_VERSION,
        };
        let missing =
            |f: &Finding| format!("{} ({})", fragment::config_line(&f.symbol, &f.asked), f.place);
        Ok(Manifest {
            key: identity.key()?,
            sha256: made.sha256.clone(),
            size: made.checked.size,
            arch: target.arch,
            kernel_type: target.kernel_type,
            hypervisor: target.hypervisor.clone(),
            machine: target.machine.clone(),
            bus: target.bus,
            format: target.format,
            kernel_release: record.release.clone(),
            source: record.source.clone(),
            toolchain: self.order.toolchain.record.clone(),
            tool_version: TOOL_VERSION.to_owned(),
            config_sha256,
            resolved_by: record.resolved.resolved_by,
            fragments: self.order.requested.fragments.clone(),
            inputs: self.order.inputs.clone(),
            packer: packer_version(&ctx.shell, target.format, &record.resolved.dot_config)?,
            missing: record.resolved.findings.iter().map(missing).collect(),
            breaches: self.breaches_of(target),
            choices: target.choices.clone(),
        })
    }
}

/// Puts the image there unless it is there already; says whether it did.
fn stage_at(
    ctx: &Context,
    image: &Utf8Path,
    about: (&Manifest, &[Document]),
    to: &Utf8Path,
) -> Result<bool> {
    if stage::is_current(to, about.0, about.1) {
        return Ok(false);
    }
    let folder = to.parent().unwrap_or(Utf8Path::new("."));
    let _lock = Lock::take_for_files(&ctx.shell, ctx.progress, folder)?;
    stage::stage(image, about, to)?;
    Ok(true)
}

/// The one whose `.config` has the fewest other lines.
fn most_like<'a, T>(dot_config: &str, made: impl Iterator<Item = (&'a str, T)>) -> Option<T> {
    let asked: BTreeSet<&str> = dot_config.lines().collect();
    let others = |one: &str| asked.symmetric_difference(&one.lines().collect()).count();
    Some(made.min_by_key(|(one, _)| others(one))?.1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn most_alike_are_those_with_the_fewest_other_lines() {
        let micro = "# CONFIG_PCI is not set\nCONFIG_NET=y\n";
        let like =
            |others: &[&'static str]| most_like(micro, others.iter().map(|one| (*one, *one)));
        let (format, mini) =
            ("# CONFIG_PCI is not set\nCONFIG_NET=y\nCONFIG_LZ4=y\n", "CONFIG_PCI=y\n");
        assert_eq!(like(&[]), None);
        assert_eq!(like(&[mini]), Some(mini));
        assert_eq!(like(&[format, mini]), Some(format));
        assert_eq!(like(&[mini, format]), Some(format));
    }
}
