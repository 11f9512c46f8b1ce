//! One run at a time in a folder.

use std::fs::File;
use std::io::{ErrorKind, Write as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result};
use camino::{Utf8Path, Utf8PathBuf};
use rustix::fs::{FlockOperation, flock};
use rustix::io::{FdFlags, fcntl_setfd};

use crate::progress::Progress;
use crate::shell::Shell;

/// Held by the one run that may write in a folder; the system lets go of it when the run ends,
/// however it ends. It is the folder itself that is locked.
#[derive(Debug)]
pub(crate) struct Lock {
    /// Removed before the folder is unlocked: fields are dropped in this order.
    _mark: Option<Mark>,
    #[expect(dead_code, reason = "closing the file is what unlocks")]
    folder: File,
}

impl Lock {
    /// For a run whose processes work in the folder, too: where it is killed and its make lives on, the
    /// next run waits for that. Waits, and says so, while another run holds it.
    pub(crate) fn take(shell: &Shell, progress: Progress, folder: &Utf8Path) -> Result<Self> {
        let lock = Self::take_for_files(shell, progress, folder)?;
        let path = folder.join(".run");
        let mut said = false;
        while is_worked_in(&path) {
            wait(shell, progress, folder, &mut said)?;
        }
        let mark = Mark::leave(path).with_context(|| format!("failed to lock folder {folder}"))?;
        Ok(Lock { _mark: Some(mark), ..lock })
    }

    /// For a run that itself writes all there is to write.
    pub(crate) fn take_for_files(
        shell: &Shell,
        progress: Progress,
        folder: &Utf8Path,
    ) -> Result<Self> {
        std::fs::create_dir_all(folder)
            .with_context(|| format!("failed to create folder {folder}"))?;
        let file = File::open(folder).with_context(|| format!("failed to open folder {folder}"))?;
        let mut said = false;
        loop {
            match flock(&file, FlockOperation::NonBlockingLockExclusive) {
                Ok(()) => return Ok(Lock { folder: file, _mark: None }),
                Err(rustix::io::Errno::WOULDBLOCK) => {}
                Err(error) => {
                    return Err(error).with_context(|| format!("failed to lock folder {folder}"));
                }
            }
            wait(shell, progress, folder, &mut said)?;
        }
    }
}

fn wait(shell: &Shell, progress: Progress, folder: &Utf8Path, said: &mut bool) -> Result<()> {
    if !std::mem::replace(said, true) {
        progress.say(format!("waiting for another run that works in {folder}"));
    }
    shell.check_interrupt()?;
    std::thread::sleep(Duration::from_millis(100));
    Ok(())
}

/// A file that all processes of a run have open, and that goes with the run unless it is killed. It names
/// the run's session: a daemon that a build started has it open for as long as it lives, and has left the
/// session (daemon(3)).
#[derive(Debug)]
struct Mark {
    path: Utf8PathBuf,
    _open: File,
}

impl Mark {
    /// In place of the one that a killed run left.
    fn leave(path: Utf8PathBuf) -> Result<Self> {
        match std::fs::remove_file(&path) {
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(error.into()),
            _ => {}
        }
        let mut file = File::create_new(&path)?;
        let session = session(Path::new("/proc/self")).unwrap_or_default();
        file.write_all(session.as_bytes())?;
        fcntl_setfd(&file, FdFlags::empty())?;
        Ok(Mark { path, _open: file })
    }
}

impl Drop for Mark {
    fn drop(&mut self) {
        // One that stays is of a run that is over, and the next run sees that.
        let _ = std::fs::remove_file(&self.path);
    }
}

/// Whether processes of the run that left the mark are still there (proc_pid_stat(5), proc_pid_fd(5)).
fn is_worked_in(mark: &Utf8Path) -> bool {
    let Ok(metadata) = mark.metadata() else { return false };
    let left_by = std::fs::read_to_string(mark).unwrap_or_default();
    let is_mark = |file: std::fs::DirEntry| {
        let file = std::fs::metadata(file.path());
        file.is_ok_and(|file| (file.dev(), file.ino()) == (metadata.dev(), metadata.ino()))
    };
    let has_it_open = |process: &Path| {
        let files = std::fs::read_dir(process.join("fd")).into_iter().flatten().flatten();
        session(process).is_some_and(|of| of == left_by) && files.into_iter().any(is_mark)
    };
    let processes = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    processes.into_iter().any(|process| has_it_open(&process.path()))
}

/// The number of a process's session.
fn session(process: &Path) -> Option<String> {
    let stat = std::fs::read_to_string(process.join("stat")).ok()?;
    // The program's name is in parentheses, and may have any; then come state, parent and group.
    let after = stat.rsplit(')').next()?;
    after.split_ascii_whitespace().nth(3).map(str::to_owned)
}
