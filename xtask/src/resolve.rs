//! Target, assignments and tree to a `.config`. The tree's own `conf` resolves: `allnoconfig`, with
//! the assignments as `KCONFIG_ALLCONFIG`. What did not come out as asked is looked up in the tree's
//! Kconfig (`ask.c`), explained by the history where that is possible, and else is a finding.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail};
use camino::{Utf8Path, Utf8PathBuf};
use serde::{Deserialize, Serialize};
use xshell::cmd;

use crate::diag::Hint;
use crate::fragment::{Assignment, Place, config_line};
use crate::history::{History, Past};
use crate::shell::Shell;
use crate::source::Tree;
use crate::toolchain::Toolchain;

/// A `.config`, and what became of the requests for it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Resolved {
    pub dot_config: String,
    /// Requests that did not come out as asked.
    pub findings: Vec<Finding>,
    /// Requests that the history translated or took out.
    pub notes: Vec<Note>,
}

/// A requested symbol that did not come out as asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Finding {
    pub symbol: String,
    pub asked: String,
    /// What stands in the `.config`; `n` also where nothing does.
    pub got: String,
    pub place: Place,
    /// What the tree says of the symbol; none when it has no such symbol.
    pub tree: Option<TreeSays>,
}

/// A symbol's definitions in the tree and what selects it, as menuconfig's search words them, each
/// symbol with its value in brackets.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct TreeSays {
    pub definitions: Vec<Definition>,
    pub selected_by: Vec<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Definition {
    /// `net/Kconfig:6`, relative to the tree.
    pub place: String,
    pub prompt: Option<String>,
    pub depends_on: Option<String>,
    pub visible_if: Option<String>,
}

/// A request that the history changed for this tree.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Note {
    pub symbol: String,
    pub place: Place,
    pub past: Past,
}

const DEADLINE: Duration = Duration::from_secs(600);

/// What resolving needs; `work` is a folder of its own for each tree and arch.
pub(crate) struct Resolver<'a> {
    pub shell: &'a Shell,
    pub tree: &'a Tree,
    pub toolchain: &'a Toolchain,
    pub history: &'a History,
    pub work: Utf8PathBuf,
}

