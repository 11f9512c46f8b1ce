//! The line of a fragment that each symbol is in a kernel for.

use std::collections::BTreeMap;

use crate::measure::Asked;
use crate::resolve::Difference;

/// `differences` are those between the kernel that nobody asks anything of and this one: what a symbol
/// follows, and so on to one that a line asks for. A symbol that is not in it is in every kernel of
/// the arch, or nobody knows what for.
pub(crate) fn origins(differences: &[Difference]) -> BTreeMap<String, Asked> {
    let by_name: BTreeMap<&str, &Difference> =
        differences.iter().map(|one| (one.symbol.as_str(), one)).collect();
    let origin = |one: &&Difference| Some((one.symbol.clone(), origin(&by_name, one)?));
    differences.iter().filter_map(|one| origin(&one)).collect()
}

fn origin(all: &BTreeMap<&str, &Difference>, one: &Difference) -> Option<Asked> {
    let (mut at, mut through) = (one, vec![]);
    loop {
        let asked = at.b.asked.as_ref().filter(|asked| asked.value != "n");
        if let Some(asked) = asked {
            return Some(Asked { place: asked.place.clone(), through });
        }
        let next = *all.get(at.follows.as_deref()?)?;
        if next.symbol == one.symbol || through.contains(&next.symbol) {
            return None;
        }
        through.insert(0, next.symbol.clone());
        at = next;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fragment::Place;
    use crate::resolve::{At, Reason, Why};

    fn difference(symbol: &str, follows: Option<&str>, line: Option<usize>) -> Difference {
        let at = |value: Option<&str>| At {
            value: value.map(str::to_owned),
            asked: None,
            why: Why::NotAsked,
        };
        let mut b = at(Some("y"));
        b.asked = line.map(|line| crate::resolve::Asked {
            value: "y".to_owned(),
            place: Place { path: "f.conf".into(), line },
        });
        Difference {
            symbol: symbol.to_owned(),
            menu: vec![],
            a: at(None),
            b,
            reason: Reason::Asked,
            follows: follows.map(str::to_owned),
            cause: None,
        }
    }

    #[test]
    fn the_way_leads_to_a_line() {
        let found = origins(&[
            difference("EXT4", None, Some(3)),
            difference("JBD2", Some("EXT4"), None),
            difference("CRC", Some("JBD2"), None),
            difference("SELF", Some("OTHER"), None),
            difference("OTHER", Some("SELF"), None),
            difference("LOST", Some("GONE"), None),
        ]);
        let told: Vec<_> = found
            .iter()
            .map(|(symbol, asked)| format!("{symbol} {} {}", asked.place, asked.through.join(" ")))
            .collect();
        assert_eq!(told, ["CRC f.conf:3 EXT4 JBD2", "EXT4 f.conf:3 ", "JBD2 f.conf:3 EXT4"]);
    }
}
