//! Why a request did not come out: what the engine found, with names and lines in place of numbers.

use kconfig::{Config, SymbolId, Tristate, Type};
use serde::{Deserialize, Serialize};
use vmm_kernel::Arch;

use super::merged::Lookup;
use super::tree::Kconfig;
use crate::diag::Quote;
use crate::history::{Alias, History, Known, short};
use crate::source::KernelVersion;

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "cause", rename_all = "kebab-case")]
pub(crate) enum Cause {
    /// The tree defines no such symbol for this arch, and the history does not say why.
    Unknown {
        /// A symbol with a name like it.
        near: Option<String>,
        /// Folders of other arches that define it.
        only_in: Vec<String>,
    },
    /// The tree knows it by this older name.
    Called {
        name: String,
        /// It asks the opposite.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        opposite: bool,
    },
    /// The tree knows it by this newer name.
    Renamed {
        to: String,
        /// It asks the opposite.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        opposite: bool,
    },
    /// It came with this version, and the tree is older.
    NotYet {
        version: String,
    },
    /// It went with this version, and the tree is that or newer.
    Gone {
        version: String,
        /// What does its work now.
        instead: Option<String>,
    },
    /// Linux itself never had it.
    Vendor {
        of: String,
    },
    /// What was asked is no value of its type.
    WrongType {
        kind: String,
        definition: Quote,
    },
    /// There are no modules, so nothing is `m`.
    NoModules {
        modules: Option<String>,
    },
    OutOfRange {
        low: String,
        high: String,
        range: Quote,
    },
    /// Only selects and defaults say what it is.
    NoPrompt {
        definition: Quote,
        selected_by: Vec<Selector>,
        defaults: Vec<Default>,
    },
    /// Its prompt cannot be seen, because each of these is too little.
    Hidden {
        prompt: Quote,
        blockers: Vec<Blocker>,
    },
    /// Nothing keeps it from being so, but no line asks for it.
    NotAsked {
        prompt: Quote,
    },
    /// Something that is on wants it at least so.
    Selected {
        by: Vec<Selector>,
    },
    /// Another member of its choice is set.
    OtherMember {
        choice: Quote,
        set: Option<String>,
    },
    /// Its value was computed from something that changed on the way.
    Unclear,
    /// The tree's own conf resolved it, which does not say.
    Untold,
}

/// A default, and what keeps it from counting; nothing where its own value is too little.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Default {
    pub line: Quote,
    pub blockers: Vec<Blocker>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Selector {
    pub symbol: String,
    pub value: String,
    pub line: Quote,
}

/// A part of a condition, its value, and the line that says it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Blocker {
    /// `FOO` or `FOO [=n] || BAR [=n]`.
    pub expression: String,
    pub value: String,
    pub line: Quote,
    /// The symbols in it that a command of the tree gives their values, when it is read.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub by_command: Vec<ByCommand>,
}

/// A symbol that tells of the tools.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ByCommand {
    pub symbol: String,
    pub value: String,
    /// The default with the command.
    pub line: Quote,
}

/// What the engine says of a symbol that is not as asked.
pub(super) fn of_symbol(
    kconfig: &Kconfig,
    config: &mut Config<'_>,
    symbol: SymbolId,
    asked: &str,
) -> Cause {
    let model = &kconfig.model;
    let definition = || kconfig.quote(model[model[symbol].entries[0]].location);
    match config.why_not(symbol, asked) {
        None => Cause::Unclear,
        Some(kconfig::Cause::WrongType { kind }) => {
            Cause::WrongType { kind: type_name(kind).to_owned(), definition: definition() }
        }
        Some(kconfig::Cause::NoModules) => {
            let modules = Some(model.modules()).filter(|modules| *modules != SymbolId::N);
            Cause::NoModules { modules: modules.map(|modules| model[modules].name.to_string()) }
        }
        Some(kconfig::Cause::OutOfRange { low, high, location }) => Cause::OutOfRange {
            low: low.to_string(),
            high: high.to_string(),
            range: kconfig.quote(location),
        },
        Some(kconfig::Cause::NoPrompt { selected_by, defaults }) => Cause::NoPrompt {
            definition: definition(),
            selected_by: selectors(kconfig, &likely(kconfig, config, selected_by)),
            defaults: defaults
                .iter()
                .map(|default| Default {
                    line: kconfig.quote(default.line),
                    blockers: blockers(kconfig, config, &default.blockers),
                })
                .collect(),
        },
        Some(kconfig::Cause::Hidden { prompts }) => {
            let nearest = prompts.into_iter().min_by_key(|prompt| prompt.blockers.len());
            nearest.map_or(Cause::Unclear, |hiding| {
                let prompt = kconfig.quote(hiding.line);
                match blockers(kconfig, config, &hiding.blockers) {
                    none if none.is_empty() => Cause::NotAsked { prompt },
                    blockers => Cause::Hidden { prompt, blockers },
                }
            })
        }
        Some(kconfig::Cause::Selected { by }) => Cause::Selected { by: selectors(kconfig, &by) },
        Some(kconfig::Cause::OtherMember { choice, set }) => Cause::OtherMember {
            choice: kconfig.quote(choice),
            set: set.map(|set| model[set].name.to_string()),
        },
    }
}

