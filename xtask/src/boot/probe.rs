//! The guest's /init: its sources are in this program, and the target's compiler makes it of them.

use std::time::Duration;

use anyhow::{Context, Result, anyhow};
use camino::{Utf8Path, Utf8PathBuf};
use vmm_kernel::Arch;
use xshell::cmd;

use crate::diag::Hint;
use crate::hash;
use crate::shell::Shell;

macro_rules! sources {
    ($($name:literal),+ $(,)?) => {
        &[$(($name, include_str!(concat!("../../probe/", $name)))),+]
    };
}

/// A program that can be a guest's /init.
pub(crate) struct Program {
    name: &'static str,
    /// Names and texts.
    sources: &'static [(&'static str, &'static str)],
    flags: &'static [&'static str],
}

/// Does what Kuasar's guest agent does first.
pub(super) const PROBE: Program = Program { name: "probe", sources: SOURCES, flags: &[] };

/// Reads the cycle counter with its first instruction. Small pages keep the file small, which lies in
/// the memory that it measures.
pub(crate) const MEASURE: Program = Program {
    name: "measure",
    sources: sources!["console.c", "console.h", "measure.c", "sys.c", "sys.h", "text.c", "text.h"],
    flags: &["-Wl,-e,measure_start", "-Wl,-z,max-page-size=4096"],
};

const SOURCES: &[(&str, &str)] = sources![
    "cards.c",
    "cgroups.c",
    "checks.h",
    "clock.c",
    "console.c",
    "console.h",
    "cpu.c",
    "disks.c",
    "disks.h",
    "events.c",
    "files.c",
    "files.h",
    "host.c",
    "host.h",
    "hotplug.c",
    "init.c",
    "ipc.c",
    "limits.c",
    "module.c",
    "mounts.c",
    "namespaces.c",
    "netfilter.c",
    "netlink.c",
    "netlink.h",
    "network.c",
    "network.h",
    "pmem.c",
    "process.c",
    "process.h",
    "security.c",
    "shares.c",
    "sockets.c",
    "storage.c",
    "sys.c",
    "sys.h",
    "text.c",
    "text.h",
    "uevents.c",
];

/// No libc, no FPU registers, nothing to relocate: whatever else a kernel lacks, it can run this.
const FLAGS: &[&str] = &[
    "-std=gnu11",
    "-Os",
    "-Wall",
    "-ffreestanding",
    "-fno-stack-protector",
    "-fno-asynchronous-unwind-tables",
    "-fno-pie",
    "-ffunction-sections",
    "-mgeneral-regs-only",
    "-nostdlib",
    "-static",
    "-no-pie",
    "-s",
    "-Wl,--gc-sections",
    "-Wl,--build-id=none",
    "-Wl,-z,noexecstack",
    "-Wl,-z,noseparate-code",
];

const COMPILE_DEADLINE: Duration = Duration::from_secs(120);

