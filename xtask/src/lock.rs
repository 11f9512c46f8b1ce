//! One run at a time in a folder.

use std::fs::File;
use std::time::Duration;

use anyhow::{Context, Result};
use camino::Utf8Path;
use rustix::fs::{FlockOperation, flock};
use rustix::io::{FdFlags, fcntl_setfd};

use crate::progress::Progress;
use crate::shell::Shell;

/// Held by the one run that may write in a folder; the system lets go of it when the run ends,
/// however it ends. It is the folder itself that is locked: nothing is left behind. The processes
/// that the run starts hold it too: where a run is killed and its make lives on, the next one waits.
pub(crate) struct Lock(#[expect(dead_code, reason = "closing the file is what unlocks")] File);

impl Lock {
    /// Waits, and says so, while another run holds it.
    pub(crate) fn take(shell: &Shell, progress: Progress, folder: &Utf8Path) -> Result<Self> {
        std::fs::create_dir_all(folder)
            .with_context(|| format!("failed to create folder {folder}"))?;
        let file = File::open(folder).with_context(|| format!("failed to open folder {folder}"))?;
        let mut said = false;
        loop {
            match flock(&file, FlockOperation::NonBlockingLockExclusive) {
                Ok(()) => return inherited(file),
                Err(rustix::io::Errno::WOULDBLOCK) => {}
                Err(error) => {
                    return Err(error).with_context(|| format!("failed to lock folder {folder}"));
                }
            }
            if !said {
                progress.say(format!("waiting for another run that works in {folder}"));
                said = true;
            }
            shell.check_interrupt()?;
            std::thread::sleep(Duration::from_millis(100));
        }
    }
}

fn inherited(file: File) -> Result<Lock> {
    fcntl_setfd(&file, FdFlags::empty()).context("failed to hand a lock on")?;
    Ok(Lock(file))
}
