//! Small trees with what `conf` of some kernels makes of them (`tests/data/ok`; ci/kconfig/agree.sh
//! asks it again), and broken ones with what is said of them (`tests/data/err`; in the language of
//! the version in their file `kernel`).

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

/// Of a name like `6.12` or `6.12.expected`.
fn dialect(name: &str) -> Dialect {
    let numbers: Vec<u32> = name.split('.').map_while(|part| part.trim().parse().ok()).collect();
    let [version, level] = numbers[..] else { panic!("{name} begins with no version") };
    Dialect::of(version, level)
}

fn all_modes(case: &Path, dialect: Dialect) -> String {
    let asked = std::fs::read_to_string(case.join("asked")).unwrap();
    let (model, problems) = kconfig::parse(&Folder(case.to_owned()), "Kconfig", dialect);
    let errors = problems.iter().filter(|one| one.severity == Severity::Error);
    assert_eq!(errors.count(), 0, "{}: {problems:?}", case.display());
    // One that was kept is as good as one that was just read.
    let model = kconfig::Model::from_bytes(&model.to_bytes()).unwrap();
    let mut text = String::new();
    for (name, mode) in Mode::NAMES {
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
        let files = case.read_dir().unwrap().map(|entry| entry.unwrap().path());
        let mut files: Vec<PathBuf> =
            files.filter(|file| file.extension().is_some_and(|e| e == "expected")).collect();
        files.sort();
        assert!(!files.is_empty(), "{}: nothing is expected of it", case.display());
        for file in files {
            let expected = std::fs::read_to_string(&file).unwrap();
            let got = all_modes(&case, dialect(file.file_name().unwrap().to_str().unwrap()));
            if got != expected {
                let lines = got.lines().zip(expected.lines());
                let first = lines.enumerate().find(|(_, (got, expected))| got != expected);
                wrong.push(format!("{}: {first:?}", file.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn broken_trees_are_told_with_their_place() {
    let mut wrong = vec![];
    for case in cases("err") {
        let kernel = std::fs::read_to_string(case.join("kernel"));
        let dialect = dialect(kernel.as_deref().unwrap_or("6.12"));
        let (model, problems) = kconfig::parse(&Folder(case.clone()), "Kconfig", dialect);
        assert!(!problems.is_empty(), "{}: nothing is wrong with it", case.display());
        let mut got = String::new();
        for problem in &problems {
            let (path, line) = (model.path(problem.location.file), problem.location.line);
            let severity = problem.severity;
            writeln!(got, "{path}:{line}: {severity:?}: {:?}", problem.problem).unwrap();
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
