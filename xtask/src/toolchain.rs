//! Which compiler and binutils build for an arch, and what identifies them.

mod family;
mod linker;

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context, Result, anyhow};
use camino::{Utf8Path, Utf8PathBuf};
use vmm_kernel::{Arch, ToolchainRecord};
use xshell::{Cmd, cmd};

use crate::diag::Hint;
use crate::shell::Shell;
use crate::source::Tree;

pub(crate) use self::family::Family;
pub(crate) use self::linker::{Lld, LldVersion, all as llds, oldest_for as oldest_lld_for};

/// Linux's own name of an arch, and the tools for it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct KbuildArch {
    /// kbuild's `ARCH`.
    pub name: String,
    /// kbuild's `CROSS_COMPILE`.
    pub prefix: String,
    pub family: Family,
    /// The linker, where it is not the family's own.
    pub linker: Option<String>,
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

impl KbuildArch {
    /// With GNU's tools.
    pub(crate) fn new(name: &str, prefix: &str) -> Self {
        let (name, prefix) = (name.to_owned(), prefix.to_owned());
        KbuildArch { name, prefix, family: Family::Gnu, linker: None }
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
        tools.extend(self.linker.clone().map(|linker| ("LD", linker)));
        tools
    }

    /// What tells kbuild's top Makefile of it.
    pub(crate) fn arguments(&self) -> Vec<String> {
        let linker = self.tools().remove("LD").unwrap_or_default();
        let KbuildArch { name, prefix, family, .. } = self;
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
    /// The linker, where it is not the family's own.
    pub linker: Option<String>,
    pub record: ToolchainRecord,
    /// Why it is not the linker that makes the smallest kernels of this arch.
    pub compromise: Option<String>,
}

/// Where the linker stands among the tools that a kernel is recorded with.
const LINKER: usize = 1;

impl Toolchain {
    /// Finds the tools for `arch`: those with the given prefix, else the host's own for its own
    /// arch, else the GNU cross tools. Where LLD links what GCC compiles, it is the newest on PATH, else
    /// GNU ld; [`Toolchain::for_tree`] says which of the two a tree accepts.
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
        let (linker, compromise) = (None, None);
        let mut found = Toolchain { arch, family, prefix, linker, record, compromise };
        let newest = match found.takes_lld() {
            true => linker::all(shell)?.into_iter().next(),
            false => None,
        };
        match newest {
            Some(lld) => found.link_with(shell, Some(lld))?,
            None => {
                found.link_with(shell, None)?;
                let why = || "there is no ld.lld on PATH".to_owned();
                found.compromise = found.takes_lld().then(why);
            }
        }
        Ok(found)
    }

    /// The tools that a kernel was built with, as far as they are here.
    ///
    /// # Errors
    /// As [`Toolchain::find`], or if this tool knows none of that name.
    pub(crate) fn recorded(
        shell: &Shell,
        arch: Arch,
        record: &ToolchainRecord,
        prefix: Option<&str>,
    ) -> Result<Self> {
        let mut found = Self::find(shell, arch, &Family::recorded(record)?, prefix)?;
        if found.takes_lld() && found.record != *record {
            let recorded = |lld: &Lld| record.versions.contains(&lld.said);
            if let Some(lld) = linker::all(shell)?.into_iter().find(recorded) {
                found.link_with(shell, Some(lld))?;
            } else if record.versions.iter().any(|said| said.starts_with("GNU ld")) {
                found.link_with(shell, None)?;
            }
        }
        Ok(found)
    }

    /// The same for kernels of a tree, which may want a newer LLD than there is: GNU ld links then.
    ///
    /// # Errors
    /// If the tree does not say what it wants, or GNU ld is missing.
    pub(crate) fn for_tree(&self, shell: &Shell, tree: &Tree) -> Result<Self> {
        let (Some(linker), Family::Gnu) = (&self.linker, &self.family) else {
            return Ok(self.clone());
        };
        let oldest = linker::oldest_for(shell, &tree.dir, self.kbuild_arch().source())?;
        let said = self.record.versions.get(LINKER).map_or("", String::as_str);
        match (oldest, LldVersion::find(said)) {
            (Some(oldest), Some(here)) if here < oldest => {
                let mut other = self.clone();
                other.link_with(shell, None)?;
                other.compromise = Some(format!(
                    "Linux {} wants LLD {oldest}, and {linker}, the newest here, is {here}",
                    tree.version
                ));
                Ok(other)
            }
            _ => Ok(self.clone()),
        }
    }

    /// Whether LLD links what GCC compiles.
    fn takes_lld(&self) -> bool {
        self.family == Family::Gnu && linker::is_wanted(self.arch.kbuild())
    }

    /// Takes an LLD, or the family's own linker, and asks each tool what it is that has not said so.
    fn link_with(&mut self, shell: &Shell, lld: Option<Lld>) -> Result<()> {
        let (linker, said) = lld.map(|lld| (lld.program, lld.said)).unzip();
        self.linker = linker;
        let before = std::mem::take(&mut self.record.versions);
        for (at, tool) in self.deciding().iter().enumerate() {
            let known = match at {
                LINKER => said.as_ref(),
                _ => before.get(at),
            };
            let version = match known {
                Some(known) => known.clone(),
                None => version(shell, self, tool)?,
            };
            self.record.versions.push(version);
        }
        Ok(())
    }

    /// The tools that a kernel is recorded with; the linker at [`LINKER`]. clang assembles, too.
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
        let (family, linker) = (self.family.clone(), self.linker.clone());
        KbuildArch { family, linker, ..KbuildArch::new(self.arch.kbuild(), &self.prefix) }
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
    first_line(shell, tool)
}

