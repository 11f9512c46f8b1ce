use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A word that a person typed and this crate does not know, with the words it does know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnknownTerm {
    pub kind: &'static str,
    pub word: String,
    pub known: &'static [&'static str],
}

impl fmt::Display for UnknownTerm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "unknown {} `{}` (known: {})", self.kind, self.word, self.known.join(", "))
    }
}

impl std::error::Error for UnknownTerm {}

/// Gives a fieldless enum its names: one spelling for the command line, JSON, TOML and messages.
macro_rules! terms {
    ($(#[$doc:meta])* $name:ident, $kind:literal { $($(#[$vdoc:meta])* $variant:ident = $word:literal),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        pub enum $name { $($(#[$vdoc])* #[serde(rename = $word)] $variant),+ }

        impl $name {
            pub const ALL: &'static [$name] = &[$($name::$variant),+];
            pub const NAMES: &'static [&'static str] = &[$($word),+];

            pub const fn name(self) -> &'static str {
                match self { $($name::$variant => $word),+ }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(self.name())
            }
        }

        impl FromStr for $name {
            type Err = UnknownTerm;

            fn from_str(word: &str) -> Result<Self, UnknownTerm> {
                Self::ALL.iter().copied().find(|term| term.name() == word).ok_or_else(|| UnknownTerm {
                    kind: $kind,
                    word: word.to_owned(),
                    known: Self::NAMES,
                })
            }
        }
    };
}
pub(crate) use terms;

terms! {
    /// A guest architecture, as Kuasar spells it.
    Arch, "arch" {
        X86_64 = "x86_64",
        Aarch64 = "aarch64",
    }
}

impl Arch {
    /// The architecture this program runs on, when it is one that Kuasar has guests for.
    pub fn host() -> Result<Self, UnknownTerm> {
        std::env::consts::ARCH.parse()
    }

    /// The value of kbuild's `ARCH`. Linux accepts `x86_64` as well as `x86`, and only the former
    /// fixes the word size (the tree's top Makefile, `SRCARCH`).
    pub const fn kbuild(self) -> &'static str {
        match self {
            Arch::X86_64 => "x86_64",
            Arch::Aarch64 => "arm64",
        }
    }

    /// Prefix of the GNU cross tools, as Debian, Fedora and Arch Linux name them.
    pub const fn gnu_prefix(self) -> &'static str {
        match self {
            Arch::X86_64 => "x86_64-linux-gnu-",
            Arch::Aarch64 => "aarch64-linux-gnu-",
        }
    }
}

terms! {
    /// How much of a machine a kernel is for.
    KernelType, "kernel type" {
        /// The smallest kernel, for the light VM of a VMM.
        Micro = "micro",
        /// The standard VM: PCI, ACPI, SCSI, NFS, NVDIMM, hotplug, modules, VLAN, netfilter.
        Mini = "mini",
    }
}

terms! {
    /// Where a guest finds its virtio devices.
    Bus, "bus" {
        Mmio = "mmio",
        Pci = "pci",
    }
}
