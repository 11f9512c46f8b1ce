//! The three values of the language's logic.

use std::fmt;

/// `n < m < y`: "and" is the lesser, "or" the greater.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Tristate {
    #[default]
    N,
    M,
    Y,
}

impl Tristate {
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Tristate::N => "n",
            Tristate::M => "m",
            Tristate::Y => "y",
        }
    }

    /// The value that a text begins with, as a `.config` is read: only the first character counts.
    #[must_use]
    pub fn of_prefix(text: &str) -> Option<Self> {
        match text.as_bytes().first()? {
            b'y' => Some(Tristate::Y),
            b'm' => Some(Tristate::M),
            b'n' => Some(Tristate::N),
            _ => None,
        }
    }

    /// `y` where a condition that is `m` may not stay so.
    pub(crate) fn without_m(self) -> Self {
        if self == Tristate::M { Tristate::Y } else { self }
    }
}

impl std::ops::Not for Tristate {
    type Output = Self;

    fn not(self) -> Self {
        match self {
            Tristate::N => Tristate::Y,
            Tristate::M => Tristate::M,
            Tristate::Y => Tristate::N,
        }
    }
}

impl fmt::Display for Tristate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
