//! What the tree's own `conf` makes of a tree, and what the engine makes of it.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use kconfig::{Config, Dialect, Host, Mode, Severity};

/// A Kconfig tree, and what is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Case {
    /// Text by path; `Kconfig` is the first file that is read.
    pub(crate) files: BTreeMap<String, Vec<u8>>,
    /// A `.config`.
    pub(crate) asked: String,
}

/// What came out, by mode: the `.config`, and the defconfig that it comes to. `None` if the tree was
/// refused.
pub(crate) type Made = Option<Vec<(String, String)>>;

const KCONFIG: &str = "Kconfig";

/// The modes that are compared.
pub(crate) const MODES: [(&str, Mode); 6] = Mode::NAMES;

pub(crate) struct Judge {
    conf: PathBuf,
    dialect: Dialect,
    /// Where `conf` runs.
    folder: PathBuf,
}

/// How a tree's own tool and the engine differ.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Difference {
    pub(crate) what: String,
    pub(crate) theirs: String,
    pub(crate) ours: String,
}

impl Difference {
    /// A tree that differs in another way shows another fault.
    pub(crate) fn is_like(&self, other: &Difference) -> bool {
        let is_refusal = |one: &Difference| one.what.starts_with("conf ");
        self.what == other.what || !is_refusal(self) && !is_refusal(other)
    }
}

impl Host for Case {
    fn read(&self, path: &str) -> Option<Vec<u8>> {
        self.files.get(path).cloned()
    }

    #[expect(clippy::disallowed_methods, reason = "the tool's own shell is another crate's")]
    fn shell(&self, command: &str) -> Result<String, String> {
        let run = Command::new("sh").args(["-c", command]).output();
        run.map(|out| String::from_utf8_lossy(&out.stdout).into_owned()).map_err(|e| e.to_string())
    }

    fn env(&self, _name: &str) -> Option<Cow<'_, str>> {
        None
    }
}

impl Judge {
    pub(crate) fn new(conf: &Path, kernel: (u32, u32), folder: &Path) -> Self {
        let (conf, folder) = (conf.to_owned(), folder.to_owned());
        Judge { conf, dialect: Dialect::of(kernel.0, kernel.1), folder }
    }

    /// How the two differ, and whether the tree was refused.
    pub(crate) fn compare(&self, case: &Case) -> std::io::Result<(Option<Difference>, bool)> {
        let (theirs, said) = self.theirs(case)?;
        let (ours, found) = self.ours(case);
        let difference = match (theirs, ours) {
            (None, None) => return Ok((None, true)),
            (None, Some(_)) => difference("conf refuses it", said, found),
            (Some(_), None) => difference("conf takes it", said, found),
            (Some(theirs), Some(ours)) => {
                let mut pairs = MODES.iter().zip(theirs.into_iter().zip(ours));
                let found = pairs.find_map(|((mode, _), (theirs, ours))| {
                    if theirs.0 != ours.0 {
                        return Some(difference(mode, theirs.0, ours.0));
                    }
                    let what = format!("{mode}, savedefconfig");
                    (theirs.1 != ours.1).then(|| difference(&what, theirs.1, ours.1))
                });
                return Ok((found, false));
            }
        };
        Ok((Some(difference), false))
    }

    fn ours(&self, case: &Case) -> (Made, String) {
        let (model, problems) = kconfig::parse(case, KCONFIG, self.dialect);
        let said: Vec<_> = problems.iter().map(|one| format!("{one:?}")).collect();
        if problems.iter().any(|one| one.severity == Severity::Error) {
            return (None, said.join("\n"));
        }
        let made = MODES.iter().map(|(_, mode)| {
            let written = Config::resolve(&model, *mode, Some(&case.asked)).0.dot_config();
            let mut again = Config::resolve(&model, Mode::OldDefault, Some(&written)).0;
            (written, again.defconfig())
        });
        (Some(made.collect()), said.join("\n"))
    }

    /// What `conf` makes of it, and what it says meanwhile.
    pub(crate) fn theirs(&self, case: &Case) -> std::io::Result<(Made, String)> {
        self.lay_out(case)?;
        let mut made = vec![];
        let mut all_said = String::new();
        for (name, mode) in MODES {
            let (taken, said) = self.conf(name, mode)?;
            all_said = said;
            if !taken {
                return Ok((None, all_said));
            }
            let written = fs::read_to_string(self.folder.join(".config"))?;
            let (taken, said) = self.run(&["--savedefconfig=defconfig"], None)?;
            if !taken {
                return Ok((None, said));
            }
            made.push((written, fs::read_to_string(self.folder.join("defconfig"))?));
        }
        Ok((Some(made), all_said))
    }

    fn lay_out(&self, case: &Case) -> std::io::Result<()> {
        if self.folder.exists() {
            fs::remove_dir_all(&self.folder)?;
        }
        fs::create_dir_all(self.folder.join("include/config"))?;
        // While it is there, conf writes no header.
        fs::write(self.folder.join("include/config/auto.conf"), "")?;
        for (path, text) in &case.files {
            let path = self.folder.join(path);
            path.parent().map_or(Ok(()), fs::create_dir_all)?;
            fs::write(path, text)?;
        }
        fs::write(self.folder.join("asked"), &case.asked)
    }

    fn conf(&self, name: &str, mode: Mode) -> std::io::Result<(bool, String)> {
        let config = self.folder.join(".config");
        match mode {
            Mode::OldDefault => {
                fs::copy(self.folder.join("asked"), config)?;
                self.run(&["--olddefconfig"], None)
            }
            Mode::Default => {
                let _ = fs::remove_file(config);
                self.run(&["--defconfig=asked"], None)
            }
            _ => {
                let _ = fs::remove_file(config);
                self.run(&[&format!("--{name}")], Some("asked"))
            }
        }
    }

    #[expect(clippy::disallowed_methods, reason = "the tool's own shell is another crate's")]
    fn run(&self, args: &[&str], asked: Option<&str>) -> std::io::Result<(bool, String)> {
        let mut run = Command::new(&self.conf);
        run.args(args).arg(KCONFIG).current_dir(&self.folder).env_clear();
        run.env("PATH", "/usr/bin:/bin").stdin(Stdio::null());
        if let Some(asked) = asked {
            run.env("KCONFIG_ALLCONFIG", asked);
        }
        let out = run.output()?;
        Ok((out.status.success(), String::from_utf8_lossy(&out.stderr).into_owned()))
    }
}

fn difference(what: &str, theirs: String, ours: String) -> Difference {
    Difference { what: what.to_owned(), theirs, ours }
}
