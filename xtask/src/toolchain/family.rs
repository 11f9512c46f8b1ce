//! GNU's tools or LLVM's.

use std::fmt;
use std::str::FromStr;

use anyhow::{Context, Error, Result};
use vmm_kernel::ToolchainRecord;

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

#[cfg(test)]
mod tests {
    use super::*;

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
