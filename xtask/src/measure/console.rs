//! What the init of a measurement says (xtask/probe/measure.c describes it). Pure.

use std::collections::BTreeMap;

use anyhow::{Context, Result, bail};

use crate::boot::Transcript;

/// A record of the kernel's log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Record {
    /// On the kernel's clock, in µs.
    pub(super) at: u64,
    pub(super) text: String,
}

/// All that a guest has said so far.
#[derive(Debug)]
pub(super) struct Report {
    pub(super) transcript: Transcript,
    pub(super) release: Option<String>,
    pub(super) log: Vec<Record>,
    /// By name; there once init has said all.
    pub(super) numbers: Option<BTreeMap<String, u64>>,
    /// The first line with this start's nonce that is no word of the protocol.
    pub(super) garbled: Option<String>,
}

impl Report {
    pub(super) fn new(nonce: &str) -> Self {
        Report {
            transcript: Transcript::new(nonce),
            release: None,
            log: vec![],
            numbers: None,
            garbled: None,
        }
    }

    /// Nothing more is to be waited for.
    pub(super) fn is_over(&self) -> bool {
        self.numbers.is_some() || self.transcript.panic.is_some() || self.garbled.is_some()
    }

    pub(super) fn line(&mut self, line: &str) {
        let Some(word) = self.transcript.line(line) else { return };
        if self.word(word).is_none() && self.garbled.is_none() {
            self.garbled = Some(word.to_owned());
        }
    }

    /// None: not a word of the protocol.
    fn word(&mut self, word: &str) -> Option<()> {
        let (kind, rest) = word.split_once(' ')?;
        match kind {
            "release" => self.release = Some(rest.to_owned()),
            "log" => {
                let (head, text) = rest.split_once(';')?;
                let at = head.split(',').nth(2)?.parse().ok()?;
                self.log.push(Record { at, text: text.to_owned() });
            }
            "measure" if self.numbers.is_none() => {
                let number = |pair: &str| -> Option<(String, u64)> {
                    let (name, number) = pair.split_once('=')?;
                    Some((name.to_owned(), number.parse().ok()?))
                };
                let numbers = rest.split_ascii_whitespace().map(number);
                let numbers: BTreeMap<_, _> = numbers.collect::<Option<_>>()?;
                let lines = *numbers.get("lines")?;
                if lines != self.log.len() as u64 {
                    return None;
                }
                self.numbers = Some(numbers);
            }
            _ => return None,
        }
        Some(())
    }

    pub(super) fn number(&self, name: &str) -> Option<u64> {
        self.numbers.as_ref()?.get(name).copied()
    }

    /// On the kernel's clock when it starts init, in µs (init/main.c, `run_init_process`).
    pub(super) fn run_init(&self) -> Option<u64> {
        let is_it = |record: &&Record| record.text.starts_with("Run /init as init process");
        self.log.iter().find(is_it).map(|record| record.at)
    }

    /// The counter at init's first instruction, in ns since power-on. `counts_ns`: the guest's clock
    /// is QEMU's, which has x86's counter count nanoseconds.
    ///
    /// # Errors
    /// If the guest did not say how fast its counter runs.
    pub(super) fn start_ns(&self, counts_ns: bool) -> Result<u64> {
        let counter = self.number("counter").context("the guest told no counter")?;
        let hz = match (self.number("hz"), counts_ns) {
            // cntfrq_el0 says what cntvct_el0 counts.
            (Some(hz), _) => hz,
            (None, true) => return Ok(counter),
            (None, false) => self.tsc_hz().context("the kernel did not say how fast its TSC is")?,
        };
        if hz == 0 {
            bail!("the guest says that its counter stands still");
        }
        let ns = u128::from(counter) * 1_000_000_000 / u128::from(hz);
        u64::try_from(ns).context("the guest's counter is beyond all bounds")
    }

    /// "tsc: Detected 2445.404 MHz processor" (arch/x86/kernel/tsc.c).
    fn tsc_hz(&self) -> Option<u64> {
        let said = self.log.iter().find_map(|one| one.text.strip_prefix("tsc: Detected "))?;
        let (whole, thousandths) = said.split_once(" MHz")?.0.split_once('.')?;
        let khz = whole.parse::<u64>().ok()? * 1000 + thousandths.parse::<u64>().ok()?;
        (thousandths.len() == 3).then_some(khz * 1000)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(console: &str) -> Report {
        let mut report = Report::new("0123456789abcdef");
        console.lines().for_each(|line| report.line(line));
        report
    }

    /// The console of a real start (Linux 6.12.117, QEMU 7.2, icount shift 0).
    const MICRO: &str = include_str!("../../tests/data/measure/micro-x86_64.console");
    const ARM: &str = include_str!("../../tests/data/measure/micro-aarch64.console");

    #[test]
    fn a_real_start_gives_its_figures() {
        let report = read(MICRO);
        assert_eq!(report.start_ns(true).unwrap(), 438_419_486);
        assert_eq!(report.run_init(), Some(285_331));
        assert_eq!(report.number("total_kb"), Some(246_628));
        // The same counter, under KVM: 999.993 MHz.
        assert_eq!(report.start_ns(false).unwrap(), 438_422_554);
    }

    #[test]
    fn arms_counter_says_its_own_frequency() {
        let report = read(ARM);
        assert_eq!(report.start_ns(true).unwrap(), 33_056_768);
        assert_eq!(report.start_ns(false).unwrap(), 33_056_768);
        assert_eq!(report.run_init(), Some(20_202));
    }

    #[test]
    fn a_lost_line_is_no_measurement() {
        let kept: Vec<&str> = MICRO.lines().filter(|line| !line.contains("Run /init")).collect();
        let report = read(&kept.join("\n"));
        assert!(report.numbers.is_none() && report.garbled.is_some(), "{report:?}");
    }

    #[test]
    fn a_panic_and_another_guests_words_are_seen() {
        let report = read("[ 0.1] Kernel panic - not syncing: No working init found.\r\n");
        assert_eq!(report.transcript.panic.as_deref(), Some("No working init found."));
        let report = read("@probe fedcba9876543210 measure counter=1 lines=0\n");
        assert!(!report.is_over() && report.transcript.last.len() == 1);
        assert!(read("@probe 0123456789abcdef measure counter=x lines=0").garbled.is_some());
        assert!(read("@probe 0123456789abcdef measure counter=7 lines=0").start_ns(false).is_err());
    }
}
