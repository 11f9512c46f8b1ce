//! One kernel's lines to verdicts: each is taken away, the rest resolved, and the contract asked.

use std::collections::{BTreeMap, BTreeSet};
use std::thread::ScopedJoinHandle;

use kconfig::{Config, Mode, Model};
use serde::Serialize;

use super::keep::{Keep, KeptFor, Loss};
use crate::contract::{Contract, Values};
use crate::fragment::{Assignment, Place, Requested};
use crate::plan::Target;
use crate::resolve::{Because, Ground, Needless, broken, needless, translate, values};

/// What becomes of a kernel without a line, from what speaks least for the line to what speaks most.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Verdict {
    /// The tree has no such symbol, as the history explains.
    Absent,
    /// It does not come out as asked, and nothing comes of it.
    Missed,
    /// The `.config` is the same.
    ChangesNothing,
    /// Symbols go, and no capability misses them.
    Unneeded,
    /// No symbol goes or comes: a value is another one.
    Sets,
    /// Others that a line could ask for would come.
    KeepsOut,
    /// What goes is to stay, whatever the contract says.
    Kept,
    /// It breaks capabilities.
    Needed,
}

/// A symbol whose value is another one without the line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Changed {
    pub symbol: String,
    pub before: String,
    pub after: String,
}

/// In what a kernel without some lines differs.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Effect {
    /// Capabilities that break.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub needed_by: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub kept_for: Vec<KeptFor>,
    /// Symbols that are off.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub goes: Vec<String>,
    /// Symbols that are on.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub comes: Vec<String>,
    /// Symbols that have another value.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub changes: Vec<Changed>,
}

impl Effect {
    /// What forbids it, in words.
    pub(crate) fn refusal(&self) -> Option<String> {
        let breaks = !self.needed_by.is_empty();
        let broken = breaks.then(|| format!("it breaks {}", self.needed_by.join(", ")));
        let kept = self.kept_for.first().map(|kept| format!("{} is to stay", kept.what));
        broken.or(kept)
    }
}

/// A line, and what becomes of the kernel without it.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Judged {
    #[serde(skip)]
    pub symbol: String,
    #[serde(skip)]
    pub place: Place,
    #[serde(skip)]
    pub line: String,
    pub verdict: Verdict,
    /// What else makes it so. None where it is nothing by itself that makes the line needless.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub because: Option<Because>,
    #[serde(flatten)]
    pub effect: Effect,
}

impl Judged {
    fn new(one: &Assignment, verdict: Verdict) -> Self {
        let Assignment { symbol, place, text: line, .. } = one.clone();
        Judged { symbol, place, line, verdict, because: None, effect: Effect::default() }
    }
}

/// One kernel: what its lines ask for, on which tree, and what it is held against.
#[derive(Clone, Copy)]
pub(crate) struct Kernel<'a> {
    pub ground: Ground<'a>,
    pub contract: &'a Contract,
    pub keep: &'a Keep,
    /// Those whose kernel it is.
    pub targets: &'a [&'a Target],
    pub requested: &'a Requested,
}

impl Kernel<'_> {
    /// Judges each line by itself.
    pub(crate) fn judge(&self) -> Vec<Judged> {
        let Ground { kconfig, version, arch, history } = self.ground;
        let all = &self.requested.assignments;
        let (asked, _) = translate(kconfig, version, arch, history, all);
        let lines: String = asked.iter().map(|one| one.line() + "\n").collect();
        let (mut config, _) = Config::resolve(&kconfig.model, Mode::AllNo, Some(&lines));
        let wanted = config.dot_config();
        let needless = needless(kconfig, (&mut config, &wanted), &asked, &self.requested.repeated);
        let is_needless = |place: &Place| needless.iter().any(|one| one.place == *place);
        let in_tree = |one: &Assignment| asked.iter().find(|asked| asked.place == one.place);
        let (known, absent): (Vec<_>, Vec<_>) = all.iter().partition(|one| in_tree(one).is_some());
        let open: Vec<&Assignment> =
            known.into_iter().filter(|one| !is_needless(&one.place)).collect();
        let mut texts = vec![self.text(&BTreeSet::new())];
        texts.extend(open.iter().map(|one| self.text(&self.all_about(&one.place))));
        let configs = resolve_each(&kconfig.model, &texts);
        let (whole, without) = configs.split_at(1);
        let before = Before::new(self, &whole[0]);
        let line = |(one, dot_config): (&&Assignment, &String)| {
            let effect = before.effect(dot_config);
            let asked = in_tree(one).unwrap_or(one);
            let verdict = before.verdict(&effect, asked);
            Judged { effect, ..Judged::new(one, verdict) }
        };
        let mut judged: Vec<Judged> = open.iter().zip(without).map(line).collect();
        judged.extend(needless.into_iter().map(of_needless));
        judged.extend(absent.into_iter().map(|one| Judged::new(one, Verdict::Absent)));
        judged
    }

    /// What it is without all of these lines.
    pub(crate) fn without(&self, out: &BTreeSet<Place>) -> Effect {
        let whole = self.dot_config(&BTreeSet::new());
        Before::new(self, &whole).effect(&self.dot_config(out))
    }

    /// The capabilities of its targets that a `.config` breaks, by name.
    pub(crate) fn broken(&self, dot_config: &str) -> BTreeSet<String> {
        let of = |target: &&Target| {
            broken(self.contract, target, self.ground.version, dot_config)
                .into_iter()
                .map(|one| one.capability.id.clone())
                .collect::<Vec<_>>()
        };
        self.targets.iter().flat_map(of).collect()
    }

    /// The `.config` without the lines at these places.
    pub(crate) fn dot_config(&self, out: &BTreeSet<Place>) -> String {
        let text = self.text(out);
        Config::resolve(&self.ground.kconfig.model, Mode::AllNo, Some(&text)).0.dot_config()
    }

    /// What is asked for without them, in the tree's own names.
    fn text(&self, out: &BTreeSet<Place>) -> String {
        let Ground { kconfig, version, arch, history } = self.ground;
        let left = self.requested.without(out);
        let (asked, _) = translate(kconfig, version, arch, history, &left);
        asked.iter().map(|one| one.line() + "\n").collect()
    }

    /// The line, and those that say the same again: they go together.
    pub(crate) fn all_about(&self, place: &Place) -> BTreeSet<Place> {
        let again = self.requested.repeated.iter();
        let again = again.filter(|other| other.same && other.counts == *place);
        let again = again.map(|other| other.assignment.place.clone());
        std::iter::once(place.clone()).chain(again).collect()
    }
}

