//! Whether kernels of the new source do: made, booted, measured, and held against those of before.

use anyhow::Result;
use clap::ValueEnum as _;
use serde::Serialize;
use vmm_kernel::Manifest;

use super::RefreshArgs;
use crate::boot::{BootRecord, Machine, get_qemu, vmm_version};
use crate::cmd::Context;
use crate::cmd::args::typed;
use crate::cmd::boot::{BootArgs, asked};
use crate::cmd::kernel::{KernelArgs, Produced};
use crate::cmd::measure::MeasureArgs;
use crate::cmd::size::SizeArgs;
use crate::contract::Contract;
use crate::diag::{self, Hint};
use crate::measure::{Baseline, Measurement};
use crate::plan::{Plan, Target};
use crate::refresh::{Finished, Growth, Proven, Seen};
use crate::shell::Interrupted;
use crate::source::Tree;
use crate::workspace::Workspace;

pub(super) struct Proof<'a> {
    ctx: &'a Context,
    workspace: &'a Workspace,
    plan: &'a Plan,
    trees: [&'a Tree; 2],
    finished: Finished,
    contract: Contract,
    /// Flags that choose the toolchain.
    tools: Vec<String>,
    kernel: Vec<String>,
    boot: BootArgs,
    measure: MeasureArgs,
    /// All of the flags that change what a boot shows.
    boots: [String; 2],
}

/// A kernel that was made.
struct Made {
    target: Target,
    manifest: Manifest,
}

impl Made {
    fn name(&self) -> String {
        name(&self.target)
    }
}

/// As measurements are named.
fn name(target: &Target) -> String {
    format!("{}-{}-{}", target.kernel_type, target.arch, target.hypervisor)
}

