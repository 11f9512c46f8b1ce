//! Progress of long work, on stderr: bars on a terminal, one line a step elsewhere.

use std::borrow::Cow;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

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

    /// A line that stays.
    pub(crate) fn say(self, line: impl std::fmt::Display) {
        if self != Progress::Silent {
            anstream::eprintln!("{line}");
        }
    }

    /// A line that stays, however quiet the run is: it tells what went wrong.
    pub(crate) fn complain(self, line: impl std::fmt::Display) {
        anstream::eprintln!("{line}");
    }

    fn bar(self, what: impl Into<Cow<'static, str>>, total: u64, template: &str) -> ProgressBar {
        let what = what.into();
        if self == Progress::Lines {
            self.say(&what);
        }
        let target = match self {
            Progress::Bars => ProgressDrawTarget::stderr(),
            Progress::Lines | Progress::Silent => ProgressDrawTarget::hidden(),
        };
        let style = ProgressStyle::with_template(template)
            .unwrap_or_else(|_| ProgressStyle::default_bar())
            .progress_chars("=> ");
        ProgressBar::with_draw_target(Some(total), target).with_style(style).with_message(what)
    }
}
