//! The guest's whole root file system: the probe as /init, the files it reads, and the two device
//! nodes that it needs before it can mount devtmpfs.

use std::io::Write;

use anyhow::{Context, Result};
use camino::Utf8Path;
use cpio::newc::{Builder, ModeFileType, trailer};
use flate2::Compression;
use flate2::write::GzEncoder;

/// Writes to `path` an initramfs with `probe` as its /init and `files` beside it, in the format of the kernel's
/// Documentation/driver-api/early-userspace/buffer-format.rst. The same probe gives the same bytes.
pub(crate) fn write(
    path: &Utf8Path,
    probe: &Utf8Path,
    files: &[(&'static str, Vec<u8>)],
    gzip: bool,
) -> Result<()> {
    let init = std::fs::read(probe).with_context(|| format!("failed to read {probe}"))?;
    let mut archive = archive(&init, files).context("failed to make the initramfs")?;
    if gzip {
        // flate2 puts no time and no name into the header unless told to.
        let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(&archive).context("failed to compress the initramfs")?;
        archive = encoder.finish().context("failed to compress the initramfs")?;
    }
    std::fs::write(path, archive).with_context(|| format!("failed to write initramfs {path}"))
}

fn archive(init: &[u8], files: &[(&'static str, Vec<u8>)]) -> std::io::Result<Vec<u8>> {
    let regular =
        |name, mode| Builder::new(name).mode(mode).set_mode_file_type(ModeFileType::Regular);
    // Numbers of the kernel's Documentation/admin-guide/devices.txt.
    let first = [
        (Builder::new("dev").mode(0o755).set_mode_file_type(ModeFileType::Directory), &[][..]),
        (node("dev/console", 5, 1), &[]),
        (node("dev/kmsg", 1, 11), &[]),
        (regular("init", 0o755), init),
    ];
    let others = files.iter().map(|(name, data)| (regular(name, 0o644), data.as_slice()));
    let mut archive = Vec::new();
    for (inode, (file, data)) in (1..).zip(first.into_iter().chain(others)) {
        let size = u32::try_from(data.len()).map_err(std::io::Error::other)?;
        let mut writer = file.ino(inode).nlink(1).write(archive, size);
        writer.write_all(data)?;
        archive = writer.finish()?;
    }
    trailer(archive)
}

fn node(name: &str, major: u32, minor: u32) -> Builder {
    Builder::new(name)
        .mode(0o600)
        .set_mode_file_type(ModeFileType::Char)
        .rdev_major(major)
        .rdev_minor(minor)
}

#[cfg(test)]
mod tests {
    use super::*;
    use cpio::newc::Reader;

    #[test]
    fn holds_init_and_nodes() {
        let init: Vec<u8> = (0..1001u32).map(|n| n as u8).collect();
        let files = [("checks", b"a\nb\n".to_vec())];
        let bytes = archive(&init, &files).unwrap();
        assert_eq!(bytes, archive(&init, &files).unwrap(), "the same in, the same out");
        let mut rest = &bytes[..];
        let mut seen = vec![];
        loop {
            let mut reader = Reader::new(rest).unwrap();
            if reader.entry().is_trailer() {
                break;
            }
            let entry = reader.entry();
            seen.push(format!(
                "{} {:o} {}:{}",
                entry.name(),
                entry.mode(),
                entry.rdev_major(),
                entry.rdev_minor()
            ));
            let mut data = vec![];
            std::io::Read::read_to_end(&mut reader, &mut data).unwrap();
            assert!(data.is_empty() || data == init || data == files[0].1);
            rest = reader.finish().unwrap();
        }
        assert_eq!(
            seen,
            [
                "dev 40755 0:0",
                "dev/console 20600 5:1",
                "dev/kmsg 20600 1:11",
                "init 100755 0:0",
                "checks 100644 0:0"
            ]
        );
    }
}
