//! One run of the machine: brings what it needs, starts it, listens, answers, and judges.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::time::Duration;

use anyhow::{Context, Result};
use camino::Utf8PathBuf;
use serde::Serialize;
use xshell::cmd;

use super::accel::{Accel, Accelerator};
use super::console::{CheckResult, Console, Start};
use super::device::{self, Device};
use super::host::Host;
use super::machine::{QMP, Root, Vm};
use super::root::Given;
use super::round::{From, RESET, Round, SHUTDOWN, skipped};
use super::supply::{Files, Goods, Supplies};
use super::verdict::{End, Verdict};
use super::vmm::Call;
use super::{Boot, initramfs};
use crate::shell::{Finished, Next, Stream};

/// How a boot with an init of the user's ended.
#[derive(Debug, Serialize)]
pub(crate) struct Started {
    /// `ended`, `deadline` or `panicked`, or how the VMM failed.
    pub(crate) how: String,
    /// Neither the kernel nor the VMM failed.
    pub(crate) fine: bool,
    pub(crate) accelerator: Accelerator,
    pub(crate) seconds: f64,
    pub(crate) console_log: Utf8PathBuf,
}

/// What came of one run.
#[derive(Debug)]
pub(super) struct Ran {
    pub(super) verdict: Verdict,
    pub(super) hint: Option<String>,
    pub(super) start: Option<Start>,
    pub(super) checks: Vec<CheckResult>,
    pub(super) elapsed: Duration,
    pub(super) log: Utf8PathBuf,
    /// The end of the console.
    pub(super) last_lines: Vec<String>,
}

impl Ran {
    pub(super) fn came_to_init(&self) -> bool {
        self.start.is_some()
    }
}

/// A guest that prints more than this has lost its way; a whole boot with all its checks prints
/// less than 100 kB.
const CONSOLE_LIMIT: u64 = 8 << 20;

/// How many lines of the VMM's own are kept.
const ERROR_LINES: usize = 20;

/// Where the guest's init reads which checks to make, one name a line.
const CHECKS: &str = "checks";

const MODULE: &str = "guest_probe.ko";

/// All that a machine is started with.
struct Ready {
    supplies: Supplies,
    nonce: String,
    /// What the VMM is told of the devices that the checks need.
    devices: Vec<String>,
    initramfs: Utf8PathBuf,
    log: Utf8PathBuf,
    /// Checks that this host or this request cannot make.
    unable: Vec<CheckResult>,
}

/// How the machine ran.
struct Heard {
    console: Console,
    errors: Vec<String>,
    flooded: bool,
    finished: Finished,
    /// How the machine ended: `RESET`, `SHUTDOWN` or another word of QEMU's.
    ended: Option<String>,
}

