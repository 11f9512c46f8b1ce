//! What of a changed `.config` fragments cannot say, and whom a change of theirs reaches, in words.

use anstyle::AnsiColor;
use camino::Utf8Path;

use super::tell::warn;
use super::{cause_text, style};
use crate::progress::Progress;
use crate::resolve::{Missed, Reversed};

/// Lines that are told: a `.config` of another kernel has hundreds.
const MOST: usize = 10;

/// Says what does not come out of a changed `.config`, and what no line of a fragment would give.
pub(crate) fn tell_reversed(progress: Progress, reversed: &Reversed) {
    let Reversed { missed, out_of_reach, homeless, .. } = reversed;
    for Missed { line, got, cause } in missed.iter().take(MOST) {
        warn(progress, format!("{line} resolves to {got}: {}", cause_text(cause)));
    }
    if missed.len() > MOST {
        let more = missed.len() - MOST;
        warn(progress, format!("{more} more lines do not come out; --format json has them all"));
    }
    let red = style(AnsiColor::Red);
    for (is, wanted) in out_of_reach {
        progress.complain(format!("{red}error{red:#}: no line gives {wanted}: it is {is}"));
    }
    for line in homeless {
        progress.complain(format!(
            "{red}error{red:#}: {line} belongs to no fragment: none asks for anything"
        ));
    }
}

/// Says which other kernels a fragment that changes is of.
pub(crate) fn tell_reach(progress: Progress, path: &Utf8Path, kernels: &[String]) {
    if !kernels.is_empty() {
        progress.say(format!("{path} is also of {}", kernels.join(", ")));
    }
}
