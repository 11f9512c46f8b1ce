//! What a guest says on its console, read line by line: the probe's protocol (xtask/probe/console.h
//! describes it) among all that the kernel prints. Pure.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

/// How one check of the probe went.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct CheckResult {
    pub(crate) name: String,
    pub(crate) outcome: Outcome,
    pub(crate) milliseconds: f64,
    pub(crate) reason: String,
    /// What the kernel logged meanwhile, if the check failed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) kernel_log: Vec<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Outcome {
    Pass,
    Fail,
    Skip,
}

impl Outcome {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Outcome::Pass => "pass",
            Outcome::Fail => "fail",
            Outcome::Skip => "skip",
        }
    }

    fn parse(word: &str) -> Option<Self> {
        [Outcome::Pass, Outcome::Fail, Outcome::Skip].into_iter().find(|one| one.name() == word)
    }
}

/// The probe's first word.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Start {
    pub(super) kernel_release: String,
    /// Since the kernel's boot clock began.
    pub(super) milliseconds: f64,
}

/// The probe's last word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Said {
    pub(super) passed: bool,
    pub(super) checks: usize,
}

/// How many lines of the console's end are kept.
const LAST_LINES: usize = 20;

/// All that a guest has said so far.
#[derive(Debug)]
pub(super) struct Console {
    prefix: String,
    pub(super) bytes: u64,
    pub(super) start: Option<Start>,
    pub(super) checks: Vec<CheckResult>,
    pub(super) said: Vec<Said>,
    /// The first panic; the ones that follow come of it.
    pub(super) panic: Option<String>,
    /// A kernel began after init had, or after a panic: the VMM starts a guest again that resets.
    pub(super) restarted: bool,
    /// Lines with this boot's nonce that are no word of the protocol.
    pub(super) garbled: Vec<String>,
    pub(super) last: VecDeque<String>,
}

impl Console {
    pub(super) fn new(nonce: &str) -> Self {
        Console {
            prefix: format!("@probe {nonce} "),
            bytes: 0,
            start: None,
            checks: vec![],
            said: vec![],
            panic: None,
            restarted: false,
            garbled: vec![],
            last: VecDeque::new(),
        }
    }

    /// Takes in a line; gives what the guest asks of its host with it.
    pub(super) fn line(&mut self, line: &str) -> Option<String> {
        self.bytes += line.len() as u64 + 1;
        // The rest of an unfinished line of the kernel's may stand before it.
        match line.find(&self.prefix) {
            Some(at) => {
                let word = line[at + self.prefix.len()..].trim_end();
                if self.word(word).is_none() {
                    self.garbled.push(word.to_owned());
                    return None;
                }
                word.strip_prefix("ask ").map(str::to_owned)
            }
            None => {
                self.kernel_line(line);
                self.remember(line);
                None
            }
        }
    }

    fn kernel_line(&mut self, line: &str) {
        const PANIC: &str = "Kernel panic - not syncing: ";
        // The kernel's first line (init/version.c). No console of its prints it once init has begun.
        let ran = self.start.is_some() || self.panic.is_some();
        self.restarted |= ran && line.contains("Linux version ");
        if let (None, Some(at)) = (&self.panic, line.find(PANIC)) {
            self.panic = Some(line[at + PANIC.len()..].trim_end().to_owned());
        }
    }

    fn remember(&mut self, line: &str) {
        // The serial console and the virtio console print the same; control characters are SeaBIOS's.
        let line = line.trim_end();
        if line.is_empty() || self.last.iter().any(|earlier| earlier == line) {
            return;
        }
        if self.last.len() == LAST_LINES {
            self.last.pop_front();
        }
        self.last.push_back(line.chars().filter(|c| !c.is_control()).collect());
    }

    /// None: not a word of the protocol, or not in its place.
    fn word(&mut self, word: &str) -> Option<()> {
        let (kind, rest) = word.split_once(' ')?;
        if (kind == "start") != self.start.is_none() || (kind != "verdict" && !self.said.is_empty())
        {
            return None;
        }
        match kind {
            "start" => {
                let (release, since) = rest.rsplit_once(' ')?;
                let milliseconds = since.parse().ok()?;
                self.start = Some(Start { kernel_release: release.to_owned(), milliseconds });
            }
            "check" => self.checks.push(check(rest)?),
            "ask" if !rest.is_empty() => {}
            "kernel" => self.checks.last_mut()?.kernel_log.push(rest.to_owned()),
            "verdict" => {
                let (verdict, count) = rest.strip_suffix(" checks")?.split_once(' ')?;
                let passed = match Outcome::parse(verdict)? {
                    Outcome::Skip => return None,
                    outcome => outcome == Outcome::Pass,
                };
                self.said.push(Said { passed, checks: count.parse().ok()? });
            }
            _ => return None,
        }
        Some(())
    }
}

fn check(rest: &str) -> Option<CheckResult> {
    let mut fields = rest.splitn(4, ' ');
    let name = fields.next().filter(|name| !name.is_empty())?.to_owned();
    let outcome = Outcome::parse(fields.next()?)?;
    let milliseconds = fields.next()?.parse().ok()?;
    let reason = fields.next().unwrap_or_default().to_owned();
    Some(CheckResult { name, outcome, milliseconds, reason, kernel_log: vec![] })
}
