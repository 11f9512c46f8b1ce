//! KVM or emulation. A /dev/kvm that opens proves little: inside another VM it may run firmware well
//! and leave a kernel hanging for ever. So KVM is believed when a kernel has come as far as its init
//! under it, and the answer is kept for as long as the host stays up.

use std::fs::File;
use std::time::Duration;

use anyhow::{Context, Result};
use camino::Utf8Path;
use clap::ValueEnum;
use serde::{Deserialize, Serialize};
use vmm_kernel::Arch;

/// How a guest's instructions are run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Accel {
    Kvm,
    Tcg,
}

impl Accel {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Accel::Kvm => "kvm",
            Accel::Tcg => "tcg",
        }
    }
}

/// What the user wants of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum AccelChoice {
    /// KVM where a guest makes progress under it, else emulation
    Auto,
    /// Emulation
    Tcg,
    /// KVM, or an error
    Kvm,
}

/// What was taken, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Accelerator {
    pub(crate) name: Accel,
    pub(crate) why: String,
}

impl Accelerator {
    pub(crate) fn new(name: Accel, why: impl Into<String>) -> Self {
        Accelerator { name, why: why.into() }
    }
}

/// How long a guest under KVM may take to its init before KVM is taken for stuck. A working one needs
/// about a second.
pub(crate) const TRIAL: Duration = Duration::from_secs(20);

/// Why KVM is out of the question for guests of this arch; none if it is worth a try.
pub(crate) fn no_kvm(arch: Arch) -> Option<String> {
    if !Arch::host().is_ok_and(|host| host == arch) {
        return Some(format!("this host is no {arch} machine"));
    }
    let opened = File::options().read(true).write(true).open("/dev/kvm");
    opened.err().map(|error| format!("/dev/kvm cannot be opened: {error}"))
}

/// Whether a kernel came to its init under KVM since the host booted, with this VMM and its version.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Experience {
    pub(super) boot_id: String,
    pub(super) vmm: String,
    pub(crate) works: bool,
    /// What was seen.
    pub(crate) why: String,
}

impl Experience {
    const FILE: &str = "kvm.json";

    pub(crate) fn new(vmm: &str, works: bool, why: &str) -> Self {
        Experience { boot_id: boot_id(), vmm: vmm.to_owned(), works, why: why.to_owned() }
    }

    /// What is known; nothing if the host or the VMM has changed since, or the file is unreadable.
    pub(crate) fn recall(dir: &Utf8Path, vmm: &str) -> Option<Self> {
        Self::all(dir).into_iter().find(|kept| kept.vmm == vmm)
    }

    pub(crate) fn keep(&self, dir: &Utf8Path) -> Result<()> {
        let path = dir.join(Self::FILE);
        let mut all = Self::all(dir);
        all.retain(|kept| kept.vmm != self.vmm);
        all.push(self.clone());
        let text = serde_json::to_vec_pretty(&all).context("failed to write JSON")?;
        std::fs::write(&path, text).with_context(|| format!("failed to write {path}"))
    }

    /// Of every VMM, since this host booted.
    fn all(dir: &Utf8Path) -> Vec<Self> {
        let text = std::fs::read(dir.join(Self::FILE)).unwrap_or_default();
        let mut all: Vec<Self> = serde_json::from_slice(&text).unwrap_or_default();
        let now = boot_id();
        all.retain(|kept| kept.boot_id == now);
        all
    }
}

/// New with every boot of the host (random(4)).
fn boot_id() -> String {
    let id = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    id.trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn experience_is_of_one_vmm_and_one_host_boot() {
        let dir = tempfile::tempdir().unwrap();
        let dir = Utf8Path::from_path(dir.path()).unwrap();
        let works = |vmm: &str| Experience::recall(dir, vmm).map(|kept| kept.works);
        assert_eq!(works("7.2"), None);
        Experience::new("7.2", false, "hung").keep(dir).unwrap();
        assert_eq!(works("7.2"), Some(false));
        assert_eq!(works("8.0"), None);
        Experience::new("8.0", true, "ran").keep(dir).unwrap();
        assert_eq!((works("7.2"), works("8.0")), (Some(false), Some(true)));
        let now = Experience::new("7.2", true, "ran");
        Experience { boot_id: "earlier".to_owned(), ..now }.keep(dir).unwrap();
        assert_eq!(works("7.2"), None);
        std::fs::write(dir.join(Experience::FILE), "{").unwrap();
        assert_eq!(works("7.2"), None);
    }
}
