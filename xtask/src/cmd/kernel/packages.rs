//! What goes beside an image.

use anyhow::{Context as _, Result, anyhow};
use camino::{Utf8Path, Utf8PathBuf};

use super::KernelArgs;
use super::variant::Variant;
use crate::cmd::Context;
use crate::diag::Hint;
use crate::fragment::DEBUG;
use crate::hash;
use crate::kbuild::Build;
use crate::lock::Lock;
use crate::package::{self, Package};
use crate::resolve::values;
use crate::setup;
use crate::shell::Shell;
use crate::stage;
use crate::variant::{Packed, Record};

/// The programs that a package takes beyond a build's, and the flag by which `setup` installs them.
const TOOLS: [(Package, &str, &str); 2] =
    [(Package::Modules, "depmod", "--modules"), (Package::Vmlinux, "pahole", "--debug")];

/// Told now, not after a build.
pub(super) fn require_tools(shell: &Shell, packages: &[Package]) -> Result<()> {
    for (_, program, flag) in TOOLS.iter().filter(|(package, ..)| packages.contains(package)) {
        if setup::find(shell, program)?.is_none() {
            return Err(anyhow!("no `{program}` on PATH, which {flag} takes"))
                .hint(|| format!("`cargo xtask setup {flag}` installs it"));
        }
    }
    Ok(())
}

impl KernelArgs {
    pub(super) fn packages(&self) -> Vec<Package> {
        let asked = [
            (self.modules, Package::Modules),
            (self.headers, Package::Headers),
            (self.debug, Package::Vmlinux),
        ];
        asked.into_iter().filter_map(|(asked, package)| asked.then_some(package)).collect()
    }

    /// What the name of a kernel and its files ends in, so that it takes no other one's place.
    pub(super) fn kind(&self) -> &'static str {
        if self.debug { "-debug" } else { "" }
    }

    /// The fragments that have the last word.
    pub(super) fn top(&self) -> Vec<Utf8PathBuf> {
        self.debug.then(|| Utf8PathBuf::from(DEBUG)).into_iter().collect()
    }

    /// Where an image goes that would be staged there.
    pub(super) fn staged(&self, image: &Utf8Path) -> Utf8PathBuf {
        let (stem, end) = (image.file_stem().unwrap_or_default(), image.extension());
        let end = end.map(|end| format!(".{end}")).unwrap_or_default();
        image.with_file_name(format!("{stem}{}{end}", self.kind()))
    }
}

impl Variant<'_> {
    /// # Errors
    /// If a package is about modules, and the kernel loads none.
    pub(super) fn refuse_without_modules(&self) -> Result<()> {
        let loads = values(&self.resolved().dot_config).get("MODULES") == Some(&"y");
        if loads || !self.order.packages.iter().any(|package| package.needs_modules()) {
            return Ok(());
        }
        let name = self.order.name();
        Err(anyhow!("failed to pack the modules or headers of {name}: it loads no modules"))
            .hint(|| "a mini kernel does: --type mini; or ask for CONFIG_MODULES=y in a fragment")
    }

    /// Makes the packages that are not in the record yet.
    pub(super) fn pack(&self, ctx: &Context, build: &Build<'_>, record: &mut Record) -> Result<()> {
        for package in &self.order.packages {
            if record.packages.contains_key(package) {
                continue;
            }
            let file_name = package.file_name(&record.release, self.order.kind);
            let file = self.folder.package(&file_name);
            let folder = file.parent().unwrap_or(&file);
            std::fs::create_dir_all(folder)
                .with_context(|| format!("failed to create folder {folder}"))?;
            let bar = ctx.progress.spinner(format!("packing {file_name}"));
            self.make_package(ctx, build, *package, &record.release, &file)?;
            bar.finish_and_clear();
            let size = file.metadata().with_context(|| format!("failed to read {file}"))?.len();
            let packed = Packed { file_name, sha256: hash::of_file(&file)?, size };
            record.packages.insert(*package, packed);
        }
        Ok(())
    }

    fn make_package(
        &self,
        ctx: &Context,
        build: &Build<'_>,
        package: Package,
        release: &str,
        file: &Utf8Path,
    ) -> Result<()> {
        match package {
            Package::Modules => {
                let depmod = setup::find(&ctx.shell, "depmod")?.context("no `depmod` on PATH")?;
                let scratch = tempfile::tempdir().context("failed to create a folder")?;
                let root = Utf8Path::from_path(scratch.path()).context("a folder is not UTF-8")?;
                build.install_modules(root, &depmod)?;
                package::modules(root, file)
            }
            Package::Headers => {
                let arch = self.order.toolchain.kbuild_arch();
                package::headers(&build.tree.dir, &build.obj, (arch.source(), release), file)
            }
            Package::Vmlinux => {
                let vmlinux = build.obj.join("vmlinux");
                let copied = std::fs::copy(&vmlinux, file);
                copied.map(drop).with_context(|| format!("failed to copy {vmlinux} to {file}"))
            }
        }
    }

    /// Puts the packages beside an image, unless they are there; says whether it did.
    pub(super) fn stage_beside(
        &self,
        ctx: &Context,
        record: &Record,
        image: &Utf8Path,
    ) -> Result<(Vec<Utf8PathBuf>, bool)> {
        let (mut staged, mut changed) = (vec![], false);
        for package in &self.order.packages {
            let packed = record.packages.get(package).context("a package was not made")?;
            let to = image.with_file_name(&packed.file_name);
            if !hash::is_of_file(&packed.sha256, packed.size, &to) {
                let folder = to.parent().unwrap_or(Utf8Path::new("."));
                let _lock = Lock::take_for_files(&ctx.shell, ctx.progress, folder)?;
                stage::stage_beside(&self.folder.package(&packed.file_name), &to)?;
                changed = true;
            }
            staged.push(to);
        }
        Ok((staged, changed))
    }
}
