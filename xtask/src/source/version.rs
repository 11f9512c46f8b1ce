//! A kernel's version, as the top Makefile of its tree says it.

use std::fmt;
use std::str::FromStr;

use anyhow::{Context, Error, Result, bail};

/// `VERSION.PATCHLEVEL.SUBLEVEL` and what follows the numbers (`-rc3`). Ordered by its numbers
/// first: `6.11.0-rc1` is not older than `6.11`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct KernelVersion {
    pub(crate) major: u32,
    pub(crate) minor: u32,
    pub(crate) patch: u32,
    pub(crate) extra: String,
}

impl KernelVersion {
    /// Reads the four variables at the head of a tree's top Makefile; `None` if it has none of
    /// `VERSION` and `PATCHLEVEL`, so is no Linux Makefile.
    pub(crate) fn from_makefile(text: &str) -> Option<Self> {
        let value = |name: &str| {
            // The first assignment counts: the rest of the file may mention the names again.
            text.lines().find_map(|line| {
                let (key, value) = line.split_once('=')?;
                (key.trim_end() == name).then(|| value.trim())
            })
        };
        Some(KernelVersion {
            major: value("VERSION")?.parse().ok()?,
            minor: value("PATCHLEVEL")?.parse().ok()?,
            patch: value("SUBLEVEL").unwrap_or_default().parse().unwrap_or(0),
            extra: value("EXTRAVERSION").unwrap_or_default().to_owned(),
        })
    }

    pub(crate) fn numbers(&self) -> (u32, u32) {
        (self.major, self.minor)
    }
}

impl fmt::Display for KernelVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}{}", self.major, self.minor, self.patch, self.extra)
    }
}

impl FromStr for KernelVersion {
    type Err = Error;

    /// `6.9`, `6.12.117`, `6.12-rc3`, or `6.12.8.1`, whose `EXTRAVERSION` is `.1`.
    fn from_str(text: &str) -> Result<Self> {
        let numbers = text.find(|c: char| c != '.' && !c.is_ascii_digit()).unwrap_or(text.len());
        let third_dot = text.match_indices('.').nth(2).map_or(text.len(), |(at, _)| at);
        let (numbers, extra) = text.split_at(numbers.min(third_dot));
        let parts: Vec<u32> = numbers
            .split('.')
            .map(str::parse)
            .collect::<Result<_, _>>()
            .with_context(|| format!("failed to read `{text}` as a kernel version"))?;
        let (major, minor, patch) = match parts[..] {
            [major, minor] => (major, minor, 0),
            [major, minor, patch] => (major, minor, patch),
            _ => bail!("`{text}` is no kernel version: expected two or three numbers, as in 6.12"),
        };
        Ok(KernelVersion { major, minor, patch, extra: extra.to_owned() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_people_write() {
        for (text, shown) in [
            ("6.9", "6.9.0"),
            ("6.12.117", "6.12.117"),
            ("6.12-rc3", "6.12.0-rc3"),
            ("5.10.0-1-amd64", "5.10.0-1-amd64"),
            ("6.12.8.1-x", "6.12.8.1-x"),
        ] {
            assert_eq!(text.parse::<KernelVersion>().unwrap().to_string(), shown);
        }
        for text in ["", "6", "six", "6.", "6..1", ".6", "6.99999999999"] {
            assert!(text.parse::<KernelVersion>().is_err(), "{text}");
        }
    }

    #[test]
    fn orders_by_number() {
        let version = |text: &str| text.parse::<KernelVersion>().unwrap();
        assert!(version("6.9") < version("6.12"));
        assert!(version("6.12.8") < version("6.12.117"));
        assert!(version("6.11-rc1") >= version("6.11"));
    }

    #[test]
    fn reads_a_makefile() {
        let head = "# SPDX\nVERSION = 6\nPATCHLEVEL = 12\nSUBLEVEL = 8\nEXTRAVERSION = -rc1\nNAME = x\n\
                    KERNELVERSION = $(VERSION)$(if $(PATCHLEVEL),.$(PATCHLEVEL))\nVERSION = 9\n";
        assert_eq!(KernelVersion::from_makefile(head).unwrap().to_string(), "6.12.8-rc1");
        let dotted = head.replace("-rc1", ".1");
        let dotted = KernelVersion::from_makefile(&dotted).unwrap();
        assert_eq!(dotted.to_string().parse::<KernelVersion>().unwrap(), dotted);
        let bare = "VERSION = 6\nPATCHLEVEL = 12\nSUBLEVEL =\nEXTRAVERSION =\n";
        assert_eq!(KernelVersion::from_makefile(bare).unwrap().to_string(), "6.12.0");
        assert_eq!(KernelVersion::from_makefile("all:\n\tcc x.c\n"), None);
    }
}
