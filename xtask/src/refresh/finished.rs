//! What earlier runs have finished: a file for each piece of work, below the key of the kernel that it
//! is about.

use anyhow::{Context, Result};
use camino::{Utf8Path, Utf8PathBuf};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::{files, hash, programs};

/// `target/guest-kernel/refresh`
pub(crate) struct Finished {
    folder: Utf8PathBuf,
    /// Hash of this program: another one boots and measures otherwise.
    tool: String,
}

impl Finished {
    /// # Errors
    /// If this program cannot be read.
    pub(crate) fn new(work: &Utf8Path) -> Result<Self> {
        let tool = hash::of_file(Utf8Path::new(programs::THIS))?;
        Ok(Finished { folder: work.join("refresh"), tool })
    }

    /// What an earlier run found for the kernel with this key, or what `work` finds now. `of` is all else
    /// that decides it. What `keeps` refuses is to be done again.
    ///
    /// # Errors
    /// If the work fails, or its result cannot be written.
    pub(crate) fn or<T: Serialize + DeserializeOwned>(
        &self,
        (key, what): (&str, &str),
        of: &impl Serialize,
        keeps: impl Fn(&T) -> bool,
        work: impl FnOnce() -> Result<T>,
    ) -> Result<(T, Seen)> {
        let of =
            serde_json::to_vec(&(key, what, of, &self.tool)).context("failed to write JSON")?;
        let folder = self.folder.join(short(key));
        let path = folder.join(format!("{what}-{}.json", short(&hash::of_bytes(of))));
        let known = std::fs::read(&path).ok().and_then(|json| serde_json::from_slice(&json).ok());
        if let Some(known) = known.filter(&keeps) {
            return Ok((known, Seen::Before));
        }
        let result = work()?;
        if keeps(&result) {
            let json = serde_json::to_vec(&result).context("failed to write JSON")?;
            files::replace(&path, &json)?;
        }
        Ok((result, Seen::Now))
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Seen {
    Before,
    Now,
}

fn short(hash: &str) -> &str {
    hash.get(..16).unwrap_or(hash)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn work_is_done_once_for_the_same_inputs_if_it_is_worth_keeping() {
        let dir = tempfile::tempdir().unwrap();
        let finished = Finished::new(Utf8Path::from_path(dir.path()).unwrap()).unwrap();
        let of = |key: &str, of: u32, result: u32| {
            finished.or((key, "boot"), &of, |found: &u32| *found > 0, || Ok(result)).unwrap()
        };
        assert_eq!(of("key", 1, 0), (0, Seen::Now));
        assert_eq!(of("key", 1, 7), (7, Seen::Now));
        assert_eq!(of("key", 1, 8), (7, Seen::Before));
        assert_eq!(of("key", 2, 8), (8, Seen::Now));
        assert_eq!(of("other", 1, 9), (9, Seen::Now));
        let files = std::fs::read_dir(dir.path().join("refresh/key")).unwrap();
        let files: Vec<_> = files.map(|entry| entry.unwrap().path()).collect();
        assert_eq!(files.len(), 2, "{files:?}");
        files.iter().for_each(|file| std::fs::write(file, "{ cut").unwrap());
        assert_eq!(of("key", 1, 5), (5, Seen::Now), "a damaged file is no result");
    }
}