/// The program for `arch`, compiled unless `dir` has one of the same sources, flags and compiler.
///
/// # Errors
/// If the compiler is missing or refuses the sources.
pub(crate) fn build(
    shell: &Shell,
    program: &Program,
    arch: Arch,
    compiler: &str,
    dir: &Utf8Path,
) -> Result<Utf8PathBuf> {
    let Program { name, sources, flags: more } = program;
    let mut flags = flags(arch, compiler);
    flags.extend(more.iter().map(|&flag| flag.to_owned()));
    let identity = identity(shell, sources, arch, compiler, &flags)?;
    let probe = dir.join(format!("{name}-{arch}-{identity}"));
    if probe.exists() {
        return Ok(probe);
    }
    std::fs::create_dir_all(dir).with_context(|| format!("failed to create folder {dir}"))?;
    let place = tempfile::tempdir_in(dir)
        .with_context(|| format!("failed to create a temporary folder in {dir}"))?;
    let place = Utf8Path::from_path(place.path())
        .with_context(|| format!("the path of a folder in {dir} is not UTF-8"))?;
    for (name, text) in *sources {
        let path = place.join(name);
        std::fs::write(&path, text).with_context(|| format!("failed to write {path}"))?;
    }
    let sources = sources.iter().filter(|(name, _)| name.ends_with(".c"));
    let sources: Vec<Utf8PathBuf> = sources.map(|(name, _)| place.join(name)).collect();
    let made = place.join("init");
    let compile = cmd!(shell.sh, "{compiler} {flags...} -o {made} {sources...}");
    let compiled = shell.run(compile, COMPILE_DEADLINE)?;
    if !compiled.success() {
        let said = compiled.stderr.trim_end();
        let how = compiled.how();
        let error = anyhow!("{said}").context(format!(
            "failed to compile the boot {name} for {arch} with {compiler}: {how}"
        ));
        return Err(error).hint(|| {
            format!("it needs the kernel's user-space headers; `cargo xtask setup --arch {arch}`")
        });
    }
    std::fs::rename(&made, &probe)
        .with_context(|| format!("failed to move the boot {name} to {probe}"))?;
    Ok(probe)
}

/// clang is one program for every target, and has no linker of its own for most of them.
fn flags(arch: Arch, compiler: &str) -> Vec<String> {
    let mut flags: Vec<String> = FLAGS.iter().map(|&flag| flag.to_owned()).collect();
    if Utf8Path::new(compiler).file_name().is_some_and(|name| name.starts_with("clang")) {
        let target = arch.gnu_prefix().trim_end_matches('-');
        flags.extend([format!("--target={target}"), "-fuse-ld=lld".to_owned()]);
    }
    flags
}

fn identity(
    shell: &Shell,
    sources: &[(&str, &str)],
    arch: Arch,
    compiler: &str,
    flags: &[String],
) -> Result<String> {
    let asked = shell
        .run(cmd!(shell.sh, "{compiler} --version"), Duration::from_secs(20))
        .map_err(|error| {
            anyhow!(error)
                .context(format!("failed to run compiler `{compiler}` for the boot probe"))
        })
        .hint(|| format!("`cargo xtask setup --arch {arch}` installs it"))?;
    let mut all = format!("{compiler}\n{}\n{flags:?}\n", asked.stdout);
    for (name, text) in sources {
        all.push_str(&format!("{name} {}\n{text}", text.len()));
    }
    let mut identity = hash::of_bytes(all);
    identity.truncate(16);
    Ok(identity)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn every_program_compiles_without_a_word() {
        let (shell, host) = (Shell::for_tests(), Arch::host().unwrap());
        let temp = tempfile::tempdir().unwrap();
        let dir = Utf8Path::from_path(temp.path()).unwrap();
        for program in [&PROBE, &MEASURE] {
            let flags = [program.flags, &["-Werror"]].concat();
            let strict = Program { flags: flags.leak(), ..*program };
            build(&shell, &strict, host, "gcc", dir).unwrap();
        }
    }

    #[test]
    fn a_compiler_that_lacks_something_is_told_with_what_brings_it() {
        let temp = tempfile::tempdir().unwrap();
        let dir = Utf8Path::from_path(temp.path()).unwrap();
        let gcc = dir.join("gcc");
        let says = "#!/bin/sh\n[ $1 = --version ] || { echo no linux/x.h >&2; exit 1; }\n";
        std::fs::write(&gcc, says).unwrap();
        std::fs::set_permissions(&gcc, PermissionsExt::from_mode(0o755)).unwrap();
        let error =
            build(&Shell::for_tests(), &PROBE, Arch::Aarch64, gcc.as_str(), dir).unwrap_err();
        let failure = crate::diag::Failure::new(&error);
        assert!(failure.error.starts_with("failed to compile the boot probe for aarch64 with "));
        assert_eq!(failure.causes, ["no linux/x.h"]);
        assert!(failure.hints[0].contains("setup --arch aarch64"), "{:?}", failure.hints);
    }
}
