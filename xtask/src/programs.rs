//! Programs that PATH leads to.

use camino::Utf8PathBuf;

use crate::shell::Shell;

/// The file of this program (proc(5)), also once another one was put in its place: builds do that
/// while a run takes hours.
pub(crate) const THIS: &str = "/proc/self/exe";

/// Whether a program is where the shell's own commands would be looked for.
pub(crate) fn on_path(shell: &Shell, program: &str) -> bool {
    which(shell, program).is_some()
}

/// Where the program is, if PATH leads to it.
pub(crate) fn which(shell: &Shell, program: &str) -> Option<Utf8PathBuf> {
    let path = shell.sh.var_os("PATH");
    let found = which::which_in(program, path, shell.sh.current_dir()).ok()?;
    Utf8PathBuf::from_path_buf(found).ok()
}
