use std::collections::BTreeMap;

use camino::Utf8PathBuf;
use serde::{Deserialize, Serialize};

use crate::{Arch, Bus, ImageFormat, KernelType};

/// `[package.metadata.guest-kernel]`: which kernel each hypervisor boots, and where kernels go.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct GuestKernel {
    /// The hypervisor that is meant where none is named, if it boots the type that is.
    pub default_hypervisor: String,
    /// The hypervisor that is meant for a type that the default one does not boot, and whose kernel of each
    /// type a refresh proves.
    pub default_hypervisor_for: BTreeMap<KernelType, String>,
    /// Folders with lists, relative to the workspace root; the first that exists is taken.
    pub conf_dirs: Vec<Utf8PathBuf>,
    /// Folder for finished images, relative to the workspace root.
    pub staging: Utf8PathBuf,
    /// File name of a staged image, whatever its format.
    pub image_name: String,
    pub hypervisor: BTreeMap<String, Hypervisor>,
}

/// What one hypervisor boots.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Hypervisor {
    /// The sandboxer's config file for each arch, in the folder of the `vmm-sandboxer` package.
    #[serde(default)]
    pub configs: BTreeMap<Arch, Utf8PathBuf>,
    /// Where the sandboxer looks for its kernel when no config file says so.
    pub kernel_path: Utf8PathBuf,
    pub format: BTreeMap<Arch, ImageFormat>,
    /// Fragment on top of the type's list for each arch, relative to the conf dir and without its
    /// ending: those of `NAME.conf` and `NAME-ARCH.conf` that exist.
    #[serde(default)]
    pub overlay: BTreeMap<Arch, Utf8PathBuf>,
    /// In the order of preference.
    pub machine: Vec<Machine>,
}

/// One machine model of a hypervisor. The bus decides the type.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Machine {
    /// `machine_type` of the sandboxer's config; none where the VMM has a single machine.
    #[serde(default)]
    pub name: Option<String>,
    pub bus: Bus,
    #[serde(rename = "type")]
    pub kernel_type: KernelType,
    pub arch: Vec<Arch>,
}

impl Hypervisor {
    /// The machines of one arch, in the order of preference.
    pub fn machines(&self, arch: Arch) -> impl Iterator<Item = &Machine> {
        self.machine.iter().filter(move |machine| machine.arch.contains(&arch))
    }
}
