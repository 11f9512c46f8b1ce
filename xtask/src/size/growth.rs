//! What grew between two kernels, by the symbols that bring objects in, and which line asks for them.

use serde::Serialize;

use super::{For, Part, Sized, View, compare};
use crate::measure::Asked;

/// The objects of one symbol, in the kernel before and in the one now.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Grown {
    /// As [`View::Symbol`] has it.
    pub(crate) symbol: String,
    /// Bytes that the image carries before it is packed, in the kernel before.
    pub(crate) before: i64,
    /// The same in the kernel now.
    pub(crate) now: i64,
    pub(crate) is_for: For,
    /// The line that asks for the symbol.
    pub(crate) asked: Option<Asked>,
}

impl Grown {
    pub(crate) fn by(&self) -> i64 {
        self.now - self.before
    }
}

/// Every symbol whose objects take more or fewer bytes of the image than before.
pub(crate) fn growth(before: &Sized, now: &Sized) -> Vec<Grown> {
    let parts = || now.parts.iter().chain(&before.parts);
    let of = |symbol: &str| parts().find(|part| View::Symbol.name(part) == symbol);
    let changes = compare(&before.parts, &now.parts, View::Symbol).into_iter();
    let grown = changes.filter_map(|change| {
        let image = |side: Option<super::Bytes>| side.unwrap_or_default().image();
        let (before, now) = (image(change.before), image(change.after));
        let part: &Part = of(&change.name)?;
        let asked = part.asked.values().next().cloned();
        Some(Grown { symbol: change.name, before, now, is_for: part.is_for(), asked })
    });
    grown.filter(|one| one.by() != 0).collect()
}