/// Those that can be on here, if there are any: first those for which a line is enough.
fn likely(
    kconfig: &Kconfig,
    config: &mut Config<'_>,
    all: Vec<kconfig::Selector>,
) -> Vec<kconfig::Selector> {
    let (mut possible, others): (Vec<_>, Vec<_>) =
        all.into_iter().partition(|one| kconfig.is_possible(one.symbol));
    let mut needs_more = |one: &kconfig::Selector| {
        let prompts = &kconfig.model[one.symbol].prompts;
        prompts.iter().all(|prompt| config.expr(prompt.condition) == Tristate::N)
    };
    possible.sort_by_cached_key(|one| needs_more(one));
    if possible.is_empty() { others } else { possible }
}

fn blockers(kconfig: &Kconfig, config: &mut Config<'_>, all: &[kconfig::Blocker]) -> Vec<Blocker> {
    let blocker = |blocker: &kconfig::Blocker| Blocker {
        expression: with_values(kconfig, config, blocker.part),
        value: blocker.value.to_string(),
        line: kconfig.quote(blocker.location),
        by_command: by_command(kconfig, config, blocker.part),
    };
    all.iter().map(blocker).collect()
}

/// The symbols of an expression whose values commands give: none of them can be set.
fn by_command(kconfig: &Kconfig, config: &mut Config<'_>, part: kconfig::ExprId) -> Vec<ByCommand> {
    let model = &kconfig.model;
    let mut found: Vec<ByCommand> = vec![];
    for symbol in model.symbols_in(part) {
        let known = &model[symbol];
        let lines = known.defaults.iter().map(|default| kconfig.quote(default.location));
        let mut lines = lines.filter(|line| runs_command(&line.text));
        let line = if known.prompts.is_empty() { lines.next() } else { None };
        if let Some(line) = line.filter(|_| found.iter().all(|one| *one.symbol != *known.name)) {
            let value = config.value(symbol).as_str().to_owned();
            found.push(ByCommand { symbol: known.name.to_string(), value, line });
        }
    }
    found
}

/// A line that calls one of the macros that ask tools (`scripts/Kconfig.include`), and does not just expand
/// a variable.
fn runs_command(line: &str) -> bool {
    line.split("$(").skip(1).any(|call| {
        let name = call.find([',', ')']).map(|end| &call[end..]);
        name.is_some_and(|rest| rest.starts_with(','))
    })
}

/// An expression with the value of each of its symbols behind it.
pub(crate) fn with_values(
    kconfig: &Kconfig,
    config: &mut Config<'_>,
    expr: kconfig::ExprId,
) -> String {
    kconfig::expression_text(&kconfig.model, expr, &mut |symbol| {
        let known = &kconfig.model[symbol];
        match known.kind {
            _ if known.is_const || kconfig.model.is_number(symbol) => known.name.to_string(),
            Type::Unknown => format!("{} [undefined]", known.name),
            _ => format!("{} [={}]", known.name, config.value(symbol).as_str()),
        }
    })
}

pub(super) fn selectors(kconfig: &Kconfig, all: &[kconfig::Selector]) -> Vec<Selector> {
    let selector = |one: &kconfig::Selector| Selector {
        symbol: kconfig.model[one.symbol].name.to_string(),
        value: one.value.to_string(),
        line: kconfig.quote(one.location),
    };
    all.iter().map(selector).collect()
}

pub(crate) fn type_name(kind: Type) -> &'static str {
    match kind {
        Type::Unknown => "unknown",
        Type::Bool => "bool",
        Type::Tristate => "tristate",
        Type::Int => "int",
        Type::Hex => "hex",
        Type::String => "string",
    }
}

/// What can be said of a name that the tree does not define for this arch.
pub(crate) fn why_unknown(
    kconfig: &Kconfig,
    version: &KernelVersion,
    arch: Arch,
    history: &History,
    name: &str,
) -> Cause {
    of_unknown(kconfig, Some(Lookup { version, arch, history }), name, true)
}

