//! The module that a guest loads and unloads: built for the very kernel that is booted.

use std::time::Duration;

use anyhow::{Context, Result, bail};
use camino::{Utf8Path, Utf8PathBuf};

use crate::hash;
use crate::shell::Shell;
use crate::toolchain::Toolchain;

const SOURCE: &str = include_str!("../../probe/module/guest_probe.c");

const DEADLINE: Duration = Duration::from_secs(600);

/// Where the module for that image is, once it is built.
pub(crate) fn place(dir: &Utf8Path, image_sha256: &str) -> Utf8PathBuf {
    let mut identity = hash::of_bytes(format!("{image_sha256}\n{SOURCE}"));
    identity.truncate(16);
    dir.join(format!("module-{identity}.ko"))
}

/// Whether the kernel of that object tree loads modules; kbuild makes none for another.
pub(crate) fn can_be_loaded(obj: &Utf8Path) -> bool {
    let config = std::fs::read_to_string(obj.join(".config")).unwrap_or_default();
    config.lines().any(|line| line == "CONFIG_MODULES=y")
}

/// Builds the module in `dir`, against a kernel's tree and object tree, and moves it to its place.
///
/// # Errors
/// If kbuild fails, with what it says.
pub(crate) fn build(
    shell: &Shell,
    toolchain: &Toolchain,
    tree: &Utf8Path,
    obj: &Utf8Path,
    dir: &Utf8Path,
    place: &Utf8Path,
) -> Result<()> {
    std::fs::create_dir_all(dir).with_context(|| format!("failed to create folder {dir}"))?;
    for (name, text) in [("guest_probe.c", SOURCE), ("Kbuild", "obj-m := guest_probe.o\n")] {
        let path = dir.join(name);
        // An equal source keeps its time, and kbuild has nothing to do.
        if std::fs::read_to_string(&path).ok().as_deref() != Some(text) {
            std::fs::write(&path, text).with_context(|| format!("failed to write {path}"))?;
        }
    }
    let folder = format!("M={dir}");
    // What symbols the kernel exports is known only once its modules are made, too: the loader looks.
    for arguments in [&["modules_prepare"][..], &[&folder, "KBUILD_MODPOST_WARN=1", "modules"]] {
        let done = shell.run(toolchain.make(shell, tree, obj).args(arguments), DEADLINE)?;
        if !done.success() {
            bail!("failed to build a module against {obj}: {}\n{}", done.how(), done.last_lines(8));
        }
    }
    let made = dir.join("guest_probe.ko");
    std::fs::rename(&made, place).with_context(|| format!("failed to move {made} to {place}"))
}
