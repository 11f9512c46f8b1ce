//! Which compiler and binutils build for an arch, and what identifies them.

use std::time::Duration;

use anyhow::{Context, Result, anyhow};
use camino::{Utf8Path, Utf8PathBuf};
use vmm_kernel::{Arch, ToolchainRecord};
use xshell::{Cmd, cmd};

use crate::diag::Hint;
use crate::shell::Shell;

/// Linux's own name of an arch, and the prefix of the tools for it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct KbuildArch {
    /// kbuild's `ARCH`.
    pub name: String,
    /// kbuild's `CROSS_COMPILE`.
    pub prefix: String,
    /// kbuild's `LD`.
    pub linker: String,
}

/// Where GNU ld will not do, by Linux's name of the arch. arm64 packs the relocations of KASLR as RELR,
/// which GNU ld knows for it from binutils 2.43 on only, and lld for years.
const LINKERS: [(&str, &str); 1] = [("arm64", "ld.lld")];

impl KbuildArch {
    pub(crate) fn new(name: &str, prefix: &str) -> Self {
        let special = LINKERS.iter().find(|(arch, _)| *arch == name);
        let linker = special.map_or(format!("{prefix}ld"), |(_, linker)| (*linker).to_owned());
        KbuildArch { name: name.to_owned(), prefix: prefix.to_owned(), linker }
    }

    /// The folder of the arch in the tree (the top Makefile's `SRCARCH`).
    pub(crate) fn source(&self) -> &str {
        match self.name.as_str() {
            "x86_64" | "i386" => "x86",
            "sparc32" | "sparc64" => "sparc",
            "parisc64" => "parisc",
            name => name,
        }
    }
}

/// A GNU toolchain: the tools' names are `<prefix>gcc`, `<prefix>as`, …; the linker is the arch's.
#[derive(Debug, Clone)]
pub(crate) struct Toolchain {
    pub arch: Arch,
    /// kbuild's `CROSS_COMPILE`; empty for the host's own tools.
    pub prefix: String,
    pub record: ToolchainRecord,
}

impl Toolchain {
    /// Finds the tools for `arch`: those with the given prefix, else the host's own for its own
    /// arch, else the GNU cross tools.
    ///
    /// # Errors
    /// If a tool is missing or does not answer `--version`.
    pub(crate) fn find(shell: &Shell, arch: Arch, prefix: Option<&str>) -> Result<Self> {
        let native = Arch::host().is_ok_and(|host| host == arch);
        let prefix = match (prefix, native) {
            (Some(prefix), _) => prefix,
            (None, true) => "",
            (None, false) => arch.gnu_prefix(),
        };
        let mut versions = vec![];
        let linker = KbuildArch::new(arch.kbuild(), prefix).linker;
        for tool in [format!("{prefix}gcc"), linker, format!("{prefix}as")] {
            versions.push(version(shell, arch, &tool)?);
        }
        let record = ToolchainRecord { name: "gcc".to_owned(), versions };
        Ok(Toolchain { arch, prefix: prefix.to_owned(), record })
    }

    /// The names by which kbuild knows the arch and the tools.
    pub(crate) fn kbuild_arch(&self) -> KbuildArch {
        KbuildArch::new(self.arch.kbuild(), &self.prefix)
    }

    /// The compilers of the kernel, and of the programs that its build runs.
    pub(crate) fn compilers(&self) -> Vec<String> {
        vec![self.tool("gcc"), "gcc".to_owned(), "g++".to_owned()]
    }

    pub(crate) fn tool(&self, name: &str) -> String {
        format!("{}{name}", self.prefix)
    }

    /// A `make` in `tree` that writes to `obj` only, for this arch and with these tools. What kbuild
    /// writes into a kernel of its time, place and builder is fixed (the tree's
    /// Documentation/kbuild/reproducible-builds.rst).
    pub(crate) fn make<'a>(&self, shell: &'a Shell, tree: &Utf8Path, obj: &Utf8Path) -> Cmd<'a> {
        let KbuildArch { name, prefix, linker } = self.kbuild_arch();
        let make = cmd!(
            shell.sh,
            "make -C {tree} O={obj} ARCH={name} CROSS_COMPILE={prefix} LD={linker} LOCALVERSION="
        );
        let make = FOREIGN_VARIABLES.iter().fold(make, |make, name| make.env_remove(name));
        make.envs(FIXED_VARIABLES.iter().copied())
    }
}

/// What a user's shell or an outer `make` may hold and kbuild would listen to.
pub(crate) const FOREIGN_VARIABLES: [&str; 34] = [
    "MAKEFLAGS",
    "GNUMAKEFLAGS",
    "MFLAGS",
    "MAKELEVEL",
    "MAKEOVERRIDES",
    "LLVM",
    "LLVM_IAS",
    "KBUILD_OUTPUT",
    "KBUILD_EXTMOD",
    "KBUILD_EXTRA_SYMBOLS",
    "KBUILD_EXTRA_WARN",
    "KCFLAGS",
    "KCPPFLAGS",
    "KAFLAGS",
    "KRUSTFLAGS",
    "USERCFLAGS",
    "USERLDFLAGS",
    "HOSTCFLAGS",
    "HOSTCXXFLAGS",
    "HOSTRUSTFLAGS",
    "HOSTLDFLAGS",
    "HOSTLDLIBS",
    "KCONFIG_CONFIG",
    "KCONFIG_ALLCONFIG",
    "KCONFIG_AUTOCONFIG",
    "KCONFIG_AUTOHEADER",
    "KCONFIG_RUSTCCFG",
    "KCONFIG_OVERWRITECONFIG",
    "KCONFIG_DEFCONFIG_LIST",
    "KCONFIG_NOSILENTUPDATE",
    "KCONFIG_WARN_UNKNOWN_SYMBOLS",
    "KCONFIG_WERROR",
    "KCONFIG_SEED",
    "KCONFIG_PROBABILITY",
];

const FIXED_VARIABLES: [(&str, &str); 6] = [
    ("KBUILD_BUILD_TIMESTAMP", "Thu Jan  1 00:00:00 UTC 1970"),
    ("KBUILD_BUILD_USER", "kuasar"),
    ("KBUILD_BUILD_HOST", "kuasar"),
    ("KBUILD_BUILD_VERSION", "1"),
    ("SOURCE_DATE_EPOCH", "0"),
    ("LC_ALL", "C"),
];

/// Whether a program is where the shell's own commands would be looked for.
pub(crate) fn on_path(shell: &Shell, program: &str) -> bool {
    which(shell, program).is_some()
}

/// Where the program is, if PATH leads to it.
pub(crate) fn which(shell: &Shell, program: &str) -> Option<Utf8PathBuf> {
    let path = shell.sh.var_os("PATH");
    let found = which::which_in(program, path, shell.sh.current_dir()).ok()?;
    Utf8PathBuf::from_path_buf(found).ok()
}

fn version(shell: &Shell, arch: Arch, tool: &str) -> Result<String> {
    if !on_path(shell, tool) {
        let missing = anyhow!("no `{tool}` on PATH, which a kernel for {arch} is built with");
        return Err(missing).hint(|| {
            format!("`cargo xtask setup --arch {arch}` installs it, --cross-compile names another")
        });
    }
    let asked = shell.run(cmd!(shell.sh, "{tool} --version"), Duration::from_secs(20))?;
    let line = asked.stdout.lines().next().filter(|_| asked.success()).map(str::to_owned);
    line.with_context(|| format!("failed to ask `{tool} --version`: {}", asked.how()))
}
