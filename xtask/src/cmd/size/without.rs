//! `--without`: the kernel that the other lines come to, really built.

use std::collections::BTreeSet;

use anyhow::{Result, anyhow};
use vmm_kernel::ImageFormat;

use super::SizeArgs;
use super::subject::{Asks, Subject};
use crate::cmd::Context;
use crate::diag::{self, Hint, did_you_mean};
use crate::fragment::Assignment;
use crate::image;
use crate::kbuild::{Build, copy_object_tree};
use crate::lock::Lock;
use crate::resolve::{self, Compared, On};
use crate::size::Sized;
use crate::variant::Folder;
use crate::workspace::Workspace;

impl SizeArgs {
    /// What the kernel is made of then, and the symbols that differ.
    pub(super) fn without(
        &self,
        ctx: &Context,
        workspace: &Workspace,
        subject: &Subject,
        with: &Sized,
    ) -> Result<(Sized, Compared)> {
        let Asks::Lines(lines) = &subject.asks else {
            return Err(anyhow!("failed to leave lines out of {}: it has none", subject.name))
                .hint(|| "name the target, and the object tree with --obj");
        };
        let kept = kept(lines, &self.without)?;
        let name = format!("without {}", self.without.join(", "));
        let compared = compared(subject, &kept, &name);
        if compared.differences.is_empty() {
            return Err(anyhow!("{name} the kernel is the same: something else asks for it all"))
                .hint(|| format!("`cargo xtask explain {}` says what", self.without[0]));
        }
        diag::tell_compared(ctx.progress, &compared);
        let slug = format!("without-{}", subject.toolchain.arch);
        let slug = subject.toolchain.family.variant(&slug);
        let folder = Folder::new(&workspace.work, &subject.tree, &subject.conf_dir, &slug);
        let _lock = folder.lock(&ctx.shell, ctx.progress)?;
        let bar = ctx.progress.spinner("copying the object tree");
        let built_in = subject.obj.parent().filter(|built| built.starts_with(&workspace.work));
        let take = |folder| Lock::take(&ctx.shell, ctx.progress, folder);
        let lock = built_in.map(take).transpose()?;
        copy_object_tree(&ctx.shell, &subject.obj, &folder.obj())?;
        drop(lock);
        bar.finish_and_clear();
        let build = Build {
            shell: &ctx.shell,
            progress: ctx.progress,
            tree: &subject.tree,
            toolchain: &subject.toolchain,
            obj: folder.obj(),
            log: folder.log(),
            jobs: &self.jobs.budget(&ctx.shell, workspace)?,
            name: name.clone(),
            close_up: true,
        };
        let format = with.image.map_or(ImageFormat::Vmlinux, |(format, _)| format);
        let built =
            build.run(&subject.resolve(&kept).dot_config, &[image::kbuild_target(format)], None)?;
        diag::tell_built(ctx.progress, &name, built.compiled, built.elapsed);
        let without = subject.sized_in(&folder.obj(), &mut subject.side_of(&kept))?;
        Ok((Sized { name, ..without }, compared))
    }
}

fn compared(subject: &Subject, kept: &[Assignment], name: &str) -> Compared {
    let differences = resolve::diff(&mut subject.side(), &mut subject.side_of(kept));
    let on = On { linux: subject.tree.version.to_string(), arch: subject.arch() };
    let side =
        |name: &str| resolve::Subject { on: Some(on.clone()), ..resolve::Subject::named(name) };
    Compared { a: side(&subject.name), b: side(name), differences }
}

/// The lines but those of these symbols and fragments.
fn kept(lines: &[Assignment], without: &[String]) -> Result<Vec<Assignment>> {
    let is = |line: &Assignment, word: &str| {
        let path = &line.place.path;
        let names = [Some(path.as_str()), path.file_name(), path.file_stem()];
        line.symbol == word.strip_prefix("CONFIG_").unwrap_or(word) || names.contains(&Some(word))
    };
    for word in without {
        if !lines.iter().any(|line| is(line, word)) {
            let is_symbol = word.starts_with(|c: char| c.is_ascii_uppercase());
            let name = |line: &'_ Assignment| match is_symbol {
                true => Some(line.symbol.clone()),
                false => line.place.path.file_name().map(str::to_owned),
            };
            let names: BTreeSet<String> = lines.iter().filter_map(name).collect();
            let names: Vec<&str> = names.iter().map(String::as_str).collect();
            return Err(anyhow!("no line asks for `{word}`, and no fragment has that name"))
                .hint(|| did_you_mean(word, &names));
        }
    }
    let goes = |line: &&Assignment| without.iter().any(|word| is(line, word));
    Ok(lines.iter().filter(|line| !goes(line)).cloned().collect())
}