/// The same where the history may not know the arch. Whoever writes a name may have slipped (`typed`), and a
/// conf does not.
pub(super) fn of_unknown(
    kconfig: &Kconfig,
    lookup: Option<Lookup<'_>>,
    name: &str,
    typed: bool,
) -> Cause {
    let told = lookup
        .and_then(|Lookup { version, arch, history }| told(kconfig, version, arch, history, name));
    told.unwrap_or_else(|| Cause::Unknown {
        near: typed.then(|| nearest(kconfig, name)).flatten(),
        only_in: kconfig.other_arches_with(name),
    })
}

/// What the history says of such a name.
pub(super) fn told(
    kconfig: &Kconfig,
    version: &KernelVersion,
    arch: Arch,
    history: &History,
    name: &str,
) -> Option<Cause> {
    let knows = |name: &str| kconfig.model.defined(name).is_some();
    let (known, entry) = history.explain(name, arch, version, knows)?;
    let refuted = || entry.arch.is_none() && !kconfig.other_arches_with(name).is_empty();
    Some(match known {
        Known::Called(Alias { name, opposite }) => {
            Cause::Called { name: name.to_owned(), opposite }
        }
        Known::RenamedTo(Alias { name, opposite }) => {
            Cause::Renamed { to: name.to_owned(), opposite }
        }
        // A tree that has it for another arch knows better than an entry about every arch.
        _ if refuted() => Cause::Unknown { near: None, only_in: kconfig.other_arches_with(name) },
        Known::CameWith { release, .. } => Cause::NotYet { version: short(release) },
        Known::WentWith(version, instead) => {
            Cause::Gone { version: short(version), instead: instead.map(str::to_owned) }
        }
        Known::OnlyOf(vendor) => Cause::Vendor { of: vendor.to_owned() },
    })
}

/// A name that means the same: with a word more or less, which is how the kernel renames; else one that
/// differs by a slip of the fingers.
fn nearest(kconfig: &Kconfig, name: &str) -> Option<String> {
    let names = || kconfig.model.defined_symbols().map(|(_, symbol)| &*symbol.name);
    let by_word = names().filter_map(|known| Some((word_apart(name, known)?, known)));
    let by_word = by_word.min_by_key(|(rank, known)| (*rank, known.len()));
    let most = (name.len() / 6).max(1);
    let near = || {
        let alike = names().filter(|known| known.len().abs_diff(name.len()) <= most);
        let near = alike.map(|known| (strsim::damerau_levenshtein(name, known), known));
        near.filter(|(slips, _)| *slips <= most).min_by_key(|(slips, _)| *slips)
    };
    by_word.map(|(_, known)| known).or_else(|| near().map(|(_, known)| known)).map(str::to_owned)
}

/// How near two names are that differ in one word, or in the marks between words: less is nearer.
fn word_apart(name: &str, known: &str) -> Option<usize> {
    let same = |one: &str, other: &str| {
        one.bytes().filter(|b| *b != b'_').eq(other.bytes().filter(|b| *b != b'_'))
    };
    // A single word says too little.
    let without_one = |long: &str, short: &str| {
        let words: Vec<&str> = long.split('_').collect();
        let at = |gone: usize| {
            let kept = (0..words.len()).filter(|at| *at != gone).map(|at| words[at]);
            kept.eq(short.split('_'))
        };
        (short.len() >= 5).then(|| (0..words.len()).find(|gone| at(*gone))).flatten()
    };
    if same(name, known) {
        return Some(0);
    }
    match without_one(known, name) {
        // The prefix is missing; then the ending; then a word between.
        Some(0) => Some(1),
        Some(at) if at == name.split('_').count() => Some(2),
        Some(_) => Some(3),
        None => without_one(name, known).filter(|_| known.contains('_')).map(|_| 4),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_more_or_less_is_nearer_than_letters() {
        let kconfig = Kconfig::of_text(
            "config X86_UMIP\n\tbool\n\nconfig X86_INTEL_MID\n\tbool\n\nconfig OVERLAY_FS\n\tbool\n\n\
             config MITIGATION_RETPOLINE\n\tbool\n\nconfig CRYPTO_SHA256\n\tbool\n\nconfig NET\n\tbool\n\n\
             config AUTOFS_FS\n\tbool\n\nconfig VIRTIO_NET\n\tbool\n",
        );
        for (name, near) in [
            ("X86_INTEL_UMIP", Some("X86_UMIP")),
            ("OVERLAYFS", Some("OVERLAY_FS")),
            ("RETPOLINE", Some("MITIGATION_RETPOLINE")),
            ("CRYPTO_SHA256_SSSE3", Some("CRYPTO_SHA256")),
            ("AUTOFS4_FS", Some("AUTOFS_FS")),
            ("OVERLAY", Some("OVERLAY_FS")),
            ("NETT", Some("NET")),
            ("ENT", Some("NET")),
            ("SOUND", None),
        ] {
            assert_eq!(nearest(&kconfig, name).as_deref(), near, "{name}");
        }
    }
}
