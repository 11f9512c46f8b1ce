//! A folder with a Linux source tree: what it is, and whether it can be built from.

use anyhow::{Context, Result, anyhow};
use camino::{Utf8Path, Utf8PathBuf};
use vmm_kernel::SourceRecord;

use super::KernelVersion;
use crate::diag::Hint;

/// The oldest Linux that the fragments and the tool know.
const OLDEST: (u32, u32) = (5, 10);

/// A clean Linux source tree; never written to.
#[derive(Debug, Clone)]
pub(crate) struct Tree {
    /// Absolute.
    pub(crate) dir: Utf8PathBuf,
    pub(crate) version: KernelVersion,
    /// Its identity. `sha256` is empty for a folder of the user's own until a build has read it.
    pub(crate) record: SourceRecord,
    /// It came from `sources.toml`, so its content is known without reading it.
    pub(crate) pinned: bool,
}

impl Tree {
    /// Linux's names of the architectures that it has, in order.
    pub(crate) fn arches(&self) -> Vec<String> {
        let folders = self.dir.join("arch").read_dir_utf8().into_iter().flatten().flatten();
        let with_kconfig = folders.filter(|folder| folder.path().join("Kconfig").is_file());
        let mut names: Vec<_> = with_kconfig.map(|folder| folder.file_name().to_owned()).collect();
        names.sort();
        names
    }
}

/// Looks at a folder of the user's own.
///
/// # Errors
/// If it is no Linux tree, one that kbuild would refuse to build from, or one that is too old.
pub(crate) fn user_tree(dir: &Utf8Path) -> Result<Tree> {
    let dir = real(
        &camino::absolute_utf8(dir)
            .with_context(|| format!("failed to make the path of kernel tree `{dir}` absolute"))?,
    );
    let version = inspect(&dir)?;
    let record = SourceRecord {
        name: "dir".to_owned(),
        version: version.to_string(),
        sha256: String::new(),
        patches: Vec::new(),
    };
    Ok(Tree { dir, version, record, pinned: false })
}

/// Checks that a build can start from `dir`, and reads its version.
pub(super) fn inspect(dir: &Utf8Path) -> Result<KernelVersion> {
    check_path(dir)?;
    let version = read_version(dir)?;
    if version.numbers() < OLDEST {
        let (major, minor) = OLDEST;
        return Err(anyhow!(
            "kernel tree {dir} is Linux {version}: needs {major}.{minor} or newer"
        ))
        .hint(|| "name a newer tree, or leave out --kernel-dir to take a pinned source");
    }
    match unclean(dir)? {
        None => Ok(version),
        Some(found) => Err(anyhow!("kernel tree {dir} is not clean: a build left {found} in it"))
            .hint(|| format!("make -C {dir} mrproper")),
    }
}

fn check_path(dir: &Utf8Path) -> Result<()> {
    let dir = real(dir);
    if is_split(&dir) {
        return Err(anyhow!("kernel tree `{dir}` has white space or a colon in its path"))
            .hint(|| "kbuild cannot build from there, nor through a symlink: move the tree");
    }
    Ok(())
}

/// Checks that kbuild can build below `work`, where sources are unpacked too.
pub(crate) fn check_work(work: &Utf8Path) -> Result<()> {
    let work = real(work);
    if is_split(&work) {
        return Err(anyhow!("work folder `{work}` has white space or a colon in its path"))
            .hint(|| "kbuild cannot build there: set CARGO_TARGET_DIR to a folder without them");
    }
    Ok(())
}

/// kbuild splits lists of paths at blanks and colons (top Makefile: "source directory cannot
/// contain spaces or colons").
fn is_split(dir: &Utf8Path) -> bool {
    dir.as_str().contains(|letter: char| letter.is_whitespace() || letter == ':')
}

/// The path that kbuild sees and writes down: it follows symlinks. As it is where there is nothing.
fn real(dir: &Utf8Path) -> Utf8PathBuf {
    dir.canonicalize_utf8().unwrap_or_else(|_| dir.to_owned())
}

