//! Lines that change nothing: the `.config` is the same without all of them.

use kconfig::{Config, Mode, Origin, SymbolId, Tristate};
use serde::Serialize;

use super::cause::{Selector, selectors};
use super::tree::Kconfig;
use super::{same, values};
use crate::diag::Quote;
use crate::fragment::{Assignment, Place, Repeated};

/// A line that changes nothing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Needless {
    pub symbol: String,
    pub place: Place,
    pub line: String,
    #[serde(flatten)]
    pub because: Because,
}

/// What makes the symbol so without the line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "because", rename_all = "kebab-case")]
pub(crate) enum Because {
    Selected {
        by: Vec<Selector>,
    },
    Implied {
        by: Vec<Selector>,
    },
    Default {
        default: Quote,
    },
    /// It is what its choice comes to.
    Member {
        choice: Quote,
    },
    /// Nothing makes it anything else.
    ByItself,
    /// The same is asked for there.
    Twice {
        first: Place,
    },
    /// The line there is the one that counts.
    Overridden {
        by: Place,
    },
}

/// Finds them. `config` and its text `wanted` are what `asked` comes to, in the tree's own names;
/// `repeated` are lines that are not in it because another one about their symbol is.
pub(crate) fn needless(
    kconfig: &Kconfig,
    (config, wanted): (&mut Config<'_>, &str),
    asked: &[Assignment],
    repeated: &[Repeated],
) -> Vec<Needless> {
    let mut out: Vec<&Assignment> =
        asked.iter().filter(|one| may_be_needless(kconfig, config, one)).collect();
    let mut config = loop {
        let mut config = resolved(kconfig, asked, &out);
        let got = config.dot_config();
        if got == wanted {
            break config;
        }
        // Those that count are put back, and so is one whose absence shows elsewhere only.
        let values = values(&got);
        let before = out.len();
        out.retain(|one| same(values.get(one.symbol.as_str()).unwrap_or(&"n"), &one.value));
        if out.len() == before {
            out.pop();
        }
    };
    let mut found = vec![];
    for Assignment { symbol, place, text, .. } in out {
        let because = kconfig.model.defined(symbol).map(|id| because(kconfig, &mut config, id));
        let because = because.unwrap_or(Because::ByItself);
        found.push(Needless {
            symbol: symbol.clone(),
            place: place.clone(),
            line: text.clone(),
            because,
        });
    }
    found.extend(repeated.iter().map(of_repeated));
    found
}

fn of_repeated(repeated: &Repeated) -> Needless {
    let Repeated { assignment: Assignment { symbol, place, text, .. }, counts, same } = repeated;
    let because = match same {
        true => Because::Twice { first: counts.clone() },
        false => Because::Overridden { by: counts.clone() },
    };
    Needless { symbol: symbol.clone(), place: place.clone(), line: text.clone(), because }
}

fn resolved<'m>(kconfig: &'m Kconfig, asked: &[Assignment], out: &[&Assignment]) -> Config<'m> {
    let kept = asked.iter().filter(|one| out.iter().all(|gone| gone.symbol != one.symbol));
    let lines: String = kept.map(|one| one.line() + "\n").collect();
    Config::resolve(&kconfig.model, Mode::AllNo, Some(&lines)).0
}

/// It is as asked, and something beside the line could make it so. What has a prompt and nothing
/// that selects it is `n` unless it is asked for.
fn may_be_needless(kconfig: &Kconfig, config: &mut Config<'_>, asked: &Assignment) -> bool {
    let Some(symbol) = kconfig.model.defined(&asked.symbol) else { return false };
    let known = &kconfig.model[symbol];
    if config.why_not(symbol, &asked.value).is_some() {
        return false;
    }
    !known.kind.is_logic()
        || asked.value == "n"
        || known.member_of.is_some()
        || known.prompts.iter().all(|prompt| config.expr(prompt.condition) == Tristate::N)
        || !config.selectors(symbol, |by| by.value != Tristate::N).is_empty()
}

/// Why the symbol is what it is in a configuration where nobody asks for it.
fn because(kconfig: &Kconfig, config: &mut Config<'_>, symbol: SymbolId) -> Because {
    match config.origin(symbol) {
        Origin::Selected { by } => Because::Selected { by: selectors(kconfig, &by) },
        Origin::Implied { by } => Because::Implied { by: selectors(kconfig, &by) },
        Origin::Default { location } => Because::Default { default: kconfig.quote(location) },
        Origin::Member { choice } => Because::Member { choice: kconfig.quote(choice) },
        Origin::Given | Origin::OtherMember { .. } | Origin::Open | Origin::Off => {
            Because::ByItself
        }
    }
}
