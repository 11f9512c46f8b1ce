//! The Linux kernel's configuration language.
//!
//! [`parse`] makes a [`Model`] of a tree's Kconfig files; a [`Config`] gives its symbols values as
//! the tree's own `conf` would, to the byte of the `.config` that it writes.
//!
//! No I/O happens here: a [`Host`] reads files and runs the commands of `$(shell …)`. Nothing here
//! fails or panics on any input: what is wrong comes as [`Diagnostic`]s. Nothing here words prose.

mod choice;
mod config;
mod cycle;
mod diagnostic;
mod dotconfig;
mod eval;
mod explain;
mod expr;
mod expression;
mod finalize;
mod host;
mod lexer;
mod macros;
mod mode;
mod model;
mod number;
mod origin;
mod parse;
mod possible;
mod simplify;
mod solve;
mod tristate;
mod write;

pub use config::{Config, Value};
pub use diagnostic::{Diagnostic, Expected, Link, Problem, Severity, Step};
pub use explain::{Blocker, Cause, Hiding, Selector, expression_text};
pub use expr::{Expr, ExprId, Relation};
pub use expression::{Expression, Way};
pub use host::Host;
pub use mode::Mode;
pub use model::{
    Choice, DefaultValue, Entry, EntryId, EntryKind, FileId, Location, Model, Prompt, Range,
    Reverse, Select, Symbol, SymbolId, Type,
};
pub use origin::Origin;
pub use possible::Possible;
pub use solve::{Demand, Lines, Mend, mend};
pub use tristate::Tristate;

use serde::{Deserialize, Serialize};

/// The language as one kernel's own tools read it. Each method names a difference, and the release
/// that brought it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Dialect {
    /// Version and patch level.
    kernel: (u32, u32),
}

impl Dialect {
    /// What a kernel of that version and patch level speaks.
    #[must_use]
    pub fn of(version: u32, patch_level: u32) -> Self {
        Dialect { kernel: (version, patch_level) }
    }

    /// Since 6.11 a choice has no value of its own: its members are what is set. Before, it was a
    /// symbol that could be tristate, and optional.
    pub(crate) fn choices_are_bool(self) -> bool {
        self.kernel >= (6, 11)
    }

    /// Since 6.9 a number without a default is 0, not empty.
    pub(crate) fn numbers_default_to_zero(self) -> bool {
        self.kernel >= (6, 9)
    }

    /// Before 5.14: `option modules`, `option defconfig_list`, `option allnoconfig_y`.
    pub(crate) fn has_options(self) -> bool {
        self.kernel < (5, 14)
    }

    /// Since 5.18 a menu without entries ends with `# end of`, too (a7d4f58e99dd).
    pub(crate) fn empty_menus_end(self) -> bool {
        self.kernel >= (5, 18)
    }

    /// Since 6.10 a choice and its members need prompts, members have no default, and the prompts of
    /// a member are all in its choice. Before, conf warned of that.
    pub(crate) fn choices_are_checked(self) -> bool {
        self.kernel >= (6, 10)
    }

    /// Before 6.10 menus showed an entry of a choice that needs the one before it below that one, and
    /// it was no member.
    pub(crate) fn members_nest(self) -> bool {
        self.kernel < (6, 10)
    }

    /// Before 6.9 a choice could have a name.
    pub(crate) fn choices_have_names(self) -> bool {
        self.kernel < (6, 9)
    }

    /// Before 6.10 a choice could be `optional` (6a1215888e23).
    pub(crate) fn choices_are_optional(self) -> bool {
        self.kernel < (6, 10)
    }

    /// Before 6.13: `bool "prompt"` in a choice.
    pub(crate) fn choices_have_types(self) -> bool {
        self.kernel < (6, 13)
    }

    /// Since 7.1 a member of a choice has one entry with a prompt.
    pub(crate) fn members_have_one_prompt(self) -> bool {
        self.kernel >= (7, 1)
    }

    /// Since 6.13 what conf warned of while it read is an error: `menuconfig` without a prompt, a
    /// help text that is blank or the second one.
    pub(crate) fn warnings_are_errors(self) -> bool {
        self.kernel >= (6, 13)
    }

    /// Since 7.2 a symbol that has several entries stands in a defconfig once.
    pub(crate) fn defconfigs_have_no_repeats(self) -> bool {
        self.kernel >= (7, 2)
    }

    /// Since 6.18: `transitional`, for symbols that are only read.
    pub(crate) fn has_transitional(self) -> bool {
        self.kernel >= (6, 18)
    }

    /// Since 7.1 a file is sourced once.
    pub(crate) fn sources_once(self) -> bool {
        self.kernel >= (7, 1)
    }

    /// Since 6.11 an operand that is a constant is always eliminated.
    pub(crate) fn constants_are_eliminated(self) -> bool {
        self.kernel >= (6, 11)
    }

    /// Since 6.8, and in later releases of 6.1, `# CONFIG_A is not set` is read as `CONFIG_A=n` is.
    /// Before, any character stood for the blank, and a number or string did not mind.
    pub(crate) fn unset_lines_are_n(self) -> bool {
        self.kernel >= (6, 8) || self.kernel == (6, 1)
    }

    /// Since 6.8 `# CONFIG_A is not set` is such a line only if nothing follows.
    pub(crate) fn unset_lines_are_exact(self) -> bool {
        self.kernel >= (6, 8)
    }

    /// Since 7.0: `depends on A if B` (76df6815dab7).
    pub(crate) fn depends_have_conditions(self) -> bool {
        self.kernel >= (7, 0)
    }
}

/// Reads the Kconfig file `root` and all that it sources. Where a diagnostic is an error, the tree's
/// own tools would refuse the tree.
pub fn parse(host: &dyn Host, root: &str, dialect: Dialect) -> (Model, Vec<Diagnostic>) {
    let (mut model, mut diagnostics) = parse::parse(host, root, dialect);
    let mut of_whole = vec![];
    finalize::finalize(&mut model, &mut of_whole);
    // What was not read to its end is not judged as a whole.
    if !diagnostics.last().is_some_and(|last| last.problem.is_fatal()) {
        of_whole.extend(cycle::find(&model));
        diagnostics.append(&mut of_whole);
    }
    (model, diagnostics)
}

/// Runs something that may call itself often: as deep as the input is, the stack grows with it.
pub(crate) fn deep<T>(run: impl FnOnce() -> T) -> T {
    stacker::maybe_grow(64 << 10, 1 << 20, run)
}
