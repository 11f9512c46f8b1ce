//! Does the engine make of small Kconfig trees what a kernel tree's own `conf` makes of them?
//!
//! `against-conf CONF VERSION trees SEED COUNT [FIRST]` compares COUNT random trees of that SEED, from
//! number FIRST (0 if left out), in the language of kernel VERSION ("6.12"). What differs is printed,
//! made as small as it still differs.
//!
//! `against-conf CONF VERSION folders FOLDER...` compares the tree in each folder that has a file
//! `Kconfig`: as it is, and with each of its files whose name has `config` or `asked` in it asked for.
//! What `conf` makes is written to VERSION.expected of those that have such a file.
//!
//! Each tree is resolved in every mode, and each result is saved as a defconfig.

mod folders;
mod judge;
mod rng;
mod shrink;
mod tree;

use std::collections::HashSet;
use std::path::Path;
use std::process::ExitCode;

use judge::{Case, Difference, Judge};
use rng::Rng;
use shrink::shrink;
use tree::Tree;

/// Lines of each file that are shown.
const MOST_LINES: usize = 60;

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
    let usage =
        || "usage: against-conf CONF VERSION (trees SEED COUNT [FIRST] | folders FOLDER...)";
    let [conf, version, what, rest @ ..] = args else { return Err(usage().to_owned()) };
    let kernel = version.split_once('.').and_then(|(version, level)| {
        let level: String = level.chars().take_while(char::is_ascii_digit).collect();
        version.parse().ok().zip(level.parse().ok())
    });
    let kernel = kernel.ok_or_else(|| format!("{version} is no version"))?;
    let folder = std::env::temp_dir().join(format!("against-conf-{}", std::process::id()));
    let judge = Judge::new(Path::new(conf), kernel, &folder);
    let mut tally = Tally::new(&judge);
    match (what.as_str(), rest) {
        ("trees", [seed, count, first @ ..]) => {
            let number = |text: &String| text.parse::<u64>().map_err(|e| format!("{text}: {e}"));
            let first = first.first().map_or(Ok(0), number)?;
            random(&mut tally, kernel, number(seed)?, first..first + number(count)?)?;
        }
        ("folders", folders) if !folders.is_empty() => {
            folders::compare(&mut tally, version, folders)?;
        }
        _ => return Err(usage().to_owned()),
    }
    println!("{version} {what} {}: {tally}", rest.first().map_or("", |first| first));
    std::fs::remove_dir_all(&folder).map_err(|e| format!("{}: {e}", folder.display()))?;
    Ok(tally.differ)
}

fn random(
    tally: &mut Tally<'_>,
    kernel: (u32, u32),
    seed: u64,
    numbers: std::ops::Range<u64>,
) -> Result<(), String> {
    for number in numbers {
        let tree = tree::tree(&mut Rng::new(seed, number), kernel);
        let Some(difference) = tally.compare(&tree.case())? else { continue };
        let judge = tally.judge;
        let differs = |tree: &Tree| {
            let now = judge.compare(&tree.case());
            now.is_ok_and(|(now, _)| now.is_some_and(|now| now.is_like(&difference)))
        };
        tally.show(&format!("tree {number}"), &shrink(tree, differs).case());
        if tally.differ == MOST {
            break;
        }
    }
    Ok(())
}

fn start_of(text: &str) -> String {
    text.lines().take(MOST_LINES).collect::<Vec<_>>().join("\n")
}

/// What was compared so far.
struct Tally<'j> {
    judge: &'j Judge,
    trees: usize,
    refused: usize,
    differ: usize,
}

impl std::fmt::Display for Tally<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Tally { trees, refused, differ, .. } = self;
        let compared = (trees - refused) * 2 * judge::MODES.len() + refused;
        write!(f, "{trees} trees, {refused} refused by both, {compared} comparisons, ")?;
        write!(f, "{differ} trees differ")
    }
}

impl<'j> Tally<'j> {
    fn new(judge: &'j Judge) -> Self {
        Tally { judge, trees: 0, refused: 0, differ: 0 }
    }

    fn compare(&mut self, case: &Case) -> Result<Option<Difference>, String> {
        let (difference, refused) = self.judge.compare(case).map_err(|e| e.to_string())?;
        self.trees += 1;
        self.refused += usize::from(refused);
        self.differ += usize::from(difference.is_some());
        Ok(difference)
    }

    fn show(&self, name: &str, case: &Case) {
        println!("== {name}");
        for (path, text) in &case.files {
            println!("-- {path}\n{}", start_of(&String::from_utf8_lossy(text)));
        }
        println!("-- asked\n{}", start_of(&case.asked));
        if let Ok((Some(Difference { what, theirs, ours }), _)) = self.judge.compare(case) {
            println!("-- {what}");
            let only = |all: &str, other: &str, sign: char| {
                let known: HashSet<&str> = other.lines().collect();
                for line in all.lines().filter(|line| !known.contains(line)).take(MOST_LINES) {
                    println!("{sign} {line}");
                }
            };
            only(&theirs, &ours, '<');
            only(&ours, &theirs, '>');
        }
    }
}
