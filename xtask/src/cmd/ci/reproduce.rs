//! Kernels are built again where nothing is as it was but what they are made of.

use std::process::Command;

use anyhow::{Context as _, Result, ensure};
use camino::{Utf8Path, Utf8PathBuf};
use serde::Deserialize;
use xshell::cmd;

use super::{Ci, DEADLINE, Verdict, make_folder};

/// Those that take few minutes.
const KERNELS: &str =
    "kernel --type micro --arch x86_64,aarch64 --hypervisor stratovirt --format json";

/// `nobody`, on another host: in a namespace, which needs no right, and in which the files of whoever
/// runs this are nobody's.
const OTHER_USER: &str = "unshare --map-user=65534 --map-group=65534 --uts --keep-caps";

/// What a person's shell may have set otherwise. kbuild's own variables are among it.
const OTHER_ENVIRONMENT: [(&str, &str); 5] = [
    ("TZ", "Asia/Kathmandu"),
    ("LANG", "de_DE.UTF-8"),
    ("KBUILD_BUILD_USER", "somebody"),
    ("KBUILD_BUILD_TIMESTAMP", "now"),
    ("SOURCE_DATE_EPOCH", "1700000000"),
];

/// As `kernel` prints it.
#[derive(Debug, Deserialize)]
struct Made {
    stage: Utf8PathBuf,
    manifest: vmm_kernel::Manifest,
}

impl Ci<'_> {
    /// Builds kernels that are there already, so only when asked for.
    pub(super) fn reproduce(&self) -> Result<Verdict> {
        if self.named.is_empty() {
            let long = "it builds kernels again; `cargo xtask ci reproduce` takes it alone";
            return Ok(Verdict::Skipped(long.to_owned()));
        }
        let made = self.ask_xtask(KERNELS)?;
        let made: Vec<Made> =
            serde_json::from_str(&made.stdout).context("failed to read what `kernel` printed")?;
        ensure!(!made.is_empty(), "`kernel` made nothing");
        made.iter().try_for_each(|one| self.again(one))?;
        Ok(Verdict::Passed)
    }

    fn again(&self, made: &Made) -> Result<()> {
        let folder = tempfile::tempdir_in(make_folder(&self.workspace.work.join("ci"))?)?;
        let folder = Utf8Path::from_path(folder.path()).context("a path is not UTF-8")?;
        let elsewhere = folder.join("a/path/of/another/length");
        self.clone_to(&elsewhere, made)?;
        let program = std::env::current_exe().context("failed to find this program")?;
        let jobs = std::thread::available_parallelism().map_or(1, usize::from);
        let jobs = (jobs + 1).to_string();
        let sh = &self.ctx.shell.sh;
        let verify = cmd!(sh, "{program} verify image/vmlinux.bin --jobs {jobs}");
        let mut verify = self.as_another_user(verify.into())?;
        verify.envs(OTHER_ENVIRONMENT).env_remove("CARGO_TARGET_DIR");
        self.show_in(&elsewhere, verify).map(drop)
    }

    /// What git tracks as it is now, the kernel's source unpacked, and the image with its manifest.
    fn clone_to(&self, elsewhere: &Utf8Path, made: &Made) -> Result<()> {
        let Made { stage, manifest } = made;
        let (sources, images) = ("target/guest-kernel/source", "image");
        for folder in [sources, images] {
            make_folder(&elsewhere.join(folder))?;
        }
        let source = format!("source path {}", manifest.source.name);
        let source = self.ask_xtask(&source)?.stdout.trim().to_owned();
        let (sources, images) = (elsewhere.join(sources), elsewhere.join(images));
        let script = "set -e; git ls-files -z | tar -c --null -T - | tar -x -C \"$0\"\n\
                      cp -r -p \"$1\" \"$1.json\" \"$1.files\" \"$2\"\n\
                      cp \"$3\" \"$3.json\" \"$4\"";
        let sh = &self.ctx.shell.sh;
        let copy = cmd!(sh, "sh -c {script} {elsewhere} {source} {sources} {stage} {images}");
        self.show(copy).map(drop)
    }

    /// The command on another host, by another user with another umask, where this host lets one.
    fn as_another_user(&self, command: Command) -> Result<Command> {
        let sh = &self.ctx.shell.sh;
        let other = OTHER_USER.split(' ');
        let script = "hostname elsewhere && umask 077 && exec \"$0\" \"$@\"";
        let other = || cmd!(sh, "env").args(other.clone()).args(["sh", "-c", script]);
        if !self.ctx.shell.run(other().arg("true"), DEADLINE)?.success() {
            self.ctx.progress.say("this host lets nobody be another user: this one builds again");
            return Ok(command);
        }
        Ok(other().arg(command.get_program()).args(command.get_args()).into())
    }
}
