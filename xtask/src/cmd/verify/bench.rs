//! What an image is built on again: the target, source and tools that its manifest names, as they are here.

use std::time::SystemTime;

use anyhow::{Context as _, Result, anyhow};
use camino::{Utf8Path, Utf8PathBuf};
use tempfile::TempDir;
use vmm_kernel::{Manifest, SourceRecord};

use super::VerifyArgs;
use crate::cmd::Context;
use crate::cmd::args::SourceArgs;
use crate::diag::Hint;
use crate::fragment::{self, Requested};
use crate::hash;
use crate::history::History;
use crate::image;
use crate::inputs::Inputs;
use crate::kbuild::{Build, packer_version};
use crate::plan::{Goes, Request, Target, plan};
use crate::rebuild::{Differences, Here, Obstacle, differences, left_out, obstacles};
use crate::resolve::Kconfigs;
use crate::source::{self, Pin, Sources, Tree};
use crate::toolchain::Toolchain;
use crate::variant::{Folder, TOOL_VERSION};
use crate::workspace::Workspace;

pub(super) struct Bench<'a> {
    ctx: &'a Context,
    args: &'a VerifyArgs,
    workspace: &'a Workspace,
    manifest: &'a Manifest,
    conf_dir: Utf8PathBuf,
    target: Target,
    toolchain: Toolchain,
    origin: Origin,
}

/// Where the source comes from.
enum Origin {
    Folder(Tree),
    /// The pins of the conf dir, the one that is meant, and what it comes to.
    Pinned {
        sources: Box<Sources>,
        pin: Box<Pin>,
        record: SourceRecord,
    },
}

pub(super) enum Rebuilt {
    Not(Vec<Obstacle>),
    In(Scratch),
}

impl<'a> Bench<'a> {
    pub(super) fn new(
        ctx: &'a Context,
        args: &'a VerifyArgs,
        workspace: &'a Workspace,
        manifest: &'a Manifest,
    ) -> Result<Self> {
        let request = Request {
            arches: vec![manifest.arch],
            types: vec![manifest.kernel_type],
            hypervisors: vec![manifest.hypervisor.clone()],
            all: false,
            conf_dir: args.kernel_conf_dir.as_deref().map(camino::absolute_utf8).transpose()?,
            goes: Goes::Nowhere,
        };
        let mut plan = plan(workspace, &request)?;
        let (target, conf_dir) = (plan.targets.swap_remove(0), plan.conf_dir);
        let (recorded, prefix) = (&manifest.toolchain, args.cross_compile.as_deref());
        let toolchain = Toolchain::recorded(&ctx.shell, target.arch, recorded, prefix)?;
        let origin = Origin::find(args, workspace, &conf_dir, &manifest.source)?;
        Ok(Bench { ctx, args, workspace, manifest, conf_dir, target, toolchain, origin })
    }

    /// # Errors
    /// If the source cannot be had, the build fails, or the user interrupts.
    pub(super) fn rebuild(&self) -> Result<Rebuilt> {
        let Bench { ctx, workspace, manifest, conf_dir, target, toolchain, origin, .. } = self;
        let requested = self.requested()?;
        let here = Here {
            tool_version: TOOL_VERSION,
            format: target.format,
            inputs: fragment::inputs(conf_dir, target, &requested.fragments)?,
            toolchain: &toolchain.record,
            source: origin.record(),
        };
        let mut found = obstacles(manifest, &here);
        if !found.is_empty() {
            return Ok(Rebuilt::Not(found));
        }
        let tree = origin.tree(ctx, workspace, conf_dir, &mut found)?;
        let bar = ctx.progress.spinner(format!("resolving {}", target.variant()));
        let kconfigs = Kconfigs::new(&ctx.shell, &tree, &workspace.work);
        let resolver = kconfigs.resolver(ctx.progress, &toolchain.kbuild_arch())?;
        let history = History::read(workspace, conf_dir)?;
        let (arch, asked) = (target.arch, &requested.assignments);
        let dot_config = resolver.resolve(&tree.version, arch, &history, asked)?.dot_config;
        bar.finish_and_clear();
        found.extend(self.other_config(&dot_config));
        found.extend(self.other_packer(&dot_config)?);
        if found.is_empty() { self.build(&tree, &dot_config) } else { Ok(Rebuilt::Not(found)) }
    }