fn of_needless(needless: Needless) -> Judged {
    let Needless { symbol, place, line, because } = needless;
    let one = Assignment { symbol, value: String::new(), place, text: line };
    Judged { because: Some(because), ..Judged::new(&one, Verdict::ChangesNothing) }
}

/// The kernel as it is.
struct Before<'a> {
    kernel: &'a Kernel<'a>,
    values: BTreeMap<&'a str, &'a str>,
    broken: BTreeSet<String>,
}

impl<'a> Before<'a> {
    fn new(kernel: &'a Kernel<'a>, dot_config: &'a str) -> Self {
        Before { kernel, values: values(dot_config), broken: kernel.broken(dot_config) }
    }

    fn effect(&self, dot_config: &str) -> Effect {
        let after = values(dot_config);
        let mut effect = Effect::default();
        let names: BTreeSet<&str> = self.values.keys().chain(after.keys()).copied().collect();
        for name in names {
            match (self.values.get(name), after.get(name)) {
                (before, after) if before == after => {}
                (Some(&("y" | "m")), None) => effect.goes.push(name.to_owned()),
                (None, Some(&("y" | "m"))) => effect.comes.push(name.to_owned()),
                // A number or a text that nobody sees any more follows something that goes.
                (None, _) | (_, None) => {}
                (Some(before), Some(after)) => effect.changes.push(Changed {
                    symbol: name.to_owned(),
                    before: (*before).to_owned(),
                    after: (*after).to_owned(),
                }),
            }
        }
        let Kernel { keep, ground, targets, .. } = self.kernel;
        let broken = self.kernel.broken(dot_config);
        effect.needed_by = broken.difference(&self.broken).cloned().collect();
        let [before, after] = [&self.values, &after].map(|set| Values { arch: ground.arch, set });
        let loss = Loss { goes: &effect.goes, changes: &effect.changes, before, after };
        effect.kept_for = keep.against(&loss, targets, ground.version, ground.history);
        effect
    }

    fn verdict(&self, effect: &Effect, asked: &Assignment) -> Verdict {
        let Effect { needed_by, kept_for, goes, comes, changes } = effect;
        let got = self.values.get(asked.symbol.as_str()).unwrap_or(&"n");
        match () {
            () if !needed_by.is_empty() => Verdict::Needed,
            () if !kept_for.is_empty() => Verdict::Kept,
            () if comes.iter().any(|name| self.can_be_asked_for(name)) => Verdict::KeepsOut,
            () if !goes.is_empty() => Verdict::Unneeded,
            () if !changes.is_empty() || !comes.is_empty() => Verdict::Sets,
            // Another line that changes nothing makes it so.
            () if *got == asked.value => Verdict::ChangesNothing,
            () => Verdict::Missed,
        }
    }

    /// What has no prompt only follows the others.
    fn can_be_asked_for(&self, name: &str) -> bool {
        let model = &self.kernel.ground.kconfig.model;
        model.defined(name).is_some_and(|symbol| !model[symbol].prompts.is_empty())
    }
}

/// Resolves all texts on all cores, in their order.
fn resolve_each(model: &Model, texts: &[String]) -> Vec<String> {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let resolve = |text: &String| Config::resolve(model, Mode::AllNo, Some(text)).0.dot_config();
    let share = texts.len().div_ceil(cores).max(1);
    std::thread::scope(|scope| {
        let workers: Vec<_> = texts
            .chunks(share)
            .map(|share| scope.spawn(move || share.iter().map(resolve).collect()))
            .collect();
        let done = |worker: ScopedJoinHandle<'_, Vec<String>>| match worker.join() {
            Ok(configs) => configs,
            Err(panic) => std::panic::resume_unwind(panic),
        };
        workers.into_iter().flat_map(done).collect()
    })
}
