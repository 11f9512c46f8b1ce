//! Two configurations to the symbols that differ, each with its menu and the reason.

use std::collections::{BTreeMap, BTreeSet};

use camino::Utf8Path;
use kconfig::EntryId;
use serde::Serialize;
use vmm_kernel::Arch;

use super::cause::Cause;
use super::same;
use super::side::{At, Side, Why, places, set_by};

/// What was compared, and what came of it.
#[derive(Debug, Serialize)]
pub(crate) struct Compared {
    pub a: Subject,
    pub b: Subject,
    pub differences: Vec<Difference>,
}

/// A side, as people know it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Subject {
    /// As it was named.
    pub name: String,
    /// As reasons call it.
    #[serde(skip)]
    pub label: String,
    /// What is resolved; nothing for a `.config`.
    pub kernel: Option<String>,
    /// Where it was resolved.
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    pub on: Option<On>,
}

impl Subject {
    /// Of which nothing more is known.
    pub(crate) fn named(name: &str) -> Self {
        Subject { name: name.to_owned(), label: name.to_owned(), kernel: None, on: None }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct On {
    pub linux: String,
    pub arch: Arch,
}

/// A symbol that has another value in `a` than in `b`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Difference {
    pub symbol: String,
    /// Titles of the menus that it is in, from the outermost.
    pub menu: Vec<String>,
    pub a: At,
    pub b: At,
    pub reason: Reason,
    /// Another differing symbol, where it is that which makes this one differ.
    pub follows: Option<String>,
    /// Why the lesser side is not as the other one, where nothing else tells.
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    pub cause: Option<Cause>,
}

/// The kind of reason.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Reason {
    /// One side asks for what the other one does not.
    Asked,
    /// Another symbol that differs makes it so.
    Follows,
    /// The trees, or the arches, say different things of it.
    Tree,
    /// Nobody asked a tree.
    Unknown,
}

/// Which side's value is to be explained: the one with more of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Which {
    A,
    B,
}

impl Difference {
    pub(crate) fn greater(&self) -> Which {
        greater(&self.a, &self.b)
    }
}

fn greater(a: &At, b: &At) -> Which {
    let rank = |at: &At| match at.value.as_deref() {
        None => 0,
        Some("m") => 1,
        Some("y") => 2,
        Some(_) => 3,
    };
    let asked = |at: &At| at.why == Why::Asked;
    if (rank(a), asked(a)) > (rank(b), asked(b)) { Which::A } else { Which::B }
}

/// Every symbol that differs, those of one menu together; in a menu, what is asked for comes before
/// what follows it.
pub(crate) fn diff(a: &mut Side<'_>, b: &mut Side<'_>) -> Vec<Difference> {
    let mut found = vec![];
    let names = differing(a.values(), b.values());
    for name in &names {
        found.push((place_of(a, b, name), difference(a, b, name, &names)));
    }
    found.sort_by_key(|(place, _)| *place);
    let mut menus: Vec<Vec<String>> = vec![];
    for (_, one) in &found {
        if !menus.contains(&one.menu) {
            menus.push(one.menu.clone());
        }
    }
    let mut found: Vec<Difference> = found.into_iter().map(|(_, one)| one).collect();
    let menu = |one: &Difference| menus.iter().position(|menu| *menu == one.menu);
    found.sort_by_cached_key(|one| (menu(one), one.reason == Reason::Follows));
    found
}

/// What two `.config` files say, without a tree to ask.
pub(crate) fn diff_texts(a: (&Utf8Path, &str), b: (&Utf8Path, &str)) -> Vec<Difference> {
    let [a_values, b_values] = [a, b].map(|(_, text)| set_by(text));
    let [a_places, b_places] = [a, b].map(|(path, text)| places(path, text));
    let names = differing(&a_values, &b_values).into_iter();
    let at = |values: &BTreeMap<String, String>, places: &BTreeMap<_, _>, name: &str| At {
        value: values.get(name).cloned(),
        asked: None,
        why: Why::Stated { place: places.get(name).cloned() },
    };
    let difference = |symbol: String| Difference {
        menu: vec![],
        a: at(&a_values, &a_places, &symbol),
        b: at(&b_values, &b_places, &symbol),
        reason: Reason::Unknown,
        follows: None,
        cause: None,
        symbol,
    };
    names.map(difference).collect()
}

fn differing(a: &BTreeMap<String, String>, b: &BTreeMap<String, String>) -> BTreeSet<String> {
    let all: BTreeSet<&String> = a.keys().chain(b.keys()).collect();
    fn value<'a>(of: &'a BTreeMap<String, String>, name: &str) -> &'a str {
        of.get(name).map_or("n", String::as_str)
    }
    all.into_iter().filter(|name| !same(value(a, name), value(b, name))).cloned().collect()
}

