//! One start of a guest: the machine's arguments, the run, and what came of it.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context, Result, anyhow};
use camino::{Utf8Path, Utf8PathBuf};
use vmm_kernel::{Arch, Bus};
use xshell::cmd;

use super::Figure;
use super::console::{Record, Report};
use super::memory::{self, Given};
use crate::boot::{Accel, Machine};
use crate::diag::Hint;
use crate::progress::Progress;
use crate::shell::{Finished, Next, Shell, Stream};

/// A guest that is ready to start, any number of times.
pub(super) struct Guest<'a> {
    pub(super) shell: &'a Shell,
    pub(super) progress: Progress,
    pub(super) name: &'a str,
    pub(super) machine: &'static Machine,
    pub(super) image: &'a Utf8Path,
    pub(super) initramfs: &'a Utf8Path,
    pub(super) memory_mib: u32,
    /// None: what fits the arch and the accelerator.
    pub(super) console: Option<Console>,
    /// For the console log and QEMU's pid.
    pub(super) work_dir: &'a Utf8Path,
}

/// What init speaks through. It is part of what is measured: the queues of a virtio console take
/// megabytes of the guest's memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Console {
    Serial,
    /// Beside the serial one, for kernels that have no driver for that
    Virtio,
    /// To the emulator itself: no driver, no device, aarch64 under tcg only
    Semihosting,
}

impl Console {
    /// What needs no driver, else one that kernels for Kuasar's sandboxes have: an arm64 one need not
    /// know its machine's PL011.
    const fn of(arch: Arch, accel: Accel) -> Self {
        match (arch, accel) {
            (Arch::X86_64, _) => Console::Serial,
            (Arch::Aarch64, Accel::Tcg) => Console::Semihosting,
            (Arch::Aarch64, Accel::Kvm) => Console::Virtio,
        }
    }
}

const VIRTIO_CONSOLE: &str = "virtconsole,chardev=console";

/// `userspace`: init may call, too (QEMU 7.2 and later).
const SEMIHOSTING: &str = "enable=on,target=native,userspace=on,chardev=console";

/// A device of many ports has a control queue, and the driver fills each queue with pages: on
/// virtio-mmio, where QEMU's have 1024 entries, that is 4 MiB for each.
const ONE_PORT: &str = "max_ports=1";

/// What one start showed.
pub(super) struct Seen {
    pub(super) release: Option<String>,
    pub(super) figures: BTreeMap<Figure, u64>,
    pub(super) log: Vec<Record>,
}

/// Says nothing, asks for nothing, and lets the machine end where the kernel cannot go on.
const OPTIONS: &str = "quiet panic=-1";

/// `initcall_debug` says how long each initcall took; at the addresses that the vmlinux was linked
/// for, a kernel without KALLSYMS names them too. The log holds a few hundred lines more.
const INITCALLS: &str = " initcall_debug nokaslr log_buf_len=4M probe_initcalls=1";

/// Always the same: a kernel's random numbers begin with its command line (init/main.c), and with them
/// would move what it counts. Nothing else in this guest prints.
const NONCE: &str = "5f0c1a7be2d94836";

/// A guest that prints more than this has lost its way.
const CONSOLE_LIMIT: u64 = 8 << 20;

const ERROR_LINES: usize = 20;

