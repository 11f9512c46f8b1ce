//! What a tree makes of `.config` files and fragments that are read one on top of the other, as its own
//! scripts/kconfig/merge_config.sh does, and which of their lines do not come out.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Result;
use camino::{Utf8Path, Utf8PathBuf};
use kconfig::{Config, Diagnostic, Mode, Problem, Type};
use vmm_kernel::Arch;

use super::cause::{self, Cause};
use super::heir::Lost;
use super::tree::Kconfig;
use super::{Finding, Resolver, compare};
use crate::dot_config::{is_whole, lines};
use crate::fragment::{Assignment, Place};
use crate::history::History;
use crate::source::KernelVersion;

/// A file as it was read.
#[derive(Debug, Clone)]
pub(crate) struct Layer {
    pub path: Utf8PathBuf,
    pub text: String,
}

/// A `.config`, and what became of the lines that it was made of.
#[derive(Debug)]
pub(crate) struct Merged {
    pub dot_config: String,
    /// How many symbols are asked for.
    pub requested: usize,
    pub findings: Vec<Finding>,
    pub lost: Vec<Lost>,
    /// Lines that conf does not understand.
    pub bad: Vec<(Place, Problem)>,
}

/// What explains names that the tree lacks, for an arch that the history knows.
#[derive(Clone, Copy)]
pub(crate) struct Lookup<'a> {
    pub version: &'a KernelVersion,
    pub arch: Arch,
    pub history: &'a History,
}

impl Resolver<'_> {
    /// The `.config` that `mode` makes of these files, of which the last one about a symbol counts.
    ///
    /// # Errors
    /// If the tree's own conf fails.
    pub(crate) fn merge(
        &self,
        mode: Mode,
        layers: &[Layer],
        lookup: Option<Lookup<'_>>,
    ) -> Result<Merged> {
        let asked = layers.iter().map(|layer| format!("{}\n", layer.text)).collect::<String>();
        let given = (!layers.is_empty()).then_some(asked.as_str());
        let kconfig = self.kconfig();
        let (dot_config, mut config, problems) = match self {
            Resolver::Engine(kconfig) => {
                let (mut config, problems) = Config::resolve(&kconfig.model, mode, given);
                (config.dot_config(), Some(config), problems)
            }
            Resolver::Conf(conf) => (conf.dot_config(mode, given)?, None, vec![]),
        };
        let whole = layers.iter().filter(|layer| is_whole(&layer.text));
        let whole: BTreeSet<&Utf8Path> = whole.map(|layer| layer.path.as_path()).collect();
        let requests = requests(kconfig, layers);
        let mut findings = vec![];
        for (asked, got) in compare(&dot_config, &requests) {
            let Assignment { symbol, value, place, text } = asked.clone();
            let cause = match (kconfig.model.defined(&symbol), &mut config) {
                (_, None) => Cause::Untold,
                (Some(id), Some(config)) => cause::of_symbol(kconfig, config, id, &value),
                (None, Some(_)) => {
                    let typed = !whole.contains(place.path.as_path());
                    cause::of_unknown(kconfig, lookup, &symbol, typed)
                }
            };
            findings.push(Finding { symbol, asked: value, got, place, line: text, cause });
        }
        let lost = kconfig.lost(&asked, &dot_config);
        let found: BTreeSet<&Place> = findings.iter().map(|finding| &finding.place).collect();
        let bad = bad(layers, problems).filter(|(place, _)| !found.contains(place)).collect();
        Ok(Merged { dot_config, requested: requests.len(), findings, lost, bad })
    }
}

/// What the files ask for, by the last line about each symbol. Of a whole `.config` those that no line
/// can set are no requests: conf computes them again.
fn requests(kconfig: &Kconfig, layers: &[Layer]) -> Vec<Assignment> {
    let mut last: BTreeMap<&str, Assignment> = BTreeMap::new();
    for Layer { path, text } in layers {
        let whole = is_whole(text);
        let all: Vec<&str> = text.lines().collect();
        for (line, symbol, value) in lines(text) {
            let computed =
                whole && kconfig.model.defined(symbol).is_some() && !kconfig.asks(symbol);
            // What becomes of these, `Kconfig::lost` says.
            if computed || !kconfig.heirs(symbol).is_empty() {
                continue;
            }
            let assignment = Assignment {
                symbol: symbol.to_owned(),
                value: as_conf_reads(kconfig, symbol, value),
                place: Place { path: path.clone(), line },
                text: all[line - 1].trim_end().to_owned(),
            };
            last.insert(symbol, assignment);
        }
    }
    let mut requests: Vec<Assignment> = last.into_values().collect();
    let layer = |path: &Utf8Path| layers.iter().position(|layer| layer.path == path);
    requests.sort_by_key(|one| (layer(&one.place.path), one.place.line));
    requests
}

/// conf reads no more than the first letter of a tristate, and writes hexadecimal numbers with `0x`
/// (scripts/kconfig/confdata.c, `conf_set_sym_val`; symbol.c).
fn as_conf_reads(kconfig: &Kconfig, symbol: &str, value: &str) -> String {
    let value = value.trim_end();
    let kind = kconfig.model.defined(symbol).map(|id| kconfig.model[id].kind);
    match (kind, value.get(..1)) {
        (Some(Type::Bool | Type::Tristate), Some(letter @ ("y" | "m" | "n"))) => letter.to_owned(),
        (Some(Type::Hex), Some(_)) if !value.starts_with("0x") && !value.starts_with("0X") => {
            format!("0x{value}")
        }
        _ => value.to_owned(),
    }
}

/// The problems with the lines of their files. That a file has another word than one before it is none.
fn bad(layers: &[Layer], problems: Vec<Diagnostic>) -> impl Iterator<Item = (Place, Problem)> {
    problems.into_iter().filter_map(|problem| {
        let mut line = usize::try_from(problem.location.line).ok()?;
        let layer = layers.iter().find(|layer| {
            let length =
                layer.text.split_terminator('\n').count() + usize::from(layer.text.ends_with('\n'));
            let inside = line <= length;
            line -= if inside { 0 } else { length };
            inside
        })?;
        if let Problem::Reassigned { symbol } = &problem.problem {
            let mut earlier = lines(&layer.text).take_while(|(number, ..)| *number < line);
            earlier.find(|(_, name, _)| name == symbol)?;
        }
        Some((Place { path: layer.path.clone(), line }, problem.problem))
    })
}
