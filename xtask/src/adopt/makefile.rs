//! The rule of Kuasar's Makefile that makes the kernel.

use anyhow::{Result, anyhow};
use camino::Utf8Path;

use super::MAKEFILE;
use crate::diag::{BadInput, Hint};

const RULE: &str = "bin/vmlinux.bin:";
const RECIPE: &str = "@cargo xtask kernel --hypervisor ${HYPERVISOR} --arch ${ARCH}";
/// A recipe that calls it, with whatever flags, is ours.
const OURS: &str = "cargo xtask kernel";
/// Where Kuasar's own recipe builds: each of its lines names this folder.
const OLD: &str = "vmm/scripts/kernel/";

/// The text with the rule's recipe as it should be.
///
/// # Errors
/// If there is no such rule, or it does something else than Kuasar's.
pub(super) fn makefile(text: &str) -> Result<String> {
    let lines: Vec<&str> = text.lines().collect();
    let rule = lines.iter().position(|line| line.starts_with(RULE));
    let by_hand = || format!("write this recipe for it, and run this again: {RECIPE}");
    let Some(rule) = rule else {
        return Err(anyhow!("{MAKEFILE} has no rule `{RULE}`")).hint(by_hand);
    };
    let first = rule + 1;
    let length = lines[first..].iter().take_while(|line| line.starts_with('\t')).count();
    let recipe = &lines[first..first + length];
    if recipe.iter().any(|line| line.contains(OURS)) {
        return Ok(text.to_owned());
    }
    if let Some(unknown) = recipe.iter().position(|line| !line.contains(OLD)) {
        let message =
            format!("this line of the recipe for {} is not known", RULE.trim_end_matches(':'));
        let line = first + unknown + 1;
        let bad = BadInput::at(Utf8Path::new(MAKEFILE), text, line, message);
        return Err(bad).hint(by_hand);
    }
    let ours = format!("\t{RECIPE}");
    let changed = [&lines[..first], &[ours.as_str()], &lines[first + length..]].concat();
    Ok(changed.join("\n") + "\n")
}
