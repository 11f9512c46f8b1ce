//! The module that a guest loads and unloads: built for the very kernel that is booted.

use std::time::Duration;

use anyhow::{Context, Result, bail};
use camino::{Utf8Path, Utf8PathBuf};

use crate::shell::Shell;
use crate::toolchain::Toolchain;

const SOURCE: &str = include_str!("../../probe/module/guest_probe.c");

const DEADLINE: Duration = Duration::from_secs(600);

/// Builds the module in `dir`, against a kernel's tree and object tree.
///
/// # Errors
/// If kbuild fails, with what it says.
pub(crate) fn build(
    shell: &Shell,
    toolchain: &Toolchain,
    tree: &Utf8Path,
    obj: &Utf8Path,
    dir: &Utf8Path,
) -> Result<Utf8PathBuf> {
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
    Ok(dir.join("guest_probe.ko"))
}
