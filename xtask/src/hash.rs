//! sha256 in lower-case hex, of bytes and of files.

use std::fmt::Write;
use std::fs::File;
use std::io::Read;

use anyhow::{Context, Result};
use camino::Utf8Path;
use sha2::{Digest, Sha256};

pub(crate) fn hex(digest: impl AsRef<[u8]>) -> String {
    let bytes = digest.as_ref();
    bytes.iter().fold(String::with_capacity(2 * bytes.len()), |mut text, byte| {
        // Writing to a String does not fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

pub(crate) fn of_bytes(bytes: impl AsRef<[u8]>) -> String {
    hex(Sha256::digest(bytes))
}

pub(crate) fn of_file(path: &Utf8Path) -> Result<String> {
    let failed = || format!("failed to read {path}");
    let mut file = File::open(path).with_context(failed)?;
    let mut hasher = Sha256::new();
    let mut buffer = vec![0; 1 << 17];
    loop {
        let read = file.read(&mut buffer).with_context(failed)?;
        if read == 0 {
            return Ok(hex(hasher.finalize()));
        }
        hasher.update(&buffer[..read]);
    }
}

/// Whether the file is there, and has this size and hash.
pub(crate) fn is_of_file(sha256: &str, size: u64, path: &Utf8Path) -> bool {
    std::fs::metadata(path).is_ok_and(|metadata| metadata.len() == size)
        && of_file(path).is_ok_and(|found| found == sha256)
}
