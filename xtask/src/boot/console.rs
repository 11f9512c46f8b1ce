//! What a guest says on its console, read line by line: the probe's protocol (xtask/probe/console.h
//! describes it) among all that the kernel prints. Pure.

use serde::{Deserialize, Serialize};

use super::transcript::Transcript;

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

/// All that a guest has said so far.
#[derive(Debug)]
pub(super) struct Console {
    pub(super) transcript: Transcript,
    pub(super) start: Option<Start>,
    pub(super) checks: Vec<CheckResult>,
    pub(super) said: Vec<Said>,
    /// A kernel began after init had, or after a panic: the VMM starts a guest again that resets.
    pub(super) restarted: bool,
    /// Lines with this boot's nonce that are no word of the protocol.
    pub(super) garbled: Vec<String>,
}

impl Console {
    pub(super) fn new(nonce: &str) -> Self {
        Console {
            transcript: Transcript::new(nonce),
            start: None,
            checks: vec![],
            said: vec![],
            restarted: false,
            garbled: vec![],
        }
    }

    /// Takes in a line; gives what the guest asks of its host with it.
    pub(super) fn line(&mut self, line: &str) -> Option<String> {
        let ran = self.start.is_some() || self.transcript.panic.is_some();
        let Some(word) = self.transcript.line(line) else {
            // The kernel's first line (init/version.c). No console of its prints it once init has begun.
            self.restarted |= ran && line.contains("Linux version ");
            return None;
        };
        if self.word(word).is_none() {
            self.garbled.push(word.to_owned());
            return None;
        }
        word.strip_prefix("ask ").map(str::to_owned)
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
