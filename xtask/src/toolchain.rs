//! Which compiler and binutils build for an arch, and what identifies them.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use anyhow::{Context, Error, Result, anyhow};
use camino::{Utf8Path, Utf8PathBuf};
use vmm_kernel::{Arch, ToolchainRecord};
use xshell::{Cmd, cmd};

use crate::diag::Hint;
use crate::shell::Shell;

/// Whose tools compile and link.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Family {
    #[default]
    Gnu,
    /// With what the tools' names end in, such as `-19`; mostly nothing.
    Llvm(String),
}

impl FromStr for Family {
    type Err = String;

    fn from_str(word: &str) -> Result<Self, String> {
        let is_version =
            |word: &str| word.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
        match word.strip_prefix("llvm") {
            None if word == "gcc" => Ok(Family::Gnu),
            Some("") => Ok(Family::Llvm(String::new())),
            Some(end) if end.len() > 1 && end.strip_prefix('-').is_some_and(is_version) => {
                Ok(Family::Llvm(end.to_owned()))
            }
            _ => {
                Err("known are gcc, llvm, and llvm-N for tools whose names end in a version"
                    .to_owned())
            }
        }
    }
}

impl Family {
    /// Of the tools that a kernel was built with.
    ///
    /// # Errors
    /// If this tool knows none of that name.
    pub(crate) fn recorded(record: &ToolchainRecord) -> Result<Self> {
        let parsed = record.name.parse().map_err(Error::msg);
        parsed.with_context(|| {
            format!("failed to find the tools that a manifest calls `{}`", record.name)
        })
    }

    /// What a variant of that name is called that these tools make: GNU's are the rule.
    pub(crate) fn variant(&self, name: &str) -> String {
        match self {
            Family::Gnu => name.to_owned(),
            Family::Llvm(_) => format!("{name}-{self}"),
        }
    }
}

impl fmt::Display for Family {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Family::Gnu => f.write_str("gcc"),
            Family::Llvm(end) => write!(f, "llvm{end}"),
        }
    }
}

/// Linux's own name of an arch, and the tools for it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct KbuildArch {
    /// kbuild's `ARCH`.
    pub name: String,
    /// kbuild's `CROSS_COMPILE`.
    pub prefix: String,
    pub family: Family,
}

/// kbuild's variables for tools of the target, and what its top Makefile takes for them: GNU's with the
/// prefix before them, or LLVM's.
const TARGET_TOOLS: [(&str, &str, &str); 8] = [
    ("CC", "gcc", "clang"),
    ("LD", "ld", "ld.lld"),
    ("AR", "ar", "llvm-ar"),
    ("NM", "nm", "llvm-nm"),
    ("OBJCOPY", "objcopy", "llvm-objcopy"),
    ("OBJDUMP", "objdump", "llvm-objdump"),
    ("READELF", "readelf", "llvm-readelf"),
    ("STRIP", "strip", "llvm-strip"),
];

/// The same for tools of the host, which have no prefix.
const HOST_TOOLS: [(&str, &str, &str); 2] =
    [("HOSTCC", "gcc", "clang"), ("HOSTCXX", "g++", "clang++")];

/// Where GNU ld will not do, by Linux's name of the arch. arm64 packs the relocations of KASLR as RELR,
/// which GNU ld knows for it from binutils 2.43 on only, and lld for years.
const LINKERS: [(&str, &str); 1] = [("arm64", "ld.lld")];

impl KbuildArch {
    /// With GNU's tools.
    pub(crate) fn new(name: &str, prefix: &str) -> Self {
        KbuildArch { name: name.to_owned(), prefix: prefix.to_owned(), family: Family::Gnu }
    }

