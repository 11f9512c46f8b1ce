//! `--check-image FILE`: would these hypervisors boot it?

use anyhow::Result;
use camino::Utf8Path;
use serde::Serialize;
use vmm_kernel::Arch;

use super::wanted;
use crate::cmd::{Answer, Context};
use crate::diag;
use crate::image::{self, Checked};
use crate::plan::{Plan, Target};

/// Whether one hypervisor boots a file.
#[derive(Debug, Serialize)]
struct ImageCheck {
    hypervisor: String,
    arch: Arch,
    checked: Option<Checked>,
    failure: Option<diag::Failure>,
}

pub(super) fn run(ctx: &Context, plan: &Plan, file: &Utf8Path) -> Result<Answer> {
    image::readable(file)?;
    let check = |target: &Target| {
        let (checked, failure) = match image::check(file, wanted(target)) {
            Ok(checked) => (Some(checked), None),
            Err(error) => (None, Some(diag::Failure::new(&error))),
        };
        ImageCheck { hypervisor: target.hypervisor.clone(), arch: target.arch, checked, failure }
    };
    let checks: Vec<ImageCheck> = plan.targets.iter().map(check).collect();
    for failure in checks.iter().filter_map(|check| check.failure.as_ref()) {
        anstream::eprint!("{failure}");
    }
    ctx.print(&checks, |checks| {
        checks.iter().filter_map(|check| describe_check(file, check)).collect()
    })?;
    let bootable = checks.iter().all(|check| check.failure.is_none());
    Ok(if bootable { Answer::Yes } else { Answer::No })
}

fn describe_check(file: &Utf8Path, check: &ImageCheck) -> Option<String> {
    let checked = check.checked.as_ref()?;
    let mut line = format!("{file}: {} on {} boots it: {checked}\n", check.hypervisor, check.arch);
    line.extend(checked.warnings.iter().map(|warning| format!("  warning: {warning}\n")));
    Some(line)
}
