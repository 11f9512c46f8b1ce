//! A Kuasar workspace and a tiny kernel tree in a temporary folder.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use sha2::Digest as _;
use tempfile::TempDir;

/// For a test, or a part of one, that this host lacks something for. CI=true says that all is there.
pub(super) fn cannot_test(what: &str, lacking: &str) {
    let all_is_there = std::env::var("CI").is_ok_and(|ci| ci == "true");
    assert!(!all_is_there, "{what} cannot be tested without {lacking}");
    eprintln!("not tested without {lacking}: {what}");
}

pub(super) struct Fixture {
    dir: TempDir,
}

impl Fixture {
    pub(super) fn new() -> Self {
        let fixture = Fixture { dir: tempfile::tempdir().unwrap() };
        let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data");
        copy(&data.join("workspace"), &fixture.path(""));
        copy(&data.join("mini-tree"), &fixture.path("tree"));
        std::fs::write(fixture.path("tree/image"), bzimage(2048)).unwrap();
        fixture.conf("base.conf\n", "CONFIG_NET=y\n");
        fixture.foreign_tools();
        fixture
    }

    /// Tools for the arches that a test host need not have any for. Nothing is compiled with them.
    fn foreign_tools(&self) {
        for tool in [
            "aarch64-linux-gnu-gcc",
            "aarch64-linux-gnu-as",
            "ld.lld",
            "x86_64-linux-gnu-gcc",
            "x86_64-linux-gnu-ld",
            "x86_64-linux-gnu-as",
        ] {
            let name = format!("foreign-tools/{tool}");
            self.write(&name, "#!/bin/sh\necho 12.2.0\n");
            std::fs::set_permissions(self.path(&name), Permissions::from_mode(0o755)).unwrap();
        }
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub(super) fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.path(name)).unwrap()
    }

    pub(super) fn write(&self, name: &str, text: &str) {
        std::fs::create_dir_all(self.path(name).parent().unwrap()).unwrap();
        std::fs::write(self.path(name), text).unwrap();
    }

    /// A list for the x86_64 micro kernel, and the fragment it names.
    pub(super) fn conf(&self, list: &str, fragment: &str) {
        self.write("fragments/micro-kernel-x86_64.list", list);
        self.write("fragments/base.conf", fragment);
    }

    /// This project's own lists and fragments without those symbols, and a contract that wants all and
    /// requires nothing.
    pub(super) fn own_fragments(&self, without: &[&str]) {
        let own = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fragments");
        copy(&own, &self.path("fragments"));
        let asks = |line: &str| without.iter().any(|symbol| line == format!("CONFIG_{symbol}=y"));
        for entry in std::fs::read_dir(self.path("fragments")).unwrap() {
            let path = entry.unwrap().path();
            if path.extension().is_some_and(|extension| extension == "conf") {
                let text = std::fs::read_to_string(&path).unwrap();
                let kept = text.lines().filter(|line| !asks(line)).map(|line| format!("{line}\n"));
                std::fs::write(&path, kept.collect::<String>()).unwrap();
            }
        }
        let contract = self.read("fragments/contract.toml").replace("level = \"wanted\"\n", "");
        let wanted = contract.replace("[[capability]]\n", "[[capability]]\nlevel = \"wanted\"\n");
        self.write("fragments/contract.toml", &wanted);
    }

    /// A folder with what PATH leads to, but for programs whose names begin so.
    pub(super) fn programs_without(&self, hidden: &[&str]) -> PathBuf {
        let programs = self.path("programs");
        std::fs::create_dir(&programs).unwrap();
        for folder in std::env::split_paths(&std::env::var_os("PATH").unwrap()) {
            for program in std::fs::read_dir(folder).into_iter().flatten() {
                let (path, name) = (program.as_ref().unwrap().path(), program.unwrap().file_name());
                if !hidden.iter().any(|hidden| name.to_str().unwrap().starts_with(hidden)) {
                    // The first on PATH stays.
                    let _ = std::os::unix::fs::symlink(path, programs.join(name));
                }
            }
        }
        programs
    }

    /// A program before all others on PATH; gives that PATH.
    pub(super) fn program(&self, name: &str, script: &str) -> String {
        let file = format!("first/{name}");
        self.write(&file, &format!("#!/bin/sh\n{script}\n"));
        std::fs::set_permissions(self.path(&file), Permissions::from_mode(0o755)).unwrap();
        let path = std::env::var("PATH").unwrap_or_default();
        format!("{}:{path}:{}", self.path("first").display(), self.path("foreign-tools").display())
    }

    /// Packs a folder to an archive of its name in the conf dir; gives the archive's hash.
    pub(super) fn pack(&self, folder: &str) -> String {
        let gzip = flate2::write::GzEncoder::new(vec![], flate2::Compression::fast());
        let mut archive = tar::Builder::new(gzip);
        archive.mode(tar::HeaderMode::Deterministic);
        archive.append_dir_all(folder, self.path(folder)).unwrap();
        let bytes = archive.into_inner().unwrap().finish().unwrap();
        std::fs::write(self.path(&format!("fragments/{folder}.tar.gz")), &bytes).unwrap();
        format!("{:x}", sha2::Sha256::digest(&bytes))
    }

    pub(super) fn xtask(&self, arguments: &[&str]) -> Command {
        self.xtask_at(assert_cmd::cargo::cargo_bin!("xtask"), arguments)
    }

    /// The same by a copy, which no build beside the test replaces.
    pub(super) fn own_xtask(&self, arguments: &[&str]) -> Command {
        let program = self.path("own-xtask");
        if !program.exists() {
            // A process of its own copies: a file that this one has open for writing, the children that
            // other tests start have open, too, and nobody could run it.
            #[expect(clippy::disallowed_methods, reason = "a test types commands")]
            let mut copy = Command::new("cp");
            copy.arg(assert_cmd::cargo::cargo_bin!("xtask")).arg(&program);
            assert!(run(copy).status.success());
        }
        self.xtask_at(&program, arguments)
    }

    fn xtask_at(&self, program: &Path, arguments: &[&str]) -> Command {
        #[expect(clippy::disallowed_methods, reason = "a test types commands")]
        let mut command = Command::new(program);
        command.args(arguments).current_dir(self.path("")).env("NO_COLOR", "1");
        let path = std::env::var("PATH").unwrap_or_default();
        command.env("PATH", format!("{path}:{}", self.path("foreign-tools").display()));
        command.env_remove("CARGO_TARGET_DIR").env_remove("GITHUB_ACTIONS");
        command
    }

    /// `kernel` on the tiny tree, for StratoVirt's light VM.
    pub(super) fn kernel(&self, more: &[&str]) -> Command {
        let mut command = self.xtask(&[
            "kernel",
            "--type",
            "micro",
            "--arch",
            "x86_64",
            "--hypervisor",
            "stratovirt",
        ]);
        command.args(["--kernel-dir", "tree"]).args(more);
        command
    }
}

