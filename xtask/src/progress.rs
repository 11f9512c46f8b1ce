//! Progress of long work, on stderr: bars on a terminal, one line a step elsewhere.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::sync::{LazyLock, Mutex};
use std::time::Duration;

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};

/// There is one terminal: the bars of all threads stand below each other, and lines above them.
static BARS: LazyLock<MultiProgress> = LazyLock::new(MultiProgress::new);

/// What was said that is to be said once.
static TOLD: Mutex<BTreeSet<String>> = Mutex::new(BTreeSet::new());

/// How work in progress is shown; handed to every stage that takes longer than a moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Progress {
    Bars,
    Lines,
    Silent,
}

impl Progress {
    /// A bar over bytes.
    pub(crate) fn bytes(self, what: impl Into<Cow<'static, str>>, total: u64) -> ProgressBar {
        self.bar(what, total, "{msg:24} [{bar:30}] {bytes}/{total_bytes} {eta} left")
    }

    /// A bar over counted steps.
    pub(crate) fn steps(self, what: impl Into<Cow<'static, str>>, total: u64) -> ProgressBar {
        self.bar(what, total, "{msg:24} [{bar:30}] {pos}/{len} {eta} left {prefix}")
    }

    /// Work whose length nobody knows.
    pub(crate) fn spinner(self, what: impl Into<Cow<'static, str>>) -> ProgressBar {
        let bar = self.bar(what, 0, "{spinner} {msg} {elapsed}");
        bar.enable_steady_tick(Duration::from_millis(120));
        bar
    }

    /// A step of work that has a bar already: a line where there are no bars.
    pub(crate) fn step(self, what: impl std::fmt::Display) {
        if self == Progress::Lines {
            self.say(what);
        }
    }

    /// A line that stays.
    pub(crate) fn say(self, line: impl std::fmt::Display) {
        if self != Progress::Silent {
            self.complain(line);
        }
    }

    /// A line that stays, and is not repeated in this run.
    pub(crate) fn say_once(self, line: String) {
        if TOLD.lock().is_ok_and(|mut told| told.insert(line.clone())) {
            self.say(line);
        }
    }

    /// A line that stays, however quiet the run is: it tells what went wrong.
    pub(crate) fn complain(self, line: impl std::fmt::Display) {
        match self {
            Progress::Bars => BARS.suspend(|| anstream::eprintln!("{line}")),
            Progress::Lines | Progress::Silent => anstream::eprintln!("{line}"),
        }
    }

    fn bar(self, what: impl Into<Cow<'static, str>>, total: u64, template: &str) -> ProgressBar {
        let what = what.into();
        if self == Progress::Lines {
            self.say(&what);
        }
        let style = ProgressStyle::with_template(template)
            .unwrap_or_else(|_| ProgressStyle::default_bar())
            .progress_chars("=> ");
        let bar = ProgressBar::with_draw_target(Some(total), ProgressDrawTarget::hidden());
        let bar = if self == Progress::Bars { BARS.add(bar) } else { bar };
        bar.with_style(style).with_message(what)
    }
}
