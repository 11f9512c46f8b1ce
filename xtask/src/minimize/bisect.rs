//! The least of a kernel's lines with which all still passes that passes with them all: each try is
//! resolved, held against the contract, built and booted.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use anyhow::{Result, bail};
use camino::Utf8Path;
use serde::Serialize;
use vmm_kernel::ImageFormat;

use super::bench::{Bench, Made, Try};
use super::judge::{Effect, Kernel};
use super::smallest::{Answer, Found, smallest};
use crate::boot::{AccelChoice, Asked, BootRequest, Outcome, VmmChoice, boot, module};
use crate::fragment::Place;
use crate::measure::Figure;
use crate::plan::Target;
use crate::shell::Interrupted;

/// A machine that each try is booted on.
pub(crate) struct Guest<'a> {
    pub target: &'a Target,
    pub checks: Vec<Asked>,
}

/// How to boot.
pub(crate) struct Boots<'a> {
    pub guests: Vec<Guest<'a>>,
    pub accel: AccelChoice,
    pub memory_mib: u32,
    pub deadline: Duration,
    /// For what later boots can use.
    pub cache_dir: &'a Utf8Path,
}

pub(crate) struct Bisect<'a> {
    pub kernel: Kernel<'a>,
    pub bench: Bench<'a>,
    pub boots: Boots<'a>,
    /// How many kernels may be built and booted, beside the one with all lines.
    pub limit: Option<usize>,
}

/// What was found.
#[derive(Debug, Serialize)]
pub(crate) struct Least {
    /// Lines that have to stay, as far as was found.
    pub stay: Vec<Place>,
    /// Lines that can all go together.
    pub go: Vec<Place>,
    /// Without any single one of `stay`, something was seen to fail.
    pub is_least: bool,
    /// Kernels that were built and booted in this run, and those that were known from before.
    pub tried: usize,
    pub remembered: usize,
    /// In bytes, with all lines and without those that go.
    pub before: BTreeMap<Figure, u64>,
    pub after: BTreeMap<Figure, u64>,
    #[serde(flatten)]
    pub effect: Effect,
}

/// The tries so far.
struct Session<'a> {
    bisect: &'a Bisect<'a>,
    lines: &'a [Place],
    /// What came of the kernel with all lines.
    whole: Try,
    tried: usize,
    remembered: usize,
    /// The sizes of the smallest kernel that passed.
    best: BTreeMap<Figure, u64>,
}

