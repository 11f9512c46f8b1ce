//! The only place that words errors and findings for people.

use std::fmt;

use anyhow::Error;

/// An error with what to do next.
#[derive(Debug)]
pub struct Hinted {
    error: Error,
    hint: String,
}

impl fmt::Display for Hinted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.error.fmt(f)
    }
}

impl std::error::Error for Hinted {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.error.source()
    }
}

/// Adds to an error what its reader can do about it; shown last, as `hint: …`.
pub trait Hint<T> {
    fn hint<S: Into<String>>(self, hint: impl FnOnce() -> S) -> anyhow::Result<T>;
}

impl<T, E: Into<Error>> Hint<T> for Result<T, E> {
    fn hint<S: Into<String>>(self, hint: impl FnOnce() -> S) -> anyhow::Result<T> {
        self.map_err(|error| Error::new(Hinted { error: error.into(), hint: hint().into() }))
    }
}

/// Prints a result on stdout. A reader that has gone away is no error.
pub fn print_result(text: &str) -> anyhow::Result<()> {
    use std::io::Write;
    match writeln!(anstream::stdout(), "{}", text.trim_end()) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => Err(error.into()),
        _ => Ok(()),
    }
}