    /// Each of kbuild's variables that names a tool, and the tool.
    pub(crate) fn tools(&self) -> BTreeMap<&'static str, String> {
        let named = |gnu: &str, llvm: &str, prefix: &str| match &self.family {
            Family::Gnu => format!("{prefix}{gnu}"),
            Family::Llvm(end) => format!("{llvm}{end}"),
        };
        let of_target =
            TARGET_TOOLS.map(|(name, gnu, llvm)| (name, named(gnu, llvm, &self.prefix)));
        let of_host = HOST_TOOLS.map(|(name, gnu, llvm)| (name, named(gnu, llvm, "")));
        let mut tools: BTreeMap<_, _> = of_target.into_iter().chain(of_host).collect();
        let special = LINKERS.iter().find(|(arch, _)| *arch == self.name);
        if let (Family::Gnu, Some((_, linker))) = (&self.family, special) {
            tools.insert("LD", (*linker).to_owned());
        }
        tools
    }

    /// What tells kbuild's top Makefile of it.
    pub(crate) fn arguments(&self) -> Vec<String> {
        let linker = self.tools().remove("LD").unwrap_or_default();
        let KbuildArch { name, prefix, family } = self;
        let mut told =
            vec![format!("ARCH={name}"), format!("CROSS_COMPILE={prefix}"), format!("LD={linker}")];
        match family {
            Family::Gnu => {}
            Family::Llvm(end) if end.is_empty() => told.push("LLVM=1".to_owned()),
            Family::Llvm(end) => told.push(format!("LLVM={end}")),
        }
        told
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

/// The tools for an arch.
#[derive(Debug, Clone)]
pub(crate) struct Toolchain {
    pub arch: Arch,
    pub family: Family,
    /// kbuild's `CROSS_COMPILE`; empty for the host's own tools. LLVM's have none in their names: it only
    /// tells older trees the target.
    pub prefix: String,
    pub record: ToolchainRecord,
}

impl Toolchain {
    /// Finds the tools for `arch`: those with the given prefix, else the host's own for its own
    /// arch, else the GNU cross tools.
    ///
    /// # Errors
    /// If a tool is missing or does not answer `--version`.
    pub(crate) fn find(
        shell: &Shell,
        arch: Arch,
        family: &Family,
        prefix: Option<&str>,
    ) -> Result<Self> {
        let native = Arch::host().is_ok_and(|host| host == arch);
        let prefix = match (prefix, native) {
            (Some(prefix), _) => prefix,
            (None, true) => "",
            (None, false) => arch.gnu_prefix(),
        };
        let record = ToolchainRecord { name: family.to_string(), versions: vec![] };
        let (family, prefix) = (family.clone(), prefix.to_owned());
        let mut found = Toolchain { arch, family, prefix, record };
        for tool in found.deciding() {
            found.record.versions.push(version(shell, &found, &tool)?);
        }
        Ok(found)
    }

    /// The tools that a kernel is recorded with. clang assembles, too.
    fn deciding(&self) -> Vec<String> {
        let mut tools = self.kbuild_arch().tools();
        let [compiler, linker] = ["CC", "LD"].map(|name| tools.remove(name).unwrap_or_default());
        match self.family {
            Family::Gnu => vec![compiler, linker, self.gnu("as")],
            Family::Llvm(_) => vec![compiler, linker],
        }
    }

    /// The names by which kbuild knows the arch and the tools.
    pub(crate) fn kbuild_arch(&self) -> KbuildArch {
        let family = self.family.clone();
        KbuildArch { family, ..KbuildArch::new(self.arch.kbuild(), &self.prefix) }
    }

    /// The compilers of the kernel, and of the programs that its build runs.
    pub(crate) fn compilers(&self) -> Vec<String> {
        let tools = self.kbuild_arch().tools();
        ["CC", "HOSTCC", "HOSTCXX"].iter().filter_map(|name| tools.get(name)).cloned().collect()
    }

    /// A tool of GNU's for the arch, whoever compiles the kernel.
    pub(crate) fn gnu(&self, name: &str) -> String {
        format!("{}{name}", self.prefix)
    }

    /// GCC's own name for `nm`, with which that loads GCC's plugin alone. By its plain name it loads all of
    /// binutils', with clang's whole LLVM where that is installed, for each object of Linux before 6.5 (the tree's
    /// scripts/check-local-export): 43 ms, not 2.
    fn gnu_nm(&self, shell: &Shell) -> String {
        let own = self.gnu("gcc-nm");
        // That of a GCC without plugins is there, yet fails.
        let asked = shell.run(cmd!(shell.sh, "{own} --version"), Duration::from_secs(20));
        if asked.is_ok_and(|asked| asked.success()) { own } else { self.gnu("nm") }
    }

    /// A `make` in `tree` that writes to `obj` only, for this arch and with these tools. What kbuild
    /// writes into a kernel of its time, place and builder is fixed (the tree's
    /// Documentation/kbuild/reproducible-builds.rst).
    pub(crate) fn make<'a>(&self, shell: &'a Shell, tree: &Utf8Path, obj: &Utf8Path) -> Cmd<'a> {
        let mut arguments = self.kbuild_arch().arguments();
        if self.family == Family::Gnu {
            let nm = self.gnu_nm(shell);
            arguments.extend([format!("KCFLAGS={GCC_FLAGS}"), format!("NM={nm}")]);
        }
        let make = cmd!(shell.sh, "make -C {tree} O={obj} {arguments...} LOCALVERSION=");
        let make = FOREIGN_VARIABLES.iter().fold(make, |make, name| make.env_remove(name));
        make.envs(FIXED_VARIABLES.iter().copied())
    }
}