impl Resolver<'_> {
    /// # Errors
    /// If the tree's kbuild fails. Symbols that do not come out are findings, not errors.
    pub(crate) fn resolve(&self, assignments: &[Assignment]) -> Result<Resolved> {
        std::fs::create_dir_all(&self.work)
            .with_context(|| format!("failed to create folder {}", self.work))?;
        let dot_config = self.allnoconfig(assignments)?;
        let findings = compare(&dot_config, assignments);
        if findings.is_empty() {
            return Ok(Resolved { dot_config, findings, notes: vec![] });
        }
        let (translated, notes) = self.translate(assignments, &findings)?;
        let dot_config = if notes.is_empty() { dot_config } else { self.allnoconfig(&translated)? };
        let mut findings = compare(&dot_config, &translated);
        let mut said = self.ask(findings.iter().map(|finding| finding.symbol.as_str()))?;
        for finding in &mut findings {
            finding.tree = said.remove(&finding.symbol);
        }
        Ok(Resolved { dot_config, findings, notes })
    }

    /// The requests in the names that this tree knows, without those that it cannot know.
    fn translate(
        &self,
        assignments: &[Assignment],
        findings: &[Finding],
    ) -> Result<(Vec<Assignment>, Vec<Note>)> {
        let arch = self.toolchain.arch;
        let failed = || findings.iter().map(|finding| finding.symbol.as_str());
        let older = failed().flat_map(|symbol| self.history.older_names(symbol, arch));
        let known = self.ask(failed().chain(older))?;
        let knows = |name: &str| known.contains_key(name);
        let (mut translated, mut notes) = (vec![], vec![]);
        for assignment in assignments {
            let symbol = &assignment.symbol;
            let unknown = failed().any(|failed| failed == symbol) && !knows(symbol);
            let past = unknown
                .then(|| self.history.explain(symbol, arch, &self.tree.version, knows))
                .flatten();
            match &past {
                None => translated.push(assignment.clone()),
                Some(Past::Called(name)) => {
                    translated.push(Assignment { symbol: name.clone(), ..assignment.clone() });
                }
                Some(Past::CameWith(_) | Past::WentWith(_)) => {}
            }
            let place = assignment.place.clone();
            notes.extend(past.map(|past| Note { symbol: symbol.clone(), place, past }));
        }
        Ok((translated, notes))
    }

    fn allnoconfig(&self, assignments: &[Assignment]) -> Result<String> {
        let requested = self.work.join("requested.config");
        let lines: String = assignments.iter().map(|a| a.line() + "\n").collect();
        std::fs::write(&requested, lines)
            .with_context(|| format!("failed to write {requested}"))?;
        let log = self.work.join("allnoconfig.log");
        let make = self.toolchain.make(self.shell, &self.tree.dir, &self.work);
        let make = make.arg("allnoconfig").env("KCONFIG_ALLCONFIG", &requested);
        let finished = self.shell.run_logged(make, DEADLINE, &log)?;
        if !finished.success() {
            let last = finished.last_lines(15);
            return Err(anyhow!("failed to run `make allnoconfig`: {}\n{last}", finished.how()))
                .hint(|| format!("the whole log is {log}"));
        }
        let dot_config = self.work.join(".config");
        std::fs::read_to_string(&dot_config).with_context(|| format!("failed to read {dot_config}"))
    }

    /// What the tree says of symbols, with their values in the `.config` resolved last. Those that
    /// it does not know are left out.
    fn ask<'a>(
        &self,
        symbols: impl Iterator<Item = &'a str>,
    ) -> Result<BTreeMap<String, TreeSays>> {
        let names: String = symbols.map(|symbol| format!("{symbol}\n")).collect();
        if names.is_empty() {
            return Ok(BTreeMap::new());
        }
        let names_file = self.work.join("ask.names");
        std::fs::write(&names_file, names)
            .with_context(|| format!("failed to write {names_file}"))?;
        self.compile_ask()?;
        let make = self.toolchain.make(self.shell, &self.tree.dir, &self.work);
        let make = make.args(["-s", "config", "config-prog=ask"]).env("ASK_SYMBOLS", &names_file);
        let asked = self.shell.run(make, DEADLINE)?;
        if !asked.success() {
            bail!("failed to ask the tree about symbols: {}\n{}", asked.how(), asked.stderr.trim());
        }
        Ok(parse_answers(&asked.stdout))
    }

    fn compile_ask(&self) -> Result<()> {
        let objects = self.work.join("scripts/kconfig");
        let source = objects.join("ask.c");
        std::fs::write(&source, include_str!("ask.c"))
            .with_context(|| format!("failed to write {source}"))?;
        let kconfig = self.tree.dir.join("scripts/kconfig");
        let shared = self.tree.dir.join("scripts/include");
        let conf = kconfig_objects(&objects)?;
        let program = objects.join("ask");
        let gcc =
            cmd!(self.shell.sh, "gcc -I {kconfig} -I {shared} {source} {conf...} -o {program}");
        let compiled = self.shell.run(gcc, DEADLINE)?;
        if !compiled.success() {
            bail!("failed to compile {source}: {}\n{}", compiled.how(), compiled.stderr.trim());
        }
        Ok(())
    }
}

/// The objects of the tree's Kconfig library: all but the front end's.
fn kconfig_objects(dir: &Utf8Path) -> Result<Vec<Utf8PathBuf>> {
    let mut objects = vec![];
    for entry in dir.read_dir_utf8().with_context(|| format!("failed to list {dir}"))? {
        let path = entry.with_context(|| format!("failed to list {dir}"))?.into_path();
        if path.extension() == Some("o") && path.file_name() != Some("conf.o") {
            objects.push(path);
        }
    }
    Ok(objects)
}

/// Reads what `ask.c` printed.
fn parse_answers(text: &str) -> BTreeMap<String, TreeSays> {
    let mut answers = BTreeMap::new();
    for answer in format!("\n{text}").split("\n@ ").skip(1) {
        let (name, body) = answer.split_once('\n').unwrap_or((answer, ""));
        if !body.trim().is_empty() {
            answers.insert(name.to_owned(), parse_answer(body));
        }
    }
    answers
}

