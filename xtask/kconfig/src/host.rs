//! What the engine needs of the world. It does no I/O of its own.

use std::borrow::Cow;

/// The world around a Kconfig tree, as its caller lets the engine see it.
pub trait Host {
    /// The bytes of a Kconfig file, by the path that a `source` statement names (relative to the
    /// tree); `None` if there is none.
    fn read(&self, path: &str) -> Option<Vec<u8>>;

    /// What `sh -c COMMAND` prints on stdout.
    ///
    /// # Errors
    /// If the command could not be run at all, in words for people. That it fails is no error: the
    /// language looks at what was printed only.
    fn shell(&self, command: &str) -> Result<String, String>;

    /// The value of an environment variable.
    fn env(&self, name: &str) -> Option<Cow<'_, str>>;
}
