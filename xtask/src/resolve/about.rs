//! What a tree says of a symbol to whoever meets it first, and what another tree may call it.

use serde::Serialize;

use super::tree::Kconfig;
use crate::fragment::Place;

/// A symbol as its tree introduces it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct About {
    /// None where no line can set it.
    pub prompt: Option<String>,
    /// Where it is defined.
    pub place: Place,
    /// The first line of its help text.
    pub help: Option<String>,
}

/// What seems to be a symbol's new name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Successor {
    pub name: String,
    pub place: Place,
    /// The prompt of both.
    pub prompt: String,
    /// Its file is that of the old name.
    pub same_file: bool,
}

impl Kconfig {
    /// A line can set it: it has a prompt, be that shown or hidden.
    pub(crate) fn asks(&self, name: &str) -> bool {
        let symbol = self.model.defined(name);
        symbol.is_some_and(|symbol| !self.model[symbol].prompts.is_empty())
    }

    pub(crate) fn about(&self, name: &str) -> Option<About> {
        let known = &self.model[self.model.defined(name)?];
        let prompt = known.prompts.first();
        let entry = prompt.map(|prompt| prompt.entry).or(known.entries.first().copied())?;
        let location = self.model[entry].location;
        Some(About {
            prompt: prompt.map(|prompt| prompt.text.to_string()),
            place: self.place(location),
            help: self.help(location),
        })
    }

    /// The one symbol of a newer tree that this one lacks and that has the prompt and the type of this
    /// one's `name`: in the same file, or else in any.
    pub(crate) fn successor(&self, name: &str, newer: &Kconfig) -> Option<Successor> {
        let before = self.about(name)?;
        let kind = self.model[self.model.defined(name)?].kind;
        let prompt = before.prompt?;
        let alike = newer.model.defined_symbols().filter(|(_, known)| {
            known.kind == kind
                && known.prompts.iter().any(|one| *one.text == *prompt)
                && self.model.defined(&known.name).is_none()
        });
        let named = |name: &str| {
            let place = newer.about(name)?.place;
            let same_file = place.path == before.place.path;
            Some(Successor { name: name.to_owned(), place, prompt: prompt.clone(), same_file })
        };
        let alike: Vec<Successor> = alike.filter_map(|(_, known)| named(&known.name)).collect();
        let (near, far): (Vec<_>, Vec<_>) = alike.into_iter().partition(|one| one.same_file);
        let mut nearest = if near.is_empty() { far } else { near };
        nearest.pop().filter(|_| nearest.is_empty())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_prompt_of_one_type_is_taken_for_one_symbol() {
        let old = Kconfig::of_text(
            "config INET\n\tbool \"TCP/IP\"\n\nconfig LINE\n\tbool \"line\"\n\n\
             config SPEED\n\tint \"speed\"\n\nconfig NET\n\tbool \"net\"\n\nconfig PART\n\tbool\n",
        );
        let new = Kconfig::of_text(
            "config TCPIP\n\tbool \"TCP/IP\"\n\nconfig LINE_A\n\tbool \"line\"\n\n\
             config LINE_B\n\tbool \"line\"\n\nconfig PACE\n\tstring \"speed\"\n\n\
             config PIECE\n\tbool\n",
        );
        let successor = |name: &str| old.successor(name, &new).map(|one| one.name);
        assert_eq!(successor("INET").unwrap(), "TCPIP");
        for name in ["LINE", "SPEED", "NET", "PART", "NONE"] {
            assert_eq!(successor(name), None, "{name}");
        }
    }

    #[test]
    fn a_name_that_was_there_before_is_no_new_one() {
        let old = Kconfig::of_text("config A\n\tbool \"a\"\n\nconfig B\n\tbool \"a\"\n");
        let new = Kconfig::of_text("config B\n\tbool \"a\"\n");
        assert_eq!(old.successor("A", &new), None);
    }
}