fn read_version(dir: &Utf8Path) -> Result<KernelVersion> {
    if !dir.is_dir() {
        let found = if dir.exists() { "it is a file" } else { "no such folder" };
        return Err(anyhow!("failed to open kernel tree {dir}: {found}"))
            .hint(|| "leave out --kernel-dir to take a pinned source");
    }
    let not_linux = |lacks: &str| {
        Err(anyhow!("{dir} is no Linux source tree: it lacks {lacks}")).hint(
            || "a tree has a Makefile that sets VERSION and PATCHLEVEL, a Kconfig, and scripts/kconfig",
        )
    };
    let makefile = dir.join("Makefile");
    if !makefile.is_file() {
        return not_linux("Makefile");
    }
    let bytes = std::fs::read(&makefile).with_context(|| format!("failed to read {makefile}"))?;
    let Some(version) = KernelVersion::from_makefile(&String::from_utf8_lossy(&bytes)) else {
        return not_linux("VERSION and PATCHLEVEL in its Makefile");
    };
    match ["Kconfig", "scripts/kconfig"].into_iter().find(|file| !dir.join(file).exists()) {
        Some(file) => not_linux(file),
        None => Ok(version),
    }
}

/// What kbuild's own out-of-tree check stumbles over (top Makefile, target `outputmakefile`), for
/// every arch at once: trees are shared.
fn unclean(dir: &Utf8Path) -> Result<Option<Utf8PathBuf>> {
    if dir.join(".config").is_file() {
        return Ok(Some(".config".into()));
    }
    if dir.join("include/config").is_dir() {
        return Ok(Some("include/config".into()));
    }
    let arches = dir.join("arch");
    let entries =
        arches.read_dir_utf8().with_context(|| format!("failed to read folder {arches}"))?;
    for entry in entries {
        let entry = entry.with_context(|| format!("failed to read folder {arches}"))?;
        let generated = entry.path().join("include/generated");
        if generated.is_dir() {
            return Ok(Some(generated.strip_prefix(dir).unwrap_or(&generated).to_owned()));
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::super::tests::{put, put_tree, temp};
    use super::*;

    fn refusal(dir: &Utf8Path) -> String {
        format!("{:#}", user_tree(dir).unwrap_err())
    }

    #[test]
    fn takes_a_clean_tree() {
        let (_keep, dir) = temp();
        put_tree(&dir, "6.12.8");
        let tree = user_tree(&dir).unwrap();
        assert_eq!(tree.version.to_string(), "6.12.8");
        assert_eq!((tree.record.name.as_str(), tree.pinned), ("dir", false));
    }

    #[test]
    fn says_what_is_wrong_with_a_folder() {
        let (_keep, dir) = temp();
        assert!(refusal(&dir.join("nowhere")).contains("no such folder"));
        assert!(refusal(&dir).contains("lacks Makefile"));
        put(&dir, "Makefile", "all:\n");
        assert!(refusal(&dir).contains("lacks VERSION"));
        put_tree(&dir, "5.4.280");
        assert!(refusal(&dir).contains("is Linux 5.4.280: needs 5.10 or newer"));
        put_tree(&dir, "5.10.1");
        assert!(user_tree(&dir).is_ok());
        std::fs::remove_file(dir.join("Kconfig")).unwrap();
        assert!(refusal(&dir).contains("lacks Kconfig"));
    }

    #[test]
    fn sees_the_leftovers_of_a_build() {
        for left in [".config", "include/config/auto.conf", "arch/arm64/include/generated/asm/a.h"]
        {
            let (_keep, dir) = temp();
            put_tree(&dir, "6.1.5");
            put(&dir, left, "");
            let refusal = refusal(&dir);
            assert!(refusal.contains("is not clean"), "{refusal}");
        }
    }

    #[test]
    fn refuses_a_path_that_kbuild_cannot_use() {
        let (_keep, dir) = temp();
        let dir = dir.join("my tree");
        put_tree(&dir, "6.1.5");
        assert!(refusal(&dir).contains("white space or a colon"));
        let link = dir.with_file_name("link");
        std::os::unix::fs::symlink(&dir, &link).unwrap();
        assert!(refusal(&link).contains("my tree` has white space or a colon"));
    }

    #[test]
    fn goes_by_the_path_that_kbuild_goes_by() {
        let (_keep, dir) = temp();
        put_tree(&dir.join("tree"), "6.1.5");
        let link = dir.join("my link");
        std::os::unix::fs::symlink("tree", &link).unwrap();
        assert_eq!(user_tree(&link).unwrap().dir, real(&dir).join("tree"));
    }
}
