//! Fetching as a whole: tarballs by file and over HTTP, good and bad ones.

use camino::{Utf8Path, Utf8PathBuf};

use crate::shell::Shell;

pub(super) fn shell() -> Shell {
    Shell::for_tests()
}

pub(super) fn temp() -> (tempfile::TempDir, Utf8PathBuf) {
    let temp = tempfile::tempdir().unwrap();
    let path = Utf8PathBuf::from_path_buf(temp.path().to_owned()).unwrap();
    (temp, path)
}

pub(super) fn put(dir: &Utf8Path, path: &str, text: &str) {
    let path = dir.join(path);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, text).unwrap();
}

/// The least that counts as a Linux tree.
pub(super) fn put_tree(dir: &Utf8Path, version: &str) {
    let parts: Vec<_> = version.split('.').collect();
    let makefile = format!(
        "VERSION = {}\nPATCHLEVEL = {}\nSUBLEVEL = {}\nEXTRAVERSION =\n",
        parts[0], parts[1], parts[2]
    );
    put(dir, "Makefile", &makefile);
    put(dir, "Kconfig", "mainmenu \"Linux\"\n");
    put(dir, "scripts/kconfig/conf.c", "");
    put(dir, "arch/x86/Kconfig", "");
}