    /// The list and the overlay, and the fragments that lay on top of them.
    fn requested(&self) -> Result<Requested> {
        let Bench { workspace, manifest, conf_dir, target, .. } = self;
        let below = fragment::read(workspace, conf_dir, target)?;
        let is_on_top =
            |name: &&Utf8PathBuf| !below.fragments.contains(name) && conf_dir.join(name).is_file();
        let top: Vec<_> = manifest.fragments.iter().filter(is_on_top).cloned().collect();
        fragment::read_below(workspace, conf_dir, target, &top)
    }

    fn other_config(&self, dot_config: &str) -> Option<Obstacle> {
        let (recorded, here) = (self.manifest.config_sha256.clone(), hash::of_bytes(dot_config));
        (recorded != here).then_some(Obstacle::Config { recorded, here })
    }

    fn other_packer(&self, dot_config: &str) -> Result<Option<Obstacle>> {
        let here = packer_version(&self.ctx.shell, self.target.format, dot_config)?;
        let recorded = self.manifest.packer.clone().filter(|one| Some(one) != here.as_ref());
        Ok(recorded.map(|recorded| Obstacle::Packer { recorded, here }))
    }

    fn build(&self, tree: &Tree, dot_config: &str) -> Result<Rebuilt> {
        let Bench { ctx, args, workspace, manifest, target, toolchain, .. } = self;
        let scratch = Scratch::new(&folder(workspace), args.keep.as_deref())?;
        let (started, obj) = (SystemTime::now(), scratch.obj());
        let build = Build {
            shell: &ctx.shell,
            progress: ctx.progress,
            tree,
            toolchain,
            obj: obj.clone(),
            log: folder(workspace).join("build.log"),
            jobs: &args.jobs.budget(&ctx.shell, workspace)?,
            name: target.variant(),
            close_up: true,
        };
        build.run(dot_config, &[image::kbuild_target(target.format)], None)?;
        if !tree.pinned {
            let identity = Inputs::collect(&tree.dir, &obj, started, None)?.identity();
            let here = SourceRecord { sha256: identity, ..tree.record.clone() };
            let recorded = manifest.source.clone();
            if here != recorded {
                return Ok(Rebuilt::Not(vec![Obstacle::Source { recorded, here }]));
            }
        }
        image::make(&obj, target.format, &scratch.image())?;
        Ok(Rebuilt::In(scratch))
    }

    /// Where the image, which has that hash, differs from what was built.
    pub(super) fn differences(&self, given: &str, scratch: &Scratch) -> Result<Differences> {
        let made = Folder::that_made(&self.workspace.work, given);
        let vmlinux = made.map(|(folder, _)| folder.obj().join("vmlinux"));
        differences(
            &self.ctx.shell,
            self.target.format,
            (&self.args.image, vmlinux.as_deref().filter(|path| path.is_file())),
            (&scratch.image(), &scratch.obj().join("vmlinux")),
            &scratch.path,
        )
    }
}

impl Origin {
    fn find(
        args: &VerifyArgs,
        workspace: &Workspace,
        conf_dir: &Utf8Path,
        recorded: &SourceRecord,
    ) -> Result<Self> {
        let (name, image) = (&recorded.name, &args.image);
        match (&args.kernel_dir, name == "dir") {
            (Some(dir), true) => {
                source::user_tree(&camino::absolute_utf8(dir)?).map(Origin::Folder)
            }
            (None, true) => Err(anyhow!(
                "{image} was made of a folder of its maker's own with Linux {}",
                recorded.version
            ))
            .hint(|| "name that tree with --kernel-dir"),
            (Some(_), false) => Err(anyhow!("{image} was made of the pinned source `{name}`"))
                .hint(|| "leave out --kernel-dir"),
            (None, false) => {
                let sources = Sources::read(conf_dir)?;
                let cache = cache(workspace);
                let pin = sources.pin(Some(name))?;
                let all = locked(&sources, pin, &cache)?.patches;
                let pin = pin.without(&left_out(&recorded.patches, &all))?;
                let record = locked(&sources, &pin, &cache)?;
                let (sources, pin) = (Box::new(sources), Box::new(pin));
                Ok(Origin::Pinned { sources, pin, record })
            }
        }
    }

