//! SIGINT, SIGTERM and SIGHUP. Who waits or works in steps asks `check_interrupt` and ends in order; what
//! computes or blocks for long is ended from here.

use std::collections::BTreeSet;
use std::process::Child;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use rustix::process::{Pid, Signal, kill_process_group};

/// How long the program may take to see that it is to end; and to end, once it has seen it: processes have
/// 2 s to end after SIGTERM.
const TO_SEE: Duration = Duration::from_millis(700);
const TO_END: Duration = Duration::from_secs(5);

/// A signal that comes so soon after the first is the same wish: timeout(1) signals a process and then its
/// group.
const AT_ONCE: Duration = Duration::from_millis(100);

/// The groups of processes that run now.
static GROUPS: Mutex<BTreeSet<u32>> = Mutex::new(BTreeSet::new());

/// Held while something is done that is not to be ended halfway.
static WHOLE: Mutex<()> = Mutex::new(());

/// Whether the user asked to stop, and whether anybody has seen that.
#[derive(Debug, Default)]
pub(super) struct Stop {
    asked: AtomicBool,
    seen: AtomicBool,
}

impl Stop {
    /// Takes over the signals for the life of the program. The first asks to stop; the second calls `end`,
    /// which ends the program, and so does the first where nobody sees it.
    pub(super) fn on_signal(end: fn()) -> Result<Arc<Self>> {
        let stop = Arc::new(Stop::default());
        let (of_handler, mut first) = (Arc::clone(&stop), None::<Instant>);
        ctrlc::set_handler(move || match first {
            Some(at) if at.elapsed() > AT_ONCE => end_all(end),
            Some(_) => {}
            None => {
                first = Some(Instant::now());
                of_handler.asked.store(true, Ordering::SeqCst);
                let stop = Arc::clone(&of_handler);
                std::thread::spawn(move || stop.end_if_unseen(end));
            }
        })
        .context("failed to take over the interrupt signal")?;
        Ok(stop)
    }

    /// Whether to stop; whoever asks ends what it does.
    pub(super) fn is_asked(&self) -> bool {
        let asked = self.asked.load(Ordering::SeqCst);
        if asked {
            self.seen.store(true, Ordering::SeqCst);
        }
        asked
    }

    fn end_if_unseen(&self, end: fn()) {
        std::thread::sleep(TO_SEE);
        if self.seen.load(Ordering::SeqCst) {
            std::thread::sleep(TO_END);
        }
        end_all(end);
    }
}

/// Ends all that was started, and then the program.
fn end_all(end: fn()) {
    let groups = GROUPS.lock().unwrap_or_else(PoisonError::into_inner);
    let number = |group: &u32| i32::try_from(*group).ok().and_then(Pid::from_raw);
    for group in groups.iter().filter_map(number) {
        // It may have ended meanwhile.
        let _ = kill_process_group(group, Signal::KILL);
    }
    let _whole = whole();
    end();
}

/// While this is kept, the program is not ended. For what takes milliseconds.
pub(crate) fn whole() -> MutexGuard<'static, ()> {
    WHOLE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Starts the leader of a group of processes, which ends with the program.
pub(super) fn start(start: impl FnOnce() -> Result<Child>) -> Result<Child> {
    // Once all is to end, nothing is started any more.
    let mut groups = GROUPS.lock().unwrap_or_else(PoisonError::into_inner);
    let leader = start()?;
    groups.insert(leader.id());
    Ok(leader)
}

/// The group is over: its number may soon be another's.
pub(super) fn ended(leader: &Child) {
    GROUPS.lock().unwrap_or_else(PoisonError::into_inner).remove(&leader.id());
}