impl Bisect<'_> {
    /// Tries to do without these lines.
    ///
    /// # Errors
    /// If the kernel with all of them cannot be built or does not come to its checks, or the user
    /// interrupts. What was tried is remembered.
    pub(crate) fn run(&self, lines: &[Place]) -> Result<Least> {
        let dot_config = self.kernel.dot_config(&BTreeSet::new());
        let key = self.key(&dot_config)?;
        let whole = match self.bench.recall(&key) {
            Some(known) => known,
            None => {
                self.bench.progress.say("the kernel with all lines first");
                let whole = self.build_and_boot(&dot_config)?;
                if let Some(failed) = &whole.failed {
                    bail!("failed to find what passes: with all lines, {failed}");
                }
                self.bench.remember(&key, &whole)?;
                whole
            }
        };
        let best = whole.figures.clone();
        let mut session = Session { bisect: self, lines, whole, tried: 0, remembered: 0, best };
        let Found { part: stay, is_least } = smallest(lines, |stay| session.judge(stay))?;
        let go: Vec<Place> = lines.iter().filter(|line| !stay.contains(line)).cloned().collect();
        Ok(Least {
            is_least,
            tried: session.tried,
            remembered: session.remembered,
            before: session.whole.figures,
            after: session.best,
            effect: self.kernel.without(&self.all_about(&go)),
            stay,
            go,
        })
    }

    fn all_about(&self, lines: &[Place]) -> BTreeSet<Place> {
        lines.iter().flat_map(|line| self.kernel.all_about(line)).collect()
    }

    fn key(&self, dot_config: &str) -> Result<String> {
        let Boots { guests, accel, memory_mib, .. } = &self.boots;
        let guest = |guest: &Guest<'_>| (guest.target.hypervisor.clone(), guest.checks.clone());
        let guests: Vec<_> = guests.iter().map(guest).collect();
        self.bench.key(dot_config, &(guests, format!("{accel:?}"), memory_mib))
    }

    fn build_and_boot(&self, dot_config: &str) -> Result<Try> {
        let mut formats: Vec<ImageFormat> =
            self.boots.guests.iter().map(|guest| guest.target.format).collect();
        formats.sort();
        formats.dedup();
        let made = self.bench.build(dot_config, &formats)?;
        let mut tried = Try { figures: made.sizes.clone(), ..Try::default() };
        for guest in &self.boots.guests {
            self.boot(guest, &made, &mut tried)?;
        }
        Ok(tried)
    }

    fn boot(&self, guest: &Guest<'_>, made: &Made, tried: &mut Try) -> Result<()> {
        let Bench { shell, progress, toolchain, tree, folder, .. } = self.bench;
        let Guest { target, checks } = guest;
        let work = folder.join("boot");
        let obj = self.bench.obj();
        let wants_module = checks.iter().any(|asked| asked.check == "module-load");
        let place = work.join("module.ko");
        let module = wants_module && module::can_be_loaded(&obj);
        if module {
            module::build(shell, toolchain, &tree.dir, &obj, &work.join("module"), &place)?;
        }
        let request = BootRequest {
            image: &made.images[&target.format],
            arch: target.arch,
            bus: target.bus,
            kernel_type: target.kernel_type,
            hypervisor: &target.hypervisor,
            vmm: VmmChoice::Qemu,
            accel: self.boots.accel,
            memory_mib: self.boots.memory_mib,
            deadline: self.boots.deadline,
            work_dir: &work,
            cache_dir: self.boots.cache_dir,
            compiler: &toolchain.gnu("gcc"),
            append: &[],
            without: &[],
            checks,
            module: module.then_some(place.as_path()),
        };
        let record = boot(shell, &request, progress)?;
        let passes = record.checks.iter().filter(|one| one.result.outcome == Outcome::Pass);
        let passed = passes.map(|one| one.result.name.clone()).collect();
        tried.passed.insert(target.hypervisor.clone(), passed);
        // A check that fails is one that does not pass; all else is a guest that came to no end.
        if !record.passed && record.checks.is_empty() {
            tried.failed.get_or_insert(record.reason);
        }
        Ok(())
    }
}

impl Session<'_> {
    fn judge(&mut self, stay: &[Place]) -> Result<Answer> {
        let Bisect { kernel, bench, .. } = self.bisect;
        let gone: Vec<Place> =
            self.lines.iter().filter(|line| !stay.contains(line)).cloned().collect();
        let what = format!("without {} of {} lines", gone.len(), self.lines.len());
        let out = self.bisect.all_about(&gone);
        let effect = kernel.without(&out);
        if let Some(why) = effect.refusal() {
            bench.progress.say(format_args!("{what}: not built, {why}"));
            return Ok(Answer::Fails);
        }
        let Some(tried) = self.try_out(&what, &effect, &kernel.dot_config(&out))? else {
            return Ok(Answer::Enough);
        };
        let missed = tried.misses(&self.whole);
        if missed.is_empty() && tried.failed.is_none() {
            bench.progress.say(format_args!("{what}: passes"));
            self.best = tried.figures;
            return Ok(Answer::Passes);
        }
        let failed = tried.failed.unwrap_or_else(|| format!("fails {}", missed.join(", ")));
        bench.progress.say(format_args!("{what}: {failed}"));
        Ok(Answer::Fails)
    }

    /// What came of it before, or comes of it now; nothing where no more may be tried.
    fn try_out(&mut self, what: &str, effect: &Effect, dot_config: &str) -> Result<Option<Try>> {
        let Bisect { bench, limit, .. } = self.bisect;
        let key = self.bisect.key(dot_config)?;
        if let Some(known) = bench.recall(&key) {
            self.remembered += 1;
            return Ok(Some(known));
        }
        if limit.is_some_and(|limit| self.tried >= limit) {
            return Ok(None);
        }
        self.tried += 1;
        let (count, gone) = (self.tried, effect.goes.len());
        bench.progress.say(format_args!("try {count}: {what}, {gone} symbols go"));
        match self.bisect.build_and_boot(dot_config) {
            Ok(tried) => {
                bench.remember(&key, &tried)?;
                Ok(Some(tried))
            }
            Err(error) if error.is::<Interrupted>() => Err(error),
            // Whatever it was, this kernel is not known to pass; the next run tries it again.
            Err(error) => Ok(Some(Try { failed: Some(format!("{error:#}")), ..Try::default() })),
        }
    }
}