#[expect(clippy::disallowed_methods, reason = "a test types commands")]
pub(super) fn run(mut command: Command) -> Output {
    command.output().unwrap()
}

pub(super) fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

pub(super) fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

/// Runs and demands an exit code; gives both streams.
pub(super) fn expect(code: i32, command: Command) -> (String, String) {
    let output = run(command);
    let (out, err) = (stdout(&output), stderr(&output));
    assert_eq!(output.status.code(), Some(code), "stdout:\n{out}\nstderr:\n{err}");
    (out, err)
}

pub(super) fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        match entry.file_type().unwrap().is_dir() {
            true => copy(&entry.path(), &target),
            false => drop(std::fs::copy(entry.path(), target).unwrap()),
        }
    }
}

/// The smallest file that the x86 boot protocol (the tree's Documentation/arch/x86/boot.rst) and
/// its loaders take for a 64-bit relocatable kernel.
pub(super) fn bzimage(size: usize) -> Vec<u8> {
    let mut image = vec![0; 1024];
    image.resize(size, 0x90);
    let paragraphs = u32::try_from((size - 1024) / 16).unwrap().to_le_bytes();
    let fields: [(usize, &[u8]); 10] = [
        (0x1f1, &[1]),
        (0x1f4, &paragraphs),
        (0x1fe, &[0x55, 0xaa]),
        (0x202, b"HdrS\x0f\x02"),
        (0x211, &[1]),
        (0x214, &0x10_0000u32.to_le_bytes()),
        (0x234, &[1]),
        (0x236, &[1]),
        (0x24c, &512u32.to_le_bytes()),
        (0x258, &0x100_0000u64.to_le_bytes()),
    ];
    for (at, bytes) in fields {
        image[at..at + bytes.len()].copy_from_slice(bytes);
    }
    image[0x260..0x264].copy_from_slice(&0x20_0000u32.to_le_bytes());
    image
}

/// The smallest ELF file that loaders take for a kernel with a PVH entry: a loaded segment, and a note in
/// it (the tree's include/xen/interface/elfnote.h, XEN_ELFNOTE_PHYS32_ENTRY).
pub(super) fn pvh_vmlinux() -> Vec<u8> {
    let note = b"\x04\0\0\0\x08\0\0\0\x12\0\0\0Xen\0\x10\0\0\x01\0\0\0\0";
    let (base, high) = (0x100_0000, 0xffff_ffff_8100_0000);
    let load = [5 << 32 | 1, 0x200, high, base, 512, 4096, 2 << 20].map(u64::to_le_bytes);
    let notes = [4 << 32 | 4, 0x300, high + 256, base + 256, 24, 24, 4].map(u64::to_le_bytes);
    let (entry, sizes) = ([base, 64, 0].map(u64::to_le_bytes), [64u16, 56, 2, 64, 0, 0]);
    let sizes = sizes.map(u16::to_le_bytes);
    let mut image = vec![0; 0x200];
    image.resize(0x400, 0x90);
    let fields: [(usize, &[u8]); 7] = [
        (0, b"\x7fELF\x02\x01\x01"),
        (16, b"\x02\0\x3e\0\x01\0\0\0"),
        (24, entry.as_flattened()),
        (52, sizes.as_flattened()),
        (64, load.as_flattened()),
        (120, notes.as_flattened()),
        (0x300, note),
    ];
    for (at, bytes) in fields {
        image[at..at + bytes.len()].copy_from_slice(bytes);
    }
    image
}