    /// What a build would be of, as far as that is known before.
    fn record(&self) -> SourceRecord {
        match self {
            Origin::Folder(tree) => tree.record.clone(),
            Origin::Pinned { record, .. } => record.clone(),
        }
    }

    /// Fetched if need be, and whole.
    fn tree(
        &self,
        ctx: &Context,
        workspace: &Workspace,
        conf_dir: &Utf8Path,
        found: &mut Vec<Obstacle>,
    ) -> Result<Tree> {
        let (sources, pin) = match self {
            Origin::Folder(tree) => return Ok(tree.clone()),
            Origin::Pinned { sources, pin, .. } => (sources, pin),
        };
        let source = SourceArgs {
            locked: true,
            no_patch: pin.left_out().to_vec(),
            ..SourceArgs::default().pinned(&pin.name)
        };
        let tree = source.tree(ctx, workspace, conf_dir)?;
        let cache = cache(workspace);
        let difference = source::verify(&ctx.shell, ctx.progress, sources, pin, &cache)?;
        if !difference.is_empty() {
            found.push(Obstacle::Tree { name: pin.name.clone(), difference });
        }
        Ok(tree)
    }
}

fn cache(workspace: &Workspace) -> Utf8PathBuf {
    workspace.work.join("source")
}

fn locked(sources: &Sources, pin: &Pin, cache: &Utf8Path) -> Result<SourceRecord> {
    let name = &pin.name;
    source::state(sources, pin, cache)?
        .record
        .ok_or_else(|| anyhow!("sources.lock has no entry for kernel source `{name}`"))
        .hint(|| format!("`cargo xtask source fetch {name}` records what there is"))
}

/// For the log, and what is built.
pub(super) fn folder(workspace: &Workspace) -> Utf8PathBuf {
    workspace.work.join("verify")
}

/// Where it is built: gone when dropped, unless it is to be kept.
pub(super) struct Scratch {
    path: Utf8PathBuf,
    _temporary: Option<TempDir>,
}

/// Begins the name of a folder that a killed run may leave behind.
const SCRATCH: &str = ".verify-";

impl Scratch {
    fn new(work: &Utf8Path, keep: Option<&Utf8Path>) -> Result<Self> {
        if let Some(keep) = keep {
            let path = camino::absolute_utf8(keep)?;
            std::fs::create_dir(&path)
                .with_context(|| format!("failed to create folder {path}"))
                .hint(|| "--keep names a folder that is not there yet, in one that is")?;
            return Ok(Scratch { path, _temporary: None });
        }
        let failed = || format!("failed to create a folder in {work}");
        for entry in work.read_dir_utf8().with_context(failed)?.flatten() {
            if entry.file_name().starts_with(SCRATCH) {
                let old = entry.path();
                std::fs::remove_dir_all(old).with_context(|| format!("failed to remove {old}"))?;
            }
        }
        let temporary =
            tempfile::Builder::new().prefix(SCRATCH).tempdir_in(work).with_context(failed)?;
        let path = Utf8Path::from_path(temporary.path()).with_context(failed)?.to_owned();
        Ok(Scratch { path, _temporary: Some(temporary) })
    }

    fn obj(&self) -> Utf8PathBuf {
        self.path.join("obj")
    }

    pub(super) fn image(&self) -> Utf8PathBuf {
        self.path.join("image")
    }
}