/// What GCC need not do, and takes an eighth of its time in a kernel's sources: remember for each token what macros it
/// came out of, for the notes of a message, and read each file once more to see how it is indented. The objects
/// stay the same to the byte. Without that memory it takes what a macro compares for a slip, and so does not
/// look for such (-Waddress); a kernel that takes no warning is spared the rest of them.
const GCC_FLAGS: &str = "$(if $(CONFIG_WERROR),,\
    -ftrack-macro-expansion=0 -Wno-misleading-indentation -Wno-address)";

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

const FIXED_VARIABLES: [(&str, &str); 7] = [
    ("KBUILD_BUILD_TIMESTAMP", "Thu Jan  1 00:00:00 UTC 1970"),
    ("KBUILD_BUILD_USER", "kuasar"),
    ("KBUILD_BUILD_HOST", "kuasar"),
    ("KBUILD_BUILD_VERSION", "1"),
    ("SOURCE_DATE_EPOCH", "0"),
    ("LC_ALL", "C"),
    // kbuild takes LC_ALL back, and its makes would speak the user's language.
    ("LC_MESSAGES", "C"),
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

fn version(shell: &Shell, toolchain: &Toolchain, tool: &str) -> Result<String> {
    if !on_path(shell, tool) {
        let Toolchain { arch, family, .. } = toolchain;
        let missing = anyhow!("no `{tool}` on PATH, which a kernel for {arch} is built with");
        return Err(missing).hint(|| match family {
            Family::Llvm(_) => format!("`cargo xtask setup --toolchain {family}` installs it"),
            Family::Gnu => format!(
                "`cargo xtask setup --arch {arch}` installs it, --cross-compile names another"
            ),
        });
    }
    let asked = shell.run(cmd!(shell.sh, "{tool} --version"), Duration::from_secs(20))?;
    let line = asked.stdout.lines().next().filter(|_| asked.success()).map(str::to_owned);
    line.with_context(|| format!("failed to ask `{tool} --version`: {}", asked.how()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tools(arch: &str, prefix: &str, family: &str) -> String {
        let arch = KbuildArch { family: family.parse().unwrap(), ..KbuildArch::new(arch, prefix) };
        let tools = arch.tools();
        ["CC", "LD", "AR", "HOSTCC"].map(|name| tools[name].as_str()).join(" ")
    }

    #[test]
    fn each_family_names_its_tools_in_its_way() {
        assert_eq!(tools("x86_64", "", "gcc"), "gcc ld ar gcc");
        assert_eq!(tools("arm64", "a-", "gcc"), "a-gcc ld.lld a-ar gcc");
        assert_eq!(tools("arm64", "a-", "llvm"), "clang ld.lld llvm-ar clang");
        assert_eq!(tools("x86_64", "", "llvm-19"), "clang-19 ld.lld-19 llvm-ar-19 clang-19");
    }

    #[test]
    fn a_family_is_known_by_its_name() {
        for name in ["gcc", "llvm", "llvm-19", "llvm-22.1"] {
            assert_eq!(name.parse::<Family>().unwrap().to_string(), name);
        }
        for name in ["", "clang", "llvm-", "llvm19", "llvm-x", "llvm-19 -j"] {
            assert!(name.parse::<Family>().is_err(), "{name}");
        }
    }
}