impl Guest<'_> {
    /// The kernel's command line, but for the nonce. The last console that works is /dev/console.
    pub(super) fn command_line(&self, accel: Accel) -> String {
        let serial = match self.machine.arch {
            Arch::X86_64 => "console=ttyS0 reboot=t",
            Arch::Aarch64 => "console=ttyAMA0",
        };
        let more = match self.console(accel) {
            Console::Serial => "",
            Console::Virtio => " console=hvc0",
            Console::Semihosting => " probe_semihosting=1",
        };
        format!("{serial}{more} {OPTIONS}")
    }

    fn console(&self, accel: Accel) -> Console {
        self.console.unwrap_or(Console::of(self.machine.arch, accel))
    }

    /// Starts the guest and waits until its init has told all.
    ///
    /// # Errors
    /// If it does not: with the last lines of its console.
    pub(super) fn start(&self, accel: Accel, initcalls: bool, deadline: Duration) -> Result<Seen> {
        let pid_file = self.work_dir.join("qemu.pid");
        // One that a killed run left must not be taken for this one's.
        let _ = std::fs::remove_file(&pid_file);
        let mut line = format!("{} probe_nonce={NONCE}", self.command_line(accel));
        line.push_str(if initcalls { INITCALLS } else { "" });
        let (program, arguments) =
            (self.machine.program(), self.arguments(accel, &line, &pid_file));
        let log = self.work_dir.join("console.log");
        let what = if initcalls { "initcalls of" } else { "measuring" };
        let bar = self.progress.spinner(format!("{what} {} under {}", self.name, accel.name()));
        let mut report = Report::new(NONCE);
        let (mut errors, mut given) = (vec![], None);
        let command = cmd!(self.shell.sh, "{program} {arguments...}");
        let finished = self.shell.stream(command, deadline, Some(&log), |stream, line| {
            match stream {
                Stream::Stdout => report.line(line),
                Stream::Stderr if errors.len() < ERROR_LINES => errors.push(line.to_owned()),
                Stream::Stderr => {}
            }
            if report.numbers.is_some() {
                // The guest waits for this.
                given = Some(pid(&pid_file).and_then(memory::of_process));
            }
            let over = report.is_over() || report.transcript.bytes > CONSOLE_LIMIT;
            if over { Next::Stop } else { Next::Continue }
        })?;
        bar.finish_and_clear();
        let failed = |why: String| Err(self.failure(why, &report, &log));
        match given {
            Some(given) => self.seen(&report, accel, given?),
            None => failed(reason(&report, &finished, &errors)),
        }
    }

    fn seen(&self, report: &Report, accel: Accel, given: Given) -> Result<Seen> {
        let ram = u64::from(self.memory_mib) << 20;
        let bytes = |name: &str| Some(report.number(name)? << 10);
        let less = |from: Option<u64>, what: Option<u64>| from?.checked_sub(what?);
        let (total, available) = (bytes("total_kb"), bytes("available_kb"));
        let figures = [
            (Figure::Start, Some(report.start_ns(accel == Accel::Tcg)?)),
            (Figure::RunInit, report.run_init()),
            (Figure::Resident, Some(given.guest)),
            (Figure::Process, less(Some(given.process), bytes("init_kb"))),
            (Figure::Used, less(total, available)),
            (Figure::Unseen, less(Some(ram), total)),
        ];
        let told = figures.into_iter().filter_map(|(figure, value)| Some((figure, value?)));
        Ok(Seen {
            release: report.release.clone(),
            figures: told.collect(),
            log: report.log.clone(),
        })
    }

    fn failure(&self, why: String, report: &Report, log: &Utf8Path) -> anyhow::Error {
        let mut why = why;
        if !report.transcript.last.is_empty() {
            let last: Vec<&str> = report.transcript.last.iter().map(String::as_str).collect();
            why = format!("{why}; the console's last lines:\n  {}", last.join("\n  "));
        }
        let failed = format!("failed to measure {} ({})", self.name, self.image);
        let hint = match &report.transcript.panic {
            Some(panic) if panic.contains("Unable to mount root fs") => {
                "the kernel took no initramfs: that needs BLK_DEV_INITRD".to_owned()
            }
            _ => format!(
                "init speaks through a console: --console serial takes SERIAL_8250_CONSOLE or \
                 SERIAL_AMBA_PL011_CONSOLE, --console virtio takes VIRTIO_CONSOLE on the machine's \
                 bus ({}); `cargo xtask boot {}` shows how far the kernel comes; the console is {log}",
                self.machine.bus, self.image
            ),
        };
        let error: Result<()> = Err(anyhow!(why).context(failed));
        error.hint(|| hint).err().unwrap_or_else(|| anyhow!("no failure"))
    }

    fn arguments(&self, accel: Accel, line: &str, pid_file: &Utf8Path) -> Vec<String> {
        let ending = if self.machine.bus == Bus::Pci { "pci" } else { "device" };
        let memory = self.memory_mib.to_string();
        let mut arguments: Vec<String> = [
            "-machine",
            &format!("{},memory-backend=ram", self.machine.name),
            // A mapping of its own, whose resident part is what the guest touched.
            "-object",
            &format!("memory-backend-memfd,id=ram,size={memory}M,share=on"),
            "-m",
            &memory,
            "-cpu",
            self.machine.cpu(accel),
            "-accel",
            accel.name(),
            "-nodefaults",
            "-no-user-config",
            "-no-reboot",
            "-display",
            "none",
            "-pidfile",
            pid_file.as_str(),
            "-chardev",
            "stdio,id=console,mux=on,signal=off",
            "-serial",
            "chardev:console",
            "-kernel",
            self.image.as_str(),
            "-initrd",
            self.initramfs.as_str(),
            "-append",
            line,
        ]
        .map(str::to_owned)
        .into();
        let device = format!("virtio-serial-{ending},{ONE_PORT}");
        let console: &[&str] = match self.console(accel) {
            Console::Serial => &[],
            Console::Virtio => &["-device", &device, "-device", VIRTIO_CONSOLE],
            Console::Semihosting => &["-semihosting-config", SEMIHOSTING],
        };
        arguments.extend(console.iter().map(|argument| (*argument).to_owned()));
        for global in self.machine.globals {
            arguments.extend(["-global".to_owned(), (*global).to_owned()]);
        }
        if accel == Accel::Tcg {
            arguments.extend(EXACT.map(str::to_owned));
        }
        arguments
    }
}

/// What makes two emulated starts alike: each instruction is a nanosecond, an idle CPU's clock goes
/// on to its next timer at once, the clock on the wall stands where it stood and goes with the
/// guest's, and so do the random numbers that the machine hands out.
const EXACT: [&str; 6] =
    ["-icount", "shift=0,sleep=off", "-rtc", "base=2000-01-01,clock=vm", "-seed", "1"];

fn pid(file: &Utf8PathBuf) -> Result<u32> {
    let text = std::fs::read_to_string(file).with_context(|| format!("failed to read {file}"))?;
    text.trim().parse().with_context(|| format!("failed to read QEMU's pid in {file}"))
}

/// Why a guest that told nothing is taken for failed.
fn reason(report: &Report, finished: &Finished, errors: &[String]) -> String {
    let how = finished.how();
    match (&report.transcript.panic, &report.garbled) {
        (Some(panic), _) => format!("kernel panic: {panic}"),
        (_, Some(line)) => format!("the guest garbled a line: `{line}`"),
        _ if report.transcript.bytes > CONSOLE_LIMIT => {
            format!("the guest flooded its console: {} bytes and no end", report.transcript.bytes)
        }
        _ if finished.timed_out => format!("init told nothing: {how}"),
        _ if finished.success() => "the machine ended before init told anything".to_owned(),
        _ => format!("QEMU failed: {how}: {}", errors.join("\n")),
    }
}
