//! Fetching as a whole, with archives made here: what comes out of good ones, and that nothing
//! comes out of bad ones.

mod archives;
mod debian;
mod git;
mod http;
mod kernel_org;
mod patches;
mod server;
mod suites;
mod supply;

use std::io::Write;
use std::os::unix::fs::PermissionsExt;

use anyhow::Result;
use camino::{Utf8Path, Utf8PathBuf};

use super::{Sources, Tree, Wanted, fetch};
use crate::hash;
use crate::progress::Progress;
use crate::shell::Shell;

/// A shell that no signal reaches.
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

fn makefile(version: &str) -> String {
    let parts: Vec<_> = version.split('.').collect();
    format!(
        "VERSION = {}\nPATCHLEVEL = {}\nSUBLEVEL = {}\nEXTRAVERSION =\n",
        parts[0], parts[1], parts[2]
    )
}

/// The least that counts as a Linux tree.
pub(super) fn put_tree(dir: &Utf8Path, version: &str) {
    put(dir, "Makefile", &makefile(version));
    put(dir, "Kconfig", "mainmenu \"Linux\"\n");
    put(dir, "scripts/kconfig/conf.c", "");
    put(dir, "arch/x86/Kconfig", "");
}

/// When the files of an archive were made, in seconds since 1970.
const MADE: u64 = 1_700_000_000;

/// A tar archive with paths that `tar::Builder` itself would not write.
struct Tar(tar::Builder<Vec<u8>>);

impl Tar {
    fn new() -> Self {
        Tar(tar::Builder::new(Vec::new()))
    }

    /// The least that counts as a Linux tree, in one folder.
    fn linux(version: &str) -> Self {
        Tar::new()
            .folder("linux/")
            .file("linux/Makefile", &makefile(version))
            .file("linux/Kconfig", "mainmenu \"Linux\"\n")
            .file("linux/scripts/kconfig/conf.c", "int main;\n")
            .file("linux/arch/x86/Kconfig", "")
    }

    fn entry(
        mut self,
        kind: tar::EntryType,
        path: &str,
        mode: u32,
        link: &str,
        text: &str,
    ) -> Self {
        let mut header = tar::Header::new_ustar();
        header.as_mut_bytes()[..path.len()].copy_from_slice(path.as_bytes());
        header.as_mut_bytes()[157..157 + link.len()].copy_from_slice(link.as_bytes());
        header.set_entry_type(kind);
        header.set_mode(mode);
        header.set_mtime(MADE);
        header.set_size(text.len() as u64);
        header.set_cksum();
        self.0.append(&header, text.as_bytes()).unwrap();
        self
    }

    fn file(self, path: &str, text: &str) -> Self {
        self.entry(tar::EntryType::Regular, path, 0o664, "", text)
    }

    fn program(self, path: &str, text: &str) -> Self {
        self.entry(tar::EntryType::Regular, path, 0o775, "", text)
    }

    fn folder(self, path: &str) -> Self {
        self.entry(tar::EntryType::Directory, path, 0o775, "", "")
    }

    fn symlink(self, path: &str, target: &str) -> Self {
        self.entry(tar::EntryType::Symlink, path, 0o777, target, "")
    }

    fn xz(self) -> Vec<u8> {
        let mut encoder = liblzma::write::XzEncoder::new(Vec::new(), 1);
        encoder.write_all(&self.0.into_inner().unwrap()).unwrap();
        encoder.finish().unwrap()
    }

    fn gz(self) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(&self.0.into_inner().unwrap()).unwrap();
        encoder.finish().unwrap()
    }
}

/// A conf dir and a cache.
struct Place {
    _temp: tempfile::TempDir,
    conf: Utf8PathBuf,
    cache: Utf8PathBuf,
    shell: Shell,
}

impl Place {
    fn new() -> Self {
        let (temp, dir) = temp();
        std::fs::create_dir(dir.join("conf")).unwrap();
        Place { _temp: temp, conf: dir.join("conf"), cache: dir.join("cache"), shell: shell() }
    }

    fn pin(&self, rest: &str) {
        self.pin_with("snapshot = \"http://127.0.0.1:1\"", rest);
    }

    /// The same with keys of the file's own before it.
    fn pin_with(&self, keys: &str, rest: &str) {
        let text = format!("default = \"p\"\n{keys}\n[source.p]\n{rest}\n");
        put(&self.conf, "sources.toml", &text);
    }

    fn pin_tarball(&self, url: &str, sha256: &str) {
        self.pin(&format!("provider = \"tarball\"\nurl = \"{url}\"\nsha256 = \"{sha256}\""));
    }

    /// Pins a tarball that lies beside `sources.toml`.
    fn pin_file(&self, name: &str, archive: &[u8]) {
        std::fs::write(self.conf.join(name), archive).unwrap();
        self.pin_tarball(name, &hash::of_bytes(archive));
    }

    fn sources(&self) -> Sources {
        Sources::read(&self.conf).unwrap()
    }

    fn fetch(&self, locked: bool) -> Result<Tree> {
        self.fetch_wanted(Wanted::locked_if(locked))
    }

    fn fetch_wanted(&self, wanted: Wanted) -> Result<Tree> {
        let sources = self.sources();
        let pin = sources.pin(None)?;
        fetch(&self.shell, Progress::Silent, &sources, pin, &self.cache, wanted)
    }

    /// The whole chain of an error, and that no tree came of it.
    fn refusal(&self) -> String {
        let error = format!("{:#}", self.fetch(false).unwrap_err());
        assert!(self.cached().is_empty(), "{error}: {:?}", self.cached());
        error
    }

    /// What is in the cache, sorted.
    fn cached(&self) -> Vec<String> {
        let entries = self.cache.read_dir_utf8().unwrap();
        let mut names: Vec<_> = entries.map(|one| one.unwrap().file_name().to_owned()).collect();
        names.sort();
        names
    }

    fn mode(path: &Utf8Path) -> u32 {
        path.metadata().unwrap().permissions().mode() & 0o7777
    }
}
