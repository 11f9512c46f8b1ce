//! Lines that are tried out: kernels are built without them, started, booted.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use anyhow::Result;
use vmm_kernel::ImageFormat;

use super::judged::{Field, Yard};
use super::{MinimizeArgs, folder};
use crate::boot::{AccelChoice, Machine};
use crate::cmd::{Context, boot};
use crate::fragment::Place;
use crate::kbuild::Jobs;
use crate::lock::Lock;
use crate::measure::{Figure, Settings, Subject, measure};
use crate::minimize::{Bench, Bisect, Boots, Guest, Least, LeftOut, Line, Try};
use crate::plan::Target;
use crate::shell::Interrupted;

impl MinimizeArgs {
    /// One kernel without each of the lines.
    pub(super) fn build(
        &self,
        ctx: &Context,
        yard: &Yard<'_>,
        field: &Field<'_>,
        question: &[&Line],
    ) -> Result<Vec<LeftOut>> {
        let folder = folder(yard, field);
        let _lock = Lock::take(&ctx.shell, ctx.progress, &folder)?;
        let jobs = self.jobs.budget(&ctx.shell, yard.workspace)?;
        let bench = self.bench(ctx, field, (&folder, &jobs));
        bench.set_up(&yard.folder(field).obj())?;
        let mut lines: Vec<&&Line> = question.iter().collect();
        lines.sort_by_key(|line| std::cmp::Reverse(line.gain().map(|gain| gain.bytes())));
        let before = self.figures(yard, field, &bench, BTreeSet::new())?;
        let mut built = vec![];
        for (index, line) in lines.iter().take(self.tries.unwrap_or(usize::MAX)).enumerate() {
            let count = lines.len();
            ctx.progress.say(format_args!("{} of {count}: without {}", index + 1, line.line));
            let out = yard.kernel(field).all_about(&line.place);
            match self.figures(yard, field, &bench, out) {
                Ok(after) => built.push(LeftOut::new(line, &before, &after)),
                Err(error) if error.is::<Interrupted>() => return Err(error),
                Err(error) => ctx.progress.complain(format_args!("{}: {error:#}", line.line)),
            }
        }
        Ok(built)
    }

    /// The least of the lines with which the kernel passes all that it passes with them all.
    pub(super) fn bisect(
        &self,
        ctx: &Context,
        yard: &Yard<'_>,
        field: &Field<'_>,
        question: &[&Line],
    ) -> Result<Least> {
        let folder = folder(yard, field);
        let _lock = Lock::take(&ctx.shell, ctx.progress, &folder)?;
        let jobs = self.jobs.budget(&ctx.shell, yard.workspace)?;
        let bench = self.bench(ctx, field, (&folder, &jobs));
        bench.set_up(&yard.folder(field).obj())?;
        let guest = |target| Guest { target, checks: boot::asked(&yard.contract, target, &[]) };
        let boots = Boots {
            guests: yard.plan.targets.iter().map(guest).collect(),
            accel: self.accel,
            memory_mib: self.memory,
            deadline: Duration::from_secs(self.deadline),
            cache_dir: &yard.workspace.work.join("boot"),
        };
        let places: Vec<Place> = question.iter().map(|line| line.place.clone()).collect();
        Bisect { kernel: yard.kernel(field), bench, boots, limit: self.tries }.run(&places)
    }

    fn bench<'b>(
        &self,
        ctx: &'b Context,
        field: &'b Field<'_>,
        (folder, jobs): (&'b camino::Utf8Path, &'b Jobs),
    ) -> Bench<'b> {
        Bench {
            shell: &ctx.shell,
            progress: ctx.progress,
            tree: field.tree,
            toolchain: field.toolchain(),
            folder,
            jobs,
            name: field.name(),
        }
    }

    /// What a kernel without these lines is measured to be.
    fn figures(
        &self,
        yard: &Yard<'_>,
        field: &Field<'_>,
        bench: &Bench<'_>,
        out: BTreeSet<Place>,
    ) -> Result<BTreeMap<Figure, u64>> {
        let target = &yard.plan.targets[0];
        let dot_config = yard.kernel(field).dot_config(&out);
        let key = bench.key(&dot_config, &(target.format, self.measure.then_some(self.memory)))?;
        if let Some(known) = bench.recall(&key) {
            return Ok(known.figures);
        }
        let made = bench.build(&dot_config, &[target.format])?;
        let mut figures = made.sizes;
        if self.measure {
            figures.extend(self.start(bench, target, &made.images[&target.format])?);
        }
        let tried = Try { figures, ..Try::default() };
        bench.remember(&key, &tried)?;
        Ok(tried.figures)
    }

    /// The figures of a start whose instructions are counted.
    fn start(
        &self,
        bench: &Bench<'_>,
        target: &Target,
        image: &camino::Utf8Path,
    ) -> Result<BTreeMap<Figure, u64>> {
        let Bench { shell, progress, toolchain, folder, name, .. } = bench;
        let format: ImageFormat = target.format;
        let subject = Subject {
            name: (*name).to_owned(),
            peer: false,
            machine: Machine::find(target.arch, target.bus, &target.hypervisor)?,
            image: image.to_owned(),
            format: format.name().to_owned(),
            made: None,
        };
        let settings = Settings {
            accel: AccelChoice::Tcg,
            memory_mib: self.memory,
            console: None,
            deadline: Duration::from_secs(self.deadline),
            samples: None,
            initcalls: 0,
            work_dir: &folder.join("measure"),
            cache_dir: &folder.join("measure"),
            compiler: &toolchain.gnu("gcc"),
        };
        let measured = measure(shell, *progress, &subject, &settings)?;
        let figures = measured.runs.into_iter().flat_map(|run| run.figures);
        Ok(figures.map(|(figure, spread)| (figure, spread.median)).collect())
    }
}
