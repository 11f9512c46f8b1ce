//! Trees on disk: the engine's own cases, and the tests that a kernel tree brings for its `conf`.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use crate::Tally;
use crate::judge::{Case, MODES};

/// Compares the trees in these folders and below.
pub(crate) fn compare(
    tally: &mut Tally<'_>,
    version: &str,
    folders: &[String],
) -> Result<(), String> {
    for folder in folders {
        let mut found = vec![];
        trees_below(Path::new(folder), &mut found).map_err(|e| format!("{folder}: {e}"))?;
        if found.is_empty() {
            return Err(format!("{folder} has no folder with a Kconfig file"));
        }
        for tree in found {
            one(tally, version, &tree).map_err(|e| format!("{}: {e}", tree.display()))?;
        }
    }
    Ok(())
}

fn trees_below(folder: &Path, found: &mut Vec<PathBuf>) -> std::io::Result<()> {
    if folder.join("Kconfig").is_file() {
        found.push(folder.to_owned());
        return Ok(());
    }
    let mut inside: Vec<PathBuf> =
        folder.read_dir()?.map(|entry| Ok(entry?.path())).collect::<std::io::Result<_>>()?;
    inside.sort();
    inside.iter().filter(|path| path.is_dir()).try_for_each(|path| trees_below(path, found))
}

fn one(tally: &mut Tally<'_>, version: &str, folder: &Path) -> Result<(), String> {
    let files = files(folder).map_err(|e| e.to_string())?;
    let is_asked = |name: &&String| {
        let name = name.to_lowercase();
        !name.starts_with("kconfig") && (name.contains("config") || name == "asked")
    };
    let texts = files.iter().filter(|(name, _)| is_asked(name));
    let asked = texts.map(|(_, text)| String::from_utf8_lossy(text).into_owned());
    let mut asked: Vec<String> = asked.collect();
    if !files.contains_key("asked") {
        asked.push(String::new());
    }
    for asked in asked {
        let case = Case { files: files.clone(), asked };
        if tally.compare(&case)?.is_some() {
            tally.show(&folder.display().to_string(), &case);
        }
        let expected = folder.join(format!("{version}.expected"));
        if expected.is_file() {
            let (made, _) = tally.judge.theirs(&case).map_err(|e| e.to_string())?;
            let made = made.ok_or("conf refuses a case that has an expected file")?;
            fs::write(expected, as_expected(&made)).map_err(|e| e.to_string())?;
        }
    }
    Ok(())
}

/// As the engine's tests read it.
fn as_expected(made: &[(String, String)]) -> String {
    let mut text = String::new();
    for ((name, _), (config, defconfig)) in MODES.iter().zip(made) {
        let _ = write!(text, "== {name}\n{config}== savedefconfig\n{defconfig}");
    }
    text
}

fn files(folder: &Path) -> std::io::Result<BTreeMap<String, Vec<u8>>> {
    let mut found = BTreeMap::new();
    for entry in folder.read_dir()? {
        let entry = entry?;
        if entry.file_type()?.is_file() {
            let name = entry.file_name().to_string_lossy().into_owned();
            found.insert(name, fs::read(entry.path())?);
        }
    }
    Ok(found)
}