/// The first line that a tool says of its version.
fn first_line(shell: &Shell, tool: &str) -> Result<String> {
    let asked = shell.run(cmd!(shell.sh, "{tool} --version"), Duration::from_secs(20))?;
    let line = asked.stdout.lines().next().filter(|_| asked.success()).map(str::to_owned);
    line.with_context(|| format!("failed to ask `{tool} --version`: {}", asked.how()))
}

#[cfg(test)]
mod tests {
    use vmm_kernel::SourceRecord;

    use super::*;

    fn tools(arch: &str, prefix: &str, family: &str) -> String {
        let arch = KbuildArch { family: family.parse().unwrap(), ..KbuildArch::new(arch, prefix) };
        let tools = arch.tools();
        ["CC", "LD", "AR", "HOSTCC"].map(|name| tools[name].as_str()).join(" ")
    }

    #[test]
    fn each_family_names_its_tools_in_its_way() {
        assert_eq!(tools("x86_64", "", "gcc"), "gcc ld ar gcc");
        assert_eq!(tools("arm64", "a-", "gcc"), "a-gcc a-ld a-ar gcc");
        assert_eq!(tools("arm64", "a-", "llvm"), "clang ld.lld llvm-ar clang");
        assert_eq!(tools("x86_64", "", "llvm-19"), "clang-19 ld.lld-19 llvm-ar-19 clang-19");
    }

    /// A program of that name in a folder, with a text for `sh`.
    pub(super) fn program(folder: &Utf8Path, name: &str, text: &str) {
        use std::os::unix::fs::PermissionsExt;
        std::fs::create_dir_all(folder).unwrap();
        std::fs::write(folder.join(name), format!("#!/bin/sh\n{text}\n")).unwrap();
        let mode = std::fs::Permissions::from_mode(0o755);
        std::fs::set_permissions(folder.join(name), mode).unwrap();
    }

    /// A host with cross tools for arm64 and these LLDs, and a tree that accepts none before 17.0.1.
    fn host(llds: &[(&str, &str)]) -> (tempfile::TempDir, Shell, Tree) {
        let temp = tempfile::tempdir().unwrap();
        let dir = Utf8Path::from_path(temp.path()).unwrap();
        let bin = dir.join("bin");
        for tool in ["gcc", "as"] {
            program(&bin, &format!("p-{tool}"), &format!("echo {tool} 12"));
        }
        program(&bin, "p-ld", "echo GNU ld 2.40");
        for (name, version) in llds {
            program(&bin, name, &format!("echo LLD {version}"));
        }
        std::os::unix::fs::symlink("/bin/sh", bin.join("sh")).unwrap();
        program(&dir.join("scripts"), "min-tool-version.sh", "echo 17.0.1");
        let shell = Shell::for_tests();
        shell.sh.set_var("PATH", &bin);
        let record = SourceRecord {
            name: "dir".to_owned(),
            version: "7.3.4".to_owned(),
            sha256: String::new(),
            patches: vec![],
        };
        let version = "7.3.4".parse().unwrap();
        let tree = Tree { dir: dir.to_owned(), version, record, pinned: false };
        (temp, shell, tree)
    }

    #[test]
    fn the_linker_follows_the_tree() {
        let (old, new) = (("ld.lld", "14.0.6"), ("ld.lld-19", "19.1.7"));
        let cases: [(&[_], &str, &str, Option<&str>); 4] = [
            (&[old, new], "ld.lld-19", "ld.lld-19", None),
            (&[new], "ld.lld-19", "ld.lld-19", None),
            (
                &[old],
                "ld.lld",
                "p-ld",
                Some("wants LLD 17.0.1, and ld.lld, the newest here, is 14"),
            ),
            (&[], "p-ld", "p-ld", Some("there is no ld.lld on PATH")),
        ];
        for (llds, before, after, compromise) in cases {
            let (_temp, shell, tree) = host(llds);
            let found = Toolchain::find(&shell, Arch::Aarch64, &Family::Gnu, Some("p-")).unwrap();
            assert_eq!(found.kbuild_arch().tools()["LD"], before);
            let found = found.for_tree(&shell, &tree).unwrap();
            assert_eq!(found.kbuild_arch().tools()["LD"], after);
            let said = match after {
                "p-ld" => "GNU ld 2.40",
                _ => "LLD 19.1.7",
            };
            assert_eq!(found.record.versions, ["gcc 12", said, "as 12"]);
            assert_eq!(found.compromise.is_some(), compromise.is_some());
            let text = found.compromise.unwrap_or_default();
            assert!(text.contains(compromise.unwrap_or_default()), "{text}");
        }
    }

    #[test]
    fn a_kernel_is_made_again_with_the_linker_that_made_it() {
        let (_temp, shell, _) = host(&[("ld.lld", "14.0.6"), ("ld.lld-19", "19.1.7")]);
        for (said, linker) in
            [("LLD 14.0.6", "ld.lld"), ("GNU ld 2.40", "p-ld"), ("LLD 15.0.0", "ld.lld-19")]
        {
            let versions = ["gcc 12", said, "as 12"].map(str::to_owned).into();
            let record = ToolchainRecord { name: "gcc".to_owned(), versions };
            let found = Toolchain::recorded(&shell, Arch::Aarch64, &record, Some("p-")).unwrap();
            assert_eq!(found.kbuild_arch().tools()["LD"], linker);
            assert_eq!(found.record == record, said != "LLD 15.0.0");
        }
    }
}