/// Those that B's tree has come in its order, then those of A's, then what neither has.
fn place_of(a: &Side<'_>, b: &Side<'_>, name: &str) -> (u8, Option<EntryId>) {
    let entry = |side: &Side<'_>| Some(side.ground.kconfig.model[side.symbol(name)?].entries[0]);
    match (entry(b), entry(a)) {
        (Some(entry), _) => (0, Some(entry)),
        (None, Some(entry)) => (1, Some(entry)),
        (None, None) => (2, None),
    }
}

fn menu_of(side: &Side<'_>, name: &str) -> Option<Vec<String>> {
    let model = &side.ground.kconfig.model;
    let menus = model.menus_of(model[side.symbol(name)?].entries[0]);
    Some(menus.iter().map(|title| title.to_string()).collect())
}

fn difference(
    a: &mut Side<'_>,
    b: &mut Side<'_>,
    name: &str,
    all: &BTreeSet<String>,
) -> Difference {
    let menu = menu_of(b, name).or_else(|| menu_of(a, name)).unwrap_or_default();
    let (at_a, at_b) = (a.at(name), b.at(name));
    let (reason, follows, cause) = match greater(&at_a, &at_b) {
        Which::A => reason((a, &at_a), (b, &at_b), name, all),
        Which::B => reason((b, &at_b), (a, &at_a), name, all),
    };
    Difference { symbol: name.to_owned(), menu, a: at_a, b: at_b, reason, follows, cause }
}

/// Why the first side has more of it than the second.
fn reason(
    (high, at_high): (&mut Side<'_>, &At),
    (low, at_low): (&mut Side<'_>, &At),
    name: &str,
    all: &BTreeSet<String>,
) -> (Reason, Option<String>, Option<Cause>) {
    let (Some(in_high), Some(in_low)) = (high.symbol(name), low.symbol(name)) else {
        return (Reason::Tree, None, None);
    };
    let asked = |at: &At| at.asked.as_ref().map(|asked| asked.value.clone());
    let both_ask = asked(at_high).is_some() && asked(at_high) == asked(at_low);
    let wants = |at: &At| at.why == Why::Asked && !both_ask;
    let forced = matches!(at_high.why, Why::Selected { .. });
    if wants(at_high) || (wants(at_low) && !forced) {
        return (Reason::Asked, None, None);
    }
    if [at_high, at_low].iter().any(|at| matches!(at.why, Why::Stated { .. })) {
        return (Reason::Unknown, None, None);
    }
    let leader = high.config.leader(&mut low.config, in_high);
    let leader = leader.map(|leader| high.ground.kconfig.model[leader].name.to_string());
    let leader = leader.or_else(|| {
        let leader = low.config.leader(&mut high.config, in_low)?;
        Some(low.ground.kconfig.model[leader].name.to_string())
    });
    if leader.as_ref().is_some_and(|leader| !all.contains(leader)) {
        // It differs only in what the tree would make of a `.config` that says otherwise.
        return (Reason::Unknown, None, None);
    }
    let missed = both_ask && at_high.why == Why::Asked;
    let unclear = missed || (leader.is_none() && at_low.why == Why::Off);
    let value = at_high.value.as_deref().unwrap_or("n");
    let cause = unclear.then(|| low.why_not(in_low, value));
    let reason = if leader.is_some() { Reason::Follows } else { Reason::Tree };
    (reason, leader, cause)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_differ_by_symbol_and_not_by_how_off_is_written() {
        let a = "# CONFIG_A is not set\nCONFIG_B=y\nCONFIG_C=\"x\"\nCONFIG_D=0xFF\nCONFIG_E=m\n";
        let b = "CONFIG_D=0xff\nCONFIG_E=y\n# CONFIG_B is not set\nCONFIG_F=n\n";
        let found = diff_texts(("a".into(), a), ("b".into(), b));
        let value = |at: &At| at.value.clone().unwrap_or_default();
        let found: Vec<_> =
            found.iter().map(|one| (&*one.symbol, value(&one.a), value(&one.b))).collect();
        let expected = [("B", "y", ""), ("C", "\"x\"", ""), ("E", "m", "y")];
        assert_eq!(found, expected.map(|(symbol, a, b)| (symbol, a.to_owned(), b.to_owned())));
    }

    #[test]
    fn the_side_with_more_of_it_is_explained() {
        let at =
            |value: Option<&str>, why| At { value: value.map(str::to_owned), asked: None, why };
        let cases = [
            (at(Some("y"), Why::Off), at(None, Why::Asked), Which::A),
            (at(Some("m"), Why::Off), at(Some("y"), Why::Off), Which::B),
            (at(Some("5"), Why::Asked), at(Some("6"), Why::Off), Which::A),
            (at(Some("5"), Why::Off), at(Some("6"), Why::Off), Which::B),
        ];
        for (a, b, expected) in cases {
            assert_eq!(greater(&a, &b), expected, "{a:?} {b:?}");
        }
    }
}
