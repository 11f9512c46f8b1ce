//! A file out of a Debian package (deb(5)), where there is no dpkg: an ar(5) archive with a tar archive
//! of the files in it.

use std::fs::File;
use std::io::{self, BufReader, Read, Seek, SeekFrom};

use anyhow::{Context, Result, anyhow, bail, ensure};
use camino::Utf8Path;

const MAGIC: &[u8] = b"!<arch>\n";

/// Bytes of a member's head: its name has the first 16, its size 10 from the 48th on, both filled with
/// blanks.
const HEAD: usize = 60;

/// Writes the file at `path` in the package (from the root, without a slash before it) to `to`.
///
/// # Errors
/// If the file is no package, or has no such file.
pub(super) fn extract(package: &Utf8Path, path: &str, to: &Utf8Path) -> Result<()> {
    let mut file = File::open(package).with_context(|| format!("failed to open {package}"))?;
    let (packing, size) =
        data(&mut file).with_context(|| format!("{package} is no package of Debian's"))?;
    let data = BufReader::with_capacity(1 << 18, file).take(size);
    let files: Box<dyn Read> = match packing.as_str() {
        "" => Box::new(data),
        ".gz" => Box::new(flate2::bufread::MultiGzDecoder::new(data)),
        ".xz" => Box::new(liblzma::bufread::XzDecoder::new_multi_decoder(data)),
        other => bail!("{package} is packed as {other}, which is not known here"),
    };
    let mut files = tar::Archive::new(files);
    for entry in files.entries().with_context(|| format!("failed to read {package}"))? {
        let mut entry = entry.with_context(|| format!("failed to read {package}"))?;
        let name = entry.path_bytes();
        if name.strip_prefix(b"./").unwrap_or(&name) != path.as_bytes() {
            continue;
        }
        ensure!(entry.header().entry_type().is_file(), "/{path} of {package} is no file");
        let mut target = File::create(to).with_context(|| format!("failed to create {to}"))?;
        io::copy(&mut entry, &mut target).with_context(|| format!("failed to write {to}"))?;
        return Ok(());
    }
    Err(anyhow!("{package} has no /{path}"))
}

/// How the archive of the files is packed, by its name's ending, and its size; the file stands at its
/// beginning then.
fn data(file: &mut File) -> Result<(String, u64)> {
    let mut magic = [0; MAGIC.len()];
    file.read_exact(&mut magic)?;
    ensure!(magic == MAGIC, "it does not begin as ar archives do");
    loop {
        let mut head = [0; HEAD];
        file.read_exact(&mut head).context("it has no data")?;
        let text = std::str::from_utf8(&head).context("a member has no name")?;
        let field = |from: usize, to: usize| text.get(from..to).unwrap_or_default().trim();
        let size: u64 = field(48, 58).parse().context("a member has no size")?;
        if let Some(packing) = field(0, 16).trim_end_matches('/').strip_prefix("data.tar") {
            return Ok((packing.to_owned(), size));
        }
        // Members begin at even places.
        let rest = i64::try_from(size + size % 2).context("a member is too big")?;
        file.seek(SeekFrom::Current(rest))?;
    }
}