impl Boot<'_> {
    /// Runs a machine with all devices of the round and the user's own init, and hands over each
    /// line of its console.
    pub(super) fn start(
        &self,
        round: &Round,
        accelerator: Accelerator,
        mut on_line: impl FnMut(&str),
    ) -> Result<Started> {
        let ready = self.make_ready(round, 0)?;
        let heard =
            self.listen(round, &ready, accelerator.name, self.request.deadline, |line| {
                on_line(line);
            })?;
        let Heard { console, errors, finished, .. } = heard;
        let (how, fine) = match (&console.transcript.panic, finished.timed_out, finished.success())
        {
            (Some(panic), ..) => (format!("kernel panic: {panic}"), false),
            (None, true, _) => (format!("still ran after {} s", finished.elapsed.as_secs()), true),
            (None, false, true) => ("the machine ended".to_owned(), true),
            _ => (format!("the VMM failed: {}: {}", finished.how(), errors.join("\n")), false),
        };
        let seconds = finished.elapsed.as_secs_f64();
        Ok(Started { how, fine, accelerator, seconds, console_log: ready.log })
    }

    /// Runs the round of that number on a machine of its own.
    pub(super) fn run(
        &self,
        round: &Round,
        index: usize,
        accel: Accel,
        deadline: Duration,
    ) -> Result<Ran> {
        let ready = self.make_ready(round, index)?;
        let heard = self.listen(round, &ready, accel, deadline, |_| {})?;
        let Heard { console, errors, flooded, finished, ended } = heard;
        let request = self.request;
        let root = match round.from {
            From::Initramfs { .. } => None,
            From::Disk(root) => {
                let appended = request.append.iter().map(String::as_str);
                Given::parse(std::iter::once(root.options).chain(appended), request.bus)
            }
        };
        let killed = finished.timed_out || flooded || console.restarted;
        let failed = !finished.success() && !killed;
        let end = End {
            timed_out: finished.timed_out.then_some(deadline.as_secs()),
            flooded,
            failed: failed.then(|| finished.how()),
            errors,
        };
        let verdict = Verdict::judge(&console, &end);
        let shown = round.shown(console.start.is_some(), ended.as_deref());
        Ok(Ran {
            hint: verdict.hint(&console, &end, root.as_ref()),
            verdict,
            start: console.start,
            checks: console.checks.into_iter().chain(ready.unable).chain(shown).collect(),
            elapsed: finished.elapsed,
            log: ready.log,
            last_lines: console.transcript.last.into(),
        })
    }

    fn make_ready(&self, round: &Round, index: usize) -> Result<Ready> {
        let work = self.request.work_dir;
        let numbered = |what: &str| match index {
            0 => work.join(what),
            _ => work.join(format!("{what}.{}", index + 1)),
        };
        let daemons = numbered("daemons.log");
        std::fs::write(&daemons, "").with_context(|| format!("failed to write {daemons}"))?;
        let (nonce, mut supplies) = (nonce(), Supplies::new()?);
        let (shell, none) = (self.shell, vec![]);
        let mut goods =
            Goods { shell, nonce: &nonce, probe: &self.probe, files: &none, log: &daemons };
        let (mut unable, mut devices) = (vec![], vec![]);
        let without = self.request.without;
        let left_out =
            |device: &&Device| without.iter().any(|c| device.checks.contains(&c.as_str()));
        for device in device::devices(&round.checks).filter(|device| !left_out(device)) {
            match self.bring(device, &mut supplies, &goods) {
                Ok(arguments) => devices.extend(arguments),
                Err(error) => {
                    shell.check_interrupt()?;
                    let theirs =
                        round.checks.iter().filter(|c| device.checks.contains(&c.as_str()));
                    unable.extend(theirs.map(|check| skipped(check, &format!("{error:#}"))));
                }
            }
        }
        let can = |check: &&String| !unable.iter().any(|unable| unable.name == **check);
        let checks: Vec<&String> = round.checks.iter().filter(can).collect();
        let files = self.files(&checks)?;
        goods.files = &files;
        let initramfs = numbered("initramfs");
        match round.from {
            From::Initramfs { gzip } => initramfs::write(&initramfs, &self.probe, &files, gzip)?,
            // The first disk of all: Kuasar's names for roots count on that.
            From::Disk(root) => {
                devices
                    .splice(0..0, self.bring(root.device, &mut supplies, &goods)?)
                    .for_each(drop);
            }
        }
        let log = numbered("console.log");
        Ok(Ready { supplies, nonce, devices, initramfs, log, unable })
    }

    /// Makes and starts what a device needs, and gives what the VMM is told of it.
    fn bring(
        &self,
        device: &Device,
        supplies: &mut Supplies,
        goods: &Goods<'_>,
    ) -> Result<Vec<String>> {
        for supply in device.supplies.iter().filter(|supply| self.vmm.needs(**supply)) {
            supplies.bring(*supply, goods)?;
        }
        Ok(self.vmm.arguments_for(device, supplies.dir()?))
    }

    /// What init finds in its root beside itself.
    fn files(&self, checks: &[&String]) -> Result<Files> {
        let list = checks.iter().map(|check| format!("{check}\n")).collect::<String>();
        let mut files = vec![(CHECKS, list.into_bytes())];
        let wanted = checks.iter().any(|check| *check == "module-load");
        if let (true, Some(module)) = (wanted, self.request.module) {
            let bytes = std::fs::read(module);
            files.push((MODULE, bytes.with_context(|| format!("failed to read {module}"))?));
        }
        Ok(files)
    }

    fn listen(
        &self,
        round: &Round,
        ready: &Ready,
        accel: Accel,
        deadline: Duration,
        mut on_line: impl FnMut(&str),
    ) -> Result<Heard> {
        let Boot { shell, request, vmm, .. } = self;
        let dir = ready.supplies.dir()?;
        let vm = Vm {
            image: request.image,
            root: match round.from {
                From::Initramfs { .. } => Root::Initramfs(&ready.initramfs),
                From::Disk(root) => Root::Disk(root.options),
            },
            accel,
            memory_mib: request.memory_mib,
            nonce: &ready.nonce,
            restarts: round.restarts,
            append: request.append,
            devices: &ready.devices,
            dir,
        };
        let (program, Call { arguments, config }) = (vmm.program(), vmm.call(&vm)?);
        if let Some((path, text)) = config {
            std::fs::write(&path, text).with_context(|| format!("failed to write {path}"))?;
        }
        let how = accel.name();
        let bar =
            self.progress.spinner(format!("boot {} on {} under {how}", request.image, vmm.name()));
        let mut console = Console::new(&ready.nonce);
        let mut host = Host::new(vmm.slot(), dir, &ready.nonce);
        let (mut errors, mut flooded) = (vec![], false);
        let command = cmd!(shell.sh, "{program} {arguments...}");
        let finished = shell.converse(
            command,
            vmm.input(),
            deadline,
            Some(&ready.log),
            |guest, stream, line| {
                if stream == Stream::Stderr {
                    errors.extend((errors.len() < ERROR_LINES).then(|| line.to_owned()));
                    return Next::Continue;
                }
                if vmm.is_qemu() {
                    host.listen(&dir.join(QMP));
                }
                on_line(line);
                if let Some(what) = console.line(line) {
                    host.serve(&what, guest);
                }
                flooded = console.transcript.bytes > CONSOLE_LIMIT;
                if flooded || console.restarted { Next::Stop } else { Next::Continue }
            },
        )?;
        bar.finish_and_clear();
        let asked = if round.restarts { RESET } else { SHUTDOWN };
        let ended = match (host.shutdown_reason(), console.restarted, finished.success()) {
            (Some(reason), ..) => Some(reason),
            (None, true, _) => Some(RESET.to_owned()),
            (None, false, true) => vmm.end(asked).map(str::to_owned),
            (None, false, false) => None,
        };
        Ok(Heard { console, errors, flooded, finished, ended })
    }
}

/// Not to be foretold by anything that runs in the guest.
fn nonce() -> String {
    format!("{:016x}", RandomState::new().build_hasher().finish())
}
