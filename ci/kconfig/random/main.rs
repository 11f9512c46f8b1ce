//! Small random Kconfig trees: does the engine make of each what the tree's own `conf` makes?
//!
//! `random CONF VERSION SEED COUNT [FIRST]` compares COUNT trees of that SEED, from number FIRST (0 if
//! left out), in the language of kernel VERSION ("6.12"). Each is resolved in every mode, and each
//! result is saved as a defconfig. What differs is printed, made as small as it still differs.

mod judge;
mod rng;
mod shrink;
mod tree;

use std::path::Path;
use std::process::ExitCode;

use judge::{Difference, Judge, MODES};
use rng::Rng;
use shrink::shrink;
use tree::Tree;

/// Differences that are shown before the rest is not looked at any more.
const MOST: usize = 10;

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    match run(&args) {
        Ok(0) => ExitCode::SUCCESS,
        Ok(_) => ExitCode::FAILURE,
        Err(why) => {
            eprintln!("{why}");
            ExitCode::from(2)
        }
    }
}

/// How many trees differ.
fn run(args: &[String]) -> Result<usize, String> {
    let usage = || "usage: random CONF VERSION SEED COUNT [FIRST]".to_owned();
    let [conf, version, seed, count, first @ ..] = args else { return Err(usage()) };
    let number = |text: &String| text.parse::<u64>().map_err(|e| format!("{text}: {e}"));
    let (seed, count) = (number(seed)?, number(count)?);
    let first = first.first().map_or(Ok(0), number)?;
    let (major, minor) = version.split_once('.').ok_or_else(usage)?;
    let kernel = major.parse().ok().zip(minor.parse().ok()).ok_or_else(usage)?;

    let folder = std::env::temp_dir().join(format!("kconfig-random-{}", std::process::id()));
    let judge = Judge::new(Path::new(conf), kernel, &folder).map_err(|e| e.to_string())?;
    let (mut refused, mut differ) = (0, 0);
    let compare =
        |tree: &Tree| judge.compare(tree).map_err(|e| format!("{}: {e}", folder.display()));
    let mut done = 0;
    for number in first..first + count {
        let tree = tree::tree(&mut Rng::new(seed, number), kernel);
        let (difference, was_refused) = compare(&tree)?;
        done += 1;
        refused += usize::from(was_refused);
        let Some(difference) = difference else { continue };
        differ += 1;
        let same = |tree: &Tree| {
            compare(tree).is_ok_and(|(now, _)| now.is_some_and(|now| is_alike(&now, &difference)))
        };
        show(number, &shrink(tree, same), &judge);
        if differ == MOST {
            break;
        }
    }
    let taken = done - refused;
    println!(
        "{version} seed {seed}: {done} trees, {refused} refused by both, {} comparisons, {differ} trees differ",
        taken * 2 * MODES.len() + refused
    );
    std::fs::remove_dir_all(&folder).map_err(|e| format!("{}: {e}", folder.display()))?;
    Ok(differ)
}

/// A tree that differs in another way is another fault.
fn is_alike(one: &Difference, other: &Difference) -> bool {
    one.what == other.what || !one.what.starts_with("conf ") && !other.what.starts_with("conf ")
}

fn show(number: u64, tree: &Tree, judge: &Judge) {
    println!("== tree {number}");
    print!("{}", tree.text(0));
    if !tree.files[1].is_empty() {
        print!("-- Kconfig.sub\n{}", tree.text(1));
    }
    if !tree.asked.is_empty() {
        print!("-- asked\n{}", tree.asked());
    }
    if let Ok((Some(Difference { what, theirs, ours }), _)) = judge.compare(tree) {
        println!("-- {what}");
        let only = |all: &str, other: &str, sign: char| {
            for line in all.lines().filter(|line| !other.lines().any(|known| known == *line)) {
                println!("{sign} {line}");
            }
        };
        only(&theirs, &ours, '<');
        only(&ours, &theirs, '>');
    }
}