fn parse_answer(body: &str) -> TreeSays {
    let mut says = TreeSays::default();
    let mut in_selected_by = false;
    for line in body.lines() {
        let text = line.trim_start();
        if let Some(place) = text.strip_prefix("Defined at ") {
            let place = place.to_owned();
            says.definitions.push(Definition {
                place,
                prompt: None,
                depends_on: None,
                visible_if: None,
            });
        } else if let Some(last) = says.definitions.last_mut() {
            let field = |key| text.strip_prefix(key).map(|value: &str| value.trim().to_owned());
            last.prompt = field("Prompt:").or(last.prompt.take());
            last.depends_on = field("Depends on:").or(last.depends_on.take());
            last.visible_if = field("Visible if:").or(last.visible_if.take());
        }
        in_selected_by = match text.strip_prefix("- ") {
            Some(by) if in_selected_by => {
                says.selected_by.push(by.to_owned());
                true
            }
            _ => text.starts_with("Selected by"),
        };
    }
    says
}

/// The requests whose value in the `.config` is another one.
pub(crate) fn compare(dot_config: &str, assignments: &[Assignment]) -> Vec<Finding> {
    let values = values(dot_config);
    let got = |symbol: &str| values.get(symbol).copied().unwrap_or("n");
    let differing = assignments.iter().filter(|asked| !same(got(&asked.symbol), &asked.value));
    let finding = |asked: &Assignment| Finding {
        symbol: asked.symbol.clone(),
        asked: asked.value.clone(),
        got: got(&asked.symbol).to_owned(),
        place: asked.place.clone(),
        tree: None,
    };
    differing.map(finding).collect()
}

/// Hexadecimal digits compare whatever their case: `conf` keeps the spelling it was given.
fn same(got: &str, asked: &str) -> bool {
    got == asked || (asked.starts_with("0x") && got.eq_ignore_ascii_case(asked))
}

/// Symbol to value, for every symbol that a `.config` sets.
pub(crate) fn values(dot_config: &str) -> BTreeMap<&str, &str> {
    dot_config.lines().filter_map(|line| line.strip_prefix("CONFIG_")?.split_once('=')).collect()
}

/// Symbols whose value differs between what was resolved and what kbuild left, with both lines.
pub(crate) fn differences(resolved: &str, left: &str) -> Vec<(String, String)> {
    let (before, after) = (values(resolved), values(left));
    let symbols: std::collections::BTreeSet<_> = before.keys().chain(after.keys()).collect();
    let value = |map: &BTreeMap<&str, &str>, symbol: &str| {
        config_line(symbol, map.get(symbol).copied().unwrap_or("n"))
    };
    symbols
        .into_iter()
        .map(|symbol| (value(&before, symbol), value(&after, symbol)))
        .filter(|(before, after)| before != after)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const ANSWERS: &str = include_str!("../tests/data/ask/answers.txt");

    #[test]
    fn answers_become_facts() {
        insta::assert_debug_snapshot!(parse_answers(ANSWERS));
    }

    #[test]
    fn a_request_counts_as_asked_only_with_its_value() {
        let assign = |symbol: &str, value: &str| Assignment {
            symbol: symbol.into(),
            value: value.into(),
            place: Place { path: "f.conf".into(), line: 1 },
        };
        let asked = [
            assign("A", "y"),
            assign("B", "n"),
            assign("C", "n"),
            assign("D", "0xFF"),
            assign("E", "m"),
            assign("F", "y"),
            assign("G", "\"x\""),
        ];
        let config = "CONFIG_A=y\n# CONFIG_B is not set\nCONFIG_C=y\nCONFIG_D=0xff\nCONFIG_E=y\nCONFIG_G=\"x\"\n";
        let found: Vec<_> =
            compare(config, &asked).into_iter().map(|f| (f.symbol, f.got)).collect();
        let expected = [("C", "y"), ("E", "y"), ("F", "n")];
        assert_eq!(found, expected.map(|(symbol, got)| (symbol.to_owned(), got.to_owned())));
    }
}
