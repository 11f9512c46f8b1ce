//! Small trees with what `conf` makes of them (`tests/data/ok`; ci/kconfig/cases.sh asks it again), and
//! broken ones with what is said of them (`tests/data/err`).

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::borrow::Cow;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use kconfig::{Config, Dialect, Host, Mode, Severity};

/// A folder on disk, with a real shell and no environment.
struct Folder(PathBuf);

impl Host for Folder {
    fn read(&self, path: &str) -> Option<Vec<u8>> {
        std::fs::read(self.0.join(path)).ok()
    }

    #[expect(clippy::disallowed_methods, reason = "the tool's own shell is another crate's")]
    fn shell(&self, command: &str) -> Result<String, String> {
        let run = Command::new("sh").args(["-c", command]).current_dir(&self.0).output();
        run.map(|out| String::from_utf8_lossy(&out.stdout).into_owned()).map_err(|e| e.to_string())
    }

    fn env(&self, _name: &str) -> Option<Cow<'_, str>> {
        None
    }
}

fn cases(kind: &str) -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data").join(kind);
    let mut cases: Vec<PathBuf> =
        folder.read_dir().unwrap().map(|entry| entry.unwrap().path()).collect();
    cases.sort();
    assert!(!cases.is_empty(), "{} is empty", folder.display());
    cases
}

/// In the order of the expected file.
const MODES: [Mode; 5] =
    [Mode::AllNo, Mode::AllYes, Mode::AllMod, Mode::AllDefault, Mode::OldDefault];

fn all_modes(case: &Path, dialect: Dialect) -> String {
    let asked = std::fs::read_to_string(case.join("asked")).unwrap();
    let (model, problems) = kconfig::parse(&Folder(case.to_owned()), "Kconfig", dialect);
    let errors = problems.iter().filter(|one| one.severity == Severity::Error);
    assert_eq!(errors.count(), 0, "{}: {problems:?}", case.display());
    // One that was kept is as good as one that was just read.
    let model = kconfig::Model::from_bytes(&model.to_bytes()).unwrap();
    let mut text = String::new();
    for mode in MODES {
        let name = Mode::NAMES.iter().find(|(_, named)| *named == mode).unwrap().0;
        let (mut config, _) = Config::resolve(&model, mode, Some(&asked));
        let written = config.dot_config();
        let (mut config, _) = Config::resolve(&model, Mode::OldDefault, Some(&written));
        write!(text, "== {name}\n{written}== savedefconfig\n{}", config.defconfig()).unwrap();
    }
    text
}

#[test]
fn small_trees_come_out_as_conf_makes_them() {
    let mut wrong = vec![];
    for case in cases("ok") {
        for (name, dialect) in [("modern", Dialect::of(6, 12)), ("classic", Dialect::of(6, 1))] {
            let Ok(expected) = std::fs::read_to_string(case.join(format!("{name}.expected")))
            else {
                continue;
            };
            let got = all_modes(&case, dialect);
            if got != expected {
                let lines = got.lines().zip(expected.lines());
                let first = lines.enumerate().find(|(_, (got, expected))| got != expected);
                wrong.push(format!("{} {name}: {first:?}", case.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn broken_trees_are_told_with_their_place() {
    let mut wrong = vec![];
    for case in cases("err") {
        let (model, problems) =
            kconfig::parse(&Folder(case.clone()), "Kconfig", Dialect::of(6, 12));
        assert!(!problems.is_empty(), "{}: nothing is wrong with it", case.display());
        let mut got = String::new();
        for problem in &problems {
            let (path, line) = (model.path(problem.location.file), problem.location.line);
            writeln!(got, "{path}:{line}: {:?}", problem.problem).unwrap();
        }
        // Whatever it is, it has values.
        Config::resolve(&model, Mode::AllYes, None).0.dot_config();
        let file = case.join("expected");
        if std::env::var_os("UPDATE_EXPECTED").is_some() {
            std::fs::write(&file, &got).unwrap();
        }
        if std::fs::read_to_string(&file).unwrap_or_default() != got {
            wrong.push(format!("{}:\n{got}", case.display()));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