impl<'a> Proof<'a> {
    /// # Errors
    /// If there is no QEMU for one of the kernels: that is told before anything is built.
    pub(super) fn new(
        ctx: &'a Context,
        workspace: &'a Workspace,
        plan: &'a Plan,
        trees: [&'a Tree; 2],
        args: &RefreshArgs,
        finished: Finished,
    ) -> Result<Self> {
        let accel = args.accel.to_possible_value();
        let accel = accel.map(|accel| accel.get_name().to_owned()).unwrap_or_default();
        let boots = [format!("--accel={accel}"), format!("--deadline={}", args.deadline)];
        let prefix = args.cross_compile.iter().map(|prefix| format!("--cross-compile={prefix}"));
        let tools: Vec<String> = prefix.collect();
        let with = |words: &[String]| [words, &tools].concat();
        let measures = ["--accel=tcg", "--initcalls=0", &boots[1]].map(str::to_owned);
        let jobs = args.jobs.words();
        let proof = Proof {
            contract: Contract::read(workspace, &plan.conf_dir)?,
            kernel: with(&jobs),
            boot: typed(&with(&boots))?,
            measure: typed(&with(&measures))?,
            tools,
            ctx,
            workspace,
            plan,
            trees,
            finished,
            boots,
        };
        plan.targets.iter().try_for_each(|target| proof.vmm(target).map(drop))?;
        Ok(proof)
    }

    /// # Errors
    /// If the user interrupts. What else goes wrong is in what was proven.
    pub(super) fn prove(&self, baseline: &Baseline, growth_allowed: bool) -> Result<Proven> {
        let mut proven = Proven { growth_allowed, ..Proven::default() };
        let [from, to] = self.trees;
        let made = self.make(to, &mut proven.failures)?;
        for one in &made {
            let booted = self.boot(one);
            proven.boots.extend(self.or_told(booted, &mut proven.failures)?);
        }
        proven.now = self.measured(&made, &mut proven.failures)?;
        proven.before = match self.known(baseline) {
            Some(known) => known,
            None => {
                let made = self.make(from, &mut proven.failures)?;
                self.measured(&made, &mut proven.failures)?
            }
        };
        let before = Baseline { budget: baseline.budget.clone(), kernels: proven.before.clone() };
        proven.comparison = Some(before.compare(&proven.now, false));
        if proven.grown() > 0 {
            proven.growth = self.growth(&made)?;
        }
        Ok(proven)
    }

    /// What grew, by the object trees of both sources: the old source's kernels are built for it, if they
    /// are not there. Without them nothing is proven less.
    fn growth(&self, made: &[Made]) -> Result<Vec<Growth>> {
        let Proof { ctx, workspace, plan, trees, .. } = self;
        let [from, to] = trees.map(|tree| &tree.record.name);
        ctx.progress
            .say(format_args!("figures are past their budgets: comparing with {from}'s kernels"));
        let ignored = &mut vec![];
        self.make(trees[0], ignored)?;
        let mut growth = vec![];
        for one in made {
            let Target { kernel_type, arch, hypervisor, .. } = &one.target;
            let target = [
                format!("--type={kernel_type}"),
                format!("--arch={arch}"),
                format!("--hypervisor={hypervisor}"),
                format!("--kernel-conf-dir={}", plan.conf_dir),
            ];
            let size: SizeArgs =
                typed(&[&[from.clone(), to.clone()][..], &target, &self.tools].concat())?;
            let grown = self.or_told(size.growth(ctx, workspace), ignored)?;
            growth.extend(grown.map(|grown| Growth { kernel: one.name(), grown }));
        }
        Ok(growth)
    }

    /// The baseline's figures, if all are of the old source.
    fn known(&self, baseline: &Baseline) -> Option<Vec<Measurement>> {
        let old = &self.trees[0].record;
        let is_old = |one: &Measurement| {
            let source = one.made_of.as_ref().map(|of| &of.source);
            source.is_some_and(|of| of.name == old.name && of.version == old.version)
        };
        let known = |target: &Target| {
            let name = name(target);
            baseline.kernels.iter().find(|one| one.name == name && is_old(one)).cloned()
        };
        self.plan.targets.iter().map(known).collect()
    }

    /// The kernels of a tree, where no sandboxer looks for them.
    fn make(&self, tree: &Tree, failures: &mut Vec<String>) -> Result<Vec<Made>> {
        let Proof { ctx, workspace, .. } = self;
        let mut plan = self.plan.clone();
        let folder = workspace.work.join("refresh").join(tree.dir.file_name().unwrap_or("tree"));
        for target in &mut plan.targets {
            target.stage = folder.join(name(target)).join(&workspace.facts.image_name);
        }
        let source = format!("--source={}", tree.record.name);
        let kernel: KernelArgs = typed(&[&[source][..], &self.kernel].concat())?;
        let results = kernel.make(ctx, workspace, &plan);
        let Some(results) = self.or_told(results, failures)? else { return Ok(vec![]) };
        let results = results.unwrap_or_else(|obstacles| {
            let (count, linux) = (obstacles.len(), &tree.version);
            failures
                .push(format!("{count} findings keep kernels of Linux {linux} from being made"));
            vec![]
        });
        let mut made = vec![];
        for result in results {
            match result {
                Produced::Made(outcome) => {
                    made.push(Made { target: outcome.target, manifest: outcome.manifest });
                }
                Produced::Failed { variant, failure } => {
                    failures.push(format!("{variant}: {}", failure.error));
                }
            }
        }
        Ok(made)
    }

    fn boot(&self, made: &Made) -> Result<BootRecord> {
        let Proof { ctx, workspace, plan, .. } = self;
        let Made { target, manifest } = made;
        let checks = asked(&self.contract, target, &manifest.breaches);
        let of = (&manifest.sha256, &checks, self.vmm(target)?, &self.boots);
        self.once(
            made,
            "boot",
            &of,
            |boot: &BootRecord| boot.passed,
            || self.boot.boot(ctx, workspace, &plan.conf_dir, target),
        )
    }

    fn measured(&self, made: &[Made], failures: &mut Vec<String>) -> Result<Vec<Measurement>> {
        let Proof { ctx, workspace, plan, .. } = self;
        let mut all = vec![];
        for one in made {
            let Made { target, manifest } = one;
            let of = (&manifest.sha256, self.vmm(target)?);
            let measured = self.once(
                one,
                "measurement",
                &of,
                |_| true,
                || self.measure.target(ctx, workspace, &plan.conf_dir, target),
            );
            all.extend(self.or_told(measured, failures)?);
        }
        Ok(all)
    }

    /// Does a piece of work, or says that it is done.
    fn once<T: Serialize + serde::de::DeserializeOwned>(
        &self,
        made: &Made,
        what: &str,
        of: &impl Serialize,
        keeps: impl Fn(&T) -> bool,
        work: impl FnOnce() -> Result<T>,
    ) -> Result<T> {
        let (result, seen) = self.finished.or((&made.manifest.key, what), of, keeps, work)?;
        if seen == Seen::Before {
            let (name, linux) = (made.name(), &made.manifest.kernel_release);
            self.ctx.progress.say(format_args!("{what} of {name} on Linux {linux}: done before"));
        }
        Ok(result)
    }

    /// The version of what runs the target's guest.
    fn vmm(&self, target: &Target) -> Result<String> {
        let machine = Machine::find(target.arch, target.bus, &target.hypervisor)?;
        vmm_version(&self.ctx.shell, &machine.program()).hint(|| get_qemu(target.arch))
    }

    /// Tells a failure and takes it down; only an interrupt ends the run.
    fn or_told<T>(&self, result: Result<T>, failures: &mut Vec<String>) -> Result<Option<T>> {
        match result {
            Ok(result) => Ok(Some(result)),
            Err(error) if error.is::<Interrupted>() => Err(error),
            Err(error) => {
                self.ctx.progress.complain(diag::Failure::new(&error));
                failures.push(format!("{error:#}"));
                Ok(None)
            }
        }
    }
}
